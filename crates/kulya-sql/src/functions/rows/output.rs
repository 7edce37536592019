//! The results of rows, as a column.

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int32Builder, Int64Builder,
    ListBuilder, MapBuilder, MapFieldNames, StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::{Result, internal_err};
use std::borrow::Cow;
use std::sync::Arc;

/// The result of a row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::functions) enum Out<'a> {
    Null,
    Text(Cow<'a, str>),
    Int(i32),
    BigInt(i64),
    Double(f64),
    Boolean(bool),
    Bytes(Cow<'a, [u8]>),
    Texts(Vec<Option<String>>),
    TextMap(Vec<(String, Option<String>)>),
    /// Days since 1970.
    Date(i32),
    /// Milliseconds since 1970.
    Moment(i64),
}

impl<'a> Out<'a> {
    pub(in crate::functions) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Returns the size, for the bound of a column.
    pub(super) fn bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len) + 4;
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Texts(texts) => texts.iter().map(length).sum(),
            Self::TextMap(entries) => entries.iter().map(|(key, value)| key.len() + length(value)).sum(),
            _ => 0,
        }
    }
}

/// Null for nothing.
impl<'a> From<Option<Out<'a>>> for Out<'a> {
    fn from(value: Option<Out<'a>>) -> Self {
        value.unwrap_or(Out::Null)
    }
}

/// The type of a map of texts.
pub(super) fn text_map() -> DataType {
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

/// Builds the column.
pub(super) enum Builder {
    Text(StringBuilder),
    Int(Int32Builder),
    BigInt(Int64Builder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
    Bytes(BinaryBuilder),
    Texts(ListBuilder<StringBuilder>),
    TextMap(Box<MapBuilder<StringBuilder, StringBuilder>>),
    Date(Date32Builder),
    Moment(TimestampMillisecondBuilder),
}

impl Builder {
    pub(super) fn new(data_type: &DataType, rows: usize) -> Result<Self> {
        Ok(match data_type {
            DataType::Utf8 => Self::Text(StringBuilder::with_capacity(rows, 0)),
            DataType::Int32 => Self::Int(Int32Builder::with_capacity(rows)),
            DataType::Int64 => Self::BigInt(Int64Builder::with_capacity(rows)),
            DataType::Float64 => Self::Double(Float64Builder::with_capacity(rows)),
            DataType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            DataType::Binary => Self::Bytes(BinaryBuilder::with_capacity(rows, 0)),
            DataType::List(_) => Self::Texts(ListBuilder::new(StringBuilder::new())),
            DataType::Map(..) => {
                let names =
                    MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
                let builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
                Self::TextMap(Box::new(builder))
            }
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Timestamp(TimeUnit::Millisecond, zone) => {
                let builder = TimestampMillisecondBuilder::with_capacity(rows);
                Self::Moment(builder.with_timezone_opt(zone.clone()))
            }
            other => return internal_err!("no results of type {other}"),
        })
    }

    pub(super) fn push(&mut self, value: Out<'_>) -> Result<()> {
        match (self, value) {
            (Self::Text(builder), Out::Text(text)) => builder.append_value(text),
            (Self::Text(builder), Out::Null) => builder.append_null(),
            (Self::Int(builder), Out::Int(number)) => builder.append_value(number),
            (Self::Int(builder), Out::Null) => builder.append_null(),
            (Self::BigInt(builder), Out::BigInt(number)) => builder.append_value(number),
            (Self::BigInt(builder), Out::Null) => builder.append_null(),
            (Self::Double(builder), Out::Double(number)) => builder.append_value(number),
            (Self::Double(builder), Out::Null) => builder.append_null(),
            (Self::Boolean(builder), Out::Boolean(value)) => builder.append_value(value),
            (Self::Boolean(builder), Out::Null) => builder.append_null(),
            (Self::Bytes(builder), Out::Bytes(bytes)) => builder.append_value(bytes),
            (Self::Bytes(builder), Out::Null) => builder.append_null(),
            (Self::Texts(builder), Out::Texts(texts)) => {
                texts.iter().for_each(|text| builder.values().append_option(text.as_deref()));
                builder.append(true);
            }
            (Self::Texts(builder), Out::Null) => builder.append(false),
            (Self::TextMap(builder), Out::TextMap(entries)) => {
                for (key, value) in entries {
                    builder.keys().append_value(key);
                    builder.values().append_option(value);
                }
                builder.append(true)?;
            }
            (Self::TextMap(builder), Out::Null) => builder.append(false)?,
            (Self::Date(builder), Out::Date(days)) => builder.append_value(days),
            (Self::Date(builder), Out::Null) => builder.append_null(),
            (Self::Moment(builder), Out::Moment(millis)) => builder.append_value(millis),
            (Self::Moment(builder), Out::Null) => builder.append_null(),
            (_, other) => return internal_err!("a result of another type: {other:?}"),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::BigInt(mut builder) => Arc::new(builder.finish()),
            Self::Double(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Bytes(mut builder) => Arc::new(builder.finish()),
            Self::Texts(mut builder) => Arc::new(builder.finish()),
            Self::TextMap(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Moment(mut builder) => Arc::new(builder.finish()),
        })
    }
}
