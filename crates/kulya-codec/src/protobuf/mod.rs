//! Protobuf messages, and their descriptor sets in a registry (contract §5.2), by `prost` and
//! `prost-reflect`.
//!
//! A message is *typed* when its Rust type is generated and implements [`Name`] (`prost-build` does that with
//! `enable_type_names`), and *dynamic* when only its descriptor is known. A typed message without a name can
//! be converted with `DynamicMessage::transcode_from` and `transcode_to`.

mod sanitize;

pub use prost::{Message, Name};
pub use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use crate::{CodecError, CodecResult};
use kulya_schema::{Format, SchemaInfo};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind};
use prost_types::FileDescriptorSet;

/// Returns the descriptor of a registered schema's message, for creating dynamic messages. Google's
/// well-known types need not be in the descriptor set; other imports must be.
///
/// # Errors
/// `Schema` when the schema is not Protobuf, or its descriptor set is invalid or not complete.
pub fn message_descriptor(schema: &SchemaInfo) -> CodecResult<MessageDescriptor> {
    let unusable = |reason: &str| {
        CodecError::Schema(format!("Protobuf schema {} cannot be used: {reason}", schema.type_name))
    };
    if schema.format != Format::Protobuf {
        return Err(unusable("it is not Protobuf"));
    }
    let mut set = FileDescriptorSet::decode(schema.data.as_slice()).map_err(|e| unusable(&e.to_string()))?;
    sanitize::sanitize(&mut set).map_err(|reason| unusable(&reason))?;
    // descriptor sets are untrusted, and the library panics on some invalid ones: the known cases are
    // rejected above
    let pool = std::panic::catch_unwind(|| DescriptorPool::from_file_descriptor_set(set))
        .map_err(|_| unusable("its descriptor set is invalid"))?
        .map_err(|e| unusable(&e.to_string()))?;
    sanitize::check_map_entries(&pool).map_err(|reason| unusable(&reason))?;
    pool.get_message_by_name(&schema.type_name)
        .ok_or_else(|| unusable("its descriptor set has no such message"))
}

/// Decodes a payload by its writer's descriptor, or by a reader's of the same name: fields that only the
/// writer has are kept as unknown fields, fields that only the reader has get their defaults.
pub(crate) fn decode(
    writer: &MessageDescriptor,
    reader: Option<&MessageDescriptor>,
    payload: &[u8],
) -> Result<DynamicMessage, String> {
    let descriptor = match reader {
        Some(reader) if reader.full_name() != writer.full_name() => {
            return Err(format!("the reader expects {}", reader.full_name()));
        }
        Some(reader) => reader,
        None => writer,
    };
    let message = strip_padding(payload);
    check_size(descriptor, message)?;
    DynamicMessage::decode(descriptor.clone(), message).map_err(|e| e.to_string())
}

/// The maximum number of values in one message, nested ones included: an empty message takes two bytes
/// encoded, and a hundred in memory.
pub(crate) const MAX_VALUES: usize = 1_000_000;

/// Rejects a message of more than [`MAX_VALUES`] values. Leaves a corrupt message to the decoder, which
/// reports the reason.
pub(crate) fn check_size(descriptor: &MessageDescriptor, message: &[u8]) -> Result<(), String> {
    let mut pending = vec![(descriptor.clone(), message, 0)];
    let mut values = 0_usize;
    while let Some((descriptor, mut rest, depth)) = pending.pop() {
        while !rest.is_empty() {
            let field_start = rest;
            let Ok((tag, wire_type)) = decode_key(&mut rest) else { break };
            let after_key = rest;
            if skip_field(wire_type, tag, &mut rest, DecodeContext::default()).is_err() {
                break;
            }
            let field = descriptor.get_field(tag);
            let inner = match wire_type {
                WireType::LengthDelimited => length_delimited(after_key, rest),
                _ => None,
            };
            values += match (inner, field.as_ref().map(FieldDescriptor::kind)) {
                (Some(inner), Some(Kind::Message(nested))) if depth < MAX_DEPTH => {
                    pending.push((nested, inner, depth + 1));
                    1
                }
                (Some(inner), Some(kind)) => value_count(&kind, inner),
                // the fields of a group are not counted one by one: each takes at least two bytes
                _ if wire_type == WireType::StartGroup => (field_start.len() - rest.len()) / 2,
                _ => 1,
            };
            if values > MAX_VALUES {
                return Err(format!("it has more than {MAX_VALUES} values"));
            }
        }
    }
    Ok(())
}

/// The recursion limit of the decoder.
const MAX_DEPTH: usize = 100;

/// Returns the content of a length-delimited field: `after_key` without the length and without `rest`.
fn length_delimited<'a>(after_key: &'a [u8], rest: &[u8]) -> Option<&'a [u8]> {
    let whole = after_key.get(..after_key.len() - rest.len())?;
    let mut inner = whole;
    let length = usize::try_from(decode_varint(&mut inner).ok()?).ok()?;
    (inner.len() == length).then_some(inner)
}

/// Returns the number of values in a length-delimited field, which may be packed.
fn value_count(kind: &Kind, inner: &[u8]) -> usize {
    match kind {
        Kind::String | Kind::Bytes | Kind::Message(_) => 1,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => inner.len() / 8,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => inner.len() / 4,
        _ => inner.iter().filter(|byte| **byte < 0x80).count(),
    }
}

/// Removes the trailing zero bytes of a Java writer's buffer from a message (contract §5.4). No field has the
/// number 0, so a zero byte where a field would start is padding. A message may itself end with a zero byte,
/// so its fields are skipped one by one. Returns a corrupt message unchanged, for the decoder to report the
/// reason.
pub(crate) fn strip_padding(payload: &[u8]) -> &[u8] {
    if payload.last() != Some(&0) {
        return payload;
    }
    let mut rest = payload;
    while let Some(first) = rest.first() {
        if *first == 0 {
            let end = payload.len() - rest.len();
            let only_zeros = rest.iter().all(|byte| *byte == 0);
            return payload.get(..end).filter(|_| only_zeros).unwrap_or(payload);
        }
        let skipped = decode_key(&mut rest)
            .and_then(|(tag, wire_type)| skip_field(wire_type, tag, &mut rest, DecodeContext::default()));
        if skipped.is_err() {
            return payload;
        }
    }
    payload
}
