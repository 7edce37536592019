//! The table of pairs: a reader's and a writer's schema, and the expected verdict.

use kulya_schema::json_schema::{Schema, Verdict, can_read, parse};
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
