//! Large transactions that PostgreSQL sends before they are committed: their events are those of transactions
//! that are sent when they are committed, byte for byte.

use crate::database::{Database, MemorySink, StoredRecord, catch_up};
use crate::postgres_workload::PostgresWorkload;
use async_trait::async_trait;
use kulya_cdc::debezium::Compatibility;
use kulya_cdc::kulya_store::clock::ManualClock;
use kulya_cdc::{Batch, CancellationToken, Capture, CaptureSettings, CdcResult, Checkpoint, Control, Sink};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sets the size from which on transactions are sent in parts to the smallest one.
const SMALL: &str = "?options=-c%20logical_decoding_work_mem%3D64kB";

const TABLES: &str = "CREATE TABLE t (id int PRIMARY KEY, v text)
CREATE TABLE wide (id int PRIMARY KEY, s text, n int)
ALTER TABLE wide ALTER s SET STORAGE EXTERNAL
CREATE TABLE extra (id int PRIMARY KEY, v text NOT NULL)
CREATE TABLE listed (id int PRIMARY KEY, v text)
CREATE TABLE other (id int, v text)
INSERT INTO wide SELECT i, repeat(md5(i::text), 300), i FROM generate_series(1, 40) i";

/// The published tables.
const PUBLISHED: &str = "t, wide, extra";

/// Statements by the number of the session that runs them.
const STATEMENTS: &[(usize, &str)] = &[
    // from here on, the captures have the same last commit
    (0, "INSERT INTO t VALUES (0, 'first')"),
    (0, "BEGIN"),
    (0, "INSERT INTO t SELECT i, repeat('a', 200) FROM generate_series(1, 1000) i"),
    (1, "BEGIN"),
    (1, "INSERT INTO t SELECT i, repeat('b', 200) FROM generate_series(10001, 11000) i"),
    (1, "SAVEPOINT s"),
    (1, "UPDATE t SET v = 'lost' WHERE id BETWEEN 10001 AND 10900"),
    (1, "INSERT INTO t SELECT i, repeat('lost', 50) FROM generate_series(11001, 12000) i"),
    (1, "ROLLBACK TO s"),
    (1, "INSERT INTO t SELECT i, repeat('c', 200) FROM generate_series(11001, 11500) i"),
    (2, "INSERT INTO t VALUES (20001, 'small')"),
    (2, "SELECT pg_logical_emit_message(false, 'p', 'outside')"),
    (0, "SAVEPOINT x"),
    (0, "DELETE FROM t WHERE id BETWEEN 1 AND 500"),
    (0, "SAVEPOINT y"),
    (0, "INSERT INTO t SELECT i, repeat('lost', 50) FROM generate_series(1001, 2000) i"),
    (0, "RELEASE y"),
    (0, "UPDATE t SET v = 'lost too' WHERE id BETWEEN 501 AND 1000"),
    (0, "ROLLBACK TO x"),
    (0, "INSERT INTO t SELECT i, repeat('d', 200) FROM generate_series(1001, 1800) i"),
    (1, "ALTER TABLE extra ADD COLUMN w int DEFAULT 7"),
    (1, "INSERT INTO extra SELECT i, repeat('e', 200), i FROM generate_series(1, 600) i"),
    (1, "ALTER TABLE extra DROP COLUMN v"),
    (1, "INSERT INTO extra SELECT i, i FROM generate_series(601, 2000) i"),
    (0, "COMMIT"),
    (2, "UPDATE t SET v = 'after' WHERE id = 1"),
    (1, "COMMIT"),
    (2, "INSERT INTO extra VALUES (3000, 1)"),
    // rolled back as a whole
    (0, "BEGIN"),
    (0, "INSERT INTO t SELECT i, repeat('lost', 50) FROM generate_series(30001, 32000) i"),
    (0, "ROLLBACK"),
    // in two phases
    (0, "BEGIN"),
    (0, "INSERT INTO t SELECT i, repeat('f', 200) FROM generate_series(40001, 41500) i"),
    (0, "PREPARE TRANSACTION 'kept'"),
    (0, "BEGIN"),
    (0, "INSERT INTO t SELECT i, repeat('lost', 50) FROM generate_series(50001, 51500) i"),
    (0, "PREPARE TRANSACTION 'given up'"),
    (2, "INSERT INTO t VALUES (20002, 'between')"),
    (1, "COMMIT PREPARED 'kept'"),
    (1, "ROLLBACK PREPARED 'given up'"),
    // values that the log does not have
    (0, "BEGIN"),
    (0, "UPDATE wide SET n = n + 1"),
    (0, "UPDATE wide SET s = repeat(md5((id * 2)::text), 300) WHERE id < 20"),
    (0, "UPDATE wide SET n = n + 1, id = id + 100 WHERE id > 10"),
    (0, "COMMIT"),
    // many subtransactions
    (
        0,
        "DO $$ BEGIN FOR i IN 60001..61000 LOOP BEGIN INSERT INTO t VALUES (i, repeat('g', 150)); \
         IF i % 3 = 0 THEN RAISE EXCEPTION 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$",
    ),
    (0, "BEGIN"),
    (0, "INSERT INTO t SELECT i, repeat('h', 200) FROM generate_series(70001, 71000) i"),
    (0, "SELECT pg_logical_emit_message(true, 'p', repeat('m', 500)) FROM generate_series(1, 200)"),
    (0, "TRUNCATE t, extra"),
    (0, "INSERT INTO t SELECT i, repeat('i', 200) FROM generate_series(80001, 81000) i"),
    (0, "COMMIT"),
    // nothing of them is published
    (0, "BEGIN"),
    (0, "INSERT INTO other SELECT i, repeat('o', 200) FROM generate_series(1, 1000) i"),
    (0, "COMMIT"),
    (0, "BEGIN"),
    (0, "INSERT INTO other SELECT i, repeat('o', 200) FROM generate_series(1, 1000) i"),
    (0, "SAVEPOINT s"),
    (0, "INSERT INTO t SELECT i, repeat('lost', 50) FROM generate_series(90001, 91000) i"),
    (0, "ROLLBACK TO s"),
    (0, "INSERT INTO other SELECT i, repeat('o', 200) FROM generate_series(1, 1000) i"),
    (0, "COMMIT"),
    // one is open at the end
    (1, "BEGIN"),
    (1, "INSERT INTO t SELECT i, repeat('j', 200) FROM generate_series(92001, 93000) i"),
    (2, "INSERT INTO t VALUES (20003, 'last')"),
];

fn settings(database: &Database, folder: &Path, is_streaming: bool) -> CaptureSettings {
    let mut settings = database.settings();
    settings.url.push_str(SMALL);
    settings.name = "large".into();
    settings.publication = "large".into();
    settings.transaction_metadata = true;
    settings.streaming = is_streaming;
    settings.spool_folder = Some(folder.to_owned());
    settings
}

/// Runs a capture until everything is stored. The clock differs for each run, because it identifies the run
/// in the log; [`masked`] hides it.
async fn capture(settings: &CaptureSettings, sink: &mut MemorySink) {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let second = 1_700_000_000 + RUNS.fetch_add(1, Ordering::Relaxed);
    let clock = ManualClock::at(Duration::from_secs(second));
    let capture = Capture::from(settings.clone()).clock(clock);
    capture.until_caught_up().run(sink).await.unwrap();
}

/// Hides the times of the capture's clock in a record.
fn masked(record: &StoredRecord) -> StoredRecord {
    let value = record.value.as_ref().map(|value| {
        let mut parts = value.split("170000");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + "T" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
    });
    StoredRecord { value, ..record.clone() }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn streamed_transactions_have_the_same_events() {
    let database = Database::create("cdc_large").await;
    database.script(TABLES).await;
    database.script(&format!("CREATE PUBLICATION large FOR TABLE {PUBLISHED}")).await;
    let folder = tempfile::tempdir().unwrap();
    let mut captures = Vec::new();
    for (number, compat) in [Compatibility::Corrected, Compatibility::Debezium].into_iter().enumerate() {
        for is_streaming in [false, true] {
            let mut settings = settings(&database, folder.path(), is_streaming);
            settings.slot = format!("kulya_large_{number}_{is_streaming}");
            settings.values.compat = compat;
            let mut sink = MemorySink::default();
            capture(&settings, &mut sink).await;
            // rows of the snapshot have its place in the log
            sink.records.clear();
            captures.push((settings, sink));
        }
    }
    let sessions = [database.connect().await, database.connect().await, database.connect().await];
    for (session, sql) in STATEMENTS {
        sessions[*session].batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    for (settings, sink) in &mut captures {
        capture(settings, sink).await;
        // everything is confirmed: nothing is sent again
        let count = sink.records.len();
        capture(settings, sink).await;
        assert_eq!(sink.records.len(), count);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files in the spool");
    for pair in captures.chunks(2) {
        let [(_, plain), (settings, streamed)] = pair else { unreachable!("there are pairs") };
        assert_eq!(plain.records[..3].len(), 3, "the first transaction, with its begin and end");
        assert_same(&plain.records[3..], &streamed.records[3..]);
        assert!(plain.records.len() > 9000 && plain.omitted.is_empty(), "{}", plain.records.len());
        check_streamed(&database, &settings.slot, 8).await;
    }
    database.drop_slots("kulya_large_%").await;
    database.drop_everything().await;
}

/// Checks that a number of transactions has been sent before their commit.
async fn check_streamed(database: &Database, slot: &str, count: i64) {
    let sql = format!("SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = '{slot}'");
    let mut found = 0;
    // old versions collect the figure with a delay
    for _ in 0..1000 {
        found = database.client.query_one(&sql, &[]).await.unwrap().get(0);
        if found >= count {
            return;
        }
    }
    panic!("{found} transactions were sent before their commit");
}

fn assert_same(plain: &[StoredRecord], streamed: &[StoredRecord]) {
    for (index, (plain, streamed)) in plain.iter().zip(streamed).enumerate() {
        assert_eq!(masked(plain), masked(streamed), "record {index}");
    }
    assert_eq!(plain.len(), streamed.len());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn captures_survive_faults_with_streaming() {
    let folder = tempfile::tempdir().unwrap();
    crate::faults::captures_survive_faults(async |seed| {
        let (workload, mut settings) = PostgresWorkload::create(&format!("faults_streaming_{seed}")).await;
        let workload = workload.with_large_transactions().await;
        settings.url.push_str(SMALL);
        settings.tables = vec!["public.acc".into(), "public.hist".into()];
        settings.streaming = true;
        settings.spool_folder = Some(folder.path().to_owned());
        settings.memory = 2 << 20;
        (workload, settings)
    })
    .await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files in the spool");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn unfinished_transactions_are_in_the_status_and_nowhere_after_the_end() {
    let database = Database::create("cdc_spooled").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    let root = tempfile::tempdir().unwrap();
    let mut settings = database.settings();
    settings.url.push_str(SMALL);
    settings.streaming = true;
    settings.spool_folder = Some(root.path().to_owned());
    settings.memory = 2 << 20;
    let (mut sink, stop, control) = (MemorySink::default(), CancellationToken::new(), Control::default());
    catch_up(&settings, &mut sink).await.unwrap();
    let session = database.connect().await;
    let insert = "BEGIN; INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 10000) i";
    session.batch_execute(insert).await.unwrap();
    let capture = Capture::from(settings.clone()).cancelled_by(stop.clone()).controlled_by(control.clone());
    let run = capture.run(&mut sink);
    let check = async {
        // in memory and on disk
        while control.status().spooled_bytes.is_none_or(|bytes| bytes < 5_000_000) {
            tokio::task::yield_now().await;
        }
        assert_eq!(control.status().spooled_transactions, Some(1));
        let folder = std::fs::read_dir(root.path()).unwrap().next().unwrap().unwrap().path();
        assert!(folder.to_str().unwrap().ends_with("-kulya_cdc_spooled"), "{folder:?}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "a file and the lock");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(run, check);
    ended.unwrap();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "files in the spool");
    assert_eq!(sink.records.len(), 0);
    session.batch_execute("COMMIT").await.unwrap();
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(sink.records.len(), 10_000);
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn transactions_are_captured_without_a_spool_that_can_be_written() {
    let database = Database::create("cdc_no_spool").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let mut settings = database.settings();
    settings.url.push_str(SMALL);
    settings.streaming = true;
    settings.spool_folder = Some(file);
    settings.memory = 2 << 20;
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database.script("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 10000) i").await;
    let control = Control::default();
    let capture = Capture::from(settings).until_caught_up().controlled_by(control.clone());
    capture.run(&mut sink).await.unwrap();
    assert_eq!(sink.records.len(), 10_000);
    let status = control.status();
    let error = status.last_error.unwrap().error;
    assert!(status.restarts == 1 && error.contains("spool-folder"), "{error}");
    database.drop_everything().await;
}

/// A sink that keeps nothing but numbers.
#[derive(Default)]
struct CountingSink {
    checkpoint: Option<Checkpoint>,
    /// The size of the largest batch in bytes.
    largest: usize,
    /// The numbers of events and of batches of each commit.
    commits: Vec<(u64, u64)>,
    staged: (u64, u64),
}

#[async_trait]
impl Sink for CountingSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.staged = (0, 0);
        Ok(self.checkpoint.clone())
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.largest = self.largest.max(batch.size());
        self.staged = (self.staged.0 + batch.events(), self.staged.1 + 1);
        Ok(())
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.stage(batch).await?;
        self.commits.push(std::mem::take(&mut self.staged));
        self.checkpoint = Some(checkpoint.clone());
        Ok(())
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn transaction_of_any_size_is_one_commit_of_bounded_batches() {
    const ROWS: u64 = 200_000;
    let database = Database::create("cdc_bounded").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    let folder = tempfile::tempdir().unwrap();
    let run = |is_streaming: bool| CaptureSettings {
        slot: format!("kulya_bounded_{is_streaming}"),
        streaming: is_streaming,
        spool_folder: Some(folder.path().to_owned()),
        memory: if is_streaming { 2 << 20 } else { 16 << 20 },
        ..database.settings()
    };
    let mut sinks = [CountingSink::default(), CountingSink::default()];
    for (sink, is_streaming) in sinks.iter_mut().zip([false, true]) {
        catch_up(&run(is_streaming), sink).await.unwrap();
    }
    let insert = format!("INSERT INTO t SELECT i, 'row '||i FROM generate_series(1, {ROWS}) i");
    database.client.batch_execute(&insert).await.unwrap();
    for (sink, is_streaming) in sinks.iter_mut().zip([false, true]) {
        catch_up(&run(is_streaming), sink).await.unwrap();
        let with_events: Vec<_> = sink.commits.iter().filter(|(events, _)| *events > 0).collect();
        let [(events, batches)] = with_events[..] else { panic!("{with_events:?}") };
        let batch = if is_streaming { 128 << 10 } else { 1 << 20 };
        assert_eq!(*events, ROWS);
        assert!(
            *batches > ROWS * 200 / batch && sink.largest < batch as usize + 2000,
            "{batches} {}",
            sink.largest
        );
    }
    database.drop_slots("kulya_bounded_%").await;
    database.drop_everything().await;
}
