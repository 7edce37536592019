//! The schemas of rows: the record in a registered schema, a reader's record under the writer's name, and the
//! Arrow types.

use crate::{CodecError, CodecResult};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use kulya_schema::{Format, SchemaInfo};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Returns the record schema of the rows: the root, or the record in a root union with null and its encoded
/// union index.
pub(super) fn row_schema(schema: &SchemaInfo) -> CodecResult<(Value, Option<u8>)> {
    let no_rows = |reason: &str| {
        CodecError::Schema(format!("Avro schema {} cannot be a table: {reason}", schema.type_name))
    };
    if schema.format != Format::Avro {
        return Err(no_rows("it is not Avro"));
    }
    let parsed: Value = serde_json::from_slice(&schema.data).map_err(|e| no_rows(&e.to_string()))?;
    let is_record = |value: &Value| value.get("type").and_then(Value::as_str) == Some("record");
    match &parsed {
        Value::Object(_) if is_record(&parsed) => Ok((parsed, None)),
        Value::Array(members) if members.len() == 2 => {
            let index =
                members.iter().position(is_record).ok_or_else(|| no_rows("its root is not a record"))?;
            let record = members.get(index).cloned().unwrap_or_default();
            Ok((record, Some(if index == 0 { 0 } else { 2 })))
        }
        _ => Err(no_rows("its root is not a record")),
    }
}

/// Returns the reader schema with the names of the writer's records, also of those within: record names are
/// not compared (contract §3.4).
pub(super) fn with_name_of(reader: &Value, writer: &Value) -> Value {
    let mut renamed = reader.clone();
    rename(&mut renamed, writer, !has_references(reader) && !has_references(writer));
    renamed
}

/// Gives a record the name of the writer's; with `is_deep`, also the records within it.
fn rename(reader: &mut Value, writer: &Value, is_deep: bool) {
    match (reader, writer) {
        (Value::Object(reader), Value::Object(writer)) => {
            let kind = reader.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            if writer.get("type").and_then(Value::as_str) != Some(&kind) {
                return;
            }
            let key = match kind.as_str() {
                "record" => {
                    for part in ["name", "namespace"] {
                        match writer.get(part) {
                            Some(name) => reader.insert(part.to_owned(), name.clone()),
                            None => reader.shift_remove(part),
                        };
                    }
                    "fields"
                }
                "array" => "items",
                "map" => "values",
                _ => return,
            };
            if let (true, Some(reader), Some(writer)) = (is_deep, reader.get_mut(key), writer.get(key)) {
                match (reader, writer) {
                    (Value::Array(fields), Value::Array(written)) if key == "fields" => {
                        rename_in_fields(fields, written);
                    }
                    (reader, writer) => rename(reader, writer, true),
                }
            }
        }
        (reader, writer) => {
            // the only member of a union that can have a record within
            if let (Some(reader), Some(writer)) = (only_object_mut(reader), only_object(writer)) {
                rename(reader, writer, is_deep);
            }
        }
    }
}

fn rename_in_fields(fields: &mut [Value], written: &[Value]) {
    for field in fields {
        let writer = written.iter().find(|writer| writer.get("name") == field.get("name"));
        if let (Some(reader), Some(writer)) = (field.get_mut("type"), writer.and_then(|w| w.get("type"))) {
            rename(reader, writer, true);
        }
    }
}

/// Returns a type that is an object, or the only object in a union.
fn only_object(schema: &Value) -> Option<&Value> {
    let Value::Array(members) = schema else { return Some(schema).filter(|schema| schema.is_object()) };
    let mut objects = members.iter().filter(|member| member.is_object());
    objects.next().filter(|_| objects.next().is_none())
}

fn only_object_mut(schema: &mut Value) -> Option<&mut Value> {
    let Value::Array(members) = schema else { return Some(schema).filter(|schema| schema.is_object()) };
    let mut objects = members.iter_mut().filter(|member| member.is_object());
    objects.next().filter(|_| objects.next().is_none())
}

/// Returns whether a schema refers to a type that is defined elsewhere in it, which would lose its name.
fn has_references(schema: &Value) -> bool {
    match schema {
        Value::String(name) => !PRIMITIVES.contains(&name.as_str()),
        Value::Array(members) => members.iter().any(has_references),
        Value::Object(object) => {
            let is_definition =
                matches!(object.get("type"), Some(Value::String(kind)) if COMPLEX.contains(&kind.as_str()));
            let types =
                ["type", "items", "values"].into_iter().filter(|key| !is_definition || *key != "type");
            let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
            types.filter_map(|key| object.get(key)).chain(fields).any(has_references)
        }
        _ => false,
    }
}

const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "string", "bytes"];
const COMPLEX: [&str; 5] = ["record", "array", "map", "enum", "fixed"];

/// Returns whether a column may read bytes as a string. The decoder finds invalid UTF-8 in such a string only
/// when it completes a batch.
pub(super) fn reads_bytes_as_text(reader: &Value, writer: &Value) -> bool {
    let fields = |schema: &Value| schema.get("fields").and_then(Value::as_array).cloned().unwrap_or_default();
    let writer_fields = fields(writer);
    fields(reader).iter().any(|field| {
        let aliases = field.get("aliases").and_then(Value::as_array).into_iter().flatten();
        let names: Vec<&Value> = field.get("name").into_iter().chain(aliases).collect();
        let written =
            writer_fields.iter().filter(|w| w.get("name").is_some_and(|name| names.contains(&name)));
        written.into_iter().any(|written| {
            written.get("type") != field.get("type")
                && mentions(written, "bytes", writer)
                && mentions(field, "string", reader)
        })
    })
}

/// Returns whether a schema has values of this primitive type. A name that is defined elsewhere may be any
/// type of the whole schema.
fn mentions(schema: &Value, primitive: &str, whole: &Value) -> bool {
    match schema {
        Value::String(name) if name == primitive => true,
        Value::String(name) if PRIMITIVES.contains(&&**name) || COMPLEX.contains(&&**name) => false,
        Value::String(_) => whole.to_string().contains(primitive),
        Value::Array(members) => members.iter().any(|member| mentions(member, primitive, whole)),
        Value::Object(object) => members_of(object).any(|member| mentions(member, primitive, whole)),
        _ => false,
    }
}

/// Returns the types within a type or field.
fn members_of(object: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    ["type", "items", "values", "fields"].into_iter().filter_map(|key| object.get(key))
}

/// Returns whether a column has values of the type null within it, which the library rejects in arrays.
pub(super) fn has_nulls_within(fields: &Fields) -> bool {
    fields.iter().any(|field| match field.data_type() {
        DataType::List(items) | DataType::Map(items, _) => is_or_has_null(items),
        DataType::Struct(fields) => fields.iter().any(is_or_has_null),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| is_or_has_null(field)),
        _ => false,
    })
}

fn is_or_has_null(field: &FieldRef) -> bool {
    *field.data_type() == DataType::Null || has_nulls_within(&Fields::from(vec![Arc::clone(field)]))
}

/// Replaces dictionaries by their value types: enums become text.
pub(super) fn without_dictionaries(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(plain_field).collect::<Fields>())
}

fn plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), plain_type(field.data_type()), field.is_nullable()))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::List(items) => DataType::List(plain_field(items)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        other => other.clone(),
    }
}
