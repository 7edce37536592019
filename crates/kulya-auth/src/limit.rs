//! How much may be asked: [`Rates`], requests in a time, one caller at a time; [`Budget`], places or bytes at a time.

use kulya_store::clock::Clock;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So many callers are told apart; who asked longest ago is forgotten, and begins with a full bucket.
const MOST_CALLERS: usize = 16_384;

/// A bucket of tokens for each caller: each request takes one, and time fills it up again.
pub struct Rates {
    per_second: u32,
    burst: u32,
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Rates {
    /// `per_second` requests, `burst` at once after a pause; 0 a second means no bound.
    pub fn new(per_second: u32, burst: u32, clock: Arc<dyn Clock>) -> Self {
        Self { per_second, burst: burst.max(1), clock, buckets: Mutex::default() }
    }

    /// Takes one request's token; the error is how long to wait for the next.
    pub fn take(&self, caller: &str) -> Result<(), Duration> {
        self.ask(caller)
    }

    /// Gives a token back that was taken: for what turned out not to count.
    pub fn give_back(&self, caller: &str) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(caller) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.burst));
        }
    }

    fn ask(&self, caller: &str) -> Result<(), Duration> {
        if self.per_second == 0 {
            return Ok(());
        }
        let (now, rate, most) = (self.clock.since_epoch(), f64::from(self.per_second), f64::from(self.burst));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(caller) {
            forget(&mut buckets);
            buckets.insert(caller.to_owned(), Bucket { tokens: most, at: now });
        }
        let Some(bucket) = buckets.get_mut(caller) else { return Ok(()) };
        // a clock that was set back fills nothing
        let passed = now.saturating_sub(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * rate).min(most);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / rate));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

/// Makes room for one more: half of all go, those who asked longest ago, so that it is done seldom.
fn forget(buckets: &mut HashMap<String, Bucket>) {
    if buckets.len() < MOST_CALLERS {
        return;
    }
    let mut times: Vec<_> = buckets.values().map(|bucket| bucket.at).collect();
    let middle = times.len() / 2;
    let (_, &mut median, _) = times.select_nth_unstable(middle);
    buckets.retain(|_, bucket| bucket.at > median);
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, burst, .. } = self;
        f.debug_struct("Rates").field("per_second", per_second).field("burst", burst).finish_non_exhaustive()
    }
}

/// So much at a time. Clones are one budget.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Counter>);

#[derive(Debug)]
struct Counter {
    most: usize,
    used: AtomicUsize,
}

impl Budget {
    /// At most `most` at a time.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Counter { most, used: AtomicUsize::new(0) }))
    }

    /// Takes a part, if it is there. Nobody waits here: who holds a part and waits for more would wait for ever.
    pub fn take(&self, amount: usize) -> Option<Held> {
        let counter = &self.0;
        let taken = counter.used.try_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(amount).filter(|then| *then <= counter.most)
        });
        taken.ok().map(|_| Held { counter: Arc::clone(counter), amount })
    }

    /// Takes a part that is already used: it counts against others, whether it was there or not.
    pub fn take_anyway(&self, amount: usize) -> Held {
        self.0.used.fetch_add(amount, Ordering::AcqRel);
        Held { counter: Arc::clone(&self.0), amount }
    }

    /// What is taken now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Acquire)
    }
}

/// A part of a budget; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    counter: Arc<Counter>,
    amount: usize,
}

impl Held {
    /// How much it is.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Puts another part of the same budget to this one.
    pub fn join(&mut self, mut other: Self) {
        self.amount += std::mem::take(&mut other.amount);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.counter.used.fetch_sub(self.amount, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::clock::ManualClock;

    #[test]
    fn a_bucket_empties_and_fills() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
        let rates = Rates::new(2, 3, Arc::clone(&clock) as Arc<dyn Clock>);
        for _ in 0..3 {
            assert_eq!(rates.take("a"), Ok(()));
        }
        assert_eq!(rates.take("a"), Err(Duration::from_millis(500)));
        rates.give_back("a");
        assert_eq!(rates.take("a"), Ok(()), "what was given back is there");
        assert!(rates.take("a").is_err());
        (0..9).for_each(|_| rates.give_back("c"));
        assert_eq!((0..9).filter(|_| rates.take("c").is_ok()).count(), 3, "no more than the burst");
        assert_eq!(rates.take("b"), Ok(()), "another caller has another bucket");
        clock.advance(Duration::from_millis(250));
        assert_eq!(rates.take("a"), Err(Duration::from_millis(250)));
        clock.advance(Duration::from_millis(250));
        assert_eq!(rates.take("a"), Ok(()));
        clock.set(Duration::from_secs(5));
        assert!(rates.take("a").is_err(), "a clock set back");
        clock.advance(Duration::from_secs(3600));
        assert_eq!(
            (0..9).filter(|_| rates.take("a").is_ok()).count(),
            3,
            "a pause fills no more than the burst"
        );
        assert!((0..99).all(|_| Rates::new(0, 0, Arc::clone(&clock) as Arc<dyn Clock>).take("a").is_ok()));
    }

    #[test]
    fn callers_are_bounded() {
        let clock = Arc::new(ManualClock::at(Duration::from_secs(1)));
        let rates = Rates::new(1, 1, Arc::clone(&clock) as Arc<dyn Clock>);
        for caller in 0..3 * MOST_CALLERS {
            assert!(rates.take(&caller.to_string()).is_ok());
            clock.advance(Duration::from_micros(1));
        }
        assert!(rates.buckets.lock().unwrap().len() <= MOST_CALLERS);
        let last = (3 * MOST_CALLERS - 1).to_string();
        assert!(rates.take(&last).is_err(), "who asked just now is remembered");
    }

    #[test]
    fn a_budget_is_given_back() {
        let budget = Budget::new(10);
        let mut six = budget.take(6).unwrap();
        assert!(budget.take(5).is_none());
        six.join(budget.take(4).unwrap());
        assert_eq!((budget.used(), six.amount()), (10, 10));
        let over = budget.take_anyway(5);
        drop(six);
        assert_eq!(budget.used(), 5);
        assert!(budget.take(6).is_none() && budget.take(usize::MAX).is_none());
        drop(over);
        assert_eq!(budget.used(), 0);
    }
}
