//! The state built from the log, in memory: scopes, streams, tables, writers, transactions, and the location
//! of each segment's events. Every process builds it by applying the log's objects in order; nothing else
//! changes it. No I/O.

mod apply;
mod merge;
mod model;
mod query;
mod recovery;
mod segment;
mod snapshot;

pub(crate) use merge::MergeCandidates;
pub(crate) use model::{MAX_RECORDS, State, Stream, record_id};
pub use recovery::LostRange;
pub(crate) use segment::{DATA_BIT, Extent, LOST, Location, TimePosition};
