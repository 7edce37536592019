//! What writers, readers, the catalog and CDC ask of a schema registry, wherever it runs; what those who look after one
//! ask beside it is in [`administration`].

pub mod administration;

use async_trait::async_trait;
use kulya_schema::decide::Refusal;
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use std::fmt;
use std::sync::Arc;

/// The registry's result.
pub type RegistryResult<T> = Result<T, RegistryError>;

/// A schema registry: in process, or over the network. Calls may be cancelled at any await.
#[async_trait]
pub trait SchemaRegistry: Send + Sync + 'static {
    /// Makes a group; `false` when there was one of that name.
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool>;
    /// A group's properties.
    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties>;
    /// Every group of a namespace, in name order.
    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>>;
    /// Removes a group with all it has; also fine when there is none.
    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()>;

    /// Registers a schema, or finds it again. A refusal is `Incompatible` and its text gives every reason.
    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo>;
    /// The version of a schema that was registered.
    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo>;
    /// The latest version of each type, or of one.
    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>>;
    /// Every live version in id order, of one type or all.
    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>>;
    /// A schema by its id.
    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo>;
    /// Whether this schema may read what the group holds, by the group's rule.
    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool>;
    /// Every live version with the rule and the time at which it was added.
    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>>;

    /// The encoding id of a schema version and a codec's name (`""`: none), made on first use.
    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId>;
    /// What an encoding id stands for. Never changes, so it may be cached for ever.
    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo>;
    /// The codecs a group's readers must know.
    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>>;
    /// Adds a codec; one of the same name stays as it was.
    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()>;
}

/// Kinds by what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryErrorKind {
    /// No such group, schema or encoding: create it, or mend the name.
    NotFound,
    /// The group's rule refuses the schema: the text says why; change the schema or the rule.
    Incompatible,
    /// The group holds another format: register it elsewhere.
    FormatMismatch,
    /// The codec was never registered with the group: add it first.
    CodecUnknown,
    /// The caller has no right to it: the text names the one that is missing.
    Denied,
    /// The request or the schema itself is wrong: mend it.
    InvalidInput,
    /// What was asked for is no longer kept: read the whole again.
    Gone,
    /// The registry, or its store, does not answer, or has no room: try again later.
    Unavailable,
    /// The registry failed; see its cause.
    Failed,
}

/// An error of a registry: its kind, a text that names the thing, and the cause. Those who waited for one answer share it,
/// so it can be cloned.
#[derive(Debug, Clone)]
pub struct RegistryError {
    kind: RegistryErrorKind,
    what: String,
    refusal: Option<Arc<Refusal>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl RegistryError {
    /// `what` is lower case, without a full stop, and names the thing.
    pub fn new(kind: RegistryErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), refusal: None, source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Attaches the reasons of a refused schema, for whoever shows them one by one.
    #[must_use]
    pub fn refusing(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(Arc::new(refusal));
        self
    }

    /// The reasons of an `Incompatible` schema; the text has them too. Nothing when the registry is one that tells the
    /// text alone.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }

    /// What the caller does next.
    pub fn kind(&self) -> RegistryErrorKind {
        self.kind
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
