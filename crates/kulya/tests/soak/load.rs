//! Well-behaved clients: they write numbered events, follow and read them, change the registry and search it. Whatever is
//! refused or wrong to them is a fault.

use super::watch::Counts;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PRODUCERS: u64 = 4;
const TAILS: u64 = 4;
/// Groups that the registry's changer lets grow and removes again.
const GROUPS: u64 = 6;
/// Versions that a group gets before it is removed.
const VERSIONS: u64 = 25;
/// A tail goes on from its last event after so many.
const EVENTS_OF_A_TAIL: usize = 5000;

/// One client: where it calls, what it counts.
#[derive(Clone)]
struct Caller {
    client: Client,
    url: String,
    counts: Arc<Counts>,
}

/// Starts them all; they end with the runtime.
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
        tokio::spawn(caller().follow(stream));
    }
    tokio::spawn(caller().read("by-size"));
    tokio::spawn(caller().read("by-age"));
    tokio::spawn(caller().change_groups());
    tokio::spawn(caller().search());
    tokio::spawn(caller().watch_changes());
    tokio::spawn(caller().ping());
}

/// What an event says: its writer and number.
fn numbered(line: &Value) -> Option<(u64, u64)> {
    let text: Value = serde_json::from_str(line["text"].as_str()?).ok()?;
    Some((text["writer"].as_u64()?, text["number"].as_u64()?))
}

impl Caller {
    /// A call that must succeed.
    async fn call(&self, what: &'static str, request: reqwest::RequestBuilder) -> Option<Response> {
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Some(answer),
            Ok(answer) => {
                let status = answer.status();
                let body = answer.text().await.unwrap_or_default();
                self.counts.fault(format!("{what}: {status} {body:.300}"));
                None
            }
            Err(error) => {
                self.counts.fault(format!("{what}: {error:?}"));
                None
            }
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
                self.counts.time("append", since);
            }
        }
    }

    /// Follows a stream, and goes on from its last event now and then: each writer's numbers come without a gap.
    async fn follow(self, stream: &'static str) {
        let path = format!("/v2/streams/soak/{stream}/tail");
        let (mut last_id, mut next) = (None::<String>, HashMap::new());
        loop {
            let mut request = self.get(&path);
            if let Some(id) = &last_id {
                request = request.header("Last-Event-ID", id);
            }
            let Ok(answer) = request.send().await else {
                self.counts.fault(format!("tail of {stream}: no answer"));
                continue;
            };
            if answer.status() == StatusCode::GONE {
                // retention was quicker than this client
                (last_id, next) = (None, HashMap::new());
                self.counts.add("tails begun anew", 1);
                continue;
            }
            last_id = self.follow_once(stream, answer, last_id, &mut next).await;
        }
    }

    async fn follow_once(
        &self,
        stream: &str,
        mut answer: Response,
        mut last_id: Option<String>,
        next: &mut HashMap<u64, u64>,
    ) -> Option<String> {
        let (mut buffer, mut seen) = (Vec::new(), 0);
        // an event's id counts once its data have come, which end with an empty line
        let mut coming = None;
        while let Ok(Some(chunk)) = answer.chunk().await {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(id) = line.strip_prefix("id: ") {
                    coming = Some(id.trim_end().to_owned());
                } else if line.trim_end().is_empty() {
                    last_id = coming.take().or(last_id);
                } else if line.starts_with("event: error") {
                    // what it has not read yet was given up meanwhile
                    next.clear();
                    return None;
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let event = serde_json::from_str(data).unwrap_or_default();
                    self.see(stream, &event, next);
                    self.counts.add("followed", 1);
                    seen += 1;
                }
            }
            if seen > EVENTS_OF_A_TAIL {
                break;
            }
        }
        last_id
    }

    fn see(&self, stream: &str, event: &Value, next: &mut HashMap<u64, u64>) {
        let Some((writer, number)) = numbered(event) else {
            self.counts.fault(format!("{stream}: not an event of ours: {event:.200}"));
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
            let answer = self.get(&format!("/v2/streams/soak/{stream}/events?limit=500{from}")).send().await;
            let Ok(answer) = answer else {
                self.counts.fault(format!("read of {stream}: no answer"));
                continue;
            };
            if answer.status() == StatusCode::GONE {
                (next, numbers) = (String::new(), HashMap::new());
                continue;
            }
            let cut = answer.headers().get("kulya-next").and_then(|it| it.to_str().ok()).map(str::to_owned);
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            let (Some(cut), true) = (cut, status.is_success()) else {
                self.counts.fault(format!("read of {stream}: {status} {text:.300}"));
                continue;
            };
            self.counts.time("read", since);
            let mut events = 0;
            for line in text.lines() {
                self.see(stream, &serde_json::from_str(line).unwrap_or_default(), &mut numbers);
                events += 1;
            }
            self.counts.add("events read", events);
            if events < 500 {
                // at the tail: once more from the head
                (next, numbers) = (String::new(), HashMap::new());
                tokio::time::sleep(Duration::from_millis(300)).await;
            } else {
                next = cut;
            }
        }
    }

    /// Groups come, get versions, and go.
    async fn change_groups(self) {
        for round in 0_u64.. {
            let group = format!("/v2/groups/g{}", round % GROUPS);
            let made = json!({
                "serializationFormat": {"serializationFormat": "Avro"},
                "compatibility": {"policy": "Backward"},
                "properties": {"kulya.rules": "strict"},
            });
            let put = self.client.put(format!("{}{group}?namespace=soak", self.url)).json(&made);
            let _ = self.call("make a group", put).await;
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
                    self.counts.time("schema", since);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // the search and the export look at the groups meanwhile
            let delete = self.client.delete(format!("{}{group}?namespace=soak", self.url));
            let _ = self.call("remove a group", delete).await;
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
                if let Some(answer) = self.call(path, self.get(path)).await {
                    if answer.text().await.is_err() {
                        self.counts.fault(format!("{path}: the answer was cut off"));
                    }
                    self.counts.time("search", since);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn watch_changes(self) {
        loop {
            let Some(mut answer) = self.call("changes", self.get("/v2/changes")).await else { continue };
            let mut bytes = 0;
            while let Ok(Some(chunk)) = answer.chunk().await {
                bytes += chunk.len();
                if bytes > 1 << 20 {
                    break;
                }
            }
            self.counts.add("feeds", 1);
        }
    }

    /// What nobody should ever wait for.
    async fn ping(self) {
        loop {
            let since = Instant::now();
            if self.call("ping", self.get("/ping")).await.is_some() {
                self.counts.time("ping", since);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
