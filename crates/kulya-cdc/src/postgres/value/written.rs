//! The result of writing a value.

/// What was written for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Value,
    /// A value with replacement characters, because its bytes are not UTF-8.
    Replaced,
    /// Null, because the representation has no such value, for example NaN as a decimal.
    Null,
    /// Nothing, because the text is not a value of the type.
    NotAValue,
}

impl Written {
    /// Returns [`Value`](Self::Value), or [`NotAValue`](Self::NotAValue) for `None`.
    pub(crate) fn from_option(written: Option<()>) -> Self {
        written.map_or(Self::NotAValue, |()| Self::Value)
    }
}
