//! Rules for columns, and names of fields: rows, keys and descriptions.

use super::*;
use crate::column_rules::ColumnRules;
use crate::debezium::TimePrecision;
use crate::debezium::connector::Connector;
use crate::debezium::events::EventContext;
use crate::debezium::format::EventFormat;
use crate::debezium::name_adjustment::NameAdjustment;
use crate::mysql::binlog::value::Time;
use crate::mysql::table_description::describe;

const PEOPLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), code VARCHAR(9), note TEXT, \
     secret TEXT, mood ENUM('a','b') NOT NULL, n INT UNSIGNED, h VARCHAR(8) DEFAULT 'def', doc JSON)";
const RULES: &str = r#"{"exclude":["d.t.secret"],"mask":[{"columns":["d.t.(name|mood|doc)"],"length":3}],
    "hash":[{"columns":["d.t.(code|h)"],"algorithm":"MD5","salt":"abc"}],
    "truncate":[{"columns":["d.t.note"],"length":2}],"source-type":["d.t.n"]}"#;

fn context(rules: &str, compat: Compatibility, field_names: NameAdjustment) -> EventContext {
    let format = EventFormat { topic_prefix: "p".into(), field_names, ..EventFormat::default() };
    let time_precision = Some(TimePrecision::Connect);
    let modes = ValueModes { compat, time_precision, ..ValueModes::default() };
    let columns: ColumnRules = serde_json::from_str(rules).unwrap();
    EventContext::new(Connector::Mysql, format, modes, "").with_columns(columns)
}

fn with_rules(server: ServerVersion, sql: &str, events: &EventContext, optional: &[usize]) -> Table {
    let definition = definition(server, sql);
    Table::with_rules(&definition, TableContext::new(events, server.flavour), optional)
}

fn definition(server: ServerVersion, sql: &str) -> schema_history::Table {
    let mut history = history();
    apply(&mut history, server, 0, "d", b"CREATE DATABASE d CHARACTER SET utf8mb4");
    apply(&mut history, server, 0, "d", sql.as_bytes());
    history.table("d", "t").unwrap().clone()
}

fn log_row(table: &Table, row: &[Value<'_>]) -> (Json, Findings) {
    let (mut json, mut findings) = (Vec::new(), Findings::default());
    table.write_log_row(row, &mut json, &mut findings);
    (parse_json(&json), findings)
}

#[test]
fn values_are_masked_hashed_cut_and_left_out() {
    for compat in [Compatibility::Corrected, Compatibility::Debezium] {
        let events = context(RULES, compat, NameAdjustment::None);
        let table = with_rules(MARIADB, PEOPLE, &events, &[]);
        let text = |text: &'static str| Value::Bytes(text.as_bytes());
        let doc = text("{\"a\":\"geheim\"}");
        let row = [
            Value::Int(1),
            text("Anna"),
            text("plain"),
            text("äöü"),
            text("geheim"),
            Value::Enum(1),
            Value::UInt(5),
            text("plain"),
            doc,
        ];
        let expected = json!({"id": 1, "name": "***", "code": "41e520aba", "note": "äö", "mood": "***", "n": 5,
            "h": "41e520ab", "doc": "***"});
        assert_eq!(log_row(&table, &row).0, expected);
        assert_eq!(
            table.column_names().collect::<Vec<_>>(),
            ["id", "name", "code", "note", "mood", "n", "h", "doc"]
        );
        let fields: [&[u8]; 8] = [b"1", b"Anna", b"plain", "äöü".as_bytes(), b"a", b"5", b"plain", b"geheim"];
        let (found, key) = text_row(&table, &fields.map(Some), &mut Vec::new());
        assert_eq!((found, key), (expected, Some(json!({"id": 1}))));

        // null is masked but not hashed; the default value that Debezium has for it is as it is
        let null =
            [Value::Int(1), Value::Null, Value::Null, Value::Null, Value::Null, Value::Enum(2), Value::Null];
        let row = [&null[..], &[Value::Null, Value::Null]].concat();
        let default = if compat == Compatibility::Debezium { json!("def") } else { Json::Null };
        let expected = json!({"id": 1, "name": "***", "code": null, "note": null, "mood": "***", "n": null,
            "h": default, "doc": "***"});
        assert_eq!(log_row(&table, &row).0, expected);
    }
}

#[test]
fn logs_do_not_have_values_that_are_changed() {
    let events = context(RULES, Compatibility::Corrected, NameAdjustment::None);
    let table = with_rules(MYSQL, PEOPLE, &events, &[]);
    let mut row = vec![Value::Int(1)];
    row.extend([Value::Bytes(b"geheim\xff"); 4]);
    let (_, findings) = log_row(&table, &row);
    assert_eq!((findings.replaced, findings.nulls), (Vec::new(), Vec::new()));
    // a column that is neither
    let table = self::table(MYSQL, PEOPLE, &ValueModes::default());
    assert_eq!(log_row(&table, &row).1.replaced.len(), 4);
}

#[test]
fn schemas_say_what_the_rules_do() {
    let events = context(RULES, Compatibility::Corrected, NameAdjustment::None);
    let table = with_rules(MYSQL, PEOPLE, &events, &[]);
    let parameters = |name: &str| {
        let column = table.schema.columns.iter().find(|column| column.name == name).unwrap();
        let parameters = column.parameters.iter().map(|(name, value)| format!("{name}={value}"));
        parameters.collect::<Vec<_>>().join(" ").replace("__debezium.source.column.", "")
    };
    for (column, expected) in [
        ("id", ""),
        ("name", "masked=true"),
        ("code", "masked=true"),
        ("note", "truncateLength=2"),
        ("mood", "allowed=a,b masked=true"),
        ("n", "type=INT UNSIGNED name=n"),
    ] {
        assert_eq!(parameters(column), expected, "{column}");
    }
    assert!(!table.schema.columns.iter().any(|column| column.name == "secret"));

    // MySQL's JSON is no text, so it stays readable, as with Debezium
    let row = [Value::Null; 9];
    assert_eq!(log_row(&table, &row).0["doc"], Json::Null);
}

#[test]
fn keys_are_those_of_the_rules_and_rows_may_lack_them() {
    let key = |table: &Table, row: &[Value<'_>]| {
        let mut out = Vec::new();
        let (key, values) = table.write_key(row, &mut out).unwrap();
        (parse_json(key.of(&out)), String::from_utf8(values.of(&out).to_vec()).unwrap())
    };
    let row = [Value::Int(7), Value::Bytes(b"Anna"), Value::Bytes(b"x")];
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), `1st-col` VARCHAR(9) NOT NULL)";

    let events = context(r#"{"exclude":["d.t.id"]}"#, Compatibility::Corrected, NameAdjustment::None);
    let table = with_rules(MYSQL, sql, &events, &[]);
    assert_eq!(log_row(&table, &row).0, json!({"name": "Anna", "1st-col": "x"}));
    assert_eq!(key(&table, &row), (json!({"id": 7}), "7".to_owned()));
    // the key is none of the rows
    assert_eq!(table.schema.key, [""; 0]);
    assert_eq!(table.key_columns()[0].name, "id");
    assert_eq!(table.select_list(), "`id`,`name`,`1st-col`");

    let rules = r#"{"include":["d.t.name","d.t.1st-col"],"key":["d.t.1st.*","d.t.name"]}"#;
    let events = context(rules, Compatibility::Corrected, NameAdjustment::Avro);
    let table = with_rules(MYSQL, sql, &events, &[]);
    assert_eq!(log_row(&table, &row).0, json!({"name": "Anna", "_1st_col": "x"}));
    assert_eq!(key(&table, &row), (json!({"_1st_col": "x", "name": "Anna"}), "\"x\",\"Anna\"".to_owned()));
    assert_eq!(table.schema.key, ["_1st_col", "name"]);
    assert_eq!(table.select_list(), "`name`,`1st-col`");
    let (found, found_key) = text_row(&table, &[Some(b"Anna"), Some(b"x")], &mut Vec::new());
    assert_eq!(found, json!({"name": "Anna", "_1st_col": "x"}));
    assert_eq!(found_key, Some(json!({"_1st_col": "x", "name": "Anna"})));

    let events = context(r#"{"include":["d.u.x"]}"#, Compatibility::Corrected, NameAdjustment::None);
    let table = with_rules(MYSQL, "CREATE TABLE t (a INT)", &events, &[]);
    assert_eq!((table.select_list().as_str(), log_row(&table, &row).0), ("NULL", json!({})));
}

#[test]
fn null_in_a_required_column_makes_it_optional() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, t TIME NOT NULL, g GEOMETRY NOT NULL)";
    let events = context("{}", Compatibility::Corrected, NameAdjustment::None);
    let row = [Value::Int(1), Value::Time(Time { micros: -1 }), Value::Null];
    let table = with_rules(MYSQL, sql, &events, &[]);
    let (found, findings) = log_row(&table, &row);
    assert_eq!((found, findings.nulls), (json!({"id": 1, "t": null, "g": null}), vec![1]));
    let table = with_rules(MYSQL, sql, &events, &[1]);
    assert!(table.schema.columns[1].optional);
    assert_eq!(log_row(&table, &row).1.nulls, [0; 0]);
}

#[test]
fn schema_changes_have_the_columns_of_events() {
    let columns: ColumnRules = serde_json::from_str(r#"{"exclude":["d.t.secret","d.t.id"]}"#).unwrap();
    let description = describe(&definition(MYSQL, PEOPLE), Compatibility::Debezium, &columns);
    let names: Vec<&str> = description.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "code", "note", "mood", "n", "h", "doc"]);
    assert_eq!(description.primary_key, ["id"]);
}
