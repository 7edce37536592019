//! A bell: whoever has work for another thread rings it; that one waits for it, or for a while.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    wakes: Condvar,
}

/// What the one who waits is told; what comes later goes before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Rung {
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

impl Bell {
    pub(crate) fn ring(&self) {
        self.set(Rung::Yes);
    }

    pub(crate) fn ask(&self) {
        self.set(Rung::Asked);
    }

    pub(crate) fn close(&self) {
        self.set(Rung::Closed);
    }

    fn set(&self, to: Rung) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        *rung = to.max(*rung);
        drop(rung);
        self.wakes.notify_all();
    }

    /// Waits until it rings as loud as `least`, or so long.
    pub(crate) fn wait(&self, most: Duration, least: Rung) -> Rung {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.wakes.wait_timeout_while(rung, most, |rung| *rung < least);
        let (mut rung, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match *rung {
            Rung::Closed => Rung::Closed,
            _ => std::mem::take(&mut *rung),
        }
    }
}
