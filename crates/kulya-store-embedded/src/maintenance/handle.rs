//! What a store and its maintenance thread share.

use kulya_store::ErrorKind;
use kulya_store::supervision::{Component, Supervisor};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Time between two looks at the streams' retention, where nothing else is said; and as long after a failure.
pub(crate) const INTERVAL: Duration = Duration::from_secs(30);
/// What the keeper shares with the store.
pub(crate) struct MaintenanceHandle {
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Those who wait for the upkeep to be done; `None` when the thread has ended.
    waiting: Mutex<Option<Vec<oneshot::Sender<Outcome>>>>,
    interval: Duration,
    pub(crate) component: Component,
}

/// An outcome for several.
type Outcome = std::result::Result<(), (ErrorKind, String)>;

impl MaintenanceHandle {
    pub(crate) fn new(interval: Duration, supervisor: &Supervisor) -> Self {
        let (thread, waiting) = (Mutex::default(), Mutex::new(Some(Vec::new())));
        Self { thread, waiting, interval, component: supervisor.component("store.maintenance") }
    }

    /// Waits for the thread's end, once the bell is closed.
    pub(crate) fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn take_waiting(&self) -> Vec<oneshot::Sender<Outcome>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
