//! An embedded stream store in one folder, for a single process.
//!
//! Events, table entries and the catalog are written to one append-only commit log, in *frames*. A frame is
//! what one group commit writes: after a crash it exists completely or not at all, so that a commit to many
//! streams and tables is atomic, with one `fdatasync` for all requests of the group. An index (an LSM tree)
//! maps segments to log files and holds the table entries; it is updated by checkpoints, can be rebuilt
//! from the log, and keeps memory use and recovery time bounded. Retention, garbage collection of the index
//! and compaction of the log run on a maintenance thread. The format is specified in
//! `docs/spec/commit-log.md`.
//!
//! This crate uses no network and no schemas. [`EmbeddedStore`] implements
//! [`StreamStore`](kulya_store::StreamStore) without needing an async runtime.
//!
//! # Example
//! ```
//! use kulya_store_embedded::prelude::*;
//!
//! # fn main() -> kulya_store::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path();
//! # futures::executor::block_on(async {
//! let store = EmbeddedStore::open(path)?;
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

mod backup;
mod checkpoint;
mod commit_queue;
mod committer;
mod compaction;
pub mod disk;
mod error;
mod extent;
mod file_kind;
mod folder;
mod frame;
mod frame_reader;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod legacy;
mod log_name;
mod magic_scan;
mod maintenance;
mod manifest;
mod op;
mod plan;
pub mod prelude;
mod prepare;
mod recovery;
mod repair;
mod salvage;
mod state;
mod store;
mod varint;
mod verify;
mod wakeup;

pub use index::{Index, IndexChange, IndexEntry};
pub use kulya_store;
pub use salvage::{Damage, LostEvents, SalvageReport};
pub use store::{EmbeddedStore, Options};
pub use verify::VerifyReport;

#[cfg(test)]
mod tests;
