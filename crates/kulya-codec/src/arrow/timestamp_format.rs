//! How Flink's formats write timestamps as text.

/// How timestamps are written, Flink's `timestamp-format.standard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampFormat {
    /// `2024-02-29 12:34:56.789`, with a `Z` behind it if it has a local time zone.
    #[default]
    Sql,
    /// `2024-02-29T12:34:56.789`, with a `Z` behind it if it has a local time zone.
    Iso8601,
}
