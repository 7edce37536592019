//! The events of a capture, in Debezium's JSON, whatever form they are stored in.

use super::context::ScanContext;
use super::dead_letters::DeadLetter;
use super::source::SourcePart;
use crate::SqlResult;
use kulya_codec::arrow::ChangeEvents;
use kulya_store::FramedChunk;
use std::sync::Arc;

/// The form of a capture's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventForm {
    /// JSON.
    Json,
    /// JSON or Avro behind a header, by whose encoding id the registry has the schema.
    WithHeader,
}

/// Passes events on in their order.
pub(super) struct CaptureEvents {
    context: ScanContext,
    form: EventForm,
    events: ChangeEvents,
    /// Events that cannot be applied, and are to be written.
    letters: Vec<DeadLetter>,
}

impl CaptureEvents {
    pub(super) fn new(context: &ScanContext, form: EventForm) -> Self {
        let events = ChangeEvents::new(Arc::clone(&context.registry), context.group.clone());
        let events = events.codecs(context.codecs.clone());
        Self { context: context.clone(), form, events, letters: Vec::new() }
    }

    /// Passes each event of a chunk on to `apply`, which says why it cannot be applied.
    ///
    /// # Errors
    /// Of events that cannot be decoded or applied, by the policy of the table, and those of the registry.
    pub(super) async fn each(
        &mut self,
        part: &dyn SourcePart,
        chunk: &FramedChunk,
        mut apply: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> SqlResult<()> {
        for (offset, event) in chunk.offsets().zip(chunk.payloads()) {
            let place = (offset, event);
            let applied = match self.form {
                EventForm::Json => apply(event),
                EventForm::WithHeader => match self.events.json(event).await {
                    Ok(event) => apply(event),
                    Err(error) => {
                        self.context.on_codec_error(part, place, error, &mut self.letters)?;
                        continue;
                    }
                },
            };
            if let Err(cause) = applied {
                self.context.on_invalid_event(part, place, &cause, &mut self.letters)?;
            }
        }
        self.context.write(&mut self.letters).await
    }
}
