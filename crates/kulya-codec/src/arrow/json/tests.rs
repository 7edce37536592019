use super::values::rows_to_batch;
use super::*;
use crate::arrow::columns;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use arrow::util::display::array_value_to_string;
use kulya_schema::SchemaInfo;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The rows of a payload through a tree of values.
fn reference(columns: &[Column], payload: &[u8]) -> Result<RecordBatch, String> {
    let text = std::str::from_utf8(strip_padding(payload)).map_err(|e| e.to_string())?;
    let objects: Option<Vec<Map<String, Value>>> =
        match serde_json::from_str(text).map_err(|e| e.to_string())? {
            Value::Object(row) => Some(vec![row]),
            Value::Array(items) => items
                .into_iter()
                .map(|item| if let Value::Object(row) = item { Some(row) } else { None })
                .collect(),
            _ => None,
        };
    rows_to_batch(columns, &objects.ok_or("not an object")?).map_err(|e| e.to_string())
}

fn all_columns() -> Vec<Column> {
    let kinds = [
        ColumnType::Boolean,
        ColumnType::Int16,
        ColumnType::Int32,
        ColumnType::Int64,
        ColumnType::Float32,
        ColumnType::Float64,
        ColumnType::Text,
        ColumnType::Bytes,
        ColumnType::DateDays,
        ColumnType::DateText,
        ColumnType::TimeMillis,
        ColumnType::TimeMicros,
        ColumnType::TimeText,
        ColumnType::TimestampMillis,
        ColumnType::TimestampMicros,
        ColumnType::TimestampText,
        ColumnType::InstantText,
        ColumnType::Decimal { precision: 38, scale: 2 },
        ColumnType::DecimalText { scale: 3 },
        ColumnType::VariableDecimal,
        ColumnType::List(Box::new(ColumnType::Int32)),
        ColumnType::List(Box::new(ColumnType::List(Box::new(ColumnType::Text)))),
    ];
    let column = |(index, kind): (usize, ColumnType)| Column {
        name: format!("c{index}"),
        nullable: index % 7 != 6,
        kind,
    };
    kinds.into_iter().enumerate().map(column).collect()
}

/// Texts of JSON values, valid ones for one column type or another, and some that are not JSON.
fn value_text() -> impl Strategy<Value = String> {
    let texts = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "32768",
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616",
        "1.0",
        "1e3",
        "1.5",
        "-2.5E-3",
        "0.1",
        "123456789012345678901234567890",
        "9007199254740993",
        "1e400",
        "1e-400",
        "01",
        "1.",
        "-",
        "+1",
        "3.4028236e38",
        "0.30000000000000004",
        "\"\"",
        "\"true\"",
        "\"TRUE\"",
        "\" 12 \"",
        "\"1.5\"",
        "\"NaN\"",
        "\"-Infinity\"",
        "\"2024-02-29\"",
        "\"2023-02-29\"",
        "\"2024-2-9\"",
        "\"12:34:56.789\"",
        "\"12:34:56Z\"",
        "\"23:59:60\"",
        "\"2024-02-29T12:34:56.5Z\"",
        "\"2024-02-29 12:34:56\"",
        "\"2024-02-29T12:34:56+01:00\"",
        "\"-0043-03-15T00:00:00.5Z\"",
        "\"infinity\"",
        "\"+10000-01-01T00:00:00Z\"",
        "\"AP8=\"",
        "\"AP8\"",
        "\"zzzz\"",
        "\"/nlh\"",
        "{\"scale\":1,\"value\":\"Cw==\"}",
        "{\"scale\":-3,\"value\":\"9g==\",\"x\":[{}]}",
        "{}",
        "[]",
        "[1,2,null]",
        "[1,\"x\"]",
        "[[\"a\",null],[],null]",
        "[[1.50]]",
        "{\"a\":{\"a\":1,\"a\":2}}",
        "\"\\u00e9\\n\\\"\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\x\"",
        "\"\u{1}\"",
        "\"é😀 longer than eight bytes\"",
        "[1",
        "{\"a\"",
        "nul",
        "\"\\u12\"",
        "{\"a\":1,}",
        "[1,]",
        "\"\u{2003}7\"",
    ];
    prop_oneof![
        8 => prop::sample::select(texts.to_vec()).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| json!(number).to_string()),
        1 => any::<String>().prop_map(|text| json!(text).to_string()),
        1 => "[0-9]{4}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{0,10})?Z?"
            .prop_map(|text| json!(text).to_string()),
    ]
}

fn object_text() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        12 => (0_usize..22).prop_map(|index| format!("\"c{index}\"")),
        1 => Just("\"\\u00631\"".to_owned()),
        1 => Just("\"other\"".to_owned()),
        1 => Just("\"\"".to_owned()),
    ];
    let space = prop::sample::select(vec!["", "", "", " ", "\n\t"]);
    let member = (name, value_text(), space);
    prop::collection::vec(member, 0..6).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value, space)| format!("{space}{name}{space}:{space}{value}{space}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        10 => object_text().prop_map(String::into_bytes),
        2 => prop::collection::vec(object_text(), 0..4).prop_map(|items| format!("[{}]", items.join(",")).into_bytes()),
        1 => object_text().prop_map(|text| [text.as_bytes(), &[0; 7]].concat()),
        1 => value_text().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        2 => (object_text(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, index, byte)| {
            let mut bytes = text.into_bytes();
            let at = index.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn rows_are_those_of_a_tree_of_values(
        payloads in prop::collection::vec(payload(), 1..8),
        wanted in prop::collection::vec(any::<bool>(), 22),
    ) {
        let columns: Vec<Column> =
            all_columns().into_iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(column, _)| column).collect();
        let mut rows = JsonRows::new(&columns).unwrap().with_event_numbers();
        let (mut batches, mut numbers) = (Vec::new(), Vec::new());
        for (number, payload) in payloads.iter().enumerate() {
            let text = String::from_utf8_lossy(payload);
            let expected = reference(&columns, payload);
            match (rows.push(payload, number as u64), expected) {
                (Ok(()), Ok(batch)) => {
                    numbers.extend(vec![number as u64; batch.num_rows()]);
                    batches.push(batch);
                }
                (Err(_), Err(_)) => {}
                (found, expected) => panic!("{text}: {found:?}, but {expected:?}"),
            }
        }
        let expected = arrow::compute::concat_batches(&rows.schema(), &batches);
        let found = rows.flush().unwrap();
        match found {
            None => prop_assert!(numbers.is_empty()),
            Some(found) => {
                prop_assert_eq!(found.events, Some(numbers));
                if !columns.is_empty() {
                    prop_assert_eq!(found.rows, expected.unwrap());
                }
            }
        }
        prop_assert!(rows.flush().unwrap().is_none());
    }

    #[test]
    fn values_are_written_and_read(payloads in prop::collection::vec(object_text(), 1..8)) {
        let columns: Vec<Column> = all_columns().into_iter().map(|c| Column { nullable: true, ..c }).collect();
        let mut rows = JsonRows::new(&columns).unwrap();
        for payload in payloads {
            let _ = rows.push(payload.as_bytes(), 0);
        }
        let mut copies = RecordPlan::buffers(&columns).unwrap();
        for (buffer, copy) in rows.buffers.iter().zip(&mut copies) {
            let mut bytes = Vec::new();
            (0..buffer.len()).for_each(|index| buffer.write_value(index, &mut bytes));
            let mut input = bytes.as_slice();
            (0..buffer.len()).for_each(|_| copy.read_value(&mut input).unwrap());
            prop_assert!(input.is_empty());
        }
        if let Some(found) = rows.flush().unwrap() {
            prop_assert_eq!(ColumnBuffer::finish_all(&mut copies, &rows.schema, found.rows.num_rows()).unwrap(), found.rows);
        }
    }

    #[test]
    fn any_events_of_a_flink_table_are_rows_or_an_error(payloads in prop::collection::vec(payload(), 1..8)) {
        let columns = flink_columns(&flink_schema());
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        for ignore_parse_errors in [false, true] {
            let options = FlinkJsonOptions { ignore_parse_errors, ..FlinkJsonOptions::default() };
            let mut rows = JsonRows::flink(&columns, options).unwrap();
            for payload in &payloads {
                // the members are columns of this table, also of the nested row
                let mut payload = String::from_utf8_lossy(payload).into_owned();
                for (index, name) in names.iter().enumerate() {
                    payload = payload.replace(&format!("\"c{index}\""), &format!("\"{name}\""));
                }
                let nested = payload.replace("\"n\"", "\"x\"").replace("\"s\"", "\"tags\"");
                for event in [&payload, &format!("{{\"row\":{nested},\"map\":{payload},\"list\":[1]}}")] {
                    let pushed = rows.push(event.as_bytes(), 0);
                    prop_assert!(pushed.is_ok() || !ignore_parse_errors, "{} {:?}", event, pushed);
                }
            }
            if let Some(batch) = rows.flush().unwrap() {
                prop_assert_eq!(batch.rows.schema(), rows.schema());
            }
        }
    }

    #[test]
    fn any_bytes_are_values_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for column in all_columns() {
            let mut buffer = ColumnBuffer::new(&column.kind.data_type()).unwrap();
            let mut input = bytes.as_slice();
            while !input.is_empty() {
                let len = buffer.len();
                if buffer.read_value(&mut input).is_none() {
                    buffer.truncate(len);
                    break;
                }
            }
        }
    }
}

#[test]
fn the_order_of_members_may_change() {
    let count = 1000;
    let columns =
        columns(&SchemaInfo::json("t", r#"{"properties":{"a":{"type":"integer"},"b":{"type":"string"}}}"#));
    let mut rows = JsonRows::new(&columns.unwrap()).unwrap();
    // the members change their order, and there are always new ones
    for n in 0..count {
        let text = format!(r#"{{"new{n}":{n},"b":"x","other":[{n}],"a":{n}}}"#);
        rows.push(text.as_bytes(), 0).unwrap();
        rows.push(format!(r#"{{"a":{n},"b":null}}"#).as_bytes(), 0).unwrap();
    }
    let batch = rows.flush().unwrap().unwrap().rows;
    let numbers = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
    assert_eq!((numbers.null_count(), numbers.len()), (0, 2 * count));
    assert_eq!((batch.column(1).null_count(), numbers.value(2 * count - 1)), (count, count as i64 - 1));
}

fn flink_schema() -> Schema {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let entries = |value: Field| {
        let key = Field::new("key", DataType::Utf8, false);
        let entries = DataType::Struct(Fields::from(vec![key, value]));
        DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
    };
    let row = DataType::Struct(Fields::from(vec![
        Field::new("x", DataType::Int32, true),
        Field::new("tags", DataType::List(Arc::new(text("item"))), true),
    ]));
    let timestamp = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
    Schema::new(vec![
        Field::new("flag", DataType::Boolean, true),
        Field::new("tiny", DataType::Int8, true),
        Field::new("n", DataType::Int32, true),
        Field::new("big", DataType::Int64, true),
        Field::new("price", DataType::Decimal128(5, 2), true),
        Field::new("d", DataType::Float64, true),
        text("s"),
        Field::new("b", DataType::Binary, true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", DataType::Time32(TimeUnit::Millisecond), true),
        Field::new("ts", timestamp(None), true),
        Field::new("ltz", timestamp(Some("+00:00")), true),
        Field::new("list", DataType::List(Arc::new(Field::new("item", DataType::Int32, true))), true),
        Field::new("map", entries(Field::new("value", DataType::Int32, true)), true),
        Field::new("row", row, true),
    ])
}

/// Decodes a value of one column, as text; an error is in brackets.
fn flink_value(name: &str, value: &str, options: FlinkJsonOptions) -> String {
    let columns: Vec<Column> =
        flink_columns(&flink_schema()).into_iter().filter(|column| column.name == name).collect();
    let mut rows = JsonRows::flink(&columns, options).unwrap();
    if let Err(error) = rows.push(format!("{{\"{name}\":{value}}}").as_bytes(), 0) {
        return format!("({error})");
    }
    let batch = rows.flush().unwrap().unwrap().rows;
    if batch.column(0).is_null(0) {
        "NULL".into()
    } else {
        array_value_to_string(batch.column(0), 0).unwrap()
    }
}

#[test]
fn values_are_converted_as_flink_does() {
    for (column, value, expected) in [
        ("flag", "true", "true"),
        ("flag", r#""true""#, "true"),
        ("flag", r#"" TRUE ""#, "true"),
        ("flag", r#""yes""#, "false"),
        ("n", "12", "12"),
        ("n", r#"" 12 ""#, "12"),
        ("n", "null", "NULL"),
        ("big", "9223372036854775807", "9223372036854775807"),
        ("price", "1.005", "1.01"),
        ("price", r#""12.3""#, "12.30"),
        ("price", "1e400", "NULL"),
        ("price", "1000", "NULL"),
        ("d", "1.5", "1.5"),
        ("d", r#""2.5""#, "2.5"),
        ("d", r#""NaN""#, "NaN"),
        ("d", r#""1e3d""#, "1000.0"),
        ("s", r#""x""#, "x"),
        ("s", "1.50", "1.50"),
        ("s", "true", "true"),
        ("s", r#"{ "a" : [ 1 ] }"#, r#"{"a":[1]}"#),
        ("s", "\"a\nb\"", "a\nb"),
        ("b", r#""AP8=""#, "00ff"),
        ("day", r#""2024-02-29""#, "2024-02-29"),
        ("at", r#""12:34:56.789""#, "12:34:56"),
        ("ts", r#""2024-02-29 12:34:56.789""#, "2024-02-29T12:34:56.789"),
        ("ltz", r#""2024-02-29 12:34:56.789Z""#, "2024-02-29T12:34:56.789Z"),
        ("list", "[1,null,\"2\"]", "[1, , 2]"),
        ("map", r#"{"a":1,"b":2,"a":3}"#, "{a: 3, b: 2}"),
        ("map", "{}", "{}"),
        ("row", r#"{"tags":["a",{}],"x":1,"y":2,"x":3}"#, "{x: 3, tags: [a, {}]}"),
        ("row", "{}", "{x: , tags: }"),
    ] {
        assert_eq!(flink_value(column, value, FlinkJsonOptions::default()), expected, "{column} {value}");
    }
    let ignored = FlinkJsonOptions { ignore_parse_errors: true, ..FlinkJsonOptions::default() };
    for (column, value, nulls) in [
        ("tiny", "128", "NULL"),
        ("n", "1.5", "NULL"),
        ("n", "[]", "NULL"),
        ("d", r#""inf""#, "NULL"),
        ("b", r#""AP8""#, "NULL"),
        ("day", r#""2023-02-29""#, "NULL"),
        ("day", "19782", "NULL"),
        ("ts", r#""2024-02-29T12:34:56""#, "NULL"),
        ("ts", r#""2024-02-29 12:34:56Z""#, "NULL"),
        ("ltz", r#""2024-02-29 12:34:56""#, "NULL"),
        ("list", r#"[1,"x",2]"#, "[1, , 2]"),
        ("list", "{}", "NULL"),
        ("map", r#"{"a":"x"}"#, "{a: }"),
        ("map", "[]", "NULL"),
        ("row", r#"{"x":"y","tags":[1]}"#, "{x: , tags: [1]}"),
        ("row", "[1]", "NULL"),
    ] {
        let error = flink_value(column, value, FlinkJsonOptions::default());
        assert!(error.contains(&format!("column {column}")), "{column} {value}: {error}");
        assert_eq!(flink_value(column, value, ignored), nulls, "{column} {value}");
    }
    let error = flink_value("row", r#"{"tags":{}}"#, FlinkJsonOptions::default());
    assert!(error.contains("column row.tags: {} is not a valid List"), "{error}");
}

#[test]
fn flink_events_that_give_other_than_one_row() {
    let schema =
        Schema::new(vec![Field::new("n", DataType::Int32, true), Field::new("k", DataType::Int32, false)]);
    let columns = flink_columns(&schema);
    let strict = FlinkJsonOptions::default();
    let ignoring = FlinkJsonOptions { ignore_parse_errors: true, ..strict };
    let complete = FlinkJsonOptions { fail_on_missing_field: true, ..strict };
    for (options, payload, expected) in [
        (strict, &b""[..], Ok(0)),
        (strict, b"null", Ok(0)),
        (strict, b"[{\"k\":1},null,{\"k\":2}]\0\0\0", Ok(2)),
        (strict, b"7", Err("not an object")),
        (strict, b"{", Err("EOF")),
        (strict, b"{\"n\":1}", Err("column k must not be null")),
        (strict, b"{\"n\":\"x\",\"n\":1,\"k\":1}", Ok(1)),
        (ignoring, b"7", Ok(0)),
        (ignoring, b"{", Ok(0)),
        (ignoring, b"\xff", Ok(0)),
        (ignoring, b"{\"n\":1}", Ok(0)),
        (ignoring, b"[{\"k\":1},{\"k\":\"x\"},5,{\"k\":2}]", Ok(2)),
        (complete, b"{\"k\":1}", Err("column n is missing")),
        (complete, b"{\"k\":1,\"n\":null}", Ok(1)),
    ] {
        let mut rows = JsonRows::flink(&columns, options).unwrap();
        let text = String::from_utf8_lossy(payload);
        match (rows.push(payload, 0), expected) {
            (Ok(()), Ok(count)) => {
                let found = rows.flush().unwrap().map_or(0, |batch| batch.rows.num_rows());
                assert_eq!(found, count, "{text}");
            }
            (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
    let both = FlinkJsonOptions { ignore_parse_errors: true, ..complete };
    assert!(JsonRows::flink(&columns, both).unwrap_err().to_string().contains("cannot both be true"));
}

#[test]
fn a_full_batch_is_flushed_before_more_is_decoded() {
    let schema = Schema::new(vec![Field::new("n", DataType::Int32, true)]);
    let mut rows = JsonRows::flink(&flink_columns(&schema), FlinkJsonOptions::default()).unwrap();
    let events: Vec<String> = (0..BATCH_ROWS + 2).map(|n| format!("{{\"n\":{n}}}")).collect();
    let events: Vec<&[u8]> = events.iter().map(String::as_bytes).collect();
    let decoded = rows.decode(&events, 0);
    assert_eq!((decoded.count, decoded.failed.is_none()), (BATCH_ROWS, true));
    assert_eq!(rows.flush().unwrap().unwrap().rows.num_rows(), BATCH_ROWS);
    let decoded = rows.decode(&[b"{}", b"{", b"{}"], 0);
    assert_eq!((decoded.count, decoded.failed.is_some()), (1, true));
    assert_eq!(rows.flush().unwrap().unwrap().rows.num_rows(), 1, "a failed event leaves no row");
}

#[test]
fn an_event_of_many_nulls_is_rejected() {
    let field = |n: usize| Field::new(format!("f{n}"), DataType::Int64, true);
    let schema = Schema::new((0..1000).map(field).collect::<Vec<_>>());
    let mut rows = JsonRows::flink(&flink_columns(&schema), FlinkJsonOptions::default()).unwrap();
    let payload = format!("[{}]", vec!["{}"; 9000].join(","));
    assert!(rows.push(payload.as_bytes(), 0).unwrap_err().to_string().contains("bytes of memory"));
    assert!(rows.flush().unwrap().is_none());
}
