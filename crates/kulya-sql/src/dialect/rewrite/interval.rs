//! Interval literals: the milliseconds of those of one unit, and those of several fields.

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

/// Returns the count and unit of an interval of several fields, such as `1 02:03:04.005` of DAY TO SECOND:
/// months or milliseconds.
pub(super) fn of_fields(text: &str, fields: &str) -> Option<(i64, DateTimeField)> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix(['-', '+']) {
        Some(rest) if text.starts_with('-') => (-1, rest),
        Some(rest) => (1, rest),
        None => (1, text),
    };
    let number = |text: &str| -> Option<i64> {
        let is_number = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok()).flatten()
    };
    let below = |text: &str, limit: i64| number(text).filter(|number| *number < limit);
    let fields = fields.to_ascii_uppercase();
    if fields == "YEAR TO MONTH" {
        let (years, months) = text.split_once('-')?;
        return Some((sign * (number(years)? * 12 + below(months, 12)?), DateTimeField::Month));
    }
    let (first, last) = fields.split_once(" TO ")?;
    let units = ["DAY", "HOUR", "MINUTE", "SECOND"];
    let position = |unit: &str| units.iter().position(|known| *known == unit);
    let (first, last) = (position(first)?, position(last)?);
    let (days, time) = match first {
        0 => text.split_once(' ')?,
        _ => ("0", text),
    };
    let mut parts = time.split(':');
    let (mut millis, mut is_first) = (number(days)? * 86_400_000, true);
    for unit in first.max(1)..=last {
        let part = parts.next()?;
        // the first field may be greater than a day or an hour has units
        let limit = match unit {
            _ if is_first && first > 0 => i64::MAX,
            1 => 24,
            _ => 60,
        };
        is_first = false;
        millis += match unit {
            1 => below(part, limit)? * 3_600_000,
            2 => below(part, limit)? * 60_000,
            _ => {
                let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
                let fraction: String = fraction.chars().chain("00".chars()).take(3).collect();
                below(whole, limit)? * 1000 + number(&fraction)?
            }
        };
    }
    (parts.next().is_none() && first < last).then_some((sign * millis, DateTimeField::Milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_of_several_fields_have_one_unit() {
        for (text, fields, expected) in [
            ("2-10", "YEAR TO MONTH", Some(34)),
            ("-2-10", "YEAR TO MONTH", Some(-34)),
            ("10 00:00:00.004", "DAY TO SECOND", Some(864_000_004)),
            ("1 2", "DAY TO HOUR", Some(93_600_000)),
            ("30:10", "HOUR TO MINUTE", Some(108_600_000)),
            ("90:30.5", "MINUTE TO SECOND", Some(5_430_500)),
            ("1 25", "DAY TO HOUR", None),
            ("1", "DAY TO HOUR", None),
            ("1:2", "MINUTE TO HOUR", None),
            ("2-12", "YEAR TO MONTH", None),
            ("é", "DAY TO SECOND", None),
        ] {
            assert_eq!(of_fields(text, fields).map(|(count, _)| count), expected, "{text} {fields}");
        }
    }
}
