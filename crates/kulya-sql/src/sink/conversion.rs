//! Conversion of nested values to the type of a column: rows by position, whatever the names of their fields.

use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use std::sync::Arc;

/// Converts values to a type of the same shape.
///
/// # Errors
/// `InvalidValue` for a value that the type cannot have, `TypeMismatch` for another shape.
pub(crate) fn convert(values: &ArrayRef, to: &DataType) -> SqlResult<ArrayRef> {
    let from = values.data_type();
    let invalid =
        |e: arrow::error::ArrowError| SqlError::new(SqlErrorKind::InvalidValue, e.to_string()).because(e);
    Ok(match (from, to) {
        _ if from == to => Arc::clone(values),
        (DataType::Null, _) => new_null_array(to, values.len()),
        (DataType::List(_), DataType::List(item)) => {
            let list = values.as_list::<i32>();
            let items = convert(list.values(), item.data_type())?;
            let offsets = list.offsets().clone();
            let list = ListArray::try_new(Arc::clone(item), offsets, items, list.nulls().cloned());
            Arc::new(list.map_err(invalid)?)
        }
        (DataType::Map(..), DataType::Map(entries, is_sorted)) => {
            let map = values.as_map();
            let of_map: ArrayRef = Arc::new(map.entries().clone());
            let converted = convert(&of_map, entries.data_type())?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let rows = converted.as_struct().clone();
            Arc::new(
                MapArray::try_new(Arc::clone(entries), offsets, rows, nulls, *is_sorted).map_err(invalid)?,
            )
        }
        (DataType::Struct(given), DataType::Struct(fields)) if given.len() == fields.len() => {
            let rows = values.as_struct();
            let columns = rows.columns().iter().zip(fields);
            let columns = columns.map(|(column, field)| convert(column, field.data_type()));
            let columns = columns.collect::<SqlResult<Vec<_>>>()?;
            Arc::new(StructArray::try_new(fields.clone(), columns, rows.nulls().cloned()).map_err(invalid)?)
        }
        _ if from.is_nested() || to.is_nested() => {
            let what = format!("a value of type {from} cannot be a {to}");
            return Err(SqlError::new(SqlErrorKind::TypeMismatch, what));
        }
        _ => {
            let options = CastOptions { safe: false, ..CastOptions::default() };
            cast_with_options(values, to, &options).map_err(invalid)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{Field, Fields, Int64Type};

    fn row(first: ArrayRef, names: [&str; 2]) -> ArrayRef {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        let fields = Fields::from(vec![
            Field::new(names[0], first.data_type().clone(), true),
            Field::new(names[1], DataType::Utf8, true),
        ]);
        Arc::new(StructArray::new(fields, vec![first, texts], None))
    }

    #[test]
    fn rows_are_converted_by_position() {
        let given = row(Arc::new(Int64Array::from(vec![1, 2])), ["c0", "c1"]);
        let wanted = row(Arc::new(arrow::array::Int32Array::from(vec![1, 2])), ["x", "y"]);
        assert_eq!(&convert(&given, wanted.data_type()).unwrap(), &wanted);
        let large = row(Arc::new(Int64Array::from(vec![1, i64::MAX])), ["c0", "c1"]);
        assert_eq!(convert(&large, wanted.data_type()).unwrap_err().kind(), SqlErrorKind::InvalidValue);
        let three = DataType::Struct(Fields::empty());
        assert_eq!(convert(&given, &three).unwrap_err().kind(), SqlErrorKind::TypeMismatch);
    }

    #[test]
    fn items_are_converted() {
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
        let to = DataType::new_list(DataType::Float64, true);
        let converted = convert(&(Arc::new(list) as ArrayRef), &to).unwrap();
        assert_eq!((converted.data_type(), converted.len(), converted.null_count()), (&to, 2, 1));
    }
}
