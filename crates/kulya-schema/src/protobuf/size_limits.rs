//! Decoding of descriptor sets with bounded memory: two bytes can be a whole descriptor, which takes hundreds
//! of bytes in memory, so a set of 8 MiB could take gigabytes.
//!
//! The estimate is approximately the memory of the decoded set. Malformed input is left to the decoder, which
//! reports why.

use crate::limits::MAX_SCHEMA_BYTES;
use crate::{Error, Result};
use prost::Message as _;
use prost::encoding::decode_varint;
use prost_types::descriptor_proto::{ExtensionRange, ReservedRange};
use prost_types::source_code_info::Location;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, OneofDescriptorProto,
    ServiceDescriptorProto, UninterpretedOption,
};

/// The maximum memory of a decoded descriptor set, in bytes.
pub const MAX_MEMORY_BYTES: usize = 150_000_000;

/// The memory of a field that is not a message: the header of a string or list.
const SCALAR_BYTES: usize = size_of::<String>();

/// Checks that a descriptor set has at most [`MAX_SCHEMA_BYTES`] and takes at most [`MAX_MEMORY_BYTES`] of
/// memory.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_SCHEMA_BYTES {
        let size = bytes.len();
        return Err(Error::new(format!(
            "the descriptor set has {size} bytes; the maximum is {MAX_SCHEMA_BYTES}"
        )));
    }
    if estimate_memory(bytes) > MAX_MEMORY_BYTES {
        return Err(Error::new(format!(
            "the descriptor set would take more than {MAX_MEMORY_BYTES} bytes of memory: divide it"
        )));
    }
    Ok(())
}

/// Decodes a descriptor set within the limits of [`check`].
pub(crate) fn decode(bytes: &[u8]) -> Result<FileDescriptorSet> {
    check(bytes)?;
    FileDescriptorSet::decode(bytes)
        .map_err(|e| Error::new(format!("the schema is not a FileDescriptorSet: {e}")))
}

/// The messages of `descriptor.proto`.
#[derive(Clone, Copy)]
enum DescriptorKind {
    Set,
    File,
    Message,
    Field,
    Enum,
    Value,
    Service,
    Method,
    ExtensionRange,
    ReservedRange,
    Oneof,
    SourceInfo,
    Location,
    /// Options of any descriptor: they are stored inline, and only their repeated fields take more memory.
    Options,
    Uninterpreted,
}

impl DescriptorKind {
    /// Returns the message type of a field of this number, if it is a message.
    fn child(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Set, 1) => Self::File,
            (Self::File, 4) | (Self::Message, 3) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, 6) => Self::Service,
            (Self::File, 7) | (Self::Message, 2 | 6) => Self::Field,
            (Self::File, 9) => Self::SourceInfo,
            (Self::SourceInfo, 1) => Self::Location,
            (Self::Message, 5) => Self::ExtensionRange,
            (Self::Message, 8) => Self::Oneof,
            (Self::Message, 9) | (Self::Enum, 4) => Self::ReservedRange,
            (Self::Enum, 2) => Self::Value,
            (Self::Service, 2) => Self::Method,
            (Self::File | Self::Field, 8)
            | (Self::Message, 7)
            | (Self::Enum | Self::Value | Self::Service | Self::ExtensionRange, 3)
            | (Self::Method, 4)
            | (Self::Oneof, 2) => Self::Options,
            (Self::Options, 999) => Self::Uninterpreted,
            _ => return None,
        })
    }

    fn memory_bytes(self) -> usize {
        match self {
            Self::File => size_of::<FileDescriptorProto>(),
            Self::Message => size_of::<DescriptorProto>(),
            Self::Field => size_of::<FieldDescriptorProto>(),
            Self::Enum => size_of::<EnumDescriptorProto>(),
            Self::Value => size_of::<EnumValueDescriptorProto>(),
            Self::Service => size_of::<ServiceDescriptorProto>(),
            Self::Method => size_of::<MethodDescriptorProto>(),
            Self::ExtensionRange => size_of::<ExtensionRange>(),
            Self::ReservedRange => size_of::<ReservedRange>(),
            Self::Oneof => size_of::<OneofDescriptorProto>(),
            Self::Location => size_of::<Location>(),
            Self::Uninterpreted => size_of::<UninterpretedOption>(),
            Self::Set | Self::SourceInfo | Self::Options => 0,
        }
    }
}

/// Estimates the decoded memory, up to the limit. A byte is visited once for each level that contains it;
/// recursion into nested messages is as deep as the decoder's.
fn estimate_memory(bytes: &[u8]) -> usize {
    const DECODER_DEPTH: usize = 100;
    let mut estimate = 0;
    let mut pending = vec![(bytes, DescriptorKind::Set, 0)];
    while let Some((mut rest, kind, depth)) = pending.pop() {
        while let Some((number, inner)) = next_field(&mut rest) {
            let child = kind.child(number);
            estimate += child.map_or(SCALAR_BYTES, DescriptorKind::memory_bytes);
            if estimate > MAX_MEMORY_BYTES {
                return estimate;
            }
            if let (Some(inner), Some(child), true) = (inner, child, depth < DECODER_DEPTH) {
                pending.push((inner, child, depth + 1));
            }
        }
    }
    estimate
}

/// Reads the next field's number, and its bytes if it is length-delimited. `None` at the end, or where the
/// decoder will fail.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    if rest.is_empty() {
        return None;
    }
    let key = decode_varint(rest).ok()?;
    let length = match key & 7 {
        0 => {
            decode_varint(rest).ok()?;
            0
        }
        1 => 8,
        2 => usize::try_from(decode_varint(rest).ok()?).ok()?,
        // the tags of a group count as fields
        3 | 4 => 0,
        5 => 4,
        _ => return None,
    };
    let (inner, remaining) = rest.split_at_checked(length)?;
    *rest = remaining;
    Some((key >> 3, (key & 7 == 2).then_some(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_bytes_that_take_much_memory_are_rejected() {
        let delimited = |number: u64, inner: &[u8]| {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(number << 3 | 2, &mut bytes);
            prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
            bytes.extend_from_slice(inner);
            bytes
        };
        // as many of the smallest fields as the limit allows
        let many = |number: u64| {
            let one = delimited(number, &[]);
            one.repeat((MAX_SCHEMA_BYTES - 30) / one.len())
        };
        for bytes in [
            many(1),
            delimited(1, &many(4)),
            delimited(1, &many(5)),
            delimited(1, &many(6)),
            delimited(1, &many(7)),
            delimited(1, &delimited(4, &many(2))),
            delimited(1, &delimited(4, &delimited(3, &many(3)))),
            delimited(1, &delimited(9, &many(1))),
            delimited(1, &delimited(8, &many(999))),
            delimited(1, &delimited(4, &delimited(2, &delimited(8, &many(999))))),
        ] {
            let message = decode(&bytes).map(|set| set.file.len()).unwrap_err().to_string();
            assert!(message.contains("of memory: divide it"), "{message}");
        }
        decode(&delimited(1, &delimited(4, &delimited(1, b"M")))).unwrap();
        decode(&delimited(1, &many(3))).expect("names are small");
    }

    #[test]
    fn a_large_set_of_the_usual_kind_is_accepted() {
        let field = |n: i32| FieldDescriptorProto {
            name: Some(format!("field_{n}")),
            number: Some(n),
            label: Some(1),
            r#type: Some(9),
            json_name: Some(format!("field{n}")),
            ..FieldDescriptorProto::default()
        };
        let message = |n: i32| DescriptorProto {
            name: Some(format!("Message{n}")),
            field: (1..=20).map(field).collect(),
            ..DescriptorProto::default()
        };
        let location =
            |n: i32| Location { path: vec![4, n, 2, n], span: vec![n, 2, 17], ..Location::default() };
        let file = FileDescriptorProto {
            message_type: (0..10_000).map(message).collect(),
            source_code_info: Some(prost_types::SourceCodeInfo {
                location: (0..100_000).map(location).collect(),
            }),
            ..FileDescriptorProto::default()
        };
        let bytes = FileDescriptorSet { file: vec![file] }.encode_to_vec();
        assert!(bytes.len() > MAX_SCHEMA_BYTES / 2 + 1_000_000, "{}", bytes.len());
        decode(&bytes).unwrap();
    }

    proptest! {
        #[test]
        fn any_bytes_are_estimated(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            estimate_memory(&bytes);
        }
    }
}
