//! Records of events that a stream cannot take.

use crate::batch::Destination;
use kulya_store::framing::MAX_EVENT_BYTES;
use serde_json::json;

/// The number of bytes of a key that the record quotes.
const MAX_KEY_BYTES: usize = 64 << 10;

/// Returns the record for the dead-letter topic of a capture, in place of an event of `bytes` bytes.
pub(super) fn record(destination: &Destination, key: Option<&[u8]>, bytes: usize) -> String {
    let key = key.filter(|key| key.len() <= MAX_KEY_BYTES).map(String::from_utf8_lossy);
    let value = json!({
        "topic": destination.topic,
        "table": destination.table.as_ref().map(|schema| schema.qualified_name()),
        "key": key,
        "bytes": bytes,
        "reason": format!("the event has {bytes} bytes, a stream's maximum is {MAX_EVENT_BYTES}"),
    });
    value.to_string()
}

/// Returns the record of an event that has no place in its table's stream: the registry refuses the schema,
/// or the event cannot be encoded by it.
pub(super) fn of_refused_event(
    destination: &Destination,
    key: Option<&[u8]>,
    event: &[u8],
    reason: &str,
) -> String {
    let value = json!({
        "topic": destination.topic,
        "table": destination.table.as_ref().map(|schema| schema.qualified_name()),
        "key": key.map(String::from_utf8_lossy),
        "event": String::from_utf8_lossy(event),
        "reason": reason,
    });
    value.to_string()
}
