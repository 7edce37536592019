//! Maintenance of a store: retention, merging of small objects, checkpoints, and garbage collection. One
//! process at a time does it, whichever finds it due: it takes a lease, a log record with a higher epoch, and
//! records under an older epoch are rejected. So two processes that do it at once by mistake, or one that was
//! suspended, only waste work. It can stop at any point.

use crate::bucket::Listed;
use crate::journal::Journal;
use crate::merge;
use crate::plan::{Answer, Ask};
use crate::record::{CheckpointRecord, GaveBack};
use crate::state::DATA_BIT;
use crate::store::{Inner, ObjectLogStore};
use kulya_store::supervision::Component;
use kulya_store::{Error, ErrorKind, HealthStatus, Result, StreamCut, StreamStore, due_cut};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use tokio::time::Instant;

/// A checkpoint is also due when this many bytes of events were written since the last one.
const FRESH_BYTES: u64 = 64 << 20;
/// The idle time after which a transaction is aborted as abandoned, in milliseconds.
pub(crate) const LEFT_BEHIND: u64 = 24 * 60 * 60 * 1000;
/// The duration of the maintenance lease, in milliseconds; each step renews it.
pub(crate) const LEASE: u64 = 60_000;
/// The bits of the sequence number in the number of a data object: the maximum count per lease.
const SEQUENCE_BITS: u32 = 20;

/// Returns whether a checkpoint is due.
pub(crate) fn is_checkpoint_due(journal: &Journal) -> Result<bool> {
    let every = journal.bucket.settings.checkpoint_every.max(1);
    journal.with(|state| {
        state.next.saturating_sub(state.newest_checkpoint()) >= every || state.fresh_bytes >= FRESH_BYTES
    })
}

/// Runs a maintenance pass whenever a writer notifies it and at each interval, until the store is closed.
pub(crate) async fn run(
    store: Weak<Inner>,
    journal: Arc<Journal>,
    due: Arc<tokio::sync::Notify>,
    is: Component,
) {
    let pause = journal.bucket.settings.maintenance_pause;
    loop {
        tokio::select! {
            () = due.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        let Some(inner) = store.upgrade().filter(|inner| inner.check_open().is_ok()) else { return };
        let pass = inner.maintenance.lock().await.pass(&inner, false).await;
        match pass {
            Ok(pass) => {
                let Pass { merged_bytes, deleted_objects } = pass.unwrap_or_default();
                is.count("merged_bytes", merged_bytes);
                is.count("deleted_objects", deleted_objects);
                is.set_healthy();
            }
            // a failed pass is repeated; meanwhile no data is lost, only no space is reclaimed
            Err(error) => {
                tracing::warn!("maintenance failed, will retry: {error}");
                is.set(HealthStatus::Degraded, error.to_string());
                is.count("failures", 1);
            }
        }
    }
}

/// The work done by a maintenance pass.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) merged_bytes: u64,
    pub(crate) deleted_objects: u64,
}

/// The state that a process keeps between maintenance passes.
#[derive(Default)]
pub(crate) struct Maintenance {
    epoch: u64,
    /// Counts the data objects of this epoch.
    sequence: u64,
    /// Whether data objects may exist that no log record names.
    has_strays: bool,
    /// The number before which the log is closed.
    closed_to: u64,
    /// When log numbers were closed whose objects are not deleted yet.
    closed: VecDeque<(Instant, u64)>,
}

impl Maintenance {
    /// Runs one pass over everything that is due, or with `force` over everything. Returns `None` when
    /// another process holds the lease.
    pub(crate) async fn pass(&mut self, inner: &Arc<Inner>, all: bool) -> Result<Option<Pass>> {
        let journal = &inner.journal;
        let mut done = Pass::default();
        journal.sync().await?;
        journal.check_writes()?;
        let now = journal.bucket.now();
        for transaction in journal.with(|state| state.left_behind(now.as_millis() as u64, LEFT_BEHIND))? {
            inner.tell(Ask::Abort(transaction));
        }
        let cuts = self.overdue(inner).await?;
        let checkpoint = all || is_checkpoint_due(journal)?;
        if !cuts.is_empty() || checkpoint {
            if !self.lease(inner).await? {
                return Ok(None);
            }
            for cut in cuts {
                match inner.store().truncate(&cut).await {
                    // the stream was deleted meanwhile
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    cut => cut?,
                }
            }
        }
        if checkpoint {
            done.merged_bytes = merge::run(self, inner).await?;
            self.checkpoint(inner).await?;
            done.deleted_objects += self.clean(inner).await?;
        }
        done.deleted_objects += self.delete_log(inner).await?;
        Ok(Some(done))
    }

    /// Returns the cuts to which streams that exceed their retention are to be truncated.
    async fn overdue(&self, inner: &Arc<Inner>) -> Result<Vec<StreamCut>> {
        let now = inner.journal.bucket.now();
        let mut cuts = Vec::new();
        for stream in inner.journal.with(|state| state.overdue(now.as_millis() as u64))? {
            match due_cut(&inner.store(), &stream, now).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                cut => cuts.extend(cut?),
            }
        }
        Ok(cuts)
    }

    /// Acquires or keeps the maintenance lease; `false` when another process holds it.
    async fn lease(&mut self, inner: &Arc<Inner>) -> Result<bool> {
        let settings = &inner.journal.bucket.settings;
        let now = inner.journal.bucket.now().as_millis() as u64;
        let held = inner.journal.with(|state| state.lease)?;
        if held.instance() == settings.instance && held.epoch == self.epoch && held.until > now + LEASE / 2 {
            return Ok(true);
        }
        let ask = Ask::Lease { instance: settings.instance, until: now + LEASE };
        let Answer::Begun(epoch) = inner.ask(ask).await? else { return Ok(false) };
        // the last holder may have put objects that it did not record, and this process may not remember its
        // own
        self.has_strays |= held.until != 0 || self.epoch == 0;
        (self.epoch, self.sequence) = (epoch, 0);
        Ok(true)
    }

    /// Returns the number for the next data object, and the epoch under which it is recorded.
    pub(crate) fn next_data(&mut self) -> Result<(u64, u64)> {
        self.sequence += 1;
        if self.sequence >> SEQUENCE_BITS != 0 {
            return Err(Error::new(
                ErrorKind::Failed,
                "maintenance lease has no data object numbers left: the next pass takes a new lease",
            ));
        }
        Ok((DATA_BIT | self.epoch << SEQUENCE_BITS | self.sequence, self.epoch))
    }

    /// Writes a checkpoint, incremental or full, and records it in the log.
    async fn checkpoint(&mut self, inner: &Arc<Inner>) -> Result<()> {
        let (number, base, turn, snapshot) = inner.journal.with(|state| {
            let (base, turn) = state.next_base();
            (state.next, base, turn, state.snapshot(base))
        })?;
        let bytes = inner.journal.bucket.create_checkpoint(number, &snapshot).await?;
        let record = CheckpointRecord { epoch: self.epoch, number, base, bytes, turn };
        inner.ask(Ask::Checkpointed(record)).await.map(drop)
    }

    /// Deletes checkpoints and data objects that are no longer referenced. Returns their number.
    async fn clean(&mut self, inner: &Arc<Inner>) -> Result<u64> {
        let journal = &inner.journal;
        let (dead, needed, newest) = journal
            .with(|state| (state.dead_data(), state.needed_checkpoints(), state.newest_checkpoint()))?;
        let mut deleted = dead.len() as u64;
        if !dead.is_empty() {
            journal.bucket.delete_data(&dead).await?;
            inner.ask(Ask::GaveBack(GaveBack { objects: dead })).await?;
        }
        for name in journal.bucket.checkpoints().await? {
            // a newer one may belong to another process that has not recorded it yet
            if name.number < newest && !needed.contains(&name.number) {
                journal.bucket.delete_checkpoint(name).await?;
                deleted += 1;
            }
        }
        if self.has_strays {
            // a data object of an older epoch that the log does not name will never be named
            let listed = journal.bucket.list("data").await?;
            let is_stray = |object: &u64| (object & !DATA_BIT) >> SEQUENCE_BITS < self.epoch;
            let listed = listed.into_iter().map(|listed| listed.number | DATA_BIT).filter(is_stray);
            let strays: Vec<u64> =
                journal.with(|state| listed.filter(|object| !state.data.contains_key(object)).collect())?;
            deleted += strays.len() as u64;
            journal.bucket.delete_data(&strays).await?;
            self.has_strays = false;
        }
        Ok(deleted)
    }

    /// Deletes the first log objects once they have been closed for the grace period, and closes the ones
    /// that are no longer needed.
    async fn delete_log(&mut self, inner: &Arc<Inner>) -> Result<u64> {
        let journal = &inner.journal;
        let (grace, block) = (journal.bucket.settings.grace, journal.bucket.block());
        let (needed, is_chained) = journal.with(|state| (state.needed_from(), state.is_chained))?;
        let needed = needed / block * block;
        if is_chained && needed > self.closed_to {
            self.close(journal, needed).await?;
            self.closed.push_back((Instant::now(), needed));
            self.closed_to = needed;
        }
        let mut until = 0;
        while let Some((_, number)) = self.closed.pop_front_if(|(seen, _)| seen.elapsed() >= grace) {
            until = number;
        }
        if until == 0 {
            return Ok(0);
        }
        let listed = journal.bucket.list("log").await?;
        let spent: Vec<_> = listed.into_iter().filter(|l| l.number < until).map(|l: Listed| l.path).collect();
        let deleted = spent.len() as u64;
        journal.bucket.delete(spent).await?;
        Ok(deleted)
    }

    async fn close(&self, journal: &Journal, needed: u64) -> Result<()> {
        let block = journal.bucket.block();
        let listed = journal.bucket.list("log").await?;
        let first = listed.iter().map(|listed| listed.number).min().unwrap_or(needed);
        let mut number = first / block * block;
        while number < needed {
            journal.bucket.close(number).await?;
            number += block;
        }
        Ok(())
    }
}

impl Inner {
    pub(crate) fn store(self: &Arc<Self>) -> ObjectLogStore {
        ObjectLogStore { inner: Arc::clone(self) }
    }
}
