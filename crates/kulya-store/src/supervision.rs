//! Background tasks and threads, under supervision: a panic in one is logged with the task's name and the panic's
//! message, is counted, and either restarts the task after a pause or leaves a component in a named unhealthy state.
//! Nothing of the program runs in the background but through here ([`Supervisor::spawn`], [`Supervisor::spawn_restarting`],
//! [`Supervisor::thread`], [`spawn_logged`]); `cargo xtask tidy` refuses the other ways.
//!
//! A [`Supervisor`] belongs to one store or one server, and its [`health`](Supervisor::health) is a part of theirs.
//!
//! ```
//! use kulya_store::supervision::Supervisor;
//! use kulya_store::HealthStatus;
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let supervisor = Supervisor::default();
//! let task = supervisor.spawn("commits", HealthStatus::Failed, async { panic!("of a bug") });
//! assert_eq!(task.await.unwrap(), None::<()>);
//! let health = supervisor.health();
//! let reason = health.component("commits").unwrap().reason.clone().unwrap();
//! assert_eq!(reason, "panicked: of a bug");
//! # });
//! ```

use crate::{ComponentHealth, Health, HealthStatus};
use futures::FutureExt;
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// The pause before the first restart of a task, doubled for each that follows soon.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer, and a task that ran so long is believed again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Every panic of this process that went through here or through the hook.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The task that runs on this thread now.
    static RUNNING: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The components of one store or one server. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Supervisor(Arc<Mutex<BTreeMap<Arc<str>, State>>>);

#[derive(Debug, Default)]
struct State {
    status: HealthStatus,
    reason: Option<String>,
    counters: BTreeMap<&'static str, u64>,
}

/// One component of a [`Supervisor`]: what it says of itself. Clones are the same.
#[derive(Debug, Clone)]
pub struct Component {
    name: Arc<str>,
    supervisor: Supervisor,
}

impl Supervisor {
    /// The component of this name, which is healthy when it is new.
    pub fn component(&self, name: impl Into<Arc<str>>) -> Component {
        let name = name.into();
        self.lock().entry(Arc::clone(&name)).or_default();
        Component { name, supervisor: self.clone() }
    }

    /// What all components say.
    pub fn health(&self) -> Health {
        let component = |(name, state): (&Arc<str>, &State)| ComponentHealth {
            name: name.as_ref().to_owned(),
            status: state.status,
            reason: state.reason.clone(),
            counters: state.counters.iter().map(|(name, count)| (*name, *count)).collect(),
        };
        Health { components: self.lock().iter().map(component).collect() }
    }

    /// Runs a task in the background, once. After a panic its component has the status `then`, for good, and the handle
    /// gives `None`.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        then: HealthStatus,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        let component = self.component(name);
        tokio::spawn(async move {
            match component.catch_async(task).await {
                Ok(done) => Some(done),
                Err(message) => {
                    component.set(then, &message);
                    tracing::error!("{}: {message}; it does not run any more", component.name);
                    None
                }
            }
        })
    }

    /// Runs a task in the background, and runs it again, after a pause, whenever it panics. Meanwhile, and until it has run
    /// for a minute since, its component is degraded. A task that ends in order is not run again.
    pub fn spawn_restarting<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        mut task: impl FnMut() -> F + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let component = self.component(name);
        tokio::spawn(async move {
            let (mut pause, mut was_restarted) = (FIRST_PAUSE, false);
            loop {
                let mut running = std::pin::pin!(component.catch_async(task()));
                let early = tokio::time::timeout(LONGEST_PAUSE, &mut running).await;
                let ended = match early {
                    Ok(ended) => ended,
                    Err(_) => {
                        if std::mem::take(&mut was_restarted) {
                            component.set_healthy();
                        }
                        pause = FIRST_PAUSE;
                        running.await
                    }
                };
                let Err(message) = ended else { return };
                was_restarted = true;
                component.set(HealthStatus::Degraded, &message);
                component.count("restarts", 1);
                tracing::error!("{}: {message}; it runs again in {pause:?}", component.name);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        })
    }

    /// Runs work on a thread of its own, which has the component's name. After a panic the component has the status `then`,
    /// for good. There is no runtime on the thread: work on it must not depend on one.
    ///
    /// # Errors
    /// The system has no room for another thread.
    pub fn thread(
        &self,
        name: &str,
        then: HealthStatus,
        mut work: impl FnMut() + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let component = self.component(name);
        std::thread::Builder::new().name(format!("kulya {name}")).spawn(move || {
            // the work's own values live on until the component says what happened: who notices their end can read it
            if let Err(message) = component.catch(&mut work) {
                component.set(then, &message);
                tracing::error!("{}: {message}; it does not run any more", component.name);
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It does not do its work as it should, for this reason.
    pub fn set(&self, status: HealthStatus, reason: impl Into<String>) {
        let reason = reason.into();
        self.change(|state| (state.status, state.reason) = (status, Some(reason)));
    }

    /// It does its work (again).
    pub fn set_healthy(&self) {
        self.change(|state| (state.status, state.reason) = (HealthStatus::Healthy, None));
    }

    /// Its status now.
    pub fn status(&self) -> HealthStatus {
        self.change(|state| state.status)
    }

    /// Why it is not healthy.
    pub fn reason(&self) -> Option<String> {
        self.change(|state| state.reason.clone())
    }

    /// Adds to one of its counters.
    pub fn count(&self, counter: &'static str, more: u64) {
        self.change(|state| *state.counters.entry(counter).or_default() += more);
    }

    /// Does something; a panic in it is logged and counted, and its message is the error.
    ///
    /// # Errors
    /// `panicked: ` and the message. What the work was changing may be half changed.
    pub fn catch<T>(&self, work: impl FnOnce() -> T) -> Result<T, String> {
        let running = Running::begin(&self.name);
        let done = catch_unwind(AssertUnwindSafe(work));
        drop(running);
        done.map_err(|payload| self.panicked(&*payload))
    }

    async fn catch_async<T>(&self, task: impl Future<Output = T>) -> Result<T, String> {
        let named = Named { name: Arc::clone(&self.name), task: Box::pin(task) };
        AssertUnwindSafe(named).catch_unwind().await.map_err(|payload| self.panicked(&*payload))
    }

    fn panicked(&self, payload: &(dyn Any + Send)) -> String {
        self.count("panics", 1);
        format!("panicked: {}", message(payload))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(self.supervisor.lock().entry(Arc::clone(&self.name)).or_default())
    }
}

/// Runs a task in the background on which nothing but itself depends, such as one connection: a panic is logged and
/// counted, and ends it alone.
pub fn spawn_logged<T: Send + 'static>(
    name: impl Into<Arc<str>>,
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<Option<T>> {
    let name = name.into();
    tokio::spawn(logged(name, task))
}

/// The same for a task of a set: `None` after a panic.
pub async fn logged<T>(name: impl Into<Arc<str>>, task: impl Future<Output = T>) -> Option<T> {
    let name = name.into();
    let named = Named { name: Arc::clone(&name), task: Box::pin(task) };
    match AssertUnwindSafe(named).catch_unwind().await {
        Ok(done) => Some(done),
        Err(payload) => {
            tracing::error!("{name}: panicked: {}", message(&*payload));
            None
        }
    }
}

/// How many panics there were in this process, since [`install_panic_hook`].
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Has every panic of the process counted and logged as an error, with the task's name, the thread's name, the place in
/// the source and the message, in place of the standard library's lines. For a program's beginning.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let task = RUNNING.try_with(|running| running.try_borrow().ok()?.clone()).ok().flatten();
        let task = task.as_deref().unwrap_or("none");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = message(info.payload());
        tracing::error!("panic in task {task}, thread {thread}, at {place}: {message}");
    }));
}

/// What a panic says, on one line.
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").replace('\n', " ")
}

/// A task that has a name while it runs.
struct Named<F> {
    name: Arc<str>,
    task: Pin<Box<F>>,
}

impl<F: Future> Future for Named<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _running = Running::begin(&self.name);
        self.task.as_mut().poll(context)
    }
}

/// While it lives, this thread runs a task of this name; then the one of before.
struct Running(Option<Arc<str>>);

impl Running {
    fn begin(name: &Arc<str>) -> Self {
        Self(RUNNING.replace(Some(Arc::clone(name))))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_run_again_and_believed_after_a_while() {
        let supervisor = Supervisor::default();
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let (done, ended) = tokio::sync::watch::channel(false);
        let task = supervisor.spawn_restarting("feed", move || {
            let (counted, mut ended) = (Arc::clone(&counted), ended.clone());
            async move {
                assert!(counted.fetch_add(1, Ordering::SeqCst) >= 3, "not yet");
                let _ = ended.wait_for(|done| *done).await;
            }
        });
        let status = || supervisor.health().component("feed").cloned().unwrap_or_default();
        // the clock is the test's: it goes on when nothing else can
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(status().status, HealthStatus::Degraded);
        assert_eq!(status().reason.as_deref(), Some("panicked: not yet"));
        // 1 s, 2 s and 4 s
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!((runs.load(Ordering::SeqCst), status().status), (4, HealthStatus::Degraded));
        tokio::time::sleep(LONGEST_PAUSE).await;
        assert_eq!(status().status, HealthStatus::Healthy);
        assert_eq!(status().counters, [("panics", 3), ("restarts", 3)]);
        done.send_replace(true);
        task.await.unwrap();
    }

    #[test]
    fn a_thread_that_panics_leaves_its_name_and_its_reason() {
        let supervisor = Supervisor::default();
        let thread = supervisor.thread("commits", HealthStatus::Failed, || panic!("{} is wrong", 7)).unwrap();
        thread.join().unwrap();
        let health = supervisor.health();
        let component = health.worst().unwrap();
        assert_eq!((component.name.as_str(), component.status), ("commits", HealthStatus::Failed));
        assert_eq!(component.reason.as_deref(), Some("panicked: 7 is wrong"));
    }

    #[tokio::test]
    async fn one_of_a_set_ends_alone() {
        assert_eq!(logged("connection", async { 1 }).await, Some(1));
        assert_eq!(spawn_logged("connection", async { panic!("x") }).await.unwrap(), None::<()>);
    }
}
