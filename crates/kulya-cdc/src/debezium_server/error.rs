//! Errors of the settings: values that Debezium would reject too.

use crate::CdcError;
use std::fmt;

/// A key whose value is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    /// The key.
    pub key: String,
    /// The value; none if it is missing or secret.
    pub value: Option<String>,
    /// What is wrong, or what is permitted.
    pub reason: String,
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value:?}: {}", self.key, self.reason),
            None => write!(f, "{}: {}", self.key, self.reason),
        }
    }
}

/// The settings have invalid values; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSettings {
    /// Each of them.
    pub values: Vec<InvalidValue>,
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.values.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidSettings {}

impl From<InvalidSettings> for CdcError {
    fn from(error: InvalidSettings) -> Self {
        Self::configuration(error.to_string()).because(error)
    }
}
