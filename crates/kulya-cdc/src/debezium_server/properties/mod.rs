//! A properties file as Quarkus reads it: Java's text format, expressions, profiles, and the environment on
//! top. What the keys mean is not the subject here.
//!
//! Reading is a pure function of the file's bytes and an environment: the same input always gives the same
//! properties. Its size is bounded by [`MAX_FILE_BYTES`], [`MAX_PAIRS`], [`MAX_VALUE_BYTES`] and
//! [`MAX_DEPTH`].

mod error;
mod expression;
mod names;
mod resolver;
mod sources;
#[cfg(test)]
mod tests;
mod text;

pub use error::{ExpressionError, LineError, PropertiesError};
pub use expression::MAX_DEPTH;
pub use resolver::MAX_VALUE_BYTES;
pub use text::{MAX_FILE_BYTES, MAX_PAIRS};

use resolver::Resolver;
use sources::Sources;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A key with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Property {
    /// The value with its expressions expanded.
    pub value: Result<String, ExpressionError>,
    /// The line of the file, from 1; none for a value of the environment.
    pub line: Option<usize>,
}

/// Omits the value, which may be a password.
impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Property").field("line", &self.line).finish_non_exhaustive()
    }
}

/// The keys of a properties file and their values.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    properties: BTreeMap<String, Property>,
    references: BTreeSet<String>,
}

impl Properties {
    /// Reads a file, with values from `environment` on top.
    ///
    /// A key such as `debezium.source.topic.prefix` is overridden by the variable
    /// `DEBEZIUM_SOURCE_TOPIC_PREFIX`, which also stands for the key if the file has none. Expressions refer
    /// to keys and variables. `QUARKUS_PROFILE` names the active profiles; without it `prod` is active.
    ///
    /// # Errors
    /// [`PropertiesError`] for a file that is too large, or has an invalid line. An expression that cannot be
    /// expanded is not an error of the file but of its key.
    pub fn parse(bytes: &[u8], environment: &BTreeMap<String, String>) -> Result<Self, PropertiesError> {
        let sources = Sources::new(text::parse(bytes)?, environment);
        let mut resolver = Resolver::new(&sources);
        let mut properties = BTreeMap::new();
        for key in sources.keys() {
            let Some(found) = sources.get(&key) else { continue };
            let value = resolver.expand(found.value);
            properties.insert(key, Property { value, line: found.line });
        }
        Ok(Self { properties, references: resolver.into_references() })
    }

    /// Returns a key's value; none if it is not set, or cannot be expanded.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.get(key).and_then(|property| property.value.as_deref().ok())
    }

    /// Returns the keys and their values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.properties.iter().map(|(key, property)| (key.as_str(), property))
    }

    /// Returns whether the expression of another key refers to this one.
    pub fn is_referenced(&self, key: &str) -> bool {
        self.references.contains(key)
    }
}
