//! Values that cannot be converted.

use crate::dialect::TypeKind;
use crate::{SqlError, SqlErrorKind};
use datafusion::common::Result;

/// What becomes of a value that cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Error,
    Null,
}

impl Failure {
    /// Returns null, or the error about a value.
    pub(super) fn value<T>(self, value: impl std::fmt::Display, wanted: &TypeKind) -> Result<Option<T>> {
        match self {
            Self::Null => Ok(None),
            Self::Error => {
                let what =
                    format!("'{value:.60}' cannot be converted to {wanted}: use TRY_CAST for null instead");
                Err(SqlError::new(SqlErrorKind::InvalidValue, what).into())
            }
        }
    }
}
