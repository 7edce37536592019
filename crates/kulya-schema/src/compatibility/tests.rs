use super::*;
use crate::canonicalize;
use crate::protobuf::Safety;
use crate::validation::check_properties;
use crate::{Error, Format, GroupProperties, StrictRules, UnknownPolicy, VersionScope};

fn schema(fields: &str) -> SchemaInfo {
    SchemaInfo::new("R", Format::Avro, format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#))
}

fn version(format: &Format, id: u32) -> VersionInfo {
    VersionInfo { type_name: "R".into(), format: format.full_name().into(), version: id, id }
}

fn versions(schemas: &[SchemaInfo]) -> Vec<SchemaWithVersion> {
    let with = |(id, schema): (u32, &SchemaInfo)| SchemaWithVersion {
        schema: schema.clone(),
        version: VersionInfo { type_name: schema.type_name.clone(), ..version(&schema.format, id) },
    };
    (0..).zip(schemas).map(with).collect()
}

fn context(compatibility: Compatibility, rules: Rules) -> CompatibilityContext {
    CompatibilityContext { compatibility, rules, allow_multiple_types: true, checkers: Checkers::default() }
}

fn check_against(
    context: &CompatibilityContext,
    live: &[SchemaInfo],
    new: &SchemaInfo,
) -> std::result::Result<(), Refusal> {
    check(context, &canonicalize(new.clone()).unwrap(), &versions(live)).unwrap()
}

fn verdict(policy: Compatibility, live: &[SchemaInfo], new: &SchemaInfo) -> bool {
    check_against(&context(policy, Rules::Java), live, new).is_ok()
}

fn till(id: u32) -> Option<VersionScope> {
    Some(VersionScope::Till(version(&Format::Avro, id)))
}

#[test]
fn policies_check_their_directions() {
    use Compatibility::*;
    let empty = schema("");
    let a = schema(r#"{"name":"a","type":"int"}"#);
    let a_default = schema(r#"{"name":"a","type":"int","default":0}"#);
    let a_text = schema(r#"{"name":"a","type":"string"}"#);
    for (policy, live, new, expected) in [
        (AllowAny, vec![a.clone()], &a_text, true),
        (DenyAll, vec![], &a, true),
        (DenyAll, vec![a.clone()], &empty, false),
        (Backward, vec![], &a, true),
        (Backward, vec![empty.clone()], &a, false),
        (Backward, vec![empty.clone()], &a_default, true),
        (Backward, vec![a.clone()], &empty, true),
        (Forward, vec![a.clone()], &empty, false),
        (Forward, vec![empty.clone()], &a, true),
        (Full, vec![empty.clone()], &a, false),
        (Full, vec![empty.clone()], &a_default, true),
        (Backward, vec![a_text.clone(), empty.clone()], &a_default, true),
        (BackwardTransitive, vec![a_text.clone(), empty.clone()], &a_default, false),
        (ForwardTransitive, vec![a_text.clone(), empty.clone()], &a, false),
        (FullTransitive, vec![a_default.clone(), empty.clone()], &a_default, true),
    ] {
        assert_eq!(verdict(policy.clone(), &live, new), expected, "{policy:?} {live:?} {new:?}");
        let strictly = check_against(&context(policy.clone(), Rules::strict()), &live, new).is_ok();
        assert_eq!(strictly, expected, "strictly {policy:?} {live:?} {new:?}");
    }
    let limited = Advanced { backward: till(1), forward: None };
    assert!(
        verdict(limited, &[a_text.clone(), empty.clone()], &a_default),
        "version 0 lies before the limit"
    );
    let limited = Advanced { backward: till(0), forward: None };
    assert!(!verdict(limited, &[a_text, empty], &a_default));
}

#[test]
fn each_direction_covers_its_own_scope_when_strict() {
    // the new schema reads all, and only the latest reads it
    let live = [schema(r#"{"name":"a","type":"int"}"#), schema(r#"{"name":"a","type":"int","default":0}"#)];
    let new = schema("");
    let policy = Compatibility::Advanced {
        backward: Some(VersionScope::Transitive),
        forward: Some(VersionScope::Latest),
    };
    assert!(check_against(&context(policy.clone(), Rules::strict()), &live, &new).is_ok());
    let refusal = check_against(&context(policy, Rules::Java), &live, &new).unwrap_err();
    assert_eq!(refusal.reasons[0].versions(), [version(&Format::Avro, 0)]);
    // the latest lies before the limit of the other side
    let policy = Compatibility::Advanced { backward: till(7), forward: Some(VersionScope::Latest) };
    let refusal = check_against(&context(policy, Rules::strict()), &live[..1], &new).unwrap_err();
    assert!(matches!(refusal.reasons.as_slice(), [Reason::CannotBeRead { .. }]));
}

#[test]
fn a_refusal_gives_every_reason_once() {
    let live = [
        schema(""),
        schema(r#"{"name":"a","type":"string"}"#),
        schema(r#"{"name":"a","type":"string","doc":"of the same fingerprint"}"#),
    ];
    let context = context(Compatibility::BackwardTransitive, Rules::Java);
    let refusal = check_against(&context, &live, &schema(r#"{"name":"a","type":"int"}"#)).unwrap_err();
    let conflicts: Vec<usize> = refusal.reasons.iter().map(|reason| reason.versions().len()).collect();
    assert_eq!(conflicts, [1, 2]);
    let text = refusal.to_string();
    assert!(text.contains("R.a") && text.contains("version 0") && text.contains("versions 1, 2"), "{text}");
    let incompatibility = refusal.reasons[1].incompatibility().unwrap();
    assert_eq!((incompatibility.reader.as_str(), incompatibility.writer.as_str()), ("int", "string"));
    assert!(!incompatibility.fix.is_empty());
    let json = serde_json::to_string(&refusal).unwrap();
    assert_eq!(serde_json::from_str::<Refusal>(&json).unwrap(), refusal, "{json}");
}

#[test]
fn one_type_groups_accept_one_type() {
    let mut context = context(Compatibility::AllowAny, Rules::Java);
    context.allow_multiple_types = false;
    let other = SchemaInfo::new("Other", Format::Avro, r#"{"type":"record","name":"Other","fields":[]}"#);
    let refusal = check_against(&context, &[schema("")], &other).unwrap_err();
    assert!(matches!(refusal.reasons.as_slice(), [Reason::OtherType { .. }]));
}

/// Returns whether a reader may read a group that has these versions.
fn reads(policy: Compatibility, rules: Rules, live: &[SchemaInfo], reader: &SchemaInfo) -> bool {
    let context = context(policy, rules);
    let equivalent = versions(live).into_iter().map(|old| EquivalentVersions {
        schema: Arc::new(PreparedSchema::from_registered(&old.schema, &context, &Budget::default())),
        versions: vec![old.version],
    });
    let reader =
        PreparedSchema::new(&canonicalize(reader.clone()).unwrap(), &context, &Budget::default()).unwrap();
    check_read(&context, &reader, &equivalent.collect::<Vec<_>>()).unwrap()
}

#[test]
fn readers_are_checked_by_the_rules() {
    use Compatibility::*;
    let a = schema(r#"{"name":"a","type":"int"}"#);
    for rules in [Rules::Java, Rules::strict()] {
        assert!(reads(AllowAny, rules, &[], &a));
        assert!(reads(Backward, rules, &[], &a));
        assert!(!reads(Backward, rules, &[schema("")], &a));
        assert!(reads(Full, rules, std::slice::from_ref(&a), &schema("")));
    }
    assert!(!reads(Full, Rules::Java, &[], &a), "the Java registry refuses an empty group");
    assert!(reads(Full, Rules::strict(), &[], &a));
}

/// The reader that Flink derives from a table's columns: it names every record itself, and makes each column
/// nullable.
#[test]
fn a_reader_needs_no_record_name() {
    use Compatibility::*;
    let avro = |name: &str, fields: &str| {
        let data = format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#);
        SchemaInfo::new(name, Format::Avro, data)
    };
    let flink = |fields: &str| avro("org.apache.flink.avro.generated.record", fields);
    let written = avro(
        "shop.Order",
        r#"{"name":"id","type":"long"},
           {"name":"to","type":{"type":"record","name":"Address","fields":[{"name":"city","type":"string"}]}},
           {"name":"from","type":["null","Address"],"default":null},
           {"name":"via","type":{"type":"array","items":"Address"}}"#,
    );
    let address = |name: &str, field: &str| {
        format!(
            r#"{{"type":"record","name":"record_{name}","fields":[{{"name":"{field}","type":["null","string"],"default":null}}]}}"#
        )
    };
    let nullable =
        |name: &str, of: &str| format!(r#"{{"name":"{name}","type":["null",{of}],"default":null}}"#);
    let columns = [
        nullable("id", r#""long""#),
        nullable("to", &address("to", "city")),
        nullable("from", &address("from", "city")),
        nullable("via", &format!(r#"{{"type":"array","items":["null",{}]}}"#, address("via", "city"))),
    ];
    let reader = flink(&columns.join(","));
    for policy in [Backward, Forward, Full, BackwardTransitive, DenyAll] {
        for rules in [Rules::Java, Rules::strict()] {
            assert!(
                reads(policy.clone(), rules, std::slice::from_ref(&written), &reader),
                "{policy:?} {rules:?}"
            );
        }
    }
    // what remains of the strict rules: names of fields, types, defaults, symbols, and names of enums
    let symbols = |name: &str, symbols: &str| {
        format!(r#"{{"name":"e","type":{{"type":"enum","name":"{name}","symbols":[{symbols}]}}}}"#)
    };
    let strictly =
        |written: &str, read: &str| reads(Full, Rules::strict(), &[avro("R", written)], &flink(read));
    assert!(strictly(&symbols("E", r#""A""#), &symbols("E", r#""A","B""#)));
    for (written, read) in [
        (r#"{"name":"a","type":"int"}"#.to_owned(), r#"{"name":"b","type":"int"}"#.to_owned()),
        (r#"{"name":"a","type":"string"}"#.to_owned(), r#"{"name":"a","type":"int"}"#.to_owned()),
        (symbols("E", r#""A","B""#), symbols("E", r#""A""#)),
        (symbols("E", r#""A""#), symbols("F", r#""A""#)),
    ] {
        assert!(!strictly(&written, &read), "{read} reads {written}");
    }
}

#[test]
fn strict_rules_close_the_gaps_of_avro_java() {
    let record = |name: &str, inner: &str| {
        let field = format!(r#"{{"name":"i","type":{{"type":"record","name":"{inner}","fields":[]}}}}"#);
        SchemaInfo::new(
            name,
            Format::Avro,
            format!(r#"{{"type":"record","name":"{name}","fields":[{field}]}}"#),
        )
    };
    let symbols =
        |symbols: &str| schema(&format!(r#"{{"name":"e","type":{{"type":"enum","name":"E",{symbols}}}}}"#));
    for (old, new, rule) in [
        (symbols(r#""symbols":["A","B"]"#), symbols(r#""symbols":["A"]"#), "avro/enum-symbol-missing"),
        (record("R", "I"), record("R", "J"), "avro/name-mismatch"),
    ] {
        let by =
            |rules| check_against(&context(Compatibility::Backward, rules), std::slice::from_ref(&old), &new);
        assert!(by(Rules::Java).is_ok(), "{new:?}");
        assert_eq!(by(Rules::strict()).unwrap_err().reasons[0].incompatibility().unwrap().rule, rule);
    }
    let with_default = symbols(r#""symbols":["A"],"default":"A""#);
    let old = symbols(r#""symbols":["A","B"]"#);
    assert!(check_against(&context(Compatibility::Backward, Rules::strict()), &[old], &with_default).is_ok());
    // a union member evolves on its own
    let union = |field: &str| {
        let data = format!(
            r#"["null",{{"type":"record","name":"A","fields":[{field}]}},{{"type":"record","name":"B","fields":[]}}]"#
        );
        SchemaInfo::new("A", Format::Avro, data)
    };
    let (old, new) = (union(""), union(r#"{"name":"a","type":"int","default":1}"#));
    assert!(
        check_against(&context(Compatibility::Backward, Rules::Java), std::slice::from_ref(&old), &new)
            .is_err()
    );
    check_against(&context(Compatibility::Backward, Rules::strict()), &[old], &new).unwrap();
}

fn json(data: &str) -> SchemaInfo {
    SchemaInfo::new("R", Format::Json, data)
}

#[test]
fn json_schemas_are_compared_when_strict() {
    let (wide, narrow) = (json(r#"{"type":["string","null"]}"#), json(r#"{"type":"string"}"#));
    let unknown = json(r#"{"type":"string","pattern":"^(a|b)*c(?=d)"}"#);
    let allow = Rules::Strict(StrictRules { unknown: UnknownPolicy::Allow, ..StrictRules::default() });
    for (rules, old, new, passes) in [
        (Rules::Java, &wide, &narrow, true),
        (Rules::strict(), &wide, &narrow, false),
        (Rules::strict(), &narrow, &wide, true),
        (Rules::strict(), &json(r#"{"type":"string","pattern":"^a"}"#), &unknown, false),
        (allow, &wide, &narrow, false),
    ] {
        let verdict = check_against(&context(Compatibility::Backward, rules), std::slice::from_ref(old), new);
        assert_eq!(verdict.is_ok(), passes, "{rules:?} {old:?} {new:?} {verdict:?}");
    }
    // registered before the group was strict, and not valid under these rules
    let odd = json(r#"{"properties":{"a":{"type":"any"}}}"#);
    let by =
        |rules| check_against(&context(Compatibility::Backward, rules), std::slice::from_ref(&odd), &narrow);
    assert!(by(Rules::Java).is_ok() && by(allow).is_ok());
    let refusal = by(Rules::strict()).unwrap_err();
    assert!(refusal.to_string().contains("unknown whether"), "{refusal}");
    check(&context(Compatibility::Backward, Rules::strict()), &canonicalize(odd).unwrap(), &[]).unwrap_err();
}

#[test]
fn formats_do_not_mix() {
    let (avro, json) = (schema(""), json("{}"));
    let by = |rules, old: &SchemaInfo, new: &SchemaInfo| {
        let new = canonicalize(new.clone()).unwrap();
        check(&context(Compatibility::Backward, rules), &new, &versions(std::slice::from_ref(old)))
    };
    assert!(by(Rules::Java, &json, &avro).unwrap_err().to_string().contains("should be avro"));
    assert_eq!(by(Rules::Java, &avro, &json), Ok(Ok(())));
    for (old, new) in [(&json, &avro), (&avro, &json)] {
        let refusal = by(Rules::strict(), old, new).unwrap().unwrap_err();
        assert_eq!(refusal.reasons[0].incompatibility().unwrap().rule, "schema/other-format");
    }
}

/// A format whose schemas are sets of letters: a reader must know every letter of the writer.
struct Letters;

impl crate::Checker for Letters {
    fn check(&self, schema: &SchemaInfo) -> Result<()> {
        if schema.data.is_empty() { Err(Error::new("a schema has letters")) } else { Ok(()) }
    }

    fn can_read(&self, reader: &SchemaInfo, writer: &SchemaInfo) -> Vec<Incompatibility> {
        let missing = writer.data.iter().filter(|letter| !reader.data.contains(letter));
        let incompatibility =
            |letter| Incompatibility::unknown("letters/missing", format!("no {letter}"), "");
        missing.map(|letter| Incompatibility { certain: true, ..incompatibility(letter) }).collect()
    }
}

#[test]
fn a_custom_format_is_checked_by_its_checker() {
    let letters = |data: &str| SchemaInfo::new("R", Format::Custom("letters".into()), data);
    for rules in [Rules::Java, Rules::strict()] {
        let without = context(Compatibility::Backward, rules);
        check_against(&without, &[letters("ab")], &letters("b")).unwrap();
        let with = CompatibilityContext { checkers: Checkers::default().with("letters", Letters), ..without };
        check_against(&with, &[letters("ab")], &letters("abc")).unwrap();
        assert_eq!(check_against(&with, &[letters("ab")], &letters("b")).unwrap_err().reasons.len(), 1);
        check(&with, &canonicalize(letters("")).unwrap(), &[]).unwrap_err();
    }
}

#[test]
fn groups_name_known_rules() {
    let mut group = GroupProperties::new(Format::Json, Compatibility::Full, false);
    let checkers = Checkers::default();
    let message = check_properties(&group, &checkers).unwrap_err().to_string();
    assert!(message.contains("kulya.rules"), "{message}");
    group.properties =
        Rules::Strict(StrictRules { protobuf: Safety::Json, unknown: UnknownPolicy::Refuse }).to_labels();
    check_properties(&group, &checkers).unwrap();
    group.format = Format::Custom("letters".into());
    check_properties(&group, &checkers).unwrap_err();
    check_properties(&group, &checkers.with("letters", Letters)).unwrap();
}
