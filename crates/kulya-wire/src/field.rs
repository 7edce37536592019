//! Required fields of messages.

use kulya_store::{Error, Result};

/// Returns a required field of a message; `what` names it in the error.
///
/// # Errors
/// `InvalidInput` when the field is absent.
pub(crate) fn required<T>(field: Option<T>, what: &str) -> Result<T> {
    field.ok_or_else(|| Error::invalid(format!("the message has no {what}")))
}
