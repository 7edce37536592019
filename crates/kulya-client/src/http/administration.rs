//! [`RegistryAdministration`] over REST v2, which Kulya's registry has and the Java one has not. Exports,
//! imports and the change feed are streamed.

use super::error::parse_error_body;
use super::retry::Idempotency;
use super::{ENCODED, HttpRegistry};
use async_trait::async_trait;
use bytes::BytesMut;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{
    Change, CheckOptions, Comparison, ExportLine, GroupChange, ImportSummary, OnConflict, Page, PageRequest,
    Referrer, RegisteredSchema, RegistryAdministration, SchemaReferences, Search, SearchHit, Verdict,
    VersionEntry,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::{GroupId, GroupProperties, Reference, SchemaInfo, VersionInfo};
use percent_encoding::utf8_percent_encode;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::codec::{Decoder, LinesCodec, LinesCodecError};

/// The maximum time without data in a streamed response. A change feed sends a keep-alive every 15 seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// The total timeout of a streamed call: none, in effect.
const UNLIMITED: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The maximum length of a line in a streamed response.
const MAX_LINE_BYTES: usize = 64 << 20;
const NDJSON: &str = "application/x-ndjson";

#[derive(Deserialize)]
struct GroupEntry {
    namespace: String,
    group: String,
    properties: GroupProperties,
}

#[derive(Deserialize)]
struct VersionId {
    id: u32,
}

#[derive(Deserialize)]
struct Groups {
    groups: SchemaReferences,
}

fn page_query<'a>(page: &'a PageRequest, limit: &'a str) -> Vec<(&'static str, &'a str)> {
    let after = Some(("after", page.after.as_str())).filter(|(_, after)| !after.is_empty());
    [("limit", limit)].into_iter().chain(after).collect()
}

/// Returns a schema and its references as a body of REST v2.
fn with_references(schema: &SchemaInfo, references: &[Reference]) -> serde_json::Value {
    let mut body = json!(schema);
    if !references.is_empty() {
        body["references"] = json!(references);
    }
    body
}

impl HttpRegistry {
    /// Builds a request to a path below a group of REST v2.
    fn group_request_v2(
        &self,
        method: Method,
        group: &GroupId,
        path: &str,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let name = utf8_percent_encode(&group.name, ENCODED);
        self.request(method, &format!("/v2/groups/{name}{path}"), &group.namespace, query)
    }

    /// Builds a request outside of namespaces.
    fn request_v2(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        self.request(method, path, "", query)
    }

    /// Returns the error of an interrupted stream.
    fn stream_error(&self, what: &str) -> RegistryError {
        let what = format!("the registry at {} {what}", self.0.base_url);
        RegistryError::new(RegistryErrorKind::Unavailable, what)
    }

    /// Sends a request whose response is streamed.
    async fn stream_lines(&self, request: RequestBuilder) -> RegistryResult<LineStream> {
        let response = self.send(request.timeout(UNLIMITED), Idempotency::Idempotent).await?;
        if response.status() == StatusCode::CONFLICT {
            return Err(self.error_of_response(response).await);
        }
        let codec = LinesCodec::new_with_max_length(MAX_LINE_BYTES);
        Ok(LineStream { registry: self.clone(), response, buffer: BytesMut::new(), codec, is_done: false })
    }
}

impl From<HttpRegistry> for Arc<dyn RegistryAdministration> {
    fn from(registry: HttpRegistry) -> Self {
        Arc::new(registry)
    }
}

#[async_trait]
impl RegistryAdministration for HttpRegistry {
    async fn namespaces(&self, page: &PageRequest) -> RegistryResult<Page<String>> {
        let limit = page.limit.to_string();
        self.call(self.request_v2(Method::GET, "/v2/namespaces", &page_query(page, &limit))).await
    }

    async fn groups_page(
        &self,
        namespace: &str,
        page: &PageRequest,
    ) -> RegistryResult<Page<(GroupId, GroupProperties)>> {
        let limit = page.limit.to_string();
        let request = self.request(Method::GET, "/v2/groups", namespace, &page_query(page, &limit));
        let Page { items, next } = self.call::<Page<GroupEntry>>(request).await?;
        let groups =
            items.into_iter().map(|entry| (GroupId::new(entry.namespace, entry.group), entry.properties));
        Ok(Page { items: groups.collect(), next })
    }

    async fn change_group(
        &self,
        group: &GroupId,
        change: GroupChange,
    ) -> RegistryResult<Option<GroupProperties>> {
        let request = self.group_request_v2(Method::PATCH, group, "", &[]).json(&change);
        let response = self.send(request, Idempotency::NotIdempotent).await?;
        if response.status() == StatusCode::CONFLICT {
            return Ok(None);
        }
        self.parse(response).await.map(Some)
    }

    async fn check(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        question: CheckOptions,
    ) -> RegistryResult<Verdict> {
        let CheckOptions { compatibility, rules, references } = question;
        let labels = rules.map(|rules| rules.to_labels());
        let schema = with_references(&schema, &references);
        let body = json!({ "schemaInfo": schema, "compatibility": compatibility, "rules": labels });
        self.call(self.group_request_v2(Method::POST, group, "/check", &[]).json(&body)).await
    }

    async fn versions_page(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
        page: &PageRequest,
    ) -> RegistryResult<Page<VersionEntry>> {
        let limit = page.limit.to_string();
        let mut query = page_query(page, &limit);
        query.extend(type_name.map(|name| ("type", name)));
        self.call(self.group_request_v2(Method::GET, group, "/versions", &query)).await
    }

    async fn version_id(
        &self,
        group: &GroupId,
        format: &str,
        type_name: &str,
        version: u32,
    ) -> RegistryResult<u32> {
        let number = version.to_string();
        let query = [("format", format), ("type", type_name), ("version", number.as_str())];
        Ok(self
            .call::<VersionId>(self.group_request_v2(Method::GET, group, "/versions/id", &query))
            .await?
            .id)
    }

    async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        self.execute(self.group_request_v2(Method::DELETE, group, &format!("/schemas/{id}"), &[])).await
    }

    async fn force_delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        let path = format!("/schemas/{id}");
        self.execute(self.group_request_v2(Method::DELETE, group, &path, &[("force", "true")])).await
    }

    async fn force_delete_group(&self, group: &GroupId) -> RegistryResult<()> {
        self.execute(self.group_request_v2(Method::DELETE, group, "", &[("force", "true")])).await
    }

    async fn add_schema_with_references(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<VersionInfo> {
        let body = with_references(&schema, &references);
        self.call(self.group_request_v2(Method::POST, group, "/schemas", &[]).json(&body)).await
    }

    async fn resolve_references(
        &self,
        schema: SchemaInfo,
        references: Vec<Reference>,
    ) -> RegistryResult<SchemaInfo> {
        let body = with_references(&schema, &references);
        self.call(self.request_v2(Method::POST, "/v2/resolve", &[]).json(&body)).await
    }

    async fn registered_schema(&self, group: &GroupId, id: u32) -> RegistryResult<RegisteredSchema> {
        self.call(self.group_request_v2(Method::GET, group, &format!("/schemas/{id}"), &[])).await
    }

    async fn referenced_by(
        &self,
        group: &GroupId,
        id: u32,
        page: &PageRequest,
    ) -> RegistryResult<Page<Referrer>> {
        let (limit, path) = (page.limit.to_string(), format!("/schemas/{id}/referenced-by"));
        self.call(self.group_request_v2(Method::GET, group, &path, &page_query(page, &limit))).await
    }

    async fn schema_references(
        &self,
        namespace: &str,
        schema: SchemaInfo,
    ) -> RegistryResult<SchemaReferences> {
        let request = self.request(Method::POST, "/v2/added-to", namespace, &[]).json(&schema);
        Ok(self.call::<Groups>(request).await?.groups)
    }

    async fn compare(&self, group: &GroupId, from: u32, to: u32) -> RegistryResult<Comparison> {
        let (from, to) = (from.to_string(), to.to_string());
        let query = [("from", from.as_str()), ("to", to.as_str())];
        self.call(self.group_request_v2(Method::GET, group, "/compare", &query)).await
    }

    async fn search(&self, search: &Search, page: &PageRequest) -> RegistryResult<Page<SearchHit>> {
        let limit = page.limit.to_string();
        let request = self.request_v2(Method::POST, "/v2/search", &page_query(page, &limit));
        self.call(request.json(search)).await
    }

    async fn export(
        &self,
        namespace: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<ExportLine>>> {
        // an empty namespace is the default one, `None` means all
        let query: Vec<(&str, &str)> = namespace.map(|name| ("namespace", name)).into_iter().collect();
        let lines = self.stream_lines(self.request_v2(Method::GET, "/v2/export", &query)).await?;
        let lines = stream::unfold(lines, |mut lines| async move {
            let line = match lines.next().await {
                Ok(line) => lines.parse(&line?),
                Err(error) => Err(error),
            };
            Some((line, lines))
        });
        Ok(lines.boxed())
    }

    async fn import(
        &self,
        lines: BoxStream<'static, RegistryResult<ExportLine>>,
        existing: OnConflict,
    ) -> RegistryResult<ImportSummary> {
        let existing = match existing {
            OnConflict::Refuse => "refuse",
            OnConflict::Skip => "skip",
        };
        // an error of the lines aborts the request, and is returned instead of the request's own error
        let line_error = Arc::new(Mutex::new(None));
        let line_error_of_body = Arc::clone(&line_error);
        let body = lines.map(move |line| {
            line.and_then(|line| encode_line(&line)).inspect_err(|error| {
                if let Ok(mut line_error) = line_error_of_body.lock() {
                    *line_error = Some(error.clone());
                }
            })
        });
        let body = Body::wrap_stream(body);
        let request = self.request_v2(Method::POST, "/v2/import", &[("existing", existing)]);
        let request = request.header(header::CONTENT_TYPE, NDJSON).timeout(UNLIMITED).body(body);
        let result = self.call(request).await;
        match line_error.lock().ok().and_then(|mut error| error.take()) {
            Some(error) => Err(error),
            None => result,
        }
    }

    async fn changes(
        &self,
        from: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
        let query: Vec<(&str, &str)> = from.map(|position| ("from", position)).into_iter().collect();
        let lines = self.stream_lines(self.request_v2(Method::GET, "/v2/changes", &query)).await?;
        let changes = stream::unfold(Some(lines), |lines| async move {
            let mut lines = lines?;
            match next_change(&mut lines).await {
                Ok(change) => Some((Ok(change), Some(lines))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(changes.boxed())
    }
}

fn encode_line(line: &ExportLine) -> RegistryResult<Vec<u8>> {
    let mut text = serde_json::to_vec(line).map_err(|e| {
        RegistryError::new(RegistryErrorKind::Failed, "cannot encode a line of the export").because(e)
    })?;
    text.push(b'\n');
    Ok(text)
}

/// Reads the next change of a feed (server-sent events). A feed does not end by itself, so its end is an
/// error.
async fn next_change(lines: &mut LineStream) -> RegistryResult<(String, Change)> {
    let (mut id, mut data, mut is_error) = (String::new(), String::new(), false);
    loop {
        let Some(line) = lines.next().await? else {
            return Err(lines.registry.stream_error("ended the change feed: resume after the last change"));
        };
        let field = |name: &str| line.strip_prefix(name).map(|value| value.trim_start().to_owned());
        if let Some(value) = field("id:") {
            id = value;
        } else if let Some(value) = field("data:") {
            data += &value;
        } else if let Some(value) = field("event:") {
            is_error = value == "error";
        } else if line.is_empty() && !data.is_empty() {
            if is_error {
                return Err(parse_error_body(&data)
                    .unwrap_or_else(|| lines.registry.stream_error("ended the change feed")));
            }
            return lines.parse(&data).map(|change| (id, change));
        }
    }
}

/// A streamed response body, split into lines.
struct LineStream {
    registry: HttpRegistry,
    response: Response,
    /// Received bytes that are not decoded yet.
    buffer: BytesMut,
    codec: LinesCodec,
    is_done: bool,
}

impl LineStream {
    /// Returns the next line, without its line end; `None` at the end of the body and after an error.
    async fn next(&mut self) -> RegistryResult<Option<String>> {
        loop {
            let buffer = &mut self.buffer;
            match if self.is_done { self.codec.decode_eof(buffer) } else { self.codec.decode(buffer) } {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) if self.is_done => return Ok(None),
                Ok(None) => {}
                Err(LinesCodecError::MaxLineLengthExceeded) => {
                    return Err(self.stream_error("sent a line that is too long"));
                }
                Err(LinesCodecError::Io(error)) => {
                    return Err(self.stream_error("sent a line that is not UTF-8").because(error));
                }
            }
            match tokio::time::timeout(IDLE_TIMEOUT, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.buffer.extend_from_slice(&bytes),
                Ok(Ok(None)) => self.is_done = true,
                Ok(Err(error)) => {
                    return Err(self
                        .stream_error("closed the connection during the response: try again")
                        .because(error));
                }
                Err(_) => return Err(self.stream_error("timed out during the response: try again")),
            }
        }
    }

    /// Ends the stream with an error.
    fn stream_error(&mut self, what: &str) -> RegistryError {
        self.is_done = true;
        self.buffer.clear();
        self.registry.stream_error(what)
    }

    fn parse<T: DeserializeOwned>(&self, line: &str) -> RegistryResult<T> {
        let what = format!("invalid response from {}", self.registry.0.base_url);
        serde_json::from_str(line).map_err(|e| RegistryError::new(RegistryErrorKind::Failed, what).because(e))
    }
}
