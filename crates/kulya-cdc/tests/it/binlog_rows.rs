//! Rows of MariaDB and MySQL whose values depend on more than their bytes: zones, character sets, definitions
//! at the place in the log, and how the log is written.

use crate::binlog_capture::{create, script, settings};
use crate::binlog_server::{LOG, Server};
use crate::database::{MemorySink, catch_up};
use crate::own_server::{OwnServer, Product};
use kulya_cdc::CaptureSettings;
use kulya_cdc::mysql::connection::{Connection, ConnectionSettings, Flavor};
use serde_json::{Value, json};

/// The table, the operation, the key and the row of each change.
fn rows(sink: &MemorySink) -> Vec<Value> {
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    let with_value = sink.records.iter().filter_map(|record| Some((record, record.value.as_ref()?)));
    with_value
        .map(|(record, value)| {
            let value = parse(value);
            let key = record.key.as_ref().map_or(Value::Null, parse);
            let row = if value["after"].is_null() { &value["before"] } else { &value["after"] };
            json!([record.topic.rsplit('.').next(), value["op"], key, row])
        })
        .collect()
}

/// A TIMESTAMP is an instant, whatever the zone of the server and of the session that writes it; a DATETIME
/// has none. The log of MariaDB is compressed.
pub(crate) async fn times_do_not_depend_on_zones(server: Server) {
    let (product, compressed) = match server.flavor {
        Flavor::Mariadb => {
            (Product::Mariadb, &["--log-bin-compress=ON", "--log-bin-compress-min-len=10"][..])
        }
        _ => (Product::Mysql, &[][..]),
    };
    let arguments = [&["--default-time-zone=+08:00"], compressed].concat();
    let server = OwnServer::start_new(product, &arguments).await;
    let connection = ConnectionSettings::parse(&server.url("")).unwrap();
    let mut session = Connection::open(&connection).await.unwrap();
    script(
        &mut session,
        "CREATE DATABASE zones; USE zones; \
         CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP(6) NULL, dt DATETIME, t TIME, s VARCHAR(99)); \
         INSERT INTO t VALUES (1, '2024-02-29 12:34:56.5', '2024-02-29 12:34:56', '12:34:56', REPEAT('x', 50))",
    )
    .await;
    let settings = CaptureSettings {
        url: server.url(""),
        name: "zones".into(),
        tables: vec!["zones.*".into()],
        ..CaptureSettings::default()
    };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "INSERT INTO t SELECT 2, ts, dt, t, s FROM t; SET time_zone = '-05:00'; \
         INSERT INTO t SELECT 3, ts, dt, t, s FROM t WHERE id = 1; \
         INSERT INTO t VALUES (4, '2024-02-28 23:34:56.5', '2024-02-29 12:34:56', '12:34:56', REPEAT('x', 50))",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    let found: Vec<Value> = rows(&sink).into_iter().map(|row| row[3].clone()).collect();
    let row = |id: i32| {
        json!({"id": id, "ts": "2024-02-29T04:34:56.500000Z", "dt": 1_709_210_096_000_i64, "t": 45_296_000_000_i64,
            "s": "x".repeat(50)})
    };
    assert_eq!(found, [row(1), row(2), row(3), row(4)]);
}

/// The log has numbers of labels and positions of columns.
pub(crate) async fn rows_have_the_definition_of_their_place(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    script(
        &mut session,
        "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('a','b','c'), s SET('x','y'), v VARCHAR(9)); \
         INSERT INTO t VALUES (1, 'a', 'x', 'one')",
    )
    .await;
    let settings = settings(server, database);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "INSERT INTO t VALUES (2, 'b', 'y', 'two'); \
         ALTER TABLE t MODIFY e ENUM('a','z','b','c'), MODIFY s SET('w','x','y'); \
         INSERT INTO t VALUES (3, 'b', 'x,y', 'three'); UPDATE t SET v = 'TWO' WHERE id = 2; \
         ALTER TABLE t MODIFY v VARCHAR(20) FIRST, MODIFY e ENUM('a','z','b','c') AFTER s; \
         INSERT INTO t VALUES ('four', 4, 'w', 'z'); DELETE FROM t WHERE id = 2; \
         ALTER TABLE t DROP COLUMN s, CHANGE e f VARCHAR(9); INSERT INTO t VALUES ('five', 5, 'any')",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    let found: Vec<Value> = rows(&sink).into_iter().map(|row| json!([row[1], row[3]])).collect();
    let row = |id: i32, e: &str, s: &str, v: &str| json!({"id": id, "e": e, "s": s, "v": v});
    assert_eq!(
        found,
        [
            json!(["r", row(1, "a", "x", "one")]),
            json!(["c", row(2, "b", "y", "two")]),
            json!(["c", row(3, "b", "x,y", "three")]),
            json!(["u", row(2, "b", "y", "TWO")]),
            json!(["c", row(4, "z", "w", "four")]),
            json!(["d", row(2, "b", "y", "TWO")]),
            json!(["c", {"v": "five", "id": 5, "f": "any"}]),
        ]
    );
}

/// Keys in another character set, and values at the ends of their types, in the snapshot and in the log.
pub(crate) async fn keys_and_limits_are_the_same_in_snapshot_and_log(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    script(
        &mut session,
        "SET sql_mode = ''; \
         CREATE TABLE t (k VARCHAR(9) CHARACTER SET latin1, b BIGINT UNSIGNED, z INT(6) UNSIGNED ZEROFILL, \
         y YEAR, d DATE NOT NULL, n DATE, t TIME(6), PRIMARY KEY (k)); \
         INSERT INTO t VALUES ('é', 18446744073709551615, 7, 0, 0, '2023-00-15', '-838:59:58.000001')",
    )
    .await;
    let settings = settings(server, database);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "INSERT INTO t SELECT 'ü', b, z, y, d, n, t FROM t; UPDATE t SET z = 8 WHERE k = 'é'; \
         DELETE FROM t WHERE k = 'é'",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    // of 64 bits without a sign the decimal is exact
    let row = |k: &str, z: i32| {
        json!({"k": k, "b": "AP//////////", "z": z, "y": 0, "d": 0, "n": null,
            "t": -3_020_398_000_001_i64})
    };
    assert_eq!(
        rows(&sink),
        [
            json!(["t", "r", {"k": "é"}, row("é", 7)]),
            json!(["t", "c", {"k": "ü"}, row("ü", 7)]),
            json!(["t", "u", {"k": "é"}, row("é", 8)]),
            json!(["t", "d", {"k": "é"}, row("é", 8)]),
        ]
    );
}

/// Migrations by triggers and by the log, of which one stops half-way: their tables are not asked for.
pub(crate) async fn helper_tables_of_migrations_have_no_events(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    script(&mut session, "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)").await;
    let settings = CaptureSettings { tables: vec![format!("{database}.t")], ..settings(server, database) };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "CREATE TABLE _t_ghc (id BIGINT AUTO_INCREMENT PRIMARY KEY, hint VARCHAR(64), UNIQUE KEY (hint)); \
         CREATE TABLE _t_gho LIKE t; ALTER TABLE _t_gho ADD COLUMN x INT; INSERT INTO _t_ghc (hint) VALUES ('state'); \
         INSERT INTO _t_gho SELECT id, v, 0 FROM t; INSERT INTO t VALUES (2, 2); \
         DROP TABLE _t_gho; DROP TABLE IF EXISTS _t_ghc; INSERT INTO t VALUES (3, 3)",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "CREATE TABLE _t_new LIKE t; ALTER TABLE _t_new ADD COLUMN x INT NOT NULL DEFAULT 9; \
         CREATE TRIGGER pt_osc_ins AFTER INSERT ON t FOR EACH ROW REPLACE INTO _t_new (id, v) VALUES (NEW.id, NEW.v); \
         CREATE TRIGGER pt_osc_del AFTER DELETE ON t FOR EACH ROW DELETE FROM _t_new WHERE id <=> OLD.id; \
         INSERT IGNORE INTO _t_new (id, v) SELECT id, v FROM t; INSERT INTO t VALUES (4, 4); DELETE FROM t WHERE id = 1; \
         RENAME TABLE t TO _t_old, _t_new TO t; DROP TABLE _t_old; INSERT INTO t VALUES (5, 5, 5)",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    let found: Vec<Value> = rows(&sink).into_iter().map(|row| json!([row[0], row[1], row[3]])).collect();
    let row = |id: i32| json!({"id": id, "v": id});
    assert_eq!(
        found,
        [
            json!(["t", "r", row(1)]),
            json!(["t", "c", row(2)]),
            json!(["t", "c", row(3)]),
            json!(["t", "c", row(4)]),
            json!(["t", "d", row(1)]),
            json!(["t", "c", {"id": 5, "v": 5, "x": 5}]),
        ]
    );
}

/// Columns of the times of rows come into the log and leave it while it is read; sequences are no tables.
pub(crate) async fn versioning_comes_and_goes(server: Server, database: &'static str) {
    let _log = LOG.read().await;
    let mut session = create(server, database).await;
    script(&mut session, "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)").await;
    let settings = settings(server, database);
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    script(
        &mut session,
        "CREATE SEQUENCE s; INSERT INTO t VALUES (2, NEXTVAL(s)); ALTER TABLE t ADD SYSTEM VERSIONING; \
         UPDATE t SET v = 3 WHERE id = 1; DELETE FROM t WHERE id = 2; \
         ALTER TABLE t DROP SYSTEM VERSIONING; INSERT INTO t VALUES (4, 4); DROP SEQUENCE s",
    )
    .await;
    catch_up(&settings, &mut sink).await.unwrap();
    let found: Vec<Value> = rows(&sink).into_iter().map(|row| json!([row[0], row[1], row[3]])).collect();
    let row = |id: i32, v: i32| json!({"id": id, "v": v});
    assert_eq!(
        found,
        [
            json!(["t", "r", row(1, 1)]),
            json!(["t", "c", row(2, 1)]),
            json!(["t", "u", row(1, 3)]),
            json!(["t", "d", row(2, 1)]),
            json!(["t", "c", row(4, 4)]),
        ]
    );
}
