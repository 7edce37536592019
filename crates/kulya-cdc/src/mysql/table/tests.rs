//! Rows of real servers' logs: compared with Debezium's events, and with what SELECT gave
//! (`tests/data/mysql/README.md`).

mod debezium;
mod extremes;
mod replay;
mod rules;
mod schemas;
mod select;

use super::*;
use crate::debezium::Compatibility;
use crate::mysql::ddl::{ParseSettings, ServerVersion, SqlMode, parse};
use crate::mysql::schema_history::{Collated, SchemaHistory, Session, TableNameCase};
use kulya_store::framing::MAX_EVENT_BYTES;
use serde_json::{Value as Json, json};

const MYSQL: ServerVersion = ServerVersion { flavour: Flavour::MySql, number: 80_015 };
const MARIADB: ServerVersion = ServerVersion { flavour: Flavour::MariaDb, number: 101_119 };

fn history() -> SchemaHistory {
    SchemaHistory::new(TableNameCase::Sensitive)
}

fn apply(history: &mut SchemaHistory, server: ServerVersion, sql_mode: u64, database: &str, sql: &[u8]) {
    let statement = parse(sql, ParseSettings { server, sql_mode: SqlMode(sql_mode) }).unwrap();
    let session = Session {
        default_database: Some(database).filter(|database| !database.is_empty()),
        server_charset: &Collated::new("utf8mb4"),
        explicit_defaults_for_timestamp: true,
    };
    history.apply(&statement, &session).unwrap();
}

fn table(server: ServerVersion, sql: &str, modes: &ValueModes) -> Table {
    let mut history = history();
    apply(&mut history, server, 0, "d", b"CREATE DATABASE d CHARACTER SET utf8mb4");
    apply(&mut history, server, 0, "d", sql.as_bytes());
    Table::new("p", history.table("d", "t").unwrap(), modes, server.flavour)
}

fn debezium() -> ValueModes {
    ValueModes { compat: Compatibility::Debezium, ..ValueModes::default() }
}

/// Writes a row of a snapshot and its key.
fn text_row(table: &Table, row: &[Option<&[u8]>], report: &mut Vec<Replaced>) -> (Json, Option<Json>) {
    let (mut json, mut key) = (Vec::new(), Vec::new());
    let field = |index: usize| row.get(index).copied().flatten();
    table.write_text_row(field, &mut json, report);
    let span = table.write_text_key(field, &mut key);
    (parse_json(&json), span.map(|(span, _)| parse_json(span.of(&key))))
}

fn parse_json(json: &[u8]) -> Json {
    serde_json::from_slice(json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(json)))
}

#[test]
fn keys_are_those_of_the_server() {
    for (sql, key) in [
        ("CREATE TABLE t (a INT, b INT, PRIMARY KEY (b, a))", &["b", "a"][..]),
        ("CREATE TABLE t (a INT, b INT NOT NULL, UNIQUE (a), UNIQUE (b))", &["b"]),
        ("CREATE TABLE t (a INT, UNIQUE (a))", &[]),
    ] {
        let table = table(MYSQL, sql, &ValueModes::default());
        assert_eq!(table.schema.key, key, "{sql}");
        let (_, found) = text_row(&table, &[Some(b"1"), Some(b"2")], &mut Vec::new());
        let value = |name: &&str| if *name == "a" { 1 } else { 2 };
        let expected = key.iter().map(|name| ((*name).to_owned(), json!(value(name))));
        let expected: serde_json::Map<_, _> = expected.collect();
        assert_eq!(found, Some(Json::Object(expected)).filter(|_| !key.is_empty()), "{sql}");
    }
}

#[test]
fn hidden_row_times_are_in_the_log_only() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, inv INT INVISIBLE) WITH SYSTEM VERSIONING";
    let table = table(MARIADB, sql, &ValueModes::default());
    assert_eq!(table.column_names().collect::<Vec<_>>(), ["id", "inv"]);
    assert_eq!(table.schema.columns.len(), 2);
    assert_eq!(table.schema.key, ["id"]);
    let (mut json, mut key, hash) = (Vec::new(), Vec::new(), Value::Int(1));
    let row = [Value::Int(1), Value::Null, Value::Null, Value::Null, hash];
    table.write_row(&row, &mut json, &mut Vec::new());
    let (whole, values) = table.write_key(&row, &mut key).unwrap();
    assert_eq!(json, b"{\"id\":1,\"inv\":null}");
    assert_eq!((whole.of(&key), values.of(&key)), (&b"{\"id\":1}"[..], &b"1"[..]));
}

#[test]
fn former_versions_of_rows_are_recognized() {
    let mut changes = Vec::new();
    replay::replay(&["mariadb-versioned.binlog"], MARIADB, &ValueModes::default(), |change| {
        let text = |image: Option<replay::Image>| {
            let image = image?;
            let [row, key] = [image.row, image.key.unwrap()].map(|json| String::from_utf8(json).unwrap());
            Some(format!("{} {key} {row}", if image.is_current { "current" } else { "former" }))
        };
        changes.push([text(change.before), text(change.after)]);
    });
    let row = |validity: &str, id: i32, a: i32| {
        Some(format!("{validity} {{\"id\":{id}}} {{\"id\":{id},\"a\":{a}}}"))
    };
    let expected = [
        // INSERT
        [None, row("current", 1, 1)],
        [None, row("current", 2, 2)],
        // UPDATE, which keeps the former version
        [row("current", 1, 1), row("current", 1, 3)],
        [None, row("former", 1, 1)],
        // DELETE
        [row("current", 2, 2), row("former", 2, 2)],
        // REPLACE
        [row("current", 1, 3), row("former", 1, 3)],
        [None, row("current", 1, 9)],
        // DELETE HISTORY
        [row("former", 1, 1), None],
        [row("former", 1, 3), None],
        [row("former", 2, 2), None],
    ];
    assert_eq!(changes, expected);
}

#[test]
fn select_lists_quote_names_and_keep_all_digits() {
    let sql = "CREATE TABLE t (`a``b` INT, f FLOAT, f2 FLOAT(7,3), d DOUBLE)";
    let list = table(MYSQL, sql, &ValueModes::default()).select_list();
    assert_eq!(list, "`a``b`,`f`+0e0,`f2`+0e0,`d`");
}

#[test]
fn null_is_null_or_debeziums_default() {
    let sql = "CREATE TABLE t (a INT DEFAULT 7, b VARCHAR(9) DEFAULT 'x''y', c TIMESTAMP NULL DEFAULT \
               CURRENT_TIMESTAMP, d DATETIME DEFAULT CURRENT_TIMESTAMP, e DATE)";
    let row = [None; 5];
    let corrected = text_row(&table(MYSQL, sql, &ValueModes::default()), &row, &mut Vec::new()).0;
    assert_eq!(corrected, json!({"a": null, "b": null, "c": null, "d": null, "e": null}));
    let found = text_row(&table(MYSQL, sql, &debezium()), &row, &mut Vec::new()).0;
    assert_eq!(found, json!({"a": 7, "b": "x''y", "c": null, "d": 0, "e": null}));
}

#[test]
fn values_without_a_representation_are_null_and_noted() {
    let modes = ValueModes { time_precision: Some(crate::debezium::TimePrecision::Connect), ..debezium() };
    let table = table(MYSQL, "CREATE TABLE t (a TIME, b INT, c VARCHAR(9))", &modes);
    let mut report = Vec::new();
    let (json, _) = text_row(&table, &[Some(b"-00:00:01"), Some(b"x"), Some(b"a\xff")], &mut report);
    assert_eq!(json, json!({"a": null, "b": null, "c": "a\u{fffd}"}));
    let noted: Vec<_> = report.iter().map(|r| (&*r.table, &*r.column, &*r.text)).collect();
    assert_eq!(noted, [("d.t", "a", "-00:00:01"), ("d.t", "b", "x"), ("d.t", "c", "a\u{fffd}")]);

    let (mut json, mut report) = (Vec::new(), Vec::new());
    let row = [Value::Time(crate::mysql::binlog::value::Time { micros: -1 }), Value::Enum(1), Value::Null];
    table.write_row(&row, &mut json, &mut report);
    assert_eq!(parse_json(&json), json!({"a": null, "b": null, "c": null}));
    assert_eq!(report[0].text, "-00:00:00.000001");
    assert_eq!(report.len(), 2);
}

#[test]
fn rows_end_beyond_the_size_of_an_event() {
    let sql = "CREATE TABLE t (a INT PRIMARY KEY, b LONGTEXT, c LONGTEXT, d LONGTEXT, e LONGTEXT)";
    let (table, text) = (table(MYSQL, sql, &ValueModes::default()), vec![b'x'; MAX_EVENT_BYTES / 2]);
    let (mut log, mut snapshot) = (b"before".to_vec(), b"before".to_vec());
    let row = [Value::Int(1), Value::Bytes(&text), Value::Bytes(&text), Value::Bytes(&text), Value::Null];
    table.write_row(&row, &mut log, &mut Vec::new());
    let field = |index: usize| if index == 0 { Some(&b"1"[..]) } else { Some(&text[..]) };
    table.write_text_row(field, &mut snapshot, &mut Vec::new());
    assert!(log == snapshot);
    let json = parse_json(log.strip_prefix(b"before").unwrap());
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}
