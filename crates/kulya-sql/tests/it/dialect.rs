//! Queries in Flink's syntax that DataFusion does not have, and the errors of the parser.

use super::{TestCatalog, error_of, rows};

/// Bids at five times, by two bidders, and one without a time, which is in no window.
const BIDS: &str = "WITH bids (ts, who, price) AS (VALUES \
    (TIMESTAMP '2020-04-15 08:05:00', 'a', 4), (TIMESTAMP '2020-04-15 08:07:00', 'b', 2), \
    (TIMESTAMP '2020-04-15 08:09:00', 'a', 5), (TIMESTAMP '2020-04-15 08:11:00', 'a', 3), \
    (TIMESTAMP '2020-04-15 08:17:00', 'b', 6), (CAST(NULL AS TIMESTAMP(3)), 'c', 7)) ";

/// Formats of the times of windows.
const WINDOW: &str = "date_format(window_start, 'HH:mm:ss') AS s, date_format(window_end, 'HH:mm:ss') AS e";

#[tokio::test]
async fn window_functions_assign_rows_to_windows() {
    let mut session = TestCatalog::new().await.session().await;
    for (function, expected) in [
        (
            "TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' MINUTES)",
            "08:00:00,08:10:00,11\n08:10:00,08:20:00,9\n",
        ),
        (
            "TUMBLE(DATA => TABLE bids, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' MINUTES, `OFFSET` => INTERVAL '1' MINUTE)",
            "08:01:00,08:11:00,11\n08:11:00,08:21:00,9\n",
        ),
        (
            "HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTES, INTERVAL '10' MINUTES)",
            "08:00:00,08:10:00,11\n08:05:00,08:15:00,14\n08:10:00,08:20:00,9\n08:15:00,08:25:00,6\n",
        ),
        (
            "CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTES, INTERVAL '10' MINUTES)",
            "08:00:00,08:10:00,11\n08:10:00,08:15:00,3\n08:10:00,08:20:00,9\n",
        ),
        (
            "SESSION(TABLE bids, DESCRIPTOR(ts), INTERVAL '3' MINUTES)",
            "08:05:00,08:14:00,14\n08:17:00,08:20:00,6\n",
        ),
        (
            "SESSION(TABLE bids PARTITION BY who, DESCRIPTOR(ts), INTERVAL '4' MINUTES)",
            "08:05:00,08:15:00,12\n08:07:00,08:11:00,2\n08:17:00,08:21:00,6\n",
        ),
    ] {
        for from in [format!("TABLE({function})"), function.to_owned()] {
            let sql = format!(
                "{BIDS} SELECT {WINDOW}, sum(price) FROM {from} GROUP BY window_start, window_end ORDER BY s, e"
            );
            assert_eq!(rows(&mut session, &sql).await, expected, "{sql}");
        }
    }
    let sql = format!(
        "{BIDS} SELECT w.who, w.window_time FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR)) AS w LIMIT 1"
    );
    assert_eq!(rows(&mut session, &sql).await, "a,2020-04-15 08:59:59.999\n");
}

#[tokio::test]
async fn group_windows_are_the_older_form() {
    let mut session = TestCatalog::new().await.session().await;
    for (sql, expected) in [
        (
            "SELECT date_format(TUMBLE_START(ts, INTERVAL '10' MINUTE), 'HH:mm') AS s, \
             date_format(TUMBLE_END(ts, INTERVAL '10' MINUTE), 'HH:mm'), sum(price) FROM bids \
             GROUP BY TUMBLE(ts, INTERVAL '10' MINUTE) HAVING sum(price) > 9 ORDER BY TUMBLE_START(ts, INTERVAL '10' MINUTE)",
            "08:00,08:10,11\n",
        ),
        (
            "SELECT who, date_format(HOP_START(b.ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE), 'HH:mm') AS s, count(*) \
             FROM bids AS b WHERE who = 'b' GROUP BY HOP(b.ts, INTERVAL '5' MINUTE, INTERVAL '10' MINUTE), who ORDER BY s",
            "b,08:00,1\nb,08:05,1\nb,08:10,1\nb,08:15,1\n",
        ),
        (
            "SELECT who, date_format(SESSION_START(b.ts, INTERVAL '4' MINUTE), 'HH:mm') AS s, \
             date_format(SESSION_END(b.ts, INTERVAL '4' MINUTE), 'HH:mm'), sum(b.price) \
             FROM bids b WHERE b.price > 2 GROUP BY b.who, SESSION(b.ts, INTERVAL '4' MINUTE) ORDER BY s",
            "a,08:05,08:15,12\nb,08:17,08:21,6\n",
        ),
        (
            "SELECT count(*) FROM bids GROUP BY SESSION(ts, INTERVAL '1' MINUTE) UNION ALL \
             SELECT count(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' DAY)",
            "1\n1\n1\n1\n1\n5\n",
        ),
    ] {
        let mut result: Vec<String> =
            rows(&mut session, &format!("{BIDS} {sql}")).await.lines().map(str::to_owned).collect();
        if !sql.contains("ORDER BY") {
            result.sort();
        }
        assert_eq!(result.join("\n") + "\n", expected, "{sql}");
    }
}

#[tokio::test]
async fn expressions_have_flinks_syntax() {
    let mut session = TestCatalog::new().await.session().await;
    for (sql, expected) in [
        ("SELECT CAST('12' AS BIGINT) + 1, TRY_CAST('x' AS INT), CAST(1.5 AS DECIMAL(5, 2))", "13,,1.50\n"),
        (
            "SELECT CAST('2020-01-01 10:00:00' AS TIMESTAMP(3)), CAST('2020-01-01' AS DATE)",
            "2020-01-01 10:00:00,2020-01-01\n",
        ),
        ("SELECT CAST(1 AS STRING) || 'x', CAST(x'41' AS STRING), U&'\\00e9', N'n'", "1x,A,é,n\n"),
        (
            "SELECT 2 BETWEEN SYMMETRIC 3 AND 1, 2 NOT BETWEEN SYMMETRIC 3 AND 1, 2 BETWEEN ASYMMETRIC 3 AND 1",
            "true,false,false\n",
        ),
        (
            "SELECT a FROM (VALUES (3), (1), (2)) AS t (a) ORDER BY a OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY",
            "2\n",
        ),
        ("SELECT `select`, `a``b` FROM (VALUES (1, 2)) AS t (`select`, `a``b`)", "1,2\n"),
        (
            "SELECT count(*) FILTER (WHERE a > 1), sum(DISTINCT a) FROM (VALUES (1), (2), (2)) AS t (a)",
            "2,3\n",
        ),
        (
            "SELECT a, sum(b) FROM (VALUES (1, 2), (1, 3)) AS t (a, b) GROUP BY GROUPING SETS ((a), ()) ORDER BY a NULLS LAST",
            "1,5\n,5\n",
        ),
        ("EXECUTE SELECT 1", "1\n"),
    ] {
        assert_eq!(rows(&mut session, sql).await, expected, "{sql}");
    }
    for sql in ["EXPLAIN SELECT 1", "EXPLAIN PLAN FOR SELECT 1", "EXPLAIN ANALYZE VERBOSE SELECT 1"] {
        assert!(rows(&mut session, sql).await.contains("Exec"), "{sql}");
    }
}

#[tokio::test]
async fn a_hint_is_of_the_table_before_it() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    let orders = "shop/orders".parse().unwrap();
    catalog.append(&orders, "7", &b"\x01\x00\x00\x00\x63"[..]).await;
    let mut session = catalog.session().await;
    let skip = "/*+ OPTIONS('unreadable-events' = 'skip') */";
    for sql in [
        format!("SELECT count(*) FROM orders {skip}"),
        format!("SELECT count(orders.id) FROM shop.orders {skip} WHERE orders.id > 0"),
        format!("SELECT count(*) FROM kulya.shop.orders {skip} AS a JOIN orders {skip} AS b ON a.id = b.id"),
    ] {
        assert_eq!(rows(&mut session, &sql).await, "4\n", "{sql}");
    }
    let sql = format!("SELECT count(*) FROM orders {skip} AS a JOIN orders AS b ON a.id = b.id");
    assert!(error_of(&mut session, &sql).await.contains("encoding 99"));
    let results =
        session.execute(&format!("SELECT /*+ BROADCAST(o) */ id FROM orders {skip} AS o")).await.unwrap();
    let kulya_sql::StatementResult::Rows { warnings, .. } = &results[0] else { panic!("rows") };
    assert_eq!(warnings[0], "the hint BROADCAST has no effect");
    assert!(warnings[1].starts_with("1 event was skipped"), "{warnings:?}");
}

#[tokio::test]
async fn errors_have_a_position() {
    let catalog = TestCatalog::new().await;
    catalog.orders().await;
    let mut session = catalog.session().await;
    for (sql, expected) in [
        (
            "SHOW TABLES;  ALTER TABLE t ADD a INT",
            "has no table t: SHOW TABLES lists them at line 1, column 27",
        ),
        ("SELECT 1;\nSELECT\n  FROM orders", "expected an expression, found FROM at line 3, column 3"),
        (
            "EXPLAIN ESTIMATED_COST SELECT 1",
            "EXPLAIN ESTIMATED_COST is not supported yet at line 1, column 1",
        ),
        ("SELECT *\nFROM 'a.csv'", "this session may not read file a.csv"),
        (
            "SELECT * FROM orders AS o JOIN orders FOR SYSTEM_TIME AS OF o.ts AS p ON o.id = p.id",
            "needs a table with PRIMARY KEY and WATERMARK, which orders is not; a column AS PROCTIME() joins with its rows of now at line 1, column 32",
        ),
        (
            "SELECT * FROM orders /*+ OPTIONS('x' = 'y') */",
            "unreadable-events.dead-letter-stream at line 1, column 22",
        ),
        (
            "SELECT * FROM orders /*+ OPTIONS('unreadable-event' = 'skip') */",
            "unknown option 'unreadable-event': did you mean 'unreadable-events'? at line 1, column 22",
        ),
        (
            "SELECT * FROM orders /*+ OPTIONS('scope' = 'x') */",
            "option 'scope' in a hint is not supported yet at line 1, column 22",
        ),
        ("SELECT * FROM nothing /*+ OPTIONS('unreadable-events' = 'skip') */", "no table nothing"),
        ("SELECT CAST(id AS TEXT) FROM orders", "expected a type, found TEXT at line 1, column 19"),
        (
            "SELECT \"id\" FROM orders",
            "names are quoted in backticks, texts in single quotes at line 1, column 8",
        ),
        ("SELECT * FROM orders FOR UPDATE", "FOR UPDATE and its like is not supported yet"),
        ("SELECT * FROM orders TABLESAMPLE SYSTEM (10)", "TABLESAMPLE is not supported yet"),
    ] {
        let error = error_of(&mut session, sql).await;
        assert!(error.contains(expected) && !error.contains('\0'), "{sql}: {error}");
    }
}
