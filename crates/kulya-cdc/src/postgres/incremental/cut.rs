//! What a chunk of PostgreSQL contains: the transactions of its snapshot.

use crate::incremental::Cut;
use crate::postgres::offset::SnapshotCut;
use std::collections::VecDeque;

/// The size of a page of the log, and of the headers of a page and of a file's first page, in bytes.
const PAGE: u64 = 8192;
const HEADERS: [u64; 2] = [24, 40];
/// The number of transactions that are remembered.
const MAX_TRANSACTIONS: usize = 8192;

/// The cut of a chunk.
#[derive(Debug, Clone)]
pub(crate) struct ChunkCut {
    pub(crate) snapshot: SnapshotCut,
    /// Whether transactions that an earlier run has streamed may be missing.
    pub(crate) is_behind: bool,
}

impl ChunkCut {
    pub(crate) fn new(mut snapshot: SnapshotCut) -> Self {
        // where the next record begins is behind the page's header, but the last one ends before it
        let within = snapshot.lsn % PAGE;
        if HEADERS.contains(&within) {
            snapshot.lsn -= within;
        }
        Self { snapshot, is_behind: false }
    }
}

impl Cut for ChunkCut {
    /// The transaction's id, and where its commit begins.
    type Transaction = (u32, u64);
    type Place = u64;
    type Streamed = Vec<(u32, u64)>;

    fn contains(&self, (xid, commit_lsn): &(u32, u64)) -> bool {
        self.snapshot.contains(*xid, *commit_lsn)
    }

    fn is_passed(&self, lsn: &u64) -> bool {
        *lsn >= self.snapshot.lsn
    }

    fn includes(&self, streamed: &Vec<(u32, u64)>) -> bool {
        !self.is_behind && streamed.iter().all(|transaction| self.contains(transaction))
    }
}

/// The transactions that were streamed last. A server sends a transaction as soon as it is in the log, and
/// shows it to others a moment later; with a synchronous standby that moment may be long.
#[derive(Debug, Default)]
pub(crate) struct StreamedTransactions(VecDeque<(u32, u64)>);

impl StreamedTransactions {
    pub(crate) fn add(&mut self, transaction: (u32, u64)) {
        if self.0.len() >= MAX_TRANSACTIONS {
            self.0.pop_front();
        }
        self.0.push_back(transaction);
    }

    pub(crate) fn to_vec(&self) -> Vec<(u32, u64)> {
        self.0.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lsn: u64) -> ChunkCut {
        ChunkCut::new(SnapshotCut::parse(lsn, "10:15:11").unwrap())
    }

    #[test]
    fn end_of_the_log_is_before_the_header_of_a_page() {
        for (lsn, expected) in [(8192 * 3 + 24, 8192 * 3), (8192 * 4 + 40, 8192 * 4), (8192 + 48, 8192 + 48)]
        {
            let cut = cut(lsn);
            assert!(cut.is_passed(&expected) && !cut.is_passed(&(expected - 1)), "{lsn}");
        }
    }

    #[test]
    fn transactions_that_are_not_seen_yet_are_missing() {
        let mut streamed = StreamedTransactions::default();
        streamed.add((9, 100));
        assert!(cut(1000).includes(&streamed.to_vec()));
        streamed.add((11, 200));
        assert!(!cut(1000).includes(&streamed.to_vec()));
        assert!(!ChunkCut { is_behind: true, ..cut(1000) }.includes(&Vec::new()));
        (0..MAX_TRANSACTIONS).for_each(|_| streamed.add((9, 100)));
        assert_eq!(streamed.to_vec().len(), MAX_TRANSACTIONS);
    }
}
