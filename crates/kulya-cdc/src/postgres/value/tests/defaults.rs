//! Default values: of required columns that the log does not contain, and of columns by their expression.

use super::super::default_expression::default_json;
use super::super::default_value::write_default;
use super::super::write::write_value;
use crate::debezium::Written;
use crate::debezium::{BinaryMode, Compatibility, DecimalMode, HstoreMode};
use crate::postgres::column::{ArrayKind, ClockForm, DateForm, IntervalForm, Kind};
use proptest::prelude::*;
use serde_json::{Value, json};

const CORRECTED: Compatibility = Compatibility::Corrected;

fn decimal(scale: i32) -> Kind {
    Kind::Decimal { precision: 10, scale }
}

fn decimal_text(scale: u32) -> Kind {
    Kind::DecimalText { scale, compat: CORRECTED }
}

fn timestamp(form: ClockForm) -> Kind {
    Kind::Timestamp { form, compat: CORRECTED }
}

fn array(items: Kind) -> Kind {
    Kind::Array(Box::new(ArrayKind { items, delimiter: b',', compat: Compatibility::Corrected }))
}

#[test]
fn required_columns_are_zero_or_empty() {
    let money = |mode| Kind::Money { digits: 2, mode };
    for (kind, expected) in [
        (Kind::Boolean, json!(false)),
        (Kind::Integer(64), json!(0)),
        (Kind::Float32(Compatibility::Corrected), json!(0.0)),
        (decimal(2), json!("AA==")),
        (Kind::VariableDecimal, json!({"scale": 0, "value": "AA=="})),
        (decimal_text(2), json!("0.00")),
        (decimal_text(0), json!("0")),
        (money(DecimalMode::String), json!("0.00")),
        (money(DecimalMode::Precise), json!("AA==")),
        (Kind::Text, json!("")),
        (Kind::Bytes(BinaryMode::Hex), json!("")),
        (Kind::Hstore { mode: HstoreMode::Json, compat: CORRECTED }, json!("{}")),
        (Kind::Hstore { mode: HstoreMode::Map, compat: CORRECTED }, json!({})),
        (Kind::Date(DateForm::Days), json!(0)),
        (Kind::Date(DateForm::Iso), json!("1970-01-01Z")),
        (Kind::Time(ClockForm::Iso), json!("00:00:00Z")),
        (timestamp(ClockForm::Nanos), json!(0)),
        (timestamp(ClockForm::Iso), json!("1970-01-01T00:00:00Z")),
        (Kind::TimestampTz { digits: 6 }, json!("1970-01-01T00:00:00Z")),
        (Kind::Interval(IntervalForm::Iso), json!("P0Y0M0DT0H0M0S")),
        (Kind::Point, json!({"x": 0.0, "y": 0.0, "wkb": "AQEAAAAAAAAAAAAAAAAAAAAAAAAA", "srid": null})),
        (array(Kind::Integer(32)), json!([])),
        (Kind::AlwaysNull, Value::Null),
    ] {
        let mut out = Vec::new();
        let written = write_default(&kind, &mut out);
        let found = if out.is_empty() { Value::Null } else { serde_json::from_slice(&out).unwrap() };
        assert_eq!(found, expected, "{kind:?}");
        assert_eq!(written, if expected.is_null() { Written::Null } else { Written::Value });
    }
}

#[test]
fn expressions_have_the_value_of_their_constant() {
    let none = || Value::Null;
    let integer = || Kind::Integer(32);
    for (kind, expression, corrected, debezium) in [
        (integer(), "7", json!(7), json!(7)),
        (integer(), "'-5'::integer", json!(-5), json!(-5)),
        (integer(), "(-5)", json!(-5), none()),
        (integer(), "(-5)::smallint", json!(-5), none()),
        (integer(), "nextval('zoo.s_seq'::regclass)", none(), json!(0)),
        (integer(), "(a * 2)", none(), none()),
        (integer(), "1 + 1", none(), none()),
        (integer(), "NULL::integer", none(), none()),
        (integer(), "('5'::text)::integer", none(), json!(5)),
        (Kind::Text, "'x''y'::text", json!("x'y"), json!("x")),
        (Kind::Text, "'''q'''::text", json!("'q'"), json!("")),
        (Kind::Text, "''::text", json!(""), json!("")),
        (Kind::Text, "'a\"\\b'::character varying(5)", json!("a\"\\b"), json!("a\"\\b")),
        (Kind::Text, "'a'::text || 'b'::text", none(), json!("a")),
        (Kind::Text, "('now'::text)::date", none(), json!("now")),
        (Kind::Text, "5", json!("5"), json!("5")),
        (Kind::Text, "NULL::character varying", none(), none()),
        (Kind::Text, "CURRENT_USER", none(), json!("CURRENT_USER")),
        (Kind::Text, "upper('x'::text)", none(), json!("")),
        (Kind::Printed, "'10.0.0.1'::inet", json!("10.0.0.1"), none()),
        (Kind::Boolean, "true", json!(true), json!(true)),
        (Kind::Boolean, "false", json!(false), json!(false)),
        (Kind::Boolean, "(1 = 1)", none(), json!(false)),
        (decimal(2), "0", json!("AA=="), json!("AA==")),
        (decimal(2), "1.5", json!("AJY="), json!("AJY=")),
        (decimal(2), "1.5000", json!("AJY="), json!("AJY=")),
        (decimal(2), "1.239", none(), none()),
        (decimal(2), "'-1.5'::numeric", json!("/2o="), json!("/2o=")),
        (decimal_text(2), "1.5", json!("1.50"), json!("1.50")),
        (decimal_text(2), "random()", none(), json!("0.00")),
        (Kind::VariableDecimal, "1.5", json!({"scale": 1, "value": "Dw=="}), none()),
        (Kind::DecimalFloat, "1.50", json!(1.5), json!(1.5)),
        (Kind::Float64, "1.5", json!(1.5), json!(1.5)),
        (Kind::Float64, "'1e+100'::double precision", json!(1e100), json!(1e100)),
        (Kind::Float64, "(1)::double precision", json!(1.0), none()),
        (Kind::Json, "'{\"a\": 1}'::jsonb", json!("{\"a\": 1}"), json!("{\"a\": 1}")),
        (Kind::Uuid, "gen_random_uuid()", none(), json!("00000000-0000-0000-0000-000000000000")),
        (Kind::Enum(vec!["sad".into()]), "'sad'::zoo.mood", json!("sad"), json!("sad")),
        (Kind::Date(DateForm::Days), "'2024-02-29'::date", json!(19782), json!(19782)),
        (Kind::Date(DateForm::Days), "CURRENT_DATE", none(), json!(0)),
        (Kind::Date(DateForm::Iso), "'2024-02-29'::date", json!("2024-02-29Z"), json!("2024-02-29Z")),
        (timestamp(ClockForm::Micros), "LOCALTIMESTAMP", none(), json!(0)),
        (
            Kind::TimestampTz { digits: 6 },
            "'2024-01-01 00:00:00+00'::timestamp with time zone",
            json!("2024-01-01T00:00:00.000000Z"),
            json!("2024-01-01T00:00:00.000000Z"),
        ),
        (Kind::TimestampTz { digits: 6 }, "now()", none(), json!("1970-01-01T00:00:00.000000Z")),
        (
            Kind::Interval(IntervalForm::Micros),
            "'01:00:00'::interval",
            json!(3_600_000_000i64),
            json!(3_600_000_000i64),
        ),
        (Kind::Bits(5), "'10101'::\"bit\"", json!("FQ=="), json!("FQ==")),
        (Kind::Bit, "B'1'::\"bit\"", json!(true), json!(true)),
        (Kind::Bytes(BinaryMode::Bytes), "'\\x00ff'::bytea", json!("AP8="), none()),
        (array(Kind::Integer(32)), "'{1,2}'::integer[]", json!([1, 2]), none()),
        (array(Kind::Integer(32)), "ARRAY[1, 2]", none(), none()),
    ] {
        for (compat, expected) in [(CORRECTED, corrected), (Compatibility::Debezium, debezium)] {
            let found = default_json(&kind, expression, compat).unwrap_or_default();
            assert_eq!(found, expected, "{kind:?} {expression} {compat:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_expression_is_a_constant_or_none(text in "[-'():B.a-c0-9, \n]{0,30}") {
        for kind in [Kind::Text, Kind::Integer(32), decimal(2), decimal_text(2), Kind::Bits(3), Kind::Json] {
            for compat in [CORRECTED, Compatibility::Debezium] {
                let _ = default_json(&kind, &text, compat);
            }
        }
    }

    #[test]
    fn quoted_texts_are_their_value(text: String) {
        let expression = format!("'{}'::text", text.replace('\'', "''"));
        let mut json = Vec::new();
        write_value(&Kind::Text, text.as_bytes(), &mut json);
        prop_assert_eq!(default_json(&Kind::Text, &expression, CORRECTED), serde_json::from_slice(&json).ok());
    }
}
