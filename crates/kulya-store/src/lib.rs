//! The contract of stream stores: the [`StreamStore`] trait, its types, and what backends share.
//!
//! A store has *scopes*, and a scope has *streams* and *tables*. A stream is partitioned into *segments* by
//! a [hash](mod@hash) of each event's routing key, so that all events of one key are in one segment, in
//! order. Each event has an [`EventPointer`], which reads the event back for as long as it is retained. A
//! table is an ordered map from bytes to bytes whose entries have a [`Version`] and are changed under a
//! [`Condition`] (compare-and-set). All writes go through [`StreamStore::commit`], which appends events to
//! any number of streams and changes any number of tables atomically, or through a [`Transaction`], which
//! stages events first.
//!
//! Names, hashes, framing and pointer bytes are those of Pravega, so that order and pointers are the same
//! on every backend.
//!
//! Backends: [`memory`] in this crate (the reference implementation, for tests), `kulya-store-embedded`
//! (one directory), `kulya-store-object` (object storage), `kulya-store-pravega` (a Pravega cluster) and
//! `kulya-client` (a Kulya server). A backend is correct if it passes the [`conformance`] suite; [`model`]
//! compares it with the reference implementation under random histories.
//!
//! # Example
//! ```
//! use kulya_store::prelude::*;
//!
//! # fn main() -> kulya_store::Result<()> {
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = MemoryStore::new();
//! let orders = StreamId::new("shop", "orders")?;
//! store.ensure_stream(&orders, StreamConfig::with_segments(4)).await?;
//! store.commit(Commit::events(vec![Append::keyed(&orders, "order-1", "hello")])).await?;
//!
//! let mut consumer = Consumer::open(store, "billing", &orders).await?;
//! let next = consumer.try_next().await?;
//! assert_eq!(next.map(|(_, event)| event), Some("hello".into()));
//! consumer.commit().await?; // "billing" continues here when it is opened again
//! # Ok(()) }) }
//! ```

pub mod clock;
pub mod conformance;
mod consumer;
mod contract;
mod cut;
mod entries;
mod error;
mod extension;
pub mod fault;
mod framed_chunk;
pub mod framing;
pub mod hash;
mod health;
pub mod hex;
#[cfg(feature = "log-backend")]
pub mod log_backend;
pub mod memory;
pub mod model;
mod name;
mod pointer;
mod pointers;
mod position;
pub mod prelude;
mod reader;
mod retention;
pub mod supervision;
mod writer;

pub use async_trait;
pub use bytes;
pub use consumer::Consumer;
pub use contract::{
    Append, AppendTimes, Capability, Commit, CommitReceipt, Condition, Durability, Entry, MAX_APPEND_TIMES,
    MAX_TAILS, Outcome, REMEMBERED_OUTCOMES, ReadChunk, Retention, SegmentInfo, StreamConfig, StreamInfo,
    StreamStore, TableChange, Tails, Transaction, TransactionId, Version, check_changes,
};
pub use cut::StreamCut;
pub use entries::Entries;
pub use error::{Error, ErrorKind, Result};
pub use extension::StreamStoreExt;
pub use framed_chunk::FramedChunk;
pub use futures;
pub use health::{ComponentHealth, Health, HealthStatus};
pub use name::{Scope, SegmentId, StreamId, StreamName, TableId};
pub use pointer::EventPointer;
pub use pointers::Pointers;
pub use position::{Positions, SavedPosition};
pub use reader::{BoundedSegment, Tail, bounded_read, chunk_times, head_cut, tail_cut};
pub use retention::{apply_retention, retention_cut};
pub use writer::{MAX_WRITERS, WriterId, WriterMark, WriterMarks};
