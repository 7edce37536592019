//! Ticks as a change log with row kinds, as SQL clients and Flink see it.

use crate::consolidate::NetChanges;
use crate::error::{Problem, Result};
use crate::key_table::KeyTable;
use crate::row_codec::RowCodec;
use crate::tick::Tick;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::take::take_record_batch;
use std::sync::Arc;

/// What a row of a change log says.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RowKind {
    /// A row is there that was not (`+I`).
    Insert,
    /// The old row of an update (`-U`), directly before the new one.
    UpdateBefore,
    /// The new row of an update (`+U`).
    UpdateAfter,
    /// A row is gone (`-D`).
    Delete,
}

impl RowKind {
    /// The sign that Flink prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}

/// Folds the weights of a tick into row kinds: of each key the old row and the new one, or of each row the
/// net number of insertions or deletions.
#[derive(Debug)]
pub struct Changelog {
    schema: SchemaRef,
    key: Option<(Vec<usize>, RowCodec)>,
    codec: RowCodec,
}

impl Changelog {
    /// Ticks of the schema, with the positions of the columns of a unique key, if there is one.
    ///
    /// # Errors
    /// [`Problem::Input`] if there is no such column.
    pub fn new(schema: SchemaRef, key: Option<Vec<usize>>) -> Result<Self> {
        let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let key = match key {
            None => None,
            Some(columns) => {
                let key_types = columns
                    .iter()
                    .map(|index| {
                        types.get(*index).cloned().ok_or_else(|| Problem::input(format!("no column {index}")))
                    })
                    .collect::<Result<Vec<_>>>()?;
                Some((columns, RowCodec::new(key_types)?))
            }
        };
        Ok(Self { codec: RowCodec::new(types)?, schema, key })
    }

    /// The rows that changed, with what happened to each.
    ///
    /// # Errors
    /// [`Problem::Input`] if a key has two rows at the end of the tick.
    pub fn fold(&self, tick: &Tick) -> Result<(RecordBatch, Vec<RowKind>)> {
        let Some(batch) = tick.concat(&self.schema)? else {
            return Ok((RecordBatch::new_empty(Arc::clone(&self.schema)), Vec::new()));
        };
        let net = NetChanges::of(&batch, &self.codec)?;
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        match &self.key {
            None => {
                for (row, weight) in net.changes {
                    let kind = if weight < 0 { RowKind::Delete } else { RowKind::Insert };
                    for _ in 0..weight.unsigned_abs() {
                        rows.push(row);
                        kinds.push(kind);
                    }
                }
            }
            Some((columns, codec)) => {
                for change in self.changes_by_key(batch.rows(), columns, codec, &net)? {
                    let (old, new) = match change {
                        (Some(_), Some(_)) => (RowKind::UpdateBefore, RowKind::UpdateAfter),
                        _ => (RowKind::Delete, RowKind::Insert),
                    };
                    for (row, kind) in [(change.0, old), (change.1, new)] {
                        rows.extend(row);
                        kinds.extend(row.map(|_| kind));
                    }
                }
            }
        }
        Ok((take_record_batch(batch.rows(), &UInt32Array::from(rows))?, kinds))
    }

    /// The old and the new row of each key, in the order of first changes.
    fn changes_by_key(
        &self,
        rows: &RecordBatch,
        columns: &[usize],
        codec: &RowCodec,
        net: &NetChanges,
    ) -> Result<Vec<(Option<u32>, Option<u32>)>> {
        let key_columns: Vec<ArrayRef> =
            columns.iter().map(|index| Arc::clone(rows.column(*index))).collect();
        let keys = codec.encode(&key_columns, rows.num_rows())?;
        let (mut numbers, mut changes) = (KeyTable::default(), Vec::new());
        for (row, weight) in &net.changes {
            let (number, is_new) = numbers.insert(keys.row(*row as usize));
            if is_new {
                changes.push((None, None));
            }
            let (old, new) = &mut changes[number as usize];
            let side = if *weight < 0 { old } else { new };
            if weight.unsigned_abs() != 1 || side.replace(*row).is_some() {
                return Err(Problem::input("two rows have the same unique key"));
            }
        }
        Ok(changes)
    }
}
