//! The recorded schemas of Debezium's rows: types, semantic types, parameters and defaults.

use super::replay::{read, replay};
use super::*;
use crate::ColumnDescription;
use std::collections::BTreeMap;

/// Schemas that the recording took from another statement than the log's, or that depend on the DDL reader of
/// Debezium.
const NOT_COMPARED: &[&str] = &[
    // REAL is DOUBLE for the server; Debezium takes it so from SHOW CREATE TABLE, and for FLOAT from the log
    "zoo.zoo.numb r",
];

fn column(description: &ColumnDescription) -> Json {
    let connect_type = match &*description.connect_type {
        "float32" => "float",
        "float64" => "double",
        other => other,
    };
    let mut column =
        json!({ "name": description.name, "type": connect_type, "optional": description.optional });
    if let Some(name) = &description.connect_name {
        column["semantic"] = json!(name);
    }
    if !description.parameters.is_empty() {
        let parameters = description.parameters.iter().map(|(name, value)| (name.to_string(), json!(value)));
        column["parameters"] = Json::Object(parameters.collect());
    }
    if let Some(default) = &description.default {
        column["default"] = default.clone();
    }
    column
}

fn check(recording: &str, files: &[&str], version: ServerVersion) {
    let mut schemas: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    let history = replay(files, version, &debezium(), |_| {});
    for table in history.tables() {
        let table = Table::new("zoo", table, &debezium(), version.flavour);
        schemas.insert(table.topic, table.schema.columns.iter().map(column).collect());
    }
    let text = String::from_utf8(read("debezium/schemas.jsonl")).unwrap();
    let recorded = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let mut count = 0;
    for expected in recorded.filter(|schema| schema["recording"] == recording) {
        let topic = expected["topic"].as_str().unwrap();
        for (found, expected) in schemas[topic].iter().zip(expected["columns"].as_array().unwrap()) {
            let name = format!("{topic} {}", found["name"].as_str().unwrap());
            if !NOT_COMPARED.contains(&&*name) {
                assert_eq!(found, expected, "{recording} {topic}");
            }
            count += 1;
        }
        assert_eq!(schemas[topic].len(), expected["columns"].as_array().unwrap().len(), "{topic}");
    }
    assert!(count > 80, "{recording}: {count}");
}

#[test]
fn schemas_of_mysql_are_debeziums() {
    check("mysql", &["debezium/mysql.binlog"], MYSQL);
    let files = ["mysql-full.1.binlog", "mysql-full.2.binlog", "debezium/defaults.binlog"];
    check("extremes", &files, MYSQL);
}

#[test]
fn schemas_of_mariadb_are_debeziums() {
    check("mariadb", &["debezium/mariadb.binlog"], MARIADB);
}
