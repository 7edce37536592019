//! Joins with a table as of a time.

use crate::harness::*;
use arrow_schema::{DataType, SchemaRef};
use kulya_incremental::{LookupJoin, Node, VersionedJoin, column};
use proptest::prelude::*;

/// Key, number, time.
fn input() -> SchemaRef {
    schema(&[("k", DataType::Int64), ("v", DataType::Int64), ("t", millis())])
}

fn row(_input: usize, seed: [u8; 4]) -> Row {
    vec![small(seed[0], 3), small(seed[1], 9), Time(i64::from(seed[2] % 10))]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rows_are_joined_with_the_version_of_their_time(steps in steps(60), keeps_unmatched in any::<bool>()) {
        let make = || {
            let (on, times) = (vec![(column(0), column(0))], [column(2), column(2)]);
            Node::new("v", VersionedJoin::new(input(), input(), on, times, keeps_unmatched).unwrap())
        };
        // no row is late; a retraction on the right deletes a key
        let steps: Vec<Step> = steps.into_iter().map(|step| Step { retracts: step.input == 1 && step.retracts, ..step }).collect();
        let mut script = script(&steps, 2, row);
        for (tick, inputs) in script.iter_mut().enumerate() {
            for (row, _) in inputs.iter_mut().flatten() {
                row[2] = Time(row[2].int().unwrap() + tick as i64 * 3);
            }
        }
        let watermark = |tick| Some(tick as i64 * 3 + 2);
        let outputs = run(&make, &script, watermark)?;
        let mut rows = Rows::new();
        for (tick, output) in outputs.iter().enumerate() {
            fold(&mut rows, output);
            let so_far = |input: usize| script[..=tick].iter().flat_map(move |inputs| &inputs[input]);
            let mut expected = Vec::new();
            for (row, weight) in so_far(0).filter(|(row, _)| row[2].int() <= watermark(tick)) {
                let versions = so_far(1).filter(|(version, _)| version[0] == row[0] && version[2] <= row[2]);
                let version = versions.max_by_key(|(version, _)| version[2].int());
                match version.filter(|(version, kind)| *kind > 0 && !version[0].is_null()) {
                    Some((version, _)) => expected.push(([&row[..], version].concat(), *weight)),
                    None if keeps_unmatched => expected.push(([&row[..], &[Null, Null, Null]].concat(), *weight)),
                    None => {}
                }
            }
            prop_assert_eq!(&rows, &folded(&expected));
        }
    }

    #[test]
    fn rows_are_joined_with_the_table_of_their_tick(steps in steps(60), keeps_unmatched in any::<bool>()) {
        let make = || {
            let on = vec![(column(0), column(0))];
            Node::new("l", LookupJoin::new(input(), input(), on, keeps_unmatched).unwrap())
        };
        let steps: Vec<Step> = steps.into_iter().map(|step| Step { retracts: step.input == 1 && step.retracts, ..step }).collect();
        let script = script(&steps, 2, row);
        let outputs = run(&make, &script, |_| None)?;
        let mut table = Rows::new();
        for (inputs, output) in script.iter().zip(outputs) {
            fold(&mut table, &inputs[1]);
            let mut expected = Vec::new();
            for (row, weight) in &inputs[0] {
                let matching: Vec<_> =
                    table.iter().filter(|(other, _)| !row[0].is_null() && other[0] == row[0]).collect();
                if matching.is_empty() && keeps_unmatched {
                    expected.push(([&row[..], &[Null, Null, Null]].concat(), *weight));
                }
                expected.extend(matching.iter().map(|(other, count)| ([&row[..], other].concat(), weight * **count)));
            }
            prop_assert_eq!(folded(&output), folded(&expected));
        }
    }
}
