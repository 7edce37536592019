//! Errors of DataFusion as errors of SQL, by their variants and not by their texts.

use super::{SqlError, SqlErrorKind};
use crate::dialect::Position;
use crate::nearest::nearest;
use arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        let (error, position) = innermost(error);
        let error = match error {
            DataFusionError::External(own) => match own.downcast::<Self>() {
                Ok(own) => return *own,
                Err(other) => DataFusionError::External(other),
            },
            error => error,
        };
        let root = error.find_root();
        let kind = kind(root);
        let text = match root {
            DataFusionError::External(other) => {
                // an error that several partitions share cannot be taken out
                return match other.downcast_ref::<Self>() {
                    Some(own) => {
                        Self { kind: own.kind, what: own.what.clone(), position: own.position, cause: None }
                    }
                    None => Self::new(kind, other.to_string()),
                };
            }
            DataFusionError::ResourcesExhausted(what) => {
                return Self::new(
                    kind,
                    format!(
                        "the query exceeds its memory or spill limit: raise --memory or --spill, or query fewer rows ({})",
                        what.lines().next().unwrap_or_default()
                    ),
                );
            }
            DataFusionError::SchemaError(error, _) => match error.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => no_column(field, valid_fields),
                SchemaError::AmbiguousReference { field } => {
                    format!(
                        "column {} is in more than one table: write the table before it, t.{0}",
                        field.name
                    )
                }
                _ => root.strip_backtrace(),
            },
            DataFusionError::Execution(_) | DataFusionError::Plan(_) => root.message().into_owned(),
            DataFusionError::ArrowError(error, _) => error.to_string(),
            root => root.strip_backtrace(),
        };
        let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        // as it is written for developers: with all signatures
        if let Some((_, call)) = line.split_once("given name and argument types '")
            && let Some((call, _)) = call.split_once('\'')
        {
            let what = format!("no function takes such arguments: {call}");
            return Self::new(SqlErrorKind::TypeMismatch, what);
        }
        let error = Self::new(kind, line);
        let error = match error.what.contains("compound identifier")
            || error.what.contains("nsupported object name")
        {
            true => error.hint("quote a name with dots in backticks"),
            false => error,
        };
        match position {
            Some(position) => error.at(position),
            None => error,
        }
    }
}

/// Returns the text for a column that is in none of the tables.
fn no_column(column: &Column, known: &[Column]) -> String {
    let shown = |column: &Column| match &column.relation {
        Some(table) => format!("{}.{}", table.table(), column.name),
        None => column.name.clone(),
    };
    let name = shown(column);
    if known.is_empty() {
        return format!("there is no column {name} here");
    }
    // a qualifier of the query is compared too
    let names: Vec<String> = match column.relation {
        Some(_) => known.iter().map(shown).collect(),
        None => known.iter().map(|column| column.name.clone()).collect(),
    };
    match nearest(&name, names.iter().map(String::as_str)) {
        Some(nearest) => format!("there is no column {name}: did you mean {nearest}?"),
        None => format!("there is no column {name}: columns are {}", names.join(", ")),
    }
}

fn kind(error: &DataFusionError) -> SqlErrorKind {
    match error {
        DataFusionError::SQL(..) => SqlErrorKind::Syntax,
        DataFusionError::NotImplemented(_) => SqlErrorKind::NotSupported,
        DataFusionError::Plan(_) => SqlErrorKind::InvalidQuery,
        DataFusionError::SchemaError(error, _) => match **error {
            SchemaError::FieldNotFound { .. } | SchemaError::AmbiguousReference { .. } => {
                SqlErrorKind::UnknownColumn
            }
            _ => SqlErrorKind::InvalidQuery,
        },
        DataFusionError::ArrowError(error, _) => match **error {
            ArrowError::DivideByZero => SqlErrorKind::DivisionByZero,
            ArrowError::ArithmeticOverflow(_) => SqlErrorKind::OutOfRange,
            ArrowError::CastError(_) | ArrowError::ParseError(_) => SqlErrorKind::InvalidValue,
            _ => SqlErrorKind::Failed,
        },
        DataFusionError::ResourcesExhausted(_) => SqlErrorKind::OutOfMemory,
        DataFusionError::Internal(_) => SqlErrorKind::Internal,
        // of an error that several partitions share
        DataFusionError::External(own) => {
            own.downcast_ref::<SqlError>().map_or(SqlErrorKind::Failed, SqlError::kind)
        }
        _ => SqlErrorKind::Failed,
    }
}

/// Returns the innermost error, and the place that it is about; DataFusion wraps an error once per layer.
fn innermost(error: DataFusionError) -> (DataFusionError, Option<Position>) {
    match error {
        DataFusionError::Context(_, inner) => innermost(*inner),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let place = diagnostic.span.map(|span| span.start).filter(|start| start.line > 0);
            let (inner, position) = innermost(*inner);
            let place = place.map(|start| Position { line: start.line, column: start.column });
            (inner, position.or(place))
        }
        other => (other, None),
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> Self {
        Self::External(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn kinds_follow_from_the_variants() {
        let arrow = |error| DataFusionError::ArrowError(Box::new(error), None);
        let unknown =
            SchemaError::FieldNotFound { field: Box::new(Column::from_name("x")), valid_fields: Vec::new() };
        for (error, expected) in [
            (arrow(ArrowError::DivideByZero), "22012"),
            (arrow(ArrowError::ArithmeticOverflow("x".into())), "22003"),
            (arrow(ArrowError::CastError("x".into())), "22P02"),
            (DataFusionError::SchemaError(Box::new(unknown), Box::new(None)), "42703"),
            (DataFusionError::NotImplemented("x".into()), "0A000"),
            (DataFusionError::ResourcesExhausted("x".into()).context("y"), "53200"),
            (SqlError::not_supported("x").into(), "0A000"),
            (DataFusionError::Shared(Arc::new(SqlError::not_supported("x").into())), "0A000"),
        ] {
            assert_eq!(SqlError::from(error).kind().sqlstate(), expected);
        }
    }
}
