//! FOR SYSTEM_TIME AS OF: a table as of a constant time gets it as a hint. A join with a table as of a column
//! of its other side becomes a join with the versions of its rows, of which the condition picks the one that
//! was valid then.

use super::columns::quoted;
use crate::dialect::error::{DialectError, DialectResult, Position};
use crate::dialect::system_time::{AsOf, AsOfTime, RowTime, valid_from, valid_to};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExceptSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableVersion,
    TableWithJoins, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Location;
use std::ops::ControlFlow;

/// The times that were found, with the ends of the names of their tables.
#[derive(Default)]
pub(super) struct Times {
    found: Vec<(Location, AsOf)>,
    count: usize,
}

impl Times {
    /// Removes and returns the time of the table whose name ends here.
    pub(super) fn take(&mut self, end: Location) -> Option<AsOf> {
        let found = self.found.iter().position(|(anchor, _)| *anchor == end)?;
        Some(self.found.swap_remove(found).1)
    }

    /// Notes what is read of a table.
    pub(super) fn note(&mut self, name: &ObjectName, time: AsOfTime, position: Position) {
        self.found.push((name_end(name), AsOf { time, position: position.into() }));
    }

    /// Takes the times out of a query's FROM clauses.
    pub(super) fn find(&mut self, query: &mut Query, start: Position) -> DialectResult<()> {
        self.of_body(&mut query.body, start)
    }

    fn of_body(&mut self, body: &mut SetExpr, start: Position) -> DialectResult<()> {
        match body {
            SetExpr::Select(select) => self.of_select(select, start),
            SetExpr::SetOperation { left, right, .. } => {
                self.of_body(left, start)?;
                self.of_body(right, start)
            }
            _ => Ok(()),
        }
    }

    fn of_select(&mut self, select: &mut Select, start: Position) -> DialectResult<()> {
        let before = select.from.clone();
        let mut hidden = Vec::new();
        for table in &mut select.from {
            if let Some((name, time)) = versioned(&mut table.relation) {
                let position = name_position(&name, start);
                if !is_constant(&time) {
                    let what = "FOR SYSTEM_TIME AS OF a column, of a table that is not joined with JOIN … ON";
                    return Err(DialectError::not_supported(what, position));
                }
                self.constant(&name, time, position)?;
            }
            for join in &mut table.joins {
                let Some((name, time)) = versioned(&mut join.relation) else { continue };
                let position = name_position(&name, start);
                if is_constant(&time) {
                    self.constant(&name, time, position)?;
                    continue;
                }
                let (JoinOperator::Join(JoinConstraint::On(condition))
                | JoinOperator::Inner(JoinConstraint::On(condition))
                | JoinOperator::Left(JoinConstraint::On(condition))
                | JoinOperator::LeftOuter(JoinConstraint::On(condition))) = &mut join.join_operator
                else {
                    let what = "FOR SYSTEM_TIME AS OF a column, in a join other than [INNER] JOIN … ON and LEFT JOIN … ON";
                    return Err(DialectError::not_supported(what, position));
                };
                self.count += 1;
                let (number, end) = (self.count, name_end(&name));
                let alias = alias(&join.relation, &name);
                let (from, to) = (column(&alias, valid_from(number)), column(&alias, valid_to(number)));
                let is_begun = binary(from, BinaryOperator::LtEq, time.clone());
                let is_last = Expr::IsNull(Box::new(to.clone()));
                let is_valid =
                    binary(is_last, BinaryOperator::Or, binary(time.clone(), BinaryOperator::Lt, to));
                let given = std::mem::replace(condition, Expr::Tuple(Vec::new()));
                let is_valid = binary(is_begun, BinaryOperator::And, Expr::Nested(Box::new(is_valid)));
                *condition = binary(Expr::Nested(Box::new(given)), BinaryOperator::And, is_valid);
                hidden.push((alias, number));
                let left = row_time(&before, &time);
                let time = AsOfTime::OfRow { number, left };
                self.found.push((end, AsOf { time, position: position.into() }));
            }
        }
        if !hidden.is_empty() {
            select.projection.iter_mut().for_each(|item| leave_out(item, &hidden));
        }
        Ok(())
    }

    fn constant(&mut self, name: &ObjectName, time: Expr, position: Position) -> DialectResult<()> {
        let Some(query) = parse_select(time) else {
            return Err(DialectError::not_supported("such a time in FOR SYSTEM_TIME AS OF", position));
        };
        let as_of = AsOf { time: AsOfTime::Constant(query), position: position.into() };
        self.found.push((name_end(name), as_of));
        Ok(())
    }
}

/// Removes and returns the time of a table.
fn versioned(factor: &mut TableFactor) -> Option<(ObjectName, Expr)> {
    let TableFactor::Table { name, args: None, version, .. } = factor else { return None };
    match version.take() {
        Some(TableVersion::ForSystemTimeAsOf(time)) => Some((name.clone(), time)),
        other => {
            *version = other;
            None
        }
    }
}

fn is_constant(time: &Expr) -> bool {
    let is_column = |expr: &Expr| matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let found = visit_expressions(time, |expr| match is_column(expr) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_continue()
}

fn last_part(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(ObjectNamePart::as_ident)
}

fn name_position(name: &ObjectName, start: Position) -> Position {
    let first = name.0.first().and_then(ObjectNamePart::as_ident);
    first.map_or(start, |first| first.span.start.into())
}

fn name_end(name: &ObjectName) -> Location {
    last_part(name).map_or(Location { line: 0, column: 0 }, |last| last.span.end)
}

/// Returns the name by which a table's columns are found.
fn alias(factor: &TableFactor, name: &ObjectName) -> Ident {
    let given = match factor {
        TableFactor::Table { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
        _ => None,
    };
    let own = || last_part(name).map(|last| quoted(&last.value));
    given.or_else(own).unwrap_or_else(|| quoted(""))
}

fn column(alias: &Ident, name: String) -> Expr {
    Expr::CompoundIdentifier(vec![alias.clone(), quoted(&name)])
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// Leaves the columns of versions out of `*`.
fn leave_out(item: &mut SelectItem, hidden: &[(Ident, usize)]) {
    let (options, of) = match item {
        SelectItem::Wildcard(options) => (options, None),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            (options, last_part(name).map(|name| name.value.clone()))
        }
        _ => return,
    };
    let of_item = hidden.iter().filter(|(alias, _)| of.as_ref().is_none_or(|name| *name == alias.value));
    let mut names =
        of_item.flat_map(|(_, number)| [quoted(&valid_from(*number)), quoted(&valid_to(*number))]);
    if let Some(first_element) = names.next() {
        options.opt_except = Some(ExceptSelectItem { first_element, additional_elements: names.collect() });
    }
}

/// Returns what a time is, of a row of these relations.
fn row_time(from: &[TableWithJoins], time: &Expr) -> RowTime {
    let (relation, column) = match time {
        Expr::Identifier(column) => (None, column),
        Expr::CompoundIdentifier(path) => match path.as_slice() {
            [relation, column] => (Some(relation), column),
            _ => return RowTime::Event,
        },
        Expr::Nested(inner) => return row_time(from, inner),
        Expr::Function(function) if is_processing_time(function) => return RowTime::Processing,
        _ => return RowTime::Event,
    };
    let factors = from.iter().flat_map(|table| {
        std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation))
    });
    let is_named = |factor: &&TableFactor| match (relation, factor) {
        (None, _) => true,
        (Some(relation), TableFactor::Table { name, alias: given, .. }) => {
            let own = last_part(name).is_some_and(|last| last.value == relation.value);
            given.as_ref().map_or(own, |given| given.name.value == relation.value)
        }
        (Some(relation), TableFactor::Derived { alias: Some(given), .. }) => {
            given.name.value == relation.value
        }
        _ => false,
    };
    match { factors }.find(is_named) {
        Some(TableFactor::Table { name, args: None, .. }) => {
            let parts = name.0.iter().filter_map(ObjectNamePart::as_ident);
            RowTime::Column {
                table: parts.map(|part| part.value.clone()).collect(),
                column: column.value.clone(),
            }
        }
        Some(TableFactor::Derived { subquery, .. }) => match subquery.body.as_ref() {
            SetExpr::Select(select) => item_time(select, &column.value),
            _ => RowTime::Event,
        },
        _ => RowTime::Event,
    }
}

/// Returns what a column of a derived table is.
fn item_time(select: &Select, column: &str) -> RowTime {
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, alias } if alias.value == column => {
                return row_time(&select.from, expr);
            }
            SelectItem::UnnamedExpr(expr @ Expr::Identifier(name)) if name.value == column => {
                return row_time(&select.from, expr);
            }
            SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(path))
                if path.last().is_some_and(|last| last.value == column) =>
            {
                return row_time(&select.from, expr);
            }
            SelectItem::Wildcard(_) => return row_time(&select.from, &Expr::Identifier(quoted(column))),
            _ => {}
        }
    }
    RowTime::Event
}

fn is_processing_time(function: &datafusion::sql::sqlparser::ast::Function) -> bool {
    function.name.to_string().eq_ignore_ascii_case("PROCTIME")
}

/// Returns `SELECT expression`.
fn parse_select(expression: Expr) -> Option<Box<Query>> {
    let mut query = Parser::new(&GenericDialect {}).try_with_sql("SELECT 1").ok()?.parse_query().ok()?;
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    select.projection = vec![SelectItem::UnnamedExpr(expression)];
    Some(query)
}
