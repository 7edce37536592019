//! The registry's values, likewise: every one survives the round trip through its message, and any message
//! converts to a value or to an error that names the invalid field.

use kulya_registry_api::administration::{
    Change, ChangeEvent, Comparison, ExportLine, GroupChange, ImportSummary, OnConflict, Page, PageRequest,
    Referrer, RegisteredSchema, Search, SearchHit, Verdict, VersionEntry,
};
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use kulya_schema::compatibility::{Reason, Refusal, Warning};
use kulya_schema::protobuf::Safety;
use kulya_schema::{
    ChangedField, CodecType, Compatibility, Difference, EncodingId, EncodingInfo, Field, Format, GroupId,
    GroupProperties, HistoryRecord, Incompatibility, Reference, Rules, SchemaInfo, SchemaWithVersion,
    StrictRules, UnknownPolicy, Unresolved, VersionInfo, VersionScope,
};
use kulya_wire::registry::v1;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Encodes a value, decodes it, and compares.
fn round_trips<T, M>(value: &T)
where
    T: Clone + PartialEq + Debug + Into<M> + TryFrom<M>,
    T::Error: Debug,
    M: Message + Default,
{
    let message: M = value.clone().into();
    let decoded = M::decode(message.encode_to_vec().as_slice()).unwrap();
    assert_eq!(&T::try_from(decoded).unwrap(), value);
}

fn word() -> impl Strategy<Value = String> + Clone {
    "[a-zé/ .]{0,8}"
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(word(), word(), 0..3)
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Avro),
        Just(Format::Protobuf),
        Just(Format::Json),
        Just(Format::Any),
        word().prop_map(Format::Custom)
    ]
}

fn version() -> impl Strategy<Value = VersionInfo> + Clone {
    (word(), word(), any::<u32>(), any::<u32>())
        .prop_map(|(type_name, format, version, id)| VersionInfo { type_name, format, version, id })
        .boxed()
}

fn side() -> impl Strategy<Value = VersionScope> {
    prop_oneof![
        Just(VersionScope::Latest),
        Just(VersionScope::Transitive),
        version().prop_map(VersionScope::Till)
    ]
}

fn compatibility() -> impl Strategy<Value = Compatibility> {
    let advanced = (option::of(side()), option::of(side())).prop_map(|sides| match sides {
        (None, None) => Compatibility::AllowAny,
        (backward, forward) => Compatibility::Advanced { backward, forward },
    });
    prop_oneof![
        Just(Compatibility::AllowAny),
        Just(Compatibility::DenyAll),
        Just(Compatibility::Backward),
        Just(Compatibility::Forward),
        Just(Compatibility::BackwardTransitive),
        Just(Compatibility::ForwardTransitive),
        Just(Compatibility::Full),
        Just(Compatibility::FullTransitive),
        advanced,
    ]
    .boxed()
}

fn properties() -> impl Strategy<Value = GroupProperties> {
    (format(), compatibility(), any::<bool>(), labels())
        .prop_map(|(format, compatibility, allow_multiple_types, properties)| GroupProperties {
            format,
            compatibility,
            allow_multiple_types,
            properties,
        })
        .boxed()
}

fn schema() -> impl Strategy<Value = SchemaInfo> {
    (word(), format(), vec(any::<u8>(), 0..20), labels())
        .prop_map(|(type_name, format, data, properties)| SchemaInfo { type_name, format, data, properties })
        .boxed()
}

fn codec() -> impl Strategy<Value = CodecType> {
    (word(), labels()).prop_map(|(name, properties)| CodecType { name, properties })
}

fn field() -> impl Strategy<Value = Field> {
    (word(), word()).prop_map(|(path, kind)| Field { path, kind })
}

fn incompatibility() -> impl Strategy<Value = Incompatibility> {
    let witness = option::of(prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(|n| json!({"a": [n, 1.5, "é"], "b": {}})),
        word().prop_map(|text| json!(text)),
    ]);
    (vec(word(), 7), witness, any::<bool>()).prop_map(|(text, witness, certain)| {
        let [rule, reader_path, writer_path, reader, writer, message, fix] = text.try_into().unwrap();
        Incompatibility { rule, reader_path, writer_path, reader, writer, message, fix, witness, certain }
    })
}

fn reason() -> impl Strategy<Value = Reason> {
    let versions = || vec(version(), 0..3);
    prop_oneof![
        versions().prop_map(|versions| Reason::OtherType { versions }),
        versions().prop_map(|versions| Reason::Denied { versions }),
        (versions(), incompatibility())
            .prop_map(|(versions, incompatibility)| Reason::CannotRead { versions, incompatibility }),
        (versions(), incompatibility())
            .prop_map(|(versions, incompatibility)| Reason::CannotBeRead { versions, incompatibility }),
        (versions(), incompatibility())
            .prop_map(|(versions, incompatibility)| Reason::UsesReserved { versions, incompatibility }),
    ]
    .boxed()
}

fn refusal() -> impl Strategy<Value = Refusal> {
    (word(), word(), word(), vec(reason(), 0..4)).prop_map(|(type_name, policy, rules, reasons)| Refusal {
        type_name,
        policy,
        rules,
        reasons,
    })
}

fn reference() -> impl Strategy<Value = Reference> {
    (word(), word(), word(), any::<u32>()).prop_map(|(name, namespace, group, id)| Reference {
        name,
        namespace,
        group,
        id,
    })
}

fn registered() -> impl Strategy<Value = RegisteredSchema> {
    (schema(), version(), any::<bool>(), vec(reference(), 0..3)).prop_map(
        |(schema_info, version_info, deleted, references)| RegisteredSchema {
            schema_info,
            version_info,
            deleted,
            references,
        },
    )
}

fn referrers() -> impl Strategy<Value = Page<Referrer>> {
    let referrer = (word(), word(), version()).prop_map(|(namespace, group, version_info)| Referrer {
        namespace,
        group,
        version_info,
    });
    (vec(referrer, 0..3), option::of(word())).prop_map(|(items, next)| Page { items, next })
}

fn line() -> impl Strategy<Value = ExportLine> {
    let group = (word(), word(), properties(), vec(codec(), 0..3), any::<u32>(), any::<u32>()).prop_map(
        |(namespace, group, properties, codecs, schemas, encodings)| ExportLine::Group {
            namespace,
            group,
            properties,
            codecs,
            schemas,
            encodings,
        },
    );
    let unresolved = (vec(any::<u8>(), 0..9), vec(reference(), 1..3))
        .prop_map(|(schema_data, references)| Unresolved { schema_data, references });
    let unresolved = option::of(unresolved);
    let schema = (schema(), version(), compatibility(), any::<u64>(), any::<bool>(), unresolved).prop_map(
        |(schema_info, version_info, compatibility, timestamp, deleted, unresolved)| ExportLine::Schema {
            schema_info,
            version_info,
            compatibility,
            timestamp,
            deleted,
            unresolved,
        },
    );
    prop_oneof![
        any::<u32>().prop_map(|version| ExportLine::Begin { kulya_registry_export: version }),
        group.boxed(),
        schema.boxed(),
        (any::<u32>(), any::<u32>(), codec()).prop_map(|(encoding_id, schema_id, codec_type)| {
            ExportLine::Encoding { encoding_id, schema_id, codec_type }
        }),
        any::<u64>().prop_map(|groups| ExportLine::End { groups }),
    ]
    .boxed()
}

fn event() -> impl Strategy<Value = ChangeEvent> {
    prop_oneof![
        properties().prop_map(|properties| ChangeEvent::GroupCreated { properties }),
        (properties(), any::<u32>())
            .prop_map(|(properties, schemas)| ChangeEvent::GroupImported { properties, schemas }),
        properties().prop_map(|properties| ChangeEvent::GroupChanged { properties }),
        Just(ChangeEvent::GroupDeleted),
        version().prop_map(|version_info| ChangeEvent::SchemaAdded { version_info }),
        version().prop_map(|version_info| ChangeEvent::SchemaDeleted { version_info }),
        codec().prop_map(|codec_type| ChangeEvent::CodecAdded { codec_type }),
        (any::<u32>(), any::<u32>(), word()).prop_map(|(id, schema_id, codec)| {
            ChangeEvent::EncodingAdded { encoding_id: EncodingId(id), schema_id, codec }
        }),
    ]
    .boxed()
}

const RULES: [Rules; 5] = [
    Rules::Java,
    Rules::Strict(StrictRules { protobuf: Safety::Wire, unknown: UnknownPolicy::Refuse }),
    Rules::Strict(StrictRules { protobuf: Safety::Wire, unknown: UnknownPolicy::Allow }),
    Rules::Strict(StrictRules { protobuf: Safety::Json, unknown: UnknownPolicy::Refuse }),
    Rules::Strict(StrictRules { protobuf: Safety::Json, unknown: UnknownPolicy::Allow }),
];

proptest! {
    #[test]
    fn schemas_with_references_round_trip(registered in registered(), referrers in referrers()) {
        round_trips::<_, v1::RegisteredSchema>(&registered);
        round_trips::<_, v1::ReferencedByReply>(&referrers);
    }

    #[test]
    fn groups_round_trip(
        (namespace, name) in (word(), word()),
        properties in properties(),
        compatibility in option::of(compatibility()),
        labels in option::of(labels()),
        next in option::of(word()),
    ) {
        let group = GroupId::new(namespace, name);
        round_trips::<_, v1::Group>(&group);
        round_trips::<_, v1::GroupProperties>(&properties);
        let previous = compatibility.as_ref().map(|_| properties.clone());
        round_trips::<_, v1::ChangeGroupRequest>(&GroupChange { compatibility, properties: labels, previous });
        let page = Page { items: vec![(group, properties)], next };
        round_trips::<_, v1::GroupsReply>(&page);
        let names = Page { items: page.items.into_iter().map(|(id, _)| id.name).collect(), next: page.next };
        round_trips::<_, v1::NamespacesReply>(&names);
    }

    #[test]
    fn schemas_round_trip(
        schema in schema(),
        version in version(),
        compatibility in compatibility(),
        timestamp_ms: u64,
        codec in codec(),
        deleted: bool,
        fields in vec(field(), 0..3),
        next in option::of(word()),
    ) {
        round_trips::<_, v1::SchemaWithVersion>(&SchemaWithVersion { schema: schema.clone(), version: version.clone() });
        let record = HistoryRecord { schema: schema.clone(), version: version.clone(), compatibility, timestamp_ms };
        round_trips::<_, v1::HistoryRecord>(&record);
        round_trips::<_, v1::Encoding>(&EncodingInfo { schema, version: version.clone(), codec });
        let items = vec![VersionEntry { version_info: version.clone(), deleted }];
        round_trips::<_, v1::VersionsReply>(&Page { items, next: next.clone() });
        let (namespace, group) = (version.format.clone(), version.type_name.clone());
        let found = SearchHit { namespace, group, version_info: version, fields };
        round_trips::<_, v1::SearchReply>(&Page { items: vec![found], next });
    }

    #[test]
    fn compatibility_results_round_trip(
        refusal in option::of(refusal()),
        registered in option::of(version()),
        compatible: bool,
        (from, to) in (schema(), schema()),
        fields in vec(field(), 0..3),
        incompatibilities in vec(incompatibility(), 0..3),
    ) {
        let versions: Vec<_> = registered.iter().cloned().collect();
        let warning = |change: &Incompatibility| Warning { versions: versions.clone(), change: change.clone() };
        let warnings = incompatibilities.iter().map(warning).collect();
        round_trips::<_, v1::Verdict>(&Verdict { compatible, registered, refusal, warnings });
        let changed = |field: &Field| {
            ChangedField { path: field.path.clone(), from: field.kind.clone(), to: String::new() }
        };
        let changed = fields.iter().map(changed).collect();
        let difference = Difference { added: fields.clone(), removed: fields, changed };
        let (backward, forward) = (incompatibilities.clone(), incompatibilities);
        round_trips::<_, v1::Comparison>(&Comparison { from, to, fields: difference, backward, forward });
    }

    #[test]
    fn exports_imports_and_changes_round_trip(
        line in line(),
        (namespace, group) in (word(), word()),
        timestamp: u64,
        event in event(),
        after in word(),
        limit: u32,
        text in vec(option::of(word()), 5),
        all_versions: bool,
    ) {
        round_trips::<_, v1::ExportLine>(&line);
        round_trips::<_, v1::Change>(&Change { namespace, group, timestamp, event });
        let page = PageRequest { after, limit: limit as usize };
        prop_assert_eq!(PageRequest::from(v1::Page::from(&page)), page);
        let [namespace, group, type_name, format, field] = text.try_into().unwrap();
        let search = Search { namespace, group, type_name, format, field, all_versions };
        round_trips::<_, v1::SearchRequest>(&search);
        let imported = ImportSummary { groups: timestamp, skipped: 1, schemas: limit.into(), encodings: 2 };
        round_trips::<_, v1::ImportReply>(&imported);
    }

    #[test]
    fn any_message_is_converted_or_rejected(bytes: Vec<u8>) {
        fn read<T: TryFrom<M>, M: Message + Default>(bytes: &[u8]) {
            if let Ok(message) = M::decode(bytes) {
                let _ = T::try_from(message);
            }
        }
        read::<GroupProperties, v1::GroupProperties>(&bytes);
        read::<GroupChange, v1::ChangeGroupRequest>(&bytes);
        read::<SchemaInfo, v1::Schema>(&bytes);
        read::<Verdict, v1::Verdict>(&bytes);
        read::<Comparison, v1::Comparison>(&bytes);
        read::<ExportLine, v1::ExportLine>(&bytes);
        read::<Change, v1::Change>(&bytes);
        read::<Rules, v1::Rules>(&bytes);
    }

    #[test]
    fn unknown_enum_numbers_are_named(number in 100i32..) {
        fn assert_rejected<T: Debug>(result: Result<T, RegistryError>, number: i32) {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), RegistryErrorKind::InvalidInput);
            assert!(error.to_string().contains(&number.to_string()), "{error}");
        }
        assert_rejected(Format::try_from(v1::Format { kind: number, custom: String::new() }), number);
        let policy = v1::Compatibility { policy: number, ..v1::Compatibility::default() };
        assert_rejected(Compatibility::try_from(policy), number);
        assert_rejected(OnConflict::try_from(v1::ImportBegin { existing: number }), number);
        for (protobuf, unknown) in [(number, 0), (0, number)] {
            let strict = v1::rules::Rules::Strict(v1::StrictRules { protobuf, unknown });
            assert_rejected(Rules::try_from(v1::Rules { rules: Some(strict) }), number);
        }
    }
}

#[test]
fn enums_round_trip() {
    for rules in RULES {
        round_trips::<_, v1::Rules>(&rules);
    }
    for existing in [OnConflict::Refuse, OnConflict::Skip] {
        round_trips::<_, v1::ImportBegin>(&existing);
    }
    // a limit that does not fit the message saturates
    assert_eq!(v1::Page::from(&PageRequest::first(usize::MAX)).limit, u32::MAX);
}

#[test]
fn missing_and_duplicate_fields_are_named() {
    fn assert_error<T: Debug>(result: Result<T, RegistryError>, text: &str) {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), RegistryErrorKind::InvalidInput);
        assert!(error.to_string().contains(text), "{text}: {error}");
    }
    assert_error(Format::try_from(v1::Format::default()), "has no format");
    let both = v1::Format { kind: v1::FormatKind::Avro.into(), custom: "thrift".to_owned() };
    assert_error(Format::try_from(both), "Avro and custom format \"thrift\"");
    assert_error(Compatibility::try_from(v1::Compatibility::default()), "has no policy");
    let latest = Some(v1::Side::from(VersionScope::Latest));
    let policy = |policy: v1::Policy, backward| v1::Compatibility {
        policy: policy.into(),
        backward,
        ..v1::Compatibility::default()
    };
    assert_error(
        Compatibility::try_from(policy(v1::Policy::Advanced, None)),
        "needs a backward or a forward",
    );
    assert_error(Compatibility::try_from(policy(v1::Policy::Full, latest)), "policy Full has no sides");
    let without_reach = policy(v1::Policy::Advanced, Some(v1::Side::default()));
    assert_error(Compatibility::try_from(without_reach), "reach in a side of the policy");
    assert_error(GroupProperties::try_from(v1::GroupProperties::default()), "has no format");
    assert_error(SchemaInfo::try_from(v1::Schema::default()), "has no format");
    assert_error(Reason::try_from(v1::Reason::default()), "has no reason");
    assert_error(ExportLine::try_from(v1::ExportLine::default()), "has no line");
    assert_error(Change::try_from(v1::Change::default()), "has no group");
    assert_error(Reference::try_from(v1::Reference::default()), "group of a reference");
    assert_error(RegisteredSchema::try_from(v1::RegisteredSchema::default()), "has no schema");
    assert_error(Rules::try_from(v1::Rules::default()), "has no rules");
    let witness = v1::Incompatibility { witness: Some("{".to_owned()), ..v1::Incompatibility::default() };
    assert_error(Incompatibility::try_from(witness), "not JSON");
}
