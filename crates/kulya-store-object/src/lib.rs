//! The stream store on object storage alone: S3 and what speaks like it, a folder, or memory.
//!
//! A store is one log of immutable objects, `log/00000000000000000000` and so on, each of which holds commits that were
//! decided. Whoever wants to write reads the log to its end, judges what is asked against the state it makes, and puts the
//! next object where nothing stands (`If-None-Match: *`). Of several who try the same number one succeeds; the others read
//! his object, judge again, and try the next one. So every condition, writer's number and transaction is exact with any number
//! of processes, and none of them leads. Whoever reads looks first whether a next object is there.
//!
//! The objects' bytes, and why nothing is lost or done twice when a request's answer is, are said in
//! `docs/spec/object-log.md`.
//!
//! ```
//! use kulya_store::{Scope, StreamStore};
//! use kulya_store_object::{Location, ObjectLogStore, Settings};
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let location = Location::of("memory://", |name| std::env::var(name).ok())?;
//! let store = ObjectLogStore::open(location.objects, &location.prefix, Settings::new(0x5eed)).await?;
//! store.create_scope(&Scope::new("shop")?).await?;
//! # Ok::<(), kulya_store::Error>(()) }).unwrap();
//! ```

mod bucket;
mod cache;
mod committer;
mod copy;
mod events;
mod examine;
mod find;
mod folder;
mod journal;
mod location;
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

pub use examine::{Examined, examine, repair};
pub use location::Location;
pub use settings::Settings;
pub use state::Lost;
pub use store::{Compacted, ObjectLogStore};
