//! The rows of a table that its changes leave, as the compact bytes of their columns: in memory, and beyond a
//! bound in a target outside.

use super::changes::{Change, ChangeKind, apply_change, read_columns, read_values};
use super::layout::{Layout, RowIdentity};
use super::row_table::{Drain, RowTable};
use super::row_values::{ColumnValues, write_columns};
use super::spill::{Spill, SpillTarget};
use crate::arrow::batch_decoder::RowKind;
use crate::arrow::column_buffer::ColumnBuffer;
use crate::arrow::column_buffer::value_bytes::{read_unsigned, write_unsigned};
use crate::arrow::{BATCH_BYTES, BATCH_ROWS};
use crate::{CodecError, CodecResult};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use std::sync::Arc;

/// The rows that changes leave: the last one of each key, or without a key each row as often as it was added
/// and not removed.
///
/// A row takes the bytes of its values, and about 20 bytes more.
#[derive(Debug)]
pub struct RowState {
    pub(super) layout: Layout,
    /// The column of a batch that is in each of the layout's.
    columns: Vec<usize>,
    pub(super) table: RowTable,
    /// The log position of the last truncate; rows with an older one are deleted.
    pub(super) truncated_lsn: Option<u64>,
    spill: Option<Spill>,
    output: Option<Output>,
    pub(super) key_bytes: Vec<u8>,
    pub(super) value_bytes: Vec<u8>,
}

/// Rows on the way out.
#[derive(Debug)]
struct Output {
    rows: Drain,
    /// A row that is to be repeated, and how often: its key and its other columns.
    repeated: Option<(Vec<u8>, Vec<u8>, u64)>,
    buffers: Vec<ColumnBuffer>,
}

impl RowState {
    /// Creates an empty table of rows with these columns, of which batches have the `wanted` ones.
    ///
    /// # Errors
    /// `Schema` when there is no such column, or one has a type that rows of change logs do not have.
    pub fn new(schema: &Schema, identity: RowIdentity<'_>, wanted: &[usize]) -> CodecResult<Self> {
        let (layout, columns) = Layout::new(schema, identity, wanted)?;
        Ok(Self {
            layout,
            columns,
            table: RowTable::default(),
            truncated_lsn: None,
            spill: None,
            output: None,
            key_bytes: Vec::new(),
            value_bytes: Vec::new(),
        })
    }

    /// Makes rows go to a target when [`spill_beyond`](Self::spill_beyond) is called.
    #[must_use]
    pub fn with_spill(self, target: Box<dyn SpillTarget>) -> Self {
        Self { spill: Some(Spill::new(target)), ..self }
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.layout.schema)
    }

    /// Returns the numbers of the columns that are kept.
    pub(super) fn kept(&self) -> &[usize] {
        &self.columns
    }

    /// Returns the memory of the rows, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.spill.as_ref().map_or(0, Spill::memory_bytes)
    }

    /// Applies changes in their order; without `kinds` all rows are inserted. Of a removed row only
    /// what tells
    /// rows apart is looked at, and with a key an update removes the row before it only if that has another
    /// key.
    ///
    /// # Errors
    /// `Schema` when the batch does not have the table's columns.
    pub fn apply(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<()> {
        let values = |index: &usize| {
            let column = rows.columns().get(*index).and_then(ColumnValues::of);
            column.ok_or_else(|| CodecError::Schema(format!("a batch has no values for column {index}")))
        };
        let columns = self.columns.iter().map(values).collect::<CodecResult<Vec<_>>>()?;
        let (key, others) = columns.split_at(self.layout.key_width.min(columns.len()));
        let is_counted = self.layout.is_counted;
        let mut before: Option<Vec<u8>> = None;
        for row in 0..rows.num_rows() {
            let kind = kinds.and_then(|kinds| kinds.get(row)).copied().unwrap_or(RowKind::Insert);
            self.key_bytes.clear();
            self.value_bytes.clear();
            key.iter().for_each(|column| column.write_value(row, &mut self.key_bytes));
            if !kind.is_addition() {
                match kind {
                    RowKind::UpdateBefore if !is_counted => before = Some(self.key_bytes.clone()),
                    _ if is_counted => self.change(ChangeKind::Subtract, &[]),
                    _ => self.change(ChangeKind::Remove, &[]),
                }
                continue;
            }
            if let Some(mut before) = before.take()
                && before != self.key_bytes
            {
                std::mem::swap(&mut before, &mut self.key_bytes);
                self.change(ChangeKind::Remove, &[]);
                self.key_bytes = before;
            }
            // no log position
            self.value_bytes.push(0);
            if is_counted {
                self.value_bytes.push(1);
            }
            write_columns(others, row, &mut self.value_bytes);
            self.change(if is_counted { ChangeKind::Add } else { ChangeKind::Put }, &[]);
        }
        if let Some(before) = before {
            self.key_bytes = before;
            self.change(ChangeKind::Remove, &[]);
        }
        Ok(())
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        self.change(ChangeKind::Clear, &[]);
    }

    /// Applies a change of the row whose bytes were written.
    pub(super) fn change(&mut self, kind: ChangeKind, unchanged: &[u8]) {
        let change = Change { kind, key: &self.key_bytes, value: &self.value_bytes, unchanged };
        if let Some(spill) = &mut self.spill
            && spill.take(self.table.hash(&self.key_bytes), &change)
        {
            return;
        }
        apply_change(&mut self.table, &change, &self.layout, self.truncated_lsn);
    }

    /// Writes rows to the spill target until those in memory take at most `limit` bytes. To be called after
    /// each chunk of events; without a target it does nothing.
    ///
    /// # Errors
    /// Those of the target. The rows are lost then.
    pub async fn spill_beyond(&mut self, limit: usize) -> CodecResult<()> {
        let Some(spill) = &mut self.spill else { return Ok(()) };
        spill.write_pending(false).await?;
        let kind = if self.layout.is_counted { ChangeKind::Add } else { ChangeKind::Put };
        while self.table.len() > 0
            && self.table.memory_bytes() + spill.memory_bytes() > limit
            && spill.spill_half(&mut self.table, kind).await?
        {}
        Ok(())
    }

    /// Takes the next batch of rows, in no particular order; `None` after the last. No changes are applied
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
                    apply_change(&mut self.table, &change, &self.layout, self.truncated_lsn);
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
                buffers: self.layout.buffers()?,
            }),
        };
        let (key_width, is_counted) = (self.layout.key_width, self.layout.is_counted);
        let truncated = self.truncated_lsn;
        let (mut rows, mut bytes) = (0, 0);
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            let (keys, others) = output.buffers.split_at_mut(key_width);
            if let Some((key, value, count)) = &mut output.repeated {
                read_row(keys, others, key, value).ok_or_else(|| corrupt("a row"))?;
                (rows, bytes, *count) = (rows + 1, bytes + key.len() + value.len(), *count - 1);
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
                let count = if is_counted { read_unsigned(&mut value)? } else { 1 };
                if count > 1 {
                    return Some(Some((key.to_vec(), value.to_vec(), count)));
                }
                read_row(keys, others, key, value)?;
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
        self.layout.batch(&mut output.buffers, rows).map(Some)
    }

    /// Writes the head of a value: the log position, and of a counted row that it is one.
    pub(super) fn write_head(&mut self, lsn: Option<u64>) {
        write_unsigned(lsn.map_or(0, |lsn| lsn.saturating_add(1)), &mut self.value_bytes);
        if self.layout.is_counted {
            write_unsigned(1, &mut self.value_bytes);
        }
    }
}

fn read_row(
    keys: &mut [ColumnBuffer],
    others: &mut [ColumnBuffer],
    mut key: &[u8],
    mut value: &[u8],
) -> Option<()> {
    read_values(keys, &mut key)?;
    read_columns(others, &mut value)
}

fn corrupt(what: &str) -> CodecError {
    CodecError::Schema(format!("{what} of a table's current rows cannot be read back"))
}
