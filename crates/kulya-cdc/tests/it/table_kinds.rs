//! Tables of unusual kinds, forms and publications, in the snapshot and in the log.

use crate::database::{Database, MemorySink, catch_up};
use crate::table_changes::changes;
use kulya_cdc::CaptureSettings;
use serde_json::{Value, json};

/// The operation, the table and the row after each change.
fn rows(sink: &MemorySink) -> Vec<Value> {
    let tables = sink.records.iter().filter(|record| record.value.is_some());
    let tables = tables.map(|record| record.topic.rsplit('.').next().unwrap().to_owned());
    tables.zip(changes(sink, 0)).map(|(table, change)| json!([change[0], table, change[3]])).collect()
}

/// Captures, runs a script, and captures again; returns the rows of both runs.
async fn rows_of(name: &str, setup: &str, publication: &str, script: &str) -> Vec<Value> {
    let database = Database::create(name).await;
    database.script(setup).await;
    let settings = CaptureSettings { publication: publication.into(), ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database.script(script).await;
    catch_up(&settings, &mut sink).await.unwrap();
    database.drop_everything().await;
    rows(&sink)
}

/// What the log does not have is in no snapshot either.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn tables_that_are_not_logged_have_no_events() {
    let found = rows_of(
        "kinds_unlogged",
        "CREATE UNLOGGED TABLE u (id int PRIMARY KEY)
INSERT INTO u VALUES (1)
CREATE TABLE s (id int PRIMARY KEY)
INSERT INTO s VALUES (7)
CREATE MATERIALIZED VIEW v AS SELECT id FROM s",
        "",
        "INSERT INTO u VALUES (2)
ALTER TABLE u SET LOGGED
INSERT INTO u VALUES (3)
CREATE TEMPORARY TABLE temporary (id int PRIMARY KEY)
INSERT INTO temporary VALUES (1)
INSERT INTO s VALUES (8)
REFRESH MATERIALIZED VIEW v
ALTER TABLE s SET UNLOGGED
INSERT INTO s VALUES (9)
CREATE TABLE gone (id int PRIMARY KEY)
INSERT INTO gone VALUES (1)
DROP TABLE gone",
    )
    .await;
    assert_eq!(
        found,
        [
            json!(["r", "s", {"id": 7}]),
            json!(["c", "u", {"id": 3}]),
            json!(["c", "s", {"id": 8}]),
            json!(["c", "gone", {"id": 1}]),
        ]
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn equal_rows_without_a_key_are_changed_one_by_one() {
    let database = Database::create("kinds_equal_rows").await;
    database
        .script(
            "CREATE TABLE t (a float, b numeric, c text)
ALTER TABLE t REPLICA IDENTITY FULL
INSERT INTO t VALUES ('NaN', 'NaN', 'x'), ('NaN', 'NaN', 'x'), (NULL, NULL, NULL)",
        )
        .await;
    let mut sink = MemorySink::default();
    catch_up(&database.settings(), &mut sink).await.unwrap();
    database
        .script(
            "UPDATE t SET c = 'y' WHERE a IS NOT NULL
DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE c = 'y')
UPDATE t SET c = 'z' WHERE a IS NULL",
        )
        .await;
    catch_up(&database.settings(), &mut sink).await.unwrap();
    let row = |c: &str| json!({"a": "NaN", "b": null, "c": c});
    let none = |c: Value| json!({"a": null, "b": null, "c": c});
    assert_eq!(
        changes(&sink, 3),
        [
            json!(["u", null, row("x"), row("y")]),
            json!(["u", null, row("x"), row("y")]),
            json!(["d", null, row("y"), null]),
            json!(["u", null, none(Value::Null), none(json!("z"))]),
        ]
    );
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL 15: run cargo xtask test"]
async fn publications_of_schemas_and_operations_are_followed() {
    let found = rows_of(
        "kinds_of_schema",
        "CREATE SCHEMA s
CREATE TABLE s.a (id int PRIMARY KEY)
CREATE TABLE b (id int PRIMARY KEY)
INSERT INTO s.a VALUES (1)
INSERT INTO b VALUES (1)
CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA s WITH (publish = 'insert, delete')",
        "of_schema",
        "CREATE TABLE s.c (id int PRIMARY KEY)
INSERT INTO s.c VALUES (5)
UPDATE s.a SET id = 2
INSERT INTO s.a VALUES (3)
DELETE FROM s.a WHERE id = 3
TRUNCATE s.a
INSERT INTO b VALUES (2)",
    )
    .await;
    assert_eq!(
        found,
        [
            json!(["r", "a", {"id": 1}]),
            json!(["c", "c", {"id": 5}]),
            json!(["c", "a", {"id": 3}]),
            json!(["d", "a", null]),
        ]
    );
}

/// Texts that mean something to COPY, a table without columns, and one with as many as there can be.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn rows_of_any_form_are_the_same_in_snapshot_and_log() {
    let wide: Vec<String> = (0..1600).map(|index| format!("c{index} int")).collect();
    let setup = format!(
        "CREATE TABLE empty ()\nINSERT INTO empty DEFAULT VALUES\n\
         CREATE TABLE t (id int PRIMARY KEY, s text)\n\
         INSERT INTO t VALUES (1, '\\.'), (2, '\\N'), (3, ''), (4, E'\\x01\\x02\\t\\n\\r\\b\\f\\\\'), (5, NULL)\n\
         CREATE TABLE wide ({})\nINSERT INTO wide (c1599) VALUES (7)",
        wide.join(", ")
    );
    let script = "INSERT INTO empty DEFAULT VALUES
INSERT INTO t SELECT id + 10, s FROM t
INSERT INTO wide SELECT * FROM wide";
    let found = rows_of("kinds_of_form", &setup, "", script).await;
    let texts = [json!("\\."), json!("\\N"), json!(""), json!("\u{1}\u{2}\t\n\r\u{8}\u{c}\\"), Value::Null];
    for (op, first) in [("r", 1), ("c", 11)] {
        let of = |table: &str| -> Vec<Value> {
            let of = found.iter().filter(|row| row[0] == op && row[1] == table);
            of.map(|row| row[2].clone()).collect()
        };
        assert_eq!(of("empty"), [json!({})], "{op}");
        let expected = texts.iter().zip(first..).map(|(text, id)| json!({"id": id, "s": text}));
        assert_eq!(of("t"), expected.collect::<Vec<_>>(), "{op}");
        let wide = of("wide");
        let row = wide[0].as_object().unwrap();
        assert_eq!(
            (wide.len(), row.len(), &row["c1599"], &row["c0"]),
            (1, 1600, &json!(7), &Value::Null),
            "{op}"
        );
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn each_row_has_the_columns_of_its_time() {
    let script: String = (0..100)
        .map(|index| {
            format!("ALTER TABLE t ADD c{index} int\nINSERT INTO t (c{index}) VALUES ({index})\nALTER TABLE t DROP c{index}\n")
        })
        .collect();
    let found = rows_of("kinds_storm", "CREATE TABLE t (id serial PRIMARY KEY)", "", &script).await;
    let expected = (0..100).map(|index| json!(["c", "t", {"id": index + 1, (format!("c{index}")): index}]));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

/// A role that is no superuser cannot publish all tables, so that later ones are added at the next start.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn later_partitions_and_tables_are_captured_without_a_superuser() {
    let database = Database::create("kinds_owner").await;
    database
        .script(
            "DO $$ BEGIN CREATE ROLE kinds_owner LOGIN REPLICATION PASSWORD 'x'; EXCEPTION WHEN duplicate_object THEN NULL; END $$
GRANT CREATE ON DATABASE kinds_owner TO kinds_owner
ALTER SCHEMA public OWNER TO kinds_owner
SET ROLE kinds_owner
CREATE TABLE m (id int PRIMARY KEY) PARTITION BY RANGE (id)
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10)
INSERT INTO m VALUES (1)",
        )
        .await;
    let url = database.url().replace("//kulya:kulya@", "//kinds_owner:x@");
    let settings = CaptureSettings { url, tables: vec!["public.*".into()], ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database
        .script(
            "CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) TO (20)
INSERT INTO m VALUES (11)
CREATE TABLE other (id int PRIMARY KEY)
INSERT INTO other VALUES (5)",
        )
        .await;
    catch_up(&settings, &mut sink).await.unwrap();
    let mut found = rows(&sink);
    found.sort_by_key(Value::to_string);
    assert_eq!(
        found,
        [json!(["c", "m2", {"id": 11}]), json!(["r", "m1", {"id": 1}]), json!(["r", "other", {"id": 5}])]
    );
    database.drop_everything().await;
}

/// A prepared transaction is stored once, whichever side of the slot's creation its commit is on.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn prepared_transactions_are_captured_once() {
    let database = Database::create("kinds_prepared").await;
    database
        .script(
            "CREATE TABLE t (id int PRIMARY KEY)
BEGIN
INSERT INTO t VALUES (1)
PREPARE TRANSACTION 'kinds_before'",
        )
        .await;
    let settings = database.settings();
    let capture = tokio::spawn(async move {
        let mut sink = MemorySink::default();
        catch_up(&settings, &mut sink).await.map(|()| sink)
    });
    // the slot exists while its creation waits
    let slot = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'kulya_kinds_prepared'";
    while database.client.query_one(slot, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    database
        .script(
            "BEGIN
INSERT INTO t VALUES (2)
PREPARE TRANSACTION 'kinds_after'
COMMIT PREPARED 'kinds_before'",
        )
        .await;
    // the creation waits for this one too, if it has not ended by then
    database.script("COMMIT PREPARED 'kinds_after'").await;
    let mut sink = capture.await.unwrap().unwrap();
    database
        .script(
            "BEGIN
INSERT INTO t VALUES (3)
PREPARE TRANSACTION 'kinds_never'
ROLLBACK PREPARED 'kinds_never'
INSERT INTO t VALUES (4)",
        )
        .await;
    catch_up(&database.settings(), &mut sink).await.unwrap();
    let mut ids: Vec<i64> =
        changes(&sink, 0).iter().map(|change| change[3]["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 4]);
    database.drop_everything().await;
}
