//! Expressions with a syntax of their own as calls of functions that have Flink's meaning.
//!
//! | SQL | becomes |
//! |---|---|
//! | `SUBSTRING(x FROM a FOR b)`, `POSITION(x IN y)`, `OVERLAY(…)`, `TRIM(…)`, `EXTRACT(u FROM x)` |
//! calls, the unit or side as a text |
//! | `FLOOR(x TO unit)`, `CEIL(x TO unit)` | `floor_time(unit, x)`, `ceil_time(unit, x)` |
//! | `x SIMILAR TO y ESCAPE z`; LIKE with ESCAPE or a backslash | `similar_to(x, y, z)`, `like(x, y, z)` |
//! | `IF(a, b, c)`; `IFNULL(a, b)` | CASE; COALESCE |
//! | `1e0`; `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'` | casts of texts |
//! | intervals of several fields | those of months or milliseconds |

use super::calls::argument_list;
use super::interval;
use crate::dialect::error::{DialectError, DialectResult, Position};
use crate::dialect::expressions::{CAST, arguments, call, text};
use crate::dialect::type_text::parse_type;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Function,
    FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Interval, ObjectName, TrimWhereField,
    UnaryOperator, Value, ValueWithSpan,
};

/// Functions that DataFusion has under another name.
const SAME: &[(&str, &str)] = &[
    ("IFNULL", "coalesce"),
    ("APPROX_COUNT_DISTINCT", "approx_distinct"),
    ("VARIANCE", "var_samp"),
    ("GROUPING_ID", "grouping"),
    ("MAP_FROM_ARRAYS", "map"),
];

/// Rewrites one expression, whose parts are rewritten already.
pub(super) fn rewrite(expr: &mut Expr, at: Position) -> DialectResult<()> {
    if let Expr::Function(function) = expr {
        return rename(function).map(|renamed| {
            if let Some(renamed) = renamed {
                *expr = renamed;
            }
        });
    }
    let rewritten = match expr {
        Expr::Floor { expr, field } => {
            unit(field).map(|unit| call("floor_time", vec![text(&unit), taken(expr)]))
        }
        Expr::Ceil { expr, field } => {
            unit(field).map(|unit| call("ceil_time", vec![text(&unit), taken(expr)]))
        }
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let from = substring_from.as_mut().map_or_else(|| number("1"), |from| taken(from));
            Some(call(
                "substring",
                [taken(expr), from].into_iter().chain(substring_for.as_mut().map(|it| taken(it))).collect(),
            ))
        }
        Expr::Position { expr, r#in } => Some(call("position", vec![taken(expr), taken(r#in)])),
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            let args = [taken(expr), taken(overlay_what), taken(overlay_from)];
            Some(call("overlay", args.into_iter().chain(overlay_for.as_mut().map(|it| taken(it))).collect()))
        }
        Expr::Trim { expr, trim_where, trim_what, trim_characters: None } => {
            let side = match trim_where {
                Some(TrimWhereField::Leading) => "LEADING",
                Some(TrimWhereField::Trailing) => "TRAILING",
                _ => "BOTH",
            };
            let characters = trim_what.as_mut().map_or_else(|| text(" "), |what| taken(what));
            Some(call("trim_text", vec![text(side), characters, taken(expr)]))
        }
        Expr::Extract { field, expr, .. } => {
            Some(call("extract_of", vec![text(&field.to_string().to_uppercase()), taken(expr)]))
        }
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let args = [taken(expr), taken(pattern)].into_iter().chain(escape_char.take().map(Expr::Value));
            Some(negated_if(*negated, call("similar_to", args.collect())))
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char }
            if needs_own_like(pattern, escape_char.as_ref()) =>
        {
            let args = [taken(expr), taken(pattern)].into_iter().chain(escape_char.take().map(Expr::Value));
            Some(negated_if(*negated, call("like", args.collect())))
        }
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) if digits.contains(['e', 'E']) => {
            Some(call(CAST, vec![text(digits), text("DOUBLE")]))
        }
        Expr::TypedString(literal) => match &literal.value.value {
            Value::SingleQuotedString(value) => typed(&literal.data_type, value, at)?,
            _ => None,
        },
        Expr::Cast { kind: CastKind::DoubleColon, expr, data_type, array: false, format: None } => {
            let wanted = data_type.to_string();
            parse_type(&wanted).is_ok().then(|| call(CAST, vec![taken(expr), text(&wanted)]))
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            // a name and what follows it are parts of a column's name
            let of_name = match root.as_ref() {
                Expr::Identifier(_) => {
                    let is_part = |access: &AccessExpr| matches!(access, AccessExpr::Dot(_));
                    access_chain.iter().position(|access| !is_part(access)).unwrap_or(access_chain.len())
                }
                _ => 0,
            };
            for access in access_chain.iter_mut().skip(of_name) {
                // DataFusion takes the name of a field as a text
                if let AccessExpr::Dot(field) = access
                    && let Expr::Identifier(name) = &*field
                {
                    *field = text(&name.value);
                }
            }
            None
        }
        Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } => Some(overlaps(left, right, at)?),
        Expr::Interval(literal) => plain_interval(literal, at)?,
        _ => None,
    };
    if let Some(rewritten) = rewritten {
        *expr = rewritten;
    }
    Ok(())
}

fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Tuple(Vec::new()))
}

fn number(digits: &str) -> Expr {
    Expr::value(Value::Number(digits.to_owned(), false))
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) } } else { expr }
}

/// Returns the unit of `FLOOR(x TO unit)`.
fn unit(field: &CeilFloorKind) -> Option<String> {
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) | CeilFloorKind::Scale(_) => None,
        CeilFloorKind::DateTimeField(field) => Some(field.to_string()),
    }
}

/// DataFusion's LIKE takes a backslash as the escape character, which Flink does not.
fn needs_own_like(pattern: &Expr, escape: Option<&ValueWithSpan>) -> bool {
    let is_plain = matches!(
        pattern,
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) if !text.contains('\\')
    );
    escape.is_some() || !is_plain
}

/// Renames a function, or returns the expression that its call becomes.
fn rename(function: &mut Function) -> DialectResult<Option<Expr>> {
    let [part] = function.name.0.as_slice() else { return Ok(None) };
    let Some(name) = part.as_ident().filter(|name| name.quote_style.is_none()) else { return Ok(None) };
    let span = name.span;
    let renamed = |name: &str| ObjectName::from(vec![Ident { span, ..Ident::new(name) }]);
    let upper = name.value.to_ascii_uppercase();
    if let Some((_, same)) = SAME.iter().find(|(flinks, _)| *flinks == upper) {
        function.name = renamed(same);
        return Ok(None);
    }
    match upper.as_str() {
        "IF" => {
            let [condition, then, otherwise] = expressions(&function.args).try_into().map_err(|_| {
                DialectError::syntax("IF takes a condition and two values", span.start.into())
            })?;
            let result = Box::new(otherwise);
            Ok(Some(Expr::Case {
                case_token: AttachedToken::empty(),
                end_token: AttachedToken::empty(),
                operand: None,
                conditions: vec![CaseWhen { condition, result: then }],
                else_result: Some(result),
            }))
        }
        "MOD" => {
            let [left, right] = expressions(&function.args)
                .try_into()
                .map_err(|_| DialectError::syntax("MOD takes two numbers", span.start.into()))?;
            let (left, right) =
                (Box::new(Expr::Nested(Box::new(left))), Box::new(Expr::Nested(Box::new(right))));
            let product = Expr::BinaryOp { left, op: BinaryOperator::Modulo, right };
            Ok(Some(Expr::Nested(Box::new(product))))
        }
        "ROW" => {
            let fields = expressions(&function.args).into_iter().enumerate();
            let named = fields.flat_map(|(number, value)| [text(&format!("EXPR${number}")), value]);
            function.name = renamed("named_struct");
            function.args = arguments(named.collect());
            Ok(None)
        }
        "LISTAGG" => {
            function.name = renamed("string_agg");
            if let FunctionArguments::List(list) = &mut function.args
                && list.args.len() == 1
            {
                list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(","))));
            }
            Ok(None)
        }
        "RAND" | "RAND_INTEGER" => random(function, span.start.into()).map(Some),
        "UNIX_TIMESTAMP" if argument_list(&function.args).is_empty() => {
            function.name = renamed("unix_timestamp_now");
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Returns what RAND() and RAND_INTEGER(bound) become.
fn random(function: &Function, at: Position) -> DialectResult<Expr> {
    let name = function.name.to_string().to_ascii_uppercase();
    let bound = match (name.as_str(), <[Expr; 1]>::try_from(expressions(&function.args))) {
        ("RAND", Err(args)) if args.is_empty() => return Ok(call("random", Vec::new())),
        ("RAND_INTEGER", Ok([bound])) => Box::new(bound),
        _ => return Err(DialectError::not_supported(format!("{name} with a seed"), at)),
    };
    let product = Expr::BinaryOp {
        left: Box::new(call("random", Vec::new())),
        op: BinaryOperator::Multiply,
        right: bound,
    };
    Ok(call(CAST, vec![product, text("INT")]))
}

fn expressions(args: &FunctionArguments) -> Vec<Expr> {
    let expressions = argument_list(args).into_iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    expressions.collect()
}

/// Returns a cast for a literal of a date or time, whose digits of a second are those that are written.
fn typed(data_type: &DataType, value: &str, at: Position) -> DialectResult<Option<Expr>> {
    let digits = value.rsplit_once('.').map_or(0, |(_, fraction)| fraction.trim_end().len());
    if digits > 9 {
        return Err(DialectError::syntax(format!("{value:.40} has more than 9 digits of a second"), at));
    }
    let wanted = match data_type {
        DataType::Date => "DATE".to_owned(),
        DataType::Time(None, _) => format!("TIME({digits})"),
        DataType::Timestamp(None, _) => format!("TIMESTAMP({digits})"),
        _ => return Ok(None),
    };
    Ok(Some(call(CAST, vec![text(value), text(&wanted)])))
}

/// Returns what `(start, end) OVERLAPS (start, end)` becomes; an end may be an interval after the start.
fn overlaps(left: &Expr, right: &Expr, at: Position) -> DialectResult<Expr> {
    let bounds = |range: &Expr| match range {
        Expr::Tuple(bounds) => match bounds.as_slice() {
            [start, length @ Expr::Interval(_)] => {
                let (left, right) = (Box::new(start.clone()), Box::new(length.clone()));
                let end = Expr::BinaryOp { left, op: BinaryOperator::Plus, right };
                Ok((start.clone(), Expr::Nested(Box::new(end))))
            }
            [start, end] => Ok((start.clone(), end.clone())),
            _ => Err(DialectError::syntax("OVERLAPS compares two ranges of two values", at)),
        },
        _ => Err(DialectError::syntax("OVERLAPS compares two ranges of two values", at)),
    };
    let ((s1, e1), (s2, e2)) = (bounds(left)?, bounds(right)?);
    let before = |end: (&Expr, &Expr), start: (&Expr, &Expr)| Expr::BinaryOp {
        left: Box::new(call("greatest", vec![end.0.clone(), end.1.clone()])),
        op: BinaryOperator::GtEq,
        right: Box::new(call("least", vec![start.0.clone(), start.1.clone()])),
    };
    let (one, other) = (before((&s1, &e1), (&s2, &e2)), before((&s2, &e2), (&s1, &e1)));
    let both = Expr::BinaryOp { left: Box::new(one), op: BinaryOperator::And, right: Box::new(other) };
    Ok(Expr::Nested(Box::new(both)))
}

/// Returns an interval of one unit for one of several fields.
fn plain_interval(literal: &Interval, at: Position) -> DialectResult<Option<Expr>> {
    let Some(last) = &literal.last_field else { return Ok(None) };
    let fields =
        format!("{} TO {last}", literal.leading_field.as_ref().map(ToString::to_string).unwrap_or_default());
    let invalid = || {
        let value = &literal.value;
        DialectError::syntax(format!("{value:.60} is no interval of the fields {fields:.40}"), at)
    };
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(value), .. }) = literal.value.as_ref()
    else {
        return Err(invalid());
    };
    let (count, unit) = interval::of_fields(value, &fields).ok_or_else(invalid)?;
    Ok(Some(Expr::Interval(Interval {
        value: Box::new(text(&count.to_string())),
        leading_field: Some(unit),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })))
}
