//! A decoded event. It borrows from the event's bytes what can be long.

use super::error::BinlogError;
use super::format::FormatDescription;
use super::mariadb::MariadbTransactionStart;
use super::payload::TransactionPayload;
use super::query::Query;
use super::reader::{Reader, utf8};
use super::rows::RowsEvent;
use super::table_map::TableMapEvent;
use super::transaction::TransactionStart;
use super::xa::XaPrepare;
use crate::mysql::gtid::{GtidSet, MariadbPosition};

type Result<T> = std::result::Result<T, BinlogError>;

/// An event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The format of the events that follow.
    FormatDescription(FormatDescription),
    /// The next event is in another file.
    Rotate(LogPosition<'a>),
    /// The transactions of earlier files.
    PreviousGtids(GtidSet),
    /// MariaDB: the last transactions of earlier files.
    MariadbGtidList(MariadbPosition),
    /// The start of a transaction.
    TransactionStart(TransactionStart),
    /// MariaDB: the start of a transaction, with no BEGIN after it.
    MariadbTransactionStart(MariadbTransactionStart),
    /// A statement: BEGIN, COMMIT, DDL, or in statement format a change.
    Query(Query<'a>),
    /// The text of the statement whose rows follow, in the client's character set.
    RowsQuery(&'a [u8]),
    /// The columns of a table whose rows follow.
    TableMap(TableMapEvent<'a>),
    /// Changed rows.
    Rows(RowsEvent<'a>),
    /// The commit of a transaction, with the storage engine's number of it.
    Commit {
        /// The number.
        xid: u64,
    },
    /// The end of the first phase of an XA transaction.
    XaPrepare(XaPrepare),
    /// A compressed transaction.
    TransactionPayload(TransactionPayload<'a>),
    /// A sign of life with the server's position; it is in no file.
    Heartbeat(LogPosition<'a>),
    /// MariaDB: the rest of the file is encrypted. A server sends it decrypted.
    StartEncryption,
    /// An event without meaning for capture, or one that may be ignored.
    Ignored,
}

/// A position in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition<'a> {
    /// The file's name.
    pub file: &'a str,
    /// The position in bytes.
    pub position: u64,
}

impl<'a> LogPosition<'a> {
    /// Decodes ROTATE.
    pub(super) fn decode_rotate(body: &'a [u8], post_header: usize) -> Result<Self> {
        const PART: &str = "the next log file";
        let mut reader = Reader::new(body);
        let position = Reader::new(reader.take(post_header, PART)?).u64(PART)?;
        Ok(Self { file: utf8(reader.rest(), PART)?, position })
    }

    /// Decodes HEARTBEAT, whose position is in the header.
    pub(super) fn decode_heartbeat(body: &'a [u8], end_position: u32) -> Result<Self> {
        Ok(Self { file: utf8(body, "a heartbeat")?, position: end_position.into() })
    }

    /// Decodes HEARTBEAT_V2: fields with numbers and lengths.
    pub(super) fn decode_heartbeat_v2(body: &'a [u8]) -> Result<Self> {
        const PART: &str = "a heartbeat";
        let mut reader = Reader::new(body);
        let (mut file, mut position) = (None, None);
        while !reader.is_empty() {
            let field = reader.lenenc(PART)?;
            if field == 0 {
                break;
            }
            let value = reader.lenenc_bytes(PART)?;
            match field {
                1 => file = Some(utf8(value, PART)?),
                2 => position = Some(Reader::new(value).lenenc(PART)?),
                _ => {}
            }
        }
        let position = file.zip(position).map(|(file, position)| Self { file, position });
        position.ok_or(BinlogError::malformed(PART))
    }
}
