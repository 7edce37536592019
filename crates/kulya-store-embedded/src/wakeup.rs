//! A bell: whoever has work for another thread rings it; that one waits for it, or for a while.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Wakeup {
    signal: Mutex<Signal>,
    wakes: Condvar,
}

/// What the one who waits is told; what comes later goes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Signal {
    /// Nobody rang.
    #[default]
    No,
    /// There is something to do.
    Yes,
    /// Somebody waits for it to be done.
    Asked,
    /// Nobody will ring again.
    Closed,
}

impl Wakeup {
    pub(crate) fn ring(&self) {
        self.set(Signal::Yes);
    }

    pub(crate) fn ask(&self) {
        self.set(Signal::Asked);
    }

    pub(crate) fn close(&self) {
        self.set(Signal::Closed);
    }

    fn set(&self, to: Signal) {
        let mut signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
        *signal = to.max(*signal);
        drop(signal);
        self.wakes.notify_all();
    }

    /// Waits until it rings as loud as `least`, or so long.
    pub(crate) fn wait(&self, most: Duration, least: Signal) -> Signal {
        let signal = self.signal.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wakes.wait_timeout_while(signal, most, |signal| *signal < least);
        let (mut signal, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match *signal {
            Signal::Closed => Signal::Closed,
            _ => std::mem::take(&mut *signal),
        }
    }
}
