//! ROW_NUMBER, RANK and DENSE_RANK.

/// A number for each row of a partition in its order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ranking {
    /// The row's position from 1. Rows that are equal in the order have positions by their columns, so that
    /// the result does not depend on the order of changes.
    RowNumber,
    /// One more than the number of rows that are before it.
    Rank,
    /// One more than the number of different values that are before it.
    DenseRank,
}

/// Assigns the numbers to entries in order.
#[derive(Debug)]
pub(super) struct Numbering {
    ranking: Ranking,
    rows: i64,
    rank: i64,
}

impl Numbering {
    pub(super) fn new(ranking: Ranking) -> Self {
        Self { ranking, rows: 0, rank: 0 }
    }

    /// The number of the first of `weight` equal rows, given whether they are equal in the order to those
    /// before.
    pub(super) fn next(&mut self, is_peer: bool, weight: i64) -> i64 {
        match self.ranking {
            Ranking::RowNumber => self.rank = self.rows + 1,
            Ranking::Rank if !is_peer => self.rank = self.rows + 1,
            Ranking::DenseRank if !is_peer => self.rank += 1,
            Ranking::Rank | Ranking::DenseRank => {}
        }
        self.rows += weight;
        self.rank
    }
}
