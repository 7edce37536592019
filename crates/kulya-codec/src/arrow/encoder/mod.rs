//! Encoders of rows as events, and the header around them.

mod change;
mod header;
mod json;
mod number_text;
mod time_text;
mod values;

pub use change::{ChangeForm, JsonChangeEncoder};
pub use header::HeaderEncoder;
pub(super) use json::only_inserted;
pub use json::{JsonEncoder, JsonOptions};
pub(super) use number_text::decimal_text;
pub(super) use time_text::{date_text, time_text, timestamp_text};
pub(super) use values::{Member, Values, range};

use crate::CodecError;

/// The error of a row that cannot be written.
pub(super) fn unwritable(format: &str, reason: impl std::fmt::Display) -> CodecError {
    CodecError::Payload { type_name: format!("{format} row"), reason: reason.to_string() }
}
