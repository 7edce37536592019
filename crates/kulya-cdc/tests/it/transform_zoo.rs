//! Transformed events of PostgreSQL, compared event by event with the output of Debezium's engine for the
//! same properties (`tests/data/zoo-transforms`).

use crate::database::{Database, MemorySink, catch_up};
use crate::golden::{Masks, Zoo, compare};
use kulya_cdc::CaptureSettings;
use kulya_cdc::debezium_server::{DebeziumServerSettings, Properties};
use std::collections::BTreeMap;

/// Properties with transformations, and what Debezium made of the scripts with them.
macro_rules! modes {
    ($($mode:literal),+) => {
        [$(($mode, include_str!(concat!("../data/zoo-transforms/", $mode, ".properties")), Zoo {
            schema: include_str!("../data/zoo-transforms/postgres/schema.sql"),
            changes: include_str!("../data/zoo-transforms/postgres/changes.sql"),
            default: include_str!(concat!("../data/zoo-transforms/postgres/", $mode, ".jsonl")),
            sources: include_str!("../data/zoo-transforms/postgres/sources.jsonl"),
            schemas: include_str!("../data/zoo-transforms/postgres/schemas.jsonl"),
            table_changes: "",
        })),+]
    };
}

/// Returns the settings of a Debezium Server with these properties.
fn settings_of(database: &Database, properties: &str) -> CaptureSettings {
    let mut file = String::from(
        "debezium.sink.type=pravega\n\
         debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector\n\
         debezium.source.database.hostname=db\ndebezium.source.database.user=me\n\
         debezium.source.database.dbname=zoo\ndebezium.source.topic.prefix=zoo\n\
         debezium.source.schema.include.list=zoo\ndebezium.source.skipped.operations=none\n\
         debezium.source.provide.transaction.metadata=true\n",
    );
    for line in properties.lines() {
        let is_of_server = line.starts_with("transforms") || line.starts_with("predicates");
        file.push_str(if is_of_server { "debezium." } else { "debezium.source." });
        file.push_str(line);
        file.push('\n');
    }
    let properties = Properties::parse(file.as_bytes(), &BTreeMap::new()).unwrap();
    let converted = DebeziumServerSettings::from_properties(&properties).unwrap();
    assert_eq!((converted.refused, converted.unknown), Default::default());
    let slot = format!("kulya_{}", database.name);
    CaptureSettings { url: database.url(), slot, publication: String::new(), ..converted.capture }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn transformed_events_match_debeziums() {
    let modes = modes![
        "unwrap",
        "unwrap-noschema",
        "rewrite",
        "rewrite-noschema",
        "drop",
        "delete-to-tombstone",
        "route",
        "route-by-field",
        "logical",
        "logical-noschema",
        "chain"
    ];
    let mut failures = Vec::new();
    for (mode, properties, zoo) in &modes {
        let database = Database::create("zoo_transforms").await;
        database.script(zoo.schema).await;
        let settings = settings_of(&database, properties);
        let mut sink = MemorySink::default();
        catch_up(&settings, &mut sink).await.unwrap();
        for part in zoo.parts() {
            database.script(&part).await;
            catch_up(&settings, &mut sink).await.unwrap();
        }
        database.drop_everything().await;
        let mut masks = Masks::new();
        let ours: Vec<_> = sink.records.iter().map(|record| masks.masked(record, &database.name)).collect();
        let theirs = zoo.events("", settings.format.schemas_in_values, &[]);
        if let Err(panic) = std::panic::catch_unwind(|| compare(mode, &ours, &theirs)) {
            failures.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
