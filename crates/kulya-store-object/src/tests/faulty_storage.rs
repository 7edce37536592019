//! A faulty object storage: responses are lost, requests arrive much later or never, others overtake. Faults
//! are drawn from a seed.

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use kulya_testkit::SeededRng;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A put that its sender abandoned and that still arrives.
type Late = (Path, PutPayload, PutOptions);

/// One process's connection to the storage.
#[derive(Debug)]
pub(super) struct FaultyStorage {
    inner: Arc<dyn ObjectStore>,
    rng: Mutex<SeededRng>,
    /// The percentage of requests that fail in some way.
    percent: u64,
    late: Mutex<Vec<Late>>,
    faults_off: AtomicBool,
}

impl FaultyStorage {
    pub(super) fn new(inner: &Arc<dyn ObjectStore>, seed: u64, percent: u64) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            rng: Mutex::new(SeededRng::new(seed)),
            percent,
            late: Mutex::default(),
            faults_off: AtomicBool::new(false),
        })
    }

    /// Turns fault injection off or on.
    pub(super) fn set_faults_off(&self, off: bool) {
        self.faults_off.store(off, Ordering::SeqCst);
    }

    /// Turns fault injection off and delivers all late puts.
    pub(super) async fn stop_faults(&self) {
        self.set_faults_off(true);
        while let Some(late) = self.take_late() {
            self.arrive(late).await;
        }
    }

    fn roll(&self, max: u64) -> u64 {
        self.rng.lock().unwrap().u64_below(max)
    }

    fn take_late(&self) -> Option<Late> {
        let mut late = self.late.lock().unwrap();
        let at = self.rng.lock().unwrap().index(late.len());
        (at < late.len()).then(|| late.swap_remove(at))
    }

    async fn arrive(&self, (location, payload, options): Late) {
        let _ = self.inner.put_opts(&location, payload, options).await;
    }

    /// Yields to other tasks and may deliver a late put. Returns whether this request fails.
    async fn wait(&self) -> bool {
        if self.faults_off.load(Ordering::SeqCst) {
            return false;
        }
        for _ in 0..self.roll(4) {
            tokio::task::yield_now().await;
        }
        if self.roll(8) == 0
            && let Some(late) = self.take_late()
        {
            self.arrive(late).await;
        }
        self.roll(100) < self.percent
    }
}

fn lost() -> Error {
    Error::Generic { store: "faulty", source: "connection closed".into() }
}

impl fmt::Display for FaultyStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultyStorage {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !self.wait().await {
            let done = self.inner.put_opts(location, payload, options).await;
            self.wait().await;
            return done;
        }
        match self.roll(6) {
            // applied, but the response is lost
            0 | 1 => {
                let _ = self.inner.put_opts(location, payload, options).await;
                Err(lost())
            }
            2 => Err(lost()),
            3 | 4 => {
                self.late.lock().unwrap().push((location.clone(), payload, options));
                Err(lost())
            }
            // reports a concurrent write, as S3 does
            _ => Err(Error::AlreadyExists { path: location.to_string(), source: "409".into() }),
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".into(), implementer: "faulty".into() })
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.wait().await {
            return Err(lost());
        }
        let got = self.inner.get_opts(location, options).await;
        self.wait().await;
        got
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if !self.faults_off.load(Ordering::SeqCst) && self.roll(100) < self.percent {
            return stream::once(async { Err(lost()) }).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if !self.faults_off.load(Ordering::SeqCst) && self.roll(100) < self.percent {
            return stream::once(async { Err(lost()) }).boxed();
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
