//! Events of all encodings in a store in memory.

use crate::batch::{Batch, Destination};
use crate::debezium::Encoding;
use crate::debezium::connect_schema;
use crate::debezium::connector::Connector;
use crate::debezium::format::EventFormat;
use crate::sink::store::testing::{Target, checkpoint};
use crate::{CdcErrorKind, CdcResult, ColumnDescription, ColumnHistory, RowSchema, Sink, StoreSink};
use kulya_codec::{Deserializer, Value as Decoded, header};
use kulya_registry_api::SchemaRegistry;
use kulya_schema::{Format, GroupId};
use serde_json::{Value, json};
use std::sync::Arc;

/// A version of the table `s.t`.
fn table(columns: &[(&str, &'static str)]) -> Arc<Destination> {
    let column = |(name, connect_type): &(&str, &'static str)| ColumnDescription {
        name: (*name).to_owned(),
        optional: *name != "id",
        connect_type: (*connect_type).into(),
        connect_name: None,
        parameters: Vec::new(),
        items: None,
        default: None,
        history: ColumnHistory { former_names: vec![format!("old {name}")], ..ColumnHistory::default() },
    };
    let (prefix, schema, table) = ("p".into(), "s".into(), "t".into());
    let columns = columns.iter().map(column).collect();
    let table = RowSchema { prefix, schema, table, columns, key: vec!["id".into()] };
    let format = EventFormat { topic_prefix: "p".into(), ..EventFormat::default() };
    let envelope = connect_schema::envelope(&table, Connector::Postgresql, &format);
    Arc::new(Destination { envelope: Some(Arc::new(envelope)), ..Destination::of_table(Arc::new(table)) })
}

fn event(row: &Value) -> String {
    json!({
        "before": null,
        "after": row,
        "source": {"version": "1", "connector": "postgresql", "name": "p", "ts_ms": 1, "snapshot": "false",
            "db": "d", "sequence": null, "ts_us": 1, "ts_ns": 1, "schema": "s", "table": "t", "txId": 1, "lsn": 1,
            "xmin": null, "origin": null, "origin_lsn": null},
        "transaction": null,
        "op": "c",
        "ts_ms": 2,
        "ts_us": 2,
        "ts_ns": 2,
    })
    .to_string()
}

impl Target {
    /// The encoding ids of the events of the table.
    async fn ids(&self) -> Vec<u32> {
        self.read("t").await.iter().map(|event| header::split(event).unwrap().0.0).collect()
    }

    async fn versions(&self) -> usize {
        self.registry.schema_versions(&GroupId::new("scope", "t"), None).await.unwrap().len()
    }
}

async fn write(sink: &mut StoreSink, events: &[(&Arc<Destination>, String)]) -> CdcResult<()> {
    let mut batch = Batch::default();
    for (destination, event) in events {
        batch.push_copy(destination, Some(br#"{"id":1}"#), Some(event.as_bytes()));
        batch.push_copy(destination, None, None);
    }
    sink.commit(batch, &checkpoint()).await
}

#[tokio::test]
async fn events_have_the_id_of_their_schema() {
    let (first, second) = (table(&[("id", "int32")]), table(&[("id", "int32"), ("v", "string")]));
    for (encoding, format) in [(Encoding::JsonSchema, Format::Json), (Encoding::Avro, Format::Avro)] {
        let target = Target::new();
        let mut sink = target.sink(encoding).await;
        let rows = [json!({"id": 1}), json!({"id": 2, "v": "ä"}), json!({"id": 3})];
        let [one, two, three] = [event(&rows[0]), event(&rows[1]), event(&rows[2])];
        write(&mut sink, &[(&first, one), (&second, two), (&first, three)]).await.unwrap();
        assert_eq!(target.ids().await, [0, 1, 0], "{encoding}");
        let group = GroupId::new("scope", "t");
        let properties = target.registry.group(&group).await.unwrap();
        assert_eq!(properties.properties["format"], format!("debezium-{encoding}"));
        let latest = target.registry.latest_schemas(&group, None).await.unwrap();
        assert_eq!((latest.len(), &*latest[0].schema.type_name), (1, "p.s.t.Envelope"));
        assert_eq!(latest[0].schema.format, format);
        let schema: Value = serde_json::from_slice(&latest[0].schema.data).unwrap();
        assert_eq!(schema["x-primary-key"], json!(["id"]));
        let former = if format == Format::Avro { "old_v" } else { "old v" };
        assert_eq!(schema["x-columns"]["v"], json!({"x-former-names": [former]}));
        let deserializer = Deserializer::new(target.registry.clone(), group);
        for (stored, row) in target.read("t").await.iter().zip(rows) {
            let found = match deserializer.deserialize_any(stored).await.unwrap().value {
                Decoded::Json(found) => found["after"].to_string(),
                Decoded::Avro(found) => format!("{found:?}"),
                other => panic!("{other:?}"),
            };
            match format {
                Format::Json => assert_eq!(found, row.to_string()),
                _ => assert!(found.contains(&format!("(\"id\", Int({}))", row["id"])), "{found}"),
            }
        }
    }
}

#[tokio::test]
async fn restart_keeps_the_ids() {
    for encoding in [Encoding::JsonSchema, Encoding::Avro] {
        let target = Target::new();
        let (first, second) = (table(&[("id", "int32")]), table(&[("id", "int32"), ("v", "string")]));
        write(&mut target.sink(encoding).await, &[(&first, event(&json!({"id": 1})))]).await.unwrap();
        // a process that registers the schema and is killed before it commits
        let mut killed = target.sink(encoding).await;
        let mut batch = Batch::default();
        batch.push_copy(&second, None, Some(event(&json!({"id": 2, "v": "x"})).as_bytes()));
        killed.stage(batch).await.unwrap();
        drop(killed);
        assert_eq!((target.ids().await, target.versions().await), (vec![0], 2), "{encoding}");
        let mut sink = target.sink(encoding).await;
        write(&mut sink, &[(&second, event(&json!({"id": 2, "v": "x"})))]).await.unwrap();
        write(&mut target.sink(encoding).await, &[(&first, event(&json!({"id": 3})))]).await.unwrap();
        assert_eq!((target.ids().await, target.versions().await), (vec![0, 1, 0], 2), "{encoding}");
    }
}

#[tokio::test]
async fn event_that_does_not_fit_its_schema_is_a_dead_letter() {
    let target = Target::new();
    let mut sink = target.sink(Encoding::Avro).await;
    let table = table(&[("id", "int32")]);
    let events = [json!({"id": null}), json!({"id": 7})].map(|row| (&table, event(&row)));
    write(&mut sink, &events).await.unwrap();
    assert_eq!((target.ids().await, sink.dead_letters()), (vec![0], 1));
    let letter = String::from_utf8(target.read("shop.dead-letter").await.remove(0)).unwrap();
    let reason = "the event cannot be encoded: after.id: a number is expected, not null";
    assert!(letter.contains(reason) && letter.contains(r#"\"after\":{\"id\":null}"#), "{letter}");
}

#[tokio::test]
async fn table_without_an_avro_schema_stops_alone() {
    let target = Target::new();
    let mut sink = target.sink(Encoding::Avro).await;
    let table = table(&[("id", "int32"), ("a b", "string"), ("a-b", "string")]);
    write(&mut sink, &[(&table, event(&json!({"id": 1, "a b": null, "a-b": null})))]).await.unwrap();
    assert_eq!((target.read("t").await.len(), sink.dead_letters()), (0, 1));
    let letter = String::from_utf8(target.read("shop.dead-letter").await.remove(0)).unwrap();
    assert!(letter.contains("the events of s.t have no Avro schema") && letter.contains("a_b"), "{letter}");
}

#[tokio::test]
async fn stream_has_one_encoding() {
    let table = table(&[("id", "int32")]);
    let target = Target::new();
    write(&mut target.sink(Encoding::Json).await, &[(&table, event(&json!({"id": 1})))]).await.unwrap();
    for encoding in [Encoding::JsonSchema, Encoding::Avro] {
        let mut sink = target.sink(encoding).await;
        let error = write(&mut sink, &[(&table, event(&json!({"id": 2})))]).await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Configuration);
        assert!(error.to_string().contains("debezium-json, and"), "{error}");
    }
    assert_eq!(target.read("t").await, [event(&json!({"id": 1})).into_bytes()]);
}

#[tokio::test]
async fn recorded_log_has_no_schemas_of_events() {
    let target = Target::new();
    let table = table(&[("id", "int32")]);
    let recorded = Arc::new(Destination { envelope: None, ..Destination::clone(&table) });
    let mut sink = target.sink(Encoding::Avro).await;
    let error = write(&mut sink, &[(&recorded, event(&json!({"id": 1})))]).await.unwrap_err();
    assert!(error.to_string().contains("write it with encoding json, not avro"), "{error}");
}
