//! The header that every event starts with.

use super::error::BinlogError;
use super::event_type::EventType;
use super::reader::Reader;

/// Length of the header in bytes.
pub const HEADER_LENGTH: usize = 19;

/// The flag of the format description in a file that is being written, or was not closed.
pub(super) const IN_USE_FLAG: u16 = 0x1;

/// The header of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// When the statement started, in seconds since 1970-01-01 UTC; 0 in events made for the connection.
    pub timestamp: u32,
    /// The event's type.
    pub event_type: EventType,
    /// The server that first logged the event.
    pub server_id: u32,
    /// The event's length in bytes, with the header and the checksum.
    pub length: u32,
    /// The file position of the next event, modulo 4 GiB; 0 within a compressed transaction.
    pub end_position: u32,
    /// Flags.
    pub flags: u16,
}

impl EventHeader {
    /// Decodes the header at the front of an event.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] for fewer than 19 bytes, or a length of less.
    pub fn decode(bytes: &[u8]) -> Result<Self, BinlogError> {
        let part = "the header";
        let mut reader = Reader::new(bytes);
        let header = Self {
            timestamp: reader.u32(part)?,
            event_type: EventType(reader.u8(part)?),
            server_id: reader.u32(part)?,
            length: reader.u32(part)?,
            end_position: reader.u32(part)?,
            flags: reader.u16(part)?,
        };
        let is_valid = header.length as usize >= HEADER_LENGTH;
        is_valid.then_some(header).ok_or(BinlogError::Malformed { part })
    }

    /// Whether the server made the event for the connection, so that it is not in a log file.
    pub fn is_artificial(&self) -> bool {
        self.flags & 0x20 != 0
    }

    /// Whether a reader that does not know the event may ignore it.
    pub fn is_ignorable(&self) -> bool {
        self.flags & 0x80 != 0
    }
}
