//! The JSON layout of stored records: serde structs of the registry's own, with conversions from and to the
//! model. They are independent of the JSON of REST v1, so a change of that API cannot change what is stored.
//! Member names, their order and omitted members are part of the format; `tests` fixes the bytes of every
//! record.

use super::id_set::IdSet;
use super::model::{EncodingRecord, GroupRecord, ReferrerRecord, SchemaRecord, VersionRecord};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_registry_api::administration::{Change, ChangeEvent};
use kulya_schema::{
    CodecType, Compatibility, CompatibilityFingerprint, EncodingId, Format, GroupId, GroupProperties,
    Reference, SchemaInfo, VersionInfo, VersionScope,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

type Properties = BTreeMap<String, String>;

/// Why a record that is valid JSON is not a record of the model.
type Invalid = String;

/// Serializes a record, and deserializes it, by its stored form.
macro_rules! stored_as {
    ($($record:ty as $stored:ty),* $(,)?) => { $(
        impl Serialize for $record {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$stored>::from(self.clone()).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $record {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::try_from(<$stored>::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )* };
}

stored_as!(
    GroupRecord as StoredGroup,
    VersionRecord as StoredVersionRecord,
    EncodingRecord as StoredEncoding,
    ReferrerRecord as StoredReferrer
);

impl<'de> Deserialize<'de> for SchemaRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(StoredSchemaRecord::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The stored form of a [`GroupRecord`].
#[derive(Serialize, Deserialize)]
struct StoredGroup {
    incarnation: u64,
    properties: StoredGroupProperties,
    schemas: u32,
    #[serde(default, skip_serializing_if = "IdSet::is_empty")]
    deleted: IdSet,
    encodings: u32,
    codecs: Vec<StoredCodec>,
}

impl From<GroupRecord> for StoredGroup {
    fn from(record: GroupRecord) -> Self {
        let GroupRecord { incarnation, properties, schemas, deleted, encodings, codecs } = record;
        let codecs = codecs.into_iter().map(Into::into).collect();
        Self { incarnation, properties: properties.into(), schemas, deleted, encodings, codecs }
    }
}

impl TryFrom<StoredGroup> for GroupRecord {
    type Error = Invalid;

    fn try_from(stored: StoredGroup) -> Result<Self, Invalid> {
        let StoredGroup { incarnation, properties, schemas, deleted, encodings, codecs } = stored;
        let codecs = codecs.into_iter().map(Into::into).collect();
        Ok(Self { incarnation, properties: properties.try_into()?, schemas, deleted, encodings, codecs })
    }
}

/// The stored form of a [`VersionRecord`].
#[derive(Serialize, Deserialize)]
struct StoredVersionRecord {
    version: StoredVersion,
    shape: CompatibilityFingerprint,
}

impl From<VersionRecord> for StoredVersionRecord {
    fn from(record: VersionRecord) -> Self {
        Self { version: record.version.into(), shape: record.shape }
    }
}

impl From<StoredVersionRecord> for VersionRecord {
    fn from(stored: StoredVersionRecord) -> Self {
        Self { version: stored.version.into(), shape: stored.shape }
    }
}

/// The stored form of a [`SchemaRecord`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredSchemaRecord {
    schema: StoredSchema,
    version: StoredVersion,
    compatibility: StoredCompatibility,
    timestamp_ms: u64,
    fingerprint: [u8; 32],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    references: Vec<StoredReference>,
}

/// The references of a [`StoredSchemaRecord`] alone.
#[derive(Deserialize)]
pub(super) struct StoredReferences {
    #[serde(default)]
    pub(super) references: Vec<StoredReference>,
}

/// The stored form of a [`Reference`].
#[derive(Serialize, Deserialize)]
pub(super) struct StoredReference {
    name: String,
    namespace: String,
    group: String,
    id: u32,
}

impl From<Reference> for StoredReference {
    fn from(Reference { name, namespace, group, id }: Reference) -> Self {
        Self { name, namespace, group, id }
    }
}

impl From<StoredReference> for Reference {
    fn from(StoredReference { name, namespace, group, id }: StoredReference) -> Self {
        Self { name, namespace, group, id }
    }
}

/// The stored form of a [`ReferrerRecord`].
#[derive(Serialize, Deserialize)]
struct StoredReferrer {
    namespace: String,
    group: String,
    version: StoredVersion,
}

impl From<ReferrerRecord> for StoredReferrer {
    fn from(ReferrerRecord { group: GroupId { namespace, name }, version }: ReferrerRecord) -> Self {
        Self { namespace, group: name, version: version.into() }
    }
}

impl From<StoredReferrer> for ReferrerRecord {
    fn from(StoredReferrer { namespace, group, version }: StoredReferrer) -> Self {
        Self { group: GroupId::new(namespace, group), version: version.into() }
    }
}

impl StoredSchemaRecord {
    /// Returns a record's stored form with empty schema data: the data follows the JSON as raw bytes.
    pub(super) fn without_data(record: &SchemaRecord) -> Self {
        let SchemaRecord { schema, version, compatibility, timestamp_ms, fingerprint, references } = record;
        let schema = StoredSchema {
            type_name: schema.type_name.clone(),
            format: (&schema.format).into(),
            data: String::new(),
            properties: schema.properties.clone(),
        };
        Self {
            schema,
            version: version.clone().into(),
            compatibility: compatibility.into(),
            timestamp_ms: *timestamp_ms,
            fingerprint: *fingerprint,
            references: references.iter().cloned().map(Into::into).collect(),
        }
    }
}

impl TryFrom<StoredSchemaRecord> for SchemaRecord {
    type Error = Invalid;

    fn try_from(stored: StoredSchemaRecord) -> Result<Self, Invalid> {
        let StoredSchemaRecord { schema, version, compatibility, timestamp_ms, fingerprint, references } =
            stored;
        Ok(Self {
            schema: schema.try_into()?,
            version: version.into(),
            compatibility: compatibility.try_into()?,
            timestamp_ms,
            fingerprint,
            references: references.into_iter().map(Into::into).collect(),
        })
    }
}

/// The stored form of an [`EncodingRecord`].
#[derive(Serialize, Deserialize)]
struct StoredEncoding {
    schema: u32,
    codec: StoredCodec,
}

impl From<EncodingRecord> for StoredEncoding {
    fn from(record: EncodingRecord) -> Self {
        Self { schema: record.schema, codec: record.codec.into() }
    }
}

impl From<StoredEncoding> for EncodingRecord {
    fn from(stored: StoredEncoding) -> Self {
        Self { schema: stored.schema, codec: stored.codec.into() }
    }
}

/// The stored form of a [`Change`], an event of the changelog.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredChange {
    namespace: String,
    group: String,
    timestamp: u64,
    #[serde(flatten)]
    event: StoredChangeEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", rename_all_fields = "camelCase")]
enum StoredChangeEvent {
    GroupCreated { properties: StoredGroupProperties },
    GroupImported { properties: StoredGroupProperties, schemas: u32 },
    GroupChanged { properties: StoredGroupProperties },
    GroupDeleted,
    SchemaAdded { version_info: StoredVersion },
    SchemaDeleted { version_info: StoredVersion },
    CodecAdded { codec_type: StoredCodec },
    EncodingAdded { encoding_id: StoredEncodingId, schema_id: u32, codec: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredEncodingId {
    encoding_id: u32,
}

impl From<Change> for StoredChange {
    fn from(change: Change) -> Self {
        use StoredChangeEvent as Stored;
        let Change { namespace, group, timestamp, event } = change;
        let event = match event {
            ChangeEvent::GroupCreated { properties } => {
                Stored::GroupCreated { properties: properties.into() }
            }
            ChangeEvent::GroupImported { properties, schemas } => {
                Stored::GroupImported { properties: properties.into(), schemas }
            }
            ChangeEvent::GroupChanged { properties } => {
                Stored::GroupChanged { properties: properties.into() }
            }
            ChangeEvent::GroupDeleted => Stored::GroupDeleted,
            ChangeEvent::SchemaAdded { version_info } => {
                Stored::SchemaAdded { version_info: version_info.into() }
            }
            ChangeEvent::SchemaDeleted { version_info } => {
                Stored::SchemaDeleted { version_info: version_info.into() }
            }
            ChangeEvent::CodecAdded { codec_type } => Stored::CodecAdded { codec_type: codec_type.into() },
            ChangeEvent::EncodingAdded { encoding_id, schema_id, codec } => {
                let encoding_id = StoredEncodingId { encoding_id: encoding_id.0 };
                Stored::EncodingAdded { encoding_id, schema_id, codec }
            }
        };
        Self { namespace, group, timestamp, event }
    }
}

impl TryFrom<StoredChange> for Change {
    type Error = Invalid;

    fn try_from(stored: StoredChange) -> Result<Self, Invalid> {
        use StoredChangeEvent as Stored;
        let StoredChange { namespace, group, timestamp, event } = stored;
        let event = match event {
            Stored::GroupCreated { properties } => {
                ChangeEvent::GroupCreated { properties: properties.try_into()? }
            }
            Stored::GroupImported { properties, schemas } => {
                ChangeEvent::GroupImported { properties: properties.try_into()?, schemas }
            }
            Stored::GroupChanged { properties } => {
                ChangeEvent::GroupChanged { properties: properties.try_into()? }
            }
            Stored::GroupDeleted => ChangeEvent::GroupDeleted,
            Stored::SchemaAdded { version_info } => {
                ChangeEvent::SchemaAdded { version_info: version_info.into() }
            }
            Stored::SchemaDeleted { version_info } => {
                ChangeEvent::SchemaDeleted { version_info: version_info.into() }
            }
            Stored::CodecAdded { codec_type } => ChangeEvent::CodecAdded { codec_type: codec_type.into() },
            Stored::EncodingAdded { encoding_id, schema_id, codec } => {
                let encoding_id = EncodingId(encoding_id.encoding_id);
                ChangeEvent::EncodingAdded { encoding_id, schema_id, codec }
            }
        };
        Ok(Self { namespace, group, timestamp, event })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredGroupProperties {
    serialization_format: StoredFormat,
    compatibility: StoredCompatibility,
    allow_multiple_types: bool,
    #[serde(default)]
    properties: Properties,
}

impl From<GroupProperties> for StoredGroupProperties {
    fn from(group: GroupProperties) -> Self {
        Self {
            serialization_format: (&group.format).into(),
            compatibility: (&group.compatibility).into(),
            allow_multiple_types: group.allow_multiple_types,
            properties: group.properties,
        }
    }
}

impl TryFrom<StoredGroupProperties> for GroupProperties {
    type Error = Invalid;

    fn try_from(stored: StoredGroupProperties) -> Result<Self, Invalid> {
        Ok(Self {
            format: stored.serialization_format.try_into()?,
            compatibility: stored.compatibility.try_into()?,
            allow_multiple_types: stored.allow_multiple_types,
            properties: stored.properties,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredSchema {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(rename = "serializationFormat")]
    format: StoredFormat,
    /// In base64; empty where the data follows the JSON.
    #[serde(rename = "schemaData")]
    data: String,
    #[serde(default)]
    properties: Properties,
}

impl TryFrom<StoredSchema> for SchemaInfo {
    type Error = Invalid;

    fn try_from(stored: StoredSchema) -> Result<Self, Invalid> {
        let data = STANDARD.decode(&stored.data).map_err(|e| format!("schemaData is not base64: {e}"))?;
        Ok(Self {
            type_name: stored.type_name,
            format: stored.format.try_into()?,
            data,
            properties: stored.properties,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredVersion {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(rename = "serializationFormat")]
    format: String,
    version: u32,
    id: u32,
}

impl From<VersionInfo> for StoredVersion {
    fn from(version: VersionInfo) -> Self {
        let VersionInfo { type_name, format, version, id } = version;
        Self { type_name, format, version, id }
    }
}

impl From<StoredVersion> for VersionInfo {
    fn from(stored: StoredVersion) -> Self {
        let StoredVersion { type_name, format, version, id } = stored;
        Self { type_name, format, version, id }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredCodec {
    name: String,
    #[serde(default)]
    properties: Properties,
}

impl From<CodecType> for StoredCodec {
    fn from(codec: CodecType) -> Self {
        Self { name: codec.name, properties: codec.properties }
    }
}

impl From<StoredCodec> for CodecType {
    fn from(stored: StoredCodec) -> Self {
        Self { name: stored.name, properties: stored.properties }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredFormat {
    serialization_format: String,
    full_type_name: Option<String>,
}

impl From<&Format> for StoredFormat {
    fn from(format: &Format) -> Self {
        let kind = if let Format::Custom(_) = format { "Custom" } else { format.full_name() };
        Self { serialization_format: kind.to_owned(), full_type_name: Some(format.full_name().to_owned()) }
    }
}

impl TryFrom<StoredFormat> for Format {
    type Error = Invalid;

    fn try_from(stored: StoredFormat) -> Result<Self, Invalid> {
        match (stored.serialization_format.as_str(), stored.full_type_name) {
            ("Avro", _) => Ok(Self::Avro),
            ("Protobuf", _) => Ok(Self::Protobuf),
            ("Json", _) => Ok(Self::Json),
            ("Any", _) => Ok(Self::Any),
            ("Custom", Some(name)) => Ok(Self::Custom(name)),
            ("Custom", None) => Err("a custom format has no fullTypeName".to_owned()),
            (other, _) => Err(format!("unknown serializationFormat {other:?}")),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredCompatibility {
    policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advanced: Option<StoredAdvanced>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredAdvanced {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backward_policy: Option<StoredBackward>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward_policy: Option<StoredForward>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredBackward {
    backward_policy: StoredScope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredForward {
    forward_policy: StoredScope,
}

/// The versions that one direction of an advanced policy covers. The names begin with the direction:
/// `Backward`, `BackwardTransitive`, `BackwardTill`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredScope {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version_info: Option<StoredVersion>,
}

const BACKWARD: &str = "Backward";
const FORWARD: &str = "Forward";

impl StoredScope {
    fn new(direction: &str, scope: &VersionScope) -> Self {
        let (suffix, version) = match scope {
            VersionScope::Latest => ("", None),
            VersionScope::Transitive => ("Transitive", None),
            VersionScope::Till(version) => ("Till", Some(version.clone().into())),
        };
        Self { name: format!("{direction}{suffix}"), version_info: version }
    }

    fn parse(self, direction: &str) -> Result<VersionScope, Invalid> {
        match (self.name.strip_prefix(direction), self.version_info) {
            (Some(""), _) => Ok(VersionScope::Latest),
            (Some("Transitive"), _) => Ok(VersionScope::Transitive),
            (Some("Till"), Some(version)) => Ok(VersionScope::Till(version.into())),
            (Some("Till"), None) => Err(format!("{} has no versionInfo", self.name)),
            _ => Err(format!("unknown policy name {:?}", self.name)),
        }
    }
}

impl From<&Compatibility> for StoredCompatibility {
    fn from(compatibility: &Compatibility) -> Self {
        let advanced = match compatibility {
            Compatibility::Advanced { backward, forward } => Some(StoredAdvanced {
                backward_policy: backward
                    .as_ref()
                    .map(|scope| StoredBackward { backward_policy: StoredScope::new(BACKWARD, scope) }),
                forward_policy: forward
                    .as_ref()
                    .map(|scope| StoredForward { forward_policy: StoredScope::new(FORWARD, scope) }),
            }),
            _ => None,
        };
        Self { policy: compatibility.policy().to_owned(), advanced }
    }
}

impl TryFrom<StoredCompatibility> for Compatibility {
    type Error = Invalid;

    fn try_from(stored: StoredCompatibility) -> Result<Self, Invalid> {
        Ok(match stored.policy.as_str() {
            "AllowAny" => Self::AllowAny,
            "DenyAll" => Self::DenyAll,
            "Backward" => Self::Backward,
            "Forward" => Self::Forward,
            "BackwardTransitive" => Self::BackwardTransitive,
            "ForwardTransitive" => Self::ForwardTransitive,
            "Full" => Self::Full,
            "FullTransitive" => Self::FullTransitive,
            "Advanced" => {
                let advanced =
                    stored.advanced.ok_or_else(|| "policy Advanced has no `advanced`".to_owned())?;
                let backward = advanced.backward_policy.map(|stored| stored.backward_policy.parse(BACKWARD));
                let forward = advanced.forward_policy.map(|stored| stored.forward_policy.parse(FORWARD));
                Self::Advanced { backward: backward.transpose()?, forward: forward.transpose()? }
            }
            other => return Err(format!("unknown policy {other:?}")),
        })
    }
}
