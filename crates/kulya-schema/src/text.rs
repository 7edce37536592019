//! Truncation of texts and values for errors and reasons: a schema may contain megabytes.

use serde_json::Value;
use std::borrow::Cow;

const MAX_TEXT_CHARS: usize = 200;
const MAX_JSON_CHARS: usize = 60;

/// Truncates a text to 200 characters.
pub(crate) fn truncated(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        None => text.into(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
    }
}

/// Formats a value, truncated to 60 characters.
pub(crate) fn truncated_json(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= MAX_JSON_CHARS {
        return text;
    }
    let start: String = text.chars().take(MAX_JSON_CHARS).collect();
    format!("{start}…")
}
