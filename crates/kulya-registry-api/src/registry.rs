//! The client's part of the contract: what serializers, deserializers, the catalog and capture need of a
//! registry.

use crate::RegistryResult;
use async_trait::async_trait;
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};

/// A schema registry, in process or over the network. Every call may be cancelled at any await.
///
/// # Errors
/// Beside the kinds named at each method, any method returns `Unavailable` when the registry or its store
/// does not respond, `Denied` when the caller lacks a permission, and `Failed` for a failure of the registry
/// itself.
#[async_trait]
pub trait SchemaRegistry: Send + Sync + 'static {
    /// Creates a group; returns `false` when a group of that name exists.
    ///
    /// # Errors
    /// `InvalidInput` for a name or properties that the registry does not accept.
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool>;
    /// Returns a group's properties.
    ///
    /// # Errors
    /// `NotFound` when there is no such group.
    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties>;
    /// Returns all groups of a namespace, in name order.
    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>>;
    /// Deletes a group with all its schemas and encodings; succeeds also when there is none.
    ///
    /// # Errors
    /// `Referenced` when schemas of other groups refer to one of this group.
    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()>;

    /// Registers a schema, or finds it when it is registered already.
    ///
    /// # Errors
    /// `Incompatible` when the group's policy refuses the schema, with all reasons in the text;
    /// `FormatMismatch` when the group does not accept the format; `InvalidInput` for an invalid schema;
    /// `NotFound` when there is no such group.
    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo>;
    /// Returns the version of a registered schema.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, or the schema is not registered or deleted.
    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo>;
    /// Returns the latest version of each type, or of one.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, or no schema of the type.
    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>>;
    /// Returns all live versions, of one type or of all, in id order.
    ///
    /// # Errors
    /// `NotFound` when there is no such group.
    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>>;
    /// Returns a schema by its id, also a deleted one. A schema with references is returned self-contained,
    /// as everywhere in this trait.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or schema.
    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo>;
    /// Returns whether a reader with this schema can read the group's data, by the group's policy.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, `InvalidInput` for an invalid schema.
    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool>;
    /// Returns all live versions, each with the policy and the time of its addition.
    ///
    /// # Errors
    /// `NotFound` when there is no such group.
    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>>;

    /// Returns the encoding id of a schema version and a codec's name (`""` for no codec). The first call
    /// allocates it.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or version, `CodecUnknown` when the codec is not registered
    /// with the group.
    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId>;
    /// Returns the schema and the codec of an encoding id. They never change, so the result can be cached
    /// without expiry.
    ///
    /// # Errors
    /// `NotFound` when there is no such group or encoding.
    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo>;
    /// Returns the codecs registered with a group, all of which its readers must support.
    ///
    /// # Errors
    /// `NotFound` when there is no such group.
    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>>;
    /// Registers a codec with a group; a registered codec of the same name stays unchanged.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, `InvalidInput` for a name or properties that the registry does
    /// not accept.
    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()>;
}
