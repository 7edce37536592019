//! The table of pairs under strict rules: an old and a new schema, whether a group with policy Backward
//! accepts the new one under strict and under Java's rules, and the sentence of the specification that says
//! so.

use kulya_schema::compatibility::{self, CompatibilityContext};
use kulya_schema::{
    Checkers, Compatibility, Rules, SchemaInfo, SchemaWithVersion, VersionInfo, canonicalize,
};
use serde::Deserialize;
use serde_json::Value;

const PAIRS: &str = include_str!("../../data/avro/strict_pairs.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRow {
    name: String,
    quote: String,
    old: Value,
    new: Value,
    strict: String,
    java: String,
    /// The first reason's rule and path under strict rules.
    rule: Option<String>,
    path: Option<String>,
    /// The path of the only warning.
    warning: Option<String>,
}

/// The verdict, the first reason's rule and path, and the paths of the warnings.
type Outcome = (&'static str, Option<(String, String)>, Vec<String>);

fn judge(old: &str, new: &str, rules: Rules) -> Outcome {
    let (compatibility, checkers) = (Compatibility::Backward, Checkers::default());
    let context = CompatibilityContext { compatibility, rules, allow_multiple_types: true, checkers };
    let canonical = |text: &str| canonicalize(SchemaInfo::avro(text));
    let old = canonical(old).expect("the old schema is valid").schema;
    let Ok(new) = canonical(new) else { return ("invalid", None, Vec::new()) };
    let type_name = new.schema.type_name.clone();
    let version = VersionInfo { type_name, format: "Avro".to_owned(), version: 0, id: 0 };
    let live = [SchemaWithVersion { schema: old, version }];
    match compatibility::check_with_warnings(&context, &new, &live) {
        Err(_) => ("invalid", None, Vec::new()),
        Ok((Ok(()), warnings)) => {
            ("compatible", None, warnings.into_iter().map(|warning| warning.change.reader_path).collect())
        }
        Ok((Err(refusal), _)) => {
            let reason = refusal.reasons[0].incompatibility().expect("a reason of the schemas");
            assert!(reason.certain, "{reason}");
            ("refused", Some((reason.rule.clone(), reason.reader_path.clone())), Vec::new())
        }
    }
}

#[test]
fn every_strict_pair_has_its_verdict() {
    let rows: Vec<TableRow> = PAIRS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(rows.len() >= 50, "{} pairs", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        assert!(!row.quote.is_empty(), "{}", row.name);
        let (old, new) = (row.old.to_string(), row.new.to_string());
        let expected: Outcome = (
            match row.strict.as_str() {
                "compatible" => "compatible",
                "refused" => "refused",
                "invalid" => "invalid",
                other => panic!("{}: {other}", row.name),
            },
            row.rule.clone().zip(row.path.clone()),
            row.warning.iter().cloned().collect(),
        );
        let strictly = judge(&old, &new, Rules::strict());
        if strictly != expected {
            wrong.push(format!("{}: strict {strictly:?} and not {expected:?}", row.name));
        }
        let (by_java, ..) = judge(&old, &new, Rules::Java);
        if by_java != row.java {
            wrong.push(format!("{}: java {by_java:?} and not {:?}", row.name, row.java));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    let names: std::collections::HashSet<_> = rows.iter().map(|row| &row.name).collect();
    assert_eq!(names.len(), rows.len(), "each has a name of its own");
}

fn record(name: &str, fields: &str) -> String {
    format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#)
}

/// A record with a field whose type is one of many records of many fields, as envelopes of events have it.
fn envelope(members: usize, fields: usize, changed: usize, kind: &str) -> String {
    let member = |number: usize| {
        let field = |at: usize| {
            let kind = if number == changed && at == 0 { kind } else { "int" };
            format!(r#"{{"name":"f{at}","type":"{kind}"}}"#)
        };
        record(&format!("R{number}"), &(0..fields).map(field).collect::<Vec<_>>().join(","))
    };
    let members: Vec<_> = (0..members).map(member).collect();
    record("Envelope", &format!(r#"{{"name":"body","type":[{}]}}"#, members.join(",")))
}

#[test]
fn an_envelope_of_a_thousand_records_is_judged() {
    // only an optimized build judges all of 40 fields
    let fields = if cfg!(debug_assertions) { 4 } else { 40 };
    for changed in [0, 500, 999] {
        let old = envelope(1_000, fields, changed, "int");
        for rules in [Rules::Java, Rules::strict()] {
            assert_eq!(judge(&old, &envelope(1_000, fields, changed, "long"), rules).0, "compatible");
            let (verdict, reason, _) = judge(&old, &envelope(1_000, fields, changed, "string"), rules);
            assert_eq!(verdict, "refused");
            assert_eq!(reason.unwrap().1, "Envelope.body.f0");
        }
    }
}

/// Records nested as deeply as the limit says, also through unions, with a change in the innermost.
#[test]
fn nested_records_are_judged_up_to_the_limit() {
    let nested = |depth: usize, kind: &str, nullable: bool| {
        (0..depth).fold(format!(r#""{kind}""#), |inner, level| {
            let inner = if nullable { format!(r#"["null",{inner}]"#) } else { inner };
            record(&format!("R{level}"), &format!(r#"{{"name":"x","type":{inner}}}"#))
        })
    };
    for nullable in [false, true] {
        for depth in [32, 43, 100] {
            let old = nested(depth, "int", nullable);
            for rules in [Rules::Java, Rules::strict()] {
                assert_eq!(judge(&old, &nested(depth, "long", nullable), rules).0, "compatible");
                assert_eq!(judge(&old, &nested(depth, "string", nullable), rules).0, "refused");
            }
        }
        let error = canonicalize(SchemaInfo::avro(nested(102, "int", nullable))).unwrap_err();
        assert!(error.to_string().contains("nest too deeply"), "{error}");
    }
    let deep = canonicalize(SchemaInfo::avro("[".repeat(10_000))).unwrap_err().to_string();
    assert!(deep.contains("nests too deeply"), "{deep}");
}

/// What is not compared is not certain: a group may accept it.
#[test]
fn an_exhausted_comparison_is_undecided() {
    use kulya_schema::{StrictRules, UnknownPolicy};
    let many = |name: &str| {
        let members: Vec<_> = (0..800)
            .map(|n| record(&format!("{name}{n}"), &format!(r#"{{"name":"{name}","type":"int"}}"#)))
            .collect();
        record("E", &format!(r#"{{"name":"b","type":[{}]}}"#, members.join(",")))
    };
    let (compatibility, checkers) = (Compatibility::Backward, Checkers::default());
    let allow = Rules::Strict(StrictRules { unknown: UnknownPolicy::Allow, ..StrictRules::default() });
    for (rules, accepted) in [(Rules::Java, false), (allow, false)] {
        let context = CompatibilityContext {
            compatibility: compatibility.clone(),
            rules,
            allow_multiple_types: true,
            checkers: checkers.clone(),
        };
        let new = canonicalize(SchemaInfo::avro(many("a"))).unwrap();
        let version = VersionInfo { type_name: "E".to_owned(), format: "Avro".to_owned(), version: 0, id: 0 };
        let live = [SchemaWithVersion { schema: SchemaInfo::avro(many("b")), version }];
        let verdict = compatibility::check(&context, &new, &live).unwrap();
        assert_eq!(verdict.is_ok(), accepted, "{rules:?}");
        let refusal = verdict.unwrap_err();
        let reason = refusal.reasons[0].incompatibility().unwrap();
        // strict rules decide it by the names; Java's compare every record with every other
        assert_eq!(reason.certain, rules != Rules::Java, "{reason:?}");
    }
}
