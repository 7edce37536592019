//! The service of the registry: converts each call's message to the contract's values, and the registry's
//! result to a message.

use super::super::authorization::CallAuthorization;
use super::super::streaming::{self, shutting_down};
use super::responses::{
    ItemStream, RecordStream, ReplyStream, ServiceResult, page, registry_status, respond, split,
};
use crate::middleware::ProtectedRegistry;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_auth::operation::RegistryCall;
use kulya_auth::permission::Permission::{Read, ReadUpdate};
use kulya_registry::{Listing, Registry};
use kulya_registry_api::administration::{
    Change, CheckOptions, ExportLine, GroupChange, OnConflict, PageRequest, RegistryAdministration, Search,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, EncodingId, GroupId, GroupProperties, HistoryRecord, SchemaInfo, SchemaWithVersion,
    VersionInfo,
};
use kulya_wire::registry::{self as wire, error, required, v1};
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, Streaming};
use v1::add_schema_reply::Reply;
use v1::schema_registry_server::SchemaRegistry as Service;

/// Items per page by default.
const DEFAULT_LIMIT: usize = 100;

/// The service of the registry.
pub(super) struct RegistryService {
    registry: ProtectedRegistry,
    /// True when the server shuts down.
    stopping: watch::Receiver<bool>,
}

fn invalid(what: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

fn group(message: Option<v1::Group>) -> Result<GroupId, Status> {
    required(message, "group").map(Into::into).map_err(registry_status)
}

fn parse<T, M>(message: Option<M>, what: &str) -> Result<T, Status>
where
    T: TryFrom<M, Error = RegistryError>,
{
    required(message, what).and_then(T::try_from).map_err(registry_status)
}

fn parse_optional<T, M>(message: Option<M>) -> Result<Option<T>, Status>
where
    T: TryFrom<M, Error = RegistryError>,
{
    message.map(T::try_from).transpose().map_err(registry_status)
}

/// Returns the requested page, by default the first.
fn page_request(message: Option<v1::Page>) -> PageRequest {
    message.map_or_else(|| PageRequest::first(DEFAULT_LIMIT), Into::into)
}

impl RegistryService {
    pub(super) fn new(registry: Arc<Registry>, stopping: watch::Receiver<bool>) -> Self {
        Self { registry: ProtectedRegistry::new(registry), stopping }
    }

    /// Responds with schemas and their versions, split into replies.
    fn schemas(
        &self,
        found: BoxStream<'static, RegistryResult<HistoryRecord>>,
        authorization: &CallAuthorization,
    ) -> Response<ReplyStream<v1::SchemasReply>> {
        let reply = |records: Vec<HistoryRecord>| {
            let with_version =
                |HistoryRecord { schema, version, .. }| SchemaWithVersion { schema, version }.into();
            v1::SchemasReply { schemas: records.into_iter().map(with_version).collect() }
        };
        let share = authorization.context().bytes().clone();
        let records = RecordStream::new(found, bytes_of_schema, reply, share, self.stopping.clone());
        Response::new(streaming::into_stream(records))
    }
}

/// The approximate bytes of a record.
fn bytes_of_schema(record: &HistoryRecord) -> usize {
    record.schema.data.len() + 1024
}

fn done(result: RegistryResult<()>) -> ServiceResult<v1::Done> {
    result.map(|()| Response::new(v1::Done {})).map_err(registry_status)
}

/// Responds with the version of an added schema, or with the reasons against it, which may be too many for a
/// status.
fn added(result: RegistryResult<VersionInfo>) -> ServiceResult<v1::AddSchemaReply> {
    use RegistryErrorKind::{FormatMismatch, Incompatible};
    let reply = match result {
        Ok(version) => Reply::Version(version.into()),
        Err(error) if matches!(error.kind(), Incompatible | FormatMismatch) => {
            Reply::Refused(error::to_detail(&error))
        }
        Err(error) => return Err(registry_status(error)),
    };
    Ok(Response::new(v1::AddSchemaReply { reply: Some(reply) }))
}

#[tonic::async_trait]
impl Service for RegistryService {
    async fn describe(&self, _: Request<v1::DescribeRequest>) -> ServiceResult<v1::DescribeReply> {
        let version = concat!("kulya ", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(Response::new(v1::DescribeReply { version }))
    }

    async fn list_namespaces(
        &self,
        request: Request<v1::ListNamespacesRequest>,
    ) -> ServiceResult<v1::NamespacesReply> {
        let authorization = CallAuthorization::of(&request);
        let requested = page_request(request.into_inner().page);
        let registry = &authorization.registry(&self.registry);
        page(requested, |part| async move { registry.namespaces(&part).await }).await
    }

    async fn list_groups(&self, request: Request<v1::ListGroupsRequest>) -> ServiceResult<v1::GroupsReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::ListGroupsRequest { namespace, page: requested } = request.into_inner();
        let (registry, namespace) = (&authorization.registry(&self.registry), &namespace);
        page(page_request(requested), |part| async move { registry.groups_page(namespace, &part).await })
            .await
    }

    async fn create_group(
        &self,
        request: Request<v1::CreateGroupRequest>,
    ) -> ServiceResult<v1::CreateGroupReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::CreateGroupRequest { group: name, properties } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::CreateGroup, &group)?;
        let properties: GroupProperties = parse(properties, "properties")?;
        let created = authorization
            .registry(&self.registry)
            .create_group(&group, properties)
            .await
            .map_err(registry_status)?;
        Ok(Response::new(v1::CreateGroupReply { created }))
    }

    async fn describe_group(&self, request: Request<v1::GroupRequest>) -> ServiceResult<v1::GroupReply> {
        let authorization = CallAuthorization::of(&request);
        let group = group(request.into_inner().group)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let properties =
            authorization.registry(&self.registry).group(&group).await.map_err(registry_status)?;
        Ok(Response::new(v1::GroupReply { properties: Some(properties.into()) }))
    }

    async fn change_group(
        &self,
        request: Request<v1::ChangeGroupRequest>,
    ) -> ServiceResult<v1::ChangeGroupReply> {
        let authorization = CallAuthorization::of(&request);
        let mut request = request.into_inner();
        let group = group(request.group.take())?;
        authorization.registry_call(RegistryCall::UpdateCompatibility, &group)?;
        let change = GroupChange::try_from(request).map_err(registry_status)?;
        let properties = authorization
            .registry(&self.registry)
            .change_group(&group, change)
            .await
            .map_err(registry_status)?;
        Ok(Response::new(v1::ChangeGroupReply { properties: properties.map(Into::into) }))
    }

    async fn delete_group(&self, request: Request<v1::DeleteGroupRequest>) -> ServiceResult<v1::Done> {
        let authorization = CallAuthorization::of(&request);
        let v1::DeleteGroupRequest { group: name, force } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::DeleteGroup, &group)?;
        let registry = authorization.registry(&self.registry);
        done(if force {
            registry.force_delete_group(&group).await
        } else {
            registry.delete_group(&group).await
        })
    }

    async fn add_schema(&self, request: Request<v1::SchemaRequest>) -> ServiceResult<v1::AddSchemaReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::SchemaRequest { group: name, schema } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::AddSchema, &group)?;
        let schema: SchemaInfo = parse(schema, "schema")?;
        added(authorization.registry(&self.registry).add_schema(&group, schema).await)
    }

    async fn add_schema_with_references(
        &self,
        request: Request<v1::AddSchemaWithReferencesRequest>,
    ) -> ServiceResult<v1::AddSchemaReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::AddSchemaWithReferencesRequest { group: name, schema, references } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::AddSchema, &group)?;
        let schema: SchemaInfo = parse(schema, "schema")?;
        let references = wire::references(references).map_err(registry_status)?;
        let registry = authorization.registry(&self.registry);
        added(registry.add_schema_with_references(&group, schema, references).await)
    }

    async fn resolve_references(
        &self,
        request: Request<v1::ResolveReferencesRequest>,
    ) -> ServiceResult<v1::Schema> {
        let authorization = CallAuthorization::of(&request);
        let v1::ResolveReferencesRequest { schema, references } = request.into_inner();
        let references = wire::references(references).map_err(registry_status)?;
        // the registry checks the permission on each group that it refers to
        let registry = authorization.registry(&self.registry);
        respond(registry.resolve_references(parse(schema, "schema")?, references).await)
    }

    async fn get_registered_schema(
        &self,
        request: Request<v1::SchemaIdRequest>,
    ) -> ServiceResult<v1::RegisteredSchema> {
        let authorization = CallAuthorization::of(&request);
        let v1::SchemaIdRequest { group: name, id } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        respond(authorization.registry(&self.registry).registered_schema(&group, id).await)
    }

    async fn referenced_by(
        &self,
        request: Request<v1::ReferencedByRequest>,
    ) -> ServiceResult<v1::ReferencedByReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::ReferencedByRequest { group: name, id, page: requested } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let (registry, group) = (&authorization.registry(&self.registry), &group);
        page(page_request(requested), |part| async move { registry.referenced_by(group, id, &part).await })
            .await
    }

    async fn find_schema(&self, request: Request<v1::SchemaRequest>) -> ServiceResult<v1::Version> {
        let authorization = CallAuthorization::of(&request);
        let v1::SchemaRequest { group: name, schema } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        respond(authorization.registry(&self.registry).find_schema(&group, parse(schema, "schema")?).await)
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> ServiceResult<v1::Verdict> {
        let authorization = CallAuthorization::of(&request);
        let v1::CheckRequest { group: name, schema, compatibility, rules } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let question = CheckOptions {
            compatibility: parse_optional(compatibility)?,
            rules: parse_optional(rules)?,
            references: Vec::new(),
        };
        respond(
            authorization.registry(&self.registry).check(&group, parse(schema, "schema")?, question).await,
        )
    }

    async fn can_read(&self, request: Request<v1::SchemaRequest>) -> ServiceResult<v1::CanReadReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::SchemaRequest { group: name, schema } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let compatible =
            authorization.registry(&self.registry).can_read(&group, parse(schema, "schema")?).await;
        Ok(Response::new(v1::CanReadReply { compatible: compatible.map_err(registry_status)? }))
    }

    type LatestSchemasStream = ReplyStream<v1::SchemasReply>;

    async fn latest_schemas(
        &self,
        request: Request<v1::SchemasRequest>,
    ) -> ServiceResult<Self::LatestSchemasStream> {
        let authorization = CallAuthorization::of(&request);
        let v1::SchemasRequest { group: name, r#type } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let registry = authorization.registry(&self.registry);
        let found = registry.live_schemas(&group, Listing::Latest(r#type.as_deref())).await;
        Ok(self.schemas(found.map_err(registry_status)?, &authorization))
    }

    type ListSchemasStream = ReplyStream<v1::SchemasReply>;

    async fn list_schemas(
        &self,
        request: Request<v1::SchemasRequest>,
    ) -> ServiceResult<Self::ListSchemasStream> {
        let authorization = CallAuthorization::of(&request);
        let v1::SchemasRequest { group: name, r#type } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let registry = authorization.registry(&self.registry);
        let found = registry.live_schemas(&group, Listing::Versions(r#type.as_deref())).await;
        Ok(self.schemas(found.map_err(registry_status)?, &authorization))
    }

    type ListHistoryStream = ReplyStream<v1::HistoryReply>;

    async fn list_history(
        &self,
        request: Request<v1::GroupRequest>,
    ) -> ServiceResult<Self::ListHistoryStream> {
        let authorization = CallAuthorization::of(&request);
        let group = group(request.into_inner().group)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let found =
            authorization.registry(&self.registry).live_schemas(&group, Listing::Versions(None)).await;
        let reply = |records: Vec<HistoryRecord>| v1::HistoryReply {
            records: records.into_iter().map(Into::into).collect(),
        };
        let share = authorization.context().bytes().clone();
        let records = RecordStream::new(
            found.map_err(registry_status)?,
            bytes_of_schema,
            reply,
            share,
            self.stopping.clone(),
        );
        Ok(Response::new(streaming::into_stream(records)))
    }

    async fn list_versions(
        &self,
        request: Request<v1::ListVersionsRequest>,
    ) -> ServiceResult<v1::VersionsReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::ListVersionsRequest { group: name, r#type, page: requested } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let (registry, group, type_name) =
            (&authorization.registry(&self.registry), &group, r#type.as_deref());
        let read = |part| async move { registry.versions_page(group, type_name, &part).await };
        page(page_request(requested), read).await
    }

    async fn get_schema(&self, request: Request<v1::SchemaIdRequest>) -> ServiceResult<v1::Schema> {
        let authorization = CallAuthorization::of(&request);
        let v1::SchemaIdRequest { group: name, id } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        respond(authorization.registry(&self.registry).schema(&group, id).await)
    }

    async fn get_version_id(
        &self,
        request: Request<v1::VersionIdRequest>,
    ) -> ServiceResult<v1::VersionIdReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::VersionIdRequest { group: name, format, r#type, version } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let id = authorization
            .registry(&self.registry)
            .version_id(&group, &format, &r#type, version)
            .await
            .map_err(registry_status)?;
        Ok(Response::new(v1::VersionIdReply { id }))
    }

    async fn delete_schema(&self, request: Request<v1::DeleteSchemaRequest>) -> ServiceResult<v1::Done> {
        let authorization = CallAuthorization::of(&request);
        let v1::DeleteSchemaRequest { group: name, id, force } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::DeleteSchema, &group)?;
        let registry = authorization.registry(&self.registry);
        done(match force {
            true => registry.force_delete_schema(&group, id).await,
            false => registry.delete_schema(&group, id).await,
        })
    }

    type AddedToStream = ReplyStream<v1::AddedToReply>;

    async fn added_to(&self, request: Request<v1::AddedToRequest>) -> ServiceResult<Self::AddedToStream> {
        let authorization = CallAuthorization::of(&request);
        let v1::AddedToRequest { namespace, schema } = request.into_inner();
        authorization.registry_call(RegistryCall::AddedTo, &GroupId::new(&namespace, ""))?;
        let found = authorization
            .registry(&self.registry)
            .schema_references(&namespace, parse(schema, "schema")?)
            .await
            .map_err(registry_status)?;
        let holder =
            |(group, version): (String, VersionInfo)| v1::Holder { group, version: Some(version.into()) };
        let holders: Vec<v1::Holder> = found.into_iter().map(holder).collect();
        Ok(split(holders, |holders| v1::AddedToReply { holders }))
    }

    async fn compare(&self, request: Request<v1::CompareRequest>) -> ServiceResult<v1::Comparison> {
        let authorization = CallAuthorization::of(&request);
        let v1::CompareRequest { group: name, from, to } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        respond(authorization.registry(&self.registry).compare(&group, from, to).await)
    }

    async fn search(&self, request: Request<v1::SearchRequest>) -> ServiceResult<v1::SearchReply> {
        let authorization = CallAuthorization::of(&request);
        let mut request = request.into_inner();
        let requested = page_request(request.page.take());
        // the whole registry without a namespace
        let search = Search::from(request);
        authorization.namespace(search.namespace.as_deref(), Read)?;
        let (registry, search) = (&authorization.registry(&self.registry), &search);
        page(requested, |part| async move { registry.search(search, &part).await }).await
    }

    async fn get_encoding_id(
        &self,
        request: Request<v1::EncodingIdRequest>,
    ) -> ServiceResult<v1::EncodingIdReply> {
        let authorization = CallAuthorization::of(&request);
        let v1::EncodingIdRequest { group: name, version, codec } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::EncodingId, &group)?;
        let version = required(version, "version").map(VersionInfo::from).map_err(registry_status)?;
        let id = authorization
            .registry(&self.registry)
            .encoding_id(&group, &version, &codec)
            .await
            .map_err(registry_status)?;
        Ok(Response::new(v1::EncodingIdReply { id: id.0 }))
    }

    async fn get_encoding(&self, request: Request<v1::EncodingRequest>) -> ServiceResult<v1::Encoding> {
        let authorization = CallAuthorization::of(&request);
        let v1::EncodingRequest { group: name, id } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        respond(authorization.registry(&self.registry).encoding(&group, EncodingId(id)).await)
    }

    async fn list_codecs(&self, request: Request<v1::GroupRequest>) -> ServiceResult<v1::CodecsReply> {
        let authorization = CallAuthorization::of(&request);
        let group = group(request.into_inner().group)?;
        authorization.registry_call(RegistryCall::ReadGroup, &group)?;
        let codecs =
            authorization.registry(&self.registry).codec_types(&group).await.map_err(registry_status)?;
        Ok(Response::new(v1::CodecsReply { codecs: codecs.into_iter().map(Into::into).collect() }))
    }

    async fn add_codec(&self, request: Request<v1::AddCodecRequest>) -> ServiceResult<v1::Done> {
        let authorization = CallAuthorization::of(&request);
        let v1::AddCodecRequest { group: name, codec } = request.into_inner();
        let group = group(name)?;
        authorization.registry_call(RegistryCall::AddCodec, &group)?;
        let codec = required(codec, "codec").map(CodecType::from).map_err(registry_status)?;
        done(authorization.registry(&self.registry).add_codec_type(&group, codec).await)
    }

    type ExportStream = ReplyStream<v1::ExportLine>;

    async fn export(&self, request: Request<v1::ExportRequest>) -> ServiceResult<Self::ExportStream> {
        let authorization = CallAuthorization::of(&request);
        // the whole registry without a namespace
        let v1::ExportRequest { namespace } = request.into_inner();
        authorization.namespace(namespace.as_deref(), Read)?;
        let lines = authorization
            .registry(&self.registry)
            .export(namespace.as_deref())
            .await
            .map_err(registry_status)?;
        // one line per reply, whatever its size
        let bytes_of = |_: &ExportLine| usize::MAX / 2;
        let reply = |mut lines: Vec<ExportLine>| lines.pop().map(v1::ExportLine::from).unwrap_or_default();
        let share = authorization.context().bytes().clone();
        let records = RecordStream::new(lines, bytes_of, reply, share, self.stopping.clone());
        Ok(Response::new(streaming::into_stream(records)))
    }

    async fn import(&self, request: Request<Streaming<v1::ImportRequest>>) -> ServiceResult<v1::ImportReply> {
        let authorization = CallAuthorization::of(&request);
        authorization.namespace(None, ReadUpdate)?;
        let mut requests = request.into_inner();
        let existing: OnConflict = match requests.message().await?.and_then(|first| first.request) {
            Some(v1::import_request::Request::Begin(begin)) => begin.try_into().map_err(registry_status)?,
            _ => return Err(registry_status(invalid("the first request of an import must be a begin"))),
        };
        // the permission on each group is checked when its line arrives
        let lines = requests.map(parse_line).boxed();
        let registry = authorization.registry(&self.registry);
        let mut stopping = self.stopping.clone();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => Err(shutting_down()),
            imported = registry.import(lines, existing) => respond(imported),
        }
    }

    type WatchStream = ReplyStream<v1::WatchReply>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> ServiceResult<Self::WatchStream> {
        let authorization = CallAuthorization::of(&request);
        // the whole registry
        authorization.namespace(None, Read)?;
        let registry = authorization.registry(&self.registry);
        let position = match request.into_inner().from {
            Some(position) => position,
            None => registry.changelog_tail().await.map_err(registry_status)?,
        };
        let lines = registry.changes(Some(&position)).await.map_err(registry_status)?;
        let reply = |(position, change): (String, Change)| v1::WatchReply {
            place: position,
            change: Some(change.into()),
        };
        let changes =
            streaming::into_stream(ItemStream { items: lines, stopping: self.stopping.clone(), reply });
        let first = v1::WatchReply { place: position, change: None };
        Ok(Response::new(stream::once(std::future::ready(Ok(first))).chain(changes).boxed()))
    }
}

/// Parses a line of an import.
fn parse_line(request: Result<v1::ImportRequest, Status>) -> RegistryResult<ExportLine> {
    let request = request.map_err(|status| match status.code() {
        Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument => {
            invalid("a line of the import is too large or invalid").because(status)
        }
        _ => RegistryError::new(RegistryErrorKind::Unavailable, "connection closed during the import")
            .because(status),
    })?;
    match request.request {
        Some(v1::import_request::Request::Line(line)) => line.try_into(),
        _ => Err(invalid("a request of the import has no line")),
    }
}
