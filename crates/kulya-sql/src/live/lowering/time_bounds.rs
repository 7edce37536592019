//! What expressions say about event time: the bounds of windows, and conditions that compare with a time.

use super::properties::{Properties, TimeBound};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// The function that gives the start of a window. Flink's dialect has no such name: windows are rewritten to
/// it.
const WINDOW_START: &str = "date_bin";

/// Returns how an expression over a relation bounds the event time of its rows.
pub(super) fn bound(expression: &Expr, schema: &DFSchema, properties: &Properties) -> Option<TimeBound> {
    let known = properties.facts.iter().find(|(fact, _)| fact == expression);
    if let Some((_, bound)) = known {
        return Some(*bound);
    }
    match expression {
        Expr::Column(column) => properties.time(schema.index_of_column(column).ok()?),
        Expr::Alias(alias) => bound(&alias.expr, schema, properties),
        Expr::Cast(cast) if is_precise(cast.field.data_type()) => bound(&cast.expr, schema, properties),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus, right }) => {
            let moved = |time: &Expr, by: &Expr| {
                let (least, _) = lengths(by, schema, properties)?;
                later(bound(time, schema, properties)?, least.checked_neg()?)
            };
            moved(left, right).or_else(|| moved(right, left))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) => {
            let (_, most) = lengths(right, schema, properties)?;
            later(bound(left, schema, properties)?, most)
        }
        Expr::ScalarFunction(call) if call.name() == WINDOW_START => {
            let (size, time) = (call.args.first()?, call.args.get(1)?);
            let (size, _) = lengths(size, schema, properties)?;
            let start = later(bound(time, schema, properties)?, size.checked_sub(1)?)?;
            Some(TimeBound { is_window: true, ..start })
        }
        _ => None,
    }
}

fn later(bound: TimeBound, by_ms: i64) -> Option<TimeBound> {
    Some(TimeBound { behind_ms: bound.behind_ms.checked_add(by_ms)?, ..bound })
}

/// Whether a time keeps its milliseconds in a type.
fn is_precise(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(unit, _) if *unit != TimeUnit::Second)
}

/// Returns the smallest and the largest length of an interval, in milliseconds.
fn lengths(expression: &Expr, schema: &DFSchema, properties: &Properties) -> Option<(i64, i64)> {
    match expression {
        Expr::Literal(value, _) => length_ms(value).map(|length| (length, length)),
        Expr::Alias(alias) => lengths(&alias.expr, schema, properties),
        Expr::Cast(cast) => lengths(&cast.expr, schema, properties),
        Expr::Column(column) => {
            properties.columns.get(schema.index_of_column(column).ok()?).and_then(|column| column.lengths)
        }
        _ => None,
    }
}

/// Returns the length of an interval in milliseconds, if it has one.
pub(super) fn length_ms(value: &ScalarValue) -> Option<i64> {
    const DAY_MS: i64 = 86_400_000;
    match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            let millis = interval.nanoseconds.div_euclid(1_000_000);
            let is_exact = interval.nanoseconds % 1_000_000 == 0;
            i64::from(interval.days).checked_mul(DAY_MS)?.checked_add(millis).filter(|_| is_exact)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => {
            i64::from(interval.days).checked_mul(DAY_MS)?.checked_add(interval.milliseconds.into())
        }
        ScalarValue::DurationMillisecond(Some(millis)) => Some(*millis),
        _ => None,
    }
}

/// Returns whether there is a bound of a window in an expression itself, and not in a column.
pub(super) fn has_window(expression: &Expr) -> bool {
    let is_start = |it: &Expr| matches!(it, Expr::ScalarFunction(call) if call.name() == WINDOW_START);
    datafusion::common::tree_node::TreeNode::exists(expression, |it| Ok(is_start(it))).unwrap_or(false)
}

/// Returns the bounds that a condition adds: for `window_end > time`, that of the end.
pub(super) fn facts(condition: &Expr, schema: &DFSchema, properties: &Properties) -> Vec<(Expr, TimeBound)> {
    let mut facts = Vec::new();
    for conjunct in split_conjunction(condition) {
        let Some((small, large, is_strict)) = smaller(conjunct) else { continue };
        let (Some(time), Some(own)) =
            (bound(small, schema, properties), bound(large, schema, properties).filter(|it| it.is_window))
        else {
            continue;
        };
        let behind_ms = time.behind_ms.saturating_sub(i64::from(is_strict));
        if behind_ms < own.behind_ms {
            facts.push((large.clone(), TimeBound { behind_ms, is_window: true }));
        }
    }
    facts
}

/// Returns the smaller and the larger side of a comparison, and whether they are not equal.
pub(super) fn smaller(comparison: &Expr) -> Option<(&Expr, &Expr, bool)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = comparison else { return None };
    match op {
        Operator::Lt => Some((left, right, true)),
        Operator::LtEq => Some((left, right, false)),
        Operator::Gt => Some((right, left, true)),
        Operator::GtEq => Some((right, left, false)),
        _ => None,
    }
}

/// Returns a time and the length that is added to it in an expression.
pub(super) fn shifted(expression: &Expr) -> (&Expr, i64) {
    let parts = match expression {
        Expr::Alias(alias) => return shifted(&alias.expr),
        Expr::Cast(cast) if is_precise(cast.field.data_type()) => return shifted(&cast.expr),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) => {
            let sign = if *op == Operator::Plus { 1 } else { -1 };
            match right.as_ref() {
                Expr::Literal(value, _) => length_ms(value).map(|length| (left, sign * length)),
                _ => None,
            }
        }
        _ => None,
    };
    match parts {
        Some((time, length)) => {
            let (time, inner) = shifted(time);
            (time, inner.saturating_add(length))
        }
        None => (expression, 0),
    }
}
