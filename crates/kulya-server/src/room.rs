//! Room in memory for what is about to be read, taken before it is: for the largest record of the registry, and what it is
//! sent as.

use kulya_auth::fair_share::{Permit, Share};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The largest record and its JSON: a schema of 8 MiB, the same in base64, and what stands around it.
const RECORD_BYTES: usize = 20 << 20;
/// Until there is room, it is looked for this often.
const PAUSE: Duration = Duration::from_millis(50);

/// Room for one record more; `None` when there was none for so long.
pub(crate) async fn for_a_record(share: &Share, patience: Option<Duration>) -> Option<Permit> {
    let begun = Instant::now();
    // where there is little in all, not all of it
    let wanted = RECORD_BYTES.min(share.most() / 4);
    loop {
        if let Some(part) = share.take(wanted) {
            return Some(part);
        }
        if patience.is_some_and(|patience| begun.elapsed() >= patience) {
            return None;
        }
        sleep(PAUSE).await;
    }
}
