//! Default values of columns, from the text of their expression (`pg_get_expr`): only constants have a value.
//! With [`Compatibility::Debezium`] the text is read as Debezium reads it, which takes a quoted text to end
//! at the first quote, and gives functions such as `nextval` the zero of their type.

use super::super::column::Kind;
use super::write::write_value;
use crate::debezium::Compatibility;
use crate::debezium::Written;
use serde_json::Value;
use std::borrow::Cow;

/// Names of functions that are written without parentheses.
const CURRENT_TIMES: [&str; 5] =
    ["current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"];

/// Returns a column's default value as an event has it; `None` if it is null or no constant.
pub(crate) fn default_json(kind: &Kind, expression: &str, compat: Compatibility) -> Option<Value> {
    let kind = match kind {
        Kind::WithPlaceholder(with) => &with.kind,
        _ => kind,
    };
    let text = match compat {
        Compatibility::Corrected => constant(kind, expression.trim())?,
        Compatibility::Debezium => debezium_constant(kind, expression)?,
    };
    let text = match kind {
        Kind::Decimal { scale, .. } => without_zeros(&text, usize::try_from(*scale).ok()?),
        Kind::DecimalText { scale, .. } if *scale > 0 => Cow::Owned(padded(&text, *scale as usize)),
        _ => text,
    };
    let mut json = Vec::new();
    match write_value(kind, text.as_bytes(), &mut json) {
        Written::Value | Written::Lossy => serde_json::from_slice(&json).ok(),
        Written::Null | Written::NotAValue => None,
    }
}

/// Removes zeros after the point that are more than the column has.
fn without_zeros(number: &str, scale: usize) -> Cow<'_, str> {
    let Some((whole, fraction)) = number.split_once('.') else { return number.into() };
    match fraction.split_at_checked(scale) {
        Some(("", zeros)) if zeros.bytes().all(|digit| digit == b'0') => whole.into(),
        Some((kept, zeros)) if zeros.bytes().all(|digit| digit == b'0') => format!("{whole}.{kept}").into(),
        _ => number.into(),
    }
}

/// Gives a number the digits after the point that the column has.
fn padded(number: &str, scale: usize) -> String {
    let number = without_zeros(number, scale);
    match number.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{fraction:0<scale$}"),
        None if number.bytes().any(|byte| byte.is_ascii_digit()) => format!("{number}.{:0<scale$}", ""),
        None => number.into_owned(),
    }
}

/// Returns the text of a constant of the kind as PostgreSQL prints values.
fn constant<'a>(kind: &Kind, expression: &'a str) -> Option<Cow<'a, str>> {
    let is_bits = matches!(kind, Kind::Bit | Kind::Bits(_));
    let quoted = match expression.strip_prefix('B') {
        Some(rest) if is_bits => rest,
        _ => expression,
    };
    if let Some(rest) = quoted.strip_prefix('\'') {
        let (text, rest) = unquoted(rest)?;
        return is_single_cast(rest).then_some(text);
    }
    if matches!(kind, Kind::Boolean) {
        return match expression {
            "true" => Some("t".into()),
            "false" => Some("f".into()),
            _ => None,
        };
    }
    let (number, rest) = match expression.strip_prefix('(') {
        Some(inner) => inner.split_once(')')?,
        None => expression
            .split_once("::")
            .map_or((expression, ""), |(number, _)| expression.split_at(number.len())),
    };
    let takes_numbers = matches!(
        kind,
        Kind::Integer(_)
            | Kind::Oid
            | Kind::Float32(_)
            | Kind::Float64
            | Kind::Decimal { .. }
            | Kind::VariableDecimal
            | Kind::DecimalText { .. }
            | Kind::DecimalFloat
            | Kind::Text
    );
    (takes_numbers && is_number(number) && is_single_cast(rest)).then_some(number.into())
}

/// Splits a quoted text, after its opening quote, from what follows; quotes in it are doubled.
fn unquoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut end = text.find('\'')?;
    if !text.get(end + 1..)?.starts_with('\'') {
        return Some((text.get(..end)?.into(), text.get(end + 1..)?));
    }
    while text.get(end + 1..)?.starts_with('\'') {
        end += 2 + text.get(end + 2..)?.find('\'')?;
    }
    Some((text.get(..end)?.replace("''", "'").into(), text.get(end + 1..)?))
}

/// Returns whether the rest of an expression is empty or one cast: a second one, or an operator, computes.
fn is_single_cast(rest: &str) -> bool {
    match rest.strip_prefix("::") {
        Some(name) => {
            let is_name = |c: char| c.is_alphanumeric() || "_ .,\"()[]".contains(c);
            !name.is_empty() && name.chars().all(is_name) && !name.contains(" COLLATE ")
        }
        None => rest.is_empty(),
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Returns the text that Debezium takes for the default value of a type; `None` for types that it reads no
/// default values of.
fn debezium_constant<'a>(kind: &Kind, expression: &'a str) -> Option<Cow<'a, str>> {
    if matches!(kind, Kind::Enum(_)) {
        let (quoted, _) = expression.rsplit_once("::")?;
        return Some(quoted.strip_prefix('\'')?.strip_suffix('\'')?.into());
    }
    let zero = match kind {
        Kind::Boolean => "false",
        Kind::Bit | Kind::Bits(_) | Kind::Integer(_) => "0",
        Kind::Decimal { .. } | Kind::DecimalText { .. } | Kind::DecimalFloat => "0.0",
        Kind::Float32(_) | Kind::Float64 => "0.0",
        Kind::Json => "{}",
        Kind::Text | Kind::Xml => "",
        Kind::Uuid => "00000000-0000-0000-0000-000000000000",
        Kind::Date(_) => "1970-01-01",
        Kind::Time(_) => "00:00:00",
        Kind::Timestamp { .. } => "1970-01-01 00:00:00",
        Kind::TimestampTz { .. } => "1970-01-01 00:00:00+00",
        Kind::Interval(_) => "00:00:00",
        _ => return None,
    };
    let expression = match kind {
        Kind::Text | Kind::Json | Kind::Xml => expression,
        _ => expression.trim(),
    };
    let text = if is_function(expression) { zero } else { first_quoted(expression)? };
    Some(match kind {
        Kind::Boolean => if text.eq_ignore_ascii_case("true") { "t" } else { "f" }.into(),
        _ => text.into(),
    })
}

/// Returns whether Debezium takes an expression for a call: a name and parentheses at its beginning.
fn is_function(expression: &str) -> bool {
    let call = expression.strip_prefix('(').unwrap_or(expression);
    let name_end = call.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    let arguments = name_end.filter(|end| *end > 0).and_then(|end| call.get(end..)?.strip_prefix('('));
    arguments.is_some_and(|arguments| arguments.lines().next().is_some_and(|line| line.contains(')')))
        || CURRENT_TIMES.contains(&expression.to_ascii_lowercase().as_str())
}

/// Returns what is between the first two quotes, or an expression without quotes as it is.
fn first_quoted(expression: &str) -> Option<&str> {
    match expression.split_once('\'') {
        None => (!expression.starts_with("NULL::")).then_some(expression),
        Some((_, rest)) => {
            let (text, _) = rest.split_once('\'')?;
            (!text.contains(['\n', '\r'])).then_some(text)
        }
    }
}
