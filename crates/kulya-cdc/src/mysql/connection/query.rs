//! Small queries: a statement as text, and its result as texts, in memory and within bounds.

use super::channel::{Channel, MessageLimit, RESPONSE_LIMIT};
use super::error::ConnectionError;
use super::server_error::{ERROR_MARKER, Phase};
use super::{command, field};
use bytes::Bytes;

/// Maximum number of columns of a result, as the servers have it.
const MAX_COLUMNS: u64 = 4096;
/// Maximum size of a result, in bytes of its messages.
pub(super) const MAX_RESULT_BYTES: usize = 16 << 20;
/// Memory of a row besides its texts, in bytes.
const ROW_BYTES: usize = 32;

const OK_MARKER: u8 = 0x00;
const END_MARKER: u8 = 0xfe;
/// A packet of the end marker with this many bytes or more is a row.
const END_BYTES: usize = 9;
pub(super) const NULL_MARKER: u8 = 0xfb;

/// A result: the rows' values as texts; no rows for a statement without a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row: a text for each column, or `None` for NULL. Bytes that are no UTF-8 are replaced.
pub type Row = Vec<Option<String>>;

impl Rows {
    /// Returns the first row's value in the named column, compared without case.
    pub fn value(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column))?;
        self.rows.first()?.get(index)?.as_deref()
    }

    /// Returns the values of a column; NULL is left out.
    pub fn column(&self, index: usize) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(move |row| row.get(index)?.as_deref())
    }
}

/// Sends a statement and receives its result.
pub(super) async fn run(channel: &mut Channel, sql: &str) -> Result<Rows, ConnectionError> {
    let mut budget = Budget(MAX_RESULT_BYTES);
    let Some(columns) = begin(channel, sql, &mut budget).await? else { return Ok(Rows::default()) };
    let mut rows = Vec::new();
    loop {
        let packet = budget.receive(channel).await?;
        if is_end(&packet) {
            return Ok(Rows { columns, rows });
        }
        let row = row(&packet, columns.len());
        rows.push(row.ok_or_else(|| channel.endpoint.malformed("an invalid row"))?);
    }
}

/// Sends a statement and receives the names of its columns; `None` for a statement without a result. The rows
/// follow.
pub(super) async fn begin(
    channel: &mut Channel,
    sql: &str,
    budget: &mut Budget,
) -> Result<Option<Vec<String>>, ConnectionError> {
    channel.send_command(&command::query(sql)).await?;
    let head = channel.receive(Phase::Query).await?;
    let malformed = |what| channel.endpoint.malformed(what);
    let count = match head.first() {
        Some(&OK_MARKER) => return Ok(None),
        // the server asks for a file of this machine, which no statement of ours does
        Some(&NULL_MARKER) => return Err(malformed("a request for a local file")),
        _ => field::length(&mut &head[..]).filter(|count| *count <= MAX_COLUMNS),
    };
    let count = count.ok_or_else(|| malformed("an invalid number of columns"))?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let packet = budget.receive(channel).await?;
        let name = column_name(&packet);
        columns.push(name.ok_or_else(|| channel.endpoint.malformed("an invalid column"))?);
    }
    if !is_end(&budget.receive(channel).await?) {
        return Err(channel.endpoint.malformed("more columns than announced"));
    }
    Ok(Some(columns))
}

/// The bytes that a result may still have.
pub(super) struct Budget(pub(super) usize);

impl Budget {
    async fn receive(&mut self, channel: &mut Channel) -> Result<Bytes, ConnectionError> {
        let limit = MessageLimit {
            bytes: self.0,
            what: "a result",
            advice: "the server's lists are too long to be read",
        };
        let packet = channel.receive_message(limit, |_| None).await?;
        if packet.first() == Some(&ERROR_MARKER) {
            return Err(channel.decode_error(&packet, Phase::Query));
        }
        self.0 = self.0.saturating_sub(packet.len() + ROW_BYTES);
        Ok(packet)
    }
}

pub(super) fn is_end(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| begins_end(*first, packet.len()))
}

/// Returns whether a packet of a length that begins with a byte ends a result.
pub(super) fn begins_end(first: u8, length: usize) -> bool {
    first == END_MARKER && length < END_BYTES
}

/// Returns the name in a column's definition, which is the fifth text.
pub(super) fn column_name(mut packet: &[u8]) -> Option<String> {
    let input = &mut packet;
    for _ in 0..4 {
        field::counted(input)?;
    }
    Some(String::from_utf8_lossy(field::counted(input)?).into_owned())
}

/// Decodes a row of texts.
pub(super) fn row(mut packet: &[u8], columns: usize) -> Option<Row> {
    let input = &mut packet;
    let mut row = Vec::with_capacity(columns.min(input.len()));
    for _ in 0..columns {
        row.push(match input.first()? {
            &NULL_MARKER => {
                field::u8(input)?;
                None
            }
            _ => Some(String::from_utf8_lossy(field::counted(input)?).into_owned()),
        });
    }
    input.is_empty().then_some(row)
}

/// Sends a command whose response is only success or an error.
pub(super) async fn run_command(
    channel: &mut Channel,
    command: &[u8],
    phase: Phase,
) -> Result<(), ConnectionError> {
    channel.send_command(command).await?;
    let packet = channel.receive_message(RESPONSE_LIMIT, |_| None).await?;
    match packet.first() {
        Some(&OK_MARKER) => Ok(()),
        Some(&ERROR_MARKER) => Err(channel.decode_error(&packet, phase)),
        _ => Err(channel.endpoint.malformed("an unknown response to a command")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_decoded() {
        let expected = vec![Some("ab".to_owned()), None, Some(String::new())];
        assert_eq!(row(b"\x02ab\xfb\0", 3), Some(expected));
        assert_eq!(row(b"\x02ab\xfb\0", 2), None);
        assert_eq!(row(b"\x02ab\xfb\0", 4), None);
        assert_eq!(row(b"\x09ab", 1), None);
        assert_eq!(column_name(b"\x03def\0\0\0\x04name\0\x0c"), Some("name".to_owned()));
    }

    #[test]
    fn values_are_found_by_name() {
        let rows = Rows {
            columns: vec!["File".to_owned(), "Position".to_owned()],
            rows: vec![vec![Some("a".to_owned()), None], vec![Some("b".to_owned()), Some("4".to_owned())]],
        };
        assert_eq!((rows.value("file"), rows.value("position"), rows.value("x")), (Some("a"), None, None));
        assert_eq!(rows.column(1).collect::<Vec<_>>(), ["4"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300), columns in 0_usize..5000) {
            let _ = row(&bytes, columns);
            let _ = column_name(&bytes);
        }
    }
}
