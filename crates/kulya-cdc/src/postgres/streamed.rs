//! Decoder of what protocol version 2 of `pgoutput` adds: parts of transactions that have not ended. The log
//! has them in blocks between a start and a stop, each message with the id of its subtransaction; a commit or
//! an abort follows. It accepts any bytes without panics.

use bytes::Buf;

/// A message about a transaction that is streamed in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamControl {
    /// A block of a transaction's messages follows.
    Start {
        xid: u32,
        /// Whether it is the transaction's first block.
        is_first: bool,
    },
    /// The block ends.
    Stop,
    /// The transaction was committed.
    Commit(StreamCommit),
    /// A subtransaction was rolled back; the whole transaction if the ids are equal.
    Abort { xid: u32, subxid: u32 },
}

/// The commit of a transaction that was streamed in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamCommit {
    pub(crate) xid: u32,
    /// The log position of the commit record.
    pub(crate) commit_lsn: u64,
    /// The log position after the commit record.
    pub(crate) end_lsn: u64,
    /// The time of the commit in microseconds since 2000-01-01.
    pub(crate) committed_micros: i64,
}

/// A message of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamedMessage<'a> {
    /// The kind of the message, as outside of blocks.
    pub(crate) kind: u8,
    /// The id of the subtransaction.
    pub(crate) subxid: u32,
    /// What follows the kind outside of blocks.
    pub(crate) body: &'a [u8],
}

impl StreamedMessage<'_> {
    /// Returns the number of the table that the message describes; `None` for other messages.
    pub(crate) fn described_relation(&self) -> Option<u32> {
        (self.kind == b'R').then_some(())?;
        Some(u32::from_be_bytes(*self.body.first_chunk()?))
    }
}

/// Returns whether a message is a [`StreamControl`], by its kind.
pub(crate) fn is_control(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'S' | b'E' | b'c' | b'A'))
}

/// Decodes a message about a streamed transaction; `None` for malformed bytes.
pub(crate) fn decode_control(mut bytes: &[u8]) -> Option<StreamControl> {
    let input = &mut bytes;
    let control = match input.try_get_u8().ok()? {
        b'S' => {
            StreamControl::Start { xid: input.try_get_u32().ok()?, is_first: input.try_get_u8().ok()? == 1 }
        }
        b'E' => StreamControl::Stop,
        b'c' => {
            let (xid, _flags) = (input.try_get_u32().ok()?, input.try_get_u8().ok()?);
            StreamControl::Commit(StreamCommit {
                xid,
                commit_lsn: input.try_get_u64().ok()?,
                end_lsn: input.try_get_u64().ok()?,
                committed_micros: input.try_get_i64().ok()?,
            })
        }
        b'A' => StreamControl::Abort { xid: input.try_get_u32().ok()?, subxid: input.try_get_u32().ok()? },
        _ => return None,
    };
    input.is_empty().then_some(control)
}

/// Takes a message of a block apart; `None` for a message without events, and for malformed bytes.
pub(crate) fn split(bytes: &[u8]) -> Option<StreamedMessage<'_>> {
    let (&kind, rest) = bytes.split_first()?;
    matches!(kind, b'R' | b'I' | b'U' | b'D' | b'T' | b'M').then_some(())?;
    let (subxid, body) = rest.split_first_chunk()?;
    Some(StreamedMessage { kind, subxid: u32::from_be_bytes(*subxid), body })
}

/// Returns whether a message of a block gives no events: the description of a type, the name of an origin.
pub(crate) fn is_ignored(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'Y' | b'O'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_messages_are_decoded() {
        let (seven, lsn) = (7u32.to_be_bytes(), 9u64.to_be_bytes());
        let commit = StreamCommit { xid: 7, commit_lsn: 9, end_lsn: 9, committed_micros: 9 };
        for (parts, expected) in [
            (vec![b"S".as_slice(), &seven, b"\x01"], Some(StreamControl::Start { xid: 7, is_first: true })),
            (vec![b"S", &seven, b"\0"], Some(StreamControl::Start { xid: 7, is_first: false })),
            (vec![b"E"], Some(StreamControl::Stop)),
            (vec![b"c", &seven, b"\0", &lsn, &lsn, &lsn], Some(StreamControl::Commit(commit))),
            (vec![b"A", &seven, &8u32.to_be_bytes()], Some(StreamControl::Abort { xid: 7, subxid: 8 })),
            (vec![b"S", &seven], None),
            (vec![b"E\0"], None),
            (vec![b"A", &seven, &seven, &lsn, &lsn], None),
            (vec![b"I", &seven], None),
        ] {
            let bytes = parts.concat();
            assert_eq!(decode_control(&bytes), expected, "{bytes:?}");
            assert!(expected.is_none() || is_control(&bytes));
        }
    }

    #[test]
    fn messages_of_blocks_have_the_id_of_their_subtransaction() {
        let found = split(b"R\0\0\0\x08\0\0\0\x07rest").unwrap();
        assert_eq!((found.kind, found.subxid, found.body), (b'R', 8, &b"\0\0\0\x07rest"[..]));
        assert_eq!(found.described_relation(), Some(7));
        assert_eq!(split(b"I\0\0\0\x08\0\0\0\x07").unwrap().described_relation(), None);
        for bad in [&b""[..], b"I", b"I\0\0\0", b"E", b"Y\0\0\0\x08", b"B\0\0\0\x08"] {
            assert_eq!(split(bad), None, "{bad:?}");
        }
        assert!(is_ignored(b"Y\0\0\0\x08") && is_ignored(b"O") && !is_ignored(b"I"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_rejected(kind in prop::sample::select(b"SEcARIUDTMYO".to_vec()), bytes: Vec<u8>) {
            let message = [&[kind], &bytes[..]].concat();
            let _ = (decode_control(&message), is_ignored(&message));
            if let Some(split) = split(&message) {
                let _ = split.described_relation();
                prop_assert_eq!(split.body.len() + 5, message.len());
            }
        }
    }
}
