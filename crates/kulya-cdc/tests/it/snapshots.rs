//! Snapshots: modes, and interrupted ones.

use crate::database::{Database, MemorySink, StoredRecord, catch_up};
use async_trait::async_trait;
use kulya_cdc::{Batch, Capture, CdcError, CdcErrorKind, CdcResult, Checkpoint, Control, Sink, SnapshotMode};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The table, operation and row of each record with a value.
fn rows(records: &[StoredRecord]) -> Vec<String> {
    let with_value = records.iter().filter_map(|record| Some((record, record.value.as_ref()?)));
    let rows = with_value.map(|(record, value)| {
        let value: Value = serde_json::from_str(value).unwrap();
        let table = record.topic.rsplit('.').next().unwrap();
        format!(
            "{table} {} {} {}",
            value["op"].as_str().unwrap(),
            value["after"]["id"],
            value["source"]["snapshot"]
        )
    });
    rows.collect()
}

/// A sink whose commits fail after a number of them, until it is mended.
struct FailingSink {
    memory: MemorySink,
    commits_left: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink for FailingSink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.memory.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.memory.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        if self.commits_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(CdcError::new(CdcErrorKind::Store, "the disk is full"));
        }
        self.memory.commit(batch, checkpoint).await
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn interrupted_snapshot_goes_on_with_the_tables_that_it_has_not_read() {
    let database = Database::create("snapshot_interrupted").await;
    for table in ["a", "b", "c"] {
        let sql = format!("CREATE TABLE {table} (id int PRIMARY KEY); INSERT INTO {table} VALUES (1), (2)");
        database.client.batch_execute(&sql).await.unwrap();
    }
    let settings = database.settings();
    // the tables a and b are stored
    let commits_left = Arc::new(AtomicUsize::new(2));
    let mut sink = FailingSink { memory: MemorySink::default(), commits_left: Arc::clone(&commits_left) };
    let error = catch_up(&settings, &mut sink).await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    let changes =
        "UPDATE a SET id = 3 WHERE id = 1; INSERT INTO b VALUES (3); UPDATE c SET id = 3 WHERE id = 1";
    database.client.batch_execute(changes).await.unwrap();
    commits_left.store(1000, Ordering::Relaxed);
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(
        rows(&sink.memory.records),
        [
            "a r 1 \"first\"",
            "a r 2 \"last_in_data_collection\"",
            "b r 1 \"first_in_data_collection\"",
            "b r 2 \"last_in_data_collection\"",
            // the second run reads c alone, with the change
            "c r 2 \"first\"",
            "c r 3 \"last\"",
            "a d null \"false\"",
            "a c 3 \"false\"",
            "b c 3 \"false\"",
        ]
    );
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn modes_decide_whether_rows_are_read() {
    let database = Database::create("snapshot_modes").await;
    database
        .client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let mut settings = database.settings();

    settings.snapshot_mode = SnapshotMode::InitialOnly;
    let mut sink = MemorySink::default();
    // ends by itself
    Capture::from(settings.clone()).run(&mut sink).await.unwrap();
    database.client.batch_execute("INSERT INTO t VALUES (2)").await.unwrap();
    Capture::from(settings.clone()).run(&mut sink).await.unwrap();
    assert_eq!(rows(&sink.records), ["t r 1 \"last\""]);

    // the stored position goes on in another mode
    settings.snapshot_mode = SnapshotMode::WhenNeeded;
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(rows(&sink.records), ["t r 1 \"last\"", "t c 2 \"false\""]);
    database.drop_slot().await;
    database.client.batch_execute("INSERT INTO t VALUES (3)").await.unwrap();
    sink.records.clear();
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(rows(&sink.records), ["t r 1 \"first\"", "t r 2 \"true\"", "t r 3 \"last\""]);
    database.drop_slot().await;
    settings.snapshot_mode = SnapshotMode::Initial;
    let error = catch_up(&settings, &mut sink).await.unwrap_err();
    assert_eq!(error.kind(), CdcErrorKind::Position, "{error}");

    settings.snapshot_mode = SnapshotMode::NoData;
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database.client.batch_execute("INSERT INTO t VALUES (4)").await.unwrap();
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(rows(&sink.records), ["t c 4 \"false\""]);
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn rows_larger_than_an_event_are_left_out_with_their_key() {
    let database = Database::create("snapshot_large").await;
    let large = "repeat('x', 20000000)";
    let sql = format!(
        "CREATE TABLE t (id int PRIMARY KEY, b text, n int); ALTER TABLE t ALTER b SET STORAGE EXTERNAL; \
         INSERT INTO t VALUES (1, 'a'), (2, {large}), (3, repeat('y', 9000000)), (4, 'd')"
    );
    database.client.batch_execute(&sql).await.unwrap();
    let settings = database.settings();
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(rows(&sink.records), ["t r 1 \"first\"", "t r 4 \"last\""]);
    assert_eq!(sink.omitted, ["snapshot_large.public.t {\"id\":2}", "snapshot_large.public.t {\"id\":3}"]);
    sink.records.clear();
    sink.omitted.clear();
    let changes = format!(
        "INSERT INTO t VALUES (5, {large}); INSERT INTO t VALUES (6, 'f'); UPDATE t SET b = {large} WHERE id = 1; \
         UPDATE t SET n = 1 WHERE id = 2; DELETE FROM t WHERE id = 2; DELETE FROM t WHERE id = 5; \
         SELECT pg_logical_emit_message(true, 'm', {large})"
    );
    database.client.batch_execute(&changes).await.unwrap();
    catch_up(&settings, &mut sink).await.unwrap();
    // unchanged TOAST values are not in the log
    assert_eq!(
        rows(&sink.records),
        ["t c 6 \"false\"", "t u 2 \"false\"", "t d null \"false\"", "t d null \"false\""]
    );
    assert_eq!(
        sink.omitted,
        [
            "snapshot_large.public.t {\"id\":5}",
            "snapshot_large.public.t {\"id\":1}",
            "snapshot_large.message "
        ]
    );
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn dropped_publication_is_named_and_can_be_overcome() {
    let database = Database::create("snapshot_publication").await;
    let sql = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)";
    database.client.batch_execute(sql).await.unwrap();
    let mut settings = database.settings();
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    for sql in ["DROP PUBLICATION kulya_snapshot_publication", "INSERT INTO t VALUES (2)"] {
        database.client.batch_execute(sql).await.unwrap();
    }
    let error = catch_up(&settings, &mut sink).await.unwrap_err();
    assert_eq!(error.kind(), CdcErrorKind::Position);
    assert!(error.to_string().contains("when_needed"), "{error}");
    settings.snapshot_mode = SnapshotMode::WhenNeeded;
    sink.records.clear();
    catch_up(&settings, &mut sink).await.unwrap();
    database.client.batch_execute("INSERT INTO t VALUES (3)").await.unwrap();
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(rows(&sink.records), ["t r 1 \"first\"", "t r 2 \"last\"", "t c 3 \"false\""]);
    database.drop_everything().await;
}

/// A sink that runs a statement at its first write, and goes on when the statement waits for a lock.
struct StatementAtFirstWrite {
    memory: MemorySink,
    client: Arc<tokio_postgres::Client>,
    statement: &'static str,
    running: Option<tokio::task::JoinHandle<()>>,
}

impl StatementAtFirstWrite {
    async fn before_write(&mut self) {
        if self.running.is_some() {
            return;
        }
        let (client, statement) = (Arc::clone(&self.client), self.statement);
        let process: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
        let (observer, connection) = {
            let url = crate::database::server("KULYA_TEST_POSTGRES");
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap()
        };
        tokio::spawn(connection);
        // a deadlock would not end without the limit
        client.batch_execute("SET lock_timeout = '60s'").await.unwrap();
        self.running = Some(tokio::spawn(async move { client.batch_execute(statement).await.unwrap() }));
        let waits = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted";
        while observer.query_one(waits, &[&process]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Sink for StatementAtFirstWrite {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.memory.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.before_write().await;
        self.memory.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        self.before_write().await;
        self.memory.commit(batch, checkpoint).await
    }
}

/// A statement that waits for a table of the snapshot, which holds its lock, makes the readers wait in turn.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn statements_that_wait_for_a_snapshot_run_between_its_parts() {
    for (index, (statement, expected)) in [
        ("ALTER TABLE zb DROP COLUMN a", [r#"{"id":1,"b":100}"#, r#"{"id":2,"b":200}"#].as_slice()),
        (
            "ALTER TABLE zb ALTER COLUMN a TYPE bigint",
            &[r#"{"id":1,"a":10,"b":100}"#, r#"{"id":2,"a":20,"b":200}"#],
        ),
        ("DROP TABLE zb", &[]),
        ("ALTER TABLE zb RENAME TO zc", &[r#"{"id":1,"a":10,"b":100}"#, r#"{"id":2,"a":20,"b":200}"#]),
    ]
    .into_iter()
    .enumerate()
    {
        let database = Database::create(&format!("snapshot_ddl_{index}")).await;
        let tables = "CREATE TABLE a_large (id int PRIMARY KEY, pad text); \
                      INSERT INTO a_large SELECT n, repeat('x', 500) FROM generate_series(1, 40000) n; \
                      CREATE TABLE zb (id int PRIMARY KEY, a int, b int); \
                      INSERT INTO zb VALUES (1, 10, 100), (2, 20, 200)";
        database.client.batch_execute(tables).await.unwrap();
        let client = Arc::new(database.connect().await);
        let memory = MemorySink::default();
        let mut sink = StatementAtFirstWrite { memory, client, statement, running: None };
        catch_up(&database.settings(), &mut sink).await.unwrap();
        sink.running.unwrap().await.unwrap();
        let (mut large, mut others) = (std::collections::BTreeSet::new(), Vec::new());
        for record in sink.memory.records.iter().filter(|record| record.value.is_some()) {
            let value: Value = serde_json::from_str(record.value.as_ref().unwrap()).unwrap();
            if record.topic.ends_with(".a_large") {
                assert!(large.insert(value["after"]["id"].as_i64().unwrap()), "{statement}: {value}");
            } else {
                others.push(value["after"].to_string());
            }
        }
        assert_eq!(large.len(), 40_000, "{statement}");
        let expected: Vec<Value> = expected.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
        let others: Vec<Value> = others.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
        assert_eq!(others, expected, "{statement}");
        database.drop_everything().await;
    }
}

/// A snapshot may take any time, whatever limits the server has for the sessions of others.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn limits_of_time_do_not_end_a_snapshot() {
    let database = Database::create("cdc_time_limits").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY)\nINSERT INTO t VALUES (1)").await;
    // as an interrupted run leaves it: the creation of a slot would wait for the lock's transaction
    database.script("SELECT pg_create_logical_replication_slot('kulya_cdc_time_limits', 'pgoutput')").await;
    let observer = database.connect().await;
    let limits = "SELECT string_agg(format('ALTER DATABASE cdc_time_limits SET %I = 300', name), '; ') \
                  FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout', \
                  'idle_in_transaction_session_timeout', 'idle_session_timeout')";
    let limits: String = observer.query_one(limits, &[]).await.unwrap().get(0);
    observer.batch_execute(&limits).await.unwrap();
    database.script("BEGIN\nLOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let (settings, control) = (database.settings(), Control::default());
    let capture = Capture::from(settings).controlled_by(control.clone()).until_caught_up();
    let capture = tokio::spawn(async move {
        let mut sink = MemorySink::default();
        capture.run(&mut sink).await.map(|()| sink)
    });
    let waits = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessShareLock' \
                 AND NOT granted";
    while observer.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!capture.is_finished());
        tokio::task::yield_now().await;
    }
    // the limits have passed
    observer.batch_execute("SELECT pg_sleep(0.9)").await.unwrap();
    database.script("COMMIT").await;
    let sink = capture.await.unwrap().unwrap();
    assert_eq!(rows(&sink.records), ["t r 1 \"last\""]);
    assert_eq!(control.status().last_error, None);
    database.drop_everything().await;
}
