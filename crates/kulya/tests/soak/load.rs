//! Well-behaved clients: they write, tail and read numbered events, and change and search the registry. Every
//! rejected request and every wrong event is a fault.

use super::monitor::Counts;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PRODUCERS: u64 = 4;
const TAILS: u64 = 4;
/// Groups that are created and deleted again.
const GROUPS: u64 = 6;
/// Versions of a group before it is deleted.
const VERSIONS: u64 = 25;
/// Events of a tail before it is resumed on a new connection.
const EVENTS_PER_TAIL: usize = 5000;

/// One client: its server and its counts.
#[derive(Clone)]
struct Caller {
    client: Client,
    url: String,
    counts: Arc<Counts>,
}

/// Starts all clients; they stop with the runtime.
pub(super) fn start(url: &str, counts: &Arc<Counts>) {
    // the client looks for a crypto library at its start, though it speaks no TLS here
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let caller = || Caller { client: Client::new(), url: url.to_owned(), counts: Arc::clone(counts) };
    for number in 0..PRODUCERS {
        let stream = ["by-size", "by-age"][number as usize % 2];
        tokio::spawn(caller().produce(stream, number));
    }
    for number in 0..TAILS {
        let stream = ["by-size", "by-age"][number as usize % 2];
        tokio::spawn(caller().tail(stream));
    }
    tokio::spawn(caller().read("by-size"));
    tokio::spawn(caller().read("by-age"));
    tokio::spawn(caller().change_groups());
    tokio::spawn(caller().search());
    tokio::spawn(caller().watch_changes());
    tokio::spawn(caller().ping());
}

/// Returns the writer and the number of an event.
fn writer_and_number(line: &Value) -> Option<(u64, u64)> {
    let text: Value = serde_json::from_str(line["text"].as_str()?).ok()?;
    Some((text["writer"].as_u64()?, text["number"].as_u64()?))
}

/// Returns whether a connection was closed before the response began.
fn is_closed_connection(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let is_reset = matches!(io, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        if is_reset || error.to_string().contains("connection closed before message completed") {
            return true;
        }
        cause = error.source();
    }
    false
}

impl Caller {
    /// Sends a request that must succeed.
    async fn call(&self, what: &'static str, request: reqwest::RequestBuilder) -> Option<Response> {
        match self.send(request).await {
            Ok(response) if response.status().is_success() => Some(response),
            Ok(response) => {
                let status = response.status();
                let body = response.text().await.unwrap_or_default();
                self.counts.fault(format!("{what}: {status} {body:.300}"));
                None
            }
            Err(error) => {
                self.counts.fault(format!("{what}: {error:?}"));
                None
            }
        }
    }

    /// Sends a request; a GET request again, once, if the server closed the idle connection at the same
    /// moment, which it may do at any time (RFC 9112, section 9.5): the clients of this address are more than
    /// it has slots.
    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Response> {
        let again = request.try_clone().and_then(|request| request.build().ok());
        match (request.send().await, again) {
            (Err(error), Some(again)) if *again.method() == Method::GET && is_closed_connection(&error) => {
                self.counts.add("sent again", 1);
                self.client.execute(again).await
            }
            (response, _) => response,
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    async fn produce(self, stream: &'static str, writer: u64) {
        let padding = "x".repeat(900);
        for number in 0_u64.. {
            let event = json!({"writer": writer, "number": number, "padding": padding}).to_string();
            let since = Instant::now();
            let request = self.post(&format!("/v2/streams/soak/{stream}/events?key={writer}")).body(event);
            if self.call("append", request).await.is_some() {
                self.counts.record_time("append", since);
            }
        }
    }

    /// Tails a stream, and resumes from the last event now and then: each writer's numbers have no gap.
    async fn tail(self, stream: &'static str) {
        let path = format!("/v2/streams/soak/{stream}/tail");
        let (mut last_id, mut next) = (None::<String>, HashMap::new());
        loop {
            let mut request = self.get(&path);
            if let Some(id) = &last_id {
                request = request.header("Last-Event-ID", id);
            }
            let response = self.send(request).await;
            let Ok(response) = response else {
                self.counts.fault(format!("tail of {stream}: {response:?}"));
                continue;
            };
            if response.status() == StatusCode::GONE {
                // retention deleted the position
                (last_id, next) = (None, HashMap::new());
                self.counts.add("tails restarted", 1);
                continue;
            }
            last_id = self.tail_once(stream, response, last_id, &mut next).await;
        }
    }

    async fn tail_once(
        &self,
        stream: &str,
        mut response: Response,
        mut last_id: Option<String>,
        next: &mut HashMap<u64, u64>,
    ) -> Option<String> {
        let (mut buffer, mut seen) = (Vec::new(), 0);
        // an id is valid once its event is complete, at the empty line
        let mut pending_id = None;
        while let Ok(Some(chunk)) = response.chunk().await {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(id) = line.strip_prefix("id: ") {
                    pending_id = Some(id.trim_end().to_owned());
                } else if line.trim_end().is_empty() {
                    last_id = pending_id.take().or(last_id);
                } else if line.starts_with("event: error") {
                    // retention deleted unread events
                    next.clear();
                    return None;
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let event = serde_json::from_str(data).unwrap_or_default();
                    self.check_number(stream, &event, next);
                    self.counts.add("tailed", 1);
                    seen += 1;
                }
            }
            if seen > EVENTS_PER_TAIL {
                break;
            }
        }
        last_id
    }

    fn check_number(&self, stream: &str, event: &Value, next: &mut HashMap<u64, u64>) {
        let Some((writer, number)) = writer_and_number(event) else {
            self.counts.fault(format!("{stream}: unexpected event: {event:.200}"));
            return;
        };
        if next.insert(writer, number + 1).is_some_and(|expected| expected != number) {
            self.counts.fault(format!("{stream}: writer {writer} has number {number} out of order"));
        }
    }

    /// Reads from the head, page by page.
    async fn read(self, stream: &'static str) {
        let mut next = String::new();
        let mut numbers = HashMap::new();
        loop {
            let since = Instant::now();
            let from = if next.is_empty() { String::new() } else { format!("&from={next}") };
            let request = self.get(&format!("/v2/streams/soak/{stream}/events?limit=500{from}"));
            let response = match self.send(request).await {
                Ok(response) => response,
                Err(error) => {
                    self.counts.fault(format!("read of {stream}: {error:?}"));
                    continue;
                }
            };
            if response.status() == StatusCode::GONE {
                (next, numbers) = (String::new(), HashMap::new());
                continue;
            }
            let cut = response.headers().get("kulya-next").and_then(|it| it.to_str().ok()).map(str::to_owned);
            let status = response.status();
            let text = response.text().await.unwrap_or_default();
            let (Some(cut), true) = (cut, status.is_success()) else {
                self.counts.fault(format!("read of {stream}: {status} {text:.300}"));
                continue;
            };
            self.counts.record_time("read", since);
            let mut events = 0;
            for line in text.lines() {
                self.check_number(stream, &serde_json::from_str(line).unwrap_or_default(), &mut numbers);
                events += 1;
            }
            self.counts.add("events read", events);
            if events < 500 {
                // at the tail: starts again from the head
                (next, numbers) = (String::new(), HashMap::new());
                tokio::time::sleep(Duration::from_millis(300)).await;
            } else {
                next = cut;
            }
        }
    }

    /// Creates groups, registers versions, and deletes them.
    async fn change_groups(self) {
        for round in 0_u64.. {
            let group = format!("/v2/groups/g{}", round % GROUPS);
            let properties = json!({
                "serializationFormat": {"serializationFormat": "Avro"},
                "compatibility": {"policy": "Backward"},
                "properties": {"kulya.rules": "strict"},
            });
            let put = self.client.put(format!("{}{group}?namespace=soak", self.url)).json(&properties);
            let _ = self.call("create a group", put).await;
            for version in 0..VERSIONS {
                let fields: Vec<_> = (0..=version)
                    .map(|field| json!({"name": format!("f{round}_{field}"), "type": "long", "default": 0}))
                    .collect();
                let schema = json!({
                    "serializationFormat": {"serializationFormat": "Avro"},
                    "schema": {"type": "record", "name": "Soak", "fields": fields},
                });
                let since = Instant::now();
                let add = self.post(&format!("{group}/schemas?namespace=soak")).json(&schema);
                if self.call("add a schema", add).await.is_some() {
                    self.counts.record_time("schema", since);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // searches and exports run concurrently
            let delete = self.client.delete(format!("{}{group}?namespace=soak", self.url));
            let _ = self.call("delete a group", delete).await;
        }
    }

    async fn search(self) {
        loop {
            for path in [
                "/v2/search?field=f1_1&namespace=soak",
                "/v2/groups?namespace=soak",
                "/v2/export?namespace=soak",
            ] {
                let since = Instant::now();
                if let Some(response) = self.call(path, self.get(path)).await {
                    if response.text().await.is_err() {
                        self.counts.fault(format!("{path}: the response was truncated"));
                    }
                    self.counts.record_time("search", since);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn watch_changes(self) {
        loop {
            let Some(mut response) = self.call("changes", self.get("/v2/changes")).await else { continue };
            let mut bytes = 0;
            while let Ok(Some(chunk)) = response.chunk().await {
                bytes += chunk.len();
                if bytes > 1 << 20 {
                    break;
                }
            }
            self.counts.add("feeds", 1);
        }
    }

    /// Sends pings, which no load may delay.
    async fn ping(self) {
        loop {
            let since = Instant::now();
            if self.call("ping", self.get("/ping")).await.is_some() {
                self.counts.record_time("ping", since);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
