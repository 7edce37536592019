//! The table of the keys that Debezium Server documents: their values, Debezium's defaults, and what Kulya
//! does with each. It is the only place where this is written; `docs/debezium-server.md` shows the same
//! table.
//!
//! Keys and defaults are those of Debezium 3.6 (MariaDB: 3.5), with the additions of 3.7.

mod binlog;
mod connection;
mod content;
mod known;
mod markdown;
mod nearest;
mod operation;
mod postgres;
mod rows;
mod server;

pub use known::{Databases, Effect, Handling, Kind, KnownKey};
pub use markdown::markdown_table;
pub use nearest::{NearestKey, nearest};

use super::choice::DatabaseKind;

/// The parts of the table, in the order of the documentation.
const PARTS: &[&[KnownKey]] =
    &[connection::ROWS, content::ROWS, postgres::ROWS, binlog::ROWS, operation::ROWS, server::ROWS];

/// Returns the rows of the table.
pub fn known_keys() -> impl Iterator<Item = &'static KnownKey> {
    PARTS.iter().copied().flatten()
}

/// Returns the row of a key for a database; without a database, the first one.
pub fn find(key: &str, database: Option<DatabaseKind>) -> Option<&'static KnownKey> {
    let rows = || known_keys().filter(|row| database.is_none_or(|kind| row.databases.contains(kind)));
    // of several families the one with the longest beginning
    let length = |row: &&KnownKey| row.name.find(['<', '*']).unwrap_or(row.name.len());
    rows().find(|row| row.name == key).or_else(|| rows().filter(|row| row.matches(key)).max_by_key(length))
}
