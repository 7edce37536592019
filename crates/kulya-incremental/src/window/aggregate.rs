//! GROUP BY of a window.

use crate::aggregate::AggregateCall;
use crate::aggregate::groups::Groups;
use crate::error::{Problem, Result};
use crate::event_time::{self, first_time, milliseconds};
use crate::expression::{ExpressionRef, data_type, data_types, evaluate, evaluate_all};
use crate::key_table::Slot;
use crate::late::LateRows;
use crate::operator::{Operator, State};
use crate::tick::{Batch, Tick};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is known about the input of a window aggregate, and wanted of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct WindowAggregateOptions {
    /// The input has insertions only.
    pub insert_only: bool,
    /// Late rows are kept for [`Node::take_late`](crate::Node::take_late). They are counted either way.
    pub keep_late: bool,
}

/// Groups rows by keys, among them the bounds of a window, and passes each group on once: when the watermark
/// is at the window's end. Then it is forgotten; later rows are late.
pub struct WindowAggregate {
    input: SchemaRef,
    schema: SchemaRef,
    keys: Vec<ExpressionRef>,
    window_end: ExpressionRef,
    groups: Groups,
    /// Groups by the end of their window.
    windows: BTreeSet<(i64, Slot)>,
    watermark: Option<i64>,
    late: LateRows,
}

impl WindowAggregate {
    /// The groups by the named keys, and then the calls' columns.
    ///
    /// # Errors
    /// [`Problem`] if the end is no timestamp, a function does not apply to its argument, or a key cannot be
    /// held.
    pub fn new<N: Into<String>>(
        input: SchemaRef,
        keys: impl IntoIterator<Item = (N, ExpressionRef)>,
        window_end: ExpressionRef,
        calls: Vec<AggregateCall>,
        options: WindowAggregateOptions,
    ) -> Result<Self> {
        event_time::check_type(&data_type(&window_end, &input)?)?;
        let (mut fields, mut expressions) = (Vec::new(), Vec::new());
        for (name, key) in keys {
            fields.push(Field::new(name, data_type(&key, &input)?, true));
            expressions.push(key);
        }
        fields.extend(Groups::fields(&input, &calls)?);
        // the window's end comes first in the key of a group
        let mut types = vec![DataType::Int64];
        types.extend(data_types(&expressions, &input)?);
        Ok(Self {
            groups: Groups::new(&input, types, calls, false, options.insert_only)?,
            schema: Arc::new(Schema::new(fields)),
            keys: expressions,
            input,
            window_end,
            windows: BTreeSet::new(),
            watermark: None,
            late: LateRows::new(options.keep_late),
        })
    }

    fn apply(&mut self, batch: &Batch) -> Result<()> {
        let ends = milliseconds(&evaluate(&self.window_end, batch.rows())?)?;
        let is_late = |end: i64| self.watermark.is_some_and(|watermark| end.saturating_sub(1) <= watermark);
        let late: Vec<bool> = ends.iter().map(|end| is_late(*end)).collect();
        if late.contains(&true) {
            late.iter().enumerate().filter(|(_, is_late)| **is_late).for_each(|(row, _)| self.late.note(row));
            self.late.take_from(batch)?;
            let kept: Vec<u32> =
                (0..).zip(&late).filter(|(_, is_late)| !**is_late).map(|(row, _)| row).collect();
            let weights = kept.iter().map(|row| batch.weights()[*row as usize]).collect();
            return self.apply_timely(&batch.take(kept, weights)?);
        }
        self.apply_timely(batch)
    }

    fn apply_timely(&mut self, batch: &Batch) -> Result<()> {
        let count = batch.weights().len();
        let ends = milliseconds(&evaluate(&self.window_end, batch.rows())?)?;
        let mut keys: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ends.clone()))];
        keys.extend(evaluate_all(&self.keys, batch.rows())?);
        let rows = self.groups.codec.encode(&keys, count)?;
        let (slots, touched) = self.groups.assign(&rows);
        self.groups.apply(&slots, batch)?;
        self.groups.end_tick(&touched.slots)?;
        for (slot, row) in touched.slots.iter().zip(&touched.rows) {
            let window = (ends[*row as usize], *slot);
            match self.groups.exists(*slot) {
                true => self.windows.insert(window),
                false => self.windows.remove(&window),
            };
        }
        self.groups.remove_empty(&touched.slots);
        Ok(())
    }

    /// The groups whose window is closed, by its end and then by key.
    fn close(&mut self, watermark: i64) -> Result<Option<Batch>> {
        let mut closed = Vec::new();
        while let Some((end, slot)) = self.windows.first().copied()
            && end.saturating_sub(1) <= watermark
        {
            self.windows.pop_first();
            closed.push(slot);
        }
        if closed.is_empty() {
            return Ok(None);
        }
        let keys = self.groups.keys();
        closed.sort_unstable_by(|one, other| keys.key(*one).cmp(keys.key(*other)));
        let mut columns = self.groups.codec.decode(closed.iter().map(|slot| keys.key(*slot)))?.split_off(1);
        columns.extend(self.groups.evaluate(&closed)?);
        closed.iter().for_each(|slot| self.groups.remove(*slot, true));
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(closed.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Some(Batch::inserts(rows)))
    }
}

impl Operator for WindowAggregate {
    fn kind(&self) -> &'static str {
        "window aggregate"
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
        let closed = match self.watermark {
            Some(watermark) => self.close(watermark)?,
            None => None,
        };
        Ok(Tick::of_rows(closed, self.watermark))
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
        Some(&self.groups)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(&mut self.groups)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.groups.finish_restore()?;
        let keys = self.groups.keys();
        for slot in keys.iter() {
            let end = first_time(keys.key(slot)).ok_or_else(|| Problem::state("a window has no end"))?;
            self.windows.insert((end, slot));
        }
        Ok(())
    }
}
