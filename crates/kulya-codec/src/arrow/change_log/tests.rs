use super::*;
use crate::arrow::flink_columns;
use crate::arrow::json::JsonRows;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use serde_json::{Value, json};

const PLAIN: ChangeLogFormat = ChangeLogFormat::DebeziumJson { schema_include: false };
const WITH_SCHEMA: ChangeLogFormat = ChangeLogFormat::DebeziumJson { schema_include: true };

fn table() -> Vec<Column> {
    flink_columns(&Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("name", DataType::Utf8, true),
    ]))
}

fn decoder(format: ChangeLogFormat, metadata: &[&str]) -> ChangeLogRows {
    ChangeLogRows::new(format, &table(), metadata, FlinkJsonOptions::default()).unwrap()
}

/// Returns the rows so far as texts with their kinds.
fn taken(rows: &mut ChangeLogRows) -> Vec<String> {
    let Some(batch) = rows.flush().unwrap() else { return Vec::new() };
    let line = |(row, kind): (usize, RowKind)| {
        let cells = batch.rows.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
        format!("{}[{}]", kind.short_name(), cells.collect::<Vec<_>>().join(", "))
    };
    batch.kinds.unwrap().into_iter().enumerate().map(line).collect()
}

fn rows_of(rows: &mut ChangeLogRows, event: &str) -> Result<Vec<String>, String> {
    rows.push(event.as_bytes(), 0).map_err(|e| e.to_string())?;
    Ok(taken(rows))
}

#[test]
fn debezium_events_become_rows_of_their_kinds() {
    let mut rows = decoder(PLAIN, &[]);
    for (event, expected) in [
        (r#"{"op":"c","before":null,"after":{"id":1,"name":"a"}}"#, vec!["+I[1, a]"]),
        (r#"{"after":{"id":1,"name":"a","more":[{}]},"source":{"x":[1]},"op":"r"}"#, vec!["+I[1, a]"]),
        (
            r#"{"after":{"id":1,"name":"b"},"before":{"id":1,"name":"a"},"op":"u"}"#,
            vec!["-U[1, a]", "+U[1, b]"],
        ),
        (r#" {"op" : "d", "before":{"id":1}, "after":null} "#, vec!["-D[1, ]"]),
        (r#"{"op":"m","message":{}}"#, vec![]),
        ("", vec![]),
        ("null", vec![]),
        ("\0\0", vec![]),
    ] {
        assert_eq!(rows_of(&mut rows, event).unwrap(), expected, "{event}");
    }
    for (event, reason) in [
        (r#"{"op":"u","before":null,"after":{"id":1}}"#, "REPLICA IDENTITY FULL"),
        (r#"{"op":"d","after":{"id":1}}"#, "op d has no before"),
        (r#"{"op":"c","after":null}"#, "op c has no after"),
        (r#"{"op":"x"}"#, "unknown op \"x\""),
        (r#"{"op":"t"}"#, "op t truncates the table"),
        (r#"{"after":{}}"#, "no op"),
        (r#"[]"#, "not an object"),
        (r#"{"op":"c","after":[]}"#, "not an object"),
        (r#"{"op":"c","after":{"id":"x"}}"#, "column id: \"x\" is not a valid Int32"),
        (r#"{"op":"u","before":{"id":1},"after":{"id":"x"}}"#, "column id"),
        (r#"{"op":"c","after":{"id":1}"#, "EOF"),
        (r#"{"op":"c","after":{"id":1}}}"#, "after the value"),
    ] {
        let error = rows_of(&mut rows, event).unwrap_err();
        assert!(error.contains(reason) && error.contains("Debezium envelope"), "{event}: {error}");
        assert!(taken(&mut rows).is_empty(), "a failed event leaves no row: {event}");
    }
    let ignoring = FlinkJsonOptions { ignore_parse_errors: true, ..FlinkJsonOptions::default() };
    let mut rows = ChangeLogRows::new(PLAIN, &table(), &[], ignoring).unwrap();
    assert_eq!(rows_of(&mut rows, r#"{"op":"x"}"#).unwrap(), [""; 0]);
    assert_eq!(rows_of(&mut rows, r#"{"op":"c","after":{"id":"x","name":"a"}}"#).unwrap(), ["+I[, a]"]);
}

#[test]
fn debezium_events_have_metadata() {
    let keys: Vec<String> = metadata_columns(PLAIN).iter().map(|field| field.name().clone()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let source =
        r#"{"ts_ms":1000,"db":"shop","schema":"public","table":"t","lsn":7,"snapshot":"true","x":null}"#;
    let event = format!(r#"{{"op":"c","after":{{"id":1}},"source":{source},"ts_ms":2000}}"#);
    let expected = "1970-01-01T00:00:02Z, 1970-01-01T00:00:01Z, shop, public, t, {ts_ms: 1000, db: shop, \
                    schema: public, table: t, lsn: 7, snapshot: true, x: }]";
    let mut rows = decoder(PLAIN, &keys);
    assert_eq!(rows_of(&mut rows, &event).unwrap(), [format!("+I[1, , , {expected}")]);
    let mut rows = decoder(WITH_SCHEMA, &keys);
    let event = format!(r#"{{"payload":{event},"schema":{{ "type" : "struct" }}}}"#);
    assert_eq!(rows_of(&mut rows, &event).unwrap(), [format!("+I[1, , {{\"type\":\"struct\"}}, {expected}")]);
    assert_eq!(rows_of(&mut rows, r#"{"schema":{},"payload":null}"#).unwrap(), [""; 0]);
    let event = r#"{"payload":{"op":"u","before":{},"after":{},"source":{"collection":"c"}}}"#;
    let mut rows = decoder(WITH_SCHEMA, &["source.table"]);
    assert_eq!(rows_of(&mut rows, event).unwrap(), ["-U[, , c]", "+U[, , c]"]);
    let error = ChangeLogRows::new(PLAIN, &table(), &["x"], FlinkJsonOptions::default()).unwrap_err();
    assert!(error.to_string().contains("it has schema, ingestion-timestamp"), "{error}");
}

#[test]
fn canal_messages_become_rows_of_their_kinds() {
    let mut rows = decoder(ChangeLogFormat::CanalJson, &["table", "pk-names", "event-timestamp"]);
    let message = |kind: &str, data: &str, old: &str| {
        format!(
            r#"{{"data":{data},"database":"d","es":1000,"isDdl":false,"old":{old},"pkNames":["id"],"table":"t","type":"{kind}"}}"#
        )
    };
    let tail = ", t, [id], 1970-01-01T00:00:01Z]";
    for (kind, data, old, expected) in [
        ("INSERT", r#"[{"id":"1","name":"a"},{"id":"2","name":null}]"#, "null", vec!["+I[1, a", "+I[2, "]),
        ("UPDATE", r#"[{"id":"1","name":"b"}]"#, r#"[{"name":"a"}]"#, vec!["-U[1, a", "+U[1, b"]),
        (
            "UPDATE",
            r#"[{"id":"1","name":"b"},{"id":"3","name":"c"}]"#,
            r#"[{"name":null},{"id":"2"}]"#,
            vec!["-U[1, ", "+U[1, b", "-U[2, c", "+U[3, c"],
        ),
        ("DELETE", r#"[{"id":"1","name":"b"}]"#, "null", vec!["-D[1, b"]),
        ("CREATE", "null", "null", vec![]),
    ] {
        let expected: Vec<String> = expected.into_iter().map(|row| format!("{row}{tail}")).collect();
        assert_eq!(rows_of(&mut rows, &message(kind, data, old)).unwrap(), expected, "{kind} {data}");
    }
    for (kind, data, old, reason) in [
        ("ALTER", "null", "null", "unknown type \"ALTER\""),
        ("INSERT", "{}", "null", "data is not an array"),
        ("UPDATE", "[{}]", "null", "old is not an array"),
        ("UPDATE", "[{}]", "[]", "1 rows in data, but 0 in old"),
        ("INSERT", "[{},7]", "null", "a row is not an object"),
    ] {
        let error = rows_of(&mut rows, &message(kind, data, old)).unwrap_err();
        assert!(error.contains(reason), "{kind}: {error}");
        assert!(taken(&mut rows).is_empty());
    }
    let filter: TableFilter = Arc::new(|database, table| (database, table) == ("d", "other"));
    let mut rows = decoder(ChangeLogFormat::CanalJson, &[]).with_filter(filter);
    assert_eq!(rows_of(&mut rows, &message("INSERT", r#"[{"id":"1"}]"#, "null")).unwrap(), [""; 0]);
}

#[test]
fn maxwell_messages_become_rows_of_their_kinds() {
    let mut rows = decoder(ChangeLogFormat::MaxwellJson, &["database", "primary-key-columns"]);
    let message = |kind: &str, old: &str| {
        format!(
            r#"{{"database":"d","table":"t","type":"{kind}","ts":1,"data":{{"id":1,"name":"b"}},"old":{old},"primary_key_columns":["id"]}}"#
        )
    };
    for (kind, old, expected) in [
        ("insert", "null", vec!["+I[1, b, d, [id]]"]),
        ("update", r#"{"name":"a"}"#, vec!["-U[1, a, d, [id]]", "+U[1, b, d, [id]]"]),
        ("update", r#"{"name":null}"#, vec!["-U[1, , d, [id]]", "+U[1, b, d, [id]]"]),
        ("delete", "null", vec!["-D[1, b, d, [id]]"]),
    ] {
        assert_eq!(rows_of(&mut rows, &message(kind, old)).unwrap(), expected, "{kind} {old}");
    }
    let error = rows_of(&mut rows, &message("table-create", "null")).unwrap_err();
    assert!(error.contains("unknown type \"table-create\""), "{error}");
    let error = rows_of(&mut rows, r#"{"type":"insert"}"#).unwrap_err();
    assert!(error.contains("it has no data"), "{error}");
}

fn row() -> impl Strategy<Value = Value> {
    let cell = prop_oneof![
        Just(json!(null)),
        any::<i32>().prop_map(|number| json!(number)),
        any::<String>().prop_map(|text| json!(text)),
        Just(json!({"a": [1, "x"]})),
    ];
    let member = (prop::sample::select(vec!["id", "name", "other"]), cell);
    let object = prop::collection::vec(member, 0..4)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    prop_oneof![6 => object.prop_map(Value::Object), 1 => Just(Value::Null), 1 => Just(json!(7))]
}

/// The rows of an envelope by its tree of values.
fn reference(event: &Value) -> Option<Vec<String>> {
    let row = |kind: RowKind, side: &str| {
        let text = event.get(side).filter(|row| row.is_object())?.to_string();
        let mut rows = JsonRows::flink(&table(), FlinkJsonOptions::default()).ok()?;
        rows.push(text.as_bytes(), 0).ok()?;
        let batch = rows.flush().ok()??.rows;
        let cell = |index: usize| array_value_to_string(batch.column(index), 0).unwrap();
        Some(format!("{}[{}, {}]", kind.short_name(), cell(0), cell(1)))
    };
    match event.get("op")?.as_str()? {
        "c" | "r" => Some(vec![row(RowKind::Insert, "after")?]),
        "u" => Some(vec![row(RowKind::UpdateBefore, "before")?, row(RowKind::UpdateAfter, "after")?]),
        "d" => Some(vec![row(RowKind::Delete, "before")?]),
        "m" => Some(Vec::new()),
        _ => None,
    }
}

proptest! {
    #[test]
    fn debezium_rows_are_those_of_a_tree_of_values(
        op in prop::sample::select(vec!["c", "r", "u", "d", "m", "t", "q"]),
        (before, after) in (row(), row()),
        order in Just(vec!["op", "before", "after", "source", "extra"]).prop_shuffle(),
    ) {
        let value = |name: &str| match name {
            "op" => json!(op),
            "before" => before.clone(),
            "after" => after.clone(),
            _ => json!({"lsn": [1, {"}": "]"}], "op": "x"}),
        };
        let event: Value = order.iter().map(|name| ((*name).to_owned(), value(name))).collect();
        let mut rows = decoder(PLAIN, &[]);
        prop_assert_eq!(rows_of(&mut rows, &event.to_string()).ok(), reference(&event), "{}", event);
        prop_assert!(taken(&mut rows).is_empty());
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
        let metadata: Vec<(ChangeLogFormat, Vec<Field>)> =
            [PLAIN, WITH_SCHEMA, ChangeLogFormat::CanalJson, ChangeLogFormat::MaxwellJson]
                .into_iter().map(|format| (format, metadata_columns(format))).collect();
        let event = br#"{"payload":{"op":"c","after":{"id":1}},"type":"UPDATE","data":[{}],"old":[{}],"op":"d","before":{}}"#;
        let mut damaged = event.to_vec();
        let at = at.index(damaged.len());
        damaged.truncate(at);
        damaged.extend_from_slice(&bytes);
        for (format, fields) in metadata {
            let keys: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            let mut rows = decoder(format, &keys);
            for event in [&bytes, &damaged] {
                let _ = rows.push(event, 0);
            }
            let _ = rows.flush().unwrap();
        }
    }
}
