//! Whose clock the log's times are of. Processes on several machines share one storage, so its clock is theirs in common: a
//! process whose own is far from it writes the storage's time, and says so. One wrong clock would otherwise move the time of
//! the whole log, which never goes back.

use super::{Bucket, within};
use object_store::ObjectStoreExt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Clocks that differ by less are taken for the same: storages tell whole seconds, and requests take their time.
const MOST_SKEW_MS: i64 = 10_000;

impl Bucket {
    /// Now, as the time since 1970, by the storage's clock where that is far from our own.
    pub(crate) fn now(&self) -> Duration {
        let own = self.settings.clock.since_epoch();
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let distance = Duration::from_millis(skew.unsigned_abs());
        if skew < 0 { own.saturating_sub(distance) } else { own.saturating_add(distance) }
    }

    /// Asks for the storage's time where that was not done lately: by an object that is made, looked at and removed. Where
    /// that does not work, our own clock goes on.
    pub(crate) async fn compare_clocks(&self) {
        let Some(pause) = self.settings.compare_clocks_every else { return };
        let begun = Instant::now();
        {
            let mut compared = self.compared_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if compared.is_some_and(|at| at.elapsed() < pause) {
                return;
            }
            *compared = Some(begun);
        }
        let name = self.name(&format!("clock/{:032x}", self.settings.instance));
        let time = self.settings.time_for(0);
        let own = self.settings.clock.since_epoch();
        let asked = async {
            within(time, self.store.put(&name, "".into())).await?;
            let head = within(time, self.store.head(&name)).await?;
            within(time, self.store.delete(&name)).await?;
            Ok::<_, object_store::Error>(head.last_modified.timestamp_millis())
        };
        let theirs = match asked.await {
            Ok(theirs) => theirs,
            Err(error) => return tracing::debug!("the storage's clock cannot be asked for: {error}"),
        };
        // the object was made while we waited
        let own = i64::try_from((own + begun.elapsed() / 2).as_millis()).unwrap_or(i64::MAX);
        let skew = theirs.saturating_sub(own);
        let skew = if skew.abs() <= MOST_SKEW_MS { 0 } else { skew };
        if self.skew_ms.swap(skew, Ordering::Relaxed) == 0 && skew != 0 {
            let (seconds, direction) =
                (skew.unsigned_abs() / 1000, if skew < 0 { "ahead of" } else { "behind" });
            tracing::warn!(
                "this machine's clock is {seconds} s {direction} the storage's: events get the storage's time"
            );
        }
    }
}
