//! MySQL's binary JSON to its text, as `SELECT` prints a JSON column.
//!
//! A document is a byte of type and a value. Objects and arrays have a table of entries whose offsets point
//! to longer values behind it. Offsets of a damaged document may point anywhere, also several times to the
//! same bytes; therefore depth is bounded, and the values together may not be longer than the document.

mod number;
mod opaque;
mod writer;

use crate::mysql::binlog::error::BinlogError;
use writer::Writer;

pub use writer::MAX_JSON_DEPTH;

/// A JSON document in MySQL's binary form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonDocument<'a>(&'a [u8]);

impl<'a> JsonDocument<'a> {
    pub(in crate::mysql::binlog::value) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Writes the text. It is at most about six times as long as the document, or 30 characters for each
    /// value.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] for a document that is damaged or nested deeper than [`MAX_JSON_DEPTH`];
    /// then a part of the text may be written.
    pub fn write_text(&self, text: &mut String) -> Result<(), BinlogError> {
        Writer::new(self.0, text).document(self.0)
    }
}
