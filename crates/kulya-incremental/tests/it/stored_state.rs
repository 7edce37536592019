//! Damaged and foreign entries: an error, never a panic, also in the ticks behind.

use crate::harness::*;
use arrow_schema::{DataType, Field, SchemaRef};
use kulya_incremental::{
    Aggregate, AggregateCall, AggregateFunction as F, AggregateOptions, Join, JoinKind, JoinOptions, Node,
    Order, Ordering, Rounding, SessionAssign, Tick, TopN, TopNOptions, Upsert, VersionedJoin,
    WindowAggregate, WindowAggregateOptions, column,
};
use proptest::prelude::*;
use std::sync::Arc;

fn input() -> SchemaRef {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    schema(&[("k", DataType::Utf8), ("v", DataType::Int64), ("t", millis()), ("l", list)])
}

fn row(_input: usize, seed: [u8; 4]) -> Row {
    let key = ["", "a", "ß und mehr als acht Bytes", "x"][usize::from(seed[0] % 4)];
    vec![
        text(key),
        small(seed[1], 4),
        Time(i64::from(seed[2])),
        Cell::List(vec![Int(1); usize::from(seed[3] % 3)]),
    ]
}

/// A node of each kind of state.
fn nodes() -> Vec<Box<dyn Fn() -> Node>> {
    let on = || vec![(column(0), column(0))];
    vec![
        Box::new(|| {
            let calls = vec![
                AggregateCall::new("s", F::Average(Rounding::HalfUp), column(1)),
                AggregateCall::new("m", F::Min, column(0)),
                AggregateCall::new("f", F::First, column(3)),
                AggregateCall::new("d", F::Count, column(1)).distinct(),
            ];
            let options = AggregateOptions::default();
            Node::new("aggregate", Aggregate::new(input(), [("k", column(0))], calls, options).unwrap())
        }),
        Box::new(|| Node::new("upsert", Upsert::new(input(), vec![0]).unwrap())),
        Box::new(move || {
            let options = JoinOptions::default();
            Node::new("join", Join::new(input(), input(), on(), JoinKind::Full, options).unwrap())
        }),
        Box::new(|| {
            let order = Order::By(vec![Ordering::descending(column(0))]);
            Node::new("top", TopN::new(input(), vec![column(1)], order, TopNOptions::first(2)).unwrap())
        }),
        Box::new(move || {
            let times = [column(2), column(2)];
            Node::new("versioned", VersionedJoin::new(input(), input(), on(), times, true).unwrap())
        }),
        Box::new(|| {
            let session = SessionAssign::new(input(), vec![column(0)], column(2), 10, false).unwrap();
            Node::new("session", session)
        }),
        Box::new(|| {
            let calls = vec![AggregateCall::new("m", F::ArrayAgg, column(0))];
            let options = WindowAggregateOptions::default();
            let aggregate = WindowAggregate::new(input(), [("k", column(0))], column(2), calls, options);
            Node::new("window", aggregate.unwrap())
        }),
    ]
}

/// Ticks that use all of the state.
fn use_state(mut node: Node) {
    let inputs = node.inputs().len();
    let all: Vec<(Row, i64)> = (0..16).map(|seed| (row(0, [seed; 4]), 1)).collect();
    let tick = Tick::of([batch(&input(), &all)]).with_watermark(0);
    let _ = node.step(&vec![tick; inputs]);
    let _ = node.step(&vec![Tick::default().with_watermark(i64::MAX); inputs]);
    let _ = snapshot(&node);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn damaged_entries_are_refused_or_harmless(
        steps in steps(30), kind in 0..7usize, entry in any::<usize>(), place in any::<usize>(), flip in 1..=255u8,
        of_key in any::<bool>(), truncates in any::<bool>(),
    ) {
        let make = &nodes()[kind];
        let mut node = make();
        let inputs = node.inputs().len();
        let steps: Vec<Step> = steps.into_iter().map(|step| Step { retracts: false, ..step }).collect();
        for changes in script(&steps, inputs, row) {
            let ticks: Vec<Tick> = changes.iter().map(|changes| Tick::of([batch(&input(), changes)])).collect();
            node.step(&ticks).unwrap();
        }
        let mut entries = snapshot(&node);
        let count = entries.len();
        let entry = &mut entries[entry % count];
        let bytes = if of_key { &mut entry.0 } else { entry.1.as_mut().unwrap() };
        if !bytes.is_empty() {
            let place = place % bytes.len();
            if truncates { bytes.truncate(place) } else { bytes[place] ^= flip }
        }
        let mut restored = make();
        if restored.restore(entries).is_ok() {
            use_state(restored);
        }
    }

    #[test]
    fn any_entries_are_refused_or_harmless(
        kind in 0..7usize, entries in proptest::collection::vec((any::<Vec<u8>>(), any::<Option<Vec<u8>>>()), 0..5)
    ) {
        let make = &nodes()[kind];
        let header = snapshot(&make());
        let mut restored = make();
        if restored.restore(header.into_iter().chain(entries)).is_ok() {
            use_state(restored);
        }
    }
}

#[test]
fn state_is_of_one_kind_version_and_columns() {
    let nodes = nodes();
    let entries = snapshot(&nodes[0]());
    let error = nodes[1]().restore(entries.clone()).unwrap_err();
    assert!(error.to_string().contains(r#"it is of "aggregate", not "upsert""#), "{error}");
    let other = Upsert::new(schema(&[("k", DataType::Int64)]), vec![0]).unwrap();
    let error = nodes[1]().restore(snapshot(&Node::new("upsert", other))).unwrap_err();
    assert!(error.to_string().contains("its columns are of other types"), "{error}");
    let mut newer = entries.clone();
    newer[0].1.as_mut().unwrap()[0] = 2;
    let error = nodes[0]().restore(newer).unwrap_err();
    assert!(error.to_string().contains("version 2, not 1"), "{error}");
    let error = nodes[0]().restore([(vec![1], Some(vec![1]))]).unwrap_err();
    assert!(error.to_string().contains("does not begin with its version"), "{error}");
}
