//! The live queries of a process: those of one store, each in a task of its own, which stops and goes on as
//! statements say.
//! module circle: a session shows and changes the live queries of its process, each of which is planned by a
//! session of its own.

use super::driver::{Planned, RunEnd, Running, prepare, run};
use super::log::{StateLog, shown};
use super::record::{QueryKind, Record, Records, Stored};
use super::status::{LiveState, LiveStatus};
use crate::catalog::CatalogBackend;
use crate::engine::QueryEngine;
use crate::session::Session;
use crate::{QueryLimits, SqlError, SqlErrorKind, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{HealthStatus, StreamCut};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// The pause before a query is tried again whose store does not respond.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// How often a store without live queries is asked for the first one.
const FIRST_QUERY_INTERVAL: Duration = Duration::from_secs(1);

/// How live queries are run.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    /// The limits of the queries, of which the threads that compute are one.
    pub limits: QueryLimits,
    /// The largest state of one query in memory, in bytes: one that exceeds it stops with an error.
    pub state_bytes: usize,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { limits: QueryLimits::default(), state_bytes: 1 << 30 }
    }
}

/// Runs the live queries of a store, as long as it is not dropped. Clones are the same.
#[derive(Clone)]
pub struct LiveRunner(Arc<Inner>);

struct Inner {
    catalog: String,
    backend: CatalogBackend,
    records: Records,
    settings: LiveSettings,
    /// Started by the first query.
    engine: OnceLock<Arc<QueryEngine>>,
    supervisor: Supervisor,
    queries: Mutex<BTreeMap<u64, Query>>,
    /// Held while the queries are compared with the store.
    refreshes: tokio::sync::Mutex<()>,
}

/// A query of this process.
struct Query {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    id: u64,
    running: Running,
    stop: watch::Sender<bool>,
    /// A statement has changed the record.
    changed: Notify,
    /// The number of the last run of this process.
    runs: AtomicU64,
}

impl Shared {
    /// Wakes the query if its record says that it is to pause or to go on.
    fn look_at(&self, record: &Record) {
        let wakes = match self.running.status().state {
            LiveState::Starting | LiveState::Running => record.is_paused,
            LiveState::Retrying => false,
            LiveState::Paused => !record.is_paused,
            // one that another process has taken over stays stopped
            LiveState::Stopped => record.error.is_none() && record.runs == self.runs.load(Ordering::Relaxed),
        };
        if wakes {
            if !record.is_paused {
                self.running.set_state(LiveState::Starting, None);
            }
            self.changed.notify_one();
        }
    }
}

impl LiveRunner {
    /// Starts the live queries of a store; `catalog` is the name of its catalog, which the statements of the
    /// queries have.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn start(
        catalog: &str,
        backend: CatalogBackend,
        settings: LiveSettings,
        supervisor: Supervisor,
    ) -> SqlResult<Self> {
        let runner = Self(Arc::new(Inner {
            catalog: catalog.to_owned(),
            records: Records::new(Arc::clone(&backend.store)),
            backend,
            settings,
            engine: OnceLock::new(),
            supervisor,
            queries: Mutex::default(),
            refreshes: tokio::sync::Mutex::new(()),
        }));
        runner.refresh().await?;
        Ok(runner)
    }

    /// Starts queries that were created and stops those that were dropped, as statements of other processes
    /// change them, until the future is dropped.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn follow(&self) -> SqlResult<()> {
        let records = &self.0.records;
        loop {
            let Some(position) = records.notified().await? else {
                // a server creates nothing in a store without live queries, so there is nothing to wait for
                tokio::time::sleep(FIRST_QUERY_INTERVAL).await;
                continue;
            };
            self.refresh().await?;
            for (segment, offset) in position.offsets() {
                records.store.wait_for_data(&segment, offset).await?;
            }
        }
    }

    /// Starts queries that were created, and stops those that were dropped.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn refresh(&self) -> SqlResult<()> {
        let _one = self.0.refreshes.lock().await;
        let stored = self.0.records.list().await?;
        let mut removed = Vec::new();
        {
            let mut queries = self.0.lock();
            let gone: Vec<u64> =
                queries.keys().copied().filter(|id| !stored.iter().any(|it| it.id == *id)).collect();
            removed.extend(gone.iter().filter_map(|id| queries.remove(id)));
            for Stored { id, record, .. } in &stored {
                match queries.get(id) {
                    Some(query) => query.shared.look_at(record),
                    None => {
                        queries.insert(*id, self.spawn(*id, &shown(record))?);
                    }
                }
            }
        }
        for Query { shared, task } in removed {
            shared.stop.send_replace(true);
            // its commit fails, as its record is gone
            let _ = task.await;
        }
        Ok(())
    }

    fn spawn(&self, id: u64, name: &str) -> SqlResult<Query> {
        let engine = self.0.engine()?;
        let shared = Arc::new(Shared {
            id,
            running: Running::default(),
            stop: watch::Sender::new(false),
            changed: Notify::new(),
            runs: AtomicU64::new(0),
        });
        shared.running.change(|status| (status.id, status.name) = (id, name.to_owned()));
        let component = self.0.supervisor.component(format!("live.{id}"));
        let (weak, of_task) = (Arc::downgrade(&self.0), Arc::clone(&shared));
        let task = move || {
            let (weak, shared, component) = (weak.clone(), Arc::clone(&of_task), component.clone());
            async move {
                let Some(inner) = weak.upgrade() else { return };
                let Ok(engine) = inner.engine() else { return };
                let parts = Parts {
                    catalog: inner.catalog.clone(),
                    backend: inner.backend.clone(),
                    records: inner.records.clone(),
                    state_bytes: inner.settings.state_bytes,
                    engine,
                };
                drop(inner);
                parts.run_until_stopped(&shared, &component).await;
            }
        };
        let task = engine.enter(|| self.0.supervisor.spawn_restarting(format!("live.{id}.task"), task));
        Ok(Query { shared, task })
    }

    /// Stops all queries after a last commit of their state, from which the next process goes on.
    pub async fn stop(&self) {
        let queries = std::mem::take(&mut *self.0.lock());
        for query in queries.values() {
            query.shared.stop.send_replace(true);
        }
        for Query { task, .. } in queries.into_values() {
            let _ = task.await;
        }
    }

    /// Returns the status of each query, by number.
    pub fn statuses(&self) -> Vec<LiveStatus> {
        self.0.lock().values().map(|query| query.shared.running.status()).collect()
    }

    /// Returns the status of a query; `None` if this process does not run it.
    pub(crate) fn status(&self, id: u64) -> Option<LiveStatus> {
        self.0.lock().get(&id).map(|query| query.shared.running.status())
    }

    /// Returns the rows of a view that has read its tables up to these cuts.
    ///
    /// # Errors
    /// The error of a view that has stopped; `Unavailable` for one that is paused.
    pub(crate) async fn rows(
        &self,
        id: u64,
        cuts: &[StreamCut],
    ) -> SqlResult<Option<(SchemaRef, Vec<RecordBatch>)>> {
        let Some(shared) = self.0.lock().get(&id).map(|query| Arc::clone(&query.shared)) else {
            return Ok(None);
        };
        loop {
            shared.running.reached(cuts).await;
            if let Some(rows) = shared.running.rows().await? {
                return Ok(Some(rows));
            }
            let LiveStatus { name, state, error, .. } = shared.running.status();
            match (state, error) {
                (LiveState::Stopped, Some(error)) => {
                    let what = format!("{name} stopped: {error}");
                    return Err(SqlError::new(SqlErrorKind::Failed, what));
                }
                (LiveState::Paused, _) => {
                    let what = format!("{name} is paused: resume it to read its rows");
                    return Err(SqlError::new(SqlErrorKind::Unavailable, what));
                }
                // it starts, or is between two states
                _ => tokio::task::yield_now().await,
            }
        }
    }
}

/// Without a last commit: the next process goes on from the one before.
impl Drop for Inner {
    fn drop(&mut self) {
        self.lock().values().for_each(|query| query.task.abort());
    }
}

impl Inner {
    fn engine(&self) -> SqlResult<Arc<QueryEngine>> {
        if let Some(engine) = self.engine.get() {
            return Ok(Arc::clone(engine));
        }
        let engine = Arc::new(QueryEngine::new(self.settings.limits.clone())?);
        Ok(Arc::clone(self.engine.get_or_init(|| engine)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Query>> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task of a query needs of the runner, which it does not keep alive.
struct Parts {
    catalog: String,
    backend: CatalogBackend,
    records: Records,
    state_bytes: usize,
    engine: Arc<QueryEngine>,
}

impl Parts {
    async fn run_until_stopped(&self, shared: &Shared, component: &Component) {
        let mut stop = shared.stop.subscribe();
        loop {
            shared.running.set_state(LiveState::Starting, None);
            let ended = self.run_once(shared, &mut stop).await;
            shared.running.clear().await;
            let (state, error) = match ended {
                Ok(RunEnd::Stopped | RunEnd::Dropped) => return,
                Ok(RunEnd::Paused) => (LiveState::Paused, None),
                Err(error) if *stop.borrow() => {
                    shared.running.set_state(LiveState::Stopped, Some(error.to_string()));
                    return;
                }
                Err(error) if error.kind() == SqlErrorKind::Unavailable => {
                    (LiveState::Retrying, Some(error.to_string()))
                }
                Err(error) => (LiveState::Stopped, Some(error.to_string())),
            };
            match &error {
                Some(error) => component.set(HealthStatus::Degraded, format!("{error}; {}", state.as_str())),
                None => component.set_healthy(),
            }
            let (is_retried, is_paused) = (state == LiveState::Retrying, state == LiveState::Paused);
            shared.running.set_state(state, error);
            // it may have been resumed before it had paused
            if is_paused && !matches!(self.records.get(shared.id).await, Ok(Some(it)) if it.record.is_paused)
            {
                continue;
            }
            tokio::select! {
                () = shared.changed.notified() => {}
                () = tokio::time::sleep(RETRY_PAUSE), if is_retried => {}
                _ = stop.changed() => return,
            }
            component.set_healthy();
        }
    }

    async fn run_once(&self, shared: &Shared, stop: &mut watch::Receiver<bool>) -> SqlResult<RunEnd> {
        match self.records.get(shared.id).await? {
            None => return Ok(RunEnd::Dropped),
            Some(stored) if stored.record.is_paused => return Ok(RunEnd::Paused),
            Some(_) => {}
        }
        let Some(mut log) = StateLog::take_over(&self.records, shared.id).await? else {
            return Ok(RunEnd::Dropped);
        };
        shared.runs.store(log.record().runs, Ordering::Relaxed);
        let planned = self.plan(log.record()).await;
        let ended = match planned {
            Ok(planned) => {
                let signals = (stop, &shared.changed);
                let own = log.record().state_bytes.and_then(|bytes| usize::try_from(bytes).ok());
                run(&shared.running, &mut log, planned, own.unwrap_or(self.state_bytes), signals).await
            }
            Err(error) => Err(error),
        };
        match ended {
            Err(error) if error.kind() == SqlErrorKind::UnknownTable && self.is_dropped(shared.id).await => {
                Ok(RunEnd::Dropped)
            }
            Err(error) if error.kind() != SqlErrorKind::Unavailable => {
                // for other processes; whether it is stored changes nothing here
                let _ = log.stop(&error.to_string()).await;
                Err(error)
            }
            ended => ended,
        }
    }

    async fn is_dropped(&self, id: u64) -> bool {
        matches!(self.records.get(id).await, Ok(None))
    }

    async fn plan(&self, record: &Record) -> SqlResult<Planned> {
        let session = Session::new(&self.catalog, self.backend.clone()).await?;
        let mut session = session.with_engine(Arc::clone(&self.engine));
        session.use_stored(&self.catalog, &record.database);
        let (plan, sink) = match record.kind {
            QueryKind::View => (session.plan_stored_view(&record.statement, &record.name).await?, None),
            QueryKind::Job => {
                let (plan, sink) = session.plan_stored_job(&record.statement).await?;
                (plan, Some(sink))
            }
        };
        let fingerprint = plan.fingerprint.clone();
        let inputs = prepare(&self.backend.store, plan, record.kind == QueryKind::View)?;
        Ok(Planned { inputs, fingerprint, sink })
    }
}
