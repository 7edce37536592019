//! The events of a batch as the store takes them: encoded, each with its stream and its routing key.

use super::encoder::EncodedBatch;
use super::streams::Route;
use crate::batch::{Destination, Entry};
use bytes::Bytes;
use kulya_store::Append;
use kulya_store::framing::MAX_EVENT_BYTES;
use std::sync::Arc;

/// The events of a batch.
pub(super) struct Encoded {
    /// In the order of the batch.
    pub(super) appends: Vec<Append>,
    /// Those that go to the dead-letter stream, in the order of the batch.
    pub(super) refused: Vec<Refused>,
}

/// An event that no stream takes.
pub(super) struct Refused {
    pub(super) entry: Entry,
    pub(super) why: Refusal,
}

/// Why no stream takes an event.
pub(super) enum Refusal {
    /// It has this size in bytes.
    TooLarge(usize),
    /// It has no form in the encoding.
    NotEncodable(String),
    /// The registry refuses the table's schema.
    OfSchema(Arc<str>),
}

/// Encodes the events of a batch whose bytes are given, each by the route of its destination.
pub(super) fn encode(
    entries: Vec<Entry>,
    destinations: &[Arc<Destination>],
    routes: &[Route],
    bytes: &Bytes,
) -> Encoded {
    let encoders: Vec<_> = routes.iter().map(Route::encoder).collect();
    let encoded = EncodedBatch::new(&entries, &encoders, bytes);
    let (mut appends, mut refused) = (Vec::with_capacity(entries.len()), Vec::new());
    for (index, entry) in entries.into_iter().enumerate() {
        let (Some(event), Some(value)) = (encoded.event(index), entry.parts.value) else { continue };
        // an entry's destination is one of the batch
        let (destination, route) = (&destinations[entry.destination], &routes[entry.destination]);
        let size = event.as_ref().map_or(value.length(), Bytes::len);
        let why = match (route, event) {
            _ if size > MAX_EVENT_BYTES => Refusal::TooLarge(size),
            (Route::Stream(stream, _), Ok(event)) => {
                let routing_key = routing_key(destination, &entry, bytes);
                appends.push(Append::keyed(stream, routing_key, event));
                continue;
            }
            (Route::Unused, _) => continue,
            (Route::Stream(..), Err(reason)) => Refusal::NotEncodable(reason.to_string()),
            (Route::DeadLetters { reason, .. }, _) => Refusal::OfSchema(Arc::clone(reason)),
        };
        refused.push(Refused { entry, why });
    }
    Encoded { appends, refused }
}

/// Returns the key by which events keep their order: that of the row, or the topic for all events of a table
/// without a key.
fn routing_key(destination: &Destination, entry: &Entry, bytes: &Bytes) -> String {
    match entry.parts.routing_key {
        // the check of a whole text is much faster than that of its pieces, which replaces bytes
        Some(key) => String::from_utf8(key.of(bytes).to_vec())
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        None => destination.topic.clone(),
    }
}
