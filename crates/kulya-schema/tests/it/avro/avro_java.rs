//! Avro Java as the judge: what it parses, its text of a schema, and what it resolves. `cargo xtask avro` starts it;
//! `KULYA_SEED` and `KULYA_CASES` ask for other pairs, and more.

use super::change::{broken, changed};
use super::draw;
use super::pairs::{Pair, pairs};
use kulya_schema::avro::{Incompatibility, Rule, Schema, can_read, parse};
use kulya_testkit::SeededRng;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// So many pairs are under way at a time.
const BATCH: usize = 500;

struct Java {
    lines: BufReader<TcpStream>,
}

impl Java {
    fn start() -> Self {
        let address = std::env::var("KULYA_TEST_AVRO").expect("cargo xtask avro sets KULYA_TEST_AVRO");
        Self { lines: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    /// Its answers, one for each (reader, writer).
    fn ask(&mut self, pairs: &[(String, String)]) -> Vec<Value> {
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

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
#[ignore = "needs Avro Java: cargo xtask avro"]
fn any_pair_is_judged_as_by_java() {
    let (seed, cases) = (setting("KULYA_SEED", 1), setting("KULYA_CASES", 5_000));
    println!("KULYA_SEED={seed} KULYA_CASES={cases}");
    let mut rng = SeededRng::new(seed);
    let mut java = Java::start();
    let mut seen = Seen::default();
    let mut left = cases as usize;
    while left > 0 {
        let pairs: Vec<_> = (0..left.min(BATCH)).map(|_| draw_pair(&mut rng)).collect();
        left -= pairs.len();
        for (pair, answer) in pairs.iter().zip(java.ask(&pairs)) {
            compare(pair, &answer, &mut seen);
        }
    }
    println!("{} compatible, {} not, {} no schemas; {:?}", seen.yes, seen.no, seen.refused, seen.rules);
    // else nothing was put to the test
    let most = cases as usize;
    assert!(seen.yes > most / 10 && seen.no > most / 10 && seen.refused > most / 20, "{seen:?}");
    assert!(seen.rules.values().sum::<usize>() < most / 10, "{seen:?}");
}

#[test]
#[ignore = "needs Avro Java: cargo xtask avro"]
fn every_pair_of_the_table_is_judged_as_by_java() {
    let mut java = Java::start();
    let table = pairs();
    let asked: Vec<_> =
        table.iter().map(|Pair { reader, writer, .. }| (reader.clone(), writer.clone())).collect();
    let mut seen = Seen::default();
    for ((pair, asked), answer) in table.iter().zip(&asked).zip(java.ask(&asked)) {
        compare(asked, &answer, &mut seen);
        let can = answer["canRead"].as_bool();
        // where two would get one name, Java throws
        let expected = match &pair.reason {
            Some((rule, _)) if rule == "alias-clash" => None,
            reason => Some(reason.is_none()),
        };
        assert_eq!(can, expected, "{}: {answer}", pair.name);
    }
}

fn draw_pair(rng: &mut SeededRng) -> (String, String) {
    let one = draw::schema(rng);
    let other = match rng.index(8) {
        0 => draw::schema(rng),
        1 => one.clone(),
        _ => changed(&one, rng),
    };
    let text = |schema: &Value, rng: &mut SeededRng| {
        if rng.one_in(10) { broken(schema, rng) } else { schema.to_string() }
    };
    let (one, other) = (text(&one, rng), text(&other, rng));
    if rng.one_in(2) { (one, other) } else { (other, one) }
}

#[derive(Debug, Default)]
struct Seen {
    yes: usize,
    no: usize,
    refused: usize,
    /// How often Java says otherwise, and we mean it.
    rules: BTreeMap<&'static str, usize>,
}

impl Seen {
    fn excused(&mut self, rule: Option<&'static str>) -> bool {
        if let Some(rule) = rule {
            *self.rules.entry(rule).or_default() += 1;
        }
        rule.is_some()
    }
}

fn compare(pair: &(String, String), answer: &Value, seen: &mut Seen) {
    let (Some(reader), Some(writer)) =
        (side(&pair.0, "reader", answer, seen), side(&pair.1, "writer", answer, seen))
    else {
        seen.refused += 1;
        return;
    };
    let reasons = can_read(&reader, &writer);
    let shown = || format!("reader {}\nwriter {}\njava {answer}\n{reasons:#?}", pair.0, pair.1);
    match answer["canRead"].as_bool() {
        Some(can) => {
            assert_eq!(can, reasons.is_empty(), "{}", shown());
            *(if can { &mut seen.yes } else { &mut seen.no }) += 1;
        }
        None => {
            let threw = answer["threw"].as_str().unwrap_or_default();
            assert!(seen.excused(thrown(threw, &reasons)), "{}", shown());
        }
    }
}

/// One side as both have it; `None` when there is nothing more to compare.
fn side(text: &str, side: &str, answer: &Value, seen: &mut Seen) -> Option<Schema> {
    match (parse(text), answer[side].as_str()) {
        (Ok(ours), Some(java)) => {
            let form = ours.normal_form();
            let (form, java) = (ordered(&form), ordered(java));
            assert_eq!(form, java, "{text}");
            Some(ours)
        }
        (Err(_), None) => None,
        (Ok(_), None) => {
            let why = &answer[format!("{side}Error")];
            panic!("only Java refuses {text}: {why}");
        }
        (Err(why), Some(_)) => {
            assert!(seen.excused(refused(text, &why.to_string())), "only we refuse {text}: {why}");
            None
        }
    }
}

/// Why Java has no verdict but throws, which its registry answers with 500.
fn thrown(threw: &str, reasons: &[Incompatibility]) -> Option<&'static str> {
    let is_clash = reasons.first().is_some_and(|reason| reason.rule == Rule::AliasClash);
    match threw {
        _ if threw.contains("Duplicate field") || threw.contains("Duplicate in union") => {
            is_clash.then_some("a clash of aliases: it is refused, and the refusal says which")
        }
        _ if threw.contains("StackOverflowError at org.apache.avro.io.parsing.Symbol") => Some(
            "a record without an end: one that always holds itself has no value, so there is nothing to read",
        ),
        _ if threw.contains("Can't redefine") => (!reasons.is_empty())
            .then_some("two types of one name after renaming: it is refused, and Java cannot write down why"),
        _ if threw.contains("Invalid default") => {
            Some("a writer's default under other names: it is not used in reading, so it is not looked at")
        }
        _ if threw.contains("NullPointerException")
            && threw.contains("at org.apache.avro.io.parsing.Symbol") =>
        {
            Some("a record given up while it was compared with itself: Java trips over what it left")
        }
        _ => None,
    }
}

/// Why we refuse what Java takes.
fn refused(text: &str, why: &str) -> Option<&'static str> {
    if text.contains("/* why */") && why.contains("not a JSON document") {
        return Some("comments: JSON has none, and other readers of the schema stop at them");
    }
    if text.contains("\"0x") && why.contains("is no value of its type") {
        return Some("hexadecimal numbers as texts: Java's own way to write them");
    }
    None
}

/// Properties in name order, as ours are, and numbers by their value: Java writes them in another way.
fn ordered(text: &str) -> String {
    ordered_schema(serde_json::from_str(text).unwrap()).to_string()
}

fn ordered_schema(schema: Value) -> Value {
    match schema {
        Value::Array(members) => members.into_iter().map(ordered_schema).collect(),
        Value::Object(members) => {
            let known: &[&str] = match members["type"].as_str().unwrap() {
                "record" | "error" => &["type", "name", "namespace", "doc", "fields", "aliases"],
                "enum" => &["type", "name", "namespace", "doc", "symbols", "default", "aliases"],
                "fixed" => &["type", "name", "namespace", "doc", "size", "aliases"],
                "array" => &["type", "items"],
                "map" => &["type", "values"],
                _ => &["type"],
            };
            with_own_in_order(members, known)
        }
        name => name,
    }
}

fn with_own_in_order(members: Map<String, Value>, known: &[&str]) -> Value {
    let is_own = |name: &str| !known.contains(&name);
    let mut own: Vec<_> = members.iter().filter(|(name, _)| is_own(name)).collect();
    own.sort_by_key(|(name, _)| name.as_str());
    let mut own = own.into_iter();
    let mut all = Map::new();
    for (name, member) in &members {
        let (name, member) = if is_own(name) { own.next().unwrap() } else { (name, member) };
        let member = match (name.as_str(), member.clone()) {
            ("fields", Value::Array(fields)) if !is_own("fields") => fields
                .into_iter()
                .map(|field| {
                    let Value::Object(field) = field else { panic!("a field is an object: {field}") };
                    with_own_in_order(field, &["name", "type", "doc", "default", "order", "aliases"])
                })
                .collect(),
            ("items" | "values", inner) if !is_own(name) => ordered_schema(inner),
            // a field's
            ("type", inner) if known.contains(&"order") => ordered_schema(inner),
            (_, other) => other,
        };
        all.insert(name.clone(), member);
    }
    Value::Object(all)
}
