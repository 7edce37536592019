//! Group windows, the older form of windows: `GROUP BY TUMBLE(time, size)`, HOP and SESSION, with the
//! functions TUMBLE_START, TUMBLE_END, TUMBLE_ROWTIME and TUMBLE_PROCTIME of each.
//!
//! TUMBLE and HOP become expressions over the start of the window, HOP with a cross join as in
//! [`super::window_function`]. SESSION needs the rows after WHERE, so its FROM becomes a derived table.

use super::calls::{argument_list, position_of};
use super::template;
use super::window_function::{Window, hop_start, session, shifts, start};
use crate::dialect::error::{DialectError, DialectResult, Position};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, Query, Select, SetExpr, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};
use std::ops::ControlFlow;

/// Rewrites the group window of a query's SELECT, if it has one.
pub(super) fn rewrite(query: &mut Query) -> DialectResult<()> {
    let SetExpr::Select(select) = query.body.as_mut() else { return set_operation(&mut query.body) };
    let Some(columns) = rewrite_select(select)? else { return Ok(()) };
    if let Some(order_by) = &mut query.order_by {
        columns.replace(order_by);
    }
    Ok(())
}

/// Rewrites the group windows of the members of UNION, INTERSECT and EXCEPT.
fn set_operation(body: &mut SetExpr) -> DialectResult<()> {
    match body {
        SetExpr::Select(select) => rewrite_select(select).map(drop),
        SetExpr::SetOperation { left, right, .. } => {
            set_operation(left)?;
            set_operation(right)
        }
        _ => Ok(()),
    }
}

fn rewrite_select(select: &mut Select) -> DialectResult<Option<WindowColumns>> {
    let GroupByExpr::Expressions(grouped, _) = &mut select.group_by else { return Ok(None) };
    let Some(index) = grouped.iter().position(|expr| GroupWindow::find(expr).is_some()) else {
        return Ok(None);
    };
    let others: Vec<Expr> =
        grouped.iter().enumerate().filter(|(n, _)| *n != index).map(|(_, expr)| expr.clone()).collect();
    let Some(window) = grouped.get(index).and_then(GroupWindow::find) else { return Ok(None) };
    let at = position_of(&window.name);
    if others.iter().any(|expr| GroupWindow::find(expr).is_some()) {
        return Err(DialectError::syntax("a query has one group window", at));
    }
    let [time, lengths @ ..] = window.args.as_slice() else { return Err(window.wrong_arguments()) };
    let name = &window.name;
    let (start, end) = match (window.kind, lengths) {
        (Window::Tumble, [size]) => {
            let start = start(size, time, None, at)?;
            (start.clone(), plus(&start, size, at)?)
        }
        (Window::Hop, [slide, size]) => {
            let distances = shifts(slide, size, 0, name)?;
            select.from.push(relation(&distances, at)?);
            let start = hop_start(slide, time, None, at)?;
            (start.clone(), plus(&start, size, at)?)
        }
        (Window::Session, [gap]) => {
            let (time, gap) = (time.clone(), gap.clone());
            session_input(select, &others, &time, &gap, name)?;
            let column = |name: &str| template::expression(name, &[], at);
            (column("window_start")?, column("window_end")?)
        }
        _ => return Err(window.wrong_arguments()),
    };
    if window.kind != Window::Session {
        // a row without a time is in no window
        let has_time = template::expression("`$time` IS NOT NULL", &[("$time", time)], at)?;
        select.selection = Some(match select.selection.take() {
            None => has_time,
            Some(condition) => {
                let values = [("$condition", &condition), ("$has_time", &has_time)];
                template::expression("(`$condition`) AND `$has_time`", &values, at)?
            }
        });
    }
    let rowtime = template::expression("`$end` - INTERVAL '1' MILLISECOND", &[("$end", &end)], at)?;
    let proctime = template::expression("current_timestamp()", &[], at)?;
    let grouped =
        if window.kind == Window::Session { vec![start.clone(), end.clone()] } else { vec![start.clone()] };
    if let GroupByExpr::Expressions(expressions, _) = &mut select.group_by {
        expressions.splice(index..=index, grouped);
    }
    let columns = WindowColumns { window, start, end, rowtime, proctime };
    columns.replace(&mut select.projection);
    columns.replace(&mut select.having);
    Ok(Some(columns))
}

fn plus(start: &Expr, size: &Expr, at: Position) -> DialectResult<Expr> {
    template::expression("`$start` + `$size`", &[("$start", start), ("$size", size)], at)
}

/// Parses a relation.
fn relation(text: &str, at: Position) -> DialectResult<TableWithJoins> {
    let unused = TableFactor::NestedJoin {
        table_with_joins: Box::new(TableWithJoins { relation: no_relation(), joins: Vec::new() }),
        alias: None,
    };
    let query = template::query(&format!("SELECT * FROM {text}"), &[], unused, at)?;
    match *query.body {
        SetExpr::Select(mut select) if !select.from.is_empty() => Ok(select.from.swap_remove(0)),
        _ => Err(DialectError::syntax("the window cannot be rewritten", at)),
    }
}

/// Returns a relation to be replaced.
fn no_relation() -> TableFactor {
    TableFactor::TableFunction { expr: Expr::Tuple(Vec::new()), alias: None }
}

/// Replaces FROM and WHERE of a SELECT by a derived table with the columns of session windows.
fn session_input(
    select: &mut Select,
    partition_by: &[Expr],
    time: &Expr,
    gap: &Expr,
    name: &Ident,
) -> DialectResult<()> {
    let at = position_of(name);
    let [TableWithJoins { relation, joins }] = select.from.as_mut_slice() else {
        return Err(DialectError::not_supported("GROUP BY SESSION over several tables", at));
    };
    if !joins.is_empty() {
        return Err(DialectError::not_supported("GROUP BY SESSION over a join", at));
    }
    let alias = match relation {
        TableFactor::Table { alias: None, name, .. } => {
            name.0.last().and_then(|part| part.as_ident().cloned())
        }
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Derived { alias: None, .. } => None,
        _ => return Err(DialectError::not_supported("GROUP BY SESSION over such a table", at)),
    };
    let relation_before = std::mem::replace(relation, no_relation());
    let inner = match select.selection.take() {
        None => relation_before,
        Some(condition) => {
            let filtered = template::query(
                "SELECT * FROM `$input` WHERE `$condition`",
                &[("$condition", &condition)],
                relation_before,
                at,
            )?;
            // the names of the relation stay valid in the expressions of the window
            derived(filtered, alias.clone())
        }
    };
    let windows = session(partition_by, time, gap, inner, at)?;
    *relation = derived(windows, alias);
    Ok(())
}

fn derived(query: Query, alias: Option<Ident>) -> TableFactor {
    let alias = alias.map(|name| datafusion::sql::sqlparser::ast::TableAlias {
        explicit: true,
        name,
        columns: Vec::new(),
        at: None,
    });
    TableFactor::Derived { lateral: false, subquery: Box::new(query), alias, sample: None }
}

/// A call of TUMBLE, HOP or SESSION in GROUP BY.
struct GroupWindow {
    kind: Window,
    name: Ident,
    args: Vec<Expr>,
}

impl GroupWindow {
    fn find(expr: &Expr) -> Option<Self> {
        let Expr::Function(function) = expr else { return None };
        let (name, args) = positional(function)?;
        let kind = Window::find(&name).filter(|kind| *kind != Window::Cumulate)?;
        Some(Self { kind, name, args })
    }

    fn wrong_arguments(&self) -> DialectError {
        let text = match self.kind {
            Window::Hop => "HOP in GROUP BY takes a time, a slide and a size",
            Window::Session => "SESSION in GROUP BY takes a time and a gap",
            _ => "TUMBLE in GROUP BY takes a time and a size",
        };
        DialectError::syntax(text, position_of(&self.name))
    }
}

/// Returns the name and the arguments of a call, if it has a simple name and all are by position.
fn positional(function: &Function) -> Option<(Ident, Vec<Expr>)> {
    let [part] = function.name.0.as_slice() else { return None };
    let args = argument_list(&function.args).into_iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    Some((part.as_ident()?.clone(), args.collect::<Option<_>>()?))
}

/// The expressions of a group window.
struct WindowColumns {
    window: GroupWindow,
    start: Expr,
    end: Expr,
    rowtime: Expr,
    proctime: Expr,
}

impl WindowColumns {
    /// Replaces the functions of the window.
    fn replace(&self, node: &mut impl VisitMut) {
        let ControlFlow::Continue(()) = node.visit(&mut Replacer(self));
    }

    fn column(&self, function: &Function) -> Option<&Expr> {
        let (name, args) = positional(function)?;
        let name = name.value.to_ascii_uppercase();
        let column = name.strip_prefix(&self.window.name.value.to_ascii_uppercase())?;
        if args != self.window.args {
            return None;
        }
        match column {
            "_START" => Some(&self.start),
            "_END" => Some(&self.end),
            "_ROWTIME" => Some(&self.rowtime),
            "_PROCTIME" => Some(&self.proctime),
            _ => None,
        }
    }
}

struct Replacer<'a>(&'a WindowColumns);

impl VisitorMut for Replacer<'_> {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Function(function) = expr
            && let Some(column) = self.0.column(function)
        {
            *expr = column.clone();
        }
        ControlFlow::Continue(())
    }
}
