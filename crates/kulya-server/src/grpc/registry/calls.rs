//! Each call: its message to the contract's values, the registry's answer to a message.

use super::super::right::Rights;
use super::Served;
use super::follow::{self, ending};
use super::replies::{Lines, Records, Stream, Told, page, pieces, refusal, told};
use futures::stream::{self, BoxStream, StreamExt};
use kulya_auth::operation::RegistryCall;
use kulya_auth::permission::Permission::{Read, ReadUpdate};
use kulya_codec::administration::{
    Change, Existing, ExportLine, GroupChange, PageRequest, Question, RegistryAdministration, Search,
};
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_registry::Listing;
use kulya_schema::{
    CodecType, EncodingId, GroupId, GroupProperties, HistoryRecord, SchemaInfo, SchemaWithVersion,
    VersionInfo,
};
use kulya_wire::registry::{error, given, v1};
use tonic::{Code, Request, Response, Status, Streaming};
use v1::add_schema_reply::Reply;
use v1::schema_registry_server::SchemaRegistry as Service;

/// Items of a page when nothing else is asked for.
const DEFAULT_LIMIT: usize = 100;

fn wrong(what: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

fn group(message: Option<v1::Group>) -> Result<GroupId, Status> {
    given(message, "group").map(Into::into).map_err(refusal)
}

fn parsed<T, M>(message: Option<M>, what: &str) -> Result<T, Status>
where
    T: TryFrom<M, Error = RegistryError>,
{
    given(message, what).and_then(T::try_from).map_err(refusal)
}

fn maybe<T, M>(message: Option<M>) -> Result<Option<T>, Status>
where
    T: TryFrom<M, Error = RegistryError>,
{
    message.map(T::try_from).transpose().map_err(refusal)
}

/// What is not said is the first page.
fn part(message: Option<v1::Page>) -> PageRequest {
    message.map_or_else(|| PageRequest::first(DEFAULT_LIMIT), Into::into)
}

impl Served {
    /// Schemas with their versions, in as many replies as it takes.
    fn schemas(
        &self,
        found: BoxStream<'static, RegistryResult<HistoryRecord>>,
        rights: &Rights,
    ) -> Response<Stream<v1::SchemasReply>> {
        let reply = |records: Vec<HistoryRecord>| {
            let with_version =
                |HistoryRecord { schema, version, .. }| SchemaWithVersion { schema, version }.into();
            v1::SchemasReply { schemas: records.into_iter().map(with_version).collect() }
        };
        let share = rights.visit().bytes().clone();
        let records = Records::new(found, bytes_of_schema, reply, share, self.ends.clone());
        Response::new(follow::replies(records))
    }
}

/// About how many bytes a record has.
fn bytes_of_schema(record: &HistoryRecord) -> usize {
    record.schema.data.len() + 1024
}

fn done(answer: RegistryResult<()>) -> Told<v1::Done> {
    answer.map(|()| Response::new(v1::Done {})).map_err(refusal)
}

#[tonic::async_trait]
impl Service for Served {
    async fn describe(&self, _: Request<v1::DescribeRequest>) -> Told<v1::DescribeReply> {
        let version = concat!("kulya ", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(Response::new(v1::DescribeReply { version }))
    }

    async fn list_namespaces(
        &self,
        request: Request<v1::ListNamespacesRequest>,
    ) -> Told<v1::NamespacesReply> {
        let rights = Rights::of(&request);
        let asked = part(request.into_inner().page);
        let registry = &rights.registry(&self.registry);
        page(asked, |part| async move { registry.namespaces(&part).await }).await
    }

    async fn list_groups(&self, request: Request<v1::ListGroupsRequest>) -> Told<v1::GroupsReply> {
        let rights = Rights::of(&request);
        let v1::ListGroupsRequest { namespace, page: asked } = request.into_inner();
        let (registry, namespace) = (&rights.registry(&self.registry), &namespace);
        page(part(asked), |part| async move { registry.groups_page(namespace, &part).await }).await
    }

    async fn create_group(&self, request: Request<v1::CreateGroupRequest>) -> Told<v1::CreateGroupReply> {
        let rights = Rights::of(&request);
        let v1::CreateGroupRequest { group: name, properties } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::CreateGroup, &group)?;
        let properties: GroupProperties = parsed(properties, "properties")?;
        let created =
            rights.registry(&self.registry).create_group(&group, properties).await.map_err(refusal)?;
        Ok(Response::new(v1::CreateGroupReply { created }))
    }

    async fn describe_group(&self, request: Request<v1::GroupRequest>) -> Told<v1::GroupReply> {
        let rights = Rights::of(&request);
        let group = group(request.into_inner().group)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let properties = rights.registry(&self.registry).group(&group).await.map_err(refusal)?;
        Ok(Response::new(v1::GroupReply { properties: Some(properties.into()) }))
    }

    async fn change_group(&self, request: Request<v1::ChangeGroupRequest>) -> Told<v1::ChangeGroupReply> {
        let rights = Rights::of(&request);
        let mut request = request.into_inner();
        let group = group(request.group.take())?;
        rights.of_group(RegistryCall::UpdateCompatibility, &group)?;
        let change = GroupChange::try_from(request).map_err(refusal)?;
        let properties =
            rights.registry(&self.registry).change_group(&group, change).await.map_err(refusal)?;
        Ok(Response::new(v1::ChangeGroupReply { properties: properties.map(Into::into) }))
    }

    async fn delete_group(&self, request: Request<v1::GroupRequest>) -> Told<v1::Done> {
        let rights = Rights::of(&request);
        let group = group(request.into_inner().group)?;
        rights.of_group(RegistryCall::DeleteGroup, &group)?;
        done(rights.registry(&self.registry).delete_group(&group).await)
    }

    async fn add_schema(&self, request: Request<v1::SchemaRequest>) -> Told<v1::AddSchemaReply> {
        let rights = Rights::of(&request);
        let v1::SchemaRequest { group: name, schema } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::AddSchema, &group)?;
        let schema: SchemaInfo = parsed(schema, "schema")?;
        let reply = match rights.registry(&self.registry).add_schema(&group, schema).await {
            Ok(version) => Reply::Version(version.into()),
            Err(error)
                if matches!(
                    error.kind(),
                    RegistryErrorKind::Incompatible | RegistryErrorKind::FormatMismatch
                ) =>
            {
                Reply::Refused(error::detail(&error))
            }
            Err(error) => return Err(refusal(error)),
        };
        Ok(Response::new(v1::AddSchemaReply { reply: Some(reply) }))
    }

    async fn find_schema(&self, request: Request<v1::SchemaRequest>) -> Told<v1::Version> {
        let rights = Rights::of(&request);
        let v1::SchemaRequest { group: name, schema } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        told(rights.registry(&self.registry).find_schema(&group, parsed(schema, "schema")?).await)
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> Told<v1::Verdict> {
        let rights = Rights::of(&request);
        let v1::CheckRequest { group: name, schema, compatibility, rules } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let question = Question { compatibility: maybe(compatibility)?, rules: maybe(rules)? };
        told(rights.registry(&self.registry).check(&group, parsed(schema, "schema")?, question).await)
    }

    async fn can_read(&self, request: Request<v1::SchemaRequest>) -> Told<v1::CanReadReply> {
        let rights = Rights::of(&request);
        let v1::SchemaRequest { group: name, schema } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let answer = rights.registry(&self.registry).can_read(&group, parsed(schema, "schema")?).await;
        Ok(Response::new(v1::CanReadReply { compatible: answer.map_err(refusal)? }))
    }

    type LatestSchemasStream = Stream<v1::SchemasReply>;

    async fn latest_schemas(&self, request: Request<v1::SchemasRequest>) -> Told<Self::LatestSchemasStream> {
        let rights = Rights::of(&request);
        let v1::SchemasRequest { group: name, r#type } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let registry = rights.registry(&self.registry);
        let found = registry.live_schemas(&group, Listing::Latest(r#type.as_deref())).await;
        Ok(self.schemas(found.map_err(refusal)?, &rights))
    }

    type ListSchemasStream = Stream<v1::SchemasReply>;

    async fn list_schemas(&self, request: Request<v1::SchemasRequest>) -> Told<Self::ListSchemasStream> {
        let rights = Rights::of(&request);
        let v1::SchemasRequest { group: name, r#type } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let registry = rights.registry(&self.registry);
        let found = registry.live_schemas(&group, Listing::Versions(r#type.as_deref())).await;
        Ok(self.schemas(found.map_err(refusal)?, &rights))
    }

    type ListHistoryStream = Stream<v1::HistoryReply>;

    async fn list_history(&self, request: Request<v1::GroupRequest>) -> Told<Self::ListHistoryStream> {
        let rights = Rights::of(&request);
        let group = group(request.into_inner().group)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let found = rights.registry(&self.registry).live_schemas(&group, Listing::Versions(None)).await;
        let reply = |records: Vec<HistoryRecord>| v1::HistoryReply {
            records: records.into_iter().map(Into::into).collect(),
        };
        let share = rights.visit().bytes().clone();
        let records = Records::new(found.map_err(refusal)?, bytes_of_schema, reply, share, self.ends.clone());
        Ok(Response::new(follow::replies(records)))
    }

    async fn list_versions(&self, request: Request<v1::ListVersionsRequest>) -> Told<v1::VersionsReply> {
        let rights = Rights::of(&request);
        let v1::ListVersionsRequest { group: name, r#type, page: asked } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let (registry, group, type_name) = (&rights.registry(&self.registry), &group, r#type.as_deref());
        let ask = |part| async move { registry.versions_page(group, type_name, &part).await };
        page(part(asked), ask).await
    }

    async fn get_schema(&self, request: Request<v1::SchemaIdRequest>) -> Told<v1::Schema> {
        let rights = Rights::of(&request);
        let v1::SchemaIdRequest { group: name, id } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        told(rights.registry(&self.registry).schema(&group, id).await)
    }

    async fn get_version_id(&self, request: Request<v1::VersionIdRequest>) -> Told<v1::VersionIdReply> {
        let rights = Rights::of(&request);
        let v1::VersionIdRequest { group: name, format, r#type, version } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let id = rights
            .registry(&self.registry)
            .version_id(&group, &format, &r#type, version)
            .await
            .map_err(refusal)?;
        Ok(Response::new(v1::VersionIdReply { id }))
    }

    async fn delete_schema(&self, request: Request<v1::SchemaIdRequest>) -> Told<v1::Done> {
        let rights = Rights::of(&request);
        let v1::SchemaIdRequest { group: name, id } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::DeleteSchema, &group)?;
        done(rights.registry(&self.registry).delete_schema(&group, id).await)
    }

    type AddedToStream = Stream<v1::AddedToReply>;

    async fn added_to(&self, request: Request<v1::AddedToRequest>) -> Told<Self::AddedToStream> {
        let rights = Rights::of(&request);
        let v1::AddedToRequest { namespace, schema } = request.into_inner();
        rights.of_group(RegistryCall::AddedTo, &GroupId::new(&namespace, ""))?;
        let found = rights
            .registry(&self.registry)
            .added_to(&namespace, parsed(schema, "schema")?)
            .await
            .map_err(refusal)?;
        let holder =
            |(group, version): (String, VersionInfo)| v1::Holder { group, version: Some(version.into()) };
        let holders: Vec<v1::Holder> = found.into_iter().map(holder).collect();
        Ok(pieces(holders, |holders| v1::AddedToReply { holders }))
    }

    async fn compare(&self, request: Request<v1::CompareRequest>) -> Told<v1::Comparison> {
        let rights = Rights::of(&request);
        let v1::CompareRequest { group: name, from, to } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        told(rights.registry(&self.registry).compare(&group, from, to).await)
    }

    async fn search(&self, request: Request<v1::SearchRequest>) -> Told<v1::SearchReply> {
        let rights = Rights::of(&request);
        let mut request = request.into_inner();
        let asked = part(request.page.take());
        // of the whole registry, when it names no namespace
        let search = Search::from(request);
        rights.over(search.namespace.as_deref(), Read)?;
        let (registry, search) = (&rights.registry(&self.registry), &search);
        page(asked, |part| async move { registry.search(search, &part).await }).await
    }

    async fn get_encoding_id(&self, request: Request<v1::EncodingIdRequest>) -> Told<v1::EncodingIdReply> {
        let rights = Rights::of(&request);
        let v1::EncodingIdRequest { group: name, version, codec } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::EncodingId, &group)?;
        let version = given(version, "version").map(VersionInfo::from).map_err(refusal)?;
        let id =
            rights.registry(&self.registry).encoding_id(&group, &version, &codec).await.map_err(refusal)?;
        Ok(Response::new(v1::EncodingIdReply { id: id.0 }))
    }

    async fn get_encoding(&self, request: Request<v1::EncodingRequest>) -> Told<v1::Encoding> {
        let rights = Rights::of(&request);
        let v1::EncodingRequest { group: name, id } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        told(rights.registry(&self.registry).encoding(&group, EncodingId(id)).await)
    }

    async fn list_codecs(&self, request: Request<v1::GroupRequest>) -> Told<v1::CodecsReply> {
        let rights = Rights::of(&request);
        let group = group(request.into_inner().group)?;
        rights.of_group(RegistryCall::ReadGroup, &group)?;
        let codecs = rights.registry(&self.registry).codec_types(&group).await.map_err(refusal)?;
        Ok(Response::new(v1::CodecsReply { codecs: codecs.into_iter().map(Into::into).collect() }))
    }

    async fn add_codec(&self, request: Request<v1::AddCodecRequest>) -> Told<v1::Done> {
        let rights = Rights::of(&request);
        let v1::AddCodecRequest { group: name, codec } = request.into_inner();
        let group = group(name)?;
        rights.of_group(RegistryCall::AddCodec, &group)?;
        let codec = given(codec, "codec").map(CodecType::from).map_err(refusal)?;
        done(rights.registry(&self.registry).add_codec_type(&group, codec).await)
    }

    type ExportStream = Stream<v1::ExportLine>;

    async fn export(&self, request: Request<v1::ExportRequest>) -> Told<Self::ExportStream> {
        let rights = Rights::of(&request);
        // of the whole registry, when it names no namespace
        let v1::ExportRequest { namespace } = request.into_inner();
        rights.over(namespace.as_deref(), Read)?;
        let lines = rights.registry(&self.registry).export(namespace.as_deref()).await.map_err(refusal)?;
        // one line a reply, as large as it is
        let bytes_of = |_: &ExportLine| usize::MAX / 2;
        let reply = |mut lines: Vec<ExportLine>| lines.pop().map(v1::ExportLine::from).unwrap_or_default();
        let share = rights.visit().bytes().clone();
        let records = Records::new(lines, bytes_of, reply, share, self.ends.clone());
        Ok(Response::new(follow::replies(records)))
    }

    async fn import(&self, request: Request<Streaming<v1::ImportRequest>>) -> Told<v1::ImportReply> {
        let rights = Rights::of(&request);
        rights.over(None, ReadUpdate)?;
        let mut requests = request.into_inner();
        let existing: Existing = match requests.message().await?.and_then(|first| first.request) {
            Some(v1::import_request::Request::Begin(begin)) => begin.try_into().map_err(refusal)?,
            _ => return Err(refusal(wrong("the first request of an import says how: send a begin"))),
        };
        // of any group: the right on each is asked when its line comes
        let lines = requests.map(line).boxed();
        let registry = rights.registry(&self.registry);
        let mut ends = self.ends.clone();
        tokio::select! {
            _ = ends.wait_for(|ends| *ends) => Err(ending()),
            imported = registry.import(lines, existing) => told(imported),
        }
    }

    type WatchStream = Stream<v1::WatchReply>;

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Told<Self::WatchStream> {
        let rights = Rights::of(&request);
        // of the whole registry
        rights.over(None, Read)?;
        let registry = rights.registry(&self.registry);
        let place = match request.into_inner().from {
            Some(place) => place,
            None => registry.end_of_changes().await.map_err(refusal)?,
        };
        let lines = registry.changes(Some(&place)).await.map_err(refusal)?;
        let reply = |(place, change): (String, Change)| v1::WatchReply { place, change: Some(change.into()) };
        let changes = follow::replies(Lines { lines, ends: self.ends.clone(), reply });
        let first = v1::WatchReply { place, change: None };
        Ok(Response::new(stream::once(std::future::ready(Ok(first))).chain(changes).boxed()))
    }
}

/// A line of an import.
fn line(request: Result<v1::ImportRequest, Status>) -> RegistryResult<ExportLine> {
    let request = request.map_err(|status| match status.code() {
        Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument => {
            wrong("a line of the import cannot be taken").because(status)
        }
        _ => RegistryError::new(RegistryErrorKind::Unavailable, "the import was cut").because(status),
    })?;
    match request.request {
        Some(v1::import_request::Request::Line(line)) => line.try_into(),
        _ => Err(wrong("a request of the import has no line")),
    }
}
