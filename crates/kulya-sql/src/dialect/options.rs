//! Options of tables and catalogs, and hints.

use super::error::{NodePosition, Position};
use super::system_time::AsOf;
use datafusion::sql::sqlparser::tokenizer::Location;

/// An option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OptionDef {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) position: NodePosition,
}

/// The options of a table in a query, and as of when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableHint {
    pub(crate) options: Vec<OptionDef>,
    pub(crate) as_of: Option<AsOf>,
    pub(crate) position: NodePosition,
}

/// A parsed hint comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// The options of OPTIONS, if the comment has it.
    pub(crate) options: Option<TableHint>,
    /// Other hints of Flink, which have no effect here.
    pub(crate) ignored: Vec<String>,
    pub(crate) position: Position,
    /// Where the token before the comment ends.
    pub(crate) anchor: Location,
}
