//! What the log has of a row, as the writer of events needs it, and what was found while it was written.

use super::replaced::Replaced;
use crate::batch::Span;

/// A row before or after a change.
pub(crate) trait RowImage {
    /// Writes the row as a JSON object.
    fn write_row(&self, out: &mut Vec<u8>, findings: &mut Findings);

    /// Writes the primary key as a JSON object in key order, and its values without names. Returns where both
    /// are; `None` without a primary key.
    fn write_key(&self, out: &mut Vec<u8>) -> Option<(Span, Span)>;
}

/// What was found while rows were written.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The indexes of required columns that are null.
    pub(crate) nulls: Vec<usize>,
    pub(crate) replaced: Vec<Replaced>,
    /// The places of default values that stand for null in optional columns, in the buffer; `None` if nobody
    /// needs them.
    pub(crate) defaults: Option<Vec<usize>>,
}
