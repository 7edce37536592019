//! The number of a transaction's events by table: a table is known by a small index, so that an event costs
//! no search.

use super::java_map::JavaMap;
use super::{TransactionId, TransactionOrder};
use crate::debezium::modes::Compatibility;

/// The events of the transaction that is being captured. To be used for one transaction after the other.
#[derive(Debug, Clone, Default)]
pub struct TransactionCounts {
    total: u64,
    /// The number of events by the table's index.
    by_index: Vec<u64>,
    /// The tables in the order of their first events.
    seen: Vec<usize>,
    java_map: JavaMap,
}

impl TransactionCounts {
    /// Creates counts for a first transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of events.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Counts an event of a table and returns the event's position. The index is the caller's number of the
    /// table's name, the same for all versions of a table; indices are to be small, because the memory is 8
    /// bytes for each below the largest.
    pub fn count<'a>(&mut self, index: usize, id: TransactionId<'a>) -> TransactionOrder<'a> {
        self.total += 1;
        if self.by_index.len() <= index {
            self.by_index.resize(index + 1, 0);
        }
        let data_collection_order = match self.by_index.get_mut(index) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => 1,
        };
        if data_collection_order == 1 {
            self.seen.push(index);
        }
        TransactionOrder { id, total_order: self.total, data_collection_order }
    }

    /// Ends the transaction: returns the tables in the order in which the END record has them, each with its
    /// number of events, and starts again. `name` gives a table's name for events, `schema.table`.
    ///
    /// The order is that of the tables' first events; with [`Compatibility::Debezium`] it is that of
    /// Debezium's hash map.
    pub fn finish<'n>(
        &mut self,
        name: impl Fn(usize) -> &'n str,
        compat: Compatibility,
    ) -> (u64, Vec<(&'n str, u64)>) {
        let total = std::mem::take(&mut self.total);
        let mut counts: Vec<(&str, u64)> = Vec::with_capacity(self.seen.len());
        for index in self.seen.drain(..) {
            let count = self.by_index.get_mut(index).map(std::mem::take).unwrap_or_default();
            counts.push((name(index), count));
        }
        if compat == Compatibility::Debezium {
            self.java_map.sort(&mut counts);
        }
        (total, counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: TransactionId<'_> = TransactionId::Gtid("g");

    #[test]
    fn events_are_counted_by_table() {
        let mut counts = TransactionCounts::new();
        let orders: Vec<_> = [7, 2, 7, 7, 0]
            .map(|index| counts.count(index, ID))
            .map(|order| (order.total_order, order.data_collection_order))
            .into();
        assert_eq!(orders, [(1, 1), (2, 1), (3, 2), (4, 3), (5, 1)]);
        let names = ["s.zero", "", "s.two", "", "", "", "", "s.seven"];
        let name = |index: usize| names[index];
        let expected = (5, vec![("s.seven", 3), ("s.two", 1), ("s.zero", 1)]);
        assert_eq!(counts.finish(name, Compatibility::Corrected), expected);
        assert_eq!(counts.count(2, ID).data_collection_order, 1, "a new transaction starts at 1");
        assert_eq!(counts.finish(name, Compatibility::Corrected), (1, vec![("s.two", 1)]));
        assert_eq!(counts.finish(name, Compatibility::Corrected), (0, vec![]));
    }

    proptest! {
        #[test]
        fn each_event_is_counted_once(
            indices in proptest::collection::vec(0_usize..40, 0..200),
            is_debezium: bool,
        ) {
            let compat = if is_debezium { Compatibility::Debezium } else { Compatibility::Corrected };
            let names: Vec<String> = (0..40).map(|index| index.to_string()).collect();
            let mut counts = TransactionCounts::new();
            for _ in 0..2 {
                for index in &indices {
                    counts.count(*index, ID);
                }
                let (total, mut found) = counts.finish(|index| &names[index], compat);
                prop_assert_eq!(total, indices.len() as u64);
                found.sort_by_key(|(name, _)| name.parse::<usize>().unwrap());
                let of = |index| indices.iter().filter(|found| **found == index).count() as u64;
                let expected: Vec<_> = (0..40).map(|index| (names[index].as_str(), of(index))).collect();
                prop_assert_eq!(found, expected.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>());
            }
        }
    }
}
