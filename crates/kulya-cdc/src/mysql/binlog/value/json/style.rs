//! Forms of a document's text.

/// The form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// That of the server's SELECT.
    Server,
    /// That of Debezium.
    Compact,
}
