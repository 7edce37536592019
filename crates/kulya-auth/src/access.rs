//! The access log: a line for each request when its answer is written, or its client gone.
//!
//! *Common* is the line of Apache and nginx, with the duration in seconds and the request's id behind it:
//! `10.0.0.7 - anna [25/Nov/2026:14:30:00 +0000] "GET /v2/groups HTTP/1.1" 200 512 0.003 8a31-1f`; *json* is one object.
//! The query is not written down: routing keys may stand in it. What a caller chooses is cut where it is long.

use crate::bounded::bounded;
use chrono::{DateTime, SecondsFormat, Utc};
use kulya_store::clock::Clock;
use serde::Serialize;
use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of what a caller chooses, of each field.
const FIELD_BYTES: usize = 256;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As Apache and nginx do.
    Common,
    /// A JSON object.
    Json,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct Access<'a> {
    /// The request's id.
    pub request_id: &'a str,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// Such as `HTTP/1.1`.
    pub protocol: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// gRPC's own, where it is one of its calls and came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<i32>,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// From the head of the request to the last byte of the answer.
    pub milliseconds: u64,
    /// Whether all of the answer was given.
    pub complete: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    access: &'a Access<'a>,
}

/// The log.
pub struct AccessLog {
    format: Format,
    clock: Arc<dyn Clock>,
    out: Mutex<Out>,
}

struct Out {
    to: Box<dyn Write + Send>,
    is_failing: bool,
}

impl AccessLog {
    /// Writes to `to`, one write for each line.
    pub fn new(format: Format, to: impl Write + Send + 'static, clock: Arc<dyn Clock>) -> Self {
        Self { format, clock, out: Mutex::new(Out { to: Box::new(to), is_failing: false }) }
    }

    /// Writes a line. A log that cannot be written is said once, and tried again with the next line.
    pub fn write(&self, access: &Access<'_>) {
        let line = line(self.format, access, self.clock.since_epoch());
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = out.to.write_all(line.as_bytes()).and_then(|()| out.to.flush());
        if let Err(error) = &written
            && !out.is_failing
        {
            tracing::error!("the access log cannot be written, and has gaps from now on: {error}");
        }
        out.is_failing = written.is_err();
    }
}

fn line(format: Format, access: &Access<'_>, now: Duration) -> String {
    let time = i64::try_from(now.as_millis()).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
    let time = time.unwrap_or_default();
    let path = bounded(access.path, FIELD_BYTES);
    let caller = access.caller.map(|caller| bounded(caller, FIELD_BYTES));
    match format {
        Format::Common => {
            let address = access.address.map_or_else(|| "-".to_owned(), |address| address.ip().to_string());
            let caller =
                caller.map_or_else(|| "-".to_owned(), |caller| quoted(&caller).replace(' ', "\\x20"));
            let time = time.format("%d/%b/%Y:%H:%M:%S +0000");
            let Access { method, protocol, status, bytes, milliseconds, request_id, .. } = access;
            let (method, path) = (quoted(method), quoted(&path));
            let (seconds, thousandths) = (milliseconds / 1000, milliseconds % 1000);
            format!(
                "{address} - {caller} [{time}] \"{method} {path} {protocol}\" {status} {bytes} {seconds}.{thousandths:03} {request_id}\n"
            )
        }
        Format::Json => {
            let access = Access { path: &path, caller: caller.as_deref(), ..access.clone() };
            let line = Line { time: time.to_rfc3339_opts(SecondsFormat::Millis, true), access: &access };
            serde_json::to_string(&line).unwrap_or_default() + "\n"
        }
    }
}

/// As it may stand between quotation marks, on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '"' | '\\' => quoted.extend(['\\', sign]),
            sign if sign.is_control() => {
                let _ = fmt::Write::write_fmt(&mut quoted, format_args!("\\x{:02x}", u32::from(sign)));
            }
            sign => quoted.push(sign),
        }
    }
    quoted
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("format", &self.format).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access<'static> {
        Access {
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
    fn both_formats() {
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
    fn a_line_is_one_line_and_bounded() {
        let path = "/\"\n\u{1b}[2J".to_owned() + &"A".repeat(60_000);
        let access = Access { path: &path, caller: Some("a b\n\""), address: None, ..access() };
        for format in [Format::Common, Format::Json] {
            let line = line(format, &access, Duration::ZERO);
            assert!(line.len() < 1000 && line.contains("60007 bytes"), "{line}");
            assert_eq!(line.matches(['\n', '\u{1b}']).count(), 1, "{line}");
        }
        assert!(line(Format::Common, &access, Duration::ZERO).starts_with("- - a\\x20b\\x0a\\\" ["));
    }
}
