//! The log as this process knows it: the state that its objects make, brought to the log's end before anybody is answered, and
//! the events that stand in them.

use crate::bucket::{Arrived, Bucket, CheckpointName, Found};
use crate::cache::Cache;
use crate::object::Header;
use crate::record::{Data, Log};
use crate::state::{Place, State};
use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use kulya_store::supervision::Component;
use kulya_store::{Error, ErrorKind, HealthStatus, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Objects that are asked for at once by whoever is far behind.
const MOST_AHEAD: u64 = 32;
/// The log may be cut off in front while a checkpoint is read; more often than this nobody does it.
const MOST_RESTARTS: usize = 10;
/// Heads of data objects that are kept in memory.
const MOST_HEADS: usize = 8;

pub(crate) struct Journal {
    pub(crate) bucket: Bucket,
    known: Mutex<Known>,
    /// The number that comes next: what readers at a tail wait on.
    pub(crate) moved: watch::Sender<u64>,
    /// Counts those who want to see the log's end.
    asked: AtomicU64,
    /// Held by whoever looks.
    looking: tokio::sync::Mutex<Looked>,
    /// Counts the looks.
    looks: AtomicU64,
    /// When it was last made sure that the log goes on nowhere else, by two clocks.
    sure: Mutex<Option<(Instant, Duration)>>,
    /// How the log is, for whoever supervises the store.
    pub(crate) log: Component,
    cache: Cache,
    heads: Mutex<VecDeque<(u64, Arc<Data>, u64)>>,
}

#[derive(Default)]
struct Known {
    state: State,
    /// An object that cannot be: what its number is, and why.
    damage: Option<(u64, String)>,
    /// Why nothing more is written.
    stopped: Option<Error>,
}

/// Of those who asked to see the log's end, the ones who have, and the ones who were told why not.
#[derive(Default)]
struct Looked {
    seen: u64,
    failed: u64,
    error: Option<Error>,
}

impl Journal {
    /// Begins with the newest checkpoint, and reads to the log's end.
    pub(crate) async fn open(bucket: Bucket, log: Component) -> Result<Self> {
        bucket.begin().await?;
        let journal = Self {
            cache: Cache::new(bucket.settings.cache_bytes),
            bucket,
            known: Mutex::default(),
            moved: watch::Sender::new(0),
            asked: AtomicU64::new(0),
            looking: tokio::sync::Mutex::default(),
            looks: AtomicU64::new(0),
            sure: Mutex::default(),
            log,
            heads: Mutex::default(),
        };
        // where the log begins with its first object, a damaged checkpoint costs only time: the log tells
        let damage = journal.restart(None).await?;
        match journal.catch_up().await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Err(damage.unwrap_or(error)),
            done => done.map(|()| journal),
        }
    }

    /// Looks at the state as it is known.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&State) -> T) -> Result<T> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &known.damage {
            None => Ok(act(&known.state)),
            Some((number, what)) => Err(self.bucket.damaged_log(*number, what.clone())),
        }
    }

    /// Why nothing is written any more, if that is so.
    pub(crate) fn check_writes(&self) -> Result<()> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.stopped.as_ref().map_or(Ok(()), |error| Err(again(error)))
    }

    /// Lets nothing be written any more.
    pub(crate) fn stop(&self, error: Error) {
        tracing::error!("nothing more is written: {error}");
        self.log.set(HealthStatus::Failed, error.to_string());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.stopped.get_or_insert(error);
    }

    /// Says of the log that it cannot be read or written now; once it failed for good, it stays so.
    fn unavailable(&self, error: &Error) {
        if self.log.status() != HealthStatus::Failed {
            self.log.set(HealthStatus::Unavailable, error.to_string());
        }
    }

    /// Takes over an object, if it is the next one.
    pub(crate) fn take(&self, number: u64, header: &Header, log: &Log) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, what)) = &known.damage {
            return Err(self.bucket.damaged_log(*number, what.clone()));
        }
        if number != known.state.next {
            return Ok(());
        }
        if !known.state.is_followed_by(header, log) {
            return Err(self.astray(number));
        }
        if let Err(what) = known.state.apply(number, header, log) {
            known.damage = Some((number, what.clone()));
            return Err(self.bucket.damaged_log(number, what));
        }
        self.moved.send_replace(known.state.next);
        Ok(())
    }

    fn astray(&self, number: u64) -> Error {
        let before = number.saturating_sub(1);
        let what =
            format!("it does not follow object {}: one of the two is another one", self.bucket.shown(before));
        self.bucket.damaged_log(number, what)
    }

    /// Makes sure that everything written before this call is known. Of many who ask at once one looks: a look that began
    /// after somebody asked is good for him, and one that fails while he waits has failed for him, too.
    pub(crate) async fn sync(&self) -> Result<()> {
        let ticket = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut looked = self.looking.lock().await;
        if looked.seen >= ticket {
            return Ok(());
        }
        if let Some(error) = looked.error.as_ref().filter(|_| looked.failed >= ticket) {
            return Err(again(error));
        }
        let asked = self.asked.load(Ordering::SeqCst);
        if let Err(error) = self.catch_up().await {
            looked.failed = self.asked.load(Ordering::SeqCst);
            looked.error = Some(again(&error));
            return Err(error);
        }
        looked.seen = asked;
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// How many looks there were: whoever waits for others' commits looks only when nobody did.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::SeqCst)
    }

    /// Reads until nothing stands where the next object would, and the log goes on nowhere behind it.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let done = self.read_on().await;
        match &done {
            Ok(()) if self.log.status() == HealthStatus::Unavailable => self.log.set_healthy(),
            Ok(()) => {}
            Err(error) => {
                self.be_unsure();
                self.unavailable(error);
            }
        }
        done
    }

    async fn read_on(&self) -> Result<()> {
        let mut ahead = 1;
        let (mut restarts, mut late) = (0, None);
        'look: loop {
            let from = self.with(|state| state.next)?;
            let found = join_all((from..from + ahead).map(|number| self.bucket.log(number))).await;
            let mut found = (from..).zip(found).peekable();
            while let Some((number, one)) = found.next() {
                let (error, hint) = match one {
                    Ok(Found::Log(arrived)) => match self.arrive(number, &arrived) {
                        Ok(()) => continue,
                        Err(error) => (error, None),
                    },
                    Ok(Found::Nothing) => {
                        let goes_on = found.any(|(_, behind)| matches!(behind, Ok(Found::Log(_))));
                        if self.is_end(number, goes_on).await? {
                            return Ok(());
                        }
                        // it may have been put while those behind it were looked for
                        let is_there = !matches!(self.bucket.log(number).await?, Found::Nothing);
                        if is_there {
                            // others write as fast as this reads: that is no reason to end, so long as it gets on
                            restarts = if late == Some(number) { restarts + 1 } else { 0 };
                            late = Some(number);
                            if restarts <= MOST_RESTARTS {
                                continue 'look;
                            }
                        }
                        (self.bucket.missing_log(number), None)
                    }
                    Ok(Found::GivenBack { checkpoint, .. }) => {
                        let what = "it was given back, and no checkpoint behind it is whole".to_owned();
                        (self.bucket.damaged_log(number, what), Some(checkpoint))
                    }
                    Err(error) => (error, None),
                };
                if error.kind() != ErrorKind::Corrupt {
                    return Err(error);
                }
                // a checkpoint may be beyond it: the log was cut off in front, or repaired
                let damage = self.restart(hint).await?;
                restarts += 1;
                if self.with(|state| state.next)? <= number || restarts > MOST_RESTARTS {
                    return Err(damage.unwrap_or(error));
                }
                continue 'look;
            }
            ahead = (ahead * 2).min(MOST_AHEAD);
        }
    }

    /// Whether the log ends before a number under which nothing stood. Who has made sure of it a moment ago need not ask.
    async fn is_end(&self, number: u64, goes_on: bool) -> Result<bool> {
        if goes_on {
            return Ok(false);
        }
        if self.is_sure() {
            return Ok(true);
        }
        let now = self.now();
        if self.bucket.is_closed(number).await? || self.bucket.any_log_behind(number).await?.is_some() {
            return Ok(false);
        }
        self.be_sure(now);
        Ok(true)
    }

    /// Now, by two clocks: one of them may stand still while the machine sleeps.
    pub(crate) fn now(&self) -> (Instant, Duration) {
        (Instant::now(), self.bucket.settings.clock.since_epoch())
    }

    /// At that moment the log went on nowhere but here.
    pub(crate) fn be_sure(&self, moment: (Instant, Duration)) {
        *self.sure.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }

    /// Something is wrong with the log: whoever looks next makes sure.
    pub(crate) fn be_unsure(&self) {
        *self.sure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether that was a moment ago.
    pub(crate) fn is_sure(&self) -> bool {
        let fresh = self.bucket.settings.fresh_for;
        let sure = *self.sure.lock().unwrap_or_else(PoisonError::into_inner);
        sure.is_some_and(|(instant, time)| {
            instant.elapsed() < fresh && self.bucket.settings.clock.since_epoch().abs_diff(time) < fresh
        })
    }

    /// Takes over what another process wrote, and keeps the events that came with it.
    pub(crate) fn arrive(&self, number: u64, arrived: &Arrived) -> Result<()> {
        let Arrived { log, header, near } = arrived;
        self.take(number, header, log)?;
        for batch in &log.batches {
            let at = header.events_from().saturating_add(batch.at);
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
    pub(crate) async fn restart(&self, hint: Option<u64>) -> Result<Option<Error>> {
        let mut names = self.bucket.checkpoints().await?;
        // a listing may be behind
        names.extend(hint.map(|number| CheckpointName { number, base: None }));
        names.sort_unstable_by(|left, right| right.cmp(left));
        names.dedup();
        let mut damage = None;
        for name in &names {
            if name.number <= self.with(|state| state.next)? {
                break;
            }
            match restored(&self.bucket, &names, *name).await {
                Ok(None) => {}
                Ok(Some(state)) => {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    if known.state.next < state.next {
                        self.moved.send_replace(state.next);
                        known.state = state;
                    }
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => damage = Some(error),
                Err(error) => return Err(error),
            }
        }
        Ok(damage)
    }

    /// The events of an extent, framed; `None` when their object is not there.
    pub(crate) async fn events(&self, place: Place) -> Result<Option<Bytes>> {
        if let Some(events) = self.cache.get(&place) {
            return Ok(Some(events));
        }
        let read = self.bucket.events(place).await?;
        if let Some(events) = &read {
            self.cache.put(place.object, place.at, events.clone());
        }
        Ok(read)
    }

    /// Whether the events of a place are in memory.
    pub(crate) fn has_events(&self, place: &Place) -> bool {
        self.cache.has(place)
    }

    /// The head of a data object, and where its events begin; `None` when it is not there.
    pub(crate) async fn data_head(&self, object: u64) -> Result<Option<(Arc<Data>, u64)>> {
        let kept = |heads: &VecDeque<(u64, Arc<Data>, u64)>| {
            let found = heads.iter().find(|(number, ..)| *number == object);
            found.map(|(_, data, from)| (Arc::clone(data), *from))
        };
        if let Some(found) = kept(&self.heads.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(found));
        }
        let Some((data, from)) = self.bucket.data_head(object).await? else { return Ok(None) };
        let data = Arc::new(data);
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.truncate(MOST_HEADS - 1);
        heads.push_front((object, Arc::clone(&data), from));
        Ok(Some((data, from)))
    }
}

/// The state that a checkpoint makes together with those that it is based on; `None` when one of them is not there.
pub(crate) async fn restored(
    bucket: &Bucket,
    names: &[CheckpointName],
    name: CheckpointName,
) -> Result<Option<State>> {
    let mut chain = vec![name];
    let mut next = name.base;
    while let Some(number) = next {
        // each is based on an older one
        let Some(base) = names.iter().find(|base| base.number == number && base.base < Some(number)) else {
            return Ok(None);
        };
        chain.push(*base);
        next = base.base;
    }
    let found = try_join_all(chain.iter().map(|name| bucket.checkpoint(*name))).await?;
    let mut state = None;
    for (name, snapshot) in chain.iter().zip(found).rev() {
        let Some(snapshot) = snapshot else { return Ok(None) };
        let next = State::restore(name.number, &snapshot, state);
        state = Some(next.map_err(|what| bucket.damaged_checkpoint(*name, what))?);
    }
    Ok(state)
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
