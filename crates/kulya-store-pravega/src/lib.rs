//! A stream store on a Pravega cluster.
//!
//! Streams are Pravega's streams: events, routing keys, offsets and pointers are those that every Pravega
//! client sees. What Pravega lacks, a commit over several segments, streams and tables, is built on one more
//! segment, the *journal* (stream `_kulya/_journal`): each commit that is more than one append is first
//! written there, by an append that succeeds only at the end of the journal, and then its events are appended
//! to their segments. Tables are built from the journal in the memory of each process. Whoever opens the
//! store or reads a table reads the journal to its end and completes the commit that a failed writer may have
//! left there. So any number of processes can work on one Pravega, and there is no owner.
//!
//! The Pravega client is part of this crate: `controller` speaks gRPC, `wire` and `connection` the segment
//! store's protocol. `docs/design/0003-pravega.md` has the reasons and the alternatives,
//! `docs/spec/pravega-journal.md` the format of the journal.
//!
//! ```no_run
//! use kulya_store_pravega::prelude::*;
//!
//! # async fn example() -> kulya_store::Result<()> {
//! let mut settings = Settings::new("tcp://localhost:9090".parse()?, 0x5eed);
//! settings.credentials = Credentials::from_variables(|name| std::env::var(name).ok());
//! let store = PravegaStore::open(settings).await?;
//! let orders = StreamId::new("shop", "orders")?;
//! store.ensure_stream(&orders, StreamConfig::with_segments(4)).await?;
//! # Ok(()) }
//! ```

mod appender;
mod block;
mod client;
mod commit;
mod committer;
mod connection;
mod controller;
mod fast_path;
mod journal;
mod journal_handle;
mod layout;
mod operations;
mod plan;
pub mod prelude;
mod segments;
mod settings;
mod staging;
mod state;
mod store;
mod tails;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

pub use kulya_store;
pub use settings::{ControllerUri, Credentials, Settings};
pub use store::PravegaStore;
