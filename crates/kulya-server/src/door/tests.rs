//! Requests that hang, fail and come from behind a proxy.

use super::*;
use crate::connections::Connections;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request as AxumRequest;
use axum::routing::{get, post};
use futures::stream;
use kulya_store::clock::ManualClock;

async fn panics() {
    panic!("this one does")
}

/// Answers when all of the body is there.
async fn takes(request: AxumRequest) -> Vec<u8> {
    to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default().to_vec()
}

fn router() -> Router {
    let hang = || std::future::pending::<()>();
    Router::new()
        .route("/hang", get(hang).post(hang))
        .route("/panic", get(panics))
        .route("/take", post(takes))
}

fn door() -> Door {
    Door::open_to_all(Arc::new(ManualClock::at(Duration::from_secs(1))))
}

async fn ask(door: &Door, request: Request<Body>) -> Response<Body> {
    let connections = Connections::new(10, 100, 10);
    let open = connections.open(SocketAddr::from(([10, 0, 0, 1], 1)), false).ok().unwrap();
    let client = door.client(Arc::clone(&open.connection));
    door.through(router(), &client, request).await
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_given_up() {
    let begun = Instant::now();
    let answer = ask(&door(), Request::get("/hang").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status().as_u16(), begun.elapsed().as_secs()), (503, 30));
    assert_eq!(answer.headers()["retry-after"], "5");
    assert!(answer.headers().contains_key("x-request-id"));
    let body = to_bytes(answer.into_body(), 9999).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(
        body["error"].as_str().unwrap().contains("within 30s") && body["kind"] == "unavailable",
        "{body}"
    );
    let call = Request::post("/hang").header("content-type", "application/grpc").body(Body::empty()).unwrap();
    let answer = ask(&door(), call).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &"14".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_request_begins_behind_its_body() {
    let slowly = stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        (count < 20).then(|| (Ok::<_, axum::Error>(Bytes::from(vec![0; 20_000])), count + 1))
    });
    let request = Request::post("/take").body(Body::from_stream(slowly)).unwrap();
    let answer = ask(&door(), request).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(to_bytes(answer.into_body(), usize::MAX).await.unwrap().len(), 400_000);
    let never = Body::from_stream(stream::pending::<Result<Bytes, axum::Error>>());
    let answer = ask(&door(), Request::post("/take").body(never).unwrap()).await;
    assert_eq!(
        (answer.status(), answer.headers()["connection"].as_bytes()),
        (408.try_into().unwrap(), &b"close"[..])
    );
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let answer = ask(&door(), Request::get("/panic").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 500);
}

#[test]
fn a_proxy_names_the_client() {
    let proxy: IpAddr = "10.0.0.1".parse().unwrap();
    let of = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        forwarded_for(&headers, &[proxy]).map(|address| address.to_string())
    };
    assert_eq!(of(&["1.1.1.1, 2.2.2.2"]).as_deref(), Some("2.2.2.2"), "the rest anybody may write");
    assert_eq!(of(&["1.1.1.1", "2.2.2.2, 10.0.0.1"]).as_deref(), Some("2.2.2.2"), "proxies behind proxies");
    assert_eq!(of(&["[2001:db8::1]:443"]).as_deref(), Some("2001:db8::1"));
    assert_eq!((of(&[]), of(&["unknown"]), of(&["2.2.2.2, unknown"])), (None, None, None));
}
