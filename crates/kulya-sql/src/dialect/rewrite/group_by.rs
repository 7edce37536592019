//! `GROUP BY 1`: in Flink a number is a constant. DataFusion takes it for the place of a column, which cannot
//! be an aggregate.

use crate::dialect::expressions::{CAST, call, text};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Select, SelectItem, Value, ValueWithSpan, visit_expressions,
};
use std::ops::ControlFlow;

/// The aggregate functions; others are no columns to group by either, and DataFusion says so.
const AGGREGATES: [&str; 16] = [
    "APPROX_COUNT_DISTINCT",
    "ARRAY_AGG",
    "AVG",
    "COLLECT",
    "COUNT",
    "FIRST_VALUE",
    "LAST_VALUE",
    "LISTAGG",
    "MAX",
    "MIN",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUM",
    "VAR_POP",
    "VAR_SAMP",
];

/// Makes constants of the numbers of columns that are aggregates.
pub(super) fn rewrite(select: &mut Select) {
    let Select { projection, group_by: GroupByExpr::Expressions(groups, _), .. } = select else { return };
    for group in groups {
        let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = group else { continue };
        let place = digits.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
        let is_aggregate = place.and_then(|place| projection.get(place)).is_some_and(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => has_aggregate(expr),
            _ => false,
        });
        if is_aggregate {
            *group = call(CAST, vec![Expr::value(Value::Number(digits.clone(), false)), text("INT")]);
        }
    }
}

fn has_aggregate(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Function(function) if function.over.is_none() => {
            let name = function.name.to_string();
            match AGGREGATES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}
