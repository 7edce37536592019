//! Compaction: rewrites adjacent log files, much of whose content is dead, as one file without it.
//!
//! The new file holds the retained content as the old files would, so that the log alone still describes
//! the whole store: the changes of the catalog and the tables in their order, then the events, segment by
//! segment. Staged events of committed transactions become appends. Only files wholly before the last
//! checkpoint are compacted, and only content that was dead at that checkpoint is dropped: later changes
//! may not be on the disk yet.

mod filter;
mod rewrite;
mod select;

pub(crate) use rewrite::{CompactedFile, CompactedFileWriter, compact};
pub(crate) use select::select_files;
