//! The routing keys of rows: events of one key keep their order.

use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// The columns whose values are the routing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoutingKey {
    /// Rows have no key: they are in no order.
    None,
    /// The text of one column, as it is.
    Text(usize),
    /// The values of the primary key's columns, as texts in a JSON array.
    Columns(Vec<usize>),
}

impl RoutingKey {
    /// Returns the key of each row, `None` for rows without one; `None` if no row has one.
    ///
    /// # Errors
    /// `TypeMismatch` if the column of [`Self::Text`] is no text.
    pub(super) fn of_rows(&self, rows: &RecordBatch) -> SqlResult<Option<Vec<Option<String>>>> {
        let columns: Vec<&ArrayRef> = match self {
            Self::None => return Ok(None),
            Self::Text(index) => rows.columns().get(*index).into_iter().collect(),
            Self::Columns(indexes) => indexes.iter().filter_map(|index| rows.columns().get(*index)).collect(),
        };
        let options = FormatOptions::default();
        let formatters = columns.iter().map(|column| ArrayFormatter::try_new(column, &options));
        let formatters =
            formatters.collect::<Result<Vec<_>, _>>().map_err(|e| SqlError::internal().because(e))?;
        let text = |column: usize, row: usize| {
            let is_null = columns.get(column).is_some_and(|column| column.is_null(row));
            formatters.get(column).filter(|_| !is_null).map(|formatter| formatter.value(row).to_string())
        };
        match self {
            Self::Text(_) => Ok(Some((0..rows.num_rows()).map(|row| text(0, row)).collect())),
            _ => {
                let key = |row| (0..columns.len()).map(|column| text(column, row)).collect::<Vec<_>>();
                let json = |row| serde_json::to_string(&key(row)).map(Some);
                let keys = (0..rows.num_rows()).map(json).collect::<Result<_, _>>();
                keys.map(Some).map_err(|e| SqlError::internal().because(e))
            }
        }
    }

    /// Returns the key for the option `sink.routing-key.field.name`.
    ///
    /// # Errors
    /// `UnknownColumn`, `TypeMismatch`.
    pub(crate) fn field(schema: &arrow::datatypes::Schema, name: &str) -> SqlResult<Self> {
        let Some((index, field)) = schema.column_with_name(name) else {
            let what = format!("'sink.routing-key.field.name' = '{name}': the table has no column {name}");
            return Err(SqlError::new(SqlErrorKind::UnknownColumn, what));
        };
        match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(Self::Text(index)),
            _ => {
                let what = format!(
                    "'sink.routing-key.field.name' = '{name}': column {name} must be CHAR, VARCHAR or STRING"
                );
                Err(SqlError::new(SqlErrorKind::TypeMismatch, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    fn rows() -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), None]));
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("name", names, true)]).unwrap()
    }

    #[test]
    fn keys_are_texts_of_columns() {
        let of = |key: RoutingKey| key.of_rows(&rows()).unwrap();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of(RoutingKey::None), None);
        for (columns, expected) in [
            (RoutingKey::Text(1), [some("a\"b"), None]),
            (RoutingKey::Columns(vec![0]), [some(r#"["7"]"#), some(r#"["8"]"#)]),
            (RoutingKey::Columns(vec![1, 0]), [some(r#"["a\"b","7"]"#), some(r#"[null,"8"]"#)]),
        ] {
            assert_eq!(of(columns), Some(expected.to_vec()));
        }
    }

    #[test]
    fn field_is_a_text_column() {
        let schema = rows().schema();
        assert_eq!(RoutingKey::field(&schema, "name").unwrap(), RoutingKey::Text(1));
        let kind = |name: &str| RoutingKey::field(&schema, name).unwrap_err().kind();
        assert_eq!(kind("id"), SqlErrorKind::TypeMismatch);
        assert_eq!(kind("nam"), SqlErrorKind::UnknownColumn);
    }
}
