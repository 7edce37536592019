//! Requests whose handlers hang, panic or wait for a slow body.

use super::AccessControl;
use crate::connections::Connections;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request as AxumRequest;
use axum::http::{Request, Response};
use axum::routing::{get, post};
use futures::stream;
use kulya_store::clock::ManualClock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

async fn panics() {
    panic!("intended")
}

/// Responds when the whole body has been received.
async fn echo(request: AxumRequest) -> Vec<u8> {
    to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default().to_vec()
}

fn router() -> Router {
    let hang = || std::future::pending::<()>();
    Router::new().route("/hang", get(hang).post(hang)).route("/panic", get(panics)).route("/echo", post(echo))
}

fn access_control() -> AccessControl {
    AccessControl::permissive(Arc::new(ManualClock::at(Duration::from_secs(1))))
}

async fn send(access_control: &AccessControl, request: Request<Body>) -> Response<Body> {
    let connections = Connections::new(10, 100, 10);
    let open = connections.open(SocketAddr::from(([10, 0, 0, 1], 1)), false).ok().unwrap();
    let client = access_control.client(Arc::clone(&open.connection));
    access_control.handle(router(), &client, request).await
}

#[tokio::test(start_paused = true)]
async fn a_hanging_request_is_aborted() {
    let started = Instant::now();
    let response = send(&access_control(), Request::get("/hang").body(Body::empty()).unwrap()).await;
    assert_eq!((response.status().as_u16(), started.elapsed().as_secs()), (503, 30));
    assert_eq!(response.headers()["retry-after"], "5");
    assert!(response.headers().contains_key("x-request-id"));
    let body = to_bytes(response.into_body(), 9999).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(
        body["error"].as_str().unwrap().contains("within 30s") && body["kind"] == "unavailable",
        "{body}"
    );
    let call = Request::post("/hang").header("content-type", "application/grpc").body(Body::empty()).unwrap();
    let response = send(&access_control(), call).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-status"]),
        (200, &"14".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn the_request_timeout_starts_after_the_body() {
    let slow = stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        (count < 20).then(|| (Ok::<_, axum::Error>(Bytes::from(vec![0; 20_000])), count + 1))
    });
    let request = Request::post("/echo").body(Body::from_stream(slow)).unwrap();
    let response = send(&access_control(), request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(to_bytes(response.into_body(), usize::MAX).await.unwrap().len(), 400_000);
    let never = Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>());
    let response = send(&access_control(), Request::post("/echo").body(never).unwrap()).await;
    assert_eq!(
        (response.status(), response.headers()["connection"].as_bytes()),
        (408.try_into().unwrap(), &b"close"[..])
    );
}

#[tokio::test]
async fn a_panic_is_an_internal_error() {
    let response = send(&access_control(), Request::get("/panic").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 500);
}
