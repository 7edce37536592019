//! Whose password is looked at next. Hashing one keeps a processor busy for a good part of a second, so a few are hashed at a
//! time and the others wait; [`LoginQueue`] says who, in an order that who floods it cannot turn against others:
//!
//! - whose address and account were tried least often of late comes first, however long others wait;
//! - one address, and one account, has no more than one of the places, so that a newcomer finds one free, or waits for one
//!   hash at most;
//! - the queue is bounded: who comes when it is full takes the place of the one that would come last, or is sent away.
//!
//! Values alone: no clock, no thread. [`attempt_keys`] says what counts as one address and one pair.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

/// Attempts that are remembered, of addresses and accounts together.
const MAX_REMEMBERED: usize = 16_384;
/// An attempt counts half as much after this time.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// One that waits, or is being hashed.
pub type Ticket = u64;

/// What became of somebody who came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// They may be hashed at once.
    Begins(Ticket),
    /// They wait; and who had to leave for them, if somebody had.
    Waits(Ticket, Option<Ticket>),
    /// There is no room.
    Full,
}

/// By what attempts are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptKeys {
    /// The address: of IPv6 its first 64 bits, which are one customer's.
    pub address: String,
    /// The account, by a hash: names from outside are not kept.
    pub account: String,
}

/// What an attempt is counted by; `hasher` is this process's own.
pub fn attempt_keys(address: Option<IpAddr>, account: &str, hasher: &RandomState) -> AttemptKeys {
    let address = match address.map(|address| address.to_canonical()) {
        None => "address".to_owned(),
        Some(IpAddr::V4(address)) => format!("address {address}"),
        Some(IpAddr::V6(address)) => format!("address {:x}", u128::from(address) >> 64),
    };
    AttemptKeys { address, account: format!("account {:x}", hasher.hash_one(account)) }
}

#[derive(Debug, Clone)]
struct Waiter {
    ticket: Ticket,
    keys: AttemptKeys,
    /// How often address or account were tried of late, when they came.
    score: f64,
}

/// The queue.
#[derive(Debug)]
pub struct LoginQueue {
    places: usize,
    room: usize,
    next: Ticket,
    waiting: Vec<Waiter>,
    hashed: Vec<Waiter>,
    tried: HashMap<String, (f64, Duration)>,
}

impl LoginQueue {
    /// `places` are hashed at a time, `room` wait.
    pub fn new(places: usize, room: usize) -> Self {
        let (waiting, hashed, tried) = (Vec::new(), Vec::new(), HashMap::new());
        Self { places: places.max(1), room, next: 0, waiting, hashed, tried }
    }

    /// Somebody comes.
    pub fn arrive(&mut self, keys: AttemptKeys, now: Duration) -> Arrival {
        let score = self.count(&keys.address, now).max(self.count(&keys.account, now));
        let ticket = self.next;
        self.next += 1;
        let waiter = Waiter { ticket, keys, score };
        if self.may_begin(&waiter) {
            self.hashed.push(waiter);
            return Arrival::Begins(ticket);
        }
        let mut left = None;
        if self.waiting.len() >= self.room {
            let last =
                (0..self.waiting.len()).max_by(|a, b| order(self.waiting.get(*a), self.waiting.get(*b)));
            match last.filter(|last| self.waiting.get(*last).is_some_and(|last| last.score > waiter.score)) {
                Some(last) => left = Some(self.waiting.swap_remove(last).ticket),
                None => return Arrival::Full,
            }
        }
        self.waiting.push(waiter);
        Arrival::Waits(ticket, left)
    }

    /// Somebody who waited is gone, or somebody who was hashed is done; who begins now.
    pub fn leave(&mut self, ticket: Ticket) -> Vec<Ticket> {
        self.waiting.retain(|waiter| waiter.ticket != ticket);
        self.hashed.retain(|waiter| waiter.ticket != ticket);
        let mut begun = Vec::new();
        loop {
            let free = (0..self.waiting.len())
                .filter(|at| self.waiting.get(*at).is_some_and(|waiter| self.may_begin(waiter)))
                .min_by(|a, b| order(self.waiting.get(*a), self.waiting.get(*b)));
            let Some(at) = free else { return begun };
            let waiter = self.waiting.swap_remove(at);
            begun.push(waiter.ticket);
            self.hashed.push(waiter);
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn may_begin(&self, waiter: &Waiter) -> bool {
        let shares = |other: &Waiter| {
            other.keys.address == waiter.keys.address || other.keys.account == waiter.keys.account
        };
        self.hashed.len() < self.places && (self.places == 1 || !self.hashed.iter().any(shares))
    }

    /// Counts an attempt; how many there were before it, older ones less.
    fn count(&mut self, key: &str, now: Duration) -> f64 {
        if self.tried.len() >= MAX_REMEMBERED && !self.tried.contains_key(key) {
            let decayed = |at: &Duration| now.saturating_sub(*at) < HALF_LIFE;
            self.tried.retain(|_, (count, at)| *count > 1.0 && decayed(at));
            if self.tried.len() >= MAX_REMEMBERED {
                self.tried.clear();
            }
        }
        let (count, at) = self.tried.entry(key.to_owned()).or_insert((0.0, now));
        let passed = now.saturating_sub(*at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let before = *count * (-passed).exp2();
        (*count, *at) = (before + 1.0, now);
        before
    }
}

/// Who comes first: who tried least, then who came first.
fn order(a: Option<&Waiter>, b: Option<&Waiter>) -> std::cmp::Ordering {
    let place = |waiter: Option<&Waiter>| waiter.map_or((f64::MAX, Ticket::MAX), |w| (w.score, w.ticket));
    let ((a_score, a_ticket), (b_score, b_ticket)) = (place(a), place(b));
    a_score.total_cmp(&b_score).then(a_ticket.cmp(&b_ticket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(address: &str, account: &str) -> AttemptKeys {
        AttemptKeys { address: format!("address {address}"), account: format!("account {account}") }
    }

    const NOW: Duration = Duration::from_secs(1000);

    /// How many are hashed before somebody who came behind all of these.
    fn hashed_before(flood: impl Iterator<Item = AttemptKeys>, newcomer: AttemptKeys) -> usize {
        let mut queue = LoginQueue::new(2, 64);
        let mut begun: Vec<Ticket> = Vec::new();
        for keys in flood {
            if let Arrival::Begins(ticket) = queue.arrive(keys, NOW) {
                begun.push(ticket);
            }
        }
        assert!(queue.waiting() <= 64, "{}", queue.waiting());
        let mine = match queue.arrive(newcomer, NOW) {
            Arrival::Begins(_) => return 0,
            Arrival::Waits(ticket, _) => ticket,
            Arrival::Full => panic!("a newcomer was sent away"),
        };
        let mut done = 0;
        while let Some(ticket) = begun.pop() {
            done += 1;
            begun.extend(queue.leave(ticket));
            if begun.contains(&mine) {
                return done;
            }
        }
        panic!("the newcomer never comes");
    }

    #[test]
    fn a_newcomer_waits_for_one_hash_at_most() {
        let mine = || keys("10.0.0.9", "anna");
        let one_address = (0..600).map(|n| keys("10.0.0.1", &format!("user{n}")));
        assert_eq!(hashed_before(one_address, mine()), 0, "one address has one place of two");
        let one_account = (0..600).map(|n| keys(&format!("10.0.1.{n}"), "root"));
        assert_eq!(hashed_before(one_account, mine()), 0, "one account has one place of two");
        // two addresses have both places, and come again and again
        let two = (0..600).map(|n| keys(["a", "b"][n % 2], &format!("user{n}")));
        assert_eq!(hashed_before(two, mine()), 1);
    }

    #[test]
    fn who_waits_is_bounded_and_who_tries_most_goes_first() {
        let mut queue = LoginQueue::new(1, 2);
        let Arrival::Begins(first) = queue.arrive(keys("a", "x"), NOW) else { panic!() };
        let Arrival::Waits(second, None) = queue.arrive(keys("a", "x"), NOW) else { panic!() };
        let Arrival::Waits(third, None) = queue.arrive(keys("a", "x"), NOW) else { panic!() };
        assert_eq!(queue.arrive(keys("a", "x"), NOW), Arrival::Full);
        let Arrival::Waits(fresh, Some(left)) = queue.arrive(keys("b", "y"), NOW) else { panic!() };
        assert_eq!(left, third);
        assert_eq!(queue.leave(first), [fresh]);
        assert!(queue.leave(second).is_empty() && queue.waiting() == 0, "who is gone is not hashed");
        assert!(queue.leave(fresh).is_empty());
        // what was tried long ago counts no more
        let Arrival::Begins(_) = queue.arrive(keys("c", "z"), NOW) else { panic!() };
        let later = NOW + HALF_LIFE * 20;
        let Arrival::Waits(new, None) = queue.arrive(keys("d", "w"), later) else { panic!() };
        let Arrival::Waits(old, None) = queue.arrive(keys("a", "x"), later) else { panic!() };
        assert!(queue.waiting.iter().all(|waiter| waiter.score < 0.001), "{:?} {new} {old}", queue.waiting);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut queue = LoginQueue::new(1, 0);
        for n in 0..3 * MAX_REMEMBERED {
            queue.arrive(keys(&n.to_string(), "x"), NOW);
        }
        assert!(queue.tried.len() <= MAX_REMEMBERED);
    }

    #[test]
    fn an_address_is_a_customers() {
        let hasher = RandomState::new();
        let of = |address: &str| attempt_keys(Some(address.parse().unwrap()), "a", &hasher).address;
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
