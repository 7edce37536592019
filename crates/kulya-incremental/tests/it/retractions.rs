//! A row that is retracted without having been inserted: every operator that can see it refuses it by name.

use crate::harness::*;
use arrow_schema::{DataType, SchemaRef};
use kulya_incremental::{
    Aggregate, AggregateCall, AggregateFunction as F, AggregateOptions, Join, JoinKind, JoinOptions,
    LookupJoin, Node, NotIn, Order, Ordering, Over, Ranking, Tick, TopN, TopNOptions, column,
};
use std::sync::Arc;

fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64)])
}

fn aggregate(call: AggregateCall) -> Node {
    let options = AggregateOptions::default();
    Node::new("op", Aggregate::new(input(), [("k", column(0))], vec![call], options).unwrap())
}

fn join(kind: JoinKind) -> Node {
    let on = vec![(column(0), column(0))];
    Node::new("op", Join::new(input(), input(), on, kind, JoinOptions::default()).unwrap())
}

fn top(order: Order) -> Node {
    Node::new("op", TopN::new(input(), vec![column(0)], order, TopNOptions::first(1)).unwrap())
}

#[test]
fn the_operator_is_named_and_does_not_go_on() {
    let distinct = Aggregate::distinct(input(), AggregateOptions::default()).unwrap();
    let over = Over::new(input(), vec![column(0)], vec![], vec![Arc::new(Ranking::Rank)]).unwrap();
    let nodes = [
        aggregate(AggregateCall::count_rows("n")),
        aggregate(AggregateCall::new("m", F::Min, column(1))),
        aggregate(AggregateCall::new("m", F::First, column(1))),
        aggregate(AggregateCall::new("m", F::Count, column(1)).distinct()),
        Node::new("op", distinct),
        join(JoinKind::Inner),
        join(JoinKind::LeftSemi),
        Node::new("op", NotIn::new(input(), input(), column(0), column(0)).unwrap()),
        top(Order::By(vec![Ordering::ascending(column(1))])),
        top(Order::Arrival { latest_first: false }),
        Node::new("op", over),
    ];
    for mut node in nodes {
        let inputs = node.inputs().len();
        let tick = |changes: &[(Row, i64)]| -> Vec<Tick> {
            (0..inputs).map(|_| Tick::of([batch(&input(), changes)])).collect()
        };
        // within a tick the order does not matter, at its end it is an error
        node.step(&tick(&[(vec![Int(1), Int(1)], 1), (vec![Int(1), Int(2)], 1)])).unwrap();
        node.step(&tick(&[(vec![Int(1), Int(3)], 1), (vec![Int(1), Int(3)], -1)])).unwrap();
        let error = node.step(&tick(&[(vec![Int(2), Int(4)], -1)])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "operator op: a row was retracted that had not been inserted; build the view again from its inputs",
            "{node:?}"
        );
        let error = node.step(&tick(&[])).unwrap_err();
        assert!(error.to_string().contains("failed in an earlier tick"), "{error}");
    }
}

#[test]
fn an_input_of_insertions_has_no_retraction() {
    let options = AggregateOptions { insert_only: true, keep_empty: false };
    let call = AggregateCall::new("m", F::Max, column(1));
    let aggregate = Aggregate::new(input(), [("k", column(0))], vec![call], options).unwrap();
    let options = TopNOptions { insert_only: true, ..TopNOptions::first(1) };
    let top = TopN::new(input(), vec![], Order::By(vec![]), options).unwrap();
    let lookup = LookupJoin::new(input(), input(), vec![(column(0), column(0))], true).unwrap();
    for mut node in [Node::new("op", aggregate), Node::new("op", top), Node::new("op", lookup)] {
        let mut inputs = vec![Tick::of([batch(&input(), &[(vec![Int(1), Int(1)], -1)])])];
        inputs.resize(node.inputs().len(), Tick::default());
        let error = node.step(&inputs).unwrap_err();
        assert!(error.to_string().contains("insertions only"), "{error}");
    }
}
