//! Compaction: neighbouring log files, of which much is of no use any more, written anew as one without that.
//!
//! What is kept stands in the new file as it would in the old ones, so that the log alone still says everything: the
//! changes of the catalog and the tables in their order, then the events, segment by segment. Events that a transaction
//! staged stand there as what they became. Only files are compacted that lie wholly before the last checkpoint, and only
//! what that checkpoint has made useless is left out: what came later may not be on the disk yet.

mod choice;
mod keeping;
mod writing;

pub(crate) use choice::choose;
pub(crate) use writing::{CompactedFile, CompactedFileWriter, compact};
