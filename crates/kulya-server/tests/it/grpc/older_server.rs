//! A server of an earlier version, which does not have all calls.

use super::{event, make, orders, settings};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use kulya_client::RemoteStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{ErrorKind, StreamConfig, StreamId, StreamStore};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

async fn without_newer_calls(request: Request, next: Next) -> Response {
    let is_newer = ["/ListTails", "/AppendTimes"].iter().any(|call| request.uri().path().ends_with(call));
    if is_newer { tonic::Status::unimplemented("").into_http() } else { next.run(request).await }
}

#[tokio::test]
async fn streams_are_listed_one_at_a_time_and_append_times_are_refused() {
    let store = MemoryStore::new();
    make(&store).await;
    store.commit(event("k", "e")).await.unwrap();
    let other = StreamId::new("shop", "other").unwrap();
    store.create_stream(&other, StreamConfig::with_segments(3)).await.unwrap();
    let (_ending, ends) = watch::channel(false);
    let router: Router = kulya_server::grpc::router(Arc::new(store.clone()), ends);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router.layer(middleware::from_fn(without_newer_calls))).into_future());
    let remote = RemoteStore::connect(settings(address)).await.unwrap();

    assert_eq!(remote.tails(&[orders()]).await.unwrap(), store.tails(&[orders()]).await.unwrap());
    let streams = [orders(), other];
    let (found, expected) = (remote.tails(&streams).await.unwrap(), store.tails(&streams).await.unwrap());
    assert_eq!(found.streams, expected.streams);
    assert!(!found.exact, "listed one after the other");
    let missing = StreamId::new("shop", "missing").unwrap();
    let error = remote.tails(&[orders(), missing]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    let error = remote.append_times(&orders().segment(0), 0, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    let expected = format!("append times are not supported by the server at http://{address}: upgrade it");
    assert_eq!(error.to_string(), expected);
}
