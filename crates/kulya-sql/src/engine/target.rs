//! Conversion of a query's rows to the columns of a table that they are inserted into.

use crate::data_types::type_name;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};

/// The columns of a table, and which column of a query each has.
#[derive(Debug, Clone)]
pub(crate) struct TargetColumns {
    /// The table's name, for messages.
    pub(crate) table: String,
    pub(crate) schema: SchemaRef,
    /// The position in the query of each column; `None` for a column that is null.
    pub(crate) positions: Vec<Option<usize>>,
}

impl TargetColumns {
    /// Adds the conversion to a plan.
    ///
    /// # Errors
    /// `InvalidQuery` for another number of columns, `TypeMismatch` for a type that is not converted without
    /// a CAST.
    pub(super) fn convert(&self, plan: LogicalPlan) -> SqlResult<LogicalPlan> {
        let found = plan.schema().fields().len();
        let wanted = self.positions.iter().flatten().count();
        if found != wanted {
            let what = format!("table {} takes {wanted} columns, but the query has {found}", self.table);
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
        }
        let mut expressions = Vec::with_capacity(self.positions.len());
        for (field, position) in self.schema.fields().iter().zip(&self.positions) {
            let wanted = field.data_type();
            let value = match position {
                None => lit(ScalarValue::try_from(wanted)?),
                Some(position) => {
                    let (qualifier, given) = plan.schema().qualified_field(*position);
                    if !is_converted(given.data_type(), wanted) {
                        let what = format!(
                            "table {}: column {} has type {}, but the query has {}: write CAST({} AS {})",
                            self.table,
                            field.name(),
                            type_name(wanted),
                            type_name(given.data_type()),
                            given.name(),
                            type_name(wanted),
                        );
                        return Err(SqlError::new(SqlErrorKind::TypeMismatch, what));
                    }
                    let column = Expr::Column(Column::from((qualifier, given)));
                    // nested values are converted by position, which CAST does not do
                    let is_same = given.data_type() == wanted || wanted.is_nested();
                    if is_same { column } else { cast(column, wanted.clone()) }
                }
            };
            expressions.push(value.alias(field.name()));
        }
        Ok(LogicalPlanBuilder::from(plan).project(expressions)?.build()?)
    }
}

/// Returns whether a type is converted without a CAST: within numbers, texts, bytes, and times.
fn is_converted(from: &DataType, to: &DataType) -> bool {
    let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_bytes = |t: &DataType| {
        matches!(
            t,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
        )
    };
    match (from, to) {
        _ if from == to => true,
        (DataType::Null, _) => true,
        _ if from.is_numeric() && to.is_numeric() => true,
        _ if is_text(from) && is_text(to) || is_bytes(from) && is_bytes(to) => true,
        (DataType::Timestamp(..) | DataType::Date32, DataType::Timestamp(..)) => true,
        (DataType::Time32(_) | DataType::Time64(_), DataType::Time32(_) | DataType::Time64(_)) => true,
        (DataType::List(from), DataType::List(to)) => is_converted(from.data_type(), to.data_type()),
        (DataType::Map(from, _), DataType::Map(to, _)) => is_converted(from.data_type(), to.data_type()),
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| is_converted(from.data_type(), to.data_type()))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::TimeUnit;

    #[test]
    fn types_are_converted_within_their_family() {
        let timestamp = DataType::Timestamp(TimeUnit::Millisecond, None);
        for (from, to, expected) in [
            (DataType::Int64, DataType::Int32, true),
            (DataType::Int64, DataType::Decimal128(10, 2), true),
            (DataType::Null, timestamp.clone(), true),
            (DataType::Utf8View, DataType::Utf8, true),
            (DataType::Date32, timestamp.clone(), true),
            (DataType::Utf8, DataType::Int32, false),
            (DataType::Int32, DataType::Utf8, false),
            (DataType::Utf8, timestamp, false),
            (DataType::new_list(DataType::Int64, true), DataType::new_list(DataType::Int32, true), true),
            (DataType::new_list(DataType::Utf8, true), DataType::new_list(DataType::Int32, true), false),
        ] {
            assert_eq!(is_converted(&from, &to), expected, "{from} {to}");
        }
    }
}
