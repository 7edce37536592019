//! Catalogs, views and changes of tables, by several sessions and with failures at each write.

use crate::{TestCatalog, error_of, rows};
use async_trait::async_trait;
use kulya_registry::Registry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_sql::{BackendFactory, CatalogBackend, CatalogOptions, Session, SqlError, SqlErrorKind, SqlResult};
use kulya_store::clock::ManualClock;
use kulya_store::fault::FaultyStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{ErrorKind, StreamStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts how often a catalog is opened; without a backend it cannot be reached.
#[derive(Clone)]
struct Remote {
    backend: Option<CatalogBackend>,
    opened: Arc<AtomicUsize>,
}

#[async_trait]
impl BackendFactory for Remote {
    async fn open(&self, _: &CatalogOptions) -> SqlResult<CatalogBackend> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let unreachable = || SqlError::new(SqlErrorKind::Unavailable, "the server does not respond");
        self.backend.clone().ok_or_else(unreachable)
    }
}

const CREATE_REMOTE: &str =
    "CREATE CATALOG remote WITH ('type' = 'pravega', 'controller-uri' = 'tcp://localhost:9090')";

#[tokio::test]
async fn catalogs_are_kept_with_the_store_and_opened_by_their_first_use() {
    let own = TestCatalog::new().await;
    own.orders().await;
    let other = TestCatalog::new().await;
    other.orders().await;
    let opened = Arc::new(AtomicUsize::new(0));
    let reachable = Remote { backend: Some(other.backend.clone()), opened: Arc::clone(&opened) };
    let mut first = own.session().await.backend_factory(reachable.clone());
    rows(&mut first, CREATE_REMOTE).await;
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    let mut second = own.session().await.backend_factory(reachable);
    assert_eq!(rows(&mut second, "SHOW CATALOGS").await, "kulya\nremote\n");
    assert_eq!(opened.load(Ordering::SeqCst), 1, "listing opens nothing");
    for _ in 0..2 {
        assert_eq!(rows(&mut second, "SELECT count(*) FROM remote.shop.orders").await, "4\n");
    }
    assert_eq!(opened.load(Ordering::SeqCst), 2);
    // a catalog that cannot be reached affects the statements that name it
    let mut third = own.session().await.backend_factory(Remote { backend: None, opened });
    assert_eq!(rows(&mut third, "SELECT count(*) FROM orders").await, "4\n");
    assert_eq!(rows(&mut third, "SHOW CATALOGS").await, "kulya\nremote\n");
    let error = error_of(&mut third, "SELECT * FROM remote.shop.orders").await;
    assert!(error.contains("catalog remote: the server does not respond"), "{error}");
    // the script of an earlier session runs again; with other options it is another catalog
    rows(&mut third, CREATE_REMOTE).await;
    assert!(error_of(&mut third, CREATE_REMOTE).await.contains("catalog remote exists already"));
    let other = CREATE_REMOTE.replace("9090", "9091");
    let mut fourth = own.session().await;
    assert!(error_of(&mut fourth, &other).await.contains("catalog remote exists already"));
    // what another session drops is gone
    rows(&mut third, "DROP CATALOG remote").await;
    assert_eq!(rows(&mut first, "SHOW CATALOGS").await, "kulya\n");
    assert!(error_of(&mut first, "USE CATALOG remote").await.contains("does not exist"));
}

#[tokio::test]
async fn catalogs_of_a_store_that_cannot_be_written_are_those_of_the_session() {
    let store = Arc::new(FaultyStore::failing_after(MemoryStore::new(), u64::MAX, ErrorKind::InvalidInput));
    let backend = backend(Arc::clone(&store)).await;
    let mut session = session(&backend).await;
    store.allow(0);
    let created = session.execute("CREATE CATALOG c WITH ('type' = 'kulya')").await.unwrap().remove(0);
    let text = created.write(kulya_sql::OutputFormat::Table).unwrap();
    assert!(text.contains("catalog c created, in this session only: injected fault"), "{text}");
    assert_eq!(rows(&mut session, "SHOW CATALOGS").await, "c\nkulya\n");
    rows(&mut session, "DROP CATALOG c").await;
    assert_eq!(rows(&mut session, "SHOW CATALOGS").await, "kulya\n");
}

#[tokio::test]
async fn views_are_read_by_other_sessions_and_temporary_ones_are_not() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    let (mut first, mut second) = (catalog.session().await, catalog.session().await);
    rows(&mut first, "CREATE VIEW v AS SELECT id FROM orders; CREATE TEMPORARY VIEW w AS SELECT 1 AS a")
        .await;
    assert_eq!(rows(&mut second, "SELECT count(*) FROM v").await, "4\n");
    assert_eq!(rows(&mut second, "SHOW VIEWS").await, "v\n");
    assert!(error_of(&mut second, "SELECT * FROM w").await.contains("has no table w"));
}

#[tokio::test]
async fn views_that_read_many_views_are_bounded() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    let mut session = catalog.session().await;
    let mut script = "CREATE VIEW v0 AS SELECT id FROM orders".to_owned();
    for number in 1..=31 {
        script += &format!("; CREATE VIEW v{number} AS SELECT id FROM v{}", number - 1);
    }
    rows(&mut session, &script).await;
    assert_eq!(rows(&mut session, "SELECT count(*) FROM v31").await, "4\n");
    let error = error_of(&mut session, "CREATE VIEW v32 AS SELECT id FROM v31").await;
    assert!(error.contains("view v0 is one of more than 32 views that read each other"), "{error}");
    // each reads the one before it twice
    let mut doubled = "CREATE VIEW d0 AS SELECT id FROM orders".to_owned();
    for number in 1..=31 {
        let last = number - 1;
        doubled +=
            &format!("; CREATE VIEW d{number} AS SELECT id FROM d{last} UNION ALL SELECT id FROM d{last}");
    }
    let error = session.execute(&doubled).await.unwrap_err();
    assert_eq!(error.kind(), SqlErrorKind::TooComplex, "{error}");
}

async fn backend(store: Arc<FaultyStore<MemoryStore>>) -> CatalogBackend {
    let store = store as Arc<dyn StreamStore>;
    let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
    CatalogBackend::new(store, registry)
}

async fn session(backend: &CatalogBackend) -> Session {
    Session::new("kulya", backend.clone()).await.unwrap()
}

/// What a session sees of its database.
async fn state(session: &mut Session) -> Vec<String> {
    let mut seen = vec![rows(session, "SHOW TABLES").await, rows(session, "SHOW VIEWS").await];
    for name in seen[0].clone().lines() {
        seen.push(rows(session, &format!("DESCRIBE `{name}`")).await);
        seen.push(rows(session, &format!("SELECT count(*) FROM `{name}`")).await);
    }
    seen
}

/// A statement that fails at any of its writes has done nothing, or all that can be seen.
#[tokio::test]
async fn a_failure_at_any_write_leaves_the_old_state_or_the_new_one() {
    const SETUP: &str = "CREATE DATABASE shop; USE shop; CREATE TABLE t (id BIGINT, name STRING);
        INSERT INTO t VALUES (1, 'a'), (2, 'b'); CREATE VIEW v AS SELECT id FROM t;
        CREATE TABLE csv_t (id BIGINT) WITH ('format' = 'csv')";
    for (statement, steps) in [
        ("CREATE TABLE fresh AS SELECT id FROM t", 6),
        ("CREATE TABLE fresh WITH ('format' = 'json') AS SELECT id FROM t", 4),
        ("CREATE TABLE user_new AS SELECT id FROM t", 6),
        ("CREATE OR REPLACE TABLE t AS SELECT 1 AS id", 6),
        ("CREATE TABLE fresh LIKE t", 5),
        ("CREATE VIEW fresh AS SELECT name FROM t", 2),
        ("ALTER VIEW v AS SELECT id, name FROM t", 1),
        ("ALTER VIEW v RENAME TO fresh", 1),
        ("DROP VIEW v", 1),
        ("ALTER TABLE t ADD note STRING", 2),
        ("ALTER TABLE csv_t ADD note STRING", 1),
        ("ALTER TABLE t RENAME TO fresh", 1),
        ("ALTER TABLE t SET ('unreadable-events' = 'skip')", 1),
        ("ALTER DATABASE shop SET ('a' = 'b')", 1),
    ] {
        let (mut failures, mut old) = (0, Vec::new());
        for allowed in 0.. {
            let store =
                Arc::new(FaultyStore::failing_after(MemoryStore::new(), u64::MAX, ErrorKind::Unreachable));
            let backend = backend(Arc::clone(&store)).await;
            let mut session = session(&backend).await;
            rows(&mut session, SETUP).await;
            if old.is_empty() {
                old = state(&mut session).await;
            }
            store.allow(allowed);
            let result = session.execute(statement).await;
            store.allow(u64::MAX);
            if result.is_ok() {
                break;
            }
            failures += 1;
            let found = state(&mut session).await;
            if found != old {
                // all is done but the removal of the former rows
                assert!(statement.contains("OR REPLACE"), "{statement} after {allowed} writes");
                assert_eq!(rows(&mut session, "SELECT * FROM t").await, "1\n");
                continue;
            }
            // the statement can be repeated; an unfinished table is removed by name
            if let Err(error) = session.execute(statement).await {
                assert_eq!(error.kind(), SqlErrorKind::Conflict, "{statement}: {error}");
                assert!(error.to_string().contains("DROP TABLE"), "{error}");
                rows(&mut session, &format!("{}; {statement}", drop_of(&error.to_string()))).await;
            }
        }
        assert!(failures >= steps, "{statement}: {failures} writes can fail");
    }
}

/// Returns the statement that an error names.
fn drop_of(error: &str) -> &str {
    let (_, from) = error.split_once(": DROP").unwrap();
    let (statement, _) = from.split_once(" removes").unwrap();
    &error[error.len() - from.len() - "DROP".len()..][..statement.len() + "DROP".len()]
}

/// The text that SHOW CREATE shows makes the same object again.
#[tokio::test]
async fn shown_statements_make_the_same_objects() {
    let catalog = TestCatalog::new().await;
    let mut session = catalog.session().await;
    rows(&mut session, "CREATE DATABASE shop; CREATE DATABASE other; USE shop").await;
    rows(
        &mut session,
        "CREATE TABLE `base table` (`a b` INT, ts TIMESTAMP(3), txt STRING) WITH ('format' = 'json')",
    )
    .await;
    for (kind, name, create) in [
        ("TABLE", "t", "CREATE TABLE t (a INT)"),
        (
            "TABLE",
            "t",
            "CREATE TABLE t (a INT NOT NULL, b STRING, PRIMARY KEY (a) NOT ENFORCED) COMMENT 'it''s'",
        ),
        ("TABLE", "t", "CREATE TABLE t (a INT COMMENT 'x', b AS a + 1 COMMENT 'y') WITH ('segments' = '3')"),
        (
            "TABLE",
            "t",
            "CREATE TABLE t (`select` INT, `a``b` STRING, `ключ` DOUBLE) WITH ('format' = 'json')",
        ),
        (
            "TABLE",
            "t",
            "CREATE TABLE t (a DECIMAL(20, 3), b ROW<x INT, y ARRAY<STRING>>, c MAP<STRING, BIGINT NOT NULL>, d CHAR(3), e VARBINARY(5), f TIME(3), g DATE, h TINYINT)",
        ),
        (
            "TABLE",
            "t",
            "CREATE TABLE t (a TIMESTAMP_LTZ(3), b TIMESTAMP(9), c MULTISET<STRING>) WITH ('format' = 'json')",
        ),
        (
            "TABLE",
            "t",
            "CREATE TABLE t (a INT, ts TIMESTAMP(3) METADATA FROM 'append-time' VIRTUAL, segment INT METADATA, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)",
        ),
        (
            "TABLE",
            "t",
            "CREATE TABLE t (id INT, op STRING METADATA FROM 'from_format.source.table' VIRTUAL, PRIMARY KEY (id) NOT ENFORCED) WITH ('format' = 'debezium-json')",
        ),
        (
            "TABLE",
            "t",
            "CREATE TABLE t (a INT, b STRING) WITH ('format' = 'csv', 'csv.field-delimiter' = '\\t', 'csv.quote-character' = '''')",
        ),
        ("TABLE", "t", "CREATE TABLE t WITH ('segments' = '2') LIKE `base table`"),
        ("TABLE", "t", "CREATE TABLE t AS SELECT 1 AS a, 'x' AS b, DATE '2024-02-29' AS c"),
        ("TABLE", "t", "CREATE TABLE t (a INT) WITH ('scan.streams' = 'x;y', 'sink.stream' = 'x')"),
        ("TABLE", "t", "CREATE TEMPORARY TABLE t (a INT) WITH ('scan.streams' = 'x')"),
        ("VIEW", "v", "CREATE VIEW v AS SELECT * FROM `base table`"),
        ("VIEW", "v", "CREATE VIEW v (x, `y z`) COMMENT 'it''s' AS SELECT `a b`, txt FROM `base table`"),
        (
            "VIEW",
            "v",
            "CREATE VIEW v AS SELECT count(*) AS n, ';' AS s FROM `base table` -- the end\n WHERE txt LIKE '%'''",
        ),
        (
            "VIEW",
            "v",
            "CREATE VIEW v AS WITH x AS (SELECT * FROM `base table`) SELECT x.`a b` FROM x JOIN shop.`base table` y ON x.txt = y.txt",
        ),
        (
            "VIEW",
            "v",
            "CREATE VIEW v AS SELECT window_start, count(*) AS n FROM TABLE(TUMBLE(TABLE `base table`, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
        ),
        (
            "VIEW",
            "v",
            "CREATE VIEW v AS SELECT FLOOR(ts TO DAY) AS d, CAST(`a b` AS VARCHAR(3)) AS s FROM `base table` /*+ OPTIONS('unreadable-events' = 'skip') */",
        ),
        ("VIEW", "v", "CREATE VIEW v AS VALUES (1, 'a'), (2, 'b')"),
        ("VIEW", "v", "CREATE TEMPORARY VIEW v AS SELECT 1 AS a UNION ALL SELECT 2 AS a"),
    ] {
        // streams that statements name
        rows(&mut session, "CREATE TABLE IF NOT EXISTS x (a INT); CREATE TABLE IF NOT EXISTS y (a INT)")
            .await;
        rows(&mut session, create).await;
        let show = format!("SHOW CREATE {kind} shop.{name}");
        let described = rows(&mut session, &format!("DESCRIBE shop.{name}")).await;
        let shown = rows(&mut session, &show).await;
        let statement = shown.trim().trim_matches('"').replace("\"\"", "\"");
        let temporary = if create.contains("TEMPORARY") { "TEMPORARY " } else { "" };
        rows(&mut session, &format!("DROP {temporary}{kind} shop.{name}; USE other; {statement}")).await;
        assert_eq!(rows(&mut session, &show).await, shown, "{create}");
        assert_eq!(rows(&mut session, &format!("DESCRIBE shop.{name}")).await, described, "{create}");
        rows(&mut session, &format!("DROP {temporary}{kind} shop.{name}; USE shop")).await;
    }
}

#[tokio::test]
async fn a_change_that_the_group_refuses_changes_nothing() {
    let catalog = TestCatalog::new().await;
    let mut session = catalog.session().await;
    rows(&mut session, "CREATE DATABASE shop; USE shop").await;
    // a program has made the group, with a policy
    let group = GroupId::new("shop", "t");
    let properties = GroupProperties::new(Format::Avro, Compatibility::Backward, true);
    catalog.backend.registry.create_group(&group, properties).await.unwrap();
    rows(&mut session, "CREATE TABLE t (a BIGINT, b STRING)").await;
    let before = catalog.backend.registry.schema_versions(&group, None).await.unwrap().len();
    let error = session.execute("ALTER TABLE t MODIFY b INT").await.unwrap_err();
    assert_eq!(error.kind(), SqlErrorKind::Incompatible, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("table t is not changed: "), "{text}");
    assert!(
        text.contains("record.b: no member of union [null, int] accepts the writer's string")
            && text.contains("line 1, column 13"),
        "{text}"
    );
    assert_eq!(rows(&mut session, "DESCRIBE t").await, "a,BIGINT,true,,,\nb,STRING,true,,,\n");
    assert_eq!(catalog.backend.registry.schema_versions(&group, None).await.unwrap().len(), before);
    rows(&mut session, "ALTER TABLE t ADD c INT; INSERT INTO t VALUES (1, 'x', 2)").await;
    assert_eq!(rows(&mut session, "SELECT * FROM t").await, "1,x,2\n");
    assert_eq!(catalog.backend.registry.schema_versions(&group, None).await.unwrap().len(), before + 1);
}

#[tokio::test]
async fn tables_of_programs_and_captures() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    catalog.customers().await;
    let mut session = catalog.session().await;
    let shown = rows(&mut session, "SHOW CREATE TABLE orders").await;
    assert!(shown.contains("'pravega-registry.format' = 'Avro'"), "{shown}");
    rows(&mut session, "CREATE TABLE copy LIKE orders; INSERT INTO copy SELECT * FROM orders").await;
    assert_eq!(rows(&mut session, "SELECT count(*) FROM copy").await, "4\n");
    // its group has one type of events, and a table of SQL another
    let error = session.execute("ALTER TABLE orders ADD note STRING").await.unwrap_err();
    assert!(error.to_string().contains("orders"), "{error}");
    assert_eq!(rows(&mut session, "SELECT count(channel) FROM orders").await, "1\n");
    rows(&mut session, "ALTER TABLE orders RENAME TO old_orders").await;
    assert_eq!(rows(&mut session, "SELECT count(*) FROM old_orders").await, "4\n");
    let captured = "`db.public.customers`";
    for change in ["ADD x INT", "RENAME TO customers"] {
        let error = session.execute(&format!("ALTER TABLE {captured} {change}")).await.unwrap_err();
        assert_eq!(error.kind(), SqlErrorKind::InUse, "{error}");
    }
    rows(&mut session, &format!("CREATE VIEW customers AS SELECT name FROM {captured} WHERE id = 7")).await;
    assert_eq!(rows(&mut session, "SELECT * FROM customers").await, "Asha\n");
}

#[derive(serde::Serialize)]
struct Times {
    ms: i64,
    us: Option<i64>,
    list: Vec<i64>,
}

/// Flink's catalog shows `timestamp-millis` as TIMESTAMP(3).
#[tokio::test]
async fn timestamps_of_avro_are_without_time_zone() {
    let catalog = TestCatalog::new().await;
    let stream = catalog.stream("shop/t", 1).await;
    let schema = r#"{"type":"record","name":"T","fields":[
        {"name":"ms","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"us","type":["null",{"type":"long","logicalType":"timestamp-micros"}],"default":null},
        {"name":"list","type":{"type":"array","items":{"type":"long","logicalType":"timestamp-millis"}}}]}"#;
    let writer = catalog.writer(GroupId::new("shop", "t"), SchemaInfo::avro(schema)).await;
    let event = Times { ms: 1_700_000_000_123, us: Some(1_700_000_000_123_456), list: vec![0] };
    catalog.append(&stream, "k", writer.serialize(&event).unwrap()).await;
    let mut session = catalog.session().await;
    assert_eq!(
        rows(&mut session, "DESCRIBE t").await,
        "ms,TIMESTAMP(3),false,,,\nus,TIMESTAMP(6),true,,,\nlist,ARRAY<TIMESTAMP(3)>,false,,,\n"
    );
    assert_eq!(
        rows(&mut session, "SELECT ms, us, list[1] FROM t").await,
        "2023-11-14 22:13:20.123,2023-11-14 22:13:20.123456,1970-01-01 00:00:00\n"
    );
    rows(&mut session, "INSERT INTO t VALUES (TIMESTAMP '2024-01-01 00:00:00', NULL, ARRAY[TIMESTAMP '2024-01-01 00:00:00'])").await;
    assert_eq!(
        rows(&mut session, "SELECT count(*) FROM t WHERE ms >= TIMESTAMP '2024-01-01 00:00:00'").await,
        "1\n"
    );
}
