//! A bell: whoever has work for another thread rings it; that one waits for it, or for a while.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    wakes: Condvar,
}

/// What the one who waits is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Rung {
    /// Nobody rang.
    #[default]
    No,
    Yes,
    /// Nobody will ring again.
    Closed,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.set(Rung::Yes);
    }

    pub(crate) fn close(&self) {
        self.set(Rung::Closed);
    }

    fn set(&self, to: Rung) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if *rung != Rung::Closed {
            *rung = to;
        }
        drop(rung);
        self.wakes.notify_all();
    }

    /// Waits so long, whoever rings, unless nobody will ring again.
    pub(crate) fn rest(&self, most: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.wakes.wait_timeout_while(rung, most, |rung| *rung != Rung::Closed));
    }

    /// Waits until it rings, or so long.
    pub(crate) fn wait(&self, most: Duration) -> Rung {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wakes.wait_timeout_while(rung, most, |rung| *rung == Rung::No);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match *rung {
            Rung::Closed => Rung::Closed,
            _ => std::mem::take(&mut *rung),
        }
    }
}
