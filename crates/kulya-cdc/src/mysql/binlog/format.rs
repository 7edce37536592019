//! FORMAT_DESCRIPTION: the server's version, the lengths of the fixed parts of events, and the checksum
//! algorithm of the events that follow.

use super::error::BinlogError;
use super::event_type::EventType;
use super::header::HEADER_LENGTH;
use super::reader::Reader;

const PART: &str = "the format description";

/// Length of an event's checksum in bytes.
pub(super) const CHECKSUM_LENGTH: usize = 4;

/// The checksum at the end of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Events end without a checksum.
    Off,
    /// Events end with the CRC32 of the bytes before it.
    Crc32,
}

/// The product that wrote a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// MySQL, and servers derived from it.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// The format of the events that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatDescription {
    /// The server's version, such as `8.0.36` or `10.11.6-MariaDB-log`.
    pub server_version: String,
    /// The checksum at the end of events.
    pub checksum: Checksum,
    /// Lengths of the fixed parts of event types from 1 on, in bytes.
    post_header_lengths: Box<[u8]>,
}

impl FormatDescription {
    /// The format before the first FORMAT_DESCRIPTION: a server sends only ROTATE and HEARTBEAT then.
    pub(super) fn initial(checksum: Checksum) -> Self {
        Self { server_version: String::new(), checksum, post_header_lengths: Box::default() }
    }

    /// Decodes an event's bytes after the header, with the checksum that this event always has.
    pub(super) fn decode(body: &[u8]) -> Result<Self, BinlogError> {
        let mut reader = Reader::new(body);
        let version = reader.u16(PART)?;
        if version != 4 {
            return Err(BinlogError::FormatVersion { version });
        }
        let server_version = reader.take(50, PART)?.split(|byte| *byte == 0).next().unwrap_or_default();
        reader.u32(PART)?; // when the file was created
        if usize::from(reader.u8(PART)?) != HEADER_LENGTH {
            return Err(BinlogError::malformed(PART));
        }
        let rest = reader.rest();
        let end = rest.len().checked_sub(CHECKSUM_LENGTH + 1).ok_or(BinlogError::malformed(PART))?;
        let (lengths, tail) = rest.split_at(end);
        let checksum = match tail.first() {
            Some(0 | 255) => Checksum::Off,
            Some(1) => Checksum::Crc32,
            other => return Err(BinlogError::ChecksumAlgorithm { algorithm: other.copied().unwrap_or(0) }),
        };
        let server_version = String::from_utf8_lossy(server_version).into_owned();
        Ok(Self { server_version, checksum, post_header_lengths: lengths.into() })
    }

    /// Returns the product that wrote the log.
    pub fn flavor(&self) -> Flavor {
        if self.server_version.contains("MariaDB") { Flavor::MariaDb } else { Flavor::MySql }
    }

    /// Returns the length of the fixed part of events of a type: as the log says, else `known`.
    ///
    /// # Errors
    /// [`BinlogError::Malformed`] for a fixed part that is shorter than the known one.
    pub(super) fn post_header_length(&self, event: EventType, known: usize) -> Result<usize, BinlogError> {
        let index = usize::from(event.0).checked_sub(1);
        let length = index.and_then(|index| self.post_header_lengths.get(index)).copied().unwrap_or(0);
        match usize::from(length) {
            // the log was written by a server that did not know the type, so it is within another one's
            0 => Ok(known),
            length if length >= known => Ok(length),
            _ => Err(BinlogError::malformed(PART)),
        }
    }
}
