//! Values as texts and as cells.

use super::*;
use crate::debezium::{BinaryMode, DecimalMode};
use crate::mysql::binlog::value::{Date, DateTime, Time};
use crate::mysql::charset::Charset;
use crate::mysql::column::{Temporal, Unit};
use proptest::prelude::*;

fn from_text(kind: &Kind, text: &[u8]) -> Result<String, Written> {
    let mut json = Vec::new();
    match write_text_value(kind, text, &mut json) {
        Written::Value => Ok(String::from_utf8(json).unwrap()),
        other => {
            assert!(json.is_empty() || other == Written::Lossy, "nothing is written");
            Err(other)
        }
    }
}

fn from_log(kind: &Kind, value: Value<'_>) -> Result<String, Written> {
    let mut json = Vec::new();
    match write_binlog_value(kind, &value, &mut json) {
        Written::Value => Ok(String::from_utf8(json).unwrap()),
        other => Err(other),
    }
}

fn temporal(unit: Unit) -> Temporal {
    Temporal { unit, required: false, is_debezium: false }
}

#[test]
fn dates_have_the_units_of_the_modes() {
    for (text, days, iso) in [
        ("2024-02-29", "19782", "\"2024-02-29Z\""),
        ("1970-01-01", "0", "\"1970-01-01Z\""),
        ("1969-12-31", "-1", "\"1969-12-31Z\""),
        ("0001-01-01", "-719162", "\"0001-01-01Z\""),
        ("0000-01-01", "-719528", "\"0000-01-01Z\""),
        ("9999-12-31", "2932896", "\"9999-12-31Z\""),
    ] {
        for unit in [Unit::Millis, Unit::ConnectMillis, Unit::Micros, Unit::Nanos] {
            let found = from_text(&Kind::Date(temporal(unit)), text.as_bytes());
            assert_eq!(found.as_deref(), Ok(days), "{text} {unit:?}");
        }
        assert_eq!(
            from_text(&Kind::Date(temporal(Unit::Iso)), text.as_bytes()).as_deref(),
            Ok(iso),
            "{text}"
        );
    }
}

#[test]
fn dates_that_no_calendar_has_are_null_or_the_epoch() {
    let required = |unit| Temporal { required: true, ..temporal(unit) };
    for text in ["0000-00-00", "2023-05-00", "2023-00-15", "2023-02-29", "1900-02-29", "2024-04-31"] {
        let with_time = format!("{text} 10:11:12.5");
        for unit in [Unit::Millis, Unit::Iso] {
            assert_eq!(from_text(&Kind::Date(temporal(unit)), text.as_bytes()), Err(Written::Null), "{text}");
            let null = from_text(&Kind::DateTime(temporal(unit)), with_time.as_bytes());
            assert_eq!(null, Err(Written::Null), "{text}");
        }
        let date = |unit| from_text(&Kind::Date(required(unit)), text.as_bytes()).unwrap();
        assert_eq!((&*date(Unit::Millis), &*date(Unit::Iso)), ("0", "\"1970-01-01Z\""), "{text}");
        let time = |unit| from_text(&Kind::DateTime(required(unit)), with_time.as_bytes()).unwrap();
        assert_eq!((&*time(Unit::Nanos), &*time(Unit::Iso)), ("0", "\"1970-01-01T00:00:00Z\""), "{text}");
    }
    for (digits, required, expected) in
        [(3, false, Err(Written::Null)), (3, true, Ok("\"1970-01-01T00:00:00Z\"".to_owned()))]
    {
        let kind = Kind::Timestamp { digits, required, is_debezium: false };
        assert_eq!(from_text(&kind, b"0000-00-00 00:00:00.000"), expected);
    }
}

#[test]
fn debezium_reads_years_of_two_digits() {
    let debezium = |unit| Temporal { is_debezium: true, ..temporal(unit) };
    for (text, iso) in [
        ("0000-02-29", "\"2000-02-29Z\""),
        ("0069-01-01", "\"2069-01-01Z\""),
        ("0070-01-01", "\"1970-01-01Z\""),
        ("0099-12-31", "\"1999-12-31Z\""),
        ("0100-01-01", "\"0100-01-01Z\""),
    ] {
        let found = from_text(&Kind::Date(debezium(Unit::Iso)), text.as_bytes());
        assert_eq!(found.as_deref(), Ok(iso), "{text}");
    }
    for (is_debezium, log, select) in [(false, "0", "0"), (true, "1900", "2000")] {
        let kind = Kind::Year { is_debezium };
        assert_eq!(from_log(&kind, Value::Year(0)).as_deref(), Ok(log));
        assert_eq!(from_text(&kind, b"0000").as_deref(), Ok(select));
    }
    for (is_debezium, expected) in [(false, "500000"), (true, "5")] {
        let kind = Kind::Timestamp { digits: 6, required: false, is_debezium };
        let expected = format!("\"1970-01-01T00:00:01.{expected}Z\"");
        assert_eq!(from_text(&kind, b"1970-01-01 00:00:01.500000"), Ok(expected));
    }
}

#[test]
fn dates_with_times_have_the_units_of_the_modes() {
    for (text, [millis, micros, nanos, iso]) in [
        (
            "2024-02-29 12:34:56.789012",
            ["1709210096789", "1709210096789012", "1709210096789012000", "\"2024-02-29T12:34:56.789012Z\""],
        ),
        ("1969-12-31 23:59:59.9999", ["-1", "-100", "-100000", "\"1969-12-31T23:59:59.9999Z\""]),
        (
            "9999-12-31 23:59:59",
            ["253402300799000", "253402300799000000", "9223372036854775807", "\"9999-12-31T23:59:59Z\""],
        ),
        (
            "0001-01-01 00:00:00.5",
            ["-62135596799500", "-62135596799500000", "-9223372036854775808", "\"0001-01-01T00:00:00.5Z\""],
        ),
    ] {
        for (unit, expected) in [
            (Unit::Millis, millis),
            (Unit::ConnectMillis, millis),
            (Unit::Micros, micros),
            (Unit::Nanos, nanos),
            (Unit::Iso, iso),
        ] {
            let found = from_text(&Kind::DateTime(temporal(unit)), text.as_bytes());
            assert_eq!(found.as_deref(), Ok(expected), "{text} {unit:?}");
        }
    }
}

#[test]
fn times_have_the_units_of_the_modes() {
    for (text, [millis, connect, micros, nanos, iso]) in [
        (
            "12:34:56.789012",
            ["45296789", "45296789", "45296789012", "45296789012000", "\"12:34:56.789012Z\""],
        ),
        ("24:00:00", ["86400000", "86400000", "86400000000", "86400000000000", "\"00:00:00Z\""]),
        ("-00:00:00.000001", ["0", "", "-1", "-1000", ""]),
        ("-838:59:59", ["", "", "-3020399000000", "-3020399000000000", ""]),
    ] {
        for (unit, expected) in [
            (Unit::Millis, millis),
            (Unit::ConnectMillis, connect),
            (Unit::Micros, micros),
            (Unit::Nanos, nanos),
            (Unit::Iso, iso),
        ] {
            let found = from_text(&Kind::Time(temporal(unit)), text.as_bytes());
            let expected = Some(expected).filter(|text| !text.is_empty()).ok_or(Written::NotAValue);
            assert_eq!(found.as_deref().map_err(|written| *written), expected, "{text} {unit:?}");
        }
    }
    let wraps = Kind::Time(Temporal { is_debezium: true, ..temporal(Unit::Millis) });
    assert_eq!(from_text(&wraps, b"838:59:59").as_deref(), Ok("-1274568296"));
}

#[test]
fn numbers() {
    let decimal = |scale, mode| Kind::Decimal { precision: 65, scale, mode };
    let float = |is_widened| Kind::Float { is_widened };
    let integer = |bytes, unsigned| Kind::Integer { bytes, unsigned };
    for (kind, text, expected) in [
        (integer(4, true), "000042", "42"),
        (integer(1, false), "-128", "-128"),
        (integer(8, true), "18446744073709551615", "-1"),
        (integer(8, false), "-9223372036854775808", "-9223372036854775808"),
        (Kind::UnsignedDecimal, "18446744073709551615", "\"AP//////////\""),
        (float(false), "0.10000000149011612", "0.1"),
        (float(false), "3.3999999521443642e38", "3.4e+38"),
        (float(true), "1234.567", "1234.5670166015625"),
        (Kind::Double, "1.7976931348623157e308", "1.7976931348623157e+308"),
        (Kind::Double, "-0", "-0.0"),
        (decimal(2, DecimalMode::Precise), "-0.01", "\"/w==\""),
        (decimal(0, DecimalMode::Precise), "128", "\"AIA=\""),
        (decimal(2, DecimalMode::String), "-0.01", "\"-0.01\""),
        (decimal(2, DecimalMode::Double), "1.10", "1.1"),
        (
            decimal(0, DecimalMode::Precise),
            "170141183460469231731687303715884105728",
            "\"AIAAAAAAAAAAAAAAAAAAAAA=\"",
        ),
        (Kind::Boolean, "\u{1}", "true"),
        (Kind::Bits { bits: 9 }, "\u{1}\u{2}", "\"AgE=\""),
        (Kind::Vector, "\0\0\u{20}A\0\0\0\0", "[10.0,0.0]"),
    ] {
        assert_eq!(from_text(&kind, text.as_bytes()).as_deref(), Ok(expected), "{kind:?} {text}");
    }
    for (kind, text) in [
        (integer(4, false), "1.5"),
        (integer(4, false), ""),
        (Kind::UnsignedDecimal, "-1"),
        (float(false), "nan"),
        (decimal(2, DecimalMode::Precise), "1.1"),
        (decimal(2, DecimalMode::String), "1e5"),
        (decimal(1, DecimalMode::Precise), "1-.1"),
        (Kind::Vector, "abc"),
        (Kind::Bits { bits: 9 }, "123456789"),
    ] {
        assert_eq!(from_text(&kind, text.as_bytes()), Err(Written::NotAValue), "{kind:?} {text}");
    }
    // the log was decoded without knowing that the column is unsigned
    assert_eq!(from_log(&integer(1, true), Value::Int(-1)).as_deref(), Ok("255"));
    assert_eq!(from_log(&integer(3, true), Value::Int(-1)).as_deref(), Ok("16777215"));
    assert_eq!(from_log(&Kind::UnsignedDecimal, Value::Int(-1)).as_deref(), Ok("\"AP//////////\""));
}

#[test]
fn bytes_are_padded() {
    for (mode, expected) in [
        (BinaryMode::Bytes, "\"+/8A\""),
        (BinaryMode::Base64, "\"+/8A\""),
        (BinaryMode::Base64UrlSafe, "\"-_8A\""),
        (BinaryMode::Hex, "\"fbff00\""),
    ] {
        let kind = Kind::Bytes { mode, length: 3 };
        assert_eq!(from_log(&kind, Value::Bytes(b"\xfb\xff")).as_deref(), Ok(expected));
        assert_eq!(from_text(&kind, b"\xfb\xff\0").as_deref(), Ok(expected));
    }
}

#[test]
fn addresses_are_printed_as_the_server_does() {
    for (kind, hex, expected) in [
        (Kind::Uuid, "123e4567e89b12d3a4564266554400", "123e4567-e89b-12d3-a456-426655440000"),
        (Kind::Uuid, "", "00000000-0000-0000-0000-000000000000"),
        (Kind::Inet4, "0a0102", "10.1.2.0"),
        (Kind::Inet4, "", "0.0.0.0"),
        (Kind::Inet6, "00000000000000000000000000000001", "::1"),
        (Kind::Inet6, "20010db8000000000000ff0000428300", "2001:db8::ff00:42:8300"),
        (Kind::Inet6, "00000000000000000000ffffc0000280", "::ffff:192.0.2.128"),
        (Kind::Inet6, "00000000000000000000000001020304", "::1.2.3.4"),
        (Kind::Inet6, "fe80", "fe80::"),
        (Kind::Inet6, "", "::"),
        (Kind::Inet6, "00010000000000020000000000000003", "1:0:0:2::3"),
        (Kind::Inet6, "00010002000300040005000600000008", "1:2:3:4:5:6::8"),
        (Kind::Inet6, "00010002000300040005000600070008", "1:2:3:4:5:6:7:8"),
    ] {
        let digits = hex.as_bytes().chunks(2).map(|digits| std::str::from_utf8(digits).unwrap());
        let bytes: Vec<u8> = digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect();
        let expected = format!("\"{expected}\"");
        assert_eq!(from_log(&kind, Value::Bytes(&bytes)), Ok(expected.clone()), "{hex}");
    }
    assert_eq!(from_log(&Kind::Inet4, Value::Bytes(b"12345")), Err(Written::NotAValue));
}

#[test]
fn geometries_have_a_reference_system() {
    let point = b"\x01\x01\0\0\0\0\0\0\0\0\0\xf8?\0\0\0\0\0\0\0\xc0";
    let wkb = "AQEAAAAAAAAAAAD4PwAAAAAAAADA";
    for (is_point, srid, expected) in [
        (true, 0, format!("{{\"x\":1.5,\"y\":-2.0,\"wkb\":\"{wkb}\",\"srid\":null}}")),
        (false, 4326, format!("{{\"wkb\":\"{wkb}\",\"srid\":4326}}")),
    ] {
        let kind = Kind::Geometry { is_point };
        let text = [&u32::to_le_bytes(srid)[..], point].concat();
        assert_eq!(from_text(&kind, &text), Ok(expected.clone()));
        assert_eq!(from_log(&kind, Value::Geometry { srid, wkb: point }), Ok(expected));
    }
    let kind = Kind::Geometry { is_point: true };
    for text in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x01\x02\0\0\0"] {
        assert_eq!(from_text(&kind, text), Err(Written::NotAValue));
    }
}

fn kinds() -> Vec<Kind> {
    let units = [Unit::Millis, Unit::ConnectMillis, Unit::Micros, Unit::Nanos, Unit::Iso];
    let modes = [DecimalMode::Precise, DecimalMode::String, DecimalMode::Double];
    let mut kinds = vec![
        Kind::Boolean,
        Kind::Bits { bits: 64 },
        Kind::Integer { bytes: 3, unsigned: true },
        Kind::Integer { bytes: 8, unsigned: true },
        Kind::UnsignedDecimal,
        Kind::Float { is_widened: false },
        Kind::Double,
        Kind::Text(Charset::UTF8),
        Kind::Bytes { mode: BinaryMode::Hex, length: 255 },
        Kind::Timestamp { digits: 6, required: true, is_debezium: true },
        Kind::Year { is_debezium: true },
        Kind::Geometry { is_point: true },
        Kind::Vector,
        Kind::Uuid,
        Kind::Inet4,
        Kind::Inet6,
    ];
    kinds.extend(modes.map(|mode| Kind::Decimal { precision: 5, scale: 2, mode }));
    for unit in units {
        for is_debezium in [false, true] {
            let temporal = Temporal { unit, required: false, is_debezium };
            kinds.extend([Kind::Date(temporal), Kind::Time(temporal), Kind::DateTime(temporal)]);
        }
    }
    kinds
}

proptest! {
    #[test]
    fn any_text_is_a_value_or_not(text in prop::collection::vec(any::<u8>(), 0..40), shaped in "[0-9:. e+-]{0,30}") {
        for kind in kinds() {
            for text in [&text[..], shaped.as_bytes()] {
                let mut json = Vec::new();
                match write_text_value(&kind, text, &mut json) {
                    Written::Value | Written::Lossy => {
                        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
                    }
                    Written::Null | Written::NotAValue => prop_assert!(json.is_empty()),
                }
            }
        }
    }

    #[test]
    fn any_bytes_of_the_log_are_a_value_or_not(bytes in prop::collection::vec(any::<u8>(), 0..40), number in any::<u64>()) {
        let values = [
            Value::Bytes(&bytes), Value::Vector(&bytes), Value::Geometry { srid: 1, wkb: &bytes },
            Value::Int(number as i64), Value::UInt(number), Value::Double(f64::from_bits(number)),
            Value::Float(f32::from_bits(number as u32)), Value::Enum(number as u16), Value::Set(number),
            Value::Bit(number), Value::Year(number as u16), Value::Null,
        ];
        for kind in kinds() {
            for value in &values {
                let mut json = Vec::new();
                match write_binlog_value(&kind, value, &mut json) {
                    Written::Value | Written::Lossy => {
                        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
                    }
                    Written::Null | Written::NotAValue => prop_assert!(json.is_empty()),
                }
            }
        }
    }

    #[test]
    fn texts_and_cells_of_times_are_the_same(
        days in 0i64..3_652_000, hour in 0u8..24, minute in 0u8..60, second in 0u8..60, micros in 0u32..1_000_000,
        span in -3_020_399_999_999i64..=3_020_399_999_999,
    ) {
        let year = (days / 366) as u16;
        let date = Date { year, month: (days % 13) as u8, day: (days % 32) as u8 };
        let time = DateTime { date, hour, minute, second, micros };
        let span = Time { micros: span };
        for kind in kinds() {
            let (value, text) = match kind {
                Kind::Date(_) => (Value::Date(date), date.to_string()),
                Kind::DateTime(_) => (Value::DateTime(time), time.to_string()),
                Kind::Time(_) => (Value::Time(span), span.to_string()),
                _ => continue,
            };
            prop_assert_eq!(from_log(&kind, value), from_text(&kind, text.as_bytes()));
        }
    }
}
