//! Idempotent writers: a writer numbers its commits, so that a retry is not stored twice.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// The number of writers that a store remembers. The least recently active writer is forgotten first, and
/// counts as new when it returns.
pub const MAX_WRITERS: usize = 10_000;

/// The id of a writer, unique and drawn at random when the writer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriterId(pub u128);

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The number of a commit of a writer. A commit whose number is not above the writer's last stored one is a
/// duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterMark {
    /// The writer.
    pub writer: WriterId,
    /// The number, increasing from commit to commit; by convention that of the commit's last event.
    pub event_number: u64,
}

/// The last commit number of each writer, least recently active first.
#[derive(Debug, Default, Clone)]
pub struct WriterMarks {
    last: HashMap<WriterId, (u64, u64)>,
    /// Writers by the time of their last commit.
    order: BTreeMap<u64, WriterId>,
    written: u64,
}

impl WriterMarks {
    /// Returns the writer's last commit number.
    pub fn last(&self, writer: WriterId) -> Option<u64> {
        self.last.get(&writer).map(|(number, _)| *number)
    }

    /// Returns whether a commit is stored already.
    pub fn is_duplicate(&self, mark: WriterMark) -> bool {
        self.last(mark.writer).is_some_and(|last| mark.event_number <= last)
    }

    /// Iterates over the last commit of each writer, least recently active first. Recording them in this
    /// order gives the same list.
    pub fn oldest_first(&self) -> impl Iterator<Item = WriterMark> + '_ {
        let mark = |writer: &WriterId| {
            self.last(*writer).map(|event_number| WriterMark { writer: *writer, event_number })
        };
        self.order.values().filter_map(mark)
    }

    /// Records a commit.
    pub fn record(&mut self, mark: WriterMark) {
        self.written += 1;
        if let Some((_, previous)) = self.last.insert(mark.writer, (mark.event_number, self.written)) {
            self.order.remove(&previous);
        }
        self.order.insert(self.written, mark.writer);
        if self.order.len() > MAX_WRITERS
            && let Some((_, forgotten)) = self.order.pop_first()
        {
            self.last.remove(&forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_recently_active_writer_is_evicted() {
        let mut marks = WriterMarks::default();
        let mark =
            |writer: usize, event_number| WriterMark { writer: WriterId(writer as u128), event_number };
        for writer in 0..MAX_WRITERS {
            marks.record(mark(writer, 5));
        }
        marks.record(mark(0, 6));
        assert!(
            marks.is_duplicate(mark(0, 6))
                && !marks.is_duplicate(mark(0, 7))
                && marks.is_duplicate(mark(1, 1))
        );
        marks.record(mark(MAX_WRITERS, 1));
        assert_eq!((marks.last(WriterId(0)), marks.last(WriterId(1))), (Some(6), None));
        assert_eq!(marks.order.len(), MAX_WRITERS);
        let mut copy = WriterMarks::default();
        marks.oldest_first().for_each(|mark| copy.record(mark));
        assert!(marks.oldest_first().eq(copy.oldest_first()));
        assert_eq!(
            copy.oldest_first().next(),
            Some(mark(2, 5)),
            "the least recently active writer comes first"
        );
    }
}
