//! The faces of the registry. A face translates: path and body to the domain's nouns, the answer to a status and a
//! body. It decides nothing, and it has no disk.
//!
//! [`rest::v1`] speaks the Pravega Schema Registry's REST v1 to the letter, so that its Java clients work unmodified.

pub mod rest;

use kulya_registry::Registry;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Everything that is served, as one router.
pub fn router(registry: Arc<Registry>) -> axum::Router {
    rest::v1::router(registry)
}

/// Answers on `listener` until `shutdown` ends; then lets the requests in flight finish.
pub async fn serve(
    listener: TcpListener,
    registry: Arc<Registry>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(registry)).with_graceful_shutdown(shutdown).await
}
