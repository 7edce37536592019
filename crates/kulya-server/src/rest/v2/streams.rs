//! Making, describing, writing and reading streams.

use super::ask::{EventBytes, Path, Query};
use super::place::{Content, Parameter, Place, U32};
use super::refusal::{Refusal, wrong};
use super::{Seen, events, tail};
use crate::door::Visit;
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

/// Events of one answer, when nothing else is asked for, and at most.
const DEFAULT_LIMIT: usize = 1000;
const MOST_EVENTS: usize = 10_000;

/// Of a stream that is made here: a cut of it is sent as a header.
const MAX_SEGMENTS: u32 = 1000;
/// A longer cut is sent by no header, in bytes: clients read none of 64 KiB.
const MAX_CUT_BYTES: usize = 32 * 1024;

const CUT: Parameter = Parameter::text("from", "the cut to begin at; left out for the stream's head");

pub(super) fn places() -> Vec<Place> {
    vec![
        Place::new(Method::GET, "/v2/streams/{scope}", list)
            .named("listStreams", "the streams of a scope")
            .answers(200, "their names", Content::Json("Streams"))
            .refuses(&[404]),
        Place::new(Method::GET, "/v2/streams/{scope}/{stream}", describe)
            .named("getStream", "a stream's segments, head and tail")
            .answers(200, "the stream", Content::Json("Stream"))
            .refuses(&[404]),
        Place::new(Method::PUT, "/v2/streams/{scope}/{stream}", create)
            .named("createStream", "makes a stream, and its scope")
            .query(&[Parameter::number(
                "segments",
                "how many; 1 when it is left out; more than 1000 over gRPC",
            )
            .bounded(r#"{"minimum":1,"maximum":1000}"#)])
            .answers(201, "made", Content::Nothing)
            .answers(200, "it was there, with as many segments", Content::Nothing)
            .refuses(&[409, 507]),
        Place::new(Method::POST, "/v2/streams/{scope}/{stream}/events", append)
            .named("appendEvent", "appends the body as one event")
            .query(&[Parameter::text("key", "the routing key; left out for any segment")])
            .headers(&[
                Parameter::text(
                    "Kulya-Writer",
                    "who writes, 32 hexadecimal digits: the call may be repeated",
                )
                .bounded(r#"{"pattern":"^[0-9a-fA-F]{32}$"}"#),
                Parameter::number("Kulya-Event-Number", "which of the writer's events this is")
                    .bounded(r#"{"minimum":0,"maximum":18446744073709551615}"#),
            ])
            .takes(Content::Bytes)
            .answers(201, "its pointer", Content::Json("Appended"))
            .answers(200, "it is stored already", Content::Json("Duplicate"))
            .refuses(&[404, 409, 507]),
        Place::new(Method::GET, "/v2/streams/{scope}/{stream}/events", read)
            .named("readEvents", "events; the header Kulya-Next says where to go on")
            .query(&[
                CUT,
                Parameter::number("limit", "the most events: 1000 when it is left out, 10000 at most")
                    .bounded(U32),
            ])
            .answers(200, "the events", Content::Lines("Event"))
            .refuses(&[404, 410]),
        Place::new(Method::GET, "/v2/streams/{scope}/{stream}/tail", tail::follow)
            .named("followStream", "events as they come; an event's id is the cut behind it")
            .query(&[Parameter::text("from", "the cut to begin at; left out for now")])
            .headers(&[Parameter::text("Last-Event-ID", "the same, as browsers send it")])
            .answers(200, "the tail", Content::Events("Event"))
            .refuses(&[404, 410]),
        Place::new(Method::GET, "/v2/events/{pointer}", event)
            .named("getEvent", "the event that a pointer leads to")
            .answers(200, "its bytes", Content::Bytes)
            .refuses(&[404, 410]),
    ]
}

pub(super) async fn list(served: Seen, Path(scope): Path<String>) -> Result<Json<Value>, Refusal> {
    let names = served.store.streams(&Scope::new(&scope)?).await?;
    let names = names.iter().filter(|name| !name.is_system());
    let names: Vec<_> = names.map(ToString::to_string).collect();
    Ok(Json(json!({ "streams": names })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Creating {
    #[serde(default = "one")]
    segments: u32,
}

fn one() -> u32 {
    1
}

pub(super) async fn create(
    served: Seen,
    visit: Visit,
    Path((scope, stream)): Path<(String, String)>,
    Query(Creating { segments }): Query<Creating>,
) -> Result<StatusCode, Refusal> {
    let stream = StreamId::new(&scope, &stream)?;
    if segments > MAX_SEGMENTS {
        let what = format!("{segments} segments are more than {MAX_SEGMENTS}: make such a stream over gRPC");
        return Err(wrong(what));
    }
    // the answer tells whether it was there
    visit.allow(
        &operation::store(visit.names(), StoreCall::ReadStream, &scope, stream.name.as_str()),
        false,
    )?;
    served.store.create_scope(&stream.scope).await?;
    let is_new = served.store.create_stream(&stream, StreamConfig::with_segments(segments)).await?;
    Ok(if is_new { StatusCode::CREATED } else { StatusCode::OK })
}

pub(super) async fn describe(
    served: Seen,
    Path((scope, stream)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let stream = StreamId::new(&scope, &stream)?;
    let info = served.store.stream(&stream).await?;
    let segments = served.store.segments(&stream).await?;
    let shown = segments.iter().map(|segment| {
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
        "segments": shown.collect::<Vec<_>>(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Appending {
    key: Option<String>,
}

pub(super) async fn append(
    served: Seen,
    Path((scope, stream)): Path<(String, String)>,
    Query(Appending { key }): Query<Appending>,
    headers: HeaderMap,
    EventBytes(event): EventBytes,
) -> Result<Response, Refusal> {
    let stream = StreamId::new(&scope, &stream)?;
    let commit = Commit::events(vec![Append { stream, routing_key: key, event }]);
    let commit = match writer(&headers)? {
        Some((writer, event_number)) => commit.by(writer, event_number),
        None => commit,
    };
    let done = served.store.commit(commit).await?;
    Ok(match done.pointers.first() {
        Some(pointer) => {
            let place = json!({
                "pointer": hex::encode(&pointer.to_bytes()),
                "segment": pointer.segment.to_string(),
                "offset": pointer.offset,
            });
            (StatusCode::CREATED, Json(place)).into_response()
        }
        None => Json(json!({ "duplicate": true })).into_response(),
    })
}

/// Who writes, and which of its events this is: both headers or none.
fn writer(headers: &HeaderMap) -> Result<Option<(WriterId, u64)>, Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (writer, number) = match (text("kulya-writer"), text("kulya-event-number")) {
        (None, None) => return Ok(None),
        (Some(writer), Some(number)) => (writer, number),
        _ => return Err(wrong("Kulya-Writer and Kulya-Event-Number go together: send both or none")),
    };
    let id = u128::from_str_radix(writer, 16).ok().filter(|_| writer.len() == 32);
    let id = id.ok_or_else(|| wrong(format!("Kulya-Writer {writer:?} is not 32 hexadecimal digits")))?;
    let number =
        number.parse().map_err(|_| wrong(format!("Kulya-Event-Number {number:?} is not a whole number")))?;
    Ok(Some((WriterId(id), number)))
}

/// How often a stream's head is looked up anew while retention moves it.
const MOST_TRIES: u32 = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    from: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn read(
    served: Seen,
    Path((scope, stream)): Path<(String, String)>,
    Query(Reading { from, limit }): Query<Reading>,
) -> Result<Response, Refusal> {
    let stream = StreamId::new(&scope, &stream)?;
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit as usize).min(MOST_EVENTS);
    let from = from.map(|text| cut_of(&stream, &text)).transpose()?;
    let mut tries = 0;
    let (next, body) = loop {
        let segments = served.store.segments(&stream).await?;
        let cut = from.clone().unwrap_or_else(|| StreamCut::head(&stream, &segments));
        cut.check(&segments)?;
        check_length(&cut)?;
        tries += 1;
        match events::read(served.reads.clone(), segments, cut, limit).await {
            // retention has moved the head meanwhile: who named no place is not told that it is gone
            Err(error) if error.kind() == ErrorKind::Truncated && from.is_none() && tries < MOST_TRIES => {}
            read => break read?,
        }
    };
    check_length(&next)?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/x-ndjson".to_owned()),
        ("kulya-next", next.to_string()),
    ];
    Ok((headers, body).into_response())
}

/// Refuses a cut that no client could be sent.
pub(super) fn check_length(cut: &StreamCut) -> Result<(), Refusal> {
    if cut.to_string().len() <= MAX_CUT_BYTES {
        return Ok(());
    }
    let what =
        format!("stream {} has too many segments for a cut to be a header: read it over gRPC", cut.stream);
    Err(wrong(what))
}

/// A cut of this very stream.
pub(super) fn cut_of(stream: &StreamId, text: &str) -> Result<StreamCut, Refusal> {
    let cut: StreamCut = text.parse()?;
    if cut.stream == *stream {
        Ok(cut)
    } else {
        Err(wrong(format!("cut {cut} is one of another stream than {stream}")))
    }
}

pub(super) async fn event(served: Seen, Path(pointer): Path<String>) -> Result<Bytes, Refusal> {
    let bytes = hex::decode(pointer.as_bytes())
        .ok_or_else(|| wrong(format!("{pointer:.80?} is no event pointer in hexadecimal digits")))?;
    Ok(served.reads.event(&EventPointer::from_bytes(&bytes)?).await?)
}
