//! The bytes of every stored record, as the registry has written them since its first version.

use super::*;
use kulya_schema::{
    CodecType, Compatibility, CompatibilityFingerprint, Format, GroupProperties, SchemaInfo, VersionInfo,
    VersionScope,
};

#[test]
fn a_schema_record_is_decoded_in_both_layouts() {
    let record = SchemaRecord {
        schema: SchemaInfo::new("R", Format::Protobuf, [0, 255, 1, b'{']),
        version: VersionInfo { type_name: "R".into(), format: "Protobuf".into(), version: 1, id: 2 },
        compatibility: Compatibility::Backward,
        timestamp_ms: 3,
        fingerprint: [4; 32],
        references: Vec::new(),
    };
    let bytes = record.encode();
    assert!(bytes.ends_with(&[0, 255, 1, b'{']), "the schema is stored as raw bytes");
    let base64 = br#"{"schema":{"type":"R","serializationFormat":{"serializationFormat":"Protobuf","fullTypeName":"Protobuf"},"schemaData":"AP8Bew==","properties":{}},"version":{"type":"R","serializationFormat":"Protobuf","version":1,"id":2},"compatibility":{"policy":"Backward"},"timestamp_ms":3,"fingerprint":[4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4,4]}"#;
    for bytes in [bytes.clone(), base64.to_vec()] {
        let back = SchemaRecord::decode("a schema", &bytes).unwrap();
        assert_eq!((back.schema, back.version), (record.schema.clone(), record.version.clone()));
    }
    for cut in 0..bytes.len() - 4 {
        assert!(SchemaRecord::decode("a schema", &bytes[..cut]).is_err(), "{cut}");
    }
}

const AVRO: &str = r#"{"serializationFormat":"Avro","fullTypeName":"Avro"}"#;

fn version(id: u32) -> VersionInfo {
    VersionInfo { type_name: "R".into(), format: "Avro".into(), version: 0, id }
}

fn labels() -> std::collections::BTreeMap<String, String> {
    [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "\u{1}ü\"".to_owned())].into()
}

fn text(record: &impl Serialize) -> String {
    String::from_utf8(encode(record)).unwrap()
}

#[test]
fn a_group_record_has_stable_bytes() {
    let mut record =
        GroupRecord::new(7, GroupProperties::new(Format::Avro, Compatibility::BackwardTransitive, true));
    let bytes = format!(
        r#"{{"incarnation":7,"properties":{{"serializationFormat":{AVRO},"compatibility":{{"policy":"BackwardTransitive"}},"allowMultipleTypes":true,"properties":{{}}}},"schemas":0,"encodings":0,"codecs":[]}}"#
    );
    assert_eq!(text(&record), bytes);
    record.properties = GroupProperties {
        properties: labels(),
        ..GroupProperties::new(Format::Custom("thrift".into()), Compatibility::AllowAny, false)
    };
    record.schemas = 6;
    record.encodings = 2;
    record.deleted.insert(3);
    record.deleted.insert(4);
    record.codecs = vec![CodecType::default(), CodecType { name: "gz".into(), properties: labels() }];
    let bytes = r#"{"incarnation":7,"properties":{"serializationFormat":{"serializationFormat":"Custom","fullTypeName":"thrift"},"compatibility":{"policy":"AllowAny"},"allowMultipleTypes":false,"properties":{"a":"\u0001ü\"","b":"2"}},"schemas":6,"deleted":[[3,4]],"encodings":2,"codecs":[{"name":"","properties":{}},{"name":"gz","properties":{"a":"\u0001ü\"","b":"2"}}]}"#;
    assert_eq!(text(&record), bytes);
    assert_eq!(text(&decode::<GroupRecord>("a group", bytes.as_bytes()).unwrap()), bytes);
}

#[test]
fn every_policy_and_format_has_stable_bytes() {
    use Compatibility::*;
    let of = |format: Format, compatibility: Compatibility| {
        let record = GroupRecord::new(0, GroupProperties::new(format, compatibility, false));
        let bytes = text(&record);
        let back: GroupRecord = decode("a group", bytes.as_bytes()).unwrap();
        assert_eq!(back.properties, record.properties);
        assert_eq!(text(&back), bytes);
        let properties = bytes
            .strip_prefix(r#"{"incarnation":0,"properties":{"serializationFormat":"#)
            .and_then(|rest| rest.split_once(r#","allowMultipleTypes""#));
        properties.unwrap().0.to_owned()
    };
    for format in ["Avro", "Protobuf", "Json", "Any", "Custom"] {
        let (value, name) = match format {
            "Avro" => (Format::Avro, format),
            "Protobuf" => (Format::Protobuf, format),
            "Json" => (Format::Json, format),
            "Any" => (Format::Any, format),
            _ => (Format::Custom("mine".into()), "mine"),
        };
        let bytes = format!(
            r#"{{"serializationFormat":"{format}","fullTypeName":"{name}"}},"compatibility":{{"policy":"DenyAll"}}"#
        );
        assert_eq!(of(value, DenyAll), bytes);
    }
    let till = Some(VersionScope::Till(version(2)));
    for (policy, bytes) in [
        (AllowAny, r#"{"policy":"AllowAny"}"#),
        (DenyAll, r#"{"policy":"DenyAll"}"#),
        (Backward, r#"{"policy":"Backward"}"#),
        (Forward, r#"{"policy":"Forward"}"#),
        (BackwardTransitive, r#"{"policy":"BackwardTransitive"}"#),
        (ForwardTransitive, r#"{"policy":"ForwardTransitive"}"#),
        (Full, r#"{"policy":"Full"}"#),
        (FullTransitive, r#"{"policy":"FullTransitive"}"#),
        (
            Advanced { backward: Some(VersionScope::Latest), forward: None },
            r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"Backward"}}}}"#,
        ),
        (
            Advanced { backward: None, forward: Some(VersionScope::Transitive) },
            r#"{"policy":"Advanced","advanced":{"forwardPolicy":{"forwardPolicy":{"name":"ForwardTransitive"}}}}"#,
        ),
        (
            Advanced { backward: till.clone(), forward: till },
            r#"{"policy":"Advanced","advanced":{"backwardPolicy":{"backwardPolicy":{"name":"BackwardTill","versionInfo":{"type":"R","serializationFormat":"Avro","version":0,"id":2}}},"forwardPolicy":{"forwardPolicy":{"name":"ForwardTill","versionInfo":{"type":"R","serializationFormat":"Avro","version":0,"id":2}}}}}"#,
        ),
    ] {
        assert_eq!(
            of(Format::Any, policy),
            format!(r#"{{"serializationFormat":"Any","fullTypeName":"Any"}},"compatibility":{bytes}"#)
        );
    }
}

#[test]
fn records_of_versions_schemas_and_encodings_have_stable_bytes() {
    let schema = SchemaInfo { properties: labels(), ..SchemaInfo::new("R", Format::Avro, r#""int""#) };
    let shape: CompatibilityFingerprint = serde_json::from_str(r#""1-00ff""#).unwrap();
    let bytes =
        r#"{"version":{"type":"R","serializationFormat":"Avro","version":0,"id":5},"shape":"1-00ff"}"#;
    assert_eq!(text(&VersionRecord { version: version(5), shape }), bytes);
    assert_eq!(text(&decode::<VersionRecord>("a version", bytes.as_bytes()).unwrap()), bytes);

    let mut record = SchemaRecord {
        schema: schema.clone(),
        version: version(5),
        compatibility: Compatibility::Full,
        timestamp_ms: 1_700_000_000_000,
        fingerprint: [9; 32],
        references: Vec::new(),
    };
    let fingerprint = ["9"; 32].join(",");
    let json = |data: &str| {
        format!(
            r#"{{"schema":{{"type":"R","serializationFormat":{AVRO},"schemaData":"{data}","properties":{{"a":"\u0001ü\"","b":"2"}}}},"version":{{"type":"R","serializationFormat":"Avro","version":0,"id":5}},"compatibility":{{"policy":"Full"}},"timestamp_ms":1700000000000,"fingerprint":[{fingerprint}]}}"#
        )
    };
    let raw = [&[1][..], &(json("").len() as u32).to_be_bytes(), json("").as_bytes(), br#""int""#].concat();
    assert_eq!(record.encode(), raw);
    // as earlier versions wrote it
    for bytes in [raw.as_slice(), json("ImludCI=").as_bytes()] {
        let back = SchemaRecord::decode("a schema", bytes).unwrap();
        assert_eq!(back.schema, schema);
        assert_eq!(back.encode(), raw);
        assert!(SchemaRecord::decode_references("a schema", bytes).unwrap().is_empty());
    }
    let group = kulya_schema::GroupId::new("shop", "parts");
    record.references = vec![Reference::new("R", &group, 3)];
    let bytes = record.encode();
    let references = br#","references":[{"name":"R","namespace":"shop","group":"parts","id":3}]}"int""#;
    assert!(bytes.ends_with(references), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(SchemaRecord::decode("a schema", &bytes).unwrap().references, record.references);
    assert_eq!(SchemaRecord::decode_references("a schema", &bytes).unwrap(), record.references);
    let bytes = r#"{"namespace":"shop","group":"parts","version":{"type":"R","serializationFormat":"Avro","version":0,"id":5}}"#;
    let referrer = ReferrerRecord { group, version: version(5) };
    assert_eq!(text(&referrer), bytes);
    assert_eq!(decode::<ReferrerRecord>("a referrer", bytes.as_bytes()).unwrap(), referrer);

    let bytes = r#"{"schema":5,"codec":{"name":"gz","properties":{"a":"\u0001ü\"","b":"2"}}}"#;
    let record = EncodingRecord { schema: 5, codec: CodecType { name: "gz".into(), properties: labels() } };
    assert_eq!(text(&record), bytes);
    assert_eq!(text(&decode::<EncodingRecord>("an encoding", bytes.as_bytes()).unwrap()), bytes);
}

#[test]
fn changelog_events_have_stable_bytes() {
    use kulya_registry_api::administration::ChangeEvent;
    let group = kulya_schema::GroupId::new("shop", "orders/ü");
    let change = |event| Change {
        namespace: group.namespace.clone(),
        group: group.name.clone(),
        timestamp: 17,
        event,
    };
    let properties = GroupProperties::new(Format::Avro, Compatibility::Backward, true);
    let json = format!(
        r#""properties":{{"serializationFormat":{AVRO},"compatibility":{{"policy":"Backward"}},"allowMultipleTypes":true,"properties":{{}}}}"#
    );
    let json_version =
        r#""versionInfo":{"type":"R","serializationFormat":"Avro","version":0,"id":5}"#.to_owned();
    let codec_type = CodecType { name: "gz".into(), properties: labels() };
    for (event, name, members) in [
        (ChangeEvent::GroupCreated { properties: properties.clone() }, "group-created", json.clone()),
        (
            ChangeEvent::GroupImported { properties: properties.clone(), schemas: 3 },
            "group-imported",
            format!(r#"{json},"schemas":3"#),
        ),
        (ChangeEvent::GroupChanged { properties }, "group-changed", json),
        (ChangeEvent::GroupDeleted, "group-deleted", String::new()),
        (ChangeEvent::SchemaAdded { version_info: version(5) }, "schema-added", json_version.clone()),
        (ChangeEvent::SchemaDeleted { version_info: version(5) }, "schema-deleted", json_version),
        (
            ChangeEvent::CodecAdded { codec_type },
            "codec-added",
            r#""codecType":{"name":"gz","properties":{"a":"\u0001ü\"","b":"2"}}"#.to_owned(),
        ),
        (
            ChangeEvent::EncodingAdded {
                encoding_id: kulya_schema::EncodingId(4),
                schema_id: 5,
                codec: "gz".into(),
            },
            "encoding-added",
            r#""encodingId":{"encodingId":4},"schemaId":5,"codec":"gz""#.to_owned(),
        ),
    ] {
        let comma = if members.is_empty() { "" } else { "," };
        let bytes = format!(
            r#"{{"namespace":"shop","group":"orders/ü","timestamp":17,"change":"{name}"{comma}{members}}}"#
        );
        assert_eq!(String::from_utf8(encode_change(change(event.clone()))).unwrap(), bytes);
        let back = decode_change(bytes.as_bytes()).unwrap();
        assert_eq!((back.group_id(), back.timestamp, back.event), (group.clone(), 17, event));
    }
}
