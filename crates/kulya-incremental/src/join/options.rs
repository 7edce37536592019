//! What a join is to do.

use crate::expression::ExpressionRef;

/// Which rows a join has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JoinKind {
    /// Pairs that match.
    Inner,
    /// And left rows without a match, with nulls.
    Left,
    /// And right rows without a match, with nulls.
    Right,
    /// And both.
    Full,
    /// Left rows with a match (IN, EXISTS).
    LeftSemi,
    /// Left rows without a match (NOT EXISTS). For NOT IN with nulls see [`NotIn`](super::NotIn).
    LeftAnti,
}

/// When the rows of a side can be forgotten, as no later row of the other side matches them.
///
/// For `left.t BETWEEN right.t - INTERVAL a AND right.t + INTERVAL b` left rows are kept for `a` and right
/// rows for `b`; for a join of windows, rows of both sides are kept until the end of their window, for -1 ms.
#[derive(Clone, Debug)]
pub struct Expiry {
    /// The time of a row.
    pub time: ExpressionRef,
    /// A row is forgotten when the watermark of both inputs is at its time plus this, in milliseconds.
    pub keep_ms: i64,
    /// A row that would be forgotten at once is dropped, as windows do. Otherwise it is joined with what is
    /// there, as interval joins do. It counts as late either way.
    pub drops_late: bool,
}

/// What a join has besides its keys.
#[derive(Clone, Debug, Default)]
pub struct JoinOptions {
    /// A further condition over the columns of both sides.
    pub condition: Option<ExpressionRef>,
    /// Null matches null (IS NOT DISTINCT FROM).
    pub nulls_are_equal: bool,
    /// When left rows are forgotten. A row without a match is then only passed on when it is forgotten.
    pub left_expiry: Option<Expiry>,
    /// When right rows are forgotten.
    pub right_expiry: Option<Expiry>,
}
