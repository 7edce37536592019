//! Scans: the events of streams as batches of rows, one row per event or the current rows of a change log.

mod changes;
mod column;
mod context;
mod current_rows;
mod decode_errors;
mod events;
mod metadata;
mod source;

pub(crate) use changes::ChangesScan;
pub(crate) use column::ScanColumn;
pub(crate) use context::ScanContext;
pub(crate) use current_rows::{ChangelogScan, EventForm};
pub(crate) use decode_errors::{DecodeErrorPolicy, OPTION, SkippedEvents};
pub(crate) use events::EventScan;
#[cfg(test)]
pub(crate) use metadata::METADATA_KEYS;
pub(crate) use source::{SourcePart, segment_parts};
