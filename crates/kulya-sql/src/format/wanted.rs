//! What a scan wants of the events of a table.

/// The rows that a scan wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct WantedRows<'a> {
    /// The positions of the wanted columns in the format's schema. Other columns need not be decoded.
    pub columns: &'a [usize],
    /// The keys of the wanted metadata ([`RowFormat::metadata`](super::RowFormat::metadata)), which follow
    /// the columns.
    pub metadata: &'a [&'a str],
    /// Whether batches have the numbers of their rows' events.
    pub event_numbers: bool,
    /// The primary key, if the last row of each key is enough. Only for a change log.
    pub key: Option<ChangeKey<'a>>,
}

/// The primary key of a change log. A decoder may then leave out the rows before an update, and all but the
/// key of a removed row.
#[derive(Debug, Clone, Copy)]
pub struct ChangeKey<'a> {
    /// The positions of the key's columns in [`WantedRows::columns`].
    pub columns: &'a [usize],
    /// Whether all events are in one segment, so that a truncate is a change of all rows before it
    /// ([`DecodedBatch::clears`](kulya_codec::arrow::DecodedBatch::clears)).
    pub has_truncates: bool,
}
