//! A table: the entries that were changed since the last checkpoint.

use bytes::Bytes;
use kulya_store::Version;
use std::collections::BTreeMap;

/// The encoded size of a put op without key and value, in bytes.
const PUT_HEADER_BYTES: usize = 21;

/// The last change of a key.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// The version of the change.
    pub(crate) version: Version,
    /// The id of the log file with the value.
    pub(crate) file: u32,
    /// The value; `None` if the entry was removed.
    pub(crate) value: Option<Bytes>,
}

impl Slot {
    /// Returns the encoded size of an entry with its op, in bytes.
    pub(crate) fn size(key: &[u8], value: &[u8]) -> u64 {
        (PUT_HEADER_BYTES + key.len() + value.len()) as u64
    }
}

/// The state of a table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) id: u32,
    pub(crate) recent: BTreeMap<Bytes, Slot>,
}
