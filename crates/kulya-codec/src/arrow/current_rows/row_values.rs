//! The values of record batches in the compact bytes of a table's rows: the same as those of
//! [`ColumnBuffer`](crate::arrow::column_buffer::ColumnBuffer), which reads them back.

use crate::arrow::column_buffer::value_bytes::{range, write_integer, write_unsigned};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};

/// The values of a column of a batch.
#[derive(Debug)]
pub(super) struct ColumnValues {
    nulls: Option<NullBuffer>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Boolean(BooleanBuffer),
    Int8(ScalarBuffer<i8>),
    Int16(ScalarBuffer<i16>),
    Int32(ScalarBuffer<i32>),
    Int64(ScalarBuffer<i64>),
    Unsigned(ScalarBuffer<u64>),
    Int128(ScalarBuffer<i128>),
    Float32(ScalarBuffer<f32>),
    Float64(ScalarBuffer<f64>),
    Bytes(OffsetBuffer<i32>, Buffer),
    List(OffsetBuffer<i32>, Box<ColumnValues>),
    Map(OffsetBuffer<i32>, Box<[ColumnValues; 2]>),
    Row(Vec<ColumnValues>),
}

impl ColumnValues {
    /// Returns the values of a column; `None` for a type that rows do not have.
    pub(super) fn of(column: &ArrayRef) -> Option<Self> {
        let values = match column.data_type() {
            DataType::Boolean => Values::Boolean(column.as_boolean().values().clone()),
            DataType::Int8 => Values::Int8(numbers(column)?),
            DataType::Int16 => Values::Int16(numbers(column)?),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) => Values::Int32(numbers(column)?),
            DataType::Int64 | DataType::Time64(_) | DataType::Timestamp(..) | DataType::Duration(_) => {
                Values::Int64(numbers(column)?)
            }
            DataType::UInt64 => Values::Unsigned(numbers(column)?),
            DataType::Decimal128(..) => Values::Int128(numbers(column)?),
            DataType::Float32 => Values::Float32(numbers(column)?),
            DataType::Float64 => Values::Float64(numbers(column)?),
            DataType::Utf8 => {
                let texts = column.as_string_opt::<i32>()?;
                Values::Bytes(texts.offsets().clone(), texts.values().clone())
            }
            DataType::Binary => {
                let bytes = column.as_binary_opt::<i32>()?;
                Values::Bytes(bytes.offsets().clone(), bytes.values().clone())
            }
            DataType::List(_) => {
                let lists = column.as_list_opt::<i32>()?;
                Values::List(lists.offsets().clone(), Box::new(Self::of(lists.values())?))
            }
            DataType::Map(..) => {
                let maps = column.as_map_opt()?;
                let entries = [Self::of(maps.keys())?, Self::of(maps.values())?];
                Values::Map(maps.offsets().clone(), Box::new(entries))
            }
            DataType::Struct(_) => {
                let rows = column.as_struct_opt()?;
                Values::Row(rows.columns().iter().map(Self::of).collect::<Option<_>>()?)
            }
            _ => return None,
        };
        Some(Self { nulls: column.nulls().cloned(), values })
    }

    #[inline]
    pub(super) fn is_null(&self, index: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(index))
    }

    /// Appends a value to `out` in a form that says where it ends.
    pub(super) fn write_value(&self, index: usize, out: &mut Vec<u8>) {
        if self.is_null(index) {
            return out.push(0);
        }
        out.push(1);
        self.write_non_null(index, out);
    }

    /// Appends a value that is not null to `out`.
    #[inline]
    pub(super) fn write_non_null(&self, index: usize, out: &mut Vec<u8>) {
        match &self.values {
            Values::Boolean(values) => out.push(u8::from(index < values.len() && values.value(index))),
            Values::Int8(values) => write_integer(number(values, index).into(), out),
            Values::Int16(values) => write_integer(number(values, index).into(), out),
            Values::Int32(values) => write_integer(number(values, index).into(), out),
            Values::Int64(values) => write_integer(number(values, index), out),
            Values::Unsigned(values) => write_unsigned(number(values, index), out),
            Values::Int128(values) => {
                let value = number(values, index);
                write_integer((value >> 64) as i64, out);
                write_unsigned(value as u64, out);
            }
            Values::Float32(values) => out.extend_from_slice(&number(values, index).to_le_bytes()),
            Values::Float64(values) => out.extend_from_slice(&number(values, index).to_le_bytes()),
            Values::Bytes(offsets, data) => {
                let bytes = data.get(range(offsets, index)).unwrap_or_default();
                write_unsigned(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Values::List(offsets, items) => {
                let range = range(offsets, index);
                write_unsigned(range.len() as u64, out);
                range.for_each(|item| items.write_value(item, out));
            }
            Values::Map(offsets, entries) => {
                let range = range(offsets, index);
                write_unsigned(range.len() as u64, out);
                for entry in range {
                    entries.iter().for_each(|values| values.write_value(entry, out));
                }
            }
            Values::Row(fields) => fields.iter().for_each(|values| values.write_value(index, out)),
        }
    }
}

/// Writes the columns that are not of the key: a bit for each that is not null, then the values.
pub(super) fn write_columns(columns: &[ColumnValues], row: usize, out: &mut Vec<u8>) {
    for eight in columns.chunks(8) {
        let bits = eight.iter().enumerate().map(|(bit, column)| u8::from(!column.is_null(row)) << bit);
        out.push(bits.fold(0, |byte, bit| byte | bit));
    }
    columns.iter().filter(|column| !column.is_null(row)).for_each(|column| column.write_non_null(row, out));
}

#[inline]
fn number<T: ArrowNativeType>(values: &ScalarBuffer<T>, index: usize) -> T {
    values.get(index).copied().unwrap_or_default()
}

/// Returns the numbers of an array by which it is stored, whatever they mean.
fn numbers<T: ArrowNativeType>(column: &ArrayRef) -> Option<ScalarBuffer<T>> {
    let data = column.to_data();
    Some(ScalarBuffer::new(data.buffers().first()?.clone(), data.offset(), data.len()))
}
