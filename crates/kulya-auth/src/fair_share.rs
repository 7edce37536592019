//! A bounded resource that is shared fairly between client addresses and connections: [`Pool`] and [`Share`].
//!
//! The algorithm is that of a switch's shared buffer (Choudhury and Hahne, dynamic thresholds): what one
//! address may hold is bounded by what is still free, and what one connection may hold by what its address
//! may still take; a connection's first permit is exempt from the second bound. A single address gets the
//! percentage that the pool is created with; with more addresses each gets less, and something is always left
//! for the next one. Nothing is reserved for clients that are not connected.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Addresses with a counter, before those that hold nothing are removed.
const CLEANUP_THRESHOLD: usize = 4096;

/// Returns the address that a client's resources are accounted to: of IPv6 the /64 network, which one host
/// usually has.
pub fn accounting_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A bounded number of requests, connections or bytes. Clones share one pool.
#[derive(Debug, Clone)]
pub struct Pool(Arc<PoolInner>);

#[derive(Debug)]
struct PoolInner {
    capacity: usize,
    percent: usize,
    connections: usize,
    used: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, Weak<AtomicUsize>>>,
}

impl Pool {
    /// Creates a pool of which a single address gets `percent`; 100 sets no bound on addresses and
    /// connections.
    pub fn new(capacity: usize, percent: u32) -> Self {
        Self::with_connection_share(capacity, percent, 1)
    }

    /// Creates a pool where one connection gets at most one part in `connections` of what its address may
    /// still take.
    pub fn with_connection_share(capacity: usize, percent: u32, connections: usize) -> Self {
        let (percent, connections) = (percent.clamp(1, 100) as usize, connections.max(1));
        let (used, addresses) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(PoolInner { capacity, percent, connections, used, addresses }))
    }

    /// Returns the share of a new connection from this address; a connection without an address is accounted
    /// alone.
    pub fn share(&self, address: Option<IpAddr>) -> Share {
        let by_address =
            address.map_or_else(Arc::default, |address| self.by_address(accounting_address(address)));
        Share(Arc::new(Counters { pool: self.clone(), by_address, by_connection: AtomicUsize::new(0) }))
    }

    fn by_address(&self, address: IpAddr) -> Arc<AtomicUsize> {
        let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = addresses.get(&address).and_then(Weak::upgrade) {
            return counter;
        }
        if addresses.len() >= CLEANUP_THRESHOLD {
            addresses.retain(|_, counter| counter.strong_count() > 0);
        }
        let counter = Arc::default();
        addresses.insert(address, Arc::downgrade(&counter));
        counter
    }

    /// Returns how much is in use.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Acquire)
    }

    /// Returns how much can be in use.
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }
}

/// What one connection may use of a pool. Clones are one share.
#[derive(Debug, Clone)]
pub struct Share(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    pool: Pool,
    by_address: Arc<AtomicUsize>,
    by_connection: AtomicUsize,
}

impl Share {
    /// Returns the capacity of the whole pool.
    pub fn capacity(&self) -> usize {
        self.0.pool.capacity()
    }

    /// Acquires a permit if the pool has the space and this address and connection may have it. It never
    /// waits: holders of a permit that wait for more would wait for each other for ever.
    pub fn try_acquire(&self, amount: usize) -> Option<Permit> {
        let Counters { pool, by_address, by_connection } = &*self.0;
        let PoolInner { capacity, percent, connections, used, .. } = &*pool.0;
        let before = used
            .try_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(amount).filter(|after| after <= capacity)
            })
            .ok()?;
        let free = (capacity - before) as u128;
        let address = by_address.fetch_add(amount, Ordering::AcqRel) as u128;
        let connection = by_connection.fetch_add(amount, Ordering::AcqRel) as u128;
        let permit = Permit { share: self.clone(), amount };
        let (amount, percent) = (amount as u128, *percent as u128);
        let is_fair = percent == 100 || {
            // each unit that it takes leaves less to take: what it may still have is where both meet
            let remaining = (free * percent).saturating_sub(address * (100 - percent)).div_ceil(100);
            let is_first = connection == 0;
            amount <= remaining && (is_first || (connection + amount) * *connections as u128 <= remaining)
        };
        is_fair.then_some(permit)
    }

    /// Accounts for what is in use already, whether the pool has the space or not.
    pub fn force_acquire(&self, amount: usize) -> Permit {
        let Counters { pool, by_address, by_connection } = &*self.0;
        for counter in [&pool.0.used, &**by_address, by_connection] {
            counter.fetch_add(amount, Ordering::AcqRel);
        }
        Permit { share: self.clone(), amount }
    }

    /// Returns the share of another address on the same pool, for requests that a proxy forwards.
    #[must_use]
    pub fn on_behalf_of(&self, address: IpAddr) -> Self {
        self.0.pool.share(Some(address))
    }

    /// Returns the pool.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }
}

/// An acquired part of a pool, released on drop.
#[derive(Debug)]
pub struct Permit {
    share: Share,
    amount: usize,
}

impl Permit {
    /// Returns its amount.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Adds another permit of the same share to this one.
    pub fn merge(&mut self, mut other: Self) {
        self.amount += std::mem::take(&mut other.amount);
    }

    /// Releases all but `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        let released = self.amount.saturating_sub(amount);
        self.amount -= released;
        self.release(released);
    }

    fn release(&self, amount: usize) {
        let Counters { pool, by_address, by_connection } = &*self.share.0;
        for counter in [&pool.0.used, &**by_address, by_connection] {
            counter.fetch_sub(amount, Ordering::AcqRel);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    /// Acquires one unit at a time until it is refused.
    fn fill(share: &Share) -> Vec<Permit> {
        std::iter::from_fn(|| share.try_acquire(1)).collect()
    }

    #[test]
    fn a_permit_is_released() {
        let pool = Pool::new(100, 100);
        let share = pool.share(address(1));
        let mut permit = share.try_acquire(30).unwrap();
        permit.merge(share.try_acquire(20).unwrap());
        assert_eq!((pool.used(), permit.amount()), (50, 50));
        assert!(share.try_acquire(51).is_none() && share.try_acquire(usize::MAX).is_none());
        assert_eq!(pool.used(), 50, "a refused permit uses nothing");
        let over = share.force_acquire(70);
        assert_eq!(pool.used(), 120);
        assert!(share.try_acquire(1).is_none());
        permit.shrink_to(10);
        assert_eq!((pool.used(), permit.amount()), (80, 10));
        drop((permit, over));
        assert_eq!(pool.used(), 0);
        assert_eq!(share.0.by_connection.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_address_leaves_space_for_others_and_for_its_own_next_connection() {
        let pool = Pool::with_connection_share(4096, 75, 8);
        // connection by connection, as many as one of HTTP/2 may have
        let greedy: Vec<_> = (0..25).map(|_| pool.share(address(1))).collect();
        let mut held: Vec<_> = greedy.iter().flat_map(|share| fill(share).into_iter().take(200)).collect();
        // round after round, as 25 connections would
        loop {
            let acquired: Vec<_> = greedy.iter().filter_map(|share| share.try_acquire(1)).collect();
            if acquired.is_empty() {
                break;
            }
            held.extend(acquired);
        }
        assert!((2000..=3072).contains(&held.len()), "{}", held.len());
        let next = fill(&pool.share(address(1)));
        assert!(next.len() > 4, "its own next connection: {}", next.len());
        let other = fill(&pool.share(address(2)));
        assert!(other.len() > 50, "another address: {}", other.len());
        drop(held);
        assert!(pool.share(address(3)).try_acquire(500).is_some(), "all is released");
    }

    #[test]
    fn something_is_left_for_any_number_of_addresses() {
        let pool = Pool::new(1000, 75);
        let mut held = Vec::new();
        for last in 0..100 {
            let permit = fill(&pool.share(address(last)));
            assert!(!permit.is_empty() || pool.used() > 990, "address {last} at {}", pool.used());
            held.push(permit);
        }
        assert!(pool.used() <= 1000);
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let parse = |text: &str| accounting_address(text.parse().unwrap());
        assert_eq!(parse("2001:db8:1:2:3:4:5:6"), parse("2001:db8:1:2::9"));
        assert_ne!(parse("2001:db8:1:2::1"), parse("2001:db8:1:3::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"), "IPv4 behind an IPv6 socket");
    }

    #[test]
    fn addresses_without_permits_are_removed() {
        let pool = Pool::new(10, 75);
        for number in 0..3 * CLEANUP_THRESHOLD as u32 {
            drop(pool.share(Some(IpAddr::from(number.to_be_bytes()))));
        }
        assert!(pool.0.addresses.lock().unwrap().len() <= CLEANUP_THRESHOLD);
    }
}
