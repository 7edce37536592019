//! Transformed rows of snapshots, of incremental snapshots and of the log, the same for all databases.

use crate::database::{MemorySink, catch_up};
use crate::signal_cases::{SharedSink, SignalDatabase, create_tables, read_by_killed_captures, text};
use kulya_cdc::debezium::Compatibility;
use kulya_cdc::{CaptureSettings, Control, TransformSettings, ValueModes};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The rows of two tables in one topic, and what is in the place of deleted ones.
fn transforms() -> Vec<TransformSettings> {
    let settings = json!([
        {
            "type": "io.debezium.transforms.ByLogicalTableRouter",
            "topic.regex": ".*[.](big|pair)",
            "topic.replacement": "rows.all",
            "key.field.name": "of",
            "key.field.regex": ".*[.](big|pair)",
            "key.field.replacement": "$1"
        },
        {
            "type": "io.debezium.transforms.ExtractNewRecordState",
            "delete.tombstone.handling.mode": "rewrite",
            "add.fields": "op,table,source.snapshot:READ"
        }
    ]);
    serde_json::from_value(settings).unwrap()
}

/// Rows are read and changed under load by captures that are killed; the tables that the transformed rows
/// make are the database's.
pub(crate) async fn transformed_rows_make_the_tables(database: &dyn SignalDatabase) {
    create_tables(database).await;
    let settings = CaptureSettings {
        incremental_snapshot_chunk_size: 7,
        transforms: transforms(),
        ..database.settings()
    };
    let (sink, control) = (SharedSink::default(), Control::default());
    catch_up(&settings, &mut sink.clone()).await.unwrap();
    assert_eq!(sink.records("all").await.len(), 450);
    read_by_killed_captures(database, &settings, (&sink, &control), 11, &[5, 15]).await;
    catch_up(&settings, &mut sink.clone()).await.unwrap();
    let mut tables: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    let mut reads = 0;
    for record in sink.records("all").await {
        let (key, value) = (record.key.unwrap(), record.value.unwrap());
        let (key_members, mut row): (Value, Value) =
            (serde_json::from_str(&key).unwrap(), serde_json::from_str(&value).unwrap());
        let row = row.as_object_mut().unwrap();
        let added = ["__deleted", "__op", "__table", "__READ"].map(|name| row.shift_remove(name).unwrap());
        let table = if key_members["of"] == "big" { "big" } else { "pair" };
        assert_eq!((&key_members["of"], added[2].as_str()), (&json!(table), Some(table)));
        reads += u32::from(added[3] == "incremental");
        match added[0] == "true" {
            true => drop(tables.entry(table).or_default().remove(&key)),
            false => drop(tables.entry(table).or_default().insert(key, text(&Value::Object(row.clone())))),
        }
    }
    assert!(reads > 100, "{reads} rows of incremental snapshots");
    for (table, columns) in [("big", "id, v"), ("pair", "a, b, v")] {
        let mut rows = database.rows(&format!("SELECT {columns} FROM {table}")).await;
        let mut found: Vec<String> = tables.remove(table).unwrap_or_default().into_values().collect();
        rows.sort();
        found.sort();
        assert_eq!(found, rows, "{table}");
    }
}

/// Null in a column with a default value routes no row, and is null where it is added, though rows have the
/// default with Debezium.
pub(crate) async fn nulls_are_told_from_defaults(database: &dyn SignalDatabase) {
    database.execute("CREATE TABLE routed (id INT PRIMARY KEY, r VARCHAR(9) DEFAULT 'there')").await;
    let insert = |id: u32| {
        format!("INSERT INTO routed VALUES ({id}, NULL), ({}, 'there'), ({}, 'here')", id + 1, id + 2)
    };
    database.execute(&insert(1)).await;
    let transforms = json!([{
        "type": "io.debezium.transforms.ExtractNewRecordState",
        "route.by.field": "r",
        "add.fields": "after.r:AFTER"
    }]);
    let transforms = serde_json::from_value(transforms).unwrap();
    let values = ValueModes { compat: Compatibility::Debezium, ..ValueModes::default() };
    let settings = CaptureSettings { transforms, values, ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database.execute(&insert(4)).await;
    catch_up(&settings, &mut sink).await.unwrap();
    let found = sink.records.into_iter().map(|record| {
        let topic = record.topic.rsplit('.').next().unwrap().to_owned();
        let row: Value = serde_json::from_str(&record.value.unwrap()).unwrap();
        (topic, row["id"].as_i64().unwrap(), row["r"].clone(), row["__AFTER"].clone())
    });
    let expected = [1, 4].into_iter().flat_map(|id| {
        [
            ("routed".to_owned(), id, json!("there"), Value::Null),
            ("there".to_owned(), id + 1, json!("there"), json!("there")),
            ("here".to_owned(), id + 2, json!("here"), json!("here")),
        ]
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
