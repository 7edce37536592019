//! The store over gRPC as a backend, with network failures; and the registry over gRPC.

mod backends;
mod disconnects;
mod errors;
mod older_server;
mod proxy;
mod registry;
mod secured;
mod tail;

use crate::registry_on;
use kulya_client::{RemoteSettings, RemoteStore};
use kulya_server::Services;
use kulya_store::memory::MemoryStore;
use kulya_store::{Append, Commit, StreamConfig, StreamId, StreamStore, TableId, bounded_read};
use proxy::Proxy;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server on a free port, which stops on request, or with the test's runtime.
struct Server {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn of(store: Arc<dyn StreamStore>) -> Self {
        let registry = Arc::new(registry_on(Arc::new(MemoryStore::new())).await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, result) = oneshot::channel::<()>();
        // a dropped sender does not stop the server
        let shutdown = async move {
            if result.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let running = tokio::spawn(kulya_server::serve(listener, Services { registry, store }, shutdown));
        Self { address, end, running }
    }

    async fn connect(&self) -> RemoteStore {
        connect(self.address).await
    }

    async fn end(self) {
        self.end.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

fn settings(address: SocketAddr) -> RemoteSettings {
    RemoteSettings::new(format!("http://{address}"))
}

async fn connect(address: SocketAddr) -> RemoteStore {
    RemoteStore::connect(settings(address)).await.unwrap()
}

/// A store in memory, a server on it, and a client that connects through a proxy.
async fn server_behind_proxy() -> (MemoryStore, Proxy, RemoteStore) {
    let store = MemoryStore::new();
    make(&store).await;
    let proxy = Proxy::to(Server::of(Arc::new(store.clone())).await.address).await;
    let remote = connect(proxy.address).await;
    (store, proxy, remote)
}

fn orders() -> StreamId {
    StreamId::new("shop", "orders").unwrap()
}

fn positions() -> TableId {
    TableId::new("shop", "positions").unwrap()
}

async fn make(store: &dyn StreamStore) {
    store.create_scope(&orders().scope).await.unwrap();
    store.create_stream(&orders(), StreamConfig::with_segments(2)).await.unwrap();
    store.create_table(&positions()).await.unwrap();
}

fn event(key: &str, text: impl Into<String>) -> Commit {
    Commit::events(vec![Append::keyed(&orders(), key, text.into())])
}

async fn texts(store: &dyn StreamStore) -> Vec<String> {
    let read = bounded_read(store, &orders()).await.unwrap();
    read.into_iter().map(|(_, event)| String::from_utf8(event.to_vec()).unwrap()).collect()
}
