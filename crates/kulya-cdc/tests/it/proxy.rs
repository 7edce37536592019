//! A TCP proxy between a capture and its server, which cuts and stalls connections and moves to another
//! server.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Which bytes of the connections do not arrive any more, while the connections stay open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stalled {
    FromServer,
    ToServer,
    Both,
}

/// What the proxy does with its connections.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The number of cuts; each ends all connections.
    cuts: u64,
    /// The number of stalls; each is for the connections of its time.
    stalls: u64,
    stalled: Option<Stalled>,
}

/// A proxy in front of a server. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<watch::Sender<State>>,
    server: Arc<Mutex<String>>,
    /// The connection to cut, by the number of those that are opened before it, and the bytes of the server
    /// after which it is.
    cut_once: Arc<Mutex<Option<(u32, usize)>>>,
}

impl Proxy {
    /// Starts a proxy in front of `server`, a host and a port.
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self {
            port,
            state: Arc::new(watch::Sender::new(State::default())),
            server: Arc::new(Mutex::new(server)),
            cut_once: Arc::default(),
        };
        let this = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(this.clone().connect(client));
            }
        });
        proxy
    }

    async fn connect(self, client: TcpStream) {
        let mut state = self.state.subscribe();
        let earlier = *state.borrow_and_update();
        let (server, limit) = (self.server.lock().unwrap().clone(), self.take_limit());
        let Ok(server) = TcpStream::connect(server).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let upward = copy(from_client, to_server, Stalled::FromServer, state.clone(), earlier, None);
        let downward = copy(from_server, to_client, Stalled::ToServer, state.clone(), earlier, limit);
        let cut =
            async move { while state.changed().await.is_ok() && state.borrow().cuts == earlier.cuts {} };
        tokio::select! {
            () = async { tokio::join!(upward, downward); } => {}
            () = cut => {}
        }
    }

    /// Ends all connections, in the middle of whatever they transmit.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Ends a connection after this many bytes of the server: the next one, or one that is opened after some
    /// others.
    pub(crate) fn cut_once(&self, others: u32, bytes: usize) {
        *self.cut_once.lock().unwrap() = Some((others, bytes));
    }

    fn take_limit(&self) -> Option<usize> {
        let mut cut = self.cut_once.lock().unwrap();
        match &mut *cut {
            Some((0, bytes)) => {
                let bytes = *bytes;
                *cut = None;
                Some(bytes)
            }
            Some((others, _)) => {
                *others -= 1;
                None
            }
            None => None,
        }
    }

    /// Lets nothing more through on the connections that are open now.
    pub(crate) fn stall(&self, stalled: Stalled) {
        self.state.send_modify(|state| {
            state.stalls += 1;
            state.stalled = Some(stalled);
        });
    }

    /// Ends all connections, and leads those that are opened from now on to another server.
    pub(crate) fn move_to(&self, server: String) {
        *self.server.lock().unwrap() = server;
        self.cut();
    }

    /// Returns a database URL that goes through the proxy, and the server that it named.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let (start, rest) = url.rsplit_once('@').unwrap();
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let proxy = Self::start(server.to_owned()).await;
        let url = format!("{start}@127.0.0.1:{}/{path}", proxy.port);
        (proxy, url)
    }
}

/// Copies one direction until its end, a stall, or a limit of bytes. `opposite` stalls the other direction
/// alone.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    opposite: Stalled,
    mut state: watch::Receiver<State>,
    earlier: State,
    mut limit: Option<usize>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let is_stalled = |state: &State| state.stalls > earlier.stalls && state.stalled != Some(opposite);
        if is_stalled(&state.borrow_and_update()) {
            return std::future::pending().await;
        }
        if limit == Some(0) {
            break;
        }
        let room = limit.unwrap_or(buffer.len()).min(buffer.len());
        tokio::select! {
            read = from.read(&mut buffer[..room]) => {
                let Ok(bytes @ 1..) = read else { break };
                if to.write_all(&buffer[..bytes]).await.is_err() {
                    break;
                }
                limit = limit.map(|left| left - bytes);
            }
            _ = state.changed() => {}
        }
    }
    let _ = to.shutdown().await;
}
