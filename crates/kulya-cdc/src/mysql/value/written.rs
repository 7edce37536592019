//! The outcome of writing a value.

/// What was written of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The value.
    Value,
    /// A text in which bytes that are no characters are replaced by `?` or U+FFFD.
    Lossy,
    /// Nothing: the value is null.
    Null,
    /// Nothing: the value has no representation.
    NotAValue,
}

/// A buffer takes everything.
pub(super) fn done(_: bool) -> Written {
    Written::Value
}
