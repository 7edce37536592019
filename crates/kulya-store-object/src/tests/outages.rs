//! Outages: a storage that hangs, that is read-only, or whose directory cannot be synced. Waiting callers get
//! an error within seconds, all at once; reads continue where they can; and a response never claims more than
//! is known.

use super::{event, instance, make, memory, texts};
use crate::bucket::NotDurable;
use crate::{ObjectLogStore, Settings};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use kulya_store::{Append, Commit, ErrorKind, HealthStatus, StreamStore};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const HEALTHY: u8 = 0;
const HANGING: u8 = 1;
const READ_ONLY: u8 = 2;
const UNSYNCED: u8 = 3;

/// A storage in one of these states, which counts concurrent reads.
#[derive(Debug)]
struct UnreliableStorage {
    inner: Arc<dyn ObjectStore>,
    state: AtomicU8,
    reading: AtomicUsize,
    max_concurrent: AtomicUsize,
    read: Mutex<Vec<String>>,
    written: AtomicUsize,
    /// Objects of another process: two arrive whenever the first of them is read.
    arriving: Mutex<VecDeque<(Path, Bytes)>>,
}

impl UnreliableStorage {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: memory(),
            state: AtomicU8::new(HEALTHY),
            reading: AtomicUsize::new(0),
            max_concurrent: AtomicUsize::new(0),
            read: Mutex::default(),
            written: AtomicUsize::new(0),
            arriving: Mutex::default(),
        })
    }

    fn set(&self, state: u8) {
        self.state.store(state, Ordering::SeqCst);
    }

    async fn hang(&self) {
        if self.state.load(Ordering::SeqCst) == HANGING {
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Display for UnreliableStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ailing storage")
    }
}

#[async_trait]
impl ObjectStore for UnreliableStorage {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.hang().await;
        self.written.fetch_add(payload.content_length(), Ordering::SeqCst);
        match self.state.load(Ordering::SeqCst) {
            READ_ONLY => {
                let source = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
                Err(Error::Generic { store: "ailing", source: source.into() })
            }
            UNSYNCED if options.mode == PutMode::Create => {
                self.inner.put_opts(location, payload, options).await?;
                let source = NotDurable(io::Error::from(io::ErrorKind::StorageFull));
                Err(Error::Generic { store: "ailing", source: source.into() })
            }
            _ => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.hang().await;
        let now = self.reading.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_concurrent.fetch_max(now, Ordering::SeqCst);
        self.read.lock().unwrap().push(location.to_string());
        tokio::task::yield_now().await;
        let got = self.inner.get_opts(location, options).await;
        self.reading.fetch_sub(1, Ordering::SeqCst);
        if got.is_err() {
            let next: Vec<_> = {
                let mut arriving = self.arriving.lock().unwrap();
                let is_next = arriving.front().is_some_and(|(next, _)| next == location);
                let count = if is_next { arriving.len().min(2) } else { 0 };
                arriving.drain(..count).collect()
            };
            for (name, bytes) in next {
                self.inner.put(&name, bytes.into()).await?;
            }
        }
        got
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

async fn open(storage: &Arc<UnreliableStorage>, settings: Settings) -> ObjectLogStore {
    let objects: Arc<dyn ObjectStore> = Arc::clone(storage) as _;
    ObjectLogStore::open(objects, &Path::default(), settings).await.unwrap()
}

/// The default timeouts, without a cache.
fn default_settings() -> Settings {
    Settings {
        cache_bytes: 0,
        checkpoint_every: u64::MAX,
        clock_check_interval: None,
        ..Settings::new(instance())
    }
}

#[tokio::test(start_paused = true)]
async fn calls_to_a_hanging_storage_fail_within_seconds_all_at_once() {
    let storage = UnreliableStorage::new();
    let store = open(&storage, default_settings()).await;
    make(&store).await;
    storage.set(HANGING);
    let start = Instant::now();
    let reads = (0..50).map(|_| async { store.scopes().await.unwrap_err() });
    let writes = (0..50).map(|n| {
        let store = &store;
        async move { store.commit(event(n)).await.unwrap_err() }
    });
    let (reads, writes) = tokio::join!(futures::future::join_all(reads), futures::future::join_all(writes));
    // time is paused: nothing here depends on the machine
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    for error in reads.iter().chain(&writes) {
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        assert!(error.to_string().contains("see that it runs"), "{error}");
    }
    assert_eq!(store.health().status(), HealthStatus::Unavailable);
    storage.set(HEALTHY);
    store.scopes().await.unwrap();
    assert_eq!(store.health().status(), HealthStatus::Healthy);
}

/// A log that grows as fast as it is read has no gap at its end.
#[tokio::test]
async fn a_log_that_grows_while_it_is_opened_can_be_opened() {
    let storage = UnreliableStorage::new();
    let store = open(&storage, default_settings()).await;
    make(&store).await;
    for n in 0..200 {
        store.commit(event(n)).await.unwrap();
    }
    drop(store);
    let log = Path::from("log");
    let mut names: Vec<Path> =
        storage.inner.list(Some(&log)).map_ok(|object| object.location).try_collect().await.unwrap();
    names.sort();
    for name in names.split_off(4) {
        let bytes = storage.inner.get(&name).await.unwrap().bytes().await.unwrap();
        storage.inner.delete(&name).await.unwrap();
        storage.arriving.lock().unwrap().push_back((name, bytes));
    }
    let store = open(&storage, Settings { end_check_interval: Duration::ZERO, ..default_settings() }).await;
    assert_eq!(texts(&store).await.len(), 200);
}

#[tokio::test]
async fn a_read_only_storage_can_be_read() {
    let storage = UnreliableStorage::new();
    let store = open(&storage, default_settings()).await;
    make(&store).await;
    store.commit(event("there")).await.unwrap();
    drop(store);
    storage.set(READ_ONLY);
    let store = open(&storage, default_settings()).await;
    assert_eq!(texts(&store).await, ["there"]);
    let refused = store.commit(event("more")).await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
    assert!(
        !store.create_scope(&super::orders().scope).await.unwrap(),
        "an existing scope need not be created"
    );
}

#[tokio::test]
async fn a_commit_that_is_not_durable_is_not_acknowledged_and_stops_writes() {
    let storage = UnreliableStorage::new();
    let store = open(&storage, default_settings()).await;
    make(&store).await;
    storage.set(UNSYNCED);
    let refused = store.commit(event("perhaps")).await.unwrap_err();
    // neither "stored" nor "disk full, nothing was written"
    assert_eq!(refused.kind(), ErrorKind::Failed, "{refused}");
    assert!(refused.to_string().contains("cannot be synced"), "{refused}");
    assert_eq!(store.health().status(), HealthStatus::Failed);
    storage.set(HEALTHY);
    assert_eq!(
        store.commit(event("later")).await.unwrap_err().kind(),
        ErrorKind::Failed,
        "writes stay stopped"
    );
    assert_eq!(texts(&store).await, ["perhaps"], "reads continue");
}

/// Whatever its age, a store writes at most three bytes per byte of events in the most expensive case, one
/// small event per commit: the log object, the event once merged, and incremental checkpoints.
#[tokio::test]
async fn write_amplification_is_below_three() {
    let storage = UnreliableStorage::new();
    let settings = Settings {
        checkpoint_every: 1024,
        maintenance_interval: Duration::from_millis(1),
        ..default_settings()
    };
    let store = open(&storage, settings).await;
    make(&store).await;
    let append = || Append::keyed(&super::orders(), "k", vec![b'e'; 100]);
    for _ in 0..10_000 {
        store.commit(Commit::events(vec![append()])).await.unwrap();
    }
    store.compact().await.unwrap();
    let (written, framed) = (storage.written.load(Ordering::SeqCst), 10_000 * 108);
    assert!(written < 3 * framed, "{written} bytes written for {framed} of events");
}

#[tokio::test]
async fn a_read_sends_few_requests_and_few_at_once() {
    let storage = UnreliableStorage::new();
    let store = open(&storage, default_settings()).await;
    make(&store).await;
    for n in 0..1500 {
        store.commit(event(n)).await.unwrap();
    }
    let reads = |storage: &UnreliableStorage| {
        let read = std::mem::take(&mut *storage.read.lock().unwrap());
        read.iter().filter(|name| name.contains("data/")).count()
    };
    let segment = kulya_store::bounded_read(&store, &super::orders()).await.unwrap()[0].0.segment.clone();
    storage.read.lock().unwrap().clear();
    storage.max_concurrent.store(0, Ordering::SeqCst);
    // still in small objects
    let one = store.read(&segment, 0, 1).await.unwrap();
    assert_eq!(one.events.len(), 1);
    let requests = storage.read.lock().unwrap().len();
    assert!(requests <= 3, "{requests} requests for one event");
    let chunks = (0..40).map(|_| store.read(&segment, 0, 1 << 20));
    futures::future::try_join_all(chunks).await.unwrap();
    let max_concurrent = storage.max_concurrent.load(Ordering::SeqCst);
    assert!(max_concurrent <= 16 + 4, "{max_concurrent} requests at once");
    // merged
    store.compact().await.unwrap();
    reads(&storage);
    assert_eq!(texts(&store).await.len(), 1500);
    let requests = reads(&storage);
    assert!(requests <= 3, "{requests} requests for 1,500 events");
}
