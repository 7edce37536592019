//! Comparison with Avro Java: parsing, canonical text and resolution. `cargo xtask avro`
//! starts it; `KULYA_SEED` and `KULYA_CASES` choose the pairs and their number.

use super::change::{corrupt, mutate};
use super::generator;
use super::pairs::{Pair, pairs};
use kulya_schema::Budget;
use kulya_schema::avro::{Incompatibility, ResolutionMode, Rule, Schema, can_read, parse};
use kulya_testkit::SeededRng;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// The number of pairs in one batch.
const BATCH: usize = 500;

struct Java {
    lines: BufReader<TcpStream>,
}

impl Java {
    fn start() -> Self {
        let address = std::env::var("KULYA_TEST_AVRO").expect("cargo xtask avro sets KULYA_TEST_AVRO");
        Self { lines: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    /// Resolves pairs of (reader, writer), and returns one response for each.
    fn resolve(&mut self, pairs: &[(String, String)]) -> Vec<Value> {
        let mut out = self.lines.get_ref().try_clone().unwrap();
        let lines: String = pairs
            .iter()
            .map(|(reader, writer)| json!({"reader": reader, "writer": writer}).to_string() + "\n")
            .collect();
        std::thread::scope(|scope| {
            scope.spawn(move || out.write_all(lines.as_bytes()).unwrap());
            pairs
                .iter()
                .map(|_| {
                    let mut line = String::new();
                    self.lines.read_line(&mut line).unwrap();
                    serde_json::from_str(&line).unwrap()
                })
                .collect()
        })
    }
}

fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
#[ignore = "needs Avro Java: cargo xtask avro"]
fn random_pairs_resolve_as_in_java() {
    let (seed, cases) = (env_number("KULYA_SEED", 1), env_number("KULYA_CASES", 20_000));
    println!("KULYA_SEED={seed} KULYA_CASES={cases}");
    let mut rng = SeededRng::new(seed);
    let mut java = Java::start();
    let mut tally = Tally::default();
    let mut remaining = cases as usize;
    while remaining > 0 {
        let pairs: Vec<_> = (0..remaining.min(BATCH)).map(|_| generate_pair(&mut rng)).collect();
        remaining -= pairs.len();
        for (pair, response) in pairs.iter().zip(java.resolve(&pairs)) {
            compare(pair, &response, &mut tally);
        }
    }
    println!(
        "{} compatible, {} not, {} no schemas; {:?}",
        tally.compatible, tally.incompatible, tally.expected_rejection, tally.rules
    );
    // otherwise the test is void
    let most = cases as usize;
    assert!(
        tally.compatible > most / 10
            && tally.incompatible > most / 10
            && tally.expected_rejection > most / 20,
        "{tally:?}"
    );
    assert!(tally.rules.values().sum::<usize>() < most / 10, "{tally:?}");
}

#[test]
#[ignore = "needs Avro Java: cargo xtask avro"]
fn every_pair_of_the_table_resolves_as_in_java() {
    let mut java = Java::start();
    let table = pairs();
    let asked: Vec<_> =
        table.iter().map(|Pair { reader, writer, .. }| (reader.clone(), writer.clone())).collect();
    let mut tally = Tally::default();
    for ((pair, asked), response) in table.iter().zip(&asked).zip(java.resolve(&asked)) {
        compare(asked, &response, &mut tally);
        let can = response["canRead"].as_bool();
        // Java throws where two fields would get one name
        let expected = match &pair.reason {
            Some((rule, _)) if rule == "alias-clash" => None,
            reason => Some(reason.is_none()),
        };
        assert_eq!(can, expected, "{}: {response}", pair.name);
    }
}

fn generate_pair(rng: &mut SeededRng) -> (String, String) {
    let one = generator::schema(rng);
    let other = match rng.index(8) {
        0 => generator::schema(rng),
        1 => one.clone(),
        _ => mutate(&one, rng),
    };
    let text = |schema: &Value, rng: &mut SeededRng| {
        if rng.one_in(10) { corrupt(schema, rng) } else { schema.to_string() }
    };
    let (one, other) = (text(&one, rng), text(&other, rng));
    if rng.one_in(2) { (one, other) } else { (other, one) }
}

#[derive(Debug, Default)]
struct Tally {
    compatible: usize,
    incompatible: usize,
    expected_rejection: usize,
    /// The number of expected differences from Java, by rule.
    rules: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn is_expected(&mut self, rule: Option<&'static str>) -> bool {
        if let Some(rule) = rule {
            *self.rules.entry(rule).or_default() += 1;
        }
        rule.is_some()
    }
}

fn compare(pair: &(String, String), response: &Value, tally: &mut Tally) {
    let (Some(reader), Some(writer)) =
        (parse_side(&pair.0, "reader", response, tally), parse_side(&pair.1, "writer", response, tally))
    else {
        tally.expected_rejection += 1;
        return;
    };
    let reasons = can_read(&reader, &writer);
    let describe = || format!("reader {}\nwriter {}\njava {response}\n{reasons:#?}", pair.0, pair.1);
    match response["canRead"].as_bool() {
        Some(can) => {
            assert_eq!(can, reasons.is_empty(), "{}", describe());
            *(if can { &mut tally.compatible } else { &mut tally.incompatible }) += 1;
        }
        None => {
            let exception = response["threw"].as_str().unwrap_or_default();
            assert!(tally.is_expected(expected_exception(exception, &reasons)), "{}", describe());
        }
    }
}

/// Compares the parsing of one side; `None` if there is nothing more to compare.
fn parse_side(text: &str, role: &str, response: &Value, tally: &mut Tally) -> Option<Schema> {
    // Java parses what its rules accept of a new schema
    let parsed = parse(text)
        .and_then(|schema| schema.check_new(ResolutionMode::Java, &Budget::default()).map(|()| schema));
    match (parsed, response[role].as_str()) {
        (Ok(ours), Some(java)) => {
            let form = ours.canonical_form();
            let (form, java) = (with_sorted_properties(&form), with_sorted_properties(java));
            assert_eq!(form, java, "{text}");
            Some(ours)
        }
        (Err(_), None) => None,
        (Ok(_), None) => {
            let error = &response[format!("{role}Error")];
            panic!("only Java refuses {text}: {error}");
        }
        (Err(error), Some(_)) => {
            assert!(
                tally.is_expected(expected_rejection(text, &error.to_string())),
                "only we refuse {text}: {error}"
            );
            None
        }
    }
}

/// Explains an expected exception of Java, which its registry reports with status 500.
fn expected_exception(exception: &str, reasons: &[Incompatibility]) -> Option<&'static str> {
    let is_clash = reasons.first().is_some_and(|reason| reason.rule == Rule::AliasClash);
    match exception {
        _ if exception.contains("Duplicate field") || exception.contains("Duplicate in union") => {
            is_clash.then_some("a clash of aliases: it is refused, and the refusal says which")
        }
        _ if exception.contains("StackOverflowError at org.apache.avro.io.parsing.Symbol") => Some(
            "a record without an end: one that always holds itself has no value, so there is nothing to read",
        ),
        _ if exception.contains("Can't redefine") => (!reasons.is_empty())
            .then_some("two types of one name after renaming: it is refused, and Java cannot write down why"),
        _ if exception.contains("Invalid default") => {
            Some("a writer's default under other names: it is not used in reading, so it is not looked at")
        }
        _ if exception.contains("NullPointerException")
            && exception.contains("at org.apache.avro.io.parsing.Symbol") =>
        {
            Some("a record given up while it was compared with itself: Java trips over what it left")
        }
        _ => None,
    }
}

/// Explains an expected rejection of a schema that Java accepts.
fn expected_rejection(text: &str, error: &str) -> Option<&'static str> {
    if text.contains("/* why */") && error.contains("not a JSON document") {
        return Some("comments: JSON has none, and other readers of the schema stop at them");
    }
    if text.contains("\"0x") && error.contains("is not a value of its type") {
        return Some("hexadecimal numbers as texts: Java's own way to write them");
    }
    None
}

/// Sorts properties by name and normalizes numbers, which Java writes differently.
fn with_sorted_properties(text: &str) -> String {
    let mut parser = serde_json::Deserializer::from_str(text);
    // schemas nest more deeply than the parser reads by default
    parser.disable_recursion_limit();
    sort_properties(Value::deserialize(&mut parser).unwrap()).to_string()
}

fn sort_properties(schema: Value) -> Value {
    match schema {
        Value::Array(members) => members.into_iter().map(sort_properties).collect(),
        Value::Object(members) => {
            let standard: &[&str] = match members["type"].as_str().unwrap() {
                "record" | "error" => &["type", "name", "namespace", "doc", "fields", "aliases"],
                "enum" => &["type", "name", "namespace", "doc", "symbols", "default", "aliases"],
                "fixed" => &["type", "name", "namespace", "doc", "size", "aliases"],
                "array" => &["type", "items"],
                "map" => &["type", "values"],
                _ => &["type"],
            };
            sort_custom_properties(members, standard)
        }
        name => name,
    }
}

fn sort_custom_properties(members: Map<String, Value>, standard: &[&str]) -> Value {
    let is_custom = |name: &str| !standard.contains(&name);
    let mut custom: Vec<_> = members.iter().filter(|(name, _)| is_custom(name)).collect();
    custom.sort_by_key(|(name, _)| name.as_str());
    let mut custom = custom.into_iter();
    let mut all = Map::new();
    for (name, member) in &members {
        let (name, member) = if is_custom(name) { custom.next().unwrap() } else { (name, member) };
        let member = match (name.as_str(), member.clone()) {
            ("fields", Value::Array(fields)) if !is_custom("fields") => fields
                .into_iter()
                .map(|field| {
                    let Value::Object(field) = field else { panic!("a field is an object: {field}") };
                    sort_custom_properties(field, &["name", "type", "doc", "default", "order", "aliases"])
                })
                .collect(),
            ("items" | "values", inner) if !is_custom(name) => sort_properties(inner),
            // the type of a field
            ("type", inner) if standard.contains(&"order") => sort_properties(inner),
            (_, other) => other,
        };
        all.insert(name.clone(), member);
    }
    Value::Object(all)
}
