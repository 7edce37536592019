//! Conditions on plain columns, which are evaluated before the other columns of events are decoded. They only
//! leave events out: the query evaluates its conditions again on what is left.

use super::column::ScanColumn;
use crate::format::{RowFormat, WantedRows};
use crate::{SqlError, SqlResult};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_plan::PhysicalExpr;
use kulya_codec::arrow::{BatchDecoder, DecodedBatch};
use std::sync::Arc;

/// The number of events after which a filter that leaves out too few is given up.
const TRIAL_EVENTS: u64 = 4096;

/// A condition on columns of events.
#[derive(Debug, Clone)]
pub(crate) struct EventFilter {
    /// The columns of the format that it needs.
    columns: Vec<usize>,
    condition: Arc<dyn PhysicalExpr>,
}

/// Returns whether a condition of a query can be evaluated before other columns are decoded.
pub(crate) fn is_on_plain_columns(expr: &Expr, schema: &Schema, columns: &[ScanColumn]) -> bool {
    let is_plain = |name: &str| {
        let Ok(index) = schema.index_of(name) else { return false };
        let is_scalar = schema.fields().get(index).is_some_and(|field| !field.data_type().is_nested());
        is_scalar && matches!(columns.get(index), Some(ScanColumn::Physical(_)))
    };
    let mut is_simple = true;
    let visited = expr.apply(|expr| {
        is_simple &= match expr {
            Expr::Column(column) => is_plain(&column.name),
            Expr::BinaryExpr(BinaryExpr { op, .. }) => is_comparison(*op),
            Expr::Cast(cast) => match cast.expr.as_ref() {
                Expr::Column(column) => schema
                    .field_with_name(&column.name)
                    .is_ok_and(|field| is_wider(field.data_type(), cast.field.data_type())),
                _ => false,
            },
            Expr::Literal(..)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::Between(_)
            | Expr::Like(_)
            | Expr::InList(_) => true,
            _ => false,
        };
        Ok(if is_simple { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    visited.is_ok() && is_simple
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::And
            | Operator::Or
    )
}

/// Returns whether each value of a type is one of another, so that the conversion cannot fail.
fn is_wider(from: &DataType, to: &DataType) -> bool {
    let is_narrow = matches!(from, DataType::Int8 | DataType::Int16 | DataType::Int32);
    match to {
        DataType::Int64 => is_narrow,
        DataType::Float64 => is_narrow || *from == DataType::Float32,
        DataType::Int32 => matches!(from, DataType::Int8 | DataType::Int16),
        _ => false,
    }
}

impl EventFilter {
    /// Creates the filter of conditions of a table with these columns; `None` without any that is simple.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) fn new(
        filters: &[Expr],
        session: &dyn Session,
        schema: &SchemaRef,
        columns: &[ScanColumn],
    ) -> DataFusionResult<Option<Self>> {
        let simple = filters.iter().filter(|filter| is_on_plain_columns(filter, schema, columns)).cloned();
        let Some(condition) = conjunction(simple) else { return Ok(None) };
        let mut used: Vec<usize> =
            condition.column_refs().iter().filter_map(|column| schema.index_of(&column.name).ok()).collect();
        used.sort_unstable();
        let of_filter = DFSchema::try_from(schema.project(&used)?)?;
        let unqualified = condition.transform(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    let name = datafusion::common::Column::new_unqualified(column.name);
                    datafusion::common::tree_node::Transformed::yes(Expr::Column(name))
                }
                other => datafusion::common::tree_node::Transformed::no(other),
            })
        });
        let condition = session.create_physical_expr(unqualified?.data, &of_filter)?;
        let columns = used.iter().filter_map(|index| columns.get(*index)?.physical()).collect();
        Ok(Some(Self { columns, condition }))
    }

    pub(super) fn open(&self, format: &dyn RowFormat) -> SqlResult<RunningFilter> {
        let wanted = WantedRows { columns: &self.columns, event_numbers: true, ..WantedRows::default() };
        Ok(RunningFilter {
            condition: Arc::clone(&self.condition),
            decoder: format.decoder(&wanted)?,
            seen: 0,
            passed: 0,
        })
    }
}

/// A filter at work.
pub(super) struct RunningFilter {
    condition: Arc<dyn PhysicalExpr>,
    decoder: Box<dyn BatchDecoder>,
    seen: u64,
    passed: u64,
}

impl RunningFilter {
    /// Returns whether it leaves out more than it costs.
    pub(super) fn is_useful(&self) -> bool {
        self.seen < TRIAL_EVENTS || self.passed * 2 < self.seen
    }

    /// Returns for each event whether it is to be decoded: it has a row for which the condition is true, or
    /// cannot be decoded, which is for the decoder of the other columns to find out.
    pub(super) async fn select(&mut self, events: &[&[u8]]) -> SqlResult<Vec<bool>> {
        self.decoder.prepare(events).await?;
        let mut selected = vec![false; events.len()];
        let mut next = 0;
        while let Some(rest @ [_, ..]) = events.get(next..) {
            let decoded = self.decoder.decode(rest, next as u64);
            next += decoded.count;
            if decoded.failed.is_some() {
                selected.get_mut(next).into_iter().for_each(|event| *event = true);
                next += 1;
            } else if next < events.len() {
                self.evaluate(&mut selected)?;
            }
        }
        self.evaluate(&mut selected)?;
        self.seen += events.len() as u64;
        self.passed += selected.iter().filter(|event| **event).count() as u64;
        Ok(selected)
    }

    fn evaluate(&mut self, selected: &mut [bool]) -> SqlResult<()> {
        let Some(DecodedBatch { rows, events, .. }) = self.decoder.flush()? else { return Ok(()) };
        let numbers = events.unwrap_or_default();
        let values = self.condition.evaluate(&rows)?.into_array(rows.num_rows())?;
        let values = values.as_boolean_opt().ok_or_else(SqlError::internal)?;
        for (row, number) in numbers.into_iter().enumerate() {
            if row < values.len() && values.is_valid(row) && values.value(row) {
                selected.get_mut(number as usize).into_iter().for_each(|event| *event = true);
            }
        }
        Ok(())
    }
}
