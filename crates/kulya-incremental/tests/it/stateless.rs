//! Filter, projection, union, UNNEST.

use crate::harness::*;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use kulya_incremental::{
    Batch, ChangeRows, Column, Expression, ExpressionError, Filter, Node, Project, Tick, Union, Unnest,
    UnnestOptions, column,
};
use proptest::prelude::*;
use std::sync::Arc;

/// Whether a number is more than another; null if it is null.
#[derive(Debug)]
pub(crate) struct MoreThan(pub usize, pub i64);

impl Expression for MoreThan {
    fn data_type(&self, _schema: &Schema) -> Result<DataType, ExpressionError> {
        Ok(DataType::Boolean)
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let values = Column(self.0).evaluate(rows)?;
        let values = values.as_primitive::<Int64Type>().iter();
        let results = values.map(|value| value.map(|value| value > self.1));
        Ok(Arc::new(results.collect::<BooleanArray>()))
    }
}

fn numbers() -> arrow_schema::SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64)])
}

fn row(_input: usize, seed: [u8; 4]) -> Row {
    vec![small(seed[0], 5), small(seed[1], 9)]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn filter_keeps_what_is_true(steps in steps(40)) {
        let make = || Node::new("f", Filter::new(numbers(), Arc::new(MoreThan(1, 4))).unwrap());
        check(&make, &script(&steps, 1, row), |history| {
            let kept = history[0].iter().filter(|(row, _)| row[1].int().is_some_and(|value| value > 4));
            folded(&kept.cloned().collect::<Vec<_>>())
        })?;
    }

    #[test]
    fn project_and_union_keep_weights(steps in steps(40)) {
        let make = || Node::new("p", Project::new(numbers(), [("v", column(1))]).unwrap());
        check(&make, &script(&steps, 1, row), |history| {
            let rows = history[0].iter().map(|(row, weight)| (vec![row[1].clone()], *weight));
            folded(&rows.collect::<Vec<_>>())
        })?;
        let make = || Node::new("u", Union::new(vec![numbers(), numbers()]).unwrap());
        check(&make, &script(&steps, 2, row), |history| folded(&history.concat()))?;
    }

    #[test]
    fn unnest_has_a_row_per_element(
        steps in steps(30), keep_empty in any::<bool>(), keep_null in any::<bool>()
    ) {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        let input = schema(&[("k", DataType::Int64), ("l", list)]);
        let options = UnnestOptions { keep_empty, keep_null, with_ordinality: true };
        let make = || Node::new("u", Unnest::new(input.clone(), column(1), "e", options).unwrap());
        let row = |_, seed: [u8; 4]| {
            let items = (0..seed[1] % 4).map(|item| small(seed[2].wrapping_add(item), 3));
            vec![small(seed[0], 2), if seed[3].is_multiple_of(4) { Null } else { Cell::List(items.collect()) }]
        };
        check(&make, &script(&steps, 1, row), |history| {
            let mut rows = Rows::new();
            for (row, weight) in &history[0] {
                let items = if let Cell::List(items) = &row[1] { items.clone() } else { Vec::new() };
                let is_kept = keep_empty || (keep_null && row[1].is_null());
                if items.is_empty() && is_kept {
                    fold(&mut rows, &[([row.clone(), vec![Null, Null]].concat(), *weight)]);
                }
                for (number, item) in (1..).zip(items) {
                    fold(&mut rows, &[([row.clone(), vec![item, Int(number)]].concat(), *weight)]);
                }
            }
            rows
        })?;
    }
}

#[test]
fn changes_are_rows_with_their_kinds() {
    let input = schema(&[("k", DataType::Int64), ("v", DataType::Int64)]);
    let make = |key| Node::new("c", ChangeRows::new(input.clone(), key, "kind").unwrap());
    let changes: Changes =
        vec![(vec![Int(1), Int(5)], -1), (vec![Int(1), Int(6)], 1), (vec![Int(2), Int(1)], -1)];
    let tick = Tick::of([batch(&input, &changes)]);
    let kinds = |mut node: Node| {
        let output: Vec<Batch> = node.step(std::slice::from_ref(&tick)).unwrap().batches;
        let rows = rows_of(&output);
        assert!(rows.iter().all(|(_, weight)| *weight == 1));
        rows.into_iter().map(|(row, _)| row[2].clone()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(make(Some(vec![0]))), ["UPDATE_BEFORE", "UPDATE_AFTER", "DELETE"].map(text));
    assert_eq!(kinds(make(None)), ["DELETE", "INSERT", "DELETE"].map(text));
    assert_eq!(make(None).step(&[Tick::default()]).unwrap().row_count(), 0);
}
