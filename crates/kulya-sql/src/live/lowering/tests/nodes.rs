//! Each kind of node, EXPLAIN, and what is run again.

use super::harness::*;
use crate::live::{ChangelogMode, LiveQuery};

fn engine() -> Engine {
    Engine::new(vec![Table::changing("a"), Table::changing("b"), Table::append("c")])
}

/// Rows come, change and go.
fn script() -> Vec<Vec<Changes>> {
    let (one, two) = (row(1, 5, "x", 0), row(2, 6, "y", 1));
    let b = |rows: Vec<Row>| inserts(rows);
    vec![
        vec![vec![(one.clone(), 1), (two.clone(), 1)], b(vec![row(1, 7, "x", 2)]), Changes::new()],
        vec![vec![(one, -1), (row(1, None, "yz", 3), 2)], Changes::new(), inserts(vec![row(3, 1, "", 4)])],
        vec![Changes::new(), vec![(row(1, 7, "x", 2), -1)], Changes::new()],
        vec![
            vec![(row(1, None, "yz", 3), -1)],
            b(vec![row(None, None, "", 0), row(2, 2, "y", 7)]),
            Changes::new(),
        ],
        vec![vec![(two, -1), (row(1, None, "yz", 3), -1)], Changes::new(), inserts(vec![row(3, 2, "y", 5)])],
    ]
}

#[tokio::test]
async fn nodes_follow_changes() {
    let engine = engine();
    for sql in [
        "SELECT k, item FROM a CROSS JOIN UNNEST(l) AS u (item)",
        "SELECT k, item FROM a LEFT JOIN UNNEST(l) AS u (item) ON TRUE",
        "SELECT k, LISTAGG(s, '+') AS v FROM a GROUP BY k",
        "SELECT k, JSON_ARRAYAGG(v) AS v FROM a GROUP BY k",
        "SELECT k, COLLECT(s) AS v FROM a GROUP BY k",
        "SELECT s, STDDEV_POP(v) AS d, VAR_SAMP(v) AS e FROM b GROUP BY s",
        "SELECT k, COUNT(*) AS n FROM a GROUP BY k HAVING COUNT(*) > 1",
        "SELECT ROW(k, s) AS r, MAP[s, v] AS m FROM a WHERE s IS NOT NULL",
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS x (i, j)",
        "SELECT 1 AS one",
        "SELECT k, v FROM c LIMIT 1",
        "SELECT x.k, y.v FROM a AS x JOIN a AS y ON x.k = y.k AND x.v IS NOT DISTINCT FROM y.v",
        "SELECT SUM(v) AS s, AVG(v) AS g, COUNT(*) AS n FROM a WHERE k > 100",
        "SELECT k, v IN (SELECT v FROM b) AS is_in FROM a",
        "SELECT (SELECT MAX(v) FROM b) AS m, COUNT(*) AS n FROM a",
        "SELECT k, SUM(v) AS v FROM (SELECT k, v FROM a UNION ALL SELECT k, v FROM b) AS u GROUP BY k",
        "SELECT GROUPING(k) AS g, k, COUNT(*) AS n FROM a GROUP BY ROLLUP (k)",
        "SELECT COUNT(*) OVER () AS n FROM a",
        "SELECT DISTINCT 1 AS x FROM a",
        "SELECT 1 AS x FROM a LIMIT 1",
        "SELECT COUNT(*) AS n FROM a CROSS JOIN b",
        "SELECT COUNT(*) AS n FROM a CROSS JOIN (VALUES (1), (2)) AS x (i)",
        "SELECT k, NTILE(2) OVER (PARTITION BY s ORDER BY v, k) AS n FROM b",
    ] {
        engine.check(sql, &script()).await;
    }
}

#[tokio::test]
async fn sums_wrap_around_as_in_bounded_queries() {
    let engine = engine();
    let large = |k, v| row(k, v, "x", 0);
    let script = vec![
        vec![vec![(large(i32::MAX, i64::MAX), 1), (large(5, 5), 1)], Changes::new(), Changes::new()],
        vec![vec![(large(i32::MAX, i64::MAX), -1)], Changes::new(), Changes::new()],
    ];
    for sql in ["SELECT SUM(k) AS k, SUM(v) AS v FROM a", "SELECT s, SUM(v) AS v FROM a GROUP BY s"] {
        engine.check(sql, &script).await;
    }
}

#[tokio::test]
async fn what_is_run_again_has_a_reason() {
    let engine = engine();
    for (sql, reason) in [
        ("SELECT k, CURRENT_TIMESTAMP AS n FROM a", "CURRENT_TIMESTAMP has another value each time"),
        ("SELECT k FROM a WHERE RAND() > 0.5", "RAND"),
        ("SELECT k, PROCTIME() AS p FROM a", "PROCTIME has another value each time"),
        ("SELECT k, CURRENT_WATERMARK(t) AS w FROM a", "CURRENT_WATERMARK follows the watermark"),
        ("SELECT COUNT(*) AS n FROM a WHERE t < CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
        ("SELECT s, SUM(v) OVER (ORDER BY p) AS x FROM (SELECT *, PROCTIME() AS p FROM c) AS q", "PROCTIME"),
    ] {
        match engine.live(sql).await {
            LiveQuery::Rerun(rerun) => {
                assert!(rerun.reason.contains(reason), "{}: {sql}", rerun.reason);
                let text = LiveQuery::Rerun(rerun).to_string();
                assert_eq!(text.matches("[re-run: ").count(), 1, "{text}");
            }
            LiveQuery::Incremental(_) => panic!("{sql}"),
        }
    }
    // a column of the moment that nobody reads does not matter
    engine.plan("SELECT k FROM (SELECT k, PROCTIME() AS p, CURRENT_DATE AS d FROM a) AS q").await;
}

#[tokio::test]
async fn the_first_row_to_arrive_is_kept() {
    let engine = engine();
    let sql = |order| {
        format!(
            "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY p {order}) AS n \
             FROM (SELECT *, PROCTIME() AS p FROM c) AS q) AS q WHERE n = 1"
        )
    };
    let ticks = [vec![row(1, 5, "", 0), row(1, 4, "", 0)], vec![row(1, 6, "", 0)], vec![row(2, 1, "", 0)]];
    let texts = |rows: &[(i32, i64, i64)]| -> Vec<(Vec<String>, i64)> {
        rows.iter().map(|(k, v, weight)| (vec![k.to_string(), v.to_string()], *weight)).collect()
    };
    let (mut first, mut last) = (engine.plan(&sql("ASC")).await, engine.plan(&sql("DESC")).await);
    assert_eq!((first.mode, last.mode), (ChangelogMode::Append, ChangelogMode::Upsert));
    assert_eq!(first.key, Some(vec![0]));
    let expected: [(&[_], &[_]); 3] =
        [(&[(1, 5, 1)], &[(1, 4, 1)]), (&[], &[(1, 4, -1), (1, 6, 1)]), (&[(2, 1, 1)], &[(2, 1, 1)])];
    for (rows, (of_first, of_last)) in ticks.into_iter().zip(expected) {
        let changes = vec![Changes::new(), Changes::new(), inserts(rows)];
        assert_eq!(net(&engine.step(&mut first, &changes)), texts(of_first));
        assert_eq!(net(&engine.step(&mut last, &changes)), texts(of_last));
    }
}

#[tokio::test]
async fn plans_say_what_they_keep() {
    let keyed = Table { key: vec![0], ..Table::changing("a") };
    let engine = Engine::new(vec![keyed, Table::append("c")]);
    let explain = async |sql: &str| engine.live(sql).await.to_string();
    assert_eq!(
        explain("SELECT s, COUNT(*) AS n FROM a WHERE v > 1 GROUP BY s").await,
        "incremental\n  \
         Projection: a.s, count(Int64(1)) AS count(*) AS n [stateless; upsert; key s]\n    \
           Aggregate: groupBy=[[a.s]], aggr=[[count(Int32(1)) AS count(Int64(1))]] [state: a row for each group; upsert; key s]\n      \
             Projection: a.s [stateless; retract]\n        \
               Filter: a.v > Int64(1) [stateless; retract]\n          \
                 TableScan: a projection=[v, s] [stateless; retract]"
    );
    let join = explain("SELECT x.v, y.s FROM c AS x LEFT JOIN c AS y ON x.k = y.k").await;
    assert!(join.contains("[state: the rows of both sides; retract]"), "{join}");
    let warning = "warning: Left Join: keeps all rows of its right side, to which rows are added without end";
    assert!(join.contains(warning), "{join}");
    let plan = engine.plan("SELECT k, v + 1 AS v FROM a WHERE s = 'x'").await;
    assert_eq!((plan.mode, plan.key.clone()), (ChangelogMode::Upsert, Some(vec![0])));
    let source = &plan.sources[0];
    assert_eq!((source.columns.as_slice(), source.key.as_slice()), (&[0, 1, 2][..], &[0][..]));
    assert_eq!(plan.warnings().count(), 0);
    let plan = engine.plan("SELECT a.k, c.v FROM c JOIN a ON a.k = c.k").await;
    assert_eq!((plan.mode, plan.key), (ChangelogMode::Retract, None));
    let plan = engine.plan("SELECT k, v FROM c WHERE k > 1 UNION ALL SELECT k, v FROM c").await;
    assert_eq!((plan.mode, plan.sources.len()), (ChangelogMode::Append, 1));
}

#[tokio::test]
async fn a_fingerprint_is_that_of_the_definition() {
    let engine = engine();
    let of = async |sql: &str| engine.plan(sql).await.fingerprint;
    let sql = "SELECT k, SUM(v) AS v FROM a GROUP BY k";
    assert_eq!(of(sql).await, of(sql).await);
    for other in [
        "SELECT k, SUM(v) AS w FROM a GROUP BY k",
        "SELECT k, MAX(v) AS v FROM a GROUP BY k",
        "SELECT k, SUM(v) AS v FROM b GROUP BY k",
        "SELECT k, SUM(v) AS v FROM a WHERE v > 1 GROUP BY k",
        "SELECT k, SUM(v) AS v FROM a WHERE v > 2 GROUP BY k",
    ] {
        assert_ne!(of(sql).await, of(other).await, "{other}");
    }
    let changed = Engine::new(vec![Table::append("a")]);
    assert_ne!(of(sql).await, changed.plan(sql).await.fingerprint);
}
