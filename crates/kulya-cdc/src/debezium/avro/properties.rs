//! The attributes of Avro schemas by which the converter keeps what Avro does not have, and default values.

use crate::debezium::connect_schema::{ConnectSchema, ConnectType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// The precision of a decimal that does not say it.
const DECIMAL_PRECISION: u64 = 64;

/// Returns the attributes of a type, in the converter's order.
pub(super) fn of(schema: &ConnectSchema) -> Map<String, Value> {
    let mut found = Map::new();
    let decimal = (schema.name.as_deref() == Some(DECIMAL)).then(|| digits(schema));
    if let Some((precision, scale)) = decimal {
        found.insert("scale".into(), json!(scale));
        found.insert("precision".into(), json!(precision));
    }
    let mut add = |name: &str, value: Option<Value>| {
        value.map(|value| found.insert(name.to_owned(), value));
    };
    add("connect.doc", schema.doc.as_ref().map(|doc| json!(doc)));
    add("connect.version", schema.version.map(|version| json!(version)));
    let parameters = (!schema.parameters.is_empty()).then(|| Value::Object(schema.parameters.clone()));
    add("connect.parameters", parameters);
    add("connect.default", schema.default.as_ref().map(|value| avro_form(schema.kind, value)));
    add("connect.name", schema.name.as_ref().map(|name| json!(name)));
    let is_small = matches!(schema.kind, ConnectType::Int8 | ConnectType::Int16);
    add("connect.type", is_small.then(|| json!(schema.kind.name())));
    // also of a decimal whose scale Avro does not allow: readers ignore it then
    add("logicalType", logical_type(schema.name.as_deref()).map(|name| json!(name)));
    found
}

/// Returns the precision and the scale of a decimal.
fn digits(schema: &ConnectSchema) -> (u64, i64) {
    let precision = schema.parameter("connect.decimal.precision").and_then(|text| text.parse().ok());
    let scale = schema.parameter("scale").and_then(|text| text.parse().ok());
    (precision.filter(|precision| *precision > 0).unwrap_or(DECIMAL_PRECISION), scale.unwrap_or(0))
}

/// Returns Avro's logical type of one of Connect's own semantic types.
fn logical_type(name: Option<&str>) -> Option<&'static str> {
    Some(match name? {
        DECIMAL => "decimal",
        "org.apache.kafka.connect.data.Date" => "date",
        "org.apache.kafka.connect.data.Time" => "time-millis",
        "org.apache.kafka.connect.data.Timestamp" => "timestamp-millis",
        _ => return None,
    })
}

/// Returns the default value of a field, as Avro has it; `None` without one, and for one that Avro cannot
/// represent.
pub(super) fn default_value(schema: &ConnectSchema) -> Option<Value> {
    let value = schema.default.as_ref()?;
    let is_possible = match schema.kind {
        ConnectType::Boolean => value.is_boolean(),
        ConnectType::Int8 | ConnectType::Int16 | ConnectType::Int32 | ConnectType::Int64 => value.is_i64(),
        // not NaN and infinity, which are texts
        ConnectType::Float | ConnectType::Double => value.is_number(),
        ConnectType::String | ConnectType::Bytes => value.is_string(),
        // a default of a union is of its first type, which is null for items and values
        ConnectType::Array => value.as_array().is_some_and(Vec::is_empty),
        ConnectType::Map => value.as_object().is_some_and(Map::is_empty),
        ConnectType::Struct => false,
    };
    is_possible.then(|| avro_form(schema.kind, value))
}

/// Returns a value as Avro's JSON has it: bytes are a text with a character for each.
fn avro_form(kind: ConnectType, value: &Value) -> Value {
    let bytes =
        value.as_str().filter(|_| kind == ConnectType::Bytes).and_then(|text| STANDARD.decode(text).ok());
    bytes.map_or_else(|| value.clone(), |bytes| json!(bytes.into_iter().map(char::from).collect::<String>()))
}
