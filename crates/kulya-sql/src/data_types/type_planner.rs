//! Casts to Flink's types: the parser writes the type's text into a custom type, which is read here.

use super::flink::arrow_type;
use crate::SqlError;
use crate::dialect::{TYPE_NAME, parse_type};
use arrow::datatypes::{Field, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::DataType;
use std::sync::Arc;

/// Plans the types that casts name.
#[derive(Debug)]
pub(crate) struct FlinkTypePlanner;

impl TypePlanner for FlinkTypePlanner {
    fn plan_type_field(&self, sql_type: &DataType) -> Result<Option<FieldRef>> {
        let DataType::Custom(name, modifiers) = sql_type else { return Ok(None) };
        match (name.to_string() == TYPE_NAME, modifiers.as_slice()) {
            (true, [text]) => {
                let parsed = parse_type(text).map_err(SqlError::from)?;
                Ok(Some(Arc::new(Field::new("", arrow_type(&parsed.kind), true))))
            }
            _ => Ok(None),
        }
    }
}
