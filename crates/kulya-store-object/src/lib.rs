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
//! use kulya_store_object::prelude::*;
//!
//! # fn main() -> kulya_store::Result<()> {
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! // or s3://bucket/prefix?region=eu-west-1, with AWS's variables for credentials
//! let location = StoreLocation::from_url("memory://", |name| std::env::var(name).ok())?;
//! let settings = Settings::new(0x5eed); // a random number, which no other process has
//! let store = ObjectLogStore::open(location.objects, &location.prefix, settings).await?;
//! let orders = StreamId::new("shop", "orders")?;
//! assert!(store.ensure_stream(&orders, StreamConfig::with_segments(1)).await?);
//! # Ok(()) }) }
//! ```

mod append_times;
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
pub mod prelude;
mod record;
mod settings;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod verify;

pub use kulya_store;
pub use location::StoreLocation;
pub use object_store;
pub use settings::Settings;
pub use state::LostRange;
pub use store::{CompactionReport, ObjectLogStore};
pub use verify::{IntegrityReport, repair, verify};
