//! Where work runs whose cost is chosen by whoever asks: schemas are parsed, normalised, compared and listed on threads of
//! their own, and never on those that serve connections.
//!
//! - So many run at a time; of one caller one less, so that nobody has all of them.
//! - Others wait in a queue with a bound, and those behind it are refused as `Unavailable`.
//! - A request has a [`Budget`] of steps and a time. When either ends, or nobody waits for the answer any more (its future is
//!   dropped), the work ends at its next step, and whatever it found is thrown away.
//!
//! What is small is done at once: to hand it over would take longer.

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

/// Of how much input work is done at once: a fraction of a millisecond's, if it is linear.
const SMALL_BYTES: usize = 16 << 10;

/// How much schema work there may be at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputeLimits {
    /// Threads, and so jobs that run at a time; of one caller one less, but one at least.
    pub threads: usize,
    /// Jobs that wait for a thread; further ones are refused.
    pub waiting: usize,
    /// Of these, those of one caller.
    pub waiting_of_one: usize,
    /// How long a job waits, and how long it runs.
    pub time: Duration,
    /// Steps of one request.
    pub steps: u64,
}

impl Default for ComputeLimits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            threads: processors.clamp(2, 8),
            waiting: 256,
            waiting_of_one: 64,
            time: Duration::from_secs(30),
            steps: kulya_schema::MAX_REQUEST_STEPS,
        }
    }
}

tokio::task_local! {
    static CALLER: Arc<str>;
}

/// Runs a future on behalf of a caller, by whatever tells callers apart: what it asks of the registry counts as the caller's.
/// Without it nobody's work is bounded but by the whole.
pub async fn as_caller<F: Future>(caller: impl Into<Arc<str>>, future: F) -> F::Output {
    CALLER.scope(caller.into(), future).await
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads, and who waits for them. Clones share both.
#[derive(Clone)]
pub(crate) struct Compute(Arc<Shared>);

struct Shared {
    limits: ComputeLimits,
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    callers: Mutex<HashMap<Arc<str>, Weak<OfCaller>>>,
    /// To the threads, which are started by the first job and end with this.
    jobs: OnceLock<Sender<Job>>,
    /// Logs and counts the panics of jobs.
    supervisor: Supervisor,
}

struct OfCaller {
    running: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// One that waits, for as long as this lives.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// `None` when there are as many as may be.
    fn begin(count: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let waiting = Self(Arc::clone(count));
        // those that did not wait at all are counted for a moment, too
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to run one job, given back by the job's end and not by whoever waits for it.
struct Permits {
    _caller: Option<(Arc<OfCaller>, OwnedSemaphorePermit)>,
    _whole: OwnedSemaphorePermit,
}

impl Compute {
    pub(crate) fn new(limits: ComputeLimits) -> Self {
        let running = Arc::new(Semaphore::new(limits.threads.max(1)));
        let (waiting, callers, jobs) = (Arc::default(), Mutex::default(), OnceLock::new());
        let supervisor = Supervisor::default();
        Self(Arc::new(Shared { limits, running, waiting, callers, jobs, supervisor }))
    }

    /// The work of one request.
    pub(crate) fn work(&self) -> Work {
        Work { compute: self.clone(), budget: Budget::of(self.0.limits.steps) }
    }

    fn of_caller(&self) -> Option<Arc<OfCaller>> {
        let caller = CALLER.try_with(Arc::clone).ok()?;
        let mut callers = self.0.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callers.get(&caller).and_then(Weak::upgrade) {
            return Some(known);
        }
        callers.retain(|_, known| known.strong_count() > 0);
        let most = self.0.limits.threads.saturating_sub(1).max(1);
        let new = OfCaller { running: Arc::new(Semaphore::new(most)), waiting: Arc::default() };
        let new = Arc::new(new);
        callers.insert(caller, Arc::downgrade(&new));
        Some(new)
    }

    async fn permits(&self) -> RegistryResult<Permits> {
        let Shared { limits, running, waiting, .. } = &*self.0;
        let _in_all = Waiting::begin(waiting, limits.waiting + limits.threads)
            .ok_or_else(|| busy("too many requests wait for a schema to be parsed or compared"))?;
        let waits = async {
            let caller = match self.of_caller() {
                None => None,
                Some(caller) => {
                    let most = limits.waiting_of_one + limits.threads;
                    let _of_one = Waiting::begin(&caller.waiting, most).ok_or_else(|| {
                        busy("too many requests of this caller wait for a schema to be parsed or compared")
                    })?;
                    let permit = Arc::clone(&caller.running).acquire_owned().await.map_err(ended)?;
                    Some((caller, permit))
                }
            };
            let whole = Arc::clone(running).acquire_owned().await.map_err(ended)?;
            Ok(Permits { _caller: caller, _whole: whole })
        };
        timeout(limits.time, waits).await.unwrap_or_else(|_| {
            Err(busy(&format!("no thread became free for a schema within {} s", limits.time.as_secs())))
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
        jobs.send(job).map_err(ended)
    }
}

/// Starts the threads; they end when nobody can send jobs any more.
fn start(supervisor: &Supervisor, threads: usize) -> RegistryResult<Sender<Job>> {
    let (jobs, waiting) = mpsc::channel();
    let waiting: Arc<Mutex<Receiver<Job>>> = Arc::new(Mutex::new(waiting));
    for number in 0..threads {
        let waiting = Arc::clone(&waiting);
        let work = move || {
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = next else { return };
                job();
            }
        };
        let started = supervisor.thread(&format!("schemas {number}"), HealthStatus::Degraded, work);
        started.map_err(|error| busy("no thread can be started for a schema").because(error))?;
    }
    Ok(jobs)
}

fn busy(what: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::Unavailable, format!("{what}: try again later"))
}

fn ended<E>(_: E) -> RegistryError {
    busy("the registry ends")
}

/// The work of one request. When it is dropped, what still runs of it ends.
pub(crate) struct Work {
    compute: Compute,
    budget: Budget,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.budget.stop();
    }
}

impl Work {
    /// What is left.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Runs a job whose input has so many bytes, and which takes time by these and no more.
    pub(crate) async fn linear<T: Send + 'static>(
        &self,
        bytes: usize,
        job: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> RegistryResult<T> {
        if bytes <= SMALL_BYTES {
            return Ok(job(&self.budget));
        }
        self.run(job).await
    }

    /// Runs a job on a thread of its own.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> RegistryResult<T> {
        let permits = self.compute.permits().await?;
        let budget = self.budget.clone();
        let (answer, answered) = oneshot::channel();
        let component = self.compute.0.supervisor.component("work on schemas");
        self.compute.send(Box::new(move || {
            let done = component.catch(|| job(&budget));
            drop(permits);
            // whoever asked may be gone
            let _ = answer.send(done);
        }))?;
        let time = self.compute.0.limits.time;
        match timeout(time, answered).await {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(_) => {
                let what = "the work on a schema failed: what happened stands in the log";
                Err(RegistryError::new(RegistryErrorKind::Failed, what))
            }
            Err(_) => {
                self.budget.stop();
                let what = format!(
                    "the schema was not judged within {} s: make it simpler or judge it against fewer versions, or try \
                     again when the server has less to do",
                    time.as_secs()
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

    fn compute(threads: usize, waiting: usize, waiting_of_one: usize) -> Compute {
        let time = Duration::from_secs(600);
        Compute::new(ComputeLimits { threads, waiting, waiting_of_one, time, steps: 1_000 })
    }

    /// A job that runs until its budget is stopped.
    fn endless(begun: Arc<Barrier>, ended: Sender<()>) -> impl FnOnce(&Budget) + Send + 'static {
        move |budget: &Budget| {
            begun.wait();
            while !budget.is_stopped() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
        }
    }

    #[tokio::test]
    async fn work_ends_when_nobody_waits_for_it() {
        let compute = compute(2, 10, 10);
        let (begun, (ended, is_over)) = (Arc::new(Barrier::new(2)), mpsc::channel());
        let (job, other) = (endless(Arc::clone(&begun), ended), compute.clone());
        let asking = tokio::spawn(async move { other.work().run(job).await });
        tokio::task::spawn_blocking(move || begun.wait()).await.unwrap();
        asking.abort();
        tokio::task::spawn_blocking(move || is_over.recv()).await.unwrap().unwrap();
        // and its thread is free again
        for _ in 0..5 {
            assert_eq!(compute.work().run(|_| 1).await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn one_caller_has_never_all_threads() {
        let compute = compute(2, 10, 1);
        let (begun, (ended, _is_over)) = (Arc::new(Barrier::new(2)), mpsc::channel());
        let job = endless(Arc::clone(&begun), ended);
        let of = |name: &'static str| {
            let compute = compute.clone();
            as_caller(name, async move { compute.work().run(|_| ()).await })
        };
        let other = compute.clone();
        let first = tokio::spawn(as_caller("a", async move { other.work().run(job).await }));
        tokio::task::spawn_blocking(move || begun.wait()).await.unwrap();
        // as many of the same caller as may wait do, and the next is refused; others pass
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(of("a"))).collect();
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        let refused = of("a").await.unwrap_err();
        assert_eq!(refused.kind(), RegistryErrorKind::Unavailable);
        assert!(refused.to_string().contains("of this caller"), "{refused}");
        of("b").await.unwrap();
        compute.work().run(|_| ()).await.unwrap();
        first.abort();
        for one in waiting {
            one.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_job_that_panics_or_takes_too_long_is_an_error() {
        let compute = compute(1, 0, 10);
        let failed = compute.work().run(|_| panic!("on purpose")).await;
        assert_eq!(failed.unwrap_err().kind(), RegistryErrorKind::Failed);
        let slow = Compute::new(ComputeLimits { time: Duration::ZERO, ..compute.0.limits.clone() });
        let (begun, (ended, is_over)) = (Arc::new(Barrier::new(1)), mpsc::channel());
        let late = slow.work().run(endless(begun, ended)).await.unwrap_err();
        assert_eq!(late.kind(), RegistryErrorKind::Unavailable);
        tokio::task::spawn_blocking(move || is_over.recv()).await.unwrap().unwrap();
        // what is small is done at once
        assert_eq!(compute.work().linear(10, |budget| budget.left()).await.unwrap(), 1_000);
    }
}
