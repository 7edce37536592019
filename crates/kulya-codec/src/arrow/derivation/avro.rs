//! Avro schemas of columns, by the rules of Flink's format `avro`.

use super::no_type;
use crate::CodecResult;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use std::fmt::Write;

/// The record that Flink's catalog and sinks derive. Versions before 1.16 have `record`.
pub const FLINK_RECORD_NAME: &str = "org.apache.flink.avro.generated.record";

/// How timestamps are written, Flink's `timestamp_mapping.legacy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampMapping {
    /// Flink's default: timestamps without time zone, of at most milliseconds, as if they were in UTC.
    #[default]
    Legacy,
    /// Timestamps of any precision as `local-timestamp-…`, and instants as `timestamp-…`.
    Exact,
}

/// Returns the Avro schema of a table's rows: a record of this full name, in Avro Java's compact form.
///
/// # Errors
/// `Schema` for a column whose type or name Avro does not have; the text names it.
pub fn avro_schema(columns: &Fields, record_name: &str, timestamps: TimestampMapping) -> CodecResult<String> {
    let mut text = String::new();
    let (namespace, name) = record_name.rsplit_once('.').unwrap_or(("", record_name));
    let enclosing = Record { name, namespace: (!namespace.is_empty()).then_some(namespace) };
    write_record(columns, &enclosing, timestamps, &mut text)?;
    Ok(text)
}

/// Returns the Avro schema of changes of a table's rows: an envelope with the fields `before`, `after` and
/// `op`, whose rows are records in the form of [`avro_schema`].
///
/// # Errors
/// Those of [`avro_schema`].
pub fn avro_envelope_schema(
    columns: &Fields,
    record_name: &str,
    timestamps: TimestampMapping,
) -> CodecResult<String> {
    let row = avro_schema(columns, record_name, timestamps)?;
    let namespace = record_name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
    let namespace =
        if namespace.is_empty() { String::new() } else { format!(r#""namespace":"{namespace}","#) };
    Ok(format!(
        r#"{{"type":"record","name":"Envelope",{namespace}"fields":[{{"name":"before","type":["null",{row}],"default":null}},{{"name":"after","type":["null","{record_name}"],"default":null}},{{"name":"op","type":"string"}}]}}"#
    ))
}

/// The name of a record, and its namespace if that is not the enclosing one.
struct Record<'a> {
    name: &'a str,
    namespace: Option<&'a str>,
}

fn write_record(
    columns: &Fields,
    record: &Record<'_>,
    timestamps: TimestampMapping,
    text: &mut String,
) -> CodecResult<()> {
    // a string accepts everything
    let _ = write!(text, r#"{{"type":"record","name":"{}","#, record.name);
    if let Some(namespace) = record.namespace {
        let _ = write!(text, r#""namespace":"{namespace}","#);
    }
    text.push_str(r#""fields":["#);
    for (position, field) in columns.iter().enumerate() {
        if !is_name(field.name()) {
            let reason = "its name must start with a letter or _ and have only letters, digits and _";
            return Err(no_type("Avro", field.name(), reason));
        }
        let separator = if position > 0 { "," } else { "" };
        let _ = write!(text, r#"{separator}{{"name":"{}","type":"#, field.name());
        let nested = format!("{}_{}", record.name, field.name());
        write_type(field, &nested, timestamps, text)?;
        text.push_str(if field.is_nullable() { r#","default":null}"# } else { "}" });
    }
    text.push_str("]}");
    Ok(())
}

/// Writes the type of a field; `name` is that of a record in it.
fn write_type(field: &Field, name: &str, timestamps: TimestampMapping, text: &mut String) -> CodecResult<()> {
    let is_union = field.is_nullable() && *field.data_type() != DataType::Null;
    if is_union {
        text.push_str(r#"["null","#);
    }
    let refused = |reason: &str| Err(no_type("Avro", field.name(), reason));
    let exact = timestamps == TimestampMapping::Exact;
    match field.data_type() {
        DataType::Null => text.push_str(r#""null""#),
        DataType::Boolean => text.push_str(r#""boolean""#),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => text.push_str(r#""int""#),
        DataType::Int64 => text.push_str(r#""long""#),
        DataType::Float32 => text.push_str(r#""float""#),
        DataType::Float64 => text.push_str(r#""double""#),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text.push_str(r#""string""#),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            text.push_str(r#""bytes""#);
        }
        DataType::Decimal128(precision, scale) => {
            let _ = write!(
                text,
                r#"{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":{scale}}}"#
            );
        }
        DataType::Date32 => write_logical("int", "date", text),
        DataType::Time32(_) => write_logical("int", "time-millis", text),
        DataType::Time64(_) => return refused("times have at most 3 digits of a fraction"),
        DataType::Timestamp(unit, zone) => {
            let digits = match unit {
                TimeUnit::Second | TimeUnit::Millisecond => "millis",
                TimeUnit::Microsecond => "micros",
                TimeUnit::Nanosecond => "nanos",
            };
            match (exact, zone.is_some()) {
                (true, true) => write_logical("long", &format!("timestamp-{digits}"), text),
                (true, false) => write_logical("long", &format!("local-timestamp-{digits}"), text),
                (false, false) if digits == "millis" => write_logical("long", "timestamp-millis", text),
                (false, false) => return refused("timestamps have at most 3 digits of a fraction"),
                (false, true) => {
                    return refused("timestamps with a time zone need another timestamp mapping");
                }
            }
        }
        DataType::List(items) => {
            text.push_str(r#"{"type":"array","items":"#);
            // Flink uses its default for elements, whatever the mapping is
            write_type(items, name, TimestampMapping::Legacy, text)?;
            text.push('}');
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { return refused("it is no map") };
            let [key, value] = &fields[..] else { return refused("it is no map") };
            if !matches!(key.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
                return refused("the keys of a map must be strings");
            }
            text.push_str(r#"{"type":"map","values":"#);
            write_type(value, name, TimestampMapping::Legacy, text)?;
            text.push('}');
        }
        DataType::Struct(fields) => {
            write_record(fields, &Record { name, namespace: None }, timestamps, text)?;
        }
        other => return refused(&format!("{other} cannot be written")),
    }
    if is_union {
        text.push(']');
    }
    Ok(())
}

fn write_logical(base: &str, logical: &str, text: &mut String) {
    let _ = write!(text, r#"{{"type":"{base}","logicalType":"{logical}"}}"#);
}

fn is_name(name: &str) -> bool {
    name.chars()
        .enumerate()
        .all(|(position, c)| c == '_' || c.is_ascii_alphabetic() || (position > 0 && c.is_ascii_digit()))
        && !name.is_empty()
}
