//! A store of an earlier version of the program: it gave Protobuf schemas that differ in custom options one
//! fingerprint, and JSON schemas whose numbers round to one double, and has a schema under that one. It must
//! still be found, and only by its own options or numbers.

use super::registry_on;
use kulya_registry_api::administration::RegistryAdministration;
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{
    CanonicalSchema, Compatibility, Format, GroupId, GroupProperties, SchemaInfo, canonicalize,
};
use kulya_store::memory::MemoryStore;
use kulya_store::{Commit, Condition, StreamStore, TableChange, TableId};
use std::sync::Arc;

fn schema(option: &str) -> CanonicalSchema {
    let text = format!(
        "syntax = \"proto3\"; package t; import \"google/protobuf/descriptor.proto\"; \
         extend google.protobuf.FieldOptions {{ string pii = 50001; }} \
         message M {{ string name = 1 [(pii) = \"{option}\"]; }}"
    );
    canonicalize(SchemaInfo::new("t.M", Format::Protobuf, text)).unwrap()
}

/// Moves the schemas of a registry to the fingerprints that earlier versions gave them: in the keys of their
/// ids, and in their records.
async fn make_former(store: &dyn StreamStore, schema: &CanonicalSchema) {
    let table = TableId::system("_schemaregistry", "registry").unwrap();
    let former = schema.former_fingerprint.expect("it has another fingerprint now");
    let replaced = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from)?;
        Some([&bytes[..at], to, &bytes[at + from.len()..]].concat())
    };
    let text = |fingerprint: &[u8; 32]| {
        fingerprint.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").into_bytes()
    };
    let mut changes = Vec::new();
    for entry in store.scan(&table, b"f", None, 100).await.unwrap() {
        let key = replaced(&entry.key, &schema.fingerprint, &former).expect("the key has the fingerprint");
        changes.push(TableChange::put(&table, key, Condition::Any, entry.value));
        changes.push(TableChange::remove(&table, entry.key, Condition::Any));
    }
    for entry in store.scan(&table, b"s", None, 100).await.unwrap() {
        // a byte, the length of the JSON in four, the JSON, and the schema
        let (json, data) = entry.value[5..].split_at(json_length(&entry.value));
        let json = replaced(json, &text(&schema.fingerprint), &text(&former));
        let json = json.expect("the record has the fingerprint");
        let length = u32::try_from(json.len()).unwrap().to_be_bytes();
        let value = [&entry.value[..1], &length, &json, data].concat();
        changes.push(TableChange::put(&table, entry.key, Condition::Any, value));
    }
    assert_eq!(changes.len(), 3, "one schema");
    store.commit(Commit::changes(changes)).await.unwrap();
}

fn json_length(record: &[u8]) -> usize {
    usize::try_from(u32::from_be_bytes(record[1..5].try_into().unwrap())).unwrap()
}

#[tokio::test]
async fn a_schema_is_found_under_its_former_fingerprint() {
    let store = Arc::new(MemoryStore::new());
    let group = GroupId::new("n", "g");
    let (yes, no) = (schema("yes"), schema("no"));
    assert_eq!(yes.former_fingerprint, no.former_fingerprint);
    {
        let registry = registry_on(store.clone()).await;
        let properties = GroupProperties::new(Format::Protobuf, Compatibility::AllowAny, false);
        registry.create_group(&group, properties).await.unwrap();
        registry.add_schema(&group, yes.schema.clone()).await.unwrap();
    }
    make_former(&*store, &yes).await;
    let registry = registry_on(store.clone()).await;
    assert_eq!(registry.find_schema(&group, yes.schema.clone()).await.unwrap().id, 0);
    let error = registry.find_schema(&group, no.schema.clone()).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::NotFound);
    // the same again is the same version, the other is a new one
    assert_eq!(registry.add_schema(&group, yes.schema.clone()).await.unwrap().id, 0);
    assert_eq!(registry.add_schema(&group, no.schema.clone()).await.unwrap().id, 1);
    assert_eq!(registry.find_schema(&group, yes.schema.clone()).await.unwrap().id, 0);
    assert_eq!(registry.find_schema(&group, no.schema.clone()).await.unwrap().id, 1);
    let version = registry.find_schema(&group, yes.schema.clone()).await.unwrap();
    let references = registry.schema_references("n", yes.schema.clone()).await.unwrap();
    assert_eq!(references.get("g"), Some(&version));
    // deleted, it is gone under both fingerprints
    registry.delete_schema(&group, 0).await.unwrap();
    let error = registry.find_schema(&group, yes.schema.clone()).await.unwrap_err();
    assert_eq!(error.kind(), RegistryErrorKind::NotFound);
    assert_eq!(registry.add_schema(&group, yes.schema).await.unwrap().id, 2);
    assert_eq!(registry.find_schema(&group, no.schema).await.unwrap().id, 1);
}

/// A JSON schema with this bound.
fn bounded(maximum: &str) -> CanonicalSchema {
    let text = format!(r#"{{"type":"number","maximum":{maximum}}}"#);
    canonicalize(SchemaInfo::new("t", Format::Json, text)).unwrap()
}

#[tokio::test]
async fn a_json_schema_is_found_under_the_fingerprint_of_rounded_numbers() {
    let store = Arc::new(MemoryStore::new());
    let group = GroupId::new("n", "g");
    let (stored, near) = (bounded("18446744073709551617"), bounded("18446744073709551616"));
    // the double that both were rounded to
    let double = bounded("18446744073709552000");
    assert_ne!(stored.fingerprint, near.fingerprint);
    assert_eq!(stored.former_fingerprint, near.former_fingerprint);
    assert_eq!(stored.former_fingerprint, Some(double.fingerprint));
    {
        let registry = registry_on(store.clone()).await;
        let properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, false);
        registry.create_group(&group, properties).await.unwrap();
        registry.add_schema(&group, stored.schema.clone()).await.unwrap();
    }
    make_former(&*store, &stored).await;
    let registry = registry_on(store.clone()).await;
    assert_eq!(registry.find_schema(&group, stored.schema.clone()).await.unwrap().id, 0);
    assert_eq!(registry.add_schema(&group, stored.schema.clone()).await.unwrap().id, 0);
    for other in [&near, &double] {
        let error = registry.find_schema(&group, other.schema.clone()).await.unwrap_err();
        assert_eq!(error.kind(), RegistryErrorKind::NotFound);
    }
    assert_eq!(registry.add_schema(&group, near.schema.clone()).await.unwrap().id, 1);
    assert_eq!(registry.find_schema(&group, stored.schema.clone()).await.unwrap().id, 0);
    assert_eq!(registry.find_schema(&group, near.schema).await.unwrap().id, 1);
    assert_eq!(registry.add_schema(&group, double.schema.clone()).await.unwrap().id, 2);
    assert_eq!(registry.find_schema(&group, double.schema).await.unwrap().id, 2);
}

/// What is rounded to a double in no way is the same as before.
#[test]
fn most_json_schemas_have_no_former_fingerprint() {
    for maximum in ["1", "0.5", "1e3", "9007199254740993", "18446744073709551615", "0.1"] {
        assert_eq!(bounded(maximum).former_fingerprint, None, "{maximum}");
    }
}
