//! Clock synchronization with the storage. Processes on several machines share one storage, so its clock is
//! their common reference: a process whose own clock differs much uses the storage's time and logs a warning.
//! Otherwise one wrong clock would move the time of the whole log, which never goes back.

use super::client::{Bucket, with_timeout};
use object_store::ObjectStoreExt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The clock skew in milliseconds up to which clocks count as equal: storages report whole seconds, and
/// requests take time.
const MAX_SKEW_MS: i64 = 10_000;

impl Bucket {
    /// Returns the time since 1970-01-01 00:00 UTC, by the storage's clock when it differs from our own.
    pub(crate) fn now(&self) -> Duration {
        let own = self.settings.clock.since_epoch();
        let skew = self.skew_ms.load(Ordering::Relaxed);
        let distance = Duration::from_millis(skew.unsigned_abs());
        if skew < 0 { own.saturating_sub(distance) } else { own.saturating_add(distance) }
    }

    /// Compares our clock with the storage's if `clock_check_interval` has passed, by the modification time
    /// of a temporary object. When that fails, our own clock is used.
    pub(crate) async fn check_clock(&self) {
        let Some(interval) = self.settings.clock_check_interval else { return };
        let start = Instant::now();
        {
            let mut checked_at =
                self.clock_checked_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if checked_at.is_some_and(|at| at.elapsed() < interval) {
                return;
            }
            *checked_at = Some(start);
        }
        let path = self.path(&format!("clock/{:032x}", self.settings.instance));
        let time = self.settings.timeout_for(0);
        let own = self.settings.clock.since_epoch();
        let request = async {
            with_timeout(time, self.store.put(&path, "".into())).await?;
            let head = with_timeout(time, self.store.head(&path)).await?;
            with_timeout(time, self.store.delete(&path)).await?;
            Ok::<_, object_store::Error>(head.last_modified.timestamp_millis())
        };
        let storage_time = match request.await {
            Ok(storage_time) => storage_time,
            Err(error) => return tracing::debug!("clock check failed: {error}"),
        };
        // the object was created while we waited
        let own = i64::try_from((own + start.elapsed() / 2).as_millis()).unwrap_or(i64::MAX);
        let skew = storage_time.saturating_sub(own);
        let skew = if skew.abs() <= MAX_SKEW_MS { 0 } else { skew };
        if self.skew_ms.swap(skew, Ordering::Relaxed) == 0 && skew != 0 {
            let (seconds, direction) =
                (skew.unsigned_abs() / 1000, if skew < 0 { "ahead of" } else { "behind" });
            tracing::warn!(
                "clock skew: this machine's clock is {seconds} s {direction} the storage's; events get the storage's time"
            );
        }
    }
}
