//! The log as steps: from decoded events to begins and ends of transactions, changed rows with their table's
//! definition of that time, and changes of definitions.
//!
//! [`LogReader`] is a state machine on values: it reads no server. One event gives at most one [`Step`]; what
//! cannot be told for certain, such as rows that do not fit their table, is an error and never passed over.

mod error;
mod full_metadata;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod mapped;
mod query;
mod reader;
mod schema;
mod step;
mod table_maps;

pub(crate) use reader::LogReader;
pub(crate) use step::{Change, Ddl, End, RowsChange, StatementChange, Step, Transaction, TransactionKind};

#[cfg(test)]
mod tests;
