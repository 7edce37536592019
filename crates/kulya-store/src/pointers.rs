//! Many pointers in little room: [`Pointers`]. A batch of a thousand events lies in a few segments, whose names stand here
//! once.

use crate::{EventPointer, SegmentId};
use std::collections::BTreeMap;
use std::fmt;

/// A pointer to each of some events, in their order.
#[derive(Clone, Default)]
pub struct Pointers {
    segments: Vec<SegmentId>,
    /// The number of the segment, the event's offset, and its length.
    places: Vec<(u32, u64, u32)>,
}

impl Pointers {
    /// None yet, but into these segments, and room for so many.
    pub fn into_segments(segments: Vec<SegmentId>, room: usize) -> Self {
        Self { segments, places: Vec::with_capacity(room) }
    }

    /// Adds a pointer into the segment of this number, which is one of those given: where the event begins, and its length
    /// with its header.
    pub fn push(&mut self, segment: u32, offset: u64, length: u32) {
        debug_assert!(
            (segment as usize) < self.segments.len(),
            "segment {segment} of {}",
            self.segments.len()
        );
        self.places.push((segment, offset, length));
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// One of them.
    pub fn get(&self, event: usize) -> Option<EventPointer> {
        self.places.get(event).and_then(|place| self.pointer(place))
    }

    /// The first.
    pub fn first(&self) -> Option<EventPointer> {
        self.get(0)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = EventPointer> {
        self.places.iter().filter_map(|place| self.pointer(place))
    }

    /// The segments that they lead into.
    pub fn segments(&self) -> &[SegmentId] {
        &self.segments
    }

    /// Of each event the number of its segment, its offset, and its length.
    pub fn places(&self) -> &[(u32, u64, u32)] {
        &self.places
    }

    fn pointer(&self, (segment, offset, length): &(u32, u64, u32)) -> Option<EventPointer> {
        let segment = self.segments.get(*segment as usize)?.clone();
        Some(EventPointer { segment, offset: *offset, length: *length })
    }
}

impl FromIterator<EventPointer> for Pointers {
    fn from_iter<T: IntoIterator<Item = EventPointer>>(pointers: T) -> Self {
        let mut all = Self::default();
        let mut known: BTreeMap<SegmentId, u32> = BTreeMap::new();
        for EventPointer { segment, offset, length } in pointers {
            let number = *known.entry(segment.clone()).or_insert_with(|| {
                all.segments.push(segment);
                all.segments.len() as u32 - 1
            });
            all.push(number, offset, length);
        }
        all
    }
}

/// By what they lead to.
impl PartialEq for Pointers {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Pointers {}

impl fmt::Debug for Pointers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StreamId;

    #[test]
    fn pointers_come_back_in_their_order_and_segments_are_named_once() {
        let stream = StreamId::new("shop", "orders").unwrap();
        let pointer = |number, offset| EventPointer {
            segment: SegmentId { stream: stream.clone(), number, epoch: 0 },
            offset,
            length: 9,
        };
        let all = [pointer(1, 0), pointer(0, 0), pointer(1, 9)];
        let pointers: Pointers = all.iter().cloned().collect();
        assert!(pointers.iter().eq(all));
        assert_eq!((pointers.len(), pointers.segments().len()), (3, 2));
        assert_eq!(pointers.get(3), None);
        let mut same = Pointers::into_segments(vec![pointer(0, 0).segment, pointer(1, 0).segment], 3);
        same.push(1, 0, 9);
        same.push(0, 0, 9);
        assert_ne!(same, pointers);
        same.push(1, 9, 9);
        assert_eq!(same, pointers);
    }
}
