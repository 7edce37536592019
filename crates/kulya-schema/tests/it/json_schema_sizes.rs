//! The sizes of ordinary schemas that are decided: families of them, fifty times as large as the first ones
//! that a prover of limited depth left undecided. With `--nocapture` the CPU time of each is printed.

use kulya_schema::json_schema::{Verdict, can_read, parse};
use serde_json::{Map, Value, json};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// A pair of schemas, the first of which is the older.
type Pair = (Value, Value);

fn document(root: Value, definitions: Map<String, Value>) -> Value {
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!(DRAFT));
    if let Value::Object(root) = root {
        document.extend(root);
    }
    document.insert("definitions".to_owned(), Value::Object(definitions));
    Value::Object(document)
}

fn reference(number: usize) -> Value {
    json!({"$ref": format!("#/definitions/T{number}")})
}

fn nullable(inner: Value) -> Value {
    json!({"anyOf": [inner, {"type": "null"}]})
}

/// Closed classes with three references each, to others of them; the last has an optional property more.
fn classes(count: usize, wrap: fn(Value) -> Value) -> Pair {
    let of = |more: bool| {
        let class = |number: usize| {
            let mut properties = Map::new();
            properties.insert("id".to_owned(), json!({"type": "string"}));
            for n in 0..3 {
                let target = (number * (n * 7 + 1) + n * 13 + 1) % count;
                properties.insert(format!("r{n}"), wrap(reference(target)));
            }
            if more && number == count - 1 {
                properties.insert("more".to_owned(), json!({"type": "integer"}));
            }
            let class = json!({"type": "object", "properties": properties, "required": ["id"], "additionalProperties": false});
            (format!("T{number}"), class)
        };
        document(reference(0), (0..count).map(class).collect())
    };
    (of(false), of(true))
}

/// A chain of closed classes; the last has an optional property more.
fn chain(count: usize, wrap: fn(Value) -> Value) -> Pair {
    let of = |more: bool| {
        let class = |number: usize| {
            let mut properties = Map::new();
            properties.insert("v".to_owned(), json!({"type": "integer"}));
            if number + 1 < count {
                properties.insert("next".to_owned(), wrap(reference(number + 1)));
            } else if more {
                properties.insert("more".to_owned(), json!({"type": "integer"}));
            }
            let class = json!({"type": "object", "properties": properties, "required": ["v"], "additionalProperties": false});
            (format!("T{number}"), class)
        };
        document(reference(0), (0..count).map(class).collect())
    };
    (of(false), of(true))
}

fn tagged(count: usize, keyword: &str) -> Value {
    let branch = |n: usize| json!({"type": "object", "properties": {"k": {"const": format!("t{n}")}, "v": {"type": "string"}}, "required": ["k"]});
    json!({"$schema": DRAFT, keyword: (0..count).map(branch).collect::<Vec<_>>()})
}

fn codes(count: usize) -> Value {
    json!({"enum": (0..count).map(|n| format!("C{n:05}")).collect::<Vec<_>>()})
}

fn enums(count: usize, length: usize, more: usize) -> Value {
    let properties: Map<_, _> = (0..count).map(|n| (format!("c{n}"), codes(length + more))).collect();
    json!({"$schema": DRAFT, "type": "object", "properties": properties})
}

fn shared_enum(length: usize, uses: usize) -> Value {
    let properties: Map<_, _> = (0..uses).map(|n| (format!("c{n}"), reference(0))).collect();
    document(
        json!({"type": "object", "properties": properties}),
        [("T0".to_owned(), codes(length))].into_iter().collect(),
    )
}

fn pairs() -> Vec<(&'static str, Pair, bool)> {
    let plain = |inner: Value| inner;
    let list = |inner: Value| json!({"type": "array", "items": inner});
    vec![
        ("200 recursive classes, nullable", classes(200, nullable), true),
        ("1000 recursive classes", classes(1_000, plain), true),
        ("a chain of 1050, nullable", chain(1_050, nullable), true),
        ("a chain of 1550, in arrays", chain(1_550, list), true),
        ("a chain of 3050", chain(3_050, plain), true),
        ("oneOf with 1750 tags and one more", (tagged(1_750, "oneOf"), tagged(1_751, "oneOf")), true),
        ("oneOf with 1750 tags and one less", (tagged(1_750, "oneOf"), tagged(1_749, "oneOf")), false),
        ("anyOf with 1750 tags and one more", (tagged(1_750, "anyOf"), tagged(1_751, "anyOf")), true),
        ("an enum of 20400 and one more", (codes(20_400), codes(20_401)), true),
        ("an enum of 20400 and one less", (codes(20_400), codes(20_399)), false),
        ("four enums of 9000", (enums(4, 9_000, 0), enums(4, 9_000, 1)), true),
        ("an enum of 10000 in ten places", (shared_enum(10_000, 10), shared_enum(10_001, 10)), true),
        ("an enum of 200 in 500 places", (shared_enum(200, 500), shared_enum(201, 500)), true),
    ]
}

/// Returns the CPU time of this thread in milliseconds, where the system tells it.
pub(crate) fn cpu_ms() -> Option<f64> {
    // the system counts a running thread's time when it may yield
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<f64>().ok()? / 1e6)
}

#[test]
fn ordinary_schemas_of_great_size_are_decided() {
    for (what, (old, new), is_compatible) in pairs() {
        let (old, new) = (old.to_string(), new.to_string());
        let before = cpu_ms();
        let (writer, reader) = (parse(&old).unwrap(), parse(&new).unwrap());
        let parsed = cpu_ms();
        let verdict = can_read(&reader, &writer);
        if let (Some(before), Some(parsed), Some(after)) = (before, parsed, cpu_ms()) {
            println!(
                "{what:40} {:8} bytes, parsed {:6.1} ms, compared {:6.1} ms",
                old.len(),
                parsed - before,
                after - parsed
            );
        }
        match verdict {
            Verdict::Compatible => assert!(is_compatible, "{what}"),
            Verdict::Incompatible(reasons) => {
                assert!(!is_compatible && reasons[0].certain, "{what}: {reasons:?}")
            }
            Verdict::Unknown(reasons) => panic!("{what}: {reasons:?}"),
        }
    }
}
