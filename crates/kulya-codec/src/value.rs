//! Values of any format, for readers that take what comes.

use crate::AvroValue;
use kulya_schema::EncodingInfo;
use prost_reflect::DynamicMessage;
use std::sync::Arc;

/// A value in the shape that its format gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Of an Avro schema.
    Avro(AvroValue),
    /// Of a JSON schema, which is not checked: the document as it is.
    Json(serde_json::Value),
    /// Of a Protobuf message.
    Protobuf(DynamicMessage),
    /// Of a custom format: its payload, codec undone, with whatever zero bytes its writer left behind it.
    Custom(Vec<u8>),
}

/// A value and what it was written with.
#[derive(Debug, Clone, PartialEq)]
pub struct WithSchema {
    /// The writer's schema, its version, and the codec.
    pub encoding: Arc<EncodingInfo>,
    /// The value.
    pub value: Value,
}
