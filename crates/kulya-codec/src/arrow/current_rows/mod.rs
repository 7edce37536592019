//! The current rows of a table, from the changes of its rows.
//!
//! Events of one key are in one segment, in order, so applying each segment's events in order yields the last
//! row of each key. [`RowState`] takes changes that were decoded to batches. [`CurrentRows`] takes the events
//! of a capture, in Debezium's JSON: they can lack values that were not changed, be older than the table's
//! columns, and truncate the table. A truncate has no key: it removes the rows of all segments whose source
//! log position is older. [`CapturedChanges`] gives the changes of the same events, for who keeps the rows.
//!
//! - `envelope_rows`: the rows in events; `captured_changes`: their changes as batches;
//! - `state`: the rows; `layout`: their columns; `changes`: changes as bytes; `row_values`: values of batches
//!   as bytes;
//! - `row_table`: rows in memory; `spill`: rows beyond a bound of memory;
//! - `unchanged`: recognises values that an event lacks.

mod captured_changes;
mod changes;
mod envelope_rows;
mod layout;
mod row_table;
mod row_values;
mod spill;
mod state;
#[cfg(test)]
mod tests;
pub(super) mod unchanged;

pub use captured_changes::CapturedChanges;
pub use layout::RowIdentity;
pub use spill::SpillTarget;
pub use state::RowState;

use super::column::Column;
use super::column_buffer::ColumnBuffer;
use super::json::FlinkJsonOptions;
use super::json::plan::Failure;
use super::json::scanner::{Mark, Scanner};
use super::row_history::RowHistory;
use crate::CodecResult;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use changes::{ChangeKind, marks_of, write_columns};
use envelope_rows::{EnvelopeRows, RowChange, key_columns, reason};

/// The current rows of a captured table, computed from its changelog.
#[derive(Debug)]
pub struct CurrentRows {
    rows: EnvelopeRows,
    /// The row that is being read: those of the key, then the others.
    row: Vec<ColumnBuffer>,
    /// What is needed of a row that is gone.
    removed: Vec<ColumnBuffer>,
    state: RowState,
}

impl CurrentRows {
    /// Creates an empty table with these columns, of which batches have the `wanted` ones (all, if `None`).
    /// `key` is the primary key; empty for a table without one. Its rows differ by any of the columns.
    ///
    /// # Errors
    /// `Schema` when a column of the key is not there, or a column has a type that events do not have.
    pub fn new(columns: &[Column], key: &[String], wanted: Option<&[usize]>) -> CodecResult<Self> {
        let (key, schema) = key_columns(columns, key)?;
        let all: Vec<usize> = (0..columns.len()).collect();
        let identity = if key.is_empty() { RowIdentity::Columns(&all) } else { RowIdentity::Key(&key) };
        let state = RowState::new(&schema, identity, wanted.unwrap_or(&all))?;
        let rows = EnvelopeRows::new(columns, state.kept(), key.len())?;
        let (row, mut removed) = (state.layout.buffers()?, state.layout.buffers()?);
        removed.truncate(state.layout.key_width);
        Ok(Self { rows, row, removed, state })
    }

    /// Gives rows that are older than the table's columns the present ones.
    #[must_use]
    pub fn with_history(mut self, history: RowHistory) -> Self {
        self.rows.history = history;
        self
    }

    /// Sets the options of columns with Flink's types.
    #[must_use]
    pub fn with_options(mut self, options: FlinkJsonOptions) -> Self {
        self.rows.options = options;
        self
    }

    /// Makes rows go to a target when [`RowState::spill_beyond`] is called.
    #[must_use]
    pub fn with_spill(self, target: Box<dyn SpillTarget>) -> Self {
        Self { state: self.state.with_spill(target), ..self }
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.state.schema()
    }

    /// Returns the rows so far, to bound their memory.
    pub fn state(&mut self) -> &mut RowState {
        &mut self.state
    }

    /// Returns the rows, to take them.
    pub fn into_state(self) -> RowState {
        self.state
    }

    /// Takes all rows of a table without a spill target.
    ///
    /// # Errors
    /// `Schema` when the rows cannot be converted to a batch.
    pub fn into_batches(self) -> CodecResult<Vec<RecordBatch>> {
        self.state.into_batches()
    }

    /// Applies an event. Empty events (tombstones) and messages (`m`) have no effect.
    ///
    /// # Errors
    /// A message, when the event is not a Debezium envelope, lacks the row that its operation needs, or has a
    /// value that does not match its column. Then it has no effect.
    pub fn apply(&mut self, event: &[u8]) -> Result<(), String> {
        if event.is_empty() {
            return Ok(());
        }
        self.apply_envelope(event).map_err(reason)
    }

    fn apply_envelope(&mut self, event: &[u8]) -> Result<(), Failure> {
        let (change, lsn, mut scanner) = self.rows.read(event)?;
        match change {
            RowChange::Put(row) => self.add(row, lsn, &mut scanner),
            RowChange::Replace(before, after) => {
                // read first, so that an event with an error has no effect
                self.read_row(after, &mut scanner)?;
                self.remove(before, &mut scanner)?;
                self.add(after, lsn, &mut scanner)
            }
            RowChange::Remove(row) => self.remove(row, &mut scanner),
            RowChange::Truncate => {
                match lsn {
                    Some(lsn) => self.state.truncated_lsn = self.state.truncated_lsn.max(Some(lsn)),
                    // without a log position, only the order within this segment is known
                    None => self.state.clear(),
                }
                Ok(())
            }
            RowChange::Nothing => Ok(()),
        }
    }

    /// Reads a row, and returns the columns that it lacks because the change has not changed them.
    fn read_row(&mut self, row: Mark, scanner: &mut Scanner<'_>) -> Result<Vec<usize>, Failure> {
        self.row.iter_mut().for_each(|buffer| buffer.truncate(0));
        self.rows.append(&mut self.row, row, scanner)
    }

    /// Applies a row after a change.
    fn add(&mut self, row: Mark, lsn: Option<u64>, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let unchanged = self.read_row(row, scanner)?;
        let state = &mut self.state;
        state.key_bytes.clear();
        state.value_bytes.clear();
        state.write_head(lsn);
        let key_width = state.layout.key_width;
        let (key, others) = self.row.split_at(key_width);
        key.iter().for_each(|buffer| buffer.write_value(0, &mut state.key_bytes));
        write_columns(others, &mut state.value_bytes);
        if state.layout.is_counted {
            state.change(ChangeKind::Add, &[]);
        } else {
            state.change(ChangeKind::Put, &marks_of(&unchanged, key_width, others.len()));
        }
        Ok(())
    }

    /// Applies a row before it was deleted.
    fn remove(&mut self, row: Mark, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        self.removed.iter_mut().for_each(|buffer| buffer.truncate(0));
        self.rows.append_removed(&mut self.removed, row, scanner)?;
        let state = &mut self.state;
        state.key_bytes.clear();
        state.value_bytes.clear();
        self.removed.iter().for_each(|buffer| buffer.write_value(0, &mut state.key_bytes));
        state.change(if state.layout.is_counted { ChangeKind::Subtract } else { ChangeKind::Remove }, &[]);
        Ok(())
    }
}
