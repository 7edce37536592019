//! OVER: functions of a row and the other rows of its partition.

use super::ranking::{Numbering, Ranking};
use super::rows::Partitions;
use crate::aggregate::Ordering;
use crate::consolidate::NetChanges;
use crate::error::{ExpressionError, Problem, Result};
use crate::expression::{ExpressionRef, data_type, data_types, evaluate, evaluate_all};
use crate::key_table::Slot;
use crate::operator::{Operator, State};
use crate::row_codec::RowCodec;
use crate::tick::{Batch, Tick};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, SortOptions};
use arrow_select::concat::concat_batches;
use arrow_select::take::take;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// A deterministic function of all rows of a partition, with a value for each.
pub trait PartitionFunction: Debug + Send + Sync {
    /// The column with the values, for rows of the schema.
    ///
    /// # Errors
    /// The function's own, if it does not apply to such rows.
    fn field(&self, schema: &Schema) -> Result<Field, ExpressionError>;

    /// One value per row. The rows are in their order; `peers` are the ranges of rows that are equal in it.
    ///
    /// # Errors
    /// The function's own.
    fn evaluate(&self, rows: &RecordBatch, peers: &[Range<usize>]) -> Result<ArrayRef, ExpressionError>;
}

impl PartitionFunction for Ranking {
    fn field(&self, _schema: &Schema) -> Result<Field, ExpressionError> {
        let name = match self {
            Self::RowNumber => "row_number",
            Self::Rank => "rank",
            Self::DenseRank => "dense_rank",
        };
        Ok(Field::new(name, DataType::Int64, false))
    }

    fn evaluate(&self, _rows: &RecordBatch, peers: &[Range<usize>]) -> Result<ArrayRef, ExpressionError> {
        let mut numbering = Numbering::new(*self);
        let numbers = peers.iter().flat_map(|peers| {
            let start = peers.start;
            peers.clone().map(move |row| row > start)
        });
        Ok(Arc::new(Int64Array::from_iter_values(numbers.map(|is_peer| numbering.next(is_peer, 1)))))
    }
}

/// Adds columns with functions over the partition of each row.
///
/// A partition is computed again when one of its rows changes, and the rows that differ are passed on; with
/// large partitions a [`TopN`](super::TopN) or an aggregate costs less.
pub struct Over {
    input: SchemaRef,
    schema: SchemaRef,
    partition: Vec<ExpressionRef>,
    order: Vec<Ordering>,
    order_codec: RowCodec,
    functions: Vec<Arc<dyn PartitionFunction>>,
    partitions: Partitions,
    output_codec: RowCodec,
}

impl Over {
    /// Functions over the partitions of rows in an order; rows that are equal in it are in the order of their
    /// columns.
    ///
    /// # Errors
    /// [`Problem::Unsupported`] if a column cannot be held, [`Problem::Expression`] if a function does not
    /// apply.
    pub fn new(
        input: SchemaRef,
        partition: Vec<ExpressionRef>,
        order: Vec<Ordering>,
        functions: Vec<Arc<dyn PartitionFunction>>,
    ) -> Result<Self> {
        let order_types = order
            .iter()
            .map(|order| Ok((data_type(&order.expression, &input)?, order.options)))
            .collect::<Result<Vec<_>>>()?;
        let columns = input.fields().iter().map(|field| (field.data_type().clone(), SortOptions::default()));
        let row_codec = RowCodec::ordered(order_types.iter().cloned().chain(columns))?;
        let mut fields: Vec<_> = input.fields().iter().map(Arc::clone).collect();
        for function in &functions {
            fields.push(Arc::new(function.field(&input).map_err(Problem::Expression)?));
        }
        let key_codec = RowCodec::new(data_types(&partition, &input)?)?;
        Ok(Self {
            partitions: Partitions::new(key_codec, row_codec, false),
            order_codec: RowCodec::ordered(order_types)?,
            output_codec: RowCodec::new(fields.iter().map(|field| field.data_type().clone()))?,
            schema: Arc::new(Schema::new(fields)),
            input,
            partition,
            order,
            functions,
        })
    }

    /// The output rows of a partition, or None if it has no rows.
    fn compute(&self, slot: Slot) -> Result<Option<RecordBatch>> {
        let rows = self.partitions.rows(slot);
        let (mut entries, mut numbers) = (Vec::new(), Vec::new());
        let mut peers: Vec<Range<usize>> = Vec::new();
        let mut previous: Option<&[u8]> = None;
        for (entry, weight) in rows.iter() {
            let order = &entry[..entry.len() - self.order_codec.check_prefix(entry)?.len()];
            let start = numbers.len();
            numbers.extend((0..weight).map(|_| entries.len() as u32));
            match peers.last_mut() {
                Some(last) if previous == Some(order) => last.end = numbers.len(),
                _ => peers.push(start..numbers.len()),
            }
            previous = Some(order);
            entries.push(entry);
        }
        if numbers.is_empty() {
            return Ok(None);
        }
        let columns = self.partitions.row_codec.decode(entries)?.split_off(self.order.len());
        let options = RecordBatchOptions::new().with_row_count(Some(numbers.len()));
        let numbers = UInt32Array::from(numbers);
        let columns = columns.iter().map(|column| take(column, &numbers, None));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.input), columns.clone(), &options)?;
        for function in &self.functions {
            let values = function.evaluate(&rows, &peers).map_err(Problem::Expression)?;
            if values.len() != rows.num_rows() {
                return Err(Problem::input(format!("{function:?} has not one value per row")));
            }
            columns.push(values);
        }
        Ok(Some(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }

    fn apply(&mut self, batch: &Batch) -> Result<Vec<(Slot, Option<RecordBatch>)>> {
        let count = batch.weights().len();
        let keys = self.partitions.key_codec.encode(&evaluate_all(&self.partition, batch.rows())?, count)?;
        let order = self.order.iter().map(|order| evaluate(&order.expression, batch.rows()));
        let mut columns = order.collect::<Result<Vec<ArrayRef>>>()?;
        columns.extend(batch.rows().columns().iter().map(Arc::clone));
        let rows = self.partitions.row_codec.encode(&columns, count)?;
        let (mut slots, mut touched, mut seen) = (Vec::new(), Vec::new(), hashbrown::HashSet::new());
        for key in keys.iter() {
            let slot = self.partitions.assign(key);
            if seen.insert(slot) {
                touched.push((slot, self.compute(slot)?));
            }
            slots.push(slot);
        }
        for (index, (slot, weight)) in slots.iter().zip(batch.weights()).enumerate() {
            self.partitions.add(*slot, rows.row(index), *weight)?;
        }
        self.partitions.end_tick()?;
        Ok(touched)
    }
}

impl Operator for Over {
    fn kind(&self) -> &'static str {
        "over"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let watermark = inputs[0].watermark;
        let (mut batches, mut weights) = (Vec::new(), Vec::new());
        if let Some(batch) = inputs[0].concat(&self.input)? {
            for (slot, old) in self.apply(&batch)? {
                for (rows, weight) in [(old, -1), (self.compute(slot)?, 1)] {
                    weights
                        .extend(std::iter::repeat_n(weight, rows.as_ref().map_or(0, RecordBatch::num_rows)));
                    batches.extend(rows);
                }
                self.partitions.remove_if_empty(slot);
            }
        }
        if batches.is_empty() {
            return Ok(Tick { batches: Vec::new(), watermark });
        }
        let batch = Batch::new(concat_batches(&self.schema, &batches)?, weights)?;
        let net = NetChanges::of(&batch, &self.output_codec)?;
        let (rows, weights) = net.changes.into_iter().unzip();
        Ok(Tick::of_rows(Some(batch.take(rows, weights)?), watermark))
    }

    fn state(&self) -> Option<&dyn State> {
        Some(&self.partitions)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(&mut self.partitions)
    }
}
