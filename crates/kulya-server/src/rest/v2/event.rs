//! An event as JSON: its pointer, its place, and its bytes as text where they are text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kulya_store::EventPointer;
use serde_json::{Value, json};

pub(crate) fn shown(pointer: &EventPointer, event: &[u8]) -> Value {
    let mut shown = json!({
        "pointer": hex(&pointer.to_bytes()),
        "segment": pointer.segment.to_string(),
        "offset": pointer.offset,
    });
    match std::str::from_utf8(event) {
        Ok(text) => shown["text"] = json!(text),
        Err(_) => shown["base64"] = json!(STANDARD.encode(event)),
    }
    shown
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}
