//! The decoder of events: it verifies the checksum, then decodes an event by its type and the log's format.
//! Every type is decoded, known to be without meaning for capture, marked as ignorable, or an error.

use super::error::BinlogError;
use super::event::{Event, LogPosition};
use super::event_type::EventType;
use super::format::{CHECKSUM_LENGTH, Checksum, FormatDescription};
use super::header::{EventHeader, HEADER_LENGTH, IN_USE_FLAG};
use super::inflate::Inflater;
use super::large_event::LargeKind;
use super::mariadb::{self, MariadbTransactionStart};
use super::payload::TransactionPayload;
use super::query::{self, Query};
use super::reader::Reader;
use super::rows::{Layout, RowsEvent};
use super::table_map::{self, TableMapEvent};
use super::tagged;
use super::transaction::TransactionStart;
use super::xa::XaPrepare;
use crate::mysql::gtid::GtidSet;
use flate2::Crc;

type Result<T> = std::result::Result<T, BinlogError>;

/// Default limit of an event, in bytes: the server's own.
pub const DEFAULT_MAX_EVENT_BYTES: u64 = 1 << 30;

/// Decodes the events of a log, in order.
#[derive(Debug, Clone)]
pub struct Decoder {
    format: FormatDescription,
    max_event_bytes: u64,
}

impl Decoder {
    /// Creates a decoder for events that end with `checksum` before the first FORMAT_DESCRIPTION: in a
    /// connection what it agreed on with the server; in a file none come before.
    pub fn new(checksum: Checksum) -> Self {
        Self { format: FormatDescription::initial(checksum), max_event_bytes: DEFAULT_MAX_EVENT_BYTES }
    }

    /// Sets the limit of an event after decompression, in bytes; [`DEFAULT_MAX_EVENT_BYTES`] if not set.
    #[must_use]
    pub fn with_max_event_bytes(mut self, limit: u64) -> Self {
        self.max_event_bytes = limit;
        self
    }

    /// Returns the format of the log.
    pub fn format(&self) -> &FormatDescription {
        &self.format
    }

    /// Decodes an event, given with its header and checksum.
    ///
    /// # Errors
    /// [`BinlogError`] for an event that is corrupt, not supported, or lacks what capture needs. The capture
    /// must stop: the event may contain changes.
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<(EventHeader, Event<'a>)> {
        let header = header(bytes)?;
        if header.event_type == EventType::FORMAT_DESCRIPTION {
            let format = FormatDescription::decode(&bytes[HEADER_LENGTH..])?;
            if format.checksum == Checksum::Crc32 {
                verify_checksum(&header, bytes)?;
            }
            self.format = format.clone();
            return Ok((header, Event::FormatDescription(format)));
        }
        let bytes = match self.format.checksum {
            Checksum::Off => bytes,
            Checksum::Crc32 => verify_checksum(&header, bytes)?,
        };
        let body = bytes.get(HEADER_LENGTH..).ok_or(BinlogError::malformed("the header"))?;
        Ok((header, self.decode_body(&header, body)?))
    }

    /// Decodes an event of a compressed transaction: without a checksum, and not itself one.
    ///
    /// # Errors
    /// Those of [`Self::decode`].
    pub fn decode_inner<'a>(&self, bytes: &'a [u8]) -> Result<(EventHeader, Event<'a>)> {
        let header = header(bytes)?;
        let is_nested =
            matches!(header.event_type, EventType::TRANSACTION_PAYLOAD | EventType::FORMAT_DESCRIPTION);
        if is_nested {
            return Err(BinlogError::malformed("a compressed transaction"));
        }
        Ok((header, self.decode_body(&header, &bytes[HEADER_LENGTH..])?))
    }

    /// Returns how an event is read that is larger than the decoder's limit: in pieces, without its bytes
    /// being in memory as a whole.
    ///
    /// # Errors
    /// [`BinlogError::TooLarge`] for an event that can only be read as a whole; those of [`Self::decode`] for
    /// one that is not supported.
    pub(crate) fn large_kind(&self, header: &EventHeader) -> Result<LargeKind> {
        let event = header.event_type;
        if let Some(kind) = LargeKind::of(event) {
            return Ok(kind);
        }
        let (bytes, limit) = (header.length.into(), self.max_event_bytes);
        match without_changes(header) {
            Ok(_) => Ok(LargeKind::Ignored),
            Err(BinlogError::UnknownEvent { .. }) if event.name().is_some() => {
                Err(BinlogError::TooLarge { part: event.name().unwrap_or_default(), bytes, limit })
            }
            Err(error) => Err(error),
        }
    }

    /// Decodes what stands in front of the rows of an event that is read in pieces. Returns the event without
    /// its rows, where they begin, and what decompresses them.
    ///
    /// # Errors
    /// Those of [`Self::decode`].
    pub(crate) fn decode_rows_head(
        &self,
        header: &EventHeader,
        head: &[u8],
    ) -> Result<(RowsEvent<'static>, usize, Option<Inflater>)> {
        let event = header.event_type;
        let layout = Layout::of(event).ok_or(BinlogError::malformed("rows"))?;
        let post_header = self.format.post_header_length(event, layout.post_header_length())?;
        RowsEvent::decode_head(head, event, layout, post_header)
    }

    /// Decodes what stands in front of the events of a compressed transaction that is read in pieces.
    ///
    /// # Errors
    /// Those of [`Self::decode`].
    pub(crate) fn decode_payload_head<'a>(&self, head: &'a [u8]) -> Result<TransactionPayload<'a>> {
        TransactionPayload::decode_head(head, self.max_event_bytes).map(|(payload, _)| payload)
    }

    fn decode_body<'a>(&self, header: &EventHeader, body: &'a [u8]) -> Result<Event<'a>> {
        let event = header.event_type;
        let limit = self.max_event_bytes;
        let post_header = |known| self.format.post_header_length(event, known);
        if let Some(layout) = Layout::of(event) {
            let post_header = post_header(layout.post_header_length())?;
            return Ok(Event::Rows(RowsEvent::decode(body, event, layout, post_header, limit)?));
        }
        Ok(match event {
            EventType::QUERY => {
                Event::Query(Query::decode(body, post_header(query::POST_HEADER_LENGTH)?, None)?)
            }
            EventType::QUERY_COMPRESSED => {
                Event::Query(Query::decode(body, post_header(query::POST_HEADER_LENGTH)?, Some(limit))?)
            }
            EventType::EXECUTE_LOAD_QUERY => {
                Event::Query(Query::decode(body, post_header(query::LOAD_POST_HEADER_LENGTH)?, None)?)
            }
            EventType::TABLE_MAP => {
                let post_header = post_header(table_map::POST_HEADER_LENGTH)?;
                Event::TableMap(TableMapEvent::decode(body, post_header, self.format.flavor())?)
            }
            EventType::XID => Event::Commit { xid: Reader::new(body).u64("a commit")? },
            EventType::XA_PREPARE => Event::XaPrepare(XaPrepare::decode(body)?),
            EventType::GTID => Event::TransactionStart(TransactionStart::decode(body, false)?),
            EventType::ANONYMOUS_GTID => Event::TransactionStart(TransactionStart::decode(body, true)?),
            EventType::GTID_TAGGED => Event::TransactionStart(tagged::decode(body)?),
            EventType::MARIADB_GTID => {
                let start = MariadbTransactionStart::decode(body, header.server_id)?;
                Event::MariadbTransactionStart(start)
            }
            EventType::PREVIOUS_GTIDS => {
                let set = GtidSet::from_bytes(body);
                Event::PreviousGtids(
                    set.map_err(|_| BinlogError::malformed("the transactions of earlier files"))?,
                )
            }
            EventType::MARIADB_GTID_LIST => Event::MariadbGtidList(mariadb::decode_gtid_list(body)?),
            EventType::ROTATE => Event::Rotate(LogPosition::decode_rotate(body, post_header(8)?)?),
            EventType::HEARTBEAT => {
                Event::Heartbeat(LogPosition::decode_heartbeat(body, header.end_position)?)
            }
            EventType::HEARTBEAT_V2 => Event::Heartbeat(LogPosition::decode_heartbeat_v2(body)?),
            // the length of one byte is too short for long statements, and the text ends with the event
            EventType::ROWS_QUERY => Event::RowsQuery(body.get(1..).unwrap_or_default()),
            EventType::ANNOTATE_ROWS => Event::RowsQuery(body),
            EventType::TRANSACTION_PAYLOAD => {
                Event::TransactionPayload(TransactionPayload::decode(body, limit)?)
            }
            EventType::START_ENCRYPTION => Event::StartEncryption,
            EventType::INCIDENT => return Err(incident(body)),
            _ => return without_changes(header),
        })
    }
}

/// Decodes the header of an event, and checks that the event is complete.
fn header(bytes: &[u8]) -> Result<EventHeader> {
    let header = EventHeader::decode(bytes)?;
    let is_complete = header.length as usize == bytes.len();
    is_complete.then_some(header).ok_or(BinlogError::malformed("the header"))
}

/// Verifies the CRC32 at the end of an event, and returns the bytes before it.
fn verify_checksum<'a>(header: &EventHeader, bytes: &'a [u8]) -> Result<&'a [u8]> {
    let malformed = BinlogError::malformed("the checksum");
    let (content, stored) = bytes.split_last_chunk::<CHECKSUM_LENGTH>().ok_or(malformed.clone())?;
    let (head, body) = content.split_first_chunk::<HEADER_LENGTH>().ok_or(malformed)?;
    let mut head = *head;
    if header.event_type == EventType::FORMAT_DESCRIPTION {
        // the flag is set and cleared in the file, without a new checksum
        head[17] &= !(IN_USE_FLAG as u8);
    }
    let mut crc = Crc::new();
    crc.update(&head);
    crc.update(body);
    let (computed, stored) = (crc.sum(), u32::from_le_bytes(*stored));
    let event = header.event_type;
    (computed == stored).then_some(content).ok_or(BinlogError::Checksum { event, computed, stored })
}

/// Decides about an event that is not decoded.
fn without_changes(header: &EventHeader) -> Result<Event<'static>> {
    let event = header.event_type;
    match event {
        EventType::STOP
        | EventType::IGNORABLE
        | EventType::TRANSACTION_CONTEXT
        | EventType::VIEW_CHANGE
        | EventType::BINLOG_CHECKPOINT => Ok(Event::Ignored),
        // they belong to the statement that follows, which is decoded
        EventType::INTVAR | EventType::RAND | EventType::USER_VAR => Ok(Event::Ignored),
        EventType::BEGIN_LOAD_QUERY | EventType::APPEND_BLOCK | EventType::DELETE_FILE => Ok(Event::Ignored),
        _ if header.is_ignorable() => Ok(Event::Ignored),
        _ => Err(BinlogError::UnknownEvent { event }),
    }
}

/// Decodes an incident: its number and message.
fn incident(body: &[u8]) -> BinlogError {
    let mut reader = Reader::new(body);
    let part = "an incident";
    let message = reader.u16(part).and_then(|number| Ok((number, reader.short_bytes(part)?)));
    let message = match message {
        Ok((number, [])) => format!("incident {number}"),
        Ok((_, text)) => String::from_utf8_lossy(text).into_owned(),
        Err(error) => error.to_string(),
    };
    BinlogError::Incident { message }
}
