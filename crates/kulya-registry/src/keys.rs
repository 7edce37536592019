//! Where in the registry's one table each record stands.
//!
//! A group's records carry its incarnation, a number given when the group is made, so that a group made again after
//! its deletion sees nothing of the old one.
//!
//! | key | record |
//! |---|---|
//! | `g/NAMESPACE/NAME` | the group's head |
//! | `n` | the last incarnation |
//! | `s/INCARNATION/ID` | a schema |
//! | `f/INCARNATION/FINGERPRINT/FORMAT/TYPE` | the id of the live schema that is this one |
//! | `e/INCARNATION/ID` | an encoding |
//! | `p/INCARNATION/SCHEMA ID/CODEC` | the encoding id of this pair |
//!
//! Namespace and name are length-prefixed, numbers are big-endian, so that keys sort as their parts do.

use bytes::{BufMut, Bytes, BytesMut};
use kulya_schema::GroupId;

fn key(tag: u8, capacity: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(1 + capacity);
    key.put_u8(tag);
    key
}

/// All group heads of a namespace begin with this.
pub(crate) fn namespace(namespace: &str) -> Bytes {
    let mut key = key(b'g', 4 + namespace.len());
    key.put_u32(namespace.len() as u32);
    key.put_slice(namespace.as_bytes());
    key.freeze()
}

pub(crate) fn group(group: &GroupId) -> Bytes {
    let mut key = BytesMut::from(namespace(&group.namespace).as_ref());
    key.put_slice(group.name.as_bytes());
    key.freeze()
}

/// The group's name, from a key that begins with its [`namespace`].
pub(crate) fn group_name(namespace: &str, key: &[u8]) -> String {
    String::from_utf8_lossy(key.get(5 + namespace.len()..).unwrap_or_default()).into_owned()
}

pub(crate) fn incarnations() -> Bytes {
    Bytes::from_static(b"n")
}

pub(crate) fn schema(incarnation: u64, id: u32) -> Bytes {
    numbered(b's', incarnation, id)
}

pub(crate) fn encoding(incarnation: u64, id: u32) -> Bytes {
    numbered(b'e', incarnation, id)
}

fn numbered(tag: u8, incarnation: u64, id: u32) -> Bytes {
    let mut key = key(tag, 12);
    key.put_u64(incarnation);
    key.put_u32(id);
    key.freeze()
}

/// The built-in formats by one byte each, custom ones together: identity compares kinds (contract §2.1).
pub(crate) fn fingerprint(incarnation: u64, fingerprint: &[u8; 32], format: &str, type_name: &str) -> Bytes {
    let mut key = key(b'f', 44 + format.len() + type_name.len());
    key.put_u64(incarnation);
    key.put_slice(fingerprint);
    key.put_u32(format.len() as u32);
    key.put_slice(format.as_bytes());
    key.put_slice(type_name.as_bytes());
    key.freeze()
}

pub(crate) fn pair(incarnation: u64, schema: u32, codec: &str) -> Bytes {
    let mut key = BytesMut::from(numbered(b'p', incarnation, schema).as_ref());
    key.put_slice(codec.as_bytes());
    key.freeze()
}
