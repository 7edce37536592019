//! The nouns of the registry: what a group, a schema, a version and an encoding are.

mod json;

use std::collections::BTreeMap;
use std::fmt;

/// A group: a namespace (a scope, for a stream's group) and a name (the stream).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId {
    /// A label; empty for the default namespace.
    pub namespace: String,
    /// Never empty; may contain any character, `/` included.
    pub name: String,
}

impl GroupId {
    /// From the two texts.
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

/// How events of a schema are written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Avro's binary encoding.
    Avro,
    /// Protobuf messages, described by a `FileDescriptorSet`.
    Protobuf,
    /// UTF-8 JSON documents.
    Json,
    /// For groups only: schemas of every format are welcome.
    Any,
    /// A user's own, by name.
    Custom(String),
}

impl Format {
    /// The name that stands in a `VersionInfo` and a path: the built-in's, or the custom one.
    pub fn full_name(&self) -> &str {
        match self {
            Self::Avro => "Avro",
            Self::Protobuf => "Protobuf",
            Self::Json => "Json",
            Self::Any => "Any",
            Self::Custom(name) => name,
        }
    }

    /// Whether both are the same kind; two custom formats are, whatever their names (contract §2).
    pub fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}

/// When a new schema may follow the ones a group has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compatibility {
    /// Every schema.
    AllowAny,
    /// None after the first.
    DenyAll,
    /// The new schema reads what the latest wrote.
    Backward,
    /// The latest reads what the new schema writes.
    Forward,
    /// Backward, against every live version.
    BackwardTransitive,
    /// Forward, against every live version.
    ForwardTransitive,
    /// Backward and Forward.
    Full,
    /// Both, against every live version.
    FullTransitive,
    /// Each side by itself; at least one is given.
    Advanced {
        /// What the new schema must read.
        backward: Option<Side>,
        /// Who must read the new schema.
        forward: Option<Side>,
    },
}

/// How far back one side of an [`Compatibility::Advanced`] policy looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// The latest version.
    Latest,
    /// Every live version.
    Transitive,
    /// Every live version from this one on.
    Till(VersionInfo),
}

/// What a group is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupProperties {
    /// The format its schemas must have.
    pub format: Format,
    /// The rule for new schemas; the only property that may change later.
    pub compatibility: Compatibility,
    /// Whether schemas of different types may live side by side.
    pub allow_multiple_types: bool,
    /// A user's labels, at most 100 of 200 UTF-16 units each.
    pub properties: BTreeMap<String, String>,
}

impl GroupProperties {
    /// A group without labels.
    pub fn new(format: Format, compatibility: Compatibility, allow_multiple_types: bool) -> Self {
        Self { format, compatibility, allow_multiple_types, properties: BTreeMap::new() }
    }
}

/// A schema as somebody sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaInfo {
    /// The name of what it describes: an Avro full name, a Protobuf message, free text for JSON.
    pub type_name: String,
    /// How events are written.
    pub format: Format,
    /// The schema's bytes as sent: JSON text for Avro and JSON, a `FileDescriptorSet` for Protobuf.
    pub data: Vec<u8>,
    /// A user's labels.
    pub properties: BTreeMap<String, String>,
}

impl SchemaInfo {
    /// A schema without labels.
    pub fn new(type_name: impl Into<String>, format: Format, data: impl Into<Vec<u8>>) -> Self {
        Self { type_name: type_name.into(), format, data: data.into(), properties: BTreeMap::new() }
    }
}

/// Which version of which type a registered schema is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionInfo {
    /// The schema's type.
    pub type_name: String,
    /// The format's full name.
    pub format: String,
    /// Counts the versions of (format, type), from 0.
    pub version: u32,
    /// Counts all schemas of the group, from 0.
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

/// What stands in an event's header: one pair of schema version and codec of a group, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EncodingId(pub u32);

/// What an encoding id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodingInfo {
    /// The writer's schema.
    pub schema: SchemaInfo,
    /// Its version.
    pub version: VersionInfo,
    /// What the bytes behind the header were put through.
    pub codec: CodecType,
}

/// A codec by name; `""` is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CodecType {
    /// Its name, for example `application/x-gzip`.
    pub name: String,
    /// What its decoder needs to know.
    pub properties: BTreeMap<String, String>,
}

/// One line of a group's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRecord {
    /// The schema, as it was sent.
    pub schema: SchemaInfo,
    /// Its version.
    pub version: VersionInfo,
    /// The rule in force when it was added.
    pub compatibility: Compatibility,
    /// When it was added, milliseconds since 1970 UTC.
    pub timestamp_ms: u64,
}
