//! [`RegistryAdministration`] over gRPC: each method sends one message.

use super::changes::ChangeStream;
use super::schema_registry::{group_message, schema_message};
use super::{Client, RemoteRegistry};
use crate::remote::status_cause::StatusCause;
use async_trait::async_trait;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use kulya_registry_api::administration::{
    Change, CheckOptions, Comparison, ExportLine, GroupChange, ImportSummary, OnConflict, Page, PageRequest,
    Referrer, RegisteredSchema, RegistryAdministration, SchemaReferences, Search, SearchHit, Verdict,
    VersionEntry,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::{GroupId, GroupProperties, Reference, SchemaInfo, VersionInfo};
use kulya_wire::registry::v1;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tonic::{Status, Streaming};
use v1::import_request::Request;

impl From<RemoteRegistry> for Arc<dyn RegistryAdministration> {
    fn from(registry: RemoteRegistry) -> Self {
        Arc::new(registry)
    }
}

#[async_trait]
impl RegistryAdministration for RemoteRegistry {
    async fn namespaces(&self, page: &PageRequest) -> RegistryResult<Page<String>> {
        let call = |mut client: Client, request| async move { client.list_namespaces(request).await };
        Ok(self.call(v1::ListNamespacesRequest { page: Some(page.into()) }, call).await?.into())
    }

    async fn groups_page(
        &self,
        namespace: &str,
        page: &PageRequest,
    ) -> RegistryResult<Page<(GroupId, GroupProperties)>> {
        let call = |mut client: Client, request| async move { client.list_groups(request).await };
        let request = v1::ListGroupsRequest { namespace: namespace.to_owned(), page: Some(page.into()) };
        self.convert(self.call(request, call).await?)
    }

    async fn change_group(
        &self,
        group: &GroupId,
        change: GroupChange,
    ) -> RegistryResult<Option<GroupProperties>> {
        let is_conditional = change.previous.is_some();
        let request = v1::ChangeGroupRequest { group: group_message(group), ..change.into() };
        let reply = if is_conditional {
            super::check_size(&request)?;
            let mut client = super::client(self.0.shared());
            self.ping().await?;
            self.non_idempotent_response(
                &format!("group {group} was changed"),
                client.change_group(request).await,
            )?
        } else {
            let call = |mut client: Client, request| async move { client.change_group(request).await };
            self.call(request, call).await?
        };
        reply.properties.map(|properties| self.convert(properties)).transpose()
    }

    async fn check(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        question: CheckOptions,
    ) -> RegistryResult<Verdict> {
        let schema = match question.references.as_slice() {
            [] => schema,
            _ => self.resolve_references(schema, question.references).await?,
        };
        let call = |mut client: Client, request| async move { client.check(request).await };
        let request = v1::CheckRequest {
            group: group_message(group),
            schema: schema_message(schema)?,
            compatibility: question.compatibility.map(Into::into),
            rules: question.rules.map(Into::into),
        };
        self.convert(self.call(request, call).await?)
    }

    async fn versions_page(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
        page: &PageRequest,
    ) -> RegistryResult<Page<VersionEntry>> {
        let call = |mut client: Client, request| async move { client.list_versions(request).await };
        let (group, r#type) = (group_message(group), type_name.map(str::to_owned));
        let request = v1::ListVersionsRequest { group, r#type, page: Some(page.into()) };
        self.convert(self.call(request, call).await?)
    }

    async fn version_id(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<u32> {
        let call = |mut client: Client, request| async move { client.get_version_id(request).await };
        let (format, r#type) = (format.to_owned(), type_name.to_owned());
        let request = v1::VersionIdRequest { group: group_message(group), format, r#type, version };
        Ok(self.call(request, call).await?.id)
    }

    async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        let call = |mut client: Client, request| async move { client.delete_schema(request).await };
        let request = v1::DeleteSchemaRequest { group: group_message(group), id, force: false };
        self.call(request, call).await.map(drop)
    }

    async fn force_delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        let call = |mut client: Client, request| async move { client.delete_schema(request).await };
        let request = v1::DeleteSchemaRequest { group: group_message(group), id, force: true };
        self.call(request, call).await.map(drop)
    }

    async fn force_delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        let call = |mut client: Client, request| async move { client.delete_group(request).await };
        let request = v1::DeleteGroupRequest { group: group_message(group), force: true };
        self.call(request, call).await.map(drop)
    }

    async fn add_schema_with_references(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<VersionInfo> {
        let call =
            |mut client: Client, request| async move { client.add_schema_with_references(request).await };
        let references = references.into_iter().map(Into::into).collect();
        let (group, schema) = (group_message(group), schema_message(schema)?);
        let request = v1::AddSchemaWithReferencesRequest { group, schema, references };
        let reply = self.call(request, call).await?;
        self.added_version(reply)
    }

    async fn resolve_references(
        &self,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<SchemaInfo> {
        let call = |mut client: Client, request| async move { client.resolve_references(request).await };
        let references = references.into_iter().map(Into::into).collect();
        let request = v1::ResolveReferencesRequest { schema: schema_message(schema)?, references };
        self.convert(self.call(request, call).await?)
    }

    async fn registered_schema(&self, group: &GroupId, id: u32) -> RegistryResult<RegisteredSchema> {
        let call = |mut client: Client, request| async move { client.get_registered_schema(request).await };
        self.convert(self.call(v1::SchemaIdRequest { group: group_message(group), id }, call).await?)
    }

    async fn referenced_by(
        &self,
        group: &GroupId,
        id: u32,
        page: &PageRequest,
    ) -> RegistryResult<Page<Referrer>> {
        let call = |mut client: Client, request| async move { client.referenced_by(request).await };
        let request = v1::ReferencedByRequest { group: group_message(group), id, page: Some(page.into()) };
        self.convert(self.call(request, call).await?)
    }

    async fn schema_references(
        &self,
        namespace: &str,
        schema: SchemaInfo,
    ) -> RegistryResult<SchemaReferences> {
        let call = |mut client: Client, request| async move { client.added_to(request).await };
        let request = v1::AddedToRequest { namespace: namespace.to_owned(), schema: schema_message(schema)? };
        let holders = self.collect(request, call, |reply: v1::AddedToReply| reply.holders).await?;
        let holder = |v1::Holder { group, version }: v1::Holder| {
            Ok((group, self.required(version, "version")?.into()))
        };
        holders.into_iter().map(holder).collect()
    }

    async fn compare(&self, group: &GroupId, from: u32, to: u32) -> RegistryResult<Comparison> {
        let call = |mut client: Client, request| async move { client.compare(request).await };
        self.convert(self.call(v1::CompareRequest { group: group_message(group), from, to }, call).await?)
    }

    async fn search(&self, search: &Search, page: &PageRequest) -> RegistryResult<Page<SearchHit>> {
        let call = |mut client: Client, request| async move { client.search(request).await };
        let request = v1::SearchRequest { page: Some(page.into()), ..search.clone().into() };
        self.convert(self.call(request, call).await?)
    }

    async fn export(
        &self,
        namespace: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<ExportLine>>> {
        let service = self.0.dedicated();
        let call = |_, request| {
            let mut client = super::client(service.clone());
            async move { client.export(request).await }
        };
        let request = v1::ExportRequest { namespace: namespace.map(str::to_owned) };
        let lines = self.call(request, call).await?;
        let registry = self.clone();
        let lines = stream::unfold(Some(lines), move |lines| {
            let registry = registry.clone();
            async move {
                let mut lines = lines?;
                match registry.next_line(&mut lines).await.transpose()? {
                    Ok(line) => Some((Ok(line), Some(lines))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        });
        Ok(lines.boxed())
    }

    async fn import(
        &self,
        lines: BoxStream<'static, RegistryResult<ExportLine>>,
        existing: OnConflict,
    ) -> RegistryResult<ImportSummary> {
        let line_error = Arc::default();
        let requests = ImportRequests { existing: Some(existing), lines, error: Arc::clone(&line_error) };
        let mut client = super::client(self.0.dedicated());
        self.ping().await?;
        let result = self.non_idempotent_response("the import was completed", client.import(requests).await);
        let line_error: &Mutex<Option<RegistryError>> = &line_error;
        match line_error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(result?.into()),
        }
    }

    async fn changes(
        &self,
        from: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
        Ok(ChangeStream::open(self.clone(), from).await?.boxed())
    }
}

/// The requests of an import: first its options, then the lines. An error of the lines ends the stream, and
/// is returned instead of the call's own result.
struct ImportRequests {
    existing: Option<OnConflict>,
    lines: BoxStream<'static, RegistryResult<ExportLine>>,
    error: Arc<Mutex<Option<RegistryError>>>,
}

impl Stream for ImportRequests {
    type Item = v1::ImportRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(existing) = self.existing.take() {
            return Poll::Ready(Some(v1::ImportRequest { request: Some(Request::Begin(existing.into())) }));
        }
        let line = std::task::ready!(self.lines.poll_next_unpin(context));
        let request = line.map(|line| {
            let request = v1::ImportRequest { request: Some(Request::Line(line?.into())) };
            super::check_size(&request)?;
            Ok(request)
        });
        let store = |error| *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Poll::Ready(request.and_then(|request| request.map_err(store).ok()))
    }
}

impl RemoteRegistry {
    async fn next_line(&self, lines: &mut Streaming<v1::ExportLine>) -> RegistryResult<Option<ExportLine>> {
        let to_error = |status: Status| {
            self.permanent_error(&status).unwrap_or_else(|| {
                let what = format!("connection to {} lost during the export", self.0.address());
                RegistryError::new(RegistryErrorKind::Unavailable, what).because(StatusCause(status))
            })
        };
        lines.message().await.map_err(to_error)?.map(|line| self.convert(line)).transpose()
    }
}
