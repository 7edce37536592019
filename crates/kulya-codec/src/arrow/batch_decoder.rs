//! The contract of decoders of events to record batches. Decoders work on chunks of events, as a segment is
//! read, so that formats with a batch decoder of their own pass many events in one call.

use crate::{CodecError, CodecResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;

/// Decodes events to batches of one schema. An event may give no row, one, or many.
#[async_trait]
pub trait BatchDecoder: Send {
    /// Returns the schema of the batches.
    fn schema(&self) -> SchemaRef;

    /// Resolves what these events need from outside: the encodings of their headers. Called before
    /// [`decode`](Self::decode) with the same events or more; an event that needs what cannot be resolved
    /// fails there.
    ///
    /// # Errors
    /// `Registry` when the registry is unavailable. That an encoding does not exist is the event's error.
    async fn prepare(&mut self, events: &[&[u8]]) -> CodecResult<()> {
        let _ = events;
        Ok(())
    }

    /// Decodes events from the first on, until all are decoded, the batch is full, or one fails. `number` is
    /// the caller's number of the first event; the next ones follow it. A failed event leaves no row.
    fn decode(&mut self, events: &[&[u8]], number: u64) -> Decoded;

    /// Returns the rows since the last call as a batch; `None` if there are none.
    ///
    /// # Errors
    /// `Schema` when the rows cannot be converted to a batch.
    fn flush(&mut self) -> CodecResult<Option<DecodedBatch>>;
}

/// What a call of [`BatchDecoder::decode`] has done.
#[derive(Debug)]
pub struct Decoded {
    /// The number of events that were decoded. Fewer than given, and no error: the batch is full, and must be
    /// flushed before the rest is decoded.
    pub count: usize,
    /// The error of the event after them. The caller goes on after that event, or gives up.
    pub failed: Option<CodecError>,
}

impl Decoded {
    /// Decodes events one by one, as [`BatchDecoder::decode`] does: until all are decoded, the decoder
    /// `is_full`, or one fails.
    pub(super) fn one_by_one<D>(
        decoder: &mut D,
        (events, number): (&[&[u8]], u64),
        is_full: impl Fn(&D) -> bool,
        mut decode: impl FnMut(&mut D, &[u8], u64) -> CodecResult<()>,
    ) -> Self {
        for (count, event) in events.iter().enumerate() {
            if is_full(decoder) {
                return Self { count, failed: None };
            }
            if let Err(error) = decode(decoder, event, number + count as u64) {
                return Self { count, failed: Some(error) };
            }
        }
        Self { count: events.len(), failed: None }
    }
}

/// A batch of decoded rows.
#[derive(Debug)]
pub struct DecodedBatch {
    /// The rows.
    pub rows: RecordBatch,
    /// The kinds of the rows; `None` if all are inserted.
    pub kinds: Option<Vec<RowKind>>,
    /// The numbers of the rows' events; `None` unless the decoder was asked for them.
    pub events: Option<Vec<u64>>,
    /// Whether the table was truncated: no row of the batches before this one is left.
    pub clears: bool,
}

/// What a row of a change log says, with Flink's short names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// `+I`: a row was inserted.
    Insert,
    /// `-U`: a row as it was before an update.
    UpdateBefore,
    /// `+U`: a row as it is after an update.
    UpdateAfter,
    /// `-D`: a row was deleted.
    Delete,
}

impl RowKind {
    /// Returns Flink's short name.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }

    /// Returns whether the row is there after the change.
    pub fn is_addition(self) -> bool {
        matches!(self, Self::Insert | Self::UpdateAfter)
    }
}

/// Encodes rows as events.
pub trait BatchEncoder: Send {
    /// Returns an event for each row, in their order. `kinds` are those of the rows; `None` if all are
    /// inserted.
    ///
    /// # Errors
    /// `Payload` when a row cannot be written in this format: the text names the column.
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>>;
}
