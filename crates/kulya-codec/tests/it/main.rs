//! Events against a registry: the Java client's bytes, codecs, evolution, and wrong bytes; each format's own in its file.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod batches;
mod cached;
mod damage;
mod formats;
mod outage;
mod protobuf;

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

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: i32,
}

fn alice() -> User {
    User { name: "alice".into(), age: 42 }
}

/// Written by the Java serializers 0.6: format, codec, event.
fn java(format: &str, codec: &str) -> Vec<u8> {
    let lines = include_str!("../data/java-events.txt").lines();
    let hex = lines.filter_map(|line| line.strip_prefix(&format!("{format} {codec} "))).next().unwrap();
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

async fn registry() -> Arc<dyn SchemaRegistry> {
    Arc::new(Registry::open(Arc::new(MemoryStore::new()), Arc::new(SystemClock)).await.unwrap())
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
async fn bytes_are_the_java_clients_and_its_events_are_read() {
    for format in [Format::Avro, Format::Json] {
        let (registry, group) = (registry().await, GroupId::new("s", "t"));
        let plain = Serializer::new(&*registry, schema(&format), config(&group, &format)).await.unwrap();
        let gzip =
            Serializer::new(&*registry, schema(&format), config(&group, &format).codec(Gzip)).await.unwrap();
        let snappy = Serializer::new(&*registry, schema(&format), config(&group, &format).codec(Snappy))
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
        // as Flink writes it: the whole buffer
        let padded = [java(&name, "none"), vec![0; 100]].concat();
        assert_eq!(reader.deserialize::<User>(&padded).await.unwrap(), alice());
    }
}

#[tokio::test]
async fn avro_values_evolve_to_the_readers_schema() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let writer =
        Serializer::new(&*registry, schema(&Format::Avro), config(&group, &Format::Avro)).await.unwrap();
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
async fn what_is_wrong_is_named() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let unknown =
        Serializer::new(&*registry, schema(&Format::Avro), SerializerConfig::new(group.clone())).await;
    assert!(unknown.err().unwrap().to_string().contains("group s/t does not exist"));
    let writer =
        Serializer::new(&*registry, schema(&Format::Avro), config(&group, &Format::Avro)).await.unwrap();
    let refused = writer.serialize(&serde_json::json!({"name": "x"})).unwrap_err().to_string();
    assert!(refused.contains("feas.User"), "{refused}");
    let reader = Deserializer::new(registry, group);
    for (event, says) in [
        (&b"\x01\0\0\0\x09rest"[..], "encoding 9"),
        (b"\x01\0\0\0\0", "feas.User"),
        (b"\x01\0\0\0\0\x0aal", "feas.User"),
        (b"plain", "protocol version"),
    ] {
        let refused = reader.deserialize::<User>(event).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{event:?}: {refused}");
    }
}
