//! The local view of the log: the state built from its objects, which is brought up to the end of the log
//! before a request is answered, and a cache of events.

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

/// The maximum number of log objects read concurrently while catching up.
const MOST_AHEAD: u64 = 32;
/// The maximum number of times that catching up starts over, because the log was truncated while a checkpoint
/// was read.
const MOST_RESTARTS: usize = 10;
/// The maximum number of cached heads of data objects.
const MOST_HEADS: usize = 8;

/// The local view of the log, shared by all tasks of a store.
pub(crate) struct Journal {
    pub(crate) bucket: Bucket,
    known: Mutex<Known>,
    /// The number of the next log object; tail readers wait for it to change.
    pub(crate) moved: watch::Sender<u64>,
    /// Counts the calls of [`Journal::sync`]: each call's ticket.
    asked: AtomicU64,
    /// Held by the call that reads the log.
    looking: tokio::sync::Mutex<Looked>,
    /// Counts the reads of the end of the log.
    looks: AtomicU64,
    /// When the end of the log was last verified, by a monotonic clock and by wall-clock time.
    sure: Mutex<Option<(Instant, Duration)>>,
    /// The health of the log.
    pub(crate) log: Component,
    cache: Cache,
    heads: Mutex<VecDeque<(u64, Arc<Data>, u64)>>,
}

#[derive(Default)]
struct Known {
    state: State,
    /// The number of an invalid object, and what is wrong with it.
    damage: Option<(u64, String)>,
    /// The error with which writes were stopped for good.
    stopped: Option<Error>,
}

/// Up to which ticket calls of [`Journal::sync`] have succeeded and failed.
#[derive(Default)]
struct Looked {
    seen: u64,
    failed: u64,
    error: Option<Error>,
}

impl Journal {
    /// Loads the newest checkpoint and reads the log to its end.
    ///
    /// # Errors
    /// `Corrupt` when the log has a gap or a damaged object; `Unreachable` when the storage does not answer.
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
        // if the log still has its first object, a damaged checkpoint can be ignored: the log is read from
        // the start
        let damage = journal.restart(None).await?;
        match journal.catch_up().await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Err(damage.unwrap_or(error)),
            done => done.map(|()| journal),
        }
    }

    /// Calls a function with the local state, which may be behind the end of the log.
    ///
    /// # Errors
    /// `Corrupt` when an invalid object was met.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&State) -> T) -> Result<T> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &known.damage {
            None => Ok(act(&known.state)),
            Some((number, what)) => Err(self.bucket.damaged_log(*number, what.clone())),
        }
    }

    /// Returns the error with which writes were stopped, if they were.
    pub(crate) fn check_writes(&self) -> Result<()> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.stopped.as_ref().map_or(Ok(()), |error| Err(again(error)))
    }

    /// Stops all writes for good.
    pub(crate) fn stop(&self, error: Error) {
        tracing::error!("writes stopped: {error}");
        self.log.set(HealthStatus::Failed, error.to_string());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.stopped.get_or_insert(error);
    }

    /// Sets the log's health to unavailable, unless it has failed for good.
    fn unavailable(&self, error: &Error) {
        if self.log.status() != HealthStatus::Failed {
            self.log.set(HealthStatus::Unavailable, error.to_string());
        }
    }

    /// Applies a log object if it is the next one.
    ///
    /// # Errors
    /// `Corrupt` when it does not follow the last one or is invalid.
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
            format!("it does not follow object {}: checksum chain broken", self.bucket.shown(before));
        self.bucket.damaged_log(number, what)
    }

    /// Brings the state up to the end of the log, so that everything written before this call is visible.
    /// Concurrent calls share one read: a read that began after a call counts for it, and one that fails
    /// while it waits has failed for it.
    ///
    /// # Errors
    /// `Corrupt` or `Unreachable`, see [`Journal::open`].
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

    /// Returns the number of reads of the end of the log. A waiting reader reads it itself only when nobody
    /// else has.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::SeqCst)
    }

    /// Reads to the end of the log and updates the log's health.
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
                        // the object may have been put while the ones after it were read
                        let is_there = !matches!(self.bucket.log(number).await?, Found::Nothing);
                        if is_there {
                            // other processes write as fast as this one reads: no reason to fail as long as
                            // it advances
                            restarts = if late == Some(number) { restarts + 1 } else { 0 };
                            late = Some(number);
                            if restarts <= MOST_RESTARTS {
                                continue 'look;
                            }
                        }
                        (self.bucket.missing_log(number), None)
                    }
                    Ok(Found::GivenBack { checkpoint, .. }) => {
                        let what = "it was deleted, and no later checkpoint is intact".to_owned();
                        (self.bucket.damaged_log(number, what), Some(checkpoint))
                    }
                    Err(error) => (error, None),
                };
                if error.kind() != ErrorKind::Corrupt {
                    return Err(error);
                }
                // a newer checkpoint may exist: the log was truncated or repaired
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

    /// Returns whether the log ends before a number that has no object. Needs no request when this was
    /// verified recently.
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

    /// Returns the current time by two clocks, since one of them may stop while the machine is suspended.
    pub(crate) fn now(&self) -> (Instant, Duration) {
        (Instant::now(), self.bucket.settings.clock.since_epoch())
    }

    /// Records when the end of the log was verified.
    pub(crate) fn be_sure(&self, moment: (Instant, Duration)) {
        *self.sure.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }

    /// Forces the next read to verify the end of the log.
    pub(crate) fn be_unsure(&self) {
        *self.sure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns whether the end of the log was verified within `end_check_interval`.
    pub(crate) fn is_sure(&self) -> bool {
        let fresh = self.bucket.settings.fresh_for;
        let sure = *self.sure.lock().unwrap_or_else(PoisonError::into_inner);
        sure.is_some_and(|(instant, time)| {
            instant.elapsed() < fresh && self.bucket.settings.clock.since_epoch().abs_diff(time) < fresh
        })
    }

    /// Applies an object written by another process, and caches the events that were read with it.
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

    /// Caches events written by this process.
    pub(crate) fn keep(&self, number: u64, at: u64, events: Bytes) {
        self.cache.put(number, at, events);
    }

    /// Replaces the state by the newest intact checkpoint that is ahead of it. Returns the last damage found
    /// when no newer checkpoint is intact.
    pub(crate) async fn restart(&self, hint: Option<u64>) -> Result<Option<Error>> {
        let mut names = self.bucket.checkpoints().await?;
        // a listing may be stale
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

    /// Returns the framed events at a location, from the cache or the storage; `None` when their object does
    /// not exist.
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

    /// Returns whether the events at a location are cached.
    pub(crate) fn has_events(&self, place: &Place) -> bool {
        self.cache.has(place)
    }

    /// Returns the head of a data object and the offset of its events; `None` when it does not exist.
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

/// Restores the state from a checkpoint and the ones that it is based on; `None` when one of them does not
/// exist.
pub(crate) async fn restored(
    bucket: &Bucket,
    names: &[CheckpointName],
    name: CheckpointName,
) -> Result<Option<State>> {
    let mut chain = vec![name];
    let mut next = name.base;
    while let Some(number) = next {
        // each checkpoint is based on an older one
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

/// Returns a copy of an error for another waiting request; its cause is kept as text.
pub(crate) fn again(error: &Error) -> Error {
    use std::error::Error as _;
    let same = Error::new(error.kind(), error.to_string());
    match error.source() {
        Some(cause) => same.because(cause.to_string()),
        None => same,
    }
}
