//! What a query reads of a table beside its rows of now: FOR SYSTEM_TIME AS OF, and its changes.

use super::error::NodePosition;
use datafusion::sql::sqlparser::ast::Query;

/// The column with the kind of a change, of a table that is read as its changes.
pub(crate) const CHANGE_KIND: &str = "kind of the change";

/// The time as of which a table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AsOf {
    pub(crate) time: AsOfTime,
    pub(crate) position: NodePosition,
}

impl AsOf {
    /// Returns what stands in the statement, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self.time {
            AsOfTime::Changes => "TO_CHANGELOG",
            AsOfTime::FromChanges(_) => "FROM_CHANGELOG",
            AsOfTime::Constant(_) | AsOfTime::OfRow { .. } => "FOR SYSTEM_TIME AS OF",
        }
    }
}

/// The kinds of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AsOfTime {
    /// One time, which is the only value of a query without tables.
    Constant(Box<Query>),
    /// The time of each row of the other side of a join. The join looks for the columns
    /// [`valid_from`] and [`valid_to`] of this number.
    OfRow { number: usize, left: RowTime },
    /// All times: the changes of the table, with the column [`CHANGE_KIND`].
    Changes,
    /// Rows that are changes: those that they leave.
    FromChanges(ChangeCodes),
}

/// How rows say of which kind of change they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangeCodes {
    pub(crate) column: String,
    /// The values that add a row, and those that remove one.
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

/// What the time of a row of the other side is, as far as the query tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowTime {
    /// PROCTIME(): rows are joined with the table as it is now.
    Processing,
    /// A column of this table; its definition tells.
    Column { table: Vec<String>, column: String },
    /// Another expression: the time of an event.
    Event,
}

/// Returns the name of the column from when on the rows of a table are valid.
pub(crate) fn valid_from(number: usize) -> String {
    format!("valid from (system time {number})")
}

/// Returns the name of the column up to when they are valid; null if they still are.
pub(crate) fn valid_to(number: usize) -> String {
    format!("valid to (system time {number})")
}

/// Whether a column is one of those from when on or up to when rows are valid.
pub(crate) fn is_validity(name: &str) -> bool {
    ["valid from (system time ", "valid to (system time "].iter().any(|start| name.starts_with(start))
}
