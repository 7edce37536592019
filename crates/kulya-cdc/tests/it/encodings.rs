//! Events with a header, as JSON and as Avro, in a store: decoded again they are the events in JSON; their
//! encoding ids change with the table, and stay over a restart.

use crate::avro_zoo::is_same;
use crate::binlog_capture;
use crate::binlog_server::{LOG, MARIADB, MYSQL, Server};
use crate::database::{Database, catch_up};
use crate::golden::{Zoo, zoo};
use async_trait::async_trait;
use kulya_cdc::debezium::{Compatibility, Encoding, ValueModes};
use kulya_cdc::kulya_registry_api::SchemaRegistry;
use kulya_cdc::{
    Batch, CaptureSettings, CdcErrorKind, CdcResult, Checkpoint, RefusedSchema, Sink, StoreSink,
};
use kulya_codec::{Deserializer, Value as Decoded, header};
use kulya_registry::Registry;
use kulya_schema::GroupId;
use kulya_store::clock::SystemClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{StreamId, bounded_read};
use serde_json::Value;
use std::collections::BTreeMap;

/// The tables' events in JSON, in order.
type Events = BTreeMap<String, Vec<String>>;

/// A store that also keeps the events in JSON.
struct BothSinks {
    sink: StoreSink,
    events: Events,
}

impl BothSinks {
    fn keep(&mut self, batch: &Batch) {
        for record in batch.records() {
            if let (Some(table), Some(value)) = (&record.destination.table, record.value) {
                let events = self.events.entry(table.qualified_name()).or_default();
                events.push(String::from_utf8(value.to_vec()).unwrap());
            }
        }
    }
}

#[async_trait]
impl Sink for BothSinks {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.sink.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.keep(&batch);
        self.sink.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.keep(&batch);
        self.sink.commit(batch, checkpoint).await
    }

    fn dead_letters(&self) -> u64 {
        self.sink.dead_letters()
    }
}

/// A store with a registry, and a capture into it.
struct Target {
    store: MemoryStore,
    registry: Registry,
    settings: CaptureSettings,
}

impl Target {
    fn new(settings: CaptureSettings, encoding: Encoding) -> Self {
        let store = MemoryStore::new();
        let registry = Registry::new(store.clone(), SystemClock).unwrap();
        let mut settings = settings;
        settings.format.encoding = encoding;
        settings.scope = "captured".into();
        settings.stream = "{table}".into();
        Self { store, registry, settings }
    }

    /// Starts a capture, as after a restart, and reads what has been committed; returns the events in JSON,
    /// and the number of dead letters.
    async fn catch_up(&self) -> CdcResult<(Events, u64)> {
        let settings = self.settings.store_settings()?;
        let sink = StoreSink::new(self.store.clone(), self.registry.clone(), settings).await?;
        let mut both = BothSinks { sink, events: Events::new() };
        catch_up(&self.settings, &mut both).await?;
        Ok((both.events, both.sink.dead_letters()))
    }

    async fn stored(&self, stream: &str) -> Vec<Vec<u8>> {
        let stream = StreamId::new("captured", stream).unwrap();
        let events = bounded_read(&self.store, &stream).await.unwrap();
        events.into_iter().map(|(_, event)| event.to_vec()).collect()
    }

    /// The encoding ids and the rows of the events of a stream.
    async fn ids(&self, stream: &str) -> Vec<(u32, Value)> {
        let mut found = Vec::new();
        for event in self.stored(stream).await {
            let decoded = self.decoded(stream, &event).await;
            found.push((header::split(&event).unwrap().0.0, json_of(&decoded)["after"].clone()));
        }
        found
    }

    async fn decoded(&self, stream: &str, event: &[u8]) -> Decoded {
        let group = GroupId::new("captured", stream);
        let deserializer = Deserializer::new(self.registry.clone(), group);
        deserializer.deserialize_any(event).await.unwrap().value
    }

    /// Compares all events of tables with those in JSON.
    async fn compare(&self, events: &Events) {
        let mut tables = 0;
        for (group, properties) in self.registry.groups("captured").await.unwrap() {
            // a table without events has a stream too
            let Some(expected) = events.get(&properties.properties["source.table"]) else { continue };
            let stored = self.stored(&group.name).await;
            assert_eq!(stored.len(), expected.len(), "{group}");
            for (event, json) in stored.iter().zip(expected) {
                let found = self.decoded(&group.name, event).await;
                let json: Value = serde_json::from_str(json).unwrap();
                let same = match &found {
                    Decoded::Avro(avro) => is_same(avro, &json),
                    Decoded::Json(value) => *value == json,
                    _ => false,
                };
                assert!(same, "{group}: {found:?}\nis not {json}");
            }
            tables += 1;
        }
        assert_eq!(tables, events.len());
    }
}

/// The text and integers of a decoded event as JSON.
fn json_of(value: &Decoded) -> Value {
    fn of_avro(value: &kulya_codec::AvroValue) -> Value {
        use kulya_codec::AvroValue as Avro;
        match value {
            Avro::Union(_, value) => of_avro(value),
            Avro::Null => Value::Null,
            Avro::Int(number) => (*number).into(),
            Avro::Long(number) => (*number).into(),
            Avro::String(text) => text.as_str().into(),
            Avro::Record(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), of_avro(value))).collect()
            }
            other => panic!("{other:?}"),
        }
    }
    match value {
        Decoded::Avro(avro) => of_avro(avro),
        Decoded::Json(json) => json.clone(),
        other => panic!("{other:?}"),
    }
}

const BOTH: [Encoding; 2] = [Encoding::JsonSchema, Encoding::Avro];

/// Captures a zoo of PostgreSQL in an encoding; returns why events are dead letters.
async fn postgres_zoo(name: &str, zoo: &Zoo, encoding: Encoding, compat: Compatibility) -> Vec<String> {
    let database = Database::create(name).await;
    database.script(zoo.schema).await;
    let mut settings = database.settings();
    settings.tables = vec!["zoo.*".into()];
    settings.format.provide_transaction_metadata = true;
    settings.values = ValueModes { compat, ..ValueModes::default() };
    let target = Target::new(settings, encoding);
    let (mut events, mut dead_letters) = target.catch_up().await.unwrap();
    for part in zoo.parts() {
        database.script(&part).await;
        let (more, letters) = target.catch_up().await.unwrap();
        dead_letters += letters;
        for (table, more) in more {
            events.entry(table).or_default().extend(more);
        }
    }
    database.drop_everything().await;
    let mut reasons = Vec::new();
    if dead_letters > 0 {
        for letter in target.stored(&format!("{name}.dead-letter").replace('_', "-")).await {
            let letter: Value = serde_json::from_slice(&letter).unwrap();
            let of_table = events.get_mut(letter["table"].as_str().unwrap()).unwrap();
            let place = of_table.iter().position(|event| letter["event"] == event.as_str()).unwrap();
            of_table.remove(place);
            reasons.push(letter["reason"].as_str().unwrap().to_owned());
        }
    }
    target.compare(&events).await;
    reasons.sort();
    reasons.dedup();
    reasons
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn events_of_postgres_are_those_in_json() {
    for encoding in BOTH {
        for compat in [Compatibility::Corrected, Compatibility::Debezium] {
            let mut reasons = postgres_zoo("enc_zoo", &zoo!("zoo/postgres"), encoding, compat).await;
            let zoo = zoo!("zoo-extended/postgres");
            reasons.extend(postgres_zoo("enc_extended", &zoo, encoding, compat).await);
            let expected: &[&str] = match (encoding, compat) {
                // arrays of arrays, of which Debezium loses the values
                (Encoding::Avro, Compatibility::Corrected) => &[
                    "the event cannot be encoded: after.i2d: a number is expected, not an array",
                    "the event cannot be encoded: after.i4: a number is expected, not an array",
                    "the event cannot be encoded: after.vc: a text is expected, not an array",
                ],
                _ => &[],
            };
            assert_eq!(reasons, expected, "{encoding}");
        }
    }
}

/// Captures the snapshot and the changes of a zoo of MySQL or MariaDB.
async fn binlog_zoo(server: Server, database: &'static str, zoo: &Zoo, encoding: Encoding) {
    let of_database = |text: &str| {
        let text = text.replace("MyISAM;", "InnoDB;");
        let lines = text.lines().filter(|line| !line.contains("versioned_columns"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let mut session = binlog_capture::create(server, database).await;
    binlog_capture::script(&mut session, &of_database(zoo.schema)).await;
    let mut settings = binlog_capture::settings(server, database);
    settings.values = ValueModes { compat: Compatibility::Debezium, ..ValueModes::default() };
    let target = Target::new(settings, encoding);
    let (mut events, _) = target.catch_up().await.unwrap();
    binlog_capture::script(&mut binlog_capture::reconnect(server, database).await, &of_database(zoo.changes))
        .await;
    let (more, letters) = target.catch_up().await.unwrap();
    for (table, more) in more {
        events.entry(table).or_default().extend(more);
    }
    assert_eq!(letters, 0);
    target.compare(&events).await;
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn events_of_mysql_are_those_in_json() {
    let _log = LOG.write().await;
    for encoding in BOTH {
        binlog_zoo(MYSQL, "zoo", &zoo!("zoo/mysql8", table_changes), encoding).await;
    }
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn events_of_mariadb_are_those_in_json() {
    let _log = LOG.write().await;
    for encoding in BOTH {
        binlog_zoo(MARIADB, "zoo", &zoo!("zoo/mariadb", table_changes), encoding).await;
    }
}

/// The encoding ids of a table that is changed, with a restart between.
async fn ids_follow_the_table(target: &Target, run: impl AsyncFn(&str)) {
    run("INSERT INTO t VALUES (1, 'a')").await;
    target.catch_up().await.unwrap();
    // both before and behind the change in one batch
    run("INSERT INTO t VALUES (2, 'b')").await;
    run("ALTER TABLE t ADD n INT").await;
    run("INSERT INTO t VALUES (3, 'c', 7)").await;
    target.catch_up().await.unwrap();
    run("ALTER TABLE t DROP COLUMN n").await;
    run("INSERT INTO t VALUES (4, 'd')").await;
    target.catch_up().await.unwrap();
    run("INSERT INTO t VALUES (5, 'e')").await;
    target.catch_up().await.unwrap();
    let ids: Vec<(u32, String)> =
        target.ids("t").await.into_iter().map(|(id, row)| (id, row.to_string())).collect();
    let expected = [
        (0, r#"{"id":1,"v":"a"}"#),
        (0, r#"{"id":2,"v":"b"}"#),
        (1, r#"{"id":3,"v":"c","n":7}"#),
        (0, r#"{"id":4,"v":"d"}"#),
        (0, r#"{"id":5,"v":"e"}"#),
    ];
    assert_eq!(ids, expected.map(|(id, row)| (id, row.to_owned())));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn ids_follow_the_table_of_postgres() {
    for encoding in BOTH {
        let database = Database::create("enc_ids").await;
        database.script("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
        let target = Target::new(database.settings(), encoding);
        ids_follow_the_table(&target, async |sql: &str| database.script(sql).await).await;
        database.drop_everything().await;
    }
}

#[tokio::test]
#[ignore = "needs MySQL: run cargo xtask test"]
async fn ids_follow_the_table_of_mysql() {
    binlog_ids(MYSQL).await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run cargo xtask test"]
async fn ids_follow_the_table_of_mariadb() {
    binlog_ids(MARIADB).await;
}

async fn binlog_ids(server: Server) {
    let _log = LOG.read().await;
    for encoding in BOTH {
        let mut session = binlog_capture::create(server, "enc_ids").await;
        let create = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))";
        binlog_capture::script(&mut session, create).await;
        let target = Target::new(binlog_capture::settings(server, "enc_ids"), encoding);
        let run = async |sql: &str| {
            binlog_capture::script(&mut binlog_capture::reconnect(server, "enc_ids").await, sql).await;
        };
        ids_follow_the_table(&target, run).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn refused_change_stops_its_table_alone() {
    use kulya_schema::Compatibility as Policy;
    for encoding in BOTH {
        let database = Database::create("enc_refused").await;
        database.script("CREATE TABLE t (id int PRIMARY KEY)\nCREATE TABLE other (id int PRIMARY KEY)").await;
        let mut target = Target::new(database.settings(), encoding);
        database.script("INSERT INTO t VALUES (1)").await;
        target.catch_up().await.unwrap();
        let group = GroupId::new("captured", "t");
        target.registry.update_compatibility(&group, Policy::DenyAll, None).await.unwrap();
        database
            .script("ALTER TABLE t ADD v text\nINSERT INTO t VALUES (2, 'x')\nINSERT INTO other VALUES (1)")
            .await;
        let (_, letters) = target.catch_up().await.unwrap();
        assert_eq!((letters, target.stored("t").await.len(), target.stored("other").await.len()), (1, 1, 1));
        let letter = String::from_utf8(target.stored("enc-refused.dead-letter").await.remove(0)).unwrap();
        assert!(
            letter.contains("the registry refuses the table's schema") && letter.contains(r#"\"v\":\"x\""#)
        );
        // or the capture stops, and goes on when the policy allows the change
        database.script("INSERT INTO t VALUES (3, 'y')").await;
        target.settings.refused_schema = RefusedSchema::Stop;
        let error = target.catch_up().await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Registry, "{error}");
        target.registry.update_compatibility(&group, Policy::AllowAny, None).await.unwrap();
        target.catch_up().await.unwrap();
        let ids: Vec<u32> = target.ids("t").await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [0, 1]);
        database.drop_everything().await;
    }
}
