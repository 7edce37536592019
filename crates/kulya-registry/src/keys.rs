//! Where in the registry's one table each record stands.
//!
//! A group's records carry its incarnation, a number given when the group is made, so that a group made again after
//! its deletion sees nothing of the old one.
//!
//! | key | record |
//! |---|---|
//! | `g/NAMESPACE/NAME` | the group's head |
//! | `n` | the last incarnation |
//! | `t` | the key of page tokens |
//! | `v/INCARNATION/ID` | a version: which it is, and its schema's shape |
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

/// All group heads begin with this.
pub(crate) fn groups() -> Bytes {
    Bytes::from_static(b"g")
}

/// The namespace and the name of a group head's key.
pub(crate) fn group_of(key: &[u8]) -> Option<GroupId> {
    let (length, rest) = key.strip_prefix(b"g")?.split_first_chunk::<4>()?;
    let (namespace, name) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    Some(GroupId::new(text(namespace)?, text(name)?))
}

/// A key behind all group heads of a namespace, and before those of the next.
pub(crate) fn behind_namespace(namespace: &str) -> Bytes {
    let mut key = BytesMut::from(self::namespace(namespace).as_ref());
    // no UTF-8 text has such a byte
    key.put_u8(0xff);
    key.freeze()
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

pub(crate) fn incarnations() -> Bytes {
    Bytes::from_static(b"n")
}

pub(crate) fn page_key() -> Bytes {
    Bytes::from_static(b"t")
}

/// What hangs on an incarnation, by the first bytes of its keys.
pub(crate) fn of_incarnation(incarnation: u64) -> impl Iterator<Item = Bytes> {
    b"vsfep".iter().map(move |tag| {
        let mut key = key(*tag, 8);
        key.put_u64(incarnation);
        key.freeze()
    })
}

/// All versions of an incarnation begin with this.
pub(crate) fn versions(incarnation: u64) -> Bytes {
    let mut key = key(b'v', 8);
    key.put_u64(incarnation);
    key.freeze()
}

pub(crate) fn version(incarnation: u64, id: u32) -> Bytes {
    numbered(b'v', incarnation, id)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_key_tells_its_name() {
        for id in [GroupId::new("", "a"), GroupId::new("n/s", "scope/stream"), GroupId::new("n", "")] {
            assert_eq!(group_of(&group(&id)), Some(id.clone()));
            assert!(group(&id) < behind_namespace(&id.namespace));
        }
        assert!(behind_namespace("a") < group(&GroupId::new("b", "")));
        for wrong in [&b"g"[..], b"g\0\0\0\x09a", b"h\0\0\0\0a", b"g\0\0\0\x01\xffa"] {
            assert_eq!(group_of(wrong), None);
        }
    }
}
