//! One segment: between which offsets it can be read, and which bytes of which objects these are.

use std::collections::VecDeque;

/// In [`Place::object`], what marks a data object; the rest of the number is its own.
pub(crate) const DATA_BIT: u64 = 1 << 62;
/// In [`Place::object`], what marks events that a repair gave up: readers pass over them.
pub(crate) const LOST: u64 = u64::MAX;

/// Some bytes of an object that were written together, and are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of a log object, or with [`DATA_BIT`] that of a data object.
    pub(crate) object: u64,
    /// Counted from the beginning of the object.
    pub(crate) at: u64,
    pub(crate) length: u32,
    /// CRC-32C.
    pub(crate) checksum: u32,
}

impl Place {
    /// Whether it is in an object of the log.
    pub(crate) fn is_log(&self) -> bool {
        self.object & DATA_BIT == 0
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.object == LOST
    }
}

/// Framed events of a segment that stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Offset of the first one.
    pub(crate) start: u64,
    /// When the first of them was committed, in milliseconds.
    pub(crate) time: u64,
    /// When the last of them was.
    pub(crate) last_time: u64,
    /// The log object by which it came to be here: what a checkpoint of changes goes by.
    pub(crate) number: u64,
    pub(crate) place: Place,
}

impl Extent {
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.place.length)
    }
}

/// Where the events that were committed since a time begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Offset(u64),
    /// Somewhere in this extent: its object says where.
    Within(Extent),
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) head: u64,
    pub(crate) tail: u64,
    /// In the order of their offsets, which touch; the first one reaches beyond the head.
    extents: VecDeque<Extent>,
}

impl Segment {
    /// Adds what was committed at a time by a log object. A `start` must be the tail.
    pub(crate) fn append(
        &mut self,
        start: Option<u64>,
        place: Place,
        time: u64,
        number: u64,
    ) -> Result<(), String> {
        if start.is_some_and(|start| start != self.tail) {
            return Err(format!("events do not follow the tail {} of their segment", self.tail));
        }
        let end = self.tail.checked_add(u64::from(place.length)).filter(|end| *end < 1 << 62);
        let (Some(end), true) = (end, place.length > 0) else {
            return Err("a segment does not grow so".into());
        };
        self.extents.push_back(Extent { start: self.tail, time, last_time: time, number, place });
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

    /// Puts extents in the place of those between their offsets. `false` when these end elsewhere: then all stays.
    pub(crate) fn replace(&mut self, new: Vec<Extent>) -> bool {
        let (Some(start), Some(end)) = (new.first().map(|e| e.start), new.last().map(Extent::end)) else {
            return false;
        };
        if end <= self.head {
            return true;
        }
        let from = self.extents.partition_point(|extent| extent.end() <= start);
        let to = self.extents.partition_point(|extent| extent.start < end);
        let begins =
            self.extents.get(from).is_some_and(|e| e.start == start || (from == 0 && e.start > start));
        let ends = to.checked_sub(1).and_then(|last| self.extents.get(last)).is_some_and(|e| e.end() == end);
        if !begins || !ends {
            return false;
        }
        let behind = self.extents.split_off(to);
        self.extents.truncate(from);
        self.extents.extend(new.into_iter().filter(|extent| extent.end() > self.head));
        self.extents.extend(behind);
        true
    }

    /// Where the events that were committed since then begin, to the milliseconds.
    pub(crate) fn since(&self, millis: u64) -> Since {
        // times never go back
        let first = self.extents.partition_point(|extent| extent.last_time < millis);
        match self.extents.get(first) {
            None => Since::Offset(self.tail),
            Some(extent) if extent.time >= millis => Since::Offset(extent.start.max(self.head)),
            Some(extent) => Since::Within(*extent),
        }
    }

    /// The extents from the one that an offset lies in, which is before the tail, until there are so many bytes or extents.
    pub(crate) fn extents_from(&self, offset: u64, bytes: u64, most: usize) -> Vec<Extent> {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        let until = offset.saturating_add(bytes.max(1));
        let found = self.extents.range(first.min(self.extents.len())..);
        let mut is_some = false;
        // what is lost gives nothing: at the least one behind it
        let wanted = found.take_while(|extent| {
            let is_wanted = !is_some || extent.start < until;
            is_some |= !extent.place.is_lost();
            is_wanted
        });
        wanted.take(most).copied().collect()
    }

    /// The extent that an offset lies in.
    pub(crate) fn extent_at(&self, offset: u64) -> Option<Extent> {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        self.extents.get(first).copied()
    }

    pub(crate) fn extents(&self) -> impl DoubleEndedIterator<Item = &Extent> + '_ {
        self.extents.iter()
    }

    /// What is read no more, because it cannot be: a repair's.
    pub(crate) fn give_up(&mut self, is_lost: impl Fn(&Extent) -> bool, number: u64) {
        for extent in self.extents.iter_mut().filter(|extent| is_lost(extent)) {
            extent.place.object = LOST;
            extent.number = number;
        }
    }

    /// Lets the extents of an object have one time, the last.
    pub(crate) fn forget_times(&mut self, object: u64) {
        for extent in self.extents.iter_mut().filter(|extent| extent.place.object == object) {
            extent.time = extent.last_time;
        }
    }

    /// Passes over offsets whose events are not there: a repair's.
    pub(crate) fn skip_to(&mut self, offset: u64, time: u64, number: u64) {
        while self.tail < offset {
            let length = (offset - self.tail).min(u64::from(u32::MAX)) as u32;
            let place = Place { object: LOST, at: 0, length, checksum: 0 };
            self.extents.push_back(Extent { start: self.tail, time, last_time: time, number, place });
            self.tail += u64::from(length);
        }
    }

    /// As it was written down.
    pub(crate) fn restore(head: u64, tail: u64, extents: VecDeque<Extent>) -> Result<Self, String> {
        let begins = extents.front().map_or(tail, |extent| extent.start);
        if begins > head || head > tail {
            return Err(format!("a segment from {head} to {tail} begins at {begins}"));
        }
        Ok(Self { head, tail, extents })
    }

    /// Takes over what changed: `extents` from the first changed one to the tail.
    pub(crate) fn change(&mut self, head: u64, tail: u64, extents: VecDeque<Extent>) -> Result<(), String> {
        let begins = extents.front().map_or(tail, |extent| extent.start);
        if head < self.head || head > tail {
            return Err(format!("a segment that began at {} reaches from {head} to {tail}", self.head));
        }
        let keep = self.extents.partition_point(|extent| extent.start < begins);
        self.extents.truncate(keep);
        while self.extents.front().is_some_and(|extent| extent.end() <= head) {
            self.extents.pop_front();
        }
        if self.extents.back().is_some_and(|last| last.end() != begins) {
            return Err(format!(
                "events from {begins} do not follow those of a segment from {head} to {tail}"
            ));
        }
        self.extents.extend(extents);
        self.tail = tail;
        self.truncate(head)?;
        match self.extents.front() {
            Some(front) if front.start > head => {
                Err(format!("a segment from {head} begins at {}", front.start))
            }
            None if head < tail => Err(format!("a segment from {head} to {tail} has no extents")),
            _ => Ok(()),
        }
    }
}
