//! A proxy that can cut connections after a number of bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    link: Arc<Link>,
}

struct Link {
    state: Mutex<State>,
    /// The number of cuts: connections close when it changes.
    cuts: watch::Sender<u64>,
}

struct State {
    /// `None`: there is no server.
    server: Option<SocketAddr>,
    /// The server from the next cut on, if it changes.
    next: Option<Option<SocketAddr>>,
    /// The bytes that are forwarded in one direction before all connections are cut.
    left: Option<(Direction, usize)>,
}

impl Proxy {
    pub(super) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Mutex::new(State { server: Some(server), next: None, left: None });
        let link = Arc::new(Link { state, cuts: watch::Sender::new(0) });
        let this = Self { address, link };
        tokio::spawn(this.clone().listen(listener));
        this
    }

    /// Cuts all connections once, after `bytes` more bytes in one direction.
    pub(super) fn cut_after(&self, direction: Direction, bytes: usize) {
        self.link.state.lock().unwrap().left = Some((direction, bytes));
    }

    /// Switches to another server at the next cut.
    pub(super) fn then_to(&self, server: SocketAddr) {
        self.link.state.lock().unwrap().next = Some(Some(server));
    }

    /// Removes the server at the next cut.
    pub(super) fn then_to_nobody(&self) {
        self.link.state.lock().unwrap().next = Some(None);
    }

    /// Cuts all connections now and switches to this server, or to none.
    pub(super) fn cut_now(&self, server: Option<SocketAddr>) {
        let mut state = self.link.state.lock().unwrap();
        (state.server, state.next, state.left) = (server, None, None);
        drop(state);
        self.link.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Returns the current server.
    pub(super) fn server(&self) -> Option<SocketAddr> {
        self.link.state.lock().unwrap().server
    }

    pub(super) fn cuts(&self) -> u64 {
        *self.link.cuts.borrow()
    }

    async fn listen(self, listener: TcpListener) {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let cuts = self.link.cuts.subscribe();
            let server = self.link.state.lock().unwrap().server;
            let Some(server) = server else { continue };
            tokio::spawn(pass(Arc::clone(&self.link), client, server, cuts));
        }
    }
}

/// Forwards until one side closes, or the cut.
async fn pass(link: Arc<Link>, client: TcpStream, server: SocketAddr, mut cuts: watch::Receiver<u64>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = one_way(&link, Direction::ToServer, from_client, to_server) => {}
        () = one_way(&link, Direction::ToClient, from_server, to_client) => {}
        _ = cuts.changed() => {}
    }
}

async fn one_way(link: &Link, direction: Direction, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        let passing = link.passing(direction, count);
        if to.write_all(&bytes[..passing]).await.is_err() {
            return;
        }
        if passing < count {
            link.cuts.send_modify(|cuts| *cuts += 1);
            return;
        }
    }
}

impl Link {
    fn passing(&self, direction: Direction, count: usize) -> usize {
        let mut state = self.state.lock().unwrap();
        match &mut state.left {
            Some((counted, left)) if *counted == direction => {
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
