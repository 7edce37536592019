//! DataFusion's expressions as those of operators.

use crate::live::plan::Stop;
use arrow::array::{ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, TimeUnit, TimestampMillisecondType};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use kulya_incremental::{Expression, ExpressionRef};
use std::sync::Arc;

/// Returns an expression over rows of a schema.
///
/// # Errors
/// That the query is run again: for a function that has another value each time.
pub(super) fn expression(expr: &Expr, schema: &DFSchema) -> Result<ExpressionRef, Stop> {
    let physical = physical_expression(expr, schema)?;
    if let Some(column) = physical.downcast_ref::<datafusion::physical_expr::expressions::Column>() {
        return Ok(kulya_incremental::column(column.index()));
    }
    let data_type = physical.data_type(schema.as_arrow())?;
    Ok(Arc::new(Physical { physical, data_type }))
}

/// Returns DataFusion's physical expression.
///
/// # Errors
/// As [`expression`].
pub(super) fn physical_expression(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>, Stop> {
    check_deterministic(expr)?;
    let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    Ok(create_physical_expr(expr, schema, &properties, &context)?)
}

/// Refuses what has another value for the same row at another time.
pub(super) fn check_deterministic(expr: &Expr) -> Result<(), Stop> {
    let mut stop = None;
    expr.apply(|expr| {
        let why = match expr {
            Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                Some(format!("{} has another value each time", shown(call.name())))
            }
            Expr::ScalarFunction(call) if call.name() == "current_watermark" => {
                Some("CURRENT_WATERMARK follows the watermark and not the rows".to_owned())
            }
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                Some("a subquery that is no join".to_owned())
            }
            Expr::OuterReferenceColumn(_, column) => {
                Some(format!("column {} of the query around a subquery that is no join", column.name))
            }
            _ => None,
        };
        stop = why.map(Stop::Rerun);
        Ok(if stop.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    stop.map_or(Ok(()), Err)
}

fn shown(name: &str) -> String {
    name.to_ascii_uppercase()
}

/// An expression of DataFusion.
#[derive(Debug)]
struct Physical {
    physical: Arc<dyn PhysicalExpr>,
    data_type: DataType,
}

impl Expression for Physical {
    fn data_type(&self, _: &Schema) -> Result<DataType, kulya_incremental::ExpressionError> {
        Ok(self.data_type.clone())
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, kulya_incremental::ExpressionError> {
        let values = self.physical.evaluate(rows)?.into_array(rows.num_rows())?;
        // names and nullability of nested fields may differ
        match *values.data_type() == self.data_type {
            true => Ok(values),
            false => Ok(cast(&values, &self.data_type)?),
        }
    }
}

/// A time in milliseconds without a zone, moved.
#[derive(Debug)]
struct Moved {
    time: ExpressionRef,
    by_ms: i64,
}

/// Returns a time, later by a number of milliseconds.
pub(super) fn moved(time: ExpressionRef, by_ms: i64) -> ExpressionRef {
    match by_ms {
        0 => time,
        by_ms => Arc::new(Moved { time, by_ms }),
    }
}

const MILLISECONDS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

impl Expression for Moved {
    fn data_type(&self, _: &Schema) -> Result<DataType, kulya_incremental::ExpressionError> {
        Ok(MILLISECONDS)
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, kulya_incremental::ExpressionError> {
        let times = cast(&self.time.evaluate(rows)?, &MILLISECONDS)?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let moved: TimestampMillisecondArray = times.unary(|time| time.saturating_add(self.by_ms));
        Ok(Arc::new(moved))
    }
}
