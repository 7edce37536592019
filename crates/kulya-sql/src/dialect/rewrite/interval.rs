//! Lengths of windows: the milliseconds of interval literals.

use datafusion::sql::sqlparser::ast::{DateTimeField, Expr, Interval, Value};

/// Returns the milliseconds of `INTERVAL '5' MINUTE`; none for other forms and for months.
pub(super) fn milliseconds(interval: &Expr) -> Option<u64> {
    let Expr::Interval(Interval { value, leading_field: Some(unit), last_field: None, .. }) = interval else {
        return None;
    };
    let Expr::Value(value) = value.as_ref() else { return None };
    let (Value::SingleQuotedString(text) | Value::Number(text, _)) = &value.value else { return None };
    let unit: u64 = match unit {
        DateTimeField::Millisecond | DateTimeField::Milliseconds => 1,
        DateTimeField::Second | DateTimeField::Seconds => 1000,
        DateTimeField::Minute | DateTimeField::Minutes => 60_000,
        DateTimeField::Hour | DateTimeField::Hours => 3_600_000,
        DateTimeField::Day | DateTimeField::Days => 86_400_000,
        DateTimeField::Week(None) | DateTimeField::Weeks => 604_800_000,
        _ => return None,
    };
    let text = text.trim();
    if let Ok(count) = text.parse::<u64>() {
        return count.checked_mul(unit);
    }
    // a fraction of a second
    let (whole, fraction) = text.split_once('.')?;
    if unit != 1000 || fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction)
}

/// Returns the text of an interval literal of this length.
pub(super) fn literal(milliseconds: u64) -> String {
    format!("INTERVAL '{milliseconds}' MILLISECONDS")
}
