//! A wire that can be cut: passes bytes between clients and a server until it is told how many more may pass.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    wire: Arc<Wire>,
}

struct Wire {
    state: Mutex<State>,
    /// The number of cuts: connections end when it changes.
    cuts: watch::Sender<u64>,
}

struct State {
    /// `None`: nobody is there.
    server: Option<SocketAddr>,
    /// Who is there from the next cut on, when that is another one.
    next: Option<Option<SocketAddr>>,
    /// So many bytes pass that way before all connections are cut.
    left: Option<(Way, usize)>,
}

impl Proxy {
    pub(super) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State { server: Some(server), next: None, left: None });
        let wire = Arc::new(Wire { state, cuts: watch::Sender::new(0) });
        let this = Self { address, wire };
        tokio::spawn(this.clone().listen(listener));
        this
    }

    /// Cuts everything once `bytes` more have passed one way. What comes afterwards passes.
    pub(super) fn cut_after(&self, way: Way, bytes: usize) {
        self.wire.state.lock().unwrap().left = Some((way, bytes));
    }

    /// At the next cut another server takes over.
    pub(super) fn then_to(&self, server: SocketAddr) {
        self.wire.state.lock().unwrap().next = Some(Some(server));
    }

    /// At the next cut the server goes.
    pub(super) fn then_to_nobody(&self) {
        self.wire.state.lock().unwrap().next = Some(None);
    }

    /// Cuts everything now; who comes finds this server, or nobody.
    pub(super) fn cut_now(&self, server: Option<SocketAddr>) {
        let mut state = self.wire.state.lock().unwrap();
        (state.server, state.next, state.left) = (server, None, None);
        drop(state);
        self.wire.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Who is there.
    pub(super) fn server(&self) -> Option<SocketAddr> {
        self.wire.state.lock().unwrap().server
    }

    pub(super) fn cuts(&self) -> u64 {
        *self.wire.cuts.borrow()
    }

    async fn listen(self, listener: TcpListener) {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let cuts = self.wire.cuts.subscribe();
            let server = self.wire.state.lock().unwrap().server;
            let Some(server) = server else { continue };
            tokio::spawn(pass(Arc::clone(&self.wire), client, server, cuts));
        }
    }
}

/// Until one side ends, or the cut.
async fn pass(wire: Arc<Wire>, client: TcpStream, server: SocketAddr, mut cuts: watch::Receiver<u64>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = one_way(&wire, Way::ToServer, from_client, to_server) => {}
        () = one_way(&wire, Way::ToClient, from_server, to_client) => {}
        _ = cuts.changed() => {}
    }
}

async fn one_way(wire: &Wire, way: Way, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        let passing = wire.passing(way, count);
        if to.write_all(&bytes[..passing]).await.is_err() {
            return;
        }
        if passing < count {
            wire.cuts.send_modify(|cuts| *cuts += 1);
            return;
        }
    }
}

impl Wire {
    fn passing(&self, way: Way, count: usize) -> usize {
        let mut state = self.state.lock().unwrap();
        match &mut state.left {
            Some((counted, left)) if *counted == way => {
                if *left >= count {
                    *left -= count;
                    return count;
                }
                let passing = *left;
                state.left = None;
                state.server = state.next.take().unwrap_or(state.server);
                passing
            }
            _ => count,
        }
    }
}
