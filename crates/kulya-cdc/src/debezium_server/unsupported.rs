//! Keys that have no effect in Kulya, and how a message shows them.

use super::keys::NearestKey;
use std::fmt;

/// A key whose value has no effect in Kulya.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The key.
    pub key: String,
    /// Its value; none if it is secret, or not set.
    pub value: Option<String>,
    /// What Kulya does, and what to do instead.
    pub why: String,
}

impl Unsupported {
    pub(super) fn new(key: &str, value: Option<String>, why: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value, why: why.into() }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value:?}: {}", self.key, self.why),
            None => write!(f, "{}: {}", self.key, self.why),
        }
    }
}

/// A key that is not known, and the known one that it probably stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key.
    pub key: String,
    /// A known key near it.
    pub nearest: Option<NearestKey>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: unknown key, ignored", self.key)?;
        match self.nearest {
            Some(NearestKey::Renamed(name)) => write!(f, ": Debezium has renamed it to {name}"),
            Some(NearestKey::Similar(name)) => write!(f, ": did you mean {name}?"),
            None => Ok(()),
        }
    }
}
