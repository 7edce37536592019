//! A log file's bytes, split into events.

use super::error::BinlogError;
use super::header::EventHeader;

/// The first bytes of a log file.
pub const MAGIC: [u8; 4] = *b"\xfebin";

/// The first bytes of a log file that MySQL encrypted.
const ENCRYPTED_MAGIC: [u8; 4] = *b"\xfdbin";

/// The events of a log file, in order, each with its position in the file.
#[derive(Debug, Clone)]
pub struct LogFile<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl<'a> LogFile<'a> {
    /// Starts at a file's first event.
    ///
    /// # Errors
    /// [`BinlogError::NotABinlog`] or [`BinlogError::Encrypted`], by the first bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Self, BinlogError> {
        match bytes.split_first_chunk() {
            Some((&MAGIC, bytes)) => Ok(Self { bytes, position: MAGIC.len() as u64 }),
            Some((&ENCRYPTED_MAGIC, _)) => Err(BinlogError::Encrypted),
            _ => Err(BinlogError::NotABinlog),
        }
    }
}

impl<'a> Iterator for LogFile<'a> {
    /// The position and bytes of an event; the file ends after an error.
    type Item = Result<(u64, &'a [u8]), BinlogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let event = EventHeader::decode(self.bytes).and_then(|header| {
            let event = self.bytes.split_at_checked(header.length as usize);
            event.ok_or(BinlogError::malformed("the last event"))
        });
        let (event, rest) = match event {
            Ok(event) => event,
            Err(error) => {
                self.bytes = &[];
                return Some(Err(error));
            }
        };
        self.bytes = rest;
        let position = self.position;
        self.position += event.len() as u64;
        Some(Ok((position, event)))
    }
}
