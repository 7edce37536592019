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
    pub compare_clocks_every: Option<Duration>,
    /// The longest interval at which a tail reader polls for commits of other processes; it polls more often
    /// while events arrive. Commits of its own process wake it at once.
    pub poll: Duration,
    /// The size of the cache of events, in bytes.
    pub cache_bytes: usize,
    /// The number of log objects, at least 1, after which small objects are merged and a checkpoint is
    /// written.
    pub checkpoint_every: u64,
    /// The maximum number of attempts per request.
    pub tries: u32,
    /// The backoff before the second attempt; it doubles with each further one.
    pub pause: Duration,
    /// The timeout of one attempt, plus one second per MiB of payload.
    pub request_timeout: Duration,
    /// The time after the first attempt within which a request is retried.
    pub patience: Duration,
    /// The maximum number of concurrent reads of events.
    pub reads_at_once: usize,
    /// The interval after which a read of the end of the log verifies it with a listing, which costs one
    /// request.
    pub fresh_for: Duration,
    /// The grace period between closing log objects and deleting them; much longer than `end_check_interval`.
    pub grace: Duration,
    /// The interval at which a process checks whether maintenance is due, in addition to notifications from
    /// writers.
    pub maintenance_pause: Duration,
    /// The number of log objects that are closed together; fixed in a new store's `FORMAT`.
    pub block: u64,
}

impl Settings {
    /// Returns the default settings with the system clock.
    pub fn new(instance: u128) -> Self {
        Self {
            instance,
            clock: Arc::new(SystemClock),
            compare_clocks_every: Some(Duration::from_secs(600)),
            poll: Duration::from_millis(500),
            cache_bytes: 64 << 20,
            checkpoint_every: 1024,
            tries: 6,
            pause: Duration::from_millis(50),
            request_timeout: Duration::from_secs(4),
            patience: Duration::from_secs(8),
            reads_at_once: 16,
            fresh_for: Duration::from_secs(10),
            grace: Duration::from_secs(60),
            maintenance_pause: Duration::from_secs(30),
            block: 1024,
        }
    }

    /// Waits before the next attempt; returns `false` when there is none, after `failed` attempts since
    /// `start`.
    pub(crate) async fn pause(&self, failed: u32, begun: Instant) -> bool {
        let pause = self.pause * 2u32.saturating_pow(failed.saturating_sub(1).min(10));
        if failed >= self.tries || begun.elapsed() + pause > self.patience {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// Returns the timeout of a request with a payload of this many bytes.
    pub(crate) fn time_for(&self, bytes: u64) -> Duration {
        self.request_timeout + Duration::from_secs(bytes >> 20)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("instance", &self.instance)
            .field("poll", &self.poll)
            .finish_non_exhaustive()
    }
}
