//! Graphs of operators: restarts after each tick, sources of several nodes, ticks without changes.

use crate::harness::*;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use kulya_incremental::{
    Aggregate, AggregateCall, AggregateFunction as F, AggregateOptions, Graph, GraphBuilder, Join, JoinKind,
    JoinOptions, Node, Tick, Union, Values, column,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64)])
}

fn constants() -> RecordBatch {
    batch(&input(), &[(vec![Int(1), Int(100)], 1), (vec![Int(7), Null], 1)]).rows().clone()
}

/// ```sql
/// SELECT l.k, l.v, r.k, r.s FROM (SELECT * FROM a UNION ALL VALUES (1, 100), (7, NULL)) AS l
/// LEFT JOIN (SELECT k, SUM(v) AS s FROM (SELECT * FROM a UNION ALL SELECT * FROM b) GROUP BY k) AS r
/// ON l.k = r.k
/// ```
fn graph() -> Graph {
    let mut builder = GraphBuilder::new();
    let a = builder.source("a", input());
    let b = builder.source("b", input());
    let union = || Union::new(vec![input(), input()]).unwrap();
    let both = builder.node(Node::new("both", union()), &[a, b]).unwrap();
    let calls = vec![AggregateCall::new("s", F::Sum, column(1))];
    let sums = Aggregate::new(input(), [("k", column(0))], calls, AggregateOptions::default()).unwrap();
    let sums = builder.node(Node::new("sums", sums), &[both]).unwrap();
    let values = builder.node(Node::new("values", Values::new(constants())), &[]).unwrap();
    let left = builder.node(Node::new("left", union()), &[a, values]).unwrap();
    let on = vec![(column(0), column(0))];
    let join = Join::new(input(), input(), on, JoinKind::Left, JoinOptions::default()).unwrap();
    let join = builder.node(Node::new("join", join), &[left, sums]).unwrap();
    builder.finish(join).unwrap()
}

type Entries = Vec<(u32, Vec<u8>, Option<Vec<u8>>)>;

fn snapshot(graph: &Graph) -> Entries {
    let mut entries = Entries::new();
    graph.snapshot(|node, key, value| entries.push((node, key.to_vec(), value.map(<[u8]>::to_vec))));
    entries
}

fn drain(graph: &mut Graph) -> Entries {
    let mut entries = Entries::new();
    graph.drain_dirty(|node, key, value| entries.push((node, key.to_vec(), value.map(<[u8]>::to_vec))));
    entries
}

fn recompute(history: &[Changes]) -> Rows {
    let (a, b) = (expanded(&folded(&history[0])), expanded(&folded(&history[1])));
    let mut sums: BTreeMap<Cell, Option<i64>> = BTreeMap::new();
    for row in a.iter().chain(&b) {
        let sum = sums.entry(row[0].clone()).or_default();
        *sum = row[1].int().map(|value| value + sum.unwrap_or_default()).or(*sum);
    }
    let constants =
        rows_of(&[kulya_incremental::Batch::inserts(constants())]).into_iter().map(|(row, _)| row);
    let mut rows = Rows::new();
    for row in a.into_iter().chain(constants) {
        let sum = sums.get(&row[0]).filter(|_| !row[0].is_null());
        let right = match sum {
            None => [Null, Null],
            Some(sum) => [row[0].clone(), sum.map_or(Null, Int)],
        };
        *rows.entry([&row[..], &right].concat()).or_default() += 1;
    }
    rows
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_graph_restarts_after_each_tick_and_equals_recomputation(steps in steps(40)) {
        let script = script(&steps, 2, |_, seed| vec![small(seed[0], 3), small(seed[1], 4)]);
        let (mut graph, mut by_snapshot, mut by_log) = (graph(), graph(), graph());
        let (mut log, mut rows) = (Entries::new(), Rows::new());
        let mut history = vec![Changes::new(); 2];
        for changes in script {
            let ticks: Vec<Tick> = changes.iter().map(|changes| match changes.is_empty() {
                true => Tick::default(),
                false => Tick::of([batch(&input(), changes)]),
            }).collect();
            let output = rows_of(&graph.step(&ticks).unwrap().batches);
            prop_assert_eq!(&output, &rows_of(&by_snapshot.step(&ticks).unwrap().batches), "after a snapshot");
            prop_assert_eq!(&output, &rows_of(&by_log.step(&ticks).unwrap().batches), "after a log");
            fold(&mut rows, &output);
            history.iter_mut().zip(&changes).for_each(|(all, new)| all.extend(new.iter().cloned()));
            prop_assert_eq!(&rows, &recompute(&history));
            drain(&mut graph);
            let entries = snapshot(&by_snapshot);
            by_snapshot = self::graph();
            by_snapshot.restore(entries).unwrap();
            prop_assert_eq!(drain(&mut by_snapshot), []);
            log.extend(drain(&mut by_log));
            by_log = self::graph();
            by_log.restore(log.clone()).unwrap();
        }
    }
}

#[test]
fn a_tick_without_changes_reaches_no_node_but_watermarks_pass() {
    let mut graph = graph();
    let watermark = |output: Tick| (output.row_count(), output.watermark);
    let empty = |time| Tick { batches: Vec::new(), watermark: time };
    assert_eq!(watermark(graph.step(&[empty(None), empty(None)]).unwrap()), (2, None));
    assert_eq!(watermark(graph.step(&[empty(Some(5)), empty(Some(3))]).unwrap()), (0, Some(3)));
    assert_eq!(watermark(graph.step(&[empty(Some(5)), empty(Some(3))]).unwrap()), (0, Some(3)));
    assert_eq!(graph.late_rows(), 0);
    assert_eq!(graph.sources()[1].0, "b");
    let kinds: Vec<_> = graph.nodes().map(|node| (node.kind(), node.has_state())).collect();
    assert_eq!(
        kinds,
        [("union", false), ("aggregate", true), ("values", true), ("union", false), ("left join", true)]
    );
}

#[test]
fn wrong_inputs_nodes_and_entries_are_named() {
    let mut builder = GraphBuilder::new();
    let a = builder.source("a", schema(&[("k", DataType::Utf8)]));
    let union = Node::new("both", Union::new(vec![input()]).unwrap());
    let error = builder.node(union, &[a]).unwrap_err().to_string();
    assert_eq!(error, "operator both: its inputs in the graph have other columns");
    let mut wrong = graph();
    let error = wrong.step(&[Tick::default()]).unwrap_err().to_string();
    assert_eq!(error, "operator graph: ticks of 1 sources instead of 2");
    let error = wrong.step(&[Tick::default(), Tick::default()]).unwrap_err().to_string();
    assert!(error.contains("failed in an earlier tick"), "{error}");
    let error = graph().restore([(5, vec![0], Some(vec![0]))]).unwrap_err().to_string();
    assert!(error.contains("node 5 of 5 has an entry"), "{error}");
    let mut entries = snapshot(&graph());
    entries.iter_mut().for_each(|(node, ..)| *node = (*node + 1) % 5);
    let error = graph().restore(entries).unwrap_err().to_string();
    assert!(error.contains("stored state cannot be read"), "{error}");
}
