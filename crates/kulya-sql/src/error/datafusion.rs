//! Errors of DataFusion as errors of SQL, by their variants and not by their texts.

use super::{SqlError, SqlErrorKind};
use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        let error = match innermost(error) {
            DataFusionError::External(own) => match own.downcast::<Self>() {
                Ok(own) => return *own,
                Err(other) => DataFusionError::External(other),
            },
            error => error,
        };
        let root = error.find_root();
        let kind = kind(root);
        let text = match root {
            DataFusionError::External(own) => return Self::new(kind, own.to_string()),
            DataFusionError::ResourcesExhausted(what) => {
                return Self::new(
                    kind,
                    format!(
                        "the query exceeds its memory or spill limit: raise --memory or --spill, or query fewer rows ({})",
                        what.lines().next().unwrap_or_default()
                    ),
                );
            }
            DataFusionError::Execution(_) | DataFusionError::Plan(_) => root.message().into_owned(),
            DataFusionError::ArrowError(error, _) => error.to_string(),
            root => root.strip_backtrace(),
        };
        let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        if line.contains("compound identifier") || line.contains("nsupported object name") {
            return Self::new(kind, line).hint("quote a name with dots in backticks");
        }
        Self::new(kind, line)
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
        _ => SqlErrorKind::Failed,
    }
}

/// Returns the innermost error; DataFusion wraps an error once per layer.
fn innermost(error: DataFusionError) -> DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => innermost(*inner),
        other => other,
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
    use datafusion::common::Column;

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
        ] {
            assert_eq!(SqlError::from(error).kind().sqlstate(), expected);
        }
    }
}
