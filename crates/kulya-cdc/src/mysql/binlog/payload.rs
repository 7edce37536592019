//! TRANSACTION_PAYLOAD (MySQL 8.0.20): all events of a transaction but its id, compressed together. The
//! events are decompressed one at a time, so memory is bounded by the largest event, not by the transaction.

use super::error::BinlogError;
use super::header::{EventHeader, HEADER_LENGTH};
use super::inflate::Inflater;
use super::reader::Reader;
use std::io::{self, BufReader, Read};

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a compressed transaction";

/// How a transaction is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadCompression {
    /// Zstandard.
    Zstd,
    /// Not at all.
    None,
}

/// A compressed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionPayload<'a> {
    /// The compression.
    pub compression: PayloadCompression,
    /// Length of the events in bytes, as the log says.
    pub uncompressed_length: Option<u64>,
    bytes: &'a [u8],
    limit: u64,
}

impl<'a> TransactionPayload<'a> {
    /// Decodes an event's bytes after the header; an event in it may have `limit` bytes.
    pub(super) fn decode(body: &'a [u8], limit: u64) -> Result<Self> {
        let (payload, length) = Self::decode_head(body, limit)?;
        if length.is_some_and(|length| length != payload.bytes.len() as u64) {
            return Err(BinlogError::malformed(PART));
        }
        Ok(payload)
    }

    /// Decodes what stands in front of the events. Returns the transaction with those bytes of its events
    /// that are in `body`, and the number of all of them, as the log says.
    pub(super) fn decode_head(body: &'a [u8], limit: u64) -> Result<(Self, Option<u64>)> {
        let mut reader = Reader::new(body);
        let (mut algorithm, mut length, mut uncompressed_length) = (None, None, None);
        loop {
            let field = reader.lenenc(PART)?;
            if field == 0 {
                break;
            }
            let mut value = Reader::new(reader.lenenc_bytes(PART)?);
            match field {
                1 => length = Some(value.lenenc(PART)?),
                2 => algorithm = Some(value.lenenc(PART)?),
                3 => uncompressed_length = Some(value.lenenc(PART)?),
                _ => {}
            }
        }
        let compression = match algorithm.ok_or(BinlogError::malformed(PART))? {
            0 => PayloadCompression::Zstd,
            255 => PayloadCompression::None,
            algorithm => return Err(BinlogError::CompressionAlgorithm { part: PART, algorithm }),
        };
        Ok((Self { compression, uncompressed_length, bytes: reader.rest(), limit }, length))
    }

    /// Returns the compressed events.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Starts to decompress the events as their bytes come.
    ///
    /// # Errors
    /// [`BinlogError::Decompression`] if the library cannot be started.
    pub(crate) fn inflater(&self) -> Result<Inflater> {
        match self.compression {
            PayloadCompression::None => Ok(Inflater::none(self.uncompressed_length, PART)),
            PayloadCompression::Zstd => Inflater::zstd(self.uncompressed_length, PART),
        }
    }

    /// Starts to decompress the events.
    ///
    /// # Errors
    /// [`BinlogError::Decompression`] if the library cannot be started.
    pub fn events(&self) -> Result<PayloadEvents<'a>> {
        let source = match self.compression {
            PayloadCompression::None => Source::None(self.bytes),
            PayloadCompression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(self.bytes);
                // an event's header and body are read separately, and many events are short
                Source::Zstd(Box::new(BufReader::new(decoder.map_err(failed)?)))
            }
        };
        let expected_length = self.uncompressed_length;
        Ok(PayloadEvents { source, buffer: Vec::new(), length: 0, expected_length, limit: self.limit })
    }
}

/// The events of a compressed transaction, in order.
pub struct PayloadEvents<'a> {
    source: Source<'a>,
    /// The current event.
    buffer: Vec<u8>,
    /// Length of the events so far.
    length: u64,
    expected_length: Option<u64>,
    limit: u64,
}

enum Source<'a> {
    None(&'a [u8]),
    Zstd(Box<BufReader<zstd::stream::read::Decoder<'a, &'a [u8]>>>),
}

impl Read for Source<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::None(bytes) => bytes.read(target),
            Self::Zstd(decoder) => decoder.read(target),
        }
    }
}

impl PayloadEvents<'_> {
    /// Returns the bytes of the next event, which ends without a checksum; `None` after the last event.
    ///
    /// # Errors
    /// [`BinlogError::Decompression`] for invalid compressed bytes, [`BinlogError::TooLarge`] for an event
    /// beyond the decoder's limit, [`BinlogError::Malformed`] if the last event is not complete or the length
    /// of all is not what the log says.
    pub fn next_event(&mut self) -> Result<Option<&[u8]>> {
        self.buffer.clear();
        self.read(HEADER_LENGTH as u64)?;
        if self.buffer.is_empty() {
            let is_complete = self.expected_length.is_none_or(|expected| expected == self.length);
            return is_complete.then_some(None).ok_or(BinlogError::malformed(PART));
        }
        let length = u64::from(EventHeader::decode(&self.buffer)?.length);
        if length > self.limit {
            return Err(BinlogError::TooLarge { part: "an event", bytes: length, limit: self.limit });
        }
        self.read(length - HEADER_LENGTH as u64)?;
        if self.buffer.len() as u64 != length {
            return Err(BinlogError::malformed(PART));
        }
        self.length += length;
        Ok(Some(&self.buffer))
    }

    /// Reads at most `length` bytes; the buffer grows as they come.
    fn read(&mut self, length: u64) -> Result<()> {
        self.source.by_ref().take(length).read_to_end(&mut self.buffer).map_err(failed)?;
        Ok(())
    }
}

fn failed(error: io::Error) -> BinlogError {
    BinlogError::Decompression { part: PART, reason: error.to_string() }
}
