//! The conversion through trees and big numbers, which the writers of the usual kinds are compared with.

use super::super::write::write_value;
use crate::debezium::Written;
use crate::debezium::{BinaryMode, Compatibility};
use crate::postgres::column::{ArrayKind, ClockForm, DateForm, Kind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Returns a decimal's unscaled number in base64.
fn unscaled(text: &str, scale: usize) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = scale.checked_sub(fraction.len())?;
    let sign = if text.starts_with('-') { "-" } else { "" };
    let number: BigInt = format!("{sign}{whole}{fraction}{}", "0".repeat(missing)).parse().ok()?;
    Some(json!(STANDARD.encode(number.to_signed_bytes_be())))
}

/// Writes a number with `scale` digits after the point.
fn point_at(number: i128, scale: usize) -> String {
    let digits = number.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{whole}{point}{fraction}", if number < 0 { "-" } else { "" })
}

/// Writes an array's text, every item in quotes.
fn array_text(items: &[Option<String>]) -> String {
    let item = |item: &Option<String>| match item {
        Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        None => "NULL".to_owned(),
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}

fn array(items: Kind) -> Kind {
    Kind::Array(Box::new(ArrayKind { items, delimiter: b',', compat: Compatibility::Corrected }))
}

fn written(kind: &Kind, text: &str) -> Option<Value> {
    let mut out = Vec::new();
    match write_value(kind, text.as_bytes(), &mut out) {
        Written::NotAValue => None,
        Written::Null => Some(Value::Null),
        _ => Some(serde_json::from_slice(&out).unwrap()),
    }
}

proptest! {
    #[test]
    fn decimals_are_those_of_big_numbers(number: i128, digits in "[0-9]{1,60}", scale in 0usize..60) {
        let kind = Kind::Decimal { precision: 9, scale: scale as i32 };
        for text in [point_at(number, scale), point_at(number, scale / 2), digits] {
            prop_assert_eq!(written(&kind, &text), unscaled(&text, scale), "{} {}", text, scale);
        }
    }

    #[test]
    fn variable_decimals_have_no_trailing_zeros(number: i64, scale in 0usize..30, zeros in 0usize..5) {
        let number = if number % 10 == 0 { number + 1 } else { number };
        let point = if scale == 0 && zeros > 0 { "." } else { "" };
        let text = format!("{}{point}{}", point_at(number.into(), scale), "0".repeat(zeros));
        let expected = json!({ "scale": scale, "value": STANDARD.encode(BigInt::from(number).to_signed_bytes_be()) });
        let found = written(&Kind::VariableDecimal, &text).unwrap();
        let value = |value: &Value| STANDARD.decode(value["value"].as_str().unwrap()).unwrap();
        prop_assert_eq!(&found["scale"], &expected["scale"]);
        prop_assert_eq!(BigInt::from_signed_bytes_be(&value(&found)), BigInt::from(number));
    }

    #[test]
    fn times_are_counted(days in -2_000_000i64..2_000_000, micros in 0i64..86_400_000_000) {
        let (year, month, day) = civil(days);
        let seconds = micros / 1_000_000;
        let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction = format!(".{:06}", micros % 1_000_000);
        let clock = format!("{clock}{}", fraction.trim_end_matches('0').trim_end_matches('.'));
        let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
        let date = format!("{shown:04}-{month:02}-{day:02}");
        let total = days * 86_400_000_000 + micros;
        let timestamp = |form| Kind::Timestamp { form, compat: Compatibility::Corrected };
        prop_assert_eq!(written(&Kind::Date(DateForm::Days), &format!("{date}{era}")), Some(json!(days)));
        prop_assert_eq!(written(&Kind::Time(ClockForm::Micros), &clock), Some(json!(micros)));
        let text = format!("{date} {clock}{era}");
        prop_assert_eq!(written(&timestamp(ClockForm::Micros), &text), Some(json!(total)));
        prop_assert_eq!(written(&timestamp(ClockForm::Millis), &text), Some(json!(total.div_euclid(1000))));
        if (1..=9999).contains(&year) {
            let zoned = written(&Kind::TimestampTz { digits: 6 }, &format!("{date} {clock}+00"));
            let seconds = clock.get(..8).unwrap();
            prop_assert_eq!(zoned, Some(json!(format!("{date}T{seconds}{fraction}Z"))));
        }
    }

    #[test]
    fn arrays_have_their_items(texts: Vec<Option<String>>, numbers: Vec<Option<i32>>, bytes: Vec<Vec<u8>>) {
        let text = array_text(&texts);
        prop_assert_eq!(written(&array(Kind::Text), &text), Some(json!(texts)));
        let text = array_text(&numbers.iter().map(|number| number.map(|number| number.to_string())).collect::<Vec<_>>());
        prop_assert_eq!(written(&array(Kind::Integer(32)), &text), Some(json!(numbers)));
        let unquoted = text.replace('"', "");
        prop_assert_eq!(written(&array(Kind::Integer(32)), &unquoted), Some(json!(numbers)));
        let hex = |bytes: &Vec<u8>| Some(format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
        let text = array_text(&bytes.iter().map(hex).collect::<Vec<_>>());
        let encoded: Vec<String> = bytes.iter().map(|bytes| STANDARD.encode(bytes)).collect();
        prop_assert_eq!(written(&array(Kind::Bytes(BinaryMode::Bytes)), &text), Some(json!(encoded)));
    }
}

/// Returns year, month and day of a number of days since 1970-01-01, counted year by year.
fn civil(days: i64) -> (i64, u32, u32) {
    let length = |year: i64| {
        let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
        if is_leap { 366 } else { 365 }
    };
    // the calendar repeats after 400 years
    let (mut year, mut rest) = (1970 + days.div_euclid(146_097) * 400, days.rem_euclid(146_097));
    while rest >= length(year) {
        rest -= length(year);
        year += 1;
    }
    let february = if length(year) == 366 { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for days in months {
        if rest < days {
            break;
        }
        rest -= days;
        month += 1;
    }
    (year, month, rest as u32 + 1)
}
