use super::compatibility::compare;
use super::decimal::Decimal;
use super::*;
use crate::Budget;
use serde_json::{Map, Number, Value, json};

fn decimal(text: &str) -> Decimal {
    Decimal::from_number(&serde_json::from_str::<Number>(text).unwrap())
}

#[test]
fn decimals_are_exact() {
    for (number, unit, expected) in [
        ("0.3", "0.1", true),
        ("1", "0.01", true),
        ("1.005", "0.01", false),
        ("7", "2", false),
        ("-8", "2", true),
        ("1e300", "3", false),
        ("9e300", "3", true),
        ("18446744073709551615", "5", true),
        ("0", "7", true),
    ] {
        assert_eq!(decimal(number).is_multiple_of(decimal(unit)), Some(expected), "{number} of {unit}");
    }
    let rising = [
        "-1e300",
        "-2.5",
        "-2",
        "0",
        "1e-300",
        "0.1",
        "1",
        "9007199254740993",
        "18446744073709551615",
        "1e300",
    ];
    for pair in rising.windows(2) {
        assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
    }
    assert_eq!(decimal("1.0"), decimal("1"));
    assert_eq!(decimal("-2.5").ceiling(), Some(decimal("-2")));
    assert_eq!(decimal("2.5").ceiling(), Some(decimal("3")));
    assert_eq!(decimal("1e-300").ceiling(), Some(decimal("1")));
    assert_eq!(decimal("-0.5").next_multiple(decimal("0.2")), Some(decimal("-0.4")));
    assert_eq!(decimal("0.01").to_value(), json!(0.01));
}

#[test]
fn references_are_joined_as_in_rfc_3986() {
    let base = "http://a/b/c/d;p?q";
    for (relative, expected) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y#s", "http://a/b/c/g?y"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("urn:x", "urn:x"),
    ] {
        assert_eq!(reference::join(base, relative), expected, "{relative}");
    }
    assert_eq!(reference::join("", "a.json"), "a.json");
    assert_eq!(reference::join("http://a", "b"), "http://a/b");
    assert_eq!(reference::percent_decode("/a%20b%zz%e2%82%ac"), "/a b%zz€");
}

/// Long chains of references and of nesting levels must not exhaust a small stack.
#[test]
fn long_chains_are_bounded() {
    let chain = |kind: &str, word: &str| {
        let link = |n: usize| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            let inner =
                if word == "not" { json!({"not": next}) } else { json!({word: [next, {"title": "b"}]}) };
            (format!("d{n}"), inner)
        };
        let mut definitions: Map<_, _> = (0..2000).map(link).collect();
        definitions.insert("d2000".to_owned(), json!({"type": kind}));
        json!({"properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": definitions})
    };
    let levels = |kind: &str| {
        let level = |n: usize| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            let inner = json!({"anyOf": [
                {"type": "object", "properties": {"a": next}, "required": ["a"], "additionalProperties": false},
                {"type": "array", "prefixItems": [next], "minItems": 1},
            ]});
            (format!("d{n}"), inner)
        };
        let mut definitions: Map<_, _> = (0..300).map(level).collect();
        definitions.insert("d300".to_owned(), json!({"type": kind}));
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    };
    for (reader, writer) in [
        (chain("number", "allOf"), chain("integer", "allOf")),
        (chain("integer", "allOf"), chain("number", "allOf")),
        (chain("integer", "anyOf"), chain("number", "oneOf")),
        (chain("number", "not"), chain("integer", "not")),
        (chain("integer", "not"), chain("number", "anyOf")),
        (levels("number"), levels("integer")),
        (levels("integer"), levels("number")),
        (json!({}), levels("number")),
        (levels("number"), json!({})),
    ] {
        let (reader, writer) = (parse(&reader.to_string()).unwrap(), parse(&writer.to_string()).unwrap());
        let (verdict, steps) = compare(&reader, &writer, &Budget::default());
        assert!(steps <= MAX_STEPS, "{verdict:?}");
    }
}

/// A name that matches a pattern with a back reference cannot be made up, so there is no value to show.
#[test]
fn a_witness_has_no_name_of_an_undecided_pattern() {
    let schema = |kind: Value| {
        json!({
            "properties": {"all": {
                "type": "object",
                "patternProperties": {r"^(a|b)\1$": {"$ref": "#/definitions/item"}},
                "additionalProperties": false
            }},
            "definitions": {"item": {"oneOf": [
                {"type": "object", "required": ["a"], "properties": {"a": kind}, "additionalProperties": false},
                {"type": "object", "required": ["b"], "properties": {"b": {"type": "integer"}}, "additionalProperties": false}
            ]}}
        })
    };
    let parsed = |schema: Value| parse(&schema.to_string()).unwrap();
    let (any, text) = (parsed(schema(json!(true))), parsed(schema(json!({"type": "string"}))));
    let Verdict::Unknown(reasons) = can_read(&text, &any) else { panic!("undecided") };
    assert!(reasons.iter().any(|reason| reason.to_string().contains("a back reference")), "{reasons:?}");
    assert_eq!(can_read(&any, &text), Verdict::Compatible);
}

#[test]
fn a_reason_has_its_location_and_witness() {
    let writer = parse(r#"{"properties": {"a": {"items": {"maxLength": 9}}}}"#).unwrap();
    let reader = parse(r#"{"properties": {"a": {"items": {"maxLength": 5}}}}"#).unwrap();
    let Verdict::Incompatible(reasons) = can_read(&reader, &writer) else {
        panic!("longer strings are rejected")
    };
    let [reason] = reasons.as_slice() else { panic!("one reason: {reasons:?}") };
    assert_eq!(reason.rule, Rule::MaxLengthLowered);
    assert_eq!(reason.reader_path, "#/properties/a/items/maxLength");
    assert_eq!(reason.writer_path, "#/properties/a/items");
    assert_eq!(
        (reason.reader_fragment.as_str(), reason.writer_fragment.as_str()),
        ("5", r#"{"maxLength":9}"#)
    );
    assert_eq!(reason.witness, Some(json!({"a": ["aaaaaa"]})));
    assert_eq!(
        reason.to_string(),
        r##"#/properties/a/items/maxLength: strings longer than 5 are not accepted; for example {"a":["aaaaaa"]}"##
    );
}
