//! The objects of one store: their names, and requests to the object storage with retries and timeouts. It
//! does not interpret the log.

mod clock;
mod failure;

pub(crate) use failure::NotDurable;

use crate::object::{self, HEADER_BYTES, Header, Kind};
use crate::record::{Author, Data, Gone, Log, Snapshot};
use crate::settings::Settings;
use crate::state::{DATA_BIT, Place};
use bytes::Bytes;
use failure::{
    damaged, failed, is_final, is_full, is_read_only, is_undurable, missing, no_answer, unreachable,
};
use futures::TryStreamExt;
use kulya_store::{Error, ErrorKind, Result};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The number of bytes of a log object that the first request reads: most objects are not larger.
const NEAR_BYTES: u64 = 64 << 10;
/// The directories of checkpoints and of their copies.
const CHECKPOINTS: [&str; 2] = ["checkpoint", "checkpoint-copy"];
/// The timeout of a listing, which takes one request per thousand objects.
const LISTING: Duration = Duration::from_secs(60);
/// The name of a store's first object, which identifies the store and its format.
const FORMAT_NAME: &str = "FORMAT";
const OLD_FORMAT: &[u8] = b"kulya-store-object 1\n";
const FORMAT: &str = "kulya-store-object 2\nblock ";
/// The block size of stores of format 1.
const OLD_BLOCK: u64 = 1024;

/// Access to the objects of one store.
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    pub(crate) settings: Settings,
    block: AtomicU64,
    /// Limits the number of concurrent reads of events.
    reads: Semaphore,
    /// How far the storage's clock is ahead of our own, in milliseconds; 0 when they are about equal.
    skew_ms: AtomicI64,
    compared_at: Mutex<Option<Instant>>,
}

/// The object at a number of the log.
pub(crate) enum Found {
    Nothing,
    Log(Box<Arrived>),
    /// It was reclaimed, when this checkpoint existed: only in format 1.
    GivenBack {
        checkpoint: u64,
        author: Author,
    },
}

/// A log object without its events.
pub(crate) struct Arrived {
    pub(crate) log: Log,
    pub(crate) header: Header,
    /// The first bytes of the object, as many as the request returned.
    pub(crate) near: Bytes,
}

/// The outcome of a conditional put.
pub(crate) enum Put {
    Made,
    /// An object has this name: perhaps this very one, from an earlier attempt.
    Taken,
    /// Nothing was written.
    Refused(Error),
    /// It is unknown whether the object was written.
    Unsure(Error),
    /// The object was written, but may not survive a power failure.
    Undurable(Error),
}

/// The name of a checkpoint: its number, and the number of the checkpoint that it is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CheckpointName {
    pub(crate) number: u64,
    pub(crate) base: Option<u64>,
}

/// An object in a listing.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) path: Path,
    pub(crate) number: u64,
}

impl Bucket {
    /// Creates a bucket; sends no request.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &Path, settings: Settings) -> Self {
        let reads = Semaphore::new(settings.reads_at_once.max(1));
        let (prefix, block) = (prefix.clone(), AtomicU64::new(OLD_BLOCK));
        Self {
            store,
            prefix,
            settings,
            block,
            reads,
            skew_ms: AtomicI64::new(0),
            compared_at: Mutex::new(None),
        }
    }

    /// Returns a path under the store's prefix.
    fn name(&self, rest: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(rest).parts()))
    }

    fn log_name(&self, number: u64) -> Path {
        self.name(&format!("log/{number:020}"))
    }

    /// Returns the names of a checkpoint's two copies. There are two because the log before a checkpoint may
    /// be deleted.
    fn checkpoint_names(&self, CheckpointName { number, base }: CheckpointName) -> [Path; 2] {
        let base = base.map(|base| format!(".{base:020}")).unwrap_or_default();
        CHECKPOINTS.map(|folder| self.name(&format!("{folder}/{number:020}{base}")))
    }

    /// Returns the name of a log or data object.
    fn place_name(&self, object: u64) -> Path {
        match object & DATA_BIT {
            0 => self.log_name(object),
            _ => self.name(&format!("data/{:020}", object & !DATA_BIT)),
        }
    }

    fn closed_name(&self, number: u64) -> Path {
        self.name(&format!("closed/{:020}", number / self.block()))
    }

    /// Returns the number of log objects that are closed together.
    pub(crate) fn block(&self) -> u64 {
        self.block.load(Ordering::Relaxed)
    }

    /// Creates the store's first object, or reads it if it exists, and rejects a storage that ignores
    /// conditional writes: on it two processes would overwrite each other's objects.
    ///
    /// # Errors
    /// `InvalidInput` when conditional writes are ignored; `Corrupt` when the prefix holds something else.
    pub(crate) async fn begin(&self) -> Result<()> {
        let name = self.name(FORMAT_NAME);
        let ours = Bytes::from(format!("{FORMAT}{}\n", self.settings.block.max(1)));
        let begun = Instant::now();
        let (mut made, mut failed) = (0, 0);
        let found = loop {
            let error = match self.create(&name, ours.clone().into()).await {
                // the object did not exist at first; then it did, and nobody ever deletes it
                Put::Made if made > 0 => {
                    return Err(Error::invalid(format!(
                        "{} overwrites existing objects: it does not support conditional writes (If-None-Match), which a store requires",
                        self.store
                    )));
                }
                Put::Made => {
                    made += 1;
                    continue;
                }
                // or a concurrent write is under way, and the object does not exist yet
                Put::Taken => match self.get(&name, None).await? {
                    Some((found, _)) => break found,
                    None => unreachable(&name, "is reported as being written"),
                },
                // a process with read access alone can read an existing store
                Put::Refused(error) => match self.get(&name, None).await {
                    Ok(Some((found, _))) if is_read_only(&error) => break found,
                    _ => return Err(error),
                },
                Put::Undurable(error) => return Err(error),
                Put::Unsure(error) => error,
            };
            failed += 1;
            if !self.settings.pause(failed, begun).await {
                return Err(error);
            }
        };
        self.recognize(&found)
    }

    /// Returns whether the store exists.
    ///
    /// # Errors
    /// `Corrupt` when the prefix holds something else.
    pub(crate) async fn find(&self) -> Result<bool> {
        match self.get(&self.name(FORMAT_NAME), None).await? {
            Some((found, _)) => self.recognize(&found).map(|()| true),
            None => Ok(false),
        }
    }

    /// Checks the content of `FORMAT` and takes the block size from it.
    fn recognize(&self, found: &[u8]) -> Result<()> {
        let name = self.name(FORMAT_NAME);
        let refused = |what: &str| Err(Error::new(ErrorKind::Corrupt, format!("object {name} {what}")));
        if found == OLD_FORMAT {
            self.block.store(OLD_BLOCK, Ordering::Relaxed);
            return Ok(());
        }
        let text = std::str::from_utf8(found).ok();
        let block = text.and_then(|text| text.strip_prefix(FORMAT)?.strip_suffix('\n')?.parse().ok());
        match block {
            Some(block @ 1..) => {
                self.block.store(block, Ordering::Relaxed);
                Ok(())
            }
            _ if found.starts_with(b"kulya-store-object ") => {
                refused("has an unsupported format: use the version of kulya that wrote it, or a newer one")
            }
            _ => refused("was not written by kulya: choose a prefix that nothing else uses"),
        }
    }

    /// Reads the head of the log object with this number.
    pub(crate) async fn log(&self, number: u64) -> Result<Found> {
        let name = self.log_name(number);
        let Some((mut near, size)) = self.get(&name, Some(0..NEAR_BYTES)).await? else {
            return Ok(Found::Nothing);
        };
        let damaged = |what: String| damaged(&name, what);
        let header = Header::parse(&near).map_err(damaged)?;
        let kind = if header.kind == Kind::GivenBack { Kind::GivenBack } else { Kind::Log };
        header.check(kind, number, size).map_err(damaged)?;
        if header.events_from() > near.len() as u64 {
            let Some((whole, _)) = self.get(&name, Some(0..header.events_from())).await? else {
                return Err(missing(&name));
            };
            // it may have been replaced by a tombstone in between
            if Header::parse(&whole).is_ok_and(|now| now != header) {
                return Box::pin(self.log(number)).await;
            }
            near = whole;
        }
        if kind == Kind::GivenBack {
            let gone: Gone = header.head(number, &near).map_err(damaged)?;
            return Ok(Found::GivenBack { checkpoint: gone.checkpoint, author: gone.author() });
        }
        let log: Log = header.head(number, &near).map_err(damaged)?;
        let events = log.batches.iter().map(|batch| u64::from(batch.length)).sum();
        header.check_events(events, size).map_err(damaged)?;
        Ok(Found::Log(Box::new(Arrived { log, header, near })))
    }

    /// Reads the events at a location and verifies their checksum; `None` when the object does not exist or
    /// was reclaimed.
    pub(crate) async fn events(&self, place: Place) -> Result<Option<Bytes>> {
        let _turn = self.reads.acquire().await;
        let name = self.place_name(place.object);
        let range = Some(place.at..place.at.saturating_add(u64::from(place.length)));
        let is_right =
            |bytes: &Bytes| bytes.len() == place.length as usize && crc32c::crc32c(bytes) == place.checksum;
        match self.get_once(&name, range.clone()).await {
            Ok(Some((bytes, _))) if is_right(&bytes) => return Ok(Some(bytes)),
            Ok(None) => return Ok(None),
            _ => {}
        }
        // a tombstone is shorter than the requested range
        if place.is_log() && !matches!(self.log(place.object).await?, Found::Log(_)) {
            return Ok(None);
        }
        match self.get(&name, range).await? {
            None => Ok(None),
            Some((bytes, _)) if is_right(&bytes) => Ok(Some(bytes)),
            Some(_) => Err(damaged(&name, format!("checksum mismatch in the events at byte {}", place.at))),
        }
    }

    /// Reads the head of a data object and returns it with the offset of its events; `None` when it does not
    /// exist.
    pub(crate) async fn data_head(&self, object: u64) -> Result<Option<(Data, u64)>> {
        let _turn = self.reads.acquire().await;
        let name = self.place_name(object);
        let Some((mut near, size)) = self.get(&name, Some(0..NEAR_BYTES)).await? else { return Ok(None) };
        let damaged = |what: String| damaged(&name, what);
        let header = Header::parse(&near).map_err(damaged)?;
        header.check(Kind::Data, object, size).map_err(damaged)?;
        if header.events_from() > near.len() as u64 {
            let Some((whole, _)) = self.get(&name, Some(0..header.events_from())).await? else {
                return Ok(None);
            };
            near = whole;
        }
        let data: Data = header.head(object, &near).map_err(damaged)?;
        let events = data.runs.iter().map(|run| u64::from(run.length)).sum();
        header.check_events(events, size).map_err(damaged)?;
        Ok(Some((data, header.events_from())))
    }

    /// Puts the log object with this number, without retries, if none exists.
    pub(crate) async fn create_log(&self, number: u64, body: PutPayload) -> Put {
        self.create(&self.log_name(number), body).await
    }

    /// Creates a data object; an existing one with this name is the same.
    pub(crate) async fn create_data(&self, object: u64, body: &PutPayload) -> Result<()> {
        self.create_again(&self.place_name(object), body).await
    }

    /// Creates both copies of a checkpoint, unless they exist. Returns its size in bytes.
    pub(crate) async fn create_checkpoint(&self, number: u64, snapshot: &Snapshot) -> Result<u64> {
        let body = object::begin(Kind::Checkpoint, number, snapshot).map_err(Error::invalid)?;
        let size = body.len() as u64;
        let [name, copy] = self.checkpoint_names(CheckpointName { number, base: snapshot.base });
        let body = body.into();
        self.create_again(&copy, &body).await?;
        self.create_again(&name, &body).await.map(|()| size)
    }

    /// Closes the block of a log number: no number of it is ever used again.
    pub(crate) async fn close(&self, number: u64) -> Result<()> {
        self.create_again(&self.closed_name(number), &Bytes::from_static(b"closed\n").into()).await
    }

    /// Returns whether the block of a log number is closed, so that its objects may be deleted.
    pub(crate) async fn is_closed(&self, number: u64) -> Result<bool> {
        Ok(self.get(&self.closed_name(number), None).await?.is_some())
    }

    /// Puts an object if none has this name, with retries.
    async fn create_again(&self, name: &Path, body: &PutPayload) -> Result<()> {
        let begun = Instant::now();
        let mut failed = 0;
        loop {
            let error = match self.create(name, body.clone()).await {
                Put::Made => return Ok(()),
                // a storage may report a concurrent write that then fails
                Put::Taken if self.get(name, Some(0..1)).await?.is_some() => return Ok(()),
                Put::Taken => unreachable(name, "is reported as being written"),
                Put::Refused(error) | Put::Undurable(error) => return Err(error),
                Put::Unsure(error) => error,
            };
            failed += 1;
            if !self.settings.pause(failed, begun).await {
                return Err(error);
            }
        }
    }

    /// Lists a directory of the store.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let folder = self.name(folder);
        let list = || within(LISTING, self.store.list(Some(&folder)).try_collect::<Vec<_>>());
        let found = self.again(&folder, list).await?;
        let listed = |meta: object_store::ObjectMeta| {
            let text = meta.location.filename()?;
            let number = parse_number(text.get(..20)?)?;
            Some(Listed { number, path: meta.location })
        };
        Ok(found.into_iter().filter_map(listed).collect())
    }

    /// Returns the number of objects under the store's prefix and their total size in bytes.
    pub(crate) async fn usage(&self) -> Result<(u64, u64)> {
        let list = || within(LISTING, self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>());
        let found = self.again(&self.prefix, list).await?;
        Ok((found.len() as u64, found.iter().map(|meta| meta.size).sum()))
    }

    /// Writes both copies of a checkpoint, overwriting existing ones.
    pub(crate) async fn replace_checkpoint(&self, number: u64, snapshot: &Snapshot) -> Result<()> {
        let body = object::begin(Kind::Checkpoint, number, snapshot).map_err(Error::invalid)?;
        let time = self.settings.time_for(body.len() as u64);
        for name in self.checkpoint_names(CheckpointName { number, base: snapshot.base }) {
            let put = || within(time, self.store.put(&name, body.clone().into()));
            self.again(&name, put).await?;
        }
        Ok(())
    }

    /// Returns the number of a log object after this one, as far as a listing shows.
    pub(crate) async fn any_log_behind(&self, number: u64) -> Result<Option<u64>> {
        let (folder, offset) = (self.name("log"), self.log_name(number));
        let list = async || {
            let mut found = self.store.list_with_offset(Some(&folder), &offset);
            while let Some(meta) = found.try_next().await? {
                let behind = meta.location.filename().filter(|text| text.len() == 20).and_then(parse_number);
                if behind.is_some_and(|behind| behind > number) {
                    return Ok(behind);
                }
            }
            Ok(None)
        };
        self.again(&folder, || within(LISTING, list())).await
    }

    /// Lists the checkpoints, newest first.
    pub(crate) async fn checkpoints(&self) -> Result<Vec<CheckpointName>> {
        let named = |listed: Listed| {
            let text = listed.path.filename()?;
            let base = match text.get(20..)?.strip_prefix('.') {
                Some(base) => Some(parse_number(base)?),
                None if text.len() == 20 => None,
                None => return None,
            };
            Some(CheckpointName { number: listed.number, base })
        };
        let [found, copies] = CHECKPOINTS.map(|folder| self.list(folder));
        let (found, copies) = futures::try_join!(found, copies)?;
        let mut names: Vec<_> = found.into_iter().chain(copies).filter_map(named).collect();
        names.sort_unstable_by(|left, right| right.cmp(left));
        names.dedup();
        Ok(names)
    }

    /// Reads a checkpoint from whichever copy is intact; `None` when it no longer exists.
    pub(crate) async fn checkpoint(&self, checkpoint: CheckpointName) -> Result<Option<Snapshot>> {
        let [first, second] = self.checkpoint_names(checkpoint);
        match self.checkpoint_at(&first, checkpoint).await {
            Ok(None) => self.checkpoint_at(&second, checkpoint).await,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let found = self.checkpoint_at(&second, checkpoint).await;
                let Ok(Some(snapshot)) = found else { return Err(error) };
                tracing::warn!(
                    "{error}; its intact copy is used instead: kulya store repair restores it"
                );
                Ok(Some(snapshot))
            }
            found => found,
        }
    }

    /// Verifies both copies of a checkpoint. Returns the name and the damage of each bad one.
    pub(crate) async fn damaged_copies(&self, checkpoint: CheckpointName) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for name in self.checkpoint_names(checkpoint) {
            match self.checkpoint_at(&name, checkpoint).await {
                Ok(Some(_)) => {}
                Ok(None) => found.push((name.to_string(), "it is missing".to_owned())),
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    found.push((name.to_string(), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Reads one copy of a checkpoint.
    async fn checkpoint_at(&self, name: &Path, checkpoint: CheckpointName) -> Result<Option<Snapshot>> {
        let Some((bytes, size)) = self.get(name, None).await? else { return Ok(None) };
        let read = || {
            let header = Header::parse(&bytes)?;
            header.check(Kind::Checkpoint, checkpoint.number, size)?;
            header.check_events(0, size)?;
            let snapshot: Snapshot = header.head(checkpoint.number, &bytes)?;
            if snapshot.base != checkpoint.base {
                return Err("its base is not the one in its name".to_owned());
            }
            Ok(snapshot)
        };
        read().map(Some).map_err(|what| damaged(name, what))
    }

    /// Deletes objects, in requests of at most 1000.
    pub(crate) async fn delete(&self, paths: Vec<Path>) -> Result<()> {
        for paths in paths.chunks(1000) {
            let folder = paths.first().cloned().unwrap_or_default();
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
            self.again(&folder, || within(LISTING, delete())).await?;
        }
        Ok(())
    }

    /// Deletes both copies of a checkpoint.
    pub(crate) async fn delete_checkpoint(&self, name: CheckpointName) -> Result<()> {
        self.delete(self.checkpoint_names(name).into()).await
    }

    /// Deletes data objects.
    pub(crate) async fn delete_data(&self, objects: &[u64]) -> Result<()> {
        self.delete(objects.iter().map(|object| self.place_name(*object)).collect()).await
    }

    /// Deletes a log object.
    pub(crate) async fn delete_log(&self, number: u64) -> Result<()> {
        self.delete(vec![self.log_name(number)]).await
    }

    /// Returns the error for a log number that is reported to be used, but has no object.
    pub(crate) fn unreachable_log(&self, number: u64) -> Error {
        unreachable(&self.log_name(number), "is reported as being written")
    }

    /// Returns the error for an object that was put after its number had been deleted: it may have existed
    /// before.
    pub(crate) fn late_log(&self, number: u64) -> Error {
        let name = self.log_name(number);
        let what =
            format!("object {name} was written after its block was closed, so the outcome is unknown: retry");
        Error::new(ErrorKind::Unreachable, what)
    }

    /// Returns the error for a damaged log object.
    pub(crate) fn damaged_log(&self, number: u64, what: String) -> Error {
        damaged(&self.log_name(number), what)
    }

    /// Returns the error for a gap in the log.
    pub(crate) fn missing_log(&self, number: u64) -> Error {
        missing(&self.log_name(number))
    }

    /// Returns the error for a missing log or data object.
    pub(crate) fn missing_place(&self, object: u64) -> Error {
        missing(&self.place_name(object))
    }

    /// Returns the error for a damaged checkpoint.
    pub(crate) fn damaged_checkpoint(&self, name: CheckpointName, what: String) -> Error {
        let [name, _] = self.checkpoint_names(name);
        damaged(&name, what)
    }

    /// Returns the name of a log or data object, for messages.
    pub(crate) fn shown(&self, object: u64) -> String {
        self.place_name(object).to_string()
    }

    /// Puts an object once, if none has this name.
    async fn create(&self, name: &Path, body: PutPayload) -> Put {
        let time = self.settings.time_for(body.content_length() as u64);
        match within(time, self.store.put_opts(name, body, PutMode::Create.into())).await {
            Ok(_) => Put::Made,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Put::Taken
            }
            Err(error) if is_undurable(&error) => Put::Undurable(failed(name, error)),
            Err(error) if is_final(&error) || is_full(&error) => Put::Refused(failed(name, error)),
            Err(error) => Put::Unsure(failed(name, error)),
        }
    }

    /// Reads an object or a range of its bytes, with retries. Returns the bytes and the size of the object;
    /// `None` when it does not exist.
    async fn get(&self, name: &Path, range: Option<Range<u64>>) -> Result<Option<(Bytes, u64)>> {
        let got = self.again(name, || self.get_once(name, range.clone())).await;
        // a range beyond the end of an object is an error without a distinct kind: check the size
        if let (Err(_), Some(range)) = (&got, &range) {
            let head = within(self.settings.time_for(0), self.store.head(name)).await;
            if let Some(size) = head.ok().map(|meta| meta.size)
                && (size <= range.start || size < HEADER_BYTES as u64)
            {
                return Err(damaged(name, format!("it has only {size} bytes")));
            }
        }
        got
    }

    /// Reads an object or a range of its bytes, without retries.
    async fn get_once(
        &self,
        name: &Path,
        range: Option<Range<u64>>,
    ) -> object_store::Result<Option<(Bytes, u64)>> {
        let time = self.settings.time_for(range.as_ref().map_or(0, |range| range.end - range.start));
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = match within(time, self.store.get_opts(name, options)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            got => got?,
        };
        let size = got.meta.size;
        let time = self.settings.time_for(got.range.end - got.range.start);
        Ok(Some((within(time, got.bytes()).await?, size)))
    }

    /// Retries a request with backoff until it succeeds, fails permanently, or runs out of attempts.
    async fn again<T, F>(&self, name: &Path, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let begun = Instant::now();
        let mut tries = 0;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tries += 1;
                    if is_final(&error) || !self.settings.pause(tries, begun).await {
                        return Err(failed(name, error));
                    }
                }
            }
        }
    }
}

/// Parses a number of decimal digits alone.
fn parse_number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Limits the duration of a request.
async fn within<T>(
    time: Duration,
    request: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    tokio::time::timeout(time, request).await.unwrap_or_else(|_| Err(no_answer(time)))
}
