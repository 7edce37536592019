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
//! | operators of DataFusion in queries: `!=`, `::`, `[…]`, `->`, MINUS, AT TIME ZONE, DISTINCT ON, QUALIFY, WITH RECURSIVE | accepted |
//! | reserved words as names in queries, where they are unambiguous | accepted |
//! | INTERVAL as the type of a column; a line break in a name | accepted |
//! | EXPLAIN ANALYZE and VERBOSE, DESCRIBE TABLE t, files in FROM | accepted |
//! | what Flink refuses after parsing: unknown types, lengths out of range, columns and keys defined twice, keys without NOT ENFORCED, UNIQUE, names with too many parts, unknown hints, wrong arguments of windows | refused |
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
mod query;
mod quote;
mod reserved;
mod rewrite;
mod script;
mod statement;
#[cfg(test)]
mod tests;
mod tokens;
mod unsupported;
mod words;

pub(crate) use cursor::Path;
pub use error::Position;
pub(crate) use error::{DialectError, DialectErrorKind};
pub(crate) use expressions::TYPE_NAME;
pub(crate) use flink_type::{FlinkType, TypeKind};
pub(crate) use options::OptionDef;
pub(crate) use rewrite::{TableReferenceKind, table_reference};
pub use statement::Statement;
pub(crate) use statement::{
    ColumnDef, ColumnKind, CreateCatalog, CreateDatabase, CreateTable, Described, Explain, ExplainDetail,
    Insert, LikePattern, ParsedQuery, Show, StatementKind,
};

use cursor::Cursor;
use error::DialectResult;
use flink_dialect::FlinkDialect;

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

/// Parses the text of a type.
pub(crate) fn parse_type(text: &str) -> DialectResult<FlinkType> {
    let statements = tokens::split(text)?;
    let [statement] = statements.as_slice() else {
        return Err(DialectError::syntax("expected one type", Position::default()));
    };
    let dialect = FlinkDialect::new(statement.tokens.len());
    let mut cursor = Cursor::new(statement, &dialect, []);
    let parsed = cursor.parse_with(flink_type::parse_type)?;
    cursor.expect_end()?;
    Ok(parsed)
}

/// Parses one CREATE TABLE.
pub(crate) fn parse_create_table(text: &str) -> DialectResult<CreateTable> {
    match one(text)? {
        StatementKind::CreateTable(create) => Ok(*create),
        other => Err(DialectError::syntax(format!("expected CREATE TABLE, found {}", other.name()), START)),
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
