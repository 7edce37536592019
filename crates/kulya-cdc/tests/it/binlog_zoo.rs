//! All column types and kinds of changes of MariaDB and MySQL, compared event by event with the output of
//! Debezium's engine (`tests/data/zoo*`). Intended differences are listed here.

use crate::binlog_capture::{create, reconnect, script, settings};
use crate::binlog_server::{LOG, Server};
use crate::database::{MemorySink, StoredRecord, catch_up};
use kulya_cdc::debezium::Compatibility;
use kulya_cdc::{CaptureSettings, ValueModes};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

/// The statements of a zoo, and the events that Debezium's engine gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zoo {
    pub(crate) schema: &'static str,
    pub(crate) changes: &'static str,
    pub(crate) events: &'static str,
    pub(crate) sources: &'static str,
    pub(crate) table_changes: &'static str,
    /// Whether the schema changes are the same, too.
    pub(crate) has_all_schema_changes: bool,
    /// The modes beside the default one.
    pub(crate) modes: &'static [Mode],
}

/// A mode: its name, its file with the events that differ, and what it sets.
pub(crate) type Mode = (&'static str, &'static str, fn(&mut CaptureSettings));

/// The modes of a zoo whose files are in a folder.
macro_rules! modes {
    ($folder:literal) => {{
        macro_rules! file {
            ($mode:literal) => {
                include_str!(concat!("../data/", $folder, "/", $mode, ".jsonl"))
            };
        }
        &[
            ("decimal-string", file!("decimal-string"), |s| s.values.decimal = DecimalMode::String),
            ("decimal-double", file!("decimal-double"), |s| s.values.decimal = DecimalMode::Double),
            ("time-connect", file!("time-connect"), |s| {
                s.values.time_precision = Some(TimePrecision::Connect);
            }),
            ("time-isostring", file!("time-isostring"), |s| {
                s.values.time_precision = Some(TimePrecision::Isostring);
            }),
            ("time-microseconds", file!("time-microseconds"), |s| {
                s.values.time_precision = Some(TimePrecision::Microseconds);
            }),
            ("time-nanoseconds", file!("time-nanoseconds"), |s| {
                s.values.time_precision = Some(TimePrecision::Nanoseconds);
            }),
            ("binary-base64", file!("binary-base64"), |s| s.values.binary = BinaryMode::Base64),
            ("binary-base64-url-safe", file!("binary-base64-url-safe"), |s| {
                s.values.binary = BinaryMode::Base64UrlSafe;
            }),
            ("binary-hex", file!("binary-hex"), |s| s.values.binary = BinaryMode::Hex),
            ("bigint-precise", file!("bigint-precise"), |s| {
                s.values.bigint_unsigned = Some(BigintUnsignedMode::Precise);
            }),
            ("tombstones-off", file!("tombstones-off"), |s| s.format.tombstones_on_delete = false),
        ]
    }};
}
pub(crate) use modes;

/// The members of `source` that differ between two runs.
const OWN: [&str; 9] = ["version", "ts_ms", "ts_us", "ts_ns", "server_id", "gtid", "file", "pos", "thread"];

/// Masks what differs between two runs: times, positions, transaction ids, versions.
fn masked(topic: &str, headers: Value, mut key: Value, mut value: Value) -> Value {
    if let Value::Object(value) = &mut value {
        for time in ["ts_ms", "ts_us", "ts_ns"] {
            value.remove(time);
        }
        if let Some(Value::Object(source)) = value.get_mut("source") {
            for own in OWN {
                assert!(source.remove(own).is_some(), "source has {own}");
            }
        }
        if let Some(Value::Object(transaction)) = value.get_mut("transaction") {
            transaction["id"] = json!("*");
        }
        if value.contains_key("status") {
            value["id"] = json!("*");
        }
    }
    if topic.ends_with(".transaction") {
        key = json!({ "id": "*" });
    }
    // a column whose value is the time of the run
    for image in ["/before/ts", "/after/ts"] {
        if let (true, Some(time)) = (topic == "zoo.zoo.gen", value.pointer_mut(image)) {
            *time = json!("*");
        }
    }
    without_intended_differences(topic, &mut key, &mut value);
    json!({ "topic": topic, "headers": headers, "key": key, "value": value })
}

/// Makes intended differences the same on both sides.
fn without_intended_differences(topic: &str, key: &mut Value, value: &mut Value) {
    let table = topic.strip_prefix("zoo.zoo.").unwrap_or_default();
    let is_snapshot = value["op"] == "r";
    // Debezium cuts the end of a comment that ends a statement
    if let Some(ddl) = value.get_mut("ddl") {
        *ddl = json!(ddl.as_str().map(|ddl| ddl.strip_suffix(" */").unwrap_or(ddl)));
    }
    // of a system-versioned table, the end of a row's validity is no part of the key
    if let (true, Value::Object(key)) = (table == "versioned_columns", &mut *key) {
        key.remove("e");
    }
    if table == "replaced"
        && let Some(Value::Object(row)) = value.get_mut("after")
    {
        // the second CREATE OR REPLACE TABLE counts too
        row.remove("v");
        row.remove("w");
    }
    // a key that is known since CREATE UNIQUE INDEX, and no longer since DROP INDEX
    if table == "rekeyed" && value.pointer("/after/id") == Some(&json!(6)) {
        *key = Value::Null;
    }
    // a UUID that ends in zero bytes, which Debezium shifts in the log
    for place in [key.pointer_mut("/id"), value.pointer_mut("/before/id")].into_iter().flatten() {
        if table == "uuids" && *place == "0000123e-4567-e89b-12d3-a45642665544" {
            *place = json!("123e4567-e89b-12d3-a456-426655440000");
        }
    }
    let Some(Value::Object(row)) = value.get_mut("after") else { return };
    // dates of the year 0
    if table == "moments" && row["id"] == 9 {
        (row["d"], row["dt"]) = (Value::Null, Value::Null);
    }
    for (name, cell) in row {
        // the zero value of TIMESTAMP is null on both servers; Debezium's with MariaDB is the begin of 1970
        if cell.as_str().is_some_and(|time| time.starts_with("1970-01-01T00:00:00")) {
            *cell = Value::Null;
        }
        match (table, name.as_str()) {
            // all digits of FLOAT
            ("floats", "f") => *cell = Value::Null,
            // the digits that the column has, in the snapshot too
            ("moments", "ts6") if is_snapshot => *cell = Value::Null,
            // nanoseconds beyond 64 bits; the recorded version of MariaDB's connector wraps them
            ("times" | "moments", "dt" | "dt1" | "dt3" | "dt4" | "dt6")
                if cell.as_i64().is_some_and(is_wrapped) =>
            {
                *cell = Value::Null;
            }
            // a label is not escaped
            ("choices" | "late", "e") => *cell = json!(cell.as_str().map(|label| label.replace('\\', ""))),
            // a character set that a statement sets for the table and for a new column
            ("recoded", "k") => *cell = Value::Null,
            _ => {}
        }
    }
}

/// Returns whether a number may be one of nanoseconds that has wrapped.
fn is_wrapped(number: i64) -> bool {
    number.unsigned_abs() > 3_600_000_000_000_000_000
}

fn ours(record: &StoredRecord) -> Value {
    let parse = |text: &Option<String>| {
        text.as_ref().map_or(Value::Null, |text| serde_json::from_str::<Value>(text).unwrap())
    };
    masked(&record.topic, Value::Object(record.headers.clone()), parse(&record.key), parse(&record.value))
}

/// Returns the events of a mode, whose lines have the differences from the default.
fn lines_of(default: &str, mode: &str) -> Vec<Value> {
    let mut events: Vec<Option<Value>> =
        default.lines().map(|line| Some(serde_json::from_str(line).unwrap())).collect();
    for line in mode.lines() {
        let Value::Object(mut difference) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
        let index = difference.remove("index").and_then(|index| index.as_u64()).unwrap();
        let event = &mut events[usize::try_from(index).unwrap()];
        match (difference.contains_key("absent"), event) {
            (true, event) => *event = None,
            (false, Some(Value::Object(event))) => event.extend(difference),
            (false, other) => panic!("{other:?}"),
        }
    }
    events.into_iter().flatten().collect()
}

/// Applies the intended differences to Debezium's output.
fn theirs_of(mut event: Value, sources: &[Value], tables: &[Value]) -> Value {
    if let Some(source) = event.pointer_mut("/value/source") {
        *source = sources[source.as_u64().unwrap() as usize].clone();
    }
    if let Some(Value::Array(changes)) = event.pointer_mut("/value/tableChanges") {
        for change in changes {
            *change = tables[change.as_u64().unwrap() as usize].clone();
        }
    }
    let headers = event["headers"].as_object().cloned().unwrap_or_default();
    let headers: Map<String, Value> =
        headers.into_iter().map(|(name, mut header)| (name, header["payload"].take())).collect();
    masked(
        event["topic"].as_str().unwrap(),
        Value::Object(headers),
        event["key"].clone(),
        event["value"].clone(),
    )
}

/// Leaves out begins and ends of transactions without events: the server has transactions of other tests.
fn without_empty_transactions(events: impl Iterator<Item = Value>) -> Vec<Value> {
    let is_boundary = |event: &Value| event["value"]["status"].is_string();
    let mut kept: Vec<Value> = Vec::new();
    let mut events = events.peekable();
    while let Some(event) = events.next() {
        let is_empty = match event["value"]["status"].as_str() {
            Some("BEGIN") => events.peek().is_none_or(is_boundary),
            Some(_) => event["value"]["event_count"] == 0 || kept.last().is_none_or(is_boundary),
            None => false,
        };
        if !is_empty {
            kept.push(event);
        }
    }
    kept
}

/// Held by the test that has the database.
pub(crate) static DATABASE: Mutex<()> = Mutex::const_new(());

/// The events of a zoo are those of Debezium, in all modes.
pub(crate) async fn events_match_debeziums(server: Server, zoo: Zoo) {
    let _database = DATABASE.lock().await;
    // alone: what other tests write is in the same log
    let _log = LOG.write().await;
    let default: Mode = ("default", "", |_| {});
    let mut failures = Vec::new();
    for mode in std::iter::once(&default).chain(zoo.modes) {
        let (ours, theirs) = run(server, zoo, mode).await;
        if let Err(panic) = std::panic::catch_unwind(|| compare(&ours, &theirs)) {
            let differences = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            failures.push(format!("{}: {differences}", mode.0));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Captures a zoo in a mode; returns the events and those of Debezium.
async fn run(server: Server, zoo: Zoo, (_, mode, set): &Mode) -> (Vec<Value>, Vec<Value>) {
    // tables without transactions are refused
    let with_transactions = |text: &str| text.replace("MyISAM;", "InnoDB;");
    let mut session = create(server, "zoo").await;
    script(&mut session, &with_transactions(zoo.schema)).await;
    let mut settings = CaptureSettings {
        transaction_metadata: true,
        schema_changes: true,
        values: ValueModes { compat: Compatibility::Debezium, ..ValueModes::default() },
        ..settings(server, "zoo")
    };
    set(&mut settings);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    if zoo.schema.contains("MyISAM") {
        script(&mut session, "ALTER TABLE myisam ENGINE = MyISAM").await;
    }
    // each part runs in a session of its own
    let mut part = String::new();
    for line in zoo.changes.lines().filter(|line| !line.contains("versioned_columns")) {
        part.push_str(line);
        part.push('\n');
        if line.starts_with("INSERT INTO marker") {
            let mut session = reconnect(server, "zoo").await;
            script(&mut session, &std::mem::take(&mut part)).await;
        }
    }
    script(&mut reconnect(server, "zoo").await, &part).await;
    catch_up(&settings, &mut sink).await.unwrap();

    let lines =
        |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    let (sources, tables) = (lines(zoo.sources), lines(zoo.table_changes));
    // statements that only this test runs are in transactions of their own
    let is_schema_change = |event: &Value| event["topic"] == "zoo";
    let (ours_of_schema, ours): (Vec<Value>, Vec<Value>) =
        sink.records.iter().map(ours).partition(is_schema_change);
    let ours = without_empty_transactions(ours.into_iter());
    let theirs = lines_of(zoo.events, mode).into_iter();
    // Debezium has the end of a row's validity in the key, so that each change is one of the key
    let theirs = theirs.map(|event| theirs_of(event, &sources, &tables)).filter(|event| {
        event["topic"] != "zoo.zoo.versioned_columns" || event.pointer("/value/op") == Some(&json!("r"))
    });
    let (theirs_of_schema, theirs): (Vec<Value>, Vec<Value>) = theirs.partition(is_schema_change);
    let theirs = without_empty_transactions(theirs.into_iter());
    match zoo.has_all_schema_changes {
        true => ([ours, ours_of_schema].concat(), [theirs, theirs_of_schema].concat()),
        false => (ours, theirs),
    }
}

/// Compares events one by one.
fn compare(ours: &[Value], theirs: &[Value]) {
    let mut differences = Vec::new();
    for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        if ours != theirs {
            differences.push(format!("event {number}\nours   {ours}\ntheirs {theirs}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences\n{}",
        differences.len(),
        differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
    assert_eq!(ours.len(), theirs.len());
}
