//! A TCP proxy that cuts the connections that go through it.

use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy in front of a server. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    /// The number of cuts; each ends all connections.
    cuts: Arc<watch::Sender<u64>>,
}

impl Proxy {
    /// Starts a proxy in front of `server`, a host and a port.
    pub(crate) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(watch::Sender::new(0));
        let proxy = Self { port, cuts: Arc::clone(&cuts) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, mut cut) = (server.clone(), cuts.subscribe());
                tokio::spawn(async move {
                    let (mut client, Ok(mut server)) = (client, TcpStream::connect(server).await) else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        proxy
    }

    /// Ends all connections, in the middle of whatever they transmit.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
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
