//! Change events with a header: the schema of their rows, and the events in Debezium's JSON, in which the
//! rows of all captured change logs are read.

mod avro_text;

use crate::codec::Codecs;
use crate::{CodecError, CodecResult, EncodingCache, SchemaRegistry, header};
use avro_text::AvroText;
use kulya_schema::{Format, GroupId, SchemaInfo};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The maximum nesting depth of a row's schema.
const MAX_DEPTH: usize = 64;

/// Returns the JSON schema of the rows in change events that have a schema, which is that of `after` in it
/// (`docs/spec/cdc-schema.md`).
///
/// # Errors
/// `Schema` when the schema is not that of change events.
pub fn row_schema(events: &SchemaInfo) -> CodecResult<SchemaInfo> {
    let invalid = |reason: &str| {
        CodecError::Schema(format!("schema {:?} is not that of change events: {reason}", events.type_name))
    };
    let schema: Value = serde_json::from_slice(&events.data).map_err(|e| invalid(&e.to_string()))?;
    let no_rows = || invalid("it has no rows after a change");
    let mut rows = match events.format {
        Format::Json => schema.pointer("/properties/after").cloned().ok_or_else(no_rows)?,
        // the record is defined where it is used first
        Format::Avro => row_of_avro(field(&schema, "before").ok_or_else(no_rows)?).ok_or_else(no_rows)?,
        _ => return Err(invalid("it is neither JSON nor Avro")),
    };
    if let (Value::Object(rows), Some(key)) = (&mut rows, schema.get("x-primary-key")) {
        rows.insert("x-primary-key".into(), key.clone());
    }
    if let Some(annotations) = schema.get("x-columns").and_then(Value::as_object) {
        for (name, annotations) in annotations {
            let column = rows.get_mut("properties").and_then(|columns| columns.get_mut(name));
            if let (Some(Value::Object(column)), Value::Object(annotations)) = (column, annotations) {
                column.extend(annotations.clone());
            }
        }
    }
    Ok(SchemaInfo::new(&*events.type_name, Format::Json, rows.to_string()))
}

/// Returns a field of an Avro record.
fn field<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    fields(record).find(|field| field.get("name").and_then(Value::as_str) == Some(name))
}

fn fields(record: &Value) -> impl Iterator<Item = &Value> {
    record.get("fields").and_then(Value::as_array).into_iter().flatten()
}

/// Returns the JSON schema of the rows in a field of events.
fn row_of_avro(field: &Value) -> Option<Value> {
    let (record, _) = type_of(field.get("type")?);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for column in fields(record) {
        let (name, schema) = (column.get("name")?.as_str()?, column.get("type")?);
        let (column_type, is_optional) = type_of(schema);
        properties.insert(name.to_owned(), column_of_avro(column_type, is_optional, MAX_DEPTH)?);
        if !is_optional {
            required.push(name);
        }
    }
    Some(json!({"type": "object", "properties": properties, "required": required}))
}

/// Returns the type beside null of a union with it, and whether it is one.
fn type_of(schema: &Value) -> (&Value, bool) {
    match schema.as_array().map(Vec::as_slice) {
        Some([null, other] | [other, null]) if null.as_str() == Some("null") => (other, true),
        _ => (schema, false),
    }
}

/// Returns the JSON schema of a column, with Connect's types as annotations.
fn column_of_avro(schema: &Value, is_optional: bool, depth: usize) -> Option<Value> {
    let kind = schema.as_str().or_else(|| schema.get("type").and_then(Value::as_str))?;
    let (json_type, connect_type) = match kind {
        "boolean" => ("boolean", "boolean"),
        "int" => ("integer", "int32"),
        "long" => ("integer", "int64"),
        "float" => ("number", "float32"),
        "double" => ("number", "float64"),
        "string" => ("string", "string"),
        "bytes" => ("string", "bytes"),
        "array" => ("array", "array"),
        "map" => ("object", "map"),
        // a record, or the name of one
        _ => ("object", "struct"),
    };
    let mut column = Map::new();
    column.insert("type".into(), if is_optional { json!(["null", json_type]) } else { json!(json_type) });
    let connect_type = schema.get("connect.type").cloned().unwrap_or_else(|| json!(connect_type));
    column.insert("connect.type".into(), connect_type);
    for name in ["connect.name", "connect.parameters"] {
        schema.get(name).map(|value| column.insert(name.into(), value.clone()));
    }
    // of a second column of the type there is only the name
    if json_type == "object" && schema.is_string() {
        column.insert("connect.name".into(), schema.clone());
    }
    if let Some(items) = schema.get("items") {
        let (items, is_optional) = type_of(items);
        column.insert("items".into(), column_of_avro(items, is_optional, depth.checked_sub(1)?)?);
    }
    Some(Value::Object(column))
}

/// Gives the change events of one group in Debezium's JSON: those in JSON as they are, those in Avro without
/// what current rows do not need.
pub struct ChangeEvents {
    encodings: EncodingCache,
    codecs: Codecs,
    /// The writers' schemas in Avro by their ids, or why they cannot be read.
    schemas: HashMap<u32, Result<Arc<AvroText>, String>>,
    text: Vec<u8>,
}

impl ChangeEvents {
    /// Creates a reader of the events of `group`.
    pub fn new(registry: impl Into<Arc<dyn SchemaRegistry>>, group: GroupId) -> Self {
        Self {
            encodings: EncodingCache::new(registry, group),
            codecs: Codecs::default(),
            schemas: HashMap::new(),
            text: Vec::new(),
        }
    }

    /// Sets the codecs. The default is all codecs without encryption.
    #[must_use]
    pub fn codecs(self, codecs: Codecs) -> Self {
        Self { codecs, ..self }
    }

    /// Returns the JSON of an event.
    ///
    /// # Errors
    /// `Header` for bytes that are not an event; `Registry` when the encoding id cannot be resolved; `Codec`
    /// or `Key` when the payload cannot be decompressed or decrypted; `Schema` when the event is neither JSON
    /// nor Avro; `Payload` when it does not match its schema.
    pub async fn json<'a>(&'a mut self, event: &'a [u8]) -> CodecResult<&'a [u8]> {
        let (id, payload) = header::split(event)?;
        let encoding = self.encodings.encoding(id).await?;
        let decoded = match encoding.codec.name.as_str() {
            "" => None,
            _ => Some(self.codecs.decode(payload, &encoding.codec)?),
        };
        match encoding.schema.format {
            Format::Json => match decoded {
                None => Ok(payload),
                Some(decoded) => {
                    self.text = decoded;
                    Ok(&self.text)
                }
            },
            Format::Avro => {
                let type_name = &encoding.version.type_name;
                let known = self.schemas.entry(encoding.version.id).or_insert_with(|| {
                    let schema = AvroText::new(&encoding.schema.data);
                    schema
                        .map(Arc::new)
                        .map_err(|reason| format!("Avro schema {type_name} cannot be used: {reason}"))
                });
                let schema = known.clone().map_err(CodecError::Schema)?;
                self.text.clear();
                let payload = decoded.as_deref().unwrap_or(payload);
                schema.write(payload, &mut self.text).map_err(|reason| CodecError::Payload {
                    type_name: type_name.clone(),
                    reason: reason.to_string(),
                })?;
                Ok(&self.text)
            }
            _ => Err(CodecError::Schema("a change event has the format JSON or Avro".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::{ColumnType, columns, primary_key};

    const AVRO: &str = r#"{"type":"record","name":"Envelope","namespace":"p.s.t","fields":[
        {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
            {"name":"id","type":"int"},
            {"name":"small","type":["null",{"type":"int","connect.type":"int16"}],"default":null},
            {"name":"day","type":[{"type":"int","connect.version":1,"connect.name":"io.debezium.time.Date"},"null"],"default":1},
            {"name":"price","type":{"type":"bytes","scale":2,"precision":9,"connect.parameters":{"scale":"2","connect.decimal.precision":"9"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}},
            {"name":"any","type":{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data","fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}],"connect.name":"io.debezium.data.VariableScaleDecimal"}},
            {"name":"other","type":["null","io.debezium.data.VariableScaleDecimal"],"default":null},
            {"name":"tags","type":{"type":"array","items":["null","string"]}}
        ]}],"default":null},
        {"name":"after","type":["null","Value"],"default":null},
        {"name":"op","type":"string"}
    ],"x-primary-key":["id"]}"#;

    #[test]
    fn columns_of_avro_events_are_those_of_json() {
        let rows = row_schema(&SchemaInfo::new("p.s.t.Envelope", Format::Avro, AVRO)).unwrap();
        let found =
            columns(&rows).unwrap().into_iter().map(|column| (column.name, column.nullable, column.kind));
        let expected = [
            ("id", false, ColumnType::Int32),
            ("small", true, ColumnType::Int16),
            ("day", true, ColumnType::DateDays),
            ("price", false, ColumnType::Decimal { precision: 9, scale: 2 }),
            ("any", false, ColumnType::VariableDecimal),
            ("other", true, ColumnType::VariableDecimal),
            ("tags", false, ColumnType::List(Box::new(ColumnType::Text))),
        ];
        let expected = expected.map(|(name, nullable, kind)| (name.to_owned(), nullable, kind));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(primary_key(&rows).unwrap(), ["id"]);
    }

    #[test]
    fn rows_of_json_events_are_those_after_a_change() {
        let after = json!({"type": ["null", "object"], "properties": {"id": {"type": "integer"}}, "required": ["id"]});
        let events = json!({"properties": {"after": after}, "x-primary-key": ["id"]});
        let rows = row_schema(&SchemaInfo::json("e", events.to_string())).unwrap();
        assert_eq!((columns(&rows).unwrap().len(), primary_key(&rows).unwrap()), (1, vec!["id".to_owned()]));
        let annotations = json!({"id": {"default": 7}, "gone": {"default": 8}});
        let rows = json!({"after": after});
        let events = json!({"properties": rows, "x-primary-key": ["id"], "x-columns": annotations});
        let rows = row_schema(&SchemaInfo::json("e", events.to_string())).unwrap();
        let rows: Value = serde_json::from_slice(&rows.data).unwrap();
        assert_eq!(rows["properties"], json!({"id": {"type": "integer", "default": 7}}));
        for (schema, reason) in [
            (SchemaInfo::json("e", "{}"), "no rows after a change"),
            (SchemaInfo::json("e", "{"), "EOF"),
            (SchemaInfo::avro("\"int\""), "no rows after a change"),
            (SchemaInfo::protobuf("m", "{}"), "neither JSON nor Avro"),
        ] {
            let error = row_schema(&schema).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
