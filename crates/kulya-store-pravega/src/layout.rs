//! The segments of streams, and the distribution of events over them. Layouts of open streams are cached;
//! each has the journal offset at which it was fetched, so that the journal can reject one that is older than
//! the stream's seal.

use crate::block::SegmentBatch;
use crate::controller::{Controller, SegmentWithRange};
use bytes::BytesMut;
use kulya_store::{Append, Result, SegmentId, StreamId, framing, hash};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The maximum number of cached layouts.
const MAX_CACHED_LAYOUTS: usize = 10_000;

/// The segments of a stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamLayout {
    /// In number order, which is the order of their ranges.
    pub(crate) segments: Vec<SegmentWithRange>,
    pub(crate) sealed: bool,
    /// The journal offset when it was fetched.
    pub(crate) as_of: u64,
}

impl StreamLayout {
    /// Fetches the layout from the controller.
    pub(crate) async fn fetch(controller: &Controller, stream: &StreamId, as_of: u64) -> Result<Self> {
        let segments = controller.open_segments(stream).await?;
        if !segments.is_empty() {
            return Ok(Self { segments, sealed: false, as_of });
        }
        Ok(Self { segments: controller.first_segments(stream).await?, sealed: true, as_of })
    }

    /// Returns the index of the segment for a routing key, or without one by round robin.
    fn segment_index(&self, key: Option<&str>, round_robin: usize) -> usize {
        let count = self.segments.len().max(1);
        let Some(key) = key else { return round_robin % count };
        let position = hash::hash_to_range(key);
        let found = self.segments.iter().position(|(_, range)| range.contains(&position));
        found.unwrap_or(count - 1)
    }

    pub(crate) fn has_same_segments(&self, other: &Self) -> bool {
        self.segments.iter().map(|(id, _)| id).eq(other.segments.iter().map(|(id, _)| id))
    }
}

/// A cache of layouts, and the round-robin counter for events without a routing key.
#[derive(Default)]
pub(crate) struct LayoutCache {
    cached: Mutex<HashMap<StreamId, Arc<StreamLayout>>>,
    round_robin: AtomicUsize,
}

impl LayoutCache {
    /// Returns the layout of a stream, from the cache if possible.
    pub(crate) async fn get(
        &self,
        controller: &Controller,
        stream: &StreamId,
        as_of: u64,
    ) -> Result<Arc<StreamLayout>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner).get(stream).cloned();
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let layout = Arc::new(StreamLayout::fetch(controller, stream, as_of).await?);
        if !layout.sealed {
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            if cached.len() >= MAX_CACHED_LAYOUTS {
                cached.clear();
            }
            cached.insert(stream.clone(), Arc::clone(&layout));
        }
        Ok(layout)
    }

    /// Removes a stale layout from the cache.
    pub(crate) fn invalidate(&self, stream: &StreamId) {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).remove(stream);
    }

    /// Distributes events over the segments of their streams, whose layouts are given.
    pub(crate) fn assign(&self, appends: &[Append], layouts: &StreamLayouts) -> BatchLayout {
        self.assign_by(appends, |stream| layouts.get(stream).expect("each stream's layout was fetched"))
    }

    fn assign_by<'a>(
        &self,
        appends: &[Append],
        layout: impl Fn(&StreamId) -> &'a StreamLayout,
    ) -> BatchLayout {
        let mut batch_layout = BatchLayout::default();
        let mut by_segment: HashMap<(&StreamId, usize), usize> = HashMap::new();
        let mut batches: Vec<(SegmentId, u32, BytesMut)> = Vec::new();
        let mut last: Option<(&StreamId, &StreamLayout)> = None;
        for append in appends {
            let layout = match last {
                Some((stream, layout)) if *stream == append.stream => layout,
                _ => layout(&append.stream),
            };
            last = Some((&append.stream, layout));
            let round_robin = match &append.routing_key {
                Some(_) => 0,
                None => self.round_robin.fetch_add(1, Ordering::Relaxed),
            };
            let index = layout.segment_index(append.routing_key.as_deref(), round_robin);
            let batch = *by_segment.entry((&append.stream, index)).or_insert(batches.len());
            if batch == batches.len() {
                let Some((segment, _)) = layout.segments.get(index) else { continue };
                batches.push((segment.clone(), 0, BytesMut::new()));
            }
            let Some((_, count, frames)) = batches.get_mut(batch) else { continue };
            batch_layout.positions.push((batch, frames.len() as u64));
            *count += 1;
            framing::put(frames, &append.event);
        }
        for (segment, count, frames) in batches {
            batch_layout.batches.push(SegmentBatch {
                segment: segment.to_string(),
                count,
                frames: frames.freeze(),
            });
            batch_layout.segments.push(segment);
        }
        batch_layout
    }
}

/// Events grouped into batches by segment.
#[derive(Debug, Default)]
pub(crate) struct BatchLayout {
    pub(crate) batches: Vec<SegmentBatch>,
    /// The segment of each batch.
    pub(crate) segments: Vec<SegmentId>,
    /// For each event, the index of its batch and its offset in it.
    pub(crate) positions: Vec<(usize, u64)>,
}

impl BatchLayout {
    /// Returns the size of all events, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.frames.len()).sum()
    }
}

/// Layouts by stream, for one request.
pub(crate) type StreamLayouts = BTreeMap<StreamId, Arc<StreamLayout>>;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn layout(stream: &StreamId, count: u32) -> StreamLayout {
        let range = |n: u32| f64::from(n) / f64::from(count)..f64::from(n + 1) / f64::from(count);
        StreamLayout {
            segments: (0..count).map(|n| (stream.segment(n), range(n))).collect(),
            sealed: false,
            as_of: 0,
        }
    }

    #[test]
    fn ranges_and_hash_select_the_same_segment() {
        let stream = StreamId::new("s", "t").unwrap();
        for count in [1, 2, 3, 7, 100] {
            let layout = layout(&stream, count);
            for key in 0..500 {
                let key = key.to_string();
                assert_eq!(layout.segment_index(Some(&key), 0), hash::segment_of(&key, count) as usize);
            }
        }
    }

    #[test]
    fn events_are_distributed_in_order() {
        let stream = StreamId::new("s", "t").unwrap();
        let layout = layout(&stream, 2);
        let layouts = LayoutCache::default();
        let appends = ["a", "key-1", "a"].map(|key| Append::keyed(&stream, key, Bytes::from_static(b"e")));
        let batch_layout = layouts.assign_by(&appends, |_| &layout);
        assert_eq!(batch_layout.positions, [(0, 0), (1, 0), (0, 9)]);
        assert_eq!(batch_layout.batches.iter().map(|batch| batch.count).collect::<Vec<_>>(), [2, 1]);
        let unkeyed = [Append::unkeyed(&stream, ""), Append::unkeyed(&stream, "")];
        assert_eq!(
            layouts.assign_by(&unkeyed, |_| &layout).batches.len(),
            2,
            "events without a key are distributed"
        );
    }
}
