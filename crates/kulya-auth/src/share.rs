//! How much of one thing there may be at a time, over all who use it and for each of them: [`Pool`] and [`Share`].
//!
//! The rule is that of a switch's shared buffer (Choudhury and Hahne, dynamic thresholds): what one address holds is
//! bounded by what is still free, and what one connection holds by what its address may still take; its first part is a
//! connection not refused for that. One address alone gets the percentage that the pool is made with; with more of them each
//! gets less, and something is always left for whoever comes next. Nothing is reserved for those who are not there.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// So many addresses are remembered before those that hold nothing are forgotten.
const SWEEP: usize = 4096;

/// The address that things are counted by: an IPv6 host usually has all of a /64.
pub fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// So much at a time, shared out by address and by connection. Clones are one pool.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    percent: usize,
    connections: usize,
    used: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, Weak<AtomicUsize>>>,
}

impl Pool {
    /// At most `most` at a time, of which one address alone gets `percent`; 100 is no bound on addresses and connections.
    pub fn new(most: usize, percent: u32) -> Self {
        Self::among(most, percent, 1)
    }

    /// The same where one connection gets no more than a part of what its address may still have: one of so many, and one.
    pub fn among(most: usize, percent: u32, connections: usize) -> Self {
        let (percent, connections) = (percent.clamp(1, 100) as usize, connections.max(1));
        let (used, addresses) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Shared { most, percent, connections, used, addresses }))
    }

    /// The share of a new connection from this address; `None` is a connection of another kind, which counts alone.
    pub fn share(&self, address: Option<IpAddr>) -> Share {
        let by_address =
            address.map_or_else(Arc::default, |address| self.by_address(counted_address(address)));
        Share(Arc::new(Counters { pool: self.clone(), by_address, by_connection: AtomicUsize::new(0) }))
    }

    fn by_address(&self, address: IpAddr) -> Arc<AtomicUsize> {
        let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = addresses.get(&address).and_then(Weak::upgrade) {
            return counter;
        }
        if addresses.len() >= SWEEP {
            addresses.retain(|_, counter| counter.strong_count() > 0);
        }
        let counter = Arc::default();
        addresses.insert(address, Arc::downgrade(&counter));
        counter
    }

    /// What is taken now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Acquire)
    }

    /// The most that may be taken.
    pub fn most(&self) -> usize {
        self.0.most
    }
}

/// What one connection may take of a pool. Clones are one share.
#[derive(Debug, Clone)]
pub struct Share(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    pool: Pool,
    by_address: Arc<AtomicUsize>,
    by_connection: AtomicUsize,
}

impl Share {
    /// The most that the pool has for all.
    pub fn most(&self) -> usize {
        self.0.pool.most()
    }

    /// Takes a part, if the pool has it and this address and connection may have it. Nobody waits here: who holds a part
    /// and waits for more would wait for ever.
    pub fn take(&self, amount: usize) -> Option<Part> {
        let Counters { pool, by_address, by_connection } = &*self.0;
        let Shared { most, percent, connections, used, .. } = &*pool.0;
        let before = used
            .try_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(amount).filter(|then| then <= most)
            })
            .ok()?;
        let free = (most - before) as u128;
        let address = by_address.fetch_add(amount, Ordering::AcqRel) as u128;
        let connection = by_connection.fetch_add(amount, Ordering::AcqRel) as u128;
        let part = Part { share: self.clone(), amount };
        let (amount, percent) = (amount as u128, *percent as u128);
        let is_fair = percent == 100 || {
            // each that it takes leaves less to take: what it may have still is where both meet
            let left = (free * percent).saturating_sub(address * (100 - percent)).div_ceil(100);
            let is_first = connection == 0;
            amount <= left && (is_first || (connection + amount) * *connections as u128 <= left)
        };
        is_fair.then_some(part)
    }

    /// Takes a part that is already used: it counts against others, whether it was there or not.
    pub fn take_anyway(&self, amount: usize) -> Part {
        let Counters { pool, by_address, by_connection } = &*self.0;
        for counter in [&pool.0.used, &**by_address, by_connection] {
            counter.fetch_add(amount, Ordering::AcqRel);
        }
        Part { share: self.clone(), amount }
    }

    /// The same connection's share when it speaks for another address, as a proxy does.
    #[must_use]
    pub fn on_behalf_of(&self, address: IpAddr) -> Self {
        self.0.pool.share(Some(address))
    }

    /// The pool that it is of.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }
}

/// A part of a pool; given back when it is dropped.
#[derive(Debug)]
pub struct Part {
    share: Share,
    amount: usize,
}

impl Part {
    /// How much it is.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Puts another part of the same share to this one.
    pub fn join(&mut self, mut other: Self) {
        self.amount += std::mem::take(&mut other.amount);
    }

    /// Gives back all but `amount`.
    pub fn shrink(&mut self, amount: usize) {
        let given_back = self.amount.saturating_sub(amount);
        self.amount -= given_back;
        self.give_back(given_back);
    }

    fn give_back(&self, amount: usize) {
        let Counters { pool, by_address, by_connection } = &*self.share.0;
        for counter in [&pool.0.used, &**by_address, by_connection] {
            counter.fetch_sub(amount, Ordering::AcqRel);
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.give_back(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    /// Takes one at a time until it is refused.
    fn fill(share: &Share) -> Vec<Part> {
        std::iter::from_fn(|| share.take(1)).collect()
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let pool = Pool::new(100, 100);
        let share = pool.share(address(1));
        let mut part = share.take(30).unwrap();
        part.join(share.take(20).unwrap());
        assert_eq!((pool.used(), part.amount()), (50, 50));
        assert!(share.take(51).is_none() && share.take(usize::MAX).is_none());
        assert_eq!(pool.used(), 50, "what was refused is not taken");
        let over = share.take_anyway(70);
        assert_eq!(pool.used(), 120);
        assert!(share.take(1).is_none());
        part.shrink(10);
        assert_eq!((pool.used(), part.amount()), (80, 10));
        drop((part, over));
        assert_eq!(pool.used(), 0);
        assert_eq!(share.0.by_connection.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_address_leaves_room_for_others_and_for_its_own_next_connection() {
        let pool = Pool::among(4096, 75, 8);
        // one after the other, as many as a connection of HTTP/2 may have
        let greedy: Vec<_> = (0..25).map(|_| pool.share(address(1))).collect();
        let mut held: Vec<_> = greedy.iter().flat_map(|share| fill(share).into_iter().take(200)).collect();
        // round after round, as 25 connections would
        loop {
            let taken: Vec<_> = greedy.iter().filter_map(|share| share.take(1)).collect();
            if taken.is_empty() {
                break;
            }
            held.extend(taken);
        }
        assert!((2000..=3072).contains(&held.len()), "{}", held.len());
        let next = fill(&pool.share(address(1)));
        assert!(next.len() > 4, "its own next connection: {}", next.len());
        let other = fill(&pool.share(address(2)));
        assert!(other.len() > 50, "another address: {}", other.len());
        drop(held);
        assert!(pool.share(address(3)).take(500).is_some(), "as it was");
    }

    #[test]
    fn however_many_addresses_come_something_is_left() {
        let pool = Pool::new(1000, 75);
        let mut held = Vec::new();
        for last in 0..100 {
            let part = fill(&pool.share(address(last)));
            assert!(!part.is_empty() || pool.used() > 990, "address {last} at {}", pool.used());
            held.push(part);
        }
        assert!(pool.used() <= 1000);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let parse = |text: &str| counted_address(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2:3:4:5:6"), parse("2001:db8:1:2::9"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"), "IPv4 behind an IPv6 socket");
    }

    #[test]
    fn addresses_that_hold_nothing_are_forgotten() {
        let pool = Pool::new(10, 75);
        for number in 0..3 * SWEEP as u32 {
            drop(pool.share(Some(IpAddr::from(number.to_be_bytes()))));
        }
        assert!(pool.0.addresses.lock().unwrap().len() <= SWEEP);
    }
}
