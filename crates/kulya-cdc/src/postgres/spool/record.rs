//! The records of a spool: a message of the log with its position and its subtransaction, and a checksum over
//! them. Pure functions on bytes.

use bytes::Buf;

/// The size of a record without the message, in bytes.
pub(super) const HEADER_BYTES: usize = 24;
/// The maximum size of a message in bytes; larger ones have arrived cut.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// What a record says of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The id of the subtransaction.
    pub(crate) subxid: u32,
    /// The log position of the message.
    pub(crate) lsn: u64,
    /// The whole length of the message, if only its beginning was kept.
    pub(crate) cut_from: Option<u32>,
}

/// A record of a spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) header: Header,
    /// The message, as outside of blocks.
    pub(crate) message: &'a [u8],
}

/// The beginning of what may be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A record, and its size in bytes.
    Whole(Header, usize),
    /// More bytes are needed: so many at least in total.
    Incomplete(usize),
    /// The bytes are not what was written.
    Damaged,
}

/// Returns the beginning of a record, which its message follows in two parts.
pub(super) fn header(header: Header, first: u8, body: &[u8]) -> [u8; HEADER_BYTES + 1] {
    let mut bytes = [0; HEADER_BYTES + 1];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(0, &(body.len() as u32 + 1).to_le_bytes());
    put(8, &header.subxid.to_le_bytes());
    put(12, &header.lsn.to_le_bytes());
    put(20, &header.cut_from.unwrap_or(0).to_le_bytes());
    put(24, &[first]);
    let crc = checksum(&bytes[..4], &bytes[8..], body);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn checksum(length: &[u8], rest: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(length), rest), body)
}

/// Parses the record at the beginning of some bytes.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let Some((mut head, rest)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Parsed::Incomplete(HEADER_BYTES);
    };
    let described = head.get(8..).unwrap_or_default();
    let length_bytes = head.get(..4).unwrap_or_default();
    let length = head.get_u32_le() as usize;
    if length == 0 || length > MAX_MESSAGE_BYTES {
        return Parsed::Damaged;
    }
    let Some(message) = rest.get(..length) else { return Parsed::Incomplete(HEADER_BYTES + length) };
    if head.get_u32_le() != checksum(length_bytes, described, message) {
        return Parsed::Damaged;
    }
    let (subxid, lsn) = (head.get_u32_le(), head.get_u64_le());
    let cut_from = Some(head.get_u32_le()).filter(|length| *length > 0);
    Parsed::Whole(Header { subxid, lsn, cut_from }, HEADER_BYTES + length)
}

/// Returns the message of a record of `size` bytes.
pub(super) fn message(bytes: &[u8], size: usize) -> &[u8] {
    bytes.get(HEADER_BYTES..size).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_are_read_as_written(subxid: u32, lsn: u64, cut: u32, message in prop::collection::vec(any::<u8>(), 1..50)) {
            let described = Header { subxid, lsn, cut_from: Some(cut).filter(|cut| *cut > 0) };
            let mut bytes = header(described, message[0], &message[1..]).to_vec();
            bytes.extend_from_slice(&message[1..]);
            let size = bytes.len();
            prop_assert_eq!(parse(&bytes), Parsed::Whole(described, size));
            prop_assert_eq!(super::message(&bytes, size), &message[..]);
            for length in 0..size {
                prop_assert!(matches!(parse(&bytes[..length]), Parsed::Incomplete(_)));
            }
            for index in 0..size {
                let mut damaged = bytes.clone();
                damaged[index] ^= 1;
                prop_assert!(!matches!(parse(&damaged), Parsed::Whole(..)), "byte {}", index);
            }
        }

        #[test]
        fn any_bytes_are_parsed_or_rejected(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
