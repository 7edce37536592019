//! Expressions over rows, which the caller supplies, and columns by their position.

use crate::error::{ExpressionError, Problem, Result};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema};
use std::fmt::Debug;
use std::sync::Arc;

/// A deterministic function of a row: the same row always gives the same value, as a later retraction must
/// undo what the insertion did.
pub trait Expression: Debug + Send + Sync {
    /// The type of the values for rows of the schema.
    ///
    /// # Errors
    /// The expression's own, if it does not apply to such rows.
    fn data_type(&self, schema: &Schema) -> Result<DataType, ExpressionError>;

    /// One value per row, of [`Self::data_type`].
    ///
    /// # Errors
    /// The expression's own.
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError>;
}

/// A shared expression.
pub type ExpressionRef = Arc<dyn Expression>;

/// The column at a position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Column(pub usize);

impl Expression for Column {
    fn data_type(&self, schema: &Schema) -> Result<DataType, ExpressionError> {
        let field = schema.fields().get(self.0).ok_or_else(|| format!("there is no column {}", self.0))?;
        Ok(field.data_type().clone())
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        let column = rows.columns().get(self.0).ok_or_else(|| format!("there is no column {}", self.0))?;
        Ok(Arc::clone(column))
    }
}

/// The column at a position as an expression.
pub fn column(index: usize) -> ExpressionRef {
    Arc::new(Column(index))
}

/// Evaluates and checks that there is one value per row.
pub(crate) fn evaluate(expression: &ExpressionRef, rows: &RecordBatch) -> Result<ArrayRef> {
    let values = expression.evaluate(rows).map_err(Problem::Expression)?;
    if values.len() != rows.num_rows() {
        let (values, rows) = (values.len(), rows.num_rows());
        return Err(Problem::input(format!("{expression:?} has {values} values for {rows} rows")));
    }
    Ok(values)
}

pub(crate) fn evaluate_all(expressions: &[ExpressionRef], rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    expressions.iter().map(|expression| evaluate(expression, rows)).collect()
}

/// The rows for which a condition is true; null is not.
pub(crate) fn evaluate_condition(condition: &ExpressionRef, rows: &RecordBatch) -> Result<BooleanArray> {
    let values = evaluate(condition, rows)?;
    let Some(values) = values.as_boolean_opt() else {
        return Err(Problem::input(format!(
            "condition {condition:?} is {}, not Boolean",
            values.data_type()
        )));
    };
    Ok(match values.nulls() {
        Some(nulls) => BooleanArray::new(values.values() & nulls.inner(), None),
        None => values.clone(),
    })
}

pub(crate) fn data_type(expression: &ExpressionRef, schema: &Schema) -> Result<DataType> {
    expression.data_type(schema).map_err(Problem::Expression)
}

pub(crate) fn data_types(expressions: &[ExpressionRef], schema: &Schema) -> Result<Vec<DataType>> {
    expressions.iter().map(|expression| data_type(expression, schema)).collect()
}
