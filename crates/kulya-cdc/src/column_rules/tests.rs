//! The rules for columns: which apply, what they do to values. Hashes are those of Debezium's engine.

use super::*;
use crate::ColumnDescription;
use crate::debezium::Compatibility::{self, Corrected, Debezium};
use crate::debezium::json::write;
use proptest::prelude::*;

const TEXT_LENGTH: i32 = i32::MAX;

fn rules(json: &str) -> ColumnRules {
    serde_json::from_str(json).unwrap()
}

fn text(type_name: &str, length: i32) -> SourceColumn {
    SourceColumn {
        type_name: type_name.to_owned(),
        length: Some(length),
        scale: Some(0),
        is_text: true,
        comment: None,
    }
}

fn described(connect_type: &'static str, connect_name: Option<&'static str>) -> ColumnDescription {
    ColumnDescription {
        name: "c".to_owned(),
        optional: true,
        connect_type: connect_type.into(),
        connect_name: connect_name.map(Into::into),
        parameters: Vec::new(),
        items: None,
        default: None,
        history: crate::ColumnHistory::default(),
    }
}

/// Returns the JSON that a rule makes of a text, and the names of the parameters.
fn applied(rules: &ColumnRules, compat: Compatibility, column: &str, value: &str) -> (String, String) {
    let source = text("varchar", 20);
    let rule = rules.of_table("s", "t", compat).column(column, &source, &described("string", None));
    let mut out = b"x".to_vec();
    write(&mut out, value);
    if let Some(change) = &rule.change {
        change.apply(&mut out, 1);
    }
    let names: Vec<&str> = rule.parameters.iter().map(|(name, _)| name.rsplit('.').next().unwrap()).collect();
    (String::from_utf8(out[1..].to_vec()).unwrap(), names.join(","))
}

#[test]
fn settings_have_kebab_case() {
    let rules = rules(
        r#"{"include":["s.t.*"],"key":["s.t.b","s.t.a"],"mask":[{"columns":["s.t.m"],"length":3}],
        "hash":[{"columns":["s.t.h"],"algorithm":"SHA-256","salt":"geheim","version":"v1"}],
        "truncate":[{"columns":["s.t.l"],"length":2}],"source-type":["s.t.p"],"source-datatype":["s.t.int4"]}"#,
    );
    assert_eq!((rules.mask[0].length, rules.hash[0].version), (3, HashVersion::V1));
    assert!(!format!("{rules:?}").contains("geheim"));
    let applied =
        rules.of_table("s", "t", Corrected).column("h", &text("text", 9), &described("string", None));
    assert!(!format!("{applied:?}").contains("103, 101"), "{applied:?}");
    rules.validate().unwrap();
    let long = ColumnRules { mask: vec![MaskRule { columns: rules.key.clone(), length: 1 << 21 }], ..rules };
    assert!(long.validate().unwrap_err().to_string().contains("2097152"));
    for invalid in [
        r#"{"masks":[]}"#,
        r#"{"mask":[{"columns":["("],"length":1}]}"#,
        r#"{"hash":[{"columns":[],"algorithm":"CRC","salt":""}]}"#,
    ] {
        assert!(serde_json::from_str::<ColumnRules>(invalid).is_err(), "{invalid}");
    }
}

#[test]
fn columns_are_included_or_excluded() {
    for (json, column, expected) in [
        ("{}", "a", true),
        (r#"{"include":["s.t.a","s.t.b.*"]}"#, "A", true),
        (r#"{"include":["s.t.a","s.t.b.*"]}"#, "bc", true),
        (r#"{"include":["s.t.a","s.t.b.*"]}"#, "ab", false),
        (r#"{"exclude":["S.T.A"]}"#, "a", false),
        (r#"{"exclude":["t.a"]}"#, "a", true),
        (r#"{"include":["s.t.a"],"exclude":["s.t.a"]}"#, "a", true),
    ] {
        assert_eq!(rules(json).of_table("s", "t", Debezium).is_in_rows(column), expected, "{json} {column}");
    }
}

#[test]
fn key_has_the_named_columns_in_their_order() {
    let columns = ["a", "b", "C"];
    for (json, expected) in [
        ("{}", &[1, 0][..]),
        (r#"{"key":["s.t.c","s.t.a"]}"#, &[2, 0]),
        (r#"{"key":["s.t.[ac]","(.*).t.b","s.t.a"]}"#, &[0, 2, 1]),
        (r#"{"key":["s.u.c"]}"#, &[1, 0]),
    ] {
        let rules = rules(json);
        let primary_key = ["b".to_owned(), "a".to_owned(), "gone".to_owned()];
        let key = rules.of_table("s", "t", Debezium).key(columns.into_iter(), &primary_key);
        assert_eq!(key, expected, "{json}");
    }
}

#[test]
fn values_are_masked_hashed_and_cut() {
    let rules = rules(
        r#"{"mask":[{"columns":["s.t.m.*"],"length":6},{"columns":["s.t.zero"],"length":0}],
        "hash":[{"columns":["s.t.v1"],"algorithm":"SHA-256","salt":"CzQMA0cB5K","version":"v1"},
                {"columns":["s.t.v2"],"algorithm":"MD5","salt":"abc"}],
        "truncate":[{"columns":["s.t.l"],"length":3},{"columns":["s.t.long"],"length":20}]}"#,
    );
    for (column, value, expected, parameters) in [
        ("m", "Anna", "\"******\"", "masked"),
        ("zero", "Anna", "\"\"", "masked"),
        ("v1", "anna@example.org", "\"fcb5f312d4583f889270\"", "masked"),
        ("v1", "", "\"7b061bc77caec9afdc6b\"", "masked"),
        ("v1", "ü😀", "\"8d97587094dafdad43aa\"", "masked"),
        ("v1", "nöte \"x\"", "\"95b1bbf9e352a313ec1a\"", "masked"),
        ("v1", "a\nb", "\"26328a2c41c01ab77b41\"", "masked"),
        ("v2", "", "\"900150983cd24fb0d696\"", "masked"),
        ("v2", "plain", "\"41e520abaceefd32ccc0\"", "masked"),
        ("l", "äöüß", "\"äöü\"", "truncateLength"),
        // the column is no longer than that
        ("long", "abc", "\"abc\"", ""),
        ("other", "abc", "\"abc\"", ""),
    ] {
        for compat in [Corrected, Debezium] {
            let (found, names) = applied(&rules, compat, column, value);
            assert_eq!((found.as_str(), names.as_str()), (expected, parameters), "{column} {value}");
        }
    }
}

#[test]
fn null_is_only_masked() {
    let rules = rules(
        r#"{"mask":[{"columns":["s.t.m"],"length":2}],"hash":[{"columns":["s.t.h"],"algorithm":"md5","salt":""}],
        "truncate":[{"columns":["s.t.l"],"length":1}]}"#,
    );
    for (column, expected) in [("m", "\"**\""), ("h", "null"), ("l", "null")] {
        let source = text("text", TEXT_LENGTH);
        let rule = rules.of_table("s", "t", Debezium).column(column, &source, &described("string", None));
        let change = rule.change.unwrap();
        let mut out = b"null".to_vec();
        change.apply(&mut out, 0);
        assert_eq!(out, expected.as_bytes());
        assert_eq!(change.constant().is_some(), column == "m");
    }
}

#[test]
fn only_texts_are_masked_and_only_texts_and_bytes_are_cut() {
    let rules =
        rules(r#"{"mask":[{"columns":["s.t.m"],"length":2}],"truncate":[{"columns":["s.t.l"],"length":1}]}"#);
    let number = SourceColumn { is_text: false, ..text("int4", 10) };
    let table = rules.of_table("s", "t", Debezium);
    let masked = table.column("m", &number, &described("int32", None));
    assert_eq!((masked.change, masked.parameters), (None, vec![("masked".into(), "true".to_owned())]));
    for (connect_type, connect_name, expected) in [
        ("int32", None, None),
        ("string", None, Some(ValueChange::TruncateText(1))),
        ("string", Some("io.debezium.data.Json"), Some(ValueChange::TruncateText(1))),
        ("bytes", None, Some(ValueChange::TruncateBytes(1))),
        ("bytes", Some("org.apache.kafka.connect.data.Decimal"), None),
        ("array", None, None),
    ] {
        let rule = table.column("l", &number, &described(connect_type, connect_name));
        assert_eq!(rule.change, expected, "{connect_type}");
        assert_eq!(rule.parameters, [("truncateLength".into(), "1".to_owned())]);
    }
}

#[test]
fn one_rule_applies_with_debezium_and_the_strictest_otherwise() {
    let rules = rules(
        r#"{"mask":[{"columns":["s.t.mt","s.t.mh"],"length":2}],
        "hash":[{"columns":["s.t.mh","s.t.ht","s.t.hp"],"algorithm":"md5","salt":""}],
        "truncate":[{"columns":["s.t.mt","s.t.ht"],"length":1}],"source-type":["s.t.hp","s.t.p"],
        "source-datatype":["s.t.VARCHAR"]}"#,
    );
    let propagated = "type,length,scale,name";
    for (column, debezium, corrected) in [
        ("mt", ("\"a\"", "truncateLength"), ("\"**\"", "masked")),
        ("mh", ("\"**\"", "masked"), ("\"**\"", "masked")),
        ("ht", ("\"a\"", "truncateLength"), ("\"187ef4436122d1cc2f40\"", "masked")),
        ("hp", ("\"ab\"", propagated), ("\"187ef4436122d1cc2f40\"", "masked")),
        ("p", ("\"ab\"", propagated), ("\"ab\"", "")),
        ("q", ("\"ab\"", propagated), ("\"ab\"", "")),
    ] {
        let (value, names) = applied(&rules, Debezium, column, "ab");
        assert_eq!((value.as_str(), names.as_str()), debezium, "{column}");
        let (value, names) = applied(&rules, Corrected, column, "ab");
        let expected =
            [corrected.1, propagated].iter().filter(|n| !n.is_empty()).copied().collect::<Vec<_>>();
        assert_eq!((value.as_str(), names), (corrected.0, expected.join(",")), "{column}");
    }
}

#[test]
fn propagated_parameters_describe_the_column() {
    let rules = rules(r#"{"source-type":["s.t.*"]}"#);
    let parameters = |source: &SourceColumn| {
        let rule = rules.of_table("s", "t", Debezium).column("Ä b", source, &described("string", None));
        let pairs: Vec<String> =
            rule.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(" ").replace("__debezium.source.column.", "")
    };
    assert_eq!(parameters(&text("varchar", 20)), "type=VARCHAR length=20 scale=0 name=Ä b");
    let bare = SourceColumn { length: Some(-1), scale: None, comment: Some(String::new()), ..text("int", 0) };
    assert_eq!(parameters(&bare), "type=INT name=Ä b");
    let commented =
        SourceColumn { comment: Some("of whom".to_owned()), scale: Some(2), ..text("Decimal", 9) };
    assert_eq!(parameters(&commented), "type=DECIMAL length=9 scale=2 comment=of whom name=Ä b");
}

proptest! {
    #[test]
    fn any_value_is_changed(bytes: Vec<u8>, text: String, max in 0u32..9) {
        let rules = ColumnRules {
            truncate: vec![TruncateRule { columns: rules(r#"{"key":["s.t.t"]}"#).key, length: max }],
            ..rules(r#"{"hash":[{"columns":["s.t.h"],"algorithm":"sha-1","salt":"x","version":"v1"}]}"#)
        };
        for column in ["t", "h"] {
            let (json, _) = applied(&rules, Debezium, column, &text);
            serde_json::from_str::<String>(&json).unwrap();
            let source = SourceColumn { type_name: String::new(), ..SourceColumn::default() };
            let rule = rules.of_table("s", "t", Debezium).column(column, &source, &described("string", None));
            if let Some(change) = rule.change {
                let mut out = bytes.clone();
                change.apply(&mut out, bytes.len().min(3));
                change.apply(&mut out, usize::MAX);
            }
        }
    }
}
