use super::*;
use proptest::prelude::*;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn reasons(reader: &str, writer: &str) -> Vec<String> {
    let (reader, writer) = (parse(reader).unwrap(), parse(writer).unwrap());
    can_read(&reader, &writer).into_iter().map(|r| format!("{:?} {}", r.rule, r.reader_path)).collect()
}

/// Cases of reader, writer and expected reasons.
#[test]
fn resolution_reports_every_reason_with_its_path() {
    let a_int = record(r#"{"name":"a","type":"int"}"#);
    let a_string = record(r#"{"name":"a","type":"string"}"#);
    let a_b = record(r#"{"name":"a","type":"int"},{"name":"b","type":"long"}"#);
    let a_b_default = record(r#"{"name":"a","type":"int"},{"name":"b","type":"long","default":0}"#);
    let alias = record(r#"{"name":"c","type":"int","aliases":["a"]}"#);
    let nested = |kind: &str| {
        record(&format!(
            r#"{{"name":"l","type":{{"type":"array","items":{{"type":"record","name":"L","fields":[{{"name":"q","type":"{kind}"}}]}}}}}}"#
        ))
    };
    let list = |kind: &str| {
        format!(
            r#"{{"type":"record","name":"N","fields":[{{"name":"v","type":"{kind}"}},{{"name":"next","type":["null","N"]}}]}}"#
        )
    };
    let an_enum =
        |name: &str, symbols: &str| format!(r#"{{"type":"enum","name":"{name}","symbols":[{symbols}]}}"#);
    let fixed = |size: u32| format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#);
    let none: &[&str] = &[];
    for (reader, writer, expected) in [
        (&a_int, &a_int, none),
        (&a_int, &a_b, none),
        (&a_b_default, &a_int, none),
        (&a_b, &a_int, &["MissingDefault R.b"]),
        (&a_string, &a_int, &["TypeMismatch R.a"]),
        (&alias, &a_int, none),
        (&nested("string"), &nested("int"), &["TypeMismatch R.l[].q"]),
        (&list("long"), &list("int"), none),
        (&list("string"), &list("int"), &["TypeMismatch N.v"]),
        (&record(r#"{"name":"a","type":["null","long"]}"#), &a_int, none),
        (&record(r#"{"name":"a","type":["null","string"]}"#), &a_int, &["MissingUnionMember R.a"]),
        (&a_int, &record(r#"{"name":"a","type":["null","int"]}"#), &["TypeMismatch R.a"]),
        (&a_int.replace("\"R\"", "\"Other\""), &a_int, none),
        (&an_enum("E", r#""A""#), &an_enum("E", r#""A","B""#), none),
        (&an_enum("E", r#""A""#), &an_enum("G", r#""A""#), &["NameMismatch E"]),
        (&fixed(4), &fixed(8), &["SizeMismatch F"]),
        (&"\"bytes\"".to_owned(), &"\"string\"".to_owned(), none),
        (&"\"int\"".to_owned(), &"\"long\"".to_owned(), &["TypeMismatch int"]),
        (
            &r#"{"type":"map","values":"long"}"#.to_owned(),
            &r#"{"type":"map","values":"int"}"#.to_owned(),
            none,
        ),
    ] {
        assert_eq!(reasons(reader, writer), expected, "reader {reader} writer {writer}");
    }
    assert_eq!(
        reasons(&a_b.replace("\"int\"", "\"string\""), &a_int).len(),
        2,
        "all reasons, not only the first"
    );
}

#[test]
fn invalid_schemas_are_rejected_with_their_location() {
    for (schema, expected) in [
        ("", "JSON"),
        ("7", "a type is"),
        (r#""nothing""#, "not defined"),
        (r#"{"type":"record","name":"R"}"#, "R: a record needs \"fields\""),
        (r#"{"type":"record","fields":[]}"#, "name"),
        (r#"{"type":"record","name":"1R","fields":[]}"#, "not a valid name"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "twice",
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#,
            "R.a: the default",
        ),
        (r#"["int","int"]"#, "twice"),
        (r#"["int",["string"]]"#, "directly"),
        (r#"{"type":"array"}"#, "items"),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "twice"),
        (r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#, "default"),
        (r#"{"type":"fixed","name":"F","size":"4"}"#, "size"),
        (r#"{"type":"fixed","name":"F","size":2147483640}"#, "up to 2147483639"),
        (r#"{"type":"fixed","name":"F","size":-1}"#, "size"),
        (r#"{"type":{"type":"int"}}"#, "in the object's place"),
        (r#"{"type":["null","int"]}"#, "in the object's place"),
        (r#"{"type":"fixed","name":"F","size":1,"aliases":null}"#, "aliases"),
        (r#"{"type":"fixed","name":"F","size":1,"aliases":["a-b"]}"#, "a-b"),
        (&record(r#"{"name":"a","type":"int","order":"sideways"}"#), "R.a: order \"sideways\""),
        (&record(r#"{"name":"a","type":["null","int"],"default":"1"}"#), "R.a: the default \"1\""),
        (&record(r#"{"name":"a","type":[],"default":1}"#), "R.a: the default 1"),
        (&record(r#"{"name":"a","type":"float","default":"much"}"#), "R.a: the default \"much\""),
        // a record that is still being parsed has no default
        (
            &record(
                r#"{"name":"a","type":"int","default":0},{"name":"b","type":{"type":"array","items":"R"},"default":[{"b":[]}]}"#,
            ),
            "R.b: the default",
        ),
        (
            r#"[{"type":"fixed","name":"F","size":1},{"type":"record","name":"n.R","fields":[{"name":"a","type":{"type":"F"}}]}]"#,
            "\"F\" is not defined",
        ),
        ("\"\u{1d49c}\"", "not defined"),
        (r#"{"type":"fixed","name":"\ud835\udc9c","size":1}"#, "not a valid name"),
    ] {
        let message = parse(schema).unwrap_err().to_string();
        assert!(message.contains(expected), "{schema}: {message}");
    }
    let deep = "[".repeat(5000);
    assert!(parse(&deep).is_err());
    let nested =
        (0..200).fold("\"int\"".to_owned(), |inner, _| format!(r#"{{"type":"array","items":{inner}}}"#));
    assert!(parse(&nested).is_err());
}

#[test]
fn the_canonical_form_ignores_only_order_and_white_space() {
    let normal = |text: &str| parse(text).unwrap().canonical_form();
    let one = r#"{"type":"record","name":"User","namespace":"a.b","fields":[{"name":"n","type":"string"}]}"#;
    assert_eq!(normal(one), one);
    let other = r#" {"fields": [{"type":"string", "name":"n"}], "name":"a.b.User", "type":"record"}"#;
    assert_eq!(normal(one), normal(other));
    let doc = one.replace(r#""fields""#, r#""doc":"a user","fields""#);
    assert_ne!(normal(one), normal(&doc), "documentation makes another schema");
    let logical = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    assert_eq!(normal(logical), logical);
    let twice = r#"{"type":"record","name":"P","fields":[{"name":"x","type":{"type":"fixed","name":"F","size":2}},{"name":"y","type":"F"}]}"#;
    assert_eq!(normal(twice), twice);
    assert_eq!(parse(one).unwrap().type_name(), "a.b.User");
    assert_eq!(parse(r#"["null","int"]"#).unwrap().type_name(), "union");
}

/// Unusual schemas and their canonical forms in Java.
#[test]
fn unusual_schemas_are_accepted_as_by_java() {
    let f = r#"{"type":"fixed","name":"F","size":1}"#;
    for (schema, form) in [
        (r#"{"type":"int","doc":"x","size":1,"aliases":7}"#, "\"int\""),
        (r#"{"type":"int","default":1}"#, r#"{"type":"int","default":1}"#),
        (r#"{"type":"fixed","name":".F","size":1}"#, f),
        (r#"{"type":"fixed","name":"F","namespace":7,"size":1}"#, f),
        (
            r#"{"type":"fixed","name":"F","namespace":"a-b","size":1}"#,
            r#"{"type":"fixed","name":"F","namespace":"a-b","size":1}"#,
        ),
        (
            r#"{"type":"fixed","name":"F","namespace":"n","size":1,"aliases":["G","n.G","m.G"]}"#,
            r#"{"type":"fixed","name":"F","namespace":"n","size":1,"aliases":["G","m.G"]}"#,
        ),
        (r#"{"type":"error","name":"R","fields":[]}"#, r#"{"type":"error","name":"R","fields":[]}"#),
        (
            r#"{"type":"record","name":"n.map","fields":[{"name":"a","type":["null","map"],"order":"IGNORE","default":null}]}"#,
            r#"{"type":"record","name":"map","namespace":"n","fields":[{"name":"a","type":["null","n.map"],"default":null,"order":"ignore"}]}"#,
        ),
        (
            &record(
                r#"{"name":"a","type":"float","default":" 2f "},{"name":"b","type":"double","default":"-Infinity"}"#,
            ),
            &record(
                r#"{"name":"a","type":"float","default":2.0},{"name":"b","type":"double","default":"-Infinity"}"#,
            ),
        ),
        (
            &record(r#"{"name":"a","type":["string","null"],"default":"x"}"#),
            &record(r#"{"name":"a","type":["string","null"],"default":"x"}"#),
        ),
    ] {
        let parsed = parse(schema).unwrap_or_else(|e| panic!("{schema}: {e}"));
        assert_eq!(parsed.canonical_form(), form, "{schema}");
    }
}

/// Small schemas whose comparison could be exponential or deep.
#[test]
fn a_comparison_is_bounded() {
    let named =
        |name: usize, fields: &str| format!(r#"{{"type":"record","name":"T{name}","fields":[{fields}]}}"#);
    // each of two fields may be any of two records that have two such fields
    let doubling = |last: &str| {
        let leaf = |name: usize| named(name, &format!(r#"{{"name":"v","type":"{last}"}}"#));
        let mut types = format!(r#"{},{}"#, leaf(1000), leaf(1001));
        for level in 0..40 {
            let (below, at) = (if level == 0 { 1000 } else { 2 * level - 2 }, 2 * level);
            let either = format!(r#"["T{below}","T{}"]"#, below + 1);
            let fields = format!(r#"{{"name":"l","type":{either}}},{{"name":"r","type":{either}}}"#);
            types += &format!(",{},{}", named(at, &fields), named(at + 1, &fields));
        }
        format!("[{types}]")
    };
    let (one, other) = (parse(&doubling("long")).unwrap(), parse(&doubling("int")).unwrap());
    assert_eq!(can_read(&one, &other), Vec::new());
    assert!(!can_read(&other, &one).is_empty());
    // a chain of types, of which the last is resolved first
    let chain = |kind: &str, first: &str| {
        let mut types = named(0, &format!(r#"{{"name":"v","type":"{kind}"}}"#));
        for name in 1..5_000 {
            types += &format!(",{}", named(name, &format!(r#"{{"name":"v","type":"T{}"}}"#, name - 1)));
        }
        let first = format!(r#"{{"name":"{first}","type":["null",{types}],"default":null}}"#);
        record(&format!(r#"{first},{{"name":"last","type":"T4999"}}"#))
    };
    let (reader, writer) = (parse(&chain("long", "a")).unwrap(), parse(&chain("int", "b")).unwrap());
    let reasons = can_read(&reader, &writer);
    assert_eq!(reasons.first().map(|reason| reason.rule), Some(Rule::OverBudget));
    // every record against every other
    let many = |field: &str| {
        let types: Vec<_> =
            (0..800).map(|n| named(n, &format!(r#"{{"name":"{field}","type":"int"}}"#))).collect();
        format!("[{}]", types.join(",").replace("\"T", &format!("\"{field}")))
    };
    let reasons = can_read(&parse(&many("a")).unwrap(), &parse(&many("b")).unwrap());
    assert_eq!(reasons.first().map(|reason| reason.rule), Some(Rule::OverBudget));
    // defaults within defaults
    let mut types = named(0, r#"{"name":"a","type":"int","default":0}"#);
    for name in 1..90 {
        let field = |field: &str| format!(r#"{{"name":"{field}","type":"T{}","default":{{}}}}"#, name - 1);
        types += &format!(",{}", named(name, &format!("{},{}", field("a"), field("b"))));
    }
    parse(&format!("[{types}]")).unwrap();
    let fields: Vec<_> =
        (0..10_000).map(|n| format!(r#"{{"name":"f{n}","type":"int","default":0}}"#)).collect();
    let values = vec!["{}"; 1001].join(",");
    let field = format!(
        r#"{{"name":"a","type":{{"type":"array","items":{}}},"default":[{values}]}}"#,
        named(0, &fields.join(","))
    );
    let message = parse(&record(&field)).unwrap_err().to_string();
    assert!(message.contains("more than 10000000 values"), "{message}");
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text: String) {
        let _ = parse(&text);
    }

    #[test]
    fn a_schema_reads_what_it_wrote(fields in prop::collection::btree_map("[a-z]{1,5}", 0usize..6, 0..6)) {
        let kinds = ["\"int\"", "\"string\"", r#"["null","long"]"#, r#"{"type":"array","items":"double"}"#, r#"{"type":"map","values":"bytes"}"#, r#"{"type":"long","logicalType":"timestamp-millis"}"#];
        let fields: Vec<_> = fields.iter().map(|(name, kind)| format!(r#"{{"name":"{name}","type":{}}}"#, kinds[*kind])).collect();
        let schema = parse(&record(&fields.join(","))).unwrap();
        prop_assert!(can_read(&schema, &schema).is_empty());
        let again = parse(&schema.canonical_form()).unwrap();
        prop_assert_eq!(again.canonical_form(), schema.canonical_form());
    }
}
