//! A descriptor set's bytes into its messages, weighed first: two bytes are a whole descriptor, which takes hundreds in
//! memory, and so eight megabytes could take gigabytes.
//!
//! The weight is about what the decoded set takes in memory. What is broken is left to the decoder, which says why.

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

/// The most that a descriptor set may take in memory, in bytes.
pub const MAX_MEMORY_BYTES: usize = 150_000_000;

/// What a field takes that is not a message: a string's or a list's own part.
const PLAIN_BYTES: usize = size_of::<String>();

/// Refuses a descriptor set of more than [`MAX_SCHEMA_BYTES`], or that would take more than [`MAX_MEMORY_BYTES`].
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_SCHEMA_BYTES {
        let size = bytes.len();
        return Err(Error::new(format!(
            "the descriptor set has {size} bytes; the most is {MAX_SCHEMA_BYTES}"
        )));
    }
    if weight(bytes) > MAX_MEMORY_BYTES {
        return Err(Error::new(format!(
            "the descriptor set would take more than {MAX_MEMORY_BYTES} bytes of memory: divide it"
        )));
    }
    Ok(())
}

/// Reads a descriptor set that passes the [`check`].
pub(crate) fn decode(bytes: &[u8]) -> Result<FileDescriptorSet> {
    check(bytes)?;
    FileDescriptorSet::decode(bytes)
        .map_err(|e| Error::new(format!("the schema is no FileDescriptorSet: {e}")))
}

/// The messages of `descriptor.proto`.
#[derive(Clone, Copy)]
enum Level {
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
    /// Those of anything: they stand within it, and only what they repeat takes more.
    Options,
    Uninterpreted,
}

impl Level {
    /// What a field of this number holds, if it is a message.
    fn below(self, number: u64) -> Option<Self> {
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

    fn size(self) -> usize {
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

/// Adds until the limit is passed. A byte is looked at once for each level that it stands in; those that may nest without
/// end, messages, no deeper than the decoder goes.
fn weight(bytes: &[u8]) -> usize {
    const DECODER_DEPTH: usize = 100;
    let mut weight = 0;
    let mut open = vec![(bytes, Level::Set, 0)];
    while let Some((mut rest, level, depth)) = open.pop() {
        while let Some((number, inner)) = field(&mut rest) {
            let below = level.below(number);
            weight += below.map_or(PLAIN_BYTES, Level::size);
            if weight > MAX_MEMORY_BYTES {
                return weight;
            }
            if let (Some(inner), Some(below), true) = (inner, below, depth < DECODER_DEPTH) {
                open.push((inner, below, depth + 1));
            }
        }
    }
    weight
}

/// The next field's number, and its bytes if it has a length. `None` at the end, or where the decoder will stop.
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
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
        // a group's tags count as fields
        3 | 4 => 0,
        5 => 4,
        _ => return None,
    };
    let (inner, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some((key >> 3, (key & 7 == 2).then_some(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_small_on_the_wire_and_large_in_memory_is_refused() {
        let whole = |number: u64, inner: &[u8]| {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(number << 3 | 2, &mut bytes);
            prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
            bytes.extend_from_slice(inner);
            bytes
        };
        // as many of the smallest as there is room for
        let many = |number: u64| {
            let one = whole(number, &[]);
            one.repeat((MAX_SCHEMA_BYTES - 30) / one.len())
        };
        for bytes in [
            many(1),
            whole(1, &many(4)),
            whole(1, &many(5)),
            whole(1, &many(6)),
            whole(1, &many(7)),
            whole(1, &whole(4, &many(2))),
            whole(1, &whole(4, &whole(3, &many(3)))),
            whole(1, &whole(9, &many(1))),
            whole(1, &whole(8, &many(999))),
            whole(1, &whole(4, &whole(2, &whole(8, &many(999))))),
        ] {
            let why = decode(&bytes).map(|set| set.file.len()).unwrap_err().to_string();
            assert!(why.contains("of memory: divide it"), "{why}");
        }
        decode(&whole(1, &whole(4, &whole(1, b"M")))).unwrap();
        decode(&whole(1, &many(3))).expect("names are small");
    }

    #[test]
    fn a_large_set_of_the_usual_kind_is_taken() {
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
        let place = |n: i32| Location { path: vec![4, n, 2, n], span: vec![n, 2, 17], ..Location::default() };
        let file = FileDescriptorProto {
            message_type: (0..10_000).map(message).collect(),
            source_code_info: Some(prost_types::SourceCodeInfo {
                location: (0..100_000).map(place).collect(),
            }),
            ..FileDescriptorProto::default()
        };
        let bytes = FileDescriptorSet { file: vec![file] }.encode_to_vec();
        assert!(bytes.len() > MAX_SCHEMA_BYTES / 2 + 1_000_000, "{}", bytes.len());
        decode(&bytes).unwrap();
    }

    proptest! {
        #[test]
        fn any_bytes_are_weighed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            weight(&bytes);
        }
    }
}
