//! Events to Arrow: evolution, codecs, padding, and events that are wrong.
#![cfg(feature = "arrow")]

use crate::{JSON, USER, User, config, java, registry, schema};
use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use kulya_codec::Serializer;
use kulya_codec::arrow::{AvroBatches, JsonBatches, columns};
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

fn shown(batches: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    text.lines().filter(|line| line.starts_with('|')).skip(1).map(|line| line.replace(' ', "")).collect()
}

async fn avro(registry: &Arc<dyn SchemaRegistry>, group: &GroupId, schema: &str) -> Serializer {
    let schema = SchemaInfo::new("", Format::Avro, schema);
    Serializer::new(&**registry, schema, config(group, &Format::Avro)).await.unwrap()
}

#[tokio::test]
async fn avro_events_of_all_schemas_are_rows_of_the_latest() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let newer = USER
        .replace(r#""fields":["#, r#""fields":[{"name":"vip","type":["null","boolean"],"default":null},"#);
    let first = avro(&registry, &group, USER).await;
    let second = avro(&registry, &group, &newer).await;
    let gzip = Serializer::new(&*registry, schema(&Format::Avro), config(&group, &Format::Avro).codec(Gzip))
        .await
        .unwrap();
    let reader = SchemaInfo::new("", Format::Avro, newer);
    let mut batches = AvroBatches::new(Arc::clone(&registry), group, &reader, None).unwrap();
    let user = |name: &str, age: i32| User { name: name.into(), age };
    batches.push(&first.serialize(&user("a", 1)).unwrap()).await.unwrap();
    batches.push(&second.serialize(&Newer { vip: Some(true), name: "b", age: 2 }).unwrap()).await.unwrap();
    batches.push(&gzip.serialize(&user("c", 0)).unwrap()).await.unwrap();
    // as Flink writes: the whole buffer; and a datum that ends with a zero of its own
    let padded = [first.serialize(&user("d", 0)).unwrap().to_vec(), vec![0; 100]].concat();
    batches.push(&padded).await.unwrap();
    batches.push(&java("avro", "none")).await.unwrap();
    assert_eq!(
        shown(&batches.take(true).unwrap()),
        ["||a|1|", "|true|b|2|", "||c|0|", "||d|0|", "||alice|42|"]
    );
    for (wrong, says) in [
        (&b"\x01\0\0\0\0\x0aal"[..], "feas.User"),
        (b"\x01\0\0\0\0\x02a\x02more", "feas.User"),
        (b"\x01\0\0\0\x63", "encoding 99"),
        (b"\x02\0\0\0\0", "protocol"),
    ] {
        let refused = batches.push(wrong).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{wrong:?}: {refused}");
    }
}

#[tokio::test]
async fn projections_and_roots_that_are_unions() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let union = format!(r#"["null",{USER}]"#);
    let first = avro(&registry, &group, &union).await;
    let event = first.serialize(&Some(User { name: "a".into(), age: 1 })).unwrap();
    let reader = SchemaInfo::new("", Format::Avro, union);
    let mut batches = AvroBatches::new(registry, group, &reader, Some(vec![1])).unwrap();
    batches.push(&event).await.unwrap();
    assert_eq!(shown(&batches.take(true).unwrap()), ["|1|"]);
    assert_eq!(batches.schema().fields().len(), 1);
}

#[tokio::test]
async fn json_events_are_rows() {
    let (registry, group) = (registry().await, GroupId::new("s", "t"));
    let writer =
        Serializer::new(&*registry, schema(&Format::Json), config(&group, &Format::Json)).await.unwrap();
    let columns = columns(&SchemaInfo::new("", Format::Json, JSON)).unwrap();
    let mut batches = JsonBatches::new(registry, group, columns);
    batches.push(&writer.serialize(&json!({ "age": 1, "name": "a", "more": [] })).unwrap()).await.unwrap();
    batches.push(&[java("json", "none"), vec![0; 50]].concat()).await.unwrap();
    batches.push(&writer.serialize(&json!([{ "age": 2 }, { "name": "c" }])).unwrap()).await.unwrap();
    assert_eq!(shown(&batches.take(true).unwrap()), ["|a|1|", "|alice|42|", "||2|", "|c||"]);
    for (wrong, says) in
        [(json!({ "age": "x" }), "column age"), (json!(7), "no object"), (json!([7]), "no object")]
    {
        let refused = batches.push(&writer.serialize(&wrong).unwrap()).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{wrong}: {refused}");
    }
    assert!(batches.take(true).unwrap().is_empty(), "a refused event leaves nothing");
}
