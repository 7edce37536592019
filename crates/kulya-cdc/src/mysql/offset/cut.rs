//! The place in the log at which a table's rows were read.

use super::gtids::{Gtids, TransactionId};
use super::log_point::LogPoint;

/// A cut: the rows that were read contain exactly the table's changes before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The transactions before it, by their ids.
    pub gtids: Gtids,
    /// The place in the log of the server on which the rows were read; `None` on another server.
    pub point: Option<LogPoint>,
}

impl Cut {
    /// Whether a transaction, which starts at `start`, is before the cut.
    pub(crate) fn contains(&self, transaction: Option<&TransactionId>, start: &LogPoint) -> bool {
        match transaction {
            Some(id) if !self.gtids.is_empty() => self.gtids.contains(id),
            // the cut is between transactions, so one that starts before it ends there at the latest
            _ => self.point.as_ref().is_some_and(|point| start != point && start.is_at_or_before(point)),
        }
    }

    /// Whether every transaction before the cut is before a position too.
    pub(super) fn is_passed(&self, gtids: &Gtids, point: &LogPoint) -> bool {
        // both, because there may be transactions with and without ids
        self.gtids.is_subset(gtids) && self.point.as_ref().is_none_or(|cut| cut.is_at_or_before(point))
    }
}
