//! The registry's data types: groups, schemas, versions and encodings.

pub mod capture_labels;
mod json;

pub(crate) use json::base64_data;

use crate::{Result, Rules};
use std::collections::BTreeMap;
use std::fmt;

/// The id of a group: a namespace (of a stream's group, the scope) and a name (the stream).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    /// The namespace; empty for the default one.
    pub namespace: String,
    /// The name; never empty, and may contain any character including `/`.
    pub name: String,
}

impl GroupId {
    /// Creates an id from a namespace and a name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => f.write_str(&self.name),
            namespace => write!(f, "{namespace}/{}", self.name),
        }
    }
}

/// The serialization format of events.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Avro's binary encoding.
    Avro,
    /// Protobuf messages, described by a `FileDescriptorSet`.
    Protobuf,
    /// UTF-8 JSON documents.
    Json,
    /// Any format; only for groups.
    Any,
    /// A custom format, by name.
    Custom(String),
}

impl Format {
    /// Returns the name used in a `VersionInfo` and in paths: of the built-in format, or the custom name.
    pub fn full_name(&self) -> &str {
        match self {
            Self::Avro => "Avro",
            Self::Protobuf => "Protobuf",
            Self::Json => "Json",
            Self::Any => "Any",
            Self::Custom(name) => name,
        }
    }

    /// Returns whether both are of the same kind; any two custom formats are, whatever their names (contract
    /// §2).
    pub fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}

/// The compatibility policy of a group: which new schemas it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compatibility {
    /// Accepts every schema.
    AllowAny,
    /// Accepts no schema after the first.
    DenyAll,
    /// The new schema must read data of the latest version.
    Backward,
    /// The latest version must read data of the new schema.
    Forward,
    /// `Backward`, against every live version.
    BackwardTransitive,
    /// `Forward`, against every live version.
    ForwardTransitive,
    /// `Backward` and `Forward`.
    Full,
    /// `Full`, against every live version.
    FullTransitive,
    /// Each direction with its own scope; at least one is given.
    Advanced {
        /// The versions whose data the new schema must read.
        backward: Option<VersionScope>,
        /// The versions that must read data of the new schema.
        forward: Option<VersionScope>,
    },
}

/// The versions that one direction of a [`Compatibility::Advanced`] policy covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionScope {
    /// The latest version.
    Latest,
    /// Every live version.
    Transitive,
    /// Every live version from this one on (`BackwardTill`, `ForwardTill`).
    Till(VersionInfo),
}

/// The properties of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProperties {
    /// The format of its schemas.
    pub format: Format,
    /// The compatibility policy; the only property that can be changed later.
    pub compatibility: Compatibility,
    /// Whether the group may have schemas of different types.
    pub allow_multiple_types: bool,
    /// The user's labels: at most 100, with keys and values of at most 200 UTF-16 units each.
    pub properties: BTreeMap<String, String>,
}

impl GroupProperties {
    /// Creates the properties of a group without labels.
    pub fn new(format: Format, compatibility: Compatibility, allow_multiple_types: bool) -> Self {
        Self { format, compatibility, allow_multiple_types, properties: BTreeMap::new() }
    }

    /// Sets the rules by which the group checks compatibility, as labels. The default is [`Rules::Java`].
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.properties.retain(|key, _| !Rules::is_rule_label(key));
        self.properties.extend(rules.to_labels());
        self
    }

    /// Returns the rules by which the group checks compatibility.
    ///
    /// # Errors
    /// A label that starts with `kulya.` is unknown or has an unknown value.
    pub fn rules(&self) -> Result<Rules> {
        Rules::from_labels(&self.properties)
    }
}

/// A schema as sent by a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaInfo {
    /// The name of the described type: an Avro full name, a Protobuf message, free text for JSON.
    pub type_name: String,
    /// The format of events.
    pub format: Format,
    /// The schema's bytes as sent: JSON text for Avro and JSON, a `FileDescriptorSet` for Protobuf.
    pub data: Vec<u8>,
    /// The user's labels.
    pub properties: BTreeMap<String, String>,
}

impl SchemaInfo {
    /// Creates a schema without labels.
    pub fn new(type_name: impl Into<String>, format: Format, data: impl Into<Vec<u8>>) -> Self {
        Self { type_name: type_name.into(), format, data: data.into(), properties: BTreeMap::new() }
    }

    /// Creates an Avro schema from its JSON text. The type name is that of the schema itself.
    pub fn avro(text: impl Into<Vec<u8>>) -> Self {
        Self::new("", Format::Avro, text)
    }

    /// Creates a JSON Schema, which describes events of this type.
    pub fn json(type_name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self::new(type_name, Format::Json, text)
    }

    /// Creates the schema of a Protobuf message from an encoded `FileDescriptorSet`.
    pub fn protobuf(message_name: impl Into<String>, descriptor_set: impl Into<Vec<u8>>) -> Self {
        Self::new(message_name, Format::Protobuf, descriptor_set)
    }
}

/// The version of a registered schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionInfo {
    /// The schema's type.
    pub type_name: String,
    /// The format's full name.
    pub format: String,
    /// The version number within (format, type), from 0.
    pub version: u32,
    /// The schema's number within the group, from 0.
    pub id: u32,
}

/// A schema and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaWithVersion {
    /// The schema, as it was sent.
    pub schema: SchemaInfo,
    /// Its version.
    pub version: VersionInfo,
}

/// The encoding id in an event's header: the number of a pair of schema version and codec in a group, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EncodingId(pub u32);

impl EncodingId {
    /// Returns the five bytes before a payload: protocol version `01`, then the id as a big-endian i32.
    pub fn header(self) -> [u8; 5] {
        let [a, b, c, d] = self.0.to_be_bytes();
        [1, a, b, c, d]
    }
}

/// The schema version and codec of an encoding id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodingInfo {
    /// The writer's schema.
    pub schema: SchemaInfo,
    /// Its version.
    pub version: VersionInfo,
    /// The codec of the bytes after the header.
    pub codec: CodecType,
}

/// A codec by name; `""` means none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodecType {
    /// Its name, for example `application/x-gzip`.
    pub name: String,
    /// The parameters of its decoder.
    pub properties: BTreeMap<String, String>,
}

/// An entry of a group's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRecord {
    /// The schema, as it was sent.
    pub schema: SchemaInfo,
    /// Its version.
    pub version: VersionInfo,
    /// The policy in force when it was added.
    pub compatibility: Compatibility,
    /// The time when it was added, in milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: u64,
}
