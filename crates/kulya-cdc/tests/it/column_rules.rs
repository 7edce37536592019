//! Rules for columns, names and skipped operations, compared event by event with the output of Debezium 3.6.1
//! for the same properties (`tests/data/column-rules`).

use crate::database::{Database, MemorySink, StoredRecord, catch_up};
use kulya_cdc::debezium_server::{DebeziumServerSettings, Properties};
use kulya_cdc::{Capture, CaptureSettings, Progress};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;

const SCHEMA: &str = include_str!("../data/column-rules/schema.sql");
const CHANGES: &str = include_str!("../data/column-rules/changes.sql");

/// The settings of a Debezium Server with these lines, for a database of its own.
fn settings(database: &Database, lines: &str) -> CaptureSettings {
    let file = format!(
        "debezium.sink.type=pravega\n\
         debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector\n\
         debezium.source.database.hostname=db\ndebezium.source.database.user=me\n\
         debezium.source.database.dbname=zoo\n{lines}"
    );
    let properties = Properties::parse(file.as_bytes(), &BTreeMap::new()).unwrap();
    let converted = DebeziumServerSettings::from_properties(&properties).unwrap();
    assert_eq!(converted.refused, []);
    let name = format!("kulya_{}", database.name);
    CaptureSettings { url: database.url(), slot: name.clone(), publication: name, ..converted.capture }
}

/// Takes what the files have out of a record; schemas are numbered.
fn compared(record: &StoredRecord, schemas: &mut Vec<Value>) -> Value {
    let mut number = |schema: Value| {
        schemas.iter().position(|other| *other == schema).unwrap_or_else(|| {
            schemas.push(schema);
            schemas.len() - 1
        })
    };
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let value = record.value.as_ref().map(parse);
    if let Some(payload) = value.as_ref().map(|value| &value["payload"])
        && payload["status"].is_string()
    {
        return json!({
            "topic": record.topic,
            "status": payload["status"],
            "event_count": payload["event_count"]
        });
    }
    let (context, headers): (Map<_, _>, Map<_, _>) =
        record.headers.clone().into_iter().partition(|(name, _)| name.starts_with("__debezium.context."));
    assert_eq!(context.len(), 4);
    let mut event = json!({ "topic": record.topic, "headers": headers });
    if let Some(key) = record.key.as_ref().map(parse) {
        event["key"] = json!({ "schema": number(key["schema"].clone()), "payload": key["payload"] });
    }
    if let Some(value) = value {
        let (name, row) = (&value["schema"]["name"], &value["schema"]["fields"][0]);
        event["schema"] = number(json!({ "name": name, "row": row })).into();
        for member in ["op", "before", "after"] {
            event[member] = value["payload"][member].clone();
        }
    }
    event
}

/// Captures with the properties, and compares with what Debezium made of them. `corrected` applies intended
/// differences to an event of Debezium.
async fn compare(name: &str, lines: &str, events: &str, corrected: impl Fn(usize, &mut Value)) {
    let database = Database::create(name).await;
    database.script(SCHEMA).await;
    let settings = settings(&database, lines);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database.script(CHANGES).await;
    catch_up(&settings, &mut sink).await.unwrap();

    let mut lines = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let Value::Array(mut schemas) = lines.next().unwrap()["schemas"].take() else { panic!("no schemas") };
    let expected: Vec<Value> = lines
        .enumerate()
        .map(|(number, mut event)| {
            corrected(number, &mut event);
            event
        })
        .collect();
    let known = schemas.len();
    let found: Vec<Value> = sink.records.iter().map(|record| compared(record, &mut schemas)).collect();
    let new = schemas.get(known..).unwrap_or_default();
    for (number, (ours, theirs)) in found.iter().zip(&expected).enumerate() {
        assert!(ours == theirs, "event {number}\nours   {ours}\ntheirs {theirs}\nnew {new:?}");
    }
    assert_eq!(found.len(), expected.len());
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn masked_hashed_and_cut_values_are_debeziums() {
    let properties = include_str!("../data/column-rules/masks.properties");
    compare("column_masks", properties, include_str!("../data/column-rules/masks.jsonl"), |_, _| ()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn names_and_included_columns_are_debeziums() {
    let properties = include_str!("../data/column-rules/names.properties");
    compare("column_names", properties, include_str!("../data/column-rules/names.jsonl"), |_, _| ()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn types_of_the_source_are_debeziums() {
    let properties = include_str!("../data/column-rules/types.properties");
    let events = include_str!("../data/column-rules/types.jsonl");
    let people = std::cell::Cell::new(0_u32);
    compare("column_types", properties, events, |_, event| {
        // Debezium's snapshot does not read a column that rows do not have, even if it is the key's
        if event["op"] == "r" && event["topic"] == "zoo.zoo.people" {
            people.set(people.get() + 1);
            event["key"]["payload"]["id"] = people.get().into();
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn heartbeats_are_written_and_run_a_statement() {
    let database = Database::create("heartbeats").await;
    database.script("CREATE TABLE beats (n int); INSERT INTO beats VALUES (0);").await;
    database.script("ALTER TABLE beats REPLICA IDENTITY FULL;").await;
    let lines = "debezium.source.topic.prefix=shop\ndebezium.source.heartbeat.interval.ms=20\n\
         debezium.source.heartbeat.action.query=UPDATE beats SET n = n + 1\n\
         debezium.source.topic.heartbeat.prefix=beat\ndebezium.format.schemas.enable=false\n";
    let settings = settings(&database, lines);
    let mut sink = MemorySink::default();
    let stop = CancellationToken::new();
    let (stopped, commits) = (stop.clone(), std::sync::atomic::AtomicU32::new(0));
    let on_progress = move |progress: Progress| {
        if matches!(progress, Progress::Stored { .. })
            && commits.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 12
        {
            stopped.cancel();
        }
    };
    let capture = Capture::from(settings.clone()).cancelled_by(stop).on_progress(on_progress);
    capture.run(&mut sink).await.unwrap();
    let beats: Vec<&StoredRecord> =
        sink.records.iter().filter(|record| record.topic == "beat.shop").collect();
    assert!(beats.len() > 2, "{}", beats.len());
    for beat in beats {
        assert_eq!(beat.key.as_deref(), Some(r#"{"serverName":"shop"}"#));
        let value: Value = serde_json::from_str(beat.value.as_ref().unwrap()).unwrap();
        assert!(value["ts_ms"].is_u64() && beat.headers.is_empty(), "{beat:?}");
    }
    let updates = sink.records.iter().filter(|record| record.topic == "shop.public.beats").count();
    assert!(updates > 1, "{updates}");

    let broken = CaptureSettings { heartbeat_query: "UPDATE no_such_table SET n = 1".into(), ..settings };
    let error = Capture::from(broken).run(&mut sink).await.unwrap_err().to_string();
    assert!(error.contains("heartbeat-query failed") && error.contains("no_such_table"), "{error}");
    database.drop_everything().await;
}
