//! The Avro schema of a schema of Kafka Connect, with the names, attributes and unions of the converter.

use super::error::NotEncodable;
use super::names::{self, Name};
use super::plan::{has_text_keys, is_null_first};
use super::properties;
use crate::debezium::connect_schema::{ConnectSchema, ConnectType};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// The record of an entry of a map whose keys are not texts.
pub(super) const MAP_ENTRY: &str = "io.confluent.connect.avro.MapEntry";

/// Returns the Avro schema of events.
///
/// # Errors
/// Fields of one name, and structs of one name with different fields.
pub(super) fn of(
    envelope: &ConnectSchema,
    key: &[String],
    columns: Map<String, Value>,
) -> Result<Value, NotEncodable> {
    let mut writer = Writer { defined: HashMap::new(), namespace: String::new() };
    let mut schema = writer.type_of(envelope)?;
    if let Value::Object(record) = &mut schema {
        if !key.is_empty() {
            let key: Vec<String> = key.iter().map(|name| names::field(name)).collect();
            record.insert("x-primary-key".into(), json!(key));
        }
        if !columns.is_empty() {
            record.insert("x-columns".into(), Value::Object(columns));
        }
    }
    Ok(schema)
}

struct Writer<'a> {
    /// The fields of the records that are defined, by their full names.
    defined: HashMap<String, Vec<&'a ConnectSchema>>,
    /// The namespace of the record around.
    namespace: String,
}

impl<'a> Writer<'a> {
    /// Returns a type, which is a union with null for an optional one.
    fn schema(&mut self, schema: &'a ConnectSchema) -> Result<Value, NotEncodable> {
        let of_value = self.type_of(schema)?;
        Ok(match (schema.optional, is_null_first(schema)) {
            (false, _) => of_value,
            (true, true) => json!(["null", of_value]),
            (true, false) => json!([of_value, "null"]),
        })
    }

    /// Returns the type of values that are not null.
    fn type_of(&mut self, schema: &'a ConnectSchema) -> Result<Value, NotEncodable> {
        let primitive = match schema.kind {
            ConnectType::Boolean => "boolean",
            ConnectType::Int8 | ConnectType::Int16 | ConnectType::Int32 => "int",
            ConnectType::Int64 => "long",
            ConnectType::Float => "float",
            ConnectType::Double => "double",
            ConnectType::String => "string",
            ConnectType::Bytes => "bytes",
            ConnectType::Array => {
                let items = self.schema(part(schema.items.as_deref())?)?;
                return Ok(with_properties(schema, &[("type", json!("array")), ("items", items)]));
            }
            ConnectType::Map => return self.map(schema),
            ConnectType::Struct => {
                let fields = schema.fields.iter().map(|field| (field.field_name(), field)).collect();
                return self.record(&Name::of(schema.name.as_deref()), fields, properties::of(schema));
            }
        };
        let properties = properties::of(schema);
        if properties.is_empty() {
            return Ok(json!(primitive));
        }
        Ok(with_properties(schema, &[("type", json!(primitive))]))
    }

    fn map(&mut self, schema: &'a ConnectSchema) -> Result<Value, NotEncodable> {
        let (keys, values) = (part(schema.keys.as_deref())?, part(schema.values.as_deref())?);
        if has_text_keys(schema) {
            let values = self.schema(values)?;
            return Ok(with_properties(schema, &[("type", json!("map")), ("values", values)]));
        }
        let fields = vec![("key", keys), ("value", values)];
        let entry = self.record(&Name::of(Some(MAP_ENTRY)), fields, Map::new())?;
        Ok(with_properties(schema, &[("type", json!("array")), ("items", entry)]))
    }

    /// Returns a record; its name, if it is defined already.
    fn record(
        &mut self,
        name: &Name,
        fields: Vec<(&str, &'a ConnectSchema)>,
        properties: Map<String, Value>,
    ) -> Result<Value, NotEncodable> {
        let full = name.full();
        let types: Vec<&ConnectSchema> = fields.iter().map(|(_, schema)| *schema).collect();
        if let Some(known) = self.defined.get(&full) {
            return match *known == types {
                true => Ok(json!(name.relative_to(&self.namespace))),
                false => Err(NotEncodable::new(format!("two structs {full} have different fields"))),
            };
        }
        self.defined.insert(full, types);
        let mut record = Map::new();
        record.insert("type".into(), json!("record"));
        record.insert("name".into(), json!(name.name));
        if name.namespace != self.namespace {
            record.insert("namespace".into(), json!(name.namespace));
        }
        let around = std::mem::replace(&mut self.namespace, name.namespace.clone());
        let fields = self.fields(fields);
        self.namespace = around;
        record.insert("fields".into(), fields?);
        record.extend(properties);
        Ok(Value::Object(record))
    }

    fn fields(&mut self, fields: Vec<(&str, &'a ConnectSchema)>) -> Result<Value, NotEncodable> {
        let mut taken = HashSet::new();
        let mut written = Vec::with_capacity(fields.len());
        for (field_name, schema) in fields {
            let name = names::field(field_name);
            if !taken.insert(name.clone()) {
                let reason = format!("two fields are called {name} in Avro: leave one out, or rename it");
                return Err(NotEncodable::new(reason).within(field_name));
            }
            let mut field = Map::new();
            field.insert("name".into(), json!(name));
            field.insert("type".into(), self.schema(schema).map_err(|error| error.within(field_name))?);
            let default = properties::default_value(schema).or(schema.optional.then_some(Value::Null));
            default.map(|default| field.insert("default".into(), default));
            written.push(Value::Object(field));
        }
        Ok(Value::Array(written))
    }
}

fn part(schema: Option<&ConnectSchema>) -> Result<&ConnectSchema, NotEncodable> {
    schema.ok_or_else(|| NotEncodable::new("a schema has no items, keys or values"))
}

/// Returns an unnamed type: its members, and the attributes of the converter.
fn with_properties(schema: &ConnectSchema, members: &[(&str, Value)]) -> Value {
    let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(members.chain(properties::of(schema)).collect())
}
