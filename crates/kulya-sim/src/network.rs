//! A simulated network in memory: connections are lost at any byte in either direction, and the server
//! restarts.

use async_trait::async_trait;
use kulya_client::{Connection, Network};
use kulya_server::Faces;
use kulya_store::StreamStore;
use kulya_testkit::SeededRng;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Buffer of a connection, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// Direction of bytes on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    ToServer,
    /// To the client.
    ToClient,
}

/// The next loss of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLoss {
    /// Bytes in this direction, over all connections, until the connection in use is lost.
    pub after_bytes: u64,
    /// Direction of those bytes.
    pub direction: Direction,
    /// Whether the server restarts.
    pub restarts_server: bool,
    /// Connections that are refused afterwards.
    pub refused_connections: u32,
}

/// A network between clients and one server of a store. Clones are the same network.
#[derive(Clone)]
pub struct SimNetwork {
    store: Arc<dyn StreamStore>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    rng: SeededRng,
    server: Server,
    next: Option<ConnectionLoss>,
    refused_connections: u32,
    losses: u64,
    restarts: u64,
}

struct Server {
    router: Faces,
    shutdown: watch::Sender<bool>,
    connections: JoinSet<()>,
}

impl Server {
    fn new(store: &Arc<dyn StreamStore>) -> Self {
        let shutdown = watch::Sender::new(false);
        let router = Faces::of_store(Arc::clone(store), shutdown.subscribe());
        Self { router, shutdown, connections: JoinSet::new() }
    }
}

impl SimNetwork {
    /// Creates a network with a server for this store.
    pub fn new(store: Arc<dyn StreamStore>, rng: SeededRng) -> Self {
        let server = Server::new(&store);
        let inner = Inner { rng, server, next: None, refused_connections: 0, losses: 0, restarts: 0 };
        Self { store, inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Schedules the next loss of a connection.
    pub fn schedule(&self, next: Option<ConnectionLoss>) {
        self.lock().next = next;
    }

    /// Returns the numbers of lost connections and of restarts so far.
    pub fn counts(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.losses, inner.restarts)
    }

    /// Returns how many of `wanted` bytes may pass before the connection is lost; 0 when the loss is due.
    fn allowed(&self, direction: Direction, wanted: usize) -> usize {
        let inner = self.lock();
        let loss = inner.next.as_ref().filter(|loss| loss.direction == direction);
        loss.map_or(wanted, |loss| wanted.min(usize::try_from(loss.after_bytes).unwrap_or(usize::MAX)))
    }

    /// Counts bytes that have passed.
    fn count(&self, direction: Direction, bytes: usize) {
        if let Some(loss) = self.lock().next.as_mut().filter(|loss| loss.direction == direction) {
            loss.after_bytes = loss.after_bytes.saturating_sub(bytes as u64);
        }
    }

    /// Executes the loss that is due.
    fn lose_connection(&self) {
        let mut inner = self.lock();
        let Some(ConnectionLoss { restarts_server, refused_connections, .. }) = inner.next.take() else {
            return;
        };
        inner.losses += 1;
        inner.refused_connections = refused_connections;
        if restarts_server {
            inner.restarts += 1;
            let old = std::mem::replace(&mut inner.server, Server::new(&self.store));
            old.shutdown.send_replace(true);
            // aborts its connections at once
            drop(old.connections);
        }
    }
}

#[async_trait]
impl Network for SimNetwork {
    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let mut inner = self.lock();
        if inner.refused_connections > 0 {
            inner.refused_connections -= 1;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (client, server) = tokio::io::duplex(BUFFER_BYTES);
        let router = inner.server.router.clone();
        inner.server.connections.spawn(async move { drop(router.converse(server).await) });
        Ok(Box::new(SimConnection { network: self.clone(), stream: Some(client) }))
    }

    fn draw(&self) -> u128 {
        let mut inner = self.lock();
        u128::from(inner.rng.u64_below(u64::MAX)) << 64 | u128::from(inner.rng.u64_below(u64::MAX))
    }
}

/// The client's end of a connection.
struct SimConnection {
    network: SimNetwork,
    /// `None` once it is lost, which closes the server's end.
    stream: Option<DuplexStream>,
}

impl SimConnection {
    fn lose(&mut self) -> io::Error {
        // the loss that is due happens once, for the connection in use
        if self.stream.take().is_some() {
            self.network.lose_connection();
        }
        connection_reset()
    }
}

fn connection_reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for SimConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let allowed = self.network.allowed(Direction::ToClient, into.remaining().min(BUFFER_BYTES));
        if allowed == 0 && into.remaining() > 0 {
            return Poll::Ready(Err(self.lose()));
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(connection_reset())) };
        let mut bytes = vec![0; allowed];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(Pin::new(stream).poll_read(context, &mut read))?;
        into.put_slice(read.filled());
        self.network.count(Direction::ToClient, read.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SimConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = self.network.allowed(Direction::ToServer, bytes.len());
        if allowed == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(self.lose()));
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(connection_reset())) };
        let written = ready!(Pin::new(stream).poll_write(context, bytes.get(..allowed).unwrap_or_default()))?;
        self.network.count(Direction::ToServer, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(context),
            None => Poll::Ready(Err(connection_reset())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}
