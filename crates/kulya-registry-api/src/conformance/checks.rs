//! Checks of schemas: all policies and formats, by the rules of the group and by others.

use super::fixture::{
    FORMATS, SchemaSet, add_schema, avro, create, create_open_group, error_kind, properties, schema_set,
};
use crate::RegistryErrorKind;
use crate::administration::{CheckOptions, GroupChange, RegistryAdministration, Verdict};
use Compatibility::{
    Advanced, AllowAny, Backward, BackwardTransitive, DenyAll, Forward, ForwardTransitive, Full,
    FullTransitive,
};
use kulya_schema::compatibility::Reason;
use kulya_schema::{Compatibility, Format, GroupId, Rules, SchemaInfo, VersionInfo, VersionScope};

async fn check(
    registry: &impl RegistryAdministration,
    group: &GroupId,
    schema: &SchemaInfo,
    compatibility: Compatibility,
    rules: Rules,
) -> Verdict {
    let options =
        CheckOptions { compatibility: Some(compatibility), rules: Some(rules), ..CheckOptions::default() };
    registry.check(group, schema.clone(), options).await.expect("the check runs")
}

fn until(version: &VersionInfo) -> Option<VersionScope> {
    Some(VersionScope::Till(version.clone()))
}

pub(super) async fn every_policy_checks_its_directions_and_versions(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, narrow, other } = schema_set(&format);
        let group = create_open_group(registry, format.full_name(), format.clone()).await;
        for policy in [AllowAny, DenyAll, FullTransitive] {
            let verdict = check(registry, &group, &wide, policy.clone(), Rules::strict()).await;
            assert!(verdict.compatible, "{format}: {policy:?} accepts a first schema");
        }
        let first = add_schema(registry, &group, &other).await;
        let second = add_schema(registry, &group, &narrow).await;
        let (latest, all) = (Some(VersionScope::Latest), Some(VersionScope::Transitive));
        let advanced = |backward: &Option<VersionScope>, forward: &Option<VersionScope>| Advanced {
            backward: backward.clone(),
            forward: forward.clone(),
        };
        let (old, new) = (until(&first), until(&second));
        for (policy, expected) in [
            (AllowAny, true),
            (DenyAll, false),
            (Backward, true),
            (BackwardTransitive, false),
            (Forward, false),
            (ForwardTransitive, false),
            (Full, false),
            (FullTransitive, false),
            (advanced(&latest, &None), true),
            (advanced(&None, &latest), false),
            (advanced(&all, &None), false),
            (advanced(&new, &None), true),
            (advanced(&old, &None), false),
            (advanced(&None, &new), false),
            (advanced(&new, &old), false),
        ] {
            // Java's rules check no format other than Avro
            let java = expected || (format != Format::Avro && policy != DenyAll);
            for (rules, expected) in [(Rules::strict(), expected), (Rules::Java, java)] {
                let verdict = check(registry, &group, &wide, policy.clone(), rules).await;
                assert_eq!(verdict.compatible, expected, "{format} {policy:?} {rules:?}");
                assert_eq!(verdict.refusal.is_none(), expected, "{format} {policy:?} {rules:?}");
                assert_eq!(verdict.registered, None);
            }
        }
        // the opposite: the new schema is readable by the old one, and cannot read it
        let group = create_open_group(registry, &format!("{format} reversed"), format.clone()).await;
        add_schema(registry, &group, &wide).await;
        for (policy, expected) in [(Backward, false), (Forward, true), (Full, false)] {
            let verdict = check(registry, &group, &narrow, policy.clone(), Rules::strict()).await;
            assert_eq!(verdict.compatible, expected, "{format} {policy:?}");
        }
    }
}

pub(super) async fn a_refusal_has_the_locations_and_both_sides(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, narrow, other } = schema_set(&format);
        let group = create_open_group(registry, format.full_name(), format.clone()).await;
        let (first, second) =
            (add_schema(registry, &group, &wide).await, add_schema(registry, &group, &other).await);
        let verdict = check(registry, &group, &narrow, FullTransitive, Rules::strict()).await;
        let refusal = verdict.refusal.expect("narrow can read neither");
        assert_eq!((refusal.policy.as_str(), refusal.rules.as_str()), ("FullTransitive", "strict"));
        assert_eq!(refusal.type_name, first.type_name);
        let cannot_read: Vec<&Reason> =
            refusal.reasons.iter().filter(|reason| matches!(reason, Reason::CannotRead { .. })).collect();
        let cannot_be_read: Vec<&Reason> =
            refusal.reasons.iter().filter(|reason| matches!(reason, Reason::CannotBeRead { .. })).collect();
        let conflicts = |reasons: &[&Reason]| -> Vec<VersionInfo> {
            let mut versions: Vec<_> = reasons.iter().flat_map(|reason| reason.versions().to_vec()).collect();
            versions.sort_by_key(|version| version.id);
            versions.dedup();
            versions
        };
        assert_eq!(conflicts(&cannot_read), [first.clone(), second.clone()], "{format}");
        assert_eq!(conflicts(&cannot_be_read), [second], "{format}: wide can read it");
        for reason in &refusal.reasons {
            let detail = reason.incompatibility().expect("two incompatible schemas");
            let prefix = match format {
                Format::Json => "json-schema/",
                Format::Protobuf => "protobuf/",
                _ => "avro/",
            };
            assert!(detail.rule.starts_with(prefix), "{detail:?}");
            assert!(
                !detail.reader_path.is_empty() && !detail.writer_path.is_empty(),
                "both locations: {detail:?}"
            );
            assert!(!detail.reader.is_empty() && !detail.writer.is_empty(), "both sides: {detail:?}");
            assert!(!detail.message.is_empty() && !detail.fix.is_empty() && detail.certain, "{detail:?}");
            assert_eq!(
                detail.witness.is_some(),
                format == Format::Json,
                "only JSON schemas have a witness: {detail:?}"
            );
        }
    }
}

pub(super) async fn a_check_can_override_policy_and_rules(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, narrow, .. } = schema_set(&format);
        let id = GroupId::new("shop", format.full_name());
        create(registry, &id, properties(format.clone(), AllowAny, Rules::Java)).await;
        add_schema(registry, &id, &wide).await;
        let is_accepted =
            async |options| registry.check(&id, narrow.clone(), options).await.expect("checked").compatible;
        let options = |compatibility, rules| CheckOptions { compatibility, rules, references: Vec::new() };
        assert!(is_accepted(CheckOptions::default()).await, "by the group's policy");
        assert!(is_accepted(options(None, Some(Rules::strict()))).await, "the group's policy accepts all");
        assert!(!is_accepted(options(Some(Backward), Some(Rules::strict()))).await);
        let by_java = is_accepted(options(Some(Backward), None)).await;
        assert_eq!(by_java, format != Format::Avro, "by the group's rules by default");
    }
    // Java's rules ignore enum symbols
    let symbols = |symbols: &str| {
        let kind = format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#);
        avro("R", &format!(r#"{{"name":"e","type":{kind}}}"#))
    };
    let group = create_open_group(registry, "symbols", Format::Avro).await;
    add_schema(registry, &group, &symbols(r#""A","B""#)).await;
    for (rules, expected) in [(Rules::Java, true), (Rules::strict(), false)] {
        let verdict = check(registry, &group, &symbols(r#""A""#), Backward, rules).await;
        assert_eq!(verdict.compatible, expected, "{rules:?}");
    }
}

pub(super) async fn a_registered_schema_is_found_by_a_check(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, other, .. } = schema_set(&format);
        let group = create_open_group(registry, format.full_name(), format.clone()).await;
        let version = add_schema(registry, &group, &wide).await;
        add_schema(registry, &group, &other).await;
        let verdict = check(registry, &group, &wide, DenyAll, Rules::strict()).await;
        assert_eq!(verdict.registered, Some(version), "{format}");
        assert!(verdict.compatible, "a registered schema is accepted");
        assert!(verdict.refusal.is_some(), "the reasons are returned nevertheless");
    }
}

pub(super) async fn adding_a_schema_agrees_with_its_check(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let SchemaSet { wide, narrow, other } = schema_set(&format);
        let id = GroupId::new("shop", format.full_name());
        create(registry, &id, properties(format.clone(), Backward, Rules::strict())).await;
        for (schema, expected) in [(&narrow, true), (&other, false), (&wide, true), (&narrow, true)] {
            let verdict =
                registry.check(&id, schema.clone(), CheckOptions::default()).await.expect("checked");
            assert_eq!(verdict.compatible, expected, "{format}");
            match registry.add_schema(&id, schema.clone()).await {
                Ok(_) => assert!(expected, "{format}"),
                Err(error) => {
                    assert!(!expected, "{format}: {error}");
                    assert_eq!(error.kind(), RegistryErrorKind::Incompatible);
                    assert!(error.to_string().contains("Backward"), "the text names the policy: {error}");
                }
            }
        }
        let deny_all = GroupChange { compatibility: Some(DenyAll), ..GroupChange::default() };
        registry.change_group(&id, deny_all).await.expect("changed");
        let verdict = registry.check(&id, other.clone(), CheckOptions::default()).await.expect("checked");
        let reasons = verdict.refusal.expect("refused").reasons;
        assert!(matches!(reasons.as_slice(), [Reason::Denied { versions }] if !versions.is_empty()));
    }
}

pub(super) async fn several_types_are_accepted_if_the_group_allows_them(
    registry: &impl RegistryAdministration,
) {
    let (a, b) = (avro("A", ""), avro("B", r#"{"name":"x","type":"int"}"#));
    for (name, allow_multiple_types) in [("one", false), ("many", true)] {
        let id = GroupId::new("shop", name);
        let properties = properties(Format::Avro, Backward, Rules::strict());
        create(registry, &id, kulya_schema::GroupProperties { allow_multiple_types, ..properties }).await;
        add_schema(registry, &id, &a).await;
        let verdict = registry.check(&id, b.clone(), CheckOptions::default()).await.expect("checked");
        assert_eq!(verdict.compatible, allow_multiple_types, "{name}");
        if let Some(refusal) = verdict.refusal {
            assert!(matches!(refusal.reasons.as_slice(), [Reason::OtherType { .. }]));
        }
    }
}

pub(super) async fn an_invalid_check_is_an_error(registry: &impl RegistryAdministration) {
    let group = create_open_group(registry, "avro", Format::Avro).await;
    let check = async |group: &GroupId, schema: SchemaInfo| {
        error_kind(registry.check(group, schema, CheckOptions::default()).await)
    };
    let nowhere = GroupId::new("shop", "nowhere");
    assert_eq!(check(&nowhere, avro("R", "")).await, RegistryErrorKind::NotFound);
    let json = schema_set(&Format::Json).wide;
    assert_eq!(check(&group, json).await, RegistryErrorKind::FormatMismatch);
    for broken in ["", "{", r#"{"type":"recrod"}"#] {
        let schema = SchemaInfo::new("R", Format::Avro, broken);
        assert_eq!(check(&group, schema).await, RegistryErrorKind::InvalidInput, "{broken:?}");
    }
}
