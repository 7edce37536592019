//! Transformations of batches, and what a store has of them.

use super::{TransformSettings, Transformations, TransformingSink};
use crate::batch::{Batch, DefaultPlaces, Destination, Parts, Span};
use crate::debezium::connect_schema;
use crate::debezium::connector::Connector;
use crate::debezium::format::EventFormat;
use crate::debezium::{ColumnDescription, Encoding, RowSchema};
use crate::sink::store::testing::{Target, checkpoint};
use crate::{CdcResult, RecordingSink, Sink, replay};
use kulya_codec::header;
use kulya_registry_api::SchemaRegistry;
use kulya_schema::GroupId;
use kulya_store::StreamStore;
use serde_json::{Value, json};
use std::sync::Arc;

const UNWRAP: &str = "io.debezium.transforms.ExtractNewRecordState";
const ROUTER: &str = "org.apache.kafka.connect.transforms.RegexRouter";
const LOGICAL: &str = "io.debezium.transforms.ByLogicalTableRouter";

fn column(name: &str, connect_type: &'static str) -> ColumnDescription {
    ColumnDescription {
        name: name.to_owned(),
        optional: name != "id",
        connect_type: connect_type.into(),
        connect_name: None,
        parameters: Vec::new(),
        items: None,
        default: (name == "dflt").then(|| json!("x")),
        history: crate::ColumnHistory::default(),
    }
}

/// The table `s.NAME` with a column `id`, its key, and texts.
fn table(name: &str, columns: &[&str]) -> Arc<Destination> {
    let mut all = vec![column("id", "int32")];
    all.extend(columns.iter().map(|name| column(name, "string")));
    let (prefix, schema, key) = ("p".into(), "s".into(), vec!["id".into()]);
    let table = RowSchema { prefix, schema, table: name.into(), columns: all, key };
    let envelope = connect_schema::envelope(&table, Connector::Postgresql, &EventFormat::default());
    Arc::new(Destination { envelope: Some(Arc::new(envelope)), ..Destination::of_table(Arc::new(table)) })
}

fn transforms(settings: &Value) -> Vec<TransformSettings> {
    serde_json::from_value(settings.clone()).unwrap()
}

fn transformations(settings: &Value) -> Transformations {
    Transformations::new(&transforms(settings), &EventFormat::default()).unwrap()
}

fn event(before: &Value, after: &Value) -> String {
    let op = if after.is_null() { "d" } else { "c" };
    let source = json!({"version": "1", "connector": "postgresql", "name": "p", "ts_ms": 1, "snapshot": "false",
        "db": "d", "sequence": null, "ts_us": 1, "ts_ns": 1, "schema": "s", "table": "t", "txId": 1, "lsn": 1,
        "xmin": null, "origin": null, "origin_lsn": null});
    json!({"before": before, "after": after, "source": source, "transaction": null, "op": op, "ts_ms": 2,
        "ts_us": 2, "ts_ns": 2})
    .to_string()
}

/// Adds a record with the key `id`.
fn push(batch: &mut Batch, destination: &Arc<Destination>, id: i32, value: Option<&str>) {
    let start = batch.buffer().len();
    let key = format!("{{\"id\":{id}}}");
    batch.buffer().extend_from_slice(key.as_bytes());
    let key_end = batch.buffer().len();
    batch.buffer().extend_from_slice(value.unwrap_or_default().as_bytes());
    let end = batch.buffer().len();
    let (key, value) = (Span::new(start, key_end), value.map(|_| Span::new(key_end, end)));
    let routing_key = Some(Span::new(start + 6, key_end - 1));
    batch.push(destination, Parts { routing_key, ..Parts::new(Some(key), value, None) });
}

/// Returns topic, key, routing key and value of each record.
fn records(batch: &Batch) -> Vec<String> {
    let text =
        |part: Option<&[u8]>| part.map_or("-".into(), |part| String::from_utf8_lossy(part).into_owned());
    let record = |record: crate::Record<'_>| {
        let (topic, headers) = (&record.destination.topic, text(Some(record.headers)));
        let parts = [text(record.key), text(record.routing_key), text(record.value), headers];
        format!("{topic} {}", parts.join(" "))
    };
    batch.records().map(record).collect()
}

#[test]
fn settings_are_those_of_a_file() {
    let settings = transforms(&json!([
        {"type": UNWRAP, "add": {"fields": ["op", "table"], "fields.prefix": ""}, "route.by.field": "t",
         "predicate": {"type": "x.TopicNameMatches", "pattern": "a"}, "negate": true},
        {"type": ROUTER, "regex": "a", "replacement": 1}
    ]));
    let options: Vec<_> = settings[0].options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(options, ["add.fields=op,table", "add.fields.prefix=", "route.by.field=t"]);
    let predicate = settings[0].predicate.as_ref().unwrap();
    assert_eq!((&*predicate.class, &*predicate.options["pattern"]), ("x.TopicNameMatches", "a"));
    assert!(settings[0].negate && settings[1].options["replacement"] == "1");
    let error = Transformations::new(&settings, &EventFormat::default()).unwrap_err().to_string();
    assert!(error.starts_with("transforms[0]: the predicate x.TopicNameMatches is not supported"), "{error}");
}

#[test]
fn keys_and_order_of_rows_are_kept() {
    let mut transformations = transformations(&json!([
        {"type": LOGICAL, "topic.regex": "p\\.s\\.t(.)", "topic.replacement": "all"},
        {"type": UNWRAP, "add.headers": "op", "delete.tombstone.handling.mode": "rewrite-with-tombstone"}
    ]));
    let (t1, transaction) = (table("t1", &["v"]), Arc::new(Destination::of_topic("p.transaction")));
    let row = json!({"id": 1, "v": "}\""});
    let mut batch = Batch::default();
    push(&mut batch, &t1, 1, Some(&event(&Value::Null, &row)));
    push(&mut batch, &t1, 1, Some(&event(&row, &Value::Null)));
    push(&mut batch, &t1, 1, None);
    push(&mut batch, &t1, 1, Some(&event(&Value::Null, &Value::Null)));
    push(&mut batch, &transaction, 7, Some("{\"status\":\"END\"}"));
    batch.omit(&t1, None, 99);
    let transformed = transformations.apply(&batch).unwrap();
    let key = r#"{"id":1,"__dbz__physicalTableIdentifier":"p.s.t1"} 1,"p.s.t1""#;
    assert_eq!(
        records(&transformed),
        [
            format!(r#"all {key} {{"id":1,"v":"}}\"","__deleted":"false"}} "__op":"c""#),
            format!(r#"all {key} {{"id":1,"v":"}}\"","__deleted":"true"}} "__op":"d""#),
            format!(r#"all {key} - "__op":"d""#),
            r#"p.transaction {"id":7} 7 {"status":"END"} "#.to_owned(),
        ]
    );
    assert_eq!(transformed.omitted().map(|omitted| omitted.bytes).collect::<Vec<_>>(), [99]);
}

/// The source writes the default in place of null, and says where.
#[test]
fn a_default_that_stands_for_null_is_null() {
    let mut transformations = transformations(&json!([
        {"type": LOGICAL, "topic.regex": ".*t", "topic.replacement": "all", "key.enforce.uniqueness": false},
        {"type": UNWRAP, "add.fields": "after.dflt:D", "add.headers": "after.dflt:H", "route.by.field": "dflt"}
    ]));
    let event = event(&Value::Null, &json!({"id": 1, "v": "x", "dflt": "x"}));
    let place = event.find("\"dflt\":").unwrap() + 7;
    let mut batch = Batch::default();
    for places in [&[][..], &[place]] {
        let value = batch.copy(event.as_bytes());
        let start = value.range().start;
        let places: Vec<usize> = places.iter().map(|place| start + place).collect();
        let defaults = Some(DefaultPlaces::write(&places, start, batch.buffer()));
        let parts = Parts { defaults, ..Parts::new(None, Some(value), None) };
        batch.push(&table("t", &["v", "dflt"]), parts);
    }
    assert_eq!(
        records(&transformations.apply(&batch).unwrap()),
        [
            r#"x - - {"id":1,"v":"x","dflt":"x","__D":"x"} "__H":"x""#,
            r#"all - - {"id":1,"v":"x","dflt":"x","__D":null} "__H":null"#,
        ]
    );
}

#[test]
fn what_a_transformation_cannot_take_stops_the_capture() {
    let row = json!({"id": 1, "v": "x", "dflt": "x"});
    for (settings, expected) in [
        (json!([{"type": UNWRAP, "add.fields": "op:v", "add.fields.prefix": ""}]), "two fields v"),
        (json!([{"type": UNWRAP, "add.fields": "source"}]), "not a single value"),
        (json!([{"type": UNWRAP, "route.by.field": "id"}]), "it is not a text"),
        (json!([{"type": UNWRAP, "route.by.field": "none"}]), "there is no such field"),
        (json!([{"type": ROUTER, "regex": ".*", "replacement": ""}]), "an empty topic"),
        (
            json!([{"type": LOGICAL, "topic.regex": ".*", "topic.replacement": "x", "key.field.name": "id"}]),
            "key.field.name",
        ),
    ] {
        let mut batch = Batch::default();
        push(&mut batch, &table("t", &["v", "dflt"]), 1, Some(&event(&Value::Null, &row)));
        let error = transformations(&settings).apply(&batch).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
}

impl Target {
    /// Stages a batch, commits another one, and returns the position that is stored.
    async fn write(&self, settings: &Value, encoding: Encoding, batches: [Batch; 2]) -> CdcResult<()> {
        let format = EventFormat { encoding, ..EventFormat::default() };
        let transformations = Transformations::new(&transforms(settings), &format)?;
        let mut sink = self.sink(encoding).await;
        let mut sink = TransformingSink { sink: &mut sink, transformations };
        sink.position().await?;
        let [staged, committed] = batches;
        sink.stage(staged).await?;
        sink.commit(committed, &checkpoint()).await?;
        assert_eq!(sink.position().await?, Some(checkpoint()));
        Ok(())
    }

    async fn streams(&self) -> Vec<String> {
        let scope = kulya_store::Scope::new("scope").unwrap();
        let names = self.store.streams(&scope).await.unwrap();
        let mut names: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        names
    }

    async fn texts(&self, name: &str) -> Vec<String> {
        self.read(name).await.iter().map(|event| String::from_utf8_lossy(event).into_owned()).collect()
    }

    async fn label(&self, name: &str) -> String {
        let group = self.registry.group(&GroupId::new("scope", name)).await.unwrap();
        group.properties.get("format").cloned().unwrap_or_default()
    }

    /// The schemas of the group, of any table.
    async fn schemas(&self, name: &str) -> Vec<Value> {
        let group = GroupId::new("scope", name);
        let versions = self.registry.schema_versions(&group, None).await.unwrap();
        let schema = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap();
        versions.iter().map(|version| schema(&version.schema.data)).collect()
    }
}

/// Batches with events of two tables, a delete, a tombstone and the end of a transaction.
fn batches() -> [Batch; 2] {
    let (a, b, transaction) =
        (table("a", &["v"]), table("b", &["v"]), Arc::new(Destination::of_topic("p.transaction")));
    let row = |id: i32| json!({"id": id, "v": "x"});
    let (mut first, mut second) = (Batch::default(), Batch::default());
    push(&mut first, &a, 1, Some(&event(&Value::Null, &row(1))));
    push(&mut first, &b, 1, Some(&event(&Value::Null, &row(1))));
    push(&mut second, &a, 2, Some(&event(&Value::Null, &row(2))));
    push(&mut second, &a, 1, Some(&event(&row(1), &Value::Null)));
    push(&mut second, &a, 1, None);
    push(&mut second, &transaction, 1, Some("{\"status\":\"END\"}"));
    [first, second]
}

#[tokio::test]
async fn topic_is_the_stream_of_all_its_tables() {
    let target = Target::new();
    let settings = json!([
        {"type": UNWRAP, "add.fields": "op", "predicate":
            {"type": "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"}, "negate": true},
        {"type": ROUTER, "regex": "p\\.s\\.(.*)", "replacement": "rows_of.all"}
    ]);
    target.write(&settings, Encoding::Json, batches()).await.unwrap();
    assert_eq!(target.streams().await, ["p.transaction", "rows-of.all"]);
    let row = |id: i32| format!(r#"{{"id":{id},"v":"x","__op":"c"}}"#);
    assert_eq!(target.texts("rows-of.all").await, [row(1), row(1), row(2), "null".to_owned()]);
    assert_eq!(target.label("rows-of.all").await, "json");
    let schemas = target.schemas("rows-of.all").await;
    assert_eq!(schemas.len(), 2);
    assert!(schemas.iter().all(|schema| schema["properties"]["__op"]["connect.type"] == "string"));
    // and the same after a restart
    target.write(&settings, Encoding::Json, batches()).await.unwrap();
    assert_eq!(target.streams().await, ["p.transaction", "rows-of.all"]);
    assert_eq!(target.texts("rows-of.all").await.len(), 8);
}

#[tokio::test]
async fn rows_keep_the_stream_of_their_table() {
    let target = Target::new();
    let settings = json!([{"type": UNWRAP, "delete.tombstone.handling.mode": "rewrite"}]);
    target.write(&settings, Encoding::Json, batches()).await.unwrap();
    assert_eq!(target.streams().await, ["a", "b", "p.transaction"]);
    let deleted = |id: i32, deleted: &str| format!(r#"{{"id":{id},"v":"x","__deleted":"{deleted}"}}"#);
    assert_eq!(target.texts("a").await, [deleted(1, "false"), deleted(2, "false"), deleted(1, "true")]);
    assert_eq!(target.label("a").await, "json");
    // envelopes do not follow rows
    let mut sink = target.sink(Encoding::Json).await;
    sink.position().await.unwrap();
    let [first, _] = batches();
    let error = sink.commit(first, &checkpoint()).await.unwrap_err().to_string();
    assert!(error.contains("has events in the format json"), "{error}");
}

#[tokio::test]
async fn rows_are_encoded_with_their_own_schema() {
    let settings = json!([
        {"type": LOGICAL, "topic.regex": "p\\.s\\.b", "topic.replacement": "other"},
        {"type": UNWRAP, "add.fields": "op", "predicate":
            {"type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches", "pattern": "p.*"}}
    ]);
    for (encoding, label) in [(Encoding::Avro, "avro"), (Encoding::JsonSchema, "json-schema")] {
        let target = Target::new();
        target.write(&settings, encoding, batches()).await.unwrap();
        assert_eq!(target.streams().await, ["a", "other", "p.transaction"]);
        // null is not encoded: the delete is a tombstone
        let events = target.read("a").await;
        assert_eq!(events.len(), 2);
        let (_, row) = header::split(&events[1]).unwrap();
        match encoding {
            Encoding::Avro => assert_eq!(row, b"\x04\x02\x02x\x02\x02c"),
            _ => assert_eq!(row, br#"{"id":2,"v":"x","__op":"c"}"#),
        }
        assert_eq!([target.label("a").await, target.label("other").await], [label, label]);
        let schemas = [target.schemas("a").await, target.schemas("other").await];
        let schemas = schemas.map(|versions| versions[0].to_string());
        assert!(schemas[0].contains("__op") && schemas[1].contains("other.Envelope"), "{schemas:?}");
    }
}

#[tokio::test]
async fn recorded_rows_are_replayed_as_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changes.jsonl");
    let mut recording = RecordingSink::open(&path).unwrap();
    let settings = json!([{"type": UNWRAP, "delete.tombstone.handling.mode": "rewrite"}]);
    let mut sink = TransformingSink { sink: &mut recording, transformations: transformations(&settings) };
    let [first, second] = batches();
    sink.stage(first).await.unwrap();
    sink.commit(second, &checkpoint()).await.unwrap();
    drop(RecordingSink::open(&path).unwrap());
    let target = Target::new();
    let log = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    assert_eq!(replay(log, &mut target.sink(Encoding::Json).await).await.unwrap(), 5);
    assert_eq!(target.streams().await, ["a", "b", "p.transaction"]);
    assert_eq!((target.texts("a").await.len(), target.label("a").await), (3, "json".to_owned()));
}

/// A table without changes has its stream from the start, unless a row says which one.
#[tokio::test]
async fn declared_tables_have_streams() {
    let tombstones = "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone";
    let all = json!({"type": LOGICAL, "topic.regex": "p\\.s\\.(t.)", "topic.replacement": "all"});
    let rows = json!({"type": UNWRAP, "add.fields": "op", "predicate": {"type": tombstones}, "negate": true});
    for (settings, expected) in [
        (json!([all]), &[("all", false)][..]),
        (json!([rows]), &[("t1", true), ("t2", true)]),
        (json!([all, rows]), &[("all", true)]),
        (json!([{"type": UNWRAP, "predicate": {"type": tombstones}}]), &[("t1", false), ("t2", false)]),
        (json!([{"type": UNWRAP, "route.by.field": "v"}]), &[]),
        (json!([{"type": UNWRAP, "add.fields": "op:v", "add.fields.prefix": ""}]), &[]),
    ] {
        let target = Target::new();
        let (mut staged, mut committed) = (Batch::default(), Batch::default());
        staged.declare(&table("t1", &["v"]));
        committed.declare(&table("t2", &["v"]));
        target.write(&settings, Encoding::Json, [staged, committed]).await.unwrap();
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(target.streams().await, names, "{settings}");
        for (name, has_added_field) in expected {
            let schema = target.schemas(name).await.remove(0).to_string();
            assert!(schema.contains("\"v\""), "{settings} {schema}");
            assert_eq!(schema.contains("__op"), *has_added_field, "{settings} {schema}");
            assert!(target.read(name).await.is_empty());
        }
    }
}
