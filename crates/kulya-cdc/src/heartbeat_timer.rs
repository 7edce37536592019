//! When the next heartbeat is due. The caller hands in the time.

use std::time::Duration;

/// A timer of heartbeats; times are since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeartbeatTimer {
    /// `None` without heartbeats.
    interval: Option<Duration>,
    last: Duration,
}

impl HeartbeatTimer {
    /// Creates a timer that begins now; an interval of zero is none.
    pub(crate) fn new(interval: Duration, now: Duration) -> Self {
        Self { interval: Some(interval).filter(|interval| !interval.is_zero()), last: now }
    }

    /// Returns the time until a heartbeat is due, zero if it is; `None` without heartbeats. If the clock was
    /// set back, the interval begins again.
    pub(crate) fn remaining(&mut self, now: Duration) -> Option<Duration> {
        let interval = self.interval?;
        self.last = self.last.min(now);
        Some(interval.saturating_sub(now - self.last))
    }

    /// Returns whether a heartbeat is due; if so, the next interval begins.
    pub(crate) fn take_due(&mut self, now: Duration) -> bool {
        let is_due = self.remaining(now).is_some_and(|remaining| remaining.is_zero());
        if is_due {
            self.last = now;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_due_after_the_interval() {
        let seconds = Duration::from_secs;
        let mut timer = HeartbeatTimer::new(seconds(10), seconds(100));
        for (now, remaining, is_due) in [
            (100, 10, false),
            (109, 1, false),
            (110, 0, true),
            (110, 10, false),
            // a late one begins the next interval
            (135, 0, true),
            (144, 1, false),
            (145, 0, true),
            // the clock was set back
            (50, 10, false),
            (59, 1, false),
            (60, 0, true),
        ] {
            assert_eq!(timer.remaining(seconds(now)), Some(seconds(remaining)), "{now}");
            assert_eq!(timer.take_due(seconds(now)), is_due, "{now}");
        }
        let mut none = HeartbeatTimer::new(Duration::ZERO, seconds(1));
        assert_eq!((none.remaining(seconds(9)), none.take_due(seconds(9))), (None, false));
    }
}
