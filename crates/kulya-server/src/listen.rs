//! The socket: takes connections, speaks HTTP/1 or HTTP/2 on each as its client begins, and ends them in order.
//!
//! Not `axum::serve`, because that cannot ask a silent HTTP/2 client whether it is still there: a transaction whose
//! client's machine lost its power would stay open for ever.

use crate::grpc;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use kulya_store::StreamStore;
use std::error::Error;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A client that says nothing for so long is asked whether it is there, and has as long again to answer.
const SILENCE: Duration = Duration::from_secs(20);
/// Calls of one HTTP/2 connection at a time; further ones wait at the client.
const MOST_CALLS: u32 = 200;
/// What a stalled client may delay the end by.
const GRACE: Duration = Duration::from_secs(10);
/// When the process has no more sockets, some may be free after this.
const PAUSE: Duration = Duration::from_secs(1);

/// The faces without a socket, for whoever has connections of another kind. Clones are one server.
#[derive(Clone)]
pub struct Faces(Router);

impl Faces {
    /// The store's face alone: gRPC. Calls that follow a stream, wait or hold a transaction end when `ends` becomes true.
    pub fn of_store(store: Arc<dyn StreamStore>, ends: watch::Receiver<bool>) -> Self {
        Self(grpc::router(store, ends))
    }

    /// Speaks with one client until it goes, as [`serve`](crate::serve) does with each client of its socket.
    ///
    /// # Errors
    /// What went wrong with the connection, which concerns that client alone.
    pub async fn converse<C>(&self, connection: C) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = TowerToHyperService::new(self.0.clone());
        speaking().serve_connection(TokioIo::new(connection), service).await
    }
}

fn speaking() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE)
        .max_concurrent_streams(MOST_CALLS);
    builder
}

pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let builder = speaking();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // that client is gone
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::error!("cannot accept connections, trying again: {error}");
                tokio::select! {
                    () = &mut shutdown => break,
                    () = tokio::time::sleep(PAUSE) => continue,
                }
            }
        };
        // small answers must not wait for more; without it they come later, but they come
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("{} connections did not end in {GRACE:?} and were cut", connections.len());
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
