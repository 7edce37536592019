//! Top-N per partition, LIMIT and deduplication.

use super::ranking::{Numbering, Ranking};
use super::rows::Partitions;
use crate::aggregate::Ordering;
use crate::error::{Problem, Result};
use crate::event_time::{self, milliseconds};
use crate::expression::{ExpressionRef, data_type, data_types, evaluate, evaluate_all};
use crate::key_table::Slot;
use crate::late::LateRows;
use crate::operator::{Operator, State};
use crate::row_codec::RowCodec;
use crate::tick::{Batch, Tick};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// The order of rows in a partition.
#[derive(Clone, Debug)]
pub enum Order {
    /// By expressions; rows that are equal in them by their columns.
    By(Vec<Ordering>),
    /// By arrival. A retraction removes the first equal row.
    Arrival {
        /// The last row comes first.
        latest_first: bool,
    },
}

/// What a [`TopN`] has besides partitions and an order.
#[derive(Clone, Debug)]
pub struct TopNOptions {
    /// The number that is limited.
    pub ranking: Ranking,
    /// The numbers that are passed on, from 1; the end is not among them. LIMIT 3 OFFSET 2 is `3..6`.
    pub range: Range<i64>,
    /// The name of a last column with the number.
    pub number: Option<String>,
    /// The input has insertions only, so that rows beyond the range are not kept.
    pub insert_only: bool,
    /// The end of the rows' window, for a top-N of a window: rows are passed on when the watermark is at the
    /// end, and then forgotten. All rows of a partition have the same.
    pub window_end: Option<ExpressionRef>,
    /// Late rows are kept for [`Node::take_late`](crate::Node::take_late). They are counted either way.
    pub keep_late: bool,
}

impl TopNOptions {
    /// The first `limit` rows.
    pub fn first(limit: i64) -> Self {
        Self {
            ranking: Ranking::RowNumber,
            range: 1..limit.saturating_add(1),
            number: None,
            insert_only: false,
            window_end: None,
            keep_late: false,
        }
    }
}

/// Passes on the rows of each partition whose number in an order is in a range.
///
/// ROW_NUMBER, RANK or DENSE_RANK ≤ n, ORDER BY with LIMIT and OFFSET, and deduplication (the first or last
/// row of a key) are such operators.
pub struct TopN {
    input: SchemaRef,
    schema: SchemaRef,
    partition: Vec<ExpressionRef>,
    order: Vec<Ordering>,
    order_codec: RowCodec,
    latest_first: bool,
    options: TopNOptions,
    partitions: Partitions,
    windows: BTreeSet<(i64, Vec<u8>)>,
    watermark: Option<i64>,
    late: LateRows,
}

/// The rows of a partition in the range, in order, and the entries behind it.
#[derive(Default)]
struct Top {
    rows: Vec<Numbered>,
    beyond: Vec<Box<[u8]>>,
}

/// A row in the range: its entry, its number if that is a column, and how often it is there.
type Numbered = (Box<[u8]>, i64, i64);

impl TopN {
    /// Rows by partition and order.
    ///
    /// # Errors
    /// [`Problem::Unsupported`] if a column cannot be held, [`Problem::Input`] if an expression does not
    /// apply.
    pub fn new(
        input: SchemaRef,
        partition: Vec<ExpressionRef>,
        order: Order,
        options: TopNOptions,
    ) -> Result<Self> {
        let (order, is_by_arrival, latest_first) = match order {
            Order::By(order) => (order, false, false),
            Order::Arrival { latest_first } => (Vec::new(), true, latest_first),
        };
        let order_types = order
            .iter()
            .map(|order| Ok((data_type(&order.expression, &input)?, order.options)))
            .collect::<Result<Vec<_>>>()?;
        // the end of the window comes first in a partition's key
        let mut key_types = Vec::new();
        if let Some(end) = &options.window_end {
            event_time::check_type(&data_type(end, &input)?)?;
            key_types.push(DataType::Int64);
        }
        key_types.extend(data_types(&partition, &input)?);
        let columns = input.fields().iter().map(|field| (field.data_type().clone(), SortOptions::default()));
        let row_codec = RowCodec::ordered(order_types.iter().cloned().chain(columns))?;
        let mut fields: Vec<_> = input.fields().iter().map(Arc::clone).collect();
        if let Some(name) = &options.number {
            fields.push(Arc::new(Field::new(name, DataType::Int64, false)));
        }
        Ok(Self {
            partitions: Partitions::new(RowCodec::new(key_types)?, row_codec, is_by_arrival),
            order_codec: RowCodec::ordered(order_types)?,
            schema: Arc::new(Schema::new(fields)),
            late: LateRows::new(options.keep_late),
            input,
            partition,
            order,
            latest_first,
            options,
            windows: BTreeSet::new(),
            watermark: None,
        })
    }

    fn top(&self, slot: Slot) -> Result<Top> {
        let (range, mut numbering) = (&self.options.range, Numbering::new(self.options.ranking));
        let Top { rows: mut top, mut beyond } = Top::default();
        let mut previous: Option<&[u8]> = None;
        let rows = self.partitions.rows(slot).iter();
        let entries: Box<dyn Iterator<Item = (&[u8], i64)>> =
            if self.latest_first { Box::new(rows.rev()) } else { Box::new(rows) };
        for (entry, weight) in entries {
            let order = match self.order.is_empty() {
                true => entry,
                false => &entry[..entry.len() - self.order_codec.check_prefix(entry)?.len()],
            };
            let first = numbering.next(previous.replace(order) == Some(order), weight);
            if first >= range.end {
                if !self.options.insert_only {
                    break;
                }
                beyond.push(entry.into());
                continue;
            }
            let numbers = match self.options.ranking {
                Ranking::RowNumber => first.max(range.start)..(first + weight).min(range.end),
                _ if first < range.start => 0..0,
                _ => 0..weight,
            };
            match (&self.options.number, self.options.ranking) {
                (None, _) => top.push((entry.into(), 0, numbers.end - numbers.start)),
                (Some(_), Ranking::RowNumber) => top.extend(numbers.map(|number| (entry.into(), number, 1))),
                (Some(_), _) => top.push((entry.into(), first, numbers.end - numbers.start)),
            }
        }
        top.retain(|(_, _, weight)| *weight > 0);
        Ok(Top { rows: top, beyond })
    }

    /// Rows with their weights as a batch.
    fn batch(&self, rows: &[Numbered]) -> Result<Option<Batch>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let entries = rows.iter().map(|(entry, _, _)| self.partitions.row(entry));
        let mut columns = self.partitions.row_codec.decode(entries)?.split_off(self.order.len());
        if self.options.number.is_some() {
            columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, number, _)| *number))));
        }
        let weights: Vec<i64> = rows.iter().map(|(_, _, weight)| *weight).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Some(Batch::new(rows, weights)?))
    }

    /// Applies rows. Returns the touched partitions with their rows before.
    fn apply(&mut self, batch: &Batch) -> Result<Vec<(Slot, Vec<Numbered>)>> {
        if self.options.insert_only && batch.has_retractions() {
            return Err(Problem::RetractionOfInsertOnly);
        }
        let count = batch.weights().len();
        let mut keys = evaluate_all(&self.partition, batch.rows())?;
        let mut ends = None;
        if let Some(end) = &self.options.window_end {
            let times = milliseconds(&evaluate(end, batch.rows())?)?;
            keys.insert(0, Arc::new(Int64Array::from(times.clone())));
            ends = Some(times);
        }
        let keys = self.partitions.key_codec.encode(&keys, count)?;
        let order = self.order.iter().map(|order| evaluate(&order.expression, batch.rows()));
        let mut columns = order.collect::<Result<Vec<ArrayRef>>>()?;
        columns.extend(batch.rows().columns().iter().map(Arc::clone));
        let rows = self.partitions.row_codec.encode(&columns, count)?;

        let (mut slots, mut touched, mut seen) = (Vec::new(), Vec::new(), hashbrown::HashSet::new());
        for index in 0..count {
            if let (Some(ends), Some(watermark)) = (&ends, self.watermark)
                && ends[index].saturating_sub(1) <= watermark
            {
                self.late.note(index);
                slots.push(None);
                continue;
            }
            let slot = self.partitions.assign(keys.row(index));
            if seen.insert(slot) {
                match &ends {
                    None => touched.push((slot, self.top(slot)?.rows)),
                    Some(ends) => {
                        self.windows.insert((ends[index], keys.row(index).to_vec()));
                        touched.push((slot, Vec::new()));
                    }
                }
            }
            slots.push(Some(slot));
        }
        self.late.take_from(batch)?;
        for is_insertion in [true, false] {
            for (index, (slot, weight)) in slots.iter().zip(batch.weights()).enumerate() {
                if let Some(slot) = slot
                    && *weight != 0
                    && (*weight > 0) == is_insertion
                {
                    self.partitions.add(*slot, rows.row(index), *weight)?;
                }
            }
        }
        self.partitions.end_tick()?;
        Ok(touched)
    }

    /// The rows of windows that the watermark has closed.
    fn close(&mut self, watermark: i64) -> Result<Option<Batch>> {
        let mut closed = Vec::new();
        while let Some((end, _)) = self.windows.first()
            && end.saturating_sub(1) <= watermark
            && let Some((_, key)) = self.windows.pop_first()
        {
            if let Some(slot) = self.partitions.find(&key) {
                closed.extend(self.top(slot)?.rows);
                self.partitions.remove(slot);
            }
        }
        self.batch(&closed)
    }
}

/// What changed from the old rows to the new ones: first what is gone, then what is there.
fn difference(old: Vec<Numbered>, new: Vec<Numbered>, changes: &mut Vec<Numbered>) {
    let weights = |rows: &[Numbered]| {
        let mut weights: HashMap<(Box<[u8]>, i64), i64> = HashMap::with_capacity(rows.len());
        for (entry, number, weight) in rows {
            *weights.entry((entry.clone(), *number)).or_default() += weight;
        }
        weights
    };
    let (before, after) = (weights(&old), weights(&new));
    for (rows, other, sign) in [(old, after, -1), (new, before, 1)] {
        for (entry, number, weight) in rows {
            let key = (entry, number);
            let change = weight - other.get(&key).copied().unwrap_or_default();
            if change > 0 {
                changes.push((key.0, number, sign * change));
            }
        }
    }
}

impl Operator for TopN {
    fn kind(&self) -> &'static str {
        "top-n"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let mut changes = Vec::new();
        if let Some(batch) = inputs[0].concat(&self.input)? {
            for (slot, old) in self.apply(&batch)? {
                if self.options.window_end.is_none() {
                    let Top { rows: new, beyond } = self.top(slot)?;
                    difference(old, new, &mut changes);
                    beyond.iter().for_each(|entry| self.partitions.drop_entry(slot, entry));
                }
                self.partitions.remove_if_empty(slot);
            }
        }
        let mut output = self.batch(&changes)?;
        self.watermark = inputs[0].watermark;
        if let Some(watermark) = self.watermark.filter(|_| self.options.window_end.is_some()) {
            output = self.close(watermark)?;
        }
        Ok(Tick::of_rows(output, inputs[0].watermark))
    }

    fn late_rows(&self) -> u64 {
        self.late.count()
    }

    fn take_late(&mut self) -> Vec<Batch> {
        self.late.take()
    }

    fn watermark(&self) -> Option<i64> {
        self.watermark.filter(|_| self.options.window_end.is_some())
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
        if self.options.window_end.is_some() {
            for slot in self.partitions.iter() {
                let key = self.partitions.key(slot);
                let end = event_time::first_time(key).ok_or_else(|| Problem::state("a window has no end"))?;
                self.windows.insert((end, key.to_vec()));
            }
        }
        Ok(())
    }
}
