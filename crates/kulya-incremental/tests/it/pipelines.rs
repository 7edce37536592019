//! Operators behind one another, as a plan has them.

use crate::harness::*;
use arrow_schema::{DataType, SchemaRef};
use kulya_incremental::{
    AggregateCall, AggregateFunction as F, Batch, Expiry, Join, JoinKind, JoinOptions, Node, SessionAssign,
    Tick, WindowAggregate, WindowAggregateOptions, WindowAssign, WindowKind, column,
};

fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64), ("t", millis())])
}

fn tick(times: &[(i64, i64, i64)], watermark: i64) -> Tick {
    let rows: Changes =
        times.iter().map(|(key, value, time)| (vec![Int(*key), Int(*value), Time(*time)], 1)).collect();
    Tick::of([batch(&input(), &rows)]).with_watermark(watermark)
}

/// Sums of `v` by key and window, behind an operator that assigns windows.
fn sums(windows: &Node) -> Node {
    let keys = [("k", column(0)), ("start", column(3)), ("end", column(4))];
    let calls = vec![AggregateCall::new("s", F::Sum, column(1))];
    let options = WindowAggregateOptions::default();
    let aggregate = WindowAggregate::new(windows.schema().clone(), keys, column(4), calls, options).unwrap();
    Node::new("sums", aggregate)
}

#[test]
fn a_session_is_aggregated_in_the_tick_that_closes_it() {
    let session = SessionAssign::new(input(), vec![column(0)], column(2), 10, true).unwrap();
    let mut session = Node::new("session", session);
    let mut sums = sums(&session);
    let mut step = |tick| {
        let output = session.step(&[tick]).unwrap();
        rows_of(&sums.step(&[output]).unwrap().batches)
    };
    assert_eq!(step(tick(&[(1, 5, 0), (2, 7, 3), (1, 6, 10)], 5)), []);
    // 2's session ends at 13: closed at 12
    assert_eq!(step(tick(&[], 12)), [(vec![Int(2), Time(3), Time(13), Int(7)], 1)]);
    // 1's is extended by a row that alone would be late, and closed with it
    let row = vec![Int(1), Time(0), Time(20), Int(5 + 6 + 1)];
    assert_eq!(step(tick(&[(1, 1, 2), (2, 9, 2)], 19)), [(row, 1)]);
    assert_eq!(session.late_rows(), 1);
    assert_eq!(rows_of(&session.take_late()), [(vec![Int(2), Int(9), Time(2)], 1)]);
}

#[test]
fn a_tumbling_window_is_aggregated_when_it_is_closed() {
    let assign = WindowAssign::new(input(), column(2), WindowKind::Tumble { size: 10 }, 0).unwrap();
    let mut assign = Node::new("tumble", assign);
    let mut sums = sums(&assign);
    let mut step = |tick| {
        let output = assign.step(&[tick]).unwrap();
        rows_of(&sums.step(&[output]).unwrap().batches)
    };
    assert_eq!(step(tick(&[(1, 5, 0), (1, 6, 9), (1, 7, 10)], 8)), []);
    assert_eq!(step(tick(&[], 9)), [(vec![Int(1), Time(0), Time(10), Int(11)], 1)]);
    assert_eq!(step(tick(&[(1, 1, 9)], 100)), [(vec![Int(1), Time(10), Time(20), Int(7)], 1)]);
    assert_eq!(sums.late_rows(), 1);
}

#[test]
fn a_join_of_windows_forgets_them_and_drops_late_rows() {
    let expiry = || Some(Expiry { time: column(2), keep_ms: -1, drops_late: true });
    let options = JoinOptions { left_expiry: expiry(), right_expiry: expiry(), ..JoinOptions::default() };
    let on = vec![(column(0), column(0)), (column(2), column(2))];
    let mut join = Node::new("join", Join::new(input(), input(), on, JoinKind::Left, options).unwrap());
    let mut step = |left, right| rows_of(&join.step(&[left, right]).unwrap().batches);
    let [one, two] = [1, 2].map(|key| vec![Int(key), Int(5), Time(10)]);
    let joined = |left: &Row, right: &[Cell]| ([&left[..], right].concat(), 1);
    assert_eq!(
        step(tick(&[(1, 5, 10), (2, 5, 10)], 5), tick(&[(1, 5, 10)], 5)),
        [joined(&one, &one)],
        "a pair at once, a row without a match when its window is closed"
    );
    assert_eq!(step(tick(&[], 9), tick(&[], 8)), []);
    assert_eq!(step(tick(&[], 9), tick(&[], 9)), [joined(&two, &[Null, Null, Null])]);
    assert_eq!(step(tick(&[(3, 5, 10)], 9), tick(&[(1, 5, 10)], 9)), []);
    assert_eq!(join.late_rows(), 2);
    assert_eq!(snapshot(&join).len(), 2, "the header and the watermark");
}

#[test]
fn weights_are_a_column_or_stand_beside_the_rows() {
    let with_weights = schema(&[("v", DataType::Int64), ("w", DataType::Int64)]);
    let rows = batch(&with_weights, &[(vec![Int(1), Int(2)], 1), (vec![Int(3), Int(-1)], 1)]);
    let batch_of = Batch::from_weight_column(rows.rows().clone(), 1).unwrap();
    assert_eq!(rows_of(&[batch_of]), [(vec![Int(1)], 2), (vec![Int(3)], -1)]);
    let nulls = batch(&with_weights, &[(vec![Int(1), Null], 1)]);
    for column in [1, 2] {
        let error = Batch::from_weight_column(nulls.rows().clone(), column).unwrap_err();
        assert!(error.to_string().contains("weights"), "{error}");
    }
    let error = Batch::new(nulls.rows().clone(), vec![1, 1]).unwrap_err();
    assert_eq!(error.to_string(), "2 weights for 1 rows");
}
