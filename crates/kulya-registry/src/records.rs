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
    use kulya_schema::{Format, Side};

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

    const AVRO: &str = r#"{"serializationFormat":"Avro","fullTypeName":"Avro"}"#;

    fn version(id: u32) -> VersionInfo {
        VersionInfo { type_name: "R".into(), format: "Avro".into(), version: 0, id }
    }

    fn labels() -> std::collections::BTreeMap<String, String> {
        [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "\u{1}ü\"".to_owned())].into()
    }

    fn text(record: &impl Serialize) -> String {
        String::from_utf8(write(record)).unwrap()
    }

    #[test]
    fn a_groups_record_has_stable_bytes() {
        let mut head =
            Head::new(7, GroupProperties::new(Format::Avro, Compatibility::BackwardTransitive, true));
        let bytes = format!(
            r#"{{"incarnation":7,"properties":{{"serializationFormat":{AVRO},"compatibility":{{"policy":"BackwardTransitive"}},"allowMultipleTypes":true,"properties":{{}}}},"schemas":0,"encodings":0,"codecs":[]}}"#
        );
        assert_eq!(text(&head), bytes);
        head.properties = GroupProperties {
            properties: labels(),
            ..GroupProperties::new(Format::Custom("thrift".into()), Compatibility::AllowAny, false)
        };
        head.schemas = 6;
        head.encodings = 2;
        head.deleted.insert(3);
        head.deleted.insert(4);
        head.codecs = vec![CodecType::default(), CodecType { name: "gz".into(), properties: labels() }];
        let bytes = r#"{"incarnation":7,"properties":{"serializationFormat":{"serializationFormat":"Custom","fullTypeName":"thrift"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":false,"properties":{"a":"\u0001ü\"","b":"2"}},"schemas":6,"deleted":[[3,4]],"encodings":2,"codecs":[{"name":"","properties":{}},{"name":"gz","properties":{"a":"\u0001ü\"","b":"2"}}]}"#;
        assert_eq!(text(&head), bytes);
        assert_eq!(text(&read::<Head>("a group", bytes.as_bytes()).unwrap()), bytes);
    }

    #[test]
    fn every_policy_and_format_has_stable_bytes() {
        use Compatibility::*;
        let of = |format: Format, compatibility: Compatibility| {
            let record = Head::new(0, GroupProperties::new(format, compatibility, false));
            let bytes = text(&record);
            let back: Head = read("a group", bytes.as_bytes()).unwrap();
            assert_eq!(back.properties, record.properties);
            assert_eq!(text(&back), bytes);
            let properties = bytes
                .strip_prefix(r#"{"incarnation":0,"properties":{"serializationFormat":"#)
                .and_then(|rest| rest.split_once(r#","allowMultipleTypes""#));
            properties.unwrap().0.to_owned()
        };
        for format in ["Avro", "Protobuf", "Json", "Any", "Custom"] {
            let (value, name) = match format {
                "Avro" => (Format::Avro, format),
                "Protobuf" => (Format::Protobuf, format),
                "Json" => (Format::Json, format),
                "Any" => (Format::Any, format),
                _ => (Format::Custom("mine".into()), "mine"),
            };
            let bytes = format!(
                r#"{{"serializationFormat":"{format}","fullTypeName":"{name}"}},"compatibility":{{"policy":"DenyAll"}}"#
            );
            assert_eq!(of(value, DenyAll), bytes);
        }
        let till = Some(Side::Till(version(2)));
        for (policy, bytes) in [
            (AllowAny, r#"{"policy":"AllowAny"}"#),
            (DenyAll, r#"{"policy":"DenyAll"}"#),
            (Backward, r#"{"policy":"Backward"}"#),
            (Forward, r#"{"policy":"Forward"}"#),
            (BackwardTransitive, r#"{"policy":"BackwardTransitive"}"#),
            (ForwardTransitive, r#"{"policy":"ForwardTransitive"}"#),
            (Full, r#"{"policy":"Full"}"#),
            (FullTransitive, r#"{"policy":"FullTransitive"}"#),
            (
                Advanced { backward: Some(Side::Latest), forward: None },
                r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"Backward"}}}}"#,
            ),
            (
                Advanced { backward: None, forward: Some(Side::Transitive) },
                r#"{"policy":"Advanced","advanced":{"forwardPolicy":{"forwardPolicy":{"name":"ForwardTransitive"}}}}"#,
            ),
            (
                Advanced { backward: till.clone(), forward: till },
                r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"BackwardTill","versionInfo":{"type":"R","serializationFormat":"Avro","version":0,"id":2}}},"forwardPolicy":{"forwardPolicy":{"name":"ForwardTill","versionInfo":{"type":"R","serializationFormat":"Avro","version":0,"id":2}}}}}"#,
            ),
        ] {
            assert_eq!(
                of(Format::Any, policy),
                format!(r#"{{"serializationFormat":"Any","fullTypeName":"Any"}},"compatibility":{bytes}"#)
            );
        }
    }

    #[test]
    fn records_of_versions_schemas_and_encodings_have_stable_bytes() {
        let schema = SchemaInfo { properties: labels(), ..SchemaInfo::new("R", Format::Avro, r#""int""#) };
        let shape: Shape = serde_json::from_str(r#""1-00ff""#).unwrap();
        let bytes =
            r#"{"version":{"type":"R","serializationFormat":"Avro","version":0,"id":5},"shape":"1-00ff"}"#;
        assert_eq!(text(&VersionRecord { version: version(5), shape }), bytes);
        assert_eq!(text(&read::<VersionRecord>("a version", bytes.as_bytes()).unwrap()), bytes);

        let record = SchemaRecord {
            schema: schema.clone(),
            version: version(5),
            compatibility: Compatibility::Full,
            timestamp_ms: 1_700_000_000_000,
            fingerprint: [9; 32],
        };
        let fingerprint = ["9"; 32].join(",");
        let json = |data: &str| {
            format!(
                r#"{{"schema":{{"type":"R","serializationFormat":{AVRO},"schemaData":"{data}","properties":{{"a":"\u0001ü\"","b":"2"}}}},"version":{{"type":"R","serializationFormat":"Avro","version":0,"id":5}},"compatibility":{{"policy":"Full"}},"timestamp_ms":1700000000000,"fingerprint":[{fingerprint}]}}"#
            )
        };
        let raw =
            [&[1][..], &(json("").len() as u32).to_be_bytes(), json("").as_bytes(), br#""int""#].concat();
        assert_eq!(record.to_bytes(), raw);
        // as earlier versions wrote it
        for bytes in [raw.as_slice(), json("ImludCI=").as_bytes()] {
            let back = SchemaRecord::from_bytes("a schema", bytes).unwrap();
            assert_eq!(back.schema, schema);
            assert_eq!(back.to_bytes(), raw);
        }

        let bytes = r#"{"schema":5,"codec":{"name":"gz","properties":{"a":"\u0001ü\"","b":"2"}}}"#;
        let record =
            EncodingRecord { schema: 5, codec: CodecType { name: "gz".into(), properties: labels() } };
        assert_eq!(text(&record), bytes);
        assert_eq!(text(&read::<EncodingRecord>("an encoding", bytes.as_bytes()).unwrap()), bytes);
    }

    #[test]
    fn records_of_changes_have_stable_bytes() {
        use kulya_registry_api::administration::{Change, ChangeEvent};
        let group = kulya_schema::GroupId::new("shop", "orders/ü");
        let properties = GroupProperties::new(Format::Avro, Compatibility::Backward, true);
        let shown = format!(
            r#""properties":{{"serializationFormat":{AVRO},"compatibility":{{"policy":"Backward"}},"allowMultipleTypes":true,"properties":{{}}}}"#
        );
        let shown_version =
            r#""versionInfo":{"type":"R","serializationFormat":"Avro","version":0,"id":5}"#.to_owned();
        let codec_type = CodecType { name: "gz".into(), properties: labels() };
        for (event, name, members) in [
            (ChangeEvent::GroupCreated { properties: properties.clone() }, "group-created", shown.clone()),
            (
                ChangeEvent::GroupImported { properties: properties.clone(), schemas: 3 },
                "group-imported",
                format!(r#"{shown},"schemas":3"#),
            ),
            (ChangeEvent::GroupChanged { properties }, "group-changed", shown),
            (ChangeEvent::GroupDeleted, "group-deleted", String::new()),
            (ChangeEvent::SchemaAdded { version_info: version(5) }, "schema-added", shown_version.clone()),
            (ChangeEvent::SchemaDeleted { version_info: version(5) }, "schema-deleted", shown_version),
            (
                ChangeEvent::CodecAdded { codec_type },
                "codec-added",
                r#""codecType":{"name":"gz","properties":{"a":"\u0001ü\"","b":"2"}}"#.to_owned(),
            ),
            (
                ChangeEvent::EncodingAdded {
                    encoding_id: kulya_schema::EncodingId(4),
                    schema_id: 5,
                    codec: "gz".into(),
                },
                "encoding-added",
                r#""encodingId":{"encodingId":4},"schemaId":5,"codec":"gz""#.to_owned(),
            ),
        ] {
            let comma = if members.is_empty() { "" } else { "," };
            let bytes = format!(
                r#"{{"namespace":"shop","group":"orders/ü","timestamp":17,"change":"{name}"{comma}{members}}}"#
            );
            assert_eq!(crate::feed::line(&group, event.clone(), 17), bytes);
            let back: Change = read("a change", bytes.as_bytes()).unwrap();
            assert_eq!((back.group_id(), back.timestamp, back.event), (group.clone(), 17, event));
        }
    }
}
