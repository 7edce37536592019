//! Signals and incremental snapshots, the same for all databases.

use crate::database::{MemorySink, StoredRecord, catch_up};
use async_trait::async_trait;
use kulya_cdc::incremental::IncrementalState;
use kulya_cdc::{
    Batch, Capture, CaptureSettings, CaptureStatus, CdcResult, Checkpoint, Control, SignalRecord, Sink,
    SnapshotMode,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// A database of one test.
#[async_trait]
pub(crate) trait SignalDatabase: Send + Sync {
    /// Runs statements in one transaction.
    async fn transaction(&self, statements: &[String]);

    /// Runs a statement.
    async fn execute(&self, sql: &str);

    /// Returns the rows of a query, their values separated by `|`.
    async fn rows(&self, sql: &str) -> Vec<String>;

    /// The schema of the tables.
    fn schema(&self) -> &str;

    fn settings(&self) -> CaptureSettings;
}

/// A sink in memory that outlives a capture that is killed.
#[derive(Clone, Default)]
pub(crate) struct SharedSink(Arc<Mutex<MemorySink>>);

#[async_trait]
impl Sink for SharedSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.0.lock().await.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.0.lock().await.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.0.lock().await.commit(batch, checkpoint).await
    }
}

impl SharedSink {
    async fn state(&self) -> IncrementalState {
        let sink = self.0.lock().await;
        let checkpoint = sink.checkpoint.as_ref();
        checkpoint.map(|checkpoint| checkpoint.position.incremental().clone()).unwrap_or_default()
    }

    /// Returns the records of a table.
    pub(crate) async fn records(&self, table: &str) -> Vec<StoredRecord> {
        let records = self.0.lock().await.records.clone();
        records.into_iter().filter(|record| record.topic.ends_with(&format!(".{table}"))).collect()
    }

    /// Returns the rows of incremental snapshots of a table.
    async fn read_rows(&self, table: &str) -> Vec<serde_json::Value> {
        let values = self.records(table).await.into_iter().filter_map(|record| record.value);
        let events = values.map(|value| serde_json::from_str::<serde_json::Value>(&value).unwrap());
        let events = events.filter(|event| event["source"]["snapshot"] == "incremental");
        let events: Vec<_> = events.collect();
        assert!(events.iter().all(|event| event["op"] == "r" && event["transaction"].is_null()));
        events.into_iter().map(|event| event["after"].clone()).collect()
    }

    /// Returns the table that the events make, its rows as [`SignalDatabase::rows`] has them.
    async fn rebuilt(&self, table: &str) -> Vec<String> {
        let mut rows = BTreeMap::new();
        for StoredRecord { key, value, .. } in self.records(table).await {
            let event = value.map(|value| serde_json::from_str::<serde_json::Value>(&value).unwrap());
            match event.map(|event| event["after"].clone()) {
                None | Some(serde_json::Value::Null) => drop(rows.remove(&key)),
                Some(row) => drop(rows.insert(key, text(&row))),
            }
        }
        let mut rows: Vec<String> = rows.into_values().collect();
        rows.sort();
        rows
    }
}

pub(crate) fn text(row: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value.as_str().map_or(value.to_string(), str::to_owned);
    row.as_object().unwrap().values().map(text).collect::<Vec<_>>().join("|")
}

/// A capture that runs.
struct Running {
    sink: SharedSink,
    control: Control,
    task: tokio::task::JoinHandle<CdcResult<()>>,
}

impl Running {
    pub(crate) fn start(settings: &CaptureSettings, sink: &SharedSink, control: &Control) -> Self {
        let (settings, mut own, handle) = (settings.clone(), sink.clone(), control.clone());
        let task =
            tokio::spawn(async move { Capture::from(settings).controlled_by(handle).run(&mut own).await });
        Self { sink: sink.clone(), control: control.clone(), task }
    }

    /// Waits for a state that is stored. The capture must not end before.
    pub(crate) async fn until(&self, condition: impl Fn(&IncrementalState) -> bool) -> IncrementalState {
        loop {
            let state = self.sink.state().await;
            if condition(&state) {
                return state;
            }
            assert!(!self.task.is_finished(), "the capture has ended: {:?}", self.control.status());
            tokio::task::yield_now().await;
        }
    }

    async fn until_status(&self, condition: impl Fn(&CaptureStatus) -> bool) -> CaptureStatus {
        loop {
            let status = self.control.status();
            if condition(&status) {
                return status;
            }
            assert!(!self.task.is_finished(), "the capture has ended: {status:?}");
            tokio::task::yield_now().await;
        }
    }

    async fn signal(&self, kind: &str, data: &str) {
        signal(&self.control, kind, data).await;
    }

    /// Ends it at once.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn signal(control: &Control, kind: &str, data: &str) {
    let signal = SignalRecord { id: String::new(), kind: kind.into(), data: data.into() };
    control.signal(signal).await.unwrap();
}

fn is_ended(state: &IncrementalState) -> bool {
    state.last_signal > 0 && state.requests.is_empty() && state.tables.is_empty()
}

fn without_rows(database: &dyn SignalDatabase, rows: u32) -> CaptureSettings {
    CaptureSettings {
        snapshot_mode: SnapshotMode::NoData,
        incremental_snapshot_chunk_size: rows,
        ..database.settings()
    }
}

/// A sequence of numbers that looks random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Returns the statements of a transaction.
fn changes(numbers: &mut Numbers, next: &mut u64) -> Vec<String> {
    let count = 1 + numbers.below(3);
    let change = |_| {
        let (id, v) = (1 + numbers.below(300), numbers.below(1_000_000));
        *next += 1;
        match numbers.below(8) {
            0 => format!("INSERT INTO big VALUES ({next}, {v})"),
            1 => format!("DELETE FROM big WHERE id = {id}"),
            2 => format!("UPDATE big SET id = {next}, v = {v} WHERE id = {id}"),
            3 => format!("UPDATE big SET v = {v} WHERE id BETWEEN {id} AND {}", id + 5),
            4 => format!("DELETE FROM pair WHERE a = {} AND b = 'it''s {}'", id % 10, id % 15),
            5 => format!("UPDATE pair SET b = 'ü {next}' WHERE a = {} AND b = 'it''s {}'", id % 10, v % 15),
            6 => format!("INSERT INTO pair VALUES ({}, 'n\"{next}', {v})", id % 10),
            _ => format!("UPDATE pair SET v = {v} WHERE a = {}", id % 10),
        }
    };
    (0..count).map(change).collect()
}

pub(crate) async fn create_tables(database: &dyn SignalDatabase) {
    database.execute("CREATE TABLE big (id int PRIMARY KEY, v int NOT NULL)").await;
    database.execute("CREATE TABLE pair (a int, b varchar(40), v int NOT NULL, PRIMARY KEY (a, b))").await;
    let rows: Vec<String> = (1..=300).map(|id| format!("({id}, {id})")).collect();
    database.execute(&format!("INSERT INTO big VALUES {}", rows.join(", "))).await;
    let rows: Vec<String> = (0..150).map(|n| format!("({}, 'it''s {}', {n})", n % 10, n / 10)).collect();
    database.execute(&format!("INSERT INTO pair VALUES {}", rows.join(", "))).await;
}

async fn assert_rebuilt(database: &dyn SignalDatabase, sink: &SharedSink, columns: &str, table: &str) {
    let mut rows = database.rows(&format!("SELECT {columns} FROM {table}")).await;
    rows.sort();
    assert_eq!(sink.rebuilt(table).await, rows, "{table}");
}

/// Reads all tables again by a signal, under load, in captures that are killed after so many chunks, and one
/// that ends. Returns the number of the row that the load would insert next.
pub(crate) async fn read_by_killed_captures(
    database: &dyn SignalDatabase,
    settings: &CaptureSettings,
    (sink, control): (&SharedSink, &Control),
    seed: u64,
    kills: &[u64],
) -> u64 {
    let is_ended_now = AtomicBool::new(false);
    let load = async {
        let (mut numbers, mut next) = (Numbers(seed), 1000);
        while !is_ended_now.load(Ordering::Relaxed) {
            database.transaction(&changes(&mut numbers, &mut next)).await;
        }
        next
    };
    let capture = async {
        let schema = database.schema();
        signal(control, "execute-snapshot", &format!(r#"{{"data-collections": ["{schema}\\..*"]}}"#)).await;
        for chunks in kills {
            let running = Running::start(settings, sink, control);
            running.until(|state| is_ended(state) || state.chunks >= *chunks).await;
            running.kill().await;
        }
        let running = Running::start(settings, sink, control);
        running.until(is_ended).await;
        running.kill().await;
        is_ended_now.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, capture).0
}

/// Rows are read under load by captures that are killed between the chunks; the tables that the events make
/// are the database's.
pub(crate) async fn rows_are_read_again_under_load(database: &dyn SignalDatabase) {
    create_tables(database).await;
    let settings = without_rows(database, 7);
    let (sink, control) = (SharedSink::default(), Control::default());
    catch_up(&settings, &mut sink.clone()).await.unwrap();
    assert!(sink.records("big").await.is_empty());
    let next = read_by_killed_captures(database, &settings, (&sink, &control), 7, &[10, 25, 40]).await;
    assert!(next > 1010, "there was no load");
    catch_up(&settings, &mut sink.clone()).await.unwrap();
    assert_rebuilt(database, &sink, "id, v", "big").await;
    assert_rebuilt(database, &sink, "a, b, v", "pair").await;
    assert!(sink.read_rows("big").await.len() > 100);
}

/// A killed capture goes on with the chunk that was not stored: without changes each row is read once.
pub(crate) async fn progress_survives_a_kill(database: &dyn SignalDatabase) {
    create_tables(database).await;
    let settings = without_rows(database, 20);
    let (sink, control) = (SharedSink::default(), Control::default());
    let table = format!("{}.big", database.schema());
    signal(&control, "execute-snapshot", &format!(r#"{{"data-collections": ["{table}"]}}"#)).await;
    for chunks in [1, 5, 9] {
        let running = Running::start(&settings, &sink, &control);
        let state = running.until(|state| state.chunks >= chunks).await;
        assert!(state.tables.len() == 1, "{state:?}");
        running.kill().await;
    }
    let running = Running::start(&settings, &sink, &control);
    running.until(is_ended).await;
    let status = running.until_status(|status| status.incremental_snapshot.is_none()).await;
    assert_eq!(status.signal_error, None);
    running.kill().await;
    let ids: Vec<i64> = sink.read_rows("big").await.iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=300).collect::<Vec<_>>());
}

/// Snapshots are paused, resumed and stopped, and have conditions.
pub(crate) async fn snapshots_are_steered(database: &dyn SignalDatabase) {
    create_tables(database).await;
    let settings = without_rows(database, 10);
    let (sink, control) = (SharedSink::default(), Control::default());
    let running = Running::start(&settings, &sink, &control);
    let schema = database.schema();
    running.signal("execute-snapshot", &format!(r#"{{"data-collections": ["{schema}.big"]}}"#)).await;
    running.signal("pause-snapshot", "").await;
    let paused = running.until(|state| state.is_paused).await;
    running.until_status(|status| status.incremental_snapshot.as_ref().is_some_and(|s| s.is_paused)).await;
    running.signal("resume-snapshot", "").await;
    running.until(is_ended).await;
    assert!(paused.rows < 300, "{paused:?}");
    assert_eq!(sink.read_rows("big").await.len(), 300);

    let conditions = format!(
        r#"{{"data-collections": ["{schema}.big", "{schema}.pair"], "additional-conditions":
            [{{"data-collection": "{schema}.big", "filter": "id % 3 = 0"}},
             {{"data-collection": "{schema}.pair", "filter": "a = 1 OR a = 2 -- the rest not"}}]}}"#
    );
    let first = running.sink.state().await.last_signal;
    running.signal("execute-snapshot", &conditions).await;
    running.until(|state| state.last_signal > first && is_ended(state)).await;
    assert_eq!(sink.read_rows("big").await.len(), 300 + 100);
    assert_eq!(sink.read_rows("pair").await.len(), 30);

    let first = running.sink.state().await.last_signal;
    running.signal("execute-snapshot", &format!(r#"{{"data-collections": ["{schema}.big"]}}"#)).await;
    running.signal("pause-snapshot", "").await;
    running.signal("stop-snapshot", &format!(r#"{{"data-collections": ["{schema}.big"]}}"#)).await;
    running.until(|state| state.last_signal > first + 2 && is_ended(state)).await;
    // the log is streamed as before
    database.execute("UPDATE big SET v = -1 WHERE id = 5").await;
    while !sink.rebuilt("big").await.contains(&"5|-1".to_owned()) {
        tokio::task::yield_now().await;
    }
    assert!(sink.read_rows("big").await.len() < 700);
    running.kill().await;
}

/// What cannot be read is left out with an error, and the capture goes on.
pub(crate) async fn wrong_signals_are_reported(database: &dyn SignalDatabase) {
    create_tables(database).await;
    database.execute("CREATE TABLE nokey (n int, v int)").await;
    database.execute("INSERT INTO nokey VALUES (1, 1)").await;
    let settings = without_rows(database, 10);
    let (sink, control) = (SharedSink::default(), Control::default());
    let running = Running::start(&settings, &sink, &control);
    let schema = database.schema();
    let condition =
        |table: &str, more: &str| format!(r#"{{"data-collections": ["{schema}.{table}"]{more}}}"#);
    let filter = format!(
        r#", "additional-conditions": [{{"data-collection": "{schema}.pair", "filter": "no such thing"}}]"#
    );
    for (data, expected) in [
        (condition("nokey", ""), "no primary key"),
        (condition("missing", ""), "no captured table matches"),
        (condition("big", r#", "surrogate-key": "x""#), "no column"),
        (condition("pair", &filter), "leaves out table"),
    ] {
        let first = sink.state().await.last_signal;
        running.signal("execute-snapshot", &data).await;
        running.until(|state| state.last_signal > first && is_ended(state)).await;
        let is_expected =
            |status: &CaptureStatus| status.signal_error.as_ref().is_some_and(|e| e.error.contains(expected));
        running.until_status(is_expected).await;
    }
    let error = control.signal(SignalRecord { id: String::new(), kind: "run".into(), data: String::new() });
    assert!(error.await.unwrap_err().to_string().starts_with("type: "));
    running.signal("execute-snapshot", &condition("pair", r#", "surrogate-key": "v""#)).await;
    while sink.read_rows("pair").await.len() < 150 {
        tokio::task::yield_now().await;
    }
    running.kill().await;
}

/// Rows of Debezium's signal table are signals.
pub(crate) async fn signal_table_is_read(database: &dyn SignalDatabase) {
    create_tables(database).await;
    let table =
        "CREATE TABLE signals (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))";
    database.execute(table).await;
    let schema = database.schema();
    let settings = CaptureSettings {
        signal_table: format!("{schema}.signals"),
        tables: vec![format!("{schema}.big")],
        ..without_rows(database, 50)
    };
    let (sink, control) = (SharedSink::default(), Control::default());
    let running = Running::start(&settings, &sink, &control);
    running.until_status(|status| status.state.as_str() == "streaming").await;
    let insert =
        |id: &str, kind: &str, data: &str| format!("INSERT INTO signals VALUES ('{id}', '{kind}', '{data}')");
    let data = format!(r#"{{"data-collections": ["{schema}.big"], "type": "incremental"}}"#);
    // the row is changed in the signal's own transaction
    database
        .transaction(&["UPDATE big SET v = 7 WHERE id = 300".into(), insert("s1", "execute-snapshot", &data)])
        .await;
    while sink.read_rows("big").await.len() < 300 {
        tokio::task::yield_now().await;
    }
    database.execute(&insert("s2", "execute-snapshot", "{}")).await;
    let is_reported = |status: &CaptureStatus| {
        let error = status.signal_error.as_ref().map(|error| error.error.as_str()).unwrap_or_default();
        error.contains("\"s2\"") && error.contains("data.data-collections")
    };
    running.until_status(is_reported).await;
    database.execute(&insert("s3", "log", r#"{"message": "here: {}"}"#)).await;
    while sink.records("signals").await.len() < 3 {
        tokio::task::yield_now().await;
    }
    running.kill().await;
    // a signal that was executed is not executed again
    catch_up(&settings, &mut sink.clone()).await.unwrap();
    assert_eq!(sink.read_rows("big").await.len(), 300);
    assert_rebuilt(database, &sink, "id, v", "big").await;
}

/// The table's columns change between chunks, and another table is dropped before its turn.
pub(crate) async fn table_changes_while_it_is_read(database: &dyn SignalDatabase) {
    create_tables(database).await;
    let settings = without_rows(database, 5);
    let (sink, control) = (SharedSink::default(), Control::default());
    let schema = database.schema();
    let data = format!(r#"{{"data-collections": ["{schema}.big", "{schema}.pair"]}}"#);
    signal(&control, "execute-snapshot", &data).await;
    signal(&control, "pause-snapshot", "").await;
    let running = Running::start(&settings, &sink, &control);
    running.until(|state| state.is_paused).await;
    running.signal("resume-snapshot", "").await;
    running.until(|state| state.chunks >= 3).await;
    database.execute("ALTER TABLE big ADD COLUMN w int DEFAULT 5").await;
    database.execute("UPDATE big SET v = -v WHERE id = 300").await;
    database.execute("DROP TABLE pair").await;
    running.until(is_ended).await;
    let is_reported = |status: &CaptureStatus| {
        let error = status.signal_error.as_ref().map(|error| error.error.as_str()).unwrap_or_default();
        error.contains(&format!("leaves out table {schema}.pair"))
    };
    running.until_status(is_reported).await;
    running.kill().await;
    catch_up(&settings, &mut sink.clone()).await.unwrap();
    let rows = sink.rebuilt("big").await;
    assert_eq!(rows.len(), 300);
    assert!(rows.contains(&"300|-300|5".to_owned()), "{rows:?}");
    let read = sink.read_rows("big").await;
    assert!(read.iter().any(|row| row["w"] == 5) && read.iter().any(|row| row.get("w").is_none()));
}
