//! The store: writes are sent to the committer; reads use the state and the log files.

mod admin;
mod append_times;
mod core;
mod maintenance;
mod open;
mod options;
mod read;
mod read_only;
mod stream_store;
mod transaction;

pub use self::core::EmbeddedStore;
pub use options::Options;
