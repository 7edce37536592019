//! Rows of Protobuf messages: Flink's mapping, against `prost-reflect`.
#![cfg(feature = "arrow")]

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use kulya_codec::arrow::{
    BatchDecoder, BatchEncoder, PlainDecoder, ProtobufEncoder, ProtobufOptions, ProtobufPayloads,
    protobuf_columns,
};
use kulya_codec::prost_reflect::MapKey;
use kulya_codec::protobuf::{DynamicMessage, Message, MessageDescriptor, message_descriptor};
use kulya_schema::{Format, SchemaInfo};
use proptest::prelude::*;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, OneofDescriptorProto,
};
use std::sync::Arc;

fn field(name: &str, number: i32, r#type: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(r#type.into()),
        type_name: (!type_name.is_empty()).then(|| type_name.into()),
        ..FieldDescriptorProto::default()
    }
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field }
}

fn in_oneof(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { oneof_index: Some(0), ..field }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.into()), field, ..DescriptorProto::default() }
}

fn entry(name: &str, value: FieldDescriptorProto) -> DescriptorProto {
    let options = MessageOptions { map_entry: Some(true), ..MessageOptions::default() };
    DescriptorProto {
        options: Some(options),
        ..message(name, vec![field("key", 1, Type::String, ""), value])
    }
}

/// A message with every kind of field.
fn schema() -> SchemaInfo {
    let fields = vec![
        field("d", 1, Type::Double, ""),
        field("f", 2, Type::Float, ""),
        field("i", 3, Type::Int32, ""),
        field("l", 4, Type::Int64, ""),
        field("u", 5, Type::Uint32, ""),
        field("w", 6, Type::Uint64, ""),
        field("si", 7, Type::Sint32, ""),
        field("sl", 8, Type::Sint64, ""),
        field("fi", 9, Type::Fixed32, ""),
        field("fl", 10, Type::Fixed64, ""),
        field("sfi", 11, Type::Sfixed32, ""),
        field("sfl", 12, Type::Sfixed64, ""),
        field("b", 13, Type::Bool, ""),
        field("s", 14, Type::String, ""),
        field("raw", 15, Type::Bytes, ""),
        field("e", 16, Type::Enum, ".t.Kind"),
        field("inner", 17, Type::Message, ".t.Inner"),
        repeated(field("numbers", 18, Type::Sint64, "")),
        repeated(field("words", 19, Type::String, "")),
        repeated(field("inners", 20, Type::Message, ".t.Inner")),
        repeated(field("counts", 21, Type::Message, ".t.All.CountsEntry")),
        repeated(field("nested", 22, Type::Message, ".t.All.NestedEntry")),
        in_oneof(field("left", 23, Type::Int32, "")),
        in_oneof(field("right", 24, Type::Message, ".t.Inner")),
        field("at", 300, Type::Message, ".google.protobuf.Timestamp"),
        field("again", 301, Type::Message, ".t.All"),
    ];
    let mut all = message("All", fields);
    all.oneof_decl =
        vec![OneofDescriptorProto { name: Some("either".into()), ..OneofDescriptorProto::default() }];
    all.nested_type = vec![
        entry("CountsEntry", field("value", 2, Type::Int32, "")),
        entry("NestedEntry", field("value", 2, Type::Message, ".t.Inner")),
    ];
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        ..EnumValueDescriptorProto::default()
    };
    let kind = EnumDescriptorProto {
        name: Some("Kind".into()),
        value: vec![value("NONE", 0), value("SOME", 1)],
        ..EnumDescriptorProto::default()
    };
    let inner = message("Inner", vec![field("x", 1, Type::Int32, ""), field("y", 2, Type::String, "")]);
    let file = FileDescriptorProto {
        name: Some("all.proto".into()),
        package: Some("t".into()),
        syntax: Some("proto3".into()),
        dependency: vec!["google/protobuf/timestamp.proto".into()],
        message_type: vec![all, inner],
        enum_type: vec![kind],
        ..FileDescriptorProto::default()
    };
    SchemaInfo::new("t.All", Format::Protobuf, FileDescriptorSet { file: vec![file] }.encode_to_vec())
}

fn descriptor() -> MessageDescriptor {
    message_descriptor(&schema()).unwrap()
}

fn table() -> SchemaRef {
    Arc::new(Schema::new(protobuf_columns(&descriptor()).unwrap()))
}

fn decoder(table: SchemaRef, options: ProtobufOptions) -> PlainDecoder<ProtobufPayloads> {
    PlainDecoder::new(ProtobufPayloads::new(table, options).unwrap(), schema()).unwrap()
}

fn decode(table: SchemaRef, options: ProtobufOptions, events: &[Bytes]) -> Result<RecordBatch, String> {
    let mut decoder = decoder(table, options);
    match decoder.decode(&crate::slices(events), 0).failed {
        Some(error) => Err(error.to_string()),
        None => Ok(decoder.flush().unwrap().unwrap().rows),
    }
}

fn row(batch: &RecordBatch, row: usize) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let text =
        |column: &Arc<dyn Array>| ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string();
    batch.columns().iter().map(text).collect()
}

fn only(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

#[test]
fn absent_fields_are_null_or_defaults() {
    let empty = [Bytes::new()];
    let columns = ["s", "i", "e", "inner", "numbers", "counts", "left", "at"];
    let columns: Vec<usize> = columns.iter().map(|name| table().index_of(name).unwrap()).collect();
    let wanted: SchemaRef = table().project(&columns).unwrap().into();
    let absent = decode(Arc::clone(&wanted), ProtobufOptions::default(), &empty).unwrap();
    assert_eq!(row(&absent, 0), ["", "0", "NONE", "∅", "∅", "∅", "∅", "∅"]);
    let defaults = ProtobufOptions { read_default_values: true, ..ProtobufOptions::default() };
    let defaults = decode(wanted, defaults, &empty).unwrap();
    assert_eq!(row(&defaults, 0), ["", "0", "NONE", "{x: 0, y: }", "[]", "{}", "0", "1970-01-01T00:00:00"]);
}

#[test]
fn fields_have_flinks_types() {
    let unsigned = only(vec![
        Field::new("u", DataType::Int32, true),
        Field::new("w", DataType::Int64, true),
        Field::new("e", DataType::Int32, true),
        Field::new("again", DataType::Binary, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, None), true),
    ]);
    let at = b"\xe2\x12\x07\x08\x01\x10\x80\xb6\xdc\x05";
    let mut event =
        b"\x28\xff\xff\xff\xff\x0f\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x80\x01\x07".to_vec();
    event.extend(b"\xea\x12\x02\x18\x05\xea\x12\x02\x18\x06");
    let whole = [&event[..], at].concat();
    let batch = decode(unsigned, ProtobufOptions::default(), &[whole.into()]).unwrap();
    assert_eq!(row(&batch, 0), ["-1", "-1", "7", "18051806", "1970-01-01T00:00:01.012"]);
    let added = only(vec![Field::new("added", DataType::Int32, true)]);
    let batch = decode(added, ProtobufOptions::default(), &[b"\x28\x01".to_vec().into()]).unwrap();
    assert!(batch.column(0).is_null(0), "a column that was added later is null");
    let refused = |field| {
        ProtobufPayloads::new(only(vec![field]), ProtobufOptions::default()).map(|payloads| {
            PlainDecoder::new(payloads, schema()).unwrap().decode(&[b""], 0).failed.unwrap().to_string()
        })
    };
    for (name, data_type, expected) in [
        ("s", DataType::Int32, "column s"),
        ("numbers", DataType::Int64, "is repeated"),
        ("counts", DataType::new_list(DataType::Int32, true), "is a map"),
        ("d", DataType::Float32, "column d"),
    ] {
        let error = refused(Field::new(name, data_type, true)).unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let error = refused(Field::new("missing", DataType::Int32, false)).unwrap();
    assert!(error.contains("column missing: message t.All has no such field"), "{error}");
}

#[test]
fn corrupt_messages_leave_no_row() {
    let one = only(vec![Field::new("words", DataType::new_list(DataType::Utf8, true), true)]);
    let good: Bytes = b"\x9a\x01\x01a".to_vec().into();
    let events: Vec<Bytes> = [
        &good[..],
        b"\x9a\x01\x01a\x9a\x01\x02a",
        b"\x9a\x01\x01a\x98\x01\x01",
        b"\x9a\x01\x01\xff",
        b"\x9a\x01\x01b\0\0\0",
    ]
    .map(Bytes::copy_from_slice)
    .to_vec();
    let mut decoder = decoder(Arc::clone(&one), ProtobufOptions::default());
    let (mut at, mut errors) = (0, Vec::new());
    while at < events.len() {
        let decoded = decoder.decode(&crate::slices(&events[at..]), 0);
        at += decoded.count;
        if let Some(error) = decoded.failed {
            errors.push(error.to_string());
            at += 1;
        }
    }
    assert!(
        errors[0].contains("truncated") && errors[1].contains("wire type") && errors[2].contains("UTF-8"),
        "{errors:?}"
    );
    let rows = decoder.flush().unwrap().unwrap().rows;
    assert_eq!((rows.num_rows(), row(&rows, 1)), (2, vec!["[b]".to_owned()]));
    let lenient = ProtobufOptions { ignore_parse_errors: true, ..ProtobufOptions::default() };
    assert_eq!(decode(one, lenient, &events).unwrap().num_rows(), 2);
    // an empty message of two bytes has two columns
    let bomb: Bytes = b"\xa2\x01\0".repeat(600_000).into();
    let inners = table().project(&[table().index_of("inners").unwrap()]).unwrap();
    let error = decode(inners.into(), ProtobufOptions::default(), &[bomb]).unwrap_err();
    assert!(error.contains("more than 1000000 values"), "{error}");
}

#[test]
fn rows_are_encoded_again() {
    let rows = decode(table(), ProtobufOptions::default(), &[sample(), Bytes::new()]).unwrap();
    let events = ProtobufEncoder::new(&schema(), &table(), ProtobufOptions::default())
        .unwrap()
        .encode(&rows, None)
        .unwrap();
    assert_eq!(decode(table(), ProtobufOptions::default(), &events).unwrap(), rows);
    let unknown = only(vec![Field::new("missing", DataType::Int32, true)]);
    let error =
        ProtobufEncoder::new(&schema(), &unknown, ProtobufOptions::default()).err().unwrap().to_string();
    assert!(error.contains("no field for column missing"), "{error}");
    let words = arrow::array::ListArray::try_new(
        Arc::new(Field::new("item", DataType::Utf8, true)),
        arrow::buffer::OffsetBuffer::from_lengths([2]),
        Arc::new(arrow::array::StringArray::from(vec![Some("a"), None])),
        None,
    );
    let nulls =
        RecordBatch::try_from_iter(vec![("words", Arc::new(words.unwrap()) as Arc<dyn Array>)]).unwrap();
    let options = ProtobufOptions { write_null_string_literal: "nil".into(), ..ProtobufOptions::default() };
    let events =
        ProtobufEncoder::new(&schema(), &nulls.schema(), options).unwrap().encode(&nulls, None).unwrap();
    assert_eq!(events, [&b"\x9a\x01\x01a\x9a\x01\x03nil"[..]]);
}

/// A message with a value in each field, made from JSON by `prost-reflect`.
fn sample() -> Bytes {
    let mut message = DynamicMessage::new(descriptor());
    use kulya_codec::protobuf::Value;
    let inner = |x: i32, y: &str| {
        let mut inner =
            DynamicMessage::new(descriptor().parent_pool().get_message_by_name("t.Inner").unwrap());
        inner.set_field_by_name("x", Value::I32(x));
        inner.set_field_by_name("y", Value::String(y.into()));
        Value::Message(inner)
    };
    for (name, value) in [
        ("d", Value::F64(1.5)),
        ("f", Value::F32(-0.5)),
        ("i", Value::I32(-1)),
        ("l", Value::I64(i64::MIN)),
        ("u", Value::U32(u32::MAX)),
        ("w", Value::U64(u64::MAX)),
        ("si", Value::I32(i32::MIN)),
        ("sl", Value::I64(-3)),
        ("fi", Value::U32(7)),
        ("fl", Value::U64(8)),
        ("sfi", Value::I32(-9)),
        ("sfl", Value::I64(-10)),
        ("b", Value::Bool(true)),
        ("s", Value::String("ä".into())),
        ("raw", Value::Bytes(vec![0, 255].into())),
        ("e", Value::EnumNumber(1)),
        ("inner", inner(5, "")),
        ("numbers", Value::List(vec![Value::I64(-1), Value::I64(300)])),
        ("words", Value::List(vec![Value::String("a".into()), Value::String(String::new())])),
        ("inners", Value::List(vec![inner(1, "p"), inner(0, "q")])),
        ("right", inner(6, "r")),
    ] {
        message.set_field_by_name(name, value);
    }
    let counts = [(MapKey::String("k".into()), Value::I32(2))];
    message.set_field_by_name("counts", Value::Map(counts.into()));
    let nested = [(MapKey::String("m".into()), inner(3, "n"))];
    message.set_field_by_name("nested", Value::Map(nested.into()));
    message.encode_to_vec().into()
}

#[test]
fn every_field_is_read() {
    let batch = decode(table(), ProtobufOptions::default(), &[sample()]).unwrap();
    assert_eq!(
        row(&batch, 0),
        [
            "1.5",
            "-0.5",
            "-1",
            "-9223372036854775808",
            "4294967295",
            "18446744073709551615",
            "-2147483648",
            "-3",
            "7",
            "8",
            "-9",
            "-10",
            "true",
            "ä",
            "00ff",
            "SOME",
            "{x: 5, y: }",
            "[-1, 300]",
            "[a, ]",
            "[{x: 1, y: p}, {x: 0, y: q}]",
            "{k: 2}",
            "{m: {x: 3, y: n}}",
            "∅",
            "{x: 6, y: r}",
            "∅",
            "∅"
        ]
    );
    let fields: Fields = protobuf_columns(&descriptor()).unwrap();
    assert_eq!(fields.find("again").unwrap().1.data_type(), &DataType::Binary, "a message within itself");
}

/// Parts of messages: each is a field of the schema, in some way.
fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0_u8..26).prop_map(|n| vec![n << 3, n]),
        Just(b"\xb8\x01\x07".to_vec()),
        Just(b"\xc2\x01\x02\x08\x01".to_vec()),
        Just(b"\x8a\x01\x02\x08\x01".to_vec()),
        Just(b"\x8a\x01\x03\x12\x01z".to_vec()),
        Just(b"\x92\x01\x03\x01\x02\x03".to_vec()),
        Just(b"\x90\x01\x05".to_vec()),
        Just(b"\xaa\x01\x05\x0a\x01k\x10\x02".to_vec()),
        Just(b"\xb2\x01\x09\x0a\x01m\x12\x04\x08\x01\x08\x02".to_vec()),
        Just(b"\xe2\x12\x04\x08\x01\x10\x02".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_bytes_are_read_as_prost_reads_them(parts in prop::collection::vec(part(), 0..8)) {
        let event: Bytes = parts.concat().into();
        let ours = decode(table(), ProtobufOptions::default(), std::slice::from_ref(&event));
        let theirs = DynamicMessage::decode(descriptor(), event.clone());
        // the message within itself is bytes for us, and map entries may be without any of their fields
        let (Ok(ours), Ok(theirs)) = (&ours, &theirs) else {
            let is_padded = event.last() == Some(&0);
            prop_assert!(ours.is_ok() == theirs.is_ok() || is_padded || event.windows(2).any(|w| w == b"\xea\x12"),
                "{:?}: ours {:?} theirs {:?}", event, ours, theirs);
            return Ok(());
        };
        // by values: encoded again from our rows, the message is the same
        let mut encoder = ProtobufEncoder::new(&schema(), &table(), ProtobufOptions::default()).unwrap();
        let events = encoder.encode(ours, None);
        if let Ok(events) = events {
            let again = decode(table(), ProtobufOptions::default(), &events).unwrap();
            prop_assert_eq!(&again, ours);
            let reference = decode(table(), ProtobufOptions::default(), &[theirs.encode_to_vec().into()]);
            prop_assert_eq!(reference.map(|batch| texts_without_maps(&batch)), Ok(texts_without_maps(ours)));
        }
    }
}

/// The order of a map's entries is lost in `prost-reflect`.
fn texts_without_maps(batch: &RecordBatch) -> Vec<String> {
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|at| !matches!(batch.column(*at).data_type(), DataType::Map(..)))
        .collect();
    row(&batch.project(&kept).unwrap(), 0)
}
