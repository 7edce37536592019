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

/// Returns the record of an event whose table has a schema that the registry refuses.
pub(super) fn of_refused_schema(
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
        "reason": format!("the registry refuses the table's schema: {reason}"),
    });
    value.to_string()
}
