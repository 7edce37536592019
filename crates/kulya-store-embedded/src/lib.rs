//! One directory is one stream store.
//!
//! Events, table entries and the catalog are all written to one shared append-only commit log, a *frame* at a
//! time: what a frame holds is there after a crash as a whole or not at all, which makes a commit over many
//! streams and tables atomic for free, at one `fdatasync` for everybody who is waiting (group commit). What
//! readers need to find things (which bytes of which log file make up a segment, the tables' entries) is kept in
//! memory and rebuilt from the log at opening. The format is in `docs/spec/commit-log.md`.
//!
//! This crate has no network and knows nothing of schemas.
//!
//! ```
//! # let folder = tempfile::tempdir().unwrap();
//! use kulya_store_embedded::EmbeddedStore;
//! let store = EmbeddedStore::open(folder.path()).unwrap();
//! // a second owner is refused for as long as the first lives
//! assert_eq!(EmbeddedStore::open(folder.path()).unwrap_err().kind(), kulya_store::ErrorKind::Locked);
//! ```

mod backup;
mod buffer_pool;
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
mod prepare;
mod recovery;
mod repair;
mod salvage;
mod state;
mod store;
mod verify;
mod wakeup;

pub use index::{Index, IndexChange, IndexEntry};
pub use salvage::{Damage, LostEvents, SalvageReport};
pub use store::{EmbeddedStore, Options};
pub use verify::VerifyReport;

#[cfg(test)]
mod tests;
