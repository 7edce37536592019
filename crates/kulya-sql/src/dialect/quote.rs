//! Names in backticks and texts in single quotes.

use std::fmt;

/// Returns a name in backticks.
pub(crate) fn identifier(name: &str) -> impl fmt::Display + '_ {
    fmt::from_fn(move |f| write!(f, "`{}`", name.replace('`', "``")))
}

/// A text in single quotes.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}
