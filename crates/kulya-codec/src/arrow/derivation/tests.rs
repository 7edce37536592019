use super::*;
use crate::CodecResult;
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use std::sync::Arc;

fn field(name: &str, data_type: DataType, nullable: bool) -> Field {
    Field::new(name, data_type, nullable)
}

fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

fn map(value: DataType) -> DataType {
    let entries = vec![field("key", DataType::Utf8, false), field("value", value, true)];
    DataType::Map(Arc::new(field("entries", DataType::Struct(entries.into()), false)), false)
}

fn legacy(columns: Vec<Field>) -> CodecResult<String> {
    avro_schema(&columns.into(), FLINK_RECORD_NAME, TimestampMapping::Legacy)
}

/// The table of the measurements on real Pravega: name and number.
#[test]
fn nullable_columns_are_unions_with_null_first() {
    let columns = vec![field("name", DataType::Utf8, true), field("n", DataType::Int32, true)];
    assert_eq!(
        legacy(columns.clone()).unwrap(),
        r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[{"name":"name","type":["null","string"],"default":null},{"name":"n","type":["null","int"],"default":null}]}"#
    );
    let older = avro_schema(&columns.into(), "record", TimestampMapping::Legacy).unwrap();
    assert!(older.starts_with(r#"{"type":"record","name":"record","fields":["#), "{older}");
}

#[test]
fn every_type_has_flinks_avro_type() {
    let row = DataType::Struct(vec![field("x", DataType::Int8, false)].into());
    let columns = vec![
        field("a", DataType::Boolean, false),
        field("b", DataType::Int16, false),
        field("c", DataType::Int64, false),
        field("d", DataType::Float32, false),
        field("e", DataType::Float64, false),
        field("f", DataType::Binary, false),
        field("g", DataType::Decimal128(10, 2), true),
        field("h", DataType::Date32, false),
        field("i", DataType::Time32(TimeUnit::Millisecond), false),
        field("j", millis(), false),
        field("k", DataType::new_list(row.clone(), true), false),
        field("l", map(DataType::Int64), false),
        field("m", row, true),
        field("n", DataType::Null, true),
    ];
    let text = legacy(columns).unwrap();
    let fields = text.split_once(r#""fields":["#).unwrap().1;
    assert_eq!(
        fields,
        concat!(
            r#"{"name":"a","type":"boolean"},{"name":"b","type":"int"},{"name":"c","type":"long"},"#,
            r#"{"name":"d","type":"float"},{"name":"e","type":"double"},{"name":"f","type":"bytes"},"#,
            r#"{"name":"g","type":["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}],"default":null},"#,
            r#"{"name":"h","type":{"type":"int","logicalType":"date"}},"#,
            r#"{"name":"i","type":{"type":"int","logicalType":"time-millis"}},"#,
            r#"{"name":"j","type":{"type":"long","logicalType":"timestamp-millis"}},"#,
            r#"{"name":"k","type":{"type":"array","items":["null",{"type":"record","name":"record_k","fields":[{"name":"x","type":"int"}]}]}},"#,
            r#"{"name":"l","type":{"type":"map","values":["null","long"]}},"#,
            r#"{"name":"m","type":["null",{"type":"record","name":"record_m","fields":[{"name":"x","type":"int"}]}],"default":null},"#,
            r#"{"name":"n","type":"null","default":null}]}"#,
        )
    );
    kulya_schema::avro::parse(&text).unwrap();
}

#[test]
fn timestamps_follow_the_mapping() {
    let columns = |unit, zone: Option<&str>| -> Fields {
        vec![field("t", DataType::Timestamp(unit, zone.map(Into::into)), false)].into()
    };
    for (unit, zone, exact, legacy) in [
        (TimeUnit::Millisecond, None, "local-timestamp-millis", Ok("timestamp-millis")),
        (TimeUnit::Microsecond, None, "local-timestamp-micros", Err("3 digits")),
        (TimeUnit::Nanosecond, Some("+00:00"), "timestamp-nanos", Err("time zone")),
    ] {
        let derive = |mapping| avro_schema(&columns(unit, zone), "r", mapping).map_err(|e| e.to_string());
        assert!(derive(TimestampMapping::Exact).unwrap().contains(exact));
        match (derive(TimestampMapping::Legacy), legacy) {
            (Ok(text), Ok(expected)) => assert!(text.contains(&format!(r#""logicalType":"{expected}""#))),
            (Err(text), Err(expected)) => {
                assert!(text.contains("column t") && text.contains(expected), "{text}")
            }
            (text, expected) => panic!("{text:?} is not {expected:?}"),
        }
    }
    let list: Fields = vec![field("l", DataType::new_list(millis(), false), false)].into();
    let text = avro_schema(&list, "r", TimestampMapping::Exact).unwrap();
    assert!(text.contains(r#""logicalType":"timestamp-millis""#), "elements have Flink's default: {text}");
}

#[test]
fn columns_without_an_avro_type_are_named() {
    for (name, data_type) in [
        ("t", DataType::Time64(TimeUnit::Microsecond)),
        ("u", DataType::UInt32),
        ("i", DataType::Interval(arrow::datatypes::IntervalUnit::YearMonth)),
        ("a b", DataType::Int32),
        ("1st", DataType::Int32),
    ] {
        let error = legacy(vec![field(name, data_type, true)]).unwrap_err().to_string();
        assert!(error.contains(&format!("column {name} ")), "{error}");
    }
}

#[test]
fn an_envelope_has_the_rows_before_and_after() {
    let columns: Fields = vec![field("n", DataType::Int32, false)].into();
    let text = avro_envelope_schema(&columns, FLINK_RECORD_NAME, TimestampMapping::Legacy).unwrap();
    kulya_schema::avro::parse(&text).unwrap();
    assert!(text.contains(r#""after","type":["null","org.apache.flink.avro.generated.record"]"#), "{text}");
}

#[test]
fn json_schemas_are_those_of_the_java_catalog() {
    let columns = vec![
        field("a", DataType::Utf8, true),
        field("b", DataType::Decimal128(38, 18), false),
        field("c", DataType::Binary, true),
        field("d", DataType::Date32, true),
        field("e", DataType::Time32(TimeUnit::Second), true),
        field("f", millis(), true),
        field("g", DataType::new_list(DataType::Int32, true), true),
        field("h", map(DataType::Int32), true),
        field("i", DataType::Boolean, true),
        field("j", DataType::Null, true),
    ];
    let text = json_schema(&columns.into()).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"title": "Json Schema", "type": "object", "properties": { "#,
            r#""a": {"type": "string"},"b": {"type": "number"},"#,
            r#""c": {"type": "string", "contentEncoding": "base64"},"#,
            r#""d": {"type": "string", "format": "date"},"e": {"type": "string", "format": "time"},"#,
            r#""f": {"type": "string", "format": "date-time"},"g": {"type": "array"},"h": {"type": "object"},"#,
            r#""i": {"type": "boolean"},"j": {"type": "null"}}}"#,
        )
    );
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert!(json_schema(&Fields::empty()).unwrap().ends_with(r#""properties": {}}"#));
    let nested = DataType::Struct(vec![field("x", DataType::Int8, false)].into());
    let text = json_schema(&vec![field("r", nested, true)].into()).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert!(text.contains(r#""r": {"type": "object", "properties": { "x": {"type": "number"}}}"#), "{text}");
    let error = json_schema(&vec![field("a\"b", DataType::Utf8, true)].into()).unwrap_err().to_string();
    assert!(error.contains("quotes"), "{error}");
}
