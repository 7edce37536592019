//! GROUP BY with every function, and DISTINCT.

use crate::harness::*;
use crate::stateless::MoreThan;
use arrow_schema::{DataType, SchemaRef};
use kulya_incremental::{
    Aggregate, AggregateCall, AggregateFunction as F, AggregateOptions, Node, Ordering, Rounding, column,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const INSERT_ONLY: AggregateOptions = AggregateOptions { insert_only: true, keep_empty: false };

/// Key, number, decimal, float, text.
fn input() -> SchemaRef {
    schema(&[
        ("k", DataType::Int64),
        ("n", DataType::Int64),
        ("d", DataType::Decimal128(20, 2)),
        ("f", DataType::Float64),
        ("t", DataType::Utf8),
    ])
}

fn row(_input: usize, seed: [u8; 4]) -> Row {
    let float = [0.1, 1e17, -3.7e-9, 0.3, f64::INFINITY, -1e300][usize::from(seed[2] % 6)];
    let null = |is_null: bool, cell: Cell| if is_null { Null } else { cell };
    vec![
        small(seed[0], 3),
        small(seed[1], 6),
        null(seed[2].is_multiple_of(5), Decimal(i128::from(seed[1]) * 99_999_999_999_999_999 - 7)),
        null(seed[3].is_multiple_of(5), Float(f64::to_bits(float))),
        null(
            seed[3].is_multiple_of(4),
            text(["", "a", "longer than a block of the format", "b"][usize::from(seed[2] % 4)]),
        ),
    ]
}

fn node(calls: Vec<AggregateCall>, options: AggregateOptions) -> Node {
    Node::new("a", Aggregate::new(input(), [("k", column(0))], calls, options).unwrap())
}

/// The live rows of a history in arrival order; a retraction takes the first equal one.
pub(crate) fn live(history: &[(Row, i64)]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (row, weight) in history {
        for _ in 0..weight.abs() {
            if *weight > 0 {
                rows.push(row.clone());
            } else {
                let index = rows.iter().position(|other| other == row).unwrap();
                rows.remove(index);
            }
        }
    }
    rows
}

/// Groups the live rows by the first column and computes a row for each.
fn by_key(history: &[(Row, i64)], compute: impl Fn(&[Row]) -> Vec<Cell>) -> Rows {
    let mut groups: BTreeMap<Cell, Vec<Row>> = BTreeMap::new();
    for row in live(history) {
        groups.entry(row[0].clone()).or_default().push(row);
    }
    groups.into_iter().map(|(key, rows)| ([vec![key], compute(&rows)].concat(), 1)).collect()
}

fn values(rows: &[Row], column: usize) -> Vec<Cell> {
    rows.iter().map(|row| row[column].clone()).filter(|cell| !cell.is_null()).collect()
}

fn distinct(mut cells: Vec<Cell>) -> Vec<Cell> {
    cells.sort();
    cells.dedup();
    cells
}

fn int_sum(cells: &[Cell]) -> Cell {
    if cells.is_empty() { Null } else { Int(cells.iter().filter_map(Cell::int).sum()) }
}

fn decimal_sum(cells: &[Cell]) -> Option<i128> {
    let sum = cells.iter().map(|cell| if let Decimal(value) = cell { *value } else { 0 }).sum();
    (!cells.is_empty()).then_some(sum)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn counts_and_sums(steps in steps(60)) {
        let calls = || vec![
            AggregateCall::count_rows("rows"),
            AggregateCall::new("count", F::Count, column(1)),
            AggregateCall::new("different", F::Count, column(1)).distinct(),
            AggregateCall::new("sum", F::Sum, column(1)),
            AggregateCall::new("sum_different", F::Sum, column(1)).distinct(),
            AggregateCall::new("filtered", F::Sum, column(1)).filter(Arc::new(MoreThan(1, 3))),
            AggregateCall::new("mean", F::Average(Rounding::Truncate), column(1)).returning(DataType::Int64),
            AggregateCall::new("decimal", F::Sum, column(2)),
            AggregateCall::new("mean_decimal", F::Average(Rounding::HalfUp), column(2))
                .returning(DataType::Decimal128(38, 6)),
        ];
        let make = || node(calls(), AggregateOptions::default());
        check(&make, &script(&steps, 1, row), |history| by_key(&history[0], |rows| {
            let numbers = values(rows, 1);
            let filtered: Vec<Cell> =
                numbers.iter().filter(|cell| cell.int() > Some(3)).cloned().collect();
            let decimals = values(rows, 2);
            let mean = decimal_sum(&decimals).map(|sum| {
                let (sum, count) = (sum * 10_000, decimals.len() as i128);
                let rounded = (sum.abs() * 2 + count) / (count * 2);
                Decimal(if sum < 0 { -rounded } else { rounded })
            });
            vec![
                Int(rows.len() as i64),
                Int(numbers.len() as i64),
                Int(distinct(numbers.clone()).len() as i64),
                int_sum(&numbers),
                int_sum(&distinct(numbers.clone())),
                int_sum(&filtered),
                int_sum(&numbers).int().map_or(Null, |sum| Int(sum / numbers.len() as i64)),
                decimal_sum(&decimals).map_or(Null, Decimal),
                mean.unwrap_or(Null),
            ]
        }))?;
    }

    #[test]
    fn float_sums_are_the_bits_of_a_recomputation(steps in steps(25)) {
        let call = || vec![AggregateCall::new("sum", F::Sum, column(3))];
        let make = || node(call(), AggregateOptions::default());
        let script = script(&steps, 1, row);
        let outputs = run(&make, &script, |_| None)?;
        let (mut history, mut rows) = (Vec::new(), Rows::new());
        for (changes, output) in script.iter().zip(outputs) {
            history.extend(changes[0].iter().cloned());
            fold(&mut rows, &output);
            // in another order, in one tick, without retractions
            let again: Changes = live(&history).into_iter().rev().map(|row| (row, 1)).collect();
            let recomputed = run(&make, &vec![vec![again]], |_| None)?;
            prop_assert_eq!(&rows, &folded(&recomputed[0]));
        }
    }

    #[test]
    fn extremes_and_lists(steps in steps(50)) {
        let calls = || vec![
            AggregateCall::new("min", F::Min, column(1)),
            AggregateCall::new("max", F::Max, column(4)),
            AggregateCall::new("first", F::First, column(1)),
            AggregateCall::new("last", F::Last, column(1)).ignore_nulls(),
            AggregateCall::new("first_by", F::First, column(1)).order_by([Ordering::descending(column(4))]),
            AggregateCall::new("all", F::ArrayAgg, column(1)),
            AggregateCall::new("different", F::ArrayAgg, column(1)).distinct().ignore_nulls(),
        ];
        let make = || node(calls(), AggregateOptions::default());
        check(&make, &script(&steps, 1, row), |history| {
            // a retraction is of a value: it removes the first equal one of its group
            let arrivals = history[0].iter().map(|(row, weight)| (row[..2].to_vec(), *weight));
            let arrivals = live(&arrivals.collect::<Vec<_>>());
            by_key(&history[0], |rows| {
                let arrived = arrivals.iter().filter(|row| row[0] == rows[0][0]);
                extremes(rows, &arrived.map(|row| row[1].clone()).collect::<Vec<_>>())
            })
        })?;
    }

    #[test]
    fn extremes_of_insertions_keep_one_value(steps in steps(50)) {
        let calls = || vec![
            AggregateCall::new("min", F::Min, column(1)),
            AggregateCall::new("max", F::Max, column(4)),
            AggregateCall::new("first", F::First, column(1)),
            AggregateCall::new("last", F::Last, column(1)).ignore_nulls(),
            AggregateCall::new("first_by", F::First, column(1)).order_by([Ordering::descending(column(4))]),
        ];
        let make = || node(calls(), INSERT_ONLY);
        let steps: Vec<Step> = steps.into_iter().map(|step| Step { retracts: false, ..step }).collect();
        let script = script(&steps, 1, row);
        check(&make, &script, |history| by_key(&history[0], |rows| {
            let arrived: Vec<Cell> = rows.iter().map(|row| row[1].clone()).collect();
            extremes(rows, &arrived)[..5].to_vec()
        }))?;
        let mut node = make();
        node.step(&[kulya_incremental::Tick::of([batch(&input(), &script.concat().concat())])]).unwrap();
        let groups = by_key(&script.concat().concat(), |_| Vec::new()).len();
        prop_assert!(snapshot(&node).len() <= 1 + groups * 6);
    }

    #[test]
    fn distinct_rows(steps in steps(50)) {
        let input = schema(&[("a", DataType::Int64), ("b", DataType::Int64)]);
        let make = || Node::new("d", Aggregate::distinct(input.clone(), AggregateOptions::default()).unwrap());
        let row = |_, seed: [u8; 4]| vec![small(seed[0], 2), small(seed[1], 2)];
        check(&make, &script(&steps, 1, row), |history| {
            folded(&history[0]).into_keys().map(|row| (row, 1)).collect()
        })?;
    }

    #[test]
    fn an_aggregate_without_keys_has_a_row_always(steps in steps(30)) {
        let options = AggregateOptions { insert_only: false, keep_empty: true };
        let calls = || vec![AggregateCall::count_rows("n"), AggregateCall::new("s", F::Sum, column(1))];
        let keys: [(&str, kulya_incremental::ExpressionRef); 0] = [];
        let make = || Node::new("a", Aggregate::new(input(), keys.clone(), calls(), options).unwrap());
        check(&make, &script(&steps, 1, row), |history| {
            let rows = live(&history[0]);
            Rows::from([(vec![Int(rows.len() as i64), int_sum(&values(&rows, 1))], 1)])
        })?;
    }
}

fn extremes(rows: &[Row], arrived: &[Cell]) -> Vec<Cell> {
    let numbers = values(rows, 1);
    // descending, nulls last; equal ones by the value, nulls first
    let first_by = rows.iter().min_by(|one, other| other[4].cmp(&one[4]).then(one[1].cmp(&other[1])));
    let different = distinct(numbers.clone());
    vec![
        numbers.iter().min().cloned().unwrap_or(Null),
        values(rows, 4).into_iter().max().unwrap_or(Null),
        arrived[0].clone(),
        arrived.iter().rfind(|cell| !cell.is_null()).cloned().unwrap_or(Null),
        first_by.map_or(Null, |row| row[1].clone()),
        Cell::List(arrived.to_vec()),
        if different.is_empty() { Null } else { Cell::List(different) },
    ]
}

#[test]
fn a_sum_beyond_its_type_is_an_error_and_a_transient_one_is_not() {
    let calls = vec![AggregateCall::new("sum", F::Sum, column(1))];
    let mut node = node(calls, AggregateOptions::default());
    let row = |number: i64| vec![Int(1), Int(number), Null, Null, Null];
    let tick = |changes: &[(Row, i64)]| [kulya_incremental::Tick::of([batch(&input(), changes)])];
    let (max, one) = ((row(i64::MAX), 1), (row(1), 1));
    node.step(&tick(&[max.clone(), one.clone(), (row(i64::MAX), -1)])).unwrap();
    let error = node.step(&tick(&[max])).unwrap_err();
    assert_eq!(error.to_string(), "operator a: sum is out of the range of Int64; cast to a wider type");
}

#[test]
fn distinct_values_are_ordered_by_themselves_only() {
    let argument = column(1);
    let call = |order| AggregateCall::new("a", F::ArrayAgg, argument.clone()).distinct().order_by([order]);
    let calls = vec![call(Ordering::descending(argument.clone()))];
    let mut node = node(calls, AggregateOptions::default());
    let rows: Changes =
        [3, 1, 3, 2].map(|number| (vec![Int(1), Int(number), Null, Null, Null], 1)).into_iter().collect();
    let output = node.step(&[kulya_incremental::Tick::of([batch(&input(), &rows)])]).unwrap();
    let list = Cell::List(vec![Int(3), Int(2), Int(1)]);
    assert_eq!(rows_of(&output.batches), [(vec![Int(1), list], 1)]);
    let calls = vec![call(Ordering::ascending(column(2)))];
    let error =
        Aggregate::new(input(), [("k", column(0))], calls, AggregateOptions::default()).err().unwrap();
    assert!(error.to_string().contains("is not supported yet"), "{error}");
}

#[test]
fn decimals_of_all_digits_are_exact() {
    let input = schema(&[("k", DataType::Int64), ("d", DataType::Decimal128(38, 10))]);
    let calls = vec![
        AggregateCall::new("s", F::Sum, column(1)),
        AggregateCall::new("m", F::Average(Rounding::HalfUp), column(1))
            .returning(DataType::Decimal128(38, 10)),
    ];
    let aggregate =
        Aggregate::new(input.clone(), [("k", column(0))], calls, AggregateOptions::default()).unwrap();
    let mut node = Node::new("a", aggregate);
    let max = 10i128.pow(38) - 1;
    let row = |value| vec![Int(1), Decimal(value)];
    // twice the largest number in between, which i128 does not hold
    let changes = [(row(max), 1), (row(max), 1), (row(1), 1), (row(max), -1)];
    let output = node.step(&[kulya_incremental::Tick::of([batch(&input, &changes[..])])]).unwrap_err();
    assert!(output.to_string().contains("sum is out of the range of Decimal128(38, 10)"), "{output}");
    let mut node = Node::new("a", {
        let calls = vec![
            AggregateCall::new("m", F::Average(Rounding::HalfUp), column(1))
                .returning(DataType::Decimal128(38, 10)),
        ];
        Aggregate::new(input.clone(), [("k", column(0))], calls, AggregateOptions::default()).unwrap()
    });
    let output = node.step(&[kulya_incremental::Tick::of([batch(&input, &changes[..])])]).unwrap();
    // (10^38 - 1 + 1) / 2
    assert_eq!(rows_of(&output.batches), [(row(5 * 10i128.pow(37)), 1)]);
}

#[test]
fn sums_wrap_around_on_request() {
    let call = AggregateCall::new("s", F::Sum, column(1)).wrapping();
    let mut node = node(vec![call], AggregateOptions::default());
    let row = |value| (vec![Int(1), Int(value), Null, Null, Null], 1);
    let output =
        node.step(&[kulya_incremental::Tick::of([batch(&input(), &[row(i64::MAX), row(2)])])]).unwrap();
    assert_eq!(rows_of(&output.batches), [(vec![Int(1), Int(i64::MIN + 1)], 1)]);
}
