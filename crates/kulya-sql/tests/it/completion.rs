//! Completion with the names of a catalog.

use crate::TestCatalog;
use kulya_sql::{Completion, Session};

/// Completes a text at its `|`.
async fn complete(session: &mut Session, text: &str) -> (String, Vec<String>) {
    let (before, after) = text.split_once('|').unwrap();
    let Completion { start, candidates, .. } =
        session.complete(&format!("{before}{after}"), before.len()).await;
    (before[..start].to_owned(), candidates)
}

#[tokio::test]
async fn names_of_the_catalog_are_completed() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    catalog.customers().await;
    let mut session = catalog.session().await;
    session
        .execute("CREATE TABLE `order` (id INT, `a b` STRING, `select` INT) WITH ('format' = 'json')")
        .await
        .unwrap();
    for (text, start, expected) in [
        ("USE |", "USE ", &["CATALOG", "kulya", "shop"][..]),
        ("USE CATALOG k|", "USE CATALOG ", &["kulya"]),
        ("SELECT * FROM or|", "SELECT * FROM ", &["`order`", "orders"]),
        ("SELECT * FROM `or|", "SELECT * FROM ", &["`order`"]),
        ("SELECT * FROM kulya.s|", "SELECT * FROM kulya.", &["shop"]),
        ("SELECT * FROM shop.d|", "SELECT * FROM shop.", &["`db.public.customers`"]),
        ("SELECT * FROM kulya.shop.ord|", "SELECT * FROM kulya.shop.", &["`order`", "orders"]),
        ("SELECT * FROM nothing.|", "SELECT * FROM nothing.", &[]),
        ("SELECT cust| FROM orders", "SELECT ", &["customer"]),
        ("SELECT o.| FROM orders AS o, `order` AS p", "SELECT o.", &["channel", "customer", "id", "n"]),
        ("SELECT p.| FROM orders AS o, `order` AS p", "SELECT p.", &["`a b`", "`select`", "id"]),
        ("SELECT REGEXP_RE|", "SELECT ", &["REGEXP_REPLACE("]),
        ("select regexp_re|", "select ", &["regexp_replace("]),
        ("CREATE TABLE t (a TIMESTAMP_|", "CREATE TABLE t (a ", &["TIMESTAMP_LTZ"]),
        (
            "|",
            "",
            &[
                "ALTER", "CREATE", "DESCRIBE", "DROP", "EXECUTE", "EXPLAIN", "INSERT", "RESET", "SELECT",
                "SET", "SHOW", "USE",
            ],
        ),
        ("SELECT | FROM orders", "SELECT ", &["channel", "customer", "id", "n"]),
        ("selec|", "", &["select"]),
        (
            "CREATE TABLE t (a INT) WITH ('json.ig|",
            "CREATE TABLE t (a INT) WITH (",
            &["'json.ignore-parse-errors'"],
        ),
        (
            "CREATE TABLE t (a INT) WITH ('format' = 'deb|",
            "CREATE TABLE t (a INT) WITH ('format' = ",
            &["'debezium-avro'", "'debezium-json'"],
        ),
        ("SET 'execution.run|", "SET ", &["'execution.runtime-mode'"]),
        ("SET 'execution.runtime-mode' = '|", "SET 'execution.runtime-mode' = ", &["'batch'", "'streaming'"]),
        ("SELECT 'x|", "SELECT ", &[]),
    ] {
        assert_eq!(
            complete(&mut session, text).await,
            (start.to_owned(), expected.iter().map(|name| (*name).to_owned()).collect()),
            "{text}"
        );
    }
    assert!(session.complete("SELECT * FROM 'da", 17).await.is_file);
    // what a statement makes is there at once
    session.execute("CREATE TABLE ordinary (id INT)").await.unwrap();
    let (_, names) = complete(&mut session, "SELECT * FROM ordi|").await;
    assert_eq!(names, ["ordinary"]);
    let mut session = Session::without_catalog("none");
    assert_eq!(complete(&mut session, "SELECT * FROM |").await.1, Vec::<String>::new());
}

/// A session reads files only where its program allows it: with any statement that can name one.
#[tokio::test]
async fn files_are_read_only_where_it_is_allowed() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    let mut session = catalog.session().await;
    for statement in [
        "SELECT * FROM 'tests/data/files/orders.csv'",
        "SELECT * FROM orders WHERE id IN (SELECT id FROM 'tests/data/files/orders.csv')",
        "WITH x AS (SELECT * FROM 'tests/data/files/orders.csv') SELECT 1",
        "EXPLAIN SELECT * FROM 'tests/data/files/orders.csv'",
        "INSERT INTO orders (id) SELECT id FROM 'tests/data/files/orders.csv'",
        "DESCRIBE 'tests/data/files/orders.csv'",
        "SELECT * FROM '/etc/passwd.csv'",
    ] {
        let error = session.execute(statement).await.unwrap_err();
        assert_eq!(error.kind().sqlstate(), "42501", "{statement}: {error}");
        assert!(
            error.to_string().contains("this session may not read file") && error.position().is_some(),
            "{error}"
        );
    }
}
