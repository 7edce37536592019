//! The columns of a message that has no table definition.

use super::TIMESTAMP;
use crate::{CodecError, CodecResult};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::sync::Arc;

/// The maximum number of columns, with those of nested rows.
const MAX_COLUMNS: usize = 10_000;

/// Returns the columns of a message: a field that contains its own message has the type of bytes, which are
/// the encoded message, and groups have no column. Unsigned numbers have wider types, so that none wraps
/// around.
///
/// # Errors
/// `Schema` for a message with more than 10,000 columns, also in nested rows.
pub fn protobuf_columns(message: &MessageDescriptor) -> CodecResult<Fields> {
    columns(message, &mut vec![message.clone()], &mut 0)
}

fn columns(
    message: &MessageDescriptor,
    path: &mut Vec<MessageDescriptor>,
    count: &mut usize,
) -> CodecResult<Fields> {
    let mut fields = Vec::new();
    for field in message.fields().filter(|field| !field.is_group()) {
        *count += 1;
        if *count > MAX_COLUMNS {
            let name = path.first().map(MessageDescriptor::full_name).unwrap_or_default();
            return Err(CodecError::Schema(format!("message {name} has more than {MAX_COLUMNS} columns")));
        }
        let data_type = if field.is_map() {
            map_type(&field, path, count)?
        } else if field.is_list() {
            DataType::new_list(value_type(&field, path, count)?, true)
        } else {
            value_type(&field, path, count)?
        };
        fields.push(Field::new(field.name(), data_type, true));
    }
    Ok(fields.into())
}

fn map_type(
    field: &FieldDescriptor,
    path: &mut Vec<MessageDescriptor>,
    count: &mut usize,
) -> CodecResult<DataType> {
    let Kind::Message(entry) = field.kind() else { return Ok(DataType::Binary) };
    let parts = vec![
        Field::new("key", value_type(&entry.map_entry_key_field(), path, count)?, false),
        Field::new("value", value_type(&entry.map_entry_value_field(), path, count)?, true),
    ];
    Ok(DataType::Map(Arc::new(Field::new("entries", DataType::Struct(parts.into()), false)), false))
}

fn value_type(
    field: &FieldDescriptor,
    path: &mut Vec<MessageDescriptor>,
    count: &mut usize,
) -> CodecResult<DataType> {
    Ok(match field.kind() {
        Kind::Bool => DataType::Boolean,
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => DataType::Int32,
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint32 | Kind::Fixed32 => DataType::Int64,
        Kind::Uint64 | Kind::Fixed64 => DataType::Decimal128(20, 0),
        Kind::Float => DataType::Float32,
        Kind::Double => DataType::Float64,
        Kind::String | Kind::Enum(_) => DataType::Utf8,
        Kind::Bytes => DataType::Binary,
        Kind::Message(message) if message.full_name() == TIMESTAMP => {
            DataType::Timestamp(TimeUnit::Nanosecond, None)
        }
        Kind::Message(message) if path.contains(&message) => DataType::Binary,
        Kind::Message(message) => {
            path.push(message.clone());
            let fields = columns(&message, path, count)?;
            path.pop();
            DataType::Struct(fields)
        }
    })
}
