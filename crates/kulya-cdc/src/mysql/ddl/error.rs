//! Errors of the reader: what it does not know, where, and which tables the statement concerns.

use super::statement::TableRef;
use crate::{CdcError, CdcErrorKind};
use std::fmt;

/// Longest word that an error repeats, in characters.
const MAX_WORD_CHARS: usize = 64;

/// Tables that an error's text names.
const MAX_TABLES: usize = 8;

/// A statement that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlError {
    /// What is wrong.
    pub problem: DdlProblem,
    /// Where, in bytes from the start of the statement.
    pub offset: usize,
    /// The tables that the statement names and could change, as far as they were found. `None` if the
    /// statement broke off before its tables: then it may concern any table.
    pub tables: Option<Vec<TableRef>>,
}

/// What the reader does not understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DdlProblem {
    /// A word that is not known in its place.
    #[error("unknown {what} {word:?}")]
    Unknown {
        /// What the word should be, such as `column type`.
        what: &'static str,
        /// The word, cut to 64 characters.
        word: String,
    },
    /// The statement ends where something is missing.
    #[error("the statement ends before {expected}")]
    Incomplete {
        /// What is missing.
        expected: &'static str,
    },
    /// A string, a quoted name, a comment or a parenthesis that is not closed.
    #[error("{what} is not closed")]
    Unclosed {
        /// What is not closed.
        what: &'static str,
    },
    /// A name or a label of an ENUM or SET that is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotUtf8 {
        /// What is not UTF-8.
        what: &'static str,
    },
    /// The columns of a table are those of a query, which only the server knows.
    #[error("the columns come from a query")]
    ColumnsFromQuery,
    /// More than the bound of one statement.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The most that is read.
        limit: usize,
    },
}

impl fmt::Display for DdlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot read the statement")?;
        let tables = self.tables.as_deref().unwrap_or_default();
        for (index, table) in tables.iter().take(MAX_TABLES).enumerate() {
            write!(f, "{}{table}", if index == 0 { " on table " } else { ", " })?;
        }
        if tables.len() > MAX_TABLES {
            write!(f, " and {} more", tables.len() - MAX_TABLES)?;
        }
        write!(f, ": {} at byte {}", self.problem, self.offset)
    }
}

impl std::error::Error for DdlError {}

impl From<DdlError> for CdcError {
    fn from(error: DdlError) -> Self {
        let what = format!(
            "{error}; give the table's CREATE TABLE for this position, or take a new snapshot of the table"
        );
        Self::new(CdcErrorKind::Source, what).because(error)
    }
}

/// A problem and its place, before the tables are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) problem: DdlProblem,
    pub(super) offset: usize,
}

impl SyntaxError {
    pub(super) fn new(problem: DdlProblem, offset: usize) -> Self {
        Self { problem, offset }
    }

    pub(super) fn unknown(what: &'static str, word: &[u8], offset: usize) -> Self {
        let word = String::from_utf8_lossy(word).chars().take(MAX_WORD_CHARS).collect();
        Self::new(DdlProblem::Unknown { what, word }, offset)
    }
}

/// The result of reading a part of a statement.
pub(super) type Parsed<T> = Result<T, SyntaxError>;
