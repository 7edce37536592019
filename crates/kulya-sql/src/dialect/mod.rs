//! Flink's SQL dialect: parses a script into statements.
//!
//! Statements are parsed here, over sqlparser's tokens; the expressions and queries in them by sqlparser, in
//! [`flink_dialect::FlinkDialect`]. A query becomes sqlparser's syntax tree, in which what DataFusion does
//! not have is rewritten to what it has; its text is kept only to be shown and stored. Names are
//! case-sensitive. Every error says where in the script it is.
//!
//! Where this differs from Flink's parser:
//!
//! | rule | here |
//! |---|---|
//! | operators of DataFusion in queries: `!=`, `::`, `[…]`, `->`, MINUS, AT TIME ZONE, DISTINCT ON,
//! QUALIFY, WITH RECURSIVE | accepted |
//! | reserved words as names in queries, where they are unambiguous | accepted |
//! | INTERVAL as the type of a column; a line break in a name | accepted |
//! | EXPLAIN ANALYZE and VERBOSE, DESCRIBE TABLE t, files in FROM | accepted |
//! | what Flink refuses after parsing: unknown types, lengths out of range, columns and keys defined
//! twice, keys without NOT ENFORCED, UNIQUE, names with too many parts, unknown hints, wrong arguments
//! of windows | refused |
//! | `TABLE t` as a query, VALUES without brackets, TABLESAMPLE, UESCAPE, numbers with L | refused |
//! | [`unsupported`] statements and clauses | refused |

mod cursor;
mod ddl;
mod display;
mod error;
mod expressions;
mod flink_dialect;
mod flink_type;
mod limits;
mod option_list;
mod options;
mod outline;
mod query;
mod quote;
mod reserved;
mod rewrite;
mod script;
mod statement;
mod system_time;
mod table_names;
#[cfg(test)]
mod tests;
mod tokens;
mod type_text;
mod unsupported;
mod words;

pub(crate) use cursor::Path;
pub use error::Position;
pub(crate) use error::{DialectError, DialectErrorKind};
pub(crate) use expressions::{CAST, TRY_CAST};
pub(crate) use flink_type::{FlinkType, MAX_LENGTH, TypeKind};
pub(crate) use options::OptionDef;
pub(crate) use outline::KEYWORDS;
pub use outline::{Outline, OutlinePart, PartKind};
pub(crate) use quote::{Quoted, identifier};
pub(crate) use reserved::is_reserved;
pub(crate) use rewrite::{TableReferenceKind, table_reference};
pub use statement::Statement;
pub(crate) use statement::{
    AlterTable, AlterView, AlteredElement, ColumnDef, ColumnKind, ColumnPlace, ConflictAction, CreateCatalog,
    CreateDatabase, CreateTable, CreateView, Described, Explain, ExplainDetail, Insert, Like, LikePart,
    LikePattern, Merging, OptionsChange, ParsedQuery, PrimaryKey, Show, StatementKind, TableElements,
};
pub(crate) use system_time::{
    AsOf, AsOfTime, CHANGE_KIND, ChangeCodes, RowTime, is_validity, valid_from, valid_to,
};
pub(crate) use type_text::parse_type;

use error::DialectResult;

/// The stack of the parsing thread, in bytes; only the used part takes memory.
const PARSING_STACK_BYTES: usize = 256 << 20;

/// Parses statements separated by semicolons.
pub(crate) fn parse(text: &str) -> DialectResult<Vec<Statement>> {
    let failed = || {
        let text =
            "the statements cannot be parsed by an internal error of Kulya: please report them".to_owned();
        DialectError { kind: DialectErrorKind::Internal, text, position: None }
    };
    // parsing is recursive, and the caller's stack may be small
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("kulya-parse".to_owned());
        let parsing =
            thread.stack_size(PARSING_STACK_BYTES).spawn_scoped(scope, || script::parse_script(text));
        parsing.map_err(|_| failed())?.join().map_err(|_| failed())?
    })
}

/// Parses one CREATE TABLE.
pub(crate) fn parse_create_table(text: &str) -> DialectResult<CreateTable> {
    match one(text)? {
        StatementKind::CreateTable(create) => Ok(*create),
        other => Err(DialectError::syntax(format!("expected CREATE TABLE, found {}", other.name()), START)),
    }
}

/// Parses one CREATE VIEW.
pub(crate) fn parse_create_view(text: &str) -> DialectResult<CreateView> {
    match one(text)? {
        StatementKind::CreateView(create) => Ok(*create),
        other => Err(DialectError::syntax(format!("expected CREATE VIEW, found {}", other.name()), START)),
    }
}

/// Parses one query.
pub(crate) fn parse_query(text: &str) -> DialectResult<ParsedQuery> {
    match one(text)? {
        StatementKind::Query(query) => Ok(query),
        other => Err(DialectError::syntax(format!("expected a query, found {}", other.name()), START)),
    }
}

/// Where a text starts.
const START: Position = Position { line: 1, column: 1 };

fn one(text: &str) -> DialectResult<StatementKind> {
    let mut statements = parse(text)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement.kind),
        _ => Err(DialectError::syntax("expected one statement", START)),
    }
}
