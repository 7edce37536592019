use super::*;
use crate::AvroValue;
use proptest::prelude::*;

const SCHEMA: &str = r#"{"type":"record","name":"Envelope","namespace":"p.s.t","fields":[
    {"name":"before","type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"int"},
        {"name":"small","type":["null",{"type":"int","connect.type":"int16"}],"default":null},
        {"name":"ratio","type":"float"},{"name":"wide","type":"double"},{"name":"flag","type":"boolean"},
        {"name":"text","type":["null","string"]},
        {"name":"price","type":{"type":"bytes","scale":2,"precision":9,"logicalType":"decimal"}},
        {"name":"any","type":{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data","fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}]}},
        {"name":"other","type":["null","io.debezium.data.VariableScaleDecimal"]},
        {"name":"tags","type":{"type":"array","items":["null","string"]}},
        {"name":"source","type":{"type":"map","values":"long"}}
    ]}],"default":null},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[
        {"name":"db","type":"string"},{"name":"lsn","type":["null","long"]},
        {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
        {"name":"id","type":{"type":"fixed","name":"Id","size":2}}]}},
    {"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"]}]}"#;

/// The reference: a tree of values.
fn of_value(value: AvroValue) -> Value {
    match value {
        AvroValue::Union(_, value) => of_value(*value),
        AvroValue::Boolean(value) => json!(value),
        AvroValue::Int(value) => json!(value),
        AvroValue::Long(value) => json!(value),
        AvroValue::Float(value) => serde_json::from_str(&float(value.to_string().parse().unwrap())).unwrap(),
        AvroValue::Double(value) => serde_json::from_str(&float(value)).unwrap(),
        AvroValue::String(value) => Value::String(value),
        AvroValue::Bytes(value) => json!(STANDARD.encode(value)),
        AvroValue::Decimal(value) => json!(STANDARD.encode(Vec::<u8>::try_from(&value).unwrap())),
        AvroValue::Array(items) => items.into_iter().map(of_value).collect(),
        AvroValue::Map(values) => values.into_iter().map(|(name, value)| (name, of_value(value))).collect(),
        AvroValue::Record(fields) => {
            fields.into_iter().map(|(name, value)| (name, of_value(value))).collect()
        }
        _ => Value::Null,
    }
}

fn union(value: Option<AvroValue>) -> AvroValue {
    match value {
        None => AvroValue::Union(0, Box::new(AvroValue::Null)),
        Some(value) => AvroValue::Union(1, Box::new(value)),
    }
}

fn record(fields: Vec<(&str, AvroValue)>) -> AvroValue {
    AvroValue::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn row() -> impl Strategy<Value = AvroValue> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..6);
    let small = (any::<i32>(), prop::option::of(any::<i32>()), any::<f32>(), any::<f64>(), any::<bool>());
    let tags = prop::collection::vec(prop::option::of("[a\"\\\\\n]{0,3}"), 0..4);
    let large = (prop::option::of(any::<String>()), bytes(), bytes(), prop::option::of(bytes()), tags);
    let map = prop::collection::hash_map("[ab\"]{0,2}", any::<i64>(), 0..2);
    (small, large, map).prop_map(|((id, small, ratio, wide, flag), (text, price, any, other, tags), map)| {
        let decimal = |value| record(vec![("scale", AvroValue::Int(3)), ("value", AvroValue::Bytes(value))]);
        record(vec![
            ("id", AvroValue::Int(id)),
            ("small", union(small.map(AvroValue::Int))),
            ("ratio", AvroValue::Float(ratio)),
            ("wide", AvroValue::Double(wide)),
            ("flag", AvroValue::Boolean(flag)),
            ("text", union(text.map(AvroValue::String))),
            ("price", AvroValue::Decimal(price.into())),
            ("any", decimal(any)),
            ("other", union(other.map(decimal))),
            (
                "tags",
                AvroValue::Array(tags.into_iter().map(|tag| union(tag.map(AvroValue::String))).collect()),
            ),
            ("source", AvroValue::Map(map.into_iter().map(|(k, v)| (k, AvroValue::Long(v))).collect())),
        ])
    })
}

fn event() -> impl Strategy<Value = AvroValue> {
    (prop::option::of(row()), prop::option::of(row()), "[a-z]{1,2}", prop::option::of(any::<i64>())).prop_map(
        |(before, after, op, lsn)| {
            let source = vec![
                ("db", AvroValue::String("d".into())),
                ("lsn", union(lsn.map(AvroValue::Long))),
                ("kind", AvroValue::Enum(1, "B".into())),
                ("id", AvroValue::Fixed(2, vec![1, 2])),
            ];
            record(vec![
                ("before", union(before)),
                ("after", union(after)),
                ("source", record(source)),
                ("op", AvroValue::String(op)),
                ("ts_ms", union(None)),
            ])
        },
    )
}

proptest! {
    #[test]
    fn texts_are_those_of_a_tree_of_values(value in event(), padding in 0_usize..3, cut in any::<prop::sample::Index>()) {
        let parsed = apache_avro::Schema::parse_str(SCHEMA).unwrap();
        let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&parsed).build().unwrap();
        let mut payload = Vec::new();
        writer.write_value_ref(&mut payload, &value).unwrap();
        let length = payload.len();
        payload.extend(vec![0; padding]);
        let schema = AvroText::new(SCHEMA.as_bytes()).unwrap();
        let mut out = Vec::new();
        schema.write(&payload, &mut out).unwrap();
        let found: Value = serde_json::from_slice(&out).unwrap();
        let mut expected = of_value(value);
        let lsn = expected["source"]["lsn"].clone();
        expected["source"] = json!({ "lsn": lsn });
        expected.as_object_mut().unwrap().shift_remove("ts_ms");
        prop_assert_eq!(found, expected);
        prop_assert_eq!(schema.write(&payload[..cut.index(length)], &mut Vec::new()), Err(Invalid::Truncated));
        payload.push(1);
        prop_assert!(schema.write(&payload, &mut Vec::new()).is_err());
    }

    #[test]
    fn any_bytes_are_a_text_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let schema = AvroText::new(SCHEMA.as_bytes()).unwrap();
        let mut out = Vec::new();
        if schema.write(&bytes, &mut out).is_ok() {
            serde_json::from_slice::<Value>(&out).unwrap();
        }
        let _ = AvroText::new(&bytes);
    }
}

#[test]
fn events_are_bounded() {
    let bomb =
        r#"{"type":"record","name":"E","fields":[{"name":"op","type":{"type":"array","items":"null"}}]}"#;
    let schema = AvroText::new(bomb.as_bytes()).unwrap();
    let payload = b"\x80\x89\x7a".repeat(3);
    assert_eq!(schema.write(&payload, &mut Vec::new()), Err(Invalid::TooLarge));
    let deep = r#"{"type":"record","name":"E","fields":[{"name":"op","type":["null","E"]}]}"#;
    let schema = AvroText::new(deep.as_bytes()).unwrap();
    assert_eq!(schema.write(&[2; 1000], &mut Vec::new()), Err(Invalid::TooLarge));
    assert_eq!(schema.write(&[2, 0], &mut Vec::new()), Ok(()));
    for schema in ["{", "\"nothing\"", r#"{"type":"record","name":"E"}"#] {
        AvroText::new(schema.as_bytes()).unwrap_err();
    }
}
