//! Comparison with `buf breaking`: its categories WIRE and WIRE_JSON against both directions of ours. `cargo
//! xtask buf` builds it; `KULYA_SEED` and `KULYA_CASES` choose the pairs and their number.
//!
//! It is a linter of changes to the sources: it rejects deletions without a reservation, and checks only
//! whether the new schema reads the old. Every difference must be one of the rules below.

use super::evolution::draw;
use super::pairs::pairs;
use super::source::{Compiled, message, source};
use kulya_schema::protobuf::{Incompatibility, Rule, Safety, can_read, reuses_reserved};
use prost_reflect::{Kind, MessageDescriptor};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// One finding of buf.
#[derive(Debug, Deserialize)]
struct Finding {
    path: String,
    #[serde(rename = "type")]
    rule: String,
    message: String,
}

struct Case {
    title: String,
    sides: [(String, &'static str); 2],
    old: Compiled,
    new: Compiled,
}

fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "needs buf: cargo xtask buf"]
fn differences_from_buf_are_expected() {
    let (seed, cases) = (env_number("KULYA_SEED", 1), env_number("KULYA_CASES", 400));
    println!("KULYA_SEED={seed} KULYA_CASES={cases}");
    let table = pairs().into_iter().map(|pair| (pair.title, [pair.old, pair.new]));
    let drawn = (0..cases).map(|case| (format!("draw {}", seed + case), draw(seed + case)));
    let compiled = table.chain(drawn).filter_map(|(title, sides)| {
        let [old, new] = sides.each_ref().map(|(body, syntax)| message(syntax, body));
        Some(Case { title, old: old.ok()?, new: new.ok()?, sides })
    });
    let cases: Vec<_> = compiled.collect();
    let (mut rules, mut wrong) = (BTreeMap::new(), Vec::new());
    for (safety, category) in [(Safety::Wire, "WIRE"), (Safety::Json, "WIRE_JSON")] {
        let findings = run_buf(&cases, category);
        let (mut both, mut neither) = (0, 0);
        for (number, case) in cases.iter().enumerate() {
            let findings = findings.get(&number).map(Vec::as_slice).unwrap_or_default();
            let backward = can_read(&case.new.schema, &case.old.schema, safety);
            let forward = can_read(&case.old.schema, &case.new.schema, safety);
            let reserved = reuses_reserved(&case.new.schema, &case.old.schema, safety);
            let reasons: Vec<_> = backward.iter().chain(&reserved).map(|reason| (reason, false)).collect();
            let reasons = reasons.into_iter().chain(forward.iter().map(|reason| (reason, true)));
            let reasons: Vec<_> = reasons.collect();
            match (reasons.is_empty(), findings.is_empty()) {
                (true, true) => neither += 1,
                (false, false) => both += 1,
                _ => {}
            }
            let describe =
                || format!("{category} {}\n{:#?}\n{findings:#?}\n{reasons:#?}", case.title, case.sides);
            if reasons.is_empty() {
                let unreachable_types = unreachable_types(&case.old.oracle, &case.new.oracle);
                for finding in findings {
                    match expected_buf_only(finding, &unreachable_types) {
                        Some(rule) => *rules.entry(rule).or_insert(0) += 1,
                        None => wrong.push(format!("only buf says {finding:?} of {}", describe())),
                    }
                }
            } else if findings.is_empty() {
                for (reason, is_forward) in &reasons {
                    match expected_ours_only(reason, *is_forward, safety) {
                        Some(rule) => *rules.entry(rule).or_insert(0) += 1,
                        None => wrong.push(format!("only we say {reason:?} of {}", describe())),
                    }
                }
            }
        }
        println!("{category}: {} pairs, {both} refused and {neither} accepted by both", cases.len());
        assert!(both > cases.len() / 5 && neither > cases.len() / 20, "{both} {neither} of {}", cases.len());
    }
    println!("{rules:#?}");
    assert!(wrong.is_empty(), "{}, and the first of them:\n{}", wrong.len(), wrong[0]);
}

/// Returns the findings of buf by case, from one run with a package for each case.
fn run_buf(cases: &[Case], category: &str) -> BTreeMap<usize, Vec<Finding>> {
    let buf = std::env::var("KULYA_TEST_BUF").expect("cargo xtask buf sets KULYA_TEST_BUF");
    let folder = tempfile::tempdir().unwrap();
    for (side, place) in ["old", "new"].into_iter().zip(0..) {
        for (number, case) in cases.iter().enumerate() {
            let package = folder.path().join(side).join(format!("p{number}"));
            std::fs::create_dir_all(&package).unwrap();
            let (body, syntax) = &case.sides[place];
            std::fs::write(package.join("m.proto"), source(&format!("p{number}"), syntax, body)).unwrap();
        }
    }
    let config = format!(r#"{{"version":"v2","breaking":{{"use":["{category}"]}}}}"#);
    let mut command = Command::new(buf);
    // not in the parent folder, which buf would take for their module
    let cache = folder.path().join("cache");
    std::fs::create_dir_all(&cache).unwrap();
    command.current_dir(&cache).env("BUF_CACHE_DIR", &cache).arg("breaking").arg(folder.path().join("new"));
    command.arg("--against").arg(folder.path().join("old")).args(["--error-format", "json"]);
    let done = command.args(["--config", &config, "--against-config", &config]).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    // exit code 100 means findings
    assert_eq!(done.status.code(), Some(100), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let mut findings: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    for line in said.lines() {
        let finding: Finding = serde_json::from_str(line).unwrap();
        let package = Path::new(&finding.path).parent().and_then(Path::file_name).unwrap().to_str().unwrap();
        let number = package.strip_prefix('p').unwrap().parse().unwrap();
        findings.entry(number).or_default().push(finding);
    }
    findings
}

const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
    "sfixed32", "sfixed64", "bool", "string", "bytes",
];

/// Returns the simple names of the old schema's types that the message does not reach in both versions: buf
/// compares them too.
fn unreachable_types(old: &MessageDescriptor, new: &MessageDescriptor) -> BTreeSet<String> {
    let mut reachable = BTreeSet::new();
    let mut pending = vec![(old.clone(), new.clone())];
    let mut seen = BTreeSet::new();
    while let Some((old, new)) = pending.pop() {
        if !seen.insert((old.full_name().to_owned(), new.full_name().to_owned())) {
            continue;
        }
        reachable.insert(old.full_name().to_owned());
        for field in old.fields() {
            let Some(new_field) = new.get_field(field.number()) else { continue };
            match (field.kind(), new_field.kind()) {
                (Kind::Message(old), Kind::Message(new)) => pending.push((old, new)),
                (Kind::Enum(old), _) => _ = reachable.insert(old.full_name().to_owned()),
                _ => {}
            }
        }
    }
    let mut unreachable_types = BTreeSet::new();
    let mut all: Vec<_> = old.parent_file().messages().collect();
    while let Some(message) = all.pop() {
        let enums = message.child_enums().map(|it| (it.full_name().to_owned(), it.name().to_owned()));
        let own = std::iter::once((message.full_name().to_owned(), message.name().to_owned()));
        unreachable_types
            .extend(own.chain(enums).filter(|(full, _)| !reachable.contains(full)).map(|(_, name)| name));
        all.extend(message.child_messages());
    }
    unreachable_types
}

/// Explains an expected finding of buf for a change that we accept.
fn expected_buf_only(finding: &Finding, unreachable_types: &BTreeSet<String>) -> Option<&'static str> {
    let of = ["essage \"", "num \""].map(|kind| finding.message.split(kind).nth(1));
    let of = of.into_iter().flatten().next();
    if of.and_then(|of| of.split('"').next()).is_some_and(|name| unreachable_types.contains(name)) {
        return Some("a type that no value of the message is of, before and after");
    }
    // changed … from "one" to "another"
    let mut words = finding.message.rsplit(" from \"").next().unwrap_or_default().split('"');
    let (from, to) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
    let is_scalar = |name: &str| SCALARS.contains(&name);
    let is_integer = |name: &str| ["int32", "int64", "uint32", "uint64"].contains(&name);
    match finding.rule.as_str() {
        "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED" | "FIELD_NO_DELETE_UNLESS_NAME_RESERVED" => {
            Some("a field is deleted: it harms who uses its number again, and that is refused then")
        }
        "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED" | "ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED" => {
            Some("a value of an open enum is deleted, or a second name of a number")
        }
        "RESERVED_MESSAGE_NO_DELETE" | "RESERVED_ENUM_NO_DELETE" => {
            Some("a reservation is given up: it harms who uses it, and that is refused")
        }
        "MESSAGE_SAME_JSON_FORMAT" | "ENUM_SAME_JSON_FORMAT" => {
            Some("proto3 becomes proto2, whose JSON is a best effort: of a parser's, not of a value's")
        }
        "FIELD_SAME_ONEOF" => {
            Some("one field alone moves, or a oneof is renamed: no other field is cleared by it")
        }
        "FIELD_SAME_DEFAULT" => Some("the default of a field that is never absent"),
        "FIELD_SAME_NAME" => Some("a name that is not written: the JSON name is"),
        "FIELD_WIRE_COMPATIBLE_CARDINALITY" if from != "required" && to != "required" => {
            Some("one and several: by the guides the last, or all merged, is read")
        }
        "FIELD_WIRE_COMPATIBLE_TYPE" | "FIELD_WIRE_JSON_COMPATIBLE_TYPE"
            if !is_scalar(from) && !is_scalar(to) =>
        {
            Some("types that are called otherwise: what is in them is compared, not their names")
        }
        "FIELD_WIRE_COMPATIBLE_TYPE"
            if (from == "enum" && is_integer(to)) || (is_integer(from) && to == "enum") =>
        {
            Some("an open enum and a whole number")
        }
        _ => None,
    }
}

/// Explains an expected incompatibility that buf does not report.
fn expected_ours_only(reason: &Incompatibility, is_forward: bool, safety: Safety) -> Option<&'static str> {
    let kind = |describe: &str| {
        describe.split(' ').find(|word| SCALARS.contains(word)).unwrap_or_default().to_owned()
    };
    let (to, from) = (kind(&reason.reader), kind(&reason.writer));
    match reason.rule {
        Rule::FieldRenumbered => Some("names that change places: buf sees each of them still there"),
        Rule::EnumValueRenumbered => Some("values that change places: buf sees each of them still there"),
        Rule::EnumValueRemoved | Rule::EnumNameMissing if is_forward => {
            Some("the old schema reads what the new one writes: buf looks at the new one alone")
        }
        Rule::TypeChanged if is_forward && (to.as_str(), from.as_str()) == ("string", "bytes") => {
            Some("bytes are no string: buf looks at the new one alone")
        }
        Rule::TypeChanged
            if safety == Safety::Json
                && to
                    .trim_start_matches(['u', 's'])
                    .trim_start_matches("fixed")
                    .trim_start_matches("int")
                    == from
                        .trim_start_matches(['u', 's'])
                        .trim_start_matches("fixed")
                        .trim_start_matches("int")
                && !to.is_empty() =>
        {
            Some("signed and unsigned: in JSON a number out of range is an error")
        }
        _ => None,
    }
}
