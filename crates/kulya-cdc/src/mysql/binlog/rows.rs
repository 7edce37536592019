//! Row events: inserted, updated and deleted rows of one table. A row's cells are decoded in place, without
//! an allocation for each cell, by the column types of the event's [`TableMap`].

use super::compression;
use super::error::BinlogError;
use super::event_type::EventType;
use super::inflate::Inflater;
use super::reader::Reader;
use super::table_map::TableMap;
use super::value::Value;
use std::borrow::Cow;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "rows";

/// The change of an event's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    /// Inserted rows: each with the row after the change.
    Insert,
    /// Updated rows: each with the row before and after the change.
    Update,
    /// Deleted rows: each with the row before the change.
    Delete,
}

/// The layout of a row event, which follows from its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    kind: RowsKind,
    /// Whether further data, with a length, follow the flags.
    has_extra_data: bool,
    is_compressed: bool,
    /// Whether values of JSON columns are differences.
    is_partial: bool,
}

impl Layout {
    /// Returns the layout of an event type; `None` if it is no row event.
    pub(super) fn of(event: EventType) -> Option<Self> {
        use RowsKind::{Delete, Insert, Update};
        let (kind, has_extra_data, is_compressed) = match event {
            EventType::WRITE_ROWS_V1 => (Insert, false, false),
            EventType::UPDATE_ROWS_V1 => (Update, false, false),
            EventType::DELETE_ROWS_V1 => (Delete, false, false),
            EventType::WRITE_ROWS => (Insert, true, false),
            EventType::UPDATE_ROWS => (Update, true, false),
            EventType::DELETE_ROWS => (Delete, true, false),
            EventType::WRITE_ROWS_COMPRESSED_V1 => (Insert, false, true),
            EventType::UPDATE_ROWS_COMPRESSED_V1 => (Update, false, true),
            EventType::DELETE_ROWS_COMPRESSED_V1 => (Delete, false, true),
            EventType::WRITE_ROWS_COMPRESSED => (Insert, true, true),
            EventType::UPDATE_ROWS_COMPRESSED => (Update, true, true),
            EventType::DELETE_ROWS_COMPRESSED => (Delete, true, true),
            EventType::PARTIAL_UPDATE_ROWS => (Update, true, false),
            _ => return None,
        };
        let is_partial = event == EventType::PARTIAL_UPDATE_ROWS;
        Some(Self { kind, has_extra_data, is_compressed, is_partial })
    }

    /// Returns the known length of the fixed part in bytes.
    pub(super) fn post_header_length(self) -> usize {
        if self.has_extra_data { 10 } else { 8 }
    }
}

/// Changed rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsEvent<'a> {
    /// The change.
    pub kind: RowsKind,
    /// The number of the preceding table map that describes the rows.
    pub table_id: u64,
    /// Number of columns.
    pub column_count: u64,
    /// Why the rows cannot be decoded, if they cannot: an error if their table is captured.
    pub refusal: Option<BinlogError>,
    flags: u16,
    rows: Cow<'a, [u8]>,
}

impl<'a> RowsEvent<'a> {
    /// Decodes an event's bytes after the header; compressed rows may have `limit` bytes.
    pub(super) fn decode(
        body: &'a [u8],
        event: EventType,
        layout: Layout,
        post_header: usize,
        limit: u64,
    ) -> Result<Self> {
        let mut reader = Reader::new(body);
        let event = RowsEvent::read_head(&mut reader, event, layout, post_header)?;
        let rows = if event.refusal.is_some() {
            Cow::Borrowed(&[][..])
        } else if layout.is_compressed && !reader.is_empty() {
            Cow::Owned(compression::decompress_event(reader.rest(), limit, PART)?)
        } else {
            Cow::Borrowed(reader.rest())
        };
        Ok(Self { rows, ..event })
    }

    /// Reads what stands in front of the rows.
    fn read_head(
        reader: &mut Reader<'_>,
        event: EventType,
        layout: Layout,
        post_header: usize,
    ) -> Result<RowsEvent<'static>> {
        let mut fixed = Reader::new(reader.take(post_header, PART)?);
        let table_id = fixed.uint(6, PART)?;
        let flags = fixed.u16(PART)?;
        if layout.has_extra_data {
            // the length includes its own two bytes
            let length = usize::from(fixed.u16(PART)?).checked_sub(2).ok_or(BinlogError::malformed(PART))?;
            reader.take(length, PART)?;
        }
        let column_count = reader.lenenc(PART)?;
        let images = if layout.kind == RowsKind::Update { 2 } else { 1 };
        let mut refusal = layout.is_partial.then_some(BinlogError::PartialJson { event });
        for _ in 0..images {
            if !has_all_columns(reader, column_count)? && refusal.is_none() {
                refusal = Some(BinlogError::AbsentColumns { event });
            }
        }
        let rows = Cow::Borrowed(&[][..]);
        Ok(RowsEvent { kind: layout.kind, table_id, column_count, refusal, flags, rows })
    }

    /// Decodes what stands in front of the rows of an event that is read in pieces. Returns the event without
    /// its rows, where they begin, and what decompresses them.
    pub(super) fn decode_head(
        head: &[u8],
        event: EventType,
        layout: Layout,
        post_header: usize,
    ) -> Result<(RowsEvent<'static>, usize, Option<Inflater>)> {
        let mut reader = Reader::new(head);
        let event = RowsEvent::read_head(&mut reader, event, layout, post_header)?;
        let inflater = if layout.is_compressed && !reader.is_empty() {
            Some(Inflater::zlib(compression::event_length(&mut reader, PART)?, PART))
        } else {
            None
        };
        Ok((event, head.len() - reader.rest().len(), inflater))
    }

    /// Returns the bytes of the rows.
    #[cfg(test)]
    pub(super) fn row_bytes(&self) -> &[u8] {
        &self.rows
    }

    /// Whether the statement ends with this event, and its table maps with it.
    pub fn is_statement_end(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Starts to decode the rows.
    ///
    /// # Errors
    /// [`BinlogError::ColumnCount`] if the table map is that of a table with another number of columns; the
    /// refusal if there is one.
    pub fn rows<'e>(&'e self, table: &'e TableMap) -> Result<Rows<'e>> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let expected = table.types().len();
        if self.column_count != expected as u64 {
            return Err(BinlogError::ColumnCount { expected, found: self.column_count });
        }
        Ok(Rows::new(self.kind, table, &self.rows))
    }
}

/// Whether the bitmap of present columns contains all of them: a missing one must not become null.
fn has_all_columns(reader: &mut Reader<'_>, count: u64) -> Result<bool> {
    let length = usize::try_from(count.div_ceil(8)).map_err(|_| BinlogError::malformed(PART))?;
    let bitmap = reader.take(length, PART)?;
    let present: u64 = bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum();
    // bits after the last column are set by some servers
    let padding = bitmap.last().map_or(0, |last| match count % 8 {
        0 => 0,
        used => (last >> used).count_ones(),
    });
    Ok(present - u64::from(padding) == count)
}

/// A changed row, in the order of the table's columns. An image that the change does not have is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row<'e> {
    /// The row before the change.
    pub before: Vec<Value<'e>>,
    /// The row after the change.
    pub after: Vec<Value<'e>>,
}

/// The rows of an event that are not decoded yet.
#[derive(Debug, Clone)]
pub struct Rows<'e> {
    kind: RowsKind,
    table: &'e TableMap,
    reader: Reader<'e>,
}

impl<'e> Rows<'e> {
    /// Decodes rows of a table that are not those of a whole event.
    pub(super) fn new(kind: RowsKind, table: &'e TableMap, bytes: &'e [u8]) -> Self {
        Self { kind, table, reader: Reader::new(bytes) }
    }

    /// Returns the size of the rows that are not decoded yet, in bytes.
    pub(crate) fn remaining_bytes(&self) -> usize {
        self.reader.rest().len()
    }

    /// Decodes the next row into `row`, whose memory is used again; false after the last row.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] for bytes that are not a row of the table.
    pub fn next_row(&mut self, row: &mut Row<'e>) -> Result<bool> {
        row.before.clear();
        row.after.clear();
        if self.reader.is_empty() {
            return Ok(false);
        }
        if self.kind != RowsKind::Insert {
            self.image(&mut row.before)?;
        }
        if self.kind != RowsKind::Delete {
            self.image(&mut row.after)?;
        }
        Ok(true)
    }

    fn image(&mut self, cells: &mut Vec<Value<'e>>) -> Result<()> {
        let types = self.table.types();
        let nulls = self.reader.take(types.len().div_ceil(8), PART)?;
        cells.reserve(types.len());
        for (types, nulls) in types.chunks(8).zip(nulls) {
            for (bit, column_type) in types.iter().enumerate() {
                let is_null = nulls >> bit & 1 != 0;
                cells.push(if is_null {
                    Value::Null
                } else {
                    Value::decode(*column_type, &mut self.reader)?
                });
            }
        }
        Ok(())
    }
}
