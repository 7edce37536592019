//! A compact list of event pointers: [`Pointers`]. A batch of a thousand events is in a few segments, whose
//! ids are stored once.

use crate::{EventPointer, SegmentId};
use std::collections::BTreeMap;
use std::fmt;

/// A list of event pointers, in the order of the events.
#[derive(Clone, Default)]
pub struct Pointers {
    segments: Vec<SegmentId>,
    /// For each event the index of its segment, its offset, and its length.
    locations: Vec<(u32, u64, u32)>,
}

impl Pointers {
    /// Creates an empty list over these segments, with capacity for `capacity` pointers.
    pub fn with_capacity(segments: Vec<SegmentId>, capacity: usize) -> Self {
        Self { segments, locations: Vec::with_capacity(capacity) }
    }

    /// Adds a pointer: the index of its segment in the list given to
    /// [`with_capacity`](Self::with_capacity), the offset of the event, and its length with the header, in
    /// bytes.
    pub fn push(&mut self, segment: u32, offset: u64, length: u32) {
        debug_assert!(
            (segment as usize) < self.segments.len(),
            "segment {segment} of {}",
            self.segments.len()
        );
        self.locations.push((segment, offset, length));
    }

    /// Returns the number of pointers.
    pub fn len(&self) -> usize {
        self.locations.len()
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.locations.is_empty()
    }

    /// Returns the pointer to the event of this index.
    pub fn get(&self, event: usize) -> Option<EventPointer> {
        self.locations.get(event).and_then(|location| self.pointer(location))
    }

    /// Returns the first pointer.
    pub fn first(&self) -> Option<EventPointer> {
        self.get(0)
    }

    /// Iterates over the pointers.
    pub fn iter(&self) -> impl Iterator<Item = EventPointer> {
        self.locations.iter().filter_map(|location| self.pointer(location))
    }

    /// Returns the segments of the pointers.
    pub fn segments(&self) -> &[SegmentId] {
        &self.segments
    }

    /// Returns for each event the index of its segment, its offset and its length.
    pub fn locations(&self) -> &[(u32, u64, u32)] {
        &self.locations
    }

    fn pointer(&self, (segment, offset, length): &(u32, u64, u32)) -> Option<EventPointer> {
        let segment = self.segments.get(*segment as usize)?.clone();
        Some(EventPointer { segment, offset: *offset, length: *length })
    }
}

impl FromIterator<EventPointer> for Pointers {
    fn from_iter<T: IntoIterator<Item = EventPointer>>(pointers: T) -> Self {
        let mut all = Self::default();
        let mut indexes: BTreeMap<SegmentId, u32> = BTreeMap::new();
        for EventPointer { segment, offset, length } in pointers {
            let number = *indexes.entry(segment.clone()).or_insert_with(|| {
                all.segments.push(segment);
                all.segments.len() as u32 - 1
            });
            all.push(number, offset, length);
        }
        all
    }
}

/// Compares the pointers, independent of how the segments are numbered.
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
    fn pointers_keep_their_order_and_segments_are_stored_once() {
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
        let mut same = Pointers::with_capacity(vec![pointer(0, 0).segment, pointer(1, 0).segment], 3);
        same.push(1, 0, 9);
        same.push(0, 0, 9);
        assert_ne!(same, pointers);
        same.push(1, 9, 9);
        assert_eq!(same, pointers);
    }
}
