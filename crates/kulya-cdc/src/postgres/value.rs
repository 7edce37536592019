//! Conversion of PostgreSQL's text values to the JSON values of Debezium's events (default modes; the
//! differences are listed in `docs/cdc-differences.md`).

use super::column::Kind;
use super::literal::{self, Element};
use super::time;
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
        Kind::Money => {
            let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
            let sign = if text.starts_with(['-', '(']) { "-" } else { "" };
            json!(STANDARD.encode(unscaled(&format!("{sign}{digits}"), Some(2))?.0))
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
        Kind::Timestamp { millis: true } => json!(time::timestamp(text)?.div_euclid(1000)),
        Kind::TimestampTz { digits } => json!(time::timestamp_tz(text, *digits)?),
        Kind::Interval => json!(time::interval(text)?),
        Kind::Point => point(text)?,
        Kind::Array(items) => array(items, &literal::array(text)?)?,
        Kind::AlwaysNull => Value::Null,
    })
}

/// Converts NaN and the infinities, which have no decimal representation, to null, as Debezium does.
fn not_a_number(text: &str) -> Option<Value> {
    matches!(text, "NaN" | "Infinity" | "-Infinity").then_some(Value::Null)
}

/// Returns a decimal's unscaled number in two's complement, and its scale: the given one, or the minimal one.
fn unscaled(text: &str, scale: Option<u32>) -> Option<(Vec<u8>, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = match scale {
        Some(scale) => {
            let scale = scale as usize;
            (fraction.len() <= scale).then(|| format!("{fraction:0<scale$}"))?
        }
        None => fraction.trim_end_matches('0').to_owned(),
    };
    let number: BigInt = format!("{whole}{fraction}").parse().ok()?;
    Some((number.to_signed_bytes_be(), fraction.len() as u32))
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
            (Kind::Money, "$1,234.56", r#""AeJA""#),
            (Kind::Money, "-$0.01", r#""/w==""#),
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
        }
        for (kind, text) in
            [(Kind::Integer(16), "x"), (Kind::Bytes, "00"), (decimal(5, 2), "1.234"), (Kind::Point, "1")]
        {
            assert_eq!(json(&kind, text), None, "{kind:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_converted_or_rejected(text: String) {
            for kind in [Kind::VariableDecimal, Kind::Money, Kind::Hstore, Kind::Bytes, Kind::Bits(1), Kind::Point, Kind::Float32, Kind::Array(Box::new(Kind::Integer(32)))] {
                let _ = json(&kind, &text);
            }
        }
    }
}
