//! Applies a stream's [`Retention`](crate::Retention) through the methods of the contract.

use crate::{Result, StreamCut, StreamId, StreamStore};
use std::time::Duration;

/// Truncates a stream by its retention at `now` (since 1970-01-01 00:00 UTC); returns `false` if nothing
/// was due. All segments are truncated at the same time, so that the retained part is complete from some
/// moment on.
///
/// # Errors
/// As [`StreamStore::cut_at`] and [`StreamStore::truncate`].
pub async fn apply_retention(store: &dyn StreamStore, stream: &StreamId, now: Duration) -> Result<bool> {
    let cut = retention_cut(store, stream, now).await?;
    if let Some(cut) = &cut {
        store.truncate(cut).await?;
    }
    Ok(cut.is_some())
}

/// Returns the cut at which the retention of a stream truncates it at `now`; `None` if nothing is due.
///
/// # Errors
/// As [`StreamStore::cut_at`].
pub async fn retention_cut(
    store: &dyn StreamStore,
    stream: &StreamId,
    now: Duration,
) -> Result<Option<StreamCut>> {
    let retention = store.stream(stream).await?.config.retention;
    let mut from = Duration::ZERO;
    if let Some(age) = retention.age {
        from = now.saturating_sub(age);
    }
    if let Some(bytes) = retention.bytes {
        from = from.max(earliest_time_within(store, stream, bytes, now).await?);
    }
    if from.is_zero() {
        return Ok(None);
    }
    let cut = store.cut_at(stream, from).await?;
    let is_due = size_after(store, stream, &cut).await?
        < size_after(store, stream, &head(store, stream).await?).await?;
    Ok(is_due.then_some(cut))
}

async fn head(store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
    crate::head_cut(store, stream).await
}

/// Returns the size of a stream after a cut, in bytes.
async fn size_after(store: &dyn StreamStore, stream: &StreamId, cut: &StreamCut) -> Result<u64> {
    let segments = store.segments(stream).await?;
    let sizes =
        segments.iter().map(|s| s.tail.saturating_sub(cut.offset(&s.id).unwrap_or(s.head).max(s.head)));
    Ok(sizes.sum())
}

/// Returns the earliest time after which a stream has at most `bytes` bytes, in milliseconds.
async fn earliest_time_within(
    store: &dyn StreamStore,
    stream: &StreamId,
    bytes: u64,
    now: Duration,
) -> Result<Duration> {
    if size_after(store, stream, &head(store, stream).await?).await? <= bytes {
        return Ok(Duration::ZERO);
    }
    // binary search: after `low` there are too many bytes, after `high` there are none
    let (mut low, mut high) = (0u64, now.as_millis() as u64 + 1);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        let cut = store.cut_at(stream, Duration::from_millis(middle)).await?;
        if size_after(store, stream, &cut).await? <= bytes { high = middle } else { low = middle }
    }
    Ok(Duration::from_millis(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::memory::MemoryStore;
    use crate::{Append, Commit, Retention, Scope, StreamConfig};
    use std::sync::Arc;

    #[tokio::test]
    async fn old_events_are_truncated_by_age_and_by_size() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let store = MemoryStore::with_clock(clock.clone());
        let stream = StreamId::new("shop", "orders").unwrap();
        store.create_scope(&Scope::new("shop").unwrap()).await.unwrap();
        store.create_stream(&stream, StreamConfig::with_segments(2)).await.unwrap();
        for second in 0..10 {
            let event = |key: &str| Append::keyed(&stream, key, format!("{second:02}"));
            // each event takes 10 bytes; the two keys are routed to different segments
            store.commit(Commit::events(vec![event("a"), event("key-1")])).await.unwrap();
            clock.advance(Duration::from_secs(1));
        }
        let apply = async |retention, now| {
            let config = StreamConfig::with_segments(2).retention(retention);
            store.update_stream(&stream, config).await.unwrap();
            let truncated = apply_retention(&store, &stream, Duration::from_secs(now)).await.unwrap();
            let events = crate::bounded_read(&store, &stream).await.unwrap();
            (truncated, events.len())
        };
        let age = |seconds| Retention { age: Some(Duration::from_secs(seconds)), bytes: None };
        let bytes = |bytes| Retention { age: None, bytes: Some(bytes) };
        assert_eq!(apply(Retention::default(), 1010).await, (false, 20));
        assert_eq!(apply(age(9), 1010).await, (true, 18), "the events of 1000 are older than nine seconds");
        assert_eq!(apply(age(9), 1010).await, (false, 18));
        assert_eq!(apply(bytes(180), 1010).await, (false, 18));
        assert_eq!(apply(bytes(100), 1010).await, (true, 10));
        assert_eq!(apply(bytes(99), 1010).await, (true, 8), "a commit is truncated as a whole");
        assert_eq!(apply(Retention { bytes: Some(80), ..age(3) }, 1010).await, (true, 6));
        assert_eq!(apply(age(1), 2000).await, (true, 0));
    }
}
