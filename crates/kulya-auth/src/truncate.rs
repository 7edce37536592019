//! Truncation of client-supplied text in logs: [`truncate`].

use std::borrow::Cow;

/// Returns the text, or its first `max_bytes` bytes followed by its length. The result has at most some 20
/// bytes more.
pub fn truncate(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let start = text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default();
    Cow::Owned(format!("{start}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_truncated_at_a_character() {
        assert_eq!(truncate("short", 5), "short");
        assert_eq!(truncate("shorts", 5), "short… (6 bytes)");
        assert_eq!(truncate("ääää", 5), "ää… (8 bytes)");
    }
}
