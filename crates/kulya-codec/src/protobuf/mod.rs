//! Protobuf messages and the descriptor sets that a registry keeps of them (contract §5.2), by `prost` and
//! `prost-reflect`.
//!
//! A message is *typed* when its Rust type was generated and says its name ([`Name`]; `prost-build` writes that with
//! `enable_type_names`), *dynamic* when it is known by its descriptor alone. A typed message without a name goes through
//! `DynamicMessage::transcode_from` and `transcode_to`.

mod settle;

pub use prost::{Message, Name};
pub use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use crate::{CodecError, CodecResult};
use kulya_schema::{Format, SchemaInfo};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind};
use prost_types::FileDescriptorSet;

/// The descriptor of a registered schema's message, to make dynamic messages with. Google's well-known types need not be
/// in the set; other imports do.
pub fn message(schema: &SchemaInfo) -> CodecResult<MessageDescriptor> {
    let unusable =
        |why: &str| CodecError::Schema(format!("Protobuf schema {} cannot be used: {why}", schema.type_name));
    if schema.format != Format::Protobuf {
        return Err(unusable("it is not Protobuf"));
    }
    let mut set = FileDescriptorSet::decode(schema.data.as_slice()).map_err(|e| unusable(&e.to_string()))?;
    settle::settle(&mut set).map_err(|why| unusable(&why))?;
    // sets come from outside, and the library has been seen to panic on some that are none: those known are refused above
    let pool = std::panic::catch_unwind(|| DescriptorPool::from_file_descriptor_set(set))
        .map_err(|_| unusable("its set is damaged"))?
        .map_err(|e| unusable(&e.to_string()))?;
    settle::check(&pool).map_err(|why| unusable(&why))?;
    pool.get_message_by_name(&schema.type_name).ok_or_else(|| unusable("its set has no such message"))
}

/// Reads a payload by its writer's descriptor, or by a reader's of the same name: a field that only one of them has is
/// kept as unknown, or has its default.
pub(crate) fn read(
    writer: &MessageDescriptor,
    reader: Option<&MessageDescriptor>,
    payload: &[u8],
) -> Result<DynamicMessage, String> {
    let descriptor = match reader {
        Some(reader) if reader.full_name() != writer.full_name() => {
            return Err(format!("it is to be read as {}", reader.full_name()));
        }
        Some(reader) => reader,
        None => writer,
    };
    let message = without_padding(payload);
    check_size(descriptor, message)?;
    DynamicMessage::decode(descriptor.clone(), message).map_err(|e| e.to_string())
}

/// The most values of one message, those within it included: an empty message takes two bytes, and a hundred in memory.
pub(crate) const MAX_VALUES: usize = 1_000_000;

/// Refuses a message of more than [`MAX_VALUES`]. What is damaged is left to the decoder, which says why.
pub(crate) fn check_size(descriptor: &MessageDescriptor, message: &[u8]) -> Result<(), String> {
    let mut open = vec![(descriptor.clone(), message, 0)];
    let mut values = 0_usize;
    while let Some((descriptor, mut rest, depth)) = open.pop() {
        while !rest.is_empty() {
            let before = rest;
            let Ok((tag, wire_type)) = decode_key(&mut rest) else { break };
            let behind_key = rest;
            if skip_field(wire_type, tag, &mut rest, DecodeContext::default()).is_err() {
                break;
            }
            let field = descriptor.get_field(tag);
            let inner = match wire_type {
                WireType::LengthDelimited => within(behind_key, rest),
                _ => None,
            };
            values += match (inner, field.as_ref().map(FieldDescriptor::kind)) {
                (Some(inner), Some(Kind::Message(below))) if depth < MAX_DEPTH => {
                    open.push((below, inner, depth + 1));
                    1
                }
                (Some(inner), Some(kind)) => packed(&kind, inner),
                // a group's fields are not told apart here: each takes two bytes at least
                _ if wire_type == WireType::StartGroup => (before.len() - rest.len()) / 2,
                _ => 1,
            };
            if values > MAX_VALUES {
                return Err(format!("it holds more than {MAX_VALUES} values"));
            }
        }
    }
    Ok(())
}

/// The decoder goes no deeper.
const MAX_DEPTH: usize = 100;

/// The bytes of a field with a length, from behind its key to its end.
fn within<'a>(behind_key: &'a [u8], rest: &[u8]) -> Option<&'a [u8]> {
    let whole = behind_key.get(..behind_key.len() - rest.len())?;
    let mut inner = whole;
    let length = usize::try_from(decode_varint(&mut inner).ok()?).ok()?;
    (inner.len() == length).then_some(inner)
}

/// How many values stand in a field with a length.
fn packed(kind: &Kind, inner: &[u8]) -> usize {
    match kind {
        Kind::String | Kind::Bytes | Kind::Message(_) => 1,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => inner.len() / 8,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => inner.len() / 4,
        _ => inner.iter().filter(|byte| **byte < 0x80).count(),
    }
}

/// A message without the zero bytes behind it that a Java writer's buffer leaves: no field has the number 0, so a zero
/// where a field begins is the end (contract §5.4). A message may itself end with a zero byte, so its fields are walked.
/// One that is damaged is given back whole, for the decoder to say why.
pub(crate) fn without_padding(payload: &[u8]) -> &[u8] {
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
