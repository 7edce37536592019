//! The ops in the body of a frame. Each op is a tag byte followed by its fields, big-endian.
//!
//! | tag | op | fields |
//! |---|---|---|
//! | 1 | create scope | name |
//! | 2 | create stream | stream id u32, segments u32, epoch u32, retention, scope, name |
//! | 3 | create table | table id u32, scope, name |
//! | 4 | append | segment, start offset u64, time u64, CRC-32C u32, length u32, framed events |
//! | 5 | put | table id u32, version u64, key (u32 length), value (u32 length) |
//! | 6 | remove | table id u32, version u64, key (u32 length) |
//! | 7 | stage | transaction u64, segment, offset u64, CRC-32C u32, length u32, framed events |
//! | 8 | commit staged | transaction u64, version u64, number of table changes u32, time u64, starts |
//! | 9 | abort staged | transaction u64 |
//! | 10 | delete scope | name |
//! | 11 | seal stream | stream id u32 |
//! | 12 | delete stream | stream id u32 |
//! | 13 | truncate | segment, offset u64 |
//! | 14 | delete table | table id u32 |
//! | 15 | writer mark | writer u128, event number u64 |
//! | 16 | reserve transactions | the highest id u64 |
//! | 17 | update stream | stream id u32, retention |
//! | 18 | deleted epoch | epoch u32, scope, name |
//! | 19 | outcome | transaction u64, version u64, number of table changes u32 |
//! | 20 | footer (format 2) | see below |
//! | 21 | lost events | segment, start offset u64, time u64, length u32 |
//! | 22 | footer | see below, then the log end after the file: chain u32, events u64 |
//!
//! Ops 18 to 22 are in compacted files only: the last epoch of a deleted stream; the outcome of a committed
//! transaction; events that a repair has dropped; and the footer, which ends the file: the number of frames
//! before this one u32, the last sequence of the compacted files u64, and the counters version u64,
//! transaction id u64, next stream id u32, next table id u32, time u64, whose values must not be reused.
//!
//! A segment is a stream id u32 and a segment number u32. Starts are a count u32 and, for each, a segment
//! and a start offset u64. Names are a u16 length and text. Retention is an age u64 and bytes u64, all ones
//! for unlimited. Times and ages are in milliseconds, times since 1970-01-01 00:00 UTC. The checksum of an
//! append or a stage covers its events, for readers that read them without their frame. The offset of a
//! stage is relative to the transaction's events for that segment; the commit has the offset at which these
//! start in the segment.

mod decode;
mod encode;

pub(crate) use decode::OpReader;
pub(crate) use encode::{encode, encode_with_events};

use bytes::Bytes;
use kulya_store::Retention;

/// The key of a segment in this store: stream id and segment number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SegmentKey {
    pub(crate) stream: u32,
    pub(crate) number: u32,
}

/// An op; `'a` is the lifetime of the frame body it was decoded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    CreateScope {
        name: &'a str,
    },
    CreateStream {
        id: u32,
        segments: u32,
        epoch: u32,
        retention: Retention,
        scope: &'a str,
        name: &'a str,
    },
    CreateTable {
        id: u32,
        scope: &'a str,
        name: &'a str,
    },
    Append {
        segment: SegmentKey,
        start: u64,
        time: u64,
        checksum: u32,
        events: &'a [u8],
    },
    Put {
        table: u32,
        version: u64,
        key: &'a [u8],
        value: &'a [u8],
    },
    Remove {
        table: u32,
        version: u64,
        key: &'a [u8],
    },
    Stage {
        transaction: u64,
        segment: SegmentKey,
        offset: u64,
        checksum: u32,
        events: &'a [u8],
    },
    CommitStaged {
        transaction: u64,
        version: u64,
        changes: u32,
        time: u64,
        starts: Vec<(SegmentKey, u64)>,
    },
    AbortStaged {
        transaction: u64,
    },
    DeleteScope {
        name: &'a str,
    },
    SealStream {
        id: u32,
    },
    DeleteStream {
        id: u32,
    },
    Truncate {
        segment: SegmentKey,
        offset: u64,
    },
    DeleteTable {
        id: u32,
    },
    WriterMark {
        writer: u128,
        event_number: u64,
    },
    ReserveTransactions {
        up_to: u64,
    },
    UpdateStream {
        id: u32,
        retention: Retention,
    },
    DeletedEpoch {
        epoch: u32,
        scope: &'a str,
        name: &'a str,
    },
    Outcome {
        transaction: u64,
        version: u64,
        changes: u32,
    },
    LostEvents {
        segment: SegmentKey,
        start: u64,
        time: u64,
        length: u32,
    },
    Footer {
        frames: u32,
        sequence: u64,
        /// Chain and events at the end of the compacted files; `None` in format 2.
        log_end: Option<(u32, u64)>,
        version: u64,
        last_transaction: u64,
        next_stream: u32,
        next_table: u32,
        time: u64,
    },
}

/// The maximum encoded size of an append or a stage before its events, in bytes.
pub(crate) const EVENTS_HEADER_BYTES: usize = 33;

/// Copies bytes of an op for the state.
pub(crate) fn copy_bytes(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn ops_round_trip_with_the_position_of_their_events() {
        let segment = SegmentKey { stream: 2, number: 1 };
        let retention = Retention { age: Some(Duration::from_millis(5)), bytes: Some(6) };
        let ops = [
            Op::CreateScope { name: "shop" },
            Op::CreateStream { id: 2, segments: 4, epoch: 1, retention, scope: "shop", name: "orders" },
            Op::CreateTable { id: 1, scope: "shop", name: "t" },
            Op::Append { segment, start: 7, time: 8, checksum: 9, events: b"events" },
            Op::Put { table: 1, version: 9, key: b"k", value: b"" },
            Op::Remove { table: 1, version: 10, key: b"k" },
            Op::Stage { transaction: 5, segment, offset: 3, checksum: 4, events: b"staged" },
            Op::CommitStaged {
                transaction: 5,
                version: 11,
                changes: 2,
                time: 12,
                starts: vec![(segment, 100)],
            },
            Op::AbortStaged { transaction: 6 },
            Op::DeleteScope { name: "shop" },
            Op::SealStream { id: 2 },
            Op::DeleteStream { id: 2 },
            Op::Truncate { segment, offset: 1 << 40 },
            Op::DeleteTable { id: 1 },
            Op::WriterMark { writer: 1 << 100, event_number: 3 },
            Op::ReserveTransactions { up_to: 1 << 33 },
            Op::UpdateStream { id: 2, retention: Retention::default() },
            Op::DeletedEpoch { epoch: 3, scope: "shop", name: "orders" },
            Op::Outcome { transaction: 5, version: 6, changes: 7 },
            Op::LostEvents { segment, start: 5, time: 6, length: 7 },
            Op::Footer {
                frames: 1,
                sequence: 2,
                log_end: None,
                version: 3,
                last_transaction: 4,
                next_stream: 5,
                next_table: 6,
                time: 7,
            },
            Op::Footer {
                frames: 1,
                sequence: 2,
                log_end: Some((3, 4)),
                version: 5,
                last_transaction: 6,
                next_stream: 7,
                next_table: 8,
                time: 9,
            },
        ];
        let mut body = Vec::new();
        let positions: Vec<_> = ops.iter().map(|op| encode(&mut body, op)).collect();
        let mut reader = OpReader::new(&body);
        for (op, position) in ops.iter().zip(positions) {
            let (read, at) = reader.next().unwrap().unwrap();
            assert_eq!(read, *op);
            assert_eq!(at, position, "{op:?}");
        }
        assert_eq!(reader.next(), Ok(None));
    }

    proptest! {
        #[test]
        fn any_body_is_decoded_or_rejected(body: Vec<u8>) {
            let mut reader = OpReader::new(&body);
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
