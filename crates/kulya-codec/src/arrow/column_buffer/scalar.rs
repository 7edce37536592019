//! Values by their kind: [`Scalar`], and how they are appended to columns of a schema.

use super::{ColumnBuffer, Values};
use crate::{CodecError, CodecResult};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Fields, SchemaRef, TimeUnit};
use std::fmt::Display;
use std::sync::Arc;

/// A value of a column without items.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Scalar<'a> {
    /// Of a column of type BOOLEAN.
    Boolean(bool),
    /// Also days, and times in the column's unit.
    Integer(i64),
    /// Of a column of 64 bits without a sign.
    Unsigned(u64),
    /// Of a column of type FLOAT or DOUBLE.
    Float(f64),
    /// An unscaled number with the column's scale.
    Decimal(i128),
    /// Of a column of texts.
    Text(&'a str),
    /// Of a column of bytes.
    Bytes(&'a [u8]),
    /// The bytes of a text, whose encoding was checked.
    #[doc(hidden)]
    ValidUtf8(&'a [u8]),
}

impl ColumnBuffer {
    /// Creates the columns of a schema.
    pub(in crate::arrow) fn all(fields: &Fields) -> Result<Vec<Self>, String> {
        let column = |field: &Arc<Field>| {
            let buffer = Self::new(field.data_type()).filter(|_| !has_duration(field.data_type()));
            buffer.ok_or_else(|| {
                let (name, data_type) = (field.name(), field.data_type());
                format!("column {name}: values of type {data_type} cannot be read in this format")
            })
        };
        fields.iter().map(column).collect()
    }

    /// Accepts unscaled numbers with more digits than a decimal column has.
    pub(in crate::arrow) fn accept_any_digits(&mut self) {
        self.accepts_any_digits = true;
    }

    /// Returns whether the last value is null.
    pub(in crate::arrow) fn is_last_null(&self) -> bool {
        self.len().checked_sub(1).is_some_and(|last| self.is_null(last))
    }

    /// Appends a value.
    ///
    /// # Errors
    /// The reason why the column cannot hold the value. It is unchanged then.
    #[inline]
    pub(in crate::arrow) fn push(&mut self, scalar: Scalar<'_>) -> Result<(), String> {
        match (&mut self.values, scalar) {
            (Values::Boolean(values), Scalar::Boolean(value)) => values.append(value),
            (Values::Int8(values), Scalar::Integer(value)) => {
                values.push(value.try_into().map_err(|_| beyond(value, i8::MIN, i8::MAX))?);
            }
            (Values::Int16(values), Scalar::Integer(value)) => {
                values.push(value.try_into().map_err(|_| beyond(value, i16::MIN, i16::MAX))?);
            }
            (Values::Int32(values), Scalar::Integer(value)) => {
                values.push(value.try_into().map_err(|_| beyond(value, i32::MIN, i32::MAX))?);
            }
            (Values::Int64(values), Scalar::Integer(value)) => values.push(value),
            (Values::Unsigned(values), Scalar::Unsigned(value)) => values.push(value),
            (Values::Float32(values), Scalar::Float(value)) => values.push(value as f32),
            (Values::Float64(values), Scalar::Float(value)) => values.push(value),
            (Values::Int128(values), Scalar::Decimal(value)) => {
                if let DataType::Decimal128(digits, _) = self.data_type
                    && !self.accepts_any_digits
                    && value.unsigned_abs() >= 10_u128.saturating_pow(u32::from(digits))
                {
                    return Err(format!("it has more than {digits} digits"));
                }
                values.push(value);
            }
            (Values::Bytes(_), Scalar::Text(text)) if self.data_type == DataType::Utf8 => {
                return self.push_bytes(text.as_bytes());
            }
            (Values::Bytes(_), Scalar::ValidUtf8(bytes)) if self.data_type == DataType::Utf8 => {
                return self.push_bytes(bytes);
            }
            (Values::Bytes(_), Scalar::Bytes(bytes)) if self.data_type == DataType::Binary => {
                return self.push_bytes(bytes);
            }
            (_, scalar) => return Err(format!("{scalar:?} is no {}", self.data_type)),
        }
        self.complete();
        Ok(())
    }

    #[inline]
    fn push_bytes(&mut self, value: &[u8]) -> Result<(), String> {
        if let Values::Bytes(bytes) = &mut self.values {
            let before = bytes.data.len();
            bytes.data.extend_from_slice(value);
            if !bytes.complete() {
                bytes.data.truncate(before);
                return Err("the values of its column are too large together".to_owned());
            }
        }
        self.complete();
        Ok(())
    }

    /// Returns the column of a list's items, to append those of the next list.
    pub(in crate::arrow) fn items(&mut self) -> Option<&mut Self> {
        if let Values::List(list) = &mut self.values { Some(&mut list.items) } else { None }
    }

    /// Returns the columns of a map's keys and values, to append those of the next map.
    pub(in crate::arrow) fn entries(&mut self) -> Option<&mut [Self; 2]> {
        if let Values::Map(_, entries) = &mut self.values { Some(entries) } else { None }
    }

    /// Returns the columns of a row, to append those of the next row.
    pub(in crate::arrow) fn members(&mut self) -> Option<&mut Vec<Self>> {
        if let Values::Row(columns) = &mut self.values { Some(columns) } else { None }
    }

    /// Takes all values of columns of the same length as a batch.
    ///
    /// # Errors
    /// `Schema` when Arrow refuses them.
    pub(in crate::arrow) fn finish_all(
        columns: &mut [Self],
        schema: &SchemaRef,
        rows: usize,
    ) -> CodecResult<RecordBatch> {
        let arrays = columns.iter_mut().map(Self::finish).collect::<CodecResult<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)
            .map_err(|e| CodecError::Schema(format!("converting rows to a batch failed: {e}")))
    }
}

/// Returns whether a type has values in it that no [`Scalar`] is.
fn has_duration(data_type: &DataType) -> bool {
    match data_type {
        DataType::Duration(_) | DataType::Interval(_) => true,
        DataType::List(item) | DataType::Map(item, _) => has_duration(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_duration(field.data_type())),
        _ => false,
    }
}

fn beyond(value: i64, min: impl Display, max: impl Display) -> String {
    format!("{value} is not within {min} and {max}")
}

/// Returns a number of nanoseconds in another unit; digits that the unit lacks are cut off.
pub(in crate::arrow) fn in_unit(nanoseconds: i128, unit: TimeUnit) -> Option<i64> {
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
            items.complete_list();
        }
        items.push_null();
        list.complete_list();
        let [key, value] = map.entries().unwrap();
        key.push(Scalar::Text("k")).unwrap();
        value.push_null();
        map.complete_list();
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
