//! GTID_TAGGED (MySQL 8.3): the start of a transaction whose id has a tag, in MySQL's serialization format:
//! fields with numbers, integers of one to nine bytes.

use super::error::BinlogError;
use super::reader::{Reader, utf8};
use super::transaction::{TransactionStart, gtid};
use crate::mysql::gtid::{GtidSource, ServerUuid};

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a tagged transaction id";
/// The last field of MySQL 9.
const LAST_KNOWN_FIELD: u64 = 11;

/// The fields, before they are checked.
#[derive(Default)]
struct Fields {
    flags: u64,
    uuid: [u8; 16],
    number: i64,
    tag: String,
    last_committed: i64,
    sequence_number: i64,
    immediate_commit_micros: Option<u64>,
    original_commit_micros: Option<u64>,
    transaction_length: Option<u64>,
    immediate_server_version: Option<u64>,
    original_server_version: Option<u64>,
}

/// Decodes an event's bytes after the header.
pub(super) fn decode(body: &[u8]) -> Result<TransactionStart> {
    let mut reader = Reader::new(body);
    // the format's version, which is 1, the message's length, and the last field a reader has to know
    let version = unsigned(&mut reader)?;
    unsigned(&mut reader)?;
    let last_required = unsigned(&mut reader)?;
    if version != 1 || last_required > LAST_KNOWN_FIELD {
        return Err(BinlogError::malformed(PART));
    }
    let mut fields = Fields::default();
    while !reader.is_empty() {
        // fields after the known ones are ignorable, as checked above
        if !fields.read(&mut reader)? {
            break;
        }
    }
    fields.check()
}

impl Fields {
    /// Reads a field; false for an unknown one.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<bool> {
        match unsigned(reader)? {
            0 => self.flags = unsigned(reader)?,
            1 => {
                for byte in &mut self.uuid {
                    *byte = u8::try_from(unsigned(reader)?).map_err(|_| BinlogError::malformed(PART))?;
                }
            }
            2 => self.number = signed(reader)?,
            3 => {
                let length = usize::try_from(unsigned(reader)?).map_err(|_| BinlogError::malformed(PART))?;
                self.tag = utf8(reader.take(length, PART)?, PART)?.to_owned();
            }
            4 => self.last_committed = signed(reader)?,
            5 => self.sequence_number = signed(reader)?,
            6 => self.immediate_commit_micros = Some(unsigned(reader)?),
            7 => self.original_commit_micros = Some(unsigned(reader)?),
            8 => self.transaction_length = Some(unsigned(reader)?),
            9 => self.immediate_server_version = Some(unsigned(reader)?),
            10 => self.original_server_version = Some(unsigned(reader)?),
            LAST_KNOWN_FIELD => _ = unsigned(reader)?, // the ticket of the group of commits
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(self) -> Result<TransactionStart> {
        let invalid = |_| BinlogError::malformed(PART);
        let tag = self.tag.as_str();
        let tag =
            if tag.is_empty() { None } else { Some(tag.parse().map_err(|_| BinlogError::malformed(PART))?) };
        let source = GtidSource { uuid: ServerUuid(self.uuid), tag };
        let version = |version: Option<u64>| version.map(u32::try_from).transpose().map_err(invalid);
        let immediate_server_version = version(self.immediate_server_version)?;
        Ok(TransactionStart {
            gtid: gtid(false, source, u64::try_from(self.number).map_err(invalid)?)?,
            may_have_statements: self.flags & 1 != 0,
            last_committed: self.last_committed,
            sequence_number: self.sequence_number,
            immediate_commit_micros: self.immediate_commit_micros,
            original_commit_micros: self.original_commit_micros.or(self.immediate_commit_micros),
            transaction_length: self.transaction_length,
            immediate_server_version,
            original_server_version: version(self.original_server_version)?.or(immediate_server_version),
        })
    }
}

/// Reads an integer: the count of ones at the end of the first byte is that of further bytes; the bits after
/// the ones and a zero are the value, lowest first. Nine bytes have no zero and the value in the last eight.
fn unsigned(reader: &mut Reader<'_>) -> Result<u64> {
    let first = reader.u8(PART)?;
    let further = first.trailing_ones() as usize;
    let high = reader.uint(further, PART)?;
    if further >= 7 {
        return Ok(high);
    }
    let low_bits = 7 - further;
    Ok(high << low_bits | u64::from(first) >> (further + 1))
}

/// Reads an integer whose lowest bit is the sign; a negative number is stored as its complement.
fn signed(reader: &mut Reader<'_>) -> Result<i64> {
    let bits = unsigned(reader)?;
    let magnitude = (bits >> 1) as i64;
    Ok(if bits & 1 == 0 { magnitude } else { !magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_one_to_nine_bytes() {
        for (bytes, value) in [
            (&[0x00][..], 0u64),
            (&[0x04], 2),
            (&[0xfe], 127),
            (&[0x01, 0x02], 128),
            (&[0x5d, 0x03], 215),
            (&[0xc3, 0x02, 0x0b], 90_200),
            (&[0xfb, 0xff, 0x07], 65_535),
            (&[0x7f, 0x39, 0x7d, 0x89, 0x70, 0xdb, 0x2d, 0x06], 1_739_270_369_410_361),
            (&[0xff, 1, 0, 0, 0, 0, 0, 0, 0x80], 1 << 63 | 1),
        ] {
            let mut reader = Reader::new(bytes);
            assert_eq!(unsigned(&mut reader), Ok(value), "{bytes:x?}");
            assert!(reader.is_empty(), "{bytes:x?}");
            assert!(unsigned(&mut Reader::new(&bytes[..bytes.len() - 1])).is_err());
        }
        for (bytes, value) in
            [(&[0x04][..], 1), (&[0xd9, 0x03], 123), (&[0x02], -1), (&[0xfb, 0xff, 0x0f], -65_536)]
        {
            assert_eq!(signed(&mut Reader::new(bytes)), Ok(value), "{bytes:x?}");
        }
    }
}
