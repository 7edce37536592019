//! Decompression of bytes as they come, a bounded number at a time.

use super::error::BinlogError;
use flate2::{Decompress, FlushDecompress};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

type Result<T> = std::result::Result<T, BinlogError>;

/// The number of bytes that are decompressed at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Bytes that are compressed, or not.
pub(crate) struct Inflater {
    method: Method,
    chunk: Vec<u8>,
    /// The number of decompressed bytes so far, and the number that is declared, if one is.
    written: u64,
    declared: Option<u64>,
    /// What is compressed, for errors.
    part: &'static str,
}

enum Method {
    None,
    Zstd(Box<Decoder<'static>>),
    Zlib(Box<Decompress>),
}

impl Inflater {
    fn new(method: Method, declared: Option<u64>, part: &'static str) -> Self {
        Self { method, chunk: Vec::new(), written: 0, declared, part }
    }

    pub(super) fn none(declared: Option<u64>, part: &'static str) -> Self {
        Self::new(Method::None, declared, part)
    }

    /// # Errors
    /// [`BinlogError::Decompression`] if the library cannot be started.
    pub(super) fn zstd(declared: Option<u64>, part: &'static str) -> Result<Self> {
        let decoder =
            Decoder::new().map_err(|error| BinlogError::Decompression { part, reason: error.to_string() })?;
        Ok(Self::new(Method::Zstd(Box::new(decoder)), declared, part))
    }

    pub(super) fn zlib(declared: u64, part: &'static str) -> Self {
        Self::new(Method::Zlib(Box::new(Decompress::new(true))), Some(declared), part)
    }

    /// Checks that there are as many bytes as are declared.
    ///
    /// # Errors
    /// [`BinlogError::Decompression`].
    pub(crate) fn end(&self) -> Result<()> {
        let is_complete = self.declared.is_none_or(|declared| declared == self.written);
        let failed = || BinlogError::Decompression {
            part: self.part,
            reason: format!("there are {} bytes instead of those that are declared", self.written),
        };
        is_complete.then_some(()).ok_or_else(failed)
    }

    /// Takes bytes from the front of `input` and returns what they are; empty when more input is needed.
    ///
    /// # Errors
    /// [`BinlogError::Decompression`] for invalid bytes.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<&[u8]> {
        let part = self.part;
        let failed = |reason: String| BinlogError::Decompression { part, reason };
        self.chunk.resize(CHUNK_BYTES, 0);
        let (taken, written) = match &mut self.method {
            Method::None => {
                let taken = input.len().min(CHUNK_BYTES);
                self.chunk.truncate(taken);
                self.chunk.copy_from_slice(input.get(..taken).unwrap_or_default());
                (taken, taken)
            }
            Method::Zstd(decoder) => {
                let mut source = InBuffer::around(input);
                let mut target = OutBuffer::around(&mut self.chunk[..]);
                decoder.run(&mut source, &mut target).map_err(|error| failed(error.to_string()))?;
                (source.pos(), target.pos())
            }
            Method::Zlib(decoder) => {
                let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
                let status = decoder.decompress(input, &mut self.chunk, FlushDecompress::None);
                status.map_err(|error| failed(error.to_string()))?;
                ((decoder.total_in() - before_in) as usize, (decoder.total_out() - before_out) as usize)
            }
        };
        if taken == 0 && written == 0 && !input.is_empty() {
            return Err(failed("the bytes go on behind their end".to_owned()));
        }
        *input = input.get(taken..).unwrap_or_default();
        self.written += written as u64;
        Ok(self.chunk.get(..written).unwrap_or_default())
    }
}
