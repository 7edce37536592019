//! The plan by which the JSON of events is encoded: for each value, what follows in the JSON and what is
//! written. It is made once for a version of a table.

use super::properties;
use crate::debezium::connect_schema::{ConnectSchema, ConnectType};

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Boolean,
    /// An integer of this number of bits, at most 64.
    Integer(u32),
    Float,
    Double,
    Text,
    Bytes,
    Array(Box<Node>),
    /// A map with texts as keys.
    Map(Box<Node>),
    /// A map with other keys: an array of arrays of two, which becomes an array of records.
    Entries(Box<(Node, Node)>),
    Record(Box<[Member]>),
    Optional {
        /// Whether null is the first type of the union.
        is_null_first: bool,
        value: Box<Node>,
    },
}

/// A member of an object, which is a field of a record.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: Box<str>,
    /// The name in JSON, with quotation marks and colon.
    pub(super) json: Box<[u8]>,
    pub(super) value: Node,
}

/// Returns whether null is the first type of the union of an optional value.
pub(super) fn is_null_first(schema: &ConnectSchema) -> bool {
    properties::default_value(schema).is_none()
}

/// Returns whether a map is one in Avro.
pub(super) fn has_text_keys(schema: &ConnectSchema) -> bool {
    let keys = schema.keys.as_deref();
    keys.is_some_and(|keys| keys.kind == ConnectType::String && !keys.optional)
}

impl Node {
    /// Returns the plan for values of a schema.
    pub(super) fn of(schema: &ConnectSchema) -> Self {
        let value = Self::of_required(schema);
        match schema.optional {
            true => Self::Optional { is_null_first: is_null_first(schema), value: Box::new(value) },
            false => value,
        }
    }

    fn of_required(schema: &ConnectSchema) -> Self {
        let part = |part: &Option<Box<ConnectSchema>>| part.as_deref().map_or(Self::Text, Self::of);
        match schema.kind {
            ConnectType::Boolean => Self::Boolean,
            ConnectType::Int8 => Self::Integer(8),
            ConnectType::Int16 => Self::Integer(16),
            ConnectType::Int32 => Self::Integer(32),
            ConnectType::Int64 => Self::Integer(64),
            ConnectType::Float => Self::Float,
            ConnectType::Double => Self::Double,
            ConnectType::String => Self::Text,
            ConnectType::Bytes => Self::Bytes,
            ConnectType::Array => Self::Array(Box::new(part(&schema.items))),
            ConnectType::Map if has_text_keys(schema) => Self::Map(Box::new(part(&schema.values))),
            ConnectType::Map => Self::Entries(Box::new((part(&schema.keys), part(&schema.values)))),
            ConnectType::Struct => Self::Record(schema.fields.iter().map(Member::of).collect()),
        }
    }
}

impl Member {
    fn of(schema: &ConnectSchema) -> Self {
        let name = schema.field_name();
        let mut json = Vec::new();
        crate::debezium::json::write(&mut json, name);
        json.push(b':');
        Self { name: name.into(), json: json.into(), value: Node::of(schema) }
    }
}
