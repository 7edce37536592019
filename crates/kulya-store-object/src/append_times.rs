//! Looks up when events were committed, by the times of their extents and the heads of data objects; reads no
//! events.

use crate::events::MAX_ATTEMPTS;
use crate::journal::Journal;
use crate::state::Extent;
use kulya_store::{AppendTimes, Error, MAX_APPEND_TIMES, Result, SegmentId};
use std::collections::HashSet;
use std::time::Duration;

/// The maximum number of heads of data objects per call; the caller continues with another call.
const MAX_HEADS: usize = 16;

impl Journal {
    /// Returns when the events between two offsets were committed. Everything written before the call is
    /// visible.
    ///
    /// # Errors
    /// `InvalidInput` when the range is not valid; `Corrupt` when a data object is damaged.
    pub(crate) async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes> {
        let mut missing_object = None;
        for _ in 0..MAX_ATTEMPTS {
            self.sync().await?;
            let (from, extents) = self.with_state(|state| {
                let (found, _) = state.segment(segment)?;
                AppendTimes::check_range(segment, from, to, found.tail)?;
                let from = from.max(found.head);
                Ok::<_, Error>((from, found.extents_from(from, to.saturating_sub(from), MAX_APPEND_TIMES)))
            })??;
            match self.times_of(&extents, from, to).await? {
                Ok(times) => return Ok(times),
                Err(object) => missing_object = Some(object),
            }
        }
        Err(self.bucket.missing_object_error(missing_object.unwrap_or_default()))
    }

    /// Returns the times of the events of adjacent extents between two offsets, the first of which is in the
    /// first extent. The inner error is the number of a data object that does not exist.
    async fn times_of(&self, extents: &[Extent], from: u64, to: u64) -> Result<Result<AppendTimes, u64>> {
        let extents = with_few_heads(extents);
        let end = extents.last().map_or(to, |last| last.end().min(to));
        let mut times = AppendTimes::new(end);
        for extent in extents {
            let start = extent.start.max(from);
            if start >= end {
                break;
            }
            let mut commits = vec![(extent.start, extent.last_time)];
            if needs_head(extent) {
                let Some(run) = self.data_run(extent).await? else { return Ok(Err(extent.location.object)) };
                commits = run.commits(extent.start).collect();
            }
            // the commit that `start` is in begins at or before it
            let first = commits.partition_point(|(offset, _)| *offset <= start).saturating_sub(1);
            let found = commits.iter().skip(first).take_while(|(offset, _)| *offset < end);
            for (offset, time) in found {
                if !times.push((*offset).max(start), Duration::from_millis(*time)) {
                    return Ok(Ok(times));
                }
            }
        }
        Ok(Ok(times))
    }
}

/// Returns whether the times of an extent's commits are in the head of its data object alone.
fn needs_head(extent: &Extent) -> bool {
    extent.time != extent.last_time && !extent.location.is_lost()
}

/// Returns the first extents, up to the maximum number of heads.
fn with_few_heads(extents: &[Extent]) -> &[Extent] {
    let mut objects = HashSet::new();
    let exceeds = |extent: &Extent| {
        needs_head(extent) && objects.insert(extent.location.object) && objects.len() > MAX_HEADS
    };
    let count = extents.iter().position(exceeds).unwrap_or(extents.len());
    extents.get(..count).unwrap_or_default()
}
