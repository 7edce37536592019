//! The current rows of a table, from its changelog.
//!
//! Events are Debezium's JSON envelopes. Events of one key are in one segment, in order, so applying each
//! segment's events in order yields the last row of each key. A truncate has no key: it removes the rows of
//! all segments whose source log position is older.
//!
//! A row is kept as the compact bytes of its columns (`changes`): in `row_table`, and beyond a bound of
//! memory in a target outside (`spill`). `unchanged` recognises values that an event lacks.

mod changes;
mod row_table;
mod spill;
#[cfg(test)]
mod tests;
pub(super) mod unchanged;

pub use spill::SpillTarget;

use super::change_log::Envelope;
use super::column::{Column, arrow_schema};
use super::json::buffers::ColumnBuffer;
use super::json::plan::{EventContext, Failure, RecordPlan, UnchangedValues};
use super::json::scanner::{Grammar, Mark, Scanner, Token};
use super::json::value_bytes::{read_unsigned, write_unsigned};
use super::json::{FlinkJsonOptions, batch, text};
use super::row_history::{RowHistory, RowMember};
use super::{BATCH_BYTES, BATCH_ROWS};
use crate::{CodecError, CodecResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use changes::{Change, ChangeKind, apply_change, marks_of, read_columns, read_values, write_columns};
use row_table::{Drain, RowTable};
use serde_json::Value;
use spill::Spill;
use std::sync::Arc;

/// The current rows of a table, computed from its changelog.
#[derive(Debug)]
pub struct CurrentRows {
    /// The columns that are kept: those of the key, then the others.
    columns: Vec<Column>,
    /// The number of columns of the key; 0 for a table without one, in which equal rows are counted.
    key_width: usize,
    /// The numbers of the columns that batches have.
    wanted: Vec<usize>,
    schema: SchemaRef,
    row: RowReader,
    key: RowReader,
    options: FlinkJsonOptions,
    history: RowHistory,
    table: RowTable,
    /// The log position of the last truncate; rows with an older one are deleted.
    truncated_lsn: Option<u64>,
    spill: Option<Spill>,
    output: Option<Output>,
    key_bytes: Vec<u8>,
    value_bytes: Vec<u8>,
}

/// Reads one row of an event.
#[derive(Debug)]
struct RowReader {
    plan: RecordPlan,
    buffers: Vec<ColumnBuffer>,
}

/// Rows on the way out.
#[derive(Debug)]
struct Output {
    rows: Drain,
    /// A row that is to be repeated, and how often.
    repeated: Option<(Vec<u8>, u64)>,
    buffers: Vec<ColumnBuffer>,
}

impl CurrentRows {
    /// Creates an empty table with these columns, of which batches have the `wanted` ones (all, if `None`).
    /// `key` is the primary key; empty for a table without one. Its rows differ by any of the columns.
    ///
    /// # Errors
    /// `Schema` when a column of the key is not there, or a column has a type that events do not have.
    pub fn new(columns: &[Column], key: &[String], wanted: Option<&[usize]>) -> CodecResult<Self> {
        let mut kept = Vec::with_capacity(columns.len());
        for name in key {
            let column = columns.iter().position(|column| column.name == *name);
            kept.push(column.ok_or_else(|| CodecError::Schema(format!("key {name} is not a column")))?);
        }
        let all: Vec<usize> = (0..columns.len()).collect();
        let wanted = wanted.unwrap_or(&all);
        let others = if key.is_empty() { &all } else { wanted };
        for index in others {
            if !kept.contains(index) {
                kept.push(*index);
            }
        }
        // rows that were written before a column was added lack it, even if it is required now
        let nullable = |index: &usize| {
            let column = columns.get(*index).cloned();
            let missing = || CodecError::Schema(format!("there is no column {index}"));
            column.map(|column| Column { nullable: true, ..column }).ok_or_else(missing)
        };
        let schema = arrow_schema(&wanted.iter().map(nullable).collect::<CodecResult<Vec<_>>>()?);
        let position = |index: &usize| kept.iter().position(|other| other == index).unwrap_or_default();
        let wanted = wanted.iter().map(position).collect();
        let columns = kept.iter().map(nullable).collect::<CodecResult<Vec<_>>>()?;
        let key_columns: Vec<Column> = columns.iter().take(key.len()).cloned().collect();
        Ok(Self {
            row: RowReader::new(&columns)?,
            key: RowReader::new(if key.is_empty() { &columns } else { &key_columns })?,
            columns,
            key_width: key.len(),
            wanted,
            schema,
            options: FlinkJsonOptions::default(),
            history: RowHistory::default(),
            table: RowTable::default(),
            truncated_lsn: None,
            spill: None,
            output: None,
            key_bytes: Vec::new(),
            value_bytes: Vec::new(),
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

    /// Makes rows go to a target when [`spill_beyond`](Self::spill_beyond) is called.
    #[must_use]
    pub fn with_spill(self, target: Box<dyn SpillTarget>) -> Self {
        Self { spill: Some(Spill::new(target)), ..self }
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Returns the memory of the rows, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.spill.as_ref().map_or(0, Spill::memory_bytes)
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

    /// Applies an event in Debezium's JSON that was parsed.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_json(&mut self, event: &Value) -> Result<(), String> {
        self.apply(event.to_string().as_bytes())
    }

    fn apply_envelope(&mut self, event: &[u8]) -> Result<(), Failure> {
        let mut scanner = Scanner::new(text(event)?, Grammar::Lenient);
        let token = scanner.value()?;
        let envelope = Envelope::read(token, &mut scanner)?;
        scanner.end()?;
        let lsn = lsn(envelope.source, &mut scanner)?;
        let before = || envelope.before.ok_or_else(|| envelope.missing("before"));
        let after = || envelope.after.ok_or_else(|| envelope.missing("after"));
        let is_keyed = self.key_width > 0;
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
                    Some(lsn) => self.truncated_lsn = self.truncated_lsn.max(Some(lsn)),
                    // without a log position, only the order within this segment is known
                    None => self.change(ChangeKind::Clear, &[]),
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
        self.key_bytes.clear();
        self.value_bytes.clear();
        write_unsigned(lsn.map_or(0, |lsn| lsn.saturating_add(1)), &mut self.value_bytes);
        if self.key_width == 0 {
            self.row.buffers.iter().for_each(|buffer| buffer.write_value(0, &mut self.key_bytes));
            write_unsigned(1, &mut self.value_bytes);
            self.change(ChangeKind::Add, &[]);
        } else {
            let others = self.columns.len().saturating_sub(self.key_width);
            let unchanged = marks_of(&unchanged, self.key_width, others);
            let (key, others) = self.row.buffers.split_at(self.key_width);
            key.iter().for_each(|buffer| buffer.write_value(0, &mut self.key_bytes));
            write_columns(others, &mut self.value_bytes);
            self.change(ChangeKind::Put, &unchanged);
        }
        Ok(())
    }

    /// Applies a row before it was deleted.
    fn remove(&mut self, row: Mark, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        self.key.read(&self.columns, &self.history, self.options, row, scanner)?;
        self.key_bytes.clear();
        self.value_bytes.clear();
        self.key.buffers.iter().for_each(|buffer| buffer.write_value(0, &mut self.key_bytes));
        let kind = if self.key_width == 0 { ChangeKind::Subtract } else { ChangeKind::Remove };
        self.change(kind, &[]);
        Ok(())
    }

    /// Applies a change of the row whose bytes were written.
    fn change(&mut self, kind: ChangeKind, unchanged: &[u8]) {
        let change = Change { kind, key: &self.key_bytes, value: &self.value_bytes, unchanged };
        if let Some(spill) = &mut self.spill
            && spill.take(self.table.hash(&self.key_bytes), &change)
        {
            return;
        }
        apply_change(&mut self.table, &change, &self.columns, self.key_width);
    }

    /// Writes rows to the spill target until those in memory take at most `limit` bytes. To be called after
    /// each chunk of events; without a target it does nothing.
    ///
    /// # Errors
    /// Those of the target. The rows are lost then.
    pub async fn spill_beyond(&mut self, limit: usize) -> CodecResult<()> {
        let Some(spill) = &mut self.spill else { return Ok(()) };
        spill.write_pending(false).await?;
        let kind = if self.key_width == 0 { ChangeKind::Add } else { ChangeKind::Put };
        while self.table.len() > 0
            && self.table.memory_bytes() + spill.memory_bytes() > limit
            && spill.spill_half(&mut self.table, kind).await?
        {}
        Ok(())
    }

    /// Takes the next batch of rows, in no particular order; `None` after the last. No events are applied
    /// after the first call.
    ///
    /// # Errors
    /// Those of the spill target, and `Schema` when the rows cannot be converted to a batch.
    pub async fn next_batch(&mut self) -> CodecResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.next_in_memory()? {
                return Ok(Some(batch));
            }
            let Some(spill) = &mut self.spill else { return Ok(None) };
            spill.write_pending(true).await?;
            let Some(partition) = spill.take_partition() else { return Ok(None) };
            while let Some(piece) = spill.read(partition).await? {
                let mut piece = piece.as_ref();
                while !piece.is_empty() {
                    let change = Change::read(&mut piece).ok_or_else(|| corrupt("a change"))?;
                    apply_change(&mut self.table, &change, &self.columns, self.key_width);
                }
            }
            self.output = None;
        }
    }

    /// Takes all rows of a table without a spill target.
    ///
    /// # Errors
    /// `Schema` when the rows cannot be converted to a batch.
    pub fn into_batches(mut self) -> CodecResult<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next_in_memory()? {
            batches.push(batch);
        }
        Ok(batches)
    }

    fn next_in_memory(&mut self) -> CodecResult<Option<RecordBatch>> {
        let output = match &mut self.output {
            Some(output) => output,
            None => self.output.insert(Output {
                rows: self.table.drain(),
                repeated: None,
                buffers: RecordPlan::buffers(&self.columns)?,
            }),
        };
        let (mut rows, mut bytes) = (0, 0);
        let (key_width, truncated) = (self.key_width, self.truncated_lsn);
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            let buffers = &mut output.buffers;
            if let Some((row, count)) = &mut output.repeated {
                read_values(buffers, &mut row.as_slice()).ok_or_else(|| corrupt("a row"))?;
                (rows, bytes, *count) = (rows + 1, bytes + row.len(), *count - 1);
                if *count == 0 {
                    output.repeated = None;
                }
                continue;
            }
            let read = output.rows.next(|key, mut value| {
                let lsn = read_unsigned(&mut value)?.checked_sub(1);
                if truncated.is_some() && lsn <= truncated {
                    return Some(None);
                }
                if key_width == 0 {
                    let count = read_unsigned(&mut value)?;
                    return Some((count > 0).then(|| (key.to_vec(), count)));
                }
                let (key_buffers, others) = buffers.split_at_mut(key_width);
                read_values(key_buffers, &mut { key })?;
                read_columns(others, &mut value)?;
                (rows, bytes) = (rows + 1, bytes + key.len() + value.len());
                Some(None)
            });
            match read {
                Some(read) => output.repeated = read.ok_or_else(|| corrupt("a row"))?,
                None => break,
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        let mut all = batch(&arrow_schema(&self.columns), &mut output.buffers, rows)?;
        all = all.project(&self.wanted).map_err(|e| CodecError::Schema(e.to_string()))?;
        Ok(Some(all))
    }
}

fn corrupt(what: &str) -> CodecError {
    CodecError::Schema(format!("{what} of a table's current rows cannot be read back"))
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
fn lsn(source: Option<Mark>, scanner: &mut Scanner<'_>) -> Result<Option<u64>, Failure> {
    let Token::Object = scanner.value_at(source)? else { return Ok(None) };
    let [lsn] = scanner.members(&["lsn"])?;
    match scanner.value_at(lsn)? {
        Token::Null => Ok(None),
        Token::Number(number) => match number.text.parse() {
            Ok(lsn) => Ok(Some(lsn)),
            Err(_) => Err(Failure::Event("source.lsn is not a log position".into())),
        },
        _ => Err(Failure::Event("source.lsn is not a log position".into())),
    }
}
