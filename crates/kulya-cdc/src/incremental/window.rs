//! The rows of a chunk between its request and its end, and what the log changes meanwhile.

use super::cut::Cut;
use std::collections::HashMap;

/// The size of noted keys, in bytes, beyond which a chunk that is being read is given up: it is read again.
const MAX_NOTED_BYTES: usize = 16 << 20;

/// The key of a row, in a form in which two rows have the same bytes only if they have the same key.
pub(crate) type RowKey = Box<[u8]>;

/// The window of a chunk.
#[derive(Debug)]
pub(crate) enum Window<C: Cut, R> {
    /// No chunk was requested.
    Closed,
    /// The chunk is being read: what the log changes is noted.
    Reading(Noted<C::Transaction>),
    /// The chunk is read: its rows wait for their place in the log.
    Open(Buffer<C, R>),
}

/// The changes of the log since the request.
#[derive(Debug)]
pub(crate) struct Noted<T> {
    transactions: Vec<(T, Vec<RowKey>)>,
    bytes: usize,
    /// A transaction may have changed any row; or too many were changed.
    is_incomplete: bool,
}

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self { transactions: Vec::new(), bytes: 0, is_incomplete: false }
    }
}

/// The rows that have not been changed.
#[derive(Debug)]
pub(crate) struct Buffer<C, R> {
    cut: C,
    rows: Vec<Option<R>>,
    places: HashMap<RowKey, usize>,
}

impl<C: Cut, R> Window<C, R> {
    /// Begins a chunk: it is requested.
    pub(crate) fn begin(&mut self) {
        *self = Self::Reading(Noted::default());
    }

    /// Gives up the chunk.
    pub(crate) fn close(&mut self) {
        *self = Self::Closed;
    }

    /// Takes the rows of the chunk, without those that were changed since the request. Returns whether the
    /// chunk can be used; otherwise it is given up and must be read again.
    pub(crate) fn open(&mut self, cut: C, rows: Vec<(RowKey, R)>) -> bool {
        let Self::Reading(noted) = std::mem::replace(self, Self::Closed) else { return false };
        if noted.is_incomplete {
            return false;
        }
        let places = rows.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect();
        let rows = rows.into_iter().map(|(_, row)| Some(row)).collect();
        let mut buffer = Buffer { cut, rows, places };
        for (transaction, keys) in noted.transactions {
            if !buffer.cut.contains(&transaction) {
                keys.iter().for_each(|key| buffer.remove(key));
            }
        }
        *self = Self::Open(buffer);
        true
    }

    /// Takes note of a change of a row.
    pub(crate) fn on_change(&mut self, transaction: &C::Transaction, key: &[u8]) {
        match self {
            Self::Closed => {}
            Self::Reading(noted) => noted.add(transaction, key),
            Self::Open(buffer) if buffer.cut.contains(transaction) => {}
            Self::Open(buffer) => buffer.remove(key),
        }
    }

    /// Takes note of a change of rows that are not known. The chunk must be read again, unless it contains
    /// the transaction.
    pub(crate) fn on_unknown_change(&mut self, transaction: &C::Transaction) {
        match self {
            Self::Closed => {}
            Self::Reading(noted) => noted.give_up(),
            Self::Open(buffer) if buffer.cut.contains(transaction) => {}
            Self::Open(_) => self.close(),
        }
    }

    /// Returns whether the chunk's rows can be written at a place of the log.
    pub(crate) fn is_due(&self, place: &C::Place) -> bool {
        matches!(self, Self::Open(buffer) if buffer.cut.is_passed(place))
    }

    /// Ends the chunk. Returns the rows to be written, in key order.
    pub(crate) fn take_rows(&mut self) -> Vec<R> {
        match std::mem::replace(self, Self::Closed) {
            Self::Open(buffer) => buffer.rows.into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }
}

impl<T: Clone + PartialEq> Noted<T> {
    fn add(&mut self, transaction: &T, key: &[u8]) {
        if self.is_incomplete {
            return;
        }
        self.bytes += key.len() + size_of::<RowKey>();
        if self.bytes > MAX_NOTED_BYTES {
            return self.give_up();
        }
        match self.transactions.last_mut() {
            Some((last, keys)) if last == transaction => keys.push(key.into()),
            _ => self.transactions.push((transaction.clone(), vec![key.into()])),
        }
    }

    fn give_up(&mut self) {
        self.is_incomplete = true;
        self.transactions = Vec::new();
    }
}

impl<C, R> Buffer<C, R> {
    fn remove(&mut self, key: &[u8]) {
        if let Some(row) = self.places.remove(key).and_then(|place| self.rows.get_mut(place)) {
            *row = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cut that contains the transactions before a number, and is passed at a place.
    struct Before(u64);

    impl Cut for Before {
        type Transaction = u64;
        type Place = u64;
        type Streamed = ();

        fn contains(&self, transaction: &u64) -> bool {
            *transaction < self.0
        }

        fn is_passed(&self, place: &u64) -> bool {
            *place >= self.0
        }

        fn includes(&self, (): &()) -> bool {
            true
        }
    }

    fn rows() -> Vec<(RowKey, u8)> {
        (1..=4u8).map(|key| ([key].into(), key)).collect()
    }

    #[test]
    fn rows_that_later_transactions_change_are_left_out() {
        let mut window = Window::Closed;
        window.on_change(&1, &[1]);
        window.begin();
        window.on_change(&4, &[2]);
        window.on_change(&5, &[3]);
        assert!(window.open(Before(5), rows()));
        window.on_change(&4, &[4]);
        window.on_change(&6, &[9]);
        assert!(!window.is_due(&4) && window.is_due(&5));
        assert_eq!(window.take_rows(), [1, 2, 4]);
        assert!(!window.is_due(&9));
    }

    #[test]
    fn chunk_is_given_up_after_a_change_of_unknown_rows() {
        let mut window = Window::Closed;
        window.begin();
        window.on_unknown_change(&1);
        assert!(!window.open(Before(5), rows()));
        window.begin();
        assert!(window.open(Before(5), rows()));
        window.on_unknown_change(&4);
        assert!(window.is_due(&5));
        window.on_unknown_change(&5);
        assert!(!window.is_due(&5));
    }

    #[test]
    fn noted_keys_are_bounded() {
        let mut window = Window::Closed;
        window.begin();
        let key = vec![0; MAX_NOTED_BYTES / 2];
        (0..3).for_each(|_| window.on_change(&1, &key));
        assert!(!window.open(Before(0), rows()));
    }
}
