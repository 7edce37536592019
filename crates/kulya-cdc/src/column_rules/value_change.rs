//! A change of a column's values, applied to the JSON that was just written.

use super::hash::TextHash;
use super::text::{contents, truncate_base64, truncate_text};
use crate::ColumnDescription;
use crate::debezium::json::write;
use std::borrow::Cow;

/// A change of a column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValueChange {
    /// Every value, NULL included, is this JSON.
    Mask(Vec<u8>),
    /// A text is its hash.
    Hash(HashedText),
    /// A text has at most this number of characters.
    TruncateText(usize),
    /// Bytes in base64 are at most this number.
    TruncateBytes(usize),
}

/// The hash of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashedText(pub(super) TextHash);

impl ValueChange {
    /// Creates the mask of a number of asterisks.
    pub(super) fn mask(length: u32) -> Self {
        let mut json = Vec::new();
        write(&mut json, &"*".repeat(usize::try_from(length).unwrap_or(0)));
        Self::Mask(json)
    }

    /// Creates a limit of the length of a column's values; `None` for columns without a length.
    pub(super) fn truncate(length: u32, description: &ColumnDescription) -> Option<Self> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match (&*description.connect_type, &description.connect_name) {
            ("string", _) => Some(Self::TruncateText(length)),
            // decimals and bits are bytes in JSON alone
            ("bytes", None) => Some(Self::TruncateBytes(length)),
            _ => None,
        }
    }

    /// Returns the JSON that every value of the column is, if there is one.
    pub(crate) fn constant(&self) -> Option<&[u8]> {
        match self {
            Self::Mask(json) => Some(json),
            _ => None,
        }
    }

    /// Changes the JSON of a value that begins at `start`; null stays null unless it is masked.
    pub(crate) fn apply(&self, out: &mut Vec<u8>, start: usize) {
        match self {
            Self::Mask(json) => {
                out.truncate(start);
                out.extend_from_slice(json);
            }
            Self::Hash(HashedText(hash)) => {
                let Some(text) = contents(out, start).and_then(unescaped) else { return };
                let mut digits = Vec::with_capacity(128);
                hash.write(&text, &mut digits);
                drop(text);
                out.truncate(start + 1);
                out.extend_from_slice(&digits);
                out.push(b'"');
            }
            Self::TruncateText(max) => truncate_text(out, start, *max),
            Self::TruncateBytes(max) => truncate_base64(out, start, *max),
        }
    }
}

/// Returns the text that stands between the quotation marks of JSON.
fn unescaped(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.contains(&b'\\') {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice(&quoted).ok().map(Cow::Owned)
}
