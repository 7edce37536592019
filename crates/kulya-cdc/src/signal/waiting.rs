//! The signals that wait for a capture in this process, and how far they are executed.

use super::queue::{QueuedSignal, SignalQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// The signals, shared by those who give them and the capture that executes them.
pub(crate) struct WaitingSignals {
    waiting: watch::Sender<Versioned>,
    /// The number of the last signal whose effect is stored.
    executed: AtomicU64,
    /// The number up to which signals were removed from the store.
    removed: AtomicU64,
}

#[derive(Default)]
struct Versioned {
    /// Grows with each change.
    version: u64,
    queue: SignalQueue,
}

impl Default for WaitingSignals {
    fn default() -> Self {
        let (executed, removed) = Default::default();
        Self { waiting: watch::Sender::new(Versioned::default()), executed, removed }
    }
}

impl WaitingSignals {
    /// Replaces the signals by those of the store.
    pub(crate) fn set(&self, queue: SignalQueue) {
        self.waiting.send_if_modified(|waiting| {
            let is_changed = waiting.queue != queue;
            if is_changed {
                *waiting = Versioned { version: waiting.version + 1, queue };
            }
            is_changed
        });
    }

    pub(crate) fn queue(&self) -> SignalQueue {
        self.waiting.borrow().queue.clone()
    }

    /// Returns the signals, some of which may be executed already, and the version of the list.
    pub(crate) fn list(&self) -> (u64, Arc<[QueuedSignal]>) {
        let waiting = self.waiting.borrow();
        (waiting.version, waiting.queue.signals().into())
    }

    pub(crate) fn version(&self) -> u64 {
        self.waiting.borrow().version
    }

    /// Waits until the list has another version. Cancel-safe.
    pub(crate) async fn changed(&self, seen: u64) {
        // this value holds the sender, so the channel is open
        let _ = self.waiting.subscribe().wait_for(|waiting| waiting.version != seen).await;
    }

    /// Takes note that the effects of the signals up to a number are stored.
    pub(crate) fn on_executed(&self, number: u64) {
        if self.executed.fetch_max(number, Ordering::Relaxed) < number {
            // what is executed needs no further look
            self.waiting.send_if_modified(|waiting| {
                waiting.queue.remove_executed(number);
                false
            });
        }
    }

    /// Returns the number up to which signals are to be removed from the store, if there are any.
    pub(crate) fn executed(&self) -> Option<u64> {
        let executed = self.executed.load(Ordering::Relaxed);
        Some(executed).filter(|executed| *executed > self.removed.load(Ordering::Relaxed))
    }

    /// Takes note that they were removed.
    pub(crate) fn on_removed(&self, number: u64) {
        self.removed.fetch_max(number, Ordering::Relaxed);
    }
}
