//! What is known about the rows of a node, derived from those of its inputs.

use crate::live::plan::ChangelogMode;
use datafusion::logical_expr::Expr;

/// How a value bounds the event time of its row: the time is at most the value plus `behind_ms`. When the
/// watermark is there, no row with the value follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TimeBound {
    pub(super) behind_ms: i64,
    /// It is a bound of a window.
    pub(super) is_window: bool,
}

/// A column of a relation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ColumnTraits {
    pub(super) time: Option<TimeBound>,
    /// The smallest and largest length of a column of constants, in milliseconds.
    pub(super) lengths: Option<(i64, i64)>,
    /// It stands for the order in which rows arrive, and its values must not be seen.
    pub(super) is_arrival: bool,
}

/// What is known about the rows of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Properties {
    /// Rows are only added.
    pub(super) insert_only: bool,
    /// Columns by which rows are unique; none if there is at most one row.
    pub(super) key: Option<Vec<usize>>,
    pub(super) columns: Vec<ColumnTraits>,
    /// Bounds of expressions over the columns that conditions say.
    pub(super) facts: Vec<(Expr, TimeBound)>,
    /// The rows have a watermark.
    pub(super) has_watermark: bool,
    /// The rows are those of streams to which rows are added without end, and not of a table.
    pub(super) grows: bool,
}

impl Properties {
    pub(super) fn mode(&self) -> ChangelogMode {
        match (self.insert_only, &self.key) {
            (true, _) => ChangelogMode::Append,
            (false, Some(_)) => ChangelogMode::Upsert,
            (false, None) => ChangelogMode::Retract,
        }
    }

    pub(super) fn has_one_row(&self) -> bool {
        self.key.as_ref().is_some_and(Vec::is_empty)
    }

    pub(super) fn time(&self, column: usize) -> Option<TimeBound> {
        self.columns.get(column).and_then(|column| column.time)
    }

    /// The columns at positions, in their order. A key stays if all of its columns do.
    pub(super) fn project(&self, positions: &[Option<usize>]) -> Self {
        let place = |column: &usize| positions.iter().position(|position| *position == Some(*column));
        let columns = positions.iter().map(|position| {
            position.and_then(|position| self.columns.get(position).cloned()).unwrap_or_default()
        });
        Self {
            key: self.key.as_ref().and_then(|key| key.iter().map(place).collect()),
            columns: columns.collect(),
            facts: Vec::new(),
            ..*self
        }
    }
}
