//! Building blocks of backends that keep their state in one shared log, such as object storage and Pravega.
//!
//! Such a backend has a single task that writes the log. It takes requests from a [`queue`], decides on them
//! by the state at the end of the log, and responds once they are in the log. The state is rebuilt from the
//! log by every process: [`tables`] and [`outcomes`] of transactions are the same in each backend, and so are
//! some [`message`]s. What a log entry holds and how it is planned differs by backend and stays there.

pub mod error;
pub mod message;
pub mod outcomes;
pub mod queue;
pub mod tables;

use bytes::Bytes;

/// Copies bytes out of a larger buffer, so that a small value does not keep a whole log entry in memory.
pub fn copy_bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
