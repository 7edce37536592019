//! Decoders of payloads, one for each format, and what makes decoders of events of them: [`RegistryDecoder`]
//! for events with the five-byte header, whose writer's schema and codec the registry knows, and
//! [`PlainDecoder`] for events that are payloads of one schema.

mod plain;
mod registry;

pub use plain::PlainDecoder;
pub use registry::RegistryDecoder;

use super::{DecodedBatch, RowKind};
use crate::CodecResult;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use kulya_schema::EncodingInfo;

/// Decodes payloads of one format to rows.
pub trait PayloadDecoder: Send {
    /// Returns the schema of the batches.
    fn schema(&self) -> SchemaRef;

    /// Decodes a payload that was written with the schema of `encoding`, without its codec. Returns the
    /// number of rows that it added.
    ///
    /// # Errors
    /// `Schema` when the writer's schema cannot be read as these rows; `Payload` when the payload does not
    /// match it. Neither leaves a row.
    fn decode(&mut self, payload: &[u8], encoding: &EncodingInfo) -> CodecResult<usize>;

    /// Returns whether the rows must be flushed before the next payload.
    fn is_full(&self) -> bool;

    /// Returns the rows since the last call; `None` if there are none.
    ///
    /// # Errors
    /// `Schema` when the rows cannot be converted to a batch.
    fn flush(&mut self) -> CodecResult<Option<PayloadRows>>;
}

/// A batch of rows from payloads.
#[derive(Debug)]
pub struct PayloadRows {
    /// The rows.
    pub rows: RecordBatch,
    /// Their kinds; `None` if all are inserted.
    pub kinds: Option<Vec<RowKind>>,
    /// Whether the table was truncated: no row of the batches before this one is left.
    pub clears: bool,
}

impl<P: PayloadDecoder + ?Sized> PayloadDecoder for Box<P> {
    fn schema(&self) -> SchemaRef {
        (**self).schema()
    }

    fn decode(&mut self, payload: &[u8], encoding: &EncodingInfo) -> CodecResult<usize> {
        (**self).decode(payload, encoding)
    }

    fn is_full(&self) -> bool {
        (**self).is_full()
    }

    fn flush(&mut self) -> CodecResult<Option<PayloadRows>> {
        (**self).flush()
    }
}

/// The numbers of the rows' events, if the caller wants them.
#[derive(Default)]
struct EventNumbers(Option<Vec<u64>>);

impl EventNumbers {
    fn extend(&mut self, number: u64, rows: usize) {
        if let Some(numbers) = &mut self.0 {
            numbers.extend(std::iter::repeat_n(number, rows));
        }
    }

    fn flush<P: PayloadDecoder>(&mut self, payloads: &mut P) -> CodecResult<Option<DecodedBatch>> {
        let mut events = self.0.as_mut().map(std::mem::take);
        let Some(PayloadRows { rows, kinds, clears }) = payloads.flush()? else { return Ok(None) };
        if let Some(events) = &mut events {
            // those of rows that a truncate has removed are first
            events.drain(..events.len().saturating_sub(rows.num_rows()));
        }
        Ok(Some(DecodedBatch { rows, kinds, events, clears }))
    }
}
