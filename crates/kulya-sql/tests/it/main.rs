//! Executes statements over a store and a registry in memory, and compares their output.
#![allow(clippy::unwrap_used, reason = "a failing test reports the line")]

mod captured_source;
mod catalog_objects;
mod completion;
mod dialect;
mod docs;
mod drawn_statements;
mod flink_differential;
mod flink_expressions;
mod flink_parser;
mod flink_programs;
mod flink_sql;
mod flink_text;
mod live;
mod live_captures;
mod own_format;
mod slt;
mod sqllogictest;

use async_trait::async_trait;
use kulya_codec::codec::Gzip;
use kulya_codec::{Serializer, SerializerConfig};
use kulya_registry::Registry;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_sql::{BackendFactory, CatalogBackend, CatalogOptions, OutputFormat, Session, SqlResult};
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{Append, Commit, StreamConfig, StreamId, StreamStore};
use serde_json::{Value, json};
use std::sync::Arc;

struct TestCatalog {
    backend: CatalogBackend,
}

impl TestCatalog {
    async fn new() -> Self {
        let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
        let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
        Self { backend: CatalogBackend::new(store, registry) }
    }

    async fn stream(&self, stream: &str, segments: u32) -> StreamId {
        let stream: StreamId = stream.parse().unwrap();
        self.backend.store.create_scope(&stream.scope).await.unwrap();
        self.backend.store.create_stream(&stream, StreamConfig::with_segments(segments)).await.unwrap();
        stream
    }

    async fn append(&self, stream: &StreamId, key: &str, event: impl Into<bytes::Bytes>) {
        let append = Append::keyed(stream, key, event);
        self.backend.store.commit(Commit::events(vec![append])).await.unwrap();
    }

    /// Creates the group, registers the schema, and returns a serializer of events.
    async fn writer(&self, group: GroupId, schema: SchemaInfo) -> Serializer {
        let properties = GroupProperties::new(schema.format.clone(), Compatibility::Backward, false);
        let properties = match schema.format {
            Format::Json => GroupProperties { compatibility: Compatibility::AllowAny, ..properties },
            _ => properties,
        };
        let config = SerializerConfig::new(group).create_group(properties).register_schema().codec(Gzip);
        Serializer::new(Arc::clone(&self.backend.registry), schema, config).await.unwrap()
    }

    /// A stream of orders in two segments: three with the first schema, one with an extended one.
    async fn orders(&self) {
        let stream = self.stream("shop/orders", 2).await;
        let group = GroupId::new("shop", "orders");
        let schema = |fields: &str| {
            let text = format!(
                r#"{{"type":"record","name":"Order","fields":[{{"name":"id","type":"long"}},{{"name":"customer","type":"int"}}{fields}]}}"#
            );
            SchemaInfo::new("Order", Format::Avro, text)
        };
        let writer = self.writer(group.clone(), schema("")).await;
        for (id, customer) in [(1, 7), (2, 8), (3, 7)] {
            let event = writer.serialize(&Order { id, customer }).unwrap();
            self.append(&stream, &customer.to_string(), event).await;
        }
        let grown = schema(
            r#",{"name":"channel","type":["null","string"],"default":null},{"name":"n","type":"int","default":1}"#,
        );
        let writer = self.writer(group, grown).await;
        let event =
            writer.serialize(&Grown { id: 4, customer: 9, channel: Some("app".into()), n: 5 }).unwrap();
        self.append(&stream, "9", event).await;
    }

    /// A changelog of customers, whose current rows are 7 and 8.
    async fn customers(&self) {
        let stream = self.stream("shop/db.public.customers", 3).await;
        let group = GroupId::new("shop", "db.public.customers");
        let mut properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, true);
        properties.properties.insert("format".into(), "debezium-json".into());
        self.backend.registry.create_group(&group, properties).await.unwrap();
        let schema = json!({
            "type": "object",
            "properties": {
                "id": { "type": "integer", "connect.type": "int32" },
                "name": { "type": ["null", "string"], "connect.type": "string" },
                "born": { "type": ["null", "integer"], "connect.type": "int32", "connect.name": "io.debezium.time.Date" },
            },
            "required": ["id"],
            "x-primary-key": ["id"],
        });
        let schema = SchemaInfo::new("db.public.customers.Value", Format::Json, schema.to_string());
        self.backend.registry.add_schema(&group, schema).await.unwrap();
        let row = |id: i32, name: &str| json!({ "id": id, "name": name, "born": 19782 });
        for (id, op, before, after) in [
            (7, "r", Value::Null, row(7, "Asha")),
            (8, "c", Value::Null, row(8, "Bo")),
            (9, "c", Value::Null, row(9, "Chen")),
            (8, "u", Value::Null, row(8, "Boris")),
            (9, "d", row(9, "Chen"), Value::Null),
        ] {
            let event = json!({ "before": before, "after": after, "op": op, "source": { "lsn": 1 } });
            self.append(&stream, &id.to_string(), event.to_string()).await;
        }
    }

    async fn session(&self) -> Session {
        Session::new("kulya", self.backend.clone()).await.unwrap()
    }
}

#[derive(serde::Serialize)]
struct Order {
    id: i64,
    customer: i32,
}

#[derive(serde::Serialize)]
struct Grown {
    id: i64,
    customer: i32,
    channel: Option<String>,
    n: i32,
}

/// Executes statements; returns the last result as CSV without the header.
async fn rows(session: &mut Session, sql: &str) -> String {
    let result = session.execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}")).pop().unwrap();
    let text = result.write(OutputFormat::Csv).unwrap();
    text.split_once('\n').map_or(String::new(), |(_, rows)| rows.to_owned())
}

async fn error_of(session: &mut Session, sql: &str) -> String {
    session.execute(sql).await.expect_err(sql).to_string()
}

#[tokio::test]
async fn events_of_every_version_are_rows_of_the_latest() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    let mut session = catalog.session().await;
    for (sql, expected) in [
        ("SELECT * FROM orders ORDER BY id", "1,7,,1\n2,8,,1\n3,7,,1\n4,9,app,5\n"),
        ("SELECT n, id FROM shop.orders WHERE channel = 'app'", "5,4\n"),
        ("SELECT count(*) FROM kulya.shop.orders", "4\n"),
        ("SELECT `customer`, count(*) AS c FROM orders GROUP BY customer ORDER BY c DESC LIMIT 1", "7,2\n"),
        ("SELECT upper(channel) FROM orders WHERE channel IS NOT NULL", "APP\n"),
        ("WITH x AS (SELECT id FROM orders) SELECT sum(id) FROM x", "10\n"),
        ("VALUES (1, 'a')", "1,a\n"),
        ("SELECT 'it''s; fine' AS s; SELECT 2", "2\n"),
        (
            "DESCRIBE orders",
            "id,BIGINT,false,,,\ncustomer,INT,false,,,\nchannel,STRING,true,,,\nn,INT,false,,,\n",
        ),
        ("SHOW TABLES", "orders\n"),
        ("SHOW DATABASES", "shop\n"),
        ("SHOW CURRENT DATABASE", "shop\n"),
    ] {
        assert_eq!(rows(&mut session, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_changelog_is_read_as_current_rows() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    catalog.customers().await;
    let mut session = catalog.session().await;
    for (sql, expected) in [
        ("SHOW TABLES", "db.public.customers\norders\n"),
        ("SELECT * FROM `db.public.customers` ORDER BY id", "7,Asha,2024-02-29\n8,Boris,2024-02-29\n"),
        ("SELECT count(*) FROM `db.public.customers`", "2\n"),
        (
            "SELECT c.name, count(*) AS n FROM orders o JOIN `db.public.customers` c ON o.customer = c.id GROUP BY c.name ORDER BY n DESC",
            "Asha,2\nBoris,1\n",
        ),
        (
            "DESCRIBE `db.public.customers`",
            "id,INT,false,PRI(id),,\nname,STRING,true,,,\nborn,DATE,true,,,\n",
        ),
    ] {
        assert_eq!(rows(&mut session, sql).await, expected, "{sql}");
    }
}

/// The Avro schema of change events with these columns.
fn avro_events(columns: &str) -> SchemaInfo {
    let row = format!(r#"{{"type":"record","name":"Value","fields":[{columns}]}}"#);
    let rows = format!(
        r#"{{"name":"before","type":["null",{row}],"default":null}},{{"name":"after","type":["null","Value"],"default":null}}"#
    );
    let text = format!(
        r#"{{"type":"record","name":"Envelope","namespace":"db.t","fields":[{rows},{{"name":"op","type":"string"}}],"x-primary-key":["id"]}}"#
    );
    SchemaInfo::new("db.t.Envelope", Format::Avro, text)
}

/// The JSON schema of change events with these columns.
fn json_events(columns: &Value) -> SchemaInfo {
    let row = json!({"type": ["null", "object"], "properties": columns, "required": ["id"]});
    let properties = json!({"before": row, "after": row, "op": {"type": "string"}});
    let schema = json!({"type": "object", "properties": properties, "x-primary-key": ["id"]});
    SchemaInfo::new("db.t.Envelope", Format::Json, schema.to_string())
}

#[derive(serde::Serialize)]
struct ChangeEvent<R> {
    before: Option<R>,
    after: Option<R>,
    op: &'static str,
}

#[derive(serde::Serialize)]
struct Row {
    id: i32,
    name: Option<&'static str>,
}

#[derive(serde::Serialize)]
struct BornRow {
    id: i32,
    name: Option<&'static str>,
    born: Option<i32>,
}

#[tokio::test]
async fn change_events_with_a_header_are_current_rows() {
    const ID: &str = r#"{"name":"id","type":"int"},{"name":"name","type":["null","string"],"default":null}"#;
    const BORN: &str = r#",{"name":"born","type":["null",{"type":"int","connect.name":"io.debezium.time.Date"}],"default":null}"#;
    let mut columns = json!({
        "id": {"type": "integer", "connect.type": "int32"},
        "name": {"type": ["null", "string"], "connect.type": "string"},
    });
    let first = columns.clone();
    columns["born"] = json!({"type": ["null", "integer"], "connect.type": "int32", "connect.name": "io.debezium.time.Date"});
    for (label, first, second) in [
        ("debezium-avro", avro_events(ID), avro_events(&format!("{ID}{BORN}"))),
        ("debezium-json-schema", json_events(&first), json_events(&columns)),
    ] {
        let catalog = TestCatalog::new().await;
        let stream = catalog.stream("shop/t", 1).await;
        let group = GroupId::new("shop", "t");
        let mut properties = GroupProperties::new(first.format.clone(), Compatibility::AllowAny, true);
        properties.properties.insert("format".into(), label.into());
        catalog.backend.registry.create_group(&group, properties).await.unwrap();
        let writer = catalog.writer(group.clone(), first).await;
        let row = |id, name| Some(Row { id, name: Some(name) });
        for (before, after, op) in [
            (None, row(7, "Asha"), "r"),
            (None, row(8, "Bo"), "c"),
            (None, row(9, "Chen"), "c"),
            (row(9, "Chen"), None, "d"),
        ] {
            let event = writer.serialize(&ChangeEvent { before, after, op }).unwrap();
            catalog.append(&stream, "key", event).await;
        }
        let writer = catalog.writer(group, second).await;
        let after = Some(BornRow { id: 8, name: None, born: Some(19782) });
        let event = writer.serialize(&ChangeEvent { before: None, after, op: "u" }).unwrap();
        catalog.append(&stream, "key", event).await;
        let mut session = catalog.session().await;
        for (sql, expected) in [
            ("SELECT * FROM t ORDER BY id", "7,Asha,\n8,,2024-02-29\n"),
            ("DESCRIBE t", "id,INT,false,PRI(id),,\nname,STRING,true,,,\nborn,DATE,true,,,\n"),
        ] {
            assert_eq!(rows(&mut session, sql).await, expected, "{label}: {sql}");
        }
        catalog.append(&stream, "key", &b"\x01\x00\x00\x00\x63"[..]).await;
        let error = error_of(&mut session, "SELECT * FROM t").await;
        assert!(error.contains("encoding 99"), "{label}: {error}");
    }
}

#[tokio::test]
async fn rows_older_than_a_column_have_null_in_it() {
    let catalog = TestCatalog::new().await;
    catalog.customers().await;
    let group = GroupId::new("shop", "db.public.customers");
    let schema = json!({
        "type": "object",
        "properties": {
            "id": { "type": "integer", "connect.type": "int32" },
            "name": { "type": "string", "connect.type": "string" },
            "tier": { "type": "string", "connect.type": "string" },
        },
        "required": ["id", "name", "tier"],
        "x-primary-key": ["id"],
    });
    let schema = SchemaInfo::new("db.public.customers.Value", Format::Json, schema.to_string());
    catalog.backend.registry.add_schema(&group, schema).await.unwrap();
    let stream: StreamId = "shop/db.public.customers".parse().unwrap();
    let event =
        json!({ "after": { "id": 10, "name": "Dan", "tier": "gold" }, "op": "c", "source": { "lsn": 2 } });
    catalog.append(&stream, "10", event.to_string()).await;
    let mut session = catalog.session().await;
    assert_eq!(
        rows(&mut session, "SELECT * FROM `db.public.customers` ORDER BY id").await,
        "7,Asha,\n8,Boris,\n10,Dan,gold\n"
    );
    assert_eq!(
        rows(&mut session, "DESCRIBE `db.public.customers`").await,
        "id,INT,false,PRI(id),,\nname,STRING,true,,,\ntier,STRING,true,,,\n"
    );
}

#[tokio::test]
async fn json_events_are_rows_by_their_schema_in_either_namespace() {
    let catalog = TestCatalog::new().await;
    let stream = catalog.stream("web/clicks", 1).await;
    let schema = json!({ "type": "object", "properties": {
        "url": { "type": "string" }, "at": { "type": "string", "format": "date-time" }, "ms": { "type": "number" } } });
    // as a Java program without namespaces names it
    let group = GroupId::new("", "web/clicks");
    let writer = catalog.writer(group, SchemaInfo::new("", Format::Json, schema.to_string())).await;
    for click in
        [json!({ "url": "/a", "at": "2026-01-02T03:04:05", "ms": 1.5, "more": [1] }), json!({ "url": "/b" })]
    {
        catalog.append(&stream, "k", writer.serialize(&click).unwrap()).await;
    }
    let mut session = catalog.session().await;
    assert_eq!(rows(&mut session, "SHOW TABLES").await, "clicks\n");
    assert_eq!(
        rows(&mut session, "SELECT * FROM clicks ORDER BY url").await,
        "/a,2026-01-02 03:04:05,1.5\n/b,,\n"
    );
    // a query reads the events up to its start, the next one reads more
    catalog.append(&stream, "k", writer.serialize(&json!({ "ms": 2 })).unwrap()).await;
    assert_eq!(rows(&mut session, "SELECT sum(ms) FROM clicks").await, "3.5\n");
}

/// A factory that returns the same backend for all options.
struct FixedBackend(CatalogBackend);

#[async_trait]
impl BackendFactory for FixedBackend {
    async fn open(&self, options: &CatalogOptions) -> SqlResult<CatalogBackend> {
        assert_eq!(options.registry.as_deref(), Some("http://localhost:9092"), "spaces are trimmed");
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn catalogs_are_created_selected_and_dropped() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    let other = TestCatalog::new().await;
    other.orders().await;
    other.stream("empty/x", 1).await;
    let mut session = catalog.session().await.backend_factory(FixedBackend(other.backend.clone()));
    assert_eq!(session.current_path(), "kulya.shop");
    let create = "CREATE CATALOG remote WITH ('type' = 'pravega', 'default-database' = 'shop', 'schema-registry-uri' = ' http://localhost:9092')";
    rows(&mut session, create).await;
    assert!(error_of(&mut session, create).await.contains("catalog remote exists already"));
    rows(&mut session, "CREATE CATALOG IF NOT EXISTS remote WITH ('type' = 'pravega')").await;
    assert_eq!(rows(&mut session, "SHOW CATALOGS").await, "kulya\nremote\n");
    let joined = "SELECT count(*) FROM orders a JOIN remote.shop.orders b ON a.id = b.id";
    assert_eq!(rows(&mut session, joined).await, "4\n");
    assert_eq!(rows(&mut session, "USE CATALOG remote; SHOW CURRENT CATALOG").await, "remote\n");
    assert_eq!(session.current_path(), "remote.shop");
    assert!(error_of(&mut session, "DROP CATALOG remote").await.contains("current one"));
    rows(&mut session, "USE kulya.shop; DROP CATALOG remote; DROP CATALOG IF EXISTS remote").await;
    assert!(
        error_of(&mut session, "SELECT * FROM remote.shop.orders")
            .await
            .contains("catalog remote does not exist")
    );
    assert!(error_of(&mut session, "DROP CATALOG remote").await.contains("catalog remote does not exist"));
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_is_reported_with_its_pointer() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    catalog.customers().await;
    let orders: StreamId = "shop/orders".parse().unwrap();
    catalog.append(&orders, "7", &b"\x01\x00\x00\x00\x63"[..]).await;
    let mut session = catalog.session().await;
    let error = error_of(&mut session, "SELECT * FROM orders").await;
    assert!(
        error.contains("event shop/orders/") && error.contains(".#epoch.0@") && error.contains("encoding 99"),
        "{error}"
    );
    let customers: StreamId = "shop/db.public.customers".parse().unwrap();
    catalog.append(&customers, "7", &b"hello"[..]).await;
    let error = error_of(&mut session, "SELECT * FROM `db.public.customers`").await;
    assert!(
        error.contains("not a Debezium envelope") && error.contains("event shop/db.public.customers/"),
        "{error}"
    );
    let error = error_of(&mut session, "SELECT nothing FROM orders").await;
    assert!(error.contains("nothing"), "{error}");
}
