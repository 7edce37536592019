//! Rows of many Avro events at a time: any bytes give the rows, and are accepted or rejected, as if each
//! event were decoded alone.
#![cfg(feature = "arrow")]

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int16Type, Schema};
use arrow::util::display::array_value_to_string;
use kulya_codec::arrow::{
    AvroPayloads, BatchDecoder, DecodedBatch, PayloadDecoder, PlainDecoder, RegistryDecoder,
};
use kulya_codec::{CodecResult, header};
use kulya_schema::{CodecType, EncodingInfo, Format, GroupId, SchemaInfo, VersionInfo};
use proptest::prelude::*;
use std::sync::Arc;

const NARROW: &str = r#"{"type":"record","name":"Row","fields":[
    {"name":"n","type":"int"},{"name":"b","type":"boolean"},{"name":"s","type":"string"},
    {"name":"raw","type":"bytes"},{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
    {"name":"d","type":["null","double"]},{"name":"a","type":{"type":"array","items":"long"}}]}"#;
const UNION: &str = r#"["null",{"type":"record","name":"Other","fields":[
    {"name":"n","type":"int"},{"name":"u","type":["string","null"]},
    {"name":"m","type":{"type":"map","values":"boolean"}},
    {"name":"s","type":["null","string"]},{"name":"gone","type":{"type":"fixed","name":"F","size":2}}]}]"#;
/// Wider than the writers': promotions, a column of one writer only, an enum without a symbol.
const READER: &str = r#"{"type":"record","name":"Row","fields":[
    {"name":"n","type":"long"},{"name":"s","type":["null","string"],"default":null},
    {"name":"b","type":"boolean","default":false},{"name":"raw","type":"string","default":""},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]},"default":"A"},
    {"name":"d","type":["null","double"],"default":null}]}"#;

fn avro(text: &str) -> SchemaInfo {
    SchemaInfo::avro(text)
}

fn encoding(id: u32, text: &str) -> EncodingInfo {
    let version = VersionInfo { type_name: "Row".into(), format: "Avro".into(), version: id, id };
    EncodingInfo { schema: avro(text), version, codec: CodecType::default() }
}

fn rows(batch: &RecordBatch) -> Vec<String> {
    let cell = |column: &dyn Array, row| array_value_to_string(column, row).unwrap();
    let row = |row| batch.columns().iter().map(|c| cell(c, row)).collect::<Vec<_>>().join(",");
    (0..batch.num_rows()).map(row).collect()
}

fn decode_all(
    decoder: &mut AvroPayloads,
    events: &[(EncodingInfo, Vec<u8>)],
) -> (Vec<CodecResult<usize>>, Vec<String>) {
    let (mut results, mut decoded) = (Vec::new(), Vec::new());
    for (encoding, payload) in events {
        if decoder.is_full() {
            decoded.extend(decoder.flush().unwrap().iter().flat_map(|batch| rows(&batch.rows)));
        }
        results.push(decoder.decode(payload, encoding));
    }
    decoded.extend(decoder.flush().unwrap().iter().flat_map(|batch| rows(&batch.rows)));
    (results, decoded)
}

/// A payload of the first writer, or of the second.
fn payload(n: u8, is_narrow: bool) -> Vec<u8> {
    let small = n % 60;
    if is_narrow {
        let array = [
            &[small % 3 * 2][..],
            &vec![2; usize::from(small % 3)],
            &[0][..usize::from(!small.is_multiple_of(3))],
        ];
        [
            &[small * 2, small % 2, 4, b's', b'0' + small % 10, 2, small * 4, small % 3 * 2, 0][..],
            &array.concat(),
        ]
        .concat()
    } else {
        [2, small * 2, 0, 2, b'u', 2, 2, b'k', small % 2, 0, 2, 2, b't', 0, small].to_vec()
    }
}

fn event() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let whole = (any::<u8>(), any::<bool>()).prop_map(|(n, is_narrow)| (is_narrow, payload(n, is_narrow)));
    let changed = |change: fn(Vec<u8>, usize, u8) -> Vec<u8>| {
        (whole.clone(), 0_usize..64, any::<u8>())
            .prop_map(move |((is_narrow, bytes), at, byte)| (is_narrow, change(bytes, at, byte)))
    };
    prop_oneof![
        4 => whole.clone(),
        1 => changed(|bytes, at, _| bytes[..at % bytes.len()].to_vec()),
        1 => changed(|mut bytes, at, byte| { let at = at % bytes.len(); bytes[at] ^= byte; bytes }),
        1 => changed(|bytes, at, byte| [&bytes[..], &vec![byte % 2; at]].concat()),
        1 => changed(|bytes, _, _| [&bytes[..], &[0; 5], &bytes].concat()),
        1 => (any::<bool>(), prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..40)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_decoded_as_if_alone(
        events in prop::collection::vec(event(), 1..25),
        reader in 0_usize..3,
        projection in prop_oneof![Just(None), Just(Some(vec![3, 0])), Just(Some(vec![]))],
    ) {
        let events: Vec<(EncodingInfo, Vec<u8>)> = events
            .into_iter()
            .map(|(is_narrow, bytes)| (encoding(u32::from(is_narrow), if is_narrow { NARROW } else { UNION }), bytes))
            .collect();
        let reader = avro([READER, NARROW, UNION][reader]);
        let new = || AvroPayloads::new(&reader, projection.clone()).unwrap();
        let (results, decoded) = decode_all(&mut new(), &events);
        let mut expected = Vec::new();
        for (event, result) in events.iter().zip(&results) {
            // a row whose strings are not UTF-8 fails when it is flushed
            let mut alone = new();
            let accepted = alone.decode(&event.1, &event.0).map_err(|e| e.to_string()).and_then(|_| {
                alone.flush().map_err(|e| e.to_string())
            });
            prop_assert_eq!(result.is_ok(), accepted.is_ok(), "{:?}: {:?} alone {:?}", &event.1, result, &accepted);
            expected.extend(accepted.iter().flatten().flat_map(|batch| rows(&batch.rows)));
        }
        prop_assert_eq!(decoded, expected);
    }
}

#[test]
fn events_of_several_writers_keep_their_order() {
    let events: Vec<_> = (0..100_u8)
        .map(|n| {
            let is_narrow = n % 3 == 0;
            (encoding(u32::from(is_narrow), if is_narrow { NARROW } else { UNION }), payload(n, is_narrow))
        })
        .collect();
    let mut decoder = AvroPayloads::new(&avro(READER), Some(vec![0])).unwrap();
    let (results, decoded) = decode_all(&mut decoder, &events);
    // the reader has no symbol C
    let accepted: Vec<String> =
        (0..100_u8).filter(|n| n % 3 != 0 || n % 60 % 3 != 2).map(|n| (n % 60).to_string()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), accepted.len());
    assert_eq!(decoded, accepted);
}

#[test]
fn payloads_without_a_header_become_rows_of_the_tables_types() {
    let text = r#"{"type":"record","name":"R","fields":[{"name":"n","type":"int"},
        {"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
    let payloads = AvroPayloads::new(&avro(text), None).unwrap();
    let milliseconds = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);
    let table = |n| {
        Arc::new(Schema::new(vec![Field::new("n", n, true), Field::new("t", milliseconds.clone(), false)]))
    };
    let payloads = payloads.columns(table(DataType::Int16)).unwrap();
    let mut decoder = PlainDecoder::new(payloads, avro(text)).unwrap().with_event_numbers();
    let events = [&b"\x0e\x02"[..], b"\x0e", b"\x06\x04\0\0\0\0\0\0\0\0"];
    let decoded = decoder.decode(&events, 40);
    assert_eq!((decoded.count, decoded.failed.unwrap().to_string().contains("truncated")), (1, true));
    let decoded = decoder.decode(&events[2..], 42);
    assert!(decoded.failed.is_none() && decoded.count == 1);
    let DecodedBatch { rows: batch, events, kinds, .. } = decoder.flush().unwrap().unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int16Type>().values(), &[7, 3]);
    assert_eq!(rows(&batch), ["7,1970-01-01T00:00:00.001", "3,1970-01-01T00:00:00.002"]);
    assert_eq!((events, kinds), (Some(vec![40, 42]), None));
    assert!(decoder.flush().unwrap().is_none());
    let refused = AvroPayloads::new(&avro(text), None)
        .unwrap()
        .columns(table(DataType::new_list(DataType::Null, true)));
    assert!(refused.err().unwrap().to_string().contains("column n"));
}

#[tokio::test]
async fn encodings_are_resolved_before_events_are_decoded() {
    let (registry, group) = (crate::registry().await, GroupId::new("s", "t"));
    let schema = SchemaInfo::new("", Format::Avro, crate::USER);
    let writer = kulya_codec::Serializer::new(
        Arc::clone(&registry),
        schema.clone(),
        crate::config(&group, &Format::Avro),
    );
    let writer = writer.await.unwrap();
    let mut decoder = RegistryDecoder::new(registry, group, AvroPayloads::new(&schema, None).unwrap());
    let event = writer.serialize(&crate::alice()).unwrap();
    let unknown = [&header::encode(kulya_schema::EncodingId(9))[..], b"x"].concat();
    let events: [&[u8]; 3] = [&event, &unknown, &event];
    let failed = decoder.decode(&events, 0).failed.unwrap().to_string();
    assert!(failed.contains("not resolved"), "{failed}");
    decoder.prepare(&events).await.unwrap();
    let decoded = decoder.decode(&events, 0);
    assert_eq!(decoded.count, 1);
    assert!(decoded.failed.unwrap().to_string().contains("encoding 9"));
    assert_eq!(decoder.decode(&events[2..], 2).count, 1);
    assert_eq!(decoder.flush().unwrap().unwrap().rows.num_rows(), 2);
}
