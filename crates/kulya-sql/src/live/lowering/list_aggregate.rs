//! Aggregate functions that no operator has: DataFusion's, computed again over all values of a group that
//! changed.

use super::expression::physical_expression;
use crate::live::plan::Stop;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction as Call, NullTreatment};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::Column;
use kulya_incremental::{Expression, ExpressionError};
use std::sync::Arc;

/// A function over a column of lists.
#[derive(Debug, Clone)]
pub(super) struct ListAggregate {
    function: Arc<AggregateFunctionExpr>,
    column: usize,
    arguments: usize,
    data_type: DataType,
}

impl ListAggregate {
    /// A call over rows of the schema, whose values come in its order.
    pub(super) fn new(call: &Call, result: &FieldRef, schema: &DFSchema) -> Result<Self, Stop> {
        let (mut fields, mut arguments) = (Vec::new(), Vec::<Arc<dyn PhysicalExpr>>::new());
        for (index, argument) in call.params.args.iter().enumerate() {
            let name = format!("{index}");
            fields.push(Field::new(&name, argument.get_type(schema)?, true));
            arguments.push(match argument {
                // functions look for separators and the like while they are planned
                Expr::Literal(..) => physical_expression(argument, schema)?,
                _ => Arc::new(Column::new(&name, index)),
            });
        }
        let count = arguments.len();
        let builder = AggregateExprBuilder::new(Arc::clone(&call.func), arguments)
            .schema(Arc::new(Schema::new(fields)))
            .alias(result.name());
        let builder = match call.params.null_treatment {
            Some(NullTreatment::IgnoreNulls) => builder.ignore_nulls(),
            _ => builder,
        };
        let function = Arc::new(builder.build()?);
        function.create_accumulator()?;
        Ok(Self { function, column: 0, arguments: count, data_type: result.data_type().clone() })
    }

    /// The same over the lists of a column.
    pub(super) fn of(self, column: usize) -> Self {
        Self { column, ..self }
    }

    fn result(&self, values: Option<ArrayRef>) -> Result<ScalarValue, ExpressionError> {
        let mut accumulator = self.function.create_accumulator()?;
        if let Some(values) = values {
            let columns: Vec<ArrayRef> = match self.arguments {
                1 => vec![values],
                _ => values.as_struct().columns().to_vec(),
            };
            accumulator.update_batch(&columns)?;
        }
        Ok(accumulator.evaluate()?)
    }
}

impl Expression for ListAggregate {
    fn data_type(&self, _: &Schema) -> Result<DataType, ExpressionError> {
        Ok(self.data_type.clone())
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let lists = rows.column(self.column).as_list::<i32>();
        let results = (0..lists.len())
            .map(|row| self.result(lists.is_valid(row).then(|| lists.value(row))))
            .collect::<Result<Vec<_>, _>>()?;
        let results = match results.is_empty() {
            true => return Ok(arrow::array::new_empty_array(&self.data_type)),
            false => ScalarValue::iter_to_array(results)?,
        };
        Ok(cast(&results, &self.data_type)?)
    }
}
