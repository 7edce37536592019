//! Tables as the history knows them: everything that a statement leaves to defaults is resolved.

use super::charset::Collated;
use crate::mysql::ddl::{ColumnType, DefaultValue, Generated, KeyKind, KeyPart, Period};
use std::fmt;

/// A table's name with its database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The database.
    pub database: String,
    /// The table.
    pub table: String,
}

impl TableName {
    /// Creates a name.
    pub fn new(database: impl Into<String>, table: impl Into<String>) -> Self {
        Self { database: database.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`.`{}`", self.database, self.table)
    }
}

/// What a table of the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// A table.
    Table,
    /// A sequence of MariaDB: its changes are logged as rows, but it is no table.
    Sequence,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The name, as written by the statement that gave it.
    pub name: TableName,
    /// Table or sequence.
    pub kind: TableKind,
    /// The default character set of new columns.
    pub charset: Collated,
    /// The columns in the order of row events, those included that `SELECT *` does not give.
    pub columns: Vec<Column>,
    /// The keys in the server's order: the primary key, unique keys without nulls, other unique keys,
    /// indexes.
    pub keys: Vec<TableKey>,
    /// Periods of MariaDB.
    pub periods: Vec<Period>,
    /// WITH SYSTEM VERSIONING of MariaDB.
    pub system_versioned: bool,
    /// COMMENT.
    pub comment: Option<String>,
}

impl Table {
    /// Finds a column's place by its name, in any case.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|found| same_name(&found.name, column))
    }

    /// Returns the places of the columns that identify a row, in key order: those of the primary key, or else
    /// of the first unique key without nulls, which the server puts in its place. Empty if the table has
    /// neither.
    pub fn primary_key(&self) -> Vec<usize> {
        self.keys.iter().find_map(|key| self.identifying(key)).unwrap_or_default()
    }

    /// The places of a key's columns, if the key identifies rows.
    fn identifying(&self, key: &TableKey) -> Option<Vec<usize>> {
        let places: Option<Vec<usize>> =
            key.parts.iter().map(|part| self.position(part.column.as_deref()?)).collect();
        let places = places?;
        let covers_values = || key.parts.iter().all(|part| part.prefix.is_none());
        let has_nulls =
            || places.iter().filter_map(|place| self.columns.get(*place)).any(|column| column.nullable);
        match key.kind {
            KeyKind::Primary => Some(places),
            KeyKind::Unique if covers_values() && !has_nulls() => Some(places),
            _ => None,
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The names that the column had before, the oldest first.
    pub former_names: Vec<String>,
    /// The type; a text has its character set.
    pub column_type: ColumnType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// DEFAULT.
    pub default: Option<DefaultValue>,
    /// ON UPDATE, as written.
    pub on_update: Option<String>,
    /// AUTO_INCREMENT.
    pub auto_increment: bool,
    /// GENERATED.
    pub generated: Option<Generated>,
    /// COMMENT.
    pub comment: Option<String>,
    /// INVISIBLE: `SELECT *` does not give it.
    pub invisible: bool,
    /// A row time of MariaDB's system versioning that no statement declared: catalogs do not show it.
    pub hidden: bool,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableKey {
    /// The name; `PRIMARY` for the primary key.
    pub name: String,
    /// The kind.
    pub kind: KeyKind,
    /// The columns in order.
    pub parts: Vec<KeyPart>,
    /// USING HASH of MariaDB: row events may contain the key's hash as a further column.
    pub using_hash: bool,
}

/// Whether two names of columns or keys are the same for the servers, which ignore case.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!(a.is_ascii() && b.is_ascii()) && a.to_lowercase() == b.to_lowercase())
}
