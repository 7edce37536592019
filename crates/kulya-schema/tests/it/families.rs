//! The cost of schemas as they grow: families of them, each at three sizes, are parsed, canonicalized,
//! listed, printed and compared with another of the family in both directions. The number of steps must grow
//! linearly with the schema, or end at a bound; the time limit is generous and catches only endless work.
//! With `--nocapture` the figures are printed.

use crate::source_families::SOURCES;
use kulya_schema::compatibility::{self, CompatibilityContext, Refusal};
use kulya_schema::{
    Budget, CanonicalSchema, Checkers, Compatibility, Format, Rules, SchemaInfo, SchemaWithVersion,
    VersionInfo, canonicalize_with_budget, fields_with_budget, pretty_print,
};
use prost::Message;
use prost_types::descriptor_proto::ReservedRange;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, FileOptions, OneofDescriptorProto, UninterpretedOption,
};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// Far more than any family needs, even on a busy machine.
const MAX_DURATION: Duration = Duration::from_secs(120);

pub(crate) fn comma_separated<T: Display>(n: usize, item: impl Fn(usize) -> T) -> String {
    (0..n).map(|number| item(number).to_string()).collect::<Vec<_>>().join(",")
}

fn record(name: impl Display, fields: impl Display) -> String {
    format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#)
}

fn field(name: impl Display, kind: impl Display) -> String {
    format!(r#"{{"name":"{name}","type":{kind}}}"#)
}

/// A family: its name, the size of its largest member, and the function that builds a member of a size.
pub(crate) type Family<T> = (&'static str, usize, fn(usize, &str) -> T);

pub(crate) const AVRO: &[Family<String>] = &[
    ("union of records", 5_000, |n, v| {
        format!("[{}]", comma_separated(n, |i| record(format!("R{i}"), field("a", format!("\"{v}\"")))))
    }),
    ("union of enums", 5_000, |n, v| {
        format!(
            "[{}]",
            comma_separated(n, |i| format!(r#"{{"type":"enum","name":"E{i}","symbols":["A","{v}"]}}"#))
        )
    }),
    ("fields", 20_000, |n, v| {
        record("R", comma_separated(n, |i| field(format!("f{i}"), format!("\"{v}\""))))
    }),
    ("fields with no default", 20_000, |n, v| {
        record("R", comma_separated(n, |i| field(format!("{v}{i}"), "\"int\"")))
    }),
    ("symbols", 40_000, |n, v| {
        format!(
            r#"{{"type":"enum","name":"E","symbols":["{v}",{}]}}"#,
            comma_separated(n, |i| format!("\"S{i}\""))
        )
    }),
    ("references to one enum", 5_000, |n, v| {
        let symbols = comma_separated(2_000, |i| format!("\"{v}{i}\""));
        let first = field("e", format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#));
        record("R", format!("{first},{}", comma_separated(n, |i| field(format!("f{i}"), r#"["null","E"]"#))))
    }),
    ("references to one record", 20_000, |n, v| {
        let first = field("e", record("T", field("x", format!("\"{v}\""))));
        record("R", format!("{first},{}", comma_separated(n, |i| field(format!("f{i}"), "\"T\""))))
    }),
    ("aliases", 20_000, |n, v| {
        let aliases = comma_separated(n, |i| format!("\"A{i}\""));
        format!(r#"{{"type":"record","name":"R","aliases":[{aliases}],"fields":[{}]}}"#, field(v, "\"int\""))
    }),
    ("aliases of fields", 10_000, |n, v| {
        record(
            "R",
            comma_separated(n, |i| format!(r#"{{"name":"f{i}","type":"{v}","aliases":["g{i}","h{i}"]}}"#)),
        )
    }),
    ("types in a long namespace", 5_000, |n, v| {
        let inner = comma_separated(n, |i| {
            field(format!("f{i}"), record(format!("T{i}"), field("a", format!("\"{v}\""))))
        });
        format!(r#"{{"type":"record","name":"R","namespace":"{}","fields":[{inner}]}}"#, "n".repeat(400))
    }),
    ("fields in a type of a long name", 20_000, |n, v| {
        record("R".repeat(500), comma_separated(n, |i| field(format!("f{i}"), format!("\"{v}\""))))
    }),
    ("fields of long names", 1_000, |n, v| {
        let long = "x".repeat(4_000);
        record(
            "R",
            comma_separated(n, |i| {
                field(format!("{long}{i}"), record(format!("T{i}"), field("a", format!("\"{v}\""))))
            }),
        )
    }),
    ("defaults", 40_000, |n, v| {
        let values = comma_separated(n, |i| i);
        record("R", format!(r#"{{"name":"a","type":{{"type":"array","items":"{v}"}},"default":[{values}]}}"#))
    }),
    ("chain of types", 5_000, |n, v| {
        let first = record("T0", field("v", format!("\"{v}\"")));
        format!(
            "[{first},{}]",
            comma_separated(n, |i| record(format!("T{}", i + 1), field("v", format!("\"T{i}\""))))
        )
    }),
    ("unions in arrays", 40, |n, v| {
        let inner = (0..n)
            .fold(format!("\"{v}\""), |inner, _| format!(r#"["null",{{"type":"array","items":{inner}}}]"#));
        record("R", field("a", inner))
    }),
    ("properties", 20_000, |n, v| {
        let properties = comma_separated(n, |i| format!("\"p{i}\":{{\"b\":1,\"a\":[{i}]}}"));
        format!(r#"{{"type":"record","name":"R","fields":[{}],{properties}}}"#, field(v, "\"int\""))
    }),
];

pub(crate) const JSON: &[Family<String>] = &[
    ("patterns and properties", 250, |n, v| {
        let patterns = comma_separated(n, |i| format!(r#""^(a+)+{v}{i}$":{{"type":"string"}}"#));
        let properties = comma_separated(n, |i| format!(r#""{}{i}":{{"type":"string"}}"#, "a".repeat(25)));
        format!(r#"{{"patternProperties":{{{patterns}}},"properties":{{{properties}}}}}"#)
    }),
    ("enum", 20_000, |n, v| format!(r#"{{"enum":["{v}",{}]}}"#, comma_separated(n, |i| i))),
    ("enum of objects", 5_000, |n, v| {
        format!(r#"{{"enum":[{}]}}"#, comma_separated(n, |i| format!(r#"{{"{v}":{i},"b":[{i}]}}"#)))
    }),
    ("properties", 2_500, |n, v| {
        format!(
            r#"{{"type":"object","required":["p0"],"properties":{{{}}}}}"#,
            comma_separated(n, |i| format!(r#""p{i}":{{"type":"{v}"}}"#))
        )
    }),
    ("closed properties", 1_000, |n, v| {
        let properties = comma_separated(n, |i| format!(r#""{v}{i}":{{"type":"string"}}"#));
        format!(r#"{{"additionalProperties":false,"properties":{{{properties}}}}}"#)
    }),
    ("required", 5_000, |n, v| {
        format!(r#"{{"required":[{}]}}"#, comma_separated(n, |i| format!("\"{v}{i}\"")))
    }),
    ("all of", 1_000, |n, v| {
        format!(
            r#"{{"allOf":[{}]}}"#,
            comma_separated(n, |i| format!(r#"{{"properties":{{"p{i}":{{"type":"{v}"}}}}}}"#))
        )
    }),
    ("any of", 250, |n, v| {
        format!(r#"{{"anyOf":[{}]}}"#, comma_separated(n, |i| format!(r#"{{"required":["{v}{i}"]}}"#)))
    }),
    ("one of", 100, |n, v| {
        format!(
            r#"{{"oneOf":[{}]}}"#,
            comma_separated(n, |i| format!(
                r#"{{"required":["k"],"properties":{{"k":{{"const":"{v}{i}"}}}}}}"#
            ))
        )
    }),
    ("tree of one of", 5, |n, v| {
        let leaf = format!(r#"{{"type":"{v}"}}"#);
        (0..n).fold(leaf, |inner, i| format!(r#"{{"oneOf":[{{"minLength":{i}}},{inner},{inner}]}}"#))
    }),
    ("chain of references", 2_000, |n, v| {
        let defs = comma_separated(n, |i| format!(r##""d{i}":{{"$ref":"#/$defs/d{}"}}"##, i + 1));
        format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{defs},"d{n}":{{"type":"{v}"}}}}}}"##)
    }),
    ("circle of references", 1_000, |n, v| {
        let next = |i: usize| {
            format!(
                r##""d{i}":{{"type":"object","properties":{{"{v}":{{"$ref":"#/$defs/d{}"}}}}}}"##,
                (i + 1) % n
            )
        };
        format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{}}}}}"##, comma_separated(n, next))
    }),
    ("dependent schemas", 12, |n, v| {
        format!(
            r#"{{"dependentSchemas":{{{}}}}}"#,
            comma_separated(n, |i| format!(r#""{v}{i}":{{"required":["r{i}"]}}"#))
        )
    }),
    ("unevaluated", 250, |n, v| {
        let branches =
            comma_separated(n, |i| format!(r#"{{"properties":{{"{v}{i}":{{"type":"string"}}}}}}"#));
        format!(r#"{{"allOf":[{branches}],"unevaluatedProperties":false}}"#)
    }),
    ("numbers", 100, |n, v| {
        let bound = format!("1{}", "0".repeat(n));
        format!(r#"{{"type":"{v}","multipleOf":1e-{n},"maximum":{bound}}}"#)
    }),
    ("if in if", 15, |n, v| {
        (0..n).fold(format!(r#"{{"type":"{v}"}}"#), |inner, i| {
            format!(r#"{{"if":{{"required":["a{i}"]}},"then":{inner},"else":{{"minProperties":{i}}}}}"#)
        })
    }),
    ("items by place", 100, |n, v| {
        format!(
            r#"{{"prefixItems":[{}],"items":false}}"#,
            comma_separated(n, |_| format!(r#"{{"type":"{v}"}}"#))
        )
    }),
    ("long texts", 25_000, |n, v| {
        let properties = comma_separated(20, |i| format!(r#""p{i}":{{"type":"{v}","minLength":{}}}"#, n + i));
        format!(r#"{{"required":["p1"],"properties":{{{properties}}}}}"#)
    }),
];

fn message(name: impl Display, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_string()), field, ..DescriptorProto::default() }
}

fn protobuf_field(
    name: impl Display,
    number: usize,
    kind: i32,
    type_name: Option<String>,
) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_string()),
        number: i32::try_from(number).ok(),
        label: Some(1),
        r#type: Some(kind),
        type_name,
        ..FieldDescriptorProto::default()
    }
}

fn set(messages: Vec<DescriptorProto>, enums: Vec<EnumDescriptorProto>) -> Vec<u8> {
    let file = FileDescriptorProto {
        name: Some("a.proto".into()),
        package: Some("p".into()),
        message_type: messages,
        enum_type: enums,
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

const MESSAGE: i32 = 11;
const ENUM: i32 = 14;
const STRING: i32 = 9;

fn kind(v: &str) -> i32 {
    if v == "int" { 5 } else { STRING }
}

pub(crate) const PROTOBUF: &[Family<Vec<u8>>] = &[
    ("fields", 10_000, |n, v| {
        let fields = (0..n).map(|i| protobuf_field(format!("f{i}"), i + 1, kind(v), None)).collect();
        set(vec![message("M", fields)], Vec::new())
    }),
    ("fields that move", 10_000, |n, v| {
        let moved = usize::from(v == "int");
        let fields = (0..n).map(|i| protobuf_field(format!("f{i}"), i + 1 + moved, STRING, None)).collect();
        set(vec![message("M", fields)], Vec::new())
    }),
    ("messages", 2_000, |n, v| {
        let below = |i: usize| protobuf_field(format!("f{i}"), i + 1, MESSAGE, Some(format!(".p.T{i}")));
        let mut messages = vec![message("M", (0..n).map(below).collect())];
        messages
            .extend((0..n).map(|i| message(format!("T{i}"), vec![protobuf_field("a", 1, kind(v), None)])));
        set(messages, Vec::new())
    }),
    ("messages that meet each other", 25, |n, v| {
        let each = |i: usize| {
            let below = |k: usize| {
                protobuf_field(format!("f{k}"), k + 1, MESSAGE, Some(format!(".p.T{}", (i * k) % n)))
            };
            let mut fields: Vec<_> = (0..n).map(below).collect();
            fields.push(protobuf_field("a", n + 1, kind(v), None));
            message(format!("T{i}"), fields)
        };
        set((0..n).map(each).collect(), Vec::new())
    }),
    ("values", 20_000, |n, v| {
        let shift = i32::from(v == "int");
        let value = |i: usize| EnumValueDescriptorProto {
            name: Some(format!("V{i}")),
            number: i32::try_from(i).ok().map(|number| number + shift),
            options: None,
        };
        let values = EnumDescriptorProto {
            name: Some("E".into()),
            value: (0..n).map(value).collect(),
            ..EnumDescriptorProto::default()
        };
        let field = protobuf_field("e", 1, ENUM, Some(".p.E".into()));
        set(vec![message("M", vec![field])], vec![values])
    }),
    ("reserved ranges", 20_000, |n, v| {
        let range = |i: usize| {
            let start = i32::try_from(2 * i + 2).ok();
            ReservedRange { start, end: start.map(|start| start + 1) }
        };
        let mut one = message("M", vec![protobuf_field("a", 1, kind(v), None)]);
        one.reserved_range = (0..n).map(range).collect();
        set(vec![one], Vec::new())
    }),
    ("oneofs", 5_000, |n, v| {
        let field = |i: usize| FieldDescriptorProto {
            oneof_index: i32::try_from(i).ok(),
            ..protobuf_field(format!("f{i}"), i + 1, kind(v), None)
        };
        let mut one = message("M", (0..n).map(field).collect());
        let declared = |i: usize| OneofDescriptorProto {
            name: Some(format!("o{i}")),
            ..OneofDescriptorProto::default()
        };
        one.oneof_decl = (0..n).map(declared).collect();
        set(vec![one], Vec::new())
    }),
    ("nested messages", 7, |n, v| {
        let innermost = message("M", vec![protobuf_field("a", 1, kind(v), None)]);
        let nested = (0..n).fold(innermost, |inner, _| {
            let mut outer = message("M", vec![protobuf_field("m", 1, MESSAGE, Some("M".into()))]);
            outer.nested_type = vec![inner];
            outer
        });
        set(vec![nested], Vec::new())
    }),
    ("relative names in a deep scope", 2_500, |n, v| {
        let field = |i: usize| protobuf_field(format!("f{i}"), i + 1, MESSAGE, Some(format!("T{}", i % 100)));
        let mut messages = vec![message("M", (0..n).map(field).collect())];
        messages
            .extend((0..100).map(|i| message(format!("T{i}"), vec![protobuf_field("a", 1, kind(v), None)])));
        let deep = FileDescriptorProto {
            name: Some("a.proto".into()),
            package: Some(["a"; 200].join(".")),
            message_type: messages,
            ..FileDescriptorProto::default()
        };
        let mut files = vec![deep];
        files.push(FileDescriptorProto {
            name: Some("b.proto".into()),
            message_type: (0..100)
                .map(|i| message(format!("T{i}"), vec![protobuf_field("a", 1, kind(v), None)]))
                .collect(),
            ..FileDescriptorProto::default()
        });
        FileDescriptorSet { file: files }.encode_to_vec()
    }),
    ("files and imports", 250, |n, v| {
        let file = |i: usize| FileDescriptorProto {
            name: Some(format!("f{i}.proto")),
            dependency: (0..i).map(|k| format!("f{k}.proto")).collect(),
            public_dependency: (0..i).filter_map(|k| i32::try_from(k).ok()).collect(),
            message_type: vec![message(format!("M{i}"), vec![protobuf_field("a", 1, kind(v), None)])],
            ..FileDescriptorProto::default()
        };
        FileDescriptorSet { file: (0..n).map(file).collect() }.encode_to_vec()
    }),
    ("options", 10_000, |n, v| {
        let mut one = FileDescriptorProto {
            name: Some("a.proto".into()),
            package: Some("p".into()),
            message_type: vec![message("M", vec![protobuf_field("a", 1, kind(v), None)])],
            ..FileDescriptorProto::default()
        };
        let option = |i: usize| UninterpretedOption {
            identifier_value: Some(format!("o{i}")),
            ..UninterpretedOption::default()
        };
        one.options = Some(FileOptions {
            uninterpreted_option: (0..n).map(option).collect(),
            ..FileOptions::default()
        });
        FileDescriptorSet { file: vec![one] }.encode_to_vec()
    }),
];

/// Checks a schema against the only version of its group, by strict rules.
pub(crate) fn check(
    compatibility: Compatibility,
    old: SchemaInfo,
    new: &CanonicalSchema,
) -> kulya_schema::Result<Result<(), Refusal>> {
    let context = CompatibilityContext {
        compatibility,
        rules: Rules::strict(),
        allow_multiple_types: true,
        checkers: Checkers::default(),
    };
    let format = old.format.full_name().to_owned();
    let version = VersionInfo { type_name: old.type_name.clone(), format, version: 0, id: 0 };
    compatibility::check(&context, new, &[SchemaWithVersion { schema: old, version }])
}

/// Does everything that a registry does with a schema, and returns the steps.
fn cost(old: &SchemaInfo, new: &SchemaInfo) -> u64 {
    let budget = Budget::default();
    let before = budget.remaining_steps();
    let canonicalized = [old, new].map(|schema| canonicalize_with_budget(schema.clone(), &budget));
    for schema in [old, new] {
        let _ = (fields_with_budget(schema, &budget), pretty_print(schema));
    }
    let [Ok(old), Ok(new)] = canonicalized else { return before - budget.remaining_steps() };
    if let Ok(Err(refusal)) = check(Compatibility::Backward, old.schema.clone(), &new) {
        let report_bytes = refusal.to_string().len();
        assert!(report_bytes < 20 << 20, "a refusal of {report_bytes} bytes");
    }
    let _ = compatibility::compare_both_directions(
        &new.schema,
        &old.schema,
        Rules::Java,
        &Checkers::default(),
        &budget,
    );
    let _ = compatibility::compare_both_directions(
        &new.schema,
        &old.schema,
        Rules::strict(),
        &Checkers::default(),
        &budget,
    );
    before - budget.remaining_steps()
}

/// Parses, compares and lists three sizes. Steps may end at the bound of one comparison, in each direction
/// and by both rules.
fn assert_growth_is_bounded(what: &str, size: usize, schema: impl Fn(usize, &str) -> SchemaInfo) {
    const BOUND: u64 = 5 * 500_000;
    let mut costs = Vec::new();
    // only an optimized build runs the largest sizes
    let size = if cfg!(debug_assertions) { size.div_ceil(20) } else { size };
    for n in [size, 2 * size, 4 * size] {
        let (old, new) = (schema(n, "int"), schema(n, "string"));
        let start = Instant::now();
        let steps = cost(&old, &new);
        let elapsed = start.elapsed();
        println!("{what:40} n {n:7} bytes {:9} steps {steps:9} {elapsed:?}", new.data.len());
        assert!(elapsed < MAX_DURATION, "{what} of {n}: {elapsed:?}");
        costs.push(steps.max(1));
    }
    for (n, two) in costs.windows(2).enumerate() {
        let is_linear = two[1] <= 3 * two[0] + 1_000;
        assert!(is_linear || two[1] <= BOUND, "{what}, twice as large {n} times: {costs:?} steps");
    }
}

#[test]
fn avro_schemas_have_bounded_cost() {
    for (what, size, schema) in AVRO {
        assert_growth_is_bounded(&format!("avro: {what}"), *size, |n, v| {
            SchemaInfo::new("", Format::Avro, schema(n, v))
        });
    }
}

#[test]
fn json_schemas_have_bounded_cost() {
    for (what, size, schema) in JSON {
        let of = |n: usize, v: &str| {
            let v = if v == "int" { "integer" } else { v };
            SchemaInfo::new("", Format::Json, schema(n, v))
        };
        assert_growth_is_bounded(&format!("json: {what}"), *size, of);
    }
}

#[test]
fn protobuf_schemas_have_bounded_cost() {
    for (what, size, schema) in PROTOBUF {
        assert_growth_is_bounded(&format!("protobuf: {what}"), *size, |n, v| {
            SchemaInfo::new("", Format::Protobuf, schema(n, v))
        });
    }
}

#[test]
fn protobuf_sources_have_bounded_cost() {
    for (what, size, schema) in SOURCES {
        assert_growth_is_bounded(&format!("source: {what}"), *size, |n, v| {
            SchemaInfo::new("", Format::Protobuf, schema(n, v))
        });
    }
}

/// Cancelled work is reported as such, and never as a verdict.
#[test]
fn a_cancelled_budget_is_not_a_verdict() {
    let (_, size, schema) = AVRO[0];
    let schema = SchemaInfo::new("", Format::Avro, schema(size, "int"));
    let budget = Budget::default();
    budget.cancel();
    assert!(canonicalize_with_budget(schema.clone(), &budget).is_err());
    assert!(fields_with_budget(&schema, &budget).is_err());
    let (there, back) = compatibility::compare_both_directions(
        &schema,
        &schema,
        Rules::strict(),
        &Checkers::default(),
        &budget,
    );
    for why in there.iter().chain(&back) {
        assert!(!why.certain, "{why}");
    }
    assert!(!there.is_empty() && !back.is_empty());
}
