//! Decoding to Arrow record batches: schema evolution, codecs, padding, and invalid events.
#![cfg(feature = "arrow")]

use crate::decoder::Batches;
use crate::{JSON, USER, User, config, java, registry, schema};
use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use kulya_codec::Serializer;
use kulya_codec::arrow::{AvroPayloads, JsonRows, columns};
use kulya_codec::codec::Gzip;
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Format, GroupId, SchemaInfo};
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

#[derive(Serialize)]
struct Newer {
    vip: Option<bool>,
    name: &'static str,
    age: i32,
}

fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    text.lines().filter(|line| line.starts_with('|')).skip(1).map(|line| line.replace(' ', "")).collect()
}

async fn avro(registry: &Arc<dyn SchemaRegistry>, group: &GroupId, schema: &str) -> Serializer {
    let schema = SchemaInfo::new("", Format::Avro, schema);
    Serializer::new(Arc::clone(registry), schema, config(group, &Format::Avro)).await.unwrap()
}

#[tokio::test]
async fn avro_events_of_several_schemas_are_resolved_to_the_latest() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let newer = USER
        .replace(r#""fields":["#, r#""fields":[{"name":"vip","type":["null","boolean"],"default":null},"#);
    let first = avro(&registry, &group, USER).await;
    let second = avro(&registry, &group, &newer).await;
    let gzip = Serializer::new(
        Arc::clone(&registry),
        schema(&Format::Avro),
        config(&group, &Format::Avro).codec(Gzip),
    )
    .await
    .unwrap();
    let reader = SchemaInfo::new("", Format::Avro, newer);
    let mut batches = Batches::new(Arc::clone(&registry), group, AvroPayloads::new(&reader, None).unwrap());
    let user = |name: &str, age: i32| User { name: name.into(), age };
    batches.push(&first.serialize(&user("a", 1)).unwrap()).await.unwrap();
    batches.push(&second.serialize(&Newer { vip: Some(true), name: "b", age: 2 }).unwrap()).await.unwrap();
    batches.push(&gzip.serialize(&user("c", 0)).unwrap()).await.unwrap();
    // Flink writes its whole buffer; this datum itself ends with a zero
    let padded = [first.serialize(&user("d", 0)).unwrap().to_vec(), vec![0; 100]].concat();
    batches.push(&padded).await.unwrap();
    batches.push(&java("avro", "none")).await.unwrap();
    assert_eq!(rows(&batches.take()), ["||a|1|", "|true|b|2|", "||c|0|", "||d|0|", "||alice|42|"]);
    for (invalid, message) in [
        (&b"\x01\0\0\0\0\x0aal"[..], "feas.User"),
        (b"\x01\0\0\0\0\x02a\x02more", "feas.User"),
        (b"\x01\0\0\0\x63", "encoding 99"),
        (b"\x02\0\0\0\0", "protocol"),
    ] {
        let error = batches.push(invalid).await.unwrap_err().to_string();
        assert!(error.contains(message), "{invalid:?}: {error}");
    }
}

#[tokio::test]
async fn a_projection_of_a_root_union() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let union = format!(r#"["null",{USER}]"#);
    let first = avro(&registry, &group, &union).await;
    let event = first.serialize(&Some(User { name: "a".into(), age: 1 })).unwrap();
    let reader = SchemaInfo::new("", Format::Avro, union);
    let mut batches = Batches::new(registry, group, AvroPayloads::new(&reader, Some(vec![1])).unwrap());
    batches.push(&event).await.unwrap();
    assert_eq!(rows(&batches.take()), ["|1|"]);
    assert_eq!(batches.schema().fields().len(), 1);
}

#[tokio::test]
async fn json_events_become_rows() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let writer = Serializer::new(Arc::clone(&registry), schema(&Format::Json), config(&group, &Format::Json))
        .await
        .unwrap();
    let columns = columns(&SchemaInfo::new("", Format::Json, JSON)).unwrap();
    let mut batches = Batches::new(registry, group, JsonRows::new(&columns).unwrap());
    batches.push(&writer.serialize(&json!({ "age": 1, "name": "a", "more": [] })).unwrap()).await.unwrap();
    batches.push(&[java("json", "none"), vec![0; 50]].concat()).await.unwrap();
    batches.push(&writer.serialize(&json!([{ "age": 2 }, { "name": "c" }])).unwrap()).await.unwrap();
    assert_eq!(rows(&batches.take()), ["|a|1|", "|alice|42|", "||2|", "|c||"]);
    for (invalid, message) in
        [(json!({ "age": "x" }), "column age"), (json!(7), "not an object"), (json!([7]), "not an object")]
    {
        let error = batches.push(&writer.serialize(&invalid).unwrap()).await.unwrap_err().to_string();
        assert!(error.contains(message), "{invalid}: {error}");
    }
    assert!(batches.take().is_empty(), "a rejected event adds no row");
}
