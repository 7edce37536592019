//! The access log: one line per request, written when the response has been sent or the client has
//! disconnected.
//!
//! *Common* is the line of Apache and nginx followed by the duration in seconds and the request id; *json* is
//! one object:
//!
//! ```text
//! 10.0.0.7 - anna [25/Nov/2026:14:30:00 +0000] "GET /v2/groups HTTP/1.1" 200 512 0.003 8a31-1f
//! ```
//!
//! The query is not logged: it may contain routing keys. Long client-supplied fields are truncated.

use crate::truncate::truncate;
use chrono::{DateTime, SecondsFormat, Utc};
use kulya_store::clock::Clock;
use serde::Serialize;
use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest client-supplied field, in bytes.
const MAX_FIELD_BYTES: usize = 256;

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The common log format of Apache and nginx.
    Common,
    /// A JSON object.
    Json,
}

/// The record of one request.
#[derive(Debug, Clone, Serialize)]
pub struct AccessEntry<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// The caller's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// The protocol, such as `HTTP/1.1`.
    pub protocol: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// The gRPC status of a gRPC call that was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<i32>,
    /// The bytes of the response's body.
    pub bytes: u64,
    /// The time from the request's head to the last byte of the response.
    pub milliseconds: u64,
    /// Whether the whole response was sent.
    pub complete: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    access: &'a AccessEntry<'a>,
}

/// Writes the access log.
pub struct AccessLog {
    format: Format,
    clock: Arc<dyn Clock>,
    output: Mutex<Output>,
}

struct Output {
    writer: Box<dyn Write + Send>,
    is_failing: bool,
}

impl AccessLog {
    /// Creates a log that writes each line to `writer` in one call.
    pub fn new(format: Format, writer: impl Write + Send + 'static, clock: Arc<dyn Clock>) -> Self {
        Self { format, clock, output: Mutex::new(Output { writer: Box::new(writer), is_failing: false }) }
    }

    /// Writes a line. A failing writer is reported once and retried with the next line.
    pub fn write(&self, access: &AccessEntry<'_>) {
        let line = line(self.format, access, self.clock.since_epoch());
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let written = output.writer.write_all(line.as_bytes()).and_then(|()| output.writer.flush());
        if let Err(error) = &written
            && !output.is_failing
        {
            tracing::error!("cannot write the access log, lines are lost: {error}");
        }
        output.is_failing = written.is_err();
    }
}

fn line(format: Format, access: &AccessEntry<'_>, now: Duration) -> String {
    let time = i64::try_from(now.as_millis()).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
    let time = time.unwrap_or_default();
    let path = truncate(access.path, MAX_FIELD_BYTES);
    let caller = access.caller.map(|caller| truncate(caller, MAX_FIELD_BYTES));
    match format {
        Format::Common => {
            let address = access.address.map_or_else(|| "-".to_owned(), |address| address.ip().to_string());
            let caller =
                caller.map_or_else(|| "-".to_owned(), |caller| escape(&caller).replace(' ', "\\x20"));
            let time = time.format("%d/%b/%Y:%H:%M:%S +0000");
            let AccessEntry { method, protocol, status, bytes, milliseconds, request_id, .. } = access;
            let (method, path) = (escape(method), escape(&path));
            let (seconds, thousandths) = (milliseconds / 1000, milliseconds % 1000);
            format!(
                "{address} - {caller} [{time}] \"{method} {path} {protocol}\" {status} {bytes} {seconds}.{thousandths:03} {request_id}\n"
            )
        }
        Format::Json => {
            let access = AccessEntry { path: &path, caller: caller.as_deref(), ..access.clone() };
            let line = Line { time: time.to_rfc3339_opts(SecondsFormat::Millis, true), access: &access };
            serde_json::to_string(&line).unwrap_or_default() + "\n"
        }
    }
}

/// Escapes quotation marks, backslashes and control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            character if character.is_control() => {
                let _ = fmt::Write::write_fmt(&mut escaped, format_args!("\\x{:02x}", u32::from(character)));
            }
            character => escaped.push(character),
        }
    }
    escaped
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("format", &self.format).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> AccessEntry<'static> {
        AccessEntry {
            request_id: "8a31-1f",
            address: Some("10.0.0.7:51234".parse().unwrap()),
            caller: Some("anna"),
            protocol: "HTTP/1.1",
            method: "GET",
            path: "/v2/groups",
            status: 200,
            grpc_status: None,
            bytes: 512,
            milliseconds: 1003,
            complete: true,
        }
    }

    #[test]
    fn formats_a_line_in_both_formats() {
        let now = Duration::from_millis(1_795_474_607_906);
        assert_eq!(
            line(Format::Common, &access(), now),
            "10.0.0.7 - anna [23/Nov/2026:22:56:47 +0000] \"GET /v2/groups HTTP/1.1\" 200 512 1.003 8a31-1f\n"
        );
        assert_eq!(
            line(Format::Json, &access(), now),
            "{\"time\":\"2026-11-23T22:56:47.906Z\",\"request_id\":\"8a31-1f\",\"address\":\"10.0.0.7:51234\",\"caller\":\"anna\",\"protocol\":\"HTTP/1.1\",\"method\":\"GET\",\"path\":\"/v2/groups\",\"status\":200,\"bytes\":512,\"milliseconds\":1003,\"complete\":true}\n"
        );
    }

    #[test]
    fn client_supplied_fields_are_escaped_and_truncated() {
        let path = "/\"\n\u{1b}[2J".to_owned() + &"A".repeat(60_000);
        let access = AccessEntry { path: &path, caller: Some("a b\n\""), address: None, ..access() };
        for format in [Format::Common, Format::Json] {
            let line = line(format, &access, Duration::ZERO);
            assert!(line.len() < 1000 && line.contains("60007 bytes"), "{line}");
            assert_eq!(line.matches(['\n', '\u{1b}']).count(), 1, "{line}");
        }
        assert!(line(Format::Common, &access, Duration::ZERO).starts_with("- - a\\x20b\\x0a\\\" ["));
    }
}
