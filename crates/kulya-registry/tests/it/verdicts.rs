//! The registry's verdicts beside the plain ones: random histories, in which versions of one shape are judged together,
//! parsed schemas are remembered and versions are read as they come, against each consulted version judged by itself.
//! `KULYA_SEED=n` begins with another seed.

use crate::registry_on;
use kulya_codec::administration::{Question, RegistryAdministration};
use kulya_codec::{RegistryErrorKind, SchemaRegistry};
use kulya_registry::Registry;
use kulya_schema::decide::{self, Alike, Judge, Reason, Refusal};
use kulya_schema::{
    Budget, Checkers, Compatibility, Format, GroupId, GroupProperties, Judged, Rules, SchemaInfo,
    SchemaWithVersion, Side, Strict, Unknown, VersionInfo, normalize, protobuf,
};
use kulya_store::memory::MemoryStore;
use kulya_testkit::SeededRng;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, SourceCodeInfo,
};
use std::sync::Arc;

/// Histories of each format.
const HISTORIES: u64 = 80;
/// Schemas offered in each.
const OFFERED: usize = 10;

#[tokio::test]
async fn versions_put_together_get_the_verdicts_of_each() {
    let first = std::env::var("KULYA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut seen = Seen::default();
    for format in [Format::Avro, Format::Json, Format::Protobuf] {
        for seed in first..first + HISTORIES {
            history(&format, seed, &mut seen).await;
        }
    }
    println!("{seen:?}");
    // a test that never meets the interesting cases would show nothing
    assert!(seen.verdicts > 2_000 && seen.refused > 300 && seen.taken > 300, "{seen:?}");
    assert!(seen.of_one_shape > 300 && seen.deleted > 50, "{seen:?}");
}

/// What the histories met.
#[derive(Debug, Default)]
struct Seen {
    verdicts: usize,
    refused: usize,
    taken: usize,
    /// Refusals in which one reason stood for several versions.
    of_one_shape: usize,
    deleted: usize,
}

async fn history(format: &Format, seed: u64, seen: &mut Seen) {
    let mut rng = SeededRng::new(seed);
    let at = format!("{format}, seed {seed}");
    let store = Arc::new(MemoryStore::new());
    // one that remembers, and one that has to read what the other wrote
    let (registry, other) = (registry_on(store.clone()).await, registry_on(store.clone()).await);
    let id = GroupId::new("n", "g");
    let several = rng.one_in(2);
    let properties = GroupProperties {
        properties: Rules::strict().labels(),
        ..GroupProperties::new(format.clone(), Compatibility::AllowAny, several)
    };
    registry.create_group(&id, properties).await.unwrap();
    let types: &[&str] = if several { &["A", "B"] } else { &["A"] };
    for _ in 0..OFFERED {
        let live = other.schema_versions(&id, None).await.unwrap();
        let schema = match live.as_slice() {
            [] => schema(&mut rng, format, types),
            some if rng.one_in(3) => {
                let one = rng.choose(some).schema.clone();
                redressed(&mut rng, one)
            }
            _ => schema(&mut rng, format, types),
        };
        for _ in 0..3 {
            let question =
                Question { compatibility: Some(policy(&mut rng, &live)), rules: Some(*rng.choose(&rules())) };
            let asked = if rng.one_in(3) { &other } else { &registry };
            same_verdict(asked, &id, several, &live, &schema, question, &at, seen).await;
        }
        same_reading(&registry, &id, several, &live, &schema, policy(&mut rng, &live), &at).await;
        // most are added, so that there is something to be judged against
        if rng.one_in(5) && !live.is_empty() {
            let gone = rng.choose(&live).version.id;
            (if rng.one_in(2) { &other } else { &registry }).delete_schema(&id, gone).await.unwrap();
            seen.deleted += 1;
        }
        (if rng.one_in(4) { &other } else { &registry }).add_schema(&id, schema).await.unwrap();
        if rng.one_in(6) {
            open(&registry, &id).await;
        }
    }
}

/// Leaves the group to AllowAny after [`same_reading`] gave it another policy.
async fn open(registry: &Registry, id: &GroupId) {
    registry.update_compatibility(id, Compatibility::AllowAny, None).await.unwrap();
}

fn rules() -> [Rules; 4] {
    let allow = Strict { unknown: Unknown::Allow, ..Strict::default() };
    let json = Strict { protobuf: protobuf::Safety::Json, ..Strict::default() };
    [Rules::Java, Rules::strict(), Rules::Strict(allow), Rules::Strict(json)]
}

fn policy(rng: &mut SeededRng, live: &[SchemaWithVersion]) -> Compatibility {
    use Compatibility::*;
    let mut side = || match rng.u64_below(4) {
        0 => None,
        1 => Some(Side::Latest),
        2 => Some(Side::Transitive),
        _ if live.is_empty() => Some(Side::Transitive),
        _ => Some(Side::Till(rng.choose(live).version.clone())),
    };
    let advanced = match (side(), side()) {
        (None, None) => Advanced { backward: Some(Side::Latest), forward: None },
        (backward, forward) => Advanced { backward, forward },
    };
    let policies =
        [AllowAny, DenyAll, Backward, Forward, BackwardTransitive, ForwardTransitive, Full, FullTransitive];
    if rng.one_in(3) { advanced } else { rng.choose(&policies).clone() }
}

fn judge(several: bool, compatibility: Compatibility, rules: Rules) -> Judge {
    Judge { compatibility, rules, allow_multiple_types: several, checkers: Checkers::default() }
}

/// Each consulted version by itself, parsed anew.
fn alone(judge: &Judge, type_name: &str, live: &[SchemaWithVersion]) -> Vec<Alike> {
    let chosen = decide::consulted(judge, type_name, live.iter().map(|old| &old.version));
    let schema = |version: &VersionInfo| &live.iter().find(|old| old.version == *version).unwrap().schema;
    chosen
        .into_iter()
        .map(|version| Alike {
            schema: Arc::new(Judged::registered(schema(&version), judge, &Budget::default())),
            versions: vec![version],
        })
        .collect()
}

/// Reasons one by one, with what does not change when two schemas of one shape stand for each other.
fn reasons(refusal: &Refusal) -> Vec<(u32, &'static str, String)> {
    let of = |reason: &Reason| {
        let (kind, is_pair) = match reason {
            Reason::OtherType { .. } => ("other type", false),
            Reason::Denied { .. } => ("denied", false),
            Reason::CannotRead { .. } => ("cannot read", true),
            Reason::CannotBeRead { .. } => ("cannot be read", true),
            Reason::UsesReserved { .. } => ("uses reserved", true),
        };
        let why = reason.why().filter(|_| is_pair);
        let text =
            why.map(|why| format!("{} {} {} {}", why.rule, why.reader_path, why.writer_path, why.certain));
        let text = text.unwrap_or_default();
        reason.versions().iter().map(move |version| (version.id, kind, text.clone())).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = refusal.reasons.iter().flat_map(of).collect();
    all.sort();
    all
}

#[allow(clippy::too_many_arguments, reason = "all of a case")]
async fn same_verdict(
    registry: &Registry,
    id: &GroupId,
    several: bool,
    live: &[SchemaWithVersion],
    schema: &SchemaInfo,
    question: Question,
    at: &str,
    seen: &mut Seen,
) {
    let judge = judge(several, question.compatibility.clone().unwrap(), question.rules.unwrap());
    let normal = normalize(schema.clone()).unwrap();
    let type_name = &normal.schema.type_name;
    let expected = Judged::new(&normal, &judge, &Budget::default())
        .and_then(|new| decide::may_add(&judge, type_name, &new, &alone(&judge, type_name, live)));
    let verdict = registry.check(id, schema.clone(), question).await;
    seen.verdicts += 1;
    match (verdict, expected) {
        (Ok(verdict), Ok(expected)) => {
            let plain = expected.as_ref().err();
            let told = verdict.refusal.as_ref();
            assert_eq!(told.map(reasons), plain.map(reasons), "{at}: {judge:?} {schema:?}");
            match told {
                Some(refusal) => {
                    seen.refused += 1;
                    let is_pair = |reason: &&Reason| reason.why().is_some() && reason.versions().len() > 1;
                    seen.of_one_shape += usize::from(refusal.reasons.iter().any(|reason| is_pair(&reason)));
                }
                None => seen.taken += 1,
            }
        }
        (Err(error), Err(_)) => assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{at}"),
        (verdict, expected) => panic!("{at}: {verdict:?} and {expected:?}"),
    }
}

/// Whether it may read the group, by the group's own policy.
async fn same_reading(
    registry: &Registry,
    id: &GroupId,
    several: bool,
    live: &[SchemaWithVersion],
    schema: &SchemaInfo,
    policy: Compatibility,
    at: &str,
) {
    registry.update_compatibility(id, policy.clone(), None).await.unwrap();
    let judge = judge(several, policy, Rules::strict());
    let normal = normalize(schema.clone()).unwrap();
    let reader = Judged::new(&normal, &judge, &Budget::default()).unwrap();
    // AllowAny looks at none
    let consulted = match judge.compatibility {
        Compatibility::AllowAny => Vec::new(),
        _ => alone(&judge, &normal.schema.type_name, live),
    };
    let expected = decide::may_read(&judge, &reader, &consulted).unwrap();
    let told = registry.can_read(id, schema.clone()).await.unwrap();
    assert_eq!(told, expected, "{at}: {judge:?} {schema:?}");
    open(registry, id).await;
}

/// A schema of few fields of few types, so that many are alike, with what does not matter drawn too.
fn schema(rng: &mut SeededRng, format: &Format, types: &[&str]) -> SchemaInfo {
    let name = *rng.choose(types);
    let fields: Vec<&str> = ["a", "b"].into_iter().filter(|_| !rng.one_in(3)).collect();
    match format {
        Format::Json => json(rng, name, &fields),
        Format::Protobuf => protobuf(rng, name, &fields),
        _ => avro(rng, name, &fields),
    }
}

/// Another schema of the same shape, where there is one.
fn redressed(rng: &mut SeededRng, mut schema: SchemaInfo) -> SchemaInfo {
    match schema.format {
        Format::Avro => {
            let text = String::from_utf8(schema.data).unwrap();
            // an unknown member of the record stays with it, and says nothing
            let doc = format!(r#"{{"x":{},"#, rng.u64_below(1000));
            schema.data = text.replacen('{', &doc, 1).into_bytes();
        }
        Format::Protobuf => {
            let mut set = FileDescriptorSet::decode(schema.data.as_slice()).unwrap();
            set.file[0].source_code_info = Some(comment(rng));
            schema.data = set.encode_to_vec();
        }
        _ => {}
    }
    schema
}

fn comment(rng: &mut SeededRng) -> SourceCodeInfo {
    let leading_comments = Some(format!("comment {}", rng.u64_below(1000)));
    let location = prost_types::source_code_info::Location { leading_comments, ..Default::default() };
    SourceCodeInfo { location: vec![location] }
}

fn avro(rng: &mut SeededRng, name: &str, fields: &[&str]) -> SchemaInfo {
    let mut shown = Vec::new();
    for field in fields {
        let (kind, defaults) = *rng.choose(&[
            ("\"int\"", ["0", "7"]),
            ("\"long\"", ["0", "9"]),
            ("\"string\"", ["\"\"", "\"x\""]),
            (r#"["null","int"]"#, ["null", "null"]),
            (r#"{"type":"enum","name":"E","symbols":["X","Y"]}"#, ["\"X\"", "\"Y\""]),
            (r#"{"type":"enum","name":"E","symbols":["X"]}"#, ["\"X\"", "\"X\""]),
            (r#"{"type":"fixed","name":"F","size":2}"#, ["\"\\u0000\\u0001\"", "\"ab\""]),
        ]);
        // a named type stands once
        if kind.contains("name")
            && shown.iter().any(|one: &String| one.contains("\"E\"") || one.contains("\"F\""))
        {
            continue;
        }
        let default =
            if rng.one_in(2) { format!(r#","default":{}"#, rng.choose(&defaults)) } else { String::new() };
        let doc = if rng.one_in(3) { format!(r#","doc":"{}""#, rng.u64_below(100)) } else { String::new() };
        let alias = if rng.one_in(4) { r#","aliases":["b","z"]"# } else { "" };
        shown.push(format!(r#"{{"name":"{field}","type":{kind}{default}{doc}{alias}}}"#));
    }
    let doc = if rng.one_in(2) { format!(r#","doc":"{}""#, rng.u64_below(100)) } else { String::new() };
    let text = format!(r#"{{"type":"record","name":"{name}"{doc},"fields":[{}]}}"#, shown.join(","));
    SchemaInfo::new(name, Format::Avro, text)
}

fn json(rng: &mut SeededRng, name: &str, fields: &[&str]) -> SchemaInfo {
    let mut shown = Vec::new();
    for field in fields {
        let kind = rng.choose(&[
            r#"{"type":"integer"}"#,
            r#"{"type":["integer","null"]}"#,
            r#"{"type":"number","minimum":0}"#,
            r#"{"type":"string","maxLength":3}"#,
            r#"{"type":"string","pattern":"^(a|b)*c(?=d)"}"#,
            r#"{"enum":["x","y"]}"#,
        ]);
        shown.push(format!(r#""{field}":{kind}"#));
    }
    // the same in another order
    if rng.one_in(2) {
        shown.reverse();
    }
    let required = match fields.first() {
        Some(field) if rng.one_in(2) => format!(r#","required":["{field}"]"#),
        _ => String::new(),
    };
    let open = if rng.one_in(3) { r#","additionalProperties":false"# } else { "" };
    let space = " ".repeat(rng.index(5));
    let text = format!(r#"{{{space}"type":"object","properties":{{{}}}{required}{open}}}"#, shown.join(","));
    SchemaInfo::new(name, Format::Json, text)
}

fn protobuf(rng: &mut SeededRng, name: &str, fields: &[&str]) -> SchemaInfo {
    let mut shown = Vec::new();
    for (number, field) in (1..).zip(fields) {
        let kind =
            *rng.choose(&[Type::Int32, Type::Int64, Type::String, Type::Bytes, Type::Sint32, Type::Bool]);
        let label = if rng.one_in(4) { Label::Repeated } else { Label::Optional };
        let mut field = (*field).to_owned();
        if rng.one_in(6) {
            field.push('2');
        }
        shown.push(FieldDescriptorProto {
            json_name: Some(field.clone()),
            name: Some(field),
            number: Some(number),
            label: Some(label.into()),
            r#type: Some(kind.into()),
            ..FieldDescriptorProto::default()
        });
    }
    let reserved_name = if rng.one_in(4) { vec!["a2".to_owned()] } else { Vec::new() };
    let message = DescriptorProto {
        name: Some(name.to_owned()),
        field: shown,
        reserved_name,
        ..DescriptorProto::default()
    };
    let source_code_info = if rng.one_in(2) { Some(comment(rng)) } else { None };
    let file = FileDescriptorProto {
        name: Some("m.proto".to_owned()),
        package: Some("p".to_owned()),
        message_type: vec![message],
        source_code_info,
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    SchemaInfo::new(name, Format::Protobuf, FileDescriptorSet { file: vec![file] }.encode_to_vec())
}
