//! The keys of the registry's one table.
//!
//! The keys of a group's records contain its incarnation, a number allocated when the group is created, so
//! that a group that is created again after its deletion does not see the old group's records.
//!
//! | key | record |
//! |---|---|
//! | `g/NAMESPACE/NAME` | the group's record |
//! | `n` | the last incarnation |
//! | `t` | the key of page tokens |
//! | `v/INCARNATION/ID` | a version, and its schema's shape |
//! | `s/INCARNATION/ID` | a schema; one with references in its self-contained form |
//! | `o/INCARNATION/ID` | a schema with references as it was sent |
//! | `r/NAMESPACE/NAME/ID/INCARNATION/ID` | a live version that refers to a version of a group |
//! | `f/INCARNATION/FINGERPRINT/FORMAT/TYPE` | the id of the live schema with this fingerprint |
//! | `e/INCARNATION/ID` | an encoding |
//! | `p/INCARNATION/SCHEMA ID/CODEC` | the encoding id of a schema and a codec |
//!
//! A version that others refer to is named as they name it, by its group's name: it may be imported
//! after them.
//!
//! Namespaces are length-prefixed and numbers are big-endian, so that keys sort by their parts.

use bytes::{BufMut, Bytes, BytesMut};
use kulya_schema::GroupId;

fn key(tag: u8, capacity: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(1 + capacity);
    key.put_u8(tag);
    key
}

/// Returns the prefix of the keys of all group records.
pub(crate) fn groups() -> Bytes {
    Bytes::from_static(b"g")
}

/// Parses the namespace and the name in a group record's key.
pub(crate) fn parse_group(key: &[u8]) -> Option<GroupId> {
    let (length, rest) = key.strip_prefix(b"g")?.split_first_chunk::<4>()?;
    let (namespace, name) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    Some(GroupId::new(text(namespace)?, text(name)?))
}

/// Returns a key after all group records of a namespace, and before those of the next one.
pub(crate) fn end_of_namespace(namespace: &str) -> Bytes {
    let mut key = BytesMut::from(self::namespace(namespace).as_ref());
    // this byte does not occur in UTF-8
    key.put_u8(0xff);
    key.freeze()
}

/// Returns the prefix of the keys of a namespace's group records.
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

pub(crate) fn last_incarnation() -> Bytes {
    Bytes::from_static(b"n")
}

pub(crate) fn page_token_key() -> Bytes {
    Bytes::from_static(b"t")
}

/// Returns the prefixes of all keys that contain an incarnation.
pub(crate) fn incarnation_prefixes(incarnation: u64) -> impl Iterator<Item = Bytes> {
    b"vsofep".iter().map(move |tag| {
        let mut key = key(*tag, 8);
        key.put_u64(incarnation);
        key.freeze()
    })
}

/// Returns the prefix of the keys of an incarnation's versions.
pub(crate) fn versions(incarnation: u64) -> Bytes {
    let mut key = key(b'v', 8);
    key.put_u64(incarnation);
    key.freeze()
}

pub(crate) fn version(incarnation: u64, id: u32) -> Bytes {
    indexed(b'v', incarnation, id)
}

pub(crate) fn schema(incarnation: u64, id: u32) -> Bytes {
    indexed(b's', incarnation, id)
}

pub(crate) fn encoding(incarnation: u64, id: u32) -> Bytes {
    indexed(b'e', incarnation, id)
}

fn indexed(tag: u8, incarnation: u64, id: u32) -> Bytes {
    let mut key = key(tag, 12);
    key.put_u64(incarnation);
    key.put_u32(id);
    key.freeze()
}

/// Returns the key of a schema with references as it was sent.
pub(crate) fn unresolved(incarnation: u64, id: u32) -> Bytes {
    indexed(b'o', incarnation, id)
}

/// Returns whether a key is that of a schema.
pub(crate) fn is_schema(key: &[u8]) -> bool {
    key.first() == Some(&b's')
}

/// Returns the prefix of the keys of all versions that refer to versions of a group.
pub(crate) fn group_referrers(group: &GroupId) -> Bytes {
    let mut key = key(b'r', 12 + group.namespace.len() + group.name.len());
    for part in [&group.namespace, &group.name] {
        key.put_u32(part.len() as u32);
        key.put_slice(part.as_bytes());
    }
    key.freeze()
}

/// Returns the prefix of the keys of the versions that refer to a version of a group.
pub(crate) fn referrers(group: &GroupId, id: u32) -> Bytes {
    let mut key = BytesMut::from(group_referrers(group).as_ref());
    key.put_u32(id);
    key.freeze()
}

/// Returns the key of a version that refers to a version of `group`.
pub(crate) fn referrer(group: &GroupId, id: u32, incarnation: u64, referrer: u32) -> Bytes {
    let mut key = BytesMut::from(referrers(group, id).as_ref());
    key.put_u64(incarnation);
    key.put_u32(referrer);
    key.freeze()
}

/// Parses the id of the version that is referred to, and the incarnation of the version that refers to it, in
/// the key of a referrer.
pub(crate) fn parse_referrer(key: &[u8]) -> Option<(u32, u64)> {
    let (rest, _) = key.split_last_chunk::<4>()?;
    let (rest, incarnation) = rest.split_last_chunk::<8>()?;
    let (_, id) = rest.split_last_chunk::<4>()?;
    Some((u32::from_be_bytes(*id), u64::from_be_bytes(*incarnation)))
}

/// `format` is the kind of the format: all custom formats have one, since identity compares kinds (contract
/// §2.1).
pub(crate) fn fingerprint(incarnation: u64, fingerprint: &[u8; 32], format: &str, type_name: &str) -> Bytes {
    let mut key = key(b'f', 44 + format.len() + type_name.len());
    key.put_u64(incarnation);
    key.put_slice(fingerprint);
    key.put_u32(format.len() as u32);
    key.put_slice(format.as_bytes());
    key.put_slice(type_name.as_bytes());
    key.freeze()
}

pub(crate) fn encoding_id(incarnation: u64, schema: u32, codec: &str) -> Bytes {
    let mut key = BytesMut::from(indexed(b'p', incarnation, schema).as_ref());
    key.put_slice(codec.as_bytes());
    key.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_key_is_parsed() {
        for id in [GroupId::new("", "a"), GroupId::new("n/s", "scope/stream"), GroupId::new("n", "")] {
            assert_eq!(parse_group(&group(&id)), Some(id.clone()));
            assert!(group(&id) < end_of_namespace(&id.namespace));
        }
        assert!(end_of_namespace("a") < group(&GroupId::new("b", "")));
        let key = referrer(&GroupId::new("n", "g"), 7, 8, 9);
        assert!(key.starts_with(&referrers(&GroupId::new("n", "g"), 7)));
        assert_eq!(parse_referrer(&key), Some((7, 8)));
        assert_eq!(parse_referrer(b"r\0\0"), None);
        for invalid in [&b"g"[..], b"g\0\0\0\x09a", b"h\0\0\0\0a", b"g\0\0\0\x01\xffa"] {
            assert_eq!(parse_group(invalid), None);
        }
    }
}
