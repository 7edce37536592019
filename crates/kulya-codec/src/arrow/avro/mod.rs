//! Avro events as record batches: one decoder for each writer's schema, all with the columns of one reader
//! schema.

mod encoder;
mod flat_decoder;
mod payloads;
mod reader_schema;
#[cfg(test)]
mod tests;
mod writer_decoder;

pub use encoder::{AvroChangeEncoder, AvroEncoder};
pub use payloads::AvroPayloads;

use super::payload::RegistryDecoder;
use super::{BatchDecoder, Decoded, DecodedBatch};
use crate::codec::Codecs;
use crate::{CodecResult, SchemaRegistry};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use kulya_schema::{GroupId, SchemaInfo};
use std::sync::Arc;

/// Decodes the events of one Avro group to record batches: [`AvroPayloads`] under the five-byte header.
pub struct AvroBatchDecoder {
    events: RegistryDecoder<AvroPayloads>,
    completed: Vec<RecordBatch>,
}

impl AvroBatchDecoder {
    /// Creates a decoder of the events of `group`, resolved to the schema `reader`, with the columns of
    /// `projection` if it is given.
    ///
    /// # Errors
    /// `Schema` when the schema is not Avro, or its root is not a record.
    pub fn new(
        registry: impl Into<Arc<dyn SchemaRegistry>>,
        group: GroupId,
        reader: &SchemaInfo,
        projection: Option<Vec<usize>>,
    ) -> CodecResult<Self> {
        let payloads = AvroPayloads::new(reader, projection)?;
        Ok(Self { events: RegistryDecoder::new(registry, group, payloads), completed: Vec::new() })
    }

    /// Sets the codecs. The default is all codecs without encryption.
    #[must_use]
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.events = self.events.codecs(codecs);
        self
    }

    /// Returns the schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        self.events.schema()
    }

    /// Decodes an event. After an error the decoder continues without the event.
    ///
    /// # Errors
    /// `Header` for bytes that are not an event; `Registry` when the encoding id cannot be resolved; `Codec`
    /// or `Key` when the payload cannot be decompressed or decrypted; `Schema` when the writer's schema
    /// cannot be resolved to the reader's; `Payload` when the payload does not match the schema.
    pub async fn push(&mut self, event: &[u8]) -> CodecResult<()> {
        let events = [Bytes::copy_from_slice(event)];
        self.events.prepare(&events).await?;
        loop {
            match self.events.decode(&events, 0) {
                Decoded { failed: Some(error), .. } => return Err(error),
                Decoded { count: 0, .. } => self.complete()?,
                _ => return Ok(()),
            }
        }
    }

    /// Takes the completed batches; with `all`, also the rows of the incomplete one.
    ///
    /// # Errors
    /// `Schema` when the rows cannot be converted to a batch.
    pub fn take(&mut self, all: bool) -> CodecResult<Vec<RecordBatch>> {
        if all {
            self.complete()?;
        }
        Ok(std::mem::take(&mut self.completed))
    }

    fn complete(&mut self) -> CodecResult<()> {
        self.completed.extend(self.events.flush()?.map(|batch| batch.rows));
        Ok(())
    }
}

#[async_trait]
impl BatchDecoder for AvroBatchDecoder {
    fn schema(&self) -> SchemaRef {
        self.events.schema()
    }

    async fn prepare(&mut self, events: &[Bytes]) -> CodecResult<()> {
        self.events.prepare(events).await
    }

    fn decode(&mut self, events: &[Bytes], number: u64) -> Decoded {
        self.events.decode(events, number)
    }

    fn flush(&mut self) -> CodecResult<Option<DecodedBatch>> {
        self.events.flush()
    }
}
