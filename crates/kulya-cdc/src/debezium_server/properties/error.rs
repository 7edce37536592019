//! Errors of a properties file: in its text, and in the expressions of its values.

use crate::CdcError;

/// The file cannot be read as properties.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertiesError {
    /// The file has more than [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES).
    #[error("the file is larger than 1 MiB: is it a properties file?")]
    TooLarge,
    /// The file has more than [`MAX_PAIRS`](super::MAX_PAIRS).
    #[error("the file has more than 10000 keys: is it a properties file?")]
    TooManyPairs,
    /// A line is invalid.
    #[error("line {line}: {error}")]
    Line {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        error: LineError,
    },
}

/// A line cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The line is not UTF-8.
    #[error("it is not UTF-8: save the file as UTF-8, or write the character as \\uXXXX")]
    Encoding,
    /// `\u` without four hexadecimal digits.
    #[error("\\u needs four hexadecimal digits: write a backslash as \\\\")]
    UnicodeEscape,
    /// Half of a surrogate pair.
    #[error("\\u with half of a surrogate pair: write both halves")]
    Surrogate,
}

/// The expressions of a value cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// The name has no value, and the expression no default.
    #[error("${{{0}}} is not set: set the environment variable or the key, or write ${{{0}:default}}")]
    Unset(String),
    /// Expressions are nested or refer to each other more than 32 levels deep, perhaps in a circle.
    #[error("expressions are nested too deeply: does a key refer to itself?")]
    TooDeep,
    /// The expanded value is longer than [`MAX_VALUE_BYTES`](super::MAX_VALUE_BYTES), or refers to too much.
    #[error("the expanded value is too long")]
    TooLong,
    /// A handler of secrets, as in `${aes-gcm-nopadding::…}`.
    #[error("the secrets of {0:?} are not supported: write ${{NAME}}, and set the environment variable NAME")]
    SecretHandler(String),
}

impl From<PropertiesError> for CdcError {
    fn from(error: PropertiesError) -> Self {
        Self::configuration(error.to_string()).because(error)
    }
}
