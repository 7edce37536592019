//! The source of transactions: a server's UUID and, since MySQL 8.3, an optional tag.

use super::error::GtidError;
use std::fmt;
use std::str::FromStr;

/// Longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 32;

/// A server's UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerUuid(pub [u8; 16]);

/// Digits before the dashes of a UUID's text.
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

impl fmt::Display for ServerUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for ServerUuid {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        let invalid = || GtidError::text("a server uuid", text);
        let mut digits = Vec::with_capacity(32);
        let mut groups = text.split('-');
        for length in UUID_GROUPS {
            let group = groups.next().filter(|group| group.len() == length).ok_or_else(invalid)?;
            digits.extend_from_slice(group.as_bytes());
        }
        if groups.next().is_some() {
            return Err(invalid());
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            *byte = high.zip(low).map(|(high, low)| (high * 16 + low) as u8).ok_or_else(invalid)?;
        }
        Ok(Self(bytes))
    }
}

/// A tag: one to 32 letters, digits and underscores in lower case, not starting with a digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = GtidError;

    /// Parses a tag; upper case becomes lower case, as on the server.
    fn from_str(text: &str) -> Result<Self, GtidError> {
        let is_valid = text.len() <= MAX_TAG_BYTES
            && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_valid.then(|| Self(text.to_ascii_lowercase().into())).ok_or_else(|| GtidError::text("a tag", text))
    }
}

/// The source of transactions: the server that first committed them, and their tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GtidSource {
    /// The server's UUID.
    pub uuid: ServerUuid,
    /// The tag; `None` for untagged transactions, which sort first.
    pub tag: Option<Tag>,
}

impl fmt::Display for GtidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            None => write!(f, "{}", self.uuid),
            Some(tag) => write!(f, "{}:{tag}", self.uuid),
        }
    }
}
