//! The schema history after a statement, compared with the server's own catalog, for each statement of the
//! corpus that the server accepts. Needs a server.

use super::{CapturedTables, ServerFacts, read_definitions};
use crate::mysql::connection::{Connection, ConnectionSettings};
use crate::mysql::ddl::{ColumnType, KeyKind, Statement, TypeName, parse};
use crate::mysql::schema_history::{Collated, SchemaHistory, Table, TableKind};
use crate::mysql::session;
use std::collections::BTreeMap;

/// The database in which the statements are run, and those that they name.
const DATABASE: &str = "corpus";
const DATABASES: [&str; 5] = [DATABASE, "z", "z2", "zz", "vdb"];
/// The tables on which they are run.
const TABLES: &str = "
CREATE TABLE a1 (id INT NOT NULL AUTO_INCREMENT, name VARCHAR(100) NOT NULL DEFAULT '', a INT NOT NULL, b INT, c VARCHAR(20), d DATE, e ENUM('a','b'), q INT, t TIMESTAMP NULL, x INT, y INT, `x y` INT, PRIMARY KEY (id), KEY k (b), KEY k3 (q));
CREATE TABLE a2 (id BIGINT NOT NULL PRIMARY KEY, s TIMESTAMP(6) NULL);
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, name VARCHAR(10));
CREATE TABLE t1 (id INT NOT NULL PRIMARY KEY);
CREATE TABLE t2 (id INT NOT NULL PRIMARY KEY);
CREATE TABLE _t_gho (id INT NOT NULL PRIMARY KEY, name TEXT, added INT);
CREATE TABLE p1 (id INT NOT NULL, y INT NOT NULL, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE);
CREATE TABLE p4 (id INT NOT NULL PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 4;
CREATE TABLE z.a1 (id INT NOT NULL PRIMARY KEY, name VARCHAR(10));
CREATE TABLE z.other (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a, b));
CREATE TABLE z.t (id INT NOT NULL PRIMARY KEY)";

const COLUMNS: &str = "SELECT c.table_schema, c.table_name, c.column_name, c.column_type, c.is_nullable, \
     c.character_set_name, c.extra \
     FROM information_schema.columns c JOIN information_schema.tables t \
     ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
     WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') \
     AND c.table_schema IN ('corpus', 'z', 'z2', 'zz', 'vdb') \
     ORDER BY c.table_schema, c.table_name, c.ordinal_position";
const KEYS: &str = "SELECT table_schema, table_name, column_name FROM information_schema.statistics \
     WHERE index_name = 'PRIMARY' AND table_schema IN ('corpus', 'z', 'z2', 'zz', 'vdb') \
     ORDER BY table_schema, table_name, seq_in_index";

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn statements_have_the_effect_that_mariadb_has() {
    compare("KULYA_TEST_MARIADB", 100).await;
}

#[tokio::test]
#[ignore = "needs MySQL"]
async fn statements_have_the_effect_that_mysql_has() {
    compare("KULYA_TEST_MYSQL", 85).await;
}

/// Runs each statement on new tables. At least `expected` statements must be accepted.
async fn compare(variable: &str, expected: usize) {
    let url = std::env::var(variable).unwrap();
    let mut connection = Connection::open(&ConnectionSettings::parse(&url).unwrap()).await.unwrap();
    session::prepare(&mut connection).await.unwrap();
    let facts = ServerFacts::read(&mut connection).await.unwrap();
    let (mut accepted, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    let mut unchanged = None;
    for statement in statements() {
        let mut after = match unchanged.take() {
            Some(history) => history,
            None => create_tables(&mut connection, &facts).await,
        };
        let parsed = parse(statement.as_bytes(), facts.parse_settings(0));
        let mut is_dropped = false;
        if let Ok(Statement::CreateTable(create)) = &parsed
            && !create.if_not_exists
            && create.table.database.is_none()
            && after.remove_table(DATABASE, &create.table.table).is_some()
        {
            is_dropped = true;
            let table = session::quoted(&create.table.table);
            connection.query(&format!("DROP TABLE {table}")).await.unwrap();
        }
        if let Err(error) = connection.query(&statement).await {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            refused.push(format!("{statement}: {error}: {cause}"));
            unchanged = (!is_dropped).then_some(after);
            continue;
        }
        accepted += 1;
        let applied = match parsed {
            // refused by name: the capture stops there, and says so
            Err(_) => continue,
            Ok(parsed) => after.apply(&parsed, &facts.session(Some(DATABASE), None)),
        };
        let server = from_server(&mut connection).await;
        let ours = from_history(&after);
        if applied.is_err() || server != ours {
            let differing: Vec<String> = server
                .iter()
                .filter(|(name, lines)| ours.get(*name) != Some(lines))
                .map(|(name, lines)| format!("{name}: server {lines:#?}, history {:#?}", ours.get(name)))
                .chain(ours.keys().filter(|name| !server.contains_key(*name)).cloned())
                .collect();
            wrong.push(format!("{statement}\n{applied:?}\n{}", differing.join("\n")));
        }
    }
    drop_databases(&mut connection).await;
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n\n"));
    let refused_count = refused.len();
    assert!(accepted >= expected, "{accepted} accepted, {refused_count} refused:\n{}", refused.join("\n"));
}

/// The statements of the corpus, also those that are for the other product: what a server accepts decides.
/// Those of accounts, plugins and transactions change no table, and are left out.
fn statements() -> Vec<String> {
    let path = format!("{}/tests/data/mysql/ddl/statements.tsv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("other\t"));
    let lines = lines.filter_map(|line| line.splitn(3, '\t').nth(2));
    lines.map(|statement| statement.replace("\\n", "\n").replace("\\t", "\t")).collect()
}

async fn drop_databases(connection: &mut Connection) {
    for name in DATABASES {
        connection.query(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
    }
}

async fn create_tables(connection: &mut Connection, facts: &ServerFacts) -> SchemaHistory {
    drop_databases(connection).await;
    for statement in ["CREATE DATABASE z", "CREATE DATABASE corpus", "USE corpus"] {
        connection.query(statement).await.unwrap();
    }
    for statement in TABLES.split(";\n") {
        connection.query(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let tables =
        CapturedTables::list(connection, &|database, _| DATABASES.contains(&database)).await.unwrap();
    let history = read_definitions(connection, facts, &tables).await.unwrap().history;
    assert_eq!(from_history(&history), from_server(connection).await, "before the statement");
    history
}

/// The columns of each table, and its primary key, from the server's catalog.
async fn from_server(connection: &mut Connection) -> BTreeMap<String, Vec<String>> {
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in connection.query(COLUMNS).await.unwrap().rows {
        let text = |index: usize| row[index].as_deref().unwrap_or_default();
        let charset = row[5].as_deref().map(|name| Collated::new(name).charset).unwrap_or_default();
        let auto = text(6).contains("auto_increment");
        let line = describe(text(2), &without_display_width(text(3)), text(4) == "YES", &charset, auto);
        tables.entry(format!("{}.{}", text(0), text(1))).or_default().push(line);
    }
    for row in connection.query(KEYS).await.unwrap().rows {
        let text = |index: usize| row[index].as_deref().unwrap_or_default();
        if let Some(lines) = tables.get_mut(&format!("{}.{}", text(0), text(1))) {
            lines.push(format!("key {}", text(2)));
        }
    }
    tables
}

/// The same from a history.
fn from_history(history: &SchemaHistory) -> BTreeMap<String, Vec<String>> {
    let tables = history.tables().filter(|table| table.kind == TableKind::Table);
    tables.map(|table| (format!("{}.{}", table.name.database, table.name.table), lines(table))).collect()
}

fn lines(table: &Table) -> Vec<String> {
    let columns = table.columns.iter().filter(|column| !column.hidden).map(|column| {
        let charset = column.column_type.charset.as_deref().unwrap_or_default();
        let column_type = type_text(&column.column_type);
        describe(&column.name, &column_type, column.nullable, charset, column.auto_increment)
    });
    let primary = table.keys.iter().filter(|key| key.kind == KeyKind::Primary);
    let key = primary.flat_map(|key| key.parts.iter().filter_map(|part| part.column.as_deref()));
    // the catalog has the column's own writing of its name, and no hidden columns
    let key = key.filter_map(|name| table.position(name)).map(|place| &table.columns[place]);
    let key = key.filter(|column| !column.hidden).map(|column| &column.name);
    columns.chain(key.map(|name| format!("key {name}"))).collect()
}

fn describe(name: &str, column_type: &str, is_nullable: bool, charset: &str, auto: bool) -> String {
    let nullable = if is_nullable { "null" } else { "not null" };
    format!("{name} {column_type} {nullable} {charset}{}", if auto { " auto_increment" } else { "" })
}

/// A type as the catalogs write it, without what is no part of the history: the display width of integers.
fn type_text(column_type: &ColumnType) -> String {
    use TypeName::{BigInt, Int, MediumInt, SmallInt, TinyInt, Year};
    let name = column_type.name;
    let mut text = name.as_str().to_owned();
    let has_width = matches!(name, TinyInt | SmallInt | MediumInt | Int | BigInt | Year);
    match (column_type.length, column_type.scale) {
        _ if has_width => {}
        (Some(length), Some(scale)) => text += &format!("({length},{scale})"),
        // without fractions the number is left out
        (Some(0), None) if matches!(name, TypeName::Time | TypeName::DateTime | TypeName::Timestamp) => {}
        (Some(length), None) => text += &format!("({length})"),
        _ => {}
    }
    if matches!(name, TypeName::Enum | TypeName::Set) {
        let labels: Vec<String> =
            column_type.labels.iter().map(|label| format!("'{}'", label.replace('\'', "''"))).collect();
        text += &format!("({})", labels.join(","));
    }
    for (is_set, word) in [(column_type.unsigned, " unsigned"), (column_type.zerofill, " zerofill")] {
        if is_set {
            text += word;
        }
    }
    text
}

/// Removes the display width of integers and years, MariaDB's COMPRESSED and MySQL's newer name of
/// geometry collections.
fn without_display_width(column_type: &str) -> String {
    let text = column_type.split(" /*").next().unwrap_or_default();
    let text = if text == "geomcollection" { "geometrycollection" } else { text };
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    if ["tinyint", "smallint", "mediumint", "int", "bigint", "year"].contains(&name) {
        return format!("{name}{}", rest.split_once(')').map_or("", |(_, rest)| rest));
    }
    text.to_owned()
}
