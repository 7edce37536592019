//! Events without a schema: lines of comma-separated values, and raw values.
#![cfg(feature = "arrow")]

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use kulya_codec::arrow::{
    BatchDecoder, BatchEncoder, Charset, CsvEncoder, CsvOptions, CsvPayloads, PayloadDecoder, PlainDecoder,
    RawEncoder, RawOptions, RawPayloads,
};
use proptest::prelude::*;
use std::sync::Arc;

fn table(fields: Vec<(&str, DataType)>) -> SchemaRef {
    let fields: Vec<Field> = fields.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect();
    Arc::new(Schema::new(fields))
}

/// Decodes each event; the errors, and the rows as texts with ∅ for null.
fn decode(payloads: impl PayloadDecoder, events: &[&[u8]]) -> (Vec<String>, Vec<String>) {
    let mut decoder = PlainDecoder::without_schema(payloads, "test");
    let (mut at, mut errors) = (0, Vec::new());
    while at < events.len() {
        let decoded = decoder.decode(&events[at..], at as u64);
        at += decoded.count;
        if let Some(error) = decoded.failed {
            errors.push(format!("{at}: {error}"));
            at += 1;
        }
    }
    let batch = decoder.flush().unwrap();
    (errors, batch.iter().flat_map(|batch| texts(&batch.rows)).collect())
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

fn csv(fields: Vec<(&str, DataType)>, options: CsvOptions, events: &[&str]) -> (Vec<String>, Vec<String>) {
    let events: Vec<&[u8]> = events.iter().map(|event| event.as_bytes()).collect();
    decode(CsvPayloads::new(table(fields), None, options).unwrap(), &events)
}

#[test]
fn csv_lines_have_flinks_types() {
    let row = DataType::Struct(
        vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)].into(),
    );
    let fields = vec![
        ("b", DataType::Boolean),
        ("i", DataType::Int16),
        ("f", DataType::Float64),
        ("d", DataType::Decimal128(5, 2)),
        ("s", DataType::Utf8),
        ("raw", DataType::Binary),
        ("day", DataType::Date32),
        ("time", DataType::Time32(TimeUnit::Millisecond)),
        ("at", DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()))),
        ("l", DataType::new_list(DataType::Int64, true)),
        ("r", row),
    ];
    let events = [
        "true, 7 ,1e3,12.345,\"a,\"\"b\",AP8=,2024-02-29,12:34:56.7,2024-02-29 12:34:56Z,1;2;,3;z\n",
        ",,,,,,,,,,7;",
    ];
    let (errors, rows) = csv(fields, CsvOptions::default(), &events[..1]);
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(
        rows,
        [
            "true|7|1000.0|12.35|a,\"b|00ff|2024-02-29|12:34:56.700|2024-02-29T12:34:56Z|[1, 2, ∅]|{x: 3, y: z}"
        ]
    );
    let few = vec![("n", DataType::Int32), ("s", DataType::Utf8), ("d", DataType::Decimal128(2, 0))];
    let (errors, rows) =
        csv(few.clone(), CsvOptions::default(), &[",,", "1,x,100", "1", "x,y,1", "1,2,3\n4,5,6", "", "\n"]);
    assert_eq!(rows, ["∅||∅", "1|x|∅"]);
    let expected = [
        "2: .*1 values.*3 columns",
        "3: .*column n.*\"x\"",
        "4: .*several lines",
        "5: .*empty",
        "6: .*empty",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(expected.split(".*").all(|part| error.contains(part)), "{error} has not {expected}");
    }
    let lenient = CsvOptions { ignore_parse_errors: true, allow_comments: true, ..CsvOptions::default() };
    let (errors, rows) = csv(few, lenient, &["#1,2,3", "x,y,1", "1", "1,2,3,4", "1,2,3\n4,5,6"]);
    assert_eq!((errors, rows), (vec![], vec!["∅|y|1".to_owned(), "1|∅|∅".into(), "1|2|3".into()]));
}

#[test]
fn csv_options_change_the_line() {
    let options = CsvOptions {
        field_delimiter: b'|',
        quote: Some(b'\''),
        escape: Some(b'\\'),
        null_literal: Some("n/a".into()),
        ..CsvOptions::default()
    };
    let fields = vec![("s", DataType::Utf8), ("n", DataType::Int32)];
    let (errors, rows) = csv(fields.clone(), options, &["'a|\\'b'|1", "n/a|n/a", "|"]);
    assert_eq!(rows, ["a|'b|1", "∅|∅"]);
    assert!(errors.len() == 1 && errors[0].contains("column n"), "{errors:?}");
    let unquoted = CsvOptions { quote: None, ..CsvOptions::default() };
    assert_eq!(csv(fields, unquoted, &["\"a\",2"]).1, ["\"a\"|2"]);
    let refused = CsvPayloads::new(
        table(vec![("u", DataType::Duration(TimeUnit::Second))]),
        None,
        CsvOptions::default(),
    );
    assert!(refused.err().unwrap().to_string().contains("column u"));
    let projected = CsvPayloads::new(
        table(vec![("a", DataType::Int32), ("b", DataType::Int32), ("c", DataType::Int32)]),
        Some(vec![2, 0]),
        CsvOptions::default(),
    );
    assert_eq!(decode(projected.unwrap(), &[b"1,x,3"]).1, ["3|1"]);
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

#[test]
fn csv_lines_are_those_of_flink() {
    let list = arrow::array::ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
    ]);
    let rows = batch(vec![
        ("s", Arc::new(StringArray::from(vec![Some("a \"b\", c"), None]))),
        ("f", Arc::new(Float64Array::from(vec![f64::INFINITY, 1.5]))),
        ("l", Arc::new(list)),
        ("b", Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), None]))),
    ]);
    let lines = |options| CsvEncoder::new(options).encode(&rows, None).unwrap();
    assert_eq!(lines(CsvOptions::default()), [&b"\"a \"\"b\"\", c\",Infinity,1;,AP8="[..], b",1.5,,"]);
    let options =
        CsvOptions { null_literal: Some("n/a".into()), escape: Some(b'\\'), ..CsvOptions::default() };
    assert_eq!(lines(options), [&b"\"a \\\"b\\\", c\",Infinity,1;n/a,AP8="[..], b"n/a,1.5,n/a,n/a"]);
    let unquoted = CsvOptions { quote: None, ..CsvOptions::default() };
    let error = CsvEncoder::new(unquoted).encode(&rows, None).unwrap_err().to_string();
    assert!(error.contains("column s") && error.contains("disabled"), "{error}");
}

#[test]
fn raw_values_have_flinks_bytes() {
    let big = RawOptions::default();
    let little = RawOptions { is_little_endian: true, ..big };
    let columns: [(ArrayRef, &[u8]); 8] = [
        (Arc::new(BooleanArray::from(vec![true])), &[1]),
        (Arc::new(Int8Array::from(vec![-2])), &[0xfe]),
        (Arc::new(Int16Array::from(vec![-2])), &[0xff, 0xfe]),
        (Arc::new(Int32Array::from(vec![1])), &[0, 0, 0, 1]),
        (Arc::new(Int64Array::from(vec![i64::MIN])), &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        (Arc::new(Float32Array::from(vec![1.0])), &[0x3f, 0x80, 0, 0]),
        (Arc::new(Float64Array::from(vec![-0.0])), &[0x80, 0, 0, 0, 0, 0, 0, 0]),
        (Arc::new(StringArray::from(vec!["ä"])), "ä".as_bytes()),
    ];
    for (column, expected) in columns {
        let rows = batch(vec![("c", column)]);
        let is_number = !matches!(rows.column(0).data_type(), DataType::Utf8);
        for options in [big, little] {
            let events = RawEncoder::new(options).encode(&rows, None).unwrap();
            let mut bytes = expected.to_vec();
            if options.is_little_endian && is_number {
                bytes.reverse();
            }
            assert_eq!(events[0], bytes);
            let payloads = || RawPayloads::new(rows.schema(), true, options).unwrap();
            assert_eq!(decode(payloads(), &[&events[0]]), (vec![], texts(&rows)));
            let (errors, _) = decode(payloads(), &[&[1, 2, 3]]);
            assert_eq!(errors.len(), usize::from(is_number), "{errors:?}");
        }
    }
    let none = batch(vec![("c", Arc::new(StringArray::from(vec![None::<&str>])))]);
    let error = RawEncoder::new(big).encode(&none, None).unwrap_err().to_string();
    assert!(error.contains("column c") && error.contains("no null"), "{error}");
    let two = table(vec![("a", DataType::Utf8), ("b", DataType::Utf8)]);
    assert!(RawPayloads::new(two, true, big).err().unwrap().to_string().contains("2 columns"));
    let counted = RawPayloads::new(table(vec![("a", DataType::Utf8)]), false, big).unwrap();
    assert_eq!(decode(counted, &[b"x", b""]).1, ["", ""]);
}

#[test]
fn raw_texts_have_their_charset() {
    for (name, bytes) in [
        ("ISO-8859-1", &b"\xe4?"[..]),
        ("us-ascii", b"??"),
        ("UTF-16", b"\x00\xe4\x20\xac"),
        ("UTF-16LE", b"\xe4\x00\xac\x20"),
    ] {
        let options = RawOptions { charset: Charset::from_name(name).unwrap(), ..RawOptions::default() };
        let rows = batch(vec![("c", Arc::new(StringArray::from(vec!["ä€"])))]);
        assert_eq!(RawEncoder::new(options).encode(&rows, None).unwrap(), [bytes], "{name}");
        let read = decode(RawPayloads::new(rows.schema(), true, options).unwrap(), &[bytes]).1;
        assert_eq!(
            read,
            [if bytes.len() > 2 {
                "ä€"
            } else if bytes[0] == b'?' {
                "??"
            } else {
                "ä?"
            }],
            "{name}"
        );
    }
    assert!(Charset::from_name("EBCDIC").is_none());
    let broken = decode(
        RawPayloads::new(table(vec![("c", DataType::Utf8)]), true, RawOptions::default()).unwrap(),
        &[b"a\xff"],
    );
    assert_eq!(broken.1, ["a\u{fffd}"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn drawn_rows_survive_csv(
        drawn in prop::collection::vec((any::<i64>(), any::<f64>(), "\\PC*|[,;\"\\\\\r\n#a]{0,6}", any::<Option<bool>>()), 1..8),
        escape in any::<bool>(),
    ) {
        let rows = batch(vec![
            ("s", Arc::new(StringArray::from_iter_values(drawn.iter().map(|row| &row.2)))),
            ("n", Arc::new(Int64Array::from_iter_values(drawn.iter().map(|row| row.0)))),
            ("f", Arc::new(Float64Array::from_iter_values(drawn.iter().map(|row| row.1)))),
            ("b", Arc::new(BooleanArray::from_iter(drawn.iter().map(|row| row.3)))),
        ]);
        let options = CsvOptions { escape: escape.then_some(b'\\'), allow_comments: escape, ..CsvOptions::default() };
        let events = CsvEncoder::new(options.clone()).encode(&rows, None).unwrap();
        let events: Vec<&[u8]> = events.iter().map(|event| &event[..]).collect();
        let (errors, decoded) = decode(CsvPayloads::new(rows.schema(), None, options).unwrap(), &events);
        prop_assert_eq!(errors, Vec::<String>::new());
        prop_assert_eq!(decoded, texts(&rows));
    }

    #[test]
    fn any_bytes_are_lines_or_rejected_as_if_alone(
        events in prop::collection::vec(prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b",;\"\\#\r\n1-.eZ"[..])], 0..24), 1..12),
        ignore_parse_errors in any::<bool>(),
    ) {
        let fields = vec![
            ("s", DataType::Utf8),
            ("n", DataType::Decimal128(9, 2)),
            ("l", DataType::new_list(DataType::Int32, true)),
        ];
        let options = CsvOptions { ignore_parse_errors, allow_comments: true, ..CsvOptions::default() };
        let new = || CsvPayloads::new(table(fields.clone()), None, options.clone()).unwrap();
        let events: Vec<&[u8]> = events.iter().map(|event| &event[..]).collect();
        let (errors, rows) = decode(new(), &events);
        let alone: Vec<_> = events.iter().map(|event| decode(new(), &[event])).collect();
        prop_assert_eq!(errors.len(), alone.iter().map(|(errors, _)| errors.len()).sum::<usize>());
        prop_assert_eq!(rows, alone.into_iter().flat_map(|(_, rows)| rows).collect::<Vec<_>>());
    }
}
