//! The socket: takes connections, speaks HTTP/1 or HTTP/2 on each as its client begins, under TLS where the door says so,
//! and ends them in order.
//!
//! Not `axum::serve`, because that cannot ask a silent HTTP/2 client whether it is still there: a transaction whose
//! client's machine lost its power would stay open for ever; and because it waits for clients for as long as they like.
//! Who is closed for taking too long, or for another, is decided in [`crate::connections`].

use crate::connections::{Connection, Connections, NoPlace, Open, Times, Watched};
use crate::door::{Client, Door, Tls};
use crate::grpc;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
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
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// An HTTP/2 client that says nothing for so long is asked whether it is there, and has as long again to answer.
const SILENCE: Duration = Duration::from_secs(10);
/// Calls of one HTTP/2 connection at a time; further ones wait at the client.
const MOST_CALLS: u32 = 200;
/// Requests in flight have so long to come to their end when the server ends.
const GRACE: Duration = Duration::from_secs(3);
/// When the process has no more sockets, some may be free after this.
const PAUSE: Duration = Duration::from_secs(1);
/// How often what waits for nobody is done.
const TICK: Duration = Duration::from_secs(1);
/// A connection that is closed for another has so long to say goodbye.
const GOODBYE: Duration = Duration::from_millis(250);
/// So much of an answer waits in a connection of HTTP/1, and in a stream of HTTP/2, until the client takes it; a request's
/// head may be as long.
const BUFFER_BYTES: usize = 64 << 10;
/// With this byte a TLS record of a handshake begins.
const HANDSHAKE: u8 = 0x16;
/// What somebody who speaks HTTP to TLS is told.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n\r\nthis port speaks TLS: write https\n";

tokio::task_local! {
    /// What ends the HTTP/2 stream that a task is for.
    static STREAM: CancellationToken;
}

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
        let builder = speaking(TokioExecutor::new(), Duration::from_secs(120));
        builder.serve_connection(TokioIo::new(connection), service).await
    }
}

fn speaking<E>(executor: E, idle: Duration) -> Builder<E> {
    let mut builder = Builder::new(executor);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(idle).max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE)
        .max_send_buf_size(BUFFER_BYTES)
        .max_concurrent_streams(MOST_CALLS);
    builder
}

/// Runs each HTTP/2 stream as a task of its own, which can be ended alone.
#[derive(Clone)]
struct StreamExecutor(Arc<str>);

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, stream: F) {
        let end = CancellationToken::new();
        let running = end.clone().run_until_cancelled_owned(stream);
        supervision::spawn_logged(
            Arc::clone(&self.0),
            STREAM.scope(end, async move {
                // one that is ended is reset by its drop
                running.await;
            }),
        );
    }
}

/// What every connection has.
#[derive(Clone)]
struct Hall {
    router: Router,
    door: Door,
    builder: Builder<StreamExecutor>,
    connections: Arc<Connections>,
    times: Times,
    ends: watch::Receiver<bool>,
}

pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    door: Door,
    ends: watch::Receiver<bool>,
    shutdown: impl Future<Output = ()>,
) {
    let limits = door.limits();
    let connections = Connections::new(limits.connections, limits.connections_percent(), limits.handshakes);
    let times = limits.times();
    let hall = Hall {
        router,
        door,
        builder: speaking(StreamExecutor("HTTP/2 stream".into()), times.idle),
        connections,
        times,
        ends,
    };
    let mut running = JoinSet::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut shutdown = std::pin::pin!(shutdown);
    // one that waits for a place; the next ones wait in the system's queue
    let mut waiting = None;
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = running.join_next(), if !running.is_empty() => continue,
            _ = ticks.tick() => {
                hall.door.tick();
                continue;
            }
            () = hall.connections.changed(), if waiting.is_some() => waiting.take().ok_or(io::ErrorKind::ConnectionAborted.into()),
            accepted = listener.accept(), if waiting.is_none() => accepted,
        };
        let (stream, address) = match accepted {
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
        let open = match hall.connections.open(address, hall.door.is_proxy(address.ip())) {
            Ok(open) => open,
            Err(NoPlace::Full) => {
                waiting = Some((stream, address));
                continue;
            }
            Err(NoPlace::HasItsShare) => {
                tracing::debug!("{address} has its share of the connections already and gets no more");
                continue;
            }
        };
        // small answers must not wait for more; without it they come later, but they come
        let _ = stream.set_nodelay(true);
        let hall = hall.clone();
        running.spawn(supervision::logged("connection", async move {
            if let Err(error) = hall.receive(stream, open).await {
                tracing::debug!("a connection from {address} ended: {error}");
            }
        }));
    }
    drop(listener);
    let all_ended = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        tracing::warn!("{} connections did not end in {GRACE:?} and were cut", running.len());
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

type Trouble = Box<dyn Error + Send + Sync>;

impl Hall {
    /// One connection, from its first byte to its last.
    async fn receive(self, stream: TcpStream, open: Open) -> Result<(), Trouble> {
        let mut ends = self.ends.clone();
        let connection = Arc::clone(&open.connection);
        let beginning = async {
            match self.door.tls() {
                None => self.begin_plain(stream, &connection).await,
                Some(tls) => {
                    self.connections.begin_handshake();
                    let shaking = shake_hands(tls, stream, connection.address());
                    tokio::time::timeout(self.times.handshake, shaking).await?
                }
            }
        };
        let begun = tokio::select! {
            _ = ends.wait_for(|ends| *ends) => return Ok(()),
            () = connection.cut_off() => return Err("it was closed for another".into()),
            begun = beginning => begun?,
        };
        connection.shook_hands();
        match begun {
            None => Ok(()),
            Some(Begun::Plain(stream)) => self.converse(stream, connection).await,
            Some(Begun::Tls(stream)) => self.converse(*stream, connection).await,
        }
    }

    /// The first byte is there; `None` when the client speaks TLS.
    async fn begin_plain(
        &self,
        stream: TcpStream,
        connection: &Connection,
    ) -> Result<Option<Begun>, Trouble> {
        connection.shook_hands();
        let mut first = [0];
        if tokio::time::timeout(self.times.idle, stream.peek(&mut first)).await?? == 0 {
            return Ok(None);
        }
        if first == [HANDSHAKE] {
            let address = connection.address();
            tracing::warn!("{address} speaks TLS to a port without it: write http://, or switch TLS on");
            return Ok(None);
        }
        Ok(Some(Begun::Plain(stream)))
    }

    async fn converse<C>(self, stream: C, connection: Arc<Connection>) -> Result<(), Trouble>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { router, door, builder, times, mut ends, .. } = self;
        let client = door.client(Arc::clone(&connection));
        let service = service_fn(move |request: Request<Incoming>| {
            let (door, router, client) = (door.clone(), router.clone(), client.clone());
            async move {
                let client = Client { stream: STREAM.try_with(Clone::clone).ok(), ..client };
                Ok::<_, Infallible>(door.through(router, &client, request.map(Body::new)).await)
            }
        });
        let stream = TokioIo::new(Watched::new(stream, Arc::clone(&connection)));
        let mut serving = std::pin::pin!(builder.serve_connection(stream, service));
        let ending = async move {
            // an error here is the sender's end, and so the server's
            let _ = ends.wait_for(|ends| *ends).await;
        };
        tokio::pin!(ending);
        let mut is_ending = false;
        loop {
            let happened = tokio::select! {
                done = &mut serving => return done,
                why = connection.watch(&times) => return Err(why.into()),
                () = connection.cut_off() => Happened::CutOff,
                () = &mut ending, if !is_ending => Happened::Ending,
            };
            serving.as_mut().graceful_shutdown();
            match happened {
                Happened::CutOff => return tokio::time::timeout(GOODBYE, serving).await?,
                Happened::Ending => is_ending = true,
            }
        }
    }
}

enum Happened {
    CutOff,
    Ending,
}

/// TLS is there; `None` when the client speaks something else.
async fn shake_hands(
    tls: &Tls,
    mut stream: TcpStream,
    address: SocketAddr,
) -> Result<Option<Begun>, Trouble> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first == [HANDSHAKE] {
        return Ok(Some(Begun::Tls(Box::new(tls.acceptor().accept(stream).await?))));
    }
    tracing::warn!("{address} speaks without TLS to a port that wants it: write https://");
    // what is not read when a connection is closed cuts off the answer to it
    let mut head = [0; 8192];
    let _ = stream.read(&mut head).await?;
    stream.write_all(SPEAK_TLS).await?;
    stream.shutdown().await?;
    Ok(None)
}

enum Begun {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}
