//! Statements as values: what a data definition statement says, before it is applied to known tables.

use super::column::{ColumnDefinition, DefaultValue};
use std::fmt;

/// A table as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    /// The database; `None` is the session's default database.
    pub database: Option<String>,
    /// The table.
    pub table: String,
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Some(database) => write!(f, "`{database}`.`{}`", self.table),
            None => write!(f, "`{}`", self.table),
        }
    }
}

/// A statement of the binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// CREATE TABLE.
    CreateTable(CreateTable),
    /// ALTER TABLE, CREATE INDEX and DROP INDEX.
    AlterTable {
        /// The table.
        table: TableRef,
        /// What is changed, in the order written. Changes without effect on the schema are left out.
        actions: Vec<AlterAction>,
    },
    /// RENAME TABLE: the pairs, to be applied one after the other.
    RenameTables(Vec<(TableRef, TableRef)>),
    /// DROP TABLE and DROP SEQUENCE.
    DropTables(Vec<TableRef>),
    /// TRUNCATE.
    TruncateTable(TableRef),
    /// CREATE SEQUENCE of MariaDB, whose values are logged as rows of a table.
    CreateSequence {
        /// The sequence.
        sequence: TableRef,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// CREATE DATABASE.
    CreateDatabase {
        /// The database.
        database: String,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// OR REPLACE of MariaDB, which drops the tables.
        or_replace: bool,
        /// The default character set and collation.
        options: TableOptions,
    },
    /// ALTER DATABASE.
    AlterDatabase {
        /// The database; `None` is the session's default database.
        database: Option<String>,
        /// The default character set and collation.
        options: TableOptions,
    },
    /// DROP DATABASE.
    DropDatabase(String),
    /// INSERT, UPDATE, DELETE, REPLACE or LOAD: rows that the log does not contain as rows, because the
    /// session did not use `binlog_format=ROW`. A SELECT is in the log for the functions that it calls.
    ChangeRows {
        /// The first word.
        verb: String,
        /// The tables that it names as those whose rows it may change; `None` where they cannot be told.
        tables: Option<Vec<TableRef>>,
    },
    /// A statement that changes neither schema nor rows, by its first words, such as `CREATE VIEW`.
    Harmless(String),
}

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    /// The table.
    pub table: TableRef,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// The columns, or the table they are copied from.
    pub body: TableBody,
}

/// Where a new table's columns come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableBody {
    /// The statement.
    Definition(TableDefinition),
    /// Another table (LIKE).
    Like(TableRef),
}

/// A table's columns, keys and options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableDefinition {
    /// The columns, in order.
    pub columns: Vec<ColumnDefinition>,
    /// The keys in the order written; those of column attributes too.
    pub keys: Vec<Key>,
    /// PERIOD FOR.
    pub periods: Vec<Period>,
    /// The options.
    pub options: TableOptions,
}

/// A default character set as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charset {
    /// A character set, in lower case; `utf8` is `utf8mb3`.
    Named(String),
    /// DEFAULT: that of the database.
    DatabaseDefault,
}

/// Options of a table or a database that matter for its schema.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableOptions {
    /// The default character set.
    pub charset: Option<Charset>,
    /// The default collation, in lower case.
    pub collation: Option<String>,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH SYSTEM VERSIONING.
    pub system_versioning: bool,
    /// SEQUENCE=1 of MariaDB.
    pub is_sequence: bool,
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name; `None` where the server chooses one.
    pub name: Option<String>,
    /// The kind.
    pub kind: KeyKind,
    /// The columns in order.
    pub parts: Vec<KeyPart>,
    /// The application-time period of WITHOUT OVERLAPS, whose columns are part of the key.
    pub without_overlaps: Option<String>,
    /// USING HASH of MariaDB.
    pub using_hash: bool,
}

impl Key {
    /// Creates a key without columns.
    pub fn new(name: Option<String>, kind: KeyKind) -> Self {
        Self { name, kind, parts: Vec::new(), without_overlaps: None, using_hash: false }
    }
}

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// PRIMARY KEY.
    Primary,
    /// UNIQUE.
    Unique,
    /// An index that is not unique.
    Index,
    /// The index that a foreign key needs, if no other one starts with its columns.
    ForeignKey,
}

/// A part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    /// The column; `None` for an expression.
    pub column: Option<String>,
    /// The number of characters or bytes at the start of the value that the key contains.
    pub prefix: Option<u32>,
}

/// PERIOD FOR a pair of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The name; `None` is SYSTEM_TIME.
    pub name: Option<String>,
    /// The column with the start.
    pub start: String,
    /// The column with the end.
    pub end: String,
}

/// The place of a new or changed column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnPosition {
    /// The end for a new column, the present place for a changed one.
    Default,
    /// FIRST.
    First,
    /// AFTER a column.
    After(String),
}

/// A change of ALTER TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the statement")]
pub enum AlterAction {
    /// ADD COLUMN.
    AddColumn { column: ColumnDefinition, position: ColumnPosition, if_not_exists: bool },
    /// MODIFY and CHANGE COLUMN.
    ChangeColumn { from: String, column: ColumnDefinition, position: ColumnPosition, if_exists: bool },
    /// DROP COLUMN.
    DropColumn { column: String, if_exists: bool },
    /// RENAME COLUMN.
    RenameColumn { from: String, to: String, if_exists: bool },
    /// ALTER COLUMN … SET DEFAULT, `None` for DROP DEFAULT.
    SetDefault { column: String, default: Option<DefaultValue>, if_exists: bool },
    /// ALTER COLUMN … SET VISIBLE or INVISIBLE.
    SetInvisible { column: String, invisible: bool },
    /// ADD PRIMARY KEY, UNIQUE, INDEX or FOREIGN KEY.
    AddKey { key: Key, if_not_exists: bool },
    /// DROP PRIMARY KEY.
    DropPrimaryKey,
    /// DROP INDEX, and DROP CONSTRAINT, which may name no key.
    DropKey { name: String },
    /// RENAME INDEX.
    RenameKey { from: String, to: String },
    /// RENAME TO.
    Rename(TableRef),
    /// CONVERT TO CHARACTER SET, for the table and its columns.
    ConvertCharset { charset: Option<Charset>, collation: Option<String> },
    /// Table options; the last of each kind holds.
    Options(TableOptions),
    /// ADD PERIOD FOR.
    AddPeriod(Period),
    /// DROP PERIOD FOR; `None` is SYSTEM_TIME.
    DropPeriod(Option<String>),
    /// ADD SYSTEM VERSIONING.
    AddSystemVersioning,
    /// DROP SYSTEM VERSIONING.
    DropSystemVersioning,
    /// CONVERT PARTITION … TO TABLE: a new table with the same columns.
    PartitionToTable(TableRef),
    /// CONVERT TABLE … TO PARTITION: that table is gone.
    TableToPartition(TableRef),
}
