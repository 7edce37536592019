//! Each statement of the corpus by itself, on the same tables.

use super::super::{CapturedTables, ServerFacts, read_definitions};
use super::comparison::{Compared, difference, from_history, from_server};
use crate::mysql::connection::{Connection, ConnectionSettings};
use crate::mysql::ddl::{Statement, parse};
use crate::mysql::schema_history::SchemaHistory;
use crate::mysql::session;

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
    let _alone = super::SERVER.lock().await;
    let url = std::env::var(variable).unwrap();
    let mut connection = session::open(&ConnectionSettings::parse(&url).unwrap()).await.unwrap();
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
        let server = from_server(&mut connection, &facts, Compared::Databases(&is_compared)).await;
        let difference = difference(&server, &from_history(&after, &facts)).unwrap_or_default();
        if applied.is_err() || !difference.is_empty() {
            wrong.push(format!("{statement}\n{applied:?}\n{difference}"));
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

fn is_compared(database: &str) -> bool {
    DATABASES.contains(&database)
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
    let tables = CapturedTables::list(connection, &|database, _| is_compared(database)).await.unwrap();
    let history = read_definitions(connection, facts, &tables).await.unwrap().history;
    assert_eq!(
        from_history(&history, facts),
        from_server(connection, facts, Compared::Databases(&is_compared)).await,
        "before the statement"
    );
    history
}
