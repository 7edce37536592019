//! Writing of booleans, integers and floating-point numbers. PostgreSQL prints what JSON has, so that most
//! texts are checked and copied.

use super::text::write_str;
use crate::debezium::Written;
use crate::debezium::json::write;
use serde::Serialize;

/// The largest length of a number that is copied without regard to its magnitude.
const MAX_COPIED: usize = 32;

/// Writes a boolean, or a single bit as one.
pub(super) fn write_boolean(text: &[u8], out: &mut Vec<u8>) -> Written {
    let literal: &[u8] = match text {
        b"t" | b"1" => b"true",
        b"f" | b"0" => b"false",
        _ => return Written::NotAValue,
    };
    out.extend_from_slice(literal);
    Written::Value
}

/// Writes an integer of at most 64 bits.
pub(super) fn write_integer(text: &[u8], out: &mut Vec<u8>) -> Written {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if is_canonical {
        out.extend_from_slice(text);
        return Written::Value;
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    Written::from_option(number.map(|number| {
        write(out, &number);
    }))
}

/// Writes a floating-point number of 64 bits.
pub(super) fn write_float64(text: &[u8], out: &mut Vec<u8>) -> Written {
    write_float::<f64>(text, f64::is_finite, out)
}

/// Writes a floating-point number of 32 bits, by its shortest representation, so that 0.1 stays 0.1.
pub(super) fn write_float32(text: &[u8], out: &mut Vec<u8>) -> Written {
    write_float::<f32>(text, f32::is_finite, out)
}

/// Writes a floating-point number of 32 bits as Java does: with two digits at least, which near zero are not
/// those of the shortest representation.
pub(super) fn write_java_float32(text: &[u8], out: &mut Vec<u8>) -> Written {
    if let [_, b'e', b'-', b'4', _] | [b'-', _, b'e', b'-', b'4', _] = text
        && let Some(number) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f32>().ok())
    {
        out.extend_from_slice(format!("{number:.1e}").as_bytes());
        return Written::Value;
    }
    write_float32(text, out)
}

fn write_float<F: std::str::FromStr + Serialize + Copy>(
    text: &[u8],
    is_finite: fn(F) -> bool,
    out: &mut Vec<u8>,
) -> Written {
    if text.len() <= MAX_COPIED
        && let Some(has_point) = is_plain_number(text)
    {
        out.extend_from_slice(text);
        if !has_point {
            out.extend_from_slice(b".0");
        }
        return Written::Value;
    }
    if let b"NaN" | b"Infinity" | b"-Infinity" = text
        && let Ok(name) = std::str::from_utf8(text)
    {
        write_str(name, out);
        return Written::Value;
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<F>().ok());
    Written::from_option(number.filter(|number| is_finite(*number)).map(|number| {
        write(out, &number);
    }))
}

/// Checks for a number of JSON's syntax without an exponent; returns whether it has a point.
fn is_plain_number(text: &[u8]) -> Option<bool> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_leading_zero = whole > 1 && digits.first() == Some(&b'0');
    if whole == 0 || has_leading_zero {
        return None;
    }
    match digits.get(whole..)? {
        [] => Some(false),
        [b'.', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => {
            Some(true)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn written(write: fn(&[u8], &mut Vec<u8>) -> Written, text: &str) -> Option<String> {
        let mut out = Vec::new();
        let written = write(text.as_bytes(), &mut out);
        assert_eq!(written == Written::NotAValue, out.is_empty(), "{text}");
        (written == Written::Value).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_are_copied_or_converted() {
        for (text, expected) in [
            ("3", Some("3.0")),
            ("-0", Some("-0.0")),
            ("0.1", Some("0.1")),
            ("1e+21", Some("1e+21")),
            ("1.7976931348623157e+308", Some("1.7976931348623157e+308")),
            ("NaN", Some("\"NaN\"")),
            ("-Infinity", Some("\"-Infinity\"")),
            ("1e999", None),
            ("inf", None),
            ("", None),
            ("1x", None),
        ] {
            assert_eq!(written(write_float64, text).as_deref(), expected, "{text}");
        }
        assert_eq!(written(write_float32, "3.4028235e+38").as_deref(), Some("3.4028235e+38"));
        assert_eq!(written(write_float32, "1e39"), None);
        for (text, expected) in [
            ("0", Some("0")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("007", Some("7")),
            ("-0", Some("0")),
            ("9223372036854775808", None),
            ("1.0", None),
            ("-", None),
        ] {
            assert_eq!(written(write_integer, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_near_zero_have_two_digits_with_java() {
        for (text, expected) in [
            ("1e-45", Some("1.4e-45")),
            ("-1e-45", Some("-1.4e-45")),
            ("3e-45", Some("2.8e-45")),
            ("7e-45", Some("7.0e-45")),
            ("1e-40", Some("1.0e-40")),
            ("1.4e-44", Some("1.4e-44")),
            ("1e-05", Some("0.00001")),
            ("0.1", Some("0.1")),
            ("xe-45", None),
        ] {
            assert_eq!(written(write_java_float32, text).as_deref(), expected, "{text}");
        }
    }

    /// Prints a number as PostgreSQL does.
    fn printed(number: impl std::fmt::LowerExp + std::fmt::Display) -> String {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap();
        match exponent.parse::<i32>().unwrap() {
            -4..=14 => number.to_string(),
            exponent => format!("{digits}e{exponent:+03}"),
        }
    }

    proptest! {
        #[test]
        fn numbers_are_the_parsed_ones(number: f64, single: f32, integer: i64) {
            let value: Value = serde_json::from_str(&written(write_float64, &printed(number)).unwrap()).unwrap();
            prop_assert_eq!(value, json!(number));
            let value: Value = serde_json::from_str(&written(write_float32, &printed(single)).unwrap()).unwrap();
            prop_assert_eq!(value, json!(single.to_string().parse::<f64>().unwrap()));
            prop_assert_eq!(written(write_integer, &integer.to_string()), Some(integer.to_string()));
        }

        #[test]
        fn any_text_is_a_number_or_rejected(text in "[-+0-9.eE]{0,40}") {
            for write in [write_float64, write_float32, write_java_float32, write_integer] {
                if let Some(json) = written(write, &text) {
                    serde_json::from_str::<Value>(&json).unwrap();
                }
            }
        }
    }
}
