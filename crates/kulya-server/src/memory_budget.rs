//! Memory for one record of the registry, acquired before the record is read: for the largest record and its
//! encoding.

use kulya_auth::fair_share::{Permit, Share};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The largest record and its JSON: a schema of 8 MiB, the same in base64, and its metadata.
const RECORD_BYTES: usize = 20 << 20;
/// The interval of attempts while there is no memory.
const RETRY: Duration = Duration::from_millis(50);

/// Waits for memory for one record; `None` after `timeout`.
pub(crate) async fn acquire_for_record(share: &Share, timeout: Option<Duration>) -> Option<Permit> {
    let started = Instant::now();
    // at most a quarter of a small budget
    let wanted = RECORD_BYTES.min(share.capacity() / 4);
    loop {
        if let Some(permit) = share.try_acquire(wanted) {
            return Some(permit);
        }
        if timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
            return None;
        }
        sleep(RETRY).await;
    }
}
