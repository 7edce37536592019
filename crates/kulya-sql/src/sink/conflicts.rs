//! ON CONFLICT: rows of a statement that have the primary key of an earlier one of it.
//!
//! As in Flink, rows that are in the table already are not looked at: a row replaces the one that is there.

use crate::dialect::ConflictAction;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use arrow::row::{RowConverter, SortField};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::memory_pool::MemoryReservation;
use std::collections::HashMap;

/// What an entry of the table of keys takes beside its bytes, in bytes.
const ENTRY_BYTES: usize = 64;

/// The keys of a statement's rows so far.
pub(crate) struct Conflicts {
    table: String,
    fails: bool,
    key: Vec<usize>,
    keys: RowConverter,
    /// Of the whole row, which is only compared if a conflict is an error.
    rows: Option<RowConverter>,
    seen: HashMap<Box<[u8]>, Box<[u8]>>,
    memory: MemoryReservation,
}

impl Conflicts {
    /// Returns the conflicts of rows with these columns, whose primary key is at `key`; `None` if there is
    /// nothing to do, because the last row of a key replaces the others anyway.
    ///
    /// # Errors
    /// `NotSupported` for columns that are not compared.
    pub(crate) fn new(
        table: &str,
        action: ConflictAction,
        schema: &Schema,
        key: Vec<usize>,
        memory: MemoryReservation,
    ) -> SqlResult<Option<Self>> {
        let fails = match action {
            ConflictAction::Deduplicate => return Ok(None),
            ConflictAction::Nothing => false,
            ConflictAction::Error => true,
        };
        let converter = |columns: &mut dyn Iterator<Item = usize>| {
            let fields = columns.filter_map(|index| schema.fields().get(index));
            let fields: Vec<SortField> =
                fields.map(|field| SortField::new(field.data_type().clone())).collect();
            RowConverter::new(fields).map_err(|e| {
                let what = format!(
                    "ON CONFLICT DO {} of table {table}, which has columns that are not compared",
                    action.name()
                );
                SqlError::not_supported(what).because(e)
            })
        };
        let keys = converter(&mut key.iter().copied())?;
        let rows = if fails { Some(converter(&mut (0..schema.fields().len()))?) } else { None };
        let seen = HashMap::new();
        Ok(Some(Self { table: table.to_owned(), fails, key, keys, rows, seen, memory }))
    }

    /// Returns the rows that are written.
    ///
    /// # Errors
    /// `InvalidValue` for two different rows of one key, if that is an error, and `OutOfMemory` for more keys
    /// than the memory of a query.
    pub(crate) fn apply(&mut self, batch: RecordBatch) -> SqlResult<RecordBatch> {
        let failed = |e: arrow::error::ArrowError| SqlError::internal().because(e);
        let of_key: Vec<ArrayRef> =
            self.key.iter().filter_map(|index| batch.columns().get(*index).cloned()).collect();
        let keys = self.keys.convert_columns(&of_key).map_err(failed)?;
        let rows = match &mut self.rows {
            Some(rows) => Some(rows.convert_columns(batch.columns()).map_err(failed)?),
            None => None,
        };
        let mut kept = Vec::with_capacity(batch.num_rows());
        for (number, key) in keys.iter().enumerate() {
            let row = rows.as_ref().map_or(&[][..], |rows| rows.row(number).data());
            match self.seen.get(key.as_ref()) {
                None => {
                    self.memory.try_grow(key.as_ref().len() + row.len() + ENTRY_BYTES)?;
                    self.seen.insert(key.as_ref().into(), row.into());
                    kept.push(true);
                }
                Some(first) if self.fails && **first != *row => return Err(self.conflict(&of_key, number)),
                Some(_) => kept.push(false),
            }
        }
        if kept.iter().all(|keeps| *keeps) {
            return Ok(batch);
        }
        filter_record_batch(&batch, &BooleanArray::from(kept)).map_err(failed)
    }

    fn conflict(&self, key: &[ArrayRef], row: usize) -> SqlError {
        let options = FormatOptions::default();
        let text = |values: &ArrayRef| {
            ArrayFormatter::try_new(values, &options).map(|of| of.value(row).to_string()).unwrap_or_default()
        };
        let key = key.iter().map(text).collect::<Vec<_>>().join(", ");
        let what = format!(
            "table {}: two different rows have the primary key {key:.200}: ON CONFLICT DO NOTHING keeps the first",
            self.table
        );
        SqlError::new(SqlErrorKind::InvalidValue, what)
    }
}
