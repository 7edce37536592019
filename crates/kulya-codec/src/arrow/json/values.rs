//! The reference of the tests: rows that are JSON values to a record batch.

use crate::arrow::column::{Column, ColumnType, arrow_schema};
use crate::arrow::decimal;
use crate::{CodecError, CodecResult};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, ListArray, RecordBatch, RecordBatchOptions, StringArray,
    Time32MillisecondArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    new_empty_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Field;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Converts rows to a record batch.
///
/// # Errors
/// `Schema` when a value does not match its column; the text has both.
pub(super) fn rows_to_batch(columns: &[Column], rows: &[Map<String, Value>]) -> CodecResult<RecordBatch> {
    let mut arrays = Vec::with_capacity(columns.len());
    for column in columns {
        let values: Vec<&Value> =
            rows.iter().map(|row| row.get(&column.name).unwrap_or(&Value::Null)).collect();
        if !column.nullable && values.iter().any(|value| value.is_null()) {
            return Err(CodecError::Schema(format!(
                "column {} must not be null, but is null or missing",
                column.name
            )));
        }
        let array = array(&column.kind, &values);
        arrays.push(array.map_err(|value| {
            let text = value.to_string();
            CodecError::Schema(format!(
                "column {}: {text:.60} is not a valid {:?}",
                column.name,
                column.kind.data_type()
            ))
        })?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(arrow_schema(columns), arrays, &options)
        .map_err(|e| CodecError::Schema(format!("converting rows to a batch failed: {e}")))
}

/// Converts each value by `convert`; the error is the first value that it rejects.
fn convert_all<'a, T>(
    values: &[&'a Value],
    convert: impl Fn(&'a Value) -> Option<T>,
) -> Result<Vec<Option<T>>, &'a Value> {
    values
        .iter()
        .map(|value| if value.is_null() { Ok(None) } else { convert(value).map(Some).ok_or(*value) })
        .collect()
}

fn array<'a>(kind: &ColumnType, values: &[&'a Value]) -> Result<ArrayRef, &'a Value> {
    Ok(match kind {
        ColumnType::Boolean => Arc::new(BooleanArray::from(convert_all(values, boolean)?)),
        ColumnType::Int16 => {
            Arc::new(Int16Array::from(convert_all(values, |v| integer(v)?.try_into().ok())?))
        }
        ColumnType::Int32 => {
            Arc::new(Int32Array::from(convert_all(values, |v| integer(v)?.try_into().ok())?))
        }
        ColumnType::Int64 => Arc::new(Int64Array::from(convert_all(values, integer)?)),
        ColumnType::Float32 => {
            Arc::new(Float32Array::from(convert_all(values, |v| number(v).map(|n| n as f32))?))
        }
        ColumnType::Float64 => Arc::new(Float64Array::from(convert_all(values, number)?)),
        ColumnType::Text => Arc::new(StringArray::from(convert_all(values, |v| Some(text(v)))?)),
        ColumnType::VariableDecimal => {
            Arc::new(StringArray::from(convert_all(values, decimal::variable_text)?))
        }
        ColumnType::Bytes => {
            let bytes = convert_all(values, |v| STANDARD.decode(v.as_str()?).ok())?;
            Arc::new(bytes.iter().map(|b| b.as_deref()).collect::<BinaryArray>())
        }
        ColumnType::DateDays => {
            Arc::new(Date32Array::from(convert_all(values, |v| integer(v)?.try_into().ok())?))
        }
        ColumnType::DateText => Arc::new(Date32Array::from(convert_all(values, date)?)),
        ColumnType::TimeMillis => {
            Arc::new(Time32MillisecondArray::from(convert_all(values, |v| integer(v)?.try_into().ok())?))
        }
        ColumnType::TimeMicros => Arc::new(Time64MicrosecondArray::from(convert_all(values, integer)?)),
        ColumnType::TimeText => Arc::new(Time64MicrosecondArray::from(convert_all(values, time)?)),
        ColumnType::TimestampMillis => {
            Arc::new(TimestampMillisecondArray::from(convert_all(values, integer)?))
        }
        ColumnType::TimestampMicros => {
            Arc::new(TimestampMicrosecondArray::from(convert_all(values, integer)?))
        }
        ColumnType::TimestampText => {
            Arc::new(TimestampMicrosecondArray::from(convert_all(values, timestamp)?))
        }
        ColumnType::InstantText => {
            let instants = TimestampMicrosecondArray::from(convert_all(values, instant)?);
            Arc::new(instants.with_timezone("+00:00"))
        }
        ColumnType::Decimal { precision, scale } => {
            let decimals = Decimal128Array::from(convert_all(values, |v| decimal::unscaled(v.as_str()?))?);
            let typed = decimals.with_precision_and_scale(*precision, *scale);
            Arc::new(typed.map_err(|_| values.first().copied().unwrap_or(&Value::Null))?)
        }
        ColumnType::DecimalText { scale } => {
            Arc::new(StringArray::from(convert_all(values, |v| decimal::text(v.as_str()?, *scale))?))
        }
        ColumnType::List(items) => list(items, values)?,
        ColumnType::Flink(_) => return Err(values.first().copied().unwrap_or(&Value::Null)),
    })
}

fn list<'a>(items: &ColumnType, values: &[&'a Value]) -> Result<ArrayRef, &'a Value> {
    let mut flat = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for value in values {
        let inner = match value {
            Value::Array(inner) => inner.as_slice(),
            Value::Null => &[],
            other => return Err(other),
        };
        flat.extend(inner);
        lengths.push(inner.len());
    }
    let values_array =
        if flat.is_empty() { new_empty_array(&items.data_type()) } else { array(items, &flat)? };
    let nulls: NullBuffer = values.iter().map(|value| !value.is_null()).collect();
    let field = Arc::new(Field::new("item", items.data_type(), true));
    let array = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values_array, Some(nulls));
    Ok(Arc::new(array.map_err(|_| values.first().copied().unwrap_or(&Value::Null))?) as Arc<dyn Array>)
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => Some(text.eq_ignore_ascii_case("true")),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        // "NaN" and the infinities among them
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Returns a string as it is, and any other value as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn date(value: &Value) -> Option<i32> {
    let date = NaiveDate::parse_from_str(value.as_str()?, "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

fn time(value: &Value) -> Option<i64> {
    let time = NaiveTime::parse_from_str(value.as_str()?.trim_end_matches('Z'), "%H:%M:%S%.f").ok()?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000))
}

fn timestamp(value: &Value) -> Option<i64> {
    let text = value.as_str()?.trim_end_matches('Z').replacen('T', " ", 1);
    Some(NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc().timestamp_micros())
}

fn instant(value: &Value) -> Option<i64> {
    match value.as_str()? {
        // beyond Arrow's range: its limits
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        // years beyond four digits, and before the year 0, have a sign
        text if text.starts_with(['+', '-']) => {
            Some(DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z").ok()?.timestamp_micros())
        }
        text => Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::column::columns;
    use arrow::util::display::array_value_to_string;
    use kulya_schema::{Format, SchemaInfo};
    use serde_json::json;

    fn display(property: &Value, value: Value) -> Result<String, String> {
        let schema = json!({ "type": "object", "properties": { "v": property } }).to_string();
        let columns = columns(&SchemaInfo::new("", Format::Json, schema)).unwrap();
        let row = json!({ "v": value });
        let batch =
            rows_to_batch(&columns, &[row.as_object().unwrap().clone()]).map_err(|e| e.to_string())?;
        Ok(array_value_to_string(batch.column(0), 0).unwrap())
    }

    #[test]
    fn values_are_converted_to_their_column_types() {
        let named = |name: &str| json!({ "type": "string", "connect.name": name });
        let of = |precision: i32, scale: i32| {
            json!({ "type": "string", "connect.type": "bytes", "connect.name": "org.apache.kafka.connect.data.Decimal",
                "connect.parameters": { "scale": scale.to_string(), "connect.decimal.precision": precision.to_string() } })
        };
        let decimal = of(5, 2);
        for (property, value, expected) in [
            (json!({ "type": "integer" }), json!(7), "7"),
            (json!({ "type": "integer" }), json!("8"), "8"),
            (json!({ "type": ["null", "number"] }), json!(1.5), "1.5"),
            (json!({ "type": "number" }), json!("NaN"), "NaN"),
            (json!({ "type": "boolean" }), json!(true), "true"),
            (json!({ "type": "string" }), json!({ "a": 1 }), r#"{"a":1}"#),
            (json!({ "type": "string", "format": "date" }), json!("2024-02-29"), "2024-02-29"),
            (
                json!({ "type": "string", "format": "date-time" }),
                json!("2024-02-29T01:02:03.5Z"),
                "2024-02-29T01:02:03.500",
            ),
            (
                json!({ "type": "string", "format": "date-time" }),
                json!("2024-02-29 01:02:03"),
                "2024-02-29T01:02:03",
            ),
            (json!({ "type": "string", "contentEncoding": "base64" }), json!("AP8="), "00ff"),
            (json!({ "type": "array", "items": { "type": "integer" } }), json!([1, null]), "[1, ]"),
            (json!({ "type": "object" }), json!({ "x": [] }), r#"{"x":[]}"#),
            (named("io.debezium.time.Date"), json!(19782), "2024-02-29"),
            (
                named("io.debezium.time.MicroTimestamp"),
                json!(1_709_210_096_789_012_i64),
                "2024-02-29T12:34:56.789012",
            ),
            (
                named("io.debezium.time.ZonedTimestamp"),
                json!("2024-02-29T10:34:56.789Z"),
                "2024-02-29T10:34:56.789Z",
            ),
            (
                named("io.debezium.time.ZonedTimestamp"),
                json!("-0043-03-15T00:00:00.5Z"),
                "-0043-03-15T00:00:00.500Z",
            ),
            (
                named("io.debezium.time.ZonedTimestamp"),
                json!("+10000-01-01T00:00:00Z"),
                "+10000-01-01T00:00:00Z",
            ),
            (named("io.debezium.data.VariableScaleDecimal"), json!({ "scale": 1, "value": "Cw==" }), "1.1"),
            (
                named("io.debezium.data.VariableScaleDecimal"),
                json!({ "scale": 0, "value": "HWMp8cNcpL+rufVhAAAAAAc=" }),
                "10000000000000000000000000000000000000007",
            ),
            (
                named("io.debezium.data.VariableScaleDecimal"),
                json!({ "scale": -3, "value": "9g==" }),
                "-10000",
            ),
            (of(3, 5), json!("/Bk="), "-0.00999"),
            (of(5, -2), json!("ew=="), "12300"),
            (of(5, -2), json!("AA=="), "0"),
            (of(50, 10), json!("/av0HAA="), "-1.0000000000"),
            (of(50, 10), json!("AA=="), "0.0000000000"),
            (decimal.clone(), json!("/nlh"), "-999.99"),
        ] {
            assert_eq!(display(&property, value.clone()).as_deref(), Ok(expected), "{property} {value}");
            assert_eq!(display(&property, Value::Null).as_deref(), Ok(""), "{property} null");
        }
        for (property, value) in [
            (json!({ "type": "integer" }), json!(1.5)),
            (decimal, json!("*")),
            (json!({ "type": "boolean" }), json!(1)),
        ] {
            let refused = display(&property, value).unwrap_err();
            assert!(refused.contains("column v"), "{refused}");
        }
    }
}
