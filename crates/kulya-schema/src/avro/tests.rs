use super::*;
use proptest::prelude::*;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn reasons(reader: &str, writer: &str) -> Vec<String> {
    let (reader, writer) = (parse(reader).unwrap(), parse(writer).unwrap());
    can_read(&reader, &writer).into_iter().map(|r| format!("{:?} {}", r.rule, r.reader_path)).collect()
}

/// reader, writer, what is wrong.
#[test]
fn resolution_gives_every_reason_with_its_place() {
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
    assert_eq!(reasons(&a_b.replace("\"int\"", "\"string\""), &a_int).len(), 2, "all reasons, not the first");
}

#[test]
fn wrong_schemas_are_refused_with_their_place() {
    for (schema, says) in [
        ("", "JSON"),
        ("7", "a type is"),
        (r#""nothing""#, "not defined"),
        (r#"{"type":"record","name":"R"}"#, "R: a record needs \"fields\""),
        (r#"{"type":"record","fields":[]}"#, "name"),
        (r#"{"type":"record","name":"1R","fields":[]}"#, "no name"),
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
    ] {
        let refused = parse(schema).unwrap_err().to_string();
        assert!(refused.contains(says), "{schema}: {refused}");
    }
    let deep = "[".repeat(5000);
    assert!(parse(&deep).is_err());
    let nested =
        (0..200).fold("\"int\"".to_owned(), |inner, _| format!(r#"{{"type":"array","items":{inner}}}"#));
    assert!(parse(&nested).is_err());
}

#[test]
fn the_normal_form_forgets_only_order_and_space() {
    let normal = |text: &str| parse(text).unwrap().normal_form();
    let one = r#"{"type":"record","name":"User","namespace":"a.b","fields":[{"name":"n","type":"string"}]}"#;
    assert_eq!(normal(one), one);
    let other = r#" {"fields": [{"type":"string", "name":"n"}], "name":"a.b.User", "type":"record"}"#;
    assert_eq!(normal(one), normal(other));
    let doc = one.replace(r#""fields""#, r#""doc":"a user","fields""#);
    assert_ne!(normal(one), normal(&doc), "a doc makes another schema");
    let logical = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    assert_eq!(normal(logical), logical);
    let twice = r#"{"type":"record","name":"P","fields":[{"name":"x","type":{"type":"fixed","name":"F","size":2}},{"name":"y","type":"F"}]}"#;
    assert_eq!(normal(twice), twice);
    assert_eq!(parse(one).unwrap().type_name(), "a.b.User");
    assert_eq!(parse(r#"["null","int"]"#).unwrap().type_name(), "union");
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
        let again = parse(&schema.normal_form()).unwrap();
        prop_assert_eq!(again.normal_form(), schema.normal_form());
    }
}
