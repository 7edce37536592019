//! Tolerant reader of MySQL's and MariaDB's data definition statements, as the binary log contains them.
//!
//! [`parse`] reads the statements that change tables, indexes, databases and sequences into [`Statement`]
//! values, and names every other statement by its first words. It does not check what the server has checked
//! before it logged the statement: reserved words, duplicate names, types of default values. Expressions,
//! partitions and options without effect on rows are stepped over. What it does not know is an error that
//! names the word, its place and the tables concerned, so that a table that is not captured can be passed
//! over.
//!
//! The text depends on the server's version ([`ServerVersion`], versioned comments) and on the session's
//! [`SqlMode`] (quotes, backslashes, some types).

mod column;
mod cursor;
mod error;
mod parse;
mod server;
mod statement;
mod token;

pub use column::{ColumnDefinition, ColumnType, DefaultValue, Generated, InlineKey, TypeName};
pub use cursor::MAX_STATEMENT_BYTES;
pub use error::{DdlError, DdlProblem};
pub use parse::parse;
pub use server::{Flavour, ParseSettings, ServerVersion, SqlMode};
pub use statement::{
    AlterAction, Charset, ColumnPosition, CreateTable, Key, KeyKind, KeyPart, Period, Statement, TableBody,
    TableDefinition, TableOptions, TableRef,
};

#[cfg(test)]
mod tests;
