//! Maintenance of a store: checkpoints, garbage collection of the index, and compaction of the log. The
//! store's maintenance thread runs it, together with retention.

mod handle;
mod tasks;

pub(crate) use handle::{INTERVAL, MaintenanceHandle};
pub(crate) use tasks::Maintenance;
