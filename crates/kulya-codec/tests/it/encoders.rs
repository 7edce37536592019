//! Encoders of rows, by decoding what they wrote.
#![cfg(feature = "arrow")]

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, Int64Builder, ListArray, MapBuilder, RecordBatch, StringArray,
    StringBuilder, StructArray, Time32MillisecondArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema};
use bytes::Bytes;
use kulya_codec::Deserializer;
use kulya_codec::arrow::{
    AvroChangeEncoder, AvroEncoder, AvroPayloads, BatchDecoder, BatchEncoder, ChangeForm, FLINK_RECORD_NAME,
    HeaderEncoder, JsonChangeEncoder, JsonEncoder, JsonOptions, PlainDecoder, RowKind, TimestampFormat,
    TimestampMapping, avro_envelope_schema, avro_schema,
};
use kulya_codec::codec::Gzip;
use kulya_schema::{EncodingId, SchemaInfo};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn batch(columns: Vec<(&str, ArrayRef, bool)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn map(entries: &[&[(Option<&str>, i64)]]) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for entries in entries {
        for (key, value) in *entries {
            builder.keys().append_value(key.unwrap_or(""));
            builder.values().append_value(*value);
        }
        builder.append(true).unwrap();
    }
    Arc::new(builder.finish())
}

/// Two rows with every type that Avro and JSON have, the second all null where it may be.
fn everything() -> RecordBatch {
    let inner: Fields =
        vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)].into();
    let row = StructArray::new(
        inner,
        vec![
            Arc::new(Int32Array::from(vec![Some(-1), None])),
            Arc::new(StringArray::from(vec![Some("z"), None])),
        ],
        Some(vec![true, false].into()),
    );
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), None]);
    batch(vec![
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None])), true),
        ("small", Arc::new(Int16Array::from(vec![Some(-7), None])), true),
        ("long", Arc::new(Int64Array::from(vec![i64::MIN, 0])), false),
        ("float", Arc::new(Float32Array::from(vec![Some(1.5), None])), true),
        ("double", Arc::new(Float64Array::from(vec![Some(1e100), None])), true),
        ("decimal", Arc::new(decimals(vec![Some(27), None], 20, 9)), true),
        ("text", Arc::new(StringArray::from(vec![Some("ä\"\n"), None])), true),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None])), true),
        ("date", Arc::new(Date32Array::from(vec![Some(19_782), None])), true),
        ("time", Arc::new(Time32MillisecondArray::from(vec![Some(45_296_700), None])), true),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![Some(1_709_210_096_789), None])), true),
        ("list", Arc::new(list), true),
        ("map", map(&[&[(Some("k"), 1)], &[]]), false),
        ("row", Arc::new(row), true),
    ])
}

fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> Decimal128Array {
    Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()
}

fn derived(rows: &RecordBatch) -> SchemaInfo {
    SchemaInfo::avro(
        avro_schema(rows.schema().fields(), FLINK_RECORD_NAME, TimestampMapping::Legacy).unwrap(),
    )
}

/// Decodes bare Avro events to the rows' own types.
fn decode(events: &[Bytes], schema: &SchemaInfo, table: &RecordBatch) -> RecordBatch {
    let payloads = AvroPayloads::new(schema, None).unwrap().columns(table.schema()).unwrap();
    let mut decoder = PlainDecoder::new(payloads, schema.clone()).unwrap();
    let decoded = decoder.decode(&crate::slices(events), 0);
    assert!(decoded.failed.is_none(), "{:?}", decoded.failed);
    decoder.flush().unwrap().unwrap().rows
}

#[test]
fn avro_rows_are_decoded_again() {
    let rows = everything();
    let schema = derived(&rows);
    let events = AvroEncoder::new(&schema).unwrap().encode(&rows, None).unwrap();
    assert_eq!(decode(&events, &schema, &rows), rows);
    // what Flink writes for the same rows, without the zero bytes behind it
    let users = batch(vec![
        ("name", Arc::new(StringArray::from(vec!["alice", "bob", "carol"])), true),
        ("n", Arc::new(Int32Array::from(vec![42, 7, 99])), true),
    ]);
    let events = AvroEncoder::new(&derived(&users)).unwrap().encode(&users, None).unwrap();
    let expected: [&[u8]; 3] =
        [b"\x02\x0aalice\x02\x54", b"\x02\x06bob\x02\x0e", b"\x02\x0acarol\x02\xc6\x01"];
    assert_eq!(events, expected);
}

#[test]
fn avro_root_unions_and_enums_are_written() {
    let text = r#"["null",{"type":"record","name":"R","fields":[
        {"name":"n","type":"int"},{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}]"#;
    let schema = SchemaInfo::avro(text);
    let rows = |kinds: Vec<&str>| {
        let numbers = Int32Array::from_iter_values(0..i32::try_from(kinds.len()).unwrap());
        batch(vec![("n", Arc::new(numbers), false), ("e", Arc::new(StringArray::from(kinds)), false)])
    };
    let mut encoder = AvroEncoder::new(&schema).unwrap();
    let two = rows(vec!["B", "A"]);
    let events = encoder.encode(&two, None).unwrap();
    assert_eq!(events, [&b"\x02\0\x02"[..], b"\x02\x02\0"]);
    assert_eq!(decode(&events, &schema, &two), two);
    let error = encoder.encode(&rows(vec!["C"]), None).unwrap_err().to_string();
    assert!(error.contains("column e") && error.contains("\"C\" is no symbol"), "{error}");
    let nulls = batch(vec![
        ("n", Arc::new(Int32Array::from(vec![None])), true),
        ("e", Arc::new(StringArray::from(vec!["A"])), true),
    ]);
    let error = encoder.encode(&nulls, None).unwrap_err().to_string();
    assert!(error.contains("column n") && error.contains("null"), "{error}");
    assert_eq!(encoder.encode(&two, None).unwrap(), events, "after an error");
    let error = encoder.encode(&two, Some(&[RowKind::Insert, RowKind::Delete])).unwrap_err().to_string();
    assert!(error.contains("-D"), "{error}");
}

#[tokio::test]
async fn encoded_events_have_the_header_and_no_padding() {
    let (registry, group) = (crate::registry().await, kulya_schema::GroupId::new("s", "t"));
    let config = crate::config(&group, &kulya_schema::Format::Avro).codec(Gzip);
    let writer =
        kulya_codec::Serializer::new(Arc::clone(&registry), SchemaInfo::avro(crate::USER), config).await;
    let id = writer.unwrap().encoding_id().unwrap();
    let users = batch(vec![
        ("name", Arc::new(StringArray::from(vec!["alice"])), false),
        ("age", Arc::new(Int32Array::from(vec![42])), false),
    ]);
    let payloads = AvroEncoder::new(&SchemaInfo::avro(crate::USER)).unwrap();
    let events = HeaderEncoder::new(payloads, id, Some(Arc::new(Gzip))).encode(&users, None).unwrap();
    let user: crate::User = Deserializer::new(registry, group).deserialize(&events[0]).await.unwrap();
    assert_eq!(user, crate::alice());
    let payloads = AvroEncoder::new(&SchemaInfo::avro(crate::USER)).unwrap();
    let events = HeaderEncoder::new(payloads, EncodingId(7), None).encode(&users, None).unwrap();
    assert_eq!(events[0], &b"\x01\0\0\0\x07\x0aalice\x54"[..]);
}

fn json_rows(rows: &RecordBatch, options: JsonOptions) -> Vec<String> {
    let events = JsonEncoder::new(options).encode(rows, None).unwrap();
    events.iter().map(|event| String::from_utf8(event.to_vec()).unwrap()).collect()
}

#[test]
fn json_has_flinks_forms() {
    let rows = everything();
    let texts = json_rows(&rows, JsonOptions::default());
    assert_eq!(
        texts[0],
        concat!(
            r#"{"boolean":true,"small":-7,"long":-9223372036854775808,"float":1.5,"double":1e+100,"#,
            r#""decimal":2.7E-8,"text":"ä\"\n","bytes":"AP8=","date":"2024-02-29","time":"12:34:56.7","#,
            r#""at":"2024-02-29 12:34:56.789","list":[1,null],"map":{"k":1},"row":{"x":-1,"y":"z"}}"#
        )
    );
    let second: Value = serde_json::from_str(&texts[1]).unwrap();
    assert_eq!(
        (&second["boolean"], &second["map"], second.as_object().unwrap().len()),
        (&Value::Null, &json!({}), 14)
    );
    let options = JsonOptions {
        timestamp_format: TimestampFormat::Iso8601,
        plain_decimals: true,
        ignore_null_fields: true,
    };
    let texts = json_rows(&rows, options);
    assert!(
        texts[0].contains(r#""decimal":0.000000027,"#)
            && texts[0].contains(r#""at":"2024-02-29T12:34:56.789""#)
    );
    assert_eq!(texts[1], r#"{"long":0,"map":{}}"#);
}

#[test]
fn json_numbers_that_json_lacks_and_wide_ones() {
    let rows = batch(vec![
        ("d", Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0])), false),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX; 4])), false),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![0; 4]).with_timezone("+00:00")), false),
    ]);
    let texts = json_rows(&rows, JsonOptions::default());
    let rest = r#""u":18446744073709551615,"at":"1970-01-01 00:00:00Z"}"#;
    for (text, number) in texts.iter().zip(["\"NaN\"", "\"Infinity\"", "\"-Infinity\"", "-0.0"]) {
        assert_eq!(*text, format!(r#"{{"d":{number},{rest}"#));
    }
    let late = batch(vec![("late", Arc::new(TimestampMillisecondArray::from(vec![i64::MAX])), false)]);
    let error = JsonEncoder::new(JsonOptions::default()).encode(&late, None).unwrap_err().to_string();
    assert!(error.contains("column late") && error.contains("beyond the years"), "{error}");
}

const KINDS: [RowKind; 4] = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];

#[test]
fn changes_are_written_in_both_forms() {
    let rows = batch(vec![("n", Arc::new(Int32Array::from(vec![1, 1, 2, 2])), false)]);
    for (form, updated) in [(ChangeForm::Flink, "c"), (ChangeForm::Upsert, "u")] {
        let events =
            JsonChangeEncoder::new(form, JsonOptions::default()).encode(&rows, Some(&KINDS)).unwrap();
        let texts: Vec<_> = events.iter().map(|event| std::str::from_utf8(event).unwrap()).collect();
        let expected = [
            r#"{"before":null,"after":{"n":1},"op":"c"}"#.to_owned(),
            r#"{"before":{"n":1},"after":null,"op":"d"}"#.to_owned(),
            format!(r#"{{"before":null,"after":{{"n":2}},"op":"{updated}"}}"#),
            r#"{"before":{"n":2},"after":null,"op":"d"}"#.to_owned(),
        ];
        assert_eq!(texts, expected);

        let fields = rows.schema().fields().clone();
        let schema = avro_envelope_schema(&fields, "shop.Row", TimestampMapping::Legacy).unwrap();
        let schema = SchemaInfo::avro(schema);
        let events = AvroChangeEncoder::new(&schema, form).unwrap().encode(&rows, Some(&KINDS)).unwrap();
        let payloads = AvroPayloads::new(&schema, None).unwrap();
        let mut decoder = PlainDecoder::new(payloads, schema).unwrap();
        assert!(decoder.decode(&crate::slices(&events), 0).failed.is_none());
        let decoded = decoder.flush().unwrap().unwrap().rows;
        let operations: Vec<_> =
            decoded.column_by_name("op").unwrap().as_string::<i32>().iter().flatten().collect();
        assert_eq!(operations, ["c", "d", updated, "d"]);
        for (name, expected) in
            [("before", [None, Some(1), None, Some(2)]), ("after", [Some(1), None, Some(2), None])]
        {
            let row = decoded.column_by_name(name).unwrap().as_struct();
            let numbers = row.column(0).as_primitive::<Int32Type>();
            let values: Vec<_> = (0..4)
                .map(|at| (!arrow::array::Array::is_null(row, at)).then(|| numbers.value(at)))
                .collect();
            assert_eq!(values, expected);
        }
    }
    let refused = AvroChangeEncoder::new(&SchemaInfo::avro(crate::USER), ChangeForm::Flink).err().unwrap();
    assert!(refused.to_string().contains("no field before"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn drawn_rows_survive_avro_and_json(
        drawn in prop::collection::vec(
            (any::<Option<i64>>(), any::<Option<String>>(), prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
             prop::option::of(-99_999_i128..99_999), prop::option::of(-1_000_000_000_000_i64..4_000_000_000_000), any::<f64>()),
            1..20,
        ),
    ) {
        let rows = batch(vec![
            ("l", Arc::new(Int64Array::from_iter(drawn.iter().map(|row| row.0))), true),
            ("s", Arc::new(StringArray::from_iter(drawn.iter().map(|row| row.1.as_deref()))), true),
            ("b", Arc::new(BinaryArray::from_iter(drawn.iter().map(|row| row.2.as_deref()))), true),
            ("d", Arc::new(decimals(drawn.iter().map(|row| row.3).collect(), 5, 2)), true),
            ("t", Arc::new(TimestampMillisecondArray::from_iter(drawn.iter().map(|row| row.4))), true),
            ("f", Arc::new(Float64Array::from_iter_values(drawn.iter().map(|row| row.5))), false),
        ]);
        let schema = derived(&rows);
        let events = AvroEncoder::new(&schema).unwrap().encode(&rows, None).unwrap();
        prop_assert_eq!(decode(&events, &schema, &rows), rows.clone());
        for (text, row) in json_rows(&rows, JsonOptions::default()).iter().zip(&drawn) {
            let value: Value = serde_json::from_str(text).unwrap();
            prop_assert_eq!(&value["l"], &json!(row.0));
            prop_assert_eq!(&value["s"], &json!(row.1));
            prop_assert_eq!(value["d"].as_f64(), row.3.map(|d| d as f64 / 100.0));
            prop_assert_eq!(value["t"].is_string(), row.4.is_some());
        }
    }
}

#[test]
fn a_batch_without_columns_has_events() {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(2));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    assert_eq!(json_rows(&rows, JsonOptions::default()), ["{}", "{}"]);
}
