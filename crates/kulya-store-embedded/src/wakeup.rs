//! Wakes up the maintenance thread: a condition variable with a pending signal.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A pending signal that one thread waits for.
#[derive(Default)]
pub(crate) struct Wakeup {
    pending: Mutex<Signal>,
    condvar: Condvar,
}

/// A signal; of several pending signals the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Signal {
    /// No signal: the wait timed out.
    #[default]
    None,
    /// There is work to do.
    Work,
    /// A caller waits for the work to be done.
    Requested,
    /// The store is closing; no signal follows.
    Closed,
}

impl Wakeup {
    pub(crate) fn notify(&self) {
        self.set(Signal::Work);
    }

    pub(crate) fn request(&self) {
        self.set(Signal::Requested);
    }

    pub(crate) fn close(&self) {
        self.set(Signal::Closed);
    }

    fn set(&self, to: Signal) {
        let mut signal = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        *signal = to.max(*signal);
        drop(signal);
        self.condvar.notify_all();
    }

    /// Waits for a signal of at least `min`, for at most `timeout`, and takes it.
    pub(crate) fn wait(&self, timeout: Duration, min: Signal) -> Signal {
        let signal = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.condvar.wait_timeout_while(signal, timeout, |signal| *signal < min);
        let (mut signal, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match *signal {
            Signal::Closed => Signal::Closed,
            _ => std::mem::take(&mut *signal),
        }
    }
}
