//! The one door through which time comes in: whoever needs the time of day takes a [`Clock`] as an argument,
//! so that tests say what time it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Now, as the time since 1970-01-01 00:00 UTC.
    fn since_epoch(&self) -> Duration;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door the lint points to")]
    fn since_epoch(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that shows `since_epoch` (to the microsecond).
    pub fn at(since_epoch: Duration) -> Self {
        Self(AtomicU64::new(since_epoch.as_micros() as u64))
    }

    /// Sets the clock.
    pub fn set(&self, since_epoch: Duration) {
        self.0.store(since_epoch.as_micros() as u64, Ordering::Relaxed);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn since_epoch(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
