//! Fuzz entry point for REST v1: requests to one registry, without a socket.

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use kulya_registry::Registry;
use kulya_server::rest::v1;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// Most requests that are sent; later lines are ignored.
const MAX_REQUESTS: usize = 64;

/// Sends one request a line: method, target, and a body to the end of the line. In a body, text between two
/// `~` is sent in base64, so that fuzzers can change schemas as text. No response may be a server error, and
/// JSON responses must parse.
pub fn registry_rest(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(async {
        let clock = ManualClock::at(Duration::from_secs(1_795_474_607));
        let registry = Registry::open(MemoryStore::new(), clock).await.expect("the registry opens");
        let router = v1::router(Arc::new(registry));
        for line in bytes.split(|byte| *byte == b'\n').take(MAX_REQUESTS) {
            let Some(request) = request(line) else { continue };
            let name = format!("{} {}", request.method(), request.uri());
            let response = match router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let (head, body) = response.into_parts();
            let body = body.collect().await.expect("a complete response").to_bytes();
            let text = String::from_utf8_lossy(&body);
            assert!(!head.status.is_server_error(), "{name}: {} {text}", head.status);
            if head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json")
                && !body.is_empty()
            {
                let read: Result<serde_json::Value, _> = serde_json::from_slice(&body);
                assert!(read.is_ok(), "{name}: {text}");
            }
        }
    });
}

fn request(line: &[u8]) -> Option<Request<Full<Bytes>>> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let method = Method::from_bytes(parts.next()?).ok()?;
    let target = Uri::try_from(parts.next()?).ok()?;
    let mut body = Vec::new();
    for (number, part) in parts.next().unwrap_or_default().split(|byte| *byte == b'~').enumerate() {
        if number % 2 == 0 {
            body.extend_from_slice(part);
        } else {
            body.extend_from_slice(base64(part).as_bytes());
        }
    }
    let request = Request::builder().method(method).uri(target);
    request.header(header::CONTENT_TYPE, "application/json").body(Full::new(body.into())).ok()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
