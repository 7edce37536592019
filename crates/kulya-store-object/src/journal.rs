//! The log as this process knows it: the state that its objects make, brought to the log's end before anybody is answered, and
//! the events that stand in them.

use crate::bucket::{Arrived, Bucket, Found};
use crate::cache::Cache;
use crate::record::Log;
use crate::state::{Place, State};
use bytes::Bytes;
use futures::future::join_all;
use kulya_store::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Objects that are asked for at once by whoever is far behind.
const MOST_AHEAD: u64 = 16;
/// Objects may be given back while a checkpoint is read; more often than this nobody does it.
const MOST_RESTARTS: usize = 10;

pub(crate) struct Journal {
    pub(crate) bucket: Bucket,
    known: Mutex<Known>,
    /// The number that comes next: what readers at a tail wait on.
    pub(crate) moved: watch::Sender<u64>,
    /// Counts those who want to see the log's end.
    asked: AtomicU64,
    /// Of those the ones who have seen it; held by whoever looks.
    looking: tokio::sync::Mutex<u64>,
    /// Counts the looks.
    looks: AtomicU64,
    cache: Cache,
}

#[derive(Default)]
struct Known {
    state: State,
    /// An object that cannot be: what its number is, and why.
    damage: Option<(u64, String)>,
}

impl Journal {
    /// Begins with the newest checkpoint, and reads to the log's end.
    pub(crate) async fn open(bucket: Bucket) -> Result<Self> {
        bucket.begin().await?;
        let journal = Self {
            cache: Cache::new(bucket.settings.cache_bytes),
            bucket,
            known: Mutex::default(),
            moved: watch::Sender::new(0),
            asked: AtomicU64::new(0),
            looking: tokio::sync::Mutex::new(0),
            looks: AtomicU64::new(0),
        };
        // where nothing was given back, a damaged checkpoint costs only time: the log tells
        let _ = journal.restart(None).await?;
        journal.catch_up().await?;
        Ok(journal)
    }

    /// Looks at the state as it is known.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&State) -> T) -> Result<T> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &known.damage {
            None => Ok(act(&known.state)),
            Some((number, what)) => Err(self.bucket.damaged_log(*number, what.clone())),
        }
    }

    /// Takes over an object, if it is the next one.
    pub(crate) fn take(&self, number: u64, events_from: u64, log: &Log) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, what)) = &known.damage {
            return Err(self.bucket.damaged_log(*number, what.clone()));
        }
        if number != known.state.next {
            return Ok(());
        }
        if let Err(what) = known.state.apply(number, events_from, log) {
            known.damage = Some((number, what.clone()));
            return Err(self.bucket.damaged_log(number, what));
        }
        self.moved.send_replace(known.state.next);
        Ok(())
    }

    /// Makes sure that everything written before this call is known. Of many who ask at once one looks: a look that began
    /// after somebody asked is good for him.
    pub(crate) async fn sync(&self) -> Result<()> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut seen = self.looking.lock().await;
        if *seen >= ticket {
            return Ok(());
        }
        let asked = self.asked.load(Ordering::SeqCst);
        self.catch_up().await?;
        *seen = asked;
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// How many looks there were: whoever waits for others' commits looks only when nobody did.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::SeqCst)
    }

    /// Reads until nothing stands where the next object would.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let mut ahead = 1;
        let mut restarts = 0;
        'look: loop {
            let from = self.with(|state| state.next)?;
            let found = join_all((from..from + ahead).map(|number| self.bucket.log(number))).await;
            for (number, found) in (from..).zip(found) {
                match found? {
                    Found::Nothing => return Ok(()),
                    Found::Log(arrived) => self.arrive(number, &arrived)?,
                    Found::GivenBack { checkpoint, .. } => {
                        restarts += 1;
                        let damage = self.restart(Some(checkpoint)).await?;
                        if restarts > MOST_RESTARTS {
                            let what = "it was given back, and no checkpoint behind it is whole".to_owned();
                            let error = self.bucket.damaged_log(number, what);
                            return Err(damage.map_or_else(|| error, |damage| again(&damage)));
                        }
                        continue 'look;
                    }
                }
            }
            ahead = (ahead * 2).min(MOST_AHEAD);
        }
    }

    /// Takes over what another process wrote, and keeps the events that came with it.
    pub(crate) fn arrive(&self, number: u64, arrived: &Arrived) -> Result<()> {
        let Arrived { log, events_from, near } = arrived;
        self.take(number, *events_from, log)?;
        for batch in &log.batches {
            let at = events_from.saturating_add(batch.at);
            let (from, length) = (usize::try_from(at).unwrap_or(usize::MAX), batch.length as usize);
            let events = near.get(from..from.saturating_add(length));
            if let Some(events) = events.filter(|events| crc32c::crc32c(events) == batch.checksum) {
                self.cache.put(number, at, Bytes::copy_from_slice(events));
            }
        }
        Ok(())
    }

    /// Keeps events that this process wrote.
    pub(crate) fn keep(&self, number: u64, at: u64, events: Bytes) {
        self.cache.put(number, at, events);
    }

    /// Takes over the newest whole checkpoint that is ahead of the state. Gives the last one that was damaged, if there was
    /// none that was whole.
    async fn restart(&self, hint: Option<u64>) -> Result<Option<Error>> {
        let mut numbers = self.bucket.checkpoints().await?;
        // a listing may be behind
        numbers.extend(hint);
        numbers.sort_unstable_by(|left, right| right.cmp(left));
        numbers.dedup();
        let mut damage = None;
        for number in numbers {
            if number <= self.with(|state| state.next)? {
                break;
            }
            let restored = match self.bucket.checkpoint(number).await {
                Ok(None) => continue,
                Ok(Some(snapshot)) => State::restore(number, &snapshot)
                    .map_err(|what| self.bucket.damaged_checkpoint(number, what)),
                Err(error) if error.kind() == ErrorKind::Corrupt => Err(error),
                Err(error) => return Err(error),
            };
            match restored {
                Ok(state) => {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    if known.state.next < number {
                        known.state = state;
                        self.moved.send_replace(number);
                    }
                    return Ok(None);
                }
                Err(error) => damage = Some(error),
            }
        }
        Ok(damage)
    }

    /// The events of an extent, framed; `None` when their object was given back since the state was looked at.
    pub(crate) async fn events(&self, place: Place) -> Result<Option<Bytes>> {
        if let Some(events) = self.cache.get(&place) {
            return Ok(Some(events));
        }
        let read = self.bucket.events(place.object, place.at, place.length, place.checksum).await?;
        if let Some(events) = &read {
            self.cache.put(place.object, place.at, events.clone());
        }
        Ok(read)
    }
}

/// The same error for one more who waits; of its cause the text.
pub(crate) fn again(error: &Error) -> Error {
    use std::error::Error as _;
    let same = Error::new(error.kind(), error.to_string());
    match error.source() {
        Some(cause) => same.because(cause.to_string()),
        None => same,
    }
}
