//! The stream store on a real Pravega.
//!
//! Streams are Pravega's streams, and their events, routing keys, offsets and pointers are what every Pravega client sees.
//! What Pravega has not, a commit over several segments, streams and tables, stands on one more segment, the *journal*
//! (stream `_kulya/_journal`): each commit that is more than one append is written there first, where the journal ends and
//! nowhere else, and then brought to its segments. Tables are what the journal says, in order, in the memory of each
//! process; whoever opens the store, or asks for anything in a table, reads the journal to its end and finishes the commit
//! that its writer may have left there. So any number of processes may work on one Pravega, and none owns it.
//!
//! The client is our own: `controller` speaks gRPC, `wire` and `connection` the segment store's protocol. Why, and what was
//! refused, is said in `docs/design/0003-pravega.md`; the journal's bytes in `docs/spec/pravega-journal.md`.
//!
//! ```no_run
//! use kulya_store::{Scope, StreamStore};
//! use kulya_store_pravega::{Credentials, PravegaStore, Settings};
//! # async fn example() -> kulya_store::Result<()> {
//! let mut settings = Settings::new("tcp://localhost:9090".parse()?, 0x5eed);
//! settings.credentials = Credentials::from_variables(|name| std::env::var(name).ok());
//! let store = PravegaStore::open(settings).await?;
//! store.create_scope(&Scope::new("shop")?).await?;
//! # Ok(()) }
//! ```

mod appender;
mod block;
mod commit;
mod committer;
mod connection;
mod controller;
mod handle;
mod journal;
mod lane;
mod layout;
mod plan;
mod segments;
mod settings;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

pub use settings::{ControllerUri, Credentials, Settings};
pub use store::PravegaStore;
