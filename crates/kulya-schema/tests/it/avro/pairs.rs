//! The table of pairs: a reader's and a writer's schema, the verdict, and the first reason's rule and path.

use kulya_schema::avro::{can_read, parse};
use serde::Deserialize;
use serde_json::Value;

const PAIRS: &str = include_str!("../../data/avro/pairs.jsonl");

/// One row of the table.
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) reader: String,
    pub(super) writer: String,
    /// The first reason's rule and its path in the reader's schema; `None` if compatible.
    pub(super) reason: Option<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRow {
    name: String,
    reader: Value,
    writer: Value,
    verdict: String,
    rule: Option<String>,
    path: Option<String>,
}

pub(super) fn pairs() -> Vec<Pair> {
    PAIRS.lines().map(pair).collect()
}

fn pair(line: &str) -> Pair {
    let line: TableRow = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let reason = match (line.verdict.as_str(), line.rule, line.path) {
        ("compatible", None, None) => None,
        ("incompatible", Some(rule), Some(path)) => Some((rule, path)),
        _ => panic!("{}: a verdict is compatible, or incompatible with a rule and a path", line.name),
    };
    Pair { name: line.name, reader: line.reader.to_string(), writer: line.writer.to_string(), reason }
}

#[test]
fn every_pair_has_its_verdict() {
    let pairs = pairs();
    assert!(pairs.len() >= 120, "{} pairs", pairs.len());
    let mut wrong = Vec::new();
    for Pair { name, reader, writer, reason } in &pairs {
        let parsed = |text| parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (reader, writer) = (parsed(reader), parsed(writer));
        let reasons = can_read(&reader, &writer);
        let first = reasons.first().map(|first| (first.rule.name().to_owned(), first.reader_path.clone()));
        if first != *reason {
            wrong.push(format!("{name}: {first:?} and not {reason:?}; {reasons:#?}"));
        }
        assert_eq!(can_read(&reader, &reader), Vec::new(), "{name}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
    let names: std::collections::HashSet<_> = pairs.iter().map(|pair| &pair.name).collect();
    assert_eq!(names.len(), pairs.len(), "each has a name of its own");
}
