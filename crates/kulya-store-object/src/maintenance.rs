//! Maintenance of a store: retention, merging of small objects, checkpoints, and garbage collection. One
//! process at a time does it, whichever finds it due: it takes a lease, a log record with a higher epoch, and
//! records under an older epoch are rejected. So two processes that do it at once by mistake, or one that was
//! suspended, only waste work. It can stop at any point.

use crate::bucket::ListedObject;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::log_client::LogClient;
use crate::merge;
use crate::plan::Request;
use crate::record::{CheckpointRecord, Reclaimed};
use crate::state::DATA_BIT;
use kulya_store::{ErrorKind, Result, StreamCut, StreamStore, retention_cut};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// The idle time after which a transaction is aborted as abandoned, in milliseconds.
pub(crate) const TRANSACTION_IDLE_MS: u64 = 24 * 60 * 60 * 1000;

/// The work done by a maintenance pass.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct PassReport {
    pub(crate) merged_bytes: u64,
    pub(crate) deleted_objects: u64,
}

/// The state that a process keeps between maintenance passes.
#[derive(Default)]
pub(crate) struct Maintenance {
    lease: Lease,
    /// The number before which the log is closed.
    closed_to: u64,
    /// When log numbers were closed whose objects are not deleted yet.
    closed: VecDeque<(Instant, u64)>,
}

impl Maintenance {
    /// Runs one pass over everything that is due, or with `force` over everything. Returns `None` when
    /// another process holds the lease.
    pub(crate) async fn run_pass(
        &mut self,
        client: &Arc<LogClient>,
        store: &dyn StreamStore,
        force: bool,
    ) -> Result<Option<PassReport>> {
        let journal = &client.journal;
        let mut report = PassReport::default();
        journal.sync().await?;
        journal.check_writable()?;
        let now = journal.bucket.now().as_millis() as u64;
        let abandoned = journal.with_state(|state| state.abandoned_transactions(now, TRANSACTION_IDLE_MS))?;
        for transaction in abandoned {
            client.submit_detached(Request::Abort(transaction));
        }
        let cuts = retention_cuts(client, store).await?;
        let checkpoint = force || journal.is_checkpoint_due()?;
        if !cuts.is_empty() || checkpoint {
            if !self.lease.acquire(client).await? {
                return Ok(None);
            }
            for cut in cuts {
                match store.truncate(&cut).await {
                    // the stream was deleted meanwhile
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    cut => cut?,
                }
            }
        }
        if checkpoint {
            report.merged_bytes = merge::run(&mut self.lease, client).await?;
            self.checkpoint(client).await?;
            report.deleted_objects += self.collect_garbage(client).await?;
        }
        report.deleted_objects += self.delete_log(client).await?;
        Ok(Some(report))
    }

    /// Writes a checkpoint, incremental or full, and records it in the log.
    async fn checkpoint(&mut self, client: &Arc<LogClient>) -> Result<()> {
        let (number, base, position, snapshot) = client.journal.with_state(|state| {
            let (base, position) = state.next_checkpoint_base();
            (state.next, base, position, state.snapshot(base))
        })?;
        let bytes = client.journal.bucket.create_checkpoint(number, &snapshot).await?;
        let record = CheckpointRecord { epoch: self.lease.epoch(), number, base, bytes, position };
        client.submit(Request::Checkpoint(record)).await.map(drop)
    }

    /// Deletes checkpoints and data objects that are no longer referenced. Returns their number.
    async fn collect_garbage(&mut self, client: &Arc<LogClient>) -> Result<u64> {
        let journal = &client.journal;
        let (unreferenced, needed, newest) = journal.with_state(|state| {
            (state.unreferenced_data(), state.needed_checkpoints(), state.newest_checkpoint())
        })?;
        let mut deleted = unreferenced.len() as u64;
        if !unreferenced.is_empty() {
            journal.bucket.delete_data(&unreferenced).await?;
            client.submit(Request::Reclaimed(Reclaimed { objects: unreferenced })).await?;
        }
        for name in journal.bucket.checkpoints().await? {
            // a newer one may belong to another process that has not recorded it yet
            if name.number < newest && !needed.contains(&name.number) {
                journal.bucket.delete_checkpoint(name).await?;
                deleted += 1;
            }
        }
        if self.lease.has_orphans {
            // a data object of an older epoch that the log does not name will never be named
            let listed = journal.bucket.list("data").await?;
            let is_orphan = |object: &u64| self.lease.is_older(*object);
            let listed = listed.into_iter().map(|listed| listed.number | DATA_BIT).filter(is_orphan);
            let orphans: Vec<u64> = journal
                .with_state(|state| listed.filter(|object| !state.data.contains_key(object)).collect())?;
            deleted += orphans.len() as u64;
            journal.bucket.delete_data(&orphans).await?;
            self.lease.has_orphans = false;
        }
        Ok(deleted)
    }

    /// Deletes the first log objects once they have been closed for the grace period, and closes the ones
    /// that are no longer needed.
    async fn delete_log(&mut self, client: &Arc<LogClient>) -> Result<u64> {
        let journal = &client.journal;
        let (deletion_grace, block_size) =
            (journal.bucket.settings.deletion_grace, journal.bucket.block_size());
        let (needed, is_chained) =
            journal.with_state(|state| (state.first_needed_log(), state.is_chained))?;
        let needed = needed / block_size * block_size;
        if is_chained && needed > self.closed_to {
            self.close(journal, needed).await?;
            self.closed.push_back((Instant::now(), needed));
            self.closed_to = needed;
        }
        let mut until = 0;
        while let Some((_, number)) = self.closed.pop_front_if(|(seen, _)| seen.elapsed() >= deletion_grace) {
            until = number;
        }
        if until == 0 {
            return Ok(0);
        }
        let listed = journal.bucket.list("log").await?;
        let obsolete: Vec<_> = listed
            .into_iter()
            .filter(|object| object.number < until)
            .map(|object: ListedObject| object.path)
            .collect();
        let deleted = obsolete.len() as u64;
        journal.bucket.delete(obsolete).await?;
        Ok(deleted)
    }

    async fn close(&self, journal: &Journal, needed: u64) -> Result<()> {
        let block_size = journal.bucket.block_size();
        let listed = journal.bucket.list("log").await?;
        let first = listed.iter().map(|listed| listed.number).min().unwrap_or(needed);
        let mut number = first / block_size * block_size;
        while number < needed {
            journal.bucket.close(number).await?;
            number += block_size;
        }
        Ok(())
    }
}

/// Returns the cuts to which streams that exceed their retention are to be truncated.
async fn retention_cuts(client: &LogClient, store: &dyn StreamStore) -> Result<Vec<StreamCut>> {
    let now = client.journal.bucket.now();
    let mut cuts = Vec::new();
    for stream in client.journal.with_state(|state| state.over_retention(now.as_millis() as u64))? {
        match retention_cut(store, &stream, now).await {
            // the stream was deleted meanwhile
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            cut => cuts.extend(cut?),
        }
    }
    Ok(cuts)
}
