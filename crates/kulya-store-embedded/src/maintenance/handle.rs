//! What a store shares with its maintenance thread.

use kulya_store::ErrorKind;
use kulya_store::supervision::{Component, Supervisor};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The default interval between runs, and the pause after a failure.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);

/// The shared state of the maintenance thread.
pub(crate) struct MaintenanceHandle {
    pub(crate) thread: Mutex<Option<JoinHandle<()>>>,
    /// Callers that wait for a run; `None` when the thread has ended.
    pub(crate) waiting: Mutex<Option<Vec<oneshot::Sender<MaintenanceResult>>>>,
    pub(crate) interval: Duration,
    pub(crate) component: Component,
}

/// The result of a run, copied for several callers.
pub(crate) type MaintenanceResult = Result<(), (ErrorKind, String)>;

impl MaintenanceHandle {
    pub(crate) fn new(interval: Duration, supervisor: &Supervisor) -> Self {
        let (thread, waiting) = (Mutex::default(), Mutex::new(Some(Vec::new())));
        Self { thread, waiting, interval, component: supervisor.component("store.maintenance") }
    }

    /// Waits until the thread has ended, after [`Wakeup::close`](crate::wakeup::Wakeup::close).
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Takes the waiting callers.
    pub(crate) fn take_waiting(&self) -> Vec<oneshot::Sender<MaintenanceResult>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
