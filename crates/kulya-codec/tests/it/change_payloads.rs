//! Change events in Avro to rows with their kinds.
#![cfg(feature = "arrow")]

use crate::{config, registry};
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use kulya_codec::arrow::{
    AvroChangePayloads, AvroPayloads, BatchDecoder, Decoded, DecodedBatch, PayloadDecoder, RegistryDecoder,
};
use kulya_codec::{AvroValue, Serializer};
use kulya_schema::{Format, GroupId, SchemaInfo};

/// As Debezium's converter registers it: the rows are defined in `before`, and `source` is not read.
const ENVELOPE: &str = r#"{"type":"record","name":"Envelope","namespace":"p.s.t","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"int"},{"name":"name","type":["null","string"],"default":null},
        {"name":"tags","type":{"type":"array","items":"string"}}]}],"default":null},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":["null","long"]},{"name":"db","type":"string"}]}},
    {"name":"op","type":"string"},
    {"name":"ts_ms","type":["null","long"],"default":null}]}"#;
/// The columns of a table: one of other names, in another order, and one that is not there.
const ROWS: &str = r#"{"type":"record","name":"Other","fields":[
    {"name":"name","type":["null","string"],"default":null},{"name":"id","type":["null","long"],"default":null},
    {"name":"more","type":["null","string"],"default":null}]}"#;

fn row(id: i32, name: &str) -> AvroValue {
    let tags = AvroValue::Array(vec![AvroValue::String("x".into())]);
    let name = AvroValue::Union(1, Box::new(AvroValue::String(name.into())));
    AvroValue::Record(vec![("id".into(), AvroValue::Int(id)), ("name".into(), name), ("tags".into(), tags)])
}

fn event(op: &str, before: Option<AvroValue>, after: Option<AvroValue>) -> AvroValue {
    let union = |row: Option<AvroValue>| match row {
        None => AvroValue::Union(0, Box::new(AvroValue::Null)),
        Some(row) => AvroValue::Union(1, Box::new(row)),
    };
    let lsn = AvroValue::Union(1, Box::new(AvroValue::Long(7)));
    let source = AvroValue::Record(vec![("lsn".into(), lsn), ("db".into(), AvroValue::String("d".into()))]);
    AvroValue::Record(vec![
        ("before".into(), union(before)),
        ("after".into(), union(after)),
        ("source".into(), source),
        ("op".into(), AvroValue::String(op.into())),
        ("ts_ms".into(), AvroValue::Union(0, Box::new(AvroValue::Null))),
    ])
}

async fn writer(group: &GroupId) -> (std::sync::Arc<dyn kulya_registry_api::SchemaRegistry>, Serializer) {
    let registry = registry().await;
    let schema = SchemaInfo::new("", Format::Avro, ENVELOPE);
    let writer = Serializer::new(registry.clone(), schema, config(group, &Format::Avro)).await.unwrap();
    (registry, writer)
}

fn payloads() -> AvroChangePayloads {
    AvroChangePayloads::new(AvroPayloads::new(&SchemaInfo::new("", Format::Avro, ROWS), None).unwrap())
}

/// Decodes events one by one, and returns the rows with their kinds and events, and the errors.
async fn decode<P: PayloadDecoder>(
    mut decoder: RegistryDecoder<P>,
    events: &[Bytes],
) -> (Vec<String>, Vec<String>) {
    let events = crate::slices(events);
    decoder.prepare(&events).await.unwrap();
    let mut errors = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let Decoded { failed, .. } = decoder.decode(std::slice::from_ref(event), number as u64);
        errors.extend(failed.map(|error| error.to_string()));
    }
    let Some(DecodedBatch { rows, kinds, events, clears }) = decoder.flush().unwrap() else {
        return (Vec::new(), errors);
    };
    let (kinds, events) = (kinds.unwrap(), events.unwrap());
    assert_eq!((kinds.len(), events.len()), (rows.num_rows(), rows.num_rows()));
    let text = |row: usize| {
        let cells = rows.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
        let cells = cells.collect::<Vec<_>>().join(",");
        format!("{} {}[{cells}]", events[row], kinds[row].short_name())
    };
    let mut texts: Vec<String> = (0..rows.num_rows()).map(text).collect();
    if clears {
        texts.insert(0, "cleared".into());
    }
    (texts, errors)
}

#[tokio::test]
async fn envelopes_are_rows_of_their_kinds() {
    let group = GroupId::new("s", "changes");
    let (registry, writer) = writer(&group).await;
    let write = |value: AvroValue| writer.serialize_avro(&value).unwrap();
    let events = [
        write(event("c", None, Some(row(1, "a")))),
        write(event("u", Some(row(1, "a")), Some(row(1, "b")))),
        write(event("d", Some(row(1, "b")), None)),
        write(event("m", None, None)),
        [&write(event("r", None, Some(row(2, "c"))))[..], &[0; 60]].concat().into(),
    ];
    let new = |payloads| RegistryDecoder::new(registry.clone(), group.clone(), payloads).with_event_numbers();
    let (rows, errors) = decode(new(payloads()), &events).await;
    assert_eq!(errors, [""; 0]);
    assert_eq!(rows, ["0 +I[a,1,]", "1 -U[a,1,]", "1 +U[b,1,]", "2 -D[b,1,]", "4 +I[c,2,]"]);
    let (rows, _) = decode(new(payloads().with_key(true)), &events).await;
    assert_eq!(rows, ["0 +I[a,1,]", "1 +U[b,1,]", "2 -D[b,1,]", "4 +I[c,2,]"]);
}

#[tokio::test]
async fn truncates_and_invalid_envelopes() {
    let group = GroupId::new("s", "changes");
    let (registry, writer) = writer(&group).await;
    let write = |value: AvroValue| writer.serialize_avro(&value).unwrap();
    let events = [
        write(event("c", None, Some(row(1, "a")))),
        write(event("t", None, None)),
        write(event("c", None, Some(row(2, "b")))),
        write(event("u", None, Some(row(2, "c")))),
        write(event("d", None, None)),
        write(event("c", None, None)),
        write(event("x", None, None)),
        write(event("c", None, Some(row(3, "d")))).slice(..12),
    ];
    let new = |payloads| RegistryDecoder::new(registry.clone(), group.clone(), payloads).with_event_numbers();
    let (rows, errors) = decode(new(payloads().with_key(true)), &events).await;
    assert_eq!(rows, ["cleared", "2 +I[b,2,]", "3 +U[c,2,]"]);
    for (error, expected) in
        errors.iter().zip(["REPLICA IDENTITY FULL", "op c has no after", "unknown op \"x\"", "truncated"])
    {
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(errors.len(), 4);
    let (rows, errors) = decode(new(payloads().with_key(false)), &events[..2]).await;
    assert_eq!((rows, errors.len()), (vec!["0 +I[a,1,]".to_owned()], 1));
    assert!(errors[0].contains("one segment"), "{errors:?}");
    let (_, errors) = decode(new(payloads()), &events[1..4]).await;
    assert!(errors[0].contains("with a primary key") && errors[1].contains("REPLICA"), "{errors:?}");
    // not an envelope
    let other = GroupId::new("s", "others");
    let schema = SchemaInfo::new("", Format::Avro, ROWS);
    let writer = Serializer::new(registry.clone(), schema, config(&other, &Format::Avro)).await.unwrap();
    let null = || AvroValue::Union(0, Box::new(AvroValue::Null));
    let fields = ["name", "id", "more"].map(|name| (name.to_owned(), null()));
    let event = writer.serialize_avro(&AvroValue::Record(fields.into())).unwrap();
    let decoder = RegistryDecoder::new(registry, other, payloads()).with_event_numbers();
    let (_, errors) = decode(decoder, &[event]).await;
    assert!(errors[0].contains("is not that of change events: it has no field op"), "{errors:?}");
}
