//! The contract of the registry's trait, in process and over HTTP.

use crate::{NOW_MS, registry_on, serve_memory};
use kulya_client::HttpRegistry;
use kulya_registry_api::{RegistryErrorKind, RegistryResult, SchemaRegistry};
use kulya_schema::{
    CodecType, Compatibility, EncodingId, Format, GroupId, GroupProperties, SchemaInfo, VersionInfo,
};
use kulya_store::memory::MemoryStore;
use std::sync::Arc;

#[tokio::test]
async fn in_process() {
    all(&registry_on(Arc::new(MemoryStore::new())).await).await;
}

#[tokio::test]
async fn over_http() {
    all(&HttpRegistry::new(&serve_memory().await).unwrap()).await;
}

pub(crate) async fn all(registry: &dyn SchemaRegistry) {
    groups_are_created_listed_and_deleted(registry).await;
    schemas_get_versions_and_ids(registry).await;
    an_incompatible_schema_is_rejected_with_reasons(registry).await;
    a_member_of_a_union_is_checked_alone(registry).await;
    encodings_are_created_once(registry).await;
    a_recreated_group_is_empty(registry).await;
    names_may_contain_anything(registry).await;
    many_groups_are_listed_completely(registry).await;
    readers_are_checked(registry).await;
}

fn avro(compatibility: Compatibility) -> GroupProperties {
    GroupProperties::new(Format::Avro, compatibility, true)
}

fn user(fields: &str) -> SchemaInfo {
    SchemaInfo::new("User", Format::Avro, format!(r#"{{"type":"record","name":"User","fields":[{fields}]}}"#))
}

const NAME: &str = r#"{"name":"name","type":"string"}"#;
const AGE: &str = r#"{"name":"age","type":"int"}"#;
const AGE_DEFAULT: &str = r#"{"name":"age","type":"int","default":0}"#;

fn kind<T: std::fmt::Debug>(result: RegistryResult<T>) -> RegistryErrorKind {
    result.unwrap_err().kind()
}

async fn groups_are_created_listed_and_deleted(registry: &dyn SchemaRegistry) {
    let group = GroupId::new("one", "g");
    assert!(registry.create_group(&group, avro(Compatibility::Backward)).await.unwrap());
    assert!(!registry.create_group(&group, avro(Compatibility::AllowAny)).await.unwrap());
    assert_eq!(registry.group(&group).await.unwrap(), avro(Compatibility::Backward));
    assert_eq!(registry.groups("one").await.unwrap(), [(group.clone(), avro(Compatibility::Backward))]);
    assert!(registry.groups("another").await.unwrap().is_empty());
    registry.delete_group(&group).await.unwrap();
    registry.delete_group(&group).await.unwrap();
    assert_eq!(kind(registry.group(&group).await), RegistryErrorKind::NotFound);
    assert_eq!(kind(registry.add_schema(&group, user(NAME)).await), RegistryErrorKind::NotFound);
    assert!(registry.groups("one").await.unwrap().is_empty());
}

async fn schemas_get_versions_and_ids(registry: &dyn SchemaRegistry) {
    let group = GroupId::new("two", "g");
    registry.create_group(&group, avro(Compatibility::AllowAny)).await.unwrap();
    let version = |type_name: &str, version, id| VersionInfo {
        type_name: type_name.into(),
        format: "Avro".into(),
        version,
        id,
    };
    assert_eq!(registry.add_schema(&group, user(NAME)).await.unwrap(), version("User", 0, 0));
    let other = SchemaInfo::new("", Format::Avro, r#"{"type":"fixed","name":"a.F","size":2}"#);
    assert_eq!(registry.add_schema(&group, other).await.unwrap(), version("a.F", 0, 1));
    assert_eq!(registry.add_schema(&group, user("")).await.unwrap(), version("User", 1, 2));
    assert_eq!(registry.add_schema(&group, user(NAME)).await.unwrap(), version("User", 0, 0), "known");
    let spaced = SchemaInfo::new(
        "User",
        Format::Avro,
        user(NAME).data.iter().map(|b| *b as char).collect::<String>() + " ",
    );
    assert_eq!(
        registry.find_schema(&group, spaced).await.unwrap(),
        version("User", 0, 0),
        "white space does not matter"
    );
    assert_eq!(kind(registry.find_schema(&group, user(AGE)).await), RegistryErrorKind::NotFound);
    assert_eq!(registry.schema(&group, 0).await.unwrap(), user(NAME), "the bytes as sent");
    assert_eq!(kind(registry.schema(&group, 9).await), RegistryErrorKind::NotFound);
    let versions = |schemas: Vec<kulya_schema::SchemaWithVersion>| {
        schemas.into_iter().map(|s| s.version.id).collect::<Vec<_>>()
    };
    assert_eq!(versions(registry.schema_versions(&group, None).await.unwrap()), [0, 1, 2]);
    assert_eq!(versions(registry.schema_versions(&group, Some("User")).await.unwrap()), [0, 2]);
    assert!(registry.schema_versions(&group, Some("Nobody")).await.unwrap().is_empty());
    assert_eq!(versions(registry.latest_schemas(&group, None).await.unwrap()), [1, 2]);
    assert_eq!(versions(registry.latest_schemas(&group, Some("User")).await.unwrap()), [2]);
    assert_eq!(kind(registry.latest_schemas(&group, Some("Nobody")).await), RegistryErrorKind::NotFound);
    let json = SchemaInfo::new("", Format::Json, "{}");
    assert_eq!(kind(registry.add_schema(&group, json).await), RegistryErrorKind::FormatMismatch);
    let wrong = SchemaInfo::new("User", Format::Avro, "{");
    assert_eq!(kind(registry.add_schema(&group, wrong).await), RegistryErrorKind::InvalidInput);
    let history = registry.history(&group).await.unwrap();
    assert_eq!((history.len(), history[0].timestamp_ms), (3, NOW_MS));
    assert_eq!(history[0].compatibility, Compatibility::AllowAny);
}

async fn an_incompatible_schema_is_rejected_with_reasons(registry: &dyn SchemaRegistry) {
    let group = GroupId::new("three", "g");
    registry.create_group(&group, avro(Compatibility::BackwardTransitive)).await.unwrap();
    registry.add_schema(&group, user(NAME)).await.unwrap();
    registry.add_schema(&group, user(&format!("{NAME},{AGE_DEFAULT}"))).await.unwrap();
    let error = registry
        .add_schema(&group, user(&format!("{AGE},{}", r#"{"name":"x","type":"long"}"#)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::Incompatible);
    let text = error.to_string();
    for part in ["BackwardTransitive", "User.age", "User.x", "version 0", "version 1", "no default"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(registry.schema_versions(&group, None).await.unwrap().len(), 2, "a refusal adds nothing");
}

/// As the Java server does for a new schema.
async fn a_member_of_a_union_is_checked_alone(registry: &dyn SchemaRegistry) {
    let group = GroupId::new("union", "g");
    registry.create_group(&group, avro(Compatibility::Forward)).await.unwrap();
    registry.add_schema(&group, user(&format!("{NAME},{AGE_DEFAULT}"))).await.unwrap();
    let member = String::from_utf8(user(NAME).data.to_vec()).unwrap();
    let union = format!(r#"[{member},{{"type":"enum","name":"E","symbols":["A"]}}]"#);
    let union = SchemaInfo::new("User", Format::Avro, union);
    assert_eq!(registry.add_schema(&group, union).await.unwrap().version, 1);
}

async fn encodings_are_created_once(registry: &dyn SchemaRegistry) {
    let group = GroupId::new("four", "g");
    registry.create_group(&group, avro(Compatibility::AllowAny)).await.unwrap();
    let version = registry.add_schema(&group, user(NAME)).await.unwrap();
    assert_eq!(registry.encoding_id(&group, &version, "").await.unwrap(), EncodingId(0));
    assert_eq!(kind(registry.encoding_id(&group, &version, "gz").await), RegistryErrorKind::CodecUnknown);
    let codec = CodecType { name: "gz".into(), properties: [("a".to_owned(), "b".to_owned())].into() };
    registry.add_codec_type(&group, codec.clone()).await.unwrap();
    registry
        .add_codec_type(&group, CodecType { name: "gz".into(), properties: Default::default() })
        .await
        .unwrap();
    assert_eq!(registry.codec_types(&group).await.unwrap(), std::slice::from_ref(&codec), "the first stays");
    assert_eq!(registry.encoding_id(&group, &version, "gz").await.unwrap(), EncodingId(1));
    assert_eq!(registry.encoding_id(&group, &version, "").await.unwrap(), EncodingId(0), "made once");
    let bogus = VersionInfo { type_name: "Bogus".into(), version: 7, ..version.clone() };
    assert_eq!(registry.encoding_id(&group, &bogus, "").await.unwrap(), EncodingId(0), "the id alone counts");
    let encoding = registry.encoding(&group, EncodingId(1)).await.unwrap();
    assert_eq!((encoding.schema, encoding.version, encoding.codec), (user(NAME), version.clone(), codec));
    assert_eq!(kind(registry.encoding(&group, EncodingId(2)).await), RegistryErrorKind::NotFound);
    let nowhere = VersionInfo { id: 5, ..version };
    assert_eq!(kind(registry.encoding_id(&group, &nowhere, "").await), RegistryErrorKind::NotFound);
    assert_eq!(
        kind(registry.encoding_id(&group, &nowhere, "lz").await),
        RegistryErrorKind::NotFound,
        "schema first"
    );
}

async fn a_recreated_group_is_empty(registry: &dyn SchemaRegistry) {
    let group = GroupId::new("five", "g");
    for _ in 0..2 {
        registry.create_group(&group, avro(Compatibility::AllowAny)).await.unwrap();
        assert!(registry.schema_versions(&group, None).await.unwrap().is_empty());
        assert_eq!(kind(registry.encoding(&group, EncodingId(0)).await), RegistryErrorKind::NotFound);
        let version = registry.add_schema(&group, user(NAME)).await.unwrap();
        assert_eq!((version.id, version.version), (0, 0));
        registry.encoding_id(&group, &version, "").await.unwrap();
        registry.delete_group(&group).await.unwrap();
    }
}

async fn names_may_contain_anything(registry: &dyn SchemaRegistry) {
    for name in ["scope/stream", "a b+c", "100%", "é?&=#"] {
        let group = GroupId::new("six é", name);
        registry.create_group(&group, avro(Compatibility::AllowAny)).await.unwrap();
        registry.add_schema(&group, user(NAME)).await.unwrap();
        assert_eq!(registry.find_schema(&group, user(NAME)).await.unwrap().id, 0, "{name}");
    }
    assert_eq!(registry.groups("six é").await.unwrap().len(), 4);
    let empty = GroupId::new("six", "");
    assert_eq!(
        kind(registry.create_group(&empty, avro(Compatibility::AllowAny)).await),
        RegistryErrorKind::InvalidInput
    );
}

async fn many_groups_are_listed_completely(registry: &dyn SchemaRegistry) {
    for number in 0..230 {
        let group = GroupId::new("seven", format!("g{number:03}"));
        registry.create_group(&group, avro(Compatibility::AllowAny)).await.unwrap();
    }
    let names: Vec<_> = registry.groups("seven").await.unwrap().into_iter().map(|(id, _)| id.name).collect();
    assert_eq!(names, (0..230).map(|n| format!("g{n:03}")).collect::<Vec<_>>());
}

async fn readers_are_checked(registry: &dyn SchemaRegistry) {
    let group = GroupId::new("eight", "g");
    registry.create_group(&group, avro(Compatibility::Backward)).await.unwrap();
    registry.add_schema(&group, user(NAME)).await.unwrap();
    assert!(registry.can_read(&group, user("")).await.unwrap());
    assert!(!registry.can_read(&group, user(AGE)).await.unwrap());
}
