//! Whether a schema could be added: every policy, in all formats, by the group's rules and by others.

use super::{FORMATS, Three, add, avro, kind, make, open_group, properties, three};
use crate::RegistryErrorKind;
use crate::administration::{CheckOptions, GroupChange, RegistryAdministration, Verdict};
use Compatibility::{
    Advanced, AllowAny, Backward, BackwardTransitive, DenyAll, Forward, ForwardTransitive, Full,
    FullTransitive,
};
use kulya_schema::decide::Reason;
use kulya_schema::{Compatibility, Format, GroupId, Rules, SchemaInfo, Side, VersionInfo};

async fn asked(
    registry: &impl RegistryAdministration,
    group: &GroupId,
    schema: &SchemaInfo,
    compatibility: Compatibility,
    rules: Rules,
) -> Verdict {
    let question = CheckOptions { compatibility: Some(compatibility), rules: Some(rules) };
    registry.check(group, schema.clone(), question).await.expect("this can be asked")
}

fn till(version: &VersionInfo) -> Option<Side> {
    Some(Side::Till(version.clone()))
}

pub(super) async fn every_policy_asks_its_questions(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let Three { wide, narrow, other } = three(&format);
        let group = open_group(registry, format.full_name(), format.clone()).await;
        for policy in [AllowAny, DenyAll, FullTransitive] {
            let verdict = asked(registry, &group, &wide, policy.clone(), Rules::strict()).await;
            assert!(verdict.compatible, "{format}: the first is taken by {policy:?}");
        }
        let first = add(registry, &group, &other).await;
        let second = add(registry, &group, &narrow).await;
        let (latest, all) = (Some(Side::Latest), Some(Side::Transitive));
        let advanced = |backward: &Option<Side>, forward: &Option<Side>| Advanced {
            backward: backward.clone(),
            forward: forward.clone(),
        };
        let (old, new) = (till(&first), till(&second));
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
            // Java's rules ask nothing of formats other than Avro
            let java = expected || (format != Format::Avro && policy != DenyAll);
            for (rules, expected) in [(Rules::strict(), expected), (Rules::Java, java)] {
                let verdict = asked(registry, &group, &wide, policy.clone(), rules).await;
                assert_eq!(verdict.compatible, expected, "{format} {policy:?} {rules:?}");
                assert_eq!(verdict.refusal.is_none(), expected, "{format} {policy:?} {rules:?}");
                assert_eq!(verdict.registered, None);
            }
        }
        // the other way: the new one is read and does not read
        let group = open_group(registry, &format!("{format} turned"), format.clone()).await;
        add(registry, &group, &wide).await;
        for (policy, expected) in [(Backward, false), (Forward, true), (Full, false)] {
            let verdict = asked(registry, &group, &narrow, policy.clone(), Rules::strict()).await;
            assert_eq!(verdict.compatible, expected, "{format} {policy:?}");
        }
    }
}

pub(super) async fn a_refusal_tells_what_stands_where(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let Three { wide, narrow, other } = three(&format);
        let group = open_group(registry, format.full_name(), format.clone()).await;
        let (first, second) = (add(registry, &group, &wide).await, add(registry, &group, &other).await);
        let verdict = asked(registry, &group, &narrow, FullTransitive, Rules::strict()).await;
        let refusal = verdict.refusal.expect("narrow reads neither");
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
        assert_eq!(conflicts(&cannot_be_read), [second], "{format}: the wide one reads it");
        for reason in &refusal.reasons {
            let why = reason.why().expect("two schemas disagree");
            let word = match format {
                Format::Json => "json-schema/",
                Format::Protobuf => "protobuf/",
                _ => "avro/",
            };
            assert!(why.rule.starts_with(word), "{why:?}");
            assert!(!why.reader_path.is_empty() && !why.writer_path.is_empty(), "both places: {why:?}");
            assert!(!why.reader.is_empty() && !why.writer.is_empty(), "what stands there: {why:?}");
            assert!(!why.message.is_empty() && !why.fix.is_empty() && why.certain, "{why:?}");
            assert_eq!(
                why.witness.is_some(),
                format == Format::Json,
                "an example where one was found: {why:?}"
            );
        }
    }
}

pub(super) async fn a_check_may_ask_by_other_rules(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let Three { wide, narrow, .. } = three(&format);
        let id = GroupId::new("shop", format.full_name());
        make(registry, &id, properties(format.clone(), AllowAny, Rules::Java)).await;
        add(registry, &id, &wide).await;
        let by =
            async |question| registry.check(&id, narrow.clone(), question).await.expect("asked").compatible;
        let question = |compatibility, rules| CheckOptions { compatibility, rules };
        assert!(by(CheckOptions::default()).await, "as the group says");
        assert!(by(question(None, Some(Rules::strict()))).await, "the group's policy asks nothing");
        assert!(!by(question(Some(Backward), Some(Rules::strict()))).await);
        let by_java = by(question(Some(Backward), None)).await;
        assert_eq!(by_java, format != Format::Avro, "the group's rules when no others are named");
    }
    // what Java's rules let pass
    let symbols = |symbols: &str| {
        let kind = format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#);
        avro("R", &format!(r#"{{"name":"e","type":{kind}}}"#))
    };
    let group = open_group(registry, "symbols", Format::Avro).await;
    add(registry, &group, &symbols(r#""A","B""#)).await;
    for (rules, expected) in [(Rules::Java, true), (Rules::strict(), false)] {
        let verdict = asked(registry, &group, &symbols(r#""A""#), Backward, rules).await;
        assert_eq!(verdict.compatible, expected, "{rules:?}");
    }
}

pub(super) async fn a_registered_schema_is_found_by_a_check(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let Three { wide, other, .. } = three(&format);
        let group = open_group(registry, format.full_name(), format.clone()).await;
        let version = add(registry, &group, &wide).await;
        add(registry, &group, &other).await;
        let verdict = asked(registry, &group, &wide, DenyAll, Rules::strict()).await;
        assert_eq!(verdict.registered, Some(version), "{format}");
        assert!(verdict.compatible, "what is there need not be added");
        assert!(verdict.refusal.is_some(), "and why it would be refused is told all the same");
    }
}

pub(super) async fn what_a_check_says_is_what_happens(registry: &impl RegistryAdministration) {
    for format in FORMATS {
        let Three { wide, narrow, other } = three(&format);
        let id = GroupId::new("shop", format.full_name());
        make(registry, &id, properties(format.clone(), Backward, Rules::strict())).await;
        for (schema, expected) in [(&narrow, true), (&other, false), (&wide, true), (&narrow, true)] {
            let verdict = registry.check(&id, schema.clone(), CheckOptions::default()).await.expect("asked");
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
        let shut = GroupChange { compatibility: Some(DenyAll), ..GroupChange::default() };
        registry.change_group(&id, shut).await.expect("changed");
        let verdict = registry.check(&id, other.clone(), CheckOptions::default()).await.expect("asked");
        let reasons = verdict.refusal.expect("refused").reasons;
        assert!(matches!(reasons.as_slice(), [Reason::Denied { versions }] if !versions.is_empty()));
    }
}

pub(super) async fn types_live_side_by_side_or_not(registry: &impl RegistryAdministration) {
    let (a, b) = (avro("A", ""), avro("B", r#"{"name":"x","type":"int"}"#));
    for (name, several) in [("one", false), ("many", true)] {
        let id = GroupId::new("shop", name);
        let properties = properties(Format::Avro, Backward, Rules::strict());
        make(registry, &id, kulya_schema::GroupProperties { allow_multiple_types: several, ..properties })
            .await;
        add(registry, &id, &a).await;
        let verdict = registry.check(&id, b.clone(), CheckOptions::default()).await.expect("asked");
        assert_eq!(verdict.compatible, several, "{name}");
        if let Some(refusal) = verdict.refusal {
            assert!(matches!(refusal.reasons.as_slice(), [Reason::OtherType { .. }]));
        }
    }
}

pub(super) async fn a_check_tells_what_is_wrong_with_the_question(registry: &impl RegistryAdministration) {
    let group = open_group(registry, "avro", Format::Avro).await;
    let check = async |group: &GroupId, schema: SchemaInfo| {
        kind(registry.check(group, schema, CheckOptions::default()).await)
    };
    let nowhere = GroupId::new("shop", "nowhere");
    assert_eq!(check(&nowhere, avro("R", "")).await, RegistryErrorKind::NotFound);
    let json = three(&Format::Json).wide;
    assert_eq!(check(&group, json).await, RegistryErrorKind::FormatMismatch);
    for broken in ["", "{", r#"{"type":"recrod"}"#] {
        let schema = SchemaInfo::new("R", Format::Avro, broken);
        assert_eq!(check(&group, schema).await, RegistryErrorKind::InvalidInput, "{broken:?}");
    }
}
