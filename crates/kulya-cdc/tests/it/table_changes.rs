//! Changes of tables between the writing of the log and its reading, and between two runs of a capture.

use crate::database::{Database, MemorySink, catch_up};
use kulya_cdc::{CaptureSettings, CdcErrorKind};
use serde_json::{Value, json};

/// The operations, keys and rows of the records of a table since an index, as `op key before after`.
pub(crate) fn changes(sink: &MemorySink, from: usize) -> Vec<Value> {
    let parse = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    let of_values = sink.records[from..].iter().filter(|record| record.value.is_some());
    of_values
        .map(|record| {
            let value = record.value.as_ref().map(parse).unwrap();
            let key = record.key.as_ref().map_or(Value::Null, parse);
            json!([value["op"], key, value["before"], value["after"]])
        })
        .collect()
}

/// Runs a capture, then a script, then the capture again; returns the changes of the second run.
async fn changes_of(name: &str, setup: &str, script: &str) -> Vec<Value> {
    let database = Database::create(name).await;
    database.script(setup).await;
    let mut sink = MemorySink::default();
    catch_up(&database.settings(), &mut sink).await.unwrap();
    let read = sink.records.len();
    database.script(script).await;
    catch_up(&database.settings(), &mut sink).await.unwrap();
    database.drop_everything().await;
    changes(&sink, read)
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, code text NOT NULL, v int, s text)
INSERT INTO t VALUES (1, 'A', 1, 'a'), (2, 'B', 2, 'b')";

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn nulls_stay_null_in_columns_that_became_required() {
    let found = changes_of(
        "cdc_set_not_null",
        TABLE,
        "INSERT INTO t VALUES (3, 'C', NULL, NULL)
UPDATE t SET v = 7, s = 'x' WHERE id = 3
ALTER TABLE t ALTER v SET NOT NULL, ALTER s SET NOT NULL",
    )
    .await;
    assert_eq!(
        found,
        [
            json!(["c", {"id": 3}, null, {"id": 3, "code": "C", "v": null, "s": null}]),
            json!(["u", {"id": 3}, null, {"id": 3, "code": "C", "v": 7, "s": "x"}]),
        ]
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn key_is_that_of_the_time_of_the_change() {
    let deleted = json!(["d", {"id": 2}, {"id": 2, "code": "", "v": null, "s": null}, null]);
    for (number, change) in [
        "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code)",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
        "ALTER TABLE t RENAME COLUMN id TO ident",
        "DROP TABLE t",
    ]
    .into_iter()
    .enumerate()
    {
        let script = format!("DELETE FROM t WHERE id = 2\nUPDATE t SET id = 30 WHERE id = 1\n{change}");
        let mut found = changes_of(&format!("cdc_key_{number}"), TABLE, &script).await;
        // required columns of an old row that the log lacks have their type's default, where they are known
        found[0][2]["code"] = json!("");
        assert_eq!(found[0], deleted, "{change}");
        let keys: Vec<_> = found.iter().map(|change| (change[0].clone(), change[1].clone())).collect();
        let moved = [(json!("d"), json!({"id": 1})), (json!("c"), json!({"id": 30}))];
        assert_eq!(keys[1..], moved, "{change}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn values_of_dropped_types_are_text() {
    let found = changes_of(
        "cdc_dropped_type",
        "CREATE TYPE state AS ENUM ('new')
CREATE TABLE t (id int PRIMARY KEY, st state)",
        "INSERT INTO t VALUES (1, 'new')
ALTER TABLE t ALTER st TYPE text
DROP TYPE state",
    )
    .await;
    assert_eq!(found, [json!(["c", {"id": 1}, null, {"id": 1, "st": "new"}])]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn key_columns_have_values_whatever_their_type() {
    let found = changes_of(
        "cdc_key_types",
        "CREATE TABLE n (n name PRIMARY KEY)
CREATE TABLE l (l pg_lsn PRIMARY KEY, x int)",
        "INSERT INTO n VALUES ('a')
INSERT INTO l VALUES ('0/1', 1)",
    )
    .await;
    assert_eq!(
        found,
        [json!(["c", {"n": "a"}, null, {"n": "a"}]), json!(["c", {"l": "0/1"}, null, {"l": "0/1", "x": 1}]),]
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn extreme_values_stop_nothing() {
    let found = changes_of(
        "cdc_extreme",
        "CREATE TABLE t (id int PRIMARY KEY, i interval, ts timestamp, v int2vector, n numeric(5,-2))",
        "INSERT INTO t VALUES (1, interval '2147483648 hours', '294276-12-31 23:59:59.999999', '1 2', 12345)
INSERT INTO t VALUES (2)",
    )
    .await;
    let row = json!({"id": 1, "i": 7_730_941_132_800_000_000u64, "ts": i64::MAX, "n": "ew=="});
    assert_eq!(found[0], json!(["c", {"id": 1}, null, row]));
    assert_eq!(found[1][1], json!({"id": 2}));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn money_has_the_currencys_digits() {
    let database = Database::create("cdc_money").await;
    database.script("CREATE TABLE m (id int PRIMARY KEY, m money)\nINSERT INTO m VALUES (1, 12.34)").await;
    let mut sink = MemorySink::default();
    catch_up(&database.settings(), &mut sink).await.unwrap();
    assert_eq!(changes(&sink, 0)[0][3]["m"], json!("BNI="));
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn snapshot_has_what_the_publication_has() {
    let database = Database::create("cdc_filters").await;
    database
        .script(
            "CREATE TABLE t (id int PRIMARY KEY, region text, secret text)
ALTER TABLE t REPLICA IDENTITY FULL
CREATE TABLE c (id int PRIMARY KEY, pub text, secret text)
INSERT INTO t VALUES (1, 'eu', 'x'), (2, 'us', 'y')
INSERT INTO c VALUES (1, 'p', 'SECRET')
CREATE TABLE m (id int, d date, v text, PRIMARY KEY (id, d)) PARTITION BY RANGE (d)
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')
INSERT INTO m VALUES (1, '2024-01-05', 'snap')
CREATE PUBLICATION filtered FOR TABLE t WHERE (region = 'eu'), c (id, pub), m WITH (publish_via_partition_root = true)",
        )
        .await;
    let settings = CaptureSettings { publication: "filtered".into(), ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    let mut found: Vec<_> = sink.records.iter().map(|record| record.topic.clone()).collect();
    found.dedup();
    assert_eq!(found, ["cdc_filters.public.c", "cdc_filters.public.m", "cdc_filters.public.t"]);
    let rows: Vec<_> = changes(&sink, 0).iter().map(|change| change[3].clone()).collect();
    assert_eq!(
        rows,
        [
            json!({"id": 1, "pub": "p"}),
            json!({"id": 1, "d": 19727, "v": "snap"}),
            json!({"id": 1, "region": "eu", "secret": "x"}),
        ]
    );
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn tables_added_later_are_captured_with_their_rows() {
    let database = Database::create("cdc_added").await;
    database
        .script(
            "CREATE TABLE a (id int PRIMARY KEY)
CREATE TABLE b (id int PRIMARY KEY, v int)
INSERT INTO b VALUES (1, 1), (2, 2)",
        )
        .await;
    let only = |tables: &[&str]| CaptureSettings {
        tables: tables.iter().map(|name| (*name).to_owned()).collect(),
        ..database.settings()
    };
    let mut sink = MemorySink::default();
    catch_up(&only(&["public.a"]), &mut sink).await.unwrap();
    assert_eq!(sink.records, []);
    // in the log before the table's snapshot, which has their results
    database.script("UPDATE b SET v = 10 WHERE id = 1\nINSERT INTO a VALUES (1)").await;
    catch_up(&only(&["public.a", "public.b"]), &mut sink).await.unwrap();
    database.script("DELETE FROM b WHERE id = 2").await;
    catch_up(&only(&["public.a", "public.b"]), &mut sink).await.unwrap();
    let mut found = changes(&sink, 0);
    found.sort_by_key(|change| change[0] != "r");
    assert_eq!(
        found,
        [
            json!(["r", {"id": 2}, null, {"id": 2, "v": 2}]),
            json!(["r", {"id": 1}, null, {"id": 1, "v": 10}]),
            json!(["c", {"id": 1}, null, {"id": 1}]),
            json!(["d", {"id": 2}, {"id": 2, "v": null}, null]),
        ]
    );
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn tables_without_a_key_are_captured() {
    let database = Database::create("cdc_no_key").await;
    database.script("CREATE TABLE bare (v int)\nINSERT INTO bare VALUES (1)").await;
    let mut sink = MemorySink::default();
    catch_up(&database.settings(), &mut sink).await.unwrap();
    database.script("INSERT INTO bare VALUES (2)").await;
    let rejected = database.client.batch_execute("UPDATE bare SET v = 3").await.unwrap_err();
    assert!(rejected.to_string().contains("db error"), "{rejected}");
    // what the warning says
    database.script("ALTER TABLE bare REPLICA IDENTITY FULL\nUPDATE bare SET v = 3 WHERE v = 2").await;
    catch_up(&database.settings(), &mut sink).await.unwrap();
    assert_eq!(
        changes(&sink, 0),
        [
            json!(["r", null, null, {"v": 1}]),
            json!(["c", null, null, {"v": 2}]),
            json!(["u", null, {"v": 2}, {"v": 3}]),
        ]
    );
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn partitions_are_captured_by_their_table() {
    let database = Database::create("cdc_partitions").await;
    database
        .script(
            "CREATE TABLE m (id int PRIMARY KEY) PARTITION BY RANGE (id)
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10)
INSERT INTO m VALUES (1)",
        )
        .await;
    let settings = CaptureSettings { tables: vec!["public.m".into()], ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database
        .script("CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) TO (20)\nINSERT INTO m VALUES (11)")
        .await;
    catch_up(&settings, &mut sink).await.unwrap();
    let topics: Vec<_> = sink.records.iter().map(|record| record.topic.as_str()).collect();
    assert_eq!(topics, ["cdc_partitions.public.m1", "cdc_partitions.public.m2"]);
    // the log has the rows of the later partition, which are not read again
    let found = changes(&sink, 0);
    assert_eq!([&found[0][0], &found[1][0]], ["r", "c"]);
    database.drop_everything().await;
}

/// A table that is made again under its name is another one, of which a publication of tables has nothing.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn tables_made_again_are_captured_with_their_rows() {
    for (number, (script, expected)) in [
        (
            "DROP TABLE t\nCREATE TABLE t (id int PRIMARY KEY, w int)\nINSERT INTO t VALUES (3, 3)",
            json!({"id": 3, "w": 3}),
        ),
        (
            "CREATE TABLE n (id int PRIMARY KEY, w int)\nINSERT INTO n VALUES (4, 4)\n\
             BEGIN\nALTER TABLE t RENAME TO o\nALTER TABLE n RENAME TO t\nCOMMIT",
            json!({"id": 4, "w": 4}),
        ),
        (
            "ALTER PUBLICATION kulya_cdc_again_2 DROP TABLE t\nDELETE FROM t\nINSERT INTO t VALUES (5)",
            json!({"id": 5}),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let database = Database::create(&format!("cdc_again_{number}")).await;
        database.script("CREATE TABLE t (id int PRIMARY KEY)\nINSERT INTO t VALUES (1)").await;
        let settings = CaptureSettings { tables: vec!["public.t".into()], ..database.settings() };
        let mut sink = MemorySink::default();
        catch_up(&settings, &mut sink).await.unwrap();
        database.script(script).await;
        catch_up(&settings, &mut sink).await.unwrap();
        database.script("INSERT INTO t VALUES (9)").await;
        catch_up(&settings, &mut sink).await.unwrap();
        catch_up(&settings, &mut sink).await.unwrap();
        let found = changes(&sink, 1);
        let rows: Vec<_> = found.iter().map(|change| (&change[0], &change[3]["id"])).collect();
        assert_eq!(rows, [(&json!("r"), &expected["id"]), (&json!("c"), &json!(9))], "{script}");
        assert_eq!(found[0][3], expected);
        database.drop_everything().await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn capture_goes_on_when_its_tables_are_gone() {
    let database = Database::create("cdc_gone").await;
    database.script("CREATE TABLE t (id int PRIMARY KEY)\nINSERT INTO t VALUES (1)").await;
    let settings = CaptureSettings { tables: vec!["public.t".into()], ..database.settings() };
    let mut sink = MemorySink::default();
    catch_up(&settings, &mut sink).await.unwrap();
    database.script("DELETE FROM t\nDROP TABLE t").await;
    catch_up(&settings, &mut sink).await.unwrap();
    assert_eq!(changes(&sink, 1), [json!(["d", {"id": 1}, {"id": 1}, null])]);
    database.drop_everything().await;
}

/// The index of the replica identity is all that the log of a DELETE has of a row, so it is the key.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn index_of_the_replica_identity_is_the_key() {
    let database = Database::create("cdc_identity_index").await;
    database
        .script(
            "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, u int NOT NULL)
CREATE UNIQUE INDEX ua ON t (u, a)
ALTER TABLE t REPLICA IDENTITY USING INDEX ua
INSERT INTO t VALUES (1, 'x', 10), (2, 'y', 20)",
        )
        .await;
    let mut sink = MemorySink::default();
    catch_up(&database.settings(), &mut sink).await.unwrap();
    database
        .script(
            "UPDATE t SET id = 100 WHERE id = 1
UPDATE t SET u = 11 WHERE id = 100
DELETE FROM t WHERE id = 2",
        )
        .await;
    catch_up(&database.settings(), &mut sink).await.unwrap();
    let keys: Vec<_> = changes(&sink, 0).into_iter().map(|change| json!([change[0], change[1]])).collect();
    assert_eq!(
        keys,
        [
            json!(["r", {"u": 10, "a": "x"}]),
            json!(["r", {"u": 20, "a": "y"}]),
            json!(["u", {"u": 10, "a": "x"}]),
            json!(["d", {"u": 10, "a": "x"}]),
            json!(["c", {"u": 11, "a": "x"}]),
            json!(["d", {"u": 20, "a": "y"}]),
        ]
    );
    database.drop_everything().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn row_level_security_is_an_error() {
    let database = Database::create("cdc_rls").await;
    database
        .script(
            "DO $$ BEGIN CREATE ROLE kulya_rls LOGIN REPLICATION PASSWORD 'kulya'; EXCEPTION WHEN duplicate_object THEN NULL; END $$
CREATE TABLE t (id int PRIMARY KEY, tenant text)
INSERT INTO t VALUES (1, 'x')
ALTER TABLE t ENABLE ROW LEVEL SECURITY
CREATE POLICY p ON t USING (tenant = current_user)
GRANT SELECT ON t TO kulya_rls
CREATE PUBLICATION kulya_cdc_rls FOR ALL TABLES",
        )
        .await;
    let url = database.url().replace("//kulya:", "//kulya_rls:");
    let settings = CaptureSettings { url, ..database.settings() };
    let error = catch_up(&settings, &mut MemorySink::default()).await.unwrap_err();
    assert_eq!(error.kind(), CdcErrorKind::Configuration, "{error}");
    assert!(error.to_string().contains("row-level security"), "{error}");
    database.drop_everything().await;
}

/// The columns of a table cannot change between the reading of the catalog and the reading of the rows.
#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn snapshot_waits_for_changes_of_its_tables() {
    let database = Database::create("cdc_ddl_in_snapshot").await;
    database
        .script("CREATE TABLE t (id int PRIMARY KEY, a int, b int)\nINSERT INTO t VALUES (1, 10, 100)")
        .await;
    // as an interrupted run leaves it: the creation of a slot would wait for the transaction
    database
        .script("SELECT pg_create_logical_replication_slot('kulya_cdc_ddl_in_snapshot', 'pgoutput')")
        .await;
    // an open transaction sees the sessions of its first look
    let observer = database.connect().await;
    database.script("BEGIN\nLOCK TABLE t IN ACCESS EXCLUSIVE MODE").await;
    let settings = database.settings();
    let capture = tokio::spawn(async move {
        let mut sink = MemorySink::default();
        catch_up(&settings, &mut sink).await.map(|()| sink)
    });
    let waits = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND mode = 'AccessShareLock' \
                 AND NOT granted";
    while observer.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    database.script("ALTER TABLE t DROP COLUMN a\nCOMMIT").await;
    let sink = capture.await.unwrap().unwrap();
    assert_eq!(changes(&sink, 0), [json!(["r", {"id": 1}, null, {"id": 1, "b": 100}])]);
    database.drop_everything().await;
}

/// Virtual columns are those of PostgreSQL 18, and so is their publication.
#[tokio::test]
#[ignore = "needs PostgreSQL 18: run cargo xtask test"]
async fn generated_columns_are_those_of_the_publication() {
    let database = Database::create("cdc_generated").await;
    database
        .script(
            "CREATE TABLE g (id int PRIMARY KEY, s int GENERATED ALWAYS AS (id * 2) STORED, v int GENERATED ALWAYS AS (id * 3) VIRTUAL)
CREATE PUBLICATION stored FOR TABLE g WITH (publish_generated_columns = stored)
CREATE PUBLICATION plain FOR TABLE g",
        )
        .await;
    for (publication, streamed) in [("plain", json!({"id": 2})), ("stored", json!({"id": 2, "s": 4}))] {
        database.script("DELETE FROM g\nINSERT INTO g (id) VALUES (1)").await;
        let settings = CaptureSettings {
            publication: publication.into(),
            name: format!("generated_{publication}"),
            ..database.settings()
        };
        let mut sink = MemorySink::default();
        catch_up(&settings, &mut sink).await.unwrap();
        database.script("INSERT INTO g (id) VALUES (2)").await;
        catch_up(&settings, &mut sink).await.unwrap();
        let rows: Vec<_> = changes(&sink, 0).iter().map(|change| change[3].clone()).collect();
        assert_eq!(rows, [json!({"id": 1, "s": 2, "v": 3}), streamed], "{publication}");
        // the server notices the end of a reader with a delay
        let slot = format!("pg_replication_slots WHERE slot_name = 'kulya_generated_{publication}'");
        database
            .script(&format!("SELECT pg_terminate_backend(active_pid, 10000) FROM {slot} AND active"))
            .await;
        database.script(&format!("SELECT pg_drop_replication_slot(slot_name) FROM {slot}")).await;
    }
    database.drop_everything().await;
}
