//! A scanner of JSON text that builds no values: it returns one token at a time, and skips values that are
//! not wanted. By the strict grammar all text is checked, skipped text too, so that what is an error does not
//! depend on the projection. By the lenient one the brackets and quotes of skipped arrays and objects are.

use super::number::{Number, NumberScan};
use super::structure::container_end;
use std::borrow::Cow;

/// Most nested arrays and objects, as `serde_json` accepts.
const MAX_DEPTH: usize = 127;

/// What JSON is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::arrow) enum Grammar {
    /// RFC 8259, with numbers in the range of 64-bit floats.
    Strict,
    /// As Flink reads it: control characters in strings, and numbers of any size. Of arrays and objects that
    /// are skipped only where they end is looked at.
    Lenient,
}

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::arrow) struct SyntaxError {
    reason: &'static str,
    at: usize,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.reason, self.at)
    }
}

pub(in crate::arrow) type ScanResult<T> = Result<T, SyntaxError>;

/// The first token of a value. After `Array` and `Object` their items and members follow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::arrow) enum Token<'a> {
    Null,
    Boolean(bool),
    Number(Number<'a>),
    Text(Text<'a>),
    Array,
    Object,
}

/// A string, as it is between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::arrow) struct Text<'a> {
    pub(in crate::arrow) raw: &'a str,
    pub(in crate::arrow) has_escapes: bool,
}

impl<'a> Text<'a> {
    pub(in crate::arrow) fn decode(&self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let mut decoded = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some((plain, escape)) = rest.split_once('\\') {
            decoded.push_str(plain);
            let (character, length) = unescape(escape);
            decoded.push(character);
            rest = escape.get(length..).unwrap_or_default();
        }
        decoded.push_str(rest);
        Cow::Owned(decoded)
    }
}

/// Returns the character of a checked escape sequence and its length, without the backslash.
fn unescape(escape: &str) -> (char, usize) {
    let unit = |at: usize| escape.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    match escape.bytes().next() {
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'u') => match (unit(1), unit(7)) {
            (Some(high @ 0xd800..=0xdbff), Some(low)) => {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
                (char::from_u32(code).unwrap_or_default(), 11)
            }
            (unit, _) => (unit.and_then(char::from_u32).unwrap_or_default(), 5),
        },
        Some(other) => (char::from(other), 1),
        None => ('\\', 0),
    }
}

/// A position to which the scanner can return.
#[derive(Debug, Clone, Copy)]
pub(in crate::arrow) struct Mark {
    at: usize,
    depth: usize,
}

#[derive(Debug)]
pub(in crate::arrow) struct Scanner<'a> {
    text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    depth: usize,
    grammar: Grammar,
}

impl<'a> Scanner<'a> {
    pub(in crate::arrow) fn new(text: &'a str, grammar: Grammar) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0, grammar }
    }

    /// Returns the position before the next value.
    pub(in crate::arrow) fn mark(&mut self) -> Mark {
        self.skip_whitespace();
        Mark { at: self.at, depth: self.depth }
    }

    /// Returns the position, before whitespace.
    #[inline]
    pub(super) fn position(&self) -> Mark {
        Mark { at: self.at, depth: self.depth }
    }

    pub(in crate::arrow) fn rewind(&mut self, mark: Mark) {
        (self.at, self.depth) = (mark.at, mark.depth);
    }

    /// Returns the text from a mark to here.
    pub(in crate::arrow) fn since(&self, mark: Mark) -> &'a str {
        self.text.get(mark.at..self.at).unwrap_or_default()
    }

    fn error<T>(&self, reason: &'static str) -> ScanResult<T> {
        Err(SyntaxError { reason, at: self.at })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(super) fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Checks that only whitespace is left.
    pub(in crate::arrow) fn end(&mut self) -> ScanResult<()> {
        self.skip_whitespace();
        if self.at == self.bytes.len() { Ok(()) } else { self.error("there are characters after the value") }
    }

    /// Reads the first token of the next value.
    // always inlined: copies of a token cost as much as reading one
    #[inline(always)]
    pub(in crate::arrow) fn value(&mut self) -> ScanResult<Token<'a>> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(Token::Text(self.string()?))
            }
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number(self.number()?)),
            Some(b'{') => {
                self.enter()?;
                Ok(Token::Object)
            }
            Some(b'[') => {
                self.enter()?;
                Ok(Token::Array)
            }
            Some(b'n') => self.word("null", Token::Null),
            Some(b't') => self.word("true", Token::Boolean(true)),
            Some(b'f') => self.word("false", Token::Boolean(false)),
            Some(_) => self.error("a value is expected"),
            None => self.error("EOF, where a value is expected"),
        }
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> ScanResult<Token<'a>> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            return Ok(token);
        }
        self.error("a value is expected")
    }

    fn enter(&mut self) -> ScanResult<()> {
        if self.depth == MAX_DEPTH {
            return self.error("recursion limit of 127 exceeded");
        }
        self.at += 1;
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.at += 1;
        self.leave_read();
    }

    /// Leaves a container whose last bracket has been read.
    #[inline]
    pub(super) fn leave_read(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Returns whether the array has another item, which is next. At its end the array has been read.
    #[inline]
    pub(in crate::arrow) fn item(&mut self, is_first: bool) -> ScanResult<bool> {
        self.skip_whitespace();
        match self.peek() {
            Some(b']') => {
                self.leave();
                return Ok(false);
            }
            Some(b',') if !is_first => self.at += 1,
            Some(_) if is_first => {}
            Some(_) => return self.error("`,` or `]` is expected"),
            None => return self.error("EOF in an array"),
        }
        Ok(true)
    }

    /// Returns whether the object has another member, whose name is next. At its end the object has been
    /// read.
    #[inline]
    pub(in crate::arrow) fn member(&mut self, is_first: bool) -> ScanResult<bool> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'}') => {
                self.leave();
                return Ok(false);
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_whitespace();
            }
            Some(b'"') if is_first => return Ok(true),
            Some(_) => {}
            None => return self.error("EOF in an object"),
        }
        if self.peek() == Some(b'"') { Ok(true) } else { self.error("the name of a member is expected") }
    }

    /// Reads a member's name and its colon.
    pub(in crate::arrow) fn name(&mut self) -> ScanResult<Text<'a>> {
        self.at += 1;
        let name = self.string()?;
        self.colon()?;
        Ok(name)
    }

    /// Reads a member's name and its colon if it is this one, with its quotes and without escapes.
    #[inline]
    pub(in crate::arrow) fn name_is(&mut self, quoted: &[u8]) -> ScanResult<bool> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(quoted)) {
            return Ok(false);
        }
        self.at += quoted.len();
        self.colon()?;
        Ok(true)
    }

    #[inline]
    fn colon(&mut self) -> ScanResult<()> {
        if self.peek() != Some(b':') {
            self.skip_whitespace();
            if self.peek() != Some(b':') {
                return self.error("`:` is expected");
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the members of an object after its first token, and returns where the values of these are: the
    /// last one, if a name is there several times.
    pub(in crate::arrow) fn members<const N: usize>(
        &mut self,
        names: &[&str; N],
    ) -> ScanResult<[Option<Mark>; N]> {
        let mut found = [None; N];
        let mut is_first = true;
        while self.member(is_first)? {
            is_first = false;
            let name = self.name()?.decode();
            let mark = self.mark();
            if let Some((_, place)) = names.iter().zip(&mut found).find(|(wanted, _)| **wanted == name) {
                *place = Some(mark);
            }
            self.skip()?;
        }
        Ok(found)
    }

    /// Reads the first token of the value at a mark; of a value that is not there it is `Null`.
    pub(in crate::arrow) fn value_at(&mut self, mark: Option<Mark>) -> ScanResult<Token<'a>> {
        match mark {
            Some(mark) => {
                self.rewind(mark);
                self.value()
            }
            None => Ok(Token::Null),
        }
    }

    /// Skips the next value.
    pub(in crate::arrow) fn skip(&mut self) -> ScanResult<()> {
        match self.skip_first()? {
            None => Ok(()),
            Some(false) => self.skip_items(0),
            Some(true) => self.skip_items(1),
        }
    }

    /// Skips the rest of a value after its first token.
    #[inline]
    pub(in crate::arrow) fn skip_rest(&mut self, token: &Token<'_>) -> ScanResult<()> {
        match token {
            Token::Array => self.skip_items(0),
            Token::Object => self.skip_items(1),
            _ => Ok(()),
        }
    }

    /// Checks the rest of a value after its first token, in any grammar.
    #[inline]
    pub(in crate::arrow) fn check_rest(&mut self, token: &Token<'_>) -> ScanResult<()> {
        match token {
            Token::Array => self.check_items(0),
            Token::Object => self.check_items(1),
            _ => Ok(()),
        }
    }

    /// Skips the rest of a container, which is an object if `kind` is 1.
    fn skip_items(&mut self, kind: u128) -> ScanResult<()> {
        if self.grammar == Grammar::Strict {
            return self.check_items(kind);
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(length) = container_end(rest) else {
            self.at = self.bytes.len();
            return self.error("EOF in an array or object");
        };
        self.at += length;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Checks the rest of a container. `open` has a bit for each open one, the innermost lowest: whether it
    /// is an object.
    fn check_items(&mut self, mut open: u128) -> ScanResult<()> {
        let outer = self.depth.saturating_sub(1);
        let mut is_first = true;
        loop {
            let is_object = open & 1 == 1;
            let has_more = if is_object { self.member(is_first)? } else { self.item(is_first)? };
            is_first = false;
            if !has_more {
                if self.depth == outer {
                    return Ok(());
                }
                open >>= 1;
                continue;
            }
            if is_object {
                self.at += 1;
                self.string_end()?;
                self.colon()?;
            }
            if let Some(is_object) = self.skip_first()? {
                (open, is_first) = (open << 1 | u128::from(is_object), true);
            }
        }
    }

    /// Skips a scalar, or the first token of a container, and returns whether that is an object.
    #[inline]
    fn skip_first(&mut self) -> ScanResult<Option<bool>> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string_end()?;
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
            }
            _ => match self.value()? {
                Token::Array => return Ok(Some(false)),
                Token::Object => return Ok(Some(true)),
                _ => {}
            },
        }
        Ok(None)
    }

    /// Reads a string after its opening quote.
    #[inline(always)]
    fn string(&mut self) -> ScanResult<Text<'a>> {
        let start = self.at;
        let has_escapes = self.string_end()?;
        let raw = self.text.get(start..self.at - 1).unwrap_or_default();
        Ok(Text { raw, has_escapes })
    }

    /// Returns the next value if it is a string without escapes and control characters, which is not read.
    #[inline]
    pub(super) fn plain_text(&self) -> Option<&'a [u8]> {
        let text = self.bytes.get(self.at..)?.strip_prefix(b"\"")?;
        let mut end = 0;
        while let Some(word) = text.get(end..).and_then(<[u8]>::first_chunk::<8>) {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                end += special.trailing_zeros() as usize / 8;
                break;
            }
            end += 8;
        }
        let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        while text.get(end).copied().is_some_and(is_plain) {
            end += 1;
        }
        text.get(..end).filter(|_| text.get(end) == Some(&b'"'))
    }

    /// Skips the rest of a string, and returns whether it has escapes.
    #[inline]
    fn string_end(&mut self) -> ScanResult<bool> {
        let mut has_escapes = false;
        loop {
            while let Some(word) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
                let special = special_bytes(u64::from_le_bytes(*word));
                if special != 0 {
                    self.at += special.trailing_zeros() as usize / 8;
                    break;
                }
                self.at += 8;
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(0..=0x1f) if self.grammar == Grammar::Strict => {
                    return self.error("a control character in a string");
                }
                Some(_) => self.at += 1,
                None => return self.error("EOF in a string"),
            }
        }
    }

    fn escape(&mut self) -> ScanResult<()> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => match self.utf16_unit()? {
                0xd800..=0xdbff => {
                    let is_pair = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"));
                    self.at += usize::from(is_pair);
                    if is_pair && matches!(self.utf16_unit()?, 0xdc00..=0xdfff) {
                        return Ok(());
                    }
                    self.error("a lone surrogate in a string")
                }
                0xdc00..=0xdfff => self.error("a lone surrogate in a string"),
                _ => Ok(()),
            },
            _ => self.error("an invalid escape in a string"),
        }
    }

    /// Reads `u` and four hexadecimal digits.
    fn utf16_unit(&mut self) -> ScanResult<u32> {
        let digits = self.bytes.get(self.at + 1..).and_then(<[u8]>::first_chunk::<4>);
        let unit = digits.and_then(|digits| {
            digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
        });
        self.at += 5;
        unit.map_or_else(|| self.error("an invalid escape in a string"), Ok)
    }

    #[inline(always)]
    fn number(&mut self) -> ScanResult<Number<'a>> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(scan) = NumberScan::of(rest) else { return self.error("an invalid number") };
        let text = self.text.get(self.at..self.at + scan.length as usize).unwrap_or_default();
        let number = Number { text, scan };
        if self.grammar == Grammar::Strict && !number.is_in_range() {
            return self.error("number out of range");
        }
        self.at += scan.length as usize;
        Ok(number)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// Returns a word whose lowest set bit is in the first byte that is a quote, a backslash or a control
/// character; higher bits may be wrong.
#[inline]
fn special_bytes(word: u64) -> u64 {
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros(word ^ (ONES * 0x22));
    let backslashes = zeros(word ^ (ONES * 0x5c));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & HIGHS
}
