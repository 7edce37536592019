//! The table of pairs: a reader's and a writer's schema, and the expected verdict.

use kulya_schema::json_schema::{Schema, Verdict, can_read, parse};
use kulya_schema::{SchemaInfo, canonicalize};
use serde_json::{Map, Value};

const PAIRS: &str = include_str!("../data/json_schema_pairs.json");

#[test]
fn every_pair_has_its_verdict() {
    let pairs: Vec<Value> = serde_json::from_str(PAIRS).unwrap();
    let mut wrong = Vec::new();
    for pair in &pairs {
        let (reader, writer) = (schema(pair, "reader"), schema(pair, "writer"));
        let verdict = can_read(&reader, &writer);
        let (word, reasons) = match &verdict {
            Verdict::Compatible => ("compatible", Vec::new()),
            Verdict::Incompatible(reasons) => ("incompatible", reasons.clone()),
            Verdict::Unknown(reasons) => ("unknown", reasons.clone()),
        };
        let rules: Vec<&str> = reasons.iter().map(|reason| reason.rule.name()).collect();
        let expected = pair["rule"].as_str();
        if word != pair["verdict"] || expected.is_some_and(|rule| !rules.contains(&rule)) {
            wrong.push(format!("{}: {word} {rules:?} {reasons:#?}", pair["name"]));
        }
        for reason in &reasons {
            assert!(reason.reader_path.starts_with('#') && reason.writer_path.starts_with('#'), "{reason:?}");
            assert!(!reason.reader_fragment.is_empty() && !reason.suggestion.is_empty(), "{reason:?}");
            assert_eq!(reason.witness.is_some(), word == "incompatible", "{reason:?}");
        }
        assert_eq!(can_read(&reader, &reader), Verdict::Compatible, "{}", pair["name"]);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

/// Pairs from reports of users of schema registries. The documents are texts, since how a number is written
/// matters.
#[test]
fn pairs_of_the_field_have_their_verdicts() {
    for line in include_str!("../data/json_schema_field_cases.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |side: &str| case[side].as_str().unwrap().to_owned();
        let verdict = can_read(&parse(&text("new")).unwrap(), &parse(&text("old")).unwrap());
        let word = match &verdict {
            Verdict::Compatible => "compatible",
            Verdict::Incompatible(_) => "incompatible",
            Verdict::Unknown(_) => "unknown",
        };
        assert_eq!(word, case["verdict"], "{case} {verdict:?}");
        let fingerprint = |side| canonicalize(SchemaInfo::json("T", text(side))).unwrap().fingerprint;
        assert_ne!(fingerprint("old"), fingerprint("new"), "two schemas: {case}");
    }
}

/// A number that a double would round keeps its digits, in the verdict and in the schema's identity.
#[test]
fn large_numbers_are_exact() {
    let schema = |bound: &str| parse(&format!(r#"{{"type":"integer","maximum":{bound}}}"#)).unwrap();
    let Verdict::Incompatible(reasons) =
        can_read(&schema("18446744073709551616"), &schema("18446744073709551617"))
    else {
        panic!("one number more is not accepted")
    };
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert!(reason.certain && reason.witness.is_none(), "{reason:?}");
    assert!(reason.message.ends_with("for example 18446744073709551617"), "{}", reason.message);
    assert_eq!(
        can_read(&schema("18446744073709551617"), &schema("18446744073709551616")),
        Verdict::Compatible
    );
    let values = |list: &str| parse(&format!(r#"{{"enum":[{list}]}}"#)).unwrap();
    let (one, two) = (values("0.1000000000000000000001"), values("0.1000000000000000000001, 1e0"));
    assert_eq!(can_read(&two, &one), Verdict::Compatible);
    assert!(matches!(can_read(&one, &two), Verdict::Incompatible(_)));
    assert_eq!(can_read(&values("0.1"), &values("0.100")), Verdict::Compatible);
    assert!(matches!(can_read(&values("0.1"), &one), Verdict::Incompatible(_)));
}

/// A resource with an `$id` may have a dialect of its own.
#[test]
fn embedded_resources_have_their_own_dialect() {
    let document = |inner: &str| {
        let text = format!(
            r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{{"a":{{"$ref":"https://example.com/a"}}}},
            "$defs":{{"a":{{"$id":"https://example.com/a","$schema":"http://json-schema.org/draft-07/schema#","items":[{inner}]}}}}}}"#
        );
        parse(&text).unwrap()
    };
    let (narrow, wide) = (document(r#"{"type":"integer"}"#), document(r#"{"type":"number"}"#));
    assert_eq!(can_read(&wide, &narrow), Verdict::Compatible);
    assert!(matches!(can_read(&narrow, &wide), Verdict::Incompatible(_)));
    let without_id = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","not":{"$schema":"http://json-schema.org/draft-07/schema#"}}"#;
    assert!(parse(without_id).unwrap_err().to_string().contains("needs an $id"));
}

fn schema(pair: &Value, side: &str) -> Schema {
    let draft = pair[format!("{side}_draft")].as_str().or(pair["draft"].as_str());
    let mut document = pair[side].clone();
    if let (Some(draft), Value::Object(members)) = (draft, &mut document) {
        let folder = if draft.starts_with("draft-") {
            "http://json-schema.org"
        } else {
            "https://json-schema.org/draft"
        };
        let mut named = Map::new();
        named.insert("$schema".to_owned(), Value::from(format!("{folder}/{draft}/schema")));
        named.append(members);
        *members = named;
    }
    parse(&document.to_string()).unwrap_or_else(|e| panic!("{}: {e}", pair["name"]))
}
