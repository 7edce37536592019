//! Large results: the rows of a statement one by one, as the server sends them. A row's cells are bytes of its
//! packet, so the memory used is that of the longest row.

use super::channel::{Channel, MessageLimit};
use super::error::ConnectionError;
use super::field;
use super::query::{self, Budget, MAX_RESULT_BYTES, NULL_MARKER};
use super::server_error::{ERROR_MARKER, Phase};
use bytes::Bytes;
use std::ops::Range;

/// Default limit of a row, in bytes.
pub const DEFAULT_MAX_ROW_BYTES: usize = 256 << 20;

/// Sends a statement and receives the names of its columns.
pub(super) async fn start<'c>(channel: &'c mut Channel, sql: &str) -> Result<RowStream<'c>, ConnectionError> {
    let columns = query::begin(channel, sql, &mut Budget(MAX_RESULT_BYTES)).await?;
    let is_ended = columns.is_none();
    let columns = columns.unwrap_or_default();
    let max_row_bytes = DEFAULT_MAX_ROW_BYTES;
    Ok(RowStream { channel, columns, row: TextRow::default(), max_row_bytes, is_ended })
}

/// The rows of a result, in order. Dropping the stream before its end closes the connection.
pub struct RowStream<'c> {
    channel: &'c mut Channel,
    columns: Vec<String>,
    /// The present row, whose memory is used again.
    row: TextRow,
    max_row_bytes: usize,
    is_ended: bool,
}

impl RowStream<'_> {
    /// Sets the limit of a row, in bytes; [`DEFAULT_MAX_ROW_BYTES`] if not set.
    #[must_use]
    pub fn with_max_row_bytes(mut self, limit: usize) -> Self {
        self.max_row_bytes = limit;
        self
    }

    /// Returns the names of the columns; empty for a statement without a result.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the next row; `None` after the last one. Cancel-safe: no byte is lost.
    ///
    /// # Errors
    /// As [`Self::next_into`].
    pub async fn next_row(&mut self) -> Result<Option<&TextRow>, ConnectionError> {
        let mut row = std::mem::take(&mut self.row);
        let is_row = self.next_into(&mut row).await?;
        self.row = row;
        Ok(is_row.then_some(&self.row))
    }

    /// Reads the next row into `row`, whose memory is used again; false after the last one. Cancel-safe.
    ///
    /// # Errors
    /// `Server` for the server's error, after which the connection can be used again; `Timeout` or `Lost` for
    /// the network, `TooLong` beyond the limit, `Malformed` for bytes that are no row: then it cannot.
    pub async fn next_into(&mut self, row: &mut TextRow) -> Result<bool, ConnectionError> {
        if self.is_ended {
            return Ok(false);
        }
        let limit = MessageLimit {
            bytes: self.max_row_bytes,
            what: "a row",
            advice: "raise the limit of a row's size in the settings, or leave out the column",
        };
        row.packet = self.channel.receive_message(limit, |_| None).await?;
        if row.packet.first() == Some(&ERROR_MARKER) {
            self.is_ended = true;
            return Err(self.channel.decode_error(&row.packet, Phase::Query));
        }
        if query::is_end(&row.packet) {
            self.is_ended = true;
            return Ok(false);
        }
        let is_row = split(&row.packet, self.columns.len(), &mut row.cells);
        is_row.then_some(true).ok_or_else(|| self.channel.endpoint.malformed("an invalid row"))
    }
}

impl Drop for RowStream<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.channel.close();
        }
    }
}

/// A row: the bytes of each cell's text. It keeps the packet that has them, at most 128 KiB with others, or
/// that of a longer row alone.
#[derive(Debug, Clone, Default)]
pub struct TextRow {
    packet: Bytes,
    /// Where the cells are in the packet.
    cells: Vec<Option<Range<usize>>>,
}

impl TextRow {
    /// Returns the number of cells.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether the row has no cell.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns a cell; `None` for NULL, and beyond the last cell.
    pub fn cell(&self, index: usize) -> Option<&[u8]> {
        let range = self.cells.get(index)?.clone()?;
        self.packet.get(range)
    }

    /// Returns a cell's text; `None` for NULL, beyond the last cell, and for bytes that are no UTF-8.
    pub fn text(&self, index: usize) -> Option<&str> {
        std::str::from_utf8(self.cell(index)?).ok()
    }

    /// Returns the cells in order; `None` for NULL.
    pub fn cells(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.cells.iter().map(|cell| self.packet.get(cell.clone()?))
    }
}

/// Finds the cells of a row; false for bytes that are no row of so many columns.
pub(super) fn split(packet: &[u8], columns: usize, cells: &mut Vec<Option<Range<usize>>>) -> bool {
    cells.clear();
    let mut input = packet;
    for _ in 0..columns {
        if input.first() == Some(&NULL_MARKER) {
            input = input.get(1..).unwrap_or_default();
            cells.push(None);
            continue;
        }
        let Some(cell) = field::counted(&mut input) else { return false };
        let end = packet.len() - input.len();
        cells.push(Some(end - cell.len()..end));
    }
    input.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_split_into_cells() {
        let mut cells = Vec::new();
        let packet = b"\x02ab\xfb\0";
        assert!(split(packet, 3, &mut cells));
        let row = TextRow { packet: Bytes::from_static(packet), cells: cells.clone() };
        assert_eq!(row.cells().collect::<Vec<_>>(), [Some(&b"ab"[..]), None, Some(&b""[..])]);
        assert_eq!((row.cell(0), row.cell(1), row.cell(3)), (Some(&b"ab"[..]), None, None));
        for (packet, columns) in [(&b"\x02ab\xfb\0"[..], 2), (b"\x02ab\xfb\0", 4), (b"\x09ab", 1)] {
            assert!(!split(packet, columns, &mut cells), "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300), columns in 0_usize..500) {
            let mut cells = Vec::new();
            if split(&bytes, columns, &mut cells) {
                prop_assert_eq!(cells.len(), columns);
                prop_assert_eq!(TextRow { packet: bytes.into(), cells }.cells().count(), columns);
            }
        }
    }
}
