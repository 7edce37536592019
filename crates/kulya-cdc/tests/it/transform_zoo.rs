//! Transformed events of all databases, compared event by event with the output of Debezium's engine for the
//! same properties (`tests/data/zoo-transforms`).

use crate::binlog_capture::{create, reconnect, script};
use crate::binlog_server::{LOG, Server};
use crate::database::{Database, MemorySink, catch_up};
use crate::golden::{Masks, Zoo, compare};
use crate::zoo::captured;
use kulya_cdc::CaptureSettings;
use kulya_cdc::debezium_server::{DebeziumServerSettings, Properties};
use kulya_cdc::mysql::connection::Flavor;
use serde_json::Value;
use std::collections::BTreeMap;

/// A mode: its name, its properties with transformations, and what Debezium made of the scripts with them.
pub(crate) type Mode = (&'static str, &'static str, Zoo);

macro_rules! mode {
    ($database:literal, $mode:literal, $table_changes:expr) => {
        (
            $mode,
            include_str!(concat!("../data/zoo-transforms/", $mode, ".properties")),
            $crate::golden::Zoo {
                schema: include_str!(concat!("../data/zoo-transforms/", $database, "/schema.sql")),
                changes: include_str!(concat!("../data/zoo-transforms/", $database, "/changes.sql")),
                default: include_str!(concat!("../data/zoo-transforms/", $database, "/", $mode, ".jsonl")),
                sources: include_str!(concat!("../data/zoo-transforms/", $database, "/sources.jsonl")),
                schemas: include_str!(concat!("../data/zoo-transforms/", $database, "/schemas.jsonl")),
                table_changes: $table_changes,
            },
        )
    };
}
pub(crate) use mode;

/// The modes of a database.
macro_rules! transformed {
    ($database:literal) => {
        $crate::transform_zoo::transformed!($database, "")
    };
    ($database:literal, table_changes) => {
        $crate::transform_zoo::transformed!(
            $database,
            include_str!(concat!("../data/zoo-transforms/", $database, "/table-changes.jsonl"))
        )
    };
    ($database:literal, $table_changes:expr) => {
        [
            $crate::transform_zoo::mode!($database, "unwrap", $table_changes),
            $crate::transform_zoo::mode!($database, "unwrap-noschema", $table_changes),
            $crate::transform_zoo::mode!($database, "rewrite", $table_changes),
            $crate::transform_zoo::mode!($database, "rewrite-noschema", $table_changes),
            $crate::transform_zoo::mode!($database, "drop", $table_changes),
            $crate::transform_zoo::mode!($database, "delete-to-tombstone", $table_changes),
            $crate::transform_zoo::mode!($database, "route", $table_changes),
            $crate::transform_zoo::mode!($database, "route-by-field", $table_changes),
            $crate::transform_zoo::mode!($database, "logical", $table_changes),
            $crate::transform_zoo::mode!($database, "logical-noschema", $table_changes),
            $crate::transform_zoo::mode!($database, "chain", $table_changes),
        ]
    };
}
pub(crate) use transformed;

/// Returns the settings of a Debezium Server with these properties.
fn settings_of(connector: &str, selection: &str, properties: &str) -> CaptureSettings {
    let mut file = format!(
        "debezium.sink.type=pravega\n\
         debezium.source.connector.class=io.debezium.connector.{connector}\n\
         debezium.source.database.hostname=db\ndebezium.source.database.user=me\n\
         debezium.source.topic.prefix=zoo\ndebezium.source.skipped.operations=none\n\
         debezium.source.provide.transaction.metadata=true\n{selection}"
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
    converted.capture
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn transformed_events_match_debeziums() {
    let selection = "debezium.source.schema.include.list=zoo\ndebezium.source.database.dbname=zoo\n";
    let mut failures = Vec::new();
    for (mode, properties, zoo) in transformed!("postgres") {
        let database = Database::create("zoo_transforms").await;
        database.script(zoo.schema).await;
        let settings = CaptureSettings {
            url: database.url(),
            slot: format!("kulya_{}", database.name),
            publication: String::new(),
            ..settings_of("postgresql.PostgresConnector", selection, properties)
        };
        let ours = captured(&database, &zoo, &settings).await;
        let theirs = zoo.events("", settings.format.schemas_in_values, &[]);
        failures.extend(difference(mode, &ours, &theirs));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn difference(mode: &str, ours: &[Value], theirs: &[Value]) -> Option<String> {
    let panic = std::panic::catch_unwind(|| compare(mode, ours, theirs)).err()?;
    Some(panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

/// Transformed events of MariaDB and MySQL are those of Debezium.
pub(crate) async fn events_of_the_binlog_match_debeziums(server: Server, modes: [Mode; 11]) {
    let _zoo = crate::binlog_zoo::DATABASE.lock().await;
    let _log = LOG.write().await;
    let connector = match server.flavor {
        Flavor::Mariadb => "mariadb.MariaDbConnector",
        _ => "mysql.MySqlConnector",
    };
    let selection = "debezium.source.database.include.list=zoo\ndebezium.source.database.server.id=9310\n";
    let mut failures = Vec::new();
    for (mode, properties, zoo) in modes {
        let mut session = create(server, "zoo").await;
        script(&mut session, zoo.schema).await;
        let settings = CaptureSettings { url: server.url(), ..settings_of(connector, selection, properties) };
        let mut sink = MemorySink::default();
        catch_up(&settings, &mut sink).await.unwrap();
        script(&mut reconnect(server, "zoo").await, zoo.changes).await;
        catch_up(&settings, &mut sink).await.unwrap();
        let mut masks = Masks::new();
        let records = sink.records.iter().filter(|record| is_of_table(&record.topic));
        let ours = records.map(|record| without_transaction(masks.masked(record, "zoo"))).collect::<Vec<_>>();
        let theirs = zoo.events("", settings.format.schemas_in_values, &[]);
        let theirs = theirs.into_iter().filter(|event| is_of_table(event["topic"].as_str().unwrap()));
        let theirs = theirs.map(without_transaction).collect::<Vec<_>>();
        failures.extend(difference(mode, &ours, &theirs));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Returns whether a topic is neither that of schema changes nor that of transactions.
fn is_of_table(topic: &str) -> bool {
    topic != "zoo" && !topic.ends_with(".transaction")
}

/// Takes out the ids of transactions, of which other clients of the server have some too.
fn without_transaction(mut event: Value) -> Value {
    for pointer in ["/transaction/id", "/__transaction_id"] {
        for part in ["/value", "/value/payload"] {
            if let Some(id) = event.pointer_mut(&format!("{part}{pointer}")).filter(|id| !id.is_null()) {
                *id = Value::Null;
            }
        }
    }
    event
}
