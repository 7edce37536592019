//! Schema changes of real events: what Debezium wrote to its schema history gives the event that it wrote.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

const CHANGES: &str = include_str!("../../../tests/data/debezium-schemas/schema-changes.tsv");

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let list = value.get(name).and_then(Value::as_array).into_iter().flatten();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn column(value: &Value) -> ColumnDefinition {
    let number = |name: &str| value.get(name).and_then(Value::as_i64).map(|number| number as i32);
    let is = |name: &str| value[name].as_bool().unwrap();
    ColumnDefinition {
        name: text(value, "name").unwrap(),
        jdbc_type: number("jdbcType").unwrap(),
        native_type: number("nativeType"),
        type_name: text(value, "typeName").unwrap(),
        type_expression: text(value, "typeExpression"),
        charset: text(value, "charsetName"),
        length: number("length"),
        scale: number("scale"),
        optional: is("optional"),
        auto_incremented: is("autoIncremented"),
        generated: is("generated"),
        comment: text(value, "comment"),
        default_value: text(value, "defaultValueExpression"),
        enum_values: texts(value, "enumValues"),
    }
}

fn table_change(value: &Value) -> TableChange {
    let id = text(value, "id").unwrap();
    let (database, table) = id.trim_matches('"').split_once("\".\"").unwrap();
    let description = value.get("table").map(|table| TableDescription {
        default_charset: text(table, "defaultCharsetName"),
        primary_key: texts(table, "primaryKeyColumnNames"),
        columns: table["columns"].as_array().unwrap().iter().map(column).collect(),
        comment: text(table, "comment"),
    });
    TableChange {
        kind: match value["type"].as_str().unwrap() {
            "CREATE" => TableChangeKind::Create,
            "ALTER" => TableChangeKind::Alter,
            "DROP" => TableChangeKind::Drop,
            other => panic!("unknown type {other}"),
        },
        database: database.to_owned(),
        table: table.to_owned(),
        description,
    }
}

fn written(change: &SchemaChange, millis: u64) -> [String; 2] {
    let [mut key, mut value] = [Vec::new(), Vec::new()];
    change.write_key(&mut key);
    change.write_value(&mut value, |out| out.extend_from_slice(b"{}"), millis);
    [key, value].map(|json| String::from_utf8(json).unwrap())
}

#[test]
fn records_are_debeziums() {
    let mut kinds = Vec::new();
    for line in CHANGES.lines() {
        let [_, history, key, value] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let history: Value = serde_json::from_str(history).unwrap();
        let change = SchemaChange {
            database: text(&history, "databaseName").unwrap(),
            ddl: text(&history, "ddl").unwrap(),
            tables: history["tableChanges"].as_array().unwrap().iter().map(table_change).collect(),
        };
        kinds.extend(change.tables.iter().map(|table| table.kind));
        let event: Value = serde_json::from_str(value).unwrap();
        assert_eq!(written(&change, event["ts_ms"].as_u64().unwrap()), [key, value]);
    }
    for kind in [TableChangeKind::Create, TableChangeKind::Alter, TableChangeKind::Drop] {
        assert!(kinds.contains(&kind), "{kind:?} is not in the data");
    }
}

#[test]
fn quotation_marks_in_names_are_doubled() {
    let table = TableChange {
        kind: TableChangeKind::Drop,
        database: "a\"b".to_owned(),
        table: "c.d".to_owned(),
        description: None,
    };
    let change = SchemaChange { database: "a\"b".to_owned(), ddl: "x".to_owned(), tables: vec![table] };
    let [key, value] = written(&change, 1);
    assert_eq!(key, r#"{"databaseName":"a\"b"}"#);
    assert_eq!(
        value,
        r#"{"source":{},"ts_ms":1,"databaseName":"a\"b","schemaName":null,"ddl":"x","tableChanges":[{"type":"DROP","id":"\"a\"\"b\".\"c.d\"","table":null}]}"#
    );
}

proptest! {
    #[test]
    fn any_change_is_json(database: String, ddl: String, name: String, enum_values: Vec<String>) {
        let column = ColumnDefinition { name: name.clone(), enum_values, ..ColumnDefinition::default() };
        let description = TableDescription { columns: vec![column.clone(), column], ..Default::default() };
        let tables = vec![TableChange {
            kind: TableChangeKind::Create,
            database: database.clone(),
            table: name,
            description: Some(description),
        }];
        let [key, value] = written(&SchemaChange { database: database.clone(), ddl, tables }, 0);
        let key: Value = serde_json::from_str(&key).unwrap();
        let value: Value = serde_json::from_str(&value).unwrap();
        prop_assert_eq!(&key["databaseName"], &Value::from(database));
        prop_assert_eq!(&value["tableChanges"][0]["table"]["columns"][1]["position"], &Value::from(2));
    }
}
