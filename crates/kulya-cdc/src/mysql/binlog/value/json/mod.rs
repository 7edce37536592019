//! MySQL's binary JSON to its text, as `SELECT` prints a JSON column.
//!
//! A document is a byte of type and a value. Objects and arrays have a table of entries whose offsets point
//! to longer values behind it. Offsets of a damaged document may point anywhere, also several times to the
//! same bytes; therefore depth is bounded, and the values together may not be longer than the document.

mod number;
mod opaque;
mod style;
mod writer;

use crate::mysql::binlog::error::BinlogError;
use style::Style;
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
        Writer::new(self.0, text, Style::Server).document(self.0)
    }

    /// Writes the text as Debezium does: without spaces, numbers without exponents but with all their digits,
    /// dates and times without zeros at the end, other values of SQL without the name of their type. It is at
    /// most about six times as long as the document, or 1100 characters for each value; numbers behind a text that
    /// is longer than an event can be are 0.
    ///
    /// # Errors
    /// Those of [`Self::write_text`].
    pub fn write_compact(&self, text: &mut String) -> Result<(), BinlogError> {
        Writer::new(self.0, text, Style::Compact).document(self.0)
    }

    /// Whether the value is empty, which the server reads as null. Some of its statements leave it behind.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::framing::MAX_EVENT_BYTES;

    /// Returns an array of the smallest number, which has 1074 digits after the point.
    fn smallest_numbers(count: u32) -> Vec<u8> {
        let (head, entry, number) = (8, 5, 8);
        let length = head + count * (entry + number);
        let mut document = vec![0x03];
        document.extend_from_slice(&[count.to_le_bytes(), length.to_le_bytes()].concat());
        for index in 0..count {
            document.push(0x0b);
            document.extend_from_slice(&(head + count * entry + index * number).to_le_bytes());
        }
        document.extend(f64::from_bits(1).to_le_bytes().repeat(count as usize));
        document
    }

    #[test]
    fn numbers_with_many_digits_take_bounded_memory() {
        let compact = |count: u32| {
            let mut text = String::new();
            JsonDocument::new(&smallest_numbers(count)).write_compact(&mut text).unwrap();
            text
        };
        let few = compact(2);
        assert!(few.starts_with("[0.0000") && few.ends_with("5]") && few.len() == 2 * 1076 + 3, "{few}");
        let many = compact(20_000);
        assert!(many.len() > MAX_EVENT_BYTES && many.len() < MAX_EVENT_BYTES + 50_000, "{}", many.len());
        assert!(many.ends_with(",0,0]"));
    }
}
