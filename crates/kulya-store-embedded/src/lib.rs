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
mod bell;
mod buffers;
mod checkpoint;
mod committer;
mod compaction;
pub mod disk;
mod door;
mod folder;
mod frame;
mod index;
mod keeper;
mod legacy;
mod lock;
mod log_file;
mod manifest;
mod op;
mod opening;
#[doc(hidden)]
pub mod outside;
mod plan;
mod read;
mod read_only;
mod recovery;
mod repair;
mod salvage;
mod state;
mod store;
mod upkeep;
mod verify;

pub use index::{Index, IndexChange, IndexEntry};
pub use salvage::{Damage, LostEvents, Salvaged};
pub use store::{Components, EmbeddedStore};
pub use verify::Verified;

#[cfg(test)]
mod tests;
