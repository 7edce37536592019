//! A MySQL transaction id and a set of them.

use super::intervals::{Interval, Intervals};
use super::source::GtidSource;
use std::collections::BTreeMap;
use std::fmt;

/// The id of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    /// The server and tag.
    pub source: GtidSource,
    /// The number, from 1 to [`MAX_NUMBER`](super::MAX_NUMBER).
    pub number: u64,
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.number)
    }
}

/// A set of transactions, such as `gtid_executed` and `gtid_purged`. Its memory grows with the number of
/// intervals, not of transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet {
    /// None of the values is empty.
    sources: BTreeMap<GtidSource, Intervals>,
}

impl GtidSet {
    /// Adds a transaction; a number out of range is ignored.
    pub fn add(&mut self, gtid: &Gtid) {
        let Some(interval) = Interval::new(gtid.number, gtid.number) else { return };
        match self.sources.get_mut(&gtid.source) {
            Some(intervals) => intervals.add(interval),
            None => self.add_interval(gtid.source.clone(), interval),
        }
    }

    /// Adds transactions of one source.
    pub fn add_interval(&mut self, source: GtidSource, interval: Interval) {
        self.sources.entry(source).or_default().add(interval);
    }

    /// Adds all transactions of `other`.
    pub fn union(&mut self, other: &Self) {
        for (source, interval) in other.intervals() {
            match self.sources.get_mut(source) {
                Some(intervals) => intervals.add(interval),
                None => self.add_interval(source.clone(), interval),
            }
        }
    }

    /// Removes all transactions of `other`.
    pub fn subtract(&mut self, other: &Self) {
        self.sources.retain(|source, intervals| {
            if let Some(removed) = other.sources.get(source) {
                *intervals = intervals.difference(removed);
            }
            !intervals.is_empty()
        });
    }

    /// Whether a transaction is in the set.
    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.sources.get(&gtid.source).is_some_and(|intervals| intervals.contains(gtid.number))
    }

    /// Whether every transaction is in `other` too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.sources.iter().all(|(source, intervals)| {
            other.sources.get(source).is_some_and(|candidates| intervals.is_subset(candidates))
        })
    }

    /// Whether the set contains no transaction.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Whether a transaction has a tag, which servers before MySQL 8.3 do not understand.
    pub fn has_tags(&self) -> bool {
        self.sources.keys().any(|source| source.tag.is_some())
    }

    /// Returns the intervals, sorted by server, tag and number.
    pub fn intervals(&self) -> impl Iterator<Item = (&GtidSource, Interval)> {
        self.sources.iter().flat_map(|(source, intervals)| {
            intervals.as_slice().iter().map(move |interval| (source, *interval))
        })
    }

    /// Returns the sources with their intervals, sorted by server and tag.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = (&GtidSource, &[Interval])> {
        self.sources.iter().map(|(source, intervals)| (source, intervals.as_slice()))
    }
}
