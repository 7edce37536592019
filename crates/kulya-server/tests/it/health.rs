//! Health checks of a server whose store fails.

use crate::{client, registry_on};
use kulya_server::Services;
use kulya_store::{Append, Commit, Retention, StreamConfig, StreamId, StreamStore};
use kulya_store_embedded::disk::{Disk, FileSystem, Locking, LogFile, ReadFile};
use kulya_store_embedded::{Components, EmbeddedStore};
use serde_json::Value;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// The file system, with injected panics in the maintenance's renames and failing syncs.
#[derive(Clone, Default)]
struct WrongDisk {
    rename_panics: Arc<AtomicBool>,
    sync_fails: Arc<AtomicBool>,
}

struct WrongLog(Box<dyn LogFile>, WrongDisk);

impl Disk for WrongDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        FileSystem.make_folder(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        FileSystem.list(folder)
    }
    fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>> {
        FileSystem.read_whole(path)
    }
    fn write_whole(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        FileSystem.write_whole(path, content)
    }
    fn lock(&self, path: &Path, owner: &str) -> io::Result<Locking> {
        FileSystem.lock(path, owner)
    }
    fn append_to(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(WrongLog(FileSystem.append_to(path, length)?, self.clone())))
    }
    fn read_from(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        FileSystem.read_from(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // the log's thread also renames, when it starts a file
        let is_maintenance = std::thread::current().name() == Some("kulya store.maintenance");
        let panics = is_maintenance && self.rename_panics.load(Ordering::SeqCst);
        assert!(!panics, "injected by the test");
        FileSystem.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
}

impl LogFile for WrongLog {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        match self.1.sync_fails.load(Ordering::SeqCst) {
            true => Err(io::Error::other("injected by the test")),
            false => self.0.sync(),
        }
    }
    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }
}

fn stream() -> StreamId {
    StreamId::new("shop", "orders").unwrap()
}

async fn append(store: &EmbeddedStore) -> kulya_store::Result<()> {
    store.commit(Commit::events(vec![Append::keyed(&stream(), "k", "x".repeat(100))])).await.map(drop)
}

async fn probe(url: &str, path: &str) -> (u16, Value) {
    let response = client().get(format!("{url}{path}")).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The three HTTP probes and the gRPC check.
async fn probes(url: &str) -> [u16; 4] {
    let channel = tonic::transport::Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let mut grpc = HealthClient::new(channel);
    let response = grpc.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    let grpc = if response.status() == ServingStatus::Serving { 200 } else { 503 };
    let [live, ready, all] = ["/health/live", "/health/ready", "/health"];
    [probe(url, live).await.0, probe(url, ready).await.0, probe(url, all).await.0, grpc]
}

async fn component(url: &str, name: &str) -> Value {
    let (_, body) = probe(url, "/health").await;
    body["components"].as_array().unwrap().iter().find(|found| found["name"] == name).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_and_a_failed_sync_are_reported() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), WrongDisk::default());
    let components =
        Components { disk: Arc::new(disk.clone()), log_file_bytes: 4000, ..Components::default() };
    let store = EmbeddedStore::open_with(folder.path(), components).unwrap();
    store.create_scope(&stream().scope).await.unwrap();
    let keeps = Retention { bytes: Some(1000), age: None };
    store.create_stream(&stream(), StreamConfig::with_segments(1).retention(keeps)).await.unwrap();
    let registry = Arc::new(registry_on(Arc::new(store.clone())).await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let services = Services { registry, store: Arc::new(store.clone()) };
    let serving = tokio::spawn(kulya_server::serve(listener, services, std::future::pending()));
    assert_eq!(probes(&url).await, [200; 4]);
    // the maintenance panics: requests are served, and the status is degraded
    disk.rename_panics.store(true, Ordering::SeqCst);
    for _ in 0..300 {
        append(&store).await.unwrap();
    }
    store.maintain().await.unwrap_err();
    assert_eq!(probes(&url).await, [200, 200, 503, 200]);
    let body = component(&url, "store.maintenance").await;
    assert_eq!(
        (body["status"].as_str(), body["reason"].as_str()),
        (Some("degraded"), Some("panicked: injected by the test"))
    );
    assert!(body["counters"]["panics"].as_u64().unwrap() > 0, "{body}");
    // it recovers by itself
    disk.rename_panics.store(false, Ordering::SeqCst);
    store.maintain().await.unwrap();
    assert_eq!(probes(&url).await, [200; 4]);
    // a failed sync: only a restart helps
    disk.sync_fails.store(true, Ordering::SeqCst);
    append(&store).await.unwrap_err();
    assert_eq!(probes(&url).await, [503; 4]);
    let body = component(&url, "store.log").await;
    assert_eq!(body["status"], "failed");
    assert!(body["reason"].as_str().unwrap().contains("cannot sync"), "{body}");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starting_server_serves_health_only() {
    let access_control = kulya_server::AccessControl::permissive(Arc::new(kulya_store::clock::SystemClock));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (ends, ended) = tokio::sync::oneshot::channel::<()>();
    let ended = async { drop(ended.await) };
    let serving = tokio::spawn(kulya_server::serve_health(access_control.clone(), listener, ended));
    assert_eq!(probes(&url).await, [200, 503, 503, 503]);
    let body = component(&url, "server").await;
    assert_eq!(body["reason"], "the server is starting");
    let error = client().get(format!("{url}/v2/groups")).send().await.unwrap();
    assert_eq!((error.status().as_u16(), error.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    access_control.health().set_serving(Arc::new(kulya_store::memory::MemoryStore::new()));
    assert_eq!(probes(&url).await, [200; 4]);
    access_control.health().set_stopping();
    assert_eq!(probes(&url).await, [200, 503, 503, 503]);
    assert_eq!(component(&url, "server").await["reason"], "the server is stopping");
    drop(ends);
    serving.await.unwrap();
}
