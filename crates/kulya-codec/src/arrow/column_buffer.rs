//! Columns that rows are appended to value by value, and from which the values of an incomplete row can be
//! removed again: Arrow's own builders only grow.

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray,
    MapArray, NullArray, RecordBatch, RecordBatchOptions, StringArray, StructArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use std::sync::Arc;

/// The values of one column.
pub(super) struct ColumnBuffer {
    data_type: DataType,
    is_valid: Vec<bool>,
    values: Values,
}

enum Values {
    Null,
    Boolean(Vec<bool>),
    /// Integers, and times in units of their type, between bounds.
    Integer(Vec<i64>, i64, i64),
    Unsigned(Vec<u64>),
    Float(Vec<f64>),
    /// Unscaled numbers of at most this many digits.
    Decimal(Vec<i128>, u8),
    Text(Vec<usize>, Vec<u8>),
    Bytes(Vec<usize>, Vec<u8>),
    List(Vec<usize>, Box<ColumnBuffer>),
    Map(Vec<usize>, Box<[ColumnBuffer; 2]>),
    Row(Vec<ColumnBuffer>),
}

/// A value of a column without items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Boolean(bool),
    /// Also days, and times in the column's unit.
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    /// An unscaled number with the column's scale.
    Decimal(i128),
    Text(&'a str),
    /// The bytes of a text, whose encoding was checked.
    ValidUtf8(&'a [u8]),
    Bytes(&'a [u8]),
}

impl ColumnBuffer {
    /// Creates the columns of a schema.
    pub(super) fn all(fields: &Fields) -> Result<Vec<Self>, String> {
        let column = |field: &Arc<Field>| {
            Self::new(field.data_type()).map_err(|reason| format!("column {}: {reason}", field.name()))
        };
        fields.iter().map(column).collect()
    }

    fn new(data_type: &DataType) -> Result<Self, String> {
        let bounded = |min: i64, max: i64| Values::Integer(Vec::new(), min, max);
        let values = match data_type {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(Vec::new()),
            DataType::Int8 => bounded(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => bounded(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) => {
                bounded(i32::MIN.into(), i32::MAX.into())
            }
            DataType::Int64 | DataType::Time64(_) | DataType::Timestamp(..) => bounded(i64::MIN, i64::MAX),
            DataType::UInt64 => Values::Unsigned(Vec::new()),
            DataType::Float32 | DataType::Float64 => Values::Float(Vec::new()),
            DataType::Decimal128(precision, _) => Values::Decimal(Vec::new(), *precision),
            DataType::Utf8 => Values::Text(vec![0], Vec::new()),
            DataType::Binary => Values::Bytes(vec![0], Vec::new()),
            DataType::List(items) => Values::List(vec![0], Box::new(Self::new(items.data_type())?)),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => {
                    let columns: [Self; 2] =
                        Self::all(fields)?.try_into().map_err(|_| "its entries are no key and value")?;
                    Values::Map(vec![0], Box::new(columns))
                }
                other => return Err(format!("its entries are {other}")),
            },
            DataType::Struct(fields) => Values::Row(Self::all(fields)?),
            other => return Err(format!("values of type {other} cannot be read in this format")),
        };
        Ok(Self { data_type: data_type.clone(), is_valid: Vec::new(), values })
    }

    /// Accepts unscaled numbers with more digits than a decimal column has.
    pub(super) fn accept_any_digits(&mut self) {
        if let Values::Decimal(_, digits) = &mut self.values {
            *digits = u8::MAX;
        }
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.is_valid.len()
    }

    /// Returns whether the last value is null.
    pub(super) fn is_last_null(&self) -> bool {
        self.is_valid.last() == Some(&false)
    }

    /// Appends a null.
    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Null => {}
            Values::Boolean(values) => values.push(false),
            Values::Integer(values, ..) => values.push(0),
            Values::Unsigned(values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Decimal(values, _) => values.push(0),
            Values::Text(ends, bytes) | Values::Bytes(ends, bytes) => ends.push(bytes.len()),
            Values::List(ends, items) => ends.push(items.len()),
            Values::Map(ends, entries) => ends.push(entries[0].len()),
            Values::Row(columns) => columns.iter_mut().for_each(Self::push_null),
        }
        self.is_valid.push(false);
    }

    /// Appends a value.
    ///
    /// # Errors
    /// The reason why the column cannot hold the value. It is unchanged then.
    #[inline]
    pub(super) fn push(&mut self, scalar: Scalar<'_>) -> Result<(), String> {
        match (&mut self.values, scalar) {
            (Values::Boolean(values), Scalar::Boolean(value)) => values.push(value),
            (Values::Integer(values, min, max), Scalar::Integer(value)) => {
                if !(*min..=*max).contains(&value) {
                    return Err(format!("{value} is not within {min} and {max}"));
                }
                values.push(value);
            }
            (Values::Unsigned(values), Scalar::Unsigned(value)) => values.push(value),
            (Values::Float(values), Scalar::Float(value)) => values.push(value),
            (Values::Decimal(values, precision), Scalar::Decimal(value)) => {
                if value.unsigned_abs() >= 10_u128.saturating_pow(u32::from(*precision)) {
                    return Err(format!("it has more than {precision} digits"));
                }
                values.push(value);
            }
            (Values::Text(ends, bytes), Scalar::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
            }
            (Values::Text(ends, bytes), Scalar::ValidUtf8(value))
            | (Values::Bytes(ends, bytes), Scalar::Bytes(value)) => {
                bytes.extend_from_slice(value);
                ends.push(bytes.len());
            }
            (_, scalar) => return Err(format!("{scalar:?} is no {}", self.data_type)),
        }
        self.is_valid.push(true);
        Ok(())
    }

    /// Returns the column of a list's items, to append those of the next list.
    pub(super) fn items(&mut self) -> Option<&mut Self> {
        if let Values::List(_, items) = &mut self.values { Some(items) } else { None }
    }

    /// Returns the columns of a map's keys and values, to append those of the next map.
    pub(super) fn entries(&mut self) -> Option<&mut [Self; 2]> {
        if let Values::Map(_, entries) = &mut self.values { Some(entries) } else { None }
    }

    /// Returns the columns of a row, to append those of the next row.
    pub(super) fn members(&mut self) -> Option<&mut Vec<Self>> {
        if let Values::Row(columns) = &mut self.values { Some(columns) } else { None }
    }

    /// Ends a list, map or row whose items have been appended.
    pub(super) fn end(&mut self) {
        match &mut self.values {
            Values::List(ends, items) => ends.push(items.len()),
            Values::Map(ends, entries) => ends.push(entries[0].len()),
            _ => {}
        }
        self.is_valid.push(true);
    }

    /// Removes all values after the first `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        let cut = |ends: &mut Vec<usize>| {
            ends.truncate(length + 1);
            ends.last().copied().unwrap_or_default()
        };
        match &mut self.values {
            Values::Null => {}
            Values::Boolean(values) => values.truncate(length),
            Values::Integer(values, ..) => values.truncate(length),
            Values::Unsigned(values) => values.truncate(length),
            Values::Float(values) => values.truncate(length),
            Values::Decimal(values, _) => values.truncate(length),
            Values::Text(ends, bytes) | Values::Bytes(ends, bytes) => bytes.truncate(cut(ends)),
            Values::List(ends, items) => items.truncate(cut(ends)),
            Values::Map(ends, entries) => {
                let end = cut(ends);
                entries.iter_mut().for_each(|column| column.truncate(end));
            }
            Values::Row(columns) => columns.iter_mut().for_each(|column| column.truncate(length)),
        }
        self.is_valid.truncate(length);
    }

    /// Takes all values.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let is_valid = std::mem::take(&mut self.is_valid);
        let length = is_valid.len();
        let nulls = is_valid.contains(&false).then(|| NullBuffer::from(is_valid));
        let offsets = |ends: &mut Vec<usize>| {
            let offsets = ends.iter().map(|end| i32::try_from(*end)).collect::<Result<Vec<i32>, _>>();
            *ends = vec![0];
            let offsets = offsets.map_err(|_| ArrowError::OffsetOverflowError(usize::MAX))?;
            Ok::<_, ArrowError>(OffsetBuffer::new(offsets.into()))
        };
        let array: ArrayRef = match (&mut self.values, &self.data_type) {
            (Values::Boolean(values), _) => Arc::new(BooleanArray::new(std::mem::take(values).into(), nulls)),
            (Values::Integer(values, ..), _) => {
                Arc::new(Int64Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            (Values::Unsigned(values), _) => {
                Arc::new(UInt64Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            (Values::Float(values), _) => {
                Arc::new(Float64Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            (Values::Decimal(values, _), data_type) => {
                let array = Decimal128Array::try_new(std::mem::take(values).into(), nulls)?;
                Arc::new(array.with_data_type(data_type.clone()))
            }
            (Values::Text(ends, bytes), _) => {
                Arc::new(StringArray::try_new(offsets(ends)?, std::mem::take(bytes).into(), nulls)?)
            }
            (Values::Bytes(ends, bytes), _) => {
                Arc::new(BinaryArray::try_new(offsets(ends)?, std::mem::take(bytes).into(), nulls)?)
            }
            (Values::List(ends, items), DataType::List(field)) => {
                Arc::new(ListArray::try_new(Arc::clone(field), offsets(ends)?, items.finish()?, nulls)?)
            }
            (Values::Map(ends, entries), DataType::Map(field, sorted)) => {
                let DataType::Struct(fields) = field.data_type() else {
                    return Ok(Arc::new(NullArray::new(0)));
                };
                let columns = entries.iter_mut().map(Self::finish).collect::<Result<Vec<_>, _>>()?;
                let entries = StructArray::try_new(fields.clone(), columns, None)?;
                Arc::new(MapArray::try_new(Arc::clone(field), offsets(ends)?, entries, nulls, *sorted)?)
            }
            (Values::Row(columns), DataType::Struct(fields)) => {
                let columns = columns.iter_mut().map(Self::finish).collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, length)?)
            }
            _ => Arc::new(NullArray::new(length)),
        };
        if array.data_type() == &self.data_type {
            return Ok(array);
        }
        match &self.data_type {
            // 64 bits are not converted to these directly
            DataType::Date32 | DataType::Time32(_) => cast(&cast(&array, &DataType::Int32)?, &self.data_type),
            data_type => cast(&array, data_type),
        }
    }

    /// Takes all values of columns of the same length as a batch.
    pub(super) fn finish_all(
        columns: &mut [Self],
        schema: &SchemaRef,
        rows: usize,
    ) -> Result<RecordBatch, ArrowError> {
        let arrays = columns.iter_mut().map(Self::finish).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
    }
}

/// Returns a number of nanoseconds in another unit; digits that the unit lacks are cut off.
pub(super) fn in_unit(nanoseconds: i128, unit: TimeUnit) -> Option<i64> {
    let divisor = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    i64::try_from(nanoseconds.div_euclid(divisor)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> (SchemaRef, Vec<ColumnBuffer>) {
        let inner = Fields::from(vec![Field::new("x", DataType::Int16, true)]);
        let entries = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Date32, true),
        ]);
        let schema = arrow::datatypes::Schema::new(vec![
            Field::new("t", DataType::Time32(TimeUnit::Millisecond), true),
            Field::new_list("l", Field::new("item", DataType::Struct(inner), true), true),
            Field::new(
                "m",
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false),
                true,
            ),
            Field::new("d", DataType::Decimal128(3, 1), true),
        ]);
        let schema = Arc::new(schema);
        let columns = ColumnBuffer::all(schema.fields()).unwrap();
        (schema, columns)
    }

    fn push_row(columns: &mut [ColumnBuffer], n: i64) {
        let [time, list, map, decimal] = columns else { panic!("four columns") };
        time.push(Scalar::Integer(n)).unwrap();
        let items = list.items().unwrap();
        for _ in 0..n {
            items.members().unwrap()[0].push(Scalar::Integer(n)).unwrap();
            items.end();
        }
        items.push_null();
        list.end();
        let [key, value] = map.entries().unwrap();
        key.push(Scalar::Text("k")).unwrap();
        value.push_null();
        map.end();
        decimal.push(Scalar::Decimal(i128::from(n))).unwrap();
    }

    #[test]
    fn an_incomplete_row_leaves_nothing() {
        let (schema, mut columns) = columns();
        let (_, mut expected) = self::columns();
        for n in 0..5 {
            push_row(&mut columns, n);
            push_row(&mut expected, n);
            // a row that ends within its columns
            let [time, list, map, decimal] = &mut columns[..] else { panic!("four columns") };
            time.push(Scalar::Integer(7)).unwrap();
            list.items().unwrap().members().unwrap()[0].push(Scalar::Integer(1)).unwrap();
            map.entries().unwrap()[0].push(Scalar::Text("more")).unwrap();
            assert!(decimal.push(Scalar::Decimal(1000)).is_err());
            assert!(decimal.push(Scalar::Float(1.0)).is_err());
            let rows = usize::try_from(n).unwrap() + 1;
            columns.iter_mut().for_each(|column| column.truncate(rows));
        }
        columns.iter_mut().for_each(ColumnBuffer::push_null);
        expected.iter_mut().for_each(ColumnBuffer::push_null);
        let batch = ColumnBuffer::finish_all(&mut columns, &schema, 6).unwrap();
        assert_eq!(batch, ColumnBuffer::finish_all(&mut expected, &schema, 6).unwrap());
        assert_eq!((batch.num_rows(), batch.column(1).null_count()), (6, 1));
        assert_eq!(ColumnBuffer::finish_all(&mut columns, &schema, 0).unwrap().num_rows(), 0);
    }
}
