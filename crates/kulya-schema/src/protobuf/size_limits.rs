//! Decoding of descriptor sets with bounded memory: two bytes can be a whole descriptor, which takes hundreds
//! of bytes in memory, so a set of 8 MiB could take gigabytes.
//!
//! The estimate is approximately the memory of the decoded set. Malformed input is left to the decoder, which
//! reports why.

use super::descriptor_kind::DescriptorKind;
use super::raw_field;
use crate::limits::MAX_SCHEMA_BYTES;
use crate::{Error, Result};
use prost::Message as _;
use prost_types::FileDescriptorSet;

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
    FileDescriptorSet::decode(bytes).map_err(|error| not_a_set(&error))
}

/// Returns the error of bytes that are no descriptor set.
pub(super) fn not_a_set(error: &prost::DecodeError) -> Error {
    Error::new(format!(
        "the schema is not a FileDescriptorSet: {error}; send the output of `protoc --include_imports \
         --descriptor_set_out=FILE`, or where sources are accepted the text of a .proto file"
    ))
}

/// Estimates the decoded memory, up to the limit. A byte is visited once for each level that contains it;
/// recursion into nested messages is as deep as the decoder's.
fn estimate_memory(bytes: &[u8]) -> usize {
    const DECODER_DEPTH: usize = 100;
    let mut estimate = 0;
    let mut pending = vec![(bytes, DescriptorKind::Set, 0)];
    while let Some((mut rest, kind, depth)) = pending.pop() {
        while let Some(field) = raw_field::next(&mut rest) {
            let child = kind.child(field.number);
            estimate += child.map_or(SCALAR_BYTES, DescriptorKind::memory_bytes);
            if estimate > MAX_MEMORY_BYTES {
                return estimate;
            }
            if let (Some(inner), Some(child), true) = (field.content, child, depth < DECODER_DEPTH) {
                pending.push((inner, child, depth + 1));
            }
        }
    }
    estimate
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost_types::source_code_info::Location;
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

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
