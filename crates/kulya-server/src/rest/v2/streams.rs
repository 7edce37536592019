//! The endpoints of streams and events.

use super::cut::{check_length, parse_cut};
use super::endpoint::{Content, Endpoint, Parameter, U32};
use super::error::{ApiError, bad_request};
use super::extract::{EventBytes, Path, Query};
use super::state::CallerServices;
use super::{read_events, tail};
use crate::endpoint::Access;
use crate::middleware::RequestContext;
use axum::Json;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kulya_auth::operation::{self, StoreCall};
use kulya_store::{
    Append, Commit, ErrorKind, EventPointer, Scope, StreamConfig, StreamCut, StreamId, WriterId, hex,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Events per response by default, and at most.
const DEFAULT_LIMIT: usize = 1000;
const MAX_LIMIT: usize = 10_000;

/// Segments of a stream created here: its cuts are sent as headers.
const MAX_SEGMENTS: u32 = 1000;
const CUT: Parameter = Parameter::text("from", "the cut to start at; absent for the stream's head");

pub(super) fn endpoints() -> Vec<Endpoint> {
    use StoreCall::{ChangeStreams, ReadScope, ReadStream, WriteStream};
    vec![
        Endpoint::new(Method::GET, "/v2/streams/{scope}", Access::Store(ReadScope), list)
            .audited_as("list")
            .documented("listStreams", "lists the streams of a scope")
            .response(200, "their names", Content::Json("Streams"))
            .errors(&[404]),
        Endpoint::new(Method::GET, "/v2/streams/{scope}/{stream}", Access::Store(ReadStream), describe)
            .audited_as("describe")
            .documented("getStream", "returns a stream's segments, head and tail")
            .response(200, "the stream", Content::Json("Stream"))
            .errors(&[404]),
        Endpoint::new(Method::PUT, "/v2/streams/{scope}/{stream}", Access::Store(ChangeStreams), create)
            .audited_as("create")
            .documented("createStream", "creates a stream and its scope")
            .query(&[Parameter::number(
                "segments",
                "the number of segments: 1 by default; over 1000 use gRPC",
            )
            .constrained(r#"{"minimum":1,"maximum":1000}"#)])
            .response(201, "created", Content::Nothing)
            .response(200, "exists already, with as many segments", Content::Nothing)
            .errors(&[409, 507]),
        Endpoint::new(
            Method::POST,
            "/v2/streams/{scope}/{stream}/events",
            Access::Store(WriteStream),
            append,
        )
        .audited_as("append")
        .documented("appendEvent", "appends the body as one event")
        .query(&[Parameter::text("key", "the routing key; absent for any segment")])
        .headers(&[
            Parameter::text(
                "Kulya-Writer",
                "the writer's id, 32 hexadecimal digits: makes the request idempotent",
            )
            .constrained(r#"{"pattern":"^[0-9a-fA-F]{32}$"}"#),
            Parameter::number("Kulya-Event-Number", "the number of the event among the writer's")
                .constrained(r#"{"minimum":0,"maximum":18446744073709551615}"#),
        ])
        .request(Content::Bytes)
        .response(201, "its pointer", Content::Json("Appended"))
        .response(200, "stored already", Content::Json("Duplicate"))
        .errors(&[404, 409, 507]),
        Endpoint::new(Method::GET, "/v2/streams/{scope}/{stream}/events", Access::Store(ReadStream), read)
            .audited_as("read")
            .documented("readEvents", "reads events; the header Kulya-Next is the cut to read on from")
            .query(&[
                CUT,
                Parameter::number("limit", "the maximum number of events: 1000 by default, 10000 at most")
                    .constrained(U32),
            ])
            .response(200, "the events", Content::Lines("Event"))
            .errors(&[404, 410]),
        Endpoint::new(
            Method::GET,
            "/v2/streams/{scope}/{stream}/tail",
            Access::Store(ReadStream),
            tail::follow,
        )
        .audited_as("tail")
        .long()
        .documented("followStream", "tails a stream; an event's id is the cut after it")
        .query(&[Parameter::text("from", "the cut to start at; absent for the stream's tail")])
        .headers(&[Parameter::text("Last-Event-ID", "the same, as browsers send it")])
        .response(200, "the events", Content::Events("Event"))
        .errors(&[404, 410]),
        Endpoint::new(Method::GET, "/v2/events/{pointer}", Access::PointedStream, get_event)
            .audited_as("event")
            .documented("getEvent", "returns the event at a pointer")
            .response(200, "its bytes", Content::Bytes)
            .errors(&[404, 410]),
    ]
}

pub(super) async fn list(
    services: CallerServices,
    Path(scope): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let names = services.store.streams(&Scope::new(&scope)?).await?;
    let names = names.iter().filter(|name| !name.is_system());
    let names: Vec<_> = names.map(ToString::to_string).collect();
    Ok(Json(json!({ "streams": names })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateParameters {
    #[serde(default = "one")]
    segments: u32,
}

fn one() -> u32 {
    1
}

pub(super) async fn create(
    services: CallerServices,
    context: RequestContext,
    Path((scope, stream)): Path<(String, String)>,
    Query(CreateParameters { segments }): Query<CreateParameters>,
) -> Result<StatusCode, ApiError> {
    let stream = StreamId::new(&scope, &stream)?;
    if segments > MAX_SEGMENTS {
        let what = format!("{segments} segments are more than {MAX_SEGMENTS}: create the stream over gRPC");
        return Err(bad_request(what));
    }
    // the response reveals whether the stream existed
    context.require(
        &operation::store(context.names(), StoreCall::ReadStream, &scope, stream.name.as_str()),
        false,
    )?;
    services.store.create_scope(&stream.scope).await?;
    let created = services.store.create_stream(&stream, StreamConfig::with_segments(segments)).await?;
    Ok(if created { StatusCode::CREATED } else { StatusCode::OK })
}

pub(super) async fn describe(
    services: CallerServices,
    Path((scope, stream)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let stream = StreamId::new(&scope, &stream)?;
    let info = services.store.stream(&stream).await?;
    let segments = services.store.segments(&stream).await?;
    let segments_json = segments.iter().map(|segment| {
        json!({
            "segment": segment.id.to_string(),
            "keys": [segment.key_range.start, segment.key_range.end],
            "head": segment.head,
            "tail": segment.tail,
        })
    });
    Ok(Json(json!({
        "stream": stream.to_string(),
        "sealed": info.sealed,
        "head": StreamCut::head(&stream, &segments).to_string(),
        "tail": StreamCut::tail(&stream, &segments).to_string(),
        "segments": segments_json.collect::<Vec<_>>(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppendParameters {
    key: Option<String>,
}

pub(super) async fn append(
    services: CallerServices,
    Path((scope, stream)): Path<(String, String)>,
    Query(AppendParameters { key }): Query<AppendParameters>,
    headers: HeaderMap,
    EventBytes(event): EventBytes,
) -> Result<Response, ApiError> {
    let stream = StreamId::new(&scope, &stream)?;
    let commit = Commit::events(vec![Append { stream, routing_key: key, event }]);
    let commit = match writer_mark(&headers)? {
        Some((writer, event_number)) => commit.by(writer, event_number),
        None => commit,
    };
    let committed = services.store.commit(commit).await?;
    Ok(match committed.pointers.first() {
        Some(pointer) => {
            let appended = json!({
                "pointer": hex::encode(&pointer.to_bytes()),
                "segment": pointer.segment.to_string(),
                "offset": pointer.offset,
            });
            (StatusCode::CREATED, Json(appended)).into_response()
        }
        None => Json(json!({ "duplicate": true })).into_response(),
    })
}

/// Returns the writer's id and its event number: both headers or none.
fn writer_mark(headers: &HeaderMap) -> Result<Option<(WriterId, u64)>, ApiError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (writer, number) = match (header("kulya-writer"), header("kulya-event-number")) {
        (None, None) => return Ok(None),
        (Some(writer), Some(number)) => (writer, number),
        _ => {
            return Err(bad_request(
                "Kulya-Writer and Kulya-Event-Number require each other: send both or none",
            ));
        }
    };
    let id = u128::from_str_radix(writer, 16).ok().filter(|_| writer.len() == 32);
    let id =
        id.ok_or_else(|| bad_request(format!("Kulya-Writer {writer:?} is not 32 hexadecimal digits")))?;
    let number = number
        .parse()
        .map_err(|_| bad_request(format!("Kulya-Event-Number {number:?} is not a whole number")))?;
    Ok(Some((WriterId(id), number)))
}

/// Attempts to read from a stream's head while retention truncates it.
const MAX_ATTEMPTS: u32 = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadParameters {
    from: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn read(
    services: CallerServices,
    Path((scope, stream)): Path<(String, String)>,
    Query(ReadParameters { from, limit }): Query<ReadParameters>,
) -> Result<Response, ApiError> {
    let stream = StreamId::new(&scope, &stream)?;
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit as usize).min(MAX_LIMIT);
    let from = from.map(|text| parse_cut(&stream, &text)).transpose()?;
    let mut attempts = 0;
    let (next, body) = loop {
        let segments = services.store.segments(&stream).await?;
        let cut = from.clone().unwrap_or_else(|| StreamCut::head(&stream, &segments));
        cut.check(&segments)?;
        check_length(&cut)?;
        attempts += 1;
        match read_events::read(services.reads.clone(), segments, cut, limit).await {
            // retention has truncated the stream meanwhile: a request without a cut reads from the new head
            Err(error)
                if error.kind() == ErrorKind::Truncated && from.is_none() && attempts < MAX_ATTEMPTS => {}
            result => break result?,
        }
    };
    check_length(&next)?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/x-ndjson".to_owned()),
        ("kulya-next", next.to_string()),
    ];
    Ok((headers, body).into_response())
}

pub(super) async fn get_event(
    services: CallerServices,
    Path(pointer): Path<String>,
) -> Result<Bytes, ApiError> {
    let bytes = hex::decode(pointer.as_bytes()).ok_or_else(|| {
        bad_request(format!("{pointer:.80?} is not an event pointer in hexadecimal digits"))
    })?;
    Ok(services.reads.event(&EventPointer::from_bytes(&bytes)?).await?)
}
