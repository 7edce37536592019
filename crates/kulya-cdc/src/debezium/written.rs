//! The outcome of writing a value.

/// What was written of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The value.
    Value,
    /// A text in which bytes that are no characters are replaced by `?` or U+FFFD.
    Lossy,
    /// Nothing: the value is null, or the representation has none, such as NaN as a decimal. The caller
    /// writes null, or what stands for it.
    Null,
    /// Nothing: the bytes are not a value of the type.
    NotAValue,
}

impl Written {
    /// Returns [`Value`](Self::Value), or [`NotAValue`](Self::NotAValue) for `None`.
    pub(crate) fn from_option(written: Option<()>) -> Self {
        written.map_or(Self::NotAValue, |()| Self::Value)
    }
}

/// Returns that a value was written to a buffer, which takes everything.
pub(crate) fn done(_: bool) -> Written {
    Written::Value
}
