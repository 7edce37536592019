//! Benchmark of the incremental operators, with the machine's load:
//!
//! ```sh
//! cargo run --release --manifest-path bench/Cargo.toml -p kulya-bench-incremental
//! ```
//!
//! Rows with keys are updated at random: an event is the retraction of a key's old row or the insertion of its
//! new one. They go through `SELECT g, COUNT(*), SUM(v) GROUP BY g`, or through a join with a table, in ticks of
//! a fixed number of events. Making the ticks is not measured; the entries that a tick changes are drained. CPU
//! is that of this process, and the operators use one thread. With `NAME=` of a line as the first argument only
//! that line runs, so that its memory is its own.

#[path = "../../src/measure.rs"]
#[allow(dead_code, reason = "shared with the benchmark of the store, which uses the rest")]
mod measure;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use kulya_incremental::prelude::*;
use measure::{Fallible, cpu_of, print_load, resident_of};
use std::sync::Arc;

/// A line: rows of the input, groups or rows of the other side, events of a tick, all events.
struct Line {
    name: &'static str,
    keys: i64,
    others: i64,
    tick: usize,
    events: usize,
    is_join: bool,
}

const LINES: &[Line] = &[
    Line { name: "group-by 1,000 groups, ticks of 1,000", keys: 100_000, others: 1_000, tick: 1_000, events: 10_000_000, is_join: false },
    Line { name: "group-by 1,000 groups, ticks of 50", keys: 100_000, others: 1_000, tick: 50, events: 5_000_000, is_join: false },
    Line { name: "group-by 1,000 groups, ticks of 1", keys: 100_000, others: 1_000, tick: 1, events: 500_000, is_join: false },
    Line { name: "group-by 200,000 groups, ticks of 1,000", keys: 1_000_000, others: 200_000, tick: 1_000, events: 5_000_000, is_join: false },
    Line { name: "join 1 M × 200,000, ticks of 1,000", keys: 1_000_000, others: 200_000, tick: 1_000, events: 1_000_000, is_join: true },
];

fn main() -> Fallible {
    print_load();
    let only = std::env::args().nth(1);
    for line in LINES.iter().filter(|line| only.as_ref().is_none_or(|only| line.name.starts_with(only.as_str()))) {
        run(line)?;
    }
    Ok(())
}

fn run(line: &Line) -> Fallible {
    let mut node = if line.is_join { join()? } else { group_by()? };
    let mut table = Table { values: vec![None; usize::try_from(line.keys)?], others: line.others, random: 7 };
    if line.is_join {
        // the other side, and all rows of this one
        let others: Vec<i64> = (0..line.others).collect();
        let batch = batch(&dimension(), vec![others.clone(), others], vec![1; usize::try_from(line.others)?])?;
        node.step(&[Tick::default(), Tick::of([batch])])?;
    }
    for chunk in (0..line.keys).collect::<Vec<_>>().chunks(10_000) {
        let keys: Vec<i64> = chunk.to_vec();
        step(&mut node, table.updates(&keys)?, line.is_join)?;
    }
    let mut events = 0;
    let (mut spent, mut ticks) = (0.0, 0u64);
    while events < line.events {
        // ticks in advance, so that making them is not measured
        let mut prepared = Vec::new();
        for _ in 0..(line.events / 10 / line.tick).max(1) {
            prepared.push(table.tick(line.tick)?);
        }
        let before = cpu_of("self");
        for batch in prepared {
            events += batch.weights().len();
            ticks += 1;
            step(&mut node, batch, line.is_join)?;
        }
        spent += cpu_of("self") - before;
    }
    println!(
        "{:<42} {:>6.2} M events/CPU-s {:>8.1} µs a tick {:>5} MB resident, {} MB state",
        line.name,
        events as f64 / spent / 1e6,
        spent * 1e6 / ticks as f64,
        resident_of("self") / 1024,
        node.size_bytes() / 1_000_000
    );
    Ok(())
}

fn step(node: &mut Node, batch: Batch, is_join: bool) -> Fallible {
    let mut inputs = vec![Tick::of([batch])];
    if is_join {
        inputs.push(Tick::default());
    }
    std::hint::black_box(node.step(&inputs)?);
    node.drain_dirty(|key, value| {
        std::hint::black_box((key, value));
    });
    Ok(())
}

/// The key, what it belongs to, and a value.
fn facts() -> SchemaRef {
    schema(&["k", "g", "v"])
}

fn dimension() -> SchemaRef {
    schema(&["g", "name"])
}

fn schema(names: &[&str]) -> SchemaRef {
    let fields = names.iter().map(|name| Field::new(*name, DataType::Int64, false));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn batch(schema: &SchemaRef, columns: Vec<Vec<i64>>, weights: Vec<i64>) -> Fallible<Batch> {
    let columns = columns.into_iter().map(|column| Arc::new(Int64Array::from(column)) as _);
    Ok(Batch::new(RecordBatch::try_new(Arc::clone(schema), columns.collect())?, weights)?)
}

fn group_by() -> Fallible<Node> {
    let calls = vec![
        AggregateCall::count_rows("count"),
        AggregateCall::new("sum", AggregateFunction::Sum, column(2)),
    ];
    let aggregate = Aggregate::new(facts(), [("g", column(1))], calls, AggregateOptions::default())?;
    Ok(Node::new("group by", aggregate))
}

fn join() -> Fallible<Node> {
    let on = vec![(column(1), column(0))];
    let join = Join::new(facts(), dimension(), on, JoinKind::Inner, JoinOptions::default())?;
    Ok(Node::new("join", join))
}

/// The rows that are there, by key.
struct Table {
    values: Vec<Option<(i64, i64)>>,
    others: i64,
    random: u64,
}

impl Table {
    fn random(&mut self) -> i64 {
        // a linear congruential generator; its upper bits are good enough here
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as i64
    }

    /// A tick of this many events: pairs of retraction and insertion, or one of both.
    fn tick(&mut self, events: usize) -> Fallible<Batch> {
        let mut columns = vec![Vec::with_capacity(events); 3];
        let mut weights = Vec::with_capacity(events);
        while weights.len() < events {
            let key = self.random().rem_euclid(self.values.len() as i64);
            match self.values[key as usize].take() {
                Some((group, value)) => push(&mut columns, &mut weights, [key, group, value], -1),
                None => self.insert(key, &mut columns, &mut weights),
            }
            if weights.len() < events && self.values[key as usize].is_none() {
                self.insert(key, &mut columns, &mut weights);
            }
        }
        batch(&facts(), columns, weights)
    }

    /// Insertions of keys that are not there.
    fn updates(&mut self, keys: &[i64]) -> Fallible<Batch> {
        let (mut columns, mut weights) = (vec![Vec::new(); 3], Vec::new());
        keys.iter().for_each(|key| self.insert(*key, &mut columns, &mut weights));
        batch(&facts(), columns, weights)
    }

    fn insert(&mut self, key: i64, columns: &mut [Vec<i64>], weights: &mut Vec<i64>) {
        let (group, value) = (self.random().rem_euclid(self.others), self.random() % 1_000);
        self.values[key as usize] = Some((group, value));
        push(columns, weights, [key, group, value], 1);
    }
}

fn push(columns: &mut [Vec<i64>], weights: &mut Vec<i64>, row: [i64; 3], weight: i64) {
    columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    weights.push(weight);
}
