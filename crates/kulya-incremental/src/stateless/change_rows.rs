//! Changes as rows.

use crate::changelog::{Changelog, RowKind};
use crate::error::Result;
use crate::operator::Operator;
use crate::tick::{Batch, Tick};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Makes of each change a row that is inserted, with the kind of the change as its last column: `INSERT`,
/// `UPDATE_BEFORE`, `UPDATE_AFTER` or `DELETE` (TO_CHANGELOG).
#[derive(Debug)]
pub struct ChangeRows {
    input: SchemaRef,
    schema: SchemaRef,
    changelog: Changelog,
}

impl ChangeRows {
    /// The changes of rows with a unique key, if there is one; `name` is that of the column with the kind.
    ///
    /// # Errors
    /// [`Problem::Input`](crate::Problem::Input) if there is no such column.
    pub fn new(input: SchemaRef, key: Option<Vec<usize>>, name: impl Into<String>) -> Result<Self> {
        let mut fields: Vec<_> = input.fields().iter().map(Arc::clone).collect();
        fields.push(Arc::new(Field::new(name, DataType::Utf8, false)));
        let changelog = Changelog::new(Arc::clone(&input), key)?;
        Ok(Self { schema: Arc::new(Schema::new(fields)), input, changelog })
    }
}

impl Operator for ChangeRows {
    fn kind(&self) -> &'static str {
        "change rows"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let (rows, kinds) = self.changelog.fold(&inputs[0])?;
        let kind = |kind: &RowKind| match kind {
            RowKind::Insert => "INSERT",
            RowKind::UpdateBefore => "UPDATE_BEFORE",
            RowKind::UpdateAfter => "UPDATE_AFTER",
            RowKind::Delete => "DELETE",
        };
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(StringArray::from_iter_values(kinds.iter().map(kind))) as ArrayRef);
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(Tick::of_rows(Some(Batch::inserts(rows)), inputs[0].watermark))
    }
}
