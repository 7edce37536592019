//! Relations without tables: their rows are computed while the query is planned.

use super::builder::{Lowering, Relation};
use super::expression::physical_expression;
use super::properties::{ColumnTraits, Properties};
use super::time_bounds::length_ms;
use crate::SqlError;
use crate::live::plan::Stop;
use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions, StructArray, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, concat, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{EmptyRelation, LogicalPlan, Values};
use kulya_incremental::{Batch, Expression, ExpressionError, ExpressionRef};
use std::sync::Arc;

/// The most rows that are joined to each row of another relation without state.
const MAX_CONSTANT_ROWS: usize = 10_000;

impl Lowering {
    pub(super) fn lower_constants(&mut self, plan: &LogicalPlan) -> Result<Relation, Stop> {
        let rows = match plan {
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row, schema }) => {
                let schema = Arc::new(schema.as_arrow().clone());
                match produce_one_row {
                    false => RecordBatch::new_empty(schema),
                    true => {
                        let options = RecordBatchOptions::new().with_row_count(Some(1));
                        let nulls = schema.fields().iter();
                        let nulls = nulls.map(|field| arrow::array::new_null_array(field.data_type(), 1));
                        RecordBatch::try_new_with_options(Arc::clone(&schema), nulls.collect(), &options)?
                    }
                }
            }
            LogicalPlan::Values(values) => rows(values)?,
            other => return Err(Stop::rerun(format!("{} has no operator", other.display()))),
        };
        let columns = rows
            .columns()
            .iter()
            .map(|column| ColumnTraits { lengths: lengths(column), ..ColumnTraits::default() });
        let properties = Properties {
            insert_only: true,
            key: (rows.num_rows() < 2).then(Vec::new),
            columns: columns.collect(),
            // no row follows
            has_watermark: true,
            ..Properties::default()
        };
        let output = self.add("values", kulya_incremental::Values::new(rows), &[])?;
        Ok(Relation { schema: self.schema(output)?, output, properties })
    }

    /// Returns the rows of a plan that reads no table, if they are few, with what is known of them.
    pub(super) fn constant_rows(
        &mut self,
        plan: &LogicalPlan,
    ) -> Result<Option<(RecordBatch, Properties)>, Stop> {
        let reads = |node: &LogicalPlan| {
            matches!(
                node,
                LogicalPlan::TableScan(_) | LogicalPlan::Extension(_) | LogicalPlan::RecursiveQuery(_)
            )
        };
        if datafusion::common::tree_node::TreeNode::exists(plan, |node| Ok(reads(node)))? {
            return Ok(None);
        }
        let mut own = Self { depth: self.depth, ..Self::default() };
        let relation = own.lower(plan);
        self.nodes.append(&mut own.nodes);
        let relation = relation?;
        let failed = |error: kulya_incremental::Error| Stop::from(SqlError::internal().because(error));
        let mut graph = own.graph.finish(relation.output).map_err(failed)?;
        let tick = graph.step(&[]).map_err(failed)?;
        let rows = once(&relation.schema, &tick.batches)?;
        Ok((rows.num_rows() <= MAX_CONSTANT_ROWS).then_some((rows, relation.properties)))
    }
}

/// Returns the rows of batches, each as often as it is there.
fn once(schema: &SchemaRef, batches: &[Batch]) -> Result<RecordBatch, Stop> {
    let mut parts = Vec::with_capacity(batches.len());
    let mut count = 0;
    for batch in batches {
        let indices = (0..).zip(batch.weights()).flat_map(|(row, weight): (u32, &i64)| {
            std::iter::repeat_n(row, usize::try_from(*weight).unwrap_or_default())
        });
        let indices = UInt32Array::from_iter_values(indices);
        count += indices.len();
        // rows without columns are only a number
        if !schema.fields().is_empty() {
            parts.push(take_record_batch(batch.rows(), &indices)?);
        }
    }
    if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        return Ok(RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)?);
    }
    Ok(concat_batches(schema, &parts)?)
}

fn rows(values: &Values) -> Result<RecordBatch, Stop> {
    let empty = datafusion::common::DFSchema::empty();
    let one = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )?;
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); values.schema.fields().len()];
    for row in &values.values {
        for ((column, value), field) in columns.iter_mut().zip(row).zip(values.schema.fields()) {
            let value = physical_expression(value, &empty)?.evaluate(&one)?.into_array(1)?;
            column.push(cast(&value, field.data_type())?);
        }
    }
    let arrays = columns.into_iter().zip(values.schema.fields()).map(|(parts, field)| {
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        match parts.is_empty() {
            true => Ok(arrow::array::new_empty_array(field.data_type())),
            false => concat(&parts),
        }
    });
    let fields = values.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(values.values.len()));
    Ok(RecordBatch::try_new_with_options(schema, arrays.collect::<Result<Vec<_>, _>>()?, &options)?)
}

/// Returns the smallest and largest length of intervals.
fn lengths(column: &ArrayRef) -> Option<(i64, i64)> {
    if !matches!(column.data_type(), DataType::Interval(_)) || column.is_empty() {
        return None;
    }
    let lengths = (0..column.len())
        .map(|row| length_ms(&ScalarValue::try_from_array(column, row).ok()?))
        .collect::<Option<Vec<i64>>>()?;
    Some((*lengths.iter().min()?, *lengths.iter().max()?))
}

/// Constant rows as a list at each row of another relation.
#[derive(Debug)]
pub(super) struct ConstantList {
    rows: StructArray,
    item: Arc<Field>,
}

impl ConstantList {
    pub(super) fn new(rows: RecordBatch) -> Self {
        let count = rows.num_rows();
        let rows = match rows.num_columns() {
            0 => StructArray::new_empty_fields(count, None),
            _ => StructArray::from(rows),
        };
        let item = Arc::new(Field::new("item", rows.data_type().clone(), true));
        Self { rows, item }
    }
}

impl Expression for ConstantList {
    fn data_type(&self, _: &Schema) -> Result<DataType, ExpressionError> {
        Ok(DataType::List(Arc::clone(&self.item)))
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let own: &dyn Array = &self.rows;
        let values = match rows.num_rows() {
            0 => own.slice(0, 0),
            count => concat(&vec![own; count])?,
        };
        let lengths = std::iter::repeat_n(self.rows.len(), rows.num_rows());
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(Arc::clone(&self.item), offsets, values, None)?))
    }
}

/// A member of rows in a column.
#[derive(Debug)]
struct Member {
    column: usize,
    member: usize,
}

/// Returns a member of the rows in a column.
pub(super) fn member(column: usize, member: usize) -> ExpressionRef {
    Arc::new(Member { column, member })
}

impl Expression for Member {
    fn data_type(&self, schema: &Schema) -> Result<DataType, ExpressionError> {
        match schema.fields().get(self.column).map(|field| field.data_type()) {
            Some(DataType::Struct(fields)) if self.member < fields.len() => {
                Ok(fields[self.member].data_type().clone())
            }
            _ => Err("there is no such row".into()),
        }
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let members = rows.column(self.column).as_struct_opt().ok_or("there is no such row")?;
        Ok(Arc::clone(members.column(self.member)))
    }
}
