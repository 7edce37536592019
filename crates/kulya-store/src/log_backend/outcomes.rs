//! The remembered outcomes of transactions.

use crate::{CommitReceipt, Outcome, REMEMBERED_OUTCOMES, Version};
use std::collections::{BTreeMap, HashMap};

/// The outcome of a committed transaction: the number of its table changes, all of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionOutcome {
    /// The version of all its table changes.
    pub version: u64,
    /// The number of its table changes.
    pub changes: u32,
}

impl From<TransactionOutcome> for Outcome {
    fn from(outcome: TransactionOutcome) -> Self {
        let versions = vec![Version(outcome.version); outcome.changes as usize];
        Self::Committed(CommitReceipt { versions, ..CommitReceipt::default() })
    }
}

/// The outcomes of the last [`REMEMBERED_OUTCOMES`] transactions, in an order that the backend chooses.
#[derive(Debug, Default)]
pub struct Outcomes {
    by_transaction: HashMap<u64, TransactionOutcome>,
    /// Transactions by their position in the order.
    in_order: BTreeMap<u64, u64>,
}

impl Outcomes {
    /// Adds an outcome at a position in the order, and forgets the first one when there are too many.
    pub fn insert(&mut self, position: u64, transaction: u64, outcome: TransactionOutcome) {
        self.by_transaction.insert(transaction, outcome);
        self.in_order.insert(position, transaction);
        if self.in_order.len() > REMEMBERED_OUTCOMES
            && let Some((_, first)) = self.in_order.pop_first()
        {
            self.by_transaction.remove(&first);
        }
    }

    /// Returns the outcome of a transaction, if it is remembered.
    pub fn get(&self, transaction: u64) -> Option<TransactionOutcome> {
        self.by_transaction.get(&transaction).copied()
    }

    /// Returns transactions with their outcomes in order, from a position on.
    pub fn iter_from(&self, position: u64) -> impl Iterator<Item = (u64, TransactionOutcome)> + '_ {
        let transactions = self.in_order.range(position..).map(|(_, transaction)| *transaction);
        transactions.filter_map(|transaction| Some((transaction, self.get(transaction)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_outcomes_are_forgotten() {
        let mut outcomes = Outcomes::default();
        for n in 0..REMEMBERED_OUTCOMES as u64 + 2 {
            outcomes.insert(n + 10, n, TransactionOutcome { version: n + 10, changes: 1 });
        }
        assert_eq!((outcomes.get(0), outcomes.get(1)), (None, None));
        assert_eq!(outcomes.get(2), Some(TransactionOutcome { version: 12, changes: 1 }));
        assert_eq!(outcomes.iter_from(0).count(), REMEMBERED_OUTCOMES);
        assert_eq!(outcomes.iter_from(REMEMBERED_OUTCOMES as u64 + 11).count(), 1);
    }
}
