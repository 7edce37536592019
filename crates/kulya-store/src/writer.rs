//! Writers that number what they write, so that a retry writes nothing twice.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// How many writers a store remembers; who wrote longest ago is forgotten first, and is new when it comes back.
pub const MOST_WRITERS: usize = 10_000;

/// A writer: a number that nobody else uses, drawn at random when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriterId(pub u128);

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Which of a writer's commits this is. A commit whose number is not above the last stored one is there already, and
/// changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterMark {
    /// The writer.
    pub writer: WriterId,
    /// Rises from commit to commit of a writer; by convention the number of the commit's last event.
    pub event_number: u64,
}

/// The last number of each writer: what a backend keeps, in the order of its commits.
#[derive(Debug, Default, Clone)]
pub struct WriterMarks {
    last: HashMap<WriterId, (u64, u64)>,
    /// By when they last wrote.
    order: BTreeMap<u64, WriterId>,
    written: u64,
}

impl WriterMarks {
    /// The writer's last number.
    pub fn last(&self, writer: WriterId) -> Option<u64> {
        self.last.get(&writer).map(|(number, _)| *number)
    }

    /// Whether this commit is stored already.
    pub fn has(&self, mark: WriterMark) -> bool {
        self.last(mark.writer).is_some_and(|last| mark.event_number <= last)
    }

    /// Each writer's last commit, who wrote longest ago first: stored again in this order they make the same.
    pub fn in_order(&self) -> impl Iterator<Item = WriterMark> + '_ {
        let mark = |writer: &WriterId| {
            self.last(*writer).map(|event_number| WriterMark { writer: *writer, event_number })
        };
        self.order.values().filter_map(mark)
    }

    /// Takes over a commit.
    pub fn store(&mut self, mark: WriterMark) {
        self.written += 1;
        if let Some((_, before)) = self.last.insert(mark.writer, (mark.event_number, self.written)) {
            self.order.remove(&before);
        }
        self.order.insert(self.written, mark.writer);
        if self.order.len() > MOST_WRITERS
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
    fn the_writer_of_longest_ago_is_forgotten() {
        let mut marks = WriterMarks::default();
        let mark =
            |writer: usize, event_number| WriterMark { writer: WriterId(writer as u128), event_number };
        for writer in 0..MOST_WRITERS {
            marks.store(mark(writer, 5));
        }
        marks.store(mark(0, 6));
        assert!(marks.has(mark(0, 6)) && !marks.has(mark(0, 7)) && marks.has(mark(1, 1)));
        marks.store(mark(MOST_WRITERS, 1));
        assert_eq!((marks.last(WriterId(0)), marks.last(WriterId(1))), (Some(6), None));
        assert_eq!(marks.order.len(), MOST_WRITERS);
        let mut again = WriterMarks::default();
        marks.in_order().for_each(|mark| again.store(mark));
        assert!(marks.in_order().eq(again.in_order()));
        assert_eq!(again.in_order().next(), Some(mark(2, 5)), "who wrote longest ago comes first");
    }
}
