//! What a frame's body says: a run of ops, each a tag byte and its fields, big-endian.
//!
//! | tag | op | fields |
//! |---|---|---|
//! | 1 | create scope | name |
//! | 2 | create stream | stream id u32, segments u32, epoch u32, scope, name |
//! | 3 | create table | table id u32, scope, name |
//! | 4 | append | stream id u32, segment number u32, start offset u64, time u64, CRC-32C u32, length u32, framed events |
//! | 5 | put | table id u32, version u64, key (u32 length), value (u32 length) |
//! | 6 | remove | table id u32, version u64, key (u32 length) |
//! | 7 | stage | transaction u64, stream id u32, segment number u32, place u64, CRC-32C u32, length u32, framed events |
//! | 8 | commit staged | transaction u64, version u64, number of table changes u32, time u64, number of segments u32, for each: stream id u32, segment number u32, start offset u64 |
//! | 9 | abort staged | transaction u64 |
//! | 10 | delete scope | name |
//! | 11 | seal stream | stream id u32 |
//! | 12 | delete stream | stream id u32 |
//! | 13 | truncate | stream id u32, segment number u32, offset u64 |
//! | 14 | delete table | table id u32 |
//! | 15 | writer mark | writer u128, event number u64 |
//! | 16 | reserve transactions | the highest id u64 |
//! | 17 | update stream | stream id u32, retention |
//! | 18 | ended | epoch u32, scope, name |
//! | 19 | outcome | transaction u64, version u64, number of table changes u32 |
//! | 20 | whole | see below |
//! | 22 | whole | see below, and how the log goes on behind the file: chain u32, events u64 |
//! | 21 | lost | stream id u32, segment number u32, start offset u64, time u64, length u32 |
//!
//! The last five stand only in files that were compacted: a stream that was deleted, and its last epoch; a transaction
//! that was committed; events that a repair has given up; and, at the end, that the file is whole: number of frames before this u32, the last sequence of what
//! was compacted u64, version u64, transaction id u64, next stream id u32, next table id u32, time u64, none of which is
//! ever to be given again. Tag 20 is of format 2.
//!
//! Names are a u16 length and text. Retention is an age u64 and bytes u64, all ones for none. Times and ages are
//! milliseconds, times since 1970-01-01 00:00 UTC. The checksum of an append or a stage is that of its events, for those
//! who read them without their frame. A stage's place is its offset among the transaction's events for that segment; a
//! commit says where these begin in it.

use bytes::{BufMut, Bytes};
use kulya_store::Retention;
use std::time::Duration;

/// A segment within this folder: stream id and segment number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SegmentKey {
    pub(crate) stream: u32,
    pub(crate) number: u32,
}

/// One op; `'a` is the frame it was read from.
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
        place: u64,
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
    Ended {
        epoch: u32,
        scope: &'a str,
        name: &'a str,
    },
    Outcome {
        transaction: u64,
        version: u64,
        changes: u32,
    },
    Lost {
        segment: SegmentKey,
        start: u64,
        time: u64,
        length: u32,
    },
    Whole {
        frames: u32,
        sequence: u64,
        /// Chain and events at the end of what was compacted; `None` in format 2.
        after: Option<(u32, u64)>,
        version: u64,
        last_transaction: u64,
        next_stream: u32,
        next_table: u32,
        time: u64,
    },
}

/// Writes an op behind the others. For `Append` and `Stage`, gives where in `out` the events begin.
pub(crate) fn put(out: &mut Vec<u8>, op: &Op<'_>) -> usize {
    match op {
        Op::CreateScope { name } => {
            out.put_u8(1);
            put_name(out, name);
        }
        Op::CreateStream { id, segments, epoch, retention, scope, name } => {
            out.put_u8(2);
            out.put_u32(*id);
            out.put_u32(*segments);
            out.put_u32(*epoch);
            put_retention(out, *retention);
            put_name(out, scope);
            put_name(out, name);
        }
        Op::CreateTable { id, scope, name } => {
            out.put_u8(3);
            out.put_u32(*id);
            put_name(out, scope);
            put_name(out, name);
        }
        Op::Append { segment, start, time, checksum, events } => {
            out.put_u8(4);
            put_segment(out, *segment);
            out.put_u64(*start);
            out.put_u64(*time);
            out.put_u32(*checksum);
            return put_events(out, events);
        }
        Op::Put { table, version, key, value } => {
            out.put_u8(5);
            out.put_u32(*table);
            out.put_u64(*version);
            put_bytes(out, key);
            put_bytes(out, value);
        }
        Op::Remove { table, version, key } => {
            out.put_u8(6);
            out.put_u32(*table);
            out.put_u64(*version);
            put_bytes(out, key);
        }
        Op::Stage { transaction, segment, place, checksum, events } => {
            out.put_u8(7);
            out.put_u64(*transaction);
            put_segment(out, *segment);
            out.put_u64(*place);
            out.put_u32(*checksum);
            return put_events(out, events);
        }
        Op::CommitStaged { transaction, version, changes, time, starts } => {
            out.put_u8(8);
            out.put_u64(*transaction);
            out.put_u64(*version);
            out.put_u32(*changes);
            out.put_u64(*time);
            out.put_u32(starts.len() as u32);
            for (segment, start) in starts {
                put_segment(out, *segment);
                out.put_u64(*start);
            }
        }
        Op::AbortStaged { transaction } => {
            out.put_u8(9);
            out.put_u64(*transaction);
        }
        Op::DeleteScope { name } => {
            out.put_u8(10);
            put_name(out, name);
        }
        Op::SealStream { id } => {
            out.put_u8(11);
            out.put_u32(*id);
        }
        Op::DeleteStream { id } => {
            out.put_u8(12);
            out.put_u32(*id);
        }
        Op::Truncate { segment, offset } => {
            out.put_u8(13);
            put_segment(out, *segment);
            out.put_u64(*offset);
        }
        Op::DeleteTable { id } => {
            out.put_u8(14);
            out.put_u32(*id);
        }
        Op::WriterMark { writer, event_number } => {
            out.put_u8(15);
            out.put_u128(*writer);
            out.put_u64(*event_number);
        }
        Op::ReserveTransactions { up_to } => {
            out.put_u8(16);
            out.put_u64(*up_to);
        }
        Op::UpdateStream { id, retention } => {
            out.put_u8(17);
            out.put_u32(*id);
            put_retention(out, *retention);
        }
        Op::Ended { epoch, scope, name } => {
            out.put_u8(18);
            out.put_u32(*epoch);
            put_name(out, scope);
            put_name(out, name);
        }
        Op::Outcome { transaction, version, changes } => {
            out.put_u8(19);
            out.put_u64(*transaction);
            out.put_u64(*version);
            out.put_u32(*changes);
        }
        Op::Lost { segment, start, time, length } => {
            out.put_u8(21);
            put_segment(out, *segment);
            out.put_u64(*start);
            out.put_u64(*time);
            out.put_u32(*length);
        }
        Op::Whole { frames, sequence, after, version, last_transaction, next_stream, next_table, time } => {
            out.put_u8(if after.is_some() { 22 } else { 20 });
            out.put_u32(*frames);
            out.put_u64(*sequence);
            out.put_u64(*version);
            out.put_u64(*last_transaction);
            out.put_u32(*next_stream);
            out.put_u32(*next_table);
            out.put_u64(*time);
            if let Some((chain, events)) = after {
                out.put_u32(*chain);
                out.put_u64(*events);
            }
        }
    }
    out.len()
}

/// Bytes before the events of an append or a stage, at most.
pub(crate) const EVENTS_HEADER_BYTES: usize = 33;

fn put_name(out: &mut Vec<u8>, name: &str) {
    // names are at most 255 bytes
    out.put_u16(name.len() as u16);
    out.put_slice(name.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

fn put_events(out: &mut Vec<u8>, events: &[u8]) -> usize {
    out.put_u32(events.len() as u32);
    let at = out.len();
    out.put_slice(events);
    at
}

fn put_segment(out: &mut Vec<u8>, segment: SegmentKey) {
    out.put_u32(segment.stream);
    out.put_u32(segment.number);
}

fn put_retention(out: &mut Vec<u8>, retention: Retention) {
    out.put_u64(retention.age.map_or(u64::MAX, |age| age.as_millis() as u64));
    out.put_u64(retention.bytes.unwrap_or(u64::MAX));
}

/// Takes ops off the front of a frame's body, one by one.
pub(crate) struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// The next op and, for events, where in the body they begin; `None` at the end; `Err` when the body is not
    /// made of ops.
    pub(crate) fn next(&mut self) -> Result<Option<(Op<'a>, usize)>, ()> {
        if self.at == self.body.len() {
            return Ok(None);
        }
        self.op().map(Some).ok_or(())
    }

    fn op(&mut self) -> Option<(Op<'a>, usize)> {
        let op = match self.take(1)?[0] {
            1 => Op::CreateScope { name: self.name()? },
            2 => Op::CreateStream {
                id: self.u32()?,
                segments: self.u32()?,
                epoch: self.u32()?,
                retention: self.retention()?,
                scope: self.name()?,
                name: self.name()?,
            },
            3 => Op::CreateTable { id: self.u32()?, scope: self.name()?, name: self.name()? },
            4 => Op::Append {
                segment: self.segment()?,
                start: self.u64()?,
                time: self.u64()?,
                checksum: self.u32()?,
                events: self.bytes()?,
            },
            5 => {
                Op::Put { table: self.u32()?, version: self.u64()?, key: self.bytes()?, value: self.bytes()? }
            }
            6 => Op::Remove { table: self.u32()?, version: self.u64()?, key: self.bytes()? },
            7 => Op::Stage {
                transaction: self.u64()?,
                segment: self.segment()?,
                place: self.u64()?,
                checksum: self.u32()?,
                events: self.bytes()?,
            },
            8 => Op::CommitStaged {
                transaction: self.u64()?,
                version: self.u64()?,
                changes: self.u32()?,
                time: self.u64()?,
                // an iterator of options collects no more than the body has
                starts: (0..self.u32()?)
                    .map(|_| Some((self.segment()?, self.u64()?)))
                    .collect::<Option<_>>()?,
            },
            9 => Op::AbortStaged { transaction: self.u64()? },
            10 => Op::DeleteScope { name: self.name()? },
            11 => Op::SealStream { id: self.u32()? },
            12 => Op::DeleteStream { id: self.u32()? },
            13 => Op::Truncate { segment: self.segment()?, offset: self.u64()? },
            14 => Op::DeleteTable { id: self.u32()? },
            15 => Op::WriterMark { writer: self.u128()?, event_number: self.u64()? },
            16 => Op::ReserveTransactions { up_to: self.u64()? },
            17 => Op::UpdateStream { id: self.u32()?, retention: self.retention()? },
            18 => Op::Ended { epoch: self.u32()?, scope: self.name()?, name: self.name()? },
            19 => Op::Outcome { transaction: self.u64()?, version: self.u64()?, changes: self.u32()? },
            21 => Op::Lost {
                segment: self.segment()?,
                start: self.u64()?,
                time: self.u64()?,
                length: self.u32()?,
            },
            20 => self.whole()?,
            22 => match self.whole()? {
                Op::Whole {
                    frames,
                    sequence,
                    version,
                    last_transaction,
                    next_stream,
                    next_table,
                    time,
                    ..
                } => {
                    let after = Some((self.u32()?, self.u64()?));
                    Op::Whole {
                        frames,
                        sequence,
                        after,
                        version,
                        last_transaction,
                        next_stream,
                        next_table,
                        time,
                    }
                }
                _ => return None,
            },
            _ => return None,
        };
        let events = match &op {
            Op::Append { events, .. } | Op::Stage { events, .. } => events.len(),
            _ => 0,
        };
        Some((op, self.at - events))
    }

    fn whole(&mut self) -> Option<Op<'a>> {
        Some(Op::Whole {
            frames: self.u32()?,
            sequence: self.u64()?,
            after: None,
            version: self.u64()?,
            last_transaction: self.u64()?,
            next_stream: self.u32()?,
            next_table: self.u32()?,
            time: self.u64()?,
        })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.body.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.take(16)?.try_into().ok().map(u128::from_be_bytes)
    }

    fn name(&mut self) -> Option<&'a str> {
        let length = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        std::str::from_utf8(self.take(usize::from(length))?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    fn retention(&mut self) -> Option<Retention> {
        let mut limit = || self.u64().map(|limit| (limit != u64::MAX).then_some(limit));
        Some(Retention { age: limit()?.map(Duration::from_millis), bytes: limit()? })
    }

    fn segment(&mut self) -> Option<SegmentKey> {
        Some(SegmentKey { stream: self.u32()?, number: self.u32()? })
    }
}

/// The table side of an op, as the state keeps it.
pub(crate) fn owned(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ops_read_back_with_the_place_of_their_events() {
        let segment = SegmentKey { stream: 2, number: 1 };
        let retention = Retention { age: Some(Duration::from_millis(5)), bytes: Some(6) };
        let ops = [
            Op::CreateScope { name: "shop" },
            Op::CreateStream { id: 2, segments: 4, epoch: 1, retention, scope: "shop", name: "orders" },
            Op::CreateTable { id: 1, scope: "shop", name: "t" },
            Op::Append { segment, start: 7, time: 8, checksum: 9, events: b"events" },
            Op::Put { table: 1, version: 9, key: b"k", value: b"" },
            Op::Remove { table: 1, version: 10, key: b"k" },
            Op::Stage { transaction: 5, segment, place: 3, checksum: 4, events: b"staged" },
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
            Op::Ended { epoch: 3, scope: "shop", name: "orders" },
            Op::Outcome { transaction: 5, version: 6, changes: 7 },
            Op::Lost { segment, start: 5, time: 6, length: 7 },
            Op::Whole {
                frames: 1,
                sequence: 2,
                after: None,
                version: 3,
                last_transaction: 4,
                next_stream: 5,
                next_table: 6,
                time: 7,
            },
            Op::Whole {
                frames: 1,
                sequence: 2,
                after: Some((3, 4)),
                version: 5,
                last_transaction: 6,
                next_stream: 7,
                next_table: 8,
                time: 9,
            },
        ];
        let mut body = Vec::new();
        let places: Vec<_> = ops.iter().map(|op| put(&mut body, op)).collect();
        let mut reader = Reader::new(&body);
        for (op, place) in ops.iter().zip(places) {
            let (read, at) = reader.next().unwrap().unwrap();
            assert_eq!(read, *op);
            assert_eq!(at, place, "{op:?}");
        }
        assert_eq!(reader.next(), Ok(None));
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(body: Vec<u8>) {
            let mut reader = Reader::new(&body);
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
