//! The arguments of a row.

use super::parameter::Parameter;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::ColumnarValue;

/// Returns the nanoseconds of a unit.
fn nanoseconds(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1000,
        TimeUnit::Nanosecond => 1,
    }
}

/// The values of an argument: one for all rows, or one for each.
pub(super) struct Column {
    values: Values,
    is_constant: bool,
}

enum Values {
    Null,
    Text(StringArray),
    Integer(Int64Array),
    Number(Float64Array),
    Boolean(BooleanArray),
    Bytes(BinaryArray),
    Texts(ArrayRef),
    /// Raw values, and how many nanoseconds each is.
    Moment(Int64Array, i128),
    Other(ArrayRef),
}

impl Column {
    pub(super) fn new(value: &ColumnarValue, parameter: Parameter) -> Result<Self> {
        let (array, is_constant) = match value {
            ColumnarValue::Array(array) => (array.clone(), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let values = match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Values::Text(cast(&array, &DataType::Utf8)?.as_string::<i32>().clone())
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                Values::Bytes(cast(&array, &DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Timestamp(..) | DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) => {
                let factor: i128 = match array.data_type() {
                    DataType::Date32 => 86_400_000_000_000,
                    DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => {
                        nanoseconds(*unit)
                    }
                    _ => 1,
                };
                let raw = match array.data_type() {
                    DataType::Date32 | DataType::Time32(_) => {
                        cast(&cast(&array, &DataType::Int32)?, &DataType::Int64)?
                    }
                    _ => cast(&array, &DataType::Int64)?,
                };
                Values::Moment(raw.as_primitive::<Int64Type>().clone(), factor)
            }
            DataType::List(_) if parameter == Parameter::Texts => Values::Texts(array),
            given if given.is_integer() && parameter != Parameter::Number => {
                Values::Integer(cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            given if given.is_numeric() => {
                Values::Number(cast(&array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            _ => Values::Other(array),
        };
        Ok(Self { values, is_constant })
    }

    fn cell(&self, row: usize) -> Cell<'_> {
        let row = if self.is_constant { 0 } else { row };
        match &self.values {
            Values::Text(array) if array.is_valid(row) => Cell::Text(array.value(row)),
            Values::Integer(array) if array.is_valid(row) => Cell::Integer(array.value(row)),
            Values::Number(array) if array.is_valid(row) => Cell::Number(array.value(row)),
            Values::Boolean(array) if array.is_valid(row) => Cell::Boolean(array.value(row)),
            Values::Bytes(array) if array.is_valid(row) => Cell::Bytes(array.value(row)),
            Values::Moment(array, factor) if array.is_valid(row) => {
                Cell::Moment(i128::from(array.value(row)) * factor)
            }
            Values::Texts(array) if array.is_valid(row) => {
                let texts = cast(&array.as_list::<i32>().value(row), &DataType::Utf8);
                let texts = texts.map(|texts| {
                    texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
                });
                texts.map_or(Cell::Null, Cell::Texts)
            }
            Values::Other(array) if array.is_valid(row) => Cell::Other,
            _ => Cell::Null,
        }
    }
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::functions) enum Cell<'a> {
    Null,
    Text(&'a str),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Bytes(&'a [u8]),
    Texts(Vec<Option<String>>),
    Moment(i128),
    /// A value of another type.
    Other,
}

/// The arguments of a row.
pub(in crate::functions) struct Row<'a> {
    columns: &'a [Column],
    number: usize,
}

impl<'a> Row<'a> {
    pub(super) fn new(columns: &'a [Column], number: usize) -> Self {
        Self { columns, number }
    }

    pub(super) fn has_null(&self) -> bool {
        (0..self.len()).any(|argument| self.cell(argument) == Cell::Null)
    }

    /// Returns the number of arguments.
    pub(in crate::functions) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns an argument; null where it was left out.
    pub(in crate::functions) fn cell(&self, argument: usize) -> Cell<'a> {
        self.columns.get(argument).map_or(Cell::Null, |column| column.cell(self.number))
    }

    /// Returns a text; an empty one for null.
    pub(in crate::functions) fn text(&self, argument: usize) -> &'a str {
        self.some_text(argument).unwrap_or_default()
    }

    /// Returns a text that is not null.
    pub(in crate::functions) fn some_text(&self, argument: usize) -> Option<&'a str> {
        match self.cell(argument) {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns an integer; `None` for null and where it was left out.
    pub(in crate::functions) fn integer(&self, argument: usize) -> Option<i64> {
        match self.cell(argument) {
            Cell::Integer(integer) => Some(integer),
            _ => None,
        }
    }

    /// Returns a number; NaN for null.
    pub(in crate::functions) fn number(&self, argument: usize) -> f64 {
        match self.cell(argument) {
            Cell::Number(number) => number,
            Cell::Integer(integer) => integer as f64,
            _ => f64::NAN,
        }
    }
}
