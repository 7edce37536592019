//! The format of the journal: the messages in a [`Block`] and their encoding. Specified in
//! `docs/spec/pravega-journal.md`.
//!
//! A block is one event of the journal's segment, in Pravega's frame. Field numbers never change their
//! meaning.

use bytes::{Bytes, BytesMut};
pub(crate) use kulya_store::log_backend::message::{Change, Empty, Name};
use kulya_store::{Error, ErrorKind, Result, SegmentId, TableId, Version, WriterId, WriterMark, framing};
use prost::Message;

/// The maximum size of a block in bytes: what a segment store accepts in one append, less space for its
/// header.
pub(crate) const MAX_BLOCK_BYTES: usize = 15 << 20;
/// The maximum number of records per block: a record id has 12 bits for it.
pub(crate) const MAX_RECORDS: usize = 1 << 12;
/// The maximum number of batches per block, those of its transactions included: a batch number has 24 bits
/// for it.
pub(crate) const MAX_BATCHES: usize = 1 << 24;

/// The unit of writing to the journal: events by segment, and records.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Block {
    /// The instance id of the process that wrote it, upper half; the lower half follows.
    #[prost(fixed64, tag = "1")]
    pub(crate) instance_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) instance_low: u64,
    /// The events of its commits, by segment.
    #[prost(message, repeated, tag = "3")]
    pub(crate) batches: Vec<SegmentBatch>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) records: Vec<Record>,
    /// The number of its process's attempt to append a block: increases, and determines the numbers of its
    /// batches.
    #[prost(fixed64, tag = "5")]
    pub(crate) sequence: u64,
}

/// Events of one segment.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentBatch {
    /// The name of the segment, without the namespace.
    #[prost(string, tag = "1")]
    pub(crate) segment: String,
    #[prost(uint32, tag = "2")]
    pub(crate) count: u32,
    /// The framed events as they are appended to the segment.
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) frames: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(oneof = "Op", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(crate) op: Option<Op>,
}

/// An operation on the state.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Op {
    #[prost(message, tag = "1")]
    Commit(CommitRecord),
    /// Begins a transaction, whose id is the id of the record.
    #[prost(message, tag = "2")]
    Begin(Empty),
    /// Stages events of a transaction, invisible until its commit.
    #[prost(message, tag = "3")]
    Stage(StagedPart),
    /// Aborts a transaction.
    #[prost(fixed64, tag = "4")]
    Abort(u64),
    /// Seals a stream.
    #[prost(message, tag = "5")]
    Seal(Name),
    #[prost(message, tag = "6")]
    CreateTable(Name),
    #[prost(message, tag = "7")]
    DeleteTable(Name),
    /// A chunk of the state as of the start of a checkpoint.
    #[prost(message, tag = "8")]
    Snapshot(SnapshotChunk),
    /// Completes a checkpoint: recovery from `at` on needs nothing before it.
    #[prost(message, tag = "9")]
    Checkpoint(Checkpoint),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CommitRecord {
    #[prost(message, repeated, tag = "1")]
    pub(crate) changes: Vec<Change>,
    #[prost(message, optional, tag = "2")]
    pub(crate) writer: Option<WriterMarkRecord>,
    /// The transaction whose events become visible; 0 for none.
    #[prost(fixed64, tag = "3")]
    pub(crate) transaction: u64,
    /// Whether the transaction's outcome is remembered: not for one that only carried a large commit.
    #[prost(bool, tag = "4")]
    pub(crate) remember_outcome: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StagedPart {
    #[prost(fixed64, tag = "1")]
    pub(crate) transaction: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) batches: Vec<SegmentBatch>,
}

/// A writer, and the sequence number of its commit.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WriterMarkRecord {
    #[prost(fixed64, tag = "1")]
    pub(crate) high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) low: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) number: u64,
}

/// A chunk of the state: tables with entries, writers in the order of their last commits, outcomes, open
/// transactions.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SnapshotChunk {
    /// The journal offset of the state.
    #[prost(fixed64, tag = "1")]
    pub(crate) at: u64,
    /// The number of the chunk, from 0.
    #[prost(uint32, tag = "2")]
    pub(crate) number: u32,
    #[prost(message, repeated, tag = "3")]
    pub(crate) tables: Vec<Name>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) entries: Vec<EntrySnapshot>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) writers: Vec<WriterMarkRecord>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) outcomes: Vec<OutcomeSnapshot>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) open: Vec<TransactionSnapshot>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EntrySnapshot {
    #[prost(message, optional, tag = "1")]
    pub(crate) table: Option<Name>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) value: Bytes,
    #[prost(fixed64, tag = "4")]
    pub(crate) version: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OutcomeSnapshot {
    #[prost(fixed64, tag = "1")]
    pub(crate) transaction: u64,
    /// All changes of a commit have one version.
    #[prost(fixed64, tag = "2")]
    pub(crate) version: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) changes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TransactionSnapshot {
    #[prost(fixed64, tag = "1")]
    pub(crate) transaction: u64,
    /// The blocks that hold its staged events: their offsets, and their lengths.
    #[prost(fixed64, repeated, tag = "2")]
    pub(crate) offsets: Vec<u64>,
    #[prost(uint32, repeated, tag = "3")]
    pub(crate) lengths: Vec<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Checkpoint {
    #[prost(fixed64, tag = "1")]
    pub(crate) at: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) chunks: u32,
}

impl Block {
    pub(crate) fn new(instance: u128) -> Self {
        Self { instance_high: (instance >> 64) as u64, instance_low: instance as u64, ..Self::default() }
    }

    pub(crate) fn instance(&self) -> u128 {
        u128::from(self.instance_high) << 64 | u128::from(self.instance_low)
    }

    /// Encodes the block, frame included.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let body = self.encode_to_vec();
        let mut out = BytesMut::with_capacity(framing::HEADER_BYTES + body.len());
        framing::put(&mut out, &body);
        out.freeze()
    }

    /// Returns the length of a block's body from a frame's header; `None` when it is not valid.
    pub(crate) fn body_len(header: &[u8; framing::HEADER_BYTES]) -> Option<usize> {
        let [0, 0, 0, 0, length @ ..] = header else { return None };
        usize::try_from(i32::from_be_bytes(*length)).ok().filter(|length| *length <= MAX_BLOCK_BYTES)
    }

    /// Decodes a block's body. Arbitrary bytes give a block or an error.
    ///
    /// # Errors
    /// `Corrupt` when it is not a block.
    pub(crate) fn from_body(offset: u64, body: Bytes) -> Result<Self> {
        Self::decode(body).map_err(|e| corrupt_journal(offset).because(e))
    }

    /// Returns the id of a record, which is the version of its changes or the id of its transaction: made of
    /// the block's offset and the record's index.
    pub(crate) fn record_id(offset: u64, record: usize) -> u64 {
        (offset << 12 | record as u64) + 1
    }

    /// Returns the event number under which a batch is appended to its segment.
    pub(crate) fn batch_number(&self, index: usize) -> i64 {
        (self.sequence as i64) << 24 | (index as i64 + 1)
    }
}

/// Returns the error for content of the journal that no store wrote.
pub(crate) fn corrupt_journal(offset: u64) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("journal corrupt at offset {offset}: written by another program or a later version of kulya"),
    )
}

impl SegmentBatch {
    pub(crate) fn segment(&self, offset: u64) -> Result<SegmentId> {
        self.segment.parse().map_err(|e: Error| corrupt_journal(offset).because(e))
    }
}

impl WriterMarkRecord {
    pub(crate) fn of(mark: WriterMark) -> Self {
        let WriterId(writer) = mark.writer;
        Self { high: (writer >> 64) as u64, low: writer as u64, number: mark.event_number }
    }

    pub(crate) fn mark(&self) -> WriterMark {
        let writer = WriterId(u128::from(self.high) << 64 | u128::from(self.low));
        WriterMark { writer, event_number: self.number }
    }
}

impl EntrySnapshot {
    pub(crate) fn new(table: &TableId, key: &Bytes, value: &Bytes, version: Version) -> Self {
        Self {
            table: Some(Name::of_table(table)),
            key: key.clone(),
            value: value.clone(),
            version: version.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::StreamId;
    use proptest::prelude::*;

    #[test]
    fn a_block_round_trips() {
        let mut block = Block::new(7 << 100 | 3);
        let segment = StreamId::new("s", "t").unwrap().segment(2);
        block.batches.push(SegmentBatch {
            segment: segment.to_string(),
            count: 1,
            frames: framing::frame(b"e"),
        });
        block.records.push(Record { op: Some(Op::Abort(9)) });
        let bytes = block.to_bytes();
        let (header, body) = bytes.split_first_chunk().unwrap();
        assert_eq!(Block::body_len(header), Some(body.len()));
        let back = Block::from_body(0, bytes.slice(framing::HEADER_BYTES..)).unwrap();
        assert_eq!((back.instance(), back.batches[0].segment(0).unwrap()), (7 << 100 | 3, segment));
        assert_eq!(back, block);
    }

    #[test]
    fn record_ids_and_batch_numbers_increase() {
        let marks = [Block::record_id(0, 0), Block::record_id(0, MAX_RECORDS - 1), Block::record_id(1, 0)];
        assert!(marks[0] > 0 && marks.is_sorted_by(|a, b| a < b), "{marks:?}");
        let number = |sequence, index| Block { sequence, ..Block::default() }.batch_number(index);
        let numbers = [number(1, 0), number(1, MAX_BATCHES - 2), number(2, 0)];
        assert!(numbers[0] > 0 && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_block_or_an_error(bytes: Vec<u8>, header: [u8; 8]) {
            let _ = Block::body_len(&header);
            if let Ok(block) = Block::from_body(0, bytes.into()) {
                block.batches.iter().for_each(|batch| _ = batch.segment(0));
            }
        }
    }
}
