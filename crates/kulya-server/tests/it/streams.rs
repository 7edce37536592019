//! Streams over HTTP, as curl would.

use crate::{registry_on, serve_services};
use kulya_server::Services;
use kulya_store::memory::MemoryStore;
use kulya_store::{StreamCut, StreamId, StreamStore};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::sync::Arc;

struct Served {
    url: String,
    store: Arc<dyn StreamStore>,
    client: Client,
}

impl Served {
    async fn new() -> Self {
        let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
        let registry = Arc::new(registry_on(Arc::clone(&store)).await);
        let url = serve_services(Services { registry, store: Arc::clone(&store) }).await;
        let this = Self { url, store, client: crate::client() };
        assert_eq!(this.client.put(this.at("s/t?segments=2")).send().await.unwrap().status(), 201);
        this
    }

    fn at(&self, path: &str) -> String {
        format!("{}/v2/streams/{path}", self.url)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        result(self.client.get(self.at(path)).send().await.unwrap()).await
    }

    async fn append(&self, key: &str, event: &str) -> Value {
        let url = self.at(&format!("s/t/events?key={key}"));
        let (status, text) = result(self.client.post(url).body(event.to_owned()).send().await.unwrap()).await;
        assert_eq!(status, 201, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

async fn result(response: Response) -> (u16, String) {
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn events_are_written_and_read_in_pages() {
    let server = Served::new().await;
    assert_eq!(server.client.put(server.at("s/t")).send().await.unwrap().status(), 200, "it was there");
    assert_eq!(server.get("s").await, (200, json!({ "streams": ["t"] }).to_string()));
    for n in 0..5 {
        server.append(&n.to_string(), &format!("event {n}")).await;
    }
    let binary = server.client.post(server.at("s/t/events")).body(vec![0xff, 0]).send().await.unwrap();
    let pointer: Value = serde_json::from_str(&result(binary).await.1).unwrap();
    let event = format!("{}/v2/events/{}", server.url, pointer["pointer"].as_str().unwrap());
    assert_eq!(server.client.get(event).send().await.unwrap().bytes().await.unwrap(), &[0xff, 0][..]);

    let (mut seen, mut from) = (Vec::new(), String::new());
    loop {
        let response =
            server.client.get(server.at(&format!("s/t/events?limit=4{from}"))).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        from = format!("&from={}", response.headers()["kulya-next"].to_str().unwrap());
        let lines = response.text().await.unwrap();
        if lines.is_empty() {
            break;
        }
        assert!(lines.lines().count() <= 4);
        seen.extend(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let mut texts: Vec<_> = seen.iter().filter_map(|event| event["text"].as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["event 0", "event 1", "event 2", "event 3", "event 4"]);
    assert_eq!(seen.iter().filter(|event| event["base64"] == "/wA=").count(), 1);
    let (_, described) = server.get("s/t").await;
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!((&described["sealed"], described["segments"].as_array().unwrap().len()), (&json!(false), 2));
    assert_eq!(described["tail"], from.trim_start_matches("&from="));
}

#[tokio::test]
async fn a_numbered_write_is_idempotent() {
    let server = Served::new().await;
    let write = |writer: &'static str, number: &'static str| {
        let request = server.client.post(server.at("s/t/events?key=k")).body("once");
        let request = request.header("Kulya-Writer", writer).header("Kulya-Event-Number", number);
        async move { result(request.send().await.unwrap()).await }
    };
    let writer = "000102030405060708090a0b0c0d0e0f";
    assert_eq!(write(writer, "7").await.0, 201);
    assert_eq!(write(writer, "7").await, (200, json!({ "duplicate": true }).to_string()));
    assert_eq!(write(writer, "8").await.0, 201);
    assert_eq!(server.get("s/t/events").await.1.lines().count(), 2);
    for (writer, number, message) in
        [("xyz", "1", "xyz"), (writer, "-1", "-1"), ("00", "1", "32 hexadecimal digits")]
    {
        let (status, text) = write(writer, number).await;
        assert!(status == 400 && text.contains(message), "{text}");
    }
    let alone =
        server.client.post(server.at("s/t/events")).header("Kulya-Writer", writer).send().await.unwrap();
    assert!(result(alone).await.1.contains("require each other"));
}

/// Reads the ids and texts of `count` server-sent events, or of all until the end.
async fn events(response: &mut Response, count: usize) -> Vec<(String, String)> {
    let (mut text, mut found) = (String::new(), Vec::new());
    while found.len() < count {
        let Some(bytes) = response.chunk().await.unwrap() else { break };
        text += std::str::from_utf8(&bytes).unwrap();
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                let data: Value = serde_json::from_str(data).unwrap();
                found.push((id.to_owned(), data["text"].as_str().unwrap().to_owned()));
            }
            text = rest.to_owned();
        }
    }
    found
}

#[tokio::test]
async fn a_tail_is_followed_and_resumed() {
    let server = Served::new().await;
    server.append("k", "before").await;
    let mut tail = server.client.get(server.at("s/t/tail")).send().await.unwrap();
    assert_eq!(tail.headers()["content-type"], "text/event-stream");
    server.append("k", "one").await;
    server.append("j", "two").await;
    let first = events(&mut tail, 2).await;
    assert_eq!(first.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    drop(tail);
    server.append("k", "three").await;
    // the id of the first event is the position after it
    let again = server.client.get(server.at("s/t/tail")).header("Last-Event-ID", &first[0].0);
    let mut tail = again.send().await.unwrap();
    let mut rest: Vec<_> = events(&mut tail, 2).await.into_iter().map(|(_, text)| text).collect();
    rest.sort_unstable();
    assert_eq!(rest, ["three", "two"]);
    let stream = StreamId::new("s", "t").unwrap();
    server.store.seal_stream(&stream).await.unwrap();
    assert_eq!(events(&mut tail, 1).await, [], "it ends when nothing can follow");
    let head = StreamCut::head(&stream, &server.store.segments(&stream).await.unwrap());
    let mut whole = server.client.get(server.at(&format!("s/t/tail?from={head}"))).send().await.unwrap();
    assert_eq!(events(&mut whole, 100).await.len(), 4);
}

#[tokio::test]
async fn invalid_requests_get_the_reason() {
    let server = Served::new().await;
    let pointer = server.append("k", "one").await["pointer"].as_str().unwrap().to_owned();
    let stream = StreamId::new("s", "t").unwrap();
    let tail = StreamCut::tail(&stream, &server.store.segments(&stream).await.unwrap());
    server.store.truncate(&tail).await.unwrap();
    let event = |pointer: &str| format!("{}/v2/events/{pointer}", server.url);
    for (url, status, message) in [
        (server.at("nowhere"), 404, "scope nowhere does not exist"),
        (server.at("a_b"), 400, "'_'"),
        (server.at("s/none"), 404, "stream s/none does not exist"),
        (server.at("s/none/events"), 404, "stream s/none"),
        (server.at("s/none/tail"), 404, "stream s/none"),
        (server.at("s/t/events?from=here"), 400, "must be written as scope/stream@"),
        (server.at("s/t/events?from=s/u@0.0:0"), 400, "is not of stream s/t"),
        (server.at("s/t/events?from=s/t@0.0:0"), 400, "does not name each segment"),
        (server.at("s/t/events?from=s/t@0.0:0,1.0:0"), 410, "is truncated"),
        (server.at("s/t/tail?from=s/t@0.0:0"), 400, "does not name each segment"),
        (server.at("s/t/events?limit=many"), 400, ""),
        (event("zz"), 400, "hexadecimal digits"),
        (event("00"), 400, "not an event pointer"),
        (event(&pointer), 410, "is truncated"),
    ] {
        let (found, text) = result(server.client.get(&url).send().await.unwrap()).await;
        assert!(found == status && text.contains(message), "{url}: {found} {text}");
    }
    let large = server.client.post(server.at("s/t/events")).body(vec![1; 8 * 1024 * 1024 + 1]).send().await;
    // the server may close the connection before the body is sent
    assert!(large.map_or(true, |response| response.status() == 413));
    let put = server.client.put(server.at("s/u?segments=0")).send().await.unwrap();
    assert!(result(put).await.1.contains("1 to 10000"));
    server.store.seal_stream(&stream).await.unwrap();
    let sealed = server.client.post(server.at("s/t/events")).body("x").send().await.unwrap();
    assert_eq!(sealed.status(), 409);
}
