//! The journal's format: what a [`Block`] says, and its bytes. `docs/spec/pravega-journal.md` is the norm.
//!
//! A block stands in the journal's segment as one event in Pravega's frame. Field numbers never change their meaning.

use bytes::{Bytes, BytesMut};
use kulya_store::{
    Error, ErrorKind, Result, SegmentId, StreamId, TableId, Version, WriterId, WriterMark, framing,
};
use prost::Message;

/// The most that a block takes: what a segment store takes in one append, less room for its head.
pub(crate) const MOST_BLOCK_BYTES: usize = 15 << 20;
/// Records of a block are told apart by twelve bits in versions and names.
pub(crate) const MOST_RECORDS: usize = 1 << 12;
/// Batches of one block, those of its transactions included, are told apart by 24 bits.
pub(crate) const MOST_BATCHES: usize = 1 << 24;

/// What is written to the journal at once: events for segments, and what happens beside them.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Block {
    /// The two halves of the number of the process that wrote this.
    #[prost(fixed64, tag = "1")]
    pub(crate) instance_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) instance_low: u64,
    /// The events of the commits, by segment.
    #[prost(message, repeated, tag = "3")]
    pub(crate) batches: Vec<SegmentBatch>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) records: Vec<Record>,
    /// Which of its process's tries to write a block this is: rises, and makes the numbers of its batches.
    #[prost(fixed64, tag = "5")]
    pub(crate) sequence: u64,
}

/// Events of one segment.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentBatch {
    /// The segment's name, without the namespace.
    #[prost(string, tag = "1")]
    pub(crate) segment: String,
    #[prost(uint32, tag = "2")]
    pub(crate) count: u32,
    /// The events as they will stand in the segment.
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) frames: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(oneof = "Act", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(crate) act: Option<Act>,
}

/// What a record does.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Act {
    #[prost(message, tag = "1")]
    Commit(CommitRecord),
    /// A transaction begins; its name is the record's place.
    #[prost(message, tag = "2")]
    Begin(Nothing),
    /// Events of a transaction, which nobody sees yet.
    #[prost(message, tag = "3")]
    Part(Part),
    /// A transaction is forgotten.
    #[prost(fixed64, tag = "4")]
    Abort(u64),
    /// A stream takes no more events.
    #[prost(message, tag = "5")]
    Seal(Name),
    #[prost(message, tag = "6")]
    CreateTable(Name),
    #[prost(message, tag = "7")]
    DeleteTable(Name),
    /// A piece of the state as it was when a checkpoint was begun.
    #[prost(message, tag = "8")]
    Piece(Piece),
    /// All pieces are written: whoever reads from `at` on needs nothing before it.
    #[prost(message, tag = "9")]
    Checkpoint(Checkpoint),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Nothing {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CommitRecord {
    #[prost(message, repeated, tag = "1")]
    pub(crate) changes: Vec<Change>,
    #[prost(message, optional, tag = "2")]
    pub(crate) writer: Option<Mark>,
    /// The transaction whose events become visible; 0 for none.
    #[prost(fixed64, tag = "3")]
    pub(crate) transaction: u64,
    /// Whether the transaction's outcome is kept: not for one that only carried a large commit.
    #[prost(bool, tag = "4")]
    pub(crate) remembered: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Part {
    #[prost(fixed64, tag = "1")]
    pub(crate) transaction: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) batches: Vec<SegmentBatch>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Change {
    #[prost(message, optional, tag = "1")]
    pub(crate) table: Option<Name>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) key: Bytes,
    /// None removes the entry.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) value: Option<Bytes>,
}

/// A writer, and the number of its commit.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Mark {
    #[prost(fixed64, tag = "1")]
    pub(crate) high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) low: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) number: u64,
}

/// A stream's or a table's.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Name {
    #[prost(string, tag = "1")]
    pub(crate) scope: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

/// A part of the state: tables with entries, writers in the order of their last commits, outcomes, open transactions.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Piece {
    /// Up to where the journal is in this state.
    #[prost(fixed64, tag = "1")]
    pub(crate) at: u64,
    /// Counted from 0.
    #[prost(uint32, tag = "2")]
    pub(crate) number: u32,
    #[prost(message, repeated, tag = "3")]
    pub(crate) tables: Vec<Name>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) entries: Vec<EntryPiece>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) writers: Vec<Mark>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) outcomes: Vec<OutcomePiece>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) open: Vec<OpenPiece>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EntryPiece {
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
pub(crate) struct OutcomePiece {
    #[prost(fixed64, tag = "1")]
    pub(crate) transaction: u64,
    /// All changes of a commit have one version.
    #[prost(fixed64, tag = "2")]
    pub(crate) version: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) changes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OpenPiece {
    #[prost(fixed64, tag = "1")]
    pub(crate) transaction: u64,
    /// Where its parts stand: offset and length of each block.
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
    pub(crate) pieces: u32,
}

impl Block {
    pub(crate) fn of(instance: u128) -> Self {
        Self { instance_high: (instance >> 64) as u64, instance_low: instance as u64, ..Self::default() }
    }

    pub(crate) fn instance(&self) -> u128 {
        u128::from(self.instance_high) << 64 | u128::from(self.instance_low)
    }

    /// The block's bytes in the journal, frame included.
    pub(crate) fn to_bytes(&self) -> Bytes {
        let body = self.encode_to_vec();
        let mut out = BytesMut::with_capacity(framing::HEADER_BYTES + body.len());
        framing::put(&mut out, &body);
        out.freeze()
    }

    /// The length of the block's body that a frame's header announces; `None` when it announces none.
    pub(crate) fn body_len(header: &[u8; framing::HEADER_BYTES]) -> Option<usize> {
        let [0, 0, 0, 0, length @ ..] = header else { return None };
        usize::try_from(i32::from_be_bytes(*length)).ok().filter(|length| *length <= MOST_BLOCK_BYTES)
    }

    /// Reads a block's body. Total: any bytes give a block or an error.
    pub(crate) fn from_body(offset: u64, body: Bytes) -> Result<Self> {
        Self::decode(body).map_err(|e| unreadable(offset).because(e))
    }

    /// What a version or a transaction's name is made of: the block's place, and the record's within it.
    pub(crate) fn mark(offset: u64, record: usize) -> u64 {
        (offset << 12 | record as u64) + 1
    }

    /// The number under which a batch is known to its segment.
    pub(crate) fn batch_number(&self, place: usize) -> i64 {
        (self.sequence as i64) << 24 | (place as i64 + 1)
    }
}

/// The journal holds something that no store of ours wrote.
pub(crate) fn unreadable(offset: u64) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "the journal of this store in Pravega cannot be read at offset {offset}: another program, or a later version, wrote there"
        ),
    )
}

impl SegmentBatch {
    pub(crate) fn segment(&self, offset: u64) -> Result<SegmentId> {
        self.segment.parse().map_err(|e: Error| unreadable(offset).because(e))
    }
}

impl Name {
    pub(crate) fn of_table(table: &TableId) -> Self {
        Self { scope: table.scope.to_string(), name: table.name.to_string() }
    }

    pub(crate) fn of_stream(stream: &StreamId) -> Self {
        Self { scope: stream.scope.to_string(), name: stream.name.to_string() }
    }

    pub(crate) fn table(&self) -> Result<TableId> {
        TableId::stored(&self.scope, &self.name)
    }

    pub(crate) fn stream(&self) -> Result<StreamId> {
        StreamId::stored(&self.scope, &self.name)
    }
}

impl Mark {
    pub(crate) fn of(mark: WriterMark) -> Self {
        let WriterId(writer) = mark.writer;
        Self { high: (writer >> 64) as u64, low: writer as u64, number: mark.event_number }
    }

    pub(crate) fn mark(&self) -> WriterMark {
        let writer = WriterId(u128::from(self.high) << 64 | u128::from(self.low));
        WriterMark { writer, event_number: self.number }
    }
}

impl EntryPiece {
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
    use proptest::prelude::*;

    #[test]
    fn a_block_reads_back() {
        let mut block = Block::of(7 << 100 | 3);
        let segment = StreamId::new("s", "t").unwrap().segment(2);
        block.batches.push(SegmentBatch {
            segment: segment.to_string(),
            count: 1,
            frames: framing::frame(b"e"),
        });
        block.records.push(Record { act: Some(Act::Abort(9)) });
        let bytes = block.to_bytes();
        let (header, body) = bytes.split_first_chunk().unwrap();
        assert_eq!(Block::body_len(header), Some(body.len()));
        let back = Block::from_body(0, bytes.slice(framing::HEADER_BYTES..)).unwrap();
        assert_eq!((back.instance(), back.batches[0].segment(0).unwrap()), (7 << 100 | 3, segment));
        assert_eq!(back, block);
    }

    #[test]
    fn places_make_names_that_rise() {
        let marks = [Block::mark(0, 0), Block::mark(0, MOST_RECORDS - 1), Block::mark(1, 0)];
        assert!(marks[0] > 0 && marks.is_sorted_by(|a, b| a < b), "{marks:?}");
        let number = |sequence, place| Block { sequence, ..Block::default() }.batch_number(place);
        let numbers = [number(1, 0), number(1, MOST_BATCHES - 2), number(2, 0)];
        assert!(numbers[0] > 0 && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_block_or_an_error(bytes: Vec<u8>, header: [u8; 8]) {
            let _ = Block::body_len(&header);
            if let Ok(block) = Block::from_body(0, bytes.into()) {
                block.batches.iter().for_each(|batch| _ = batch.segment(0));
            }
        }
    }
}
