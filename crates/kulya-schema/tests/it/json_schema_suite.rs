//! The JSON Schema Test Suite's schemas compared with each other (its data and licence are in
//! `data/json_schema_suite`): the verdict on a pair must hold for the suite's instances, by another
//! validator.

use jsonschema::Validator;
use kulya_schema::json_schema::{Schema, Verdict, can_read, parse};
use kulya_testkit::SeededRng;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The dialects and the suite's groups.
const SUITE: [(&str, &str); 5] = [
    ("http://json-schema.org/draft-04/schema#", include_str!("../data/json_schema_suite/draft-04.jsonl")),
    ("http://json-schema.org/draft-06/schema#", include_str!("../data/json_schema_suite/draft-06.jsonl")),
    ("http://json-schema.org/draft-07/schema#", include_str!("../data/json_schema_suite/draft-07.jsonl")),
    ("https://json-schema.org/draft/2019-09/schema", include_str!("../data/json_schema_suite/2019-09.jsonl")),
    ("https://json-schema.org/draft/2020-12/schema", include_str!("../data/json_schema_suite/2020-12.jsonl")),
];

#[derive(Deserialize)]
struct SuiteRow {
    /// The suite's file, which has the schemas of one keyword.
    file: String,
    schema: Value,
    instances: Vec<Value>,
}

struct Group {
    file: String,
    document: Value,
    schema: Schema,
    validator: Validator,
    instances: Vec<Value>,
}

/// Returns the groups that both can parse: without schemas that refer to other documents.
fn groups(dialect: &str, lines: &str) -> Vec<Group> {
    lines.lines().filter_map(|line| group(dialect, line)).collect()
}

fn group(dialect: &str, line: &str) -> Option<Group> {
    let SuiteRow { file, mut schema, instances } = serde_json::from_str(line).unwrap();
    if let Value::Object(members) = &mut schema {
        members.entry("$schema").or_insert_with(|| Value::from(dialect));
    } else if !dialect.contains("2020-12") {
        // a boolean schema cannot name its draft
        return None;
    }
    let parsed = parse(&schema.to_string()).ok()?;
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).ok()?;
    Some(Group { file, document: schema, schema: parsed, validator, instances })
}

fn env_number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn verdicts_hold_for_the_instances_of_the_suite() {
    let (seed, cases) = (env_number("KULYA_SEED", 1), env_number("KULYA_CASES", 1000));
    println!("KULYA_SEED={seed} KULYA_CASES={cases}");
    let mut rng = SeededRng::new(seed);
    for (dialect, lines) in SUITE {
        let groups = groups(dialect, lines);
        assert!(groups.len() > 100, "{} groups of {dialect}", groups.len());
        let mut verdicts = [0usize; 3];
        let mut wrong = BTreeSet::new();
        let mut undecided: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..cases {
            let writer = &groups[rng.index(groups.len())];
            let near: Vec<_> = groups.iter().filter(|group| group.file == writer.file).collect();
            // most unrelated pairs are trivially incompatible
            let reader =
                if rng.one_in(3) { &groups[rng.index(groups.len())] } else { near[rng.index(near.len())] };
            let shown = || format!("reader {}\nwriter {}", reader.document, writer.document);
            match can_read(&reader.schema, &writer.schema) {
                Verdict::Compatible => {
                    verdicts[0] += 1;
                    let others = (0..20).map(|_| &groups[rng.index(groups.len())]).collect::<Vec<_>>();
                    let near = near.iter().copied().chain(others).flat_map(|group| &group.instances);
                    for instance in near.chain(&reader.instances) {
                        if writer.validator.is_valid(instance) && !reader.validator.is_valid(instance) {
                            wrong.insert(format!("compatible, but {instance} is not accepted\n{}", shown()));
                        }
                    }
                }
                Verdict::Incompatible(reasons) => {
                    verdicts[1] += 1;
                    for reason in reasons {
                        let witness = reason.witness.clone().unwrap();
                        if !writer.validator.is_valid(&witness) || reader.validator.is_valid(&witness) {
                            wrong.insert(format!("{witness} is no witness: {reason}\n{}", shown()));
                        }
                    }
                }
                Verdict::Unknown(reasons) => {
                    verdicts[2] += 1;
                    *undecided
                        .entry(format!("{}: {}", reasons[0].rule.name(), reasons[0].message))
                        .or_default() += 1;
                    if std::env::var_os("KULYA_SHOW").is_some() {
                        println!("{}: {}\n{}", reasons[0].rule.name(), reasons[0].message, shown());
                    }
                }
            }
        }
        println!("{dialect}: {} schemas; compatible, not, unknown: {verdicts:?}", groups.len());
        undecided.iter().for_each(|(what, count)| println!("{count:6} {what}"));
        assert!(wrong.is_empty(), "{dialect}: {}\n{}", wrong.len(), Vec::from_iter(wrong).join("\n\n"));
        assert!(
            verdicts[0] > cases as usize / 10
                && verdicts[1] > cases as usize / 3
                && verdicts[2] < cases as usize / 3,
            "{dialect} {verdicts:?}"
        );
    }
}

/// Found by the suite: an item after the prefix of a reference is not evaluated.
#[test]
fn unevaluated_items_start_after_the_prefix_of_a_reference() {
    let reader = r##"{"prefixItems":[{"type":"string"}],"unevaluatedItems":false,"$ref":"#/$defs/two","$defs":{"two":{"prefixItems":[true,{"type":"string"}]}}}"##;
    let verdict = |most: usize| {
        let writer = format!(r#"{{"type":"array","items":{{"type":"string"}},"maxItems":{most}}}"#);
        can_read(&parse(reader).unwrap(), &parse(&writer).unwrap())
    };
    assert_eq!(verdict(2), Verdict::Compatible);
    let Verdict::Incompatible(reasons) = verdict(3) else { panic!("the third is not accepted") };
    assert_eq!(reasons[0].rule.name(), "unevaluated-closed");
}

/// Found by the suite: a dynamic reference may evaluate items too.
#[test]
fn a_dynamic_reference_may_evaluate_items() {
    let writer = r##"{"prefixItems":[{"type":"string"}],"unevaluatedItems":false,"$dynamicRef":"#other","$defs":{"other":{"$dynamicAnchor":"other"}}}"##;
    let reader = r#"{"prefixItems":[true,{"type":"number"}]}"#;
    let verdict = |writer: &str| can_read(&parse(reader).unwrap(), &parse(writer).unwrap());
    assert_eq!(verdict(writer), Verdict::Compatible, "its target evaluates no item");
    let open = writer.replace(r#""$dynamicAnchor":"other""#, r#""$dynamicAnchor":"other","items":true"#);
    assert!(matches!(verdict(&open), Verdict::Incompatible(_)), "{:?}", verdict(&open));
}

/// Found by the suite: an `if` alone asserts nothing, and evaluates members and items.
#[test]
fn an_if_without_branches_evaluates() {
    let closed = [
        (r#"{"patternProperties":{"foo":{"type":"string"}}}"#, "unevaluatedProperties"),
        (r#"{"properties":{"foo":{"type":"string"}}}"#, "unevaluatedProperties"),
        (r#"{"prefixItems":[{"type":"string"}]}"#, "unevaluatedItems"),
    ];
    for (when, keyword) in closed {
        for writer in [
            format!(r#"{{"if":{when},"{keyword}":false}}"#),
            format!(r#"{{"allOf":[{{"if":{when}}}],"{keyword}":false}}"#),
        ] {
            let reader = format!(r#"{{"{keyword}":false}}"#);
            let verdict = can_read(&parse(&reader).unwrap(), &parse(&writer).unwrap());
            assert_ne!(verdict, Verdict::Compatible, "{writer}");
        }
    }
}

/// Found by the suite: the names that `propertyNames` accepts are not only those that patterns tell apart.
#[test]
fn names_are_those_that_property_names_accepts() {
    for names in [
        r#"{"const":"foo"}"#,
        r#"{"enum":["bar","foo"]}"#,
        r#"{"minLength":3}"#,
        r#"{"anyOf":[{"const":"foo"}]}"#,
    ] {
        for pattern in ["f.*o", "a*"] {
            let reader = format!(r#"{{"patternProperties":{{"{pattern}":{{"type":"integer"}}}}}}"#);
            let writer = format!(r#"{{"propertyNames":{names}}}"#);
            let verdict = can_read(&parse(&reader).unwrap(), &parse(&writer).unwrap());
            assert_ne!(verdict, Verdict::Compatible, "{writer} {reader}");
        }
    }
    let reader = r#"{"patternProperties":{"^f":{"type":"integer"}}}"#;
    let writer = r#"{"propertyNames":{"const":"bar"}}"#;
    assert_eq!(can_read(&parse(reader).unwrap(), &parse(writer).unwrap()), Verdict::Compatible);
}
