//! Windows and joins of event time: rows are passed on when the watermark is at the end of their window, and
//! then forgotten.

use super::harness::*;
use crate::live::{ChangelogMode, LivePlan};

/// Tables whose watermark is two seconds behind the latest row.
fn engine() -> Engine {
    Engine::new(vec![Table::timed("a"), Table::timed("b")])
}

/// Feeds rows of `a` and `b`, each with its time in seconds as value and as time.
fn step(engine: &Engine, plan: &mut LivePlan, a: &[i64], b: &[i64]) -> Vec<String> {
    let rows = |times: &[i64]| inserts(times.iter().map(|time| row(1, *time, "x", *time)).collect());
    let changes = engine.step(plan, &[rows(a), rows(b)]);
    net(&changes).into_iter().map(|(row, weight)| format!("{weight:+} {}", row.join(" "))).collect()
}

async fn append_plan(engine: &Engine, sql: &str) -> LivePlan {
    let plan = engine.plan(sql).await;
    assert_eq!(plan.mode, ChangelogMode::Append, "{sql}");
    plan
}

#[tokio::test]
async fn windows_are_passed_on_when_they_are_closed() {
    let engine = engine();
    let seconds = "CAST(SUBSTRING(CAST(w AS STRING) FROM 18 FOR 2) AS INT)";
    let aggregate = |window: &str| {
        let end = seconds.replace('w', "window_end");
        format!("SELECT {end} AS e, COUNT(*) AS n FROM TABLE({window}) GROUP BY window_start, window_end")
    };
    for sql in [
        aggregate("TUMBLE(TABLE a, DESCRIPTOR(t), INTERVAL '10' SECOND)"),
        format!(
            "SELECT {} AS e, COUNT(*) AS n FROM a GROUP BY TUMBLE(t, INTERVAL '10' SECOND)",
            seconds.replace('w', "TUMBLE_END(t, INTERVAL '10' SECOND)")
        ),
    ] {
        let mut plan = append_plan(&engine, &sql).await;
        assert!(step(&engine, &mut plan, &[1, 9], &[]).is_empty(), "{sql}");
        assert!(step(&engine, &mut plan, &[11], &[]).is_empty(), "{sql}");
        assert_eq!(step(&engine, &mut plan, &[12], &[]), ["+1 10 2"], "{sql}");
        // too late, and not
        assert!(step(&engine, &mut plan, &[3, 10], &[]).is_empty(), "{sql}");
        assert_eq!(plan.graph.late_rows(), 1);
        assert_eq!(step(&engine, &mut plan, &[45], &[]), ["+1 20 3"], "{sql}");
    }
    for (sql, expected) in [
        (
            aggregate("HOP(TABLE a, DESCRIPTOR(t), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"),
            ["+1 10 1", "+1 5 1"],
        ),
        (
            format!(
                "SELECT {} AS e, COUNT(*) AS n FROM a GROUP BY HOP(t, INTERVAL '5' SECOND, INTERVAL '10' SECOND)",
                seconds.replace('w', "HOP_END(t, INTERVAL '5' SECOND, INTERVAL '10' SECOND)")
            ),
            ["+1 10 1", "+1 5 1"],
        ),
        (
            aggregate("CUMULATE(TABLE a, DESCRIPTOR(t), INTERVAL '5' SECOND, INTERVAL '10' SECOND)"),
            ["+1 10 1", "+1 5 1"],
        ),
    ] {
        let mut plan = append_plan(&engine, &sql).await;
        assert!(step(&engine, &mut plan, &[1], &[]).is_empty(), "{sql}");
        assert_eq!(step(&engine, &mut plan, &[7], &[]), expected[1..], "{sql}");
        let closed = step(&engine, &mut plan, &[12], &[]);
        assert!(closed.iter().all(|row| row.starts_with("+1 10 ")) && closed.len() == 1, "{closed:?} {sql}");
    }
    for sql in [
        aggregate("SESSION(TABLE a PARTITION BY k, DESCRIPTOR(t), INTERVAL '5' SECOND)"),
        format!(
            "SELECT {} AS e, COUNT(*) AS n FROM a GROUP BY k, SESSION(t, INTERVAL '5' SECOND)",
            seconds.replace('w', "SESSION_END(t, INTERVAL '5' SECOND)")
        ),
    ] {
        let mut plan = append_plan(&engine, &sql).await;
        assert!(step(&engine, &mut plan, &[1, 4], &[]).is_empty(), "{sql}");
        assert!(step(&engine, &mut plan, &[10], &[]).is_empty(), "{sql}");
        assert_eq!(step(&engine, &mut plan, &[11], &[]), ["+1 9 2"], "{sql}");
    }
}

#[tokio::test]
async fn a_window_without_a_watermark_is_a_group() {
    let engine = Engine::new(vec![Table::changing("a")]);
    let windows = |size| format!("TABLE(TUMBLE(TABLE a, DESCRIPTOR(t), INTERVAL '{size}' SECOND))");
    let sql = format!(
        "SELECT window_start, window_end, COUNT(*) AS n FROM {} GROUP BY window_start, window_end",
        windows(10)
    );
    let rows = |times: &[i64]| vec![inserts(times.iter().map(|time| row(1, 1, "x", *time)).collect())];
    engine.check(&sql, &[rows(&[1, 9]), rows(&[10]), rows(&[3])]).await;
    let sessions = "SELECT k, window_start, window_end, COUNT(*) AS n \
        FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(t), INTERVAL '5' SECOND)) \
        GROUP BY k, window_start, window_end";
    engine.check(sessions, &[rows(&[1, 9]), rows(&[20]), rows(&[5])]).await;
}

#[tokio::test]
async fn windows_of_windows_are_closed_in_turn() {
    let engine = engine();
    let sql = "WITH w AS (SELECT window_time AS t, COUNT(*) AS n \
        FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(t), INTERVAL '5' SECOND)) \
        GROUP BY window_start, window_end, window_time) \
        SELECT SUM(n) AS n FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(t), INTERVAL '10' SECOND)) \
        GROUP BY window_start, window_end";
    let mut plan = append_plan(&engine, sql).await;
    assert!(step(&engine, &mut plan, &[1, 2, 8], &[]).is_empty());
    assert_eq!(step(&engine, &mut plan, &[12], &[]), ["+1 3"]);
    assert_eq!(plan.graph.late_rows(), 0);
}

#[tokio::test]
async fn the_first_rows_of_a_window_are_passed_on_when_it_is_closed() {
    let engine = engine();
    let sql = "SELECT v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY v DESC) AS n \
        FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(t), INTERVAL '10' SECOND))) AS q WHERE n <= 1";
    let mut plan = append_plan(&engine, sql).await;
    assert!(step(&engine, &mut plan, &[1, 8], &[]).is_empty());
    assert_eq!(step(&engine, &mut plan, &[12], &[]), ["+1 8"]);
}

#[tokio::test]
async fn interval_joins_and_joins_of_windows_forget() {
    let engine = engine();
    let interval = "SELECT x.v, y.v AS w FROM a AS x {} JOIN b AS y \
        ON x.k = y.k AND y.t BETWEEN x.t - INTERVAL '1' SECOND AND x.t + INTERVAL '5' SECOND";
    let mut plan = append_plan(&engine, &interval.replace("{} ", "")).await;
    assert_eq!(step(&engine, &mut plan, &[10], &[9, 15, 16]), ["+1 10 15", "+1 10 9"]);
    assert_eq!(step(&engine, &mut plan, &[16], &[]), ["+1 16 15", "+1 16 16"]);
    assert!(plan.warnings().next().is_none());
    let before = plan.graph.size_bytes();
    step(&engine, &mut plan, &[100], &[100]);
    step(&engine, &mut plan, &[200], &[200]);
    let mut entries = 0;
    plan.graph.snapshot(|_, key, _| entries += usize::from(key.first() != Some(&0)));
    assert_eq!(entries, 2, "the latest rows; {before} bytes before");
    let mut outer = append_plan(&engine, &interval.replace("{}", "LEFT")).await;
    assert!(step(&engine, &mut outer, &[10], &[3]).is_empty());
    assert_eq!(step(&engine, &mut outer, &[30], &[30]), ["+1 10 null", "+1 30 30"]);

    let window = |table: &str| {
        format!("(SELECT * FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(t), INTERVAL '10' SECOND)))")
    };
    let sql = format!(
        "SELECT x.v, y.v AS w FROM {} AS x LEFT JOIN {} AS y \
         ON x.window_start = y.window_start AND x.window_end = y.window_end AND x.v = y.v",
        window("a"),
        window("b")
    );
    let mut plan = append_plan(&engine, &sql).await;
    assert_eq!(step(&engine, &mut plan, &[1, 2], &[2]), ["+1 2 2"]);
    assert_eq!(step(&engine, &mut plan, &[12], &[12]), ["+1 1 null", "+1 12 12"]);
    assert!(plan.warnings().next().is_none());
}

#[tokio::test]
async fn a_window_behind_an_interval_join_waits_for_kept_rows() {
    let engine = engine();
    let sql = "WITH j AS (SELECT x.t AS t FROM a AS x JOIN b AS y \
        ON x.k = y.k AND y.t BETWEEN x.t AND x.t + INTERVAL '5' SECOND) \
        SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(t), INTERVAL '10' SECOND)) \
        GROUP BY window_start, window_end";
    let mut plan = append_plan(&engine, sql).await;
    assert!(step(&engine, &mut plan, &[9], &[9]).is_empty());
    // behind the end of the window, and still joined with a row in it
    assert!(step(&engine, &mut plan, &[12], &[14]).is_empty());
    assert_eq!(plan.graph.late_rows(), 0);
    let closed = step(&engine, &mut plan, &[30], &[30]);
    assert_eq!(closed, ["+1 1970-01-01T00:00:10 2", "+1 1970-01-01T00:00:20 1"]);
}
