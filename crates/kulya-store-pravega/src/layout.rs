//! Which segments a stream has, and which of them an event goes to. What was looked up is remembered as long as the stream
//! takes events; a layout says how old it is, so that the journal can refuse one from before the stream's end.

use crate::block::SegmentBatch;
use crate::controller::{Controller, SegmentWithRange};
use bytes::BytesMut;
use kulya_store::{Append, Result, SegmentId, StreamId, framing, hash};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Streams that are remembered.
const REMEMBERED: usize = 10_000;

/// A stream's segments.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// In number order, which is the order of their ranges.
    pub(crate) segments: Vec<SegmentWithRange>,
    pub(crate) sealed: bool,
    /// Where the journal was when this was looked up.
    pub(crate) as_of: u64,
}

impl Layout {
    /// Asks the controller.
    pub(crate) async fn look_up(controller: &Controller, stream: &StreamId, as_of: u64) -> Result<Self> {
        let segments = controller.open_segments(stream).await?;
        if !segments.is_empty() {
            return Ok(Self { segments, sealed: false, as_of });
        }
        Ok(Self { segments: controller.first_segments(stream).await?, sealed: true, as_of })
    }

    /// The place in the list of the segment that an event goes to.
    fn place(&self, key: Option<&str>, turn: usize) -> usize {
        let count = self.segments.len().max(1);
        let Some(key) = key else { return turn % count };
        let position = hash::position(key);
        let found = self.segments.iter().position(|(_, range)| range.contains(&position));
        found.unwrap_or(count - 1)
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.segments.iter().map(|(id, _)| id).eq(other.segments.iter().map(|(id, _)| id))
    }
}

/// The layouts that were looked up, and whose turn it is among segments when an event has no key.
#[derive(Default)]
pub(crate) struct Layouts {
    known: Mutex<HashMap<StreamId, Arc<Layout>>>,
    turn: AtomicUsize,
}

impl Layouts {
    /// A stream's layout, perhaps from memory.
    pub(crate) async fn of(
        &self,
        controller: &Controller,
        stream: &StreamId,
        as_of: u64,
    ) -> Result<Arc<Layout>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(stream).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let layout = Arc::new(Layout::look_up(controller, stream, as_of).await?);
        if !layout.sealed {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(stream.clone(), Arc::clone(&layout));
        }
        Ok(layout)
    }

    /// Somebody says that a layout is no longer true.
    pub(crate) fn forget(&self, stream: &StreamId) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(stream);
    }

    /// Lays events out over the segments of their streams.
    pub(crate) fn lay<'a>(&self, appends: &[Append], layout: impl Fn(&StreamId) -> &'a Layout) -> Laid {
        let mut laid = Laid::default();
        let mut by_segment: HashMap<(&StreamId, usize), usize> = HashMap::new();
        let mut open: Vec<(SegmentId, u32, BytesMut)> = Vec::new();
        let mut last: Option<(&StreamId, &Layout)> = None;
        for append in appends {
            let layout = match last {
                Some((stream, layout)) if *stream == append.stream => layout,
                _ => layout(&append.stream),
            };
            last = Some((&append.stream, layout));
            let turn = match &append.routing_key {
                Some(_) => 0,
                None => self.turn.fetch_add(1, Ordering::Relaxed),
            };
            let place = layout.place(append.routing_key.as_deref(), turn);
            let batch = *by_segment.entry((&append.stream, place)).or_insert(open.len());
            if batch == open.len() {
                let Some((segment, _)) = layout.segments.get(place) else { continue };
                open.push((segment.clone(), 0, BytesMut::new()));
            }
            let Some((_, count, frames)) = open.get_mut(batch) else { continue };
            laid.places.push((batch, frames.len() as u64));
            *count += 1;
            framing::put(frames, &append.event);
        }
        for (segment, count, frames) in open {
            laid.batches.push(SegmentBatch { segment: segment.to_string(), count, frames: frames.freeze() });
            laid.segments.push(segment);
        }
        laid
    }
}

/// Events in the batches of their segments.
#[derive(Debug, Default)]
pub(crate) struct Laid {
    pub(crate) batches: Vec<SegmentBatch>,
    /// The segment of each batch.
    pub(crate) segments: Vec<SegmentId>,
    /// For each event, its batch and how far behind the batch's beginning it stands.
    pub(crate) places: Vec<(usize, u64)>,
}

impl Laid {
    /// The bytes of all events.
    pub(crate) fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| batch.frames.len()).sum()
    }
}

/// Layouts by stream, for one request.
pub(crate) type LayoutsOf = BTreeMap<StreamId, Arc<Layout>>;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn layout(stream: &StreamId, count: u32) -> Layout {
        let range = |n: u32| f64::from(n) / f64::from(count)..f64::from(n + 1) / f64::from(count);
        Layout {
            segments: (0..count).map(|n| (stream.segment(n), range(n))).collect(),
            sealed: false,
            as_of: 0,
        }
    }

    #[test]
    fn the_ranges_decide_as_the_hash_does() {
        let stream = StreamId::new("s", "t").unwrap();
        for count in [1, 2, 3, 7, 100] {
            let layout = layout(&stream, count);
            for key in 0..500 {
                let key = key.to_string();
                assert_eq!(layout.place(Some(&key), 0), hash::segment_of(&key, count) as usize);
            }
        }
    }

    #[test]
    fn events_are_laid_out_in_order() {
        let stream = StreamId::new("s", "t").unwrap();
        let layout = layout(&stream, 2);
        let layouts = Layouts::default();
        let appends = ["a", "key-1", "a"].map(|key| Append::keyed(&stream, key, Bytes::from_static(b"e")));
        let laid = layouts.lay(&appends, |_| &layout);
        assert_eq!(laid.places, [(0, 0), (1, 0), (0, 9)]);
        assert_eq!(laid.batches.iter().map(|batch| batch.count).collect::<Vec<_>>(), [2, 1]);
        let unkeyed = [Append::unkeyed(&stream, ""), Append::unkeyed(&stream, "")];
        assert_eq!(layouts.lay(&unkeyed, |_| &layout).batches.len(), 2, "events without a key are spread");
    }
}
