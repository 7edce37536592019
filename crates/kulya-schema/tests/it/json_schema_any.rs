//! Properties of the verdict on any two JSON schemas, verified by another validator on instances.

use jsonschema::Validator;
use kulya_schema::json_schema::{Rule, Verdict, can_read, parse};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

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

/// Generates one keyword whose value is not a schema.
fn plain_keyword() -> BoxedStrategy<(String, Value)> {
    let count = || (0u64..4).prop_map(Value::from);
    let keyword = |name: &str| Just(name.to_owned());
    let of = |names: &'static [&'static str]| prop::sample::select(names).prop_map(str::to_owned);
    prop_oneof![
        4 => (keyword("type"), prop::sample::select(&TYPES[..]).prop_map(Value::from)),
        2 => (keyword("type"), vec(prop::sample::select(&TYPES[..]), 1..4).prop_map(|mut types| {
            types.sort_unstable();
            types.dedup();
            json!(types)
        })),
        2 => (keyword("const"), instance()),
        2 => (keyword("enum"), vec(instance(), 1..4).prop_map(Value::from)),
        2 => (of(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]), number()),
        1 => (keyword("multipleOf"), prop::sample::select(vec![json!(1), json!(2), json!(0.5), json!(3)])),
        3 => (of(&["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]), count()),
        1 => (of(&["minContains", "maxContains"]), count()),
        1 => (keyword("pattern"), prop::sample::select(&PATTERNS[..]).prop_map(Value::from)),
        1 => (keyword("uniqueItems"), any::<bool>().prop_map(Value::from)),
        2 => (keyword("required"), vec(name(), 0..3).prop_map(|mut names| {
            names.sort_unstable();
            names.dedup();
            json!(names)
        })),
        1 => (keyword("dependentRequired"), btree_map(name(), vec(name(), 1..2), 1..3).prop_map(|d| json!(d))),
        1 => (keyword("$ref"), prop::sample::select(vec![json!("#/$defs/a"), json!("#/$defs/b"), json!("#")])),
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

/// Builds a whole document, with `$defs` for the references and a dialect.
fn document(schema: &Value, definitions: &[Value], draft: &str) -> Value {
    let Value::Object(members) = schema else { return schema.clone() };
    let mut document = members.clone();
    document.insert("$schema".to_owned(), json!(draft));
    let named = ["a", "b"].into_iter().map(str::to_owned).zip(definitions.iter().cloned());
    document.insert("$defs".to_owned(), Value::Object(named.collect()));
    Value::Object(document)
}

/// Makes a small change somewhere; most leave one schema contained in the other.
fn mutate(schema: &Value, mut seed: u64) -> Value {
    let mut next = |max: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or(0) % max.max(1)
    };
    let mut schema = schema.clone();
    for _ in 0..=next(2) {
        let mut paths = Vec::new();
        pointers(&schema, String::new(), &mut paths);
        let path = paths.swap_remove(next(paths.len()));
        let value = schema.pointer_mut(&path).expect("the pointer was just made");
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
                let (keyword, value) = added[next(5)].clone();
                members.insert(keyword.to_owned(), value);
            }
            Value::Null => *value = json!(true),
        }
    }
    schema
}

fn pointers(value: &Value, parent: String, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, format!("{parent}/{index}"), paths);
            }
        }
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "$schema") {
                pointers(member, format!("{parent}/{}", name.replace('~', "~0").replace('/', "~1")), paths);
            }
        }
        _ => {}
    }
    paths.push(parent);
}

/// Collects the values that a schema enumerates, alone and as members: boundary values of the schema.
fn collect_enumerated(schema: &Value, instances: &mut Vec<Value>) {
    let mut paths = Vec::new();
    pointers(schema, String::new(), &mut paths);
    for path in paths {
        let mut steps = path.rsplit('/');
        let is_enumerated = steps.next() == Some("const") || steps.next() == Some("enum");
        let Some(value) = schema.pointer(&path).filter(|value| is_enumerated || value.is_number()) else {
            continue;
        };
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

/// Returns whether a list has duplicate names, which `required` must not have: the other validator relies on
/// it.
fn has_duplicate_names(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => {
            let names: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            names.len() > names.iter().collect::<BTreeSet<_>>().len() || items.iter().any(has_duplicate_names)
        }
        Value::Object(members) => members.values().any(has_duplicate_names),
        _ => false,
    }
}

/// Returns whether the other validator departs from the specification here: it lets `contains` evaluate items
/// in draft 2019-09 also, where `unevaluatedItems` depends on `items` and `additionalItems` alone (core,
/// section 9.3.1.3).
fn evaluates_contains_in_2019(document: &Value) -> bool {
    let text = document.to_string();
    document["$schema"] == DRAFTS[3]
        && ["\"contains\":", "\"unevaluatedItems\":"].iter().all(|k| text.contains(k))
}

/// Verifies the verdict with the other validator.
fn check(reader: &Value, writer: &Value, instances: &[Value]) -> Result<(), TestCaseError> {
    if [reader, writer].iter().any(|schema| has_duplicate_names(schema) || evaluates_contains_in_2019(schema))
    {
        return Ok(());
    }
    let (Ok(reader_schema), Ok(writer_schema)) = (parse(&reader.to_string()), parse(&writer.to_string()))
    else {
        return Ok(());
    };
    let (Some(reader_validator), Some(writer_validator)) = (validator(reader), validator(writer)) else {
        return Ok(());
    };
    match can_read(&reader_schema, &writer_schema) {
        Verdict::Compatible => {
            for instance in instances.iter().filter(|instance| writer_validator.is_valid(instance)) {
                prop_assert!(
                    reader_validator.is_valid(instance),
                    "verdict compatible, but {instance} is not accepted\nreader {reader}\nwriter {writer}"
                );
            }
        }
        Verdict::Incompatible(reasons) => {
            prop_assert!(!reasons.is_empty());
            for reason in reasons {
                let witness = reason.witness.clone().unwrap_or_default();
                prop_assert!(
                    writer_validator.is_valid(&witness) && !reader_validator.is_valid(&witness),
                    "{reason} is not a witness\nreader {reader}\nwriter {writer}"
                );
            }
        }
        Verdict::Unknown(reasons) => prop_assert!(!reasons.is_empty()),
    }
    Ok(())
}

/// The verdicts on random schemas and a small change of them, verified by the other validator:
/// `KULYA_CASES=20000` for more of them, with `--nocapture` for their shares and times.
#[test]
fn few_random_pairs_are_undecided() {
    use proptest::strategy::ValueTree;
    let cases: usize = std::env::var("KULYA_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let config = ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let mut counts = [0_usize; 3];
    let mut times: Vec<f64> = Vec::new();
    let mut undecided: Vec<String> = Vec::new();
    let mut slowest = (0.0, String::new());
    let strategy = (schema(), vec(schema(), 2), any::<u64>(), vec(instance(), 20));
    let mut sizes = Vec::new();
    while times.len() < cases {
        // schemas grow: each is the alternative or part of the next
        let parts = 1 + times.len() * 6 / cases.max(1);
        let mut drawn = Vec::new();
        for _ in 0..parts {
            drawn.push(strategy.new_tree(&mut runner).unwrap().current());
        }
        let (first, definitions, seed, instances) = drawn[0].clone();
        let properties: Map<_, _> = drawn
            .iter()
            .enumerate()
            .map(|(n, (schema, ..))| (NAMES[n % 4].to_owned() + &"x".repeat(n / 4), schema.clone()))
            .collect();
        let whole = if parts == 1 {
            first
        } else {
            json!({"type": "object", "properties": properties, "additionalProperties": seed % 2 == 0})
        };
        let draft = if seed % 4 == 0 { DRAFTS[2] } else { DRAFTS[4] };
        let writer = document(&whole, &definitions, draft);
        let reader = match times.len() % 5 {
            // another schema altogether, or composed with it
            0 => document(&strategy.new_tree(&mut runner).unwrap().current().0, &definitions, draft),
            1 => {
                let keyword = ["anyOf", "oneOf", "allOf"][times.len() / 5 % 3];
                let other = strategy.new_tree(&mut runner).unwrap().current().0;
                document(&json!({ keyword: [whole, other] }), &definitions, draft)
            }
            _ => mutate(&writer, seed),
        };
        // what this keyword means in these drafts is not known, so it is left out
        let is_legacy = draft == DRAFTS[4] && reader.to_string().contains("\"dependencies\"");
        let (Ok(one), Ok(other)) = (parse(&reader.to_string()), parse(&writer.to_string())) else { continue };
        if is_legacy {
            continue;
        }
        sizes.push(writer.to_string().len());
        let before = super::json_schema_sizes::cpu_ms().unwrap_or_default();
        let verdict = can_read(&one, &other);
        let time = super::json_schema_sizes::cpu_ms().unwrap_or_default() - before;
        times.push(time);
        if time > slowest.0 {
            slowest = (time, format!("{reader}\n{writer}"));
        }
        match &verdict {
            Verdict::Compatible => counts[0] += 1,
            Verdict::Incompatible(_) => counts[1] += 1,
            Verdict::Unknown(reasons) => {
                counts[2] += 1;
                undecided.push(format!(
                    "{}: {}\n  reader {reader}\n  writer {writer}",
                    reasons[0].rule.name(),
                    reasons[0].message
                ));
            }
        }
        let mut instances = instances;
        collect_enumerated(&writer, &mut instances);
        collect_enumerated(&reader, &mut instances);
        if let Err(error) = check(&reader, &writer, &instances) {
            panic!("{error}");
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[(times.len() - 1) * share / 1000];
    println!(
        "compatible, not, unknown: {counts:?}; ms p50 {:.2} p99 {:.2} worst {:.2}",
        at(500),
        at(990),
        at(1000)
    );
    println!(
        "bytes {} to {}; slowest {}",
        sizes.iter().min().unwrap(),
        sizes.iter().max().unwrap(),
        slowest.1
    );
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for pair in &undecided {
        let first = pair.lines().next().unwrap_or_default();
        *classes.entry(first.replace(|c: char| c.is_ascii_digit(), "")).or_default() += 1;
    }
    classes.iter().for_each(|(what, count)| println!("{count:6} {what}"));
    let shown = if cases > 1_000 { 200 } else { 10 };
    undecided.iter().take(shown).for_each(|pair| println!("{pair}"));
    assert!(counts[2] * 100 <= cases, "{} of {cases} undecided", counts[2]);
}

proptest! {
    #[test]
    fn verdicts_agree_with_another_validator(
        writer in schema(),
        other in schema(),
        definitions in vec(schema(), 2),
        draft in prop::sample::select(&DRAFTS[..]),
        other_draft in prop::sample::select(&DRAFTS[..]),
        seed: u64,
        instances in vec(instance(), 40),
    ) {
        let written = document(&writer, &definitions, draft);
        let mutated = mutate(&written, seed);
        let mut instances = instances;
        collect_enumerated(&written, &mut instances);
        collect_enumerated(&mutated, &mut instances);
        let unrelated = document(&other, &definitions, draft);
        check(&mutated, &written, &instances)?;
        check(&written, &mutated, &instances)?;
        check(&unrelated, &written, &instances)?;
        let both = |one: &Value, other: &Value, keyword: &str| {
            document(&json!({ keyword: [one.clone(), other.clone()] }), &definitions, draft)
        };
        check(&both(&writer, &other, "anyOf"), &written, &instances)?;
        check(&both(&writer, &other, "oneOf"), &written, &instances)?;
        check(&written, &both(&writer, &other, "allOf"), &instances)?;
        check(&mutated, &both(&writer, &other, "anyOf"), &instances)?;
        let mut other_dialect = mutated.clone();
        if let Some(dialect) = other_dialect.get_mut("$schema") {
            *dialect = json!(other_draft);
            check(&other_dialect, &written, &instances)?;
            check(&written, &other_dialect, &instances)?;
        }
    }

    #[test]
    fn a_schema_accepts_what_it_allows(schema in schema(), definitions in vec(schema(), 2)) {
        let document = document(&schema, &definitions, DRAFTS[4]);
        if let Ok(one) = parse(&document.to_string()) {
            prop_assert_eq!(can_read(&one, &one), Verdict::Compatible);
            // also with another title
            if let Value::Object(mut members) = document {
                members.insert("title".to_owned(), json!("another"));
                let other = parse(&Value::Object(members).to_string()).unwrap();
                let verdict = can_read(&one, &other);
                let is_legacy = format!("{schema}{definitions:?}").contains("dependencies");
                prop_assert!(is_legacy || verdict == Verdict::Compatible, "{verdict:?}");
            }
        }
    }

    #[test]
    fn any_text_is_parsed_or_rejected(text: String, schema in schema(), seed: u64) {
        let _ = parse(&text);
        let mut broken = schema.to_string();
        let path = usize::try_from(seed).unwrap_or(0) % broken.len().max(1);
        if broken.is_char_boundary(path) {
            broken.truncate(path);
            broken.push_str(&text);
        }
        let _ = parse(&broken);
        let _ = parse(&mutate(&schema, seed).to_string());
    }
}

/// What `contains` accepts is evaluated for `unevaluatedItems` from draft 2020-12 on, and not in 2019-09.
#[test]
fn contains_evaluates_items_from_draft_2020_on() {
    let schema = |draft: &str, rest: bool| {
        parse(&json!({"$schema": draft, "contains": true, "unevaluatedItems": rest}).to_string()).unwrap()
    };
    let verdict = |draft: &str| can_read(&schema(draft, false), &schema(draft, true));
    // every item is evaluated; proving it is not required
    assert!(!matches!(verdict(DRAFTS[4]), Verdict::Incompatible(_)), "{:?}", verdict(DRAFTS[4]));
    let Verdict::Incompatible(reasons) = verdict(DRAFTS[3]) else { panic!("{:?}", verdict(DRAFTS[3])) };
    assert_eq!(reasons[0].witness, Some(json!([null])));
}

/// The work is bounded for any input: each of these would take forever without a limit.
#[test]
fn adversarial_schemas_are_bounded() {
    let doubled = |keyword: &str| {
        let mut definitions = Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            definitions.insert(format!("d{level}"), json!({ keyword: [next.clone(), next] }));
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
    let collect_enumerated = |count: usize| json!({"enum": (0..count).collect::<Vec<_>>()});
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
        (collect_enumerated(20_000), collect_enumerated(20_001)),
        (
            json!({"items": collect_enumerated(5000)}),
            json!({"items": collect_enumerated(5001), "uniqueItems": true, "minItems": 100}),
        ),
        (json!({"pattern": "^(a|b|ab)*c$"}), json!({"pattern": "^((a*)*)*$", "minLength": 250})),
        (json!({"multipleOf": 1e-300}), json!({"type": "number", "multipleOf": 1e300})),
        (
            json!({"minItems": 18_446_744_073_709_551_615u64}),
            json!({"minItems": 18_446_744_073_709_551_614u64}),
        ),
    ] {
        let reader_schema = parse(&reader.to_string()).unwrap();
        let writer_schema = parse(&writer.to_string()).unwrap();
        if let Verdict::Unknown(reasons) = can_read(&reader_schema, &writer_schema) {
            unknown += 1;
            assert!(!reasons.is_empty());
            if reasons.iter().any(|reason| reason.rule == Rule::OverBudget) {
                assert!(reasons.iter().all(|reason| !reason.message.is_empty()));
            }
        }
    }
    assert!(unknown > 0, "at least one of these exceeds the limit");
}

#[test]
fn limits_are_named() {
    let nested = |levels: usize| format!("{}{{}}{}", "{\"not\":".repeat(levels), "}".repeat(levels));
    let many = json!({"enum": [], "allOf": vec![json!({}); 20_001]}).to_string();
    let long_name = json!({"properties": {"a".repeat(3000): {}}}).to_string();
    for (text, expected) in [
        (nested(65), "nest deeper than 64"),
        (nested(5000), "not a JSON document"),
        (many, "more than 20000 subschemas"),
        (long_name, "2000 bytes"),
        (format!("{{}}{}", " ".repeat(8_388_608)), "the maximum is 8388608"),
        (r##"{"$ref":"#/$defs/a"}"##.to_owned(), "#/$defs/a"),
        (r##"{"$ref":"#"}"##.to_owned(), "refers to itself"),
        (
            r##"{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"not":{"$ref":"#"}}}}"##.to_owned(),
            "refers to itself",
        ),
        (r#"{"$schema":"https://example.com/own"}"#.to_owned(), "example.com/own"),
        (r#"{"properties":{"a/b":{"minimum":"5"}}}"#.to_owned(), "#/properties/a~1b: minimum is a number"),
        (r#"{"type":"text"}"#.to_owned(), "unknown type"),
        (
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","items":[{}]}"#.to_owned(),
            "prefixItems",
        ),
        (r#"{"anyOf":[]}"#.to_owned(), "anyOf is an empty list"),
        (r#"{"properties":{"a":{"type":[]}}}"#.to_owned(), "#/properties/a: type is an empty list"),
        (r#"{"pattern":"("}"#.to_owned(), "#/pattern: \"(\" is no regular expression"),
        (r#"{"patternProperties":{"[z-a]":{}}}"#.to_owned(), "wrong order"),
        ("\u{feff}{}".to_owned(), "byte order mark"),
        (format!(r#"{{"maximum":1{}1}}"#, "0".repeat(40)), "more than 38 digits"),
        (r#"{"multipleOf":0}"#.to_owned(), "greater than 0"),
        ("7".to_owned(), "a schema is"),
    ] {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert!(parse(&nested(64)).is_ok());
}
