//! Registry schemas of a table's columns: of Avro and JSON byte for byte as Flink derives them, because its
//! writers look for exactly these schemas in a group, and fail when they are not there.

mod avro;
mod json;
mod protobuf;
#[cfg(test)]
mod tests;

pub use avro::{FLINK_RECORD_NAME, TimestampMapping, avro_envelope_schema, avro_schema};
pub use json::json_schema;
pub use protobuf::{PROTOBUF_MESSAGE_NAME, protobuf_schema};

use crate::CodecError;

fn no_type(format: &str, column: &str, reason: impl std::fmt::Display) -> CodecError {
    CodecError::Schema(format!("column {column} has no type in {format}: {reason}"))
}
