//! Scans: the events of streams as batches of rows, one row per event or the current rows of a change log.

mod context;
mod current_rows;
mod decode_errors;
mod events;
mod source;

pub(crate) use context::ScanContext;
pub(crate) use current_rows::{ChangelogScan, EventForm};
pub(crate) use decode_errors::{DecodeErrorPolicy, OPTION, SkippedEvents};
pub(crate) use events::{EventFormat, EventScan};
pub(crate) use source::segment_parts;
