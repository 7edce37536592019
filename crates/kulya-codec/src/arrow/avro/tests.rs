//! The decoder of flat schemas against the library.

use super::flat_decoder::FlatDecoder;
use super::reader_schema::{row_schema, without_dictionaries};
use super::writer_decoder::{WriterDecoder, build_decoder};
use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use kulya_schema::SchemaInfo;
use proptest::prelude::*;
use std::sync::Arc;

/// Every type of a flat schema, nulls at both places.
const WRITER: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"b","type":"boolean"},{"name":"i","type":["null","int"]},{"name":"l","type":["long","null"]},
    {"name":"f","type":"float"},{"name":"d","type":["null","double"]},{"name":"raw","type":["null","bytes"]},
    {"name":"s","type":["null","string"]},{"name":"x","type":{"type":"fixed","name":"F","size":2}},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"dec","type":["null",{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}]},
    {"name":"day","type":{"type":"int","logicalType":"date"}},{"name":"n","type":"null"},
    {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}]}]}"#;
/// The columns that flat schemas can have, with promotions and a column of no writer.
const READER: &str = r#"{"type":"record","name":"Other","fields":[
    {"name":"i","type":["null","long"]},{"name":"l","type":["null","double"]},{"name":"f","type":["double","null"]},
    {"name":"new","type":["null","string"],"default":null},{"name":"d","type":["double","null"]},
    {"name":"b","type":["null","boolean"]},{"name":"raw","type":["null","bytes"]},{"name":"s","type":["string","null"]},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"dec","type":["null",{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}]},
    {"name":"day","type":{"type":"int","logicalType":"date"}},
    {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}]}]}"#;

/// Returns a decoder of flat schemas, and one by the library.
fn decoders(writer: &str, reader: &str, projection: Option<Vec<usize>>) -> ([WriterDecoder; 2], SchemaRef) {
    let schema = SchemaInfo::avro(writer);
    let (written, _) = row_schema(&schema).unwrap();
    let (reader, _) = row_schema(&SchemaInfo::avro(reader)).unwrap();
    let columns = build_decoder(&reader, &reader, projection.clone()).unwrap().schema();
    let columns = Arc::new(without_dictionaries(&columns));
    let flat = FlatDecoder::new(&written, &reader, projection.as_deref(), &columns);
    assert!(flat.is_some(), "the schema is flat");
    let new = |flat| WriterDecoder::with(flat, &schema, &reader, projection.clone()).unwrap();
    ([new(flat), new(None)], columns)
}

fn values(batch: Option<RecordBatch>, columns: &SchemaRef) -> Option<Vec<arrow::array::ArrayRef>> {
    let batch = batch?;
    let columns = batch.columns().iter().zip(columns.fields());
    Some(columns.map(|(column, field)| cast(column, field.data_type()).unwrap()).collect())
}

/// Datums of the writer, whole and broken.
fn datum() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        Just(vec![0]),
        any::<u8>().prop_map(|n| vec![n & 0x7f]),
        Just(b"\x80\x80\x00".to_vec()),
        Just(b"\xff\xff\xff\xff\x0f".to_vec()),
        Just(b"\x80\x80\x80\x80\x10".to_vec()),
        Just(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()),
        Just(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02".to_vec()),
    ];
    let text = prop_oneof![
        Just(b"\0".to_vec()),
        Just(b"\x04\xc3\xa4".to_vec()),
        Just(b"\x02\xff".to_vec()),
        Just(b"\x03".to_vec())
    ];
    let decimal = prop_oneof![
        Just(b"\0".to_vec()),
        Just(b"\x02\xff".to_vec()),
        Just([&b"\x22"[..], &[0xff; 17]].concat()),
        Just([&b"\x22"[..], &[0x00; 1], &[0x80; 16]].concat()),
        Just([&b"\x20"[..], &[0x7f; 16]].concat()),
    ];
    let nullable = |null: u8, value: BoxedStrategy<Vec<u8>>| {
        prop_oneof![
            1 => Just(vec![null]),
            4 => value.prop_map(move |value| [&[2 - null][..], &value].concat()),
            1 => any::<u8>().prop_map(|branch| vec![branch]),
        ]
    };
    let bytes = |count| prop::collection::vec(any::<u8>(), count);
    let parts = (
        prop_oneof![4 => 0_u8..2, 1 => any::<u8>()].prop_map(|b| vec![b]),
        nullable(0, number.clone().boxed()),
        nullable(2, number.clone().boxed()),
        bytes(4),
        nullable(0, bytes(8).boxed()),
        nullable(0, text.clone().boxed()),
        nullable(0, text.boxed()),
        bytes(2),
        prop_oneof![4 => Just(vec![0]), 4 => Just(vec![2]), 1 => Just(vec![4])],
        (nullable(0, decimal.boxed()), number.clone()).prop_map(|(a, b)| [a, b].concat()),
        nullable(0, number.boxed()),
        prop_oneof![8 => Just(vec![]), 1 => Just(vec![0; 7]), 1 => Just(vec![0, 1])],
    );
    let whole = parts.prop_map(|p| [p.0, p.1, p.2, p.3, p.4, p.5, p.6, p.7, p.8, p.9, p.10, p.11].concat());
    prop_oneof![
        6 => whole.clone(),
        1 => (whole, any::<prop::sample::Index>()).prop_map(|(bytes, at)| bytes[..at.index(bytes.len())].to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn flat_schemas_are_read_as_the_library_reads_them(
        datums in prop::collection::vec(datum(), 1..30),
        projection in prop_oneof![Just(None), Just(Some(vec![7, 0])), Just(Some(vec![10, 9, 8, 5, 3]))],
        in_union in any::<bool>(),
    ) {
        let writer = if in_union { format!(r#"["null",{WRITER}]"#) } else { WRITER.to_owned() };
        let ([mut flat, mut library], columns) = decoders(&writer, READER, projection);
        for datum in &datums {
            let payload = if in_union { [&[2][..], datum].concat() } else { datum.clone() };
            let (ours, theirs) = (flat.push(&payload), library.push(&payload));
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}: {:?} library {:?}", payload, ours, theirs);
            prop_assert_eq!(ours.ok().map(|size| size.bytes), theirs.ok().map(|size| size.bytes));
        }
        let (ours, theirs) = (flat.flush().unwrap(), library.flush().unwrap());
        prop_assert_eq!(format!("{:?}", values(ours, &columns)), format!("{:?}", values(theirs, &columns)));
    }
}

#[test]
fn other_schemas_need_the_library() {
    let of = |types: [&str; 2]| {
        let [writer, reader] = types.map(|field| {
            let text = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{field}}}]}}"#);
            row_schema(&SchemaInfo::avro(text)).unwrap().0
        });
        let columns = build_decoder(&reader, &reader, None).unwrap().schema();
        FlatDecoder::new(&writer, &reader, None, &Arc::new(without_dictionaries(&columns))).is_some()
    };
    assert!(of([r#""int""#, r#"["null","long"]"#]));
    for types in [
        [r#"{"type":"array","items":"int"}"#; 2],
        [r#"["null","int","string"]"#; 2],
        [r#"["null","int"]"#, r#""int""#],
        [r#""bytes""#, r#""string""#],
        [r#"{"type":"fixed","name":"F","size":1}"#; 2],
        [r#"{"type":"string","logicalType":"uuid"}"#; 2],
        [
            r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
            r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        ],
    ] {
        assert!(!of(types), "{types:?}");
    }
}

#[test]
fn names_of_records_are_not_compared() {
    let text = |outer: &str, inner: &str| {
        let inner = format!(r#"{{"type":"record","name":"{inner}","fields":[{{"name":"x","type":"int"}}]}}"#);
        let list = format!(r#"{{"type":"array","items":["null",{inner}]}}"#);
        let fields = format!(r#"{{"name":"l","type":{list}}}"#);
        format!(r#"{{"type":"record","name":"{outer}","namespace":"{outer}.ns","fields":[{fields}]}}"#)
    };
    let writer = SchemaInfo::avro(text("Theirs", "Item"));
    let (reader, _) = row_schema(&SchemaInfo::avro(text("record", "record_l"))).unwrap();
    let columns = build_decoder(&reader, &reader, None).unwrap().schema();
    let mut decoder = WriterDecoder::new(&writer, &reader, None, &columns).unwrap();
    decoder.push(b"\x04\x02\x0e\x00\x00").unwrap();
    let rows = decoder.flush().unwrap().unwrap();
    assert_eq!(arrow::util::display::array_value_to_string(rows.column(0), 0).unwrap(), "[{x: 7}, ]");
}
