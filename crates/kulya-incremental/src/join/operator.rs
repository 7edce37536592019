//! The join operator.

use super::delta::{Delta, Input, Touched};
use super::options::{Expiry, JoinKind, JoinOptions};
use super::output::Output;
use super::side::Side;
use crate::error::{Problem, Result};
use crate::event_time;
use crate::expression::{ExpressionRef, data_type, data_types, evaluate_condition};
use crate::key_table::Slot;
use crate::operator::{EntrySink, Operator, State};
use crate::row_codec::RowCodec;
use crate::stateless::filter::filter_batch;
use crate::tick::{Batch, Tick, lowest_watermark};
use arrow_array::UInt32Array;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;
use std::sync::Arc;

/// Joins two inputs on equal keys.
///
/// A semi or anti join without a further condition keeps only the keys of the right side.
pub struct Join {
    output: Output,
    kind: JoinKind,
    keys: [Vec<ExpressionRef>; 2],
    key_codec: RowCodec,
    condition: Option<ExpressionRef>,
    nulls_are_equal: bool,
    expiry: [Option<Expiry>; 2],
    sides: [Side; 2],
    /// Of the right side only whether a key is there.
    needs_only_presence: bool,
    watermark: Option<i64>,
    late_rows: u64,
}

/// Pairs are made, filtered and passed on this many at a time.
const MAX_PAIRS: usize = 8192;
const LEFT: usize = 0;
const RIGHT: usize = 1;

/// A row of a change and a row of the other side, and what the pair adds.
struct Pair {
    change: usize,
    row: u32,
    slot: Slot,
    weight: i64,
    /// What the stored row adds to the matches of the change's row.
    stored: i64,
    /// What the change adds to the matches of the stored row.
    changed: i64,
}

impl Join {
    /// A join of rows whose keys are equal, left and right in pairs.
    ///
    /// # Errors
    /// [`Problem::Input`] if the keys' types differ, [`Problem::Unsupported`] if a column cannot be held.
    pub fn new(
        left: SchemaRef,
        right: SchemaRef,
        on: Vec<(ExpressionRef, ExpressionRef)>,
        kind: JoinKind,
        options: JoinOptions,
    ) -> Result<Self> {
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = on.into_iter().unzip();
        let key_types = data_types(&left_keys, &left)?;
        if key_types != data_types(&right_keys, &right)? {
            return Err(Problem::input("the keys of a join have the same types on both sides"));
        }
        let output = Output::new(Arc::clone(&left), Arc::clone(&right), kind);
        if let Some(condition) = &options.condition
            && data_type(condition, &output.pair_schema)? != DataType::Boolean
        {
            return Err(Problem::input(format!("condition {condition:?} is not Boolean")));
        }
        let needs_only_presence =
            !output.has_pairs && options.condition.is_none() && options.right_expiry.is_none();
        let expiry = [options.left_expiry, options.right_expiry];
        for (expiry, schema) in expiry.iter().zip([&left, &right]) {
            if let Some(expiry) = expiry {
                event_time::check_type(&data_type(&expiry.time, schema)?)?;
            }
        }
        let codec =
            |schema: &SchemaRef| RowCodec::new(schema.fields().iter().map(|field| field.data_type().clone()));
        let right_codec = match needs_only_presence {
            true => RowCodec::new(key_types.clone())?,
            false => codec(&right)?,
        };
        let key_codec = || RowCodec::new(key_types.clone());
        Ok(Self {
            sides: [
                Side::new(codec(&left)?, key_codec()?, expiry[LEFT].is_some()),
                Side::new(right_codec, key_codec()?, expiry[RIGHT].is_some()),
            ],
            key_codec: key_codec()?,
            output,
            kind,
            keys: [left_keys, right_keys],
            condition: options.condition,
            nulls_are_equal: options.nulls_are_equal,
            expiry,
            needs_only_presence,
            watermark: None,
            late_rows: 0,
        })
    }

    /// Whether rows of a side are visible by their matches.
    fn tracks(&self, side: usize) -> bool {
        match self.kind {
            JoinKind::Inner => false,
            JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti => side == LEFT,
            JoinKind::Right => side == RIGHT,
            JoinKind::Full => true,
        }
    }

    /// How often a row of a tracked side is visible by itself.
    fn visible(&self, side: usize, weight: i64, matches: i64) -> i64 {
        let is_visible = match self.kind {
            JoinKind::LeftSemi => matches > 0,
            // only the end of its time shows that it has no match
            _ => matches == 0 && self.expiry[side].is_none(),
        };
        if is_visible { weight } else { 0 }
    }

    fn read(&mut self, side: usize, tick: &Tick) -> Result<Option<Delta>> {
        let input = Input {
            schema: &self.output.inputs[side],
            keys: &self.keys[side],
            key_codec: &self.key_codec,
            row_codec: (side == LEFT || !self.needs_only_presence).then_some(&self.sides[side].row_codec),
            time: self.expiry[side].as_ref().map(|expiry| &expiry.time),
            nulls_are_equal: self.nulls_are_equal,
        };
        let Some(mut delta) = Delta::read(&input, tick)? else { return Ok(None) };
        if let (Some(expiry), Some(watermark)) = (&self.expiry[side], self.watermark) {
            let due = watermark.saturating_sub(expiry.keep_ms);
            self.late_rows += delta.drop_late(due, expiry.drops_late, &self.sides[side]);
        }
        Ok(Some(delta))
    }

    /// Joins the changes of a side with the stored rows of the other. Returns what matches each change.
    fn join(
        &mut self,
        side: usize,
        delta: &Delta,
        touched: &mut [Touched; 2],
        output: &mut Vec<Batch>,
    ) -> Result<Vec<i64>> {
        let mut matches = vec![0; delta.keyed.len()];
        let mut pairs = Vec::new();
        for (change, (row, weight)) in delta.keyed.iter().enumerate() {
            let changed = self.effect(side, delta.net.row(*row), *weight);
            let mut next = self.sides[1 - side].first(delta.key(*row));
            while let Some(slot) = next {
                let data = self.sides[1 - side].data(slot);
                next = data.next();
                let stored = self.stored_effect(1 - side, data.weight);
                pairs.push(Pair {
                    change,
                    row: *row,
                    slot,
                    weight: weight.saturating_mul(data.weight),
                    stored,
                    changed,
                });
                if pairs.len() == MAX_PAIRS {
                    self.emit_pairs(side, delta, std::mem::take(&mut pairs), &mut matches, touched, output)?;
                }
            }
        }
        self.emit_pairs(side, delta, pairs, &mut matches, touched, output)?;
        Ok(matches)
    }

    /// What a change adds to the matches of rows of the other side.
    fn effect(&self, side: usize, row: &[u8], weight: i64) -> i64 {
        if side == LEFT || !self.needs_only_presence {
            return weight;
        }
        let before = self.sides[side].find(row).map_or(0, |slot| self.sides[side].data(slot).weight);
        i64::from(before + weight > 0) - i64::from(before > 0)
    }

    fn stored_effect(&self, side: usize, weight: i64) -> i64 {
        if side == RIGHT && self.needs_only_presence { i64::from(weight > 0) } else { weight }
    }

    fn emit_pairs(
        &mut self,
        side: usize,
        delta: &Delta,
        mut pairs: Vec<Pair>,
        matches: &mut [i64],
        touched: &mut [Touched; 2],
        output: &mut Vec<Batch>,
    ) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        if self.output.has_pairs || self.condition.is_some() {
            let mut batch = self.pair_batch(side, delta, &pairs)?;
            if let Some(condition) = &self.condition {
                let is_kept = evaluate_condition(condition, batch.rows())?;
                batch = filter_batch(&batch, &is_kept)?;
                let mut is_kept = is_kept.values().iter();
                pairs.retain(|_| is_kept.next() == Some(true));
            }
            if self.output.has_pairs && !pairs.is_empty() {
                output.push(batch);
            }
        }
        for pair in pairs {
            matches[pair.change] += pair.stored;
            if self.tracks(1 - side) && pair.changed != 0 {
                let other = &mut self.sides[1 - side];
                let data = other.data(pair.slot);
                touched[1 - side].note(pair.slot, data.weight, data.matches);
                other.add_matches(pair.slot, pair.changed);
            }
        }
        Ok(())
    }

    fn pair_batch(&self, side: usize, delta: &Delta, pairs: &[Pair]) -> Result<Batch> {
        let rows = UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.row));
        let changed = delta.batch.rows().columns().iter().map(|column| take(column, &rows, None));
        let changed = changed.collect::<Result<Vec<_>, _>>()?;
        let other = &self.sides[1 - side];
        let stored = other.row_codec.decode(pairs.iter().map(|pair| other.bytes(pair.slot)))?;
        let weights = pairs.iter().map(|pair| pair.weight).collect();
        self.output.pairs(side, changed, stored, weights)
    }

    /// Stores the changes of a side. Returns the rows that are gone.
    fn apply(
        &mut self,
        side: usize,
        delta: &Delta,
        matches: &[i64],
        touched: &mut Touched,
    ) -> Result<Vec<Slot>> {
        let tracks = self.tracks(side);
        let rows = &mut self.sides[side];
        let mut gone = Vec::new();
        for ((row, weight), matches) in delta.keyed.iter().zip(matches) {
            let bytes = delta.net.row(*row);
            let known = rows.find(bytes);
            if known.is_none() && *weight < 0 {
                return Err(Problem::NegativeWeight);
            }
            let (old_weight, old_matches) =
                known.map_or((0, 0), |slot| (rows.data(slot).weight, rows.data(slot).matches));
            let slot = rows.add(bytes, delta.key(*row), delta.time(*row), *weight);
            touched.note(slot, old_weight, old_matches);
            if known.is_none() && tracks {
                rows.add_matches(slot, *matches);
            }
            match rows.data(slot).weight {
                0 => gone.push(slot),
                weight if weight < 0 => return Err(Problem::NegativeWeight),
                _ => {}
            }
        }
        Ok(gone)
    }

    /// Rows of one side by themselves, the other side's columns null.
    fn side_batch(&self, side: usize, rows: &[(&[u8], i64)]) -> Result<Option<Batch>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let own = self.sides[side].row_codec.decode(rows.iter().map(|(row, _)| *row))?;
        let weights = rows.iter().map(|(_, weight)| *weight).collect();
        Ok(Some(self.output.side(side, own, weights)?))
    }

    /// What became visible or invisible among the rows of a side.
    fn visible_changes(
        &self,
        side: usize,
        delta: Option<&Delta>,
        touched: &Touched,
    ) -> Result<Option<Batch>> {
        let mut rows = Vec::new();
        if let Some(delta) = delta.filter(|_| self.kind != JoinKind::LeftSemi) {
            rows.extend(delta.unkeyed.iter().map(|(row, weight)| (delta.net.row(*row), *weight)));
        }
        for (slot, old_weight, old_matches) in &touched.rows {
            let data = self.sides[side].data(*slot);
            let weight =
                self.visible(side, data.weight, data.matches) - self.visible(side, *old_weight, *old_matches);
            if weight != 0 {
                rows.push((self.sides[side].bytes(*slot), weight));
            }
        }
        self.side_batch(side, &rows)
    }

    /// Forgets the rows of a side whose time is over, and passes on those without a match.
    fn expire(&mut self, side: usize) -> Result<Option<Batch>> {
        let (Some(expiry), Some(watermark)) = (&self.expiry[side], self.watermark) else { return Ok(None) };
        let slots = self.sides[side].rows_until(watermark.saturating_sub(expiry.keep_ms));
        let mut output = None;
        if self.tracks(side) && self.kind != JoinKind::LeftSemi {
            let rows = &self.sides[side];
            let unmatched = slots.iter().filter(|slot| rows.data(**slot).matches == 0);
            let unmatched: Vec<_> =
                unmatched.map(|slot| (rows.bytes(*slot), rows.data(*slot).weight)).collect();
            output = self.side_batch(side, &unmatched)?;
        }
        slots.into_iter().for_each(|slot| self.sides[side].remove(slot));
        Ok(output)
    }
}

impl Operator for Join {
    fn kind(&self) -> &'static str {
        match self.kind {
            JoinKind::Inner => "inner join",
            JoinKind::Left => "left join",
            JoinKind::Right => "right join",
            JoinKind::Full => "full join",
            JoinKind::LeftSemi => "semi join",
            JoinKind::LeftAnti => "anti join",
        }
    }

    fn inputs(&self) -> &[SchemaRef] {
        &self.output.inputs
    }

    fn schema(&self) -> &SchemaRef {
        &self.output.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let deltas = [self.read(LEFT, &inputs[LEFT])?, self.read(RIGHT, &inputs[RIGHT])?];
        let mut touched = [Touched::default(), Touched::default()];
        let (mut batches, mut gone) = (Vec::new(), Vec::new());
        for (side, delta) in deltas.iter().enumerate() {
            let Some(delta) = delta else { continue };
            let matches = self.join(side, delta, &mut touched, &mut batches)?;
            let removed = self.apply(side, delta, &matches, &mut touched[side])?;
            gone.extend(removed.into_iter().map(|slot| (side, slot)));
        }
        for side in [LEFT, RIGHT].into_iter().filter(|side| self.tracks(*side)) {
            batches.extend(self.visible_changes(side, deltas[side].as_ref(), &touched[side])?);
        }
        gone.into_iter().for_each(|(side, slot)| self.sides[side].remove(slot));
        self.watermark = lowest_watermark(inputs);
        for side in [LEFT, RIGHT] {
            batches.extend(self.expire(side)?);
        }
        Ok(Tick { batches, watermark: self.watermark })
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn watermark(&self) -> Option<i64> {
        self.watermark.filter(|_| self.expiry.iter().any(Option::is_some))
    }

    fn restore_watermark(&mut self, watermark: i64) {
        self.watermark = Some(watermark);
    }

    fn state(&self) -> Option<&dyn State> {
        Some(self)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.sides.iter_mut().for_each(Side::finish_restore);
        Ok(())
    }
}

impl State for Join {
    fn size_bytes(&self) -> usize {
        self.sides.iter().map(Side::size_bytes).sum()
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        for (number, side) in (1..).zip(&mut self.sides) {
            side.drain_dirty(number, sink);
        }
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        for (number, side) in (1..).zip(&self.sides) {
            side.snapshot(number, sink);
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        match key.split_first() {
            Some((number @ (1 | 2), row)) => self.sides[usize::from(*number) - 1].restore(row, value),
            _ => Err(Problem::state("there is no such side of a join")),
        }
    }
}
