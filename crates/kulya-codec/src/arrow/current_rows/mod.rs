//! The current rows of a table, from the changes of its rows.
//!
//! Events of one key are in one segment, in order, so applying each segment's events in order yields the last
//! row of each key. [`RowState`] takes changes that were decoded to batches. [`CurrentRows`] takes the events
//! of a capture, in Debezium's JSON: they can lack values that were not changed, be older than the table's
//! columns, and truncate the table. A truncate has no key: it removes the rows of all segments whose source
//! log position is older.
//!
//! - `state`: the rows; `layout`: their columns; `changes`: changes as bytes; `row_values`: values of batches
//!   as bytes;
//! - `row_table`: rows in memory; `spill`: rows beyond a bound of memory;
//! - `unchanged`: recognises values that an event lacks.

mod changes;
mod layout;
mod row_table;
mod row_values;
mod spill;
mod state;
#[cfg(test)]
mod tests;
pub(super) mod unchanged;

pub use layout::RowIdentity;
pub use spill::SpillTarget;
pub use state::RowState;

use super::change_log::{Envelope, EnvelopeFinder};
use super::column::{Column, arrow_schema};
use super::column_buffer::ColumnBuffer;
use super::json::plan::{EventContext, Failure, RecordPlan, UnchangedValues};
use super::json::scanner::{Grammar, Mark, Scanner, Token};
use super::json::shape::MemberFinder;
use super::json::{FlinkJsonOptions, text};
use super::row_history::{RowHistory, RowMember};
use crate::{CodecError, CodecResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use changes::{ChangeKind, marks_of, write_columns};

/// The current rows of a captured table, computed from its changelog.
#[derive(Debug)]
pub struct CurrentRows {
    /// The columns that are kept: those of the key, then the others.
    columns: Vec<Column>,
    row: RowReader,
    key: RowReader,
    options: FlinkJsonOptions,
    history: RowHistory,
    state: RowState,
    envelopes: EnvelopeFinder,
    sources: MemberFinder<1>,
}

/// Reads one row of an event.
#[derive(Debug)]
struct RowReader {
    plan: RecordPlan,
    buffers: Vec<ColumnBuffer>,
}

impl CurrentRows {
    /// Creates an empty table with these columns, of which batches have the `wanted` ones (all, if `None`).
    /// `key` is the primary key; empty for a table without one. Its rows differ by any of the columns.
    ///
    /// # Errors
    /// `Schema` when a column of the key is not there, or a column has a type that events do not have.
    pub fn new(columns: &[Column], key: &[String], wanted: Option<&[usize]>) -> CodecResult<Self> {
        let position = |name: &String| {
            let column = columns.iter().position(|column| column.name == *name);
            column.ok_or_else(|| CodecError::Schema(format!("key {name} is not a column")))
        };
        let key_columns = key.iter().map(position).collect::<CodecResult<Vec<usize>>>()?;
        let all: Vec<usize> = (0..columns.len()).collect();
        let identity =
            if key.is_empty() { RowIdentity::Columns(&all) } else { RowIdentity::Key(&key_columns) };
        let state = RowState::new(&arrow_schema(columns), identity, wanted.unwrap_or(&all))?;
        // rows that were written before a column was added lack it, even if it is required now
        let nullable = |index: &usize| {
            let column = columns.get(*index).cloned();
            column.map(|column| Column { nullable: true, ..column })
        };
        let columns: Vec<Column> = state.kept().iter().filter_map(nullable).collect();
        let key_columns: Vec<Column> = columns.iter().take(key.len()).cloned().collect();
        Ok(Self {
            row: RowReader::new(&columns)?,
            key: RowReader::new(if key.is_empty() { &columns } else { &key_columns })?,
            columns,
            options: FlinkJsonOptions::default(),
            history: RowHistory::default(),
            state,
            envelopes: Envelope::finder(),
            sources: MemberFinder::new(["lsn"]),
        })
    }

    /// Gives rows that are older than the table's columns the present ones.
    #[must_use]
    pub fn with_history(self, history: RowHistory) -> Self {
        Self { history, ..self }
    }

    /// Sets the options of columns with Flink's types.
    #[must_use]
    pub fn with_options(self, options: FlinkJsonOptions) -> Self {
        Self { options, ..self }
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
        self.apply_envelope(event).map_err(|failure| match failure {
            Failure::Event(reason) => format!("not a Debezium envelope: {reason}"),
            value => value.to_string(),
        })
    }

    fn apply_envelope(&mut self, event: &[u8]) -> Result<(), Failure> {
        let mut scanner = Scanner::new(text(event)?, Grammar::Lenient);
        let token = scanner.value()?;
        let envelope = Envelope::read(&mut self.envelopes, token, &mut scanner)?;
        scanner.end()?;
        let lsn = lsn(&mut self.sources, envelope.source, &mut scanner)?;
        let before = || envelope.before.ok_or_else(|| envelope.missing("before"));
        let after = || envelope.after.ok_or_else(|| envelope.missing("after"));
        let is_keyed = !self.state.layout.is_counted;
        match &*envelope.op {
            "c" | "r" => self.add(after()?, lsn, &mut scanner),
            "u" if is_keyed => self.add(after()?, lsn, &mut scanner),
            "u" => {
                let (before, after) = (before()?, after()?);
                // read first, so that an event with an error has no effect
                self.read_row(after, &mut scanner)?;
                self.remove(before, &mut scanner)?;
                self.add(after, lsn, &mut scanner)
            }
            "d" => self.remove(before()?, &mut scanner),
            "t" => {
                match lsn {
                    Some(lsn) => self.state.truncated_lsn = self.state.truncated_lsn.max(Some(lsn)),
                    // without a log position, only the order within this segment is known
                    None => self.state.clear(),
                }
                Ok(())
            }
            "m" => Ok(()),
            _ => Err(envelope.unknown_op()),
        }
    }

    /// Reads a row, and returns the columns that it lacks because the change has not changed them.
    fn read_row(&mut self, row: Mark, scanner: &mut Scanner<'_>) -> Result<Vec<usize>, Failure> {
        self.row.read(&self.columns, &self.history, self.options, row, scanner)
    }

    /// Applies a row after a change.
    fn add(&mut self, row: Mark, lsn: Option<u64>, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        let unchanged = self.read_row(row, scanner)?;
        let state = &mut self.state;
        state.key_bytes.clear();
        state.value_bytes.clear();
        state.write_head(lsn);
        let key_width = state.layout.key_width;
        let (key, others) = self.row.buffers.split_at(key_width);
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
        self.key.read(&self.columns, &self.history, self.options, row, scanner)?;
        let state = &mut self.state;
        state.key_bytes.clear();
        state.value_bytes.clear();
        self.key.buffers.iter().for_each(|buffer| buffer.write_value(0, &mut state.key_bytes));
        state.change(if state.layout.is_counted { ChangeKind::Subtract } else { ChangeKind::Remove }, &[]);
        Ok(())
    }
}

impl RowReader {
    fn new(columns: &[Column]) -> CodecResult<Self> {
        Ok(Self { plan: RecordPlan::new(columns)?, buffers: RecordPlan::buffers(columns)? })
    }

    /// Reads a row in place of the last one. Returns the columns that it lacks because the change has not
    /// changed them.
    fn read(
        &mut self,
        columns: &[Column],
        history: &RowHistory,
        options: FlinkJsonOptions,
        row: Mark,
        scanner: &mut Scanner<'_>,
    ) -> Result<Vec<usize>, Failure> {
        self.buffers.iter_mut().for_each(|buffer| buffer.truncate(0));
        let mut cx = EventContext::new(options);
        cx.unchanged = Some(UnchangedValues { is_unchanged: unchanged::is_unchanged, columns: Vec::new() });
        let Token::Object = scanner.value_at(Some(row))? else {
            return Err(Failure::Event("a row is not an object".into()));
        };
        if history.changes_nothing() {
            self.plan.append_members(&mut self.buffers, scanner, &mut cx)?;
        } else {
            self.read_older(columns, history, scanner, &mut cx)?;
        }
        Ok(cx.unchanged.map(|unchanged| unchanged.columns).unwrap_or_default())
    }

    /// Reads a row that may be older than the table's columns.
    fn read_older(
        &mut self,
        columns: &[Column],
        history: &RowHistory,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
    ) -> Result<(), Failure> {
        let mut members = Vec::new();
        while scanner.member(members.is_empty())? {
            let name = scanner.name()?.decode();
            let mark = scanner.mark();
            scanner.skip()?;
            members.push((name, mark));
        }
        let present = history.complete(members);
        for (index, (column, buffer)) in columns.iter().zip(&mut self.buffers).enumerate() {
            match present.iter().find(|(name, _)| *name == column.name) {
                Some((_, RowMember::Read(mark))) => {
                    scanner.rewind(*mark);
                    self.plan.append_column(index, buffer, scanner, cx)?;
                }
                Some((_, RowMember::Added(value))) => {
                    let json = value.to_string();
                    let mut scanner = Scanner::new(&json, Grammar::Lenient);
                    self.plan.append_column(index, buffer, &mut scanner, cx)?;
                }
                None => buffer.push_null(),
            }
        }
        Ok(())
    }
}

/// Returns the log position in the source of a change.
fn lsn(
    sources: &mut MemberFinder<1>,
    source: Option<Mark>,
    scanner: &mut Scanner<'_>,
) -> Result<Option<u64>, Failure> {
    let Token::Object = scanner.value_at(source)? else { return Ok(None) };
    let [lsn] = sources.find(scanner)?;
    match scanner.value_at(lsn)? {
        Token::Null => Ok(None),
        Token::Number(number) => match number.text.parse() {
            Ok(lsn) => Ok(Some(lsn)),
            Err(_) => Err(Failure::Event("source.lsn is not a log position".into())),
        },
        _ => Err(Failure::Event("source.lsn is not a log position".into())),
    }
}
