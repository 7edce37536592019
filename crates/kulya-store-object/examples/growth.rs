//! Benchmark: prints the cost of a store at different ages: bytes written per byte of events, number of
//! objects, and the requests to open it and read all of it: `cargo run --release -p kulya-store-object
//! --example growth -- 1000 100000`. Each commit is one event of 100 bytes in an object of its own, the most
//! expensive way to write.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use kulya_store::{Append, Commit, Scope, StreamConfig, StreamId, StreamStore};
use kulya_store_object::{ObjectLogStore, Settings};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An in-memory storage that counts bytes written and requests.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    written: AtomicU64,
    requests: AtomicU64,
}

impl std::fmt::Display for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let bytes = payload.content_length() as u64;
        let done = self.inner.put_opts(location, payload, options).await;
        if done.is_ok() {
            self.written.fetch_add(bytes, Ordering::Relaxed);
        }
        done
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.inner.get_opts(location, options).await
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

#[tokio::main]
async fn main() {
    let ages: Vec<u64> = std::env::args().skip(1).map(|age| age.parse().unwrap()).collect();
    let storage = Arc::new(Counting::default());
    let store = open(&storage, 1).await;
    let stream = StreamId::new("shop", "clicks").unwrap();
    store.create_scope(&Scope::new("shop").unwrap()).await.unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
    println!(
        "| commits of one 100-byte event | bytes written per byte | bytes stored per byte | objects | GETs to open | to open | GETs to read all |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut commits = 0;
    for age in ages {
        while commits < age {
            store.commit(Commit::events(vec![Append::keyed(&stream, "k", vec![b'e'; 100])])).await.unwrap();
            commits += 1;
        }
        // maintenance runs concurrently with the commits
        let bytes = (commits * 108) as f64;
        let written = storage.written.load(Ordering::Relaxed) as f64 / bytes;
        let objects: Vec<_> = storage.inner.list(None).collect().await;
        let stored: u64 = objects.iter().map(|meta| meta.as_ref().unwrap().size).sum();
        storage.requests.store(0, Ordering::Relaxed);
        let start = Instant::now();
        let fresh = open(&storage, 1 + u128::from(age)).await;
        let (opened, open_requests) = (start.elapsed(), storage.requests.swap(0, Ordering::Relaxed));
        let mut read = 0;
        for segment in fresh.segments(&stream).await.unwrap() {
            let mut reader = kulya_store::BoundedSegment::new(segment);
            while let Some(chunk) = reader.next(&fresh, 1 << 20).await.unwrap() {
                read += chunk.events.len() as u64;
            }
        }
        assert_eq!(read, commits);
        let requests = storage.requests.load(Ordering::Relaxed);
        println!(
            "| {commits} | {written:.2} | {:.2} | {} | {open_requests} | {opened:.1?} | {requests} |",
            stored as f64 / bytes,
            objects.len()
        );
        fresh.close().await.unwrap();
    }
}

async fn open(storage: &Arc<Counting>, instance: u128) -> ObjectLogStore {
    let objects: Arc<dyn ObjectStore> = Arc::clone(storage) as _;
    // commits in memory take no time, so intervals can be short
    let settings = Settings {
        deletion_grace: Duration::from_millis(200),
        end_check_interval: Duration::from_millis(20),
        maintenance_interval: Duration::from_secs(1),
        ..Settings::new(instance)
    };
    ObjectLogStore::open(objects, &Path::default(), settings).await.unwrap()
}
