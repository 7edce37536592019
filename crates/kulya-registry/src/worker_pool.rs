//! The threads that parse, canonicalise, compare and list schemas. The cost of such work is chosen by the
//! caller, so it never runs on the threads that serve connections.
//!
//! - At most as many jobs run as there are threads; of one caller one fewer, so that no caller can occupy all
//!   threads.
//! - Further jobs wait in a queue of bounded length; beyond that, requests are rejected as `Unavailable`.
//! - A request has a [`Budget`] of steps and a timeout. When either is exhausted, or the request is cancelled
//!   (its future is dropped), the job stops at its next step and its result is discarded.
//!
//! Small jobs run inline: handing them over would take longer than running them.

use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_schema::Budget;
use kulya_store::HealthStatus;
use kulya_store::supervision::Supervisor;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

/// Up to this size of the input, in bytes, a linear job runs inline: it takes a fraction of a millisecond.
const INLINE_BYTES: usize = 16 << 10;

/// The limits of the threads that parse and compare schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerPoolLimits {
    /// The number of threads, which is the number of jobs that run at a time; of one caller one fewer, but at
    /// least one.
    pub threads: usize,
    /// The number of jobs that wait for a thread; further ones are rejected.
    pub max_queued: usize,
    /// The number of waiting jobs of one caller.
    pub max_queued_per_caller: usize,
    /// How long a job waits, and how long it runs.
    pub timeout: Duration,
    /// The budget of one request, in steps.
    pub max_steps: u64,
}

impl Default for WorkerPoolLimits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            threads: processors.clamp(2, 8),
            max_queued: 256,
            max_queued_per_caller: 64,
            timeout: Duration::from_secs(30),
            max_steps: kulya_schema::MAX_REQUEST_STEPS,
        }
    }
}

tokio::task_local! {
    static CALLER: Arc<str>;
}

/// Runs a future on behalf of a caller: its jobs count against the caller's limits. Without a caller only the
/// limits of the pool apply.
pub async fn with_caller<F: Future>(caller: impl Into<Arc<str>>, future: F) -> F::Output {
    CALLER.scope(caller.into(), future).await
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads and the queue of jobs. Clones share both.
#[derive(Clone)]
pub(crate) struct WorkerPool(Arc<Shared>);

struct Shared {
    limits: WorkerPoolLimits,
    running: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
    callers: Mutex<HashMap<Arc<str>, Weak<CallerState>>>,
    /// The channel to the threads. The first job starts them; they stop when this is dropped.
    jobs: OnceLock<Sender<Job>>,
    /// Logs and counts the panics of jobs.
    supervisor: Supervisor,
}

struct CallerState {
    running: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
}

/// A place in the queue; dropping it frees the place.
struct QueueSlot(Arc<AtomicUsize>);

impl QueueSlot {
    /// Returns `None` when the queue is full.
    fn acquire(count: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let slot = Self(Arc::clone(count));
        // jobs that find a thread at once are also counted, for a moment
        (count.fetch_add(1, Ordering::Relaxed) < max).then_some(slot)
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The permits of one running job. The job's end releases them, even when the request was cancelled before.
struct Permits {
    _caller: Option<(Arc<CallerState>, OwnedSemaphorePermit)>,
    _pool: OwnedSemaphorePermit,
}

impl WorkerPool {
    pub(crate) fn new(limits: WorkerPoolLimits) -> Self {
        let running = Arc::new(Semaphore::new(limits.threads.max(1)));
        let (queued, callers, jobs) = (Arc::default(), Mutex::default(), OnceLock::new());
        let supervisor = Supervisor::default();
        Self(Arc::new(Shared { limits, running, queued, callers, jobs, supervisor }))
    }

    /// Creates the runner of one request, with a budget of its own.
    pub(crate) fn runner(&self) -> JobRunner {
        JobRunner { pool: self.clone(), budget: Budget::with_steps(self.0.limits.max_steps) }
    }

    fn caller_state(&self) -> Option<Arc<CallerState>> {
        let caller = CALLER.try_with(Arc::clone).ok()?;
        let mut callers = self.0.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = callers.get(&caller).and_then(Weak::upgrade) {
            return Some(state);
        }
        callers.retain(|_, state| state.strong_count() > 0);
        let max_running = self.0.limits.threads.saturating_sub(1).max(1);
        let state =
            Arc::new(CallerState { running: Arc::new(Semaphore::new(max_running)), queued: Arc::default() });
        callers.insert(caller, Arc::downgrade(&state));
        Some(state)
    }

    async fn permits(&self) -> RegistryResult<Permits> {
        let Shared { limits, running, queued, .. } = &*self.0;
        let _pool_slot = QueueSlot::acquire(queued, limits.max_queued + limits.threads)
            .ok_or_else(|| unavailable("too many requests wait for a schema to be parsed or compared"))?;
        let acquire = async {
            let caller = match self.caller_state() {
                None => None,
                Some(caller) => {
                    let max = limits.max_queued_per_caller + limits.threads;
                    let _caller_slot = QueueSlot::acquire(&caller.queued, max).ok_or_else(|| {
                        unavailable(
                            "too many requests of this caller wait for a schema to be parsed or compared",
                        )
                    })?;
                    let permit = Arc::clone(&caller.running).acquire_owned().await.map_err(stopped)?;
                    Some((caller, permit))
                }
            };
            let pool = Arc::clone(running).acquire_owned().await.map_err(stopped)?;
            Ok(Permits { _caller: caller, _pool: pool })
        };
        timeout(limits.timeout, acquire).await.unwrap_or_else(|_| {
            let seconds = limits.timeout.as_secs();
            Err(unavailable(&format!("no thread became free for a schema within {seconds} s")))
        })
    }

    fn send(&self, job: Job) -> RegistryResult<()> {
        let jobs = match self.0.jobs.get() {
            Some(jobs) => jobs,
            None => {
                let started = start(&self.0.supervisor, self.0.limits.threads.max(1))?;
                self.0.jobs.get_or_init(|| started)
            }
        };
        jobs.send(job).map_err(stopped)
    }
}

/// Starts the threads; they stop when all senders of jobs are dropped.
fn start(supervisor: &Supervisor, threads: usize) -> RegistryResult<Sender<Job>> {
    let (jobs, queue) = mpsc::channel();
    let queue: Arc<Mutex<Receiver<Job>>> = Arc::new(Mutex::new(queue));
    for number in 0..threads {
        let queue = Arc::clone(&queue);
        let work = move || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = next else { return };
                job();
            }
        };
        let started = supervisor.spawn_thread(&format!("schemas {number}"), HealthStatus::Degraded, work);
        started.map_err(|error| unavailable("no thread can be started for a schema").because(error))?;
    }
    Ok(jobs)
}

fn unavailable(what: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::Unavailable, format!("{what}: try again later"))
}

fn stopped<E>(_: E) -> RegistryError {
    unavailable("the registry is shutting down")
}

/// Runs the jobs of one request within its budget. Dropping it stops the job that still runs.
pub(crate) struct JobRunner {
    pool: WorkerPool,
    budget: Budget,
}

impl Drop for JobRunner {
    fn drop(&mut self) {
        self.budget.cancel();
    }
}

impl JobRunner {
    /// Returns the remaining budget.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Runs a job whose time is linear in the `bytes` of its input: inline up to [`INLINE_BYTES`], else as
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub(crate) async fn run_linear<T: Send + 'static>(
        &self,
        bytes: usize,
        job: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> RegistryResult<T> {
        if bytes <= INLINE_BYTES {
            return Ok(job(&self.budget));
        }
        self.run(job).await
    }

    /// Runs a job on a thread of the pool.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full or the job does not finish in time, `Failed` when it panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> RegistryResult<T> {
        let permits = self.pool.permits().await?;
        let budget = self.budget.clone();
        let (sender, receiver) = oneshot::channel();
        let component = self.pool.0.supervisor.component("work on schemas");
        self.pool.send(Box::new(move || {
            let result = component.catch(|| job(&budget));
            drop(permits);
            // the request may have been cancelled
            let _ = sender.send(result);
        }))?;
        let limit = self.pool.0.limits.timeout;
        match timeout(limit, receiver).await {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(_) => {
                let what = "the work on a schema panicked: see the log";
                Err(RegistryError::new(RegistryErrorKind::Failed, what))
            }
            Err(_) => {
                self.budget.cancel();
                let what = format!(
                    "the schema was not checked within {} s: simplify it, check it against fewer versions, or try again \
                     when the server is less busy",
                    limit.as_secs()
                );
                Err(RegistryError::new(RegistryErrorKind::Unavailable, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn pool(threads: usize, max_queued: usize, max_queued_per_caller: usize) -> WorkerPool {
        let (timeout, max_steps) = (Duration::from_secs(600), 1_000);
        WorkerPool::new(WorkerPoolLimits { threads, max_queued, max_queued_per_caller, timeout, max_steps })
    }

    /// A job that runs until its budget is stopped.
    fn endless(started: Arc<Barrier>, stopped: Sender<()>) -> impl FnOnce(&Budget) + Send + 'static {
        move |budget: &Budget| {
            started.wait();
            while !budget.is_cancelled() {
                std::thread::yield_now();
            }
            stopped.send(()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_job_stops_when_its_request_is_cancelled() {
        let pool = pool(2, 10, 10);
        let (started, (stopped, has_stopped)) = (Arc::new(Barrier::new(2)), mpsc::channel());
        let (job, other) = (endless(Arc::clone(&started), stopped), pool.clone());
        let request = tokio::spawn(async move { other.runner().run(job).await });
        tokio::task::spawn_blocking(move || started.wait()).await.unwrap();
        request.abort();
        tokio::task::spawn_blocking(move || has_stopped.recv()).await.unwrap().unwrap();
        // the thread is free again
        for _ in 0..5 {
            assert_eq!(pool.runner().run(|_| 1).await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn one_caller_never_occupies_all_threads() {
        let pool = pool(2, 10, 1);
        let (started, (stopped, _has_stopped)) = (Arc::new(Barrier::new(2)), mpsc::channel());
        let job = endless(Arc::clone(&started), stopped);
        let run_for = |name: &'static str| {
            let pool = pool.clone();
            with_caller(name, async move { pool.runner().run(|_| ()).await })
        };
        let other = pool.clone();
        let first = tokio::spawn(with_caller("a", async move { other.runner().run(job).await }));
        tokio::task::spawn_blocking(move || started.wait()).await.unwrap();
        // the caller's queue fills up and its next job is rejected; jobs of others run
        let mut queued: Vec<_> = (0..3).map(|_| Box::pin(run_for("a"))).collect();
        for one in &mut queued {
            assert!(futures::poll!(one).is_pending());
        }
        let rejected = run_for("a").await.unwrap_err();
        assert_eq!(rejected.kind(), RegistryErrorKind::Unavailable);
        assert!(rejected.to_string().contains("of this caller"), "{rejected}");
        run_for("b").await.unwrap();
        pool.runner().run(|_| ()).await.unwrap();
        first.abort();
        for one in queued {
            one.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_or_takes_too_long_is_an_error() {
        let pool = pool(1, 0, 10);
        let failed = pool.runner().run(|_| panic!("on purpose")).await;
        assert_eq!(failed.unwrap_err().kind(), RegistryErrorKind::Failed);
        let slow = WorkerPool::new(WorkerPoolLimits { timeout: Duration::ZERO, ..pool.0.limits.clone() });
        let (started, (stopped, has_stopped)) = (Arc::new(Barrier::new(1)), mpsc::channel());
        let late = slow.runner().run(endless(started, stopped)).await.unwrap_err();
        assert_eq!(late.kind(), RegistryErrorKind::Unavailable);
        tokio::task::spawn_blocking(move || has_stopped.recv()).await.unwrap().unwrap();
        // small jobs run inline
        assert_eq!(pool.runner().run_linear(10, |budget| budget.remaining_steps()).await.unwrap(), 1_000);
    }
}
