//! NOT IN with SQL's nulls.

use super::delta::{Delta, Input, Touched};
use super::side::Side;
use crate::error::{Problem, Result};
use crate::expression::{ExpressionRef, data_type};
use crate::operator::{EntrySink, Operator, State};
use crate::row_codec::RowCodec;
use crate::tick::{Batch, Tick, lowest_watermark};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// The left rows for which `value NOT IN (SELECT …)` is true: all of them if the right side is empty, none if
/// it has a null, else those whose value is not null and not there.
///
/// When the first row or the first null of the right side comes or goes, all left rows are looked at.
pub struct NotIn {
    inputs: [SchemaRef; 2],
    values: [Vec<ExpressionRef>; 2],
    codec: RowCodec,
    left: Side,
    right: Side,
    counts: Counts,
}

/// What the right side has, by weight.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counts {
    rows: i64,
    nulls: i64,
}

impl NotIn {
    /// Left rows whose value is none of the right side's.
    ///
    /// # Errors
    /// [`Problem::Input`] if the types of the values differ.
    pub fn new(
        left: SchemaRef,
        right: SchemaRef,
        value: ExpressionRef,
        in_values: ExpressionRef,
    ) -> Result<Self> {
        let value_type = data_type(&value, &left)?;
        if value_type != data_type(&in_values, &right)? {
            return Err(Problem::input("the values of NOT IN have the same types on both sides"));
        }
        let codec = || RowCodec::new([value_type.clone()]);
        let rows = RowCodec::new(left.fields().iter().map(|field| field.data_type().clone()))?;
        Ok(Self {
            left: Side::new(rows, codec()?, false),
            right: Side::new(codec()?, codec()?, false),
            codec: codec()?,
            inputs: [left, right],
            values: [vec![value], vec![in_values]],
            counts: Counts::default(),
        })
    }

    fn read(&self, side: usize, tick: &Tick) -> Result<Option<Delta>> {
        let input = Input {
            schema: &self.inputs[side],
            keys: &self.values[side],
            key_codec: &self.codec,
            row_codec: (side == 0).then_some(&self.left.row_codec),
            time: None,
            nulls_are_equal: true,
        };
        Delta::read(&input, tick)
    }

    /// Whether the value is null: its row format begins with 0.
    fn is_null(key: &[u8]) -> bool {
        key.first().is_none_or(|first| *first == 0)
    }

    fn visible(counts: Counts, is_null: bool, weight: i64, matches: i64) -> i64 {
        let is_visible = counts.rows == 0 || (counts.nulls == 0 && !is_null && matches == 0);
        if is_visible { weight } else { 0 }
    }

    /// Stores the values of the right side, and counts them at the left rows.
    fn apply_right(&mut self, delta: &Delta, touched: &mut Touched) -> Result<()> {
        for (row, weight) in &delta.keyed {
            let key = delta.key(*row);
            self.counts.rows += weight;
            if Self::is_null(key) {
                self.counts.nulls += weight;
            }
            let slot = self.right.add(key, key, 0, *weight);
            let after = self.right.data(slot).weight;
            let change = i64::from(after > 0) - i64::from(after - weight > 0);
            if after < 0 {
                return Err(Problem::NegativeWeight);
            }
            if after == 0 {
                self.right.remove(slot);
            }
            if change == 0 || Self::is_null(key) {
                continue;
            }
            let mut next = self.left.first(key);
            while let Some(slot) = next {
                let data = self.left.data(slot);
                next = data.next();
                touched.note(slot, data.weight, data.matches);
                self.left.add_matches(slot, change);
            }
        }
        Ok(())
    }
}

impl Operator for NotIn {
    fn kind(&self) -> &'static str {
        "not in"
    }

    fn inputs(&self) -> &[SchemaRef] {
        &self.inputs
    }

    fn schema(&self) -> &SchemaRef {
        &self.inputs[0]
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let (left, right) = (self.read(0, &inputs[0])?, self.read(1, &inputs[1])?);
        let before = self.counts;
        let mut touched = Touched::default();
        if let Some(right) = &right {
            self.apply_right(right, &mut touched)?;
        }
        let mut gone = Vec::new();
        let changes = left.iter().flat_map(|delta| delta.keyed.iter().map(move |change| (delta, change)));
        for (delta, (row, weight)) in changes {
            let (bytes, key) = (delta.net.row(*row), delta.key(*row));
            let known = self.left.find(bytes);
            let (old_weight, old_matches) =
                known.map_or((0, 0), |slot| (self.left.data(slot).weight, self.left.data(slot).matches));
            let slot = self.left.add(bytes, key, 0, *weight);
            touched.note(slot, old_weight, old_matches);
            if known.is_none() && !Self::is_null(key) && self.right.find(key).is_some() {
                self.left.add_matches(slot, 1);
            }
            match self.left.data(slot).weight {
                0 => gone.push(slot),
                weight if weight < 0 => return Err(Problem::NegativeWeight),
                _ => {}
            }
        }
        if (before.rows == 0, before.nulls == 0) != (self.counts.rows == 0, self.counts.nulls == 0) {
            for slot in self.left.by_arrival() {
                let data = self.left.data(slot);
                touched.note(slot, data.weight, data.matches);
            }
        }
        let (mut rows, mut weights) = (Vec::new(), Vec::new());
        for (slot, old_weight, old_matches) in &touched.rows {
            let (data, is_null) = (self.left.data(*slot), Self::is_null(self.left.key(*slot)));
            let weight = Self::visible(self.counts, is_null, data.weight, data.matches)
                - Self::visible(before, is_null, *old_weight, *old_matches);
            if weight != 0 {
                rows.push(self.left.bytes(*slot));
                weights.push(weight);
            }
        }
        let columns = self.left.row_codec.decode(rows)?;
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.inputs[0]), columns, &options)?;
        gone.into_iter().for_each(|slot| self.left.remove(slot));
        Ok(Tick::of_rows(Some(Batch::new(rows, weights)?), lowest_watermark(inputs)))
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.left.finish_restore();
        self.right.finish_restore();
        self.counts = Counts::default();
        for slot in self.right.by_arrival() {
            let weight = self.right.data(slot).weight;
            self.counts.rows += weight;
            if Self::is_null(self.right.bytes(slot)) {
                self.counts.nulls += weight;
            }
        }
        Ok(())
    }
}

impl State for NotIn {
    fn size_bytes(&self) -> usize {
        self.left.size_bytes() + self.right.size_bytes()
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        self.left.drain_dirty(1, sink);
        self.right.drain_dirty(2, sink);
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        self.left.snapshot(1, sink);
        self.right.snapshot(2, sink);
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        match key.split_first() {
            Some((1, row)) => self.left.restore(row, value),
            Some((2, row)) => self.right.restore(row, value),
            _ => Err(Problem::state("there is no such side of NOT IN")),
        }
    }
}
