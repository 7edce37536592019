//! The socket: takes connections, speaks HTTP/1 or HTTP/2 on each as its client begins, under TLS where the door says so,
//! and ends them in order.
//!
//! Not `axum::serve`, because that cannot ask a silent HTTP/2 client whether it is still there: a transaction whose
//! client's machine lost its power would stay open for ever.

use crate::door::Door;
use crate::grpc;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use kulya_store::{StreamStore, supervision};
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// A client that says nothing for so long is asked whether it is there, and has as long again to answer.
const SILENCE: Duration = Duration::from_secs(20);
/// Calls of one HTTP/2 connection at a time; further ones wait at the client.
const MOST_CALLS: u32 = 200;
/// What a stalled client may delay the end by.
const GRACE: Duration = Duration::from_secs(10);
/// When the process has no more sockets, some may be free after this.
const PAUSE: Duration = Duration::from_secs(1);
/// A client that connects has so long to begin, and one of HTTP/1 to ask the next time.
const IDLE: Duration = Duration::from_secs(120);
/// With this byte a TLS record of a handshake begins.
const HANDSHAKE: u8 = 0x16;
/// What somebody who speaks HTTP to TLS is told.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n\r\nthis port speaks TLS: write https\n";

/// The faces without a socket, for whoever has connections of another kind. Clones are one server.
#[derive(Clone)]
pub struct Faces(Router);

impl Faces {
    /// The store's face alone: gRPC. Calls that follow a stream, wait or hold a transaction end when `ends` becomes true.
    /// There is no door: whoever has such a connection may do everything.
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
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE)
        .max_concurrent_streams(MOST_CALLS);
    builder
}

/// What every connection has.
#[derive(Clone)]
struct Hall {
    router: Router,
    door: Door,
    builder: Builder<TokioExecutor>,
    handshakes: Arc<Semaphore>,
    ends: watch::Receiver<bool>,
}

pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    door: Door,
    ends: watch::Receiver<bool>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(door.limits().connections.clamp(1, Semaphore::MAX_PERMITS)));
    let handshakes = Arc::new(Semaphore::new(door.limits().handshakes.clamp(1, Semaphore::MAX_PERMITS)));
    let hall = Hall { router, door, builder: speaking(), handshakes, ends };
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
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
        let (hall, watcher) = (hall.clone(), graceful.watcher());
        connections.spawn(supervision::logged("connection", async move {
            if let Err(error) = hall.receive(stream, address, watcher).await {
                tracing::debug!("a connection ended: {error}");
            }
            drop(place);
        }));
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("{} connections did not end in {GRACE:?} and were cut", connections.len());
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

type Trouble = Box<dyn Error + Send + Sync>;

impl Hall {
    /// One connection, from its first byte to its last.
    async fn receive(
        mut self,
        stream: TcpStream,
        address: SocketAddr,
        watcher: Watcher,
    ) -> Result<(), Trouble> {
        let mut ends = self.ends.clone();
        let begun = tokio::select! {
            _ = ends.wait_for(|ends| *ends) => return Ok(()),
            begun = self.begin(stream, address) => begun?,
        };
        match begun {
            None => Ok(()),
            Some(Begun::Plain(stream)) => self.converse(stream, address, watcher).await,
            Some(Begun::Tls(stream)) => self.converse(*stream, address, watcher).await,
        }
    }

    /// What must be there before HTTP; `None` when the client wants something else.
    async fn begin(&mut self, mut stream: TcpStream, address: SocketAddr) -> Result<Option<Begun>, Trouble> {
        let mut first = [0];
        if tokio::time::timeout(IDLE, stream.peek(&mut first)).await?? == 0 {
            return Ok(None);
        }
        let is_handshake = first == [HANDSHAKE];
        let Some(tls) = self.door.tls() else {
            if is_handshake {
                tracing::warn!("{address} speaks TLS to a port without it: write http://, or switch TLS on");
                return Ok(None);
            }
            return Ok(Some(Begun::Plain(stream)));
        };
        let time = self.door.limits().handshake_time;
        if !is_handshake {
            tracing::warn!("{address} speaks without TLS to a port that wants it: write https://");
            let telling = async {
                // what is not read when a connection is closed cuts off the answer to it
                let mut head = [0; 8192];
                let _ = stream.read(&mut head).await?;
                stream.write_all(SPEAK_TLS).await?;
                stream.shutdown().await
            };
            tokio::time::timeout(time, telling).await??;
            return Ok(None);
        }
        let _turn = self.handshakes.acquire().await?;
        let stream = tokio::time::timeout(time, tls.acceptor().accept(stream)).await??;
        Ok(Some(Begun::Tls(Box::new(stream))))
    }

    async fn converse<C>(self, stream: C, address: SocketAddr, watcher: Watcher) -> Result<(), Trouble>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { router, door, builder, .. } = self;
        let service = service_fn(move |request: Request<Incoming>| {
            let (door, router) = (door.clone(), router.clone());
            async move { Ok::<_, Infallible>(door.through(router, Some(address), request.map(Body::new)).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        watcher.watch(connection).await
    }
}

enum Begun {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}
