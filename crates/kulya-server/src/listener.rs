//! The listener: accepts connections, with TLS where configured, serves HTTP/1 or HTTP/2 on each as its
//! client chooses, and shuts them down gracefully.
//!
//! `axum::serve` is not used because it cannot send HTTP/2 keep-alive pings (a transaction whose client lost
//! its power would stay open for ever) and has no timeouts for clients. Which connection is closed for a
//! timeout or for another connection is decided in [`crate::connections`].

use crate::connections::{Connection, Connections, NoSlot, OpenConnection, Timeouts, TrackedIo};
use crate::grpc;
use crate::middleware::{AccessControl, Client};
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use kulya_auth::tls::Tls;
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
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The interval of HTTP/2 keep-alive pings to an idle client, and the timeout of its response.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Concurrent streams of one HTTP/2 connection; the client queues further ones.
const MAX_STREAMS: u32 = 200;
/// The time that requests in flight have to finish on shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// The pause after accepting failed, as when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// The interval of periodic work.
const TICK: Duration = Duration::from_secs(1);
/// The time that a connection closed for another one has for a graceful shutdown.
const CLOSE_GRACE: Duration = Duration::from_millis(250);
/// The bytes of a response that are buffered per HTTP/1 connection and HTTP/2 stream; also the longest
/// request head.
const BUFFER_BYTES: usize = 64 << 10;
/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// The response to plain HTTP on a TLS port.
const TLS_REQUIRED: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n\r\nthis port requires TLS: use https\n";

tokio::task_local! {
    /// Resets the HTTP/2 stream that a task serves.
    static STREAM: CancellationToken;
}

/// The APIs without a socket, for connections of another kind than TCP. Clones share one state.
#[derive(Clone)]
pub struct Router(axum::Router);

impl Router {
    /// Serves the store's gRPC API without access control. Streaming calls end when `stopping` becomes true.
    pub fn for_store(store: Arc<dyn StreamStore>, stopping: watch::Receiver<bool>) -> Self {
        Self(grpc::router(store, stopping))
    }

    /// Serves one connection until it closes, as [`serve`](crate::serve) does for each connection of its
    /// listener, but without a Date header: the system's clock would decide how many bytes a response of a
    /// simulated connection has.
    ///
    /// # Errors
    /// The connection failed, which affects its client only.
    pub async fn serve_connection<C>(&self, connection: C) -> Result<(), Box<dyn Error + Send + Sync>>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = TowerToHyperService::new(self.0.clone());
        let mut builder = http_builder(TokioExecutor::new(), Duration::from_secs(120));
        builder.http1().auto_date_header(false);
        builder.http2().auto_date_header(false);
        builder.serve_connection(TokioIo::new(connection), service).await
    }
}

/// Returns a builder of HTTP/1 and HTTP/2 connections with their timeouts and buffers.
fn http_builder<E>(executor: E, idle: Duration) -> Builder<E> {
    let mut builder = Builder::new(executor);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_send_buf_size(BUFFER_BYTES)
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

/// Runs each HTTP/2 stream as a task of its own, which can be cancelled alone.
#[derive(Clone)]
struct StreamExecutor(Arc<str>);

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let reset = CancellationToken::new();
        let running = reset.clone().run_until_cancelled_owned(stream);
        supervision::spawn_logged(
            Arc::clone(&self.0),
            STREAM.scope(reset, async move {
                // dropping a cancelled stream resets it
                running.await;
            }),
        );
    }
}

/// Serves the connections of a listener.
#[derive(Clone)]
struct ConnectionHandler {
    router: axum::Router,
    access_control: AccessControl,
    builder: Builder<StreamExecutor>,
    connections: Arc<Connections>,
    timeouts: Timeouts,
    stopping: watch::Receiver<bool>,
}

/// Serves `listener` until `shutdown` completes.
pub(crate) async fn serve(
    listener: TcpListener,
    router: axum::Router,
    access_control: AccessControl,
    stopping: watch::Receiver<bool>,
    shutdown: impl Future<Output = ()>,
) {
    let limits = access_control.limits();
    let connections = Connections::new(limits.connections, limits.connections_percent(), limits.handshakes);
    let timeouts = limits.timeouts();
    let handler = ConnectionHandler {
        router,
        access_control,
        builder: http_builder(StreamExecutor("HTTP/2 stream".into()), timeouts.idle),
        connections,
        timeouts,
        stopping,
    };
    let mut running = JoinSet::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut shutdown = std::pin::pin!(shutdown);
    // a connection that waits for a slot; later ones wait in the system's queue
    let mut waiting = None;
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = running.join_next(), if !running.is_empty() => continue,
            _ = ticks.tick() => {
                handler.access_control.tick();
                continue;
            }
            () = handler.connections.changed(), if waiting.is_some() => waiting.take().ok_or(io::ErrorKind::ConnectionAborted.into()),
            accepted = listener.accept(), if waiting.is_none() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            // the client has disconnected
            Err(error) if is_connection_error(&error) => continue,
            Err(error) => {
                tracing::error!("cannot accept connections, retrying: {error}");
                tokio::select! {
                    () = &mut shutdown => break,
                    () = tokio::time::sleep(ACCEPT_RETRY) => continue,
                }
            }
        };
        let open = match handler.connections.open(address, handler.access_control.is_proxy(address.ip())) {
            Ok(open) => open,
            Err(NoSlot::ServerFull) => {
                waiting = Some((stream, address));
                continue;
            }
            Err(NoSlot::AddressFull) => {
                tracing::debug!("connection from {address} closed: its address has too many connections");
                continue;
            }
        };
        // small responses must not wait for more data; without the option they are only delayed
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        running.spawn(supervision::catch_and_log("connection", async move {
            if let Err(error) = handler.handle(stream, open).await {
                tracing::debug!("connection from {address} closed: {error}");
            }
        }));
    }
    drop(listener);
    let all_finished = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_GRACE, all_finished).await.is_err() {
        tracing::warn!(
            "shutdown: {} connections did not finish within {SHUTDOWN_GRACE:?} and were closed",
            running.len()
        );
    }
}

fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

type BoxError = Box<dyn Error + Send + Sync>;

impl ConnectionHandler {
    /// Serves one connection, from its first byte to its last.
    async fn handle(self, stream: TcpStream, open: OpenConnection) -> Result<(), BoxError> {
        let mut stopping = self.stopping.clone();
        let connection = Arc::clone(&open.connection);
        let accepting = async {
            match self.access_control.tls() {
                None => self.accept_plain(stream, &connection).await,
                Some(tls) => {
                    self.connections.start_handshake();
                    let handshake = accept_tls(tls, stream, connection.address());
                    tokio::time::timeout(self.timeouts.handshake, handshake).await?
                }
            }
        };
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(()),
            () = connection.closed() => return Err("closed for another connection".into()),
            accepted = accepting => accepted?,
        };
        connection.handshake_done();
        match accepted {
            None => Ok(()),
            Some(Accepted::Plain(stream)) => self.serve_http(stream, connection).await,
            Some(Accepted::Tls(stream)) => self.serve_http(*stream, connection).await,
        }
    }

    /// Waits for the first byte of a plain connection; `None` when the client starts TLS.
    async fn accept_plain(
        &self,
        stream: TcpStream,
        connection: &Connection,
    ) -> Result<Option<Accepted>, BoxError> {
        connection.handshake_done();
        let mut first = [0];
        if tokio::time::timeout(self.timeouts.idle, stream.peek(&mut first)).await?? == 0 {
            return Ok(None);
        }
        if first == [TLS_HANDSHAKE] {
            let address = connection.address();
            tracing::warn!("TLS handshake from {address} on a port without TLS: use http://, or enable TLS");
            return Ok(None);
        }
        Ok(Some(Accepted::Plain(stream)))
    }

    async fn serve_http<C>(self, stream: C, connection: Arc<Connection>) -> Result<(), BoxError>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { router, access_control, builder, timeouts, mut stopping, .. } = self;
        let client = access_control.client(Arc::clone(&connection));
        let service = service_fn(move |request: Request<Incoming>| {
            let (access_control, router, client) = (access_control.clone(), router.clone(), client.clone());
            async move {
                let client = Client { stream: STREAM.try_with(Clone::clone).ok(), ..client };
                Ok::<_, Infallible>(access_control.handle(router, &client, request.map(Body::new)).await)
            }
        });
        let stream = TokioIo::new(TrackedIo::new(stream, Arc::clone(&connection)));
        let mut serving = std::pin::pin!(builder.serve_connection(stream, service));
        let stopped = async move {
            // an error means that the sender was dropped with the server
            let _ = stopping.wait_for(|stopping| *stopping).await;
        };
        tokio::pin!(stopped);
        let mut is_stopping = false;
        loop {
            let event = tokio::select! {
                result = &mut serving => return result,
                reason = connection.watch(&timeouts) => return Err(reason.into()),
                () = connection.closed() => Event::Closed,
                () = &mut stopped, if !is_stopping => Event::Stopping,
            };
            serving.as_mut().graceful_shutdown();
            match event {
                Event::Closed => return tokio::time::timeout(CLOSE_GRACE, serving).await?,
                Event::Stopping => is_stopping = true,
            }
        }
    }
}

enum Event {
    Closed,
    Stopping,
}

/// Does the TLS handshake; `None` when the client does not start TLS.
async fn accept_tls(
    tls: &Tls,
    mut stream: TcpStream,
    address: SocketAddr,
) -> Result<Option<Accepted>, BoxError> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first == [TLS_HANDSHAKE] {
        return Ok(Some(Accepted::Tls(Box::new(tls.acceptor().accept(stream).await?))));
    }
    tracing::warn!("plain connection from {address} on a TLS port: use https://");
    // closing a socket with unread data would discard the response
    let mut head = [0; 8192];
    let _ = stream.read(&mut head).await?;
    stream.write_all(TLS_REQUIRED).await?;
    stream.shutdown().await?;
    Ok(None)
}

enum Accepted {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}
