//! The changes of a captured table as batches, for who keeps its rows between them.

use super::changes::marks_of;
use super::envelope_rows::{EnvelopeRows, RowChange, key_columns, reason};
use super::layout::{Layout, RowIdentity};
use crate::arrow::batch_decoder::{DecodedBatch, RowKind};
use crate::arrow::column::Column;
use crate::arrow::column_buffer::ColumnBuffer;
use crate::arrow::json::plan::Failure;
use crate::arrow::row_history::RowHistory;
use crate::arrow::{BATCH_BYTES, BATCH_ROWS};
use crate::{CodecError, CodecResult};
use arrow::array::{ArrayRef, BinaryArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Why a truncate cannot be applied.
const UNORDERED_TRUNCATE: &str = "op t truncates the table, and the event has no log position that tells which rows in \
    other segments were there before: capture the table into a stream with one segment";

/// Decodes the events of a capture, in Debezium's JSON, to changes of rows in the order of the events.
///
/// Batches have the columns of the rows, those of the key first, and behind them three more
/// ([`CapturedChanges::COLUMNS`]): the log position of the change in the source; which columns of the row
/// have not changed and are not in the event, as a byte 1 for each of them and 0 for others, or null if all
/// are there; and whether the change is a truncate of the whole table up to that position, in which case
/// the row's columns are null. A removed row of a table with a key has only that.
#[derive(Debug)]
pub struct CapturedChanges {
    rows: EnvelopeRows,
    schema: SchemaRef,
    kept: SchemaRef,
    key_width: usize,
    /// Whether all events of the table are in one segment, and so in the order of the source.
    is_ordered: bool,
    buffers: Vec<ColumnBuffer>,
    kinds: Vec<RowKind>,
    positions: Vec<Option<u64>>,
    unchanged: Vec<Option<Vec<u8>>>,
    truncates: Vec<bool>,
    bytes: usize,
}

impl CapturedChanges {
    /// The names of the columns behind those of the rows.
    pub const COLUMNS: [&str; 3] = ["position of the change", "unchanged columns", "is a truncate"];

    /// Creates a decoder of a table with these columns and this primary key; without one, all columns are
    /// read, and an update removes the row before it. Of a table with a key, the `wanted` columns are read
    /// besides. `is_ordered` says whether all events of the table are in one segment: in others a truncate
    /// without a log position is an error, as nobody knows what came before it.
    ///
    /// # Errors
    /// `Schema` when a column of the key is not there, or a column has a type that events do not have.
    pub fn new(columns: &[Column], key: &[String], wanted: &[usize], is_ordered: bool) -> CodecResult<Self> {
        let (key, schema) = key_columns(columns, key)?;
        let all: Vec<usize> = (0..columns.len()).collect();
        let identity = if key.is_empty() { RowIdentity::Columns(&all) } else { RowIdentity::Key(&key) };
        let (layout, kept) = Layout::new(&schema, identity, wanted)?;
        let hidden = Self::COLUMNS.into_iter().zip([DataType::UInt64, DataType::Binary, DataType::Boolean]);
        let hidden =
            hidden.map(|(name, data_type)| Arc::new(Field::new(name, data_type, name != Self::COLUMNS[2])));
        let fields: Vec<_> = layout.fields.iter().cloned().chain(hidden).collect();
        Ok(Self {
            rows: EnvelopeRows::new(columns, &kept, key.len())?,
            schema: Arc::new(Schema::new(fields)),
            kept: Arc::new(Schema::new(layout.fields.clone())),
            key_width: key.len(),
            is_ordered,
            buffers: layout.buffers()?,
            kinds: Vec::new(),
            positions: Vec::new(),
            unchanged: Vec::new(),
            truncates: Vec::new(),
            bytes: 0,
        })
    }

    /// Gives rows that are older than the table's columns the present ones.
    #[must_use]
    pub fn with_history(mut self, history: RowHistory) -> Self {
        self.rows.history = history;
        self
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Decodes an event. Empty events (tombstones) and messages (`m`) have no changes.
    ///
    /// # Errors
    /// A message, as of [`CurrentRows::apply`](super::CurrentRows::apply); then it leaves no change.
    pub fn push(&mut self, event: &[u8]) -> Result<(), String> {
        self.bytes += event.len();
        if event.is_empty() {
            return Ok(());
        }
        let changes = self.kinds.len();
        self.append(event).map_err(|failure| {
            self.kinds.truncate(changes);
            self.positions.truncate(changes);
            self.unchanged.truncate(changes);
            self.truncates.truncate(changes);
            self.buffers.iter_mut().for_each(|buffer| buffer.truncate(changes));
            reason(failure)
        })
    }

    fn append(&mut self, event: &[u8]) -> Result<(), Failure> {
        let (change, position, mut scanner) = self.rows.read(event)?;
        match change {
            RowChange::Put(row) => {
                let unchanged = self.rows.append(&mut self.buffers, row, &mut scanner)?;
                let marks = marks_of(&unchanged, 0, self.buffers.len());
                self.note(RowKind::Insert, position, Some(marks).filter(|marks| !marks.is_empty()));
            }
            RowChange::Replace(before, after) => {
                self.rows.append_removed(&mut self.buffers, before, &mut scanner)?;
                self.note(RowKind::UpdateBefore, position, None);
                self.rows.append(&mut self.buffers, after, &mut scanner)?;
                self.note(RowKind::UpdateAfter, position, None);
            }
            RowChange::Remove(row) => {
                let width = if self.key_width == 0 { self.buffers.len() } else { self.key_width };
                let (removed, others) = self.buffers.split_at_mut(width);
                self.rows.append_removed(removed, row, &mut scanner)?;
                others.iter_mut().for_each(ColumnBuffer::push_null);
                self.note(RowKind::Delete, position, None);
            }
            RowChange::Truncate if position.is_none() && !self.is_ordered => {
                return Err(Failure::Event(UNORDERED_TRUNCATE.into()));
            }
            RowChange::Truncate => {
                self.buffers.iter_mut().for_each(ColumnBuffer::push_null);
                self.note(RowKind::Delete, position, None);
                if let Some(is_truncate) = self.truncates.last_mut() {
                    *is_truncate = true;
                }
            }
            RowChange::Nothing => {}
        }
        Ok(())
    }

    fn note(&mut self, kind: RowKind, position: Option<u64>, unchanged: Option<Vec<u8>>) {
        self.kinds.push(kind);
        self.positions.push(position);
        self.unchanged.push(unchanged);
        self.truncates.push(false);
    }

    /// Returns whether the changes are to be taken before more events are decoded.
    pub fn is_full(&self) -> bool {
        self.kinds.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Takes the changes since the last call; `None` if there are none.
    ///
    /// # Errors
    /// `Schema` when the rows cannot be converted to a batch.
    pub fn flush(&mut self) -> CodecResult<Option<DecodedBatch>> {
        self.bytes = 0;
        let kinds = std::mem::take(&mut self.kinds);
        if kinds.is_empty() {
            return Ok(None);
        }
        let rows = ColumnBuffer::finish_all(&mut self.buffers, &self.kept, kinds.len())?;
        let unchanged = std::mem::take(&mut self.unchanged);
        let hidden: [ArrayRef; 3] = [
            Arc::new(UInt64Array::from(std::mem::take(&mut self.positions))),
            Arc::new(unchanged.iter().map(Option::as_deref).collect::<BinaryArray>()),
            Arc::new(BooleanArray::from(std::mem::take(&mut self.truncates))),
        ];
        let columns = rows.columns().iter().cloned().chain(hidden).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|e| CodecError::Schema(e.to_string()))?;
        Ok(Some(DecodedBatch { rows, kinds: Some(kinds), events: None, clears: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::columns;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Int64Type, UInt64Type};
    use kulya_schema::{Format, SchemaInfo};
    use serde_json::json;

    fn table() -> Vec<Column> {
        let properties = json!({ "a": { "type": "string" }, "id": { "type": "integer" } });
        columns(&SchemaInfo::new("t", Format::Json, json!({ "properties": properties }).to_string())).unwrap()
    }

    #[test]
    fn changes_have_what_events_say() {
        let mut changes = CapturedChanges::new(&table(), &["id".to_owned()], &[0], false).unwrap();
        let placeholder = "__debezium_unavailable_value";
        for event in [
            json!({ "op": "r", "after": { "id": 1, "a": "x" } }),
            json!({ "op": "u", "before": null, "after": { "id": 1, "a": placeholder }, "source": { "lsn": 5 } }),
            json!({ "op": "m" }),
            json!({ "op": "t", "source": { "lsn": 7 } }),
            json!({ "op": "d", "before": { "id": 2 }, "source": { "lsn": 8 } }),
        ] {
            changes.push(event.to_string().as_bytes()).unwrap();
        }
        changes.push(b"").unwrap();
        // none of these leaves a change
        for (event, reason) in [
            (json!({ "op": "t" }), "a stream with one segment"),
            (json!({ "op": "u" }), "op u has no after"),
            (json!({ "op": "c", "after": { "id": "x" } }), "id"),
            (json!([]), "not a Debezium envelope"),
        ] {
            let error = changes.push(event.to_string().as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{event}: {error}");
        }
        let DecodedBatch { rows, kinds, .. } = changes.flush().unwrap().unwrap();
        assert_eq!(kinds.unwrap(), [RowKind::Insert, RowKind::Insert, RowKind::Delete, RowKind::Delete]);
        let names: Vec<String> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, [&["id", "a"][..], &CapturedChanges::COLUMNS].concat());
        let ids: Vec<_> = rows.column(0).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(ids, [Some(1), Some(1), None, Some(2)]);
        let texts: Vec<_> = rows.column(1).as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("x"), None, None, None]);
        let positions: Vec<_> = rows.column(2).as_primitive::<UInt64Type>().iter().collect();
        assert_eq!(positions, [None, Some(5), Some(7), Some(8)]);
        let unchanged: Vec<_> = rows.column(3).as_binary::<i32>().iter().collect();
        assert_eq!(unchanged, [None, Some(&[0, 1][..]), None, None]);
        let truncates: Vec<_> = rows.column(4).as_boolean().iter().flatten().collect();
        assert_eq!((truncates, rows.column(4).null_count()), (vec![false, false, true, false], 0));
        assert!(changes.flush().unwrap().is_none());
    }

    #[test]
    fn without_a_key_an_update_has_both_rows() {
        let mut changes = CapturedChanges::new(&table(), &[], &[], true).unwrap();
        let update = json!({ "op": "u", "before": { "id": 1, "a": "x" }, "after": { "id": 1, "a": "y" } });
        changes.push(update.to_string().as_bytes()).unwrap();
        let half = json!({ "op": "u", "before": { "id": 1, "a": "x" }, "after": { "id": "no number" } });
        changes.push(half.to_string().as_bytes()).unwrap_err();
        changes.push(json!({ "op": "t" }).to_string().as_bytes()).unwrap();
        let DecodedBatch { rows, kinds, .. } = changes.flush().unwrap().unwrap();
        assert_eq!(kinds.unwrap(), [RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete]);
        let texts: Vec<_> = rows.column(0).as_string::<i32>().iter().collect();
        assert_eq!(texts, [Some("x"), Some("y"), None]);
    }
}
