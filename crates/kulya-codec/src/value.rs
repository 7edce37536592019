//! Deserialized values of any format.

use crate::AvroValue;
use kulya_schema::EncodingInfo;
use prost_reflect::DynamicMessage;
use std::sync::Arc;

/// A deserialized value, by its format.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A value of an Avro schema.
    Avro(AvroValue),
    /// A JSON document. It is not validated against its schema.
    Json(serde_json::Value),
    /// A Protobuf message.
    Protobuf(DynamicMessage),
    /// The decoded payload of a custom format, including any zero bytes that its writer appended.
    Custom(Vec<u8>),
}

/// A value and its writer's schema.
#[derive(Debug, Clone, PartialEq)]
pub struct WithSchema {
    /// The writer's schema, its version, and the codec.
    pub encoding: Arc<EncodingInfo>,
    /// The value.
    pub value: Value,
}
