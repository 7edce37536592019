//! Random changes at any split into ticks, applied to an operator that goes on, to one that is restored from
//! a snapshot after each tick, and to one that is restored from the log of dirty entries. All three have the
//! same output, row for row, and its sum is what a recomputation gives.

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMillisecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use kulya_incremental::{Batch, Node, Tick};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A value of a row.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Decimal(i128),
    /// The bits of a float.
    Float(u64),
    Time(i64),
    List(Vec<Cell>),
}

pub(crate) use Cell::{Decimal, Float, Int, Null, Text, Time};

impl Cell {
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Int(value) | Time(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Null
    }
}

pub(crate) type Row = Vec<Cell>;
/// Rows with their weights.
pub(crate) type Rows = BTreeMap<Row, i64>;
/// Changes of one input in order.
pub(crate) type Changes = Vec<(Row, i64)>;

pub(crate) fn text(value: &str) -> Cell {
    Text(value.to_owned())
}

/// Small numbers, with null.
pub(crate) fn small(seed: u8, values: u8) -> Cell {
    match seed % (values + 1) {
        0 => Null,
        value => Int(i64::from(value)),
    }
}

pub(crate) fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let fields = columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(crate) fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

pub(crate) fn batch(schema: &SchemaRef, changes: &[(Row, i64)]) -> Batch {
    let columns = schema.fields().iter().enumerate().map(|(index, field)| {
        array(field.data_type(), &changes.iter().map(|(row, _)| row[index].clone()).collect::<Vec<_>>())
    });
    let rows = RecordBatch::try_new(Arc::clone(schema), columns.collect()).unwrap();
    Batch::new(rows, changes.iter().map(|(_, weight)| *weight).collect::<Vec<_>>()).unwrap()
}

fn array(data_type: &DataType, cells: &[Cell]) -> ArrayRef {
    match data_type {
        DataType::Int64 => Arc::new(Int64Array::from_iter(cells.iter().map(Cell::int))),
        DataType::Utf8 => Arc::new(StringArray::from_iter(cells.iter().map(|cell| match cell {
            Text(value) => Some(value.as_str()),
            _ => None,
        }))),
        DataType::UInt64 => {
            Arc::new(UInt64Array::from_iter(cells.iter().map(|cell| Some(cell.int()?.cast_unsigned()))))
        }
        DataType::Boolean => {
            Arc::new(BooleanArray::from_iter(cells.iter().map(|cell| Some(cell.int()? == 1))))
        }
        DataType::Binary => Arc::new(BinaryArray::from_iter(cells.iter().map(|cell| match cell {
            Text(value) => Some(value.as_bytes()),
            _ => None,
        }))),
        DataType::Decimal128(precision, scale) => {
            let values = cells.iter().map(|cell| match cell {
                Decimal(value) => Some(*value),
                _ => None,
            });
            let array = Decimal128Array::from_iter(values);
            Arc::new(array.with_precision_and_scale(*precision, *scale).unwrap())
        }
        DataType::Float64 => Arc::new(Float64Array::from_iter(cells.iter().map(|cell| match cell {
            Float(bits) => Some(f64::from_bits(*bits)),
            _ => None,
        }))),
        DataType::Timestamp(..) => {
            Arc::new(TimestampMillisecondArray::from_iter(cells.iter().map(Cell::int)))
        }
        DataType::List(_) => {
            let mut lists = ListBuilder::new(Int64Builder::new());
            for cell in cells {
                match cell {
                    Cell::List(items) => lists.append_value(items.iter().map(Cell::int)),
                    _ => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
        other => panic!("the harness has no {other}"),
    }
}

fn cell(array: &ArrayRef, row: usize) -> Cell {
    if array.is_null(row) {
        return Null;
    }
    match array.data_type() {
        DataType::Int64 => Int(array.as_primitive::<Int64Type>().value(row)),
        DataType::Utf8 => text(array.as_string::<i32>().value(row)),
        DataType::Decimal128(..) => Decimal(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Float64 => Float(array.as_primitive::<Float64Type>().value(row).to_bits()),
        DataType::Timestamp(..) => Time(array.as_primitive::<TimestampMillisecondType>().value(row)),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Cell::List((0..items.len()).map(|item| cell(&items, item)).collect())
        }
        other => panic!("the harness has no {other}"),
    }
}

/// The rows of ticks or batches in order.
pub(crate) fn rows_of<'a>(batches: impl IntoIterator<Item = &'a Batch>) -> Changes {
    let mut rows = Vec::new();
    for batch in batches {
        for (row, weight) in batch.weights().iter().enumerate() {
            let cells = batch.rows().columns().iter().map(|column| cell(column, row));
            rows.push((cells.collect(), *weight));
        }
    }
    rows
}

/// The sum of changes.
pub(crate) fn fold(rows: &mut Rows, changes: &[(Row, i64)]) {
    for (row, weight) in changes {
        *rows.entry(row.clone()).or_default() += weight;
    }
    rows.retain(|_, weight| *weight != 0);
}

pub(crate) fn folded(changes: &[(Row, i64)]) -> Rows {
    let mut rows = Rows::new();
    fold(&mut rows, changes);
    rows
}

/// Fewer cases than the default, as each has many ticks and operators. `PROPTEST_CASES` sets another number.
pub(crate) fn cases() -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig { cases: 64, ..default },
    }
}

/// A random change.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) input: usize,
    /// Retracts a row that is there, if there is one.
    pub(crate) retracts: bool,
    pub(crate) pick: usize,
    pub(crate) seed: [u8; 4],
    pub(crate) ends_tick: bool,
}

/// Random changes in random ticks: in ticks of one, all in one, or anything between.
pub(crate) fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..2usize, 0..5u8, any::<usize>(), any::<[u8; 4]>(), 0..4u8);
    (proptest::collection::vec(step, 0..max), 0..4u8).prop_map(|(steps, mode)| {
        let ends_tick = |number: u8| match mode {
            0 => true,
            1 => false,
            _ => number == 0,
        };
        let steps = steps.into_iter().map(|(input, retracts, pick, seed, number)| Step {
            input,
            retracts: retracts < 2,
            pick,
            seed,
            ends_tick: ends_tick(number),
        });
        steps.collect()
    })
}

/// A tick of each input: its changes.
pub(crate) type Script = Vec<Vec<Changes>>;

/// The ticks of steps, with a row for each seed.
pub(crate) fn script(steps: &[Step], inputs: usize, row: impl Fn(usize, [u8; 4]) -> Row) -> Script {
    let mut script = vec![vec![Vec::new(); inputs]];
    let mut live: Vec<Vec<Row>> = vec![Vec::new(); inputs];
    for step in steps {
        let input = step.input % inputs;
        let change = match step.retracts && !live[input].is_empty() {
            true => {
                let row = live[input][step.pick % live[input].len()].clone();
                let count = live[input].iter().filter(|other| **other == row).count();
                // once, or all of them at once
                let retracted = if step.seed[2].is_multiple_of(2) { 1 } else { count };
                for _ in 0..retracted {
                    let index = live[input].iter().position(|other| *other == row).unwrap();
                    live[input].remove(index);
                }
                (row, -(retracted as i64))
            }
            false => {
                let row = row(input, step.seed);
                let weight = if step.seed[3] % 8 == 1 { 2 } else { 1 };
                live[input].extend((0..weight).map(|_| row.clone()));
                (row, weight)
            }
        };
        script.last_mut().unwrap()[input].push(change);
        if step.ends_tick {
            script.push(vec![Vec::new(); inputs]);
        }
        // an empty tick now and then
        if step.seed[3].is_multiple_of(16) {
            script.push(vec![Vec::new(); inputs]);
        }
    }
    script
}

type Entries = Vec<(Vec<u8>, Option<Vec<u8>>)>;

pub(crate) fn snapshot(node: &Node) -> Entries {
    let mut entries = Entries::new();
    node.snapshot(|key, value| entries.push((key.to_vec(), value.map(<[u8]>::to_vec))));
    entries
}

pub(crate) fn drain(node: &mut Node) -> Entries {
    let mut entries = Entries::new();
    node.drain_dirty(|key, value| entries.push((key.to_vec(), value.map(<[u8]>::to_vec))));
    entries
}

/// What a log of entries comes to.
fn current(entries: Entries) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut current = BTreeMap::new();
    for (key, value) in entries {
        match value {
            Some(value) => current.insert(key, value),
            None => current.remove(&key),
        };
    }
    current
}

/// Runs the ticks on the three operators and compares them. Returns the output of each tick.
pub(crate) fn run(
    make: &dyn Fn() -> Node,
    script: &Script,
    watermark: impl Fn(usize) -> Option<i64>,
) -> Result<Vec<Changes>, TestCaseError> {
    let (mut node, mut by_snapshot, mut by_log) = (make(), make(), make());
    let mut log = Entries::new();
    let mut outputs = Vec::new();
    for (number, changes) in script.iter().enumerate() {
        let tick = |(schema, changes): (&SchemaRef, &Changes)| {
            // in two batches, as ticks have any number
            let (one, other) = changes.split_at(changes.len() / 2);
            let batches = [one, other].into_iter().filter(|part| !part.is_empty());
            Tick { batches: batches.map(|part| batch(schema, part)).collect(), watermark: watermark(number) }
        };
        let inputs: Vec<Tick> = node.inputs().iter().zip(changes).map(tick).collect();
        let output = rows_of(&node.step(&inputs).unwrap().batches);
        prop_assert_eq!(&output, &rows_of(&by_snapshot.step(&inputs).unwrap().batches), "after a snapshot");
        prop_assert_eq!(&output, &rows_of(&by_log.step(&inputs).unwrap().batches), "after a log");
        outputs.push(output);

        drain(&mut node);
        log.extend(drain(&mut by_log));
        prop_assert_eq!(current(log.clone()), current(snapshot(&by_log)), "the log is the snapshot");
        let entries = snapshot(&by_snapshot);
        by_snapshot = make();
        by_snapshot.restore(entries.clone()).unwrap();
        prop_assert_eq!(current(entries), current(snapshot(&by_snapshot)), "a snapshot is restored");
        prop_assert_eq!(drain(&mut by_snapshot), [], "what is restored is stored");
        by_log = make();
        by_log.restore(log.clone()).unwrap();
        prop_assert_eq!(drain(&mut by_log), [], "what is restored is stored");
        let _ = node.size_bytes();
    }
    Ok(outputs)
}

/// Compares the output so far with a recomputation from all changes of the inputs, after each tick.
pub(crate) fn check(
    make: &dyn Fn() -> Node,
    script: &Script,
    recompute: impl Fn(&[Changes]) -> Rows,
) -> Result<(), TestCaseError> {
    let outputs = run(make, script, |_| None)?;
    let mut history: Vec<Changes> = vec![Vec::new(); script[0].len()];
    let mut rows = Rows::new();
    for (changes, output) in script.iter().zip(outputs) {
        history
            .iter_mut()
            .zip(changes)
            .for_each(|(history, changes)| history.extend(changes.iter().cloned()));
        fold(&mut rows, &output);
        prop_assert_eq!(&rows, &recompute(&history));
    }
    Ok(())
}

/// Each row as often as it is there.
pub(crate) fn expanded(rows: &Rows) -> Vec<Row> {
    rows.iter().flat_map(|(row, weight)| (0..*weight).map(move |_| row.clone())).collect()
}
