//! The settings with which a process opens a store.

use kulya_store::clock::{Clock, SystemClock};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The settings of a store.
#[derive(Clone)]
pub struct Settings {
    /// The id of this process among all that ever write to the store: a random number, drawn for each
    /// opening. Two processes with the same id would mistake each other's commits for their own.
    pub instance: u128,
    /// The clock for commit times. Time never goes back in the log.
    pub clock: Arc<dyn Clock>,
    /// The interval at which the clock is compared with the storage's, before a commit. When they differ by
    /// more than ten seconds, commits get the storage's time. `None` disables the check.
    pub clock_check_interval: Option<Duration>,
    /// The longest interval at which a tail reader polls for commits of other processes; it polls more often
    /// while events arrive. Commits of its own process wake it at once.
    pub poll_interval: Duration,
    /// The size of the cache of events, in bytes.
    pub cache_bytes: usize,
    /// The number of log objects, at least 1, after which small objects are merged and a checkpoint is
    /// written.
    pub checkpoint_every: u64,
    /// The maximum number of attempts per request.
    pub max_attempts: u32,
    /// The backoff before the second attempt; it doubles with each further one.
    pub retry_backoff: Duration,
    /// The timeout of one attempt, plus one second per MiB of payload.
    pub request_timeout: Duration,
    /// The time after the first attempt within which a request is retried.
    pub retry_timeout: Duration,
    /// The maximum number of concurrent reads of events.
    pub max_concurrent_reads: usize,
    /// The interval after which a read of the end of the log verifies it with a listing, which costs one
    /// request.
    pub end_check_interval: Duration,
    /// The grace period between closing log objects and deleting them; much longer than `end_check_interval`.
    pub deletion_grace: Duration,
    /// The interval at which a process checks whether maintenance is due, in addition to notifications from
    /// writers.
    pub maintenance_interval: Duration,
    /// The number of log objects that are closed together; fixed in a new store's `FORMAT`.
    pub block_size: u64,
}

impl Settings {
    /// Returns the default settings with the system clock.
    pub fn new(instance: u128) -> Self {
        Self {
            instance,
            clock: Arc::new(SystemClock),
            clock_check_interval: Some(Duration::from_secs(600)),
            poll_interval: Duration::from_millis(500),
            cache_bytes: 64 << 20,
            checkpoint_every: 1024,
            max_attempts: 6,
            retry_backoff: Duration::from_millis(50),
            request_timeout: Duration::from_secs(4),
            retry_timeout: Duration::from_secs(8),
            max_concurrent_reads: 16,
            end_check_interval: Duration::from_secs(10),
            deletion_grace: Duration::from_secs(60),
            maintenance_interval: Duration::from_secs(30),
            block_size: 1024,
        }
    }

    /// Waits before the next attempt; returns `false` when there is none, after `failed` attempts since
    /// `start`.
    pub(crate) async fn backoff(&self, failures: u32, start: Instant) -> bool {
        let delay = self.retry_backoff * 2u32.saturating_pow(failures.saturating_sub(1).min(10));
        if failures >= self.max_attempts || start.elapsed() + delay > self.retry_timeout {
            return false;
        }
        tokio::time::sleep(delay).await;
        true
    }

    /// Returns the timeout of a request with a payload of this many bytes.
    pub(crate) fn timeout_for(&self, bytes: u64) -> Duration {
        self.request_timeout + Duration::from_secs(bytes >> 20)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("instance", &self.instance)
            .field("poll", &self.poll_interval)
            .finish_non_exhaustive()
    }
}
