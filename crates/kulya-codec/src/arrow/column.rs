//! The columns of a JSON schema: from the types of JSON Schema, and from the annotations of a change log for
//! types that JSON does not have (`docs/spec/cdc-schema.md`).

use super::decimal::MAX_SCALE;
use crate::{CodecError, CodecResult};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use kulya_schema::SchemaInfo;
use serde_json::Value;
use std::sync::Arc;

/// A column of rows that are JSON objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The member's name.
    pub name: String,
    /// Whether the member may be missing or null.
    pub nullable: bool,
    /// The type of the values.
    pub kind: ColumnType,
}

/// The representation of a column's values in JSON, which determines the Arrow type.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnType {
    /// `true` or `false`.
    Boolean,
    /// An integer of 16 bits.
    Int16,
    /// An integer of 32 bits.
    Int32,
    /// An integer of 64 bits.
    Int64,
    /// A number of 32 bits, or the strings `NaN`, `Infinity`, `-Infinity`.
    Float32,
    /// A number of 64 bits, or the strings `NaN`, `Infinity`, `-Infinity`.
    Float64,
    /// A string; any other value as JSON.
    Text,
    /// Bytes in base64.
    Bytes,
    /// A date in days since 1970.
    DateDays,
    /// A date such as `2024-02-29`.
    DateText,
    /// A time in milliseconds since midnight.
    TimeMillis,
    /// A time in microseconds since midnight.
    TimeMicros,
    /// A time such as `12:34:56.789`.
    TimeText,
    /// A timestamp without time zone, in milliseconds since 1970.
    TimestampMillis,
    /// A timestamp without time zone, in microseconds since 1970.
    TimestampMicros,
    /// A timestamp without time zone such as `2024-02-29T12:34:56`, or with a space.
    TimestampText,
    /// A timestamp with time zone, in ISO 8601.
    InstantText,
    /// A decimal as its unscaled number: base64 of big-endian two's complement.
    Decimal {
        /// The number of digits, at most 38.
        precision: u8,
        /// The number of digits after the decimal point.
        scale: i8,
    },
    /// A decimal as its unscaled number, with more digits than Arrow's type has: it becomes a string.
    DecimalText {
        /// The number of digits after the decimal point; below zero the number of zeros before it.
        scale: i32,
    },
    /// A decimal as `{"scale": …, "value": base64}`, which becomes a string, because each row has its own
    /// scale.
    VariableDecimal,
    /// An array of values of one type.
    List(Box<ColumnType>),
    /// A value of this type by the rules of Flink's format `json`.
    Flink(DataType),
}

impl ColumnType {
    /// Returns the Arrow type.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Text | Self::VariableDecimal | Self::DecimalText { .. } => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::DateDays | Self::DateText => DataType::Date32,
            Self::TimeMillis => DataType::Time32(TimeUnit::Millisecond),
            Self::TimeMicros | Self::TimeText => DataType::Time64(TimeUnit::Microsecond),
            Self::TimestampMillis => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::TimestampMicros | Self::TimestampText => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::InstantText => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::List(items) => DataType::List(Arc::new(Field::new("item", items.data_type(), true))),
            Self::Flink(data_type) => data_type.clone(),
        }
    }
}

/// Returns the columns of a JSON schema, in its order.
///
/// # Errors
/// `Schema` when the schema is not JSON, or has no properties.
pub fn columns(schema: &SchemaInfo) -> CodecResult<Vec<Column>> {
    let parsed = parse(schema)?;
    let Some(properties) = parsed.get("properties").and_then(Value::as_object) else {
        return Err(CodecError::Schema(format!(
            "JSON schema {:?} cannot be a table: it has no properties",
            schema.type_name
        )));
    };
    let required: Vec<&str> = match parsed.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let column = |(name, schema): (&String, &Value)| {
        let (type_name, allows_null) = type_name(schema);
        let nullable = allows_null || !required.contains(&name.as_str());
        Column { name: name.clone(), nullable, kind: column_type(schema, type_name) }
    };
    Ok(properties.iter().map(column).collect())
}

/// Returns the columns of the primary key in a change log's schema; empty when it has none.
///
/// # Errors
/// `Schema` when the schema is not JSON.
pub fn primary_key(schema: &SchemaInfo) -> CodecResult<Vec<String>> {
    let parsed = parse(schema)?;
    let names = parsed.get("x-primary-key").and_then(Value::as_array);
    Ok(names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

pub(super) fn parse(schema: &SchemaInfo) -> CodecResult<Value> {
    serde_json::from_slice(&schema.data)
        .map_err(|e| CodecError::Schema(format!("JSON schema {:?} cannot be parsed: {e}", schema.type_name)))
}

/// Converts columns to an Arrow schema.
pub fn arrow_schema(columns: &[Column]) -> SchemaRef {
    let fields =
        columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns the name in `type`, and whether null is allowed beside it. The name is empty for several types.
fn type_name(schema: &Value) -> (&str, bool) {
    match schema.get("type") {
        Some(Value::String(name)) => (name, name == "null"),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            let others: Vec<&str> = names.iter().copied().filter(|name| *name != "null").collect();
            // several types beside null: any value, as JSON
            (if let [name] = others.as_slice() { name } else { "" }, names.len() > others.len())
        }
        _ => ("", false),
    }
}

/// Returns the type of decimals; with a scale larger than the precision the first digits are zeros.
fn decimal_type(precision: i32, scale: i32) -> ColumnType {
    match (u8::try_from(precision.max(scale)), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale @ 0..)) => ColumnType::Decimal { precision, scale },
        _ if (-MAX_SCALE..=MAX_SCALE).contains(&scale) => ColumnType::DecimalText { scale },
        _ => ColumnType::Bytes,
    }
}

fn column_type(schema: &Value, type_name: &str) -> ColumnType {
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    let parameter =
        |key: &str| schema.get("connect.parameters").and_then(|p| p.get(key)).and_then(Value::as_str);
    match text("connect.name") {
        "io.debezium.time.Date" => return ColumnType::DateDays,
        "io.debezium.time.Time" => return ColumnType::TimeMillis,
        "io.debezium.time.MicroTime" => return ColumnType::TimeMicros,
        "io.debezium.time.Timestamp" => return ColumnType::TimestampMillis,
        "io.debezium.time.MicroTimestamp" => return ColumnType::TimestampMicros,
        "io.debezium.time.ZonedTimestamp" => return ColumnType::InstantText,
        "io.debezium.data.VariableScaleDecimal" => return ColumnType::VariableDecimal,
        "org.apache.kafka.connect.data.Decimal" => {
            let scale = parameter("scale").and_then(|scale| scale.parse().ok()).unwrap_or(0);
            let precision = parameter("connect.decimal.precision").and_then(|p| p.parse().ok()).unwrap_or(38);
            return decimal_type(precision, scale);
        }
        _ => {}
    }
    match (text("connect.type"), type_name) {
        ("int16", _) => ColumnType::Int16,
        ("int32", _) => ColumnType::Int32,
        ("int64", _) | (_, "integer") => ColumnType::Int64,
        ("float32", _) => ColumnType::Float32,
        ("bytes", _) => ColumnType::Bytes,
        (_, "number") => ColumnType::Float64,
        (_, "boolean") => ColumnType::Boolean,
        (_, "array") => match schema.get("items") {
            Some(items @ Value::Object(_)) => {
                ColumnType::List(Box::new(column_type(items, self::type_name(items).0)))
            }
            _ => ColumnType::Text,
        },
        (_, "string") if text("contentEncoding") == "base64" => ColumnType::Bytes,
        (_, "string") => match text("format") {
            "date" => ColumnType::DateText,
            "time" => ColumnType::TimeText,
            "date-time" => ColumnType::TimestampText,
            _ => ColumnType::Text,
        },
        _ => ColumnType::Text,
    }
}
