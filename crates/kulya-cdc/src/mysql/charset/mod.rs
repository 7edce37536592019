//! Character sets of columns: bytes of the log to UTF-8. SELECT needs none of this, because the server
//! converts texts for the session.

mod multi_byte;
mod single_byte;

use super::json_text;
use multi_byte::MultiByte;
use single_byte::HighHalf;

/// A column's character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(Encoding);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// UTF-8, in three or four bytes.
    Utf8,
    /// Seven bits.
    Ascii,
    /// Seven bits with Swedish letters in place of some signs.
    Swe7,
    SingleByte(&'static HighHalf),
    MultiByte(MultiByte),
    /// Two bytes, or four of a surrogate pair; the most significant byte first.
    Utf16,
    /// The same, the least significant byte first.
    Utf16Le,
    /// Four bytes, the most significant first.
    Utf32,
}

/// What a server writes for a character that the other character set does not have.
const UNKNOWN: char = '?';

impl Charset {
    /// UTF-8, as `utf8mb4`, `utf8mb3` and `utf8`.
    pub const UTF8: Self = Self(Encoding::Utf8);

    /// Finds a character set by the servers' name, in lower case; `None` if it is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(Self(match name {
            "utf8mb4" | "utf8mb3" | "utf8" => Encoding::Utf8,
            "ascii" => Encoding::Ascii,
            "swe7" => Encoding::Swe7,
            "utf16" | "ucs2" => Encoding::Utf16,
            "utf16le" => Encoding::Utf16Le,
            "utf32" => Encoding::Utf32,
            _ => match MultiByte::from_name(name) {
                Some(charset) => Encoding::MultiByte(charset),
                None => Encoding::SingleByte(single_byte::high_half(name)?),
            },
        }))
    }

    /// Writes text as a JSON string. Returns whether all of it could be converted: other bytes are written as
    /// `?`, as the server does in a SELECT, or, within UTF-8, as U+FFFD.
    pub fn write_json(self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let is_wide = matches!(self.0, Encoding::Utf16 | Encoding::Utf16Le | Encoding::Utf32);
        if self.0 == Encoding::Utf8 || (!is_wide && self.0 != Encoding::Swe7 && bytes.is_ascii()) {
            return json_text::write_utf8(bytes, out);
        }
        let mut is_complete = true;
        out.push(b'"');
        self.characters(bytes, |character| {
            is_complete &= character.is_some();
            json_text::push(character.unwrap_or(UNKNOWN), out);
        });
        out.push(b'"');
        is_complete
    }

    /// Converts text; bytes that cannot be converted are `?`, or U+FFFD within UTF-8.
    pub fn decode(self, bytes: &[u8]) -> String {
        if self.0 == Encoding::Utf8 {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        let mut text = String::with_capacity(bytes.len());
        self.characters(bytes, |character| text.push(character.unwrap_or(UNKNOWN)));
        text
    }

    /// Passes each character to `push`, `None` for one that cannot be converted.
    fn characters(self, bytes: &[u8], mut push: impl FnMut(Option<char>)) {
        match self.0 {
            Encoding::Utf8 => String::from_utf8_lossy(bytes).chars().for_each(|c| push(Some(c))),
            Encoding::Ascii => bytes.iter().for_each(|byte| push(ascii(*byte))),
            Encoding::Swe7 => bytes.iter().for_each(|byte| push(swe7(*byte))),
            Encoding::SingleByte(high) => bytes.iter().for_each(|byte| push(single_byte(*byte, high))),
            Encoding::MultiByte(charset) => charset.characters(bytes, push),
            Encoding::Utf16 => utf16(bytes, u16::from_be_bytes, push),
            Encoding::Utf16Le => utf16(bytes, u16::from_le_bytes, push),
            Encoding::Utf32 => utf32(bytes, push),
        }
    }
}

fn ascii(byte: u8) -> Option<char> {
    byte.is_ascii().then_some(char::from(byte))
}

fn single_byte(byte: u8, high: &HighHalf) -> Option<char> {
    let Some(index) = byte.checked_sub(0x80) else { return Some(char::from(byte)) };
    let code = high.get(usize::from(index)).copied().unwrap_or_default();
    char::from_u32(code.into()).filter(|character| *character != UNKNOWN)
}

fn swe7(byte: u8) -> Option<char> {
    Some(match byte {
        b'@' => 'É',
        b'[' => 'Ä',
        b'\\' => 'Ö',
        b']' => 'Å',
        b'^' => 'Ü',
        b'`' => 'é',
        b'{' => 'ä',
        b'|' => 'ö',
        b'}' => 'å',
        b'~' => 'ü',
        0x7f.. => return None,
        _ => char::from(byte),
    })
}

/// Decodes pairs of bytes. Half a surrogate pair, and a byte too many at the end, are no characters.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, mut push: impl FnMut(Option<char>)) {
    let (pairs, rest) = bytes.as_chunks::<2>();
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).for_each(|character| push(character.ok()));
    if !rest.is_empty() {
        push(None);
    }
}

fn utf32(bytes: &[u8], mut push: impl FnMut(Option<char>)) {
    let (units, rest) = bytes.as_chunks::<4>();
    units.iter().for_each(|unit| push(char::from_u32(u32::from_be_bytes(*unit))));
    if !rest.is_empty() {
        push(None);
    }
}

#[cfg(test)]
mod tests;
