//! Where the subtransactions of a spooled transaction begin.
//!
//! A subtransaction that is rolled back has, with its own subtransactions, the end of what the log has of the
//! transaction by then, and their ids are the highest ones: an id is assigned at the first change, and never
//! before the one of the parent. So what it has begins at the first record whose id is at least its own. Only
//! records with a higher id than all before are noted, and of those no more than a maximum number: between
//! two of them the record is found by reading.

/// The maximum number of places that are noted.
#[cfg(not(test))]
const MAX_MARKS: usize = 4096;
/// So few that tests read between two places too.
#[cfg(test)]
const MAX_MARKS: usize = 8;

/// The places of a transaction's records with a higher id than all before.
#[derive(Debug, Default)]
pub(super) struct Subtransactions {
    marks: Vec<Mark>,
    /// Of so many places one is noted; a power of two, 0 for every one.
    skipped_bits: u32,
    /// The number of places since the last one that was noted.
    skipped: u32,
    /// The highest number.
    max: u32,
}

/// A place in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The subtransaction's id, counted from that of the transaction.
    number: u32,
    offset: u64,
}

/// Where the records of a subtransaction begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// There are none.
    Nowhere,
    /// At the place `offset`, before which all numbers are at most `max_before`.
    At { offset: u64, max_before: u32 },
    /// Behind the place `offset`, before which all numbers are at most `max_before`.
    Behind { offset: u64, max_before: u32 },
}

impl Subtransactions {
    /// Notes a record at the end of the spool.
    pub(super) fn note(&mut self, number: u32, offset: u64) {
        if number <= self.max {
            return;
        }
        self.max = number;
        self.skipped += 1;
        if self.skipped >> self.skipped_bits == 0 {
            return;
        }
        self.skipped = 0;
        self.marks.push(Mark { number, offset });
        if self.marks.len() == MAX_MARKS {
            let mut index = 0;
            self.marks.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.skipped_bits += 1;
        }
    }

    /// Returns where the records of a subtransaction begin.
    pub(super) fn beginning(&self, number: u32) -> Beginning {
        if number > self.max {
            return Beginning::Nowhere;
        }
        let index = self.marks.partition_point(|mark| mark.number < number);
        let before = index.checked_sub(1).and_then(|index| self.marks.get(index));
        let (offset, max_before) = before.map_or((0, 0), |mark| (mark.offset, mark.number));
        match self.marks.get(index) {
            Some(mark) if self.skipped_bits == 0 => Beginning::At { offset: mark.offset, max_before },
            _ => Beginning::Behind { offset, max_before },
        }
    }

    /// Forgets what begins at a place or after it; `max_before` is the highest number before it.
    pub(super) fn truncate(&mut self, offset: u64, max_before: u32) {
        let index = self.marks.partition_point(|mark| mark.offset < offset);
        self.marks.truncate(index);
        self.max = max_before;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_of_few_subtransactions_are_known() {
        let mut found = Subtransactions::default();
        for (number, offset) in [(0, 0), (1, 10), (0, 20), (3, 30), (2, 40), (4, 50)] {
            found.note(number, offset);
        }
        assert_eq!(found.beginning(1), Beginning::At { offset: 10, max_before: 0 });
        assert_eq!(found.beginning(2), Beginning::At { offset: 30, max_before: 1 });
        assert_eq!(found.beginning(4), Beginning::At { offset: 50, max_before: 3 });
        assert_eq!(found.beginning(5), Beginning::Nowhere);
        found.truncate(30, 1);
        assert_eq!(found.beginning(2), Beginning::Nowhere);
        found.note(2, 30);
        assert_eq!(found.beginning(2), Beginning::At { offset: 30, max_before: 1 });
    }

    #[test]
    fn many_subtransactions_take_bounded_memory() {
        let mut found = Subtransactions::default();
        for number in 1..=1_000_000u32 {
            found.note(number, u64::from(number) * 10);
        }
        assert!(found.marks.len() < MAX_MARKS && found.marks.capacity() <= 2 * MAX_MARKS);
        for number in [1, 2, 3, 500_000, 777_777, 1_000_000] {
            let Beginning::Behind { offset, max_before } = found.beginning(number) else {
                panic!("{number}: {:?}", found.beginning(number))
            };
            assert!(offset < u64::from(number) * 10 && max_before < number, "{number}: {offset}");
            assert!(u64::from(number) * 10 - offset <= 20 << found.skipped_bits, "{number}: {offset}");
        }
    }
}
