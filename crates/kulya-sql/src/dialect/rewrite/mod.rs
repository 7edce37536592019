//! Rewrites a query to what DataFusion plans: window table functions and group windows become derived tables
//! and expressions, expressions become calls of functions, columns get their names, EVENT becomes an option
//! of its table, hints and files are attached to table names.
//!
//! A table with a hint, and a file, have hidden names, which [`table_reference`] reads: several uses of one
//! table in a query may have different options.

mod calls;
mod changelog_function;
mod column_names;
mod columns;
mod event_function;
mod expression;
mod frame;
mod group_by;
mod group_window;
mod interval;
mod outer_fields;
mod system_time;
mod template;
mod window_function;

use super::cursor::WithText;
use super::error::{DialectError, DialectErrorKind, DialectResult, Position, position};
use super::expressions::TABLE_ARGUMENT;
use super::options::{Hint, OptionDef, TableHint};
use super::statement::{FileReference, ParsedQuery};
use super::system_time::AsOfTime;
use calls::{argument_list, position_of};
use datafusion::sql::sqlparser::ast::{
    Expr, Fetch, FunctionArg, FunctionArgExpr, Ident, LimitClause, ObjectName, ObjectNamePart, Query, Select,
    TableAlias, TableFactor, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use outer_fields::Scopes;
use std::ops::ControlFlow;
use system_time::Times;

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

/// Rewrites a query; the caller adds its tables.
pub(crate) fn rewrite(
    mut query: WithText<Box<Query>>,
    hints: Vec<Hint>,
    tokens: &[TokenWithSpan],
    start: Position,
) -> DialectResult<ParsedQuery> {
    let ignored_hints = hints.iter().flat_map(|hint| hint.ignored.clone()).collect();
    let pending = hints.into_iter().filter_map(|hint| Some((hint.options?, hint.anchor))).collect();
    let mut rewriter = Rewriter {
        tokens,
        pending,
        hints: Vec::new(),
        files: Vec::new(),
        times: Times::default(),
        scopes: Scopes::default(),
        start: tokens.first().map(position).unwrap_or_default(),
    };
    if let ControlFlow::Break(error) = query.value.visit(&mut rewriter) {
        return Err(*error);
    }
    let Rewriter { pending, hints, files, .. } = rewriter;
    if let Some((hint, _)) = pending.first() {
        let text = "a hint must stand after the name of a table".to_owned();
        let position = Some(hint.position.0);
        return Err(DialectError { kind: DialectErrorKind::NotSupported, text, position });
    }
    let position = start.into();
    Ok(ParsedQuery { query, tables: Vec::new(), hints, files, ignored_hints, position })
}

struct Rewriter<'a> {
    tokens: &'a [TokenWithSpan],
    /// Hints and the ends of the tokens before them.
    pending: Vec<(TableHint, Location)>,
    hints: Vec<TableHint>,
    files: Vec<FileReference>,
    times: Times,
    scopes: Scopes,
    /// Where the statement begins: the position of errors without a better one.
    start: Position,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Box<DialectError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        columns::name_columns(query);
        self.scopes.enter(columns::relations_of(query));
        let found = self.times.find(query, self.start).and_then(|()| self.query(query));
        continue_or_break(found.and_then(|()| group_window::rewrite(query)))
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.scopes.leave();
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        column_names::rewrite(select);
        group_by::rewrite(select);
        ControlFlow::Continue(())
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
        if let Some(column) =
            alias_of(factor).and_then(|it| it.columns.iter().find(|it| it.data_type.is_some()))
        {
            let text = format!("a column of an alias has no type: {column}");
            return Err(DialectError::syntax(text, position_of(&column.name)));
        }
        if let TableFactor::Table { name, alias, args: None, version, sample, with_hints, .. } = factor {
            let at = name_position(name).unwrap_or(self.start);
            if version.is_some() {
                return Err(DialectError::not_supported("a table of another version", at));
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
            if name.value.eq_ignore_ascii_case(event_function::NAME) {
                let (mut table, pointer) = event_function::parts(args, &name)?;
                if let TableFactor::Table { name: table_name, alias: own, .. } = &mut table {
                    *own = alias;
                    self.table(table_name, own)?;
                    self.add_option(table_name, own, pointer);
                }
                *factor = table;
                return Ok(());
            }
            if name.value.eq_ignore_ascii_case(changelog_function::TO_CHANGELOG) {
                let (query, table) = changelog_function::to_changes(args, &name)?;
                self.times.note(&table, AsOfTime::Changes, position_of(&name));
                let subquery = Box::new(query);
                *factor = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
                return Ok(());
            }
            if name.value.eq_ignore_ascii_case(changelog_function::FROM_CHANGELOG) {
                let (mut table, codes) = changelog_function::from_changes(args, &name)?;
                if let TableFactor::Table { name: table_name, alias: own, .. } = &mut table {
                    *own = alias;
                    self.times.note(table_name, AsOfTime::FromChanges(codes), position_of(&name));
                    self.table(table_name, own)?;
                }
                *factor = table;
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
        let end = last.span.end;
        let hint = self.pending.iter().position(|(_, anchor)| *anchor == end);
        let mut hint = hint.map(|found| self.pending.remove(found).0);
        if let Some(mut as_of) = self.times.take(end) {
            if let AsOfTime::Constant(query) = &mut as_of.time
                && let ControlFlow::Break(error) = query.visit(self)
            {
                return Err(*error);
            }
            let position = as_of.position;
            let hint = hint.get_or_insert_with(|| TableHint { options: Vec::new(), as_of: None, position });
            hint.as_of = Some(as_of);
        }
        if let Some(hint) = hint {
            set_alias(alias, &last.value);
            let hidden = format!("{}{HINT_MARK}{}", last.value, self.hints.len());
            *last = Ident { value: hidden, quote_style: Some('`'), span: last.span };
            self.hints.push(hint);
        }
        Ok(())
    }

    /// Adds an option to the hint of a table, which gets one if it has none.
    fn add_option(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>, option: OptionDef) {
        let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut() else { return };
        if let TableReferenceKind::Hinted(_, number) = table_reference(&last.value) {
            self.hints.get_mut(number).into_iter().for_each(|hint| hint.options.push(option.clone()));
            return;
        }
        set_alias(alias, &last.value);
        let hidden = format!("{}{HINT_MARK}{}", last.value, self.hints.len());
        *last = Ident { value: hidden, quote_style: Some('`'), span: last.span };
        self.hints.push(TableHint { position: option.position, options: vec![option], as_of: None });
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
        if let Expr::Function(function) = expr
            && function.name.to_string() == TABLE_ARGUMENT
        {
            let what = "a table as an argument of other functions than window functions";
            return Err(DialectError::not_supported(what, self.start));
        }
        self.scopes.rewrite(expr);
        frame::rewrite(expr);
        expression::rewrite(expr, self.start)
    }
}

/// Returns the alias of a relation.
fn alias_of(factor: &TableFactor) -> Option<&TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
        _ => None,
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
