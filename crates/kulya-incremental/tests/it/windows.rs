//! Windows of event time: assignment, aggregates, sessions, top-N and joins that forget.

use crate::harness::*;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use kulya_incremental::{
    AggregateCall, AggregateFunction as F, Expiry, Expression, ExpressionError, Join, JoinKind, JoinOptions,
    Node, Order, Ordering, SessionAssign, Tick, TopN, TopNOptions, Watermark, WindowAggregate,
    WindowAggregateOptions, WindowAssign, WindowKind, column,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Key, number, time (for windows, their end).
fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64), ("t", millis())])
}

fn row(_input: usize, seed: [u8; 4]) -> Row {
    vec![small(seed[0], 2), small(seed[1], 4), Time(i64::from(seed[2] % 100))]
}

/// The watermark of a tick: some rows are late.
fn watermark(tick: usize) -> Option<i64> {
    (tick > 0).then_some(tick as i64 * 5 - 10)
}

/// The changes of ticks that are not late: whose window was not closed by the watermark before.
fn timely(script: &Script) -> Vec<(usize, Row, i64)> {
    let mut changes = Vec::new();
    for (tick, inputs) in script.iter().enumerate() {
        let before = tick.checked_sub(1).and_then(watermark);
        for (row, weight) in &inputs[0] {
            if before.is_none_or(|before| row[2].int().unwrap() - 1 > before) {
                changes.push((tick, row.clone(), *weight));
            }
        }
    }
    changes
}

/// Compares the output so far with what was computed of the windows that are closed, after each tick.
fn check_closed(
    make: &dyn Fn() -> Node,
    script: &Script,
    compute: impl Fn(&Rows) -> Rows,
) -> Result<(), TestCaseError> {
    let outputs = run(make, script, watermark)?;
    let timely = timely(script);
    let mut rows = Rows::new();
    for (tick, output) in outputs.iter().enumerate() {
        fold(&mut rows, output);
        let is_closed = |end: i64| watermark(tick).is_some_and(|watermark| end - 1 <= watermark);
        let closed = timely.iter().filter(|(at, row, _)| *at <= tick && is_closed(row[2].int().unwrap()));
        let closed: Vec<_> = closed.map(|(_, row, weight)| (row.clone(), *weight)).collect();
        prop_assert_eq!(&rows, &compute(&folded(&closed)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rows_are_in_the_windows_that_hold_their_time(
        steps in steps(30), kind in 0..3usize, step in 1..6i64, count in 1..5i64, rest in 0..4i64, offset in -7..7i64
    ) {
        let size = step * count + if kind == 1 { rest } else { 0 };
        let kind = [
            WindowKind::Tumble { size },
            WindowKind::Hop { slide: step, size },
            WindowKind::Cumulate { step, size },
        ][kind];
        let make = || Node::new("w", WindowAssign::new(input(), column(2), kind, offset).unwrap());
        check(&make, &script(&steps, 1, row), |history| {
            let mut rows = Vec::new();
            for (row, weight) in &history[0] {
                let time = row[2].int().unwrap();
                let starts = time - 40..=time;
                let is_start = |start: &i64, every: i64| (start - offset).rem_euclid(every) == 0;
                let windows: Vec<(i64, i64)> = match kind {
                    WindowKind::Tumble { size } => {
                        starts.filter(|start| is_start(start, size)).map(|start| (start, start + size)).collect()
                    }
                    WindowKind::Hop { slide, size } => {
                        starts.filter(|start| is_start(start, slide)).map(|start| (start, start + size)).collect()
                    }
                    WindowKind::Cumulate { step, size } => starts
                        .filter(|start| is_start(start, size))
                        .flat_map(|start| (1..=size / step).map(move |number| (start, start + number * step)))
                        .collect(),
                };
                for (start, end) in windows.into_iter().filter(|(start, end)| (*start..*end).contains(&time)) {
                    rows.push(([&row[..], &[Time(start), Time(end), Time(end - 1)]].concat(), *weight));
                }
            }
            folded(&rows)
        })?;
    }

    #[test]
    fn groups_are_passed_on_when_their_window_is_closed(steps in steps(60)) {
        let make = || {
            let calls = vec![
                AggregateCall::count_rows("n"),
                AggregateCall::new("s", F::Sum, column(1)),
                AggregateCall::new("m", F::Max, column(1)),
            ];
            let keys = [("k", column(0)), ("t", column(2))];
            let options = WindowAggregateOptions::default();
            Node::new("w", WindowAggregate::new(input(), keys, column(2), calls, options).unwrap())
        };
        check_closed(&make, &script(&steps, 1, row), |closed| {
            let mut groups: BTreeMap<(Cell, Cell), Vec<Row>> = BTreeMap::new();
            for row in expanded(closed) {
                groups.entry((row[0].clone(), row[2].clone())).or_default().push(row);
            }
            let groups = groups.into_iter().map(|((key, time), rows)| {
                let values: Vec<i64> = rows.iter().filter_map(|row| row[1].int()).collect();
                let of = |value: Option<i64>| value.map_or(Null, Int);
                let sum = (!values.is_empty()).then(|| values.iter().sum());
                (vec![key, time, Int(rows.len() as i64), of(sum), of(values.iter().max().copied())], 1)
            });
            groups.collect()
        })?;
    }

    #[test]
    fn the_first_rows_of_a_window(steps in steps(60)) {
        let make = || {
            let options = TopNOptions { window_end: Some(column(2)), ..TopNOptions::first(2) };
            let order = Order::By(vec![Ordering::ascending(column(1))]);
            Node::new("w", TopN::new(input(), vec![column(0)], order, options).unwrap())
        };
        check_closed(&make, &script(&steps, 1, row), |closed| {
            let mut groups: BTreeMap<(Cell, Cell), Vec<Row>> = BTreeMap::new();
            for row in expanded(closed) {
                groups.entry((row[0].clone(), row[2].clone())).or_default().push(row);
            }
            let rows = groups.into_values().flat_map(|mut rows| {
                rows.sort_by(|one, other| one[1].cmp(&other[1]).then(one.cmp(other)));
                rows.truncate(2);
                rows
            });
            folded(&rows.map(|row| (row, 1)).collect::<Vec<_>>())
        })?;
    }

    #[test]
    fn sessions(steps in steps(60)) {
        const GAP: i64 = 7;
        let make = || Node::new("s", SessionAssign::new(input(), vec![column(0)], column(2), GAP, false).unwrap());
        let script = script(&steps, 1, row);
        let outputs = run(&make, &script, watermark)?;
        let mut open: BTreeMap<Cell, Vec<Row>> = BTreeMap::new();
        for (tick, output) in outputs.iter().enumerate() {
            let before = tick.checked_sub(1).and_then(watermark);
            // insertions first
            let mut changes = script[tick][0].clone();
            changes.sort_by_key(|(_, weight)| *weight < 0);
            let changes = changes.iter();
            for (row, weight) in changes.flat_map(|(row, weight)| (0..weight.abs()).map(move |_| (row, weight))) {
                let rows = open.entry(row[0].clone()).or_default();
                if *weight < 0 {
                    // the retraction of a late row is late
                    if let Some(index) = rows.iter().position(|other| other == row) {
                        rows.remove(index);
                    }
                    continue;
                }
                rows.push(row.clone());
                let session = sessions_of(rows, GAP).into_iter().find(|(rows, ..)| rows.contains(row));
                if before.is_some_and(|before| session.unwrap().2 - 1 <= before) {
                    rows.pop();
                }
            }
            let mut expected = Vec::new();
            for rows in open.values_mut() {
                for (session, start, end) in sessions_of(rows, GAP) {
                    if watermark(tick).is_some_and(|watermark| end - 1 <= watermark) {
                        rows.retain(|row| !session.contains(row));
                        let window = [Time(start), Time(end), Time(end - 1)];
                        expected.extend(session.iter().map(|row| ([&row[..], &window[..]].concat(), 1)));
                    }
                }
            }
            prop_assert_eq!(folded(output), folded(&expected));
        }
    }

    #[test]
    fn interval_joins_forget(steps in steps(60), kind in 0..6usize) {
        let kind = [
            JoinKind::Inner,
            JoinKind::Left,
            JoinKind::Right,
            JoinKind::Full,
            JoinKind::LeftSemi,
            JoinKind::LeftAnti,
        ][kind];
        const BEFORE: i64 = 4;
        const AFTER: i64 = 6;
        let make = || {
            let expiry = |keep_ms| Some(Expiry { time: column(2), keep_ms, drops_late: false });
            let options = JoinOptions {
                condition: Some(Arc::new(Near { before: BEFORE, after: AFTER })),
                left_expiry: expiry(BEFORE),
                right_expiry: expiry(AFTER),
                ..JoinOptions::default()
            };
            Node::new("i", Join::new(input(), input(), vec![(column(0), column(0))], kind, options).unwrap())
        };
        // no row is late: each is behind the watermark of the tick before
        let steps: Vec<Step> = steps.into_iter().map(|step| Step { retracts: false, ..step }).collect();
        let mut script = script(&steps, 2, |_, seed| {
            vec![small(seed[0], 2), small(seed[1], 4), Time(i64::from(seed[2] % 10))]
        });
        for (tick, inputs) in script.iter_mut().enumerate() {
            for (row, _) in inputs.iter_mut().flatten() {
                row[2] = Time(row[2].int().unwrap() + tick as i64 * 3);
            }
        }
        script.push(vec![Vec::new(), Vec::new()]);
        let last = script.len() - 1;
        let watermark = |tick| Some(if tick == last { 1_000_000 } else { tick as i64 * 3 + 2 });
        let output = run(&make, &script, watermark)?.concat();
        prop_assert!(output.iter().all(|(_, weight)| *weight > 0), "nothing is taken back");
        let all = |input: usize| folded(&script.iter().flat_map(|inputs| inputs[input].clone()).collect::<Vec<_>>());
        let expected = crate::joins::nested_loops(kind, [3, 3], &all(0), &all(1), |one, other| {
            let (time, near) = (one[2].int().unwrap(), other[2].int().unwrap());
            !one[0].is_null() && one[0] == other[0] && (near - BEFORE..=near + AFTER).contains(&time)
        });
        prop_assert_eq!(folded(&output), expected);
        // and the state is empty
        let mut node = make();
        for (tick, inputs) in script.iter().enumerate() {
            let tick = |changes: &Changes| Tick::of([batch(&input(), changes)]).with_watermark(watermark(tick).unwrap());
            node.step(&inputs.iter().map(tick).collect::<Vec<_>>()).unwrap();
        }
        prop_assert_eq!(snapshot(&node).len(), 2);
    }
}

type Session = (Vec<Row>, i64, i64);

/// The sessions of rows, each with its start and end.
fn sessions_of(rows: &[Row], gap: i64) -> Vec<Session> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row[2].clone());
    let mut sessions: Vec<Session> = Vec::new();
    for row in rows {
        let time = row[2].int().unwrap();
        match sessions.last_mut() {
            Some((rows, _, end)) if time <= *end => {
                rows.push(row);
                *end = time + gap;
            }
            _ => sessions.push((vec![row], time, time + gap)),
        }
    }
    sessions
}

/// `left.t BETWEEN right.t - before AND right.t + after`.
#[derive(Debug)]
struct Near {
    before: i64,
    after: i64,
}

impl Expression for Near {
    fn data_type(&self, _schema: &Schema) -> Result<DataType, ExpressionError> {
        Ok(DataType::Boolean)
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let times = |index: usize| rows.column(index).as_primitive::<TimestampMillisecondType>().values();
        let pairs = times(2).iter().zip(times(5));
        let is_near =
            pairs.map(|(one, other)| Some((other - self.before..=other + self.after).contains(one)));
        Ok(Arc::new(is_near.collect::<BooleanArray>()))
    }
}

#[test]
fn late_rows_are_counted_and_kept_on_request() {
    let options = WindowAggregateOptions { keep_late: true, ..WindowAggregateOptions::default() };
    let calls = vec![AggregateCall::count_rows("n")];
    let aggregate = WindowAggregate::new(input(), [("t", column(2))], column(2), calls, options).unwrap();
    let mut node = Node::new("w", aggregate);
    let tick = |times: &[i64], watermark| {
        let rows: Changes = times.iter().map(|time| (vec![Int(1), Null, Time(*time)], 1)).collect();
        [Tick::of([batch(&input(), &rows)]).with_watermark(watermark)]
    };
    assert!(node.step(&tick(&[10, 20], 8)).unwrap().batches.is_empty());
    // at the end - 1 ms the window is closed
    let output = node.step(&tick(&[10], 9)).unwrap();
    assert_eq!(rows_of(&output.batches), [(vec![Time(10), Int(2)], 1)]);
    assert!(node.step(&tick(&[10, 20], 9)).unwrap().batches.is_empty());
    assert_eq!(node.late_rows(), 1);
    assert_eq!(rows_of(&node.take_late()), [(vec![Int(1), Null, Time(10)], 1)]);
    assert!(node.take_late().is_empty());
    let error = node.step(&tick(&[], 8)).unwrap_err();
    assert!(error.to_string().contains("the watermark of an input decreased"), "{error}");
}

#[test]
fn a_watermark_is_the_largest_of_its_rows_or_of_the_input() {
    let make = || Node::new("w", Watermark::new(schema(&[("t", millis())]), column(0)).unwrap());
    let mut node = make();
    let tick = |times: &[Option<i64>], watermark| {
        let rows: Changes = times.iter().map(|time| (vec![time.map_or(Null, Time)], 1)).collect();
        let batches = if rows.is_empty() { vec![] } else { vec![batch(&schema(&[("t", millis())]), &rows)] };
        Tick { batches, watermark }
    };
    assert_eq!(node.step(&[tick(&[None], None)]).unwrap().watermark, None);
    let output = node.step(&[tick(&[Some(7), None, Some(3)], None)]).unwrap();
    assert_eq!((output.row_count(), output.watermark), (3, Some(7)));
    assert_eq!(node.step(&[tick(&[Some(5)], Some(9))]).unwrap().watermark, Some(9));
    let entries = snapshot(&node);
    let mut restored = make();
    restored.restore(entries).unwrap();
    assert_eq!(restored.step(&[tick(&[], Some(9))]).unwrap().watermark, Some(9));
    assert!(Watermark::new(schema(&[("k", DataType::Int64)]), column(0)).is_err());
}
