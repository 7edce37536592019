//! Streaming of the write-ahead log: converts the transport's messages to records. Each transaction of the
//! database is stored as a whole; several of them share a commit when they arrive faster than they are
//! stored.

mod change;
mod incremental;
mod logical_message;
mod messages;
mod relations;
mod replay;
mod run;
mod state;

pub(super) use logical_message::CAUGHT_UP_PREFIX;
pub(super) use state::ReplicationStream;
