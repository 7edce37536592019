//! Records of events that a stream cannot take.

use crate::Record;
use kulya_store::framing::MAX_EVENT_BYTES;
use serde_json::json;

/// The number of bytes of a key that the record quotes.
const MAX_KEY_BYTES: usize = 64 << 10;

/// Returns the record for the dead-letter topic of a capture, in place of an event of `bytes` bytes.
pub(super) fn record(name: &str, event: &Record, bytes: usize) -> Record {
    let value = json!({
        "topic": event.topic,
        "table": event.table.as_ref().map(|schema| schema.qualified_name()),
        "key": event.key.as_ref().filter(|key| key.len() <= MAX_KEY_BYTES),
        "bytes": bytes,
        "reason": format!("the event has {bytes} bytes, a stream's maximum is {MAX_EVENT_BYTES}"),
    });
    Record {
        topic: format!("{name}.dead-letter"),
        table: None,
        key: None,
        value: Some(value.to_string()),
        headers: Vec::new(),
    }
}
