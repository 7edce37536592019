//! Joins of every kind, and NOT IN.

use crate::harness::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use kulya_incremental::{Expression, ExpressionError, Join, JoinKind, JoinOptions, Node, NotIn, column};
use proptest::prelude::*;
use std::sync::Arc;

fn left() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64)])
}

fn right() -> SchemaRef {
    schema(&[("w", DataType::Int64), ("k", DataType::Int64), ("t", DataType::Utf8)])
}

fn row(input: usize, seed: [u8; 4]) -> Row {
    match input {
        0 => vec![small(seed[0], 3), small(seed[1], 3)],
        _ => vec![small(seed[1], 3), small(seed[0], 3), text(["x", "y"][usize::from(seed[2] % 2)])],
    }
}

/// Whether the left `v` is less than the right `w`.
#[derive(Debug)]
struct Less;

impl Expression for Less {
    fn data_type(&self, _schema: &Schema) -> Result<DataType, ExpressionError> {
        Ok(DataType::Boolean)
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let (one, other) =
            (rows.column(1).as_primitive::<Int64Type>(), rows.column(2).as_primitive::<Int64Type>());
        let pairs = one.iter().zip(other.iter());
        Ok(Arc::new(pairs.map(|(one, other)| Some(one? < other?)).collect::<BooleanArray>()))
    }
}

const KINDS: [JoinKind; 6] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::LeftSemi,
    JoinKind::LeftAnti,
];

/// The join by comparing all pairs.
pub(crate) fn nested_loops(
    kind: JoinKind,
    [left_width, right_width]: [usize; 2],
    left: &Rows,
    right: &Rows,
    matches: impl Fn(&Row, &Row) -> bool,
) -> Rows {
    let mut rows = Vec::new();
    let is_left_only = matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
    for (one, weight) in left {
        let matching: Vec<_> = right.iter().filter(|(other, _)| matches(one, other)).collect();
        if !is_left_only {
            rows.extend(matching.iter().map(|(other, count)| ([&one[..], other].concat(), weight * *count)));
        }
        match kind {
            JoinKind::Left | JoinKind::Full if matching.is_empty() => {
                rows.push(([&one[..], &vec![Null; right_width]].concat(), *weight));
            }
            JoinKind::LeftSemi if !matching.is_empty() => rows.push((one.clone(), *weight)),
            JoinKind::LeftAnti if matching.is_empty() => rows.push((one.clone(), *weight)),
            _ => {}
        }
    }
    for (other, weight) in right {
        if matches!(kind, JoinKind::Right | JoinKind::Full) && !left.keys().any(|one| matches(one, other)) {
            rows.push(([&vec![Null; left_width][..], other].concat(), *weight));
        }
    }
    folded(&rows)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn joins(
        steps in steps(60), kind in 0..6usize, has_condition in any::<bool>(), nulls_are_equal in any::<bool>()
    ) {
        let kind = KINDS[kind];
        let make = || {
            let condition: Option<Arc<dyn Expression>> = has_condition.then(|| Arc::new(Less) as _);
            let options = JoinOptions { condition, nulls_are_equal, ..JoinOptions::default() };
            Node::new("j", Join::new(left(), right(), vec![(column(0), column(1))], kind, options).unwrap())
        };
        check(&make, &script(&steps, 2, row), |history| {
            nested_loops(kind, [2, 3], &folded(&history[0]), &folded(&history[1]), |one, other| {
                let is_equal = one[0] == other[1] && (nulls_are_equal || !one[0].is_null());
                let holds = one[1].int().zip(other[0].int()).is_some_and(|(one, other)| one < other);
                is_equal && (!has_condition || holds)
            })
        })?;
    }

    #[test]
    fn not_in_follows_nulls(steps in steps(60), nulls in any::<bool>()) {
        let make = || {
            let input = schema(&[("w", DataType::Int64)]);
            Node::new("n", NotIn::new(left(), input, column(1), column(0)).unwrap())
        };
        let row = |input: usize, seed: [u8; 4]| match input {
            0 => row(0, seed),
            _ if nulls => vec![small(seed[0], 4)],
            _ => vec![Int(i64::from(seed[0] % 4))],
        };
        check(&make, &script(&steps, 2, row), |history| {
            let (left, right) = (folded(&history[0]), folded(&history[1]));
            let is_in = |value: &Cell| right.keys().any(|row| row[0] == *value || row[0].is_null());
            let holds = |value: &Cell| right.is_empty() || (!value.is_null() && !is_in(value));
            left.into_iter().filter(|(row, _)| holds(&row[1])).collect()
        })?;
    }
}

#[test]
fn a_key_with_many_rows_is_joined_in_parts() {
    let options = JoinOptions::default();
    let on = vec![(column(0), column(1))];
    let mut join = Node::new("j", Join::new(left(), right(), on, JoinKind::Full, options).unwrap());
    let many: Changes = (0..10_000).map(|number| (vec![Int(1), Int(number)], 1)).collect();
    let tick =
        |schema: SchemaRef, changes: &[(Row, i64)]| kulya_incremental::Tick::of([batch(&schema, changes)]);
    let none = kulya_incremental::Tick::default;
    let mut rows = Rows::new();
    fold(&mut rows, &rows_of(&join.step(&[tick(left(), &many), none()]).unwrap().batches));
    let other = (vec![Int(7), Int(1), text("x")], 1);
    fold(&mut rows, &rows_of(&join.step(&[none(), tick(right(), &[other])]).unwrap().batches));
    assert_eq!(rows.len(), 10_000);
    assert!(rows.iter().all(|(row, weight)| row[2] == Int(7) && *weight == 1));
}
