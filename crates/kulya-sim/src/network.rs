//! A network in memory: its connections are cut at any byte, either way, and its server goes away and comes back.

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

/// What a connection holds of what its other end has not read.
const WINDOW: usize = 64 << 10;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    There,
    /// To the client.
    Back,
}

/// What befalls the network next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Bytes that still go this way, over all connections; then the one at hand is cut.
    pub after: u64,
    /// See `after`.
    pub way: Way,
    /// Whether the server ends with it, and another takes its place.
    pub restarts: bool,
    /// So many connections are refused from then on.
    pub refuses: u32,
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
    next: Option<Cut>,
    refuses: u32,
    cuts: u64,
    restarts: u64,
}

struct Server {
    faces: Faces,
    ends: watch::Sender<bool>,
    talks: JoinSet<()>,
}

impl Server {
    fn of(store: &Arc<dyn StreamStore>) -> Self {
        let ends = watch::Sender::new(false);
        let faces = Faces::of_store(Arc::clone(store), ends.subscribe());
        Self { faces, ends, talks: JoinSet::new() }
    }
}

impl SimNetwork {
    /// A network whose server has this store.
    pub fn before(store: Arc<dyn StreamStore>, rng: SeededRng) -> Self {
        let server = Server::of(&store);
        let inner = Inner { rng, server, next: None, refuses: 0, cuts: 0, restarts: 0 };
        Self { store, inner: Arc::new(Mutex::new(inner)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What befalls it next.
    pub fn befalls(&self, next: Option<Cut>) {
        self.lock().next = next;
    }

    /// Connections that were cut, and servers that ended, so far.
    pub fn cuts(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.cuts, inner.restarts)
    }

    /// How many of `wanted` bytes may pass before a cut; none when it is due.
    fn left(&self, way: Way, wanted: usize) -> usize {
        let inner = self.lock();
        let cut = inner.next.as_ref().filter(|cut| cut.way == way);
        cut.map_or(wanted, |cut| wanted.min(usize::try_from(cut.after).unwrap_or(usize::MAX)))
    }

    /// So many bytes have passed.
    fn pass(&self, way: Way, bytes: usize) {
        if let Some(cut) = self.lock().next.as_mut().filter(|cut| cut.way == way) {
            cut.after = cut.after.saturating_sub(bytes as u64);
        }
    }

    /// The cut that was due happens.
    fn cut(&self) {
        let mut inner = self.lock();
        let Some(Cut { restarts, refuses, .. }) = inner.next.take() else { return };
        inner.cuts += 1;
        inner.refuses = refuses;
        if restarts {
            inner.restarts += 1;
            let old = std::mem::replace(&mut inner.server, Server::of(&self.store));
            old.ends.send_replace(true);
            // its talks end here and now, in the midst of whatever they do
            drop(old.talks);
        }
    }
}

#[async_trait]
impl Network for SimNetwork {
    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let mut inner = self.lock();
        if inner.refuses > 0 {
            inner.refuses -= 1;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (near, far) = tokio::io::duplex(WINDOW);
        let faces = inner.server.faces.clone();
        inner.server.talks.spawn(async move { drop(faces.converse(far).await) });
        Ok(Box::new(Cable { network: self.clone(), near: Some(near) }))
    }

    fn draw(&self) -> u128 {
        let mut inner = self.lock();
        u128::from(inner.rng.u64_below(u64::MAX)) << 64 | u128::from(inner.rng.u64_below(u64::MAX))
    }
}

/// A client's end of a connection.
struct Cable {
    network: SimNetwork,
    /// `None` once it is cut; the far end is then told so.
    near: Option<DuplexStream>,
}

impl Cable {
    fn cut(&mut self) -> io::Error {
        // a cut that is due befalls whoever sends next; one end of it is gone already
        if self.near.take().is_some() {
            self.network.cut();
        }
        gone()
    }
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for Cable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let allowed = self.network.left(Way::Back, into.remaining().min(WINDOW));
        if allowed == 0 && into.remaining() > 0 {
            return Poll::Ready(Err(self.cut()));
        }
        let Some(near) = &mut self.near else { return Poll::Ready(Err(gone())) };
        let mut bytes = vec![0; allowed];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(Pin::new(near).poll_read(context, &mut read))?;
        into.put_slice(read.filled());
        self.network.pass(Way::Back, read.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = self.network.left(Way::There, bytes.len());
        if allowed == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(self.cut()));
        }
        let Some(near) = &mut self.near else { return Poll::Ready(Err(gone())) };
        let written = ready!(Pin::new(near).poll_write(context, bytes.get(..allowed).unwrap_or_default()))?;
        self.network.pass(Way::There, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.near {
            Some(near) => Pin::new(near).poll_flush(context),
            None => Poll::Ready(Err(gone())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.near {
            Some(near) => Pin::new(near).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}
