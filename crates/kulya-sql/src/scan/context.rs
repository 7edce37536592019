//! What the scans of a table share: the registry group of its events, and what becomes of events that cannot
//! be decoded.

use super::decode_errors::{DecodeErrorPolicy, SkippedEvents};
use super::source::SourcePart;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_codec::CodecError;
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::GroupId;
use std::sync::Arc;

/// What the scans of a table share.
#[derive(Clone)]
pub(crate) struct ScanContext {
    pub(crate) registry: Arc<dyn SchemaRegistry>,
    /// The registry group of the events' schemas.
    pub(crate) group: GroupId,
    pub(crate) policy: DecodeErrorPolicy,
    pub(crate) skipped: SkippedEvents,
}

impl ScanContext {
    /// Skips and counts an event that cannot be decoded, or returns its error, by the policy. Errors that are
    /// not the event's fault, as of an unavailable registry, are returned whatever the policy.
    pub(super) fn on_codec_error(
        &self,
        part: &dyn SourcePart,
        (offset, event): (u64, &[u8]),
        error: CodecError,
    ) -> SqlResult<()> {
        let is_event_fault = match &error {
            CodecError::Registry(error) => error.kind() == RegistryErrorKind::NotFound,
            CodecError::Key(_) => false,
            _ => true,
        };
        let found = decode_error(part, (offset, event), &error).because(error);
        if is_event_fault { self.skipped.handle(self.policy, found) } else { Err(found) }
    }

    /// Skips and counts an event that cannot be applied, or returns its error, by the policy.
    pub(super) fn on_invalid_event(
        &self,
        part: &dyn SourcePart,
        event: (u64, &[u8]),
        cause: &str,
    ) -> SqlResult<()> {
        self.skipped.handle(self.policy, decode_error(part, event, &cause))
    }
}

fn decode_error(
    part: &dyn SourcePart,
    (offset, event): (u64, &[u8]),
    cause: &dyn std::fmt::Display,
) -> SqlError {
    SqlError::new(
        SqlErrorKind::UndecodableEvent,
        format!("{} cannot be decoded: {cause}", part.event_name(offset, event)),
    )
}
