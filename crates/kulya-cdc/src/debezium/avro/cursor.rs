//! A place in a JSON text, from which one token after the other is read. The text is UTF-8.

use super::error::NotEncodable;

/// A place in a text.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A string as it stands between its quotation marks.
pub(super) struct RawText<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) has_escapes: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Returns the next byte that is no white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Reads a text that is the next one byte for byte; returns whether it was.
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        let is_next = self.peek().is_some() && self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// Reads a character that must come next.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), NotEncodable> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.unexpected(&format!("{:?}", char::from(byte))))
    }

    /// Reads what separates two items of an array or object, or its end; returns whether an item follows.
    pub(super) fn is_followed(&mut self, end: u8) -> Result<bool, NotEncodable> {
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == end => {
                self.at += 1;
                return Ok(false);
            }
            _ => return Err(self.unexpected("a comma or the end")),
        }
        Ok(true)
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Result<&'a str, NotEncodable> {
        self.peek();
        let rest = self.rest();
        let is_of_number =
            |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_of_number(byte)).unwrap_or(rest.len());
        let number = rest.get(..length).unwrap_or_default();
        if number.is_empty() {
            return Err(self.unexpected("a number"));
        }
        self.at += length;
        // digits and signs are text
        Ok(std::str::from_utf8(number).unwrap_or_default())
    }

    /// Reads a string.
    pub(super) fn text(&mut self) -> Result<RawText<'a>, NotEncodable> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a text"));
        }
        self.at += 1;
        let rest = self.rest();
        let mut length = 0;
        let mut has_escapes = false;
        loop {
            let found = rest.get(length..).unwrap_or_default().iter().position(|b| matches!(b, b'"' | b'\\'));
            let Some(found) = found else { return Err(NotEncodable::new("a text has no end")) };
            length += found;
            if rest.get(length) == Some(&b'"') {
                break;
            }
            has_escapes = true;
            length += 2;
        }
        self.at += length + 1;
        Ok(RawText { bytes: rest.get(..length).unwrap_or_default(), has_escapes })
    }

    /// Ends the reading.
    pub(super) fn end(mut self) -> Result<(), NotEncodable> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end")),
        }
    }

    /// Returns the error of another token than the expected.
    pub(super) fn unexpected(&mut self, expected: &str) -> NotEncodable {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(b'"') => "a text".to_owned(),
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "an array".to_owned(),
            Some(b'n') => "null".to_owned(),
            Some(b'-' | b'0'..=b'9') => "a number".to_owned(),
            Some(b't' | b'f') => "a boolean".to_owned(),
            Some(byte) => format!("{:?}", char::from(byte)),
        };
        NotEncodable::new(format!("{expected} is expected, not {found}"))
    }
}

impl RawText<'_> {
    /// Appends the text without its escapes.
    pub(super) fn unescape(&self, out: &mut Vec<u8>) -> Result<(), NotEncodable> {
        let invalid = || NotEncodable::new("a text has an invalid escape");
        let mut rest = self.bytes;
        while let Some(place) = rest.iter().position(|byte| *byte == b'\\') {
            let (before, escape) = rest.split_at_checked(place).unwrap_or((rest, &[]));
            out.extend_from_slice(before);
            let [_, kind, after @ ..] = escape else { return Err(invalid()) };
            rest = after;
            out.push(match kind {
                b'"' | b'\\' | b'/' => *kind,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let (c, after) = unicode(rest).ok_or_else(invalid)?;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = after;
                    continue;
                }
                _ => return Err(invalid()),
            });
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// Reads the digits of a character, whose second half may follow as another escape.
fn unicode(text: &[u8]) -> Option<(char, &[u8])> {
    let (high, rest) = hex4(text)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, rest));
    }
    let (low, rest) = hex4(rest.strip_prefix(b"\\u")?)?;
    let mut units = char::decode_utf16([u16::try_from(high).ok()?, u16::try_from(low).ok()?]);
    Some((units.next()?.ok()?, rest))
}

fn hex4(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let digit = |number: u32, byte: &u8| Some(number << 4 | char::from(*byte).to_digit(16)?);
    Some((digits.iter().try_fold(0, digit)?, rest))
}
