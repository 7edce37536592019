//! The objects of one store, by their names: what is asked of an object storage, again where that may help. It knows nothing
//! of what the log means.

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

/// So much of a log object is asked for at first: most of them have no more.
const NEAR_BYTES: u64 = 64 << 10;
/// The folders of checkpoints and of their second copies.
const CHECKPOINTS: [&str; 2] = ["checkpoint", "checkpoint-copy"];
/// A listing takes a request for each thousand objects.
const LISTING: Duration = Duration::from_secs(60);
/// The first object of a store, which says whose folder this is.
const FORMAT_NAME: &str = "FORMAT";
const OLD_FORMAT: &[u8] = b"kulya-store-object 1\n";
const FORMAT: &str = "kulya-store-object 2\nblock ";
/// What stores of format 1 have for the number in `FORMAT`.
const OLD_BLOCK: u64 = 1024;

/// Where the objects are.
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    pub(crate) settings: Settings,
    block: AtomicU64,
    /// Requests for events at once.
    reads: Semaphore,
    /// How far the storage's clock is ahead of our own, in milliseconds; 0 where they are about the same.
    skew_ms: AtomicI64,
    compared_at: Mutex<Option<Instant>>,
}

/// What stands under a number of the log.
pub(crate) enum Found {
    Nothing,
    Log(Box<Arrived>),
    /// It was given back, when there was this checkpoint: only in format 1.
    GivenBack {
        checkpoint: u64,
        author: Author,
    },
}

/// A log object without its events.
pub(crate) struct Arrived {
    pub(crate) log: Log,
    pub(crate) header: Header,
    /// The first bytes of the object, as many as came along.
    pub(crate) near: Bytes,
}

/// What became of an object that was to be made.
pub(crate) enum Put {
    Made,
    /// Something stands there: perhaps this very object, by an earlier try.
    Taken,
    /// Nothing was written.
    Refused(Error),
    /// Nobody knows.
    Unsure(Error),
    /// It stands there, but may not survive a power cut.
    Undurable(Error),
}

/// The name of a checkpoint: its number, and that of the one it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CheckpointName {
    pub(crate) number: u64,
    pub(crate) base: Option<u64>,
}

/// An object as a listing has it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) path: Path,
    pub(crate) number: u64,
}

impl Bucket {
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

    fn name(&self, rest: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(rest).parts()))
    }

    fn log_name(&self, number: u64) -> Path {
        self.name(&format!("log/{number:020}"))
    }

    /// The names of a checkpoint's two copies: the log before it may be gone, and then one alone would be little.
    fn checkpoint_names(&self, CheckpointName { number, base }: CheckpointName) -> [Path; 2] {
        let base = base.map(|base| format!(".{base:020}")).unwrap_or_default();
        CHECKPOINTS.map(|folder| self.name(&format!("{folder}/{number:020}{base}")))
    }

    /// The name of the object of a place.
    fn place_name(&self, object: u64) -> Path {
        match object & DATA_BIT {
            0 => self.log_name(object),
            _ => self.name(&format!("data/{:020}", object & !DATA_BIT)),
        }
    }

    fn closed_name(&self, number: u64) -> Path {
        self.name(&format!("closed/{:020}", number / self.block()))
    }

    /// Numbers of the log that are closed at a time.
    pub(crate) fn block(&self) -> u64 {
        self.block.load(Ordering::Relaxed)
    }

    /// Makes the store's first object, or finds it, and refuses a storage that does not keep to its conditions: there two
    /// processes would write over each other.
    pub(crate) async fn begin(&self) -> Result<()> {
        let name = self.name(FORMAT_NAME);
        let ours = Bytes::from(format!("{FORMAT}{}\n", self.settings.block.max(1)));
        let begun = Instant::now();
        let (mut made, mut failed) = (0, 0);
        let found = loop {
            let error = match self.create(&name, ours.clone().into()).await {
                // once nothing was there; then something was, and nobody ever takes it away
                Put::Made if made > 0 => {
                    return Err(Error::invalid(format!(
                        "{} writes over objects that are there: it does not know conditional writes (If-None-Match), without which no store can be kept on it",
                        self.store
                    )));
                }
                Put::Made => {
                    made += 1;
                    continue;
                }
                // or it is just being written, and then nothing is there
                Put::Taken => match self.get(&name, None).await? {
                    Some((found, _)) => break found,
                    None => unreachable(&name, "is being written"),
                },
                // who may only read can read what is there
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

    /// Finds a store's first object; `false` when there is none.
    pub(crate) async fn find(&self) -> Result<bool> {
        match self.get(&self.name(FORMAT_NAME), None).await? {
            Some((found, _)) => self.recognize(&found).map(|()| true),
            None => Ok(false),
        }
    }

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
                refused("is of another format: use the kulya that wrote it, or a newer one")
            }
            _ => refused("is not ours: choose a prefix where nothing else is"),
        }
    }

    /// What stands under this number.
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
            // it may have been given back in between
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

    /// The events of a place; `None` when its object is not there, or was given back.
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
        // what is left of one that was given back is shorter than what was asked for
        if place.is_log() && !matches!(self.log(place.object).await?, Found::Log(_)) {
            return Ok(None);
        }
        match self.get(&name, range).await? {
            None => Ok(None),
            Some((bytes, _)) if is_right(&bytes) => Ok(Some(bytes)),
            Some(_) => Err(damaged(&name, format!("the events at byte {} have another checksum", place.at))),
        }
    }

    /// The head of a data object, and where its events begin; `None` when it is not there.
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

    /// Tries once to make the log object of a number.
    pub(crate) async fn create_log(&self, number: u64, body: PutPayload) -> Put {
        self.create(&self.log_name(number), body).await
    }

    /// Makes a data object; one that is there under its name is the same.
    pub(crate) async fn create_data(&self, object: u64, body: &PutPayload) -> Result<()> {
        self.create_again(&self.place_name(object), body).await
    }

    /// Writes the state down; a checkpoint that is there is as good. Gives its size.
    pub(crate) async fn create_checkpoint(&self, number: u64, snapshot: &Snapshot) -> Result<u64> {
        let body = object::begin(Kind::Checkpoint, number, snapshot).map_err(Error::invalid)?;
        let size = body.len() as u64;
        let [name, copy] = self.checkpoint_names(CheckpointName { number, base: snapshot.base });
        let body = body.into();
        self.create_again(&copy, &body).await?;
        self.create_again(&name, &body).await.map(|()| size)
    }

    /// Says of the block that a number lies in that none of its numbers is ever taken again.
    pub(crate) async fn close(&self, number: u64) -> Result<()> {
        self.create_again(&self.closed_name(number), &Bytes::from_static(b"closed\n").into()).await
    }

    /// Whether the log has gone on so far that a number may be deleted.
    pub(crate) async fn is_closed(&self, number: u64) -> Result<bool> {
        Ok(self.get(&self.closed_name(number), None).await?.is_some())
    }

    async fn create_again(&self, name: &Path, body: &PutPayload) -> Result<()> {
        let begun = Instant::now();
        let mut failed = 0;
        loop {
            let error = match self.create(name, body.clone()).await {
                Put::Made => return Ok(()),
                // a storage may say that somebody is just writing there, and then he does not
                Put::Taken if self.get(name, Some(0..1)).await?.is_some() => return Ok(()),
                Put::Taken => unreachable(name, "is being written"),
                Put::Refused(error) | Put::Undurable(error) => return Err(error),
                Put::Unsure(error) => error,
            };
            failed += 1;
            if !self.settings.pause(failed, begun).await {
                return Err(error);
            }
        }
    }

    /// What is there in a folder of the store.
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

    /// Objects and bytes under the store's prefix.
    pub(crate) async fn usage(&self) -> Result<(u64, u64)> {
        let list = || within(LISTING, self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>());
        let found = self.again(&self.prefix, list).await?;
        Ok((found.len() as u64, found.iter().map(|meta| meta.size).sum()))
    }

    /// Writes a checkpoint over what stands under its name.
    pub(crate) async fn replace_checkpoint(&self, number: u64, snapshot: &Snapshot) -> Result<()> {
        let body = object::begin(Kind::Checkpoint, number, snapshot).map_err(Error::invalid)?;
        let time = self.settings.time_for(body.len() as u64);
        for name in self.checkpoint_names(CheckpointName { number, base: snapshot.base }) {
            let put = || within(time, self.store.put(&name, body.clone().into()));
            self.again(&name, put).await?;
        }
        Ok(())
    }

    /// A number of the log behind this one under which something stands, as far as a listing knows.
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

    /// The checkpoints, the newest first.
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

    /// A checkpoint, whichever copy is whole; `None` when it is no longer there.
    pub(crate) async fn checkpoint(&self, checkpoint: CheckpointName) -> Result<Option<Snapshot>> {
        let [first, second] = self.checkpoint_names(checkpoint);
        match self.checkpoint_at(&first, checkpoint).await {
            Ok(None) => self.checkpoint_at(&second, checkpoint).await,
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let found = self.checkpoint_at(&second, checkpoint).await;
                let Ok(Some(snapshot)) = found else { return Err(error) };
                tracing::warn!(
                    "{error}; its copy is whole, and read in its place: kulya store repair writes it anew"
                );
                Ok(Some(snapshot))
            }
            found => found,
        }
    }

    /// What is wrong with each copy of a checkpoint, by its name.
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

    async fn checkpoint_at(&self, name: &Path, checkpoint: CheckpointName) -> Result<Option<Snapshot>> {
        let Some((bytes, size)) = self.get(name, None).await? else { return Ok(None) };
        let read = || {
            let header = Header::parse(&bytes)?;
            header.check(Kind::Checkpoint, checkpoint.number, size)?;
            header.check_events(0, size)?;
            let snapshot: Snapshot = header.head(checkpoint.number, &bytes)?;
            if snapshot.base != checkpoint.base {
                return Err("it is based on another one than its name says".to_owned());
            }
            Ok(snapshot)
        };
        read().map(Some).map_err(|what| damaged(name, what))
    }

    /// Takes objects away; whoever reads a checkpoint meanwhile takes a newer one.
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

    pub(crate) async fn delete_checkpoint(&self, name: CheckpointName) -> Result<()> {
        self.delete(self.checkpoint_names(name).into()).await
    }

    pub(crate) async fn delete_data(&self, objects: &[u64]) -> Result<()> {
        self.delete(objects.iter().map(|object| self.place_name(*object)).collect()).await
    }

    pub(crate) async fn delete_log(&self, number: u64) -> Result<()> {
        self.delete(vec![self.log_name(number)]).await
    }

    /// Of a number that is said to be taken, and where nothing stands.
    pub(crate) fn unreachable_log(&self, number: u64) -> Error {
        unreachable(&self.log_name(number), "is being written")
    }

    /// Of an object that was put when its number had been deleted: perhaps it had been there before.
    pub(crate) fn late_log(&self, number: u64) -> Error {
        let name = self.log_name(number);
        let what =
            format!("object {name} was written so late that nobody knows whether it counted: ask again");
        Error::new(ErrorKind::Unreachable, what)
    }

    pub(crate) fn damaged_log(&self, number: u64, what: String) -> Error {
        damaged(&self.log_name(number), what)
    }

    /// Of a number where nothing stands though the log goes on.
    pub(crate) fn missing_log(&self, number: u64) -> Error {
        missing(&self.log_name(number))
    }

    pub(crate) fn missing_place(&self, object: u64) -> Error {
        missing(&self.place_name(object))
    }

    pub(crate) fn damaged_checkpoint(&self, name: CheckpointName, what: String) -> Error {
        let [name, _] = self.checkpoint_names(name);
        damaged(&name, what)
    }

    /// The text of an object's name.
    pub(crate) fn shown(&self, object: u64) -> String {
        self.place_name(object).to_string()
    }

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

    /// An object, or some bytes of it, and the size of all of it; `None` when it is not there.
    async fn get(&self, name: &Path, range: Option<Range<u64>>) -> Result<Option<(Bytes, u64)>> {
        let got = self.again(name, || self.get_once(name, range.clone())).await;
        // of a range that begins behind its end nothing can be had
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

    /// Asks until there is an answer, or no hope of one.
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

fn parse_number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

async fn within<T>(
    time: Duration,
    request: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    tokio::time::timeout(time, request).await.unwrap_or_else(|_| Err(no_answer(time)))
}
