//! Requests to the object storage, by names under the store's prefix.

use super::error::{
    corrupt, is_full, is_not_durable, is_permanent, storage_error, timeout_error, unreachable,
};
use crate::object::HEADER_BYTES;
use crate::settings::Settings;
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_store::{Error, Result};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The number of bytes of an object that the first request for its head reads: most heads are not larger.
pub(super) const FIRST_READ_BYTES: u64 = 64 << 10;
/// The timeout of a listing, which takes one request per thousand objects.
pub(super) const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// The block size of stores of format 1.
pub(super) const FORMAT_1_BLOCK: u64 = 1024;

/// Access to the objects of one store.
pub(crate) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    pub(crate) settings: Settings,
    pub(super) block_size: AtomicU64,
    /// Limits the number of concurrent reads of events.
    pub(super) reads: Semaphore,
    /// How far the storage's clock is ahead of our own, in milliseconds; 0 when they are about equal.
    pub(super) skew_ms: AtomicI64,
    pub(super) clock_checked_at: Mutex<Option<Instant>>,
}

/// The outcome of a conditional put.
pub(crate) enum PutOutcome {
    Created,
    /// An object has this name: perhaps this very one, from an earlier attempt.
    AlreadyExists,
    /// Nothing was written.
    Rejected(Error),
    /// It is unknown whether the object was written.
    Unknown(Error),
    /// The object was written, but may not survive a power failure.
    NotDurable(Error),
}

/// An object in a listing.
#[derive(Debug, Clone)]
pub(crate) struct ListedObject {
    pub(crate) path: Path,
    pub(crate) number: u64,
}

impl Bucket {
    /// Creates a bucket; sends no request.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &Path, settings: Settings) -> Self {
        let reads = Semaphore::new(settings.max_concurrent_reads.max(1));
        let (prefix, block_size) = (prefix.clone(), AtomicU64::new(FORMAT_1_BLOCK));
        Self {
            store,
            prefix,
            settings,
            block_size,
            reads,
            skew_ms: AtomicI64::new(0),
            clock_checked_at: Mutex::new(None),
        }
    }

    /// Returns a path under the store's prefix.
    pub(super) fn path(&self, rest: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(rest).parts()))
    }

    /// Returns the number of log objects that are closed together.
    pub(crate) fn block_size(&self) -> u64 {
        self.block_size.load(Ordering::Relaxed)
    }

    /// Lists a directory of the store.
    pub(crate) async fn list(&self, directory: &str) -> Result<Vec<ListedObject>> {
        let directory = self.path(directory);
        let list = || with_timeout(LIST_TIMEOUT, self.store.list(Some(&directory)).try_collect::<Vec<_>>());
        let found = self.retry(&directory, list).await?;
        let listed = |meta: object_store::ObjectMeta| {
            let text = meta.location.filename()?;
            let number = parse_number(text.get(..20)?)?;
            Some(ListedObject { number, path: meta.location })
        };
        Ok(found.into_iter().filter_map(listed).collect())
    }

    /// Returns the number of objects under the store's prefix and their total size in bytes.
    pub(crate) async fn usage(&self) -> Result<(u64, u64)> {
        let list = || with_timeout(LIST_TIMEOUT, self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>());
        let found = self.retry(&self.prefix, list).await?;
        Ok((found.len() as u64, found.iter().map(|meta| meta.size).sum()))
    }

    /// Deletes objects, in requests of at most 1000.
    pub(crate) async fn delete(&self, paths: Vec<Path>) -> Result<()> {
        for paths in paths.chunks(1000) {
            let directory = paths.first().cloned().unwrap_or_default();
            let delete = async || {
                let names = paths.to_vec();
                let names = futures::stream::iter(names.into_iter().map(Ok));
                let mut done = self.store.delete_stream(Box::pin(names));
                loop {
                    match done.try_next().await {
                        Ok(None) => return Ok(()),
                        Ok(Some(_)) | Err(object_store::Error::NotFound { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            };
            self.retry(&directory, || with_timeout(LIST_TIMEOUT, delete())).await?;
        }
        Ok(())
    }

    /// Puts an object once, if none has this name.
    pub(super) async fn create(&self, path: &Path, body: PutPayload) -> PutOutcome {
        let time = self.settings.timeout_for(body.content_length() as u64);
        match with_timeout(time, self.store.put_opts(path, body, PutMode::Create.into())).await {
            Ok(_) => PutOutcome::Created,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                PutOutcome::AlreadyExists
            }
            Err(error) if is_not_durable(&error) => PutOutcome::NotDurable(storage_error(path, error)),
            Err(error) if is_permanent(&error) || is_full(&error) => {
                PutOutcome::Rejected(storage_error(path, error))
            }
            Err(error) => PutOutcome::Unknown(storage_error(path, error)),
        }
    }

    /// Puts an object if none has this name, with retries.
    pub(super) async fn create_with_retry(&self, path: &Path, body: &PutPayload) -> Result<()> {
        let start = Instant::now();
        let mut failures = 0;
        loop {
            let error = match self.create(path, body.clone()).await {
                PutOutcome::Created => return Ok(()),
                // a storage may report a concurrent write that then fails
                PutOutcome::AlreadyExists if self.get(path, Some(0..1)).await?.is_some() => return Ok(()),
                PutOutcome::AlreadyExists => unreachable(path, "is reported as being written"),
                PutOutcome::Rejected(error) | PutOutcome::NotDurable(error) => return Err(error),
                PutOutcome::Unknown(error) => error,
            };
            failures += 1;
            if !self.settings.backoff(failures, start).await {
                return Err(error);
            }
        }
    }

    /// Reads an object or a range of its bytes, with retries. Returns the bytes and the size of the object;
    /// `None` when it does not exist.
    pub(super) async fn get(&self, path: &Path, range: Option<Range<u64>>) -> Result<Option<(Bytes, u64)>> {
        let got = self.retry(path, || self.get_once(path, range.clone())).await;
        // a range beyond the end of an object is an error without a distinct kind: check the size
        if let (Err(_), Some(range)) = (&got, &range) {
            let head = with_timeout(self.settings.timeout_for(0), self.store.head(path)).await;
            if let Some(size) = head.ok().map(|meta| meta.size)
                && (size <= range.start || size < HEADER_BYTES as u64)
            {
                return Err(corrupt(path, format!("it has only {size} bytes")));
            }
        }
        got
    }

    /// Reads an object or a range of its bytes, without retries.
    pub(super) async fn get_once(
        &self,
        path: &Path,
        range: Option<Range<u64>>,
    ) -> object_store::Result<Option<(Bytes, u64)>> {
        let time = self.settings.timeout_for(range.as_ref().map_or(0, |range| range.end - range.start));
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = match with_timeout(time, self.store.get_opts(path, options)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            got => got?,
        };
        let size = got.meta.size;
        let time = self.settings.timeout_for(got.range.end - got.range.start);
        Ok(Some((with_timeout(time, got.bytes()).await?, size)))
    }

    /// Retries a request with backoff until it succeeds, fails permanently, or runs out of attempts.
    pub(super) async fn retry<T, F>(&self, path: &Path, send: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let start = Instant::now();
        let mut attempts = 0;
        loop {
            match send().await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    attempts += 1;
                    if is_permanent(&error) || !self.settings.backoff(attempts, start).await {
                        return Err(storage_error(path, error));
                    }
                }
            }
        }
    }
}

/// Parses a number of decimal digits alone.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Limits the duration of a request.
pub(super) async fn with_timeout<T>(
    time: Duration,
    request: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    tokio::time::timeout(time, request).await.unwrap_or_else(|_| Err(timeout_error(time)))
}
