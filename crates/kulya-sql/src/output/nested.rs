//! Arrays, maps and rows as texts, for formats that have no nested values.

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::sync::Arc;

/// Returns the rows with texts in place of nested values.
pub(super) fn as_texts(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    if !rows.columns().iter().any(|column| column.data_type().is_nested()) {
        return Ok(rows.clone());
    }
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        if column.data_type().is_nested() {
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(texts(column)?);
        } else {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let text = |row| match column.is_null(row) {
        true => Ok(None),
        false => formatter.value(row).try_to_string().map(Some),
    };
    Ok(Arc::new((0..column.len()).map(text).collect::<Result<StringArray, ArrowError>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{OutputFormat, StatementResult};
    use arrow::array::{Int32Array, StructArray};

    #[test]
    fn nested_values_are_texts_in_csv() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let row =
            StructArray::from(vec![(Arc::new(Field::new("x", DataType::Int32, true)), Arc::clone(&numbers))]);
        let rows = RecordBatch::try_from_iter([("n", numbers), ("r", Arc::new(row) as ArrayRef)]).unwrap();
        let result =
            StatementResult::Rows { schema: rows.schema(), batches: vec![rows], warnings: Vec::new() };
        assert_eq!(result.write(OutputFormat::Csv).unwrap(), "n,r\n1,{x: 1}\n,{x: }\n");
    }
}
