//! A note of a value that an event has otherwise than the database.

/// A value that an event cannot contain as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The schema or database and the table, with a dot.
    pub table: String,
    /// The column.
    pub column: String,
    /// The beginning of the value's text.
    pub text: String,
}
