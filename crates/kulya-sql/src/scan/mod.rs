//! Scans: the events of streams as batches of rows, one row per event or the current rows of a change log.

mod bounds;
mod capture_events;
mod captured;
mod changes;
mod column;
mod context;
mod current_rows;
mod cut_text;
mod dead_letters;
mod decode_errors;
mod events;
mod filter;
mod kinds;
mod metadata;
mod source;
mod spill;
mod ticks;

pub(crate) use bounds::ReadBounds;
pub(crate) use capture_events::EventForm;
pub(crate) use captured::CapturedScan;
pub(crate) use changes::ChangesScan;
pub(crate) use column::ScanColumn;
pub(crate) use context::ScanContext;
pub(crate) use current_rows::ChangelogScan;
pub(crate) use dead_letters::DeadLetterStream;
pub(crate) use decode_errors::{DecodeErrorPolicy, SkippedEvents};
pub(crate) use events::{EventScan, ScanKey, ScannedRows};
pub(crate) use filter::{EventFilter, is_on_plain_columns};
pub(crate) use kinds::KindScan;
#[cfg(test)]
pub(crate) use metadata::METADATA_KEYS;
pub(crate) use source::{SourcePart, no_events, segment_parts};
pub(crate) use ticks::TickScan;
