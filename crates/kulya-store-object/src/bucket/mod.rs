//! The objects of one store: their names, and requests to the object storage with retries and timeouts. It
//! does not interpret the log.

mod checkpoints;
mod client;
mod clock;
mod error;
mod events;
mod format;
mod log;

pub(crate) use checkpoints::CheckpointName;
pub(crate) use client::{Bucket, ListedObject, PutOutcome};
pub(crate) use error::NotDurable;
pub(crate) use log::{LogEntry, LogObject};
