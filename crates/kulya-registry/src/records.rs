//! What stands in the registry's table: JSON records, in the shapes of the contract where it has them.

use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::{CodecType, Compatibility, GroupProperties, SchemaInfo, VersionInfo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A group: everything of it that changes, so that one compare-and-set orders all changes. Grows by a few dozen
/// bytes for each version; the schemas themselves stand in records of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) incarnation: u64,
    pub(crate) properties: GroupProperties,
    /// Every version ever registered, in id order, the deleted ones marked.
    pub(crate) versions: Vec<HeadVersion>,
    /// The next encoding id.
    pub(crate) encodings: u32,
    /// In order of registration.
    pub(crate) codecs: Vec<CodecType>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeadVersion {
    pub(crate) version: VersionInfo,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
}

impl Head {
    /// The live versions, in id order.
    pub(crate) fn live(&self) -> impl DoubleEndedIterator<Item = &VersionInfo> {
        self.versions.iter().filter(|v| !v.deleted).map(|v| &v.version)
    }

    /// The version a schema of this format and type gets.
    pub(crate) fn next_version(&self, format: &str, type_name: &str) -> VersionInfo {
        let alike =
            self.versions.iter().filter(|v| v.version.format == format && v.version.type_name == type_name);
        VersionInfo {
            type_name: type_name.to_owned(),
            format: format.to_owned(),
            version: alike.count() as u32,
            id: self.versions.len() as u32,
        }
    }
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

pub(crate) fn write(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("our records have text keys and no failing parts")
}

pub(crate) fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> RegistryResult<T> {
    serde_json::from_slice(bytes).map_err(|e| {
        RegistryError::new(
            RegistryErrorKind::Failed,
            format!("the registry's record of {what} cannot be read"),
        )
        .because(e)
    })
}
