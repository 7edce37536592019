//! The columns of a table's stored rows, and which of them are returned.

use crate::arrow::column_buffer::ColumnBuffer;
use crate::{CodecError, CodecResult};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use std::sync::Arc;

/// Which rows are the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowIdentity<'a> {
    /// Those with the same values in these columns, the primary key: the last one is the current one.
    Key(&'a [usize]),
    /// Those with the same values in these columns, which are all of the events: they are counted.
    Columns(&'a [usize]),
}

/// The columns of stored rows.
#[derive(Debug)]
pub(super) struct Layout {
    /// The columns that are kept: those by which rows differ, then the others.
    pub(super) fields: Vec<FieldRef>,
    /// The number of columns by which rows differ.
    pub(super) key_width: usize,
    /// Whether equal rows are counted.
    pub(super) is_counted: bool,
    /// The numbers of the kept columns that batches have.
    wanted: Vec<usize>,
    /// The schema of the kept columns.
    kept: SchemaRef,
    /// The schema of the batches.
    pub(super) schema: SchemaRef,
}

impl Layout {
    /// Creates the layout of rows with these columns, of which the `wanted` ones are returned. Also returns
    /// the number of each kept column. All are nullable: a row that is removed has only its key, and rows
    /// that were written before a column was added lack it.
    pub(super) fn new(
        schema: &Schema,
        identity: RowIdentity<'_>,
        wanted: &[usize],
    ) -> CodecResult<(Self, Vec<usize>)> {
        let (key, is_counted) = match identity {
            RowIdentity::Key(columns) => (columns, false),
            RowIdentity::Columns(columns) => (columns, true),
        };
        let mut kept = key.to_vec();
        for index in wanted {
            if !kept.contains(index) {
                kept.push(*index);
            }
        }
        let field = |index: &usize| match schema.fields().get(*index) {
            Some(field) => Ok(Arc::new(Field::clone(field).with_nullable(true))),
            None => Err(CodecError::Schema(format!("there is no column {index}"))),
        };
        let fields = kept.iter().map(field).collect::<CodecResult<Vec<FieldRef>>>()?;
        let position = |index: &usize| kept.iter().position(|other| other == index).unwrap_or_default();
        let positions = wanted.iter().map(position).collect();
        let returned = wanted.iter().map(field).collect::<CodecResult<Vec<FieldRef>>>()?;
        let layout = Self {
            kept: Arc::new(Schema::new(fields.clone())),
            fields,
            key_width: key.len(),
            is_counted,
            wanted: positions,
            schema: Arc::new(Schema::new(returned)),
        };
        layout.buffers()?;
        Ok((layout, kept))
    }

    /// Creates buffers of the kept columns.
    ///
    /// # Errors
    /// `Schema` for a type that rows do not have.
    pub(super) fn buffers(&self) -> CodecResult<Vec<ColumnBuffer>> {
        let buffer = |field: &FieldRef| {
            ColumnBuffer::new(field.data_type()).ok_or_else(|| {
                let (name, data_type) = (field.name(), field.data_type());
                CodecError::Schema(format!("column {name}: rows of a change log have no type {data_type}"))
            })
        };
        self.fields.iter().map(buffer).collect()
    }

    /// Creates buffers of the columns that are not of the key.
    pub(super) fn other_buffers(&self) -> Option<Vec<ColumnBuffer>> {
        let others = self.fields.get(self.key_width..)?;
        others.iter().map(|field| ColumnBuffer::new(field.data_type())).collect()
    }

    /// Takes the values of buffers as a batch of the wanted columns.
    pub(super) fn batch(
        &self,
        buffers: &mut [ColumnBuffer],
        rows: usize,
    ) -> CodecResult<arrow::array::RecordBatch> {
        let all = ColumnBuffer::finish_all(buffers, &self.kept, rows)?;
        all.project(&self.wanted).map_err(|e| CodecError::Schema(e.to_string()))
    }
}
