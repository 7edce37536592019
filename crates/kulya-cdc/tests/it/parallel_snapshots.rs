//! Snapshots by several readers, of tables in parts, under load, and killed in the middle of a table: what is
//! captured is the database, and no row comes twice.

use crate::database::{Database, MemorySink, StoredRecord, catch_up};
use async_trait::async_trait;
use kulya_cdc::{Batch, Capture, CaptureSettings, CdcResult, Checkpoint, Sink};
use kulya_testkit::SeededRng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_postgres::Client;

/// The tables of the load: their keys as SQL, and how a row's key follows from a number.
const TABLES: [(&str, &str, &str); 6] = [
    ("by_number", "id bigint PRIMARY KEY", "n"),
    ("by_text", "id text PRIMARY KEY", "'k' || n"),
    ("by_bytes", "id text COLLATE \"C\" PRIMARY KEY", "'k' || n"),
    ("by_uuid", "id uuid PRIMARY KEY", "md5(n::text)::uuid"),
    ("by_decimal", "id numeric PRIMARY KEY", "n / 7::numeric"),
    ("by_time", "id timestamptz PRIMARY KEY", "'2024-01-01'::timestamptz + n * interval '1 hour'"),
];

/// Creates the tables with rows of the numbers from 1, and one with a key of two columns.
async fn create(database: &Database, rows: u32, padding: u32) {
    for (table, key, value) in TABLES {
        let sql = format!(
            "CREATE TABLE {table} ({key}, v int NOT NULL, pad text); \
             ALTER TABLE {table} ALTER pad SET STORAGE PLAIN; INSERT INTO {table} SELECT {value}, n, repeat('x', {padding}) FROM generate_series(1, {rows}) n \
             ORDER BY n % 7, n"
        );
        database.client.batch_execute(&sql).await.unwrap();
    }
    let sql = format!(
        "CREATE TABLE by_pair (v int NOT NULL, pad text, b smallint, id date, PRIMARY KEY (id, b)); \
         ALTER TABLE by_pair ALTER pad SET STORAGE PLAIN; INSERT INTO by_pair SELECT n, repeat('x', {padding}), n % 5, '2024-01-01'::date + n / 5 \
         FROM generate_series(1, {rows}) n; \
         CREATE TABLE without_key (id int, v int NOT NULL, pad text); \
         ALTER TABLE without_key REPLICA IDENTITY FULL; \
         ALTER TABLE without_key ALTER pad SET STORAGE PLAIN; \
         INSERT INTO without_key SELECT n, n, repeat('x', {padding}) FROM generate_series(1, {rows}) n; \
         CREATE TABLE empty (id int PRIMARY KEY, v int NOT NULL)"
    );
    database.client.batch_execute(&sql).await.unwrap();
}

/// Returns the statements of a transaction that changes rows of numbers up to `rows`: also keys, so that rows
/// move from one part of a table to another.
fn transaction(rng: &mut SeededRng, rows: u64, next: &mut u64) -> String {
    let mut statements = Vec::new();
    for _ in 0..1 + rng.u64_below(4) {
        let (table, _, key) = rng.pick(&TABLES);
        let key_of = |number: u64| key.replace('n', &format!("{number}"));
        let key_of = |number: u64| match table {
            // the value's other words have an n too
            "by_time" => format!("'2024-01-01'::timestamptz + {number} * interval '1 hour'"),
            "by_decimal" => format!("{number} / 7::numeric"),
            "by_uuid" => format!("md5('{number}')::uuid"),
            _ => key_of(number),
        };
        let old = 1 + rng.u64_below(rows);
        let value = rng.u64_below(1000);
        *next += 1;
        statements.push(match rng.u64_below(7) {
            0 => format!("DELETE FROM {table} WHERE id = {}", key_of(old)),
            1 => format!("INSERT INTO {table} VALUES ({}, {value}, 'new')", key_of(*next)),
            // from one end of the keys to the other
            2 => format!("UPDATE {table} SET id = {} WHERE id = {}", key_of(*next), key_of(old)),
            3 => format!(
                "DELETE FROM {table} WHERE id = {0}; UPDATE {table} SET id = {0}, v = {value} WHERE id = \
                 (SELECT max(id::text)::{1} FROM {table})",
                key_of(old),
                match table {
                    "by_number" => "bigint",
                    "by_uuid" => "uuid",
                    "by_decimal" => "numeric",
                    "by_time" => "timestamptz",
                    _ => "text",
                }
            ),
            4 => format!("UPDATE by_pair SET id = id + 5000, b = b + 1 WHERE v = {old}"),
            5 => format!("UPDATE without_key SET v = {value} WHERE id = {old}"),
            _ => format!("UPDATE {table} SET v = {value} WHERE id = {}", key_of(old)),
        });
    }
    format!("BEGIN; {}; COMMIT", statements.join("; "))
}

/// Runs transactions one after the other.
async fn load(client: &Client, seed: u64, rows: u64, transactions: u32) {
    let mut rng = SeededRng::new(seed);
    let mut next = seed * 1_000_000 + rows;
    for _ in 0..transactions {
        let sql = transaction(&mut rng, rows, &mut next);
        client.batch_execute(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
}

/// Returns the rows of each table that the records make, as JSON. A row is created once, and changed and
/// deleted only while it is there.
pub(crate) fn rebuild(records: &[StoredRecord]) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for record in records {
        let Some(value) = &record.value else { continue };
        let change: Value = serde_json::from_str(value).unwrap();
        let table = record.topic.rsplit('.').next().unwrap().to_owned();
        let row = |image: &str| Some(&change[image]).filter(|row| !row.is_null()).map(row_text);
        // rows without a key are known by their content
        let key = |image: &str| record.key.clone().unwrap_or_else(|| row(image).unwrap_or_default());
        let rows = tables.entry(table).or_default();
        let operation = change["op"].as_str().unwrap();
        let has_key = record.key.is_some();
        if operation == "d" || operation == "u" {
            let removed = rows.get_mut(&key("before")).and_then(Vec::pop);
            assert!(removed.is_some(), "{operation} of a row that is not there: {value}");
        }
        if operation != "d" {
            let rows = rows.entry(key("after")).or_default();
            assert!(!has_key || rows.is_empty(), "{operation} of a row that is there: {value}");
            rows.push(row("after").unwrap());
        }
    }
    let mut sorted = BTreeMap::new();
    for (table, rows) in tables {
        let mut rows: Vec<String> = rows.into_values().flatten().collect();
        rows.sort();
        sorted.insert(table, rows);
    }
    sorted
}

/// Returns a row as text, without its padding.
fn row_text(row: &Value) -> String {
    let mut row = row.as_object().unwrap().clone();
    let padding = row.remove("pad").map(|pad| pad.as_str().unwrap_or_default().len());
    let row: BTreeMap<String, Value> = row.into_iter().collect();
    format!("{} {padding:?}", serde_json::to_string(&row).unwrap())
}

/// Compares what was captured with the database, by a second capture that has never been interrupted.
async fn assert_is_database(database: &Database, records: &[StoredRecord]) {
    let other = CaptureSettings {
        slot: format!("kulya_{}_other", database.name),
        publication: format!("kulya_{}", database.name),
        ..database.settings()
    };
    let mut sink = MemorySink::default();
    catch_up(&other, &mut sink).await.unwrap();
    let drop_slot = format!("SELECT pg_drop_replication_slot('{}')", other.slot);
    // the server may not have noticed the end of its client
    let terminate = format!(
        "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots \
         WHERE slot_name = '{}' AND active_pid IS NOT NULL",
        other.slot
    );
    database.client.batch_execute(&terminate).await.unwrap();
    database.client.batch_execute(&drop_slot).await.unwrap();
    let (found, expected) = (rebuild(records), rebuild(&sink.records));
    for (table, rows) in &expected {
        let count = database.client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
        assert_eq!(rows.len() as i64, count.get::<_, i64>(0), "{table}");
        let found = found.get(table).map(Vec::as_slice).unwrap_or_default();
        let differs = found.iter().zip(rows).find(|(found, expected)| found != expected);
        assert!(found.len() == rows.len() && differs.is_none(), "{table}: {differs:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn snapshots_under_load_are_the_database() {
    for readers in [1, 4] {
        let database = Database::create(&format!("snapshot_load_{readers}")).await;
        create(&database, 6000, 300).await;
        let settings =
            CaptureSettings { snapshot_readers: readers, snapshot_chunk_rows: 700, ..database.settings() };
        let mut sink = MemorySink::default();
        let other = database.connect().await;
        let (result, ()) =
            tokio::join!(catch_up(&settings, &mut sink), load(&other, u64::from(readers), 6000, 400));
        result.unwrap();
        catch_up(&settings, &mut sink).await.unwrap();
        let marks = sink.records.iter().filter_map(|record| {
            let value: Value = serde_json::from_str(record.value.as_deref()?).unwrap();
            value["source"]["snapshot"].as_str().map(str::to_owned)
        });
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        marks.for_each(|mark| *counts.entry(mark).or_default() += 1);
        let count = |mark: &str| counts.get(mark).copied().unwrap_or_default();
        // eight tables with rows, and the first one
        assert_eq!([count("first"), count("first_in_data_collection")], [1, 7], "{counts:?}");
        assert_eq!([count("last"), count("last_in_data_collection")], [1, 7], "{counts:?}");
        assert_is_database(&database, &sink.records).await;
        database.drop_everything().await;
    }
}

/// A sink whose process is killed at a commit, before or after it is stored.
struct KilledSink {
    memory: MemorySink,
    commits_left: u64,
    is_killed_after: bool,
    killed: Arc<Notify>,
}

impl KilledSink {
    async fn die(&self) -> CdcResult<()> {
        self.killed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Sink for KilledSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.memory.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.memory.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        let is_killed = self.commits_left == 0;
        self.commits_left = self.commits_left.wrapping_sub(1);
        if is_killed && !self.is_killed_after {
            return self.die().await;
        }
        self.memory.commit(batch, checkpoint).await?;
        if is_killed { self.die().await } else { Ok(()) }
    }
}

/// Captures until the process is killed. Returns the sink, and whether it was killed.
pub(crate) async fn run_until_killed(
    settings: &CaptureSettings,
    memory: MemorySink,
    commits_left: u64,
    is_killed_after: bool,
) -> (MemorySink, bool) {
    let killed = Arc::new(Notify::new());
    let mut sink = KilledSink { memory, commits_left, is_killed_after, killed: Arc::clone(&killed) };
    let is_killed = tokio::select! {
        result = Capture::from(settings.clone()).until_caught_up().run(&mut sink) => {
            result.unwrap();
            false
        }
        () = killed.notified() => true,
    };
    (sink.memory, is_killed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn snapshots_killed_within_a_table_go_on_there() {
    for readers in [1, 3] {
        let database = Database::create(&format!("snapshot_killed_{readers}")).await;
        // a commit has at most 16 MiB of events, and a table more
        create(&database, 6000, 3000).await;
        let settings =
            CaptureSettings { snapshot_readers: readers, snapshot_chunk_rows: 1000, ..database.settings() };
        let (mut sink, mut rng) = (MemorySink::default(), SeededRng::new(u64::from(readers)));
        let (mut kills, mut within_tables) = (0, 0);
        loop {
            let is_killed_after = rng.u64_below(2) == 0;
            let other = database.connect().await;
            let load = load(&other, 10 + kills, 6000, 40);
            let ((stored, is_killed), ()) =
                tokio::join!(run_until_killed(&settings, sink, 1 + rng.u64_below(3), is_killed_after), load);
            sink = stored;
            if !is_killed {
                break;
            }
            kills += 1;
            within_tables += u32::from(has_partial_tables(&mut sink).await);
        }
        catch_up(&settings, &mut sink).await.unwrap();
        assert!(kills > 3 && within_tables > 0, "{kills} {within_tables}");
        assert_is_database(&database, &sink.records).await;
        // most rows come from the snapshot, once
        let reads = sink
            .records
            .iter()
            .filter(|record| record.value.as_ref().is_some_and(|v| v.contains("\"op\":\"r\"")));
        assert!(reads.count() > 7 * 6000, "rows were read from the log");
        database.drop_everything().await;
    }
}

/// Whether the stored position has a table of which a part is read.
pub(crate) async fn has_partial_tables(sink: &mut MemorySink) -> bool {
    let Some(checkpoint) = sink.position().await.unwrap() else { return false };
    let position = serde_json::to_value(&checkpoint.position).unwrap();
    let tables = position["snapshot_reads"]["progress"]["tables"].as_array().cloned().unwrap_or_default();
    tables.iter().any(|table| table["ranges"].to_string().contains("\"to\""))
}

/// A sink that counts the bytes of what it stores with the records.
#[derive(Default)]
struct CountingSink {
    memory: MemorySink,
    commits: usize,
    position_bytes: usize,
    history_bytes: usize,
}

#[async_trait]
impl Sink for CountingSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.memory.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.memory.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.commits += 1;
        self.position_bytes += serde_json::to_string(&checkpoint.position).unwrap().len();
        self.history_bytes += checkpoint.history.as_ref().map_or(0, |history| history.len());
        self.memory.commit(batch, checkpoint).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn positions_stay_small_with_many_tables() {
    let database = Database::create("snapshot_many").await;
    for group in 0..20 {
        let sql = format!(
            "DO $$ BEGIN FOR i IN {}..{} LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY)', i); \
             EXECUTE format('INSERT INTO t%s VALUES (%s)', i, i); END LOOP; END $$",
            group * 100,
            group * 100 + 99
        );
        database.client.batch_execute(&sql).await.unwrap();
    }
    // an own publication is for all tables, so that positions have no list of them
    let settings = CaptureSettings { snapshot_readers: 4, ..database.settings() };
    let mut sink = CountingSink::default();
    let capture = Capture::from(CaptureSettings {
        snapshot_mode: kulya_cdc::SnapshotMode::InitialOnly,
        ..settings.clone()
    });
    capture.run(&mut sink).await.unwrap();
    assert_eq!(sink.memory.records.len(), 2000);
    assert!(sink.commits >= 2000);
    // also with the transactions of other tests in the cut; all tables by name would be ten times as much
    assert!(sink.position_bytes < sink.commits * 3000, "{}", sink.position_bytes);
    assert!(sink.history_bytes < 2000 * 30, "{}", sink.history_bytes);
    database.client.batch_execute("UPDATE t7 SET id = -7; INSERT INTO t1999 VALUES (1)").await.unwrap();
    sink.memory.records.clear();
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(sink.memory.records.iter().filter(|record| record.value.is_some()).count(), 3);
    database.drop_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn wide_rows_come_once_by_several_readers() {
    let database = Database::create("snapshot_wide").await;
    for table in ["a", "b", "c"] {
        let sql = format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, pad text); ALTER TABLE {table} ALTER pad SET STORAGE EXTERNAL; \
             INSERT INTO {table} SELECT n, repeat('x', CASE WHEN n % 3 = 0 THEN 3000000 ELSE 3000 END) \
             FROM generate_series(1, 30) n; \
             CREATE TABLE {table}_without_key AS SELECT * FROM {table}"
        );
        database.client.batch_execute(&sql).await.unwrap();
    }
    let settings = CaptureSettings { snapshot_readers: 4, snapshot_chunk_rows: 4, ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    let rows = rebuild(&sink.records);
    assert_eq!(rows.len(), 6);
    for (table, rows) in rows {
        let expected = rows.iter().filter(|row| row.ends_with(" Some(3000000)")).count();
        assert_eq!((rows.len(), expected), (30, 10), "{table}");
    }
    database.drop_everything().await;
}
