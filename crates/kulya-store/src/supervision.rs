//! Supervised background tasks and threads: a panic is logged with the name of the task and the message, is
//! counted, and either restarts the task after a pause or leaves its component in an unhealthy state. All
//! background work of the program is started here ([`Supervisor::spawn`], [`Supervisor::spawn_restarting`],
//! [`Supervisor::spawn_thread`], [`spawn_logged`]); `cargo xtask tidy` rejects other ways.
//!
//! A [`Supervisor`] belongs to one store or one server, whose [`health`](Supervisor::health) includes its
//! components.
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

/// The pause before the first restart of a task, doubled for each further one.
const MIN_RESTART_PAUSE: Duration = Duration::from_secs(1);
/// The maximum pause; also the time without a panic after which a task is healthy again.
const MAX_RESTART_PAUSE: Duration = Duration::from_secs(60);

/// The number of panics that the panic hook has seen.
static PANIC_COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The name of the task that this thread is running.
    static CURRENT_TASK: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The components of one store or one server. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Supervisor(Arc<Mutex<BTreeMap<Arc<str>, State>>>);

#[derive(Debug, Default)]
struct State {
    status: HealthStatus,
    reason: Option<String>,
    counters: BTreeMap<&'static str, u64>,
}

/// A component of a [`Supervisor`], which reports its own health. Clones share it.
#[derive(Debug, Clone)]
pub struct Component {
    name: Arc<str>,
    supervisor: Supervisor,
}

impl Supervisor {
    /// Returns the component of a name, and registers it as healthy if it is new.
    pub fn component(&self, name: impl Into<Arc<str>>) -> Component {
        let name = name.into();
        self.lock().entry(Arc::clone(&name)).or_default();
        Component { name, supervisor: self.clone() }
    }

    /// Returns the health of all components.
    pub fn health(&self) -> Health {
        let component = |(name, state): (&Arc<str>, &State)| ComponentHealth {
            name: name.as_ref().to_owned(),
            status: state.status,
            reason: state.reason.clone(),
            counters: state.counters.iter().map(|(name, count)| (*name, *count)).collect(),
        };
        Health { components: self.lock().iter().map(component).collect() }
    }

    /// Spawns a task that is not restarted. After a panic its component keeps the status `on_panic`, and
    /// the handle returns `None`.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        on_panic: HealthStatus,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        let component = self.component(name);
        tokio::spawn(async move {
            match component.catch_async(task).await {
                Ok(done) => Some(done),
                Err(message) => {
                    component.set(on_panic, &message);
                    tracing::error!("{}: {message}; the task is not restarted", component.name);
                    None
                }
            }
        })
    }

    /// Spawns a task that is restarted after a pause whenever it panics. Its component is degraded until
    /// the task has run for a minute. A task that returns is not restarted.
    pub fn spawn_restarting<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        mut task: impl FnMut() -> F + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let component = self.component(name);
        tokio::spawn(async move {
            let (mut pause, mut was_restarted) = (MIN_RESTART_PAUSE, false);
            loop {
                let mut running = std::pin::pin!(component.catch_async(task()));
                let first_minute = tokio::time::timeout(MAX_RESTART_PAUSE, &mut running).await;
                let result = match first_minute {
                    Ok(result) => result,
                    Err(_) => {
                        if std::mem::take(&mut was_restarted) {
                            component.set_healthy();
                        }
                        pause = MIN_RESTART_PAUSE;
                        running.await
                    }
                };
                let Err(message) = result else { return };
                was_restarted = true;
                component.set(HealthStatus::Degraded, &message);
                component.count("restarts", 1);
                tracing::error!("{}: {message}; restarting in {pause:?}", component.name);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_RESTART_PAUSE);
            }
        })
    }

    /// Spawns a thread named after the component. After a panic the component keeps the status `on_panic`.
    /// The thread has no async runtime.
    ///
    /// # Errors
    /// The operating system cannot create another thread.
    pub fn spawn_thread(
        &self,
        name: &str,
        on_panic: HealthStatus,
        mut work: impl FnMut() + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let component = self.component(name);
        std::thread::Builder::new().name(format!("kulya {name}")).spawn(move || {
            // `work` is dropped after the component is updated, so that an observer of the drop finds the
            // reason
            if let Err(message) = component.catch(&mut work) {
                component.set(on_panic, &message);
                tracing::error!("{}: {message}; the task is not restarted", component.name);
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Component {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reports the component as unhealthy, with a reason.
    pub fn set(&self, status: HealthStatus, reason: impl Into<String>) {
        let reason = reason.into();
        self.change(|state| (state.status, state.reason) = (status, Some(reason)));
    }

    /// Reports the component as healthy.
    pub fn set_healthy(&self) {
        self.change(|state| (state.status, state.reason) = (HealthStatus::Healthy, None));
    }

    /// Returns the current status.
    pub fn status(&self) -> HealthStatus {
        self.change(|state| state.status)
    }

    /// Returns the reason if the component is not healthy.
    pub fn reason(&self) -> Option<String> {
        self.change(|state| state.reason.clone())
    }

    /// Adds to one of the counters.
    pub fn count(&self, counter: &'static str, more: u64) {
        self.change(|state| *state.counters.entry(counter).or_default() += more);
    }

    /// Sets one of the counters, for a measure.
    pub fn measure(&self, counter: &'static str, value: u64) {
        self.change(|state| state.counters.insert(counter, value));
    }

    /// Runs `work` and catches a panic, which is logged and counted.
    ///
    /// # Errors
    /// The message of the panic, after `panicked: `. State that the work was changing may be inconsistent.
    pub fn catch<T>(&self, work: impl FnOnce() -> T) -> Result<T, String> {
        let running = TaskScope::enter(&self.name);
        let done = catch_unwind(AssertUnwindSafe(work));
        drop(running);
        done.map_err(|payload| self.panicked(&*payload))
    }

    async fn catch_async<T>(&self, task: impl Future<Output = T>) -> Result<T, String> {
        let named = NamedTask { name: Arc::clone(&self.name), task: Box::pin(task) };
        AssertUnwindSafe(named).catch_unwind().await.map_err(|payload| self.panicked(&*payload))
    }

    fn panicked(&self, payload: &(dyn Any + Send)) -> String {
        self.count("panics", 1);
        format!("panicked: {}", panic_message(payload))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(self.supervisor.lock().entry(Arc::clone(&self.name)).or_default())
    }
}

/// Spawns a task that nothing else depends on, such as a connection. A panic is logged and counted, and
/// ends only this task.
pub fn spawn_logged<T: Send + 'static>(
    name: impl Into<Arc<str>>,
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<Option<T>> {
    let name = name.into();
    tokio::spawn(catch_and_log(name, task))
}

/// Runs a task of a task set: a panic is logged and counted; returns `None` after it.
pub async fn catch_and_log<T>(name: impl Into<Arc<str>>, task: impl Future<Output = T>) -> Option<T> {
    let name = name.into();
    let named = NamedTask { name: Arc::clone(&name), task: Box::pin(task) };
    match AssertUnwindSafe(named).catch_unwind().await {
        Ok(done) => Some(done),
        Err(payload) => {
            tracing::error!("{name}: panicked: {}", panic_message(&*payload));
            None
        }
    }
}

/// Returns the number of panics of the process since [`install_panic_hook`].
pub fn panic_count() -> u64 {
    PANIC_COUNT.load(Ordering::Relaxed)
}

/// Installs a panic hook that counts every panic and logs it as an error, with task, thread, source
/// location and message. Call it when the program starts.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        PANIC_COUNT.fetch_add(1, Ordering::Relaxed);
        let task = CURRENT_TASK.try_with(|running| running.try_borrow().ok()?.clone()).ok().flatten();
        let task = task.as_deref().unwrap_or("none");
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let location = info.location().map(ToString::to_string).unwrap_or_default();
        let message = panic_message(info.payload());
        tracing::error!("panic in task {task}, thread {thread}, at {location}: {message}");
    }));
}

/// Returns the message of a panic, on one line.
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").replace('\n', " ")
}

/// A future with a task name, which is current while the future is polled.
struct NamedTask<F> {
    name: Arc<str>,
    task: Pin<Box<F>>,
}

impl<F: Future> Future for NamedTask<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _running = TaskScope::enter(&self.name);
        self.task.as_mut().poll(context)
    }
}

/// A guard that sets the current task name of this thread and restores the previous one on drop.
struct TaskScope(Option<Arc<str>>);

impl TaskScope {
    fn enter(name: &Arc<str>) -> Self {
        Self(CURRENT_TASK.replace(Some(Arc::clone(name))))
    }
}

impl Drop for TaskScope {
    fn drop(&mut self) {
        CURRENT_TASK.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[tokio::test(start_paused = true)]
    async fn panicking_task_is_restarted_and_becomes_healthy() {
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
        // time is paused: it advances when all tasks are idle
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(status().status, HealthStatus::Degraded);
        assert_eq!(status().reason.as_deref(), Some("panicked: not yet"));
        // 1 s, 2 s and 4 s
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!((runs.load(Ordering::SeqCst), status().status), (4, HealthStatus::Degraded));
        tokio::time::sleep(MAX_RESTART_PAUSE).await;
        assert_eq!(status().status, HealthStatus::Healthy);
        assert_eq!(status().counters, [("panics", 3), ("restarts", 3)]);
        done.send_replace(true);
        task.await.unwrap();
    }

    #[test]
    fn panicking_thread_leaves_its_reason() {
        let supervisor = Supervisor::default();
        let thread =
            supervisor.spawn_thread("commits", HealthStatus::Failed, || panic!("{} is wrong", 7)).unwrap();
        thread.join().unwrap();
        let health = supervisor.health();
        let component = health.worst().unwrap();
        assert_eq!((component.name.as_str(), component.status), ("commits", HealthStatus::Failed));
        assert_eq!(component.reason.as_deref(), Some("panicked: 7 is wrong"));
    }

    #[tokio::test]
    async fn panic_ends_only_its_task() {
        assert_eq!(catch_and_log("connection", async { 1 }).await, Some(1));
        assert_eq!(spawn_logged("connection", async { panic!("x") }).await.unwrap(), None::<()>);
    }
}
