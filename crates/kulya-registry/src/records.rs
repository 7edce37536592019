//! What stands in the registry's table: JSON records, in the shapes of the contract where it has them.

use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::{CodecType, Compatibility, GroupProperties, SchemaInfo, Shape, VersionInfo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A group: everything of it that changes, so that one compare-and-set orders all changes. It stays small: versions and
/// schemas stand in records of their own, which are put with the head that counts them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) incarnation: u64,
    pub(crate) properties: GroupProperties,
    /// How many versions were ever registered: the next id.
    pub(crate) schemas: u32,
    /// The ids that were deleted.
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    pub(crate) deleted: IdSet,
    /// The next encoding id.
    pub(crate) encodings: u32,
    /// In order of registration.
    pub(crate) codecs: Vec<CodecType>,
}

impl Head {
    /// A group without schemas.
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

/// A set of ids as ranges, each with its end inside: deletions come in rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct IdSet(Vec<(u32, u32)>);

impl IdSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= id);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| id <= *last)
    }

    /// Adds an id; `false` when it was there.
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        if self.contains(id) {
            return false;
        }
        let at = self.0.partition_point(|(first, _)| *first <= id);
        self.0.insert(at, (id, id));
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0.drain(..) {
            match joined.last_mut() {
                Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
                _ => joined.push((first, last)),
            }
        }
        self.0 = joined;
        true
    }
}

/// A version, apart from its schema, because there may be many; never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) version: VersionInfo,
    pub(crate) shape: Shape,
}

/// A registered schema; never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SchemaRecord {
    pub(crate) schema: SchemaInfo,
    pub(crate) version: VersionInfo,
    /// The rule in force when it was added.
    pub(crate) compatibility: Compatibility,
    pub(crate) timestamp_ms: u64,
    /// Where its fingerprint stands, to be freed when it is deleted.
    pub(crate) fingerprint: [u8; 32],
}

/// An encoding; never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EncodingRecord {
    pub(crate) schema: u32,
    pub(crate) codec: CodecType,
}

/// How a schema's record begins when its bytes stand behind it as they are. One that begins with `{` is JSON alone, with the
/// schema in base64, as earlier versions wrote it.
const RAW: u8 = 1;

impl SchemaRecord {
    /// `RAW`, the length of the JSON (u32, big-endian), the record as JSON with an empty schema, and the schema's bytes:
    /// in base64 they would take a third more, of a store that takes a bounded commit.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let SchemaRecord { schema, version, compatibility, timestamp_ms, fingerprint } = self;
        let head = write(&SchemaRecord {
            schema: SchemaInfo {
                type_name: schema.type_name.clone(),
                format: schema.format.clone(),
                data: Vec::new(),
                properties: schema.properties.clone(),
            },
            version: version.clone(),
            compatibility: compatibility.clone(),
            timestamp_ms: *timestamp_ms,
            fingerprint: *fingerprint,
        });
        let mut out = Vec::with_capacity(5 + head.len() + schema.data.len());
        out.push(RAW);
        out.extend((head.len() as u32).to_be_bytes());
        out.extend(head);
        out.extend(&schema.data);
        out
    }

    pub(crate) fn from_bytes(what: &str, bytes: &[u8]) -> RegistryResult<Self> {
        let Some(rest) = bytes.strip_prefix(&[RAW]) else { return read(what, bytes) };
        let split = rest.split_first_chunk::<4>();
        let split =
            split.and_then(|(length, rest)| rest.split_at_checked(u32::from_be_bytes(*length) as usize));
        let Some((head, data)) = split else { return Err(unreadable(what)) };
        let mut record: Self = read(what, head)?;
        record.schema.data = data.to_vec();
        Ok(record)
    }
}

pub(crate) fn write(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("our records have text keys and no failing parts")
}

pub(crate) fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> RegistryResult<T> {
    serde_json::from_slice(bytes).map_err(|e| unreadable(what).because(e))
}

fn unreadable(what: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::Failed, format!("the registry's record of {what} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_schema::Format;

    #[test]
    fn a_schemas_record_reads_back_as_earlier_versions_wrote_it_too() {
        let record = SchemaRecord {
            schema: SchemaInfo::new("R", Format::Protobuf, [0, 255, 1, b'{']),
            version: VersionInfo { type_name: "R".into(), format: "Protobuf".into(), version: 1, id: 2 },
            compatibility: Compatibility::Backward,
            timestamp_ms: 3,
            fingerprint: [4; 32],
        };
        let bytes = record.to_bytes();
        assert!(bytes.ends_with(&[0, 255, 1, b'{']), "the schema stands there as it is");
        for bytes in [bytes.clone(), write(&record)] {
            let back = SchemaRecord::from_bytes("a schema", &bytes).unwrap();
            assert_eq!((back.schema, back.version), (record.schema.clone(), record.version.clone()));
        }
        for cut in 0..bytes.len() - 4 {
            assert!(SchemaRecord::from_bytes("a schema", &bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_set_of_ids_joins_its_neighbours() {
        let mut set = IdSet::default();
        for id in [5, 3, 9, 4, 0, 10, u32::MAX] {
            assert!(set.insert(id) && !set.insert(id), "{id}");
        }
        assert_eq!(set.0, [(0, 0), (3, 5), (9, 10), (u32::MAX, u32::MAX)]);
        let held: Vec<u32> = (0..12).filter(|id| set.contains(*id)).collect();
        assert_eq!(held, [0, 3, 4, 5, 9, 10]);
    }
}
