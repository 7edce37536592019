//! Large results: the rows of a statement one by one, as the server sends them. A row's cells are bytes of
//! its packet, so the memory used is that of the longest row.

use super::channel::{Channel, MessageLimit, Received};
use super::error::ConnectionError;
use super::packet::Piece;
use super::query::{self, Budget, MAX_RESULT_BYTES};
use super::row_cutter::RowCutter;
use super::server_error::{ERROR_MARKER, Phase};
use super::text_row::{TextRow, split};

/// Default limit of a row, in bytes.
pub const DEFAULT_MAX_ROW_BYTES: usize = 256 << 20;

/// Sends a statement and receives the names of its columns.
pub(super) async fn start<'c>(channel: &'c mut Channel, sql: &str) -> Result<RowStream<'c>, ConnectionError> {
    let columns = query::begin(channel, sql, &mut Budget(MAX_RESULT_BYTES)).await?;
    let is_ended = columns.is_none();
    let columns = columns.unwrap_or_default();
    let max_row_bytes = DEFAULT_MAX_ROW_BYTES;
    let row = TextRow::default();
    Ok(RowStream { channel, columns, row, max_row_bytes, cuts_long_rows: false, is_ended })
}

/// The rows of a result, in order. Dropping the stream before its end closes the connection.
pub struct RowStream<'c> {
    channel: &'c mut Channel,
    columns: Vec<String>,
    /// The present row, whose memory is used again.
    row: TextRow,
    max_row_bytes: usize,
    /// Whether only the short cells of long rows are kept.
    cuts_long_rows: bool,
    is_ended: bool,
}

/// The size up to which the rows of a stream that cuts long ones are read as a whole, in bytes. It is less
/// than that of a packet, so that a row's first packet tells which it is.
pub(crate) const MAX_WHOLE_ROW_BYTES: usize = 12 << 20;

impl RowStream<'_> {
    /// Keeps only the short cells of rows of more than 12 MiB: they are cut ([`TextRow::cut_from`]), whatever
    /// their size, instead of being limited.
    #[must_use]
    pub(crate) fn cutting_long_rows(mut self) -> Self {
        self.cuts_long_rows = true;
        self
    }

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
        let is_long = |piece: &Piece| self.cuts_long_rows && piece.packet_bytes > MAX_WHOLE_ROW_BYTES;
        row.packet = match self.channel.receive_or_begin(limit, |_| None, is_long).await? {
            Received::Message(packet) => packet,
            Received::Begun(piece) => {
                self.cut(piece, row).await?;
                return Ok(true);
            }
        };
        row.left.clear();
        row.cut_from = None;
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

    /// Returns the size in bytes of what follows the last row, another row or an error, of which it counts at
    /// most 16 MiB; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// `Timeout` or `Lost` for the network.
    pub(crate) async fn following(&mut self) -> Result<Option<usize>, ConnectionError> {
        if self.is_ended {
            return Ok(None);
        }
        let (length, first) = self.channel.peek().await?;
        Ok((!query::begins_end(first, length)).then_some(length))
    }

    /// Reads a row that begins with a piece, and keeps its short cells. Not cancel-safe.
    async fn cut(&mut self, first: Piece, row: &mut TextRow) -> Result<(), ConnectionError> {
        let mut cutter = RowCutter::new(self.columns.len());
        let mut piece = first;
        loop {
            let is_row = cutter.add(&piece.bytes);
            is_row.ok_or_else(|| self.channel.endpoint.malformed("an invalid row"))?;
            if piece.is_last {
                break;
            }
            piece = self.channel.receive_piece().await?;
        }
        let cut = cutter.finish();
        *row = cut.ok_or_else(|| self.channel.endpoint.malformed("an invalid row"))?;
        Ok(())
    }
}

impl Drop for RowStream<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.channel.close();
        }
    }
}
