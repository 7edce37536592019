//! One call of REST v2 for each of [`RegistryAdministration`]'s, so of Kulya's registry alone: the Java one has none of
//! them. Export, import and the feed of changes are streamed both ways.

use super::asking::Repeated;
use super::{ENCODED, HttpRegistry};
use async_trait::async_trait;
use bytes::BytesMut;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_registry_api::administration::{
    AddedTo, Change, Comparison, Existing, ExportLine, Found, GroupChange, Imported, Page, PageRequest,
    Question, RegistryAdministration, Search, Verdict, VersionEntry,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::decide::Refusal;
use kulya_schema::{GroupId, GroupProperties, SchemaInfo};
use percent_encoding::utf8_percent_encode;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::codec::{Decoder, LinesCodec, LinesCodecError};

/// A stream from which nothing comes for so long is over: a feed without changes says every 15 seconds that it is there.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a streamed call may take altogether: as long as it goes on.
const UNLIMITED: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The longest line of an answer.
const MAX_LINE_BYTES: usize = 64 << 20;
const LINES: &str = "application/x-ndjson";

#[derive(Deserialize)]
struct Listed {
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
    groups: AddedTo,
}

#[derive(Deserialize)]
struct Told {
    error: String,
    kind: String,
    refusal: Option<Refusal>,
}

/// The error that REST v2 tells; `None` for other texts.
pub(super) fn told(text: &str) -> Option<RegistryError> {
    let Told { error, kind, refusal } = serde_json::from_str(text).ok()?;
    let kind = match kind.as_str() {
        "not-found" => RegistryErrorKind::NotFound,
        "incompatible" | "conflict" => RegistryErrorKind::Incompatible,
        "format-mismatch" => RegistryErrorKind::FormatMismatch,
        "codec-unknown" => RegistryErrorKind::CodecUnknown,
        "invalid-input" => RegistryErrorKind::InvalidInput,
        "gone" => RegistryErrorKind::Gone,
        "unavailable" | "full" => RegistryErrorKind::Unavailable,
        _ => RegistryErrorKind::Failed,
    };
    let error = RegistryError::new(kind, error);
    Some(match refusal {
        Some(refusal) => error.refusing(refusal),
        None => error,
    })
}

fn paged<'a>(page: &'a PageRequest, limit: &'a str) -> Vec<(&'static str, &'a str)> {
    let after = Some(("after", page.after.as_str())).filter(|(_, after)| !after.is_empty());
    [("limit", limit)].into_iter().chain(after).collect()
}

impl HttpRegistry {
    /// A request to a place of a group in REST v2.
    fn beside(&self, method: Method, group: &GroupId, place: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let name = utf8_percent_encode(&group.name, ENCODED);
        self.request(method, &format!("/v2/groups/{name}{place}"), &group.namespace, query)
    }

    fn everywhere(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        self.request(method, path, "", query)
    }

    fn broken(&self, what: &str) -> RegistryError {
        let what = format!("the registry at {} {what}", self.0.base);
        RegistryError::new(RegistryErrorKind::Unavailable, what)
    }

    /// Sends a call whose answer is streamed.
    async fn streamed(&self, request: RequestBuilder) -> RegistryResult<Lines> {
        let response = self.send(request.timeout(UNLIMITED), Repeated::Same).await?;
        if response.status() == StatusCode::CONFLICT {
            return Err(self.refusal(response).await);
        }
        let lines = LinesCodec::new_with_max_length(MAX_LINE_BYTES);
        Ok(Lines { registry: self.clone(), response, waiting: BytesMut::new(), lines, is_over: false })
    }
}

#[async_trait]
impl RegistryAdministration for HttpRegistry {
    async fn namespaces(&self, page: &PageRequest) -> RegistryResult<Page<String>> {
        let limit = page.limit.to_string();
        self.get(self.everywhere(Method::GET, "/v2/namespaces", &paged(page, &limit))).await
    }

    async fn groups_page(
        &self,
        namespace: &str,
        page: &PageRequest,
    ) -> RegistryResult<Page<(GroupId, GroupProperties)>> {
        let limit = page.limit.to_string();
        let request = self.request(Method::GET, "/v2/groups", namespace, &paged(page, &limit));
        let Page { items, next } = self.get::<Page<Listed>>(request).await?;
        let groups = items.into_iter().map(|it| (GroupId::new(it.namespace, it.group), it.properties));
        Ok(Page { items: groups.collect(), next })
    }

    async fn change_group(
        &self,
        group: &GroupId,
        change: GroupChange,
    ) -> RegistryResult<Option<GroupProperties>> {
        let request = self.beside(Method::PATCH, group, "", &[]).json(&change);
        let response = self.send(request, Repeated::Different).await?;
        if response.status() == StatusCode::CONFLICT {
            return Ok(None);
        }
        self.read(response).await.map(Some)
    }

    async fn check(
        &self,
        group: &GroupId,
        schema: SchemaInfo,
        question: Question,
    ) -> RegistryResult<Verdict> {
        let Question { compatibility, rules } = question;
        let labels = rules.map(|rules| rules.labels());
        let body = json!({ "schemaInfo": schema, "compatibility": compatibility, "rules": labels });
        self.get(self.beside(Method::POST, group, "/check", &[]).json(&body)).await
    }

    async fn versions_page(
        &self,
        group: &GroupId,
        type_name: Option<&str>,
        page: &PageRequest,
    ) -> RegistryResult<Page<VersionEntry>> {
        let limit = page.limit.to_string();
        let mut query = paged(page, &limit);
        query.extend(type_name.map(|name| ("type", name)));
        self.get(self.beside(Method::GET, group, "/versions", &query)).await
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
        Ok(self.get::<VersionId>(self.beside(Method::GET, group, "/versions/id", &query)).await?.id)
    }

    async fn delete_schema(&self, group: &GroupId, id: u32) -> RegistryResult<()> {
        self.tell(self.beside(Method::DELETE, group, &format!("/schemas/{id}"), &[])).await
    }

    async fn added_to(&self, namespace: &str, schema: SchemaInfo) -> RegistryResult<AddedTo> {
        let request = self.request(Method::POST, "/v2/added-to", namespace, &[]).json(&schema);
        Ok(self.get::<Groups>(request).await?.groups)
    }

    async fn compare(&self, group: &GroupId, from: u32, to: u32) -> RegistryResult<Comparison> {
        let (from, to) = (from.to_string(), to.to_string());
        let query = [("from", from.as_str()), ("to", to.as_str())];
        self.get(self.beside(Method::GET, group, "/compare", &query)).await
    }

    async fn search(&self, search: &Search, page: &PageRequest) -> RegistryResult<Page<Found>> {
        let limit = page.limit.to_string();
        let request = self.everywhere(Method::POST, "/v2/search", &paged(page, &limit));
        self.get(request.json(search)).await
    }

    async fn export(
        &self,
        namespace: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<ExportLine>>> {
        // an empty one is the default namespace, and none is all of them
        let query: Vec<(&str, &str)> = namespace.map(|name| ("namespace", name)).into_iter().collect();
        let lines = self.streamed(self.everywhere(Method::GET, "/v2/export", &query)).await?;
        let lines = stream::unfold(lines, |mut lines| async move {
            let line = match lines.next().await {
                Ok(line) => lines.read(&line?),
                Err(error) => Err(error),
            };
            Some((line, lines))
        });
        Ok(lines.boxed())
    }

    async fn import(
        &self,
        lines: BoxStream<'static, RegistryResult<ExportLine>>,
        existing: Existing,
    ) -> RegistryResult<Imported> {
        let existing = match existing {
            Existing::Refuse => "refuse",
            Existing::Skip => "skip",
        };
        // an error of the lines themselves cuts the request off, and is what the caller hears
        let broken = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&broken);
        let body = lines.map(move |line| {
            line.and_then(|line| text_of(&line)).inspect_err(|error| {
                if let Ok(mut broken) = broken.lock() {
                    *broken = Some(error.clone());
                }
            })
        });
        let body = Body::wrap_stream(body);
        let request = self.everywhere(Method::POST, "/v2/import", &[("existing", existing)]);
        let request = request.header(header::CONTENT_TYPE, LINES).timeout(UNLIMITED).body(body);
        let done = self.get(request).await;
        match heard.lock().ok().and_then(|mut error| error.take()) {
            Some(error) => Err(error),
            None => done,
        }
    }

    async fn changes(
        &self,
        from: Option<&str>,
    ) -> RegistryResult<BoxStream<'static, RegistryResult<(String, Change)>>> {
        let query: Vec<(&str, &str)> = from.map(|place| ("from", place)).into_iter().collect();
        let lines = self.streamed(self.everywhere(Method::GET, "/v2/changes", &query)).await?;
        let changes = stream::unfold(Some(lines), |lines| async move {
            let mut lines = lines?;
            match event(&mut lines).await {
                Ok(change) => Some((Ok(change), Some(lines))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(changes.boxed())
    }
}

fn text_of(line: &ExportLine) -> RegistryResult<Vec<u8>> {
    let mut text = serde_json::to_vec(line).map_err(|e| {
        RegistryError::new(RegistryErrorKind::Failed, "a line of the export cannot be written").because(e)
    })?;
    text.push(b'\n');
    Ok(text)
}

/// The next change of a feed. A feed does not end by itself, so its end is an error: go on from the last place.
async fn event(lines: &mut Lines) -> RegistryResult<(String, Change)> {
    let (mut id, mut data, mut is_error) = (String::new(), String::new(), false);
    loop {
        let Some(line) = lines.next().await? else {
            return Err(lines.registry.broken("ended the feed of changes: go on from the last place"));
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
                return Err(told(&data).unwrap_or_else(|| lines.registry.broken("ended the feed of changes")));
            }
            return lines.read(&data).map(|change| (id, change));
        }
    }
}

/// An answer that is read as it comes, line by line.
struct Lines {
    registry: HttpRegistry,
    response: Response,
    waiting: BytesMut,
    lines: LinesCodec,
    is_over: bool,
}

impl Lines {
    /// The next line, without its end. Behind an error nothing more comes.
    async fn next(&mut self) -> RegistryResult<Option<String>> {
        loop {
            let waiting = &mut self.waiting;
            match if self.is_over { self.lines.decode_eof(waiting) } else { self.lines.decode(waiting) } {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) if self.is_over => return Ok(None),
                Ok(None) => {}
                Err(LinesCodecError::MaxLineLengthExceeded) => {
                    return Err(self.broken("answers with a line that has no end"));
                }
                Err(LinesCodecError::Io(error)) => {
                    return Err(self.broken("answers with what is no text").because(error));
                }
            }
            match tokio::time::timeout(SILENCE, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.waiting.extend_from_slice(&bytes),
                Ok(Ok(None)) => self.is_over = true,
                Ok(Err(error)) => return Err(self.broken("cut its answer off: ask again").because(error)),
                Err(_) => return Err(self.broken("fell silent in its answer: ask again")),
            }
        }
    }

    fn broken(&mut self, what: &str) -> RegistryError {
        self.is_over = true;
        self.waiting.clear();
        self.registry.broken(what)
    }

    fn read<T: DeserializeOwned>(&self, line: &str) -> RegistryResult<T> {
        let what = format!("the answer of {} cannot be read", self.registry.0.base);
        serde_json::from_str(line).map_err(|e| RegistryError::new(RegistryErrorKind::Failed, what).because(e))
    }
}
