//! How a process works on its store: what it is handed from the rim, and the sizes that may be chosen.

use kulya_store::clock::{Clock, SystemClock};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How a store is opened.
#[derive(Clone)]
pub struct Settings {
    /// This process, among all that ever write here: a number that nobody else has, drawn at random for each store that is
    /// opened. Two with one number would take each other's commits for their own.
    pub instance: u128,
    /// Tells when a commit was. Time never goes back in the log.
    pub clock: Arc<dyn Clock>,
    /// Before a commit this clock is compared with the storage's, when so much time has gone since it was done last: where the
    /// two are more than ten seconds apart, commits get the storage's time. Never with `None`.
    pub compare_clocks_every: Option<Duration>,
    /// A reader at a tail looks at the least so often for what other processes wrote, and more often while something comes; its
    /// own process wakes it at once.
    pub poll: Duration,
    /// Events that were read or written are kept in memory, so many bytes of them.
    pub cache_bytes: usize,
    /// Small objects are merged and a checkpoint is written every so many objects of the log, at least 1.
    pub checkpoint_every: u64,
    /// A request that fails is made so many times in all, with longer and longer pauses, before it is given up.
    pub tries: u32,
    /// The first of these pauses; each is twice the one before.
    pub pause: Duration,
    /// One request is given up after this time, and a second more for each MiB that it carries.
    pub request_timeout: Duration,
    /// A request is made again only within this time of the first try.
    pub patience: Duration,
    /// Requests for events that may be on their way at once.
    pub reads_at_once: usize,
    /// Whoever has not looked for so long makes sure that the log did not go on elsewhere: one request more.
    pub fresh_for: Duration,
    /// What is deleted has been unneeded for so long; much longer than `fresh_for`.
    pub grace: Duration,
    /// Time between two looks at whether maintenance is due; a writer does not wait for it.
    pub maintenance_pause: Duration,
    /// Numbers of the log are closed so many at a time: said in a new store's `FORMAT`, and never changed.
    pub block: u64,
}

impl Settings {
    /// The usual ones, and the machine's clock.
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

    /// Waits before the next try of what has failed so many times and began at a moment; `false` when there is no next one.
    pub(crate) async fn pause(&self, failed: u32, begun: Instant) -> bool {
        let pause = self.pause * 2u32.saturating_pow(failed.saturating_sub(1).min(10));
        if failed >= self.tries || begun.elapsed() + pause > self.patience {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }

    /// How long a request that carries so many bytes may take.
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
