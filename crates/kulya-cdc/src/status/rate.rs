//! A rate over the last minute.

use std::time::Duration;

/// The number of seconds of which the rate is an average.
const SECONDS: u64 = 60;

/// Counts by second, of the last minute.
#[derive(Debug)]
pub(super) struct Rate {
    counts: [u64; SECONDS as usize],
    /// The second of the last count, and of the first one.
    last: u64,
    first: Option<u64>,
}

impl Default for Rate {
    fn default() -> Self {
        Self { counts: [0; SECONDS as usize], last: 0, first: None }
    }
}

impl Rate {
    /// Adds to the count at a time.
    pub(super) fn add(&mut self, count: u64, now: Duration) {
        self.advance(now.as_secs());
        self.first.get_or_insert(now.as_secs());
        if let Some(counted) = self.counts.get_mut((self.last % SECONDS) as usize) {
            *counted += count;
        }
    }

    /// Returns the average per second.
    pub(super) fn per_second(&mut self, now: Duration) -> u64 {
        self.advance(now.as_secs());
        let Some(first) = self.first else { return 0 };
        let seconds = (self.last - first + 1).clamp(1, SECONDS);
        self.counts.iter().sum::<u64>() / seconds
    }

    /// Forgets the counts of a minute ago. A clock that went back counts as standing still.
    fn advance(&mut self, second: u64) {
        let second = second.max(self.last);
        for passed in (self.last + 1..=second).rev().take(SECONDS as usize) {
            if let Some(counted) = self.counts.get_mut((passed % SECONDS) as usize) {
                *counted = 0;
            }
        }
        self.last = second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_an_average_of_a_minute() {
        let mut rate = Rate::default();
        let at = |second: u64| Duration::from_secs(1_000_000 + second);
        assert_eq!(rate.per_second(at(0)), 0);
        rate.add(600, at(0));
        for (second, expected) in [(0, 600), (1, 300), (9, 60), (59, 10), (60, 0), (1000, 0)] {
            assert_eq!(rate.per_second(at(second)), expected, "{second}");
        }
        // a clock that goes back
        rate.add(6000, at(500));
        assert_eq!(rate.per_second(at(0)), 100);
    }
}
