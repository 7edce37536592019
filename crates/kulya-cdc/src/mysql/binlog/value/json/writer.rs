//! The walk through a binary JSON document that writes its text.

use super::style::Style;
use super::{number, opaque};
use crate::mysql::binlog::error::BinlogError;
use crate::mysql::binlog::reader::{Reader, utf8};
use kulya_store::framing::MAX_EVENT_BYTES;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a JSON document";
const MALFORMED: BinlogError = BinlogError::Malformed { part: PART };

/// Greatest depth of objects and arrays in each other, the server's own limit.
pub const MAX_JSON_DEPTH: usize = 100;

/// Sizes of an object's or array's numbers and offsets.
#[derive(Clone, Copy)]
enum Format {
    Small,
    Large,
}

impl Format {
    fn bytes(self) -> usize {
        match self {
            Self::Small => 2,
            Self::Large => 4,
        }
    }

    /// Reads a number or offset.
    fn read(self, reader: &mut Reader<'_>) -> Result<usize> {
        Ok(reader.uint(self.bytes(), PART)? as usize)
    }
}

/// The text so far, and what the rest of the document may contain.
pub(super) struct Writer<'t> {
    text: &'t mut String,
    style: Style,
    depth: usize,
    /// Bytes of values that are not written yet, of a document without overlapping values.
    budget: usize,
}

impl<'t> Writer<'t> {
    pub(super) fn new(document: &[u8], text: &'t mut String, style: Style) -> Self {
        Self { text, style, depth: 0, budget: document.len() }
    }

    /// Writes a whole document.
    pub(super) fn document(&mut self, bytes: &[u8]) -> Result<()> {
        // the server reads an empty value, which some of its statements leave behind, as null
        let Some((json_type, value)) = bytes.split_first() else {
            self.text.push_str("null");
            return Ok(());
        };
        self.value(*json_type, value)
    }

    /// Writes the value at the front of `bytes`.
    fn value(&mut self, json_type: u8, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        match json_type {
            0x00 => self.object(Format::Small, bytes),
            0x01 => self.object(Format::Large, bytes),
            0x02 => self.array(Format::Small, bytes),
            0x03 => self.array(Format::Large, bytes),
            0x04 => self.literal(reader.u8(PART)?),
            0x05 => self.integer(i64::from(reader.u16(PART)? as i16)),
            0x06 => self.integer(reader.u16(PART)?),
            0x07 => self.integer(i64::from(reader.u32(PART)? as i32)),
            0x08 => self.integer(reader.u32(PART)?),
            0x09 => self.integer(reader.u64(PART)? as i64),
            0x0a => self.integer(reader.u64(PART)?),
            0x0b => {
                self.spend(8)?;
                if self.text.len() > MAX_EVENT_BYTES {
                    // no event contains the text: the number's thousand digits would only take memory
                    self.text.push('0');
                    return Ok(());
                }
                let number = f64::from_le_bytes(reader.array(PART)?);
                let written = match self.style {
                    Style::Server => number::write_double(number, self.text),
                    Style::Compact => number::write_plain_double(number, self.text),
                };
                written.ok_or(MALFORMED)
            }
            0x0c => {
                let text = self.length_and_bytes(&mut reader)?;
                self.string(text)
            }
            0x0f => {
                let field_type = reader.u8(PART)?;
                let value = self.length_and_bytes(&mut reader)?;
                opaque::write(field_type, value, self.style, self.text)
            }
            _ => Err(MALFORMED),
        }
    }

    fn object(&mut self, format: Format, bytes: &[u8]) -> Result<()> {
        let (count, container, mut keys) = self.enter(format, bytes)?;
        // a key's offset and length, of which the length always has two bytes
        let key_entry = format.bytes() + 2;
        let mut values = keys;
        values.take(count.checked_mul(key_entry).ok_or(MALFORMED)?, PART)?;
        self.text.push('{');
        for index in 0..count {
            self.separate(index);
            let offset = format.read(&mut keys)?;
            let length = usize::from(keys.u16(PART)?);
            self.spend(key_entry + length)?;
            let key = container.get(offset..).and_then(|key| key.get(..length)).ok_or(MALFORMED)?;
            self.string(key)?;
            self.text.push_str(if self.style == Style::Compact { ":" } else { ": " });
            self.entry(format, container, &mut values)?;
        }
        self.text.push('}');
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, format: Format, bytes: &[u8]) -> Result<()> {
        let (count, container, mut values) = self.enter(format, bytes)?;
        self.text.push('[');
        for index in 0..count {
            self.separate(index);
            self.entry(format, container, &mut values)?;
        }
        self.text.push(']');
        self.depth -= 1;
        Ok(())
    }

    /// Reads the head of an object or array: the number of elements and its length in bytes. Returns the
    /// number, the bytes that offsets count in, and the entries.
    fn enter<'a>(&mut self, format: Format, bytes: &'a [u8]) -> Result<(usize, &'a [u8], Reader<'a>)> {
        self.depth += 1;
        if self.depth > MAX_JSON_DEPTH {
            return Err(MALFORMED);
        }
        self.spend(2 * format.bytes())?;
        let mut reader = Reader::new(bytes);
        let count = format.read(&mut reader)?;
        let length = format.read(&mut reader)?;
        let container = bytes.get(..length).ok_or(MALFORMED)?;
        let entries = container.get(2 * format.bytes()..).ok_or(MALFORMED)?;
        Ok((count, container, Reader::new(entries)))
    }

    /// Writes the value of an entry: a type, then the value if it is short enough, or its offset.
    fn entry(&mut self, format: Format, container: &[u8], entries: &mut Reader<'_>) -> Result<()> {
        let json_type = entries.u8(PART)?;
        let inline = entries.take(format.bytes(), PART)?;
        let is_inline = match json_type {
            0x04..=0x06 => true,
            0x07 | 0x08 => matches!(format, Format::Large),
            _ => false,
        };
        if is_inline {
            return self.value(json_type, inline);
        }
        self.spend(1 + format.bytes())?;
        let offset = format.read(&mut Reader::new(inline))?;
        self.value(json_type, container.get(offset..).ok_or(MALFORMED)?)
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.text.push_str(if self.style == Style::Compact { "," } else { ", " });
        }
    }

    fn literal(&mut self, literal: u8) -> Result<()> {
        self.spend(1)?;
        self.text.push_str(match literal {
            0 => "null",
            1 => "true",
            2 => "false",
            _ => return Err(MALFORMED),
        });
        Ok(())
    }

    fn integer(&mut self, integer: impl std::fmt::Display) -> Result<()> {
        use std::fmt::Write;
        self.spend(2)?;
        write!(self.text, "{integer}").map_err(|_| MALFORMED)
    }

    /// Reads bytes after their length: seven bits a byte, the lowest first, the highest bit set before the
    /// last byte, at most five bytes.
    fn length_and_bytes<'a>(&mut self, reader: &mut Reader<'a>) -> Result<&'a [u8]> {
        let mut length = 0u64;
        for index in 0..5 {
            let byte = reader.u8(PART)?;
            length |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                let length = usize::try_from(length).map_err(|_| MALFORMED)?;
                self.spend(length.saturating_add(1))?;
                return reader.take(length, PART);
            }
        }
        Err(MALFORMED)
    }

    fn string(&mut self, text: &[u8]) -> Result<()> {
        let text = utf8(text, PART)?;
        self.text.push('"');
        let mut start = 0;
        for (index, byte) in text.bytes().enumerate() {
            let Some(escape) = escape(byte) else { continue };
            self.text.push_str(&text[start..index]);
            start = index + 1;
            match escape {
                b'u' if self.style == Style::Compact => self.text.push_str(&format!("\\u{byte:04X}")),
                b'u' => self.text.push_str(&format!("\\u{byte:04x}")),
                _ => self.text.extend(['\\', char::from(escape)]),
            }
        }
        self.text.push_str(&text[start..]);
        self.text.push('"');
        Ok(())
    }

    /// Takes bytes off the budget.
    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.budget = self.budget.checked_sub(bytes).ok_or(MALFORMED)?;
        Ok(())
    }
}

/// Returns the letter that a byte is escaped with; u stands for its number.
fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        0x08 => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        0x0c => Some(b'f'),
        b'\r' => Some(b'r'),
        0..=0x1f => Some(b'u'),
        _ => None,
    }
}
