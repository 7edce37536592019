//! Runs one live query: reads its state back, and then a tick for each cut of its tables, until it is
//! stopped.

use super::frame::FrameKind;
use super::log::{Committed, Output, StateLog, shown};
use super::output::JobSink;
use super::plan::{LivePlan, SourceMode};
use super::program::Program;
use super::record::{QueryKind, StoredProgress};
use super::source::{Ends, Source, Sources};
use super::status::{LiveState, LiveStatus};
use crate::settings::STATE_BYTES;
use crate::table::{RowChanges, StreamTable};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use kulya_store::{Durability, StreamCut, StreamStore};
use std::any::Any;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Sleep, sleep};

/// How long changes of a view's state wait for their commit.
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// The size of the rows that were read, in bytes, from which on the state is committed at once.
const COMMIT_BYTES: usize = 4 << 20;
/// The size of a log, in bytes, from which on a snapshot is worth while.
const MIN_SNAPSHOT_BYTES: u64 = 16 << 20;
/// The rows of a batch that a query of a view reads.
const BATCH_ROWS: usize = 8192;

/// A running query, as others see it.
#[derive(Default)]
pub(crate) struct Running {
    /// The operators, which a tick holds from its beginning to its end; none before the state is read back.
    program: tokio::sync::Mutex<Option<Program>>,
    /// Where each stream was read to, which the rows of the program are of.
    cuts: watch::Sender<Vec<StreamCut>>,
    status: Mutex<LiveStatus>,
}

impl Running {
    pub(crate) fn status(&self) -> LiveStatus {
        self.lock().clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut LiveStatus)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, LiveStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the query has read up to these cuts or further, or does not go on by itself.
    pub(crate) async fn reached(&self, cuts: &[StreamCut]) {
        let mut reached = self.cuts.subscribe();
        let is_reached = |now: &Vec<StreamCut>| {
            cuts.iter().all(|cut| {
                now.iter().find(|other| other.stream == cut.stream).is_some_and(|now| {
                    cut.offsets().all(|(segment, offset)| now.offset(&segment) >= Some(offset))
                })
            })
        };
        let waits = |now: &Vec<StreamCut>| match self.lock().state {
            LiveState::Paused | LiveState::Stopped => false,
            LiveState::Starting | LiveState::Retrying => true,
            LiveState::Running => !is_reached(now),
        };
        // the sender is this object's
        let _ = reached.wait_for(|now| !waits(now)).await;
    }

    /// Sets what the query does.
    pub(crate) fn set_state(&self, state: LiveState, error: Option<String>) {
        self.change(|status| (status.state, status.error) = (state, error));
        // those that wait for a cut look at the state, too
        self.cuts.send_modify(|_| {});
    }

    /// Returns the rows of a view at a cut; `None` before its state is read back.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) async fn rows(&self) -> SqlResult<Option<(SchemaRef, Vec<RecordBatch>)>> {
        let program = self.program.lock().await;
        let rows = |program: &Program| Ok((program.schema().clone(), program.rows(BATCH_ROWS)?));
        program.as_ref().map(rows).transpose()
    }

    /// Gives back the memory of a query that does not run.
    pub(crate) async fn clear(&self) {
        *self.program.lock().await = None;
        self.cuts.send_replace(Vec::new());
        self.change(|status| (status.state_bytes, status.lag_bytes) = (0, 0));
    }
}

/// What a planned query reads.
pub(crate) struct Inputs {
    pub(crate) program: Program,
    pub(crate) sources: Sources,
}

/// Makes the operators of a plan, and what reads its tables.
///
/// # Errors
/// `NotSupported` for a table that cannot be followed.
pub(crate) fn prepare(store: &Arc<dyn StreamStore>, plan: LivePlan, has_contents: bool) -> SqlResult<Inputs> {
    let LivePlan { graph, sources, schema, .. } = plan;
    let mut program = Program::new(graph, schema, has_contents)?;
    let mut inputs = Vec::with_capacity(sources.len());
    for (number, source) in sources.into_iter().enumerate() {
        let table: &dyn Any = &*source.table;
        let Some(table) = table.downcast_ref::<StreamTable>() else {
            let what = format!("a live query of {}, which is no table of a stream", source.name);
            return Err(SqlError::not_supported(what));
        };
        let table = table.live(&source.name, &source.columns)?;
        // the operator of versions has no use for the row before a change
        let is_versioned =
            matches!(table.changes, RowChanges::Upsert(_)) && source.mode == SourceMode::Versions;
        if !is_versioned {
            program.set_replica(number, table.schema.clone(), &table.changes, table.output.clone())?;
        }
        let has_replica = program.has_replica(number);
        inputs.push(Source { table, has_replica });
    }
    let sources = Sources::new(Arc::clone(store), inputs)?;
    Ok(Inputs { program, sources })
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEnd {
    /// The process stops it.
    Stopped,
    Paused,
    /// The query was dropped.
    Dropped,
}

/// A query that is planned and ready to run.
pub(crate) struct Planned {
    pub(crate) inputs: Inputs,
    pub(crate) fingerprint: String,
    /// Of a job.
    pub(crate) sink: Option<JobSink>,
}

/// Runs a query until `stop` says so; `changed` says that its record is to be looked at.
///
/// # Errors
/// Those of the query; it goes on from its stored state when it is run again.
pub(crate) async fn run(
    running: &Running,
    log: &mut StateLog,
    planned: Planned,
    state_limit: usize,
    (stop, changed): (&mut watch::Receiver<bool>, &Notify),
) -> SqlResult<RunEnd> {
    let Planned { inputs: Inputs { mut program, mut sources }, fingerprint, sink } = planned;
    if let Some(sink) = &sink
        && sources.streams().contains(sink.stream())
    {
        let what = format!("{} reads the stream {} that it writes", shown(log.record()), sink.stream());
        return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
    }
    if log.record().fingerprint == fingerprint {
        log.restore(|node, key, value| program.restore_entry(node, key, value)).await?;
        program.finish_restore()?;
        let progress = log.progress();
        if !progress.cuts.is_empty() {
            sources.resume(progress.cuts()?)?;
        }
    } else {
        start_over(log, &sources, &fingerprint).await?;
    }
    let (rows_in, rows_out) = (log.progress().rows_in, log.progress().rows_out);
    running.change(|status| {
        (status.state, status.error) = (LiveState::Running, None);
        (status.rows_in, status.rows_out) = (rows_in, rows_out);
    });
    *running.program.lock().await = Some(program);
    running.cuts.send_replace(sources.cuts().to_vec());
    let mut run = Run { running, log, sources, sink, state_limit, pending: None, bytes: 0 };
    run.until_stopped(stop, changed).await
}

/// Begins a query again whose operators are not those of its stored state, if all that it has read is still
/// there.
async fn start_over(log: &mut StateLog, sources: &Sources, fingerprint: &str) -> SqlResult<()> {
    let is_new = log.record().fingerprint.is_empty();
    if !is_new && log.record().kind == QueryKind::Job {
        let what = format!(
            "the plan of {} is another one than that of its stored state, so that its rows would be written again: \
             stop the job, and start it again for events from now on",
            shown(log.record())
        );
        return Err(SqlError::new(SqlErrorKind::Failed, what));
    }
    if !is_new && !sources.ends().await?.are_complete() {
        let what = format!(
            "the plan of {} is another one than that of its stored state, and it cannot be built again, as events of \
             its tables were truncated",
            shown(log.record())
        );
        return Err(SqlError::new(SqlErrorKind::Failed, what));
    }
    log.start_over(fingerprint);
    Ok(())
}

/// A query that runs.
struct Run<'a> {
    running: &'a Running,
    log: &'a mut StateLog,
    sources: Sources,
    sink: Option<JobSink>,
    state_limit: usize,
    /// When the changes since the last commit are committed; none without changes.
    pending: Option<Pin<Box<Sleep>>>,
    /// The size of the rows that were read since the last commit.
    bytes: usize,
}

impl Run<'_> {
    async fn until_stopped(
        &mut self,
        stop: &mut watch::Receiver<bool>,
        changed: &Notify,
    ) -> SqlResult<RunEnd> {
        loop {
            let ends = self.sources.ends().await?;
            let is_behind = self.sources.is_behind(&ends);
            if is_behind && self.tick(&ends).await? == Committed::Paused {
                return Ok(RunEnd::Paused);
            }
            let is_due = self.pending.as_ref().is_some_and(|due| due.is_elapsed());
            if (is_due || self.bytes >= COMMIT_BYTES) && self.commit().await? == Committed::Paused {
                return Ok(RunEnd::Paused);
            }
            if *stop.borrow() {
                self.commit().await?;
                return Ok(RunEnd::Stopped);
            }
            if is_behind {
                // a store that never waits leaves no other place for others
                tokio::task::yield_now().await;
                continue;
            }
            let due = async {
                match &mut self.pending {
                    Some(due) => due.await,
                    None => pending().await,
                }
            };
            tokio::select! {
                ready = self.sources.wait() => ready?,
                () = due => {}
                () = changed.notified() => {
                    if self.log.is_pause_wanted().await? {
                        self.commit().await?;
                        return Ok(RunEnd::Paused);
                    }
                }
                // the sender is gone when the process ends
                _ = stop.changed() => {}
            }
        }
    }

    /// Applies what was committed since the last tick. The rows of a job are committed at once.
    async fn tick(&mut self, ends: &Ends) -> SqlResult<Committed> {
        let mut guard = self.running.program.lock().await;
        let program = guard.as_mut().ok_or_else(SqlError::internal)?;
        let lag_bytes = self.sources.lag_bytes(ends);
        let read = self.sources.tick(program, ends).await?;
        let (size, late_rows) = (program.size_bytes(), program.late_rows());
        let rows_out: usize = read.changes.iter().map(|batch| batch.weights().len()).sum();
        self.running.change(|status| {
            status.ticks += 1;
            status.rows_in += read.rows_in;
            status.rows_out += rows_out as u64;
            (status.late_rows, status.state_bytes) = (late_rows, size as u64);
            status.lag_bytes = lag_bytes;
        });
        if size > self.state_limit
            && let Some(bound) = self.log.state_bound().await?
        {
            self.state_limit = bound;
        }
        if size > self.state_limit {
            let what = format!(
                "the state of {} has {size} bytes, most of them in {}, and {} are allowed: keep less in the query, or \
                 SET '{STATE_BYTES}' and resume it",
                shown(self.log.record()),
                program.largest(),
                self.state_limit
            );
            return Err(SqlError::new(SqlErrorKind::OutOfMemory, what));
        }
        self.bytes += read.bytes;
        if self.pending.is_none() {
            self.pending = Some(Box::pin(sleep(COMMIT_INTERVAL)));
        }
        let appends = self.sink.as_mut().map(|sink| sink.events(read.changes)).transpose()?;
        drop(guard);
        let committed = match appends {
            Some(appends) => self.store(Output { appends, durability: Durability::Synced }).await?,
            None => Committed::Stored,
        };
        self.running.cuts.send_replace(self.sources.cuts().to_vec());
        Ok(committed)
    }

    /// Commits what changed since the last commit.
    async fn commit(&mut self) -> SqlResult<Committed> {
        if self.pending.is_none() {
            return Ok(Committed::Stored);
        }
        self.store(Output { appends: Vec::new(), durability: Durability::Written }).await
    }

    async fn store(&mut self, output: Output) -> SqlResult<Committed> {
        let mut frames = self.log.writer(FrameKind::Changes);
        let size = {
            let mut guard = self.running.program.lock().await;
            let program = guard.as_mut().ok_or_else(SqlError::internal)?;
            program.drain_dirty(|node, key, value| frames.push(node, key, value));
            program.size_bytes() as u64
        };
        let status = self.running.status();
        let progress = StoredProgress {
            cuts: self.sources.cuts().iter().map(ToString::to_string).collect(),
            rows_in: status.rows_in,
            rows_out: status.rows_out,
            ..StoredProgress::default()
        };
        let committed = self.log.commit(frames, progress, output).await?;
        (self.pending, self.bytes) = (None, 0);
        if self.log.log_bytes() > MIN_SNAPSHOT_BYTES.max(2 * size) {
            let mut frames = self.log.writer(FrameKind::Snapshot);
            {
                let guard = self.running.program.lock().await;
                let program = guard.as_ref().ok_or_else(SqlError::internal)?;
                program.snapshot(|node, key, value| frames.push(node, key, value));
            }
            return self.log.snapshot(frames).await;
        }
        Ok(committed)
    }
}
