//! Looks up when events were committed, by the times of their extents; reads no events.

use super::read::Extents;
use crate::store::EmbeddedStore;
use kulya_store::{AppendTimes, Result, SegmentId};
use std::time::Duration;

/// The approximate bytes of events whose extents are looked up at a time.
const STEP_BYTES: u64 = 1 << 20;

impl EmbeddedStore {
    pub(super) fn append_times_blocking(
        &self,
        segment: &SegmentId,
        from: u64,
        to: u64,
    ) -> Result<AppendTimes> {
        let (mut times, mut offset) = (AppendTimes::new(to), from);
        loop {
            let bytes = to.saturating_sub(offset).clamp(1, STEP_BYTES);
            let Extents { extents, head, tail } =
                self.retry_if_compacted(|| self.extents(segment, offset, bytes))?;
            AppendTimes::check_range(segment, from, to, tail)?;
            if offset < head {
                // the events before the head have no times
                offset = head;
                continue;
            }
            for extent in extents {
                if offset >= to || !times.push(offset, Duration::from_millis(extent.time)) {
                    return Ok(times);
                }
                offset = extent.end();
            }
            if offset >= to {
                return Ok(times);
            }
        }
    }
}
