//! When the events of a segment were committed: [`AppendTimes`].

use crate::{Error, Result, SegmentId};
use std::time::Duration;

/// The maximum number of times in the result of
/// [`StreamStore::append_times`](crate::StreamStore::append_times).
pub const MAX_APPEND_TIMES: usize = 16_384;

/// The commit times of the events between two offsets of a segment. Adjacent events of one time are stored
/// once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendTimes {
    /// The offset of the first event of each time, and the time: both increase.
    runs: Vec<(u64, Duration)>,
    end: u64,
}

impl AppendTimes {
    /// Creates an empty list that reaches up to `end`.
    pub fn new(end: u64) -> Self {
        Self { runs: Vec::new(), end }
    }

    /// Returns the offset up to which the times reach, from which a further call continues.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Iterates over the times (since 1970-01-01 00:00 UTC, in milliseconds), each with the offset of its
    /// first event.
    pub fn runs(&self) -> impl Iterator<Item = (u64, Duration)> + '_ {
        self.runs.iter().copied()
    }

    /// Returns the time of the event at an offset; `None` outside the range, and before the head that the
    /// segment had.
    pub fn at(&self, offset: u64) -> Option<Duration> {
        let after = self.runs.partition_point(|(start, _)| *start <= offset);
        let (_, time) = self.runs.get(after.checked_sub(1)?)?;
        (offset < self.end).then_some(*time)
    }

    /// Adds the time of the events from `offset` on. Returns `false`, and ends before `offset`, when there
    /// are [`MAX_APPEND_TIMES`] others.
    pub fn push(&mut self, offset: u64, time: Duration) -> bool {
        if self.runs.last().is_some_and(|(_, last)| *last == time) {
            return true;
        }
        if self.runs.len() == MAX_APPEND_TIMES {
            self.end = self.end.min(offset);
            return false;
        }
        self.runs.push((offset, time));
        true
    }

    /// Checks the range of a call against the segment's tail.
    ///
    /// # Errors
    /// `InvalidInput` if it ends before it starts, or after the tail.
    pub fn check_range(segment: &SegmentId, from: u64, to: u64, tail: u64) -> Result<()> {
        if from <= to && to <= tail {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "segment {segment} has no events from offset {from} to {to}: its tail is at {tail}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_one_run() {
        let millis = Duration::from_millis;
        let mut times = AppendTimes::new(100);
        for (offset, time) in [(10, 1), (20, 1), (30, 5)] {
            assert!(times.push(offset, millis(time)));
        }
        assert_eq!(times.runs().collect::<Vec<_>>(), [(10, millis(1)), (30, millis(5))]);
        let found = [9, 10, 29, 30, 99, 100].map(|offset| times.at(offset));
        let (one, five) = (Some(millis(1)), Some(millis(5)));
        assert_eq!(found, [None, one, one, five, five, None]);
    }

    #[test]
    fn full_list_ends_before_the_next_time() {
        let mut times = AppendTimes::new(u64::MAX);
        let pushed = (0..).take_while(|offset| times.push(*offset, Duration::from_millis(*offset))).count();
        assert_eq!(pushed, MAX_APPEND_TIMES);
        assert!(times.push(pushed as u64, Duration::from_millis(pushed as u64 - 1)), "the last time again");
        assert_eq!(times.end(), MAX_APPEND_TIMES as u64);
        assert_eq!(times.at(times.end()), None);
    }
}
