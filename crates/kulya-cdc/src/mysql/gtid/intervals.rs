//! Sets of transaction numbers as sorted intervals that neither overlap nor touch.

/// Greatest transaction number.
pub const MAX_NUMBER: u64 = i64::MAX as u64 - 1;

/// Transaction numbers from `first` to `last`, both included; `1 <= first <= last <= MAX_NUMBER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    first: u64,
    last: u64,
}

impl Interval {
    /// Creates an interval; `None` if a number is out of range or `first` is after `last`.
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (1 <= first && first <= last && last <= MAX_NUMBER).then_some(Self { first, last })
    }

    /// Returns the first number.
    pub fn first(self) -> u64 {
        self.first
    }

    /// Returns the last number.
    pub fn last(self) -> u64 {
        self.last
    }

    /// Returns the count of numbers.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }
}

/// Sorted intervals with a gap between each two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<Interval>);

impl Intervals {
    pub(super) fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an interval and joins it with those that it overlaps or touches. Constant time at the end.
    pub(super) fn add(&mut self, added: Interval) {
        let start = self.0.partition_point(|interval| interval.last + 1 < added.first);
        let end = start + self.0[start..].partition_point(|interval| interval.first <= added.last + 1);
        match self.0.get(start..end) {
            None | Some([]) => self.0.insert(start, added),
            Some([single]) => {
                let joined =
                    Interval { first: single.first.min(added.first), last: single.last.max(added.last) };
                self.0[start] = joined;
            }
            Some([first, .., last]) => {
                let joined =
                    Interval { first: first.first.min(added.first), last: last.last.max(added.last) };
                self.0.splice(start..end, [joined]);
            }
        }
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        let index = self.0.partition_point(|interval| interval.last < number);
        self.0.get(index).is_some_and(|interval| interval.first <= number)
    }

    /// Whether every number is in `other`.
    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|interval| {
            let index = other.0.partition_point(|candidate| candidate.last < interval.first);
            other
                .0
                .get(index)
                .is_some_and(|found| found.first <= interval.first && interval.last <= found.last)
        })
    }

    /// Returns the numbers that are not in `removed`.
    pub(super) fn difference(&self, removed: &Self) -> Self {
        let mut rest = Vec::new();
        let mut removals = removed.0.iter().copied().peekable();
        for interval in &self.0 {
            let mut first = interval.first;
            while let Some(removal) = removals.peek() {
                if removal.first > interval.last {
                    break;
                }
                if removal.first > first {
                    rest.push(Interval { first, last: removal.first - 1 });
                }
                first = first.max(removal.last + 1);
                // it may also cover a part of the next interval
                if removal.last > interval.last {
                    break;
                }
                removals.next();
            }
            if first <= interval.last {
                rest.push(Interval { first, last: interval.last });
            }
        }
        Self(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn intervals(numbers: &BTreeSet<u64>) -> Intervals {
        let mut intervals = Intervals::default();
        for number in numbers {
            intervals.add(Interval { first: *number, last: *number });
        }
        intervals
    }

    fn numbers(intervals: &Intervals) -> BTreeSet<u64> {
        intervals.0.iter().flat_map(|interval| interval.first..=interval.last).collect()
    }

    proptest! {
        #[test]
        fn operations_match_sets_of_numbers(
            pairs in prop::collection::vec((1u64..60, 0u64..9), 0..12),
            others in prop::collection::btree_set(1u64..60, 0..30),
        ) {
            let mut added = Intervals::default();
            let mut model = BTreeSet::new();
            for (first, length) in pairs {
                added.add(Interval::new(first, first + length).unwrap());
                model.extend(first..=first + length);
            }
            prop_assert_eq!(&added, &intervals(&model), "joined and sorted");
            let other = intervals(&others);
            prop_assert_eq!(numbers(&added.difference(&other)), model.difference(&others).copied().collect());
            prop_assert_eq!(added.is_subset(&other), model.is_subset(&others));
            prop_assert!((1..80).all(|number| added.contains(number) == model.contains(&number)));
        }
    }

    #[test]
    fn intervals_are_checked() {
        assert!(Interval::new(0, 1).is_none() && Interval::new(2, 1).is_none());
        assert!(Interval::new(1, MAX_NUMBER + 1).is_none() && Interval::new(1, MAX_NUMBER).is_some());
    }
}
