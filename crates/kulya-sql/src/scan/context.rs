//! What the scans of a table share: the registry group of its events, and what becomes of events that cannot
//! be decoded.

use super::dead_letters::{DeadLetter, DeadLetterStream};
use super::decode_errors::{DecodeErrorPolicy, SkippedEvents};
use super::source::SourcePart;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_codec::CodecError;
use kulya_codec::codec::Codecs;
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::GroupId;
use std::sync::Arc;

/// What the scans of a table share.
#[derive(Clone)]
pub(crate) struct ScanContext {
    pub(crate) registry: Arc<dyn SchemaRegistry>,
    pub(crate) codecs: Codecs,
    /// The registry group of the events' schemas.
    pub(crate) group: GroupId,
    pub(crate) policy: DecodeErrorPolicy,
    /// Where events that cannot be decoded are written, if the policy says so.
    pub(crate) dead_letters: Option<DeadLetterStream>,
    pub(crate) skipped: SkippedEvents,
}

impl ScanContext {
    /// Skips and counts an event that cannot be decoded, or returns its error, by the policy. Errors that are
    /// not the event's fault, as of an unavailable registry, are returned whatever the policy. `letters` gets
    /// what is to be [written](Self::write).
    pub(super) fn on_codec_error(
        &self,
        part: &dyn SourcePart,
        event: (u64, &[u8]),
        error: CodecError,
        letters: &mut Vec<DeadLetter>,
    ) -> SqlResult<()> {
        let is_event_fault = match &error {
            CodecError::Registry(error) => error.kind() == RegistryErrorKind::NotFound,
            CodecError::Key(_) => false,
            _ => true,
        };
        if !is_event_fault {
            return Err(decode_error(part, event, &error).because(error));
        }
        self.on_invalid_event(part, event, &error.to_string(), letters)
    }

    /// Skips and counts an event that cannot be applied, or returns its error, by the policy.
    pub(super) fn on_invalid_event(
        &self,
        part: &dyn SourcePart,
        event: (u64, &[u8]),
        cause: &str,
        letters: &mut Vec<DeadLetter>,
    ) -> SqlResult<()> {
        self.skipped.handle(&self.policy, decode_error(part, event, &cause))?;
        if self.dead_letters.is_some() {
            let (offset, event) = event;
            let pointer = part.pointer(offset, event);
            letters.push(DeadLetter { pointer, error: cause.to_owned(), event: event.to_vec() });
        }
        Ok(())
    }

    /// Writes events that cannot be decoded.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn write(&self, letters: &mut Vec<DeadLetter>) -> SqlResult<()> {
        match &self.dead_letters {
            Some(stream) if !letters.is_empty() => stream.write(std::mem::take(letters)).await,
            _ => Ok(()),
        }
    }
}

fn decode_error(
    part: &dyn SourcePart,
    (offset, event): (u64, &[u8]),
    cause: &dyn std::fmt::Display,
) -> SqlError {
    let (pointer, stream) = (part.pointer(offset, event), &part.segment().stream);
    let what = format!("event {pointer} of stream {stream} cannot be decoded: {cause}");
    SqlError::new(SqlErrorKind::UndecodableEvent, what)
}
