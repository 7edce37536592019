//! Rules for columns and names of MySQL and MariaDB, compared event by event with the output of Debezium for
//! the same properties (`tests/data/zoo-columns`); and that no event has what the rules hide.

use crate::binlog_capture::{create, reconnect, script, settings};
use crate::binlog_server::{LOG, Server};
use crate::database::{MemorySink, StoredRecord, catch_up};
use crate::golden::{Difference, Masks, Place, Zoo, compare};
use kulya_cdc::debezium_server::{DebeziumServerSettings, Properties};
use kulya_cdc::mysql::connection::Flavor;
use kulya_cdc::{CancellationToken, Capture, CaptureSettings, Progress};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// Properties, and what Debezium made of the scripts with them.
pub(crate) struct Recorded {
    pub(crate) properties: &'static str,
    pub(crate) zoo: Zoo,
    pub(crate) differences: &'static [Difference],
}

/// The recorded events of a database with the properties of a file.
macro_rules! recorded {
    ($database:literal, $mode:literal, $differences:expr) => {
        $crate::binlog_columns::Recorded {
            properties: include_str!(concat!("../data/zoo-columns/", $mode, ".properties")),
            zoo: $crate::golden::Zoo {
                schema: include_str!(concat!("../data/zoo-columns/", $database, "/schema.sql")),
                changes: include_str!(concat!("../data/zoo-columns/", $database, "/changes.sql")),
                default: include_str!(concat!("../data/zoo-columns/", $database, "/", $mode, ".jsonl")),
                sources: include_str!(concat!("../data/zoo-columns/", $database, "/sources.jsonl")),
                schemas: include_str!(concat!("../data/zoo-columns/", $database, "/schemas.jsonl")),
                table_changes: include_str!(concat!(
                    "../data/zoo-columns/",
                    $database,
                    "/table-changes.jsonl"
                )),
            },
            differences: $differences,
        }
    };
}
pub(crate) use recorded;

/// What differs with MariaDB: its JSON is a text, which Debezium only knows from SHOW CREATE TABLE. What is
/// to be masked is masked.
pub(crate) const MASKED_JSON: &[Difference] = &[
    json_text(84, Place::Schema("/fields/0/fields/1"), MASKED_FIELD),
    json_text(84, Place::Schema("/fields/1/fields/1"), MASKED_FIELD),
    json_text(84, Place::Payload("/after/j"), "\"******\""),
];
pub(crate) const TEXT_JSON: &[Difference] = &[
    json_text(80, Place::Schema("/fields/0/fields/1"), JSON_FIELD),
    json_text(80, Place::Schema("/fields/1/fields/1"), JSON_FIELD),
];
const JSON_FIELD: &str = r#"{"type":"string","optional":true,"field":"j"}"#;
const MASKED_FIELD: &str = r#"{"type":"string","optional":true,"parameters":{"masked":"true"},"field":"j"}"#;

const fn json_text(event: usize, place: Place, ours: &'static str) -> Difference {
    Difference { event, place, ours, why: "JSON of MariaDB is a text" }
}

/// The settings of a Debezium Server with these properties.
fn settings_of(server: Server, properties: &str) -> CaptureSettings {
    let class = match server.flavor {
        Flavor::Mariadb => "io.debezium.connector.mariadb.MariaDbConnector",
        _ => "io.debezium.connector.mysql.MySqlConnector",
    };
    let mut file = format!(
        "debezium.sink.type=pravega\ndebezium.source.connector.class={class}\n\
         debezium.source.database.hostname=db\ndebezium.source.database.user=me\n\
         debezium.source.database.server.id=9300\ndebezium.source.topic.prefix=zoo\n\
         debezium.source.database.include.list=zoo\ndebezium.source.skipped.operations=none\n"
    );
    for line in properties.lines() {
        file.push_str(&format!("debezium.source.{line}\n"));
    }
    let properties = Properties::parse(file.as_bytes(), &BTreeMap::new()).unwrap();
    let converted = DebeziumServerSettings::from_properties(&properties).unwrap();
    assert_eq!(converted.refused, []);
    CaptureSettings { url: server.url(), ..converted.capture }
}

/// Takes out what belongs to no table, and what depends on transactions.
fn of_tables(events: Vec<Value>) -> Vec<Value> {
    let is_of_table =
        |event: &Value| event["topic"].as_str().is_some_and(|topic| topic.starts_with("zoo.zoo."));
    let mut events: Vec<Value> = events.into_iter().filter(is_of_table).collect();
    for event in &mut events {
        if let Some(transaction) = event.pointer_mut("/value/payload/transaction") {
            *transaction = Value::Null;
        }
    }
    events
}

/// The events are those of Debezium.
pub(crate) async fn column_rules_are_debeziums(server: Server, recorded: Recorded) {
    let _zoo = crate::binlog_zoo::DATABASE.lock().await;
    let _log = LOG.write().await;
    let mut session = create(server, "zoo").await;
    script(&mut session, recorded.zoo.schema).await;
    let settings = settings_of(server, recorded.properties);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(&mut reconnect(server, "zoo").await, recorded.zoo.changes).await;
    catch_up(&settings, &mut sink).await.unwrap();
    let mut masks = Masks::new();
    let records = sink.records.iter().filter(|record| record.topic.starts_with("zoo.zoo."));
    let ours = of_tables(records.map(|record| masks.masked(record, "zoo")).collect());
    let mut theirs = of_tables(recorded.zoo.events("", true, recorded.differences));
    name_rows_of_people(&mut theirs);
    compare(recorded.properties, &ours, &theirs);
}

/// Gives the rows of a snapshot the key that they have: Debezium does not read a column that rows do not
/// have, even if it is the key's.
fn name_rows_of_people(events: &mut [Value]) {
    let is_read = |event: &&mut Value| {
        event["topic"] == "zoo.zoo.people" && event.pointer("/value/payload/op") == Some(&json!("r"))
    };
    for (index, event) in events.iter_mut().filter(is_read).enumerate() {
        event["key"]["payload"]["id"] = json!(index + 1);
    }
}

/// No event, key, header, schema change or dead letter has a value that the rules hide.
pub(crate) async fn hidden_values_are_in_no_event(server: Server, database: &str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    let statement_logging = match server.flavor {
        Flavor::Mariadb => "SET SESSION binlog_annotate_row_events = ON",
        _ => "SET SESSION binlog_rows_query_log_events = ON",
    };
    script(
        &mut session,
        &format!(
            "{statement_logging}; CREATE TABLE t (id INT PRIMARY KEY, masked LONGTEXT, hashed VARCHAR(60) NOT NULL, \
             excluded LONGTEXT, cut VARCHAR(60)); INSERT INTO t VALUES (1, 'geheim', 'geheim', 'geheim', '12geheim')"
        ),
    )
    .await;
    let columns = format!(
        r#"{{"exclude":["{database}.t.excluded"],"mask":[{{"columns":["{database}.t.masked"],"length":3}}],
        "hash":[{{"columns":["{database}.t.hashed"],"algorithm":"SHA-256","salt":"s"}}],
        "truncate":[{{"columns":["{database}.t.cut"],"length":2}}]}}"#
    );
    let mut settings = CaptureSettings {
        columns: serde_json::from_str(&columns).unwrap(),
        include_query: true,
        schema_changes: true,
        transaction_metadata: true,
        ..settings(server, database)
    };
    settings.format.schemas_in_values = true;
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "INSERT INTO t VALUES (2, 'geheim', 'geheim', 'geheim', '12geheim'); \
         UPDATE t SET id = 3, masked = 'geheim2' WHERE id = 2; DELETE FROM t WHERE masked = 'geheim'; \
         ALTER TABLE t ADD COLUMN n INT; UPDATE t SET n = 1",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    let rows = rows_of(&sink.records, &format!("{database}.{database}.t"));
    assert_eq!(rows.len(), 4, "{rows:?}");
    for row in &rows {
        let row = row.as_object().unwrap();
        let names: Vec<&str> = row.keys().map(String::as_str).filter(|name| *name != "n").collect();
        assert_eq!(names, ["id", "masked", "hashed", "cut"]);
        assert_eq!((&row["masked"], &row["cut"]), (&json!("***"), &json!("12")));
        assert_eq!(row["hashed"].as_str().unwrap().len(), 60);
    }
    for record in &sink.records {
        let text = format!("{record:?}");
        assert!(!text.contains("geheim"), "{text}");
    }
    let changes: Vec<&StoredRecord> = sink.records.iter().filter(|record| record.topic == database).collect();
    assert!(
        changes.iter().any(|record| record.value.as_ref().unwrap().contains("ADD COLUMN")),
        "{changes:?}"
    );
    for change in changes {
        let change: Value = serde_json::from_str(change.value.as_ref().unwrap()).unwrap();
        let described = change["payload"]["tableChanges"].to_string();
        assert!(!described.contains("excluded"), "{described}");
    }
}

/// The rows after changes of a table.
fn rows_of(records: &[StoredRecord], topic: &str) -> Vec<Value> {
    let of_topic = records.iter().filter(|record| record.topic == topic);
    let values = of_topic.filter_map(|record| record.value.as_ref());
    let rows = values.map(|value| serde_json::from_str::<Value>(value).unwrap()["payload"]["after"].take());
    rows.filter(|row| !row.is_null()).collect()
}

/// Heartbeats are events of a topic of their own, and run a statement.
pub(crate) async fn heartbeats_are_written_and_run_a_statement(server: Server, database: &str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    script(&mut session, "CREATE TABLE beats (id INT PRIMARY KEY, n INT); INSERT INTO beats VALUES (1, 0)")
        .await;
    let mut settings = CaptureSettings {
        heartbeat_interval_ms: 20,
        heartbeat_query: format!("UPDATE {database}.beats SET n = n + 1"),
        ..settings(server, database)
    };
    settings.format.topic_heartbeat_prefix = "beat".into();
    let stop = CancellationToken::new();
    let (stopped, commits) = (stop.clone(), AtomicU32::new(0));
    let on_progress = move |progress: Progress| {
        if matches!(progress, Progress::Stored { .. }) && commits.fetch_add(1, Ordering::Relaxed) > 12 {
            stopped.cancel();
        }
    };
    let mut sink = MemorySink::default();
    let capture = Capture::from(settings.clone()).cancelled_by(stop).on_progress(on_progress);
    capture.run(&mut sink).await.unwrap();
    let topic = format!("beat.{database}");
    let beats: Vec<&StoredRecord> = sink.records.iter().filter(|record| record.topic == topic).collect();
    assert!(beats.len() > 2, "{}", beats.len());
    for beat in beats {
        assert_eq!(beat.key.as_deref(), Some(format!(r#"{{"serverName":"{database}"}}"#).as_str()));
        let value: Value = serde_json::from_str(beat.value.as_ref().unwrap()).unwrap();
        assert!(value["ts_ms"].is_u64() && beat.headers.is_empty(), "{beat:?}");
    }
    let topic = format!("{database}.{database}.beats");
    let updates = sink.records.iter().filter(|record| record.topic == topic).count();
    assert!(updates > 1, "{updates}");

    let broken = CaptureSettings { heartbeat_query: "UPDATE no_such.table_ SET n = 1".into(), ..settings };
    let error = Capture::from(broken).run(&mut sink).await.unwrap_err().to_string();
    assert!(error.contains("heartbeat-query failed") && error.contains("no_such"), "{error}");
}
