//! The fields of a descriptor set that its decoder drops: custom options, editions and their features, and
//! whatever a later `descriptor.proto` adds. They are part of a schema's identity: Java's registry keeps them
//! (contract §2.1).

use super::descriptor_kind::DescriptorKind;
use super::raw_field;
use sha2::{Digest, Sha256};

/// The depth at which the decoder stops.
const DECODER_DEPTH: usize = 100;

/// The places of undecoded fields in a descriptor set.
pub(crate) struct Undecoded {
    /// The path of a message, as numbers and indexes in turn, and the digest of its undecoded fields. Sorted.
    messages: Vec<(Vec<u32>, [u8; 32])>,
}

impl Undecoded {
    /// Finds the undecoded fields of a descriptor set, with or without those of comments and source
    /// locations. Within a message they are in the order of their numbers, and fields of one number in the
    /// set's order, since a decoder that keeps them writes them so.
    pub(crate) fn of(bytes: &[u8], with_source_info: bool) -> Self {
        let mut walker = Walker { with_source_info, path: Vec::new(), messages: Vec::new() };
        walker.message(bytes, DescriptorKind::Set, 0);
        let mut messages = walker.messages;
        messages.sort();
        Self { messages }
    }

    /// Returns whether the decoder kept everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns a digest of all fields and their places.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (path, fields) in &self.messages {
            digest.update((path.len() as u64).to_be_bytes());
            path.iter().for_each(|step| digest.update(step.to_be_bytes()));
            digest.update(fields);
        }
        digest.finalize().into()
    }
}

struct Walker {
    with_source_info: bool,
    path: Vec<u32>,
    messages: Vec<(Vec<u32>, [u8; 32])>,
}

impl Walker {
    fn message(&mut self, bytes: &[u8], kind: DescriptorKind, depth: usize) {
        let mut undecoded: Vec<(u64, &[u8])> = Vec::new();
        // the numbers of all kinds that have elements are small
        let mut counts = [0_u32; 16];
        let mut rest = bytes;
        while let Some(field) = raw_field::next(&mut rest) {
            if !kind.is_decoded(field.number) {
                undecoded.push((field.number, field.bytes));
                continue;
            }
            let (Some(content), Some(child)) = (field.content, kind.child(field.number)) else { continue };
            if depth >= DECODER_DEPTH || (child == DescriptorKind::SourceInfo && !self.with_source_info) {
                continue;
            }
            let mut index = 0;
            if kind.is_list(field.number)
                && let Some(count) =
                    usize::try_from(field.number).ok().and_then(|number| counts.get_mut(number))
            {
                index = *count;
                *count += 1;
            }
            self.path.extend([u32::try_from(field.number).unwrap_or(u32::MAX), index]);
            self.message(content, child, depth + 1);
            self.path.truncate(self.path.len().saturating_sub(2));
        }
        if undecoded.is_empty() {
            return;
        }
        undecoded.sort_by_key(|(number, _)| *number);
        let mut digest = Sha256::new();
        for (_, bytes) in undecoded {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
        self.messages.push((self.path.clone(), digest.finalize().into()));
    }
}
