//! The run of incremental snapshots beside the stream of the log: executes signals, requests chunks, and
//! tells the source which rows to write.
//!
//! The source calls [`Incremental::advance`] between two transactions of the log, and tells it of each
//! change of a row.

use super::cut::Cut;
use super::reader::{Chunk, ChunkReader, ReadOutcome, ReaderTask, requested_tables};
use super::state::{IncrementalState, TableProgress, Work};
use super::window::Window;
use crate::control::Control;
use crate::signal::{Signal, SignalRecord};
use crate::{CdcErrorKind, CdcResult};
use std::time::Duration;
use tokio::time::Instant;

/// The time after which a chunk is read again that could not be read; it doubles with each further failure.
const MIN_RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The maximum of that time.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(30);
/// The time after which a chunk is read again that does not have yet what was streamed; it doubles with each
/// further one.
const MIN_STALE_PAUSE: Duration = Duration::from_millis(20);
/// The number of such chunks in a row after which this is reported.
const REPORTED_STALE_CHUNKS: u32 = 8;
/// What is reported then.
const STALE: &str = "incremental snapshot waits: the database does not show the last transactions of its log yet, \
     such as those that wait for a synchronous standby";

type CutOf<R> = <R as ChunkReader>::Cut;
type WindowOf<R> = Window<CutOf<R>, <R as ChunkReader>::Row>;

/// The chunk whose rows are to be written.
pub(crate) struct FinishedChunk<R: ChunkReader> {
    pub(crate) table: R::Table,
    /// The rows that no later transaction has changed.
    pub(crate) rows: Vec<R::Row>,
}

/// The run of incremental snapshots on one connection of the log.
pub(crate) struct Incremental<R: ChunkReader> {
    new_reader: Box<dyn Fn() -> R + Send>,
    max_rows: u32,
    task: Option<ReaderTask<R>>,
    window: WindowOf<R>,
    /// The work that was given to the reader.
    work: Option<Work>,
    outcome: Option<CdcResult<ReadOutcome<R>>>,
    /// What was streamed when the chunk was requested.
    streamed: Option<<CutOf<R> as Cut>::Streamed>,
    /// The table of the open window, and its progress with the chunk.
    open: Option<(R::Table, Option<TableProgress>)>,
    /// When the reader is to be tried again.
    retry: Option<Instant>,
    /// The number of failures in a row.
    failures: u32,
    /// The number of chunks in a row that did not have what was streamed.
    stale: u32,
    /// The signals of the log's open transaction.
    logged: Vec<SignalRecord>,
    /// The version of the control's signals that were looked at.
    seen: u64,
    /// Whether the state has changed since it was last stored.
    is_changed: bool,
    /// Whether the state is in the capture's status.
    is_reported: bool,
}

/// Where the stream of the log is.
pub(crate) struct StreamProgress<'a, C: Cut> {
    pub(crate) place: &'a C::Place,
    /// The position, as the database's tools write it.
    pub(crate) position: &'a dyn std::fmt::Display,
    /// Returns what was streamed so far.
    pub(crate) streamed: &'a dyn Fn() -> C::Streamed,
}

impl<R: ChunkReader> Incremental<R> {
    /// Creates a run. `max_rows` is the maximum number of rows of a chunk.
    pub(crate) fn new(max_rows: u32, new_reader: impl Fn() -> R + Send + 'static) -> Self {
        Self {
            new_reader: Box::new(new_reader),
            max_rows: max_rows.max(1),
            task: None,
            window: Window::Closed,
            work: None,
            outcome: None,
            streamed: None,
            open: None,
            retry: None,
            failures: 0,
            stale: 0,
            logged: Vec::new(),
            seen: 0,
            is_changed: false,
            is_reported: false,
        }
    }

    /// Returns the window, and what is read, if changes of a table are to be noted in it.
    pub(crate) fn window_of(&mut self, table: &str) -> Option<(&mut WindowOf<R>, &TableProgress)> {
        match &self.work {
            Some(Work::ReadChunk(progress)) if progress.table == table => Some((&mut self.window, progress)),
            _ => None,
        }
    }

    /// Returns whether changes of tables are to be noted.
    pub(crate) fn has_window(&self) -> bool {
        !matches!(self.window, Window::Closed)
    }

    /// Takes note of a change of rows that are not known, of any table.
    pub(crate) fn on_unknown_change(&mut self, transaction: &<CutOf<R> as Cut>::Transaction) {
        self.window.on_unknown_change(transaction);
    }

    /// Adds a signal of the log's open transaction.
    pub(crate) fn on_logged_signal(&mut self, signal: SignalRecord) {
        self.logged.push(signal);
    }

    /// Forgets the signals of a transaction that was rolled back.
    pub(crate) fn on_rollback(&mut self) {
        self.logged.clear();
    }

    /// Returns whether there is anything to do between transactions.
    pub(crate) fn is_active(&self, state: &IncrementalState, control: &Control) -> bool {
        state.is_active()
            || !self.logged.is_empty()
            || self.task.is_some()
            || self.retry.is_some()
            || control.has_signals(self.seen)
    }

    /// Returns whether the state is to be stored although there may be no events, and takes that back.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Waits until there is something to do. Cancel-safe.
    pub(crate) async fn ready(&mut self, control: &Control) {
        let retry = self.retry;
        let outcome = async {
            match &mut self.task {
                Some(task) if self.work.is_some() && self.outcome.is_none() && self.open.is_none() => {
                    task.outcome().await
                }
                _ => std::future::pending().await,
            }
        };
        let wait = async {
            match retry {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            outcome = outcome => self.outcome = Some(outcome),
            () = wait => {}
            () = control.signalled(self.seen) => {}
        }
    }

    /// Goes on, between two transactions of the log. Returns a chunk whose rows are to be written and
    /// committed together with the state.
    pub(crate) fn advance(
        &mut self,
        state: &mut IncrementalState,
        progress: &StreamProgress<'_, CutOf<R>>,
        control: &Control,
    ) -> Option<FinishedChunk<R>> {
        self.execute_signals(state, progress, control);
        self.take_outcome(state, control);
        let finished = self.finish(state, progress.place);
        self.request(state, progress);
        if finished.is_some() || self.is_changed || !self.is_reported {
            self.is_reported = true;
            control.on_incremental(state.status());
        }
        finished
    }

    fn execute_signals(
        &mut self,
        state: &mut IncrementalState,
        progress: &StreamProgress<'_, CutOf<R>>,
        control: &Control,
    ) {
        let (seen, queued) = control.signals();
        if seen != self.seen {
            self.seen = seen;
            for queued in queued.iter() {
                if queued.number > state.last_signal {
                    state.last_signal = queued.number;
                    self.execute(&queued.signal, state, progress, control);
                }
            }
        }
        for signal in std::mem::take(&mut self.logged) {
            self.execute(&signal, state, progress, control);
        }
    }

    fn execute(
        &mut self,
        record: &SignalRecord,
        state: &mut IncrementalState,
        progress: &StreamProgress<'_, CutOf<R>>,
        control: &Control,
    ) {
        self.is_changed = true;
        let executed = match Signal::parse(record) {
            Ok(Signal::Log(message)) => {
                let message = message.replace("{}", &progress.position.to_string());
                tracing::info!(id = record.id, "signal: {message}");
                Ok(())
            }
            Ok(signal) => {
                tracing::info!(id = record.id, kind = record.kind, data = record.data, "signal received");
                state.execute(signal)
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = executed {
            let SignalRecord { id, kind, .. } = record;
            control
                .on_signal_error(format!("signal {id:.50?} of type {kind:.50?} was not executed: {reason}"));
        }
        // what is being read may have been stopped
        let is_wanted = |work: &Work| match (work, state.tables.front()) {
            (Work::ReadChunk(table), Some(first)) => table == first,
            (Work::ReadChunk(_), None) => false,
            (Work::FindTables(request), _) => state.requests.front() == Some(request),
        };
        if self.work.as_ref().is_some_and(|work| !is_wanted(work)) {
            self.give_up();
        }
    }

    /// Takes the outcome of the reader's work.
    fn take_outcome(&mut self, state: &mut IncrementalState, control: &Control) {
        if self.outcome.is_none()
            && self.open.is_none()
            && let Some(task) = &mut self.task
        {
            self.outcome = task.try_outcome();
        }
        let Some(outcome) = self.outcome.take() else { return };
        match (outcome, self.work.take()) {
            (Ok(ReadOutcome::Tables(captured)), Some(Work::FindTables(request))) => {
                let (tables, unknown) = requested_tables(&request, &captured);
                let found: Vec<&str> = tables.iter().map(|table| table.table.as_str()).collect();
                tracing::info!(id = request.id, tables = found.join(", "), "incremental snapshot started");
                for name in unknown {
                    control.on_signal_error(format!(
                        "incremental snapshot {:.50?}: no captured table matches {name:?}",
                        request.id
                    ));
                }
                if let Err(reason) = state.add_tables(tables) {
                    control.on_signal_error(format!("incremental snapshot {:.50?}: {reason}", request.id));
                }
                self.is_changed = true;
            }
            (Ok(ReadOutcome::Chunk(chunk)), Some(work)) => self.open(chunk, work, control),
            (Err(error), Some(Work::ReadChunk(table)))
                if !matches!(error.kind(), CdcErrorKind::Unreachable | CdcErrorKind::Busy) =>
            {
                let table = table.table;
                control.on_signal_error(format!("incremental snapshot leaves out table {table}: {error}"));
                self.give_up();
                state.skip_table();
                self.is_changed = true;
            }
            (Err(error), work) => {
                let what = match work {
                    Some(Work::ReadChunk(table)) => format!("a chunk of table {}", table.table),
                    _ => "the list of tables".to_owned(),
                };
                control.on_signal_error(format!("cannot read {what}, it is tried again: {error}"));
                self.give_up();
                let pause = MIN_RETRY_PAUSE * 2u32.pow(self.failures.min(16));
                self.retry = Some(Instant::now() + pause.min(MAX_RETRY_PAUSE));
                self.failures += 1;
            }
            _ => self.give_up(),
        }
    }

    fn open(&mut self, chunk: Chunk<R>, work: Work, control: &Control) {
        let Chunk { cut, table, rows, after } = chunk;
        self.failures = 0;
        let is_current = self.streamed.take().is_some_and(|streamed| cut.includes(&streamed));
        let rows = rows.into_iter().map(|row| (row.key, row.row)).collect();
        if !is_current {
            // the server shows others what it has sent in a moment
            self.window.close();
            self.retry = Some(Instant::now() + MIN_STALE_PAUSE * 2u32.pow(self.stale.min(7)));
            self.stale += 1;
            if self.stale == REPORTED_STALE_CHUNKS {
                control.on_signal_error(STALE.to_owned());
            }
        } else if self.window.open(cut, rows) {
            self.stale = 0;
            self.open = Some((table, after));
            self.work = Some(work);
        }
    }

    fn finish(
        &mut self,
        state: &mut IncrementalState,
        place: &<CutOf<R> as Cut>::Place,
    ) -> Option<FinishedChunk<R>> {
        if self.open.is_some() && !self.has_window() {
            // given up because of a change of the table
            (self.open, self.work) = (None, None);
        }
        if !self.window.is_due(place) {
            return None;
        }
        let rows = self.window.take_rows();
        self.work = None;
        let (table, after) = self.open.take()?;
        let name = state.tables.front().map(|table| table.table.clone()).unwrap_or_default();
        let is_end = after.is_none();
        state.end_chunk(after, rows.len() as u64);
        self.is_changed = true;
        if is_end {
            tracing::info!(table = name, left = state.tables.len(), "incremental snapshot: table read");
        }
        if !state.is_active() {
            tracing::info!("incremental snapshot ended");
        }
        Some(FinishedChunk { table, rows })
    }

    /// Gives work to the reader, if it has none.
    fn request(&mut self, state: &IncrementalState, progress: &StreamProgress<'_, CutOf<R>>) {
        if self.work.is_some() || self.retry.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.retry = None;
        let Some(work) = state.next() else {
            // closes its connections
            self.task = None;
            return;
        };
        let task = self.task.get_or_insert_with(|| ReaderTask::start((self.new_reader)()));
        if matches!(work, Work::ReadChunk(_)) {
            self.streamed = Some((progress.streamed)());
            self.window.begin();
        }
        if task.request(work.clone(), self.max_rows) {
            self.work = Some(work);
        } else {
            self.give_up();
        }
    }

    /// Gives up what is being read. Its outcome does not matter any more.
    fn give_up(&mut self) {
        self.window.close();
        (self.task, self.work, self.outcome, self.open) = (None, None, None, None);
    }
}
