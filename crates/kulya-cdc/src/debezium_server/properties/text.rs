//! The text format of `java.util.Properties`: lines, continuation lines, comments, separators and escapes. It
//! knows nothing of expressions, profiles or what the keys mean.
//!
//! The file is UTF-8, which is how Quarkus reads it; other characters are written as `\uXXXX`. Any bytes give
//! pairs or an error.

use super::error::{LineError, PropertiesError};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// Maximum number of pairs in a file.
pub const MAX_PAIRS: usize = 10_000;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A key and its value, escapes decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: String,
    /// The number of the first line, from 1.
    pub(super) line: usize,
}

/// Parses a file; pairs are in the file's order, and a key may occur more than once.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Pair>, PropertiesError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(PropertiesError::TooLarge);
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut pairs = Vec::new();
    for LogicalLine { number, content } in LogicalLines::new(bytes) {
        let invalid = |error| PropertiesError::Line { line: number, error };
        let content = String::from_utf8(content).map_err(|_| invalid(LineError::Encoding))?;
        if pairs.len() == MAX_PAIRS {
            return Err(PropertiesError::TooManyPairs);
        }
        let (key, value) = split(&content);
        let (key, value) = (unescape(key).map_err(invalid)?, unescape(value).map_err(invalid)?);
        pairs.push(Pair { key, value, line: number });
    }
    Ok(pairs)
}

/// A line with its continuation lines, without indentation and the backslashes that continue it.
struct LogicalLine {
    number: usize,
    content: Vec<u8>,
}

/// Iterator over the logical lines that are neither blank nor comments.
struct LogicalLines<'a> {
    rest: Option<&'a [u8]>,
    number: usize,
}

impl<'a> LogicalLines<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { rest: Some(bytes), number: 0 }
    }

    /// Returns the next line of the file without its end, which is `\n`, `\r` or `\r\n`.
    fn natural_line(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        self.number += 1;
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.rest = None;
            return Some(rest);
        };
        let (line, ending) = rest.split_at(end);
        let ending_length = if ending.starts_with(b"\r\n") { 2 } else { 1 };
        // an end of line at the end of the file begins no further line
        self.rest = ending.get(ending_length..).filter(|rest| !rest.is_empty());
        Some(line)
    }
}

impl Iterator for LogicalLines<'_> {
    type Item = LogicalLine;

    fn next(&mut self) -> Option<LogicalLine> {
        let mut content = Vec::new();
        let mut first = None;
        while let Some(line) = self.natural_line() {
            let line = trim_start(line);
            let is_comment = matches!(line.first(), Some(b'#' | b'!'));
            // also behind a line that has nothing but the backslash that continues it
            if content.is_empty() && (line.is_empty() || is_comment) {
                first = None;
                continue;
            }
            let number = *first.get_or_insert(self.number);
            let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
            let is_continued = backslashes % 2 == 1;
            content.extend_from_slice(line.get(..line.len() - usize::from(is_continued)).unwrap_or_default());
            if is_continued {
                continue;
            }
            return Some(LogicalLine { number, content });
        }
        // the last line of the file ends with a backslash, and continues nowhere
        Some(LogicalLine { number: first?, content })
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0c')
}

fn trim_start(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !is_blank(*byte)).unwrap_or(line.len());
    line.get(start..).unwrap_or_default()
}

/// Splits a logical line into key and value, both with their escapes. The key ends at the first `=`, `:` or
/// blank that is not escaped; blanks around one separator belong to neither.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.bytes().position(|byte| {
        let ends = !is_escaped && (matches!(byte, b'=' | b':') || is_blank(byte));
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let blanks = |c: char| u8::try_from(c).is_ok_and(is_blank);
    let rest = rest.trim_start_matches(blanks);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(blanks))
}

fn unescape(text: &str) -> Result<String, LineError> {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        decoded.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('u') => {
                let (character, after) = unicode_escape(chars.as_str())?;
                decoded.push(character);
                rest = after;
                continue;
            }
            Some('t') => decoded.push('\t'),
            Some('n') => decoded.push('\n'),
            Some('r') => decoded.push('\r'),
            Some('f') => decoded.push('\x0c'),
            Some(other) => decoded.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    decoded.push_str(rest);
    Ok(decoded)
}

/// Decodes the four digits behind `\u`, and those of a second escape if they begin a surrogate pair.
fn unicode_escape(text: &str) -> Result<(char, &str), LineError> {
    let (first, rest) = four_digits(text).ok_or(LineError::UnicodeEscape)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, rest));
    }
    let second = rest.strip_prefix("\\u").and_then(four_digits);
    let (second, rest) = second.ok_or(LineError::Surrogate)?;
    let pair = [first, second].map(|unit| u16::try_from(unit).unwrap_or_default());
    let mut decoded = char::decode_utf16(pair);
    match (decoded.next(), decoded.next()) {
        (Some(Ok(character)), None) => Ok((character, rest)),
        _ => Err(LineError::Surrogate),
    }
}

fn four_digits(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((is_hexadecimal.then(|| u32::from_str_radix(digits, 16).ok())??, rest))
}
