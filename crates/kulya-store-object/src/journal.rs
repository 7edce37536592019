//! The local view of the log: the state built from its objects, which is brought up to the end of the log
//! before a request is answered, and a cache of events.

use crate::bucket::{Bucket, CheckpointName, LogEntry, LogObject};
use crate::cache::Cache;
use crate::object::Header;
use crate::record::{Data, Log};
use crate::state::{Location, State};
use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use kulya_store::log_backend::error::duplicate_error;
use kulya_store::supervision::Component;
use kulya_store::{Error, ErrorKind, HealthStatus, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The maximum number of log objects read concurrently while catching up.
const MAX_READ_AHEAD: u64 = 32;
/// The maximum number of times that catching up starts over, because the log was truncated while a checkpoint
/// was read.
const MAX_RESTARTS: usize = 10;
/// A checkpoint is also due when this many bytes of events were written since the last one.
const CHECKPOINT_BYTES: u64 = 64 << 20;
/// The maximum number of cached heads of data objects.
const MAX_CACHED_HEADS: usize = 8;

/// The local view of the log, shared by all tasks of a store.
pub(crate) struct Journal {
    pub(crate) bucket: Bucket,
    local: Mutex<LocalState>,
    /// The number of the next log object; tail readers wait for it to change.
    pub(crate) log_end: watch::Sender<u64>,
    /// Counts the calls of [`Journal::sync`]: each call's ticket.
    tickets: AtomicU64,
    /// Held by the call that reads the log.
    sync_lock: tokio::sync::Mutex<SyncProgress>,
    /// Counts the reads of the end of the log.
    sync_count: AtomicU64,
    /// When the end of the log was last verified, by a monotonic clock and by wall-clock time.
    end_verified: Mutex<Option<(Instant, Duration)>>,
    /// The health of the log.
    pub(crate) log: Component,
    cache: Cache,
    heads: Mutex<VecDeque<(u64, Arc<Data>, u64)>>,
}

#[derive(Default)]
struct LocalState {
    state: State,
    /// The number of an invalid object, and what is wrong with it.
    damage: Option<(u64, String)>,
    /// The error with which writes were stopped for good.
    stopped: Option<Error>,
}

/// Up to which ticket calls of [`Journal::sync`] have succeeded and failed.
#[derive(Default)]
struct SyncProgress {
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
        bucket.initialize().await?;
        let journal = Self {
            cache: Cache::new(bucket.settings.cache_bytes),
            bucket,
            local: Mutex::default(),
            log_end: watch::Sender::new(0),
            tickets: AtomicU64::new(0),
            sync_lock: tokio::sync::Mutex::default(),
            sync_count: AtomicU64::new(0),
            end_verified: Mutex::default(),
            log,
            heads: Mutex::default(),
        };
        // if the log still has its first object, a damaged checkpoint can be ignored: the log is read from
        // the start
        let damage = journal.load_checkpoint(None).await?;
        match journal.catch_up().await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Err(damage.unwrap_or(error)),
            done => done.map(|()| journal),
        }
    }

    /// Calls a function with the local state, which may be behind the end of the log.
    ///
    /// # Errors
    /// `Corrupt` when an invalid object was met.
    pub(crate) fn with_state<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T> {
        let local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        match &local.damage {
            None => Ok(read(&local.state)),
            Some((number, what)) => Err(self.bucket.corrupt_log(*number, what.clone())),
        }
    }

    /// Returns whether a checkpoint is due.
    pub(crate) fn is_checkpoint_due(&self) -> Result<bool> {
        let interval = self.bucket.settings.checkpoint_every.max(1);
        self.with_state(|state| {
            state.next.saturating_sub(state.newest_checkpoint()) >= interval
                || state.bytes_since_checkpoint >= CHECKPOINT_BYTES
        })
    }

    /// Returns the error with which writes were stopped, if they were.
    pub(crate) fn check_writable(&self) -> Result<()> {
        let local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        local.stopped.as_ref().map_or(Ok(()), |error| Err(duplicate_error(error)))
    }

    /// Stops all writes for good.
    pub(crate) fn stop_writes(&self, error: Error) {
        tracing::error!("writes stopped: {error}");
        self.log.set(HealthStatus::Failed, error.to_string());
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        local.stopped.get_or_insert(error);
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
    pub(crate) fn apply(&self, number: u64, header: &Header, log: &Log) -> Result<()> {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, what)) = &local.damage {
            return Err(self.bucket.corrupt_log(*number, what.clone()));
        }
        if number != local.state.next {
            return Ok(());
        }
        if !local.state.is_followed_by(header, log) {
            return Err(self.chain_mismatch(number));
        }
        if let Err(what) = local.state.apply(number, header, log) {
            local.damage = Some((number, what.clone()));
            return Err(self.bucket.corrupt_log(number, what));
        }
        self.log_end.send_replace(local.state.next);
        Ok(())
    }

    fn chain_mismatch(&self, number: u64) -> Error {
        let before = number.saturating_sub(1);
        let what =
            format!("it does not follow object {}: checksum chain broken", self.bucket.object_name(before));
        self.bucket.corrupt_log(number, what)
    }

    /// Brings the state up to the end of the log, so that everything written before this call is visible.
    /// Concurrent calls share one read: a read that began after a call counts for it, and one that fails
    /// while it waits has failed for it.
    ///
    /// # Errors
    /// `Corrupt` or `Unreachable`, see [`Journal::open`].
    pub(crate) async fn sync(&self) -> Result<()> {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        let mut progress = self.sync_lock.lock().await;
        if progress.seen >= ticket {
            return Ok(());
        }
        if let Some(error) = progress.error.as_ref().filter(|_| progress.failed >= ticket) {
            return Err(duplicate_error(error));
        }
        let tickets = self.tickets.load(Ordering::SeqCst);
        if let Err(error) = self.catch_up().await {
            progress.failed = self.tickets.load(Ordering::SeqCst);
            progress.error = Some(duplicate_error(&error));
            return Err(error);
        }
        progress.seen = tickets;
        self.sync_count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Returns the number of reads of the end of the log. A waiting reader reads it itself only when nobody
    /// else has.
    pub(crate) fn sync_count(&self) -> u64 {
        self.sync_count.load(Ordering::SeqCst)
    }

    /// Reads to the end of the log and updates the log's health.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let done = self.read_to_end().await;
        match &done {
            Ok(()) if self.log.status() == HealthStatus::Unavailable => self.log.set_healthy(),
            Ok(()) => {}
            Err(error) => {
                self.clear_end_verified();
                self.unavailable(error);
            }
        }
        done
    }

    async fn read_to_end(&self) -> Result<()> {
        let mut ahead = 1;
        let (mut restarts, mut last_late) = (0, None);
        'retry: loop {
            let from = self.with_state(|state| state.next)?;
            let found = join_all((from..from + ahead).map(|number| self.bucket.read_log(number))).await;
            let mut found = (from..).zip(found).peekable();
            while let Some((number, entry)) = found.next() {
                let (error, hint) = match entry {
                    Ok(LogEntry::Log(object)) => match self.apply_remote(number, &object) {
                        Ok(()) => continue,
                        Err(error) => (error, None),
                    },
                    Ok(LogEntry::Missing) => {
                        let continues = found.any(|(_, later)| matches!(later, Ok(LogEntry::Log(_))));
                        if self.is_end(number, continues).await? {
                            return Ok(());
                        }
                        // the object may have been put while the ones after it were read
                        let exists = !matches!(self.bucket.read_log(number).await?, LogEntry::Missing);
                        if exists {
                            // other processes write as fast as this one reads: no reason to fail as long as
                            // it advances
                            restarts = if last_late == Some(number) { restarts + 1 } else { 0 };
                            last_late = Some(number);
                            if restarts <= MAX_RESTARTS {
                                continue 'retry;
                            }
                        }
                        (self.bucket.missing_log(number), None)
                    }
                    Ok(LogEntry::Tombstone { checkpoint, .. }) => {
                        let what = "it was deleted, and no later checkpoint is intact".to_owned();
                        (self.bucket.corrupt_log(number, what), Some(checkpoint))
                    }
                    Err(error) => (error, None),
                };
                if error.kind() != ErrorKind::Corrupt {
                    return Err(error);
                }
                // a newer checkpoint may exist: the log was truncated or repaired
                let damage = self.load_checkpoint(hint).await?;
                restarts += 1;
                if self.with_state(|state| state.next)? <= number || restarts > MAX_RESTARTS {
                    return Err(damage.unwrap_or(error));
                }
                continue 'retry;
            }
            ahead = (ahead * 2).min(MAX_READ_AHEAD);
        }
    }

    /// Returns whether the log ends before a number that has no object. Needs no request when this was
    /// verified recently.
    async fn is_end(&self, number: u64, continues: bool) -> Result<bool> {
        if continues {
            return Ok(false);
        }
        if self.is_end_verified() {
            return Ok(true);
        }
        let now = self.now();
        if self.bucket.is_closed(number).await? || self.bucket.any_log_after(number).await?.is_some() {
            return Ok(false);
        }
        self.set_end_verified(now);
        Ok(true)
    }

    /// Returns the current time by two clocks, since one of them may stop while the machine is suspended.
    pub(crate) fn now(&self) -> (Instant, Duration) {
        (Instant::now(), self.bucket.settings.clock.since_epoch())
    }

    /// Records when the end of the log was verified.
    pub(crate) fn set_end_verified(&self, time: (Instant, Duration)) {
        *self.end_verified.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// Forces the next read to verify the end of the log.
    pub(crate) fn clear_end_verified(&self) {
        *self.end_verified.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns whether the end of the log was verified within `end_check_interval`.
    pub(crate) fn is_end_verified(&self) -> bool {
        let interval = self.bucket.settings.end_check_interval;
        let end_verified = *self.end_verified.lock().unwrap_or_else(PoisonError::into_inner);
        end_verified.is_some_and(|(instant, time)| {
            instant.elapsed() < interval && self.bucket.settings.clock.since_epoch().abs_diff(time) < interval
        })
    }

    /// Applies an object written by another process, and caches the events that were read with it.
    pub(crate) fn apply_remote(&self, number: u64, object: &LogObject) -> Result<()> {
        let LogObject { log, header, head_bytes } = object;
        self.apply(number, header, log)?;
        for batch in &log.batches {
            let at = header.events_offset().saturating_add(batch.at);
            let (from, length) = (usize::try_from(at).unwrap_or(usize::MAX), batch.length as usize);
            let events = head_bytes.get(from..from.saturating_add(length));
            if let Some(events) = events.filter(|events| crc32c::crc32c(events) == batch.checksum) {
                self.cache.put(number, at, Bytes::copy_from_slice(events));
            }
        }
        Ok(())
    }

    /// Caches events written by this process.
    pub(crate) fn cache_events(&self, number: u64, at: u64, events: Bytes) {
        self.cache.put(number, at, events);
    }

    /// Replaces the state by the newest intact checkpoint that is ahead of it. Returns the last damage found
    /// when no newer checkpoint is intact.
    pub(crate) async fn load_checkpoint(&self, hint: Option<u64>) -> Result<Option<Error>> {
        let mut names = self.bucket.checkpoints().await?;
        // a listing may be stale
        names.extend(hint.map(|number| CheckpointName { number, base: None }));
        names.sort_unstable_by(|left, right| right.cmp(left));
        names.dedup();
        let mut damage = None;
        for name in &names {
            if name.number <= self.with_state(|state| state.next)? {
                break;
            }
            match restore_checkpoint(&self.bucket, &names, *name).await {
                Ok(None) => {}
                Ok(Some(state)) => {
                    let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
                    if local.state.next < state.next {
                        self.log_end.send_replace(state.next);
                        local.state = state;
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
    pub(crate) async fn events(&self, location: Location) -> Result<Option<Bytes>> {
        if let Some(events) = self.cache.get(&location) {
            return Ok(Some(events));
        }
        let read = self.bucket.read_events(location).await?;
        if let Some(events) = &read {
            self.cache.put(location.object, location.at, events.clone());
        }
        Ok(read)
    }

    /// Returns whether the events at a location are cached.
    pub(crate) fn is_cached(&self, location: &Location) -> bool {
        self.cache.contains(location)
    }

    /// Returns the head of a data object and the offset of its events; `None` when it does not exist.
    pub(crate) async fn data_head(&self, object: u64) -> Result<Option<(Arc<Data>, u64)>> {
        let cached = |heads: &VecDeque<(u64, Arc<Data>, u64)>| {
            let found = heads.iter().find(|(number, ..)| *number == object);
            found.map(|(_, data, from)| (Arc::clone(data), *from))
        };
        if let Some(found) = cached(&self.heads.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(found));
        }
        let Some((data, from)) = self.bucket.read_data_head(object).await? else { return Ok(None) };
        let data = Arc::new(data);
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.truncate(MAX_CACHED_HEADS - 1);
        heads.push_front((object, Arc::clone(&data), from));
        Ok(Some((data, from)))
    }
}

/// Restores the state from a checkpoint and the ones that it is based on; `None` when one of them does not
/// exist.
pub(crate) async fn restore_checkpoint(
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
    let found = try_join_all(chain.iter().map(|name| bucket.read_checkpoint(*name))).await?;
    let mut state = None;
    for (name, snapshot) in chain.iter().zip(found).rev() {
        let Some(snapshot) = snapshot else { return Ok(None) };
        let next = State::restore(name.number, &snapshot, state);
        state = Some(next.map_err(|what| bucket.corrupt_checkpoint(*name, what))?);
    }
    Ok(state)
}
