//! The stream store's contract: what Kulya asks of the place where events, schemas and positions live.
//!
//! A [`StreamStore`] holds *scopes*; a scope holds *streams* and *tables*. A stream is cut into *segments* by
//! the hash of each event's routing key ([`hash`]), so that all events of one key stand in one segment, in
//! order. An event has an [`EventPointer`], which leads back to it for as long as it is kept. A table is an
//! ordered map from bytes to bytes whose entries carry a [`Version`], changed under a [`Condition`].
//! Everything is written through one door, [`StreamStore::commit`]: events of any number of streams and changes
//! of any number of tables, all or none.
//!
//! Names, hashes, framing and pointer bytes are Pravega's own, so that order and pointers mean the same on
//! every backend.
//!
//! Backends: [`memory`] here (the oracle for the others), `kulya-store-embedded` for one directory, `kulya-client` for
//! what a server keeps. A backend is believed when it passes [`conformance`], and nothing else is asked of it; [`model`]
//! compares it with the oracle.
//!
//! ```
//! use kulya_store::{memory::MemoryStore, Append, Commit, Scope, StreamConfig, StreamId, StreamStore};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = MemoryStore::new();
//! let stream = StreamId::new("shop", "orders")?;
//! store.create_scope(&stream.scope).await?;
//! store.create_stream(&stream, StreamConfig::with_segments(4)).await?;
//! let done = store.commit(Commit::events(vec![Append::keyed(&stream, "order-1", "hello")])).await?;
//! assert_eq!(store.event(&done.pointers.first().unwrap()).await?, "hello");
//! # Ok::<(), kulya_store::Error>(()) }).unwrap();
//! ```

pub mod clock;
pub mod conformance;
mod contract;
mod cut;
mod entries;
mod error;
pub mod fault;
mod follow;
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
mod retention;
pub mod supervision;
mod writer;

pub use contract::{
    Append, Capability, Commit, Committed, Condition, Durability, Entry, Outcome, REMEMBERED_OUTCOMES,
    ReadChunk, Retention, SegmentInfo, StreamConfig, StreamInfo, StreamStore, TableChange, Transaction,
    TransactionId, Version, check_changes,
};
pub use cut::StreamCut;
pub use entries::Entries;
pub use error::{Error, ErrorKind, Result};
pub use follow::{BoundedSegment, Tail, bounded_read, head_cut, tail_cut};
pub use health::{ComponentHealth, Health, HealthStatus};
pub use name::{Scope, SegmentId, StreamId, StreamName, TableId};
pub use pointer::EventPointer;
pub use pointers::Pointers;
pub use position::{Positions, SavedPosition};
pub use retention::{due_cut, retain};
pub use writer::{MOST_WRITERS, WriterId, WriterMark, WriterMarks};
