//! [`SchemaRegistry`] over gRPC: each method sends one message.

use super::{Client, PAGE, RemoteRegistry};
use async_trait::async_trait;
use kulya_registry_api::administration::{PageRequest, RegistryAdministration};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, EncodingId, EncodingInfo, GroupId, GroupProperties, HistoryRecord, SchemaInfo,
    SchemaWithVersion, VersionInfo, validation,
};
use kulya_wire::registry::{error, v1};
use v1::add_schema_reply::Reply;

/// Validates a schema and converts it.
pub(super) fn schema_message(schema: SchemaInfo) -> RegistryResult<Option<v1::Schema>> {
    let invalid =
        |error: kulya_schema::Error| RegistryError::new(RegistryErrorKind::InvalidInput, error.to_string());
    validation::check_schema(&schema).map_err(invalid)?;
    Ok(Some(schema.into()))
}

pub(super) fn group_message(group: &GroupId) -> Option<v1::Group> {
    Some(group.clone().into())
}

fn schema_request(group: &GroupId, schema: SchemaInfo) -> RegistryResult<v1::SchemaRequest> {
    Ok(v1::SchemaRequest { group: group_message(group), schema: schema_message(schema)? })
}

fn schemas_request(group: &GroupId, type_name: Option<&str>) -> v1::SchemasRequest {
    v1::SchemasRequest { group: group_message(group), r#type: type_name.map(str::to_owned) }
}

impl From<RemoteRegistry> for Arc<dyn SchemaRegistry> {
    fn from(registry: RemoteRegistry) -> Self {
        Arc::new(registry)
    }
}

impl RemoteRegistry {
    /// Converts the reply to an addition.
    pub(super) fn added_version(&self, reply: v1::AddSchemaReply) -> RegistryResult<VersionInfo> {
        match self.required(reply.reply, "version")? {
            Reply::Version(version) => Ok(version.into()),
            Reply::Refused(detail) => Err(error::from_detail(detail)),
        }
    }
}

use std::sync::Arc;
#[async_trait]
impl SchemaRegistry for RemoteRegistry {
    async fn create_group(&self, group: &GroupId, properties: GroupProperties) -> RegistryResult<bool> {
        let request =
            v1::CreateGroupRequest { group: group_message(group), properties: Some(properties.into()) };
        super::check_size(&request)?;
        let mut client = super::client(self.0.shared());
        let what = format!("group {group} was created");
        self.ping().await?;
        Ok(self.non_idempotent_response(&what, client.create_group(request).await)?.created)
    }

    async fn group(&self, group: &GroupId) -> RegistryResult<GroupProperties> {
        let call = |mut client: Client, request| async move { client.describe_group(request).await };
        let reply = self.call(v1::GroupRequest { group: group_message(group) }, call).await?;
        self.convert(self.required(reply.properties, "properties")?)
    }

    async fn groups(&self, namespace: &str) -> RegistryResult<Vec<(GroupId, GroupProperties)>> {
        let (mut groups, mut request) = (Vec::new(), PageRequest::first(PAGE));
        loop {
            let page = self.groups_page(namespace, &request).await?;
            groups.extend(page.items);
            match page.next {
                Some(next) => request.after = next,
                None => return Ok(groups),
            }
        }
    }

    async fn delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        let call = |mut client: Client, request| async move { client.delete_group(request).await };
        let request = v1::DeleteGroupRequest { group: group_message(group), force: false };
        self.call(request, call).await.map(drop)
    }

    async fn add_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let call = |mut client: Client, request| async move { client.add_schema(request).await };
        let reply = self.call(schema_request(group, schema)?, call).await?;
        self.added_version(reply)
    }

    async fn find_schema(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<VersionInfo> {
        let call = |mut client: Client, request| async move { client.find_schema(request).await };
        Ok(self.call(schema_request(group, schema)?, call).await?.into())
    }

    async fn latest_schemas(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let call = |mut client: Client, request| async move { client.latest_schemas(request).await };
        let items = |reply: v1::SchemasReply| reply.schemas;
        self.convert_all(self.collect(schemas_request(group, type_name), call, items).await?)
    }

    async fn schema_versions(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
    ) -> RegistryResult<Vec<SchemaWithVersion>> {
        let call = |mut client: Client, request| async move { client.list_schemas(request).await };
        let items = |reply: v1::SchemasReply| reply.schemas;
        self.convert_all(self.collect(schemas_request(group, type_name), call, items).await?)
    }

    async fn schema(&self, group: &GroupId, id: u32) -> RegistryResult<SchemaInfo> {
        let call = |mut client: Client, request| async move { client.get_schema(request).await };
        self.convert(self.call(v1::SchemaIdRequest { group: group_message(group), id }, call).await?)
    }

    async fn can_read(&self, group: &GroupId, schema: SchemaInfo) -> RegistryResult<bool> {
        let call = |mut client: Client, request| async move { client.can_read(request).await };
        Ok(self.call(schema_request(group, schema)?, call).await?.compatible)
    }

    async fn history(&self, group: &GroupId) -> RegistryResult<Vec<HistoryRecord>> {
        let call = |mut client: Client, request| async move { client.list_history(request).await };
        let request = v1::GroupRequest { group: group_message(group) };
        self.convert_all(self.collect(request, call, |reply: v1::HistoryReply| reply.records).await?)
    }

    async fn encoding_id(
        &self,
        group: &GroupId,
        version: &VersionInfo,
        codec: &str,
    ) -> RegistryResult<EncodingId> {
        let call = |mut client: Client, request| async move { client.get_encoding_id(request).await };
        let version = Some(version.clone().into());
        let request = v1::EncodingIdRequest { group: group_message(group), version, codec: codec.to_owned() };
        Ok(EncodingId(self.call(request, call).await?.id))
    }

    async fn encoding(&self, group: &GroupId, id: EncodingId) -> RegistryResult<EncodingInfo> {
        let call = |mut client: Client, request| async move { client.get_encoding(request).await };
        self.convert(self.call(v1::EncodingRequest { group: group_message(group), id: id.0 }, call).await?)
    }

    async fn codec_types(&self, group: &GroupId) -> RegistryResult<Vec<CodecType>> {
        let call = |mut client: Client, request| async move { client.list_codecs(request).await };
        let reply = self.call(v1::GroupRequest { group: group_message(group) }, call).await?;
        Ok(reply.codecs.into_iter().map(Into::into).collect())
    }

    async fn add_codec_type(&self, group: &GroupId, codec: CodecType) -> RegistryResult<()> {
        let call = |mut client: Client, request| async move { client.add_codec(request).await };
        let request = v1::AddCodecRequest { group: group_message(group), codec: Some(codec.into()) };
        self.call(request, call).await.map(drop)
    }
}
