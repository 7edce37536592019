//! The table of the kinds of verdicts that users of registries report as wrong: identity, sizes, unions,
//! decimals, defaults, depth, extensions, editions, patterns, numbers and more, each pair with the rule that
//! it follows. A verdict is that of the program's check of two files.

use kulya_schema::compatibility::{self, CompatibilityContext};
use kulya_schema::{
    Checkers, Compatibility, Format, Rules, SchemaInfo, SchemaWithVersion, VersionInfo, canonicalize,
};
use serde::Deserialize;
use std::collections::HashSet;

const PAIRS: &str = include_str!("../data/field_kinds.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRow {
    /// The number of the kind.
    kind: u32,
    name: String,
    format: String,
    quote: String,
    policy: String,
    /// `java`, `strict`, or `allow` for strict rules that accept what cannot be told.
    rules: String,
    /// The message of a Protobuf schema.
    r#type: Option<String>,
    old: String,
    new: String,
    /// `ok`, `same` for one identity, `no`, `unknown` or `invalid`.
    verdict: String,
}

fn judge(row: &TableRow) -> &'static str {
    let format = match row.format.as_str() {
        "avro" => Format::Avro,
        "json" => Format::Json,
        "protobuf" => Format::Protobuf,
        other => panic!("{}: {other}", row.name),
    };
    let schema = |text: &str| {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        canonicalize(SchemaInfo::new(row.r#type.clone().unwrap_or_default(), format.clone(), text))
    };
    let (Ok(old), Ok(new)) = (schema(&row.old), schema(&row.new)) else { return "invalid" };
    if old.fingerprint == new.fingerprint {
        return "same";
    }
    let rules = match row.rules.as_str() {
        "java" => Rules::Java,
        "strict" => Rules::strict(),
        "allow" => Rules::from_labels(
            &[("kulya.rules", "strict"), ("kulya.unknown", "allow")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        )
        .unwrap(),
        other => panic!("{}: {other}", row.name),
    };
    let compatibility = match row.policy.as_str() {
        "AllowAny" => Compatibility::AllowAny,
        "Backward" => Compatibility::Backward,
        "Forward" => Compatibility::Forward,
        "Full" => Compatibility::Full,
        other => panic!("{}: {other}", row.name),
    };
    let context = CompatibilityContext {
        compatibility,
        rules,
        allow_multiple_types: true,
        checkers: Checkers::default(),
    };
    let format = old.schema.format.full_name().to_owned();
    let version = VersionInfo { type_name: old.schema.type_name.clone(), format, version: 0, id: 0 };
    match compatibility::check(&context, &new, &[SchemaWithVersion { schema: old.schema, version }]) {
        Err(_) => "invalid",
        Ok(Ok(())) => "ok",
        Ok(Err(refusal)) => {
            let is_certain = |reason: &compatibility::Reason| {
                reason.incompatibility().is_none_or(|incompatibility| incompatibility.certain)
            };
            if refusal.reasons.iter().any(is_certain) { "no" } else { "unknown" }
        }
    }
}

#[test]
fn every_reported_kind_has_its_verdict() {
    let rows: Vec<TableRow> = PAIRS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(rows.len() >= 90, "{} pairs", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        assert!(!row.quote.is_empty() && (1..=14).contains(&row.kind), "{}", row.name);
        let verdict = judge(row);
        if verdict != row.verdict {
            wrong.push(format!("{} (kind {}): {verdict} and not {}", row.name, row.kind, row.verdict));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    let names: HashSet<_> = rows.iter().map(|row| &row.name).collect();
    assert_eq!(names.len(), rows.len(), "each has a name of its own");
}
