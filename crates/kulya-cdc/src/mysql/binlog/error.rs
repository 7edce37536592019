//! Errors of reading binary logs. Each one stops the capture: an event that is stepped over may be a change
//! that is lost.

use super::event_type::EventType;
use crate::error::{CdcError, CdcErrorKind};

/// A binary log that cannot be decoded, or that lacks what capture needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BinlogError {
    /// Bytes that end early or contain an invalid value.
    #[error("cannot decode {part} of a binlog event: the bytes end early or are not valid")]
    Malformed {
        /// The part of the event.
        part: &'static str,
    },
    /// A checksum that does not match.
    #[error(
        "checksum of a binlog event {event} is {computed:08x} instead of {stored:08x}: the log is corrupt"
    )]
    Checksum {
        /// The event.
        event: EventType,
        /// The checksum of the event's bytes.
        computed: u32,
        /// The checksum at the event's end.
        stored: u32,
    },
    /// A checksum algorithm other than CRC32.
    #[error("binlog checksum algorithm {algorithm} is not supported: set binlog_checksum to CRC32 or NONE")]
    ChecksumAlgorithm {
        /// The algorithm's number.
        algorithm: u8,
    },
    /// A binary log of another format version than 4, which servers write since MySQL 5.0.
    #[error("binlog format version {version} is not supported: capture needs version 4")]
    FormatVersion {
        /// The version.
        version: u16,
    },
    /// An event type that is not known and not marked as ignorable.
    #[error(
        "binlog event {event} is not supported and may contain changes: capture cannot continue after it"
    )]
    UnknownEvent {
        /// The event.
        event: EventType,
    },
    /// A JSON column's change logged as a difference.
    #[error(
        "binlog event {event} contains partial JSON values: clear binlog_row_value_options in every session, \
         then take a new snapshot"
    )]
    PartialJson {
        /// The event.
        event: EventType,
    },
    /// A row without some columns. MySQL 8.0.13 to 8.0.17 write such rows with every `binlog_row_image` for
    /// tables with functional indexes, whose hidden columns their table maps contain.
    #[error(
        "binlog event {event} contains rows without some columns: set binlog_row_image to FULL in every session, \
         then take a new snapshot"
    )]
    AbsentColumns {
        /// The event.
        event: EventType,
    },
    /// Changes that the server could not log.
    #[error("the server reports lost binlog events: {message}; take a new snapshot")]
    Incident {
        /// The server's message.
        message: String,
    },
    /// A log file that the server encrypted.
    #[error("the binlog file is encrypted: read it from the server, which decrypts it")]
    Encrypted,
    /// A file that does not start with a binary log's magic bytes.
    #[error("the file is not a binlog: its first bytes are not those of a binlog")]
    NotABinlog,
    /// A compression algorithm that is not known.
    #[error("{part} is compressed with algorithm {algorithm}, which is not supported")]
    CompressionAlgorithm {
        /// What is compressed.
        part: &'static str,
        /// The algorithm's number.
        algorithm: u64,
    },
    /// Compressed bytes that cannot be decompressed.
    #[error("cannot decompress {part}: {reason}")]
    Decompression {
        /// What is compressed.
        part: &'static str,
        /// The library's message.
        reason: String,
    },
    /// More bytes than the decoder's limit.
    #[error("{part} of {bytes} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// What is too large.
        part: &'static str,
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A column type that is not known.
    #[error("column {column} of a binlog table map has the unsupported type {code}")]
    ColumnType {
        /// The column's position, from 1.
        column: usize,
        /// The type's number.
        code: u8,
    },
    /// Rows whose number of columns is not that of their table map.
    #[error("binlog rows have {found} columns, but their table map has {expected}")]
    ColumnCount {
        /// The table map's number.
        expected: usize,
        /// The rows' number.
        found: u64,
    },
}

impl BinlogError {
    pub(crate) fn malformed(part: &'static str) -> Self {
        Self::Malformed { part }
    }

    fn kind(&self) -> CdcErrorKind {
        match self {
            Self::PartialJson { .. }
            | Self::AbsentColumns { .. }
            | Self::ChecksumAlgorithm { .. }
            | Self::TooLarge { .. } => CdcErrorKind::Configuration,
            _ => CdcErrorKind::Source,
        }
    }
}

impl From<BinlogError> for CdcError {
    fn from(error: BinlogError) -> Self {
        Self::new(error.kind(), error.to_string()).because(error)
    }
}
