//! The speed of a plan from SQL. In a release build:
//! `cargo test --release -p kulya-sql --lib a_grouping_is_fast -- --ignored --nocapture`.

use super::harness::*;
use kulya_incremental::{Batch, Tick};
use kulya_testkit::SeededRng;
use std::time::Instant;

#[tokio::test]
#[ignore = "a measurement"]
async fn a_grouping_is_fast() {
    let engine = Engine::new(vec![Table::changing("a")]);
    for (groups, rows_per_tick, ticks) in [(1000, 1000, 2000), (1000, 1, 200_000), (200_000, 1000, 2000)] {
        let mut plan = engine.plan("SELECT k, COUNT(*) AS n, SUM(v) AS s FROM a GROUP BY k").await;
        let columns = plan.sources[0].columns.clone();
        let mut random = SeededRng::new(7);
        // each event is an update: the old row and the new one
        let mut values = vec![0; groups];
        let made: Vec<Tick> = (0..ticks.min(4000))
            .map(|_| {
                let (mut rows, mut weights) = (Vec::new(), Vec::new());
                for _ in 0..rows_per_tick.max(2) / 2 {
                    let k = random.index(groups);
                    let old = values[k];
                    values[k] = random.u64_below(1000) as i64;
                    if old != 0 {
                        rows.push(row(k as i32, old, "", 0));
                        weights.push(-1);
                    }
                    rows.push(row(k as i32, values[k], "", 0));
                    weights.push(1);
                }
                if rows_per_tick == 1 {
                    rows.drain(..rows.len() - 1);
                    weights.drain(..weights.len() - 1);
                }
                let rows = batch(&rows).project(&columns).unwrap();
                Tick::of([Batch::new(rows, weights).unwrap()])
            })
            .collect();
        let started = Instant::now();
        let (mut events, mut changed) = (0, 0);
        for tick in made.iter().cycle().take(ticks) {
            events += tick.row_count();
            changed += plan.graph.step(std::slice::from_ref(tick)).unwrap().row_count();
            plan.graph.drain_dirty(|_, _, _| {});
        }
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{groups} groups, {rows_per_tick} rows a tick: {:.2} M events/s, {:.2} µs a tick, {changed} rows out",
            events as f64 / seconds / 1e6,
            seconds * 1e6 / ticks as f64,
        );
    }
}
