//! A registry that counts its calls, delays its responses, and can be made unavailable.

use async_trait::async_trait;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

pub(crate) struct FlakyRegistry {
    registry: Arc<dyn SchemaRegistry>,
    pub(crate) is_unavailable: AtomicBool,
    calls: AtomicUsize,
    /// A call acquires a permit before it responds.
    pub(crate) permits: Semaphore,
}

impl FlakyRegistry {
    pub(crate) fn new(registry: Arc<dyn SchemaRegistry>) -> Arc<Self> {
        let permits = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { registry, is_unavailable: false.into(), calls: 0.into(), permits })
    }

    /// Returns another handle of it.
    pub(crate) fn shared(self: &Arc<Self>) -> Arc<dyn SchemaRegistry> {
        Arc::<Self>::clone(self)
    }

    /// Returns the number of calls since the last call of this function.
    pub(crate) fn take_calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }

    async fn respond(&self) -> RegistryResult<&dyn SchemaRegistry> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.expect("the semaphore is never closed").forget();
        if self.is_unavailable.load(Ordering::SeqCst) {
            return Err(RegistryError::new(RegistryErrorKind::Unavailable, "the registry is unavailable"));
        }
        Ok(&*self.registry)
    }
}

#[async_trait]
impl SchemaRegistry for FlakyRegistry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        self.respond().await?.create_group(group, properties).await
    }
    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        self.respond().await?.group(group).await
    }
    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        self.respond().await?.groups(namespace).await
    }
    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        self.respond().await?.delete_group(group).await
    }
    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.respond().await?.add_schema(group, schema).await
    }
    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.respond().await?.find_schema(group, schema).await
    }
    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        self.respond().await?.latest_schemas(group, type_name).await
    }
    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        self.respond().await?.schema_versions(group, type_name).await
    }
    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        self.respond().await?.schema(group, id).await
    }
    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        self.respond().await?.can_read(group, schema).await
    }
    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        self.respond().await?.history(group).await
    }
    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        self.respond().await?.encoding_id(group, version, codec).await
    }
    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        self.respond().await?.encoding(group, id).await
    }
    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        self.respond().await?.codec_types(group).await
    }
    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        self.respond().await?.add_codec_type(group, codec).await
    }
}
