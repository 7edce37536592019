//! Text that somebody else chose, no longer than it should be: [`bounded`].

use std::borrow::Cow;

/// The text, or its beginning with a word on how long it was. Of `most` bytes and some 20 more.
pub fn bounded(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let beginning = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
    Cow::Owned(format!("{beginning}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_at_a_character() {
        assert_eq!(bounded("short", 5), "short");
        assert_eq!(bounded("shorts", 5), "short… (6 bytes)");
        assert_eq!(bounded("ääää", 5), "ää… (8 bytes)");
    }
}
