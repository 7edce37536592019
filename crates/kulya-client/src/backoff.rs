//! Exponential backoff: the delays between attempts of a call.

use std::time::Duration;

/// Delays that double from a minimum up to a maximum.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// Begins with a delay of `min`.
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { next: min, max }
    }

    /// Returns the next delay without advancing.
    pub(crate) fn peek(&self) -> Duration {
        self.next
    }

    /// Doubles the next delay, up to the maximum.
    pub(crate) fn advance(&mut self) {
        self.next = self.max.min(self.next * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(100));
        let mut delays = Vec::new();
        for _ in 0..5 {
            delays.push(backoff.peek().as_millis());
            backoff.advance();
        }
        assert_eq!(delays, [20, 40, 80, 100, 100]);
    }
}
