//! Rewrites a query to what DataFusion plans: window table functions and group windows become derived tables
//! and expressions, FLOOR and CEIL to a unit become calls, hints and files are attached to table names.
//!
//! A table with a hint, and a file, have hidden names, which [`table_reference`] reads: several uses of one
//! table in a query may have different options.

mod calls;
mod group_window;
mod interval;
mod template;
mod window_function;

use super::cursor::WithText;
use super::error::{DialectError, DialectErrorKind, DialectResult, NodePosition, Position, position};
use super::expressions::{TABLE_ARGUMENT, call, text};
use super::options::{Hint, TableHint};
use super::statement::{FileReference, ParsedQuery};
use calls::{argument_list, position_of};
use datafusion::sql::sqlparser::ast::{
    CeilFloorKind, DateTimeField, Expr, Fetch, FunctionArg, FunctionArgExpr, Ident, LimitClause, ObjectName,
    ObjectNamePart, Query, TableAlias, TableFactor, TableVersion, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use std::ops::ControlFlow;

const HINT_MARK: &str = "\0hint";
const FILE_MARK: &str = "\0file";

/// What the name of a table in a rewritten query stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableReferenceKind<'a> {
    /// A table.
    Table(&'a str),
    /// A table with the hint of this number in [`ParsedQuery::hints`].
    Hinted(&'a str, usize),
    /// The file of this number in [`ParsedQuery::files`].
    File(usize),
}

/// Returns what the last part of a table's name in a rewritten query stands for.
pub(crate) fn table_reference(name: &str) -> TableReferenceKind<'_> {
    if let Some(number) = name.strip_prefix(FILE_MARK).and_then(|number| number.parse().ok()) {
        return TableReferenceKind::File(number);
    }
    let hinted = name.split_once(HINT_MARK).and_then(|(name, number)| Some((name, number.parse().ok()?)));
    match hinted {
        Some((name, number)) => TableReferenceKind::Hinted(name, number),
        None => TableReferenceKind::Table(name),
    }
}

/// Rewrites a query.
pub(crate) fn rewrite(
    mut query: WithText<Box<Query>>,
    hints: Vec<Hint>,
    tokens: &[TokenWithSpan],
) -> DialectResult<ParsedQuery> {
    let ignored_hints = hints.iter().flat_map(|hint| hint.ignored.clone()).collect();
    let pending = hints.into_iter().filter_map(|hint| Some((hint.options?, hint.anchor))).collect();
    let mut rewriter = Rewriter {
        tokens,
        pending,
        hints: Vec::new(),
        files: Vec::new(),
        system_time: None,
        start: tokens.first().map(position).unwrap_or_default(),
    };
    if let ControlFlow::Break(error) = query.value.visit(&mut rewriter) {
        return Err(*error);
    }
    let Rewriter { pending, hints, files, system_time, .. } = rewriter;
    if let Some((hint, _)) = pending.first() {
        let text = "a hint must stand after the name of a table".to_owned();
        let position = Some(hint.position.0);
        return Err(DialectError { kind: DialectErrorKind::NotSupported, text, position });
    }
    let system_time = system_time.map(NodePosition);
    Ok(ParsedQuery { query, hints, files, system_time, ignored_hints })
}

struct Rewriter<'a> {
    tokens: &'a [TokenWithSpan],
    /// Hints and the ends of the tokens before them.
    pending: Vec<(TableHint, Location)>,
    hints: Vec<TableHint>,
    files: Vec<FileReference>,
    /// Where the first table with FOR SYSTEM_TIME AS OF is.
    system_time: Option<Position>,
    /// Where the statement begins: the position of errors without a better one.
    start: Position,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Box<DialectError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        continue_or_break(self.query(query).and_then(|()| group_window::rewrite(query)))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        continue_or_break(self.table_factor(factor))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        continue_or_break(self.expression(expr))
    }
}

fn continue_or_break(result: DialectResult<()>) -> ControlFlow<Box<DialectError>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

impl Rewriter<'_> {
    /// Refuses clauses that DataFusion would ignore, and makes LIMIT of FETCH.
    fn query(&self, query: &mut Query) -> DialectResult<()> {
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return Err(DialectError::not_supported("FOR UPDATE and its like", self.start));
        }
        let limit = match &query.fetch {
            None => return Ok(()),
            Some(Fetch { percent: false, with_ties: false, quantity }) => quantity.clone(),
            Some(_) => return Err(DialectError::not_supported("FETCH WITH TIES or PERCENT", self.start)),
        };
        let limit = limit.unwrap_or_else(|| Expr::value(Value::Number("1".to_owned(), false)));
        let offset = match query.limit_clause.take() {
            None => None,
            Some(LimitClause::LimitOffset { limit: None, offset, limit_by }) if limit_by.is_empty() => offset,
            Some(_) => return Err(DialectError::syntax("a query has LIMIT or FETCH, not both", self.start)),
        };
        query.fetch = None;
        query.limit_clause =
            Some(LimitClause::LimitOffset { limit: Some(limit), offset, limit_by: Vec::new() });
        Ok(())
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> DialectResult<()> {
        if let TableFactor::Table { name, alias, args: None, version, sample, with_hints, .. } = factor {
            let at = name_position(name).unwrap_or(self.start);
            match version {
                None => {}
                Some(TableVersion::ForSystemTimeAsOf(_)) => {
                    self.system_time.get_or_insert(at);
                }
                Some(_) => return Err(DialectError::not_supported("a table of another version", at)),
            }
            if sample.is_some() {
                return Err(DialectError::not_supported("TABLESAMPLE", at));
            }
            if !with_hints.is_empty() {
                return Err(DialectError::syntax("a table in FROM has no WITH", at));
            }
            return self.table(name, alias);
        }
        if let Some((name, args, alias)) = called(factor) {
            if name.value.eq_ignore_ascii_case("UNNEST") {
                *factor = unnest(factor, args, alias);
                return Ok(());
            }
            if let Some(window) = window_function::Window::find(&name) {
                let subquery = Box::new(window.lower(args, &name)?);
                *factor = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
                return Ok(());
            }
        }
        if let TableFactor::Function { lateral: true, name, args, with_ordinality: _, alias } = factor
            && name.to_string().eq_ignore_ascii_case("TABLE")
            && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function)))] = args.as_slice()
        {
            let name = function.name.clone();
            let args = argument_list(&function.args);
            *factor = TableFactor::Function {
                lateral: true,
                name,
                args,
                with_ordinality: false,
                alias: alias.take(),
            };
        }
        Ok(())
    }

    /// Attaches a hint to a table, and marks a file.
    fn table(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>) -> DialectResult<()> {
        let (parts, at) = (name.0.len(), name_position(name));
        let Some(last) = name.0.last_mut().and_then(|part| match part {
            ObjectNamePart::Identifier(last) => Some(last),
            ObjectNamePart::Function(_) => None,
        }) else {
            return Ok(());
        };
        if last.quote_style == Some('\'') {
            let position = self.file_position(&last.value);
            if parts > 1 {
                let text = format!("unexpected '{}': names are quoted in backticks", last.value);
                return Err(DialectError::syntax(text, position));
            }
            let path = last.value.clone();
            set_alias(alias, file_stem(&path));
            *last = Ident::with_quote('`', format!("{FILE_MARK}{}", self.files.len()));
            self.files.push(FileReference { path, position: position.into() });
            return Ok(());
        }
        if parts > 3 {
            let text = format!("{name} has too many parts: quote a name with dots in backticks");
            return Err(DialectError::syntax(text, at.unwrap_or(self.start)));
        }
        if let Some(found) = self.pending.iter().position(|(_, anchor)| *anchor == last.span.end) {
            let (hint, _) = self.pending.remove(found);
            set_alias(alias, &last.value);
            let hidden = format!("{}{HINT_MARK}{}", last.value, self.hints.len());
            *last = Ident { value: hidden, quote_style: Some('`'), span: last.span };
            self.hints.push(hint);
        }
        Ok(())
    }

    /// Returns where the name of a file stands: the literal's token has no other trace in the tree.
    fn file_position(&self, path: &str) -> Position {
        let is_file = |pair: &&[TokenWithSpan]| match pair {
            [before, literal] => {
                let is_relation = match &before.token {
                    Token::Word(word) => matches!(word.keyword, Keyword::FROM | Keyword::JOIN),
                    other => matches!(other, Token::Comma | Token::LParen | Token::Period),
                };
                is_relation && matches!(&literal.token, Token::SingleQuotedString(text) if text == path)
            }
            _ => false,
        };
        // the same file may be read several times
        let earlier = self.files.iter().filter(|file| file.path == path).count();
        let found = self.tokens.windows(2).filter(is_file).nth(earlier);
        found.and_then(|pair| pair.last()).map(position).unwrap_or(self.start)
    }

    fn expression(&self, expr: &mut Expr) -> DialectResult<()> {
        let rounded = match expr {
            Expr::Floor { expr, field } => unit(field).map(|unit| ("floor_time", unit, expr)),
            Expr::Ceil { expr, field } => unit(field).map(|unit| ("ceil_time", unit, expr)),
            Expr::Function(function) if function.name.to_string() == TABLE_ARGUMENT => {
                let what = "a table as an argument of other functions than window functions";
                return Err(DialectError::not_supported(what, self.start));
            }
            _ => None,
        };
        if let Some((name, unit, rounded)) = rounded {
            let rounded = std::mem::replace(rounded.as_mut(), Expr::Tuple(Vec::new()));
            *expr = call(name, vec![text(&unit), rounded]);
        }
        Ok(())
    }
}

/// Returns the unit of `FLOOR(x TO unit)`.
fn unit(field: &CeilFloorKind) -> Option<String> {
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) | CeilFloorKind::Scale(_) => None,
        CeilFloorKind::DateTimeField(field) => Some(field.to_string()),
    }
}

/// Returns the name, arguments and alias of `TABLE(f(…))` or `f(…)` in FROM.
fn called(factor: &mut TableFactor) -> Option<(Ident, Vec<FunctionArg>, Option<TableAlias>)> {
    let (name, args, alias) = match factor {
        TableFactor::TableFunction { expr: Expr::Function(function), alias } => {
            (&function.name, argument_list(&function.args), alias)
        }
        TableFactor::Table { name, args: Some(args), alias, .. } => (&*name, args.args.clone(), alias),
        _ => return None,
    };
    let [part] = name.0.as_slice() else { return None };
    Some((part.as_ident()?.clone(), args, alias.clone()))
}

fn unnest(factor: &TableFactor, args: Vec<FunctionArg>, alias: Option<TableAlias>) -> TableFactor {
    let array_exprs = args.into_iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    TableFactor::UNNEST {
        alias,
        array_exprs: array_exprs.collect(),
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: matches!(factor, TableFactor::Table { with_ordinality: true, .. }),
    }
}

/// Gives a table whose name becomes hidden its name as an alias.
fn set_alias(alias: &mut Option<TableAlias>, name: &str) {
    alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::with_quote('`', name),
        columns: Vec::new(),
        at: None,
    });
}

/// Returns the name of a file without its folder and ending.
fn file_stem(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    match name.split_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// Returns the position of a name of parts; none for a file.
fn name_position(name: &ObjectName) -> Option<Position> {
    let first = name.0.first().and_then(ObjectNamePart::as_ident)?;
    if first.quote_style == Some('\'') { None } else { Some(position_of(first)) }
}
