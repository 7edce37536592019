//! An object storage as networks and other processes make it: answers that get lost, requests that arrive much later or never,
//! others that overtake. What happens is drawn from a seed.

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

/// A put that its sender gave up, and that still arrives.
type Late = (Path, PutPayload, PutOptions);

/// One process's way to the storage.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    rng: Mutex<SeededRng>,
    /// Of a hundred requests so many go wrong, in one way or another.
    percent: u64,
    late: Mutex<Vec<Late>>,
    quiet: AtomicBool,
}

impl Faulty {
    pub(super) fn new(inner: &Arc<dyn ObjectStore>, seed: u64, percent: u64) -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::clone(inner),
            rng: Mutex::new(SeededRng::new(seed)),
            percent,
            late: Mutex::default(),
            quiet: AtomicBool::new(false),
        })
    }

    /// Whether everything goes well.
    pub(super) fn quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::SeqCst);
    }

    /// From now on everything goes well, but for what is still to arrive, which arrives now.
    pub(super) async fn calm(&self) {
        self.quiet(true);
        while let Some(late) = self.take_late() {
            self.arrive(late).await;
        }
    }

    fn roll(&self, most: u64) -> u64 {
        self.rng.lock().unwrap().u64_below(most)
    }

    fn take_late(&self) -> Option<Late> {
        let mut late = self.late.lock().unwrap();
        let at = self.rng.lock().unwrap().index(late.len());
        (at < late.len()).then(|| late.swap_remove(at))
    }

    async fn arrive(&self, (location, payload, options): Late) {
        let _ = self.inner.put_opts(&location, payload, options).await;
    }

    /// Lets others go first, and what is late arrive. Whether this request goes wrong.
    async fn wait(&self) -> bool {
        if self.quiet.load(Ordering::SeqCst) {
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
    Error::Generic { store: "faulty", source: "the connection was lost".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !self.wait().await {
            let done = self.inner.put_opts(location, payload, options).await;
            self.wait().await;
            return done;
        }
        match self.roll(6) {
            // it took effect, and nobody hears of it
            0 | 1 => {
                let _ = self.inner.put_opts(location, payload, options).await;
                Err(lost())
            }
            2 => Err(lost()),
            3 | 4 => {
                self.late.lock().unwrap().push((location.clone(), payload, options));
                Err(lost())
            }
            // somebody else is said to be writing there, as S3 says it
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
        if !self.quiet.load(Ordering::SeqCst) && self.roll(100) < self.percent {
            return stream::once(async { Err(lost()) }).boxed();
        }
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if !self.quiet.load(Ordering::SeqCst) && self.roll(100) < self.percent {
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
