//! Single changes of schemas as people write them: each place of each schema is changed in each way of a
//! list, and both directions are judged. A witness is verified by another validator, and hardly any change
//! may be left undecided. With `--nocapture` the shares and times are printed.

use super::json_schema_sizes::cpu_ms;
use jsonschema::{Retrieve, Uri};
use kulya_schema::json_schema::{Verdict, can_read, parse};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};

const SCHEMAS: &str = include_str!("../data/json_schema_real.jsonl");

/// Returns the pointers of all subschemas.
fn subschemas(schema: &Value, pointer: String, found: &mut Vec<String>) {
    let Value::Object(members) = schema else { return };
    for (keyword, value) in members {
        let path = format!("{pointer}/{}", escape(keyword));
        match keyword.as_str() {
            "properties" | "patternProperties" | "definitions" | "$defs" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    subschemas(inner, format!("{path}/{}", escape(name)), found);
                }
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    subschemas(inner, format!("{path}/{index}"), found);
                }
            }
            "items" | "additionalProperties" | "not" | "if" | "then" | "else" | "contains" => {
                subschemas(value, path, found);
            }
            _ => {}
        }
    }
    found.push(pointer);
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

type Change = (&'static str, fn(&mut Map<String, Value>) -> bool);

/// The changes; each returns whether it applies to a subschema.
const CHANGES: &[Change] = &[
    ("optional property added", |schema| {
        let Some(Value::Object(properties)) = schema.get_mut("properties") else { return false };
        properties.insert("addedLater".to_owned(), json!({"type": "string"}));
        true
    }),
    ("property removed", |schema| {
        let Some(Value::Object(properties)) = schema.get_mut("properties") else { return false };
        let last = properties.keys().next_back().cloned();
        last.is_some_and(|last| properties.remove(&last).is_some())
    }),
    ("name required", |schema| {
        let Some(Value::Object(properties)) = schema.get("properties") else { return false };
        let required: Vec<Value> =
            schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let next = properties.keys().find(|name| !required.contains(&json!(name))).cloned();
        let Some(next) = next else { return false };
        let with_it = required.into_iter().chain([json!(next)]).collect();
        schema.insert("required".to_owned(), Value::Array(with_it));
        true
    }),
    ("enum grown", |schema| {
        let Some(Value::Array(values)) = schema.get_mut("enum") else { return false };
        values.push(json!("added later"));
        true
    }),
    ("enum shrunk", |schema| {
        let Some(Value::Array(values)) = schema.get_mut("enum") else { return false };
        values.len() > 1 && values.pop().is_some()
    }),
    ("branch added", |schema| {
        let Some(list) = ["anyOf", "oneOf"].into_iter().find(|list| schema.contains_key(*list)) else {
            return false;
        };
        let Some(Value::Array(branches)) = schema.get_mut(list) else { return false };
        branches.push(
            json!({"type": "object", "properties": {"kind": {"const": "added later"}}, "required": ["kind"]}),
        );
        true
    }),
    ("branch removed", |schema| {
        let Some(list) = ["anyOf", "oneOf"].into_iter().find(|list| schema.contains_key(*list)) else {
            return false;
        };
        let Some(Value::Array(branches)) = schema.get_mut(list) else { return false };
        branches.len() > 1 && branches.pop().is_some()
    }),
    ("type widened", |schema| {
        let kind = schema.get("type").and_then(Value::as_str).filter(|kind| *kind != "null");
        let Some(kind) = kind else { return false };
        let wider = if kind == "integer" { json!("number") } else { json!([kind, "null"]) };
        schema.insert("type".to_owned(), wider);
        true
    }),
    ("type narrowed", |schema| match schema.get_mut("type") {
        Some(Value::Array(types)) => types.len() > 1 && types.pop().is_some(),
        Some(kind) if kind == "number" => {
            *kind = json!("integer");
            true
        }
        _ => false,
    }),
    ("type added", |schema| schema.insert("type".to_owned(), json!("object")).is_none()),
    ("content closed", |schema| {
        schema.contains_key("properties")
            && schema.insert("additionalProperties".to_owned(), json!(false)) != Some(json!(false))
    }),
    ("content opened", |schema| schema.remove("additionalProperties").is_some()),
    ("bound moved", |schema| {
        let keywords = ["minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"];
        let Some(keyword) = keywords.into_iter().find(|keyword| schema.contains_key(*keyword)) else {
            return false;
        };
        let moved = schema.get(keyword).and_then(Value::as_u64).unwrap_or_default() + 1;
        schema.insert(keyword.to_owned(), json!(moved));
        true
    }),
    ("pattern narrowed", |schema| {
        let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else { return false };
        let narrowed = pattern.replace('+', "{1,7}").replace('*', "{0,7}");
        let changes = narrowed != pattern;
        schema.insert("pattern".to_owned(), json!(narrowed));
        changes
    }),
    ("description changed", |schema| {
        schema.insert("description".to_owned(), json!("another"));
        true
    }),
];

/// What became of the changes.
#[derive(Default)]
struct Tally {
    counts: [usize; 3],
    /// Verdicts of files that the other validator cannot read: they refer to others.
    unverified: usize,
    times: Vec<f64>,
    slowest: (f64, String),
    undecided: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        (0..3).for_each(|kind| self.counts[kind] += other.counts[kind]);
        self.times.extend(other.times);
        self.undecided.extend(other.undecided);
        self.unverified += other.unverified;
        if other.slowest.0 > self.slowest.0 {
            self.slowest = other.slowest;
        }
    }

    fn is_mostly_decided(&self) -> bool {
        self.counts[2] * 100 <= self.total()
    }

    fn print(&mut self, what: &str) {
        self.times.sort_by(f64::total_cmp);
        let at = |share: usize| self.times.get((self.times.len().max(1) - 1) * share / 1000).unwrap_or(&0.0);
        println!(
            "{what}: compatible, not, unknown {:?}, unverified {}; ms p50 {:.2} p99 {:.2} worst {:.2} ({})",
            self.counts,
            self.unverified,
            at(500),
            at(990),
            at(1000),
            self.slowest.1
        );
        self.undecided.iter().for_each(|line| println!("  {line}"));
    }

    fn total(&self) -> usize {
        self.counts.iter().sum()
    }
}

/// Reads other documents from a folder, by the last part of their URIs.
struct Others(PathBuf);

impl Retrieve for Others {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let name = uri.path().as_str().rsplit('/').next().unwrap_or_default();
        Ok(serde_json::from_str(&std::fs::read_to_string(self.0.join(name))?)?)
    }
}

/// Returns whether a place is in a copy of a dialect's own schema: the validator has one, and reads that.
fn is_of_embedded_dialect(schema: &Value, pointer: &str) -> bool {
    let ends = pointer.match_indices('/').map(|(index, _)| index).chain([pointer.len()]);
    let ids = ends.filter_map(|end| schema.pointer(&pointer[..end])?.get("$id")?.as_str());
    ids.into_iter().any(|id| id.starts_with("http://json-schema.org/"))
}

/// Judges a schema against itself with single changes, no more than a number of them: every n-th.
///
/// Documents that it refers to are read from a folder, for the validator only.
fn judge(text: &str, most: usize, others: Option<&Path>) -> Tally {
    let mut tally = Tally::default();
    let original: Value = serde_json::from_str(text).unwrap();
    let mut pointers = Vec::new();
    subschemas(&original, String::new(), &mut pointers);
    let mut changes = Vec::new();
    for pointer in &pointers {
        for (what, change) in CHANGES {
            let place = original.pointer(pointer).and_then(Value::as_object).cloned();
            if place.is_some_and(|mut place| change(&mut place)) {
                changes.push((pointer, what, change));
            }
        }
    }
    let old = parse(text).unwrap();
    let validator = |schema: &Value| {
        let options = jsonschema::options().should_validate_formats(false);
        match others {
            Some(folder) => options.with_retriever(Others(folder.to_owned())).build(schema).ok(),
            None => options.build(schema).ok(),
        }
    };
    let old_validator = validator(&original);
    // values of this schema or a changed one: no verdict may be contradicted by any
    let mut known: Vec<Value> = vec![json!({}), json!([]), json!("a"), json!(1), json!(null), json!(true)];
    for (pointer, what, change) in changes.iter().step_by(changes.len().div_ceil(most).max(1)) {
        let mut changed = original.clone();
        change(changed.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap());
        // what refers to a removed property is no schema any more
        let Ok(new) = parse(&changed.to_string()) else { continue };
        let new_validator = old_validator.as_ref().and_then(|_| validator(&changed));
        for (reader, writer, backward) in [(&new, &old, true), (&old, &new, false)] {
            let before = cpu_ms().unwrap_or_default();
            let verdict = can_read(reader, writer);
            let time = cpu_ms().unwrap_or_default() - before;
            tally.times.push(time);
            if time > tally.slowest.0 {
                tally.slowest = (time, format!("{what} at {pointer}"));
            }
            let is_readable = !is_of_embedded_dialect(&original, pointer);
            let validators = old_validator.as_ref().zip(new_validator.as_ref()).filter(|_| is_readable);
            if validators.is_none() {
                tally.unverified += 1;
                println!("not verified: {what} at {pointer}");
            }
            let validators = validators.map(|(old, new)| if backward { (new, old) } else { (old, new) });
            match verdict {
                Verdict::Compatible => {
                    tally.counts[0] += 1;
                    let Some((reads, writes)) = validators else { continue };
                    let wrong = known.iter().find(|value| writes.is_valid(value) && !reads.is_valid(value));
                    assert_eq!(wrong, None, "{what} at {pointer}, {backward}: compatible");
                }
                Verdict::Incompatible(reasons) => {
                    tally.counts[1] += 1;
                    for reason in reasons {
                        let witness = reason.witness.clone().unwrap();
                        if let Some((reads, writes)) = validators {
                            let holds = writes.is_valid(&witness) && !reads.is_valid(&witness);
                            assert!(holds, "{what} at {pointer}: {reason}");
                        }
                        if known.len() < 60 && !known.contains(&witness) {
                            known.push(witness);
                        }
                    }
                }
                Verdict::Unknown(reasons) => {
                    tally.counts[2] += 1;
                    tally.undecided.push(format!("{what} at {pointer}, {backward}: {}", reasons[0]));
                }
            }
        }
    }
    tally
}

/// `KULYA_SCHEMAS` may name a folder of further schemas, whose folder `others` has what they refer to, and
/// `KULYA_CHANGES` how many changes of each are made.
#[test]
fn single_changes_of_real_schemas_are_decided() {
    let mut own = Tally::default();
    SCHEMAS.lines().for_each(|line| own.add(judge(line, usize::MAX, None)));
    own.print("all");
    assert_eq!(own.unverified, 0);
    assert!(own.total() > 500 && own.is_mostly_decided(), "{:?}", own.undecided);
    let Some(folder) = std::env::var_os("KULYA_SCHEMAS") else { return };
    let most = std::env::var("KULYA_CHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let others = Path::new(&folder).join("others");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    let mut all = Tally::default();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        if let Err(error) = parse(&text) {
            println!("{name}: refused: {error}");
            continue;
        }
        let mut tally = judge(&text, most, Some(&others));
        tally.print(&format!("{name}, {} bytes", text.len()));
        all.add(tally);
    }
    all.print("all files");
    assert!(all.total() > 0 && all.is_mostly_decided(), "{:?}", all.undecided);
}
