//! Capture of MariaDB and MySQL: the cases of both products.

use crate::binlog_server::{LOG, Server};
use crate::database::{MemorySink, StoredRecord, catch_up};
use crate::failing_sink::FailingSink;
use kulya_cdc::mysql::connection::Connection;
use kulya_cdc::{CancellationToken, Capture, CaptureSettings, CdcErrorKind, Progress};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs the statements of a text in one session.
pub(crate) async fn script(connection: &mut Connection, text: &str) {
    for sql in statements(text) {
        connection.query(&sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
}

/// Splits a text at semicolons outside of quotes; comments begin with `--` and a space.
fn statements(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines() {
        let (mut quote, mut is_escaped) = (None, false);
        let mut rest = line;
        while let Some(character) = rest.chars().next() {
            if quote.is_none() && rest.starts_with("-- ") {
                break;
            }
            let tail = &rest[character.len_utf8()..];
            match (quote, character) {
                (None, ';') => found.push(String::new()),
                (None, '\'' | '`') => quote = Some(character),
                (Some(open), _) if open == character && !is_escaped => quote = None,
                _ => {}
            }
            is_escaped = character == '\\' && !is_escaped && quote.is_some();
            if !(quote.is_none() && character == ';') {
                found.last_mut().unwrap().push(character);
            }
            rest = tail;
        }
        found.last_mut().unwrap().push('\n');
    }
    found.into_iter().map(|sql| sql.trim().to_owned()).filter(|sql| !sql.is_empty()).collect()
}

/// The settings of a capture of a database's tables.
pub(crate) fn settings(server: Server, database: &str) -> CaptureSettings {
    CaptureSettings {
        url: server.url(),
        name: database.to_owned(),
        tables: vec![format!("{database}.*")],
        ..CaptureSettings::default()
    }
}

/// Creates a database, empty.
pub(crate) async fn create(server: Server, database: &str) -> Connection {
    server
        .run(&[
            &format!("DROP DATABASE IF EXISTS {database}"),
            &format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"),
        ])
        .await;
    reconnect(server, database).await
}

/// Opens a session in a database.
pub(crate) async fn reconnect(server: Server, database: &str) -> Connection {
    let mut admin = server.admin().await;
    script(&mut admin, &format!("USE {database}; SET NAMES utf8mb4")).await;
    admin
}

/// The rows of a table as its events tell: the row by key.
fn table(records: &[StoredRecord], topic: &str) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    for record in records.iter().filter(|record| record.topic == topic) {
        let (Some(key), Some(value)) = (&record.key, &record.value) else { continue };
        let value: Value = serde_json::from_str(value).unwrap();
        match &value["after"] {
            Value::Null => {
                assert!(rows.remove(key).is_some(), "{key} is deleted without being there");
            }
            after => {
                let before = rows.insert(key.clone(), after.clone());
                let is_new = matches!(value["op"].as_str(), Some("c" | "r"));
                assert_eq!(before.is_none(), is_new, "{} of {key}", value["op"]);
                if !is_new {
                    assert_eq!(before.as_ref(), Some(&value["before"]), "{key}");
                }
            }
        }
    }
    rows
}

/// The rows of `t (id, v)` as the server has them.
async fn rows_of(server: Server, database: &str) -> BTreeMap<String, Value> {
    let rows = server.admin().await.query(&format!("SELECT id, v FROM {database}.t")).await.unwrap().rows;
    let row = |row: Vec<Option<String>>| {
        let id: i64 = row[0].as_ref().unwrap().parse().unwrap();
        let v: i64 = row[1].as_ref().unwrap().parse().unwrap();
        (json!({ "id": id }).to_string(), json!({ "id": id, "v": v }))
    };
    rows.into_iter().map(row).collect()
}

/// Creates a table `t (id, v)` with rows.
async fn create_t(server: Server, database: &str, rows: u32) -> Connection {
    let mut session = create(server, database).await;
    script(&mut session, "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL)").await;
    let values: Vec<String> = (0..rows).map(|id| format!("({id}, 100)")).collect();
    if !values.is_empty() {
        script(&mut session, &format!("INSERT INTO t VALUES {}", values.join(", "))).await;
    }
    session
}

/// Moves amounts between rows, inserts and deletes, until it is stopped; each writer has rows of its own.
async fn write_until(server: Server, database: &'static str, writer: u32, stop: CancellationToken) -> u32 {
    let mut session = server.admin().await;
    script(&mut session, &format!("USE {database}")).await;
    let mut rounds = 0;
    while !stop.is_cancelled() {
        let (from, to, new) = (writer * 10, writer * 10 + 1 + rounds % 9, 1000 + writer * 100_000 + rounds);
        let end = if rounds % 7 == 3 { "ROLLBACK" } else { "COMMIT" };
        script(
            &mut session,
            &format!(
                "BEGIN; UPDATE t SET v = v - 1 WHERE id = {from}; UPDATE t SET v = v + 1 WHERE id = {to}; \
                 INSERT INTO t VALUES ({new}, {rounds}); DELETE FROM t WHERE id = {new} - 3; {end}"
            ),
        )
        .await;
        rounds += 1;
    }
    rounds
}

/// A snapshot and the log after it give each row exactly as it was before each of its changes.
pub(crate) async fn a_snapshot_under_load_is_exact(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    drop(create_t(server, database, 40).await);
    let stop = CancellationToken::new();
    let writers: Vec<_> =
        (0..4).map(|writer| tokio::spawn(write_until(server, database, writer, stop.clone()))).collect();
    let settings = settings(server, database);
    let mut sinks = Vec::new();
    for _ in 0..10 {
        let mut sink = MemorySink::default();
        catch_up(&settings, &mut sink).await.unwrap();
        sinks.push(sink);
    }
    stop.cancel();
    for writer in writers {
        assert!(writer.await.unwrap() > 0);
    }
    let expected = rows_of(server, database).await;
    for mut sink in sinks {
        catch_up(&settings, &mut sink).await.unwrap();
        assert_eq!(table(&sink.records, &format!("{database}.{database}.t")), expected);
    }
}

/// A run that fails at any of its writes to the sink loses and repeats nothing.
pub(crate) async fn a_run_that_fails_is_continued(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create_t(server, database, 40).await;
    let settings = CaptureSettings { transaction_metadata: true, ..settings(server, database) };
    let mut sink = FailingSink::default();
    let mut failures = 0;
    for round in 0..4 {
        // a transaction of several batches, and small ones behind it
        let values: Vec<String> =
            (0..4000).map(|id| format!("({}, {round})", 1000 + round * 10_000 + id)).collect();
        script(&mut session, &format!("BEGIN; INSERT INTO t VALUES {}", values.join(", "))).await;
        script(&mut session, "DELETE FROM t WHERE id % 10 = 5; UPDATE t SET v = v + 1; COMMIT").await;
        for id in 0..20 {
            script(&mut session, &format!("UPDATE t SET v = v + {id} WHERE id < 20")).await;
        }
        for writes in [0, 1, 2, 4, usize::MAX] {
            sink.writes_left = writes;
            match catch_up(&settings, &mut sink).await {
                Ok(()) => break,
                Err(error) => assert_eq!(error.kind(), CdcErrorKind::Store, "{error}"),
            }
            failures += 1;
        }
    }
    assert!(failures > 10, "{failures}");
    let records = &sink.sink.records;
    assert_eq!(table(records, &format!("{database}.{database}.t")), rows_of(server, database).await);
    // each transaction begins and ends once, with as many events as its end says
    let mut open = None;
    for record in records.iter() {
        let Some(value) = &record.value else { continue };
        let value: Value = serde_json::from_str(value).unwrap();
        match (&value["status"], &value["transaction"]["total_order"]) {
            (Value::String(status), _) if status == "BEGIN" => assert_eq!(open.replace(0), None),
            (Value::String(_), _) => {
                assert_eq!(open.take().map(Value::from).as_ref(), Some(&value["event_count"]))
            }
            (_, Value::Number(order)) => {
                let count = open.as_mut().unwrap();
                *count += 1;
                assert_eq!(order.as_u64(), Some(*count));
            }
            _ => {}
        }
    }
}

/// Tables that the settings name later are read then, and their earlier changes are passed over.
pub(crate) async fn added_tables_are_read_once(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create_t(server, database, 10).await;
    script(&mut session, "CREATE TABLE u (id INT PRIMARY KEY); INSERT INTO u VALUES (1)").await;
    let only_u = CaptureSettings { tables: vec![format!("{database}.u")], ..settings(server, database) };
    let mut sink = MemorySink::default();
    catch_up(&only_u, &mut sink).await.unwrap();
    assert_eq!(sink.records.len(), 1);
    // the log has changes of `t` in a former form
    script(
        &mut session,
        "UPDATE t SET v = 1; ALTER TABLE t DROP COLUMN v; INSERT INTO t VALUES (77); \
         ALTER TABLE t ADD COLUMN v BIGINT NOT NULL DEFAULT 5; UPDATE t SET v = 6; INSERT INTO u VALUES (2)",
    )
    .await;
    let both = settings(server, database);
    catch_up(&both, &mut sink).await.unwrap();
    script(&mut session, "UPDATE t SET v = 7 WHERE id < 3; DELETE FROM t WHERE id = 77").await;
    catch_up(&both, &mut sink).await.unwrap();
    let topic = format!("{database}.{database}.t");
    assert_eq!(table(&sink.records, &topic), rows_of(server, database).await);
    let ops: Vec<String> =
        sink.records.iter().filter(|record| record.topic == topic).filter_map(op).collect();
    assert_eq!(ops.concat(), format!("{}uuud", "r".repeat(11)));
    assert_eq!(table(&sink.records, &format!("{database}.{database}.u")).len(), 2);
}

fn op(record: &StoredRecord) -> Option<String> {
    let value: Value = serde_json::from_str(record.value.as_ref()?).unwrap();
    value["op"].as_str().map(str::to_owned)
}

/// A migration that copies a table and swaps the names in one statement.
pub(crate) async fn a_table_that_is_swapped_keeps_its_stream(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create_t(server, database, 2).await;
    let only_t = CaptureSettings { tables: vec![format!("{database}.t")], ..settings(server, database) };
    let mut sink = MemorySink::default();
    catch_up(&only_t, &mut sink).await.unwrap();
    script(
        &mut session,
        "CREATE TABLE _t_gho LIKE t; ALTER TABLE _t_gho ADD COLUMN c VARCHAR(9) FIRST, DROP COLUMN v; \
         INSERT INTO _t_gho (id, c) SELECT id, v FROM t; INSERT INTO t VALUES (8, 8); \
         RENAME TABLE t TO _t_del, _t_gho TO t; INSERT INTO t VALUES ('x', 9); DROP TABLE _t_del",
    )
    .await;
    catch_up(&only_t, &mut sink).await.unwrap();
    let after: Vec<Value> = sink
        .records
        .iter()
        .map(|record| {
            assert_eq!(record.topic, format!("{database}.{database}.t"));
            serde_json::from_str::<Value>(record.value.as_ref().unwrap()).unwrap()["after"].take()
        })
        .collect();
    assert_eq!(
        after,
        [
            json!({"id": 0, "v": 100}),
            json!({"id": 1, "v": 100}),
            json!({"id": 8, "v": 8}),
            json!({"c": "x", "id": 9})
        ]
    );
}

/// What would lose changes ends the capture with what to do.
pub(crate) async fn what_cannot_be_captured_is_named(server: Server, database: &'static str) {
    // changes as statements end each capture of the server
    let _log = LOG.write().await;
    let mut session = create_t(server, database, 1).await;
    script(&mut session, "CREATE TABLE old (id INT PRIMARY KEY) ENGINE = MyISAM").await;
    let all = settings(server, database);
    let mut sink = MemorySink::default();
    let error = catch_up(&all, &mut sink).await.unwrap_err();
    assert_eq!(error.kind(), CdcErrorKind::Configuration);
    let expected = format!("run ALTER TABLE `{database}`.`old` ENGINE = InnoDB, or exclude");
    assert!(error.to_string().contains(&expected), "{error}");
    script(&mut session, "ALTER TABLE old ENGINE = InnoDB").await;

    for (statements, expected) in [
        (
            "SET SESSION binlog_format = STATEMENT; INSERT INTO t VALUES (7, 7); SET SESSION binlog_format = ROW",
            "INSERT INTO t VALUES (7, 7)",
        ),
        (
            "XA START 'a'; INSERT INTO t VALUES (8, 8); XA END 'a'; XA PREPARE 'a'; XA COMMIT 'a'",
            "XA transaction",
        ),
    ] {
        let mut sink = MemorySink::default();
        catch_up(&all, &mut sink).await.unwrap();
        script(&mut session, statements).await;
        let error = catch_up(&all, &mut sink).await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(sink.records.iter().filter_map(op).collect::<String>(), "r".repeat(sink.records.len()));
    }
}

/// The sessions of snapshots that wait for the lock of a table.
const WAITING_LOCKS: &str = "SELECT id FROM information_schema.processlist \
     WHERE state = 'Waiting for table metadata lock' AND info LIKE 'LOCK TABLES%'";

/// A snapshot starts when the open transactions that have changed its tables have ended, and not before.
pub(crate) async fn a_snapshot_waits_for_writers(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut writer = create_t(server, database, 3).await;
    script(&mut writer, "BEGIN; UPDATE t SET v = 7 WHERE id = 1").await;
    let settings = settings(server, database);
    let mut sink = MemorySink::default();
    let mut observer = server.admin().await;
    let commit = async {
        while observer.query(WAITING_LOCKS).await.unwrap().rows.is_empty() {}
        script(&mut writer, "COMMIT").await;
    };
    tokio::select! {
        biased;
        result = catch_up(&settings, &mut sink) => panic!("the snapshot has not waited: {result:?}"),
        () = commit => {}
    }
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(table(&sink.records, &format!("{database}.{database}.t")), rows_of(server, database).await);
}

/// The server never rolls back an application's transaction for the start of a snapshot, also when it changes
/// the captured tables in another order than the locks are taken.
pub(crate) async fn a_snapshot_rolls_back_no_transaction(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut writer = create(server, database).await;
    let tables = "CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, v INT)";
    script(&mut writer, tables).await;
    script(&mut writer, "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)").await;
    script(&mut writer, "BEGIN; UPDATE b SET v = 2").await;
    let settings = settings(server, database);
    let mut sink = MemorySink::default();
    let mut observer = server.admin().await;
    let changes = async {
        while observer.query(WAITING_LOCKS).await.unwrap().rows.is_empty() {}
        // `a` is locked
        script(&mut writer, "UPDATE a SET v = 2; COMMIT").await;
    };
    let (result, ()) = tokio::join!(catch_up(&settings, &mut sink), changes);
    result.unwrap();
    for name in ["a", "b"] {
        let rows = table(&sink.records, &format!("{database}.{database}.{name}"));
        assert_eq!(rows, [(json!({ "id": 1 }).to_string(), json!({ "id": 1, "v": 2 }))].into(), "{name}");
    }
}

/// A capture whose connection the server ends goes on by itself.
pub(crate) async fn a_killed_capture_goes_on(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create_t(server, database, 3).await;
    let user = format!("u_{database}");
    server.create_user(&user, "IDENTIFIED BY 'geheim'").await;
    server.run(&[&format!("GRANT ALL PRIVILEGES ON *.* TO {user}@'%'")]).await;
    let (url, rest) =
        server.url().split_once("kulya:kulya@").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let settings =
        CaptureSettings { url: format!("{url}{user}:geheim@{rest}"), ..settings(server, database) };
    let (sender, mut streaming) = tokio::sync::mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let capture = Capture::from(settings)
        .cancelled_by(stop.clone())
        .on_progress(move |progress| sender.send(progress).unwrap_or_default());
    let mut sink = MemorySink::default();
    let writes = async {
        for round in 0..3 {
            while !matches!(streaming.recv().await.unwrap(), Progress::Streaming { .. }) {}
            script(&mut session, &format!("INSERT INTO t VALUES ({}, 1)", 100 + round)).await;
            while !matches!(streaming.recv().await.unwrap(), Progress::Stored { records: 1, .. }) {}
            let sql = format!("SELECT id FROM information_schema.processlist WHERE user = '{user}'");
            for id in session.query(&sql).await.unwrap().column(0) {
                // a session may have ended by itself
                let _ = server.admin().await.query(&format!("KILL {id}")).await;
            }
        }
        stop.cancel();
    };
    let (result, ()) = tokio::join!(capture.run(&mut sink), writes);
    result.unwrap();
    assert_eq!(table(&sink.records, &format!("{database}.{database}.t")), rows_of(server, database).await);
}

/// Rows that are larger than an event can be are left out, with their key; the others are not.
pub(crate) async fn rows_larger_than_an_event_are_left_out(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    let (large, medium) = ("REPEAT('x', 14000000)", "REPEAT('y', 9000000)");
    script(
        &mut session,
        &format!(
            "CREATE TABLE t (a LONGTEXT, id INT PRIMARY KEY, b LONGTEXT); \
             INSERT INTO t VALUES ('a', 1, 'b'); INSERT INTO t VALUES ({large}, 2, 'b'); \
             INSERT INTO t VALUES ('a', 3, {medium}); INSERT INTO t VALUES ('a', 4, 'b')"
        ),
    )
    .await;
    let settings = settings(server, database);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    let keys = |sink: &MemorySink| -> Vec<String> {
        sink.records.iter().map(|record| record.key.clone().unwrap()).collect()
    };
    let omitted = |sink: &MemorySink| -> Vec<String> {
        let topic = format!("{database}.{database}.t ");
        sink.omitted.iter().map(|omitted| omitted.strip_prefix(&topic).unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&sink), [r#"{"id":1}"#, r#"{"id":4}"#]);
    assert_eq!(omitted(&sink), [r#"{"id":2}"#, r#"{"id":3}"#]);

    (sink.records, sink.omitted) = (Vec::new(), Vec::new());
    script(
        &mut session,
        &format!(
            "BEGIN; INSERT INTO t VALUES ('a', 5, {large}), ('a', 6, 'b'); UPDATE t SET b = {large} WHERE id = 1; \
             UPDATE t SET b = 'c' WHERE id = 2; COMMIT; DELETE FROM t WHERE id = 5; INSERT INTO t VALUES ('a', 7, 'b')"
        ),
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(keys(&sink), [r#"{"id":6}"#, r#"{"id":7}"#]);
    let expected = [r#"{"id":5}"#, r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":5}"#];
    assert_eq!(omitted(&sink), expected);
}

/// The former versions of rows of a system-versioned table are no rows of it.
pub(crate) async fn former_versions_of_rows_are_left_out(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    script(
        &mut session,
        "CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING; INSERT INTO t VALUES (1, 1), (2, 2)",
    )
    .await;
    let settings = settings(server, database);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "UPDATE t SET v = 3 WHERE id = 1; DELETE FROM t WHERE id = 2; REPLACE INTO t VALUES (1, 4); \
         DELETE HISTORY FROM t; INSERT INTO t VALUES (5, 5)",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(table(&sink.records, &format!("{database}.{database}.t")), rows_of(server, database).await);
}
