//! `ROWS BETWEEN 1 + 1 PRECEDING AND …`: DataFusion takes numbers as offsets, and no constant expressions.

use crate::dialect::expressions::CAST;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
    ValueWithSpan, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowType,
};

/// Computes the offsets of a frame of rows.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let Some(WindowType::WindowSpec(spec)) = &mut function.over else { return };
    if let Some(WindowFrame { units: WindowFrameUnits::Rows, start_bound, end_bound }) =
        &mut spec.window_frame
    {
        std::iter::once(start_bound).chain(end_bound).for_each(compute);
    }
}

fn compute(bound: &mut WindowFrameBound) {
    let (WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset))) = bound
    else {
        return;
    };
    if !matches!(**offset, Expr::Value(_))
        && let Some(number) = number(offset)
    {
        **offset = Expr::value(Value::Number(number.to_string(), false));
    }
}

/// Returns the whole number that a constant expression is.
fn number(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => digits.parse().ok(),
        Expr::Nested(inner) => number(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(expr)?.checked_neg(),
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (number(left)?, number(right)?);
            match op {
                BinaryOperator::Plus => left.checked_add(right),
                BinaryOperator::Minus => left.checked_sub(right),
                BinaryOperator::Multiply => left.checked_mul(right),
                _ => None,
            }
        }
        Expr::Cast { expr, .. } => number(expr),
        Expr::Function(function) if function.name.to_string() == CAST => {
            let FunctionArguments::List(list) = &function.args else { return None };
            match list.args.first() {
                Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) => number(value),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::dialect::parse_query;

    #[test]
    fn offsets_are_computed() {
        for (offset, expected) in [
            ("1 + 2", "3 PRECEDING"),
            ("CAST(2 AS BIGINT)", "2 PRECEDING"),
            ("(2 * 3 - 1)", "5 PRECEDING"),
            ("4", "4 PRECEDING"),
        ] {
            let text = format!(
                "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN {offset} PRECEDING AND CURRENT ROW) FROM t"
            );
            let query = parse_query(&text).unwrap().query.value.to_string();
            assert!(query.contains(&format!("BETWEEN {expected} AND CURRENT ROW")), "{query}");
        }
    }
}
