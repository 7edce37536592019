//! A position in the tokens of one statement, with the small readings that all statements share: keywords,
//! names, strings, numbers, parentheses.

use super::error::{DdlProblem, Parsed, SyntaxError};
use super::server::{Flavour, ParseSettings, SqlMode};
use super::statement::TableRef;
use super::token::{Token, TokenKind, Tokens};

/// Most tokens of a statement: the largest tables have 4,096 columns and 8,192 partitions.
const MAX_TOKENS: usize = 1 << 20;

/// Tokens that tell the kind of a statement.
const HEAD_TOKENS: usize = 32;

/// Longest statement that is read, in bytes. Longer ones are errors, unless their first words are harmless.
pub const MAX_STATEMENT_BYTES: usize = 16 << 20;

/// Tokens in which a statement that changes rows names its tables.
const TABLE_TOKENS: usize = 4096;

/// A position in a statement's tokens.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    source: &'a [u8],
    tokens: Vec<Token<'a>>,
    at: usize,
    settings: ParseSettings,
    /// The tables that were read as the statement's so far.
    tables: Vec<TableRef>,
    /// Why the tokens break off.
    broken: Option<SyntaxError>,
}

impl<'a> Cursor<'a> {
    /// Splits a statement of at most [`MAX_STATEMENT_BYTES`] into tokens. Where that fails, the tokens before
    /// the place are there, and [`Self::broken`] has the reason.
    pub(super) fn new(source: &'a [u8], settings: ParseSettings) -> Self {
        Self::with_limit(source, settings, MAX_TOKENS)
    }

    /// The first tokens only, enough to tell the kind of the statement.
    pub(super) fn head(source: &'a [u8], settings: ParseSettings) -> Self {
        Self { broken: None, ..Self::with_limit(source, settings, HEAD_TOKENS) }
    }

    /// The tokens in which a statement that changes rows names its tables.
    pub(super) fn beginning(source: &'a [u8], settings: ParseSettings) -> Self {
        Self::with_limit(source, settings, TABLE_TOKENS)
    }

    fn with_limit(source: &'a [u8], settings: ParseSettings, max_tokens: usize) -> Self {
        let bounded = source.get(..MAX_STATEMENT_BYTES).unwrap_or(source);
        let (mut stream, mut tokens) = (Tokens::new(bounded, settings), Vec::new());
        let too_many =
            |what, limit, offset| Some(SyntaxError::new(DdlProblem::TooMany { what, limit }, offset));
        let broken = loop {
            match stream.next_token() {
                Ok(Some(token)) if tokens.len() == max_tokens => {
                    break too_many("words and signs", max_tokens, token.start);
                }
                Ok(Some(token)) => tokens.push(token),
                _ if bounded.len() < source.len() => break too_many("bytes", bounded.len(), bounded.len()),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        Self { source: bounded, tokens, at: 0, settings, tables: Vec::new(), broken }
    }

    /// Why the tokens break off before the statement's end, if they do.
    pub(super) fn broken(&self) -> Option<&SyntaxError> {
        self.broken.as_ref()
    }

    pub(super) fn is_mariadb(&self) -> bool {
        self.settings.server.flavour == Flavour::MariaDb
    }

    pub(super) fn has_mode(&self, mode: u64) -> bool {
        self.settings.sql_mode.has(mode)
    }

    /// The tables that were read so far.
    pub(super) fn tables(&self) -> &[TableRef] {
        &self.tables
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.peek_at(0)
    }

    /// The token `ahead` places further.
    pub(super) fn peek_at(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }

    /// Steps over a token.
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    pub(super) fn is_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The place of the next token.
    pub(super) fn offset(&self) -> usize {
        self.peek().map_or(self.source.len(), |token| token.start)
    }

    /// The text from a place to the end of the last token that was stepped over.
    pub(super) fn text_since(&self, start: usize) -> String {
        let end =
            self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |last| last.end);
        String::from_utf8_lossy(self.source.get(start..end).unwrap_or_default()).into_owned()
    }

    /// Whether the next tokens are these keywords.
    pub(super) fn is(&self, keywords: &[&str]) -> bool {
        let matches = |(ahead, keyword): (usize, &&str)| self.peek_at(ahead).is_some_and(|t| t.is(keyword));
        keywords.iter().enumerate().all(matches)
    }

    /// Whether the last token was this keyword.
    pub(super) fn is_behind(&self, keyword: &str) -> bool {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).is_some_and(|token| token.is(keyword))
    }

    /// Whether the next token is one of these keywords.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        self.peek().is_some_and(|token| keywords.iter().any(|keyword| token.is(keyword)))
    }

    pub(super) fn is_sign(&self, sign: u8) -> bool {
        self.sign_at(0, sign)
    }

    /// Whether the token `ahead` places further is this sign.
    pub(super) fn sign_at(&self, ahead: usize, sign: u8) -> bool {
        self.peek_at(ahead).is_some_and(|token| token.kind == TokenKind::Sign(sign))
    }

    /// Steps over these keywords, if they come next.
    pub(super) fn eat(&mut self, keywords: &[&str]) -> bool {
        let found = self.is(keywords);
        if found {
            self.at += keywords.len();
        }
        found
    }

    /// Steps over one of these keywords, if one comes next.
    pub(super) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        let found = self.is_any(keywords);
        self.at += usize::from(found);
        found
    }

    pub(super) fn eat_sign(&mut self, sign: u8) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, keyword: &'static str) -> Parsed<()> {
        if self.eat(&[keyword]) { Ok(()) } else { Err(self.unknown(keyword)) }
    }

    pub(super) fn expect_sign(&mut self, sign: u8, name: &'static str) -> Parsed<()> {
        if self.eat_sign(sign) { Ok(()) } else { Err(self.unknown(name)) }
    }

    /// The error that the next token is not what it should be.
    pub(super) fn unknown(&self, what: &'static str) -> SyntaxError {
        match self.peek() {
            Some(token) => SyntaxError::unknown(what, token.raw, token.start),
            None => SyntaxError::new(DdlProblem::Incomplete { expected: what }, self.source.len()),
        }
    }

    /// Reads a name, with or without quotes.
    pub(super) fn name(&mut self) -> Parsed<String> {
        let Some(token) = self.peek() else { return Err(self.unknown("name")) };
        let quote = match token.kind {
            TokenKind::Word => None,
            TokenKind::QuotedName => self.source.get(token.start).copied(),
            _ => return Err(self.unknown("name")),
        };
        let unquoted = quote.map_or_else(|| token.raw.to_vec(), |quote| without_doubled(token.raw, quote));
        let name = String::from_utf8(unquoted)
            .map_err(|_| SyntaxError::new(DdlProblem::NotUtf8 { what: "a name" }, token.start))?;
        self.step();
        Ok(name)
    }

    /// Reads the name of a column or key, before which that of its table may stand.
    pub(super) fn qualified_name(&mut self) -> Parsed<String> {
        self.eat_sign(b'.');
        let mut name = self.name()?;
        while self.eat_sign(b'.') {
            name = self.name()?;
        }
        Ok(name)
    }

    /// Reads a name, or a string where the servers accept one as well: character sets, engines.
    pub(super) fn name_or_text(&mut self) -> Parsed<String> {
        match self.text()? {
            Some(text) => Ok(text),
            None => self.name(),
        }
    }

    /// Reads a table's name, and notes it as one that the statement concerns.
    pub(super) fn table(&mut self) -> Parsed<TableRef> {
        let table = self.other_table()?;
        self.tables.push(table.clone());
        Ok(table)
    }

    /// Reads the name of a table that the statement does not change.
    pub(super) fn other_table(&mut self) -> Parsed<TableRef> {
        self.eat_sign(b'.');
        let first = self.name()?;
        if self.eat_sign(b'.') {
            return Ok(TableRef { database: Some(first), table: self.name()? });
        }
        Ok(TableRef { database: None, table: first })
    }

    /// Notes a table that the statement may concern, if a table's name comes next; reports nothing.
    pub(super) fn note_table(&mut self) {
        if self.table().is_err() {
            self.step();
        }
    }

    /// Reads a string and those that follow it directly, which are one; `None` if no string comes next.
    pub(super) fn text(&mut self) -> Parsed<Option<String>> {
        let mut bytes: Option<Vec<u8>> = None;
        while let Some(token) = self.peek().filter(|token| token.kind == TokenKind::Text) {
            bytes.get_or_insert_default().extend(self.unescaped(token));
            self.step();
        }
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Reads a label of ENUM or SET: a string, or hexadecimal or binary digits.
    pub(super) fn label(&mut self) -> Parsed<String> {
        self.eat_introducer();
        let Some(token) = self.peek() else { return Err(self.unknown("label")) };
        let bytes = match token.kind {
            TokenKind::Text => self.unescaped(token),
            TokenKind::Hex | TokenKind::Bits => literal_bytes(token),
            _ => return Err(self.unknown("label")),
        };
        self.step();
        String::from_utf8(bytes)
            .map_err(|_| SyntaxError::new(DdlProblem::NotUtf8 { what: "a label" }, token.start))
    }

    /// Steps over the character set in front of a literal, as in `_utf8mb4'x'`.
    pub(super) fn eat_introducer(&mut self) -> bool {
        let literal =
            |token: Token<'_>| matches!(token.kind, TokenKind::Text | TokenKind::Hex | TokenKind::Bits);
        let starts = |token: Token<'_>| token.kind == TokenKind::Word && token.raw.first() == Some(&b'_');
        let found = self.peek().is_some_and(starts) && self.peek_at(1).is_some_and(literal);
        self.at += usize::from(found);
        found
    }

    /// Reads a whole number; its fraction is ignored, as the server does. Too large ones are `u32::MAX`.
    pub(super) fn number(&mut self) -> Parsed<u32> {
        let Some(token) = self.peek().filter(|token| token.kind == TokenKind::Number) else {
            return Err(self.unknown("number"));
        };
        self.step();
        let digits = token.raw.iter().take_while(|byte| byte.is_ascii_digit());
        let add = |sum: u32, digit: &u8| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
        Ok(digits.fold(0, add))
    }

    /// Steps over a parenthesis and all it contains, and returns its text.
    pub(super) fn skip_parentheses(&mut self) -> Parsed<String> {
        let start = self.offset();
        self.expect_sign(b'(', "(")?;
        let mut depth = 1usize;
        while depth > 0 {
            let Some(token) = self.peek() else {
                return Err(SyntaxError::new(DdlProblem::Unclosed { what: "a parenthesis" }, start));
            };
            match token.kind {
                TokenKind::Sign(b'(') => depth += 1,
                TokenKind::Sign(b')') => depth -= 1,
                _ => {}
            }
            self.step();
        }
        Ok(self.text_since(start))
    }

    /// Steps over all that is left.
    pub(super) fn skip_rest(&mut self) {
        self.at = self.tokens.len();
    }

    fn unescaped(&self, token: Token<'_>) -> Vec<u8> {
        let quote = token.end.checked_sub(1).and_then(|end| self.source.get(end)).copied().unwrap_or(b'\'');
        unescape(token.raw, quote, !self.has_mode(SqlMode::NO_BACKSLASH_ESCAPES))
    }
}

/// The bytes of hexadecimal or binary digits; a missing first digit is 0.
pub(super) fn literal_bytes(token: Token<'_>) -> Vec<u8> {
    let (radix, per_byte) = if token.kind == TokenKind::Hex { (16, 2) } else { (2, 8) };
    let value = |digits: &[u8]| {
        let digit = |byte: &u8| char::from(*byte).to_digit(radix).unwrap_or(0);
        digits.iter().fold(0u32, |sum, byte| sum * radix + digit(byte))
    };
    // chunks from the right, as the first byte may have fewer digits
    let mut bytes: Vec<u8> = token.raw.rchunks(per_byte).map(|digits| value(digits) as u8).collect();
    bytes.reverse();
    bytes
}

fn without_doubled(raw: &[u8], quote: u8) -> Vec<u8> {
    unescape(raw, quote, false)
}

fn unescape(raw: &[u8], quote: u8, backslashes: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if backslashes => match bytes.next() {
                Some(b'0') => text.push(0),
                Some(b'b') => text.push(8),
                Some(b'n') => text.push(b'\n'),
                Some(b'r') => text.push(b'\r'),
                Some(b't') => text.push(b'\t'),
                Some(b'Z') => text.push(26),
                // wildcards of LIKE keep their backslash
                Some(wildcard @ (b'%' | b'_')) => text.extend([b'\\', wildcard]),
                Some(other) => text.push(other),
                None => {}
            },
            _ if byte == quote => {
                bytes.next();
                text.push(byte);
            }
            _ => text.push(byte),
        }
    }
    text
}
