//! One segment: between which offsets it can be read, and which bytes of which objects these are.

use std::collections::VecDeque;

/// Some bytes of an object that were written together, and are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) object: u64,
    /// Counted from the beginning of the object.
    pub(crate) at: u64,
    pub(crate) length: u32,
    /// CRC-32C.
    pub(crate) checksum: u32,
}

/// Framed events of a segment that stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Offset of the first one.
    pub(crate) start: u64,
    /// When they were committed, in milliseconds.
    pub(crate) time: u64,
    pub(crate) place: Place,
}

impl Extent {
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.place.length)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) head: u64,
    pub(crate) tail: u64,
    /// In the order of their offsets, which touch; the first one reaches beyond the head.
    extents: VecDeque<Extent>,
}

impl Segment {
    /// Adds what was committed at a time. A `start` must be the tail.
    pub(crate) fn append(&mut self, start: Option<u64>, place: Place, time: u64) -> Result<(), String> {
        if start.is_some_and(|start| start != self.tail) {
            return Err(format!("events do not follow the tail {} of their segment", self.tail));
        }
        let end = self.tail.checked_add(u64::from(place.length)).filter(|end| *end < 1 << 62);
        let (Some(end), true) = (end, place.length > 0) else {
            return Err("a segment does not grow so".into());
        };
        self.extents.push_back(Extent { start: self.tail, time, place });
        self.tail = end;
        Ok(())
    }

    /// Lets it begin at an offset, if that is behind its head.
    pub(crate) fn truncate(&mut self, offset: u64) -> Result<(), String> {
        if offset > self.tail {
            return Err(format!("a segment is cut behind its tail {}", self.tail));
        }
        self.head = self.head.max(offset);
        while self.extents.front().is_some_and(|extent| extent.end() <= self.head) {
            self.extents.pop_front();
        }
        Ok(())
    }

    /// Where the events that were committed since then begin, to the milliseconds.
    pub(crate) fn offset_at(&self, millis: u128) -> u64 {
        // times never go back
        let first = self.extents.partition_point(|extent| u128::from(extent.time) < millis);
        self.extents.get(first).map_or(self.tail, |extent| extent.start.max(self.head))
    }

    /// The extents from the one that an offset lies in, which is before the tail, until there are so many bytes.
    pub(crate) fn extents_from(&self, offset: u64, bytes: u64) -> Vec<Extent> {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        let until = offset.saturating_add(bytes.max(1));
        self.extents.range(first.min(self.extents.len())..).take_while(|e| e.start < until).copied().collect()
    }

    /// The extent that an offset lies in.
    pub(crate) fn extent_at(&self, offset: u64) -> Option<Extent> {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        self.extents.get(first).copied()
    }

    /// The objects that hold something of it.
    pub(crate) fn objects(&self) -> impl Iterator<Item = u64> + '_ {
        self.extents.iter().map(|extent| extent.place.object)
    }

    pub(crate) fn extents(&self) -> impl Iterator<Item = &Extent> + '_ {
        self.extents.iter()
    }

    /// As it was written down.
    pub(crate) fn restore(head: u64, tail: u64, extents: VecDeque<Extent>) -> Result<Self, String> {
        let begins = extents.front().map_or(tail, |extent| extent.start);
        if begins > head || head > tail {
            return Err(format!("a segment from {head} to {tail} begins at {begins}"));
        }
        Ok(Self { head, tail, extents })
    }
}
