//! Schema history: the tables of a server at a position of its binary log, kept up to date by applying the
//! log's data definition statements.
//!
//! [`SchemaHistory`] holds databases with their default character sets and tables with their columns and
//! keys. [`SchemaHistory::apply`] applies a statement and lists what changed. [`check`] compares a table with
//! the table map of a row event, so that rows are never decoded with columns that do not fit.
//! [`StoredHistory`] is the form in which a history is stored. It reads no log and writes no file.
//!
//! ```
//! use kulya_cdc::mysql::ddl::{ParseSettings, ServerVersion, SqlMode, parse};
//! use kulya_cdc::mysql::schema_history::{Change, Collated, SchemaHistory, Session};
//! use kulya_cdc::mysql::schema_history::{TableName, TableNameCase};
//!
//! let server = ServerVersion::parse("8.0.36").ok_or("not a version")?;
//! let settings = ParseSettings { server, sql_mode: SqlMode(0) };
//! let mut history = SchemaHistory::new(TableNameCase::Sensitive);
//! let session = Session {
//! default_database: Some("shop"),
//! server_charset: &Collated::new("utf8mb4"),
//! explicit_defaults_for_timestamp: true,
//! };
//! let statement = parse(b"CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))", settings)?;
//! let changes = history.apply(&statement, &session)?;
//! assert_eq!(changes, [Change::Created(TableName::new("shop", "t"))]);
//! let table = history.table("shop", "t").ok_or("no table")?;
//! assert_eq!(table.primary_key(), [0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alter;
mod charset;
mod create;
mod error;
mod history;
mod key;
mod stored;
mod table;
mod table_map;
mod versioning;

pub use charset::Collated;
pub use error::HistoryError;
pub use history::{Change, SchemaHistory, Session, TableNameCase};
pub use stored::{StoredHistory, StoredTable};
pub use table::{Column, Table, TableKey, TableKind, TableName};
pub use table_map::{MappedColumn, Mismatch, check};

#[cfg(test)]
mod tests;
