//! Captured tables: changes with missing values and truncates, against rows that are computed one by one.

use crate::harness::*;
use arrow_schema::{DataType, SchemaRef};
use kulya_incremental::{Node, Replica, Tick};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The rows of a table, and how many there are of each key and its last position.
type Kept = BTreeMap<Row, (Cell, i64, Row)>;

fn table() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Utf8), ("w", DataType::Utf8)])
}

fn node(is_keyed: bool) -> Node {
    let key = if is_keyed { vec![0] } else { Vec::new() };
    Node::new("r", Replica::new(table(), key).unwrap())
}

/// Random changes. Of the position, the smaller seeds come more often, so that rows are before and after a
/// truncate.
fn changes(steps: &[Step], is_keyed: bool) -> Script {
    let mut script = vec![vec![Vec::new()]];
    for step in steps {
        let [key, value, other, position] = step.seed;
        let values = if is_keyed { 3 } else { 2 };
        let letter =
            |seed: u8| if seed.is_multiple_of(5) { Null } else { text(["a", "b"][usize::from(seed % 2)]) };
        let is_truncate = step.pick.is_multiple_of(9);
        let unchanged = match step.pick % 4 {
            1 if is_keyed => text("\0\u{1}\0"),
            2 if is_keyed => text("\0\u{1}\u{1}"),
            _ => Null,
        };
        let mut row = vec![small(key, values), letter(value), letter(other)];
        if is_truncate {
            row.fill(Null);
        }
        row.extend([small(position, 20), unchanged, Int(i64::from(is_truncate))]);
        script.last_mut().unwrap()[0].push((row, if step.retracts || is_truncate { -1 } else { 1 }));
        if step.ends_tick {
            script.push(vec![Vec::new()]);
        }
    }
    script
}

/// The rows that changes leave, in their order.
fn left(changes: &[(Row, i64)], is_keyed: bool) -> Rows {
    let (mut kept, mut truncated) = (Kept::new(), None::<Cell>);
    for (change, weight) in changes {
        let [row @ .., position, unchanged, is_truncate] = change.as_slice() else { panic!("three more") };
        let is_gone =
            |position: &Cell, truncated: &Option<Cell>| truncated.as_ref().is_some_and(|it| position <= it);
        if *is_truncate == Int(1) {
            if position.is_null() {
                kept.clear();
            } else {
                truncated = truncated.max(Some(position.clone()));
            }
            kept.retain(|_, (position, ..)| !is_gone(position, &truncated));
            continue;
        }
        let key = if is_keyed { row[..1].to_vec() } else { row.to_vec() };
        let (last, count, old) = kept.remove(&key).unwrap_or((Null, 0, vec![Null; 3]));
        let mut row = row.to_vec();
        if let Text(marks) = unchanged {
            let marked = marks.bytes().enumerate().filter(|(_, mark)| *mark == 1);
            marked.for_each(|(column, _)| {
                row[column] = if count > 0 { old[column].clone() } else { row[column].clone() }
            });
        }
        match (is_keyed, *weight > 0, is_gone(position, &truncated)) {
            (true, true, false) => drop(kept.insert(key, (position.clone(), 1, row))),
            (false, true, false) => drop(kept.insert(key, (position.clone(), count + 1, row))),
            (false, true, true) if count > 0 => drop(kept.insert(key, (last, count, row))),
            (false, false, _) if count > 1 => drop(kept.insert(key, (last, count - 1, row))),
            _ => {}
        }
    }
    kept.into_values().map(|(_, count, row)| (row, count)).collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rows_are_those_that_changes_leave(steps in steps(60), is_keyed: bool) {
        let script = changes(&steps, is_keyed);
        check(&|| node(is_keyed), &script, |history| left(&history[0], is_keyed))?;
    }

    #[test]
    fn any_entries_are_refused_or_harmless(
        is_keyed: bool, entries in proptest::collection::vec((any::<Vec<u8>>(), any::<Option<Vec<u8>>>()), 0..5)
    ) {
        let mut header = Vec::new();
        node(is_keyed).snapshot(|key, value| header.push((key.to_vec(), value.map(<[u8]>::to_vec))));
        let mut restored = node(is_keyed);
        if restored.restore(header.into_iter().chain(entries)).is_ok() {
            let changes = vec![(vec![Null, Null, Null, Int(5), Null, Int(1)], -1)];
            restored.step(&[Tick::of([batch(&restored.inputs()[0].clone(), &changes)])]).unwrap();
        }
    }
}

#[test]
fn rows_of_another_part_of_the_log_are_before_a_truncate() {
    let mut node = node(true);
    let mut step = |changes: &[(i64, i64, bool)]| {
        let change = |(key, position, is_truncate): &(i64, i64, bool)| {
            let row = vec![Int(*key), Null, Null, Int(*position), Null, Int(i64::from(*is_truncate))];
            (row, if *is_truncate { -1 } else { 1 })
        };
        let changes: Vec<_> = changes.iter().map(change).collect();
        let schema = node.inputs()[0].clone();
        let output = node.step(&[Tick::of([batch(&schema, &changes)])]).unwrap();
        rows_of(&output.batches)
            .into_iter()
            .map(|(row, weight)| (row[0].int().unwrap(), weight))
            .collect::<Vec<_>>()
    };
    assert_eq!(step(&[(1, 10, false), (0, 20, true), (2, 15, false), (3, 21, false)]), [(3, 1)]);
    assert_eq!(step(&[(4, 20, false), (5, 30, false)]), [(5, 1)]);
    assert_eq!(step(&[(0, 30, true)]), [(3, -1), (5, -1)]);
}
