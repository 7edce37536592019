//! Corrupt events: truncated, duplicated, modified, or with huge values. Each is rejected, or decoded as if
//! it were alone, and does not affect the others.
#![cfg(feature = "arrow")]

use crate::decoder::Batches;
use crate::{registry, schema};
use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use kulya_codec::arrow::{AvroPayloads, JsonRows, columns};
use kulya_codec::{AvroValue, Deserializer, Serializer, SerializerConfig};
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

const READINGS: &str = r#"{"type":"record","name":"Reading","fields":[
    {"name":"at","type":"long"},{"name":"sensor","type":"string"},
    {"name":"values","type":{"type":"array","items":"int"}},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
    {"name":"note","type":["null","string"]}]}"#;
const NUMBERS: &str =
    r#"{"type":"record","name":"Numbers","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}"#;

async fn writer(registry: &Arc<dyn SchemaRegistry>, group: &GroupId, schema: SchemaInfo) -> Serializer {
    let properties = GroupProperties::new(schema.format.clone(), Compatibility::AllowAny, true);
    let config = SerializerConfig::new(group.clone()).create_group(properties).register_schema();
    Serializer::new(Arc::clone(registry), schema, config).await.unwrap()
}

fn record(fields: Vec<(&str, AvroValue)>) -> AvroValue {
    AvroValue::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let row = |batch: &RecordBatch, row: usize| {
        let cells = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
        cells.collect::<Vec<_>>().join(",")
    };
    batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>())
        .collect()
}

#[tokio::test]
async fn a_truncated_event_does_not_consume_the_next() {
    let (registry, group) = (registry().await, GroupId::new("s", "numbers"));
    let schema = SchemaInfo::new("", Format::Avro, NUMBERS);
    let writer = writer(&registry, &group, schema.clone()).await;
    let mut batches =
        Batches::new(Arc::clone(&registry), group.clone(), AvroPayloads::new(&schema, None).unwrap());
    let reader = Deserializer::new(registry, group);
    let whole = |n: i32| writer.serialize_avro(&record(vec![("a", n.into()), ("b", n.into())])).unwrap();
    let mut expected = Vec::new();
    for n in 1..=5 {
        let event = whole(n);
        for cut in [&event[..5], &event[..6]] {
            let error = batches.push(cut).await.unwrap_err().to_string();
            assert!(error.contains("Numbers") && error.contains("truncated"), "{error}");
            let error = reader.deserialize_avro(cut).await.unwrap_err().to_string();
            assert!(error.contains("truncated"), "{error}");
        }
        let trailing = [&event[..], b"\x01"].concat();
        assert!(batches.push(&trailing).await.unwrap_err().to_string().contains("follow it"));
        assert!(reader.deserialize_avro(&trailing).await.unwrap_err().to_string().contains("follow it"));
        batches.push(&event).await.unwrap();
        expected.push(format!("{n},{n}"));
    }
    assert_eq!(rows(&batches.take()), expected);
}

/// A record of nulls is encoded as no bytes.
#[tokio::test]
async fn an_event_of_no_bytes_is_a_row() {
    let (registry, group) = (registry().await, GroupId::new("s", "nulls"));
    let text = r#"{"type":"record","name":"Nulls","fields":[{"name":"n","type":"null"}]}"#;
    let schema = SchemaInfo::new("", Format::Avro, text);
    let writer = writer(&registry, &group, schema.clone()).await;
    let mut batches = Batches::new(registry, group, AvroPayloads::new(&schema, None).unwrap());
    let event = writer.serialize_avro(&record(vec![("n", AvroValue::Null)])).unwrap();
    assert_eq!(event.len(), 5);
    for count in [1, 3] {
        for _ in 0..count {
            batches.push(&event).await.unwrap();
        }
        assert_eq!(batches.take().iter().map(RecordBatch::num_rows).sum::<usize>(), count);
    }
}

/// Only the decoder detects an enum symbol that the reader schema lacks, in the middle of a batch.
#[tokio::test]
async fn an_event_that_the_decoder_rejects_leaves_the_other_rows() {
    let (registry, group) = (registry().await, GroupId::new("s", "kinds"));
    let of = |symbols: &str| {
        let kind = format!(r#"{{"type":"enum","name":"Kind","symbols":[{symbols}]}}"#);
        let fields = format!(r#"{{"name":"n","type":"int"}},{{"name":"k","type":{kind}}}"#);
        SchemaInfo::new("", Format::Avro, format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#))
    };
    let writer = writer(&registry, &group, of(r#""A","B""#)).await;
    let mut batches =
        Batches::new(Arc::clone(&registry), group, AvroPayloads::new(&of(r#""A""#), None).unwrap());
    let mut expected = Vec::new();
    for n in 0..50 {
        let is_known = n % 3 != 1;
        let kind = if is_known { AvroValue::Enum(0, "A".into()) } else { AvroValue::Enum(1, "B".into()) };
        let event = writer.serialize_avro(&record(vec![("n", AvroValue::Int(n)), ("k", kind)])).unwrap();
        assert_eq!(batches.push(&event).await.is_ok(), is_known, "{n}");
        if is_known {
            expected.push(format!("{n},A"));
        }
    }
    assert_eq!(rows(&batches.take()), expected);
}

#[tokio::test]
async fn a_small_event_with_a_huge_value_is_rejected() {
    let registry = registry().await;
    let group = GroupId::new("s", "bombs");
    let text =
        r#"{"type":"record","name":"Bomb","fields":[{"name":"n","type":{"type":"array","items":"null"}}]}"#;
    let schema = SchemaInfo::new("", Format::Avro, text);
    writer(&registry, &group, schema.clone()).await;
    let mut batches =
        Batches::new(Arc::clone(&registry), group.clone(), AvroPayloads::new(&schema, None).unwrap());
    let reader = Deserializer::new(Arc::clone(&registry), group);
    for blocks in [300, 2_000_000] {
        let event = [&b"\x01\0\0\0\0"[..], &b"\x80\x89\x7a".repeat(blocks), b"\x00"].concat();
        for error in [
            batches.push(&event).await.unwrap_err().to_string(),
            reader.deserialize_avro(&event).await.unwrap_err().to_string(),
        ] {
            assert!(error.contains("more than 2000000 values"), "{error}");
        }
    }
    let group = GroupId::new("s", "json-bombs");
    let writer = writer(&registry, &group, schema_of_json()).await;
    let id = writer.serialize(&json!({})).unwrap();
    let mut batches = Batches::new(
        Arc::clone(&registry),
        group.clone(),
        JsonRows::new(&columns(&schema_of_json()).unwrap()).unwrap(),
    );
    let reader = Deserializer::new(registry, group);
    for (inner, count) in [("[]", 2_600_000), ("{}", 2_600_000), ("0", 4_000_000)] {
        let text = format!(r#"{{"more":[{}]}}"#, vec![inner; count].join(","));
        let event = [&id[..5], text.as_bytes()].concat();
        for error in [
            batches.push(&event).await.unwrap_err().to_string(),
            reader.deserialize_any(&event).await.unwrap_err().to_string(),
        ] {
            assert!(error.contains("bytes of memory"), "{error:.200}");
        }
    }
    let deep = [&id[..5], "[".repeat(1_000_000).as_bytes()].concat();
    assert!(batches.push(&deep).await.unwrap_err().to_string().contains("recursion"));
}

fn schema_of_json() -> SchemaInfo {
    schema(&Format::Json)
}

/// A corruption of an event.
#[derive(Debug, Clone)]
enum Corruption {
    None,
    Cut(usize),
    Flip(usize, u8),
    Duplicated,
}

fn corruption() -> impl Strategy<Value = Corruption> {
    prop_oneof![
        3 => Just(Corruption::None),
        1 => (0_usize..40).prop_map(Corruption::Cut),
        1 => (5_usize..40, 1_u8..).prop_map(|(at, bits)| Corruption::Flip(at, bits)),
        1 => Just(Corruption::Duplicated),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn corrupt_events_are_rejected_or_decoded_as_if_alone(corruptions in prop::collection::vec(corruption(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (registry, group) = (registry().await, GroupId::new("s", "readings"));
            let schema = SchemaInfo::new("", Format::Avro, READINGS);
            let writer = writer(&registry, &group, schema.clone()).await;
            let new = || Batches::new(Arc::clone(&registry), group.clone(), AvroPayloads::new(&schema, None).unwrap());
            let reader = Deserializer::new(Arc::clone(&registry), group.clone());
            let (mut together, mut expected) = (new(), Vec::new());
            for (n, corruption) in corruptions.iter().enumerate() {
                // only zero bytes after an event are padding, so no event here is all zeros
                let number = i32::try_from(n).unwrap() + 1;
                let kind = if n % 2 == 0 { AvroValue::Enum(0, "A".into()) } else { AvroValue::Enum(1, "B".into()) };
                let note = if n % 3 == 0 {
                    AvroValue::Union(0, Box::new(AvroValue::Null))
                } else {
                    AvroValue::Union(1, Box::new("x".into()))
                };
                let value = record(vec![
                    ("at", AvroValue::Long(i64::from(number) * 1_000)),
                    ("sensor", AvroValue::String("s".repeat(n % 5))),
                    ("values", AvroValue::Array(vec![AvroValue::Int(number); n % 4])),
                    ("kind", kind),
                    ("note", note),
                ]);
                let whole = writer.serialize_avro(&value).unwrap().to_vec();
                let event = match corruption {
                    Corruption::None => whole.clone(),
                    Corruption::Cut(end) => whole[..(*end).min(whole.len() - 1)].to_vec(),
                    Corruption::Flip(at, bits) => {
                        let mut event = whole.clone();
                        let at = 5 + (at - 5) % (event.len() - 5);
                        event[at] ^= bits;
                        event
                    }
                    Corruption::Duplicated => [&whole[..], &whole[5..]].concat(),
                };
                let mut alone = new();
                let read_alone = alone.push(&event).await;
                let read = together.push(&event).await;
                prop_assert_eq!(read.is_ok(), read_alone.is_ok(), "{:?}", corruption);
                prop_assert_eq!(reader.deserialize_avro(&event).await.is_ok(), read.is_ok(), "{:?}", corruption);
                match corruption {
                    Corruption::None => prop_assert!(read.is_ok()),
                    Corruption::Cut(_) | Corruption::Duplicated => prop_assert!(read.is_err(), "{:?}", corruption),
                    Corruption::Flip(..) => {}
                }
                if read.is_ok() {
                    expected.extend(rows(&alone.take()));
                }
            }
            prop_assert_eq!(rows(&together.take()), expected);
            Ok(())
        })?;
    }
}
