//! The client's part of the contract: what serializers, deserializers, the catalog and capture need of a registry.

use crate::RegistryResult;
use async_trait::async_trait;
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};

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
