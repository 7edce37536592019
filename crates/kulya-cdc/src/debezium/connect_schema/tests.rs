//! The schemas of real events: a row schema that a small reader of its own makes of Debezium's list of fields
//! must give Debezium's bytes.

use super::{SchemaBlock, SchemaBlocks};
use crate::debezium::connector::Connector;
use crate::debezium::format::EventFormat;
use crate::debezium::modes::BinaryMode;
use crate::debezium::{ColumnDescription, RowSchema};
use proptest::prelude::*;
use serde_json::Value;
use std::borrow::Cow;

const TABLES: [(Connector, &str); 3] = [
    (Connector::Postgresql, include_str!("../../../tests/data/debezium-schemas/postgresql.tsv")),
    (Connector::Mariadb, include_str!("../../../tests/data/debezium-schemas/mariadb.tsv")),
    (Connector::Mysql, include_str!("../../../tests/data/debezium-schemas/mysql.tsv")),
];

const RECORDS: &str = include_str!("../../../tests/data/debezium-schemas/records.tsv");

fn with_schemas() -> EventFormat {
    EventFormat {
        topic_prefix: "zoo".to_owned(),
        schemas_in_keys: true,
        schemas_in_values: true,
        schemas_in_headers: true,
        ..EventFormat::default()
    }
}

/// Reads a field's schema as a column.
fn column(field: &Value) -> ColumnDescription {
    let text = |name: &str| field.get(name).and_then(Value::as_str).map(str::to_owned);
    let connect_type = match field["type"].as_str().unwrap() {
        "float" => "float32".to_owned(),
        "double" => "float64".to_owned(),
        other => other.to_owned(),
    };
    let parameters = field.get("parameters").and_then(Value::as_object).into_iter().flatten();
    ColumnDescription {
        name: text("field").unwrap_or_default(),
        optional: field["optional"].as_bool().unwrap(),
        connect_type: Cow::Owned(connect_type),
        connect_name: text("name").map(Cow::Owned),
        parameters: parameters
            .map(|(name, value)| (Cow::Owned(name.clone()), value.as_str().unwrap().to_owned()))
            .collect(),
        items: field.get("items").map(|items| Box::new(column(items))),
        default: field.get("default").cloned(),
        history: crate::ColumnHistory::default(),
    }
}

/// Reads a line of a file of tables: the row schema, the key's schema and the row's fields.
fn table(line: &'static str) -> (RowSchema, &'static str, &'static str) {
    let [schema, table, key, row] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
    let fields: Vec<Value> = serde_json::from_str(row).unwrap();
    let key_names = match key {
        "" => Vec::new(),
        key => {
            let key: Value = serde_json::from_str(key).unwrap();
            let fields = key["fields"].as_array().unwrap().iter();
            fields.map(|field| field["field"].as_str().unwrap().to_owned()).collect()
        }
    };
    let schema = RowSchema {
        prefix: "zoo".to_owned(),
        schema: schema.to_owned(),
        table: table.to_owned(),
        columns: fields.iter().map(column).collect(),
        key: key_names,
    };
    (schema, key, row)
}

fn records() -> impl Iterator<Item = [&'static str; 4]> {
    RECORDS.lines().map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap())
}

/// The fields of a connector's envelopes behind `after`, with a bracket at each end.
fn rest_of(connector: Connector) -> &'static str {
    let found = records().find(|[name, kind, ..]| *name == connector.name() && *kind == "Rest");
    found.unwrap()[3]
}

fn written(block: &SchemaBlock, payload: &str) -> String {
    let mut out = Vec::new();
    block.write(&mut out, |out| out.extend_from_slice(payload.as_bytes()));
    String::from_utf8(out).unwrap()
}

#[test]
fn tables_have_debeziums_schemas() {
    for (connector, lines) in TABLES {
        let rest = rest_of(connector).strip_prefix('[').unwrap();
        for line in lines.lines() {
            let (schema, key, row) = table(line);
            let blocks = SchemaBlocks::of_table(&schema, connector, &with_schemas());
            let found = blocks.key.map(|key| written(&key, "{}")).unwrap_or_default();
            let expected =
                if key.is_empty() { String::new() } else { format!(r#"{{"schema":{key},"payload":{{}}}}"#) };
            assert_eq!(found, expected, "{line}");
            let topic = schema.topic();
            let row = |member: &str| {
                format!(
                    r#"{{"type":"struct","fields":{row},"optional":true,"name":"{topic}.Value","field":"{member}"}}"#
                )
            };
            let [before, after] = [row("before"), row("after")];
            let expected = format!(
                r#"{{"schema":{{"type":"struct","fields":[{before},{after},{rest},"optional":false,"name":"{topic}.Envelope","version":2}},"payload":{{"op":"c"}}}}"#
            );
            assert_eq!(written(&blocks.value, r#"{"op":"c"}"#), expected, "{line}");
        }
    }
}

#[test]
fn other_records_have_debeziums_schemas() {
    let format = with_schemas();
    for [name, kind, key, value] in records() {
        let (connector, _) = TABLES.into_iter().find(|(connector, _)| connector.name() == name).unwrap();
        let blocks = match kind {
            "Rest" => continue,
            "TransactionMetadataValue" => SchemaBlocks::of_transactions(&format),
            "MessageValue" => SchemaBlocks::of_messages(&format, BinaryMode::Bytes),
            "SchemaChangeValue" => SchemaBlocks::of_schema_changes(connector, &format),
            other => panic!("unknown kind {other}"),
        };
        let expected = [key, value].map(|schema| format!(r#"{{"schema":{schema},"payload":null}}"#));
        let found = [blocks.key.unwrap(), blocks.value].map(|block| written(&block, "null"));
        assert_eq!(found, expected, "{name} {kind}");
    }
}

#[test]
fn schemas_not_seen_yet_are_those_of_debeziums_code() {
    let format = with_schemas();
    let heartbeats = SchemaBlocks::of_heartbeats(&format);
    assert_eq!(
        written(&heartbeats.key.unwrap(), "1"),
        r#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"serverName"}],"optional":false,"name":"io.debezium.connector.common.ServerNameKey","version":1},"payload":1}"#
    );
    assert_eq!(
        written(&heartbeats.value, "1"),
        r#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.Heartbeat","version":1},"payload":1}"#
    );
    let message = written(&SchemaBlocks::of_messages(&format, BinaryMode::Hex).value, "1");
    assert!(message.contains(r#"{"type":"string","optional":true,"field":"content"}"#), "{message}");
    let described = |connect_type: &'static str, connect_name: Option<&'static str>| ColumnDescription {
        name: "c".to_owned(),
        optional: true,
        connect_type: Cow::Borrowed(connect_type),
        connect_name: connect_name.map(Cow::Borrowed),
        parameters: vec![(Cow::Borrowed("__debezium.source.column.type"), "X".to_owned())],
        items: None,
        default: None,
        history: crate::ColumnHistory::default(),
    };
    let propagated = r#""parameters":{"__debezium.source.column.type":"X"},"field":"c"}"#;
    for (column, expected) in [
        (
            described("map", None),
            r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"#,
        ),
        (
            described("struct", Some("io.debezium.data.geometry.Geography")),
            r#"{"type":"struct","fields":[{"type":"bytes","optional":false,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}],"optional":true,"name":"io.debezium.data.geometry.Geography","version":1,"doc":"Geography","#,
        ),
        (
            described("struct", Some("io.debezium.data.SparseDoubleVector")),
            r#"{"type":"struct","fields":[{"type":"int16","optional":false,"field":"dimensions"},{"type":"map","keys":{"type":"int16","optional":false},"values":{"type":"double","optional":false},"optional":false,"field":"vector"}],"optional":true,"name":"io.debezium.data.SparseDoubleVector","version":1,"doc":"Sparse double vector","#,
        ),
        (
            ColumnDescription {
                items: Some(Box::new(ColumnDescription {
                    parameters: Vec::new(),
                    optional: false,
                    ..described("float64", None)
                })),
                ..described("array", Some("io.debezium.data.DoubleVector"))
            },
            r#"{"type":"array","items":{"type":"double","optional":false},"optional":true,"name":"io.debezium.data.DoubleVector","version":1,"#,
        ),
    ] {
        let mut out = Vec::new();
        super::column::write_value_column(&mut out, &column);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{expected}{propagated}"));
    }
    // types of the source are in values, not in keys
    let mut out = Vec::new();
    super::column::write_key_column(&mut out, &described("int32", None));
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"type":"int32","optional":true,"field":"c"}"#);
}

#[test]
fn without_schemas_payloads_are_bare() {
    let (schema, ..) = table(TABLES[0].1.lines().next().unwrap());
    let format = EventFormat { schemas_in_keys: true, ..EventFormat::default() };
    let blocks = SchemaBlocks::of_table(&schema, Connector::Postgresql, &format);
    assert_eq!(written(&blocks.value, "{}"), "{}");
    assert!(blocks.key.unwrap().has_schema() && !blocks.value.has_schema());
    assert_eq!(SchemaBlocks::of_key_header(&schema, &format), SchemaBlock::bare());
    let keyless = RowSchema { key: Vec::new(), ..schema.clone() };
    assert_eq!(SchemaBlocks::of_table(&keyless, Connector::Postgresql, &format).key, None);
    let key = SchemaBlocks::of_table(&schema, Connector::Postgresql, &with_schemas()).key;
    assert_eq!(Some(SchemaBlocks::of_key_header(&schema, &with_schemas())), key);
}

#[test]
fn schemas_have_the_names_of_topics() {
    let (schema, ..) = table(TABLES[0].1.lines().next().unwrap());
    let schema = RowSchema { table: "a b\"".to_owned(), ..schema };
    let format = EventFormat { topic_delimiter: "-".to_owned(), ..with_schemas() };
    let value = written(&SchemaBlocks::of_table(&schema, Connector::Mysql, &format).value, "1");
    assert!(value.contains(r#""name":"zoo-zoo-a_b_.Envelope","version":2},"payload":1}"#), "{value}");
}

proptest! {
    #[test]
    fn any_table_has_a_schema_that_is_json(
        names in proptest::collection::vec((any::<String>(), any::<String>(), any::<String>()), 0..4),
        prefix: String, schema: String, name: String, default: Option<String>,
    ) {
        let columns = names.iter().map(|(name, kind, semantic)| ColumnDescription {
            name: name.clone(),
            optional: name.is_empty(),
            connect_type: Cow::Owned(kind.clone()),
            connect_name: Some(Cow::Owned(semantic.clone())),
            parameters: vec![(Cow::Owned(semantic.clone()), kind.clone())],
            items: None,
            default: default.clone().map(Value::from), history: crate::ColumnHistory::default(), });
        let key = names.iter().map(|(name, ..)| name.clone()).collect();
        let row = RowSchema { prefix, schema, table: name, columns: columns.collect(), key };
        let blocks = SchemaBlocks::of_table(&row, Connector::Mariadb, &with_schemas());
        for block in blocks.key.into_iter().chain([blocks.value]) {
            let value: Value = serde_json::from_str(&written(&block, "[1]")).unwrap();
            prop_assert_eq!(&value["payload"][0], &Value::from(1));
        }
    }
}
