//! The schema of a table's rows in Kafka Connect's terms, and its JSON schema for a registry.

use super::topic::table_topic;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// The schema of a table's rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowSchema {
    /// Debezium's `topic.prefix`.
    pub prefix: String,
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub table: String,
    /// The columns that events contain, in table order.
    pub columns: Vec<ColumnDescription>,
    /// The primary key's columns in key order; empty without a primary key.
    pub key: Vec<String>,
}

/// A column, in Kafka Connect's terms (`docs/spec/cdc-schema.md`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDescription {
    /// The column's name.
    pub name: String,
    /// Whether the column is nullable.
    pub optional: bool,
    /// Connect's type: `int32`, `string`, `bytes`, `array`, `struct`, …
    pub connect_type: Cow<'static, str>,
    /// The semantic type, for example `io.debezium.time.Date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_name: Option<Cow<'static, str>>,
    /// Parameters of the semantic type, for example the scale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(Cow<'static, str>, String)>,
    /// The items of an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<ColumnDescription>>,
    /// The column's default value, as an event has it; `None` without one, or if it is no constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What is known of rows that are older than the column as it is.
    #[serde(default, skip_serializing_if = "ColumnHistory::is_empty")]
    pub history: ColumnHistory,
}

/// What a reader needs to find a column in rows that were written before it was renamed or added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnHistory {
    /// The database's identifier of the column, which it never gives to another one. A column of another name
    /// with the same identifier in an older version of the schema is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The names that the column had before, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<String>,
    /// The value in rows that are older than the column, as an event has it: the default with which it was
    /// added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_value: Option<Value>,
}

impl ColumnHistory {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.id.is_none() && self.former_names.is_empty() && self.initial_value.is_none()
    }

    /// Adds what is known to the schema of the column.
    fn annotate(&self, schema: &mut Map<String, Value>) {
        if let Some(value) = &self.initial_value {
            schema.insert("default".into(), value.clone());
        }
        if let Some(id) = &self.id {
            schema.insert("x-column-id".into(), json!(id));
        }
        if !self.former_names.is_empty() {
            schema.insert("x-former-names".into(), json!(self.former_names));
        }
    }
}

impl ColumnDescription {
    fn json_schema(&self) -> Value {
        let json_type = match &*self.connect_type {
            "int16" | "int32" | "int64" => "integer",
            "float32" | "float64" => "number",
            "boolean" => "boolean",
            "array" => "array",
            "struct" | "map" => "object",
            _ => "string",
        };
        let mut schema = Map::new();
        schema
            .insert("type".into(), if self.optional { json!(["null", json_type]) } else { json!(json_type) });
        schema.insert("connect.type".into(), json!(self.connect_type));
        if let Some(name) = &self.connect_name {
            schema.insert("connect.name".into(), json!(name));
        }
        if !self.parameters.is_empty() {
            let parameters: Map<String, Value> =
                self.parameters.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
            schema.insert("connect.parameters".into(), Value::Object(parameters));
        }
        if let Some(items) = &self.items {
            schema.insert("items".into(), items.json_schema());
        }
        self.history.annotate(&mut schema);
        Value::Object(schema)
    }
}

impl RowSchema {
    /// Returns Debezium's topic name: `prefix.schema.table`, invalid characters replaced by `_`.
    pub fn topic(&self) -> String {
        table_topic(&self.prefix, &self.schema, &self.table)
    }

    /// Returns `schema.table`, as written in table patterns.
    pub fn table_name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// Returns `schema.table`, each quoted where it has a dot, a quotation mark or a space, so that two
    /// tables never have the same name.
    pub fn qualified_name(&self) -> String {
        let quote = |name: &str| match name.contains(['.', '"', ' ']) || name.is_empty() {
            true => format!("\"{}\"", name.replace('"', "\"\"")),
            false => name.to_owned(),
        };
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }

    /// Returns the type name of the row schema in a registry.
    pub fn type_name(&self) -> String {
        format!("{}.Value", self.topic())
    }

    /// Returns what is known of older rows, by the columns' names: the annotations of [`Self::json_schema`],
    /// for schemas of events. `name` gives the names that columns have in these.
    pub(crate) fn column_annotations(&self, name: impl Fn(&str) -> String) -> Map<String, Value> {
        let annotated = |column: &ColumnDescription| {
            let former_names = column.history.former_names.iter().map(|former| name(former)).collect();
            let mut annotations = Map::new();
            ColumnHistory { former_names, ..column.history.clone() }.annotate(&mut annotations);
            (!annotations.is_empty()).then(|| (name(&column.name), Value::Object(annotations)))
        };
        self.columns.iter().filter_map(annotated).collect()
    }

    /// Returns the row's JSON schema, with annotations for what JSON Schema cannot express
    /// (`docs/spec/cdc-schema.md`).
    pub fn json_schema(&self) -> String {
        let columns = || self.columns.iter();
        let properties: Map<String, Value> = columns().map(|c| (c.name.clone(), c.json_schema())).collect();
        let required: Vec<&str> = columns().filter(|c| !c.optional).map(|c| c.name.as_str()).collect();
        json!({
            "title": self.type_name(),
            "type": "object",
            "properties": properties,
            "required": required,
            "x-primary-key": self.key,
        })
        .to_string()
    }
}
