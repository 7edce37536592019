//! The time source. Code that needs the time of day takes a [`Clock`], so that tests control the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Returns the time since 1970-01-01 00:00 UTC.
    fn since_epoch(&self) -> Duration;
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only use of the system clock, which the lint refers to"
    )]
    fn since_epoch(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl From<SystemClock> for Arc<dyn Clock> {
    fn from(clock: SystemClock) -> Self {
        Arc::new(clock)
    }
}

/// A clock that only moves when it is set or advanced, for tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Creates a clock at `since_epoch`, in microseconds.
    pub fn at(since_epoch: Duration) -> Self {
        Self(AtomicU64::new(since_epoch.as_micros() as u64))
    }

    /// Sets the time.
    pub fn set(&self, since_epoch: Duration) {
        self.0.store(since_epoch.as_micros() as u64, Ordering::Relaxed);
    }

    /// Advances the time.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn since_epoch(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

impl From<ManualClock> for Arc<dyn Clock> {
    fn from(clock: ManualClock) -> Self {
        Arc::new(clock)
    }
}
