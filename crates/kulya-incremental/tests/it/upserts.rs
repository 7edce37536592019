//! Keyed change logs, and ticks as a change log.

use crate::harness::*;
use arrow_schema::{DataType, SchemaRef};
use kulya_incremental::{Changelog, Node, RowKind, Tick, Upsert};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn table() -> SchemaRef {
    schema(&[("v", DataType::Utf8), ("k", DataType::Int64)])
}

/// Upserts and deletions, also of keys that are not there.
fn changes(steps: &[Step]) -> Script {
    let mut script = vec![vec![Vec::new()]];
    for step in steps {
        let value = text(["a", "b", "c"][usize::from(step.seed[1] % 3)]);
        let weight = if step.retracts { -1 } else { 1 };
        let value = if step.retracts { Null } else { value };
        script.last_mut().unwrap()[0].push((vec![value, small(step.seed[0], 3)], weight));
        if step.ends_tick {
            script.push(vec![Vec::new()]);
        }
    }
    script
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_latest_row_of_each_key(steps in steps(50)) {
        let make = || Node::new("u", Upsert::new(table(), vec![1]).unwrap());
        let script = changes(&steps);
        check(&make, &script, |history| {
            let mut rows: BTreeMap<Cell, Row> = BTreeMap::new();
            for (row, weight) in &history[0] {
                match weight {
                    1 => drop(rows.insert(row[1].clone(), row.clone())),
                    _ => drop(rows.remove(&row[1])),
                }
            }
            rows.into_values().map(|row| (row, 1)).collect()
        })?;

        // the change log of a tick, and a table that follows it
        let changelog = Changelog::new(table(), Some(vec![1])).unwrap();
        let mut node = make();
        let mut rows: BTreeMap<Cell, Row> = BTreeMap::new();
        for changes in &script {
            let tick = node.step(&[Tick::of([batch(&table(), &changes[0])])]).unwrap();
            let (batch, kinds) = changelog.fold(&tick).unwrap();
            let cells = rows_of(&[kulya_incremental::Batch::inserts(batch)]);
            for (index, ((row, _), kind)) in cells.iter().zip(&kinds).enumerate() {
                let old = rows.get(&row[1]);
                match kind {
                    RowKind::Insert => prop_assert_eq!(old, None),
                    RowKind::UpdateBefore => {
                        prop_assert_eq!(old, Some(row));
                        prop_assert_eq!(kinds[index + 1], RowKind::UpdateAfter);
                        prop_assert_eq!(&cells[index + 1].0[1], &row[1]);
                    }
                    RowKind::UpdateAfter => prop_assert_eq!(kinds[index - 1], RowKind::UpdateBefore),
                    RowKind::Delete => prop_assert_eq!(old, Some(row)),
                }
                match kind {
                    RowKind::Delete => drop(rows.remove(&row[1])),
                    _ => drop(rows.insert(row[1].clone(), row.clone())),
                }
            }
        }
    }
}

#[test]
fn without_a_key_each_row_is_folded() {
    let changelog = Changelog::new(table(), None).unwrap();
    let row = |value: &str| vec![text(value), Int(1)];
    let tick = Tick::of([batch(
        &table(),
        &[(row("a"), 1), (row("b"), -2), (row("a"), 1), (row("c"), 1), (row("c"), -1)],
    )]);
    let (rows, kinds) = changelog.fold(&tick).unwrap();
    assert_eq!(kinds, [RowKind::Insert, RowKind::Insert, RowKind::Delete, RowKind::Delete]);
    assert_eq!(rows.num_rows(), 4);
    let keyed = Changelog::new(table(), Some(vec![1])).unwrap();
    let error = keyed.fold(&Tick::of([batch(&table(), &[(row("a"), 1), (row("b"), 1)])])).unwrap_err();
    assert_eq!(error.to_string(), "two rows have the same unique key");
}
