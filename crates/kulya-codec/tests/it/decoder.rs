//! A decoder of events with a header that is given one event at a time.
#![cfg(feature = "arrow")]

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use kulya_codec::CodecResult;
use kulya_codec::arrow::{BatchDecoder, Decoded, PayloadDecoder, RegistryDecoder};
use kulya_registry_api::SchemaRegistry;
use kulya_schema::GroupId;
use std::sync::Arc;

pub(crate) struct Batches<P> {
    events: RegistryDecoder<P>,
    completed: Vec<RecordBatch>,
}

impl<P: PayloadDecoder> Batches<P> {
    pub(crate) fn new(registry: Arc<dyn SchemaRegistry>, group: GroupId, payloads: P) -> Self {
        Self { events: RegistryDecoder::new(registry, group, payloads), completed: Vec::new() }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        self.events.schema()
    }

    /// Decodes an event. After an error the decoder continues without the event.
    pub(crate) async fn push(&mut self, event: &[u8]) -> CodecResult<()> {
        let events = [event];
        self.events.prepare(&events).await?;
        loop {
            match self.events.decode(&events, 0) {
                Decoded { failed: Some(error), .. } => return Err(error),
                Decoded { count: 0, .. } => self.complete(),
                _ => return Ok(()),
            }
        }
    }

    /// Takes all rows.
    pub(crate) fn take(&mut self) -> Vec<RecordBatch> {
        self.complete();
        std::mem::take(&mut self.completed)
    }

    fn complete(&mut self) {
        self.completed.extend(self.events.flush().unwrap().map(|batch| batch.rows));
    }
}
