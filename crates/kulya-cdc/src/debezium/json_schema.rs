//! The JSON schema of a table's events, with annotations for what JSON Schema cannot express
//! (`docs/spec/cdc-schema.md`).

use super::connect_schema::{ConnectSchema, ConnectType};
use super::row_schema::RowSchema;
use serde_json::{Map, Value, json};

/// Returns the JSON schema of a table's events.
pub fn of_envelope(envelope: &ConnectSchema, table: &RowSchema) -> Value {
    let mut schema = Map::new();
    schema.insert("title".into(), json!(envelope.name));
    schema.extend(of(envelope));
    schema.insert("x-primary-key".into(), json!(table.key));
    let columns = table.column_annotations(str::to_owned);
    if !columns.is_empty() {
        schema.insert("x-columns".into(), Value::Object(columns));
    }
    Value::Object(schema)
}

/// Returns the JSON schema of values.
fn of(schema: &ConnectSchema) -> Map<String, Value> {
    let json_type = match schema.kind {
        ConnectType::Int8 | ConnectType::Int16 | ConnectType::Int32 | ConnectType::Int64 => "integer",
        ConnectType::Float | ConnectType::Double => "number",
        ConnectType::Boolean => "boolean",
        ConnectType::String | ConnectType::Bytes => "string",
        ConnectType::Map if schema.keys.as_ref().is_some_and(|keys| keys.kind != ConnectType::String) => {
            "array"
        }
        ConnectType::Array => "array",
        ConnectType::Map | ConnectType::Struct => "object",
    };
    let mut members = Map::new();
    let allowed = if schema.optional { json!(["null", json_type]) } else { json!(json_type) };
    members.insert("type".into(), allowed);
    members.insert("connect.type".into(), json!(schema.kind.name()));
    if let Some(name) = &schema.name {
        members.insert("connect.name".into(), json!(name));
    }
    if let Some(version) = schema.version {
        members.insert("connect.version".into(), json!(version));
    }
    if !schema.parameters.is_empty() {
        members.insert("connect.parameters".into(), Value::Object(schema.parameters.clone()));
    }
    if let Some(default) = &schema.default {
        members.insert("default".into(), default.clone());
    }
    if let Some(items) = &schema.items {
        members.insert("items".into(), Value::Object(of(items)));
    }
    if schema.kind == ConnectType::Struct {
        let field = |field: &ConnectSchema| (field.field_name().to_owned(), Value::Object(of(field)));
        let required = schema.fields.iter().filter(|field| !field.optional);
        let required: Vec<&str> = required.map(ConnectSchema::field_name).collect();
        members.insert("properties".into(), Value::Object(schema.fields.iter().map(field).collect()));
        members.insert("required".into(), json!(required));
    }
    members
}
