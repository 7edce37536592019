//! SESSION: rows with their sessions, once these are over.

use super::{window_columns, with_window_columns};
use crate::error::{Problem, Result};
use crate::event_time::{self, first_time, milliseconds, time_prefix};
use crate::expression::{ExpressionRef, data_type, data_types, evaluate, evaluate_all};
use crate::key_table::Slot;
use crate::late::LateRows;
use crate::operator::{Operator, State};
use crate::ordered_rows::OrderedRows;
use crate::partition::rows::Partitions;
use crate::row_codec::RowCodec;
use crate::tick::{Batch, Tick};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Gives the rows of each partition their session: rows whose distance is at most a gap are in one, which
/// ends a gap behind its last row.
///
/// Rows are held until the watermark closes their session, and then passed on with `window_start`,
/// `window_end` and `window_time`; a [`WindowAggregate`](super::WindowAggregate) behind takes them in the
/// same tick. A row whose session would be closed already is late.
pub struct SessionAssign {
    input: SchemaRef,
    schema: SchemaRef,
    partition: Vec<ExpressionRef>,
    time: ExpressionRef,
    time_type: DataType,
    gap: i64,
    partitions: Partitions,
    /// When the first session of each partition ends at the earliest.
    due: BTreeSet<(i64, Vec<u8>)>,
    /// The same by partition.
    due_of: BTreeMap<Vec<u8>, i64>,
    watermark: Option<i64>,
    late: LateRows,
}

impl SessionAssign {
    /// Sessions by the time; `keep_late` keeps late rows for [`Node::take_late`](crate::Node::take_late).
    ///
    /// # Errors
    /// [`Problem::Input`] if the time is no timestamp or the gap is not positive.
    pub fn new(
        input: SchemaRef,
        partition: Vec<ExpressionRef>,
        time: ExpressionRef,
        gap_ms: i64,
        keep_late: bool,
    ) -> Result<Self> {
        let time_type = data_type(&time, &input)?;
        event_time::check_type(&time_type)?;
        if gap_ms < 1 {
            return Err(Problem::input("the gap of sessions is positive"));
        }
        let columns = input.fields().iter().map(|field| field.data_type().clone());
        let row_codec = RowCodec::new([DataType::Int64].into_iter().chain(columns))?;
        let key_codec = RowCodec::new(data_types(&partition, &input)?)?;
        Ok(Self {
            schema: with_window_columns(&input, &time_type),
            partitions: Partitions::new(key_codec, row_codec, false),
            input,
            partition,
            time,
            time_type,
            gap: gap_ms,
            due: BTreeSet::new(),
            due_of: BTreeMap::new(),
            watermark: None,
            late: LateRows::new(keep_late),
        })
    }

    fn set_due(&mut self, key: &[u8], due: Option<i64>) {
        if let Some(old) = self.due_of.remove(key) {
            self.due.remove(&(old, key.to_vec()));
        }
        if let Some(due) = due {
            self.due.insert((due, key.to_vec()));
            self.due_of.insert(key.to_vec(), due);
        }
    }

    fn is_over(&self, end: i64) -> bool {
        self.watermark.is_some_and(|watermark| end.saturating_sub(1) <= watermark)
    }

    /// Whether the watermark had closed the session of a row with the time.
    fn is_late(&self, slot: Option<Slot>, time: i64) -> bool {
        if !self.is_over(time.saturating_add(self.gap)) {
            return false;
        }
        let Some(slot) = slot else { return true };
        let (before, after) = neighbours(self.partitions.rows(slot), time);
        let is_near = |other: Option<i64>| other.is_some_and(|other| other.abs_diff(time) <= self.gap as u64);
        !is_near(before) && !is_near(after)
    }

    fn apply(&mut self, batch: &Batch) -> Result<()> {
        let count = batch.weights().len();
        let times = milliseconds(&evaluate(&self.time, batch.rows())?)?;
        let keys = self.partitions.key_codec.encode(&evaluate_all(&self.partition, batch.rows())?, count)?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(times.clone()))];
        columns.extend(batch.rows().columns().iter().map(Arc::clone));
        let rows = self.partitions.row_codec.encode(&columns, count)?;
        let mut touched = BTreeSet::new();
        // insertions first, so that a retraction finds a row of the same tick
        let weights = || batch.weights().iter().copied().enumerate();
        let changes = weights().filter(|(_, weight)| *weight > 0);
        for (index, weight) in changes.chain(weights().filter(|(_, weight)| *weight < 0)) {
            let (key, row) = (keys.row(index), rows.row(index));
            let slot = self.partitions.find(key);
            let held = slot.map_or(0, |slot| self.partitions.rows(slot).weight(row));
            let applied = match weight > 0 {
                true if self.is_late(slot, times[index]) => 0,
                // what is not held may have been late when it came
                false if self.is_over(times[index].saturating_add(self.gap)) => weight.max(-held),
                _ => weight,
            };
            if applied != weight {
                self.late.note(index);
            }
            if applied != 0 {
                let slot = self.partitions.assign(key);
                self.partitions.add(slot, row, applied)?;
                touched.insert(key.to_vec());
            }
        }
        self.late.take_from(batch)?;
        self.partitions.end_tick()?;
        for key in touched {
            let Some(slot) = self.partitions.find(&key) else { continue };
            // a lower bound: the session of the first row may be longer
            let first = self.partitions.rows(slot).first().and_then(first_time);
            self.set_due(&key, first.map(|first| first.saturating_add(self.gap)));
            self.partitions.remove_if_empty(slot);
        }
        Ok(())
    }

    /// Takes the closed sessions of a partition: entries with their weights, starts and ends.
    fn close(&mut self, key: &[u8], watermark: i64, closed: &mut Vec<(Box<[u8]>, i64, i64, i64)>) {
        let Some(slot) = self.partitions.find(key) else { return self.set_due(key, None) };
        let mut session: Vec<(Box<[u8]>, i64)> = Vec::new();
        let (mut start, mut end) = (0, i64::MIN);
        let mut done = Vec::new();
        let mut due = None;
        for (entry, weight) in self.partitions.rows(slot).iter() {
            let time = first_time(entry).unwrap_or_default();
            if session.is_empty() || time > end {
                done.extend(session.drain(..).map(|(entry, weight)| (entry, weight, start, end)));
                start = time;
            }
            session.push((entry.into(), weight));
            end = time.saturating_add(self.gap);
            if end.saturating_sub(1) > watermark {
                due = Some(end);
                break;
            }
        }
        if due.is_none() {
            done.extend(session.drain(..).map(|(entry, weight)| (entry, weight, start, end)));
        }
        done.iter().for_each(|(entry, ..)| self.partitions.drop_entry(slot, entry));
        self.set_due(key, due);
        self.partitions.remove_if_empty(slot);
        closed.append(&mut done);
    }
}

/// The nearest times of rows at or before, and at or behind a time.
fn neighbours(rows: &OrderedRows, time: i64) -> (Option<i64>, Option<i64>) {
    let prefix = time_prefix(time);
    (rows.before(&prefix).and_then(first_time), rows.from(&prefix).and_then(first_time))
}

impl Operator for SessionAssign {
    fn kind(&self) -> &'static str {
        "session"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        if let Some(batch) = inputs[0].concat(&self.input)? {
            self.apply(&batch)?;
        }
        self.watermark = inputs[0].watermark;
        let mut closed = Vec::new();
        if let Some(watermark) = self.watermark {
            // by partition, as when a session was looked at before must not matter
            let due = self.due.iter().take_while(|(due, _)| due.saturating_sub(1) <= watermark);
            let mut keys: Vec<_> = due.map(|(_, key)| key.clone()).collect();
            keys.sort_unstable();
            keys.iter().for_each(|key| self.close(key, watermark, &mut closed));
        }
        if closed.is_empty() {
            return Ok(Tick { batches: Vec::new(), watermark: self.watermark });
        }
        let mut columns =
            self.partitions.row_codec.decode(closed.iter().map(|(entry, ..)| &**entry))?.split_off(1);
        let starts = closed.iter().map(|(_, _, start, _)| *start).collect();
        let ends = closed.iter().map(|(_, _, _, end)| *end).collect();
        columns.extend(window_columns(starts, ends, &self.time_type)?);
        let weights: Vec<i64> = closed.iter().map(|(_, weight, _, _)| *weight).collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(Tick::of_rows(Some(Batch::new(rows, weights)?), self.watermark))
    }

    fn late_rows(&self) -> u64 {
        self.late.count()
    }

    fn take_late(&mut self) -> Vec<Batch> {
        self.late.take()
    }

    fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    fn restore_watermark(&mut self, watermark: i64) {
        self.watermark = Some(watermark);
    }

    fn state(&self) -> Option<&dyn State> {
        Some(&self.partitions)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(&mut self.partitions)
    }

    fn finish_restore(&mut self) -> Result<()> {
        for slot in self.partitions.iter().collect::<Vec<_>>() {
            let first = self.partitions.rows(slot).first().and_then(first_time);
            let key = self.partitions.key(slot).to_vec();
            let first = first.ok_or_else(|| Problem::state("a row has no time"))?;
            self.set_due(&key, Some(first.saturating_add(self.gap)));
        }
        Ok(())
    }
}
