//! A commit: its events, durability and receipt.

use super::table::{TableChange, Version};
use crate::{Pointers, StreamId, WriterId, WriterMark};
use bytes::Bytes;

/// An event to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream to append to.
    pub stream: StreamId,
    /// The routing key. Events of one key keep their order. Events without a key are spread over the
    /// segments.
    pub routing_key: Option<String>,
    /// The payload, at most [`MAX_EVENT_BYTES`](crate::framing::MAX_EVENT_BYTES).
    pub event: Bytes,
}

impl Append {
    /// Creates an event with a routing key: events of one key keep their order.
    pub fn keyed(stream: &StreamId, routing_key: impl Into<String>, event: impl Into<Bytes>) -> Self {
        Self { stream: stream.clone(), routing_key: Some(routing_key.into()), event: event.into() }
    }

    /// Creates an event without a routing key, in no order relative to other events.
    pub fn unkeyed(stream: &StreamId, event: impl Into<Bytes>) -> Self {
        Self { stream: stream.clone(), routing_key: None, event: event.into() }
    }
}

/// A set of events and table changes that is committed atomically.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Events, in order.
    pub appends: Vec<Append>,
    /// Table changes, each with its condition. A key can be changed once per commit.
    pub changes: Vec<TableChange>,
    /// The writer and its commit number, for idempotent retries: a number that is stored already makes the
    /// commit a duplicate, which writes nothing.
    pub writer: Option<WriterMark>,
    /// The durability that the commit has on return.
    pub durability: Durability,
}

/// The durability of a commit when it is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Synced: the commit survives a power failure.
    #[default]
    Synced,
    /// Written: the commit survives the end of this process. A power failure may lose it, with everything
    /// written after it.
    Written,
}

impl Commit {
    /// Creates a commit of events only.
    pub fn events(appends: Vec<Append>) -> Self {
        Self { appends, ..Self::default() }
    }

    /// Sets the writer and its commit number, for idempotent retries.
    #[must_use]
    pub fn with_writer(mut self, writer: WriterId, event_number: u64) -> Self {
        self.writer = Some(WriterMark { writer, event_number });
        self
    }

    /// Sets the durability.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Creates a commit of table changes only.
    pub fn changes(changes: Vec<TableChange>) -> Self {
        Self { changes, ..Self::default() }
    }
}

/// The receipt of a commit: what it wrote and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitReceipt {
    /// A pointer to each event, in the order of the appends. Empty for a
    /// [`Transaction`](crate::Transaction), whose events may have more pointers than fit into memory.
    pub pointers: Pointers,
    /// The version of each changed table entry, in the order of the changes.
    pub versions: Vec<Version>,
    /// Whether the commit is a duplicate: its number was stored before. Then nothing was written, and the
    /// other fields are empty.
    pub duplicate: bool,
}

impl CommitReceipt {
    /// Creates the receipt of a duplicate.
    pub fn duplicate() -> Self {
        Self { duplicate: true, ..Self::default() }
    }
}
