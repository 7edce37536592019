//! The rows of a result, kept so that they can be read at any tick.

use crate::consolidate::NetChanges;
use crate::entry::{ROW, read_weight, row_entry_key, signed};
use crate::error::{Problem, Result};
use crate::key_table::KeyTable;
use crate::operator::{EntrySink, Operator, State};
use crate::row_codec::RowCodec;
use crate::tick::Tick;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// Keeps the rows of its input, each with how often it is there, and passes the input on as it is.
///
/// [`Node::downcast_ref`](crate::Node::downcast_ref) gives it back from a node, to read the rows.
pub struct Contents {
    schema: SchemaRef,
    codec: RowCodec,
    rows: KeyTable,
    counts: Vec<i64>,
    row_count: u64,
}

impl Contents {
    /// Rows of the schema.
    ///
    /// # Errors
    /// [`Problem::Unsupported`] if a type cannot be held.
    pub fn new(schema: SchemaRef) -> Result<Self> {
        let codec = RowCodec::new(schema.fields().iter().map(|field| field.data_type().clone()))?;
        Ok(Self { schema, codec, rows: KeyTable::default(), counts: Vec::new(), row_count: 0 })
    }

    /// The number of rows, equal ones counted as often as they are there.
    pub fn row_count(&self) -> u64 {
        self.row_count
    }

    /// All rows, in batches of at most `max_rows`.
    ///
    /// # Errors
    /// [`Problem::Arrow`] if a column is too large.
    pub fn batches(&self, max_rows: usize) -> Result<Vec<RecordBatch>> {
        let (mut batches, mut picked) = (Vec::new(), Vec::new());
        for slot in self.rows.iter() {
            for _ in 0..self.counts[slot as usize] {
                picked.push(slot);
                if picked.len() >= max_rows.max(1) {
                    batches.push(self.batch(&picked)?);
                    picked.clear();
                }
            }
        }
        if !picked.is_empty() {
            batches.push(self.batch(&picked)?);
        }
        Ok(batches)
    }

    fn batch(&self, slots: &[u32]) -> Result<RecordBatch> {
        let columns = self.codec.decode(slots.iter().map(|slot| self.rows.key(*slot)))?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(slots.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// Sets how often a row is there.
    fn set(&mut self, row: &[u8], change: impl FnOnce(i64) -> i64) -> Result<()> {
        let (slot, _) = self.rows.insert(row);
        self.counts.resize(self.rows.slot_count(), 0);
        let before = self.counts[slot as usize];
        let after = change(before);
        self.counts[slot as usize] = after;
        self.row_count = self.row_count.saturating_add_signed(after - before);
        match after {
            ..0 => Err(Problem::NegativeWeight),
            0 => {
                self.rows.remove(slot);
                Ok(())
            }
            _ => {
                self.rows.mark_dirty(slot);
                Ok(())
            }
        }
    }
}

impl Operator for Contents {
    fn kind(&self) -> &'static str {
        "contents"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.schema)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        if let Some(batch) = inputs[0].concat(&self.schema)? {
            let net = NetChanges::of(&batch, &self.codec)?;
            for (row, weight) in &net.changes {
                self.set(net.row(*row), |count| count.saturating_add(*weight))?;
            }
        }
        Ok(inputs[0].clone())
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.rows.clear_dirty();
        Ok(())
    }
}

/// An entry is a row, and its value how often the row is there.
impl State for Contents {
    fn size_bytes(&self) -> usize {
        self.rows.size_bytes() + self.counts.capacity() * size_of::<i64>()
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        let (removed, dirty) = self.rows.take_dirty();
        removed.iter().for_each(|row| sink(&row_entry_key(row), None));
        for slot in dirty {
            sink(&row_entry_key(self.rows.key(slot)), Some(&signed(self.counts[slot as usize])));
        }
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        for slot in self.rows.iter() {
            sink(&row_entry_key(self.rows.key(slot)), Some(&signed(self.counts[slot as usize])));
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let Some((&ROW, row)) = key.split_first() else {
            return Err(Problem::state("there is no such entry"));
        };
        self.codec.check(row)?;
        let count = value.map_or(Ok(0), read_weight)?;
        self.set(row, |_| count)
    }
}
