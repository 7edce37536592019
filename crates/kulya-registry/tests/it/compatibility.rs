//! Compatibility checks against a model: in random histories the registry, which compares versions of one
//! shape together and caches parsed schemas, must agree with a model that parses each version again and
//! compares it by itself. `KULYA_SEED=n` sets the first seed.

use crate::registry_on;
use kulya_registry::Registry;
use kulya_registry_api::administration::{CheckOptions, RegistryAdministration};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::compatibility::{self, CompatibilityContext, EquivalentVersions, Reason, Refusal};
use kulya_schema::{
    Budget, Checkers, Compatibility, Format, GroupId, GroupProperties, PreparedSchema, Rules, SchemaInfo,
    SchemaWithVersion, StrictRules, UnknownPolicy, VersionInfo, VersionScope, canonicalize, protobuf,
};
use kulya_store::memory::MemoryStore;
use kulya_testkit::SeededRng;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, SourceCodeInfo,
};
use std::sync::Arc;

/// The number of histories of each format.
const HISTORIES: u64 = 80;
/// The number of schemas of a history.
const SCHEMAS: usize = 10;

#[tokio::test]
async fn checks_agree_with_the_model() {
    let first = std::env::var("KULYA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut coverage = Coverage::default();
    for format in [Format::Avro, Format::Json, Format::Protobuf] {
        for seed in first..first + HISTORIES {
            history(&format, seed, &mut coverage).await;
        }
    }
    println!("{coverage:?}");
    // the test must cover the interesting cases
    assert!(coverage.checks > 2_000 && coverage.refused > 300 && coverage.accepted > 300, "{coverage:?}");
    assert!(coverage.of_one_shape > 300 && coverage.deleted > 50, "{coverage:?}");
}

/// What the histories covered.
#[derive(Debug, Default)]
struct Coverage {
    checks: usize,
    refused: usize,
    accepted: usize,
    /// Refusals in which one reason applies to several versions.
    of_one_shape: usize,
    deleted: usize,
}

async fn history(format: &Format, seed: u64, coverage: &mut Coverage) {
    let mut rng = SeededRng::new(seed);
    let at = format!("{format}, seed {seed}");
    let store = Arc::new(MemoryStore::new());
    // one registry that adds most schemas, and one that must read them
    let (registry, other) = (registry_on(store.clone()).await, registry_on(store.clone()).await);
    let id = GroupId::new("n", "g");
    let allow_multiple_types = rng.one_in(2);
    let properties = GroupProperties {
        properties: Rules::strict().to_labels(),
        ..GroupProperties::new(format.clone(), Compatibility::AllowAny, allow_multiple_types)
    };
    registry.create_group(&id, properties).await.unwrap();
    let types: &[&str] = if allow_multiple_types { &["A", "B"] } else { &["A"] };
    for _ in 0..SCHEMAS {
        let live = other.schema_versions(&id, None).await.unwrap();
        let schema = match live.as_slice() {
            [] => schema(&mut rng, format, types),
            some if rng.one_in(3) => {
                let one = rng.choose(some).schema.clone();
                equivalent(&mut rng, one)
            }
            _ => schema(&mut rng, format, types),
        };
        for _ in 0..3 {
            let options = CheckOptions {
                compatibility: Some(policy(&mut rng, &live)),
                rules: Some(*rng.choose(&rules())),
                references: Vec::new(),
            };
            let checking = if rng.one_in(3) { &other } else { &registry };
            check_addition(checking, &id, allow_multiple_types, &live, &schema, options, &at, coverage).await;
        }
        check_reader(&registry, &id, allow_multiple_types, &live, &schema, policy(&mut rng, &live), &at)
            .await;
        // most schemas are added, so that there are versions to compare with
        if rng.one_in(5) && !live.is_empty() {
            let deleted = rng.choose(&live).version.id;
            (if rng.one_in(2) { &other } else { &registry }).delete_schema(&id, deleted).await.unwrap();
            coverage.deleted += 1;
        }
        (if rng.one_in(4) { &other } else { &registry }).add_schema(&id, schema).await.unwrap();
        if rng.one_in(6) {
            allow_any(&registry, &id).await;
        }
    }
}

/// Sets the policy back to AllowAny.
async fn allow_any(registry: &Registry, id: &GroupId) {
    registry.update_compatibility(id, Compatibility::AllowAny, None).await.unwrap();
}

fn rules() -> [Rules; 4] {
    let allow = StrictRules { unknown: UnknownPolicy::Allow, ..StrictRules::default() };
    let json = StrictRules { protobuf: protobuf::Safety::Json, ..StrictRules::default() };
    [Rules::Java, Rules::strict(), Rules::Strict(allow), Rules::Strict(json)]
}

fn policy(rng: &mut SeededRng, live: &[SchemaWithVersion]) -> Compatibility {
    use Compatibility::*;
    let mut side = || match rng.u64_below(4) {
        0 => None,
        1 => Some(VersionScope::Latest),
        2 => Some(VersionScope::Transitive),
        _ if live.is_empty() => Some(VersionScope::Transitive),
        _ => Some(VersionScope::Till(rng.choose(live).version.clone())),
    };
    let advanced = match (side(), side()) {
        (None, None) => Advanced { backward: Some(VersionScope::Latest), forward: None },
        (backward, forward) => Advanced { backward, forward },
    };
    let policies =
        [AllowAny, DenyAll, Backward, Forward, BackwardTransitive, ForwardTransitive, Full, FullTransitive];
    if rng.one_in(3) { advanced } else { rng.choose(&policies).clone() }
}

fn context(allow_multiple_types: bool, compatibility: Compatibility, rules: Rules) -> CompatibilityContext {
    CompatibilityContext { compatibility, rules, allow_multiple_types, checkers: Checkers::default() }
}

/// The versions to compare with, each parsed again and in a group of its own.
fn ungrouped(
    context: &CompatibilityContext,
    type_name: &str,
    live: &[SchemaWithVersion],
) -> Vec<EquivalentVersions> {
    let versions = compatibility::versions_to_check(context, type_name, live.iter().map(|old| &old.version));
    let schema = |version: &VersionInfo| &live.iter().find(|old| old.version == *version).unwrap().schema;
    versions
        .into_iter()
        .map(|version| EquivalentVersions {
            schema: Arc::new(PreparedSchema::from_registered(schema(&version), context, &Budget::default())),
            versions: vec![version],
        })
        .collect()
}

/// Flattens the reasons to one for each version, without what differs between schemas of one shape.
fn reasons(refusal: &Refusal) -> Vec<(u32, &'static str, String)> {
    let of = |reason: &Reason| {
        let (kind, is_pair) = match reason {
            Reason::OtherType { .. } => ("other type", false),
            Reason::Denied { .. } => ("denied", false),
            Reason::CannotRead { .. } => ("cannot read", true),
            Reason::CannotBeRead { .. } => ("cannot be read", true),
            Reason::UsesReserved { .. } => ("uses reserved", true),
        };
        let why = reason.incompatibility().filter(|_| is_pair);
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
async fn check_addition(
    registry: &Registry,
    id: &GroupId,
    allow_multiple_types: bool,
    live: &[SchemaWithVersion],
    schema: &SchemaInfo,
    options: CheckOptions,
    at: &str,
    coverage: &mut Coverage,
) {
    let context =
        context(allow_multiple_types, options.compatibility.clone().unwrap(), options.rules.unwrap());
    let canonical = canonicalize(schema.clone()).unwrap();
    let type_name = &canonical.schema.type_name;
    let expected = PreparedSchema::new(&canonical, &context, &Budget::default()).and_then(|new| {
        compatibility::check_add(&context, type_name, &new, &ungrouped(&context, type_name, live))
    });
    let verdict = registry.check(id, schema.clone(), options).await;
    coverage.checks += 1;
    match (verdict, expected) {
        (Ok(verdict), Ok(expected)) => {
            let expected = expected.as_ref().err();
            let actual = verdict.refusal.as_ref();
            assert_eq!(actual.map(reasons), expected.map(reasons), "{at}: {context:?} {schema:?}");
            match actual {
                Some(refusal) => {
                    coverage.refused += 1;
                    let is_pair =
                        |reason: &&Reason| reason.incompatibility().is_some() && reason.versions().len() > 1;
                    coverage.of_one_shape +=
                        usize::from(refusal.reasons.iter().any(|reason| is_pair(&reason)));
                }
                None => coverage.accepted += 1,
            }
        }
        (Err(error), Err(_)) => assert_eq!(error.kind(), RegistryErrorKind::InvalidInput, "{at}"),
        (verdict, expected) => panic!("{at}: {verdict:?} and {expected:?}"),
    }
}

/// Checks a reader by the group's policy.
async fn check_reader(
    registry: &Registry,
    id: &GroupId,
    allow_multiple_types: bool,
    live: &[SchemaWithVersion],
    schema: &SchemaInfo,
    policy: Compatibility,
    at: &str,
) {
    registry.update_compatibility(id, policy.clone(), None).await.unwrap();
    let context = context(allow_multiple_types, policy, Rules::strict());
    let canonical = canonicalize(schema.clone()).unwrap();
    let reader = PreparedSchema::new(&canonical, &context, &Budget::default()).unwrap();
    // AllowAny compares with no version
    let versions = match context.compatibility {
        Compatibility::AllowAny => Vec::new(),
        _ => ungrouped(&context, &canonical.schema.type_name, live),
    };
    let expected = compatibility::check_read(&context, &reader, &versions).unwrap();
    let actual = registry.can_read(id, schema.clone()).await.unwrap();
    assert_eq!(actual, expected, "{at}: {context:?} {schema:?}");
    allow_any(registry, id).await;
}

/// A random schema of few fields of few types, so that many schemas are equivalent, with random irrelevant
/// parts.
fn schema(rng: &mut SeededRng, format: &Format, types: &[&str]) -> SchemaInfo {
    let name = *rng.choose(types);
    let fields: Vec<&str> = ["a", "b"].into_iter().filter(|_| !rng.one_in(3)).collect();
    match format {
        Format::Json => json(rng, name, &fields),
        Format::Protobuf => protobuf(rng, name, &fields),
        _ => avro(rng, name, &fields),
    }
}

/// Another schema of the same shape, if the format allows one.
fn equivalent(rng: &mut SeededRng, mut schema: SchemaInfo) -> SchemaInfo {
    match schema.format {
        Format::Avro => {
            let text = String::from_utf8(schema.data).unwrap();
            // an unknown member of the record is preserved and has no meaning
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
    let mut members = Vec::new();
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
        // a named type can be defined only once
        if kind.contains("name")
            && members.iter().any(|one: &String| one.contains("\"E\"") || one.contains("\"F\""))
        {
            continue;
        }
        let default =
            if rng.one_in(2) { format!(r#","default":{}"#, rng.choose(&defaults)) } else { String::new() };
        let doc = if rng.one_in(3) { format!(r#","doc":"{}""#, rng.u64_below(100)) } else { String::new() };
        let alias = if rng.one_in(4) { r#","aliases":["b","z"]"# } else { "" };
        members.push(format!(r#"{{"name":"{field}","type":{kind}{default}{doc}{alias}}}"#));
    }
    let doc = if rng.one_in(2) { format!(r#","doc":"{}""#, rng.u64_below(100)) } else { String::new() };
    let text = format!(r#"{{"type":"record","name":"{name}"{doc},"fields":[{}]}}"#, members.join(","));
    SchemaInfo::new(name, Format::Avro, text)
}

fn json(rng: &mut SeededRng, name: &str, fields: &[&str]) -> SchemaInfo {
    let mut members = Vec::new();
    for field in fields {
        let kind = rng.choose(&[
            r#"{"type":"integer"}"#,
            r#"{"type":["integer","null"]}"#,
            r#"{"type":"number","minimum":0}"#,
            r#"{"type":"string","maxLength":3}"#,
            r#"{"type":"string","pattern":"^(a|b)*c(?=d)"}"#,
            r#"{"enum":["x","y"]}"#,
        ]);
        members.push(format!(r#""{field}":{kind}"#));
    }
    // the same members in another order
    if rng.one_in(2) {
        members.reverse();
    }
    let required = match fields.first() {
        Some(field) if rng.one_in(2) => format!(r#","required":["{field}"]"#),
        _ => String::new(),
    };
    let open = if rng.one_in(3) { r#","additionalProperties":false"# } else { "" };
    let space = " ".repeat(rng.index(5));
    let text =
        format!(r#"{{{space}"type":"object","properties":{{{}}}{required}{open}}}"#, members.join(","));
    SchemaInfo::new(name, Format::Json, text)
}

fn protobuf(rng: &mut SeededRng, name: &str, fields: &[&str]) -> SchemaInfo {
    let mut members = Vec::new();
    for (number, field) in (1..).zip(fields) {
        let kind =
            *rng.choose(&[Type::Int32, Type::Int64, Type::String, Type::Bytes, Type::Sint32, Type::Bool]);
        let label = if rng.one_in(4) { Label::Repeated } else { Label::Optional };
        let mut field = (*field).to_owned();
        if rng.one_in(6) {
            field.push('2');
        }
        members.push(FieldDescriptorProto {
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
        field: members,
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
