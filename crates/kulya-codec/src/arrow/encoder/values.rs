//! The values of columns, with one representation for each kind of value, so that an encoder has few cases.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
    Float32Array, Float64Array, Int64Array, StringArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int64Type,
    IntervalDayTimeType, IntervalUnit, TimeUnit, UInt64Type,
};
use arrow::error::ArrowError;
use std::ops::Range;

/// The values of one column.
pub(in crate::arrow) enum Values {
    Null,
    Boolean(BooleanArray),
    /// Integers of at most 64 bits; intervals in months or milliseconds.
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Float(Float32Array),
    Double(Float64Array),
    Decimal(Decimal128Array),
    WideDecimal(Decimal256Array),
    Text(StringArray),
    Bytes(BinaryArray),
    /// Days since 1970.
    Date(Date32Array),
    /// Nanoseconds since midnight.
    Time(Int64Array),
    /// Units since 1970; `is_instant` with a time zone.
    Timestamp {
        values: Int64Array,
        unit: TimeUnit,
        is_instant: bool,
    },
    List {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        items: Box<Values>,
    },
    Map {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        keys: Box<Values>,
        values: Box<Values>,
    },
    Row {
        nulls: Option<NullBuffer>,
        members: Vec<Member>,
    },
}

/// A column of a row.
pub(in crate::arrow) struct Member {
    pub(in crate::arrow) name: String,
    /// The name as a JSON text, and a colon.
    pub(in crate::arrow) json_key: String,
    pub(in crate::arrow) values: Values,
}

impl Member {
    /// Returns the columns of a row.
    ///
    /// # Errors
    /// The reason why a column has no representation; it names the column.
    pub(in crate::arrow) fn all<'a>(
        columns: impl Iterator<Item = (&'a String, &'a ArrayRef)>,
    ) -> Result<Vec<Self>, String> {
        columns
            .map(|(name, array)| {
                let values = Values::new(array).map_err(|e| format!("column {name}: {e}"))?;
                let json_key = format!("{}:", serde_json::Value::from(name.as_str()));
                Ok(Self { name: name.clone(), json_key, values })
            })
            .collect()
    }
}

impl Values {
    fn new(array: &ArrayRef) -> Result<Self, String> {
        Self::convert(array).map_err(|e| e.to_string())
    }

    fn convert(array: &ArrayRef) -> Result<Self, ArrowError> {
        let integers = |array: &ArrayRef| -> Result<Int64Array, ArrowError> {
            Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        };
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            data_type if data_type.is_integer() => Self::Integer(integers(array)?),
            DataType::Float16 | DataType::Float32 => {
                Self::Float(cast(array, &DataType::Float32)?.as_primitive::<Float32Type>().clone())
            }
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                let wide = cast(array, &DataType::Decimal128(*precision, *scale))?;
                Self::Decimal(wide.as_primitive::<Decimal128Type>().clone())
            }
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive::<Decimal128Type>().clone()),
            DataType::Decimal256(..) => Self::WideDecimal(array.as_primitive::<Decimal256Type>().clone()),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                Self::Text(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => {
                Self::Bytes(cast(array, &DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::Date32 | DataType::Date64 => {
                Self::Date(cast(array, &DataType::Date32)?.as_primitive::<Date32Type>().clone())
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                Self::Time(integers(&cast(array, &DataType::Time64(TimeUnit::Nanosecond))?)?)
            }
            DataType::Timestamp(unit, zone) => {
                Self::Timestamp { values: integers(array)?, unit: *unit, is_instant: zone.is_some() }
            }
            DataType::Interval(IntervalUnit::YearMonth) => Self::Integer(integers(array)?),
            DataType::Interval(IntervalUnit::DayTime) => {
                let intervals = array.as_primitive::<IntervalDayTimeType>();
                let millis = intervals
                    .iter()
                    .map(|i| i.map(|i| i64::from(i.days) * 86_400_000 + i64::from(i.milliseconds)));
                Self::Integer(millis.collect())
            }
            DataType::Duration(_) => {
                Self::Integer(integers(&cast(array, &DataType::Duration(TimeUnit::Millisecond))?)?)
            }
            DataType::Dictionary(_, values) => Self::convert(&cast(array, values)?)?,
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
                Self::List { offsets, nulls, items: Box::new(Self::convert(list.values())?) }
            }
            DataType::LargeList(items) | DataType::FixedSizeList(items, _) => {
                Self::convert(&cast(array, &DataType::List(items.clone()))?)?
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Self::Map {
                    offsets: map.offsets().clone(),
                    nulls: map.nulls().cloned(),
                    keys: Box::new(Self::convert(map.keys())?),
                    values: Box::new(Self::convert(map.values())?),
                }
            }
            DataType::Struct(fields) => {
                let row = array.as_struct();
                let columns = fields.iter().map(|field| field.name()).zip(row.columns());
                let members = Member::all(columns).map_err(ArrowError::InvalidArgumentError)?;
                Self::Row { nulls: row.nulls().cloned(), members }
            }
            other => {
                return Err(ArrowError::NotYetImplemented(format!("values of type {other}")));
            }
        })
    }

    pub(in crate::arrow) fn is_null(&self, row: usize) -> bool {
        let nulls = match self {
            Self::Null => return true,
            Self::Boolean(values) => values.nulls(),
            Self::Integer(values) | Self::Time(values) | Self::Timestamp { values, .. } => values.nulls(),
            Self::Unsigned(values) => values.nulls(),
            Self::Float(values) => values.nulls(),
            Self::Double(values) => values.nulls(),
            Self::Decimal(values) => values.nulls(),
            Self::WideDecimal(values) => values.nulls(),
            Self::Text(values) => values.nulls(),
            Self::Bytes(values) => values.nulls(),
            Self::Date(values) => values.nulls(),
            Self::List { nulls, .. } | Self::Map { nulls, .. } | Self::Row { nulls, .. } => nulls.as_ref(),
        };
        nulls.is_some_and(|nulls| nulls.is_null(row))
    }
}

/// Returns the positions of a row's items.
pub(in crate::arrow) fn range(offsets: &OffsetBuffer<i32>, row: usize) -> Range<usize> {
    let at = |row: usize| offsets.get(row).map_or(0, |offset| *offset as usize);
    at(row)..at(row + 1)
}
