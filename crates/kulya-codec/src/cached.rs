//! A registry with a cache of what never changes, so that many serializers and deserializers of a process
//! make few calls, and continue during an outage of the registry.

use crate::single_flight::SingleFlightCache;
use crate::{RegistryResult, SchemaRegistry};
use async_trait::async_trait;
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use std::sync::Arc;

/// The capacity of each cache, in responses.
const MAX_ENTRIES: usize = 1_000;

/// Caches another registry's immutable responses: the version of a schema, the encoding id of a version and a
/// codec, the schema and codec of an encoding id, that a group and a codec exist. Concurrent calls for the
/// same key become one. What can change (a group's policy, its latest schemas, who can read) is not cached.
///
/// A serializer continues with a cached response after another process has deleted the schema (its ids stay
/// readable) or the whole group (its ids do not), as a Java serializer does, which calls the registry only
/// when it is created. Deleting a group through this registry invalidates its entries.
pub struct CachedRegistry {
    registry: Arc<dyn SchemaRegistry>,
    groups: SingleFlightCache<GroupId, ()>,
    added: SingleFlightCache<SchemaKey, VersionInfo>,
    found: SingleFlightCache<SchemaKey, VersionInfo>,
    encoding_ids: SingleFlightCache<(GroupId, VersionInfo, String), EncodingId>,
    encodings: SingleFlightCache<(GroupId, EncodingId), EncodingInfo>,
    codecs: SingleFlightCache<(GroupId, String), ()>,
}

/// The identity of a schema (contract §2.1: its properties are not part of it). Compares the bytes and not
/// their canonical form, so that two spellings of one schema cost two calls.
type SchemaKey = (GroupId, String, kulya_schema::Format, Vec<u8>);

fn schema_key(group: &GroupId, schema: &SchemaInfo) -> SchemaKey {
    (group.clone(), schema.type_name.clone(), schema.format.clone(), schema.data.clone())
}

impl CachedRegistry {
    /// Creates an empty cache in front of a registry.
    pub fn new(registry: impl Into<Arc<dyn SchemaRegistry>>) -> Self {
        Self {
            registry: registry.into(),
            groups: SingleFlightCache::new(MAX_ENTRIES),
            added: SingleFlightCache::new(MAX_ENTRIES),
            found: SingleFlightCache::new(MAX_ENTRIES),
            encoding_ids: SingleFlightCache::new(MAX_ENTRIES),
            encodings: SingleFlightCache::new(MAX_ENTRIES),
            codecs: SingleFlightCache::new(MAX_ENTRIES),
        }
    }

    fn invalidate(&self, group: &GroupId) {
        self.groups.invalidate(|key| key == group);
        self.added.invalidate(|key| key.0 == *group);
        self.found.invalidate(|key| key.0 == *group);
        self.encoding_ids.invalidate(|key| key.0 == *group);
        self.encodings.invalidate(|key| key.0 == *group);
        self.codecs.invalidate(|key| key.0 == *group);
    }
}

impl From<CachedRegistry> for Arc<dyn SchemaRegistry> {
    fn from(registry: CachedRegistry) -> Self {
        Arc::new(registry)
    }
}

#[async_trait]
impl SchemaRegistry for CachedRegistry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        let mut created = false;
        let call = || async {
            created = self.registry.create_group(group, properties).await?;
            Ok(())
        };
        self.groups.get(group.clone(), call).await?;
        Ok(created)
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        self.registry.group(group).await
    }

    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        self.registry.groups(namespace).await
    }

    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        let deleted = self.registry.delete_group(group).await;
        // also after an error: the group may have been deleted nevertheless
        self.invalidate(group);
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
