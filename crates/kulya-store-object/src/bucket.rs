//! The objects of one store, by their names: what is asked of an object storage, again where that may help, and its errors
//! in our words. It knows nothing of what the log means.

use crate::object::{self, HEADER_BYTES, Header, Kind};
use crate::record::{Author, Gone, Log, Snapshot};
use crate::settings::Settings;
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_store::{Error, ErrorKind, Result};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::sync::Arc;

/// So much of a log object is asked for at first: most of them have no more.
const NEAR_BYTES: u64 = 64 << 10;
/// The first object of a store, which says whose folder this is.
const FORMAT_NAME: &str = "FORMAT";
const FORMAT: &[u8] = b"kulya-store-object 1\n";

/// Where the objects are.
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    pub(crate) settings: Settings,
}

/// What stands under a number of the log.
pub(crate) enum Found {
    Nothing,
    Log(Box<Arrived>),
    /// It was given back, when there was this checkpoint.
    GivenBack {
        checkpoint: u64,
        author: Author,
    },
}

/// A log object without its events.
pub(crate) struct Arrived {
    pub(crate) log: Log,
    /// Where its events begin.
    pub(crate) events_from: u64,
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
}

impl Bucket {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &Path, settings: Settings) -> Self {
        Self { store, prefix: prefix.clone(), settings }
    }

    fn name(&self, rest: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(rest).parts()))
    }

    fn log_name(&self, number: u64) -> Path {
        self.name(&format!("log/{number:020}"))
    }

    fn checkpoint_name(&self, number: u64) -> Path {
        self.name(&format!("checkpoint/{number:020}"))
    }

    /// Makes the store's first object, or finds it, and refuses a storage that does not keep to its conditions: there two
    /// processes would write over each other.
    pub(crate) async fn begin(&self) -> Result<()> {
        let name = self.name(FORMAT_NAME);
        let (mut made, mut failed) = (0, 0);
        let found = loop {
            let error = match self.create(&name, Bytes::from_static(FORMAT).into()).await {
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
                Put::Refused(error) => return Err(error),
                Put::Unsure(error) => error,
            };
            failed += 1;
            if !self.settings.pause(failed).await {
                return Err(error);
            }
        };
        let refused = |what: &str| Err(Error::new(ErrorKind::Corrupt, format!("object {name} {what}")));
        match &found[..] {
            FORMAT => Ok(()),
            newer if newer.starts_with(b"kulya-store-object ") => {
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
            let gone: Gone = header.head(&near).map_err(damaged)?;
            return Ok(Found::GivenBack { checkpoint: gone.checkpoint, author: gone.author() });
        }
        let log = header.head(&near).map_err(damaged)?;
        Ok(Found::Log(Box::new(Arrived { log, events_from: header.events_from(), near })))
    }

    /// Some bytes of a log object; `None` when it was given back.
    pub(crate) async fn events(
        &self,
        number: u64,
        at: u64,
        length: u32,
        checksum: u32,
    ) -> Result<Option<Bytes>> {
        let name = self.log_name(number);
        let range = Some(at..at.saturating_add(u64::from(length)));
        let is_right = |bytes: &Bytes| bytes.len() == length as usize && crc32c::crc32c(bytes) == checksum;
        match self.get_once(&name, range.clone()).await {
            Ok(Some((bytes, _))) if is_right(&bytes) => return Ok(Some(bytes)),
            _ => {}
        }
        // what is left of one that was given back is shorter than what was asked for
        match self.log(number).await? {
            Found::GivenBack { .. } => return Ok(None),
            Found::Nothing => return Err(missing(&name)),
            Found::Log(_) => {}
        }
        match self.get(&name, range).await? {
            Some((bytes, _)) if is_right(&bytes) => Ok(Some(bytes)),
            _ => Err(damaged(&name, format!("the events at byte {at} have another checksum"))),
        }
    }

    /// Tries once to make the log object of a number.
    pub(crate) async fn create_log(&self, number: u64, body: PutPayload) -> Put {
        self.create(&self.log_name(number), body).await
    }

    /// Lets nothing be left of a log object but its name and its author, so that nobody ever takes the number again.
    /// `false` when it was so.
    pub(crate) async fn give_back(&self, number: u64, checkpoint: u64) -> Result<bool> {
        let Found::Log(arrived) = self.log(number).await? else { return Ok(false) };
        let gone = Gone::of(&arrived.log, checkpoint);
        let body = object::begin(Kind::GivenBack, number, &gone, 0).map_err(Error::invalid)?;
        let name = self.log_name(number);
        let put = || async { self.store.put(&name, body.clone().into()).await.map(drop) };
        self.again(&name, put).await.map(|()| true)
    }

    /// Writes the state down; a checkpoint that is there is as good.
    pub(crate) async fn create_checkpoint(&self, number: u64, snapshot: &Snapshot) -> Result<()> {
        let body = object::begin(Kind::Checkpoint, number, snapshot, 0).map_err(Error::invalid)?;
        match self.create(&self.checkpoint_name(number), body.into()).await {
            Put::Made | Put::Taken => Ok(()),
            // the next one is not far
            Put::Refused(error) | Put::Unsure(error) => Err(error),
        }
    }

    /// The numbers of the checkpoints, the newest first.
    pub(crate) async fn checkpoints(&self) -> Result<Vec<u64>> {
        let folder = self.name("checkpoint");
        let list = || async { self.store.list(Some(&folder)).try_collect::<Vec<_>>().await };
        let found = self.again(&folder, list).await?;
        let number = |name: &Path| {
            let text = name.filename().filter(|text| text.len() == 20)?;
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
        };
        let mut numbers: Vec<u64> = found.iter().filter_map(|meta| number(&meta.location)).collect();
        numbers.sort_unstable_by(|left, right| right.cmp(left));
        Ok(numbers)
    }

    /// A checkpoint; `None` when it is no longer there.
    pub(crate) async fn checkpoint(&self, number: u64) -> Result<Option<Snapshot>> {
        let name = self.checkpoint_name(number);
        let Some((bytes, size)) = self.get(&name, None).await? else { return Ok(None) };
        let read = || {
            let header = Header::parse(&bytes)?;
            header.check(Kind::Checkpoint, number, size)?;
            header.head(&bytes)
        };
        read().map(Some).map_err(|what| damaged(&name, what))
    }

    /// Whoever reads it meanwhile takes a newer one.
    pub(crate) async fn delete_checkpoint(&self, number: u64) -> Result<()> {
        let name = self.checkpoint_name(number);
        let delete = || async {
            match self.store.delete(&name).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                done => done,
            }
        };
        self.again(&name, delete).await
    }

    /// Of a number that is said to be taken, and where nothing stands.
    pub(crate) fn unreachable_log(&self, number: u64) -> Error {
        unreachable(&self.log_name(number), "is being written")
    }

    pub(crate) fn damaged_log(&self, number: u64, what: String) -> Error {
        damaged(&self.log_name(number), what)
    }

    pub(crate) fn damaged_checkpoint(&self, number: u64, what: String) -> Error {
        damaged(&self.checkpoint_name(number), what)
    }

    async fn create(&self, name: &Path, body: PutPayload) -> Put {
        match self.store.put_opts(name, body, PutMode::Create.into()).await {
            Ok(_) => Put::Made,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Put::Taken
            }
            Err(error) if is_final(&error) || is_full(&error) => Put::Refused(failed(name, error)),
            Err(error) => Put::Unsure(failed(name, error)),
        }
    }

    /// An object, or some bytes of it, and the size of all of it; `None` when it is not there.
    async fn get(&self, name: &Path, range: Option<Range<u64>>) -> Result<Option<(Bytes, u64)>> {
        let got = self.again(name, || self.get_once(name, range.clone())).await;
        // of an empty object no range can be had
        if let (Err(_), Some(_)) = (&got, &range)
            && self.store.head(name).await.is_ok_and(|meta| meta.size < HEADER_BYTES as u64)
        {
            return Err(damaged(name, "it is empty, or nearly".into()));
        }
        got
    }

    async fn get_once(
        &self,
        name: &Path,
        range: Option<Range<u64>>,
    ) -> object_store::Result<Option<(Bytes, u64)>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let got = match self.store.get_opts(name, options).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            got => got?,
        };
        let size = got.meta.size;
        Ok(Some((got.bytes().await?, size)))
    }

    /// Asks until there is an answer, or no hope of one.
    async fn again<T, F>(&self, name: &Path, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut tries = 0;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tries += 1;
                    if is_final(&error) || !self.settings.pause(tries).await {
                        return Err(failed(name, error));
                    }
                }
            }
        }
    }
}

/// Whether the storage has said no, for certain: asking again gives the same.
fn is_final(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    matches!(
        error,
        E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::PermissionDenied { .. }
            | E::Unauthenticated { .. }
            | E::InvalidPath { .. }
            | E::UnknownConfigurationKey { .. }
    )
}

/// Whether a folder's disk has no room.
fn is_full(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull) {
            return true;
        }
        cause = one.source();
    }
    false
}

fn failed(name: &Path, error: object_store::Error) -> Error {
    use object_store::Error as E;
    let (kind, what) = match &error {
        _ if is_full(&error) => (ErrorKind::Full, "no space left: make room and try again"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            (ErrorKind::Unreachable, "the object storage refuses access: see that the credentials are right")
        }
        E::NotSupported { .. } | E::NotImplemented { .. } => {
            (ErrorKind::InvalidInput, "the object storage cannot do that: choose one with conditional writes")
        }
        _ => (
            ErrorKind::Unreachable,
            "the object storage does not answer: see that it runs and can be reached",
        ),
    };
    Error::new(kind, format!("object {name}: {what}")).because(error)
}

fn unreachable(name: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("object {name} {what}, and is not there: try again"))
}

fn damaged(name: &Path, what: String) -> Error {
    Error::new(ErrorKind::Corrupt, format!("object {name} is damaged: {what}"))
}

fn missing(name: &Path) -> Error {
    Error::new(ErrorKind::Corrupt, format!("object {name} is missing: bring it back from a copy"))
}
