//! A table: its entries, as far as they were changed since the index learned of them.

use bytes::Bytes;
use kulya_store::Version;
use std::collections::BTreeMap;

/// A put without its key and its value.
const PUT_HEADER_BYTES: usize = 21;

/// What a key's last change made of it.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// Of the change.
    pub(crate) version: Version,
    /// The log file that has the value.
    pub(crate) file: u32,
    /// `None` when the entry was removed.
    pub(crate) value: Option<Bytes>,
}

impl Slot {
    /// What an entry takes in its log file, with its op.
    pub(crate) fn size(key: &[u8], value: &[u8]) -> u64 {
        (PUT_HEADER_BYTES + key.len() + value.len()) as u64
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) id: u32,
    pub(crate) recent: BTreeMap<Bytes, Slot>,
}
