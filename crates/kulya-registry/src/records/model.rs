//! The records as values, without their encoding.

use super::id_set::IdSet;
use kulya_schema::{
    CodecType, Compatibility, CompatibilityFingerprint, GroupId, GroupProperties, Reference, SchemaInfo,
    VersionInfo,
};

/// A group's mutable state: every change of the group replaces this record, so that one compare-and-set
/// orders all changes. It stays small: versions and schemas have records of their own, written in the commit
/// that counts them here.
#[derive(Debug, Clone)]
pub(crate) struct GroupRecord {
    /// The number under which the group's other records are stored.
    pub(crate) incarnation: u64,
    pub(crate) properties: GroupProperties,
    /// The number of versions ever registered, which is the next schema id.
    pub(crate) schemas: u32,
    /// The ids of deleted versions.
    pub(crate) deleted: IdSet,
    /// The next encoding id.
    pub(crate) encodings: u32,
    /// In order of registration.
    pub(crate) codecs: Vec<CodecType>,
}

impl GroupRecord {
    /// Creates the record of a group without schemas.
    pub(crate) fn new(incarnation: u64, properties: GroupProperties) -> Self {
        Self {
            incarnation,
            properties,
            schemas: 0,
            deleted: IdSet::default(),
            encodings: 0,
            codecs: Vec::new(),
        }
    }
}

/// A version without its schema, so that long lists of versions are cheap to read. Immutable.
#[derive(Debug, Clone)]
pub(crate) struct VersionRecord {
    pub(crate) version: VersionInfo,
    pub(crate) shape: CompatibilityFingerprint,
}

/// A registered schema. Immutable.
#[derive(Debug, Clone)]
pub(crate) struct SchemaRecord {
    /// In its self-contained form if it has references.
    pub(crate) schema: SchemaInfo,
    pub(crate) version: VersionInfo,
    /// The policy in force when the schema was added.
    pub(crate) compatibility: Compatibility,
    pub(crate) timestamp_ms: u64,
    /// Part of the key of the fingerprint record, which is removed when the schema is deleted.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) references: Vec<Reference>,
}

/// A version that refers to another: an entry of the index of references. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReferrerRecord {
    pub(crate) group: GroupId,
    pub(crate) version: VersionInfo,
}

/// An encoding: a schema id and a codec. Immutable.
#[derive(Debug, Clone)]
pub(crate) struct EncodingRecord {
    pub(crate) schema: u32,
    pub(crate) codec: CodecType,
}
