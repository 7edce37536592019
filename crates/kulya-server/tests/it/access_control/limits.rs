//! Limits of rates, requests, connections and memory.

use super::*;
use kulya_client::RemoteStore;
use kulya_store::{Append, Commit, StreamId};
use kulya_wire::v1;
use kulya_wire::v1::stream_store_client::StreamStoreClient;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

async fn with(limits: Limits) -> TestServer {
    TestServer::start(
        AccessControl::permissive(clock()).with_authenticator(authenticator()).with_limits(limits),
    )
    .await
}

#[tokio::test]
async fn a_caller_is_rate_limited() {
    let clock = clock();
    let limits = Limits { requests_per_second: 1, burst: 2, ..Limits::default() };
    let access_control = AccessControl::permissive(Arc::clone(&clock) as Arc<dyn Clock>)
        .with_authenticator(authenticator())
        .with_limits(limits);
    let server = TestServer::start(access_control).await;
    for expected in [200, 200, 429, 429] {
        assert_eq!(server.status("admin", "GET /ping", "").await, expected);
    }
    let response = server.send("admin", "GET /ping", "").await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(server.status("reader", "GET /ping", "").await, 200, "another caller");
    clock.advance(Duration::from_secs(1));
    assert_eq!(server.status("admin", "GET /ping", "").await, 200);
    assert_eq!(describe(&server).await, Err(Code::ResourceExhausted));
    clock.advance(Duration::from_secs(1));
    assert_eq!(describe(&server).await, Ok(()));
}

async fn describe(server: &TestServer) -> Result<(), Code> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let mut client = StreamStoreClient::new(channel.connect_lazy());
    let mut request = tonic::Request::new(v1::DescribeRequest {});
    request.metadata_mut().insert("authorization", "Basic YWRtaW46MTExMV9hYWFh".parse().unwrap());
    client.describe(request).await.map(drop).map_err(|status| status.code())
}

#[tokio::test]
async fn anonymous_callers_are_rate_limited_by_address() {
    let limits = Limits { requests_per_second: 1, burst: 1, ..Limits::default() };
    let server = TestServer::start(AccessControl::permissive(clock()).with_limits(limits)).await;
    assert_eq!(server.status("", "GET /ping", "").await, 200);
    assert_eq!(server.status("", "GET /ping", "").await, 429);
}

#[tokio::test]
async fn unauthenticated_requests_are_rate_limited_by_address() {
    let log = Log::default();
    let limits = Limits { requests_per_second: 1, burst: 2, ..Limits::default() };
    let access_control =
        AccessControl::permissive(clock()).with_authenticator(authenticator()).with_limits(limits);
    let server = TestServer::start(access_control.with_audit(AuditLog::new(log.clone(), clock()))).await;
    for expected in [401, 401, 429, 429] {
        assert_eq!(server.status("", "GET /ping", "").await, expected);
    }
    assert_eq!(log.text().lines().count(), 2, "the log is not theirs to fill");
    assert_eq!(server.status("admin", "GET /ping", "").await, 200);
}

#[tokio::test]
async fn failed_logins_are_rate_limited() {
    let clock = clock();
    let limits = Limits { failures_per_second: 1, ..Limits::default() };
    let access_control = AccessControl::permissive(Arc::clone(&clock) as Arc<dyn Clock>)
        .with_authenticator(authenticator())
        .with_limits(limits);
    let server = TestServer::start(access_control).await;
    assert_eq!(server.status("reader", "GET /ping", "").await, 200);
    for expected in [401, 401, 401, 401, 401, 429, 429] {
        assert_eq!(server.status("nobody", "GET /ping", "").await, expected);
    }
    assert_eq!(
        server.status("admin", "GET /ping", "").await,
        429,
        "from this address no new password is looked at"
    );
    assert_eq!(server.status("reader", "GET /ping", "").await, 200, "a cached login is not limited");
    clock.advance(Duration::from_secs(1));
    assert_eq!(server.status("admin", "GET /ping", "").await, 200);
}

#[tokio::test]
async fn concurrent_requests_are_limited() {
    let server = with(Limits { requests: 1, ..Limits::default() }).await;
    assert_eq!(server.status("admin", "PUT /v2/streams/s/t", "").await, 201);
    let tail = server.send("admin", "GET /v2/streams/s/t/tail", "").await;
    assert_eq!(tail.status(), 200);
    let full = server.send("admin", "GET /ping", "").await;
    assert_eq!((full.status().as_u16(), full.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(describe(&server).await, Err(Code::ResourceExhausted));
    // its slot is free when the server has noticed the disconnect
    drop(tail);
    while server.status("admin", "GET /ping", "").await != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn concurrent_connections_are_limited() {
    const ASK: &[u8] = b"GET /ping HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWRtaW46MTExMV9hYWFh\r\n\r\n";
    let server = with(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let mut byte = [0; 4096];
    first.write_all(ASK).await.unwrap();
    assert!(first.read(&mut byte).await.unwrap() > 0);
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(ASK).await.unwrap();
    // the first one gets responses, the second one none
    for _ in 0..20 {
        first.write_all(ASK).await.unwrap();
        assert!(first.read(&mut byte).await.unwrap() > 0);
    }
    let responded =
        std::future::poll_fn(|context| Poll::Ready(second.poll_read_ready(context).is_ready())).await;
    assert!(!responded);
    drop(first);
    assert!(second.read(&mut byte).await.unwrap() > 0);
}

#[tokio::test]
async fn bytes_of_bodies_and_responses_are_limited() {
    let server = with(Limits { bytes: 1_000_000, address_percent: 100, ..Limits::default() }).await;
    assert_eq!(server.status("admin", "PUT /v2/streams/s/t", "").await, 201);
    let (small, large) = ("x".repeat(300_000), "x".repeat(1_100_000));
    for _ in 0..6 {
        assert_eq!(
            server.status("admin", "POST /v2/streams/s/t/events", &small).await,
            201,
            "room is given back"
        );
    }
    let error = server.send("admin", "POST /v2/streams/s/t/events", &large).await;
    assert_eq!((error.status().as_u16(), error.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    // a response may be larger than the memory limit: it is generated as it is read
    let response = server.send("admin", "GET /v2/streams/s/t/events", "").await;
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().len() > 1_800_000);
    // over gRPC too, where the client retries until its timeout
    let mut settings = server.remote("admin");
    settings.patience = Duration::ZERO;
    let remote = RemoteStore::connect(settings).await.unwrap();
    let stream = StreamId::new("s", "t").unwrap();
    let commit = |text: &str| Commit::events(vec![Append::keyed(&stream, "k", text.to_owned())]);
    remote.commit(commit(&small)).await.unwrap();
    let error = remote.commit(commit(&large)).await.unwrap_err();
    assert_eq!(error.kind(), kulya_store::ErrorKind::Unreachable);
}

/// A client that uses all it can get leaves something for the next one, even from the same address.
#[tokio::test]
async fn one_address_cannot_use_all_requests() {
    let server = with(Limits { requests: 12, ..Limits::default() }).await;
    assert_eq!(server.status("admin", "PUT /v2/streams/s/t", "").await, 201);
    let mut tails = Vec::new();
    loop {
        let tail = server.send("admin", "GET /v2/streams/s/t/tail", "").await;
        if tail.status() != 200 {
            assert_eq!(tail.status(), 503);
            break;
        }
        tails.push(tail);
    }
    assert!((7..12).contains(&tails.len()), "{}", tails.len());
    let other = crate::client_from("127.0.0.2".parse().unwrap());
    let url = format!("http://{}/ping", server.address);
    let response = other.get(url).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    assert_eq!(response.status(), 200, "another address");
}
