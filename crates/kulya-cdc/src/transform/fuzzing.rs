//! Fuzz entry points for transformations: their settings in both forms with events of tables whose names come
//! from outside, and expressions with their replacements.

use super::java_regex::Replacement;
use super::{TransformSettings, Transformations};
use crate::batch::{Batch, Destination, Parts, Span};
use crate::debezium::connect_schema::{SchemaBlocks, envelope};
use crate::debezium::connector::Connector;
use crate::debezium::format::EventFormat;
use crate::debezium::fuzzing::parsed_json;
use crate::debezium::{ColumnDescription, Encoding, RowSchema};
use crate::debezium_server::{DebeziumServerSettings, Properties};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a file has before the transformations.
const FILE: &str = "debezium.sink.type=pravega
debezium.source.connector.class=io.debezium.connector.postgresql.PostgresConnector
debezium.source.topic.prefix=p
debezium.source.database.hostname=db
debezium.source.database.user=me
debezium.source.database.dbname=shop
";
/// Maximum number of names that are read.
const MAX_NAMES: usize = 6;

/// Reads settings, up to a zero byte, and transforms events of tables: each further line has the names of a
/// schema, a table and its columns, with tabs between. The first byte selects the format of events, and
/// whether the settings are a file of Debezium Server or a list in JSON.
pub(crate) fn run(bytes: &[u8]) {
    let Some((selector, rest)) = bytes.split_first() else { return };
    let bit = |bit: u8| selector >> bit & 1 == 1;
    let format = EventFormat {
        schemas_in_keys: bit(0),
        schemas_in_values: bit(1),
        schemas_in_headers: bit(2),
        encoding: if bit(3) { Encoding::Avro } else { Encoding::Json },
        ..EventFormat::default()
    };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let settings = parts.next().unwrap_or_default();
    let names = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let settings = if bit(4) { serde_json::from_slice(settings).ok() } else { of_file(settings) };
    let Some(settings) = settings else { return };
    let mut transformations = match Transformations::new(&settings, &format) {
        Ok(transformations) => transformations,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for names in names.lines().take(MAX_NAMES) {
        transform(names, &format, &mut transformations);
    }
}

fn of_file(lines: &[u8]) -> Option<Vec<TransformSettings>> {
    let properties = Properties::parse(&[FILE.as_bytes(), lines].concat(), &BTreeMap::new()).ok()?;
    let converted = DebeziumServerSettings::from_properties(&properties).ok()?;
    assert!(converted.refused.iter().all(|refused| !refused.to_string().is_empty()));
    Some(converted.capture.transforms)
}

fn transform(names: &str, format: &EventFormat, transformations: &mut Transformations) {
    let mut names = names.split('\t');
    let (schema, table) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    let columns: Vec<_> = ["id"].into_iter().chain(names.take(MAX_NAMES)).map(column).collect();
    let (prefix, key) = ("p".to_owned(), vec!["id".to_owned()]);
    let table = RowSchema { prefix, schema: schema.to_owned(), table: table.to_owned(), columns, key };
    let batch = batch(&table, format);
    match transformations.apply(&batch) {
        Ok(transformed) => check(&batch, &transformed),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

fn column(name: &str) -> ColumnDescription {
    ColumnDescription {
        name: name.to_owned(),
        optional: name != "id",
        connect_type: "string".into(),
        connect_name: None,
        parameters: Vec::new(),
        items: None,
        default: None,
        history: crate::ColumnHistory::default(),
    }
}

/// An insert, an update, a delete and its tombstone, a truncate, and a record of no table.
fn batch(table: &RowSchema, format: &EventFormat) -> Batch {
    let blocks = SchemaBlocks::of_table(table, Connector::Postgresql, format);
    let schema = envelope(table, Connector::Postgresql, format);
    let table = Arc::new(table.clone());
    let destination = Arc::new(Destination {
        envelope: Some(Arc::new(schema)),
        ..Destination::of_table(Arc::clone(&table))
    });
    let row = table.columns.iter().map(|column| (column.name.clone(), json!("}\"")));
    let (row, none) = (Value::Object(row.collect::<Map<_, _>>()), Value::Null);
    let mut batch = Batch::default();
    for (before, after) in [(&none, &row), (&row, &row), (&row, &none), (&none, &none)] {
        let event = json!({"before": before, "after": after, "op": "x", "ts_ms": 2, "transaction": null,
            "source": {"name": "p", "schema": table.schema, "table": table.table, "lsn": 7}});
        push(&mut batch, &destination, &blocks, Some(&event.to_string()));
    }
    push(&mut batch, &destination, &blocks, None);
    let other = Arc::new(Destination::of_topic("p.transaction"));
    push(&mut batch, &other, &SchemaBlocks { key: None, value: blocks.value }, Some("{\"status\":\"END\"}"));
    batch
}

fn push(batch: &mut Batch, destination: &Arc<Destination>, blocks: &SchemaBlocks, value: Option<&str>) {
    let mut write = |block: &crate::debezium::connect_schema::SchemaBlock, text: &str| {
        let out = batch.buffer();
        let start = out.len();
        block.write(out, |out| out.extend_from_slice(text.as_bytes()));
        Span::new(start, out.len())
    };
    let key = blocks.key.as_ref().map(|block| write(block, r#"{"id":"}\""}"#));
    let value = value.map(|value| write(&blocks.value, value));
    batch.push(destination, Parts { routing_key: None, ..Parts::new(key, value, None) });
}

fn check(batch: &Batch, transformed: &Batch) {
    assert!(transformed.records().count() <= batch.records().count());
    for record in transformed.records() {
        assert!(!record.destination.topic.is_empty());
        record.key.into_iter().chain(record.value).for_each(|json| drop(parsed_json(json)));
        assert!(parsed_json(&[b"{", record.headers, b"}"].concat()).is_object());
    }
}

/// Reads an expression and a replacement, a line each, and replaces the names in the further lines.
pub(crate) fn run_names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let (pattern, replacement) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let compiled = match Replacement::new(pattern, replacement) {
        Ok(compiled) => compiled,
        Err(reason) => return assert!(!reason.is_empty()),
    };
    let Some((first, whole)) = crate::java_pattern::compile(pattern, false) else {
        panic!("{pattern:?} was compiled before");
    };
    let is_text = !replacement.contains(['$', '\\']);
    for name in lines.take(MAX_NAMES) {
        let found = compiled.apply(name);
        assert_eq!(found.is_some(), whole.is_match(name), "{pattern:?} {name:?}");
        let expected = first.replacen(name, 1, regex::NoExpand(replacement));
        assert!(!is_text || found.is_none_or(|found| found == expected), "{pattern:?} {name:?}");
    }
}
