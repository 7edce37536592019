//! A schema as a tree, read from the JSON that the converter writes.

use crate::debezium::ColumnDescription;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A schema of Kafka Connect. The parts of its type are empty where the type has none.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ConnectSchema {
    /// The type.
    #[serde(rename = "type")]
    pub kind: ConnectType,
    /// Whether values may be null.
    pub optional: bool,
    /// The name: that of a struct, or the semantic type.
    #[serde(default)]
    pub name: Option<String>,
    /// The version.
    #[serde(default)]
    pub version: Option<u32>,
    /// The documentation.
    #[serde(default)]
    pub doc: Option<String>,
    /// The parameters of the semantic type, which are texts.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// The default value, as an event has it in JSON.
    #[serde(default)]
    pub default: Option<Value>,
    /// The name of the field that has the schema.
    #[serde(default)]
    pub field: Option<String>,
    /// The items of an array.
    #[serde(default)]
    pub items: Option<Box<ConnectSchema>>,
    /// The keys of a map.
    #[serde(default)]
    pub keys: Option<Box<ConnectSchema>>,
    /// The values of a map.
    #[serde(default)]
    pub values: Option<Box<ConnectSchema>>,
    /// The fields of a struct.
    #[serde(default)]
    pub fields: Vec<ConnectSchema>,
}

/// A type of Kafka Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of Kafka Connect")]
pub enum ConnectType {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    String,
    Bytes,
    Array,
    Map,
    Struct,
}

impl ConnectType {
    /// Returns the name in JSON.
    pub(super) fn json_name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Double => "double",
            other => other.name(),
        }
    }

    /// Returns the name that Kafka Connect's interface for programs has.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float => "float32",
            Self::Double => "float64",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Array => "array",
            Self::Map => "map",
            Self::Struct => "struct",
        }
    }
}

impl ConnectSchema {
    /// Returns the schema of a field without parts.
    pub(crate) fn of_field(name: &str, kind: ConnectType, optional: bool) -> Self {
        Self {
            kind,
            optional,
            name: None,
            version: None,
            doc: None,
            parameters: Map::new(),
            default: None,
            field: Some(name.to_owned()),
            items: None,
            keys: None,
            values: None,
            fields: Vec::new(),
        }
    }

    /// Returns the description of the column that has the schema.
    pub(crate) fn describe(&self) -> ColumnDescription {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let parameters = self.parameters.iter();
        ColumnDescription {
            name: self.field_name().to_owned(),
            optional: self.optional,
            connect_type: self.kind.name().into(),
            connect_name: self.name.clone().map(Into::into),
            parameters: parameters.map(|(name, value)| (name.clone().into(), text(value))).collect(),
            items: self.items.as_ref().map(|items| Box::new(items.describe())),
            default: self.default.clone(),
            history: crate::ColumnHistory::default(),
        }
    }

    /// Reads a schema.
    ///
    /// # Errors
    /// The text is no schema, or is nested more than a hundred times.
    pub fn parse(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    /// Returns the schema of a struct's field.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.fields.iter().find(|field| field.field.as_deref() == Some(name))
    }

    /// Returns the name of the field that has the schema; empty for other schemas.
    pub fn field_name(&self) -> &str {
        self.field.as_deref().unwrap_or_default()
    }

    /// Returns a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).and_then(Value::as_str)
    }
}
