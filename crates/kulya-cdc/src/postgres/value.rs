//! Conversion of PostgreSQL's text values to the JSON values of Debezium's events (default modes; the
//! differences are listed in `docs/cdc-differences.md`).

use super::column::Kind;
use super::literal::{self, Element};
use super::time;
use crate::debezium::json::{write, write_unscaled};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use serde_json::{Value, json};

/// Debezium's placeholder for an unchanged TOAST value.
pub(crate) const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// Converts a value to JSON; `None` when the text is not a value of the type.
pub(crate) fn json(kind: &Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::Boolean => json!(text == "t"),
        Kind::Integer(_) => json!(text.parse::<i64>().ok()?),
        Kind::Float32 => match text.parse::<f32>().ok()? {
            // by the shortest decimal representation, so that 0.1 stays 0.1
            number if number.is_finite() => json!(number.to_string().parse::<f64>().ok()?),
            _ => json!(text),
        },
        Kind::Float64 => match text.parse::<f64>().ok()? {
            number if number.is_finite() => json!(number),
            _ => json!(text),
        },
        Kind::Decimal { scale, .. } => match unscaled(text, Some(*scale)) {
            Some((bytes, _)) => json!(STANDARD.encode(bytes)),
            None => not_a_number(text)?,
        },
        Kind::VariableDecimal => match unscaled(text, None) {
            Some((bytes, scale)) => json!({ "scale": scale, "value": STANDARD.encode(bytes) }),
            None => not_a_number(text)?,
        },
        Kind::Money { digits } => {
            // the session shows two digits after the point, of a number of the currency's smallest unit
            let number: String = text.chars().filter(char::is_ascii_digit).collect();
            let sign = if text.starts_with(['-', '(']) { "-" } else { "" };
            let zeros = "0".repeat((2u32.saturating_sub(*digits)) as usize);
            json!(STANDARD.encode(unscaled(&format!("{sign}{number}{zeros}"), Some(0))?.0))
        }
        Kind::Text | Kind::Json | Kind::Enum(_) | Kind::Uuid | Kind::Xml | Kind::Ltree | Kind::TsVector => {
            json!(text)
        }
        Kind::Hstore => {
            let pairs = literal::hstore(text)?;
            let object: serde_json::Map<_, _> =
                pairs.into_iter().map(|(key, value)| (key, json!(value))).collect();
            json!(Value::Object(object).to_string())
        }
        Kind::Bytes => json!(STANDARD.encode(hex(text.strip_prefix("\\x")?)?)),
        Kind::Bit => json!(text == "1"),
        Kind::Bits(_) => json!(STANDARD.encode(bits(text)?)),
        Kind::Date => json!(time::date(text)?),
        Kind::Time { millis } => json!(time::time(text)? / if *millis { 1000 } else { 1 }),
        Kind::TimeTz => json!(time::time_tz(text)?),
        Kind::Timestamp { millis: false } => json!(time::timestamp(text)?),
        Kind::Timestamp { millis: true } => json!(time::timestamp_millis(text)?),
        Kind::TimestampTz { digits } => json!(time::timestamp_tz(text, *digits)?),
        Kind::Interval => json!(time::interval(text)?),
        Kind::Point => point(text)?,
        Kind::Array(items) => array(items, &literal::array(text)?)?,
        Kind::AlwaysNull => Value::Null,
    })
}

/// Writes a value as JSON, as [`json`] converts it; `false`, and nothing is written, when the text is not a
/// value of the type.
pub(crate) fn write_json(kind: &Kind, text: &str, out: &mut Vec<u8>) -> bool {
    match kind {
        Kind::Integer(_) => text.parse().is_ok_and(|number: i64| write(out, &number)),
        Kind::Text | Kind::Json | Kind::Enum(_) | Kind::Uuid | Kind::Xml | Kind::Ltree | Kind::TsVector => {
            write(out, text)
        }
        Kind::Decimal { scale, .. } => match small_unscaled(text, *scale) {
            Some(number) => write_unscaled(out, number),
            None => json(kind, text).is_some_and(|value| write(out, &value)),
        },
        Kind::Date => time::date(text).is_some_and(|days| write(out, &days)),
        Kind::Timestamp { millis: false } => time::timestamp(text).is_some_and(|micros| write(out, &micros)),
        _ => json(kind, text).is_some_and(|value| write(out, &value)),
    }
}

/// Returns the unscaled number of a decimal of at most 38 digits; `None` for longer ones, and for texts that
/// are not of that form.
fn small_unscaled(text: &str, scale: i32) -> Option<i128> {
    let scale = usize::try_from(scale).ok()?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = scale.checked_sub(fraction.len())?;
    let is_short = !whole.is_empty() && whole.len() + scale <= 38;
    let all = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', missing));
    (is_short.then_some(all)?)
        .try_fold(0i128, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i128::from(digit - b'0'))
        })
        .map(|number| sign * number)
}

/// Converts NaN and the infinities, which have no decimal representation, to null, as Debezium does.
fn not_a_number(text: &str) -> Option<Value> {
    matches!(text, "NaN" | "Infinity" | "-Infinity").then_some(Value::Null)
}

/// Returns a decimal's unscaled number in two's complement, and its scale: the given one, or the minimal one
/// that is not negative.
fn unscaled(text: &str, scale: Option<i32>) -> Option<(Vec<u8>, i32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (digits, scale) = match scale {
        Some(scale @ 0..) => {
            let length = scale as usize;
            (fraction.len() <= length).then_some(())?;
            (format!("{whole}{fraction:0<length$}"), scale)
        }
        Some(scale) => {
            fraction.bytes().all(|digit| digit == b'0').then_some(())?;
            let (digits, zeros) = match whole {
                "0" => (whole, ""),
                _ => whole.split_at_checked(whole.len().checked_sub(scale.unsigned_abs() as usize)?)?,
            };
            zeros.bytes().all(|digit| digit == b'0').then_some(())?;
            (digits.to_owned(), scale)
        }
        None => {
            let fraction = fraction.trim_end_matches('0');
            (format!("{whole}{fraction}"), i32::try_from(fraction.len()).ok()?)
        }
    };
    let number: BigInt = digits.parse().ok()?;
    Some((number.to_signed_bytes_be(), scale))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

/// Converts bits to bytes, least significant first, without trailing zero bytes.
fn bits(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0u8; text.len().div_ceil(8)];
    for (index, bit) in text.bytes().rev().enumerate() {
        match bit {
            b'0' => {}
            b'1' => *bytes.get_mut(index / 8)? |= 1 << (index % 8),
            _ => return None,
        }
    }
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    Some(bytes)
}

/// Converts a point, with its well-known binary (little-endian, type 1).
fn point(text: &str) -> Option<Value> {
    let (x, y) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
    let (x, y): (f64, f64) = (x.parse().ok()?, y.parse().ok()?);
    let wkb = [&[1, 1, 0, 0, 0][..], &x.to_le_bytes(), &y.to_le_bytes()].concat();
    Some(json!({ "x": x, "y": y, "wkb": STANDARD.encode(wkb), "srid": null }))
}

fn array(items: &Kind, elements: &[Element]) -> Option<Value> {
    elements
        .iter()
        .map(|element| match element {
            Element::Null => Some(Value::Null),
            Element::Text(text) => json(items, text),
            Element::Array(inner) => array(items, inner),
        })
        .collect()
}

/// Returns the placeholder of a column's type for an unchanged TOAST value.
pub(crate) fn unavailable(kind: &Kind) -> Value {
    match kind {
        Kind::Bytes => json!(STANDARD.encode(UNAVAILABLE)),
        Kind::Array(items) => match **items {
            Kind::Integer(_) => UNAVAILABLE.bytes().map(|byte| json!(byte)).collect(),
            _ => json!([UNAVAILABLE]),
        },
        _ => json!(UNAVAILABLE),
    }
}

/// Returns the default value of a required column that the log does not contain, as in an old row of which
/// only the replica identity is logged.
pub(crate) fn default_value(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean | Kind::Bit => json!(false),
        Kind::Float32 | Kind::Float64 => json!(0.0),
        Kind::Integer(_) | Kind::Date | Kind::Time { .. } | Kind::Timestamp { .. } | Kind::Interval => {
            json!(0)
        }
        Kind::Array(_) => json!([]),
        Kind::AlwaysNull | Kind::VariableDecimal | Kind::Point => Value::Null,
        _ => json!(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_match_debeziums() {
        let decimal = |precision, scale| Kind::Decimal { precision, scale };
        for (kind, text, expected) in [
            (Kind::Boolean, "t", "true"),
            (Kind::Integer(64), "-9223372036854775808", "-9223372036854775808"),
            (Kind::Float32, "3.4028235e+38", "3.4028235e38"),
            (Kind::Float32, "0.1", "0.1"),
            (Kind::Float64, "-Infinity", r#""-Infinity""#),
            (decimal(5, 2), "-999.99", r#""/nlh""#),
            (decimal(10, 2), "0.00", r#""AA==""#),
            (decimal(38, 0), "99999999999999999999999999999999999999", r#""SztMqFqGxHoJiiI//////w==""#),
            (decimal(5, 2), "NaN", "null"),
            (Kind::VariableDecimal, "1.10", r#"{"scale":1,"value":"Cw=="}"#),
            (
                Kind::VariableDecimal,
                "1000000000000000000000000000000",
                r#"{"scale":0,"value":"DJ8snNBGdO3qQAAAAA=="}"#,
            ),
            (Kind::VariableDecimal, "-0.00001", r#"{"scale":5,"value":"/w=="}"#),
            (decimal(5, -2), "12300", r#""ew==""#),
            (decimal(5, -2), "-100", r#""/w==""#),
            (decimal(5, -2), "0", r#""AA==""#),
            (decimal(3, 5), "0.00123", r#""ew==""#),
            (Kind::Money { digits: 2 }, "$1,234.56", r#""AeJA""#),
            (Kind::Money { digits: 2 }, "-$0.01", r#""/w==""#),
            // yen: 1234 is shown as 12.34; dinar: 1.234 as 12.34
            (Kind::Money { digits: 0 }, "$12.34", r#""AeII""#),
            (Kind::Money { digits: 3 }, "-$12.34", r#""+y4=""#),
            (Kind::Interval, "2147483648:00:00", "7730941132800000000"),
            (Kind::Timestamp { millis: false }, "294276-12-31 23:59:59.999999", "9223372036854775807"),
            (Kind::Timestamp { millis: true }, "294276-12-31 23:59:59.999", "9224318015999999"),
            (Kind::Hstore, r#""a"=>"1", "b"=>NULL"#, r#""{\"a\":\"1\",\"b\":null}""#),
            (Kind::Bytes, "\\x00ff10", r#""AP8Q""#),
            (Kind::Bits(5), "10101", r#""FQ==""#),
            (
                Kind::Bits(64),
                "1000000000000000000000000000000000000000000000000000000000000001",
                r#""AQAAAAAAAIA=""#,
            ),
            (Kind::Bits(5), "00000", r#""""#),
            (Kind::Timestamp { millis: true }, "-infinity", "-9223372036832400"),
            (
                Kind::Point,
                "(1.5,-2)",
                r#"{"x":1.5,"y":-2.0,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAADA","srid":null}"#,
            ),
            (Kind::Array(Box::new(decimal(6, 2))), "{1.50,-2.25}", r#"["AJY=","/x8="]"#),
            (Kind::Array(Box::new(Kind::Bytes)), r#"{"\\x0102"}"#, r#"["AQI="]"#),
            (Kind::AlwaysNull, "a name", "null"),
        ] {
            let value = json(&kind, text).unwrap_or_else(|| panic!("{kind:?} {text}"));
            assert_eq!(value, serde_json::from_str::<Value>(expected).unwrap(), "{kind:?} {text}");
            let mut written = b"before".to_vec();
            assert!(write_json(&kind, text, &mut written));
            assert_eq!(String::from_utf8(written).unwrap(), format!("before{value}"), "{kind:?} {text}");
        }
        for (kind, text) in [
            (Kind::Integer(16), "x"),
            (Kind::Bytes, "00"),
            (decimal(5, 2), "1.234"),
            (decimal(5, -2), "12"),
            (Kind::Point, "1"),
        ] {
            assert_eq!(json(&kind, text), None, "{kind:?} {text}");
        }
    }

    /// Writes a number with `scale` digits after the point.
    fn point_at(number: i128, scale: i32) -> String {
        let digits = number.unsigned_abs().to_string();
        let scale = usize::try_from(scale).unwrap_or(0);
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{whole}{point}{fraction}", if number < 0 { "-" } else { "" })
    }

    fn decimal_of(scale: i32) -> Kind {
        Kind::Decimal { precision: 9, scale }
    }

    proptest! {
        #[test]
        fn any_text_is_converted_or_rejected(text: String) {
            for kind in [Kind::VariableDecimal, Kind::Money { digits: 2 }, decimal_of(-2), Kind::Hstore, Kind::Bytes, Kind::Bits(1), Kind::Point, Kind::Float32, Kind::Array(Box::new(Kind::Integer(32)))] {
                let _ = json(&kind, &text);
            }
        }

        #[test]
        fn written_values_are_the_converted_ones(
            number: i128, scale in -3i32..40, text in "[-0-9.eE:, aN]{0,45}", is_number: bool,
        ) {
            let text = if is_number { point_at(number, scale) } else { text };
            for kind in [decimal_of(scale), Kind::Integer(64), Kind::Text, Kind::Date, Kind::Float64,
                Kind::Timestamp { millis: false }]
            {
                let mut written = Vec::new();
                let is_written = write_json(&kind, &text, &mut written);
                let expected = json(&kind, &text).map(|value| value.to_string());
                prop_assert_eq!(is_written.then(|| String::from_utf8(written).unwrap()), expected, "{:?} {}", kind, text);
            }
        }
    }
}
