//! Serializers and deserializers with a registry: the bytes of the Java client, codecs, schema evolution, and
//! invalid events. Tests of one format are in a file of its own.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod avro_rows;
mod batches;
mod cached;
mod change_payloads;
mod corruption;
mod decoder;
mod encoders;
mod flaky_registry;
mod formats;
mod protobuf;
mod protobuf_rows;
mod text_formats;

use bytes::Bytes;
use kulya_codec::codec::{Gzip, Snappy};
use kulya_codec::{AvroValue, Deserializer, Serializer, SerializerConfig};
use kulya_registry::Registry;
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::clock::SystemClock;
use kulya_store::memory::MemoryStore;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const USER: &str = r#"{"type":"record","name":"User","namespace":"feas","fields":[{"name":"name","type":"string"},{"name":"age","type":"int"}]}"#;
const JSON: &str = r#"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}}}"#;

/// Returns the events as a decoder takes them.
#[cfg(feature = "arrow")]
fn slices(events: &[Bytes]) -> Vec<&[u8]> {
    events.iter().map(Bytes::as_ref).collect()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: i32,
}

fn alice() -> User {
    User { name: "alice".into(), age: 42 }
}

/// Returns an event that the Java serializers 0.6 wrote, by format and codec.
fn java(format: &str, codec: &str) -> Vec<u8> {
    let lines = include_str!("../data/java-events.txt").lines();
    let hex = lines.filter_map(|line| line.strip_prefix(&format!("{format} {codec} "))).next().unwrap();
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

async fn registry() -> Arc<dyn SchemaRegistry> {
    Registry::open(MemoryStore::new(), SystemClock).await.unwrap().into()
}

fn schema(format: &Format) -> SchemaInfo {
    match format {
        Format::Protobuf => protobuf::user(),
        Format::Avro => SchemaInfo::new("", Format::Avro, USER),
        other => SchemaInfo::new("", other.clone(), JSON),
    }
}

fn config(group: &GroupId, format: &Format) -> SerializerConfig {
    let properties = GroupProperties::new(format.clone(), Compatibility::AllowAny, true);
    SerializerConfig::new(group.clone()).create_group(properties).register_schema()
}

#[tokio::test]
async fn events_are_compatible_with_the_java_client() {
    for format in [Format::Avro, Format::Json] {
        let (registry, group) = (registry().await, GroupId::new("s", "t"));
        let plain =
            Serializer::new(Arc::clone(&registry), schema(&format), config(&group, &format)).await.unwrap();
        let gzip =
            Serializer::new(Arc::clone(&registry), schema(&format), config(&group, &format).codec(Gzip))
                .await
                .unwrap();
        let snappy =
            Serializer::new(Arc::clone(&registry), schema(&format), config(&group, &format).codec(Snappy))
                .await
                .unwrap();
        let name = format.full_name().to_lowercase();
        assert_eq!(plain.serialize(&alice()).unwrap(), java(&name, "none"));
        let reader = Deserializer::new(registry, group);
        for event in [
            plain.serialize(&alice()).unwrap(),
            gzip.serialize(&alice()).unwrap(),
            snappy.serialize(&alice()).unwrap(),
            java(&name, "gzip").into(),
            java(&name, "snappy").into(),
        ] {
            assert_eq!(reader.deserialize::<User>(&event).await.unwrap(), alice(), "{name} {event:?}");
        }
        // Flink writes its whole buffer
        let padded = [java(&name, "none"), vec![0; 100]].concat();
        assert_eq!(reader.deserialize::<User>(&padded).await.unwrap(), alice());
    }
}

#[tokio::test]
async fn avro_values_are_resolved_to_the_reader_schema() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let writer = Serializer::new(Arc::clone(&registry), schema(&Format::Avro), config(&group, &Format::Avro))
        .await
        .unwrap();
    let value = AvroValue::Record(vec![("name".into(), "bob".into()), ("age".into(), 7.into())]);
    let event = writer.serialize_avro(&value).unwrap();
    let newer = USER
        .replace(r#"{"name":"age""#, r#"{"name":"email","type":"string","default":"none"},{"name":"age""#);
    let newer = SchemaInfo::new("", Format::Avro, newer);
    let reader = Deserializer::new(registry, group).reader_schema(&newer).unwrap();
    let AvroValue::Record(fields) = reader.deserialize_avro(&event).await.unwrap() else {
        panic!("a record")
    };
    assert_eq!(fields[1], ("email".into(), "none".into()));
}

#[tokio::test]
async fn errors_name_the_schema_or_the_encoding() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let unknown =
        Serializer::new(Arc::clone(&registry), schema(&Format::Avro), SerializerConfig::new(group.clone()))
            .await;
    assert!(unknown.err().unwrap().to_string().contains("group s/t does not exist"));
    let writer = Serializer::new(Arc::clone(&registry), schema(&Format::Avro), config(&group, &Format::Avro))
        .await
        .unwrap();
    let error = writer.serialize(&serde_json::json!({"name": "x"})).unwrap_err().to_string();
    assert!(error.contains("feas.User"), "{error}");
    let reader = Deserializer::new(registry, group);
    for (event, message) in [
        (&b"\x01\0\0\0\x09rest"[..], "encoding 9"),
        (b"\x01\0\0\0\0", "feas.User"),
        (b"\x01\0\0\0\0\x0aal", "feas.User"),
        (b"plain", "protocol version"),
    ] {
        let error = reader.deserialize::<User>(event).await.unwrap_err().to_string();
        assert!(error.contains(message), "{event:?}: {error}");
    }
}
