//! Rate limits: a token bucket per caller ([`RateLimiter`]).

use kulya_store::clock::Clock;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Callers with a bucket. The least recently active ones are evicted and start with a full bucket again.
const MAX_CALLERS: usize = 16_384;

/// A token bucket per caller: each request takes a token, and tokens are added at a constant rate.
pub struct RateLimiter {
    per_second: u32,
    burst: u32,
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    updated: Duration,
}

impl RateLimiter {
    /// Creates a limiter of `per_second` requests with bursts of `burst`; 0 per second is unlimited.
    pub fn new(per_second: u32, burst: u32, clock: Arc<dyn Clock>) -> Self {
        Self { per_second, burst: burst.max(1), clock, buckets: Mutex::default() }
    }

    /// Takes a token for one request.
    ///
    /// # Errors
    /// There is none: the time until the next one.
    pub fn try_acquire(&self, caller: &str) -> Result<(), Duration> {
        if self.per_second == 0 {
            return Ok(());
        }
        let (now, rate, capacity) =
            (self.clock.since_epoch(), f64::from(self.per_second), f64::from(self.burst));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(caller) {
            evict(&mut buckets);
            buckets.insert(caller.to_owned(), Bucket { tokens: capacity, updated: now });
        }
        let Some(bucket) = buckets.get_mut(caller) else { return Ok(()) };
        // a clock that was set back adds no tokens
        let elapsed = now.saturating_sub(bucket.updated).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * rate).min(capacity);
        bucket.updated = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / rate));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Returns a token, for a request that turned out not to count.
    pub fn refund(&self, caller: &str) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(caller) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.burst));
        }
    }
}

/// Makes space for another bucket: evicts the least recently active half, so that it happens rarely.
fn evict(buckets: &mut HashMap<String, Bucket>) {
    if buckets.len() < MAX_CALLERS {
        return;
    }
    let mut times: Vec<_> = buckets.values().map(|bucket| bucket.updated).collect();
    let middle = times.len() / 2;
    let (_, &mut median, _) = times.select_nth_unstable(middle);
    buckets.retain(|_, bucket| bucket.updated > median);
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, burst, .. } = self;
        f.debug_struct("RateLimiter")
            .field("per_second", per_second)
            .field("burst", burst)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::clock::ManualClock;

    #[test]
    fn a_bucket_drains_and_refills() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let limiter = RateLimiter::new(2, 3, Arc::clone(&clock) as Arc<dyn Clock>);
        for _ in 0..3 {
            assert_eq!(limiter.try_acquire("a"), Ok(()));
        }
        assert_eq!(limiter.try_acquire("a"), Err(Duration::from_millis(500)));
        limiter.refund("a");
        assert_eq!(limiter.try_acquire("a"), Ok(()), "a refund is available");
        assert!(limiter.try_acquire("a").is_err());
        (0..9).for_each(|_| limiter.refund("c"));
        assert_eq!((0..9).filter(|_| limiter.try_acquire("c").is_ok()).count(), 3, "no more than the burst");
        assert_eq!(limiter.try_acquire("b"), Ok(()), "another caller has another bucket");
        clock.advance(Duration::from_millis(250));
        assert_eq!(limiter.try_acquire("a"), Err(Duration::from_millis(250)));
        clock.advance(Duration::from_millis(250));
        assert_eq!(limiter.try_acquire("a"), Ok(()));
        clock.set(Duration::from_secs(5));
        assert!(limiter.try_acquire("a").is_err(), "the clock was set back");
        clock.advance(Duration::from_secs(3600));
        assert_eq!(
            (0..9).filter(|_| limiter.try_acquire("a").is_ok()).count(),
            3,
            "a pause refills no more than the burst"
        );
        assert!(
            (0..99).all(|_| RateLimiter::new(0, 0, Arc::clone(&clock) as Arc<dyn Clock>)
                .try_acquire("a")
                .is_ok())
        );
    }

    #[test]
    fn callers_are_bounded() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1)));
        let limiter = RateLimiter::new(1, 1, Arc::clone(&clock) as Arc<dyn Clock>);
        for caller in 0..3 * MAX_CALLERS {
            assert!(limiter.try_acquire(&caller.to_string()).is_ok());
            clock.advance(Duration::from_micros(1));
        }
        assert!(limiter.buckets.lock().unwrap().len() <= MAX_CALLERS);
        let last = (3 * MAX_CALLERS - 1).to_string();
        assert!(limiter.try_acquire(&last).is_err(), "a recent caller is remembered");
    }
}
