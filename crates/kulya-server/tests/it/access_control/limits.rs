//! How much there may be of what.

use super::*;
use kulya_client::RemoteStore;
use kulya_store::{Append, Commit, StreamId};
use kulya_wire::v1;
use kulya_wire::v1::stream_store_client::StreamStoreClient;
use std::task::Poll;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

async fn with(limits: Limits) -> Guarded {
    Guarded::behind(AccessControl::permissive(clock()).with_authenticator(guard()).with_limits(limits)).await
}

#[tokio::test]
async fn a_caller_who_asks_too_often_waits() {
    let clock = clock();
    let limits = Limits { requests_per_second: 1, burst: 2, ..Limits::default() };
    let door = AccessControl::permissive(Arc::clone(&clock) as Arc<dyn Clock>)
        .with_authenticator(guard())
        .with_limits(limits);
    let served = Guarded::behind(door).await;
    for expected in [200, 200, 429, 429] {
        assert_eq!(served.status("admin", "GET /ping", "").await, expected);
    }
    let answer = served.ask("admin", "GET /ping", "").await;
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(served.status("reader", "GET /ping", "").await, 200, "another caller");
    clock.advance(Duration::from_secs(1));
    assert_eq!(served.status("admin", "GET /ping", "").await, 200);
    assert_eq!(describe(&served).await, Err(Code::ResourceExhausted));
    clock.advance(Duration::from_secs(1));
    assert_eq!(describe(&served).await, Ok(()));
}

async fn describe(served: &Guarded) -> Result<(), Code> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let mut client = StreamStoreClient::new(channel.connect_lazy());
    let mut request = tonic::Request::new(v1::DescribeRequest {});
    request.metadata_mut().insert("authorization", "Basic YWRtaW46MTExMV9hYWFh".parse().unwrap());
    client.describe(request).await.map(drop).map_err(|status| status.code())
}

#[tokio::test]
async fn without_a_guard_an_address_is_a_caller() {
    let limits = Limits { requests_per_second: 1, burst: 1, ..Limits::default() };
    let served = Guarded::behind(AccessControl::permissive(clock()).with_limits(limits)).await;
    assert_eq!(served.status("", "GET /ping", "").await, 200);
    assert_eq!(served.status("", "GET /ping", "").await, 429);
}

#[tokio::test]
async fn whom_nobody_knows_is_counted_by_address() {
    let log = Log::default();
    let limits = Limits { requests_per_second: 1, burst: 2, ..Limits::default() };
    let door = AccessControl::permissive(clock()).with_authenticator(guard()).with_limits(limits);
    let served = Guarded::behind(door.with_audit(AuditLog::new(log.clone(), clock()))).await;
    for expected in [401, 401, 429, 429] {
        assert_eq!(served.status("", "GET /ping", "").await, expected);
    }
    assert_eq!(log.text().lines().count(), 2, "the log is not theirs to fill");
    assert_eq!(served.status("admin", "GET /ping", "").await, 200);
}

#[tokio::test]
async fn wrong_passwords_are_not_tried_for_ever() {
    let clock = clock();
    let limits = Limits { failures_per_second: 1, ..Limits::default() };
    let door = AccessControl::permissive(Arc::clone(&clock) as Arc<dyn Clock>)
        .with_authenticator(guard())
        .with_limits(limits);
    let served = Guarded::behind(door).await;
    assert_eq!(served.status("reader", "GET /ping", "").await, 200);
    for expected in [401, 401, 401, 401, 401, 429, 429] {
        assert_eq!(served.status("nobody", "GET /ping", "").await, expected);
    }
    assert_eq!(
        served.status("admin", "GET /ping", "").await,
        429,
        "from this address no new password is looked at"
    );
    assert_eq!(served.status("reader", "GET /ping", "").await, 200, "who was known goes on");
    clock.advance(Duration::from_secs(1));
    assert_eq!(served.status("admin", "GET /ping", "").await, 200);
}

#[tokio::test]
async fn requests_at_a_time() {
    let served = with(Limits { requests: 1, ..Limits::default() }).await;
    assert_eq!(served.status("admin", "PUT /v2/streams/s/t", "").await, 201);
    let tail = served.ask("admin", "GET /v2/streams/s/t/tail", "").await;
    assert_eq!(tail.status(), 200);
    let full = served.ask("admin", "GET /ping", "").await;
    assert_eq!((full.status().as_u16(), full.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(describe(&served).await, Err(Code::ResourceExhausted));
    // its place is free when it has gone; nothing else tells when the server saw it go
    drop(tail);
    while served.status("admin", "GET /ping", "").await != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_at_a_time() {
    const ASK: &[u8] = b"GET /ping HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWRtaW46MTExMV9hYWFh\r\n\r\n";
    let served = with(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(served.address).await.unwrap();
    let mut byte = [0; 4096];
    first.write_all(ASK).await.unwrap();
    assert!(first.read(&mut byte).await.unwrap() > 0);
    let mut second = TcpStream::connect(served.address).await.unwrap();
    second.write_all(ASK).await.unwrap();
    // the first is answered again and again, and the second not at all
    for _ in 0..20 {
        first.write_all(ASK).await.unwrap();
        assert!(first.read(&mut byte).await.unwrap() > 0);
    }
    let answered =
        std::future::poll_fn(|context| Poll::Ready(second.poll_read_ready(context).is_ready())).await;
    assert!(!answered);
    drop(first);
    assert!(second.read(&mut byte).await.unwrap() > 0);
}

#[tokio::test]
async fn bytes_of_bodies_and_answers() {
    let served = with(Limits { bytes: 1_000_000, address_percent: 100, ..Limits::default() }).await;
    assert_eq!(served.status("admin", "PUT /v2/streams/s/t", "").await, 201);
    let (small, large) = ("x".repeat(300_000), "x".repeat(1_100_000));
    for _ in 0..6 {
        assert_eq!(
            served.status("admin", "POST /v2/streams/s/t/events", &small).await,
            201,
            "room is given back"
        );
    }
    let refused = served.ask("admin", "POST /v2/streams/s/t/events", &large).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    // an answer may be larger than what there is of memory: no more of it is made than is taken
    let answer = served.ask("admin", "GET /v2/streams/s/t/events", "").await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().len() > 1_800_000);
    // over gRPC too, and there the client asks again for as long as it is patient
    let mut settings = served.remote("admin");
    settings.patience = Duration::ZERO;
    let remote = RemoteStore::connect(settings).await.unwrap();
    let stream = StreamId::new("s", "t").unwrap();
    let commit = |text: &str| Commit::events(vec![Append::keyed(&stream, "k", text.to_owned())]);
    remote.commit(commit(&small)).await.unwrap();
    let refused = remote.commit(commit(&large)).await.unwrap_err();
    assert_eq!(refused.kind(), kulya_store::ErrorKind::Unreachable);
}

/// A client that holds all it may get leaves something for the next one, from the same address too.
#[tokio::test]
async fn nobody_holds_all_requests() {
    let served = with(Limits { requests: 12, ..Limits::default() }).await;
    assert_eq!(served.status("admin", "PUT /v2/streams/s/t", "").await, 201);
    let mut tails = Vec::new();
    loop {
        let tail = served.ask("admin", "GET /v2/streams/s/t/tail", "").await;
        if tail.status() != 200 {
            assert_eq!(tail.status(), 503);
            break;
        }
        tails.push(tail);
    }
    assert!((7..12).contains(&tails.len()), "{}", tails.len());
    let other = crate::client_from("127.0.0.2".parse().unwrap());
    let url = format!("http://{}/ping", served.address);
    let answer = other.get(url).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "another address");
}
