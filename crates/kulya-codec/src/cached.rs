//! A registry that is asked once for what never changes, so that a process's many writers and readers cost it little, and
//! go on while it is away.

use crate::answers::Answers;
use crate::{RegistryResult, SchemaRegistry};
use async_trait::async_trait;
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use std::sync::Arc;

/// The most that is kept of each kind of answer.
const MOST_KEPT: usize = 1_000;

/// Keeps another registry's lasting answers: which version a schema is, the encoding id of a version and a codec, what an
/// encoding id stands for, that a group and a codec exist. Calls for the same at the same time become one. What changes
/// (a group's rule, its latest schemas, who may read) is asked each time.
///
/// As a Java writer does, which asks only when it is made, a writer goes on with an answer after another process has
/// deleted the schema (its ids stay readable) or the whole group (they do not). A group that is deleted through this
/// registry is forgotten.
pub struct CachedRegistry {
    registry: Arc<dyn SchemaRegistry>,
    groups: Answers<GroupId, ()>,
    added: Answers<SchemaKey, VersionInfo>,
    found: Answers<SchemaKey, VersionInfo>,
    encoding_ids: Answers<(GroupId, VersionInfo, String), EncodingId>,
    encodings: Answers<(GroupId, EncodingId), EncodingInfo>,
    codecs: Answers<(GroupId, String), ()>,
}

/// What a schema is known by (contract §2.1: its properties are no part of it). The bytes stand for their normal form:
/// two ways to write one schema cost two calls.
type SchemaKey = (GroupId, String, kulya_schema::Format, Vec<u8>);

fn schema_key(group: &GroupId, schema: &SchemaInfo) -> SchemaKey {
    (group.clone(), schema.type_name.clone(), schema.format.clone(), schema.data.clone())
}

impl CachedRegistry {
    /// Keeps nothing yet.
    pub fn new(registry: Arc<dyn SchemaRegistry>) -> Self {
        Self {
            registry,
            groups: Answers::new(MOST_KEPT),
            added: Answers::new(MOST_KEPT),
            found: Answers::new(MOST_KEPT),
            encoding_ids: Answers::new(MOST_KEPT),
            encodings: Answers::new(MOST_KEPT),
            codecs: Answers::new(MOST_KEPT),
        }
    }

    fn forget(&self, group: &GroupId) {
        self.groups.forget_keys(|key| key == group);
        self.added.forget_keys(|key| key.0 == *group);
        self.found.forget_keys(|key| key.0 == *group);
        self.encoding_ids.forget_keys(|key| key.0 == *group);
        self.encodings.forget_keys(|key| key.0 == *group);
        self.codecs.forget_keys(|key| key.0 == *group);
    }
}

#[async_trait]
impl SchemaRegistry for CachedRegistry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        let mut made = false;
        let call = || async {
            made = self.registry.create_group(group, properties).await?;
            Ok(())
        };
        self.groups.get(group.clone(), call).await?;
        Ok(made)
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        self.registry.group(group).await
    }

    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        self.registry.groups(namespace).await
    }

    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        let deleted = self.registry.delete_group(group).await;
        // also after a failure: it may have been deleted all the same
        self.forget(group);
        deleted
    }

    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let key = schema_key(group, &schema);
        self.added.get(key, || self.registry.add_schema(group, schema)).await
    }

    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let key = schema_key(group, &schema);
        self.found.get(key, || self.registry.find_schema(group, schema)).await
    }

    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        self.registry.latest_schemas(group, type_name).await
    }

    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        self.registry.schema_versions(group, type_name).await
    }

    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        self.registry.schema(group, id).await
    }

    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        self.registry.can_read(group, schema).await
    }

    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        self.registry.history(group).await
    }

    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        let key = (group.clone(), version.clone(), codec.to_owned());
        self.encoding_ids.get(key, || self.registry.encoding_id(group, version, codec)).await
    }

    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        self.encodings.get((group.clone(), id), || self.registry.encoding(group, id)).await
    }

    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        self.registry.codec_types(group).await
    }

    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        let key = (group.clone(), codec.name.clone());
        self.codecs.get(key, || self.registry.add_codec_type(group, codec)).await
    }
}
