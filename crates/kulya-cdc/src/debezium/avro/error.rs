//! The error of what Avro cannot represent.

use std::fmt;

/// What has no representation in Avro, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEncodable {
    /// The names of the members from the event to the value, with dots; empty for the event.
    path: String,
    reason: String,
}

impl NotEncodable {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), reason: reason.into() }
    }

    /// Adds the name of the member that has the value.
    pub(super) fn within(mut self, member: &str) -> Self {
        if !self.path.is_empty() {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, member);
        self
    }
}

impl fmt::Display for NotEncodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl std::error::Error for NotEncodable {}
