//! A keyed change log as weighted rows: the old row of a key comes from a replica of the table.

use crate::entry::{ROW, row_entry_key};
use crate::error::{Problem, Result};
use crate::key_table::KeyTable;
use crate::operator::{EntrySink, Operator, State};
use crate::row_codec::RowCodec;
use crate::tick::{Batch, Tick};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::interleave::interleave;
use std::sync::Arc;

/// Turns the latest row of each key into changes of a table.
///
/// A row with a positive weight is the new row of its key, one with a negative weight deletes the row of its
/// key, whatever its other columns have. The order of rows counts. Deleting a key that is not there does
/// nothing, so that a log may be read again from an earlier position.
pub struct Upsert {
    schema: SchemaRef,
    key_columns: Vec<usize>,
    key_codec: RowCodec,
    row_codec: RowCodec,
    keys: KeyTable,
    rows: Vec<Box<[u8]>>,
    row_bytes: usize,
}

impl Upsert {
    /// Rows of the schema, whose key are the columns at the positions.
    ///
    /// # Errors
    /// [`Problem::Input`] if there is no such column, [`Problem::Unsupported`] if a type cannot be held.
    pub fn new(schema: SchemaRef, key_columns: Vec<usize>) -> Result<Self> {
        let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let key_types = key_columns
            .iter()
            .map(|index| {
                types.get(*index).cloned().ok_or_else(|| Problem::input(format!("no column {index}")))
            })
            .collect::<Result<Vec<_>>>()?;
        let (key_codec, row_codec) = (RowCodec::new(key_types)?, RowCodec::new(types)?);
        let keys = KeyTable::default();
        Ok(Self { schema, key_columns, key_codec, row_codec, keys, rows: Vec::new(), row_bytes: 0 })
    }

    /// All rows of the table, in batches of at most `max_rows`: the first tick of a view that begins now.
    ///
    /// # Errors
    /// [`Problem::Arrow`] if a column is too large.
    pub fn contents(&self, max_rows: usize) -> Result<Vec<RecordBatch>> {
        let slots: Vec<_> = self.keys.iter().collect();
        slots
            .chunks(max_rows.max(1))
            .map(|slots| {
                let columns = self.row_codec.decode(slots.iter().map(|slot| &*self.rows[*slot as usize]))?;
                Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
            })
            .collect()
    }

    fn set(&mut self, key: &[u8], row: Option<&[u8]>) {
        let Some(row) = row else {
            if let Some(slot) = self.keys.find(key) {
                let old = std::mem::take(&mut self.rows[slot as usize]);
                self.row_bytes -= old.len();
                self.keys.remove(slot);
            }
            return;
        };
        let (slot, _) = self.keys.insert(key);
        self.rows.resize(self.keys.slot_count(), Box::default());
        self.row_bytes += row.len();
        self.row_bytes -= std::mem::replace(&mut self.rows[slot as usize], row.into()).len();
        self.keys.mark_dirty(slot);
    }

    fn old_row(&self, key: &[u8]) -> Option<&[u8]> {
        self.keys.find(key).map(|slot| &*self.rows[slot as usize])
    }
}

impl Operator for Upsert {
    fn kind(&self) -> &'static str {
        "upsert"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.schema)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let watermark = inputs[0].watermark;
        let Some(batch) = inputs[0].concat(&self.schema)? else {
            return Ok(Tick { batches: Vec::new(), watermark });
        };
        let columns = batch.rows().columns();
        let row_count = batch.weights().len();
        let key_columns: Vec<ArrayRef> =
            self.key_columns.iter().map(|index| Arc::clone(&columns[*index])).collect();
        let keys = self.key_codec.encode(&key_columns, row_count)?;
        let rows = self.row_codec.encode(columns, row_count)?;

        // the last row of each key, in the order of first rows
        let (mut touched, mut last) = (KeyTable::default(), Vec::new());
        for (index, weight) in batch.weights().iter().enumerate().filter(|(_, weight)| **weight != 0) {
            let (number, is_new) = touched.insert(keys.row(index));
            let row = (*weight > 0).then_some(index);
            if is_new {
                last.push(row);
            } else {
                last[number as usize] = row;
            }
        }

        let (mut old_rows, mut picks, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (number, new) in last.iter().enumerate() {
            let key = touched.key(number as u32);
            let new_row = new.map(|index| rows.row(index));
            let old_row = self.old_row(key);
            if old_row == new_row {
                continue;
            }
            if let Some(old_row) = old_row {
                picks.push((0, old_rows.len()));
                weights.push(-1);
                old_rows.push(old_row.to_vec());
            }
            if let Some(index) = new {
                picks.push((1, *index));
                weights.push(1);
            }
            self.set(key, new_row);
        }
        if weights.is_empty() {
            return Ok(Tick { batches: Vec::new(), watermark });
        }
        let old_columns = self.row_codec.decode(old_rows.iter().map(Vec::as_slice))?;
        let columns = old_columns
            .iter()
            .zip(columns)
            .map(|(old, new)| interleave(&[old.as_ref(), new.as_ref()], &picks))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(Tick { batches: vec![Batch::new(rows, weights)?], watermark })
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.keys.clear_dirty();
        Ok(())
    }
}

impl State for Upsert {
    fn size_bytes(&self) -> usize {
        self.keys.size_bytes() + self.rows.capacity() * size_of::<Box<[u8]>>() + self.row_bytes
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        let (removed, dirty) = self.keys.take_dirty();
        removed.iter().for_each(|key| sink(&row_entry_key(key), None));
        for slot in dirty {
            sink(&row_entry_key(self.keys.key(slot)), Some(&self.rows[slot as usize]));
        }
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        for slot in self.keys.iter() {
            sink(&row_entry_key(self.keys.key(slot)), Some(&self.rows[slot as usize]));
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let Some((&ROW, key)) = key.split_first() else {
            return Err(Problem::state("there is no such entry"));
        };
        self.key_codec.check(key)?;
        value.map_or(Ok(()), |row| self.row_codec.check(row))?;
        self.set(key, value);
        Ok(())
    }
}
