//! One segment: its head, its tail, and the locations of its events.

use std::collections::VecDeque;

/// The bit in [`Location::object`] that marks a data object; the other bits are its number.
pub(crate) const DATA_BIT: u64 = 1 << 62;
/// The value of [`Location::object`] for events that a repair recorded as lost: readers skip them.
pub(crate) const LOST: u64 = u64::MAX;

/// The location of events: a range of bytes of an object that was written, and is read, as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    /// The number of a log object, or with [`DATA_BIT`] that of a data object.
    pub(crate) object: u64,
    /// The offset in bytes from the start of the object.
    pub(crate) at: u64,
    pub(crate) length: u32,
    /// CRC-32C.
    pub(crate) checksum: u32,
}

impl Location {
    /// Returns whether it is in a log object.
    pub(crate) fn is_log(&self) -> bool {
        self.object & DATA_BIT == 0
    }

    /// Returns whether the events were recorded as lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.object == LOST
    }
}

/// Consecutive framed events of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The offset of the first event.
    pub(crate) start: u64,
    /// The commit time of the first event, in milliseconds.
    pub(crate) time: u64,
    /// The commit time of the last event, in milliseconds.
    pub(crate) last_time: u64,
    /// The log object that placed it here; incremental checkpoints select extents by it.
    pub(crate) number: u64,
    pub(crate) location: Location,
}

impl Extent {
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.location.length)
    }
}

/// Where the events committed at or after a time begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimePosition {
    Offset(u64),
    /// Inside this extent; the head of its data object has the exact offset.
    Within(Extent),
}

/// A segment of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) head: u64,
    pub(crate) tail: u64,
    /// In offset order, without gaps; the first one ends after the head.
    extents: VecDeque<Extent>,
}

impl Segment {
    /// Appends events committed at a time by a log object. A given `start` must equal the tail.
    pub(crate) fn append(
        &mut self,
        start: Option<u64>,
        location: Location,
        time: u64,
        number: u64,
    ) -> Result<(), String> {
        if start.is_some_and(|start| start != self.tail) {
            return Err(format!("events do not start at the tail {} of their segment", self.tail));
        }
        let end = self.tail.checked_add(u64::from(location.length)).filter(|end| *end < 1 << 62);
        let (Some(end), true) = (end, location.length > 0) else {
            return Err("invalid length of events".into());
        };
        self.extents.push_back(Extent { start: self.tail, time, last_time: time, number, location });
        self.tail = end;
        Ok(())
    }

    /// Moves the head forward to an offset.
    pub(crate) fn truncate(&mut self, offset: u64) -> Result<(), String> {
        if offset > self.tail {
            return Err(format!("a segment is truncated beyond its tail {}", self.tail));
        }
        self.head = self.head.max(offset);
        while self.extents.front().is_some_and(|extent| extent.end() <= self.head) {
            self.extents.pop_front();
        }
        Ok(())
    }

    /// Replaces the extents between the offsets of `new`. Returns `false` and changes nothing when the
    /// boundaries differ.
    pub(crate) fn replace(&mut self, new: Vec<Extent>) -> bool {
        let (Some(start), Some(end)) = (new.first().map(|e| e.start), new.last().map(Extent::end)) else {
            return false;
        };
        if end <= self.head {
            return true;
        }
        let from = self.extents.partition_point(|extent| extent.end() <= start);
        let to = self.extents.partition_point(|extent| extent.start < end);
        let has_start =
            self.extents.get(from).is_some_and(|e| e.start == start || (from == 0 && e.start > start));
        let has_end =
            to.checked_sub(1).and_then(|last| self.extents.get(last)).is_some_and(|e| e.end() == end);
        if !has_start || !has_end {
            return false;
        }
        let rest = self.extents.split_off(to);
        self.extents.truncate(from);
        self.extents.extend(new.into_iter().filter(|extent| extent.end() > self.head));
        self.extents.extend(rest);
        true
    }

    /// Returns where the events committed at or after a time begin, to the millisecond.
    pub(crate) fn position_since(&self, millis: u64) -> TimePosition {
        // times never go back
        let first = self.extents.partition_point(|extent| extent.last_time < millis);
        match self.extents.get(first) {
            None => TimePosition::Offset(self.tail),
            Some(extent) if extent.time >= millis => TimePosition::Offset(extent.start.max(self.head)),
            Some(extent) => TimePosition::Within(*extent),
        }
    }

    /// Returns the extents from the one that contains `offset`, which is before the tail, up to a number of
    /// bytes and of extents.
    pub(crate) fn extents_from(&self, offset: u64, bytes: u64, max_extents: usize) -> Vec<Extent> {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        let until = offset.saturating_add(bytes.max(1));
        let found = self.extents.range(first.min(self.extents.len())..);
        let mut has_live = false;
        // lost extents yield no events: include at least one other after them
        let selected = found.take_while(|extent| {
            let is_selected = !has_live || extent.start < until;
            has_live |= !extent.location.is_lost();
            is_selected
        });
        selected.take(max_extents).copied().collect()
    }

    /// Returns the extent that contains an offset.
    pub(crate) fn extent_at(&self, offset: u64) -> Option<Extent> {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        self.extents.get(first).copied()
    }

    pub(crate) fn extents(&self) -> impl DoubleEndedIterator<Item = &Extent> + '_ {
        self.extents.iter()
    }

    /// Marks matching extents as lost; used by repair.
    pub(crate) fn mark_lost(&mut self, is_lost: impl Fn(&Extent) -> bool, number: u64) {
        for extent in self.extents.iter_mut().filter(|extent| is_lost(extent)) {
            extent.location.object = LOST;
            extent.number = number;
        }
    }

    /// Gives the extents of an object a single time, that of their last commit.
    pub(crate) fn collapse_times(&mut self, object: u64) {
        for extent in self.extents.iter_mut().filter(|extent| extent.location.object == object) {
            extent.time = extent.last_time;
        }
    }

    /// Extends the segment to an offset by lost extents; used by repair.
    pub(crate) fn extend_lost(&mut self, offset: u64, time: u64, number: u64) {
        while self.tail < offset {
            let length = (offset - self.tail).min(u64::from(u32::MAX)) as u32;
            let location = Location { object: LOST, at: 0, length, checksum: 0 };
            self.extents.push_back(Extent { start: self.tail, time, last_time: time, number, location });
            self.tail += u64::from(length);
        }
    }

    /// Restores a segment from a full checkpoint.
    pub(crate) fn restore(head: u64, tail: u64, extents: VecDeque<Extent>) -> Result<Self, String> {
        let start = extents.front().map_or(tail, |extent| extent.start);
        if start > head || head > tail {
            return Err(format!("the extents of a segment from {head} to {tail} start at {start}"));
        }
        Ok(Self { head, tail, extents })
    }

    /// Applies an incremental checkpoint: `extents` from the first changed one to the tail.
    pub(crate) fn apply_change(
        &mut self,
        head: u64,
        tail: u64,
        extents: VecDeque<Extent>,
    ) -> Result<(), String> {
        let start = extents.front().map_or(tail, |extent| extent.start);
        if head < self.head || head > tail {
            return Err(format!(
                "the head of a segment moves back from {} to {head}, tail {tail}",
                self.head
            ));
        }
        let unchanged = self.extents.partition_point(|extent| extent.start < start);
        self.extents.truncate(unchanged);
        while self.extents.front().is_some_and(|extent| extent.end() <= head) {
            self.extents.pop_front();
        }
        if self.extents.back().is_some_and(|last| last.end() != start) {
            return Err(format!("a gap before the events from {start} of a segment from {head} to {tail}"));
        }
        self.extents.extend(extents);
        self.tail = tail;
        self.truncate(head)?;
        match self.extents.front() {
            Some(front) if front.start > head => {
                Err(format!("the extents of a segment from {head} start at {}", front.start))
            }
            None if head < tail => Err(format!("a segment from {head} to {tail} has no extents")),
            _ => Ok(()),
        }
    }
}
