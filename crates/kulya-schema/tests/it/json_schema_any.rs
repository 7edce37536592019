//! What must hold of any two JSON schemas, with another validator as the judge of instances.

use jsonschema::Validator;
use kulya_schema::json_schema::{Rule, Verdict, can_read, parse};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const NAMES: [&str; 4] = ["a", "b", "c", "x-a"];
const PATTERNS: [&str; 5] = ["^x-", "^[a-z]$", "b", "^a?$", "^(?=a)"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const DRAFTS: [&str; 5] = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-06/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2i64..6).prop_map(Value::from),
        prop::sample::select(vec![json!(0.5), json!(1.5), json!(2.0)])
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec!["", "a", "b", "ab", "x-b", "abc"]);
    prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number(), texts.prop_map(Value::from)]
}

fn instance() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// One keyword that holds no schema.
fn plain_keyword() -> BoxedStrategy<(String, Value)> {
    let count = || (0u64..4).prop_map(Value::from);
    let word = |name: &str| Just(name.to_owned());
    let of = |names: &'static [&'static str]| prop::sample::select(names).prop_map(str::to_owned);
    prop_oneof![
        4 => (word("type"), prop::sample::select(&TYPES[..]).prop_map(Value::from)),
        2 => (word("type"), vec(prop::sample::select(&TYPES[..]), 1..4).prop_map(|mut types| {
            types.sort_unstable();
            types.dedup();
            json!(types)
        })),
        2 => (word("const"), instance()),
        2 => (word("enum"), vec(instance(), 1..4).prop_map(Value::from)),
        2 => (of(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), number()),
        1 => (word("multipleOf"), prop::sample::select(vec![json!(1), json!(2), json!(0.5), json!(3)])),
        3 => (of(&["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]), count()),
        1 => (of(&["minContains", "maxContains"]), count()),
        1 => (word("pattern"), prop::sample::select(&PATTERNS[..]).prop_map(Value::from)),
        1 => (word("uniqueItems"), any::<bool>().prop_map(Value::from)),
        2 => (word("required"), vec(name(), 0..3).prop_map(|mut names| {
            names.sort_unstable();
            names.dedup();
            json!(names)
        })),
        1 => (word("dependentRequired"), btree_map(name(), vec(name(), 1..2), 1..3).prop_map(|d| json!(d))),
        1 => (word("$ref"), prop::sample::select(vec![json!("#/$defs/a"), json!("#/$defs/b"), json!("#")])),
    ]
    .boxed()
}

fn schema() -> impl Strategy<Value = Value> {
    let object = |keywords: Vec<(String, Value)>| Value::Object(keywords.into_iter().collect());
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Value::from),
        6 => vec(plain_keyword(), 0..3).prop_map(object),
    ];
    leaf.prop_recursive(3, 16, 3, move |inner| {
        let of = |names: &'static [&'static str]| prop::sample::select(names).prop_map(str::to_owned);
        let named = btree_map(name(), inner.clone(), 1..4).prop_map(|d| json!(d)).boxed();
        let patterned =
            btree_map(prop::sample::select(&PATTERNS[..]), inner.clone(), 1..3).prop_map(|d| json!(d));
        let holding = prop_oneof![
            4 => (Just("properties".to_owned()), named.clone()),
            1 => (Just("patternProperties".to_owned()), patterned),
            1 => (Just("dependentSchemas".to_owned()), named.clone()),
            1 => (Just("dependencies".to_owned()), named),
            2 => (of(&["additionalProperties", "unevaluatedProperties"]), any::<bool>().prop_map(Value::from)),
            3 => (of(&["additionalProperties", "unevaluatedProperties", "propertyNames", "items", "contains",
                "unevaluatedItems", "additionalItems", "not", "if", "then", "else"]), inner.clone()),
            4 => (of(&["allOf", "anyOf", "oneOf", "prefixItems"]), vec(inner.clone(), 1..4).prop_map(Value::from)),
            1 => (Just("items".to_owned()), vec(inner, 1..3).prop_map(Value::from)),
        ];
        (vec(plain_keyword(), 0..3), vec(holding, 1..4))
            .prop_map(move |(plain, holding)| object(plain.into_iter().chain(holding).collect()))
    })
}

/// A whole document: `$defs` for the references, and a dialect.
fn document(schema: &Value, definitions: &[Value], draft: &str) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut document = members.clone();
    document.insert("$schema".to_owned(), json!(draft));
    let named = ["a", "b"].into_iter().map(str::to_owned).zip(definitions.iter().cloned());
    document.insert("$defs".to_owned(), Value::Object(named.collect()));
    Value::Object(document)
}

/// A small change somewhere: most leave one side within the other.
fn changed(schema: &Value, mut seed: u64) -> Value {
    let mut next = |most: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or(0) % most.max(1)
    };
    let mut schema = schema.clone();
    for _ in 0..=next(2) {
        let mut places = Vec::new();
        pointers(&schema, String::new(), &mut places);
        let place = places.swap_remove(next(places.len()));
        let value = schema.pointer_mut(&place).expect("the pointer was just made");
        match value {
            Value::Bool(value) => *value = !*value,
            Value::Number(number) => {
                *value = json!(number.as_f64().unwrap_or(0.0) + [-1.0, 1.0, 0.5][next(3)])
            }
            Value::String(text) if TYPES.contains(&text.as_str()) => *value = json!(TYPES[next(7)]),
            Value::String(_) => *value = json!(NAMES[next(4)]),
            Value::Array(items) if next(2) == 0 && items.len() > 1 => {
                items.remove(next(items.len()));
            }
            Value::Array(items) => {
                let copy = items.get(next(items.len())).cloned();
                items.extend(copy);
            }
            Value::Object(members) if next(3) > 0 && !members.is_empty() => {
                let name = members.keys().nth(next(members.len())).cloned().unwrap_or_default();
                members.remove(&name);
            }
            Value::Object(members) => {
                let added = [
                    ("maxLength", json!(2)),
                    ("additionalProperties", json!(false)),
                    ("minimum", json!(0)),
                    ("required", json!(["a"])),
                    ("type", json!(["object", "string", "integer"])),
                ];
                let (word, value) = added[next(5)].clone();
                members.insert(word.to_owned(), value);
            }
            Value::Null => *value = json!(true),
        }
    }
    schema
}

fn pointers(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                pointers(item, format!("{at}/{place}"), places);
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "$schema") {
                pointers(member, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

/// The values that a schema lists, alone and as members: nearer to its borders than any.
fn listed(schema: &Value, instances: &mut Vec<Value>) {
    let mut places = Vec::new();
    pointers(schema, String::new(), &mut places);
    for place in places {
        let mut steps = place.rsplit('/');
        let near = steps.next() == Some("const") || steps.next() == Some("enum");
        let Some(value) = schema.pointer(&place).filter(|value| near || value.is_number()) else { continue };
        if instances.len() > 200 {
            return;
        }
        instances.push(value.clone());
        instances.push(json!([value]));
        instances.extend(NAMES.map(|name| json!({ name: value })));
        instances.push(json!({"a": value, "b": value}));
    }
}

fn validator(document: &Value) -> Option<Validator> {
    jsonschema::options().should_validate_formats(true).build(document).ok()
}

/// Whether a list of names has one twice, as `required` must not: the other validator counts on it.
fn repeats_a_name(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => {
            let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            names.len() > names.iter().collect::<BTreeSet<_>>().len() || items.iter().any(repeats_a_name)
        }
        Value::Object(members) => members.values().any(repeats_a_name),
        _ => false,
    }
}

/// What the other validator says of the verdict.
fn check(reader: &Value, writer: &Value, instances: &[Value]) -> Result<(), TestCaseError> {
    if repeats_a_name(reader) || repeats_a_name(writer) {
        return Ok(());
    }
    let (Ok(reads), Ok(writes)) = (parse(&reader.to_string()), parse(&writer.to_string())) else {
        return Ok(());
    };
    let (Some(takes), Some(allows)) = (validator(reader), validator(writer)) else { return Ok(()) };
    match can_read(&reads, &writes) {
        Verdict::Compatible => {
            for instance in instances.iter().filter(|instance| allows.is_valid(instance)) {
                prop_assert!(
                    takes.is_valid(instance),
                    "said to be compatible, and {instance} is not taken\nreader {reader}\nwriter {writer}"
                );
            }
        }
        Verdict::Incompatible(reasons) => {
            prop_assert!(!reasons.is_empty());
            for reason in reasons {
                let witness = reason.witness.clone().unwrap_or_default();
                prop_assert!(
                    allows.is_valid(&witness) && !takes.is_valid(&witness),
                    "{reason} is no witness\nreader {reader}\nwriter {writer}"
                );
            }
        }
        Verdict::Unknown(reasons) => prop_assert!(!reasons.is_empty()),
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_verdict_stands_before_another_validator(
        writer in schema(),
        other in schema(),
        definitions in vec(schema(), 2),
        draft in prop::sample::select(&DRAFTS[..]),
        other_draft in prop::sample::select(&DRAFTS[..]),
        seed: u64,
        instances in vec(instance(), 40),
    ) {
        let written = document(&writer, &definitions, draft);
        let read = changed(&written, seed);
        let mut instances = instances;
        listed(&written, &mut instances);
        listed(&read, &mut instances);
        let unrelated = document(&other, &definitions, draft);
        check(&read, &written, &instances)?;
        check(&written, &read, &instances)?;
        check(&unrelated, &written, &instances)?;
        let both = |one: &Value, other: &Value, word: &str| {
            document(&json!({ word: [one.clone(), other.clone()] }), &definitions, draft)
        };
        check(&both(&writer, &other, "anyOf"), &written, &instances)?;
        check(&both(&writer, &other, "oneOf"), &written, &instances)?;
        check(&written, &both(&writer, &other, "allOf"), &instances)?;
        check(&read, &both(&writer, &other, "anyOf"), &instances)?;
        let mut elsewhere = read.clone();
        if let Some(dialect) = elsewhere.get_mut("$schema") {
            *dialect = json!(other_draft);
            check(&elsewhere, &written, &instances)?;
            check(&written, &elsewhere, &instances)?;
        }
    }

    #[test]
    fn a_schema_takes_what_it_allows(schema in schema(), definitions in vec(schema(), 2)) {
        let document = document(&schema, &definitions, DRAFTS[4]);
        if let Ok(one) = parse(&document.to_string()) {
            prop_assert_eq!(can_read(&one, &one), Verdict::Compatible);
            // and so it does under another title
            if let Value::Object(mut members) = document {
                members.insert("title".to_owned(), json!("another"));
                let other = parse(&Value::Object(members).to_string()).unwrap();
                let verdict = can_read(&one, &other);
                let legacy = format!("{schema}{definitions:?}").contains("dependencies");
                prop_assert!(legacy || verdict == Verdict::Compatible, "{verdict:?}");
            }
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text: String, schema in schema(), seed: u64) {
        let _ = parse(&text);
        let mut broken = schema.to_string();
        let place = usize::try_from(seed).unwrap_or(0) % broken.len().max(1);
        if broken.is_char_boundary(place) {
            broken.truncate(place);
            broken.push_str(&text);
        }
        let _ = parse(&broken);
        let _ = parse(&changed(&schema, seed).to_string());
    }
}

/// The work is bounded whatever is asked: each of these would take for ever without a limit.
#[test]
fn adversarial_schemas_are_answered() {
    let doubled = |word: &str| {
        let mut definitions = Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            definitions.insert(format!("d{level}"), json!({ word: [next.clone(), next] }));
        }
        definitions.insert("d40".to_owned(), json!({"type": "integer"}));
        json!({"$ref": "#/$defs/d0", "$defs": definitions})
    };
    let alternatives = |offset: usize| {
        let branches = |level: usize| -> Vec<Value> {
            (0..6).map(|n| json!({"properties": {format!("p{level}"): {"const": n + offset}}})).collect()
        };
        json!({"type": "object", "allOf": (0..12).map(|level| json!({"anyOf": branches(level)})).collect::<Vec<_>>()})
    };
    let tangled = |kind: &str| {
        let names = ["a", "b", "c", "d"];
        let nodes = names.map(|name| {
            let properties: Map<_, _> = names
                .iter()
                .map(|other| {
                    let alternatives = json!([{"$ref": format!("#/$defs/{other}")}, {"$ref": format!("#/$defs/{name}")}, {"type": kind}]);
                    ((*other).to_owned(), json!({"anyOf": alternatives}))
                })
                .collect();
            (name.to_owned(), json!({"type": "object", "properties": properties, "not": {"required": ["z"]}}))
        });
        json!({"$ref": "#/$defs/a", "$defs": nodes.into_iter().collect::<Map<_, _>>()})
    };
    let deep = |kind: &str| {
        (0..60).fold(
            json!({"type": kind}),
            |inner, _| json!({"properties": {"a": inner}, "required": ["a"], "type": "object"}),
        )
    };
    let wide = |kind: &str| {
        let properties: Map<_, _> =
            (0..5000).map(|n| (format!("p{n}"), json!({"type": kind, "pattern": "^(a|b)*$"}))).collect();
        json!({"type": "object", "properties": properties})
    };
    let listed = |count: usize| json!({"enum": (0..count).collect::<Vec<_>>()});
    let mut unknown = 0;
    for (reader, writer) in [
        (doubled("allOf"), doubled("anyOf")),
        (doubled("anyOf"), doubled("oneOf")),
        (doubled("oneOf"), doubled("allOf")),
        (alternatives(1), alternatives(0)),
        (tangled("integer"), tangled("number")),
        (tangled("number"), tangled("integer")),
        (deep("number"), deep("integer")),
        (deep("integer"), deep("number")),
        (wide("string"), wide("string")),
        (wide("integer"), wide("string")),
        (listed(20_000), listed(20_001)),
        (
            json!({"items": listed(5000)}),
            json!({"items": listed(5001), "uniqueItems": true, "minItems": 100}),
        ),
        (json!({"pattern": "^(a|b|ab)*c$"}), json!({"pattern": "^((a*)*)*$", "minLength": 250})),
        (json!({"multipleOf": 1e-300}), json!({"type": "number", "multipleOf": 1e300})),
        (
            json!({"minItems": 18_446_744_073_709_551_615u64}),
            json!({"minItems": 18_446_744_073_709_551_614u64}),
        ),
    ] {
        let reads = parse(&reader.to_string()).unwrap();
        let writes = parse(&writer.to_string()).unwrap();
        if let Verdict::Unknown(reasons) = can_read(&reads, &writes) {
            unknown += 1;
            assert!(!reasons.is_empty());
            if reasons.iter().any(|reason| reason.rule == Rule::OverBudget) {
                assert!(reasons.iter().all(|reason| !reason.message.is_empty()));
            }
        }
    }
    assert!(unknown > 0, "at least one of these is too much");
}

#[test]
fn limits_are_told() {
    let nested = |levels: usize| format!("{}{{}}{}", "{\"not\":".repeat(levels), "}".repeat(levels));
    let many = json!({"enum": [], "allOf": vec![json!({}); 20_001]}).to_string();
    let long_name = json!({"properties": {"a".repeat(3000): {}}}).to_string();
    for (text, says) in [
        (nested(65), "nest deeper than 64"),
        (nested(5000), "not a JSON document"),
        (many, "more than 20000 subschemas"),
        (long_name, "2000 bytes"),
        (format!("{{}}{}", " ".repeat(8_388_608)), "the most is 8388608"),
        (r##"{"$ref":"#/$defs/a"}"##.to_owned(), "#/$defs/a"),
        (r##"{"$ref":"#"}"##.to_owned(), "refers to itself"),
        (
            r##"{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#"}}}}"##.to_owned(),
            "refers to itself",
        ),
        (r#"{"$schema":"https://example.com/own"}"#.to_owned(), "example.com/own"),
        (r#"{"properties":{"a/b":{"minimum":"5"}}}"#.to_owned(), "#/properties/a~1b: minimum is a number"),
        (r#"{"type":"text"}"#.to_owned(), "unknown type"),
        (r#"{"items":[{}]}"#.to_owned(), "prefixItems"),
        (r#"{"multipleOf":0}"#.to_owned(), "greater than 0"),
        ("7".to_owned(), "a schema is"),
    ] {
        let refused = parse(&text).unwrap_err().to_string();
        assert!(refused.contains(says), "{says}: {refused}");
    }
    assert!(parse(&nested(64)).is_ok());
}
