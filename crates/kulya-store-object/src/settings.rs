//! How a process works on its store: what it is handed from the rim, and the sizes that may be chosen.

use kulya_store::clock::{Clock, SystemClock};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a store is opened.
#[derive(Clone)]
pub struct Settings {
    /// This process, among all that ever write here: a number that nobody else has, drawn at random for each store that is
    /// opened. Two with one number would take each other's commits for their own.
    pub instance: u128,
    /// Tells when a commit was. Clocks of several processes may differ: time never goes back in the log.
    pub clock: Arc<dyn Clock>,
    /// A reader at a tail looks so often for what other processes wrote; its own process wakes it at once.
    pub poll: Duration,
    /// Events that were read or written are kept in memory, so many bytes of them.
    pub cache_bytes: usize,
    /// A checkpoint is written every so many objects of the log, at least 1.
    pub checkpoint_every: u64,
    /// A request that fails is made so many times in all, with longer and longer pauses, before it is given up.
    pub tries: u32,
    /// The first of these pauses; each is twice the one before.
    pub pause: Duration,
}

impl Settings {
    /// The usual ones, and the machine's clock.
    pub fn new(instance: u128) -> Self {
        Self {
            instance,
            clock: Arc::new(SystemClock),
            poll: Duration::from_millis(500),
            cache_bytes: 64 << 20,
            checkpoint_every: 256,
            tries: 6,
            pause: Duration::from_millis(50),
        }
    }

    /// Waits before the next try of what has failed so many times; `false` when there is no next one.
    pub(crate) async fn pause(&self, failed: u32) -> bool {
        if failed >= self.tries {
            return false;
        }
        tokio::time::sleep(self.pause * 2u32.saturating_pow(failed.saturating_sub(1).min(10))).await;
        true
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
