//! The changes of a table in another database as weighted rows: the old row of a change, and the values
//! that a change leaves out, come from a replica of the table.

use crate::entry::{ROW, Reader, put_signed, put_unsigned, row_entry_key};
use crate::error::{Problem, Result};
use crate::key_table::KeyTable;
use crate::operator::{EntrySink, Operator, State};
use crate::row_codec::RowCodec;
use crate::tick::{Batch, Tick};
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// The columns of the input behind those of rows.
const HIDDEN: usize = 3;

/// Turns the changes of a captured table, in the order of its log, into changes of its rows.
///
/// The input has the columns of rows and three more: the position of the change in the log of its source
/// (`UInt64`); the columns that the change has not changed and does not have, as a byte 1 for each of them
/// and 0 for others, or null (`Binary`); and whether the change is a truncate (`Boolean`).
///
/// With a key, a row with a positive weight is the new row of its key, and one with a negative weight deletes
/// the row of its key; deleting a key that is not there does nothing. Without a key rows are counted, and
/// there are never less than none. The order of changes counts.
///
/// A truncate removes all rows whose position is its own or before it, also those that come later: logs of a
/// table may come in parts that are read one after the other. A row without a position is before all others.
/// A truncate without a position removes the rows that are there.
pub struct Replica {
    input: SchemaRef,
    schema: SchemaRef,
    /// The columns of the key; without one all columns.
    key_columns: Vec<usize>,
    is_keyed: bool,
    key_codec: RowCodec,
    row_codec: RowCodec,
    keys: KeyTable,
    rows: Vec<Stored>,
    row_bytes: usize,
    /// The position of the last truncate.
    truncated: Option<u64>,
    is_truncate_stored: bool,
}

/// What is kept of a row.
#[derive(Debug, Default)]
struct Stored {
    /// The position of its last change, counted from 1; 0 for none.
    position: u64,
    /// How many equal rows there are.
    count: i64,
    /// The row; without a key nothing, as the row is the key.
    row: Box<[u8]>,
}

/// The keys that a tick touches, in the order of their first change, with what there was before.
#[derive(Default)]
struct Touched {
    keys: KeyTable,
    before: Vec<(i64, Box<[u8]>)>,
}

/// The input's columns behind those of rows.
struct Changes<'a> {
    positions: &'a UInt64Array,
    unchanged: &'a BinaryArray,
    truncates: &'a BooleanArray,
}

impl Replica {
    /// Rows of the schema, whose key are the columns at the positions; without one they are counted.
    ///
    /// # Errors
    /// [`Problem::Input`] if there is no such column, [`Problem::Unsupported`] if a type cannot be held.
    pub fn new(schema: SchemaRef, key_columns: Vec<usize>) -> Result<Self> {
        let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let is_keyed = !key_columns.is_empty();
        let key_columns = if is_keyed { key_columns } else { (0..types.len()).collect() };
        let key_types = key_columns
            .iter()
            .map(|index| {
                types.get(*index).cloned().ok_or_else(|| Problem::input(format!("no column {index}")))
            })
            .collect::<Result<Vec<_>>>()?;
        let hidden = [
            Field::new("position", DataType::UInt64, true),
            Field::new("unchanged", DataType::Binary, true),
            Field::new("is_truncate", DataType::Boolean, false),
        ];
        let fields = schema.fields().iter().cloned().chain(hidden.into_iter().map(Arc::new));
        Ok(Self {
            input: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            key_codec: RowCodec::new(key_types)?,
            row_codec: RowCodec::new(types)?,
            schema,
            key_columns,
            is_keyed,
            keys: KeyTable::default(),
            rows: Vec::new(),
            row_bytes: 0,
            truncated: None,
            is_truncate_stored: true,
        })
    }

    fn stored(&self, key: &[u8]) -> Option<&Stored> {
        self.keys.find(key).map(|slot| &self.rows[slot as usize])
    }

    fn set(&mut self, key: &[u8], stored: Stored) {
        let (slot, _) = self.keys.insert(key);
        self.rows.resize_with(self.keys.slot_count(), Stored::default);
        self.row_bytes += stored.row.len();
        self.row_bytes -= std::mem::replace(&mut self.rows[slot as usize], stored).row.len();
        self.keys.mark_dirty(slot);
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(slot) = self.keys.find(key) {
            self.row_bytes -= std::mem::take(&mut self.rows[slot as usize]).row.len();
            self.keys.remove(slot);
        }
    }

    /// Whether a change at a position, counted from 1, is before the last truncate.
    fn is_truncated(&self, position: u64) -> bool {
        self.truncated.is_some_and(|truncated| position <= truncated)
    }

    /// Removes the rows before a position, counted from 1, or all.
    fn truncate(&mut self, position: u64, touched: &mut Touched) {
        if position > 0 {
            self.truncated = self.truncated.max(Some(position));
            self.is_truncate_stored = false;
        }
        let is_gone = |slot: &u32| position == 0 || self.is_truncated(self.rows[*slot as usize].position);
        let mut gone: Vec<Vec<u8>> =
            self.keys.iter().filter(is_gone).map(|slot| self.keys.key(slot).to_vec()).collect();
        // the order of slots depends on how the state came about
        gone.sort_unstable();
        for key in &gone {
            touched.note(self, key);
            self.remove(key);
        }
    }

    /// A row with the values of the stored one in the columns that are marked.
    fn merged(&self, old: &[u8], columns: &[ArrayRef], index: usize, marks: &[u8]) -> Result<Box<[u8]>> {
        let old = self.row_codec.decode([old])?;
        let columns = columns.iter().zip(old).enumerate().map(|(column, (new, old))| {
            if marks.get(column) == Some(&1) { old } else { new.slice(index, 1) }
        });
        let row = self.row_codec.encode(&columns.collect::<Vec<_>>(), 1)?;
        Ok(row.row(0).into())
    }

    /// How the counts of rows changed since `touched` was noted, as rows with their weights.
    fn changed(&self, touched: &Touched) -> Result<Option<Batch>> {
        let codec = if self.is_keyed { &self.row_codec } else { &self.key_codec };
        let (mut rows, mut weights): (Vec<&[u8]>, Vec<i64>) = (Vec::new(), Vec::new());
        for (number, (old_count, old_row)) in touched.before.iter().enumerate() {
            let key = touched.keys.key(number as u32);
            let stored = self.stored(key);
            let (count, row) = stored.map_or((0, [].as_slice()), |stored| (stored.count, &*stored.row));
            if !self.is_keyed {
                if count != *old_count {
                    rows.push(key);
                    weights.push(count - old_count);
                }
                continue;
            }
            if *old_count > 0 && count > 0 && **old_row == *row {
                continue;
            }
            for (row, weight) in [(&**old_row, -old_count), (row, count)] {
                if weight != 0 {
                    rows.push(row);
                    weights.push(weight);
                }
            }
        }
        if weights.is_empty() {
            return Ok(None);
        }
        let columns = codec.decode(rows)?;
        Ok(Some(Batch::new(RecordBatch::try_new(Arc::clone(&self.schema), columns)?, weights)?))
    }
}

impl Touched {
    fn note(&mut self, replica: &Replica, key: &[u8]) {
        if self.keys.insert(key).1 {
            let stored = replica.stored(key);
            self.before.push(stored.map_or_else(Default::default, |it| (it.count, it.row.clone())));
        }
    }
}

impl<'a> Changes<'a> {
    fn of(columns: &'a [ArrayRef]) -> Result<Self> {
        let changes = match columns {
            [positions, unchanged, truncates] => Some(Self {
                positions: positions.as_primitive_opt::<UInt64Type>().ok_or_else(other_columns)?,
                unchanged: unchanged.as_binary_opt::<i32>().ok_or_else(other_columns)?,
                truncates: truncates.as_boolean_opt().ok_or_else(other_columns)?,
            }),
            _ => None,
        };
        changes.ok_or_else(other_columns)
    }

    /// The position of a change, counted from 1; 0 for none.
    fn position(&self, index: usize) -> u64 {
        match self.positions.is_null(index) {
            true => 0,
            false => self.positions.value(index).saturating_add(1),
        }
    }
}

fn other_columns() -> Problem {
    Problem::input("the columns behind those of rows are of other types")
}

impl Operator for Replica {
    fn kind(&self) -> &'static str {
        if self.is_keyed { "replica" } else { "counted replica" }
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let watermark = inputs[0].watermark;
        let Some(batch) = inputs[0].concat(&self.input)? else {
            return Ok(Tick { batches: Vec::new(), watermark });
        };
        let all = batch.rows().columns();
        let (columns, hidden) = all.split_at(all.len() - HIDDEN);
        let changes = Changes::of(hidden)?;
        let row_count = batch.weights().len();
        let key_columns: Vec<ArrayRef> =
            self.key_columns.iter().map(|index| Arc::clone(&columns[*index])).collect();
        let keys = self.key_codec.encode(&key_columns, row_count)?;
        let rows = match self.is_keyed {
            true => Some(self.row_codec.encode(columns, row_count)?),
            false => None,
        };
        let mut touched = Touched::default();
        for (index, weight) in batch.weights().iter().enumerate().filter(|(_, weight)| **weight != 0) {
            let position = changes.position(index);
            if changes.truncates.value(index) {
                self.truncate(position, &mut touched);
                continue;
            }
            let key = keys.row(index);
            touched.note(self, key);
            match &rows {
                // what is stored is of the same part of the log, and older
                Some(_) if *weight < 0 || self.is_truncated(position) => self.remove(key),
                Some(rows) => {
                    let old = self.stored(key).filter(|_| changes.unchanged.is_valid(index));
                    let row = match old {
                        Some(old) => self.merged(&old.row, columns, index, changes.unchanged.value(index))?,
                        None => rows.row(index).into(),
                    };
                    self.set(key, Stored { position, count: 1, row });
                }
                None if *weight > 0 && self.is_truncated(position) => {}
                None => {
                    let (count, last) = self.stored(key).map_or((0, 0), |it| (it.count, it.position));
                    let count = count.saturating_add(*weight);
                    let position = if *weight > 0 { position } else { last };
                    match count > 0 {
                        true => self.set(key, Stored { position, count, row: Box::default() }),
                        false => self.remove(key),
                    }
                }
            }
        }
        Ok(Tick::of_rows(self.changed(&touched)?, watermark))
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.keys.clear_dirty();
        self.is_truncate_stored = true;
        Ok(())
    }
}

impl State for Replica {
    fn size_bytes(&self) -> usize {
        self.keys.size_bytes() + self.rows.capacity() * size_of::<Stored>() + self.row_bytes
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        let (removed, dirty) = self.keys.take_dirty();
        removed.iter().for_each(|key| sink(&row_entry_key(key), None));
        for slot in dirty {
            sink(&row_entry_key(self.keys.key(slot)), Some(&self.rows[slot as usize].entry()));
        }
        if let Some(truncated) = self.truncated
            && !std::mem::replace(&mut self.is_truncate_stored, true)
        {
            sink(&[TRUNCATED], Some(&number(truncated)));
        }
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        for slot in self.keys.iter() {
            sink(&row_entry_key(self.keys.key(slot)), Some(&self.rows[slot as usize].entry()));
        }
        if let Some(truncated) = self.truncated {
            sink(&[TRUNCATED], Some(&number(truncated)));
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        match (key.split_first(), value) {
            (Some((&ROW, key)), None) => {
                self.key_codec.check(key)?;
                self.remove(key);
            }
            (Some((&ROW, key)), Some(value)) => {
                self.key_codec.check(key)?;
                let mut reader = Reader::new(value);
                let (position, count) = (reader.unsigned()?, reader.weight()?);
                let row = reader.rest();
                match self.is_keyed {
                    true => self.row_codec.check(row)?,
                    false if row.is_empty() => {}
                    false => return Err(Problem::state("a counted row has bytes too many")),
                }
                self.set(key, Stored { position, count, row: row.into() });
            }
            (Some((&TRUNCATED, [])), Some(value)) => {
                let mut reader = Reader::new(value);
                self.truncated = Some(reader.unsigned()?);
                reader.end()?;
            }
            _ => return Err(Problem::state("there is no such entry")),
        }
        Ok(())
    }
}

/// The entry with the position of the last truncate.
const TRUNCATED: u8 = 2;

impl Stored {
    fn entry(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.row.len() + 12);
        put_unsigned(&mut out, self.position);
        put_signed(&mut out, self.count);
        out.extend_from_slice(&self.row);
        out
    }
}

fn number(value: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(10);
    put_unsigned(&mut out, value);
    out
}
