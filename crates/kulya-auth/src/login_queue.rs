//! The order in which passwords are hashed. A hash keeps a processor busy for some hundred milliseconds, so
//! only a few run at a time and other attempts wait; [`LoginQueue`] orders them so that a flood of attempts
//! cannot starve others:
//!
//! - attempts whose address and account were tried least often of late come first, however long others have
//!   waited;
//! - one address, and one account, has at most one of the slots, so that a new client finds a free slot or
//!   waits for one hash at most;
//! - the queue is bounded: an attempt that arrives when it is full replaces the one with the lowest priority,
//!   or is rejected.
//!
//! It is a pure data structure without a clock or threads. [`attempt_keys`] defines what counts as one
//! address and one account.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// Addresses and accounts, together, whose attempts are counted.
const MAX_TRACKED: usize = 16_384;
/// The weight of an attempt halves in this time.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Identifies an attempt that waits or runs.
pub type Ticket = u64;

/// The outcome of an attempt's arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The attempt has a slot: hash now.
    Started(Ticket),
    /// The attempt waits; the second ticket is the one that it evicted, if any.
    Queued(Ticket, Option<Ticket>),
    /// The queue is full.
    Rejected,
}

/// The keys that attempts are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptKeys {
    /// The address: of IPv6 the first 64 bits, which one customer has.
    pub address: String,
    /// A hash of the account: names chosen by clients are not stored.
    pub account: String,
}

/// Returns the keys of an attempt; `hasher` is keyed per process.
pub fn attempt_keys(address: Option<IpAddr>, account: &str, hasher: &RandomState) -> AttemptKeys {
    let address = match address.map(|address| address.to_canonical()) {
        None => "address".to_owned(),
        Some(IpAddr::V4(address)) => format!("address {address}"),
        Some(IpAddr::V6(address)) => format!("address {:x}", u128::from(address) >> 64),
    };
    AttemptKeys { address, account: format!("account {:x}", hasher.hash_one(account)) }
}

#[derive(Debug, Clone)]
struct Attempt {
    ticket: Ticket,
    keys: AttemptKeys,
    /// How often the address or the account had been tried of late, on arrival.
    score: f64,
}

/// A bounded priority queue of login attempts.
#[derive(Debug)]
pub struct LoginQueue {
    slots: usize,
    max_waiting: usize,
    next: Ticket,
    waiting: Vec<Attempt>,
    running: Vec<Attempt>,
    attempts: HashMap<String, (f64, Duration)>,
}

impl LoginQueue {
    /// Creates a queue where `slots` attempts run and `max_waiting` wait.
    pub fn new(slots: usize, max_waiting: usize) -> Self {
        let (waiting, running, attempts) = (Vec::new(), Vec::new(), HashMap::new());
        Self { slots: slots.max(1), max_waiting, next: 0, waiting, running, attempts }
    }

    /// Adds an attempt.
    pub fn enqueue(&mut self, keys: AttemptKeys, now: Duration) -> Admission {
        let score = self.count(&keys.address, now).max(self.count(&keys.account, now));
        let ticket = self.next;
        self.next += 1;
        let attempt = Attempt { ticket, keys, score };
        if self.can_start(&attempt) {
            self.running.push(attempt);
            return Admission::Started(ticket);
        }
        let mut evicted = None;
        if self.waiting.len() >= self.max_waiting {
            let last =
                (0..self.waiting.len()).max_by(|a, b| priority(self.waiting.get(*a), self.waiting.get(*b)));
            match last.filter(|last| self.waiting.get(*last).is_some_and(|last| last.score > attempt.score)) {
                Some(last) => evicted = Some(self.waiting.swap_remove(last).ticket),
                None => return Admission::Rejected,
            }
        }
        self.waiting.push(attempt);
        Admission::Queued(ticket, evicted)
    }

    /// Removes an attempt that has finished or was cancelled; returns the attempts that start now.
    pub fn remove(&mut self, ticket: Ticket) -> Vec<Ticket> {
        self.waiting.retain(|attempt| attempt.ticket != ticket);
        self.running.retain(|attempt| attempt.ticket != ticket);
        let mut started = Vec::new();
        loop {
            let next = (0..self.waiting.len())
                .filter(|at| self.waiting.get(*at).is_some_and(|attempt| self.can_start(attempt)))
                .min_by(|a, b| priority(self.waiting.get(*a), self.waiting.get(*b)));
            let Some(at) = next else { return started };
            let attempt = self.waiting.swap_remove(at);
            started.push(attempt.ticket);
            self.running.push(attempt);
        }
    }

    /// Returns the number of waiting attempts.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn can_start(&self, attempt: &Attempt) -> bool {
        let has_same_key = |other: &Attempt| {
            other.keys.address == attempt.keys.address || other.keys.account == attempt.keys.account
        };
        self.running.len() < self.slots && (self.slots == 1 || !self.running.iter().any(has_same_key))
    }

    /// Counts an attempt; returns the decayed number of earlier ones.
    fn count(&mut self, key: &str, now: Duration) -> f64 {
        if self.attempts.len() >= MAX_TRACKED && !self.attempts.contains_key(key) {
            let is_recent = |at: &Duration| now.saturating_sub(*at) < HALF_LIFE;
            self.attempts.retain(|_, (count, at)| *count > 1.0 && is_recent(at));
            if self.attempts.len() >= MAX_TRACKED {
                self.attempts.clear();
            }
        }
        let (count, at) = self.attempts.entry(key.to_owned()).or_insert((0.0, now));
        let half_lives = now.saturating_sub(*at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let before = *count * (-half_lives).exp2();
        (*count, *at) = (before + 1.0, now);
        before
    }
}

/// Orders attempts: fewest earlier attempts first, then by arrival.
fn priority(a: Option<&Attempt>, b: Option<&Attempt>) -> std::cmp::Ordering {
    let rank = |attempt: Option<&Attempt>| attempt.map_or((f64::MAX, Ticket::MAX), |a| (a.score, a.ticket));
    let ((a_score, a_ticket), (b_score, b_ticket)) = (rank(a), rank(b));
    a_score.total_cmp(&b_score).then(a_ticket.cmp(&b_ticket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(address: &str, account: &str) -> AttemptKeys {
        AttemptKeys { address: format!("address {address}"), account: format!("account {account}") }
    }

    const NOW: Duration = Duration::from_secs(1000);

    /// The number of attempts hashed before a newcomer that arrives after all of the flood.
    fn hashed_before(flood: impl Iterator<Item = AttemptKeys>, newcomer: AttemptKeys) -> usize {
        let mut queue = LoginQueue::new(2, 64);
        let mut started: Vec<Ticket> = Vec::new();
        for keys in flood {
            if let Admission::Started(ticket) = queue.enqueue(keys, NOW) {
                started.push(ticket);
            }
        }
        assert!(queue.waiting() <= 64, "{}", queue.waiting());
        let mine = match queue.enqueue(newcomer, NOW) {
            Admission::Started(_) => return 0,
            Admission::Queued(ticket, _) => ticket,
            Admission::Rejected => panic!("the newcomer was rejected"),
        };
        let mut done = 0;
        while let Some(ticket) = started.pop() {
            done += 1;
            started.extend(queue.remove(ticket));
            if started.contains(&mine) {
                return done;
            }
        }
        panic!("the newcomer never starts");
    }

    #[test]
    fn a_newcomer_waits_for_one_hash_at_most() {
        let mine = || keys("10.0.0.9", "anna");
        let one_address = (0..600).map(|n| keys("10.0.0.1", &format!("user{n}")));
        assert_eq!(hashed_before(one_address, mine()), 0, "one address has one slot of two");
        let one_account = (0..600).map(|n| keys(&format!("10.0.1.{n}"), "root"));
        assert_eq!(hashed_before(one_account, mine()), 0, "one account has one slot of two");
        // two addresses hold both slots and keep trying
        let two = (0..600).map(|n| keys(["a", "b"][n % 2], &format!("user{n}")));
        assert_eq!(hashed_before(two, mine()), 1);
    }

    #[test]
    fn the_queue_is_bounded_and_evicts_the_most_frequent() {
        let mut queue = LoginQueue::new(1, 2);
        let Admission::Started(first) = queue.enqueue(keys("a", "x"), NOW) else { panic!() };
        let Admission::Queued(second, None) = queue.enqueue(keys("a", "x"), NOW) else { panic!() };
        let Admission::Queued(third, None) = queue.enqueue(keys("a", "x"), NOW) else { panic!() };
        assert_eq!(queue.enqueue(keys("a", "x"), NOW), Admission::Rejected);
        let Admission::Queued(fresh, Some(evicted)) = queue.enqueue(keys("b", "y"), NOW) else { panic!() };
        assert_eq!(evicted, third);
        assert_eq!(queue.remove(first), [fresh]);
        assert!(queue.remove(second).is_empty() && queue.waiting() == 0, "a cancelled attempt is not hashed");
        assert!(queue.remove(fresh).is_empty());
        // old attempts no longer count
        let Admission::Started(_) = queue.enqueue(keys("c", "z"), NOW) else { panic!() };
        let later = NOW + HALF_LIFE * 20;
        let Admission::Queued(new, None) = queue.enqueue(keys("d", "w"), later) else { panic!() };
        let Admission::Queued(old, None) = queue.enqueue(keys("a", "x"), later) else { panic!() };
        assert!(queue.waiting.iter().all(|attempt| attempt.score < 0.001), "{:?} {new} {old}", queue.waiting);
    }

    #[test]
    fn tracked_keys_are_bounded() {
        let mut queue = LoginQueue::new(1, 0);
        for n in 0..3 * MAX_TRACKED {
            queue.enqueue(keys(&n.to_string(), "x"), NOW);
        }
        assert!(queue.attempts.len() <= MAX_TRACKED);
    }

    #[test]
    fn ipv6_addresses_are_counted_by_network() {
        let hasher = RandomState::new();
        let of = |address: &str| attempt_keys(Some(address.parse().unwrap()), "a", &hasher).address;
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
