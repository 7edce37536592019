//! The HTTP client of the registry: the operations that the trait does not have, retries, and the blocking
//! client without a runtime.

use crate::serve_memory;
use async_trait::async_trait;
use kulya_client::{AccessToken, Credentials, HttpRegistry, RegistrySettings, TokenSource, blocking, fetch};
use kulya_registry_api::{RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn group() -> GroupId {
    GroupId::new("ns", "s/t")
}

fn properties() -> GroupProperties {
    GroupProperties::new(Format::Avro, Compatibility::AllowAny, true)
}

fn schema(field: &str) -> SchemaInfo {
    let text = format!(r#"{{"type":"record","name":"a.R","fields":[{{"name":"{field}","type":"int"}}]}}"#);
    SchemaInfo::new("a.R", Format::Avro, text)
}

#[tokio::test]
async fn every_operation_of_v1() {
    let registry = HttpRegistry::new(&serve_memory().await).unwrap();
    registry.ping().await.unwrap();
    assert!(registry.create_group(&group(), properties()).await.unwrap());
    registry.create_group(&GroupId::new("ns", "a"), properties()).await.unwrap();
    let (page, token) = registry.groups_page("ns", "", 1).await.unwrap();
    assert_eq!(page, [(GroupId::new("ns", "a"), properties())]);
    let (page, token) = registry.groups_page("ns", &token, 1).await.unwrap();
    assert_eq!(page, [(group(), properties())]);
    assert!(registry.groups_page("ns", &token, 1).await.unwrap().0.is_empty());
    let first = registry.add_schema(&group(), schema("f")).await.unwrap();
    let second = registry.add_schema(&group(), schema("g")).await.unwrap();
    assert_eq!(registry.added_to("ns", schema("g")).await.unwrap(), [("s/t".to_owned(), second)].into());
    assert_eq!(registry.schema_by_version(&group(), "Avro", "a.R", 1).await.unwrap(), schema("g"));
    let (any, backward) = (Compatibility::AllowAny, Compatibility::Backward);
    assert!(registry.validate(&group(), schema("h"), None).await.unwrap());
    assert!(!registry.validate(&group(), schema("h"), Some(backward.clone())).await.unwrap());
    let update = async |from| registry.update_compatibility(&group(), backward.clone(), from).await;
    assert!(!update(Some(Compatibility::Forward)).await.unwrap());
    assert!(update(Some(any)).await.unwrap() && update(None).await.unwrap());
    assert_eq!(registry.group(&group()).await.unwrap().compatibility, Compatibility::Backward);
    registry.delete_schema(&group(), first.id).await.unwrap();
    registry.delete_version(&group(), "Avro", "a.R", 1).await.unwrap();
    assert!(registry.schema_versions(&group(), None).await.unwrap().is_empty());
    let gone = registry.delete_version(&group(), "Avro", "a.R", 7).await.unwrap_err();
    assert_eq!(gone.kind(), RegistryErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_runtime() {
    let url = serve_memory().await;
    let inside = blocking::HttpRegistry::new(&url).unwrap();
    let error = inside.ping().unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::InvalidInput);
    assert!(error.to_string().contains("async runtime"), "{error}");
    let work = move || {
        let registry = blocking::HttpRegistry::new(&url).unwrap();
        assert!(registry.create_group(&group(), properties()).unwrap());
        let version = registry.add_schema(&group(), schema("f")).unwrap();
        assert_eq!(registry.schema(&group(), version.id).unwrap(), schema("f"));
        assert_eq!(registry.groups("ns").unwrap().len(), 1);
        assert_eq!(
            registry.group(&GroupId::new("ns", "none")).unwrap_err().kind(),
            RegistryErrorKind::NotFound
        );
    };
    std::thread::spawn(work).join().unwrap();
}

/// A server that sends these responses in turn, one per connection, and records the requests.
async fn scripted(responses: Vec<&'static str>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let request = Arc::new(Mutex::new(Vec::new()));
    let received = Arc::clone(&request);
    tokio::spawn(async move {
        for response in responses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 8192];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            received.lock().unwrap().push(head);
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    (url, request)
}

const CUT: &str = "";
const LATER: &str = "HTTP/1.1 503 x\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const AWAY: &str = "HTTP/1.1 503 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const MUCH_LATER: &str =
    "HTTP/1.1 429 x\r\nRetry-After: 3600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const UNKNOWN: &str = "HTTP/1.1 401 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const MADE: &str = "HTTP/1.1 201 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn retrying(url: String) -> RegistrySettings {
    let mut settings = RegistrySettings::new(url);
    (settings.retry_timeout, settings.jitter) = (Duration::from_secs(60), Arc::new(|| 0.0));
    settings
}

#[tokio::test]
async fn idempotent_requests_are_retried() {
    let (url, request) = scripted(vec![CUT, AWAY, LATER, DONE]).await;
    HttpRegistry::with_settings(retrying(url)).unwrap().ping().await.unwrap();
    assert_eq!(request.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn other_requests_are_retried_only_if_nothing_was_done() {
    let make = async |responses| {
        let (url, request) = scripted(responses).await;
        let made =
            HttpRegistry::with_settings(retrying(url)).unwrap().create_group(&group(), properties()).await;
        (made.map_err(|e| e.kind()), request.lock().unwrap().len())
    };
    assert_eq!(make(vec![LATER, LATER, MADE]).await, (Ok(true), 3));
    assert_eq!(make(vec![CUT, MADE]).await, (Err(RegistryErrorKind::Unavailable), 1));
    assert_eq!(make(vec![AWAY, MADE]).await, (Err(RegistryErrorKind::Unavailable), 1));
}

#[tokio::test]
async fn retries_are_bounded() {
    let (url, request) = scripted(vec![MUCH_LATER, DONE]).await;
    let error = HttpRegistry::with_settings(retrying(url)).unwrap().ping().await.unwrap_err();
    assert_eq!((error.kind(), request.lock().unwrap().len()), (RegistryErrorKind::Unavailable, 1));
    let (url, request) = scripted(vec![LATER, DONE]).await;
    assert!(HttpRegistry::new(&url).unwrap().ping().await.is_err(), "requested once");
    assert_eq!(request.lock().unwrap().len(), 1);
}

struct Numbered(AtomicU32);

#[async_trait]
impl TokenSource for Numbered {
    async fn token(&self) -> RegistryResult<AccessToken> {
        Ok(AccessToken { token: format!("t{}", self.0.fetch_add(1, Ordering::Relaxed)), expires_at: None })
    }
}

#[tokio::test]
async fn a_rejected_token_is_refreshed_once() {
    let (url, request) = scripted(vec![UNKNOWN, DONE, UNKNOWN, UNKNOWN, DONE]).await;
    let mut settings = retrying(url);
    settings.credentials = Credentials::Source(Arc::new(Numbered(AtomicU32::new(0))));
    let registry = HttpRegistry::with_settings(settings).unwrap();
    registry.ping().await.unwrap();
    let error = registry.ping().await.unwrap_err();
    assert!(error.to_string().contains("authentication failed"), "{error}");
    let output: Vec<_> = request
        .lock()
        .unwrap()
        .iter()
        .map(|head| head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap().to_owned())
        .collect();
    assert_eq!(output, ["Bearer t0", "Bearer t1", "Bearer t1", "Bearer t2"]);
}

#[tokio::test]
async fn one_document_is_fetched() {
    const FOUND: &str = "HTTP/1.1 200 x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    const ELSEWHERE: &str =
        "HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let (url, request) = scripted(vec![FOUND, FOUND, ELSEWHERE, UNKNOWN]).await;
    assert_eq!(fetch(&url, None, 5).await.unwrap(), "hello");
    for why in ["too long", "elsewhere", "unauthenticated"] {
        assert_eq!(fetch(&url, None, 4).await.unwrap_err().kind(), RegistryErrorKind::Unavailable, "{why}");
    }
    assert_eq!(request.lock().unwrap().len(), 4);
    for bad in ["http://issuer.example/keys", "file:///etc/passwd", "nonsense"] {
        assert_eq!(fetch(bad, None, 9).await.unwrap_err().kind(), RegistryErrorKind::InvalidInput, "{bad}");
    }
}
