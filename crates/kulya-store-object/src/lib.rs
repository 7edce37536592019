//! A stream store on object storage: S3 and compatible services, a local directory, or memory.
//!
//! A store is one log of immutable objects, `log/00000000000000000000` and so on. Each object holds a group
//! of commits. A writer reads the log to its end, checks its requests against the resulting state, and puts
//! the next object with a conditional put that succeeds only when no object has that number (`If-None-Match:
//! *`). Of several concurrent writers one succeeds; the others apply its object, check again and try the next
//! number. Conditions, writer sequence numbers and transactions are therefore exact with any number of
//! processes, and there is no leader. A reader first checks whether a next object exists.
//!
//! The object format, and why a lost response neither loses nor repeats a commit, are specified in
//! `docs/spec/object-log.md`.
//!
//! ```
//! use kulya_store::{Scope, StreamStore};
//! use kulya_store_object::{ObjectLogStore, StoreLocation, Settings};
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let location = StoreLocation::from_url("memory://", |name| std::env::var(name).ok())?;
//! let store = ObjectLogStore::open(location.objects, &location.prefix, Settings::new(0x5eed)).await?;
//! store.create_scope(&Scope::new("shop")?).await?;
//! # Ok::<(), kulya_store::Error>(()) }).unwrap();
//! ```

mod backup;
mod bucket;
mod cache;
mod committer;
mod events;
mod journal;
mod lease;
mod local_directory;
mod location;
mod log_client;
mod maintenance;
mod merge;
mod object;
mod plan;
mod record;
mod settings;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod verify;

pub use location::StoreLocation;
pub use settings::Settings;
pub use state::LostRange;
pub use store::{CompactionReport, ObjectLogStore};
pub use verify::{IntegrityReport, repair, verify};
