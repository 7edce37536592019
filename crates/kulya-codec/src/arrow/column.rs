//! From a JSON schema to columns: the words of JSON Schema, and the annotations by which a change log says what JSON
//! cannot (`docs/spec/cdc-schema.md`).

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
    /// Whether it may be missing or null.
    pub nullable: bool,
    /// What its values are.
    pub kind: ColumnType,
}

/// What JSON values of a column are, and so what Arrow type they get.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnType {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 16 bits.
    Int16,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// A number, or the texts NaN, Infinity, -Infinity.
    Float32,
    /// The same with 64 bits.
    Float64,
    /// A text; any other value as its JSON.
    Text,
    /// Base64.
    Bytes,
    /// Days since 1970.
    DateDays,
    /// `2024-02-29`.
    DateText,
    /// Milliseconds since midnight.
    TimeMillis,
    /// Microseconds since midnight.
    TimeMicros,
    /// `12:34:56.789`.
    TimeText,
    /// Milliseconds since 1970, without zone.
    TimestampMillis,
    /// Microseconds since 1970, without zone.
    TimestampMicros,
    /// `2024-02-29T12:34:56` or with a space, without zone.
    TimestampText,
    /// ISO 8601 with a zone: an instant.
    InstantText,
    /// Base64 of the unscaled number, in two's complement.
    Decimal {
        /// Digits, at most 38.
        precision: u8,
        /// Digits behind the point.
        scale: i8,
    },
    /// `{"scale": …, "value": base64}`: shown as text, because each row has its own scale.
    VariableDecimal,
    /// An array.
    List(Box<ColumnType>),
}

impl ColumnType {
    /// The Arrow type.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Text | Self::VariableDecimal => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::DateDays | Self::DateText => DataType::Date32,
            Self::TimeMillis => DataType::Time32(TimeUnit::Millisecond),
            Self::TimeMicros | Self::TimeText => DataType::Time64(TimeUnit::Microsecond),
            Self::TimestampMillis => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::TimestampMicros | Self::TimestampText => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::InstantText => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::List(items) => DataType::List(Arc::new(Field::new("item", items.data_type(), true))),
        }
    }
}

/// The columns of a JSON schema, in its order.
pub fn columns(schema: &SchemaInfo) -> CodecResult<Vec<Column>> {
    let parsed = parse(schema)?;
    let Some(properties) = parsed.get("properties").and_then(Value::as_object) else {
        return Err(CodecError::Schema(format!(
            "JSON schema {:?} makes no table: it has no properties",
            schema.type_name
        )));
    };
    let required: Vec<&str> = match parsed.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let column = |(name, schema): (&String, &Value)| {
        let (word, null) = word(schema);
        let nullable = null || !required.contains(&name.as_str());
        Column { name: name.clone(), nullable, kind: kind(schema, word) }
    };
    Ok(properties.iter().map(column).collect())
}

/// The columns of the primary key that a change log's schema names; empty for none.
pub fn primary_key(schema: &SchemaInfo) -> CodecResult<Vec<String>> {
    let parsed = parse(schema)?;
    let names = parsed.get("x-primary-key").and_then(Value::as_array);
    Ok(names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn parse(schema: &SchemaInfo) -> CodecResult<Value> {
    serde_json::from_slice(&schema.data)
        .map_err(|e| CodecError::Schema(format!("JSON schema {:?} cannot be read: {e}", schema.type_name)))
}

/// The columns as an Arrow schema.
pub fn arrow_schema(columns: &[Column]) -> SchemaRef {
    let fields =
        columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type's word, and whether null is allowed beside it.
fn word(schema: &Value) -> (&str, bool) {
    match schema.get("type") {
        Some(Value::String(word)) => (word, word == "null"),
        Some(Value::Array(words)) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            let others: Vec<&str> = words.iter().copied().filter(|word| *word != "null").collect();
            // several types beside null: anything, as its JSON
            (if let [word] = others.as_slice() { word } else { "" }, words.len() > others.len())
        }
        _ => ("", false),
    }
}

fn kind(schema: &Value, word: &str) -> ColumnType {
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
            return match (1..=38).contains(&precision) && (0..=38).contains(&scale) {
                true => ColumnType::Decimal { precision, scale },
                // more digits than Arrow holds: as they are
                false => ColumnType::Bytes,
            };
        }
        _ => {}
    }
    match (text("connect.type"), word) {
        ("int16", _) => ColumnType::Int16,
        ("int32", _) => ColumnType::Int32,
        ("int64", _) | (_, "integer") => ColumnType::Int64,
        ("float32", _) => ColumnType::Float32,
        ("bytes", _) => ColumnType::Bytes,
        (_, "number") => ColumnType::Float64,
        (_, "boolean") => ColumnType::Boolean,
        (_, "array") => match schema.get("items") {
            Some(items @ Value::Object(_)) => ColumnType::List(Box::new(kind(items, self::word(items).0))),
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
