//! Top-N, deduplication and OVER.

use crate::aggregates::live;
use crate::harness::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use kulya_incremental::{
    ExpressionError, Node, Order, Ordering, Over, PartitionFunction, Ranking, Tick, TopN, TopNOptions, column,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Partition, order, another column.
fn input() -> SchemaRef {
    schema(&[("p", DataType::Int64), ("o", DataType::Int64), ("v", DataType::Int64)])
}

fn row(_input: usize, seed: [u8; 4]) -> Row {
    vec![small(seed[0], 2), small(seed[1], 3), small(seed[2], 2)]
}

/// The rows of each partition in the order: descending, nulls last, then by the columns.
fn partitions(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut partitions: BTreeMap<Cell, Vec<Row>> = BTreeMap::new();
    for row in rows {
        partitions.entry(row[0].clone()).or_default().push(row);
    }
    let mut partitions: Vec<_> = partitions.into_values().collect();
    partitions.iter_mut().for_each(|rows| {
        rows.sort_by(|one, other| other[1].cmp(&one[1]).then(one.cmp(other)));
    });
    partitions
}

/// Row number, rank and dense rank of each row of an ordered partition.
fn numbers(rows: &[Row]) -> Vec<[i64; 3]> {
    let mut numbers: Vec<[i64; 3]> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let number = index as i64 + 1;
        numbers.push(match index.checked_sub(1).map(|before| (&rows[before], numbers[before])) {
            Some((before, [_, rank, dense])) if before[1] == row[1] => [number, rank, dense],
            Some((_, [_, _, dense])) => [number, number, dense + 1],
            None => [1, 1, 1],
        });
    }
    numbers
}

/// The running sum of `v` over the rows up to a row and its peers.
#[derive(Debug)]
struct RunningSum;

impl PartitionFunction for RunningSum {
    fn field(&self, _schema: &Schema) -> Result<Field, ExpressionError> {
        Ok(Field::new("sum", DataType::Int64, true))
    }

    fn evaluate(&self, rows: &RecordBatch, peers: &[Range<usize>]) -> Result<ArrayRef, ExpressionError> {
        let values = rows.column(2).as_primitive::<Int64Type>();
        let (mut sum, mut sums) = (0, Vec::new());
        for peers in peers {
            sum += peers.clone().filter_map(|row| values.iter().nth(row).flatten()).sum::<i64>();
            sums.extend(peers.clone().map(|_| sum));
        }
        Ok(Arc::new(Int64Array::from(sums)))
    }
}

const RANKINGS: [Ranking; 3] = [Ranking::RowNumber, Ranking::Rank, Ranking::DenseRank];

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_rows_of_a_range(
        steps in steps(50), ranking in 0..3usize, start in 1..3i64, count in 0..4i64, has_number in any::<bool>(),
        insert_only in any::<bool>(),
    ) {
        let make = || {
            let options = TopNOptions {
                ranking: RANKINGS[ranking],
                range: start..start + count,
                number: has_number.then(|| "n".to_owned()),
                insert_only,
                ..TopNOptions::first(0)
            };
            let order = Order::By(vec![Ordering::descending(column(1))]);
            Node::new("t", TopN::new(input(), vec![column(0)], order, options).unwrap())
        };
        let steps: Vec<Step> =
            steps.into_iter().map(|step| Step { retracts: step.retracts && !insert_only, ..step }).collect();
        let script = script(&steps, 1, row);
        if insert_only && ranking == 0 {
            let mut node = make();
            for changes in &script {
                node.step(&[Tick::of([batch(&input(), &changes[0])])]).unwrap();
            }
            // the header, and of each of three partitions what is before the end of the range
            prop_assert!(snapshot(&node).len() <= 1 + 3 * (start + count - 1) as usize);
        }
        check(&make, &script, |history| {
            let mut rows = Vec::new();
            for partition in partitions(live(&history[0])) {
                for (row, numbers) in partition.iter().zip(numbers(&partition)) {
                    let number = numbers[ranking];
                    if (start..start + count).contains(&number) {
                        let last = has_number.then_some(Int(number));
                        rows.push((row.iter().cloned().chain(last).collect(), 1));
                    }
                }
            }
            folded(&rows)
        })?;
    }

    #[test]
    fn the_first_or_last_row_to_arrive(steps in steps(50), latest_first in any::<bool>(), insert_only in any::<bool>()) {
        let make = || {
            let options = TopNOptions { insert_only, ..TopNOptions::first(1) };
            let order = Order::Arrival { latest_first };
            Node::new("t", TopN::new(input(), vec![column(0)], order, options).unwrap())
        };
        let steps: Vec<Step> =
            steps.into_iter().map(|step| Step { retracts: step.retracts && !insert_only, ..step }).collect();
        check(&make, &script(&steps, 1, row), |history| {
            let mut rows: BTreeMap<Cell, Row> = BTreeMap::new();
            for row in live(&history[0]) {
                match latest_first {
                    true => drop(rows.insert(row[0].clone(), row)),
                    false => drop(rows.entry(row[0].clone()).or_insert(row)),
                }
            }
            rows.into_values().map(|row| (row, 1)).collect()
        })?;
    }

    #[test]
    fn functions_over_partitions(steps in steps(40)) {
        let make = || {
            let mut functions: Vec<Arc<dyn PartitionFunction>> = vec![Arc::new(RunningSum)];
            functions.extend(RANKINGS.map(|ranking| Arc::new(ranking) as _));
            let order = vec![Ordering::descending(column(1))];
            Node::new("o", Over::new(input(), vec![column(0)], order, functions).unwrap())
        };
        check(&make, &script(&steps, 1, row), |history| {
            let mut rows = Vec::new();
            for partition in partitions(live(&history[0])) {
                for (row, numbers) in partition.iter().zip(numbers(&partition)) {
                    // up to the peers: descending, null last
                    let before = partition.iter().filter(|other| other[1] >= row[1]);
                    let sum = before.filter_map(|row| row[2].int()).sum();
                    rows.push(([&row[..], &[Int(sum)], &numbers.map(Int)].concat(), 1));
                }
            }
            folded(&rows)
        })?;
    }
}
