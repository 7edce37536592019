//! A registry that counts its calls, answers when it is let, and is away when told.

use async_trait::async_trait;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

pub(crate) struct Outage {
    registry: Arc<dyn SchemaRegistry>,
    pub(crate) is_away: AtomicBool,
    calls: AtomicUsize,
    /// A call takes a permit before it is answered.
    pub(crate) answers: Semaphore,
}

impl Outage {
    pub(crate) fn of(registry: Arc<dyn SchemaRegistry>) -> Arc<Self> {
        let answers = Semaphore::new(Semaphore::MAX_PERMITS);
        Arc::new(Self { registry, is_away: false.into(), calls: 0.into(), answers })
    }

    /// The calls since this was last asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::SeqCst)
    }

    async fn door(&self) -> RegistryResult<&dyn SchemaRegistry> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.expect("it is never closed").forget();
        if self.is_away.load(Ordering::SeqCst) {
            return Err(RegistryError::new(RegistryErrorKind::Unavailable, "the registry is away"));
        }
        Ok(&*self.registry)
    }
}

#[async_trait]
impl SchemaRegistry for Outage {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        self.door().await?.create_group(group, properties).await
    }
    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        self.door().await?.group(group).await
    }
    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        self.door().await?.groups(namespace).await
    }
    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        self.door().await?.delete_group(group).await
    }
    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.door().await?.add_schema(group, schema).await
    }
    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        self.door().await?.find_schema(group, schema).await
    }
    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        self.door().await?.latest_schemas(group, type_name).await
    }
    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        self.door().await?.schema_versions(group, type_name).await
    }
    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        self.door().await?.schema(group, id).await
    }
    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        self.door().await?.can_read(group, schema).await
    }
    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        self.door().await?.history(group).await
    }
    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        self.door().await?.encoding_id(group, version, codec).await
    }
    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        self.door().await?.encoding(group, id).await
    }
    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        self.door().await?.codec_types(group).await
    }
    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        self.door().await?.add_codec_type(group, codec).await
    }
}
