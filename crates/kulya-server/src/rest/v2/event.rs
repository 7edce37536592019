//! An event as JSON: its pointer, its place, and its bytes as text where they are text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_store::{EventPointer, hex};
use serde_json::{Value, json};

pub(crate) fn shown(pointer: &EventPointer, event: &[u8]) -> Value {
    let mut shown = json!({
        "pointer": hex::encode(&pointer.to_bytes()),
        "segment": pointer.segment.to_string(),
        "offset": pointer.offset,
    });
    match std::str::from_utf8(event) {
        Ok(text) => shown["text"] = json!(text),
        Err(_) => shown["base64"] = json!(STANDARD.encode(event)),
    }
    shown
}
