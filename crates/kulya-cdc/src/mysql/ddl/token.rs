//! Tokens: words, quoted names, strings, numbers and signs, with comments removed and the text of versioned
//! comments kept where the server runs it. Reads bytes; only the signs of the syntax must be ASCII, as in
//! UTF-8 and in the encodings of one byte a character.

use super::error::{DdlProblem, Parsed, SyntaxError};
use super::server::{Flavour, ParseSettings, SqlMode};

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in back-quotes, or in double quotes with `ANSI_QUOTES`.
    QuotedName,
    /// A string.
    Text,
    /// A decimal number, without its sign.
    Number,
    /// Hexadecimal digits of `0x41` or `X'41'`.
    Hex,
    /// Binary digits of `0b01` or `b'01'`.
    Bits,
    /// Any other byte, such as `(` or `=`.
    Sign(u8),
}

/// A token: its kind, its bytes without quotes and prefix (escapes included), and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    pub(super) raw: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token<'_> {
    /// Whether the token is this keyword, in any case. A quoted name is none.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.raw.eq_ignore_ascii_case(keyword.as_bytes())
    }
}

/// Splits a statement into tokens, one at a time.
pub(super) struct Tokens<'a> {
    source: &'a [u8],
    at: usize,
    settings: ParseSettings,
    /// Versioned comments that are open, whose end is still to come.
    open_comments: usize,
    /// The end of the last token, if it was a name or keyword, or a dot behind one: then digits belong to a
    /// name.
    name_end: Option<usize>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(source: &'a [u8], settings: ParseSettings) -> Self {
        Self { source, at: 0, settings, open_comments: 0, name_end: None }
    }

    /// Returns the next token, `None` at the end.
    pub(super) fn next_token(&mut self) -> Parsed<Option<Token<'a>>> {
        self.skip_blanks()?;
        let Some(first) = self.byte(0) else {
            return match self.open_comments {
                0 => Ok(None),
                _ => Err(self.unclosed("a comment", self.at)),
            };
        };
        let behind_name = self.name_end == Some(self.at);
        let backslashes = !self.settings.sql_mode.has(SqlMode::NO_BACKSLASH_ESCAPES);
        let token = match first {
            b'`' => self.quoted(0, TokenKind::QuotedName, false)?,
            b'"' if self.settings.sql_mode.has(SqlMode::ANSI_QUOTES) => {
                self.quoted(0, TokenKind::QuotedName, false)?
            }
            b'\'' | b'"' => self.quoted(0, TokenKind::Text, backslashes)?,
            b'.' if !behind_name && self.digit(1) => self.number(0),
            _ if is_word_byte(first) => self.word(behind_name)?,
            _ => self.token(TokenKind::Sign(first), 0, 1, 1),
        };
        let names_follow = match token.kind {
            TokenKind::Word | TokenKind::QuotedName => true,
            TokenKind::Sign(b'.') => behind_name,
            _ => false,
        };
        self.name_end = names_follow.then_some(token.end);
        Ok(Some(token))
    }

    /// A word, a number, or a string with a prefix of one letter.
    fn word(&mut self, behind_name: bool) -> Parsed<Token<'a>> {
        let rest = self.rest();
        let length = rest.iter().position(|byte| !is_word_byte(*byte)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let digits = |digits: &[u8], radix: u32| {
            !digits.is_empty() && digits.iter().all(|byte| char::from(*byte).is_digit(radix))
        };
        match word {
            [b'x' | b'X'] if self.byte(1) == Some(b'\'') => return self.quoted(1, TokenKind::Hex, false),
            [b'b' | b'B'] if self.byte(1) == Some(b'\'') => return self.quoted(1, TokenKind::Bits, false),
            [b'n' | b'N'] if self.byte(1) == Some(b'\'') => {
                let backslashes = !self.settings.sql_mode.has(SqlMode::NO_BACKSLASH_ESCAPES);
                return self.quoted(1, TokenKind::Text, backslashes);
            }
            _ if behind_name => {}
            [b'0', b'x', hex @ ..] if digits(hex, 16) => {
                return Ok(self.token(TokenKind::Hex, 2, length, length));
            }
            [b'0', b'b', bits @ ..] if digits(bits, 2) => {
                return Ok(self.token(TokenKind::Bits, 2, length, length));
            }
            _ => {
                let whole = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(length);
                let exponent = word.get(whole..).unwrap_or_default();
                let is_number = match exponent {
                    [] => true,
                    [b'e' | b'E'] => matches!(self.byte(length), Some(b'+' | b'-')) && self.digit(length + 1),
                    [b'e' | b'E', power @ ..] => digits(power, 10),
                    _ => false,
                };
                if whole > 0 && is_number {
                    return Ok(self.number(whole));
                }
            }
        }
        Ok(self.token(TokenKind::Word, 0, length, length))
    }

    /// A number of which `whole` digits are read: its fraction and its exponent follow.
    fn number(&mut self, whole: usize) -> Token<'a> {
        let mut length = whole;
        if self.byte(length) == Some(b'.') {
            length += 1;
            while self.digit(length) {
                length += 1;
            }
        }
        if matches!(self.byte(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(length + 1), Some(b'+' | b'-')));
            if self.digit(length + 1 + sign) {
                length += 1 + sign;
                while self.digit(length) {
                    length += 1;
                }
            }
        }
        self.token(TokenKind::Number, 0, length, length)
    }

    /// A token in quotes behind `prefix` bytes; a doubled quote is part of it.
    fn quoted(&mut self, prefix: usize, kind: TokenKind, backslashes: bool) -> Parsed<Token<'a>> {
        let quote = self.byte(prefix);
        let mut length = prefix + 1;
        loop {
            match self.byte(length) {
                None => return Err(self.unclosed("a quoted text", self.at)),
                Some(b'\\') if backslashes => length += 2,
                byte if byte == quote && self.byte(length + 1) == quote => length += 2,
                byte if byte == quote => return Ok(self.token(kind, prefix + 1, length, length + 1)),
                _ => length += 1,
            }
        }
    }

    /// Takes the next `length` bytes, of which `from..to` are the token's text.
    fn token(&mut self, kind: TokenKind, from: usize, to: usize, length: usize) -> Token<'a> {
        let start = self.at;
        let raw = self.source.get(start + from..start + to).unwrap_or_default();
        self.at += length;
        Token { kind, raw, start, end: self.at }
    }

    /// Skips white space and comments, and the limits of versioned comments that the server runs.
    fn skip_blanks(&mut self) -> Parsed<()> {
        loop {
            let rest = self.rest();
            match rest {
                [b'\0'..=b' ', ..] => self.at += 1,
                [b'#', ..] | [b'-', b'-'] | [b'-', b'-', b'\0'..=b' ', ..] => {
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                [b'*', b'/', ..] if self.open_comments > 0 => {
                    self.open_comments -= 1;
                    self.at += 2;
                }
                [b'/', b'*', b'!', ..] => self.versioned_comment(3, false)?,
                [b'/', b'*', b'M', b'!', ..] if self.settings.server.flavour == Flavour::MariaDb => {
                    self.versioned_comment(4, true)?;
                }
                [b'/', b'*', ..] => self.skip_comment(false)?,
                _ => return Ok(()),
            }
        }
    }

    fn versioned_comment(&mut self, prefix: usize, for_mariadb: bool) -> Parsed<()> {
        let digits = (0..6).take_while(|index| self.digit(prefix + index)).count();
        // fewer than five digits are part of the text
        let (version, length) = if digits < 5 { (None, 0) } else { (self.digits(prefix, digits), digits) };
        if self.settings.server.runs_comment(version, for_mariadb) {
            self.at += prefix + length;
            self.open_comments += 1;
            return Ok(());
        }
        self.skip_comment(true)
    }

    /// Skips a comment; one that is versioned may contain others.
    fn skip_comment(&mut self, may_contain: bool) -> Parsed<()> {
        let start = self.at;
        self.at += 2;
        let mut depth = 1;
        while depth > 0 {
            match self.rest() {
                [] => return Err(self.unclosed("a comment", start)),
                [b'*', b'/', ..] => (depth, self.at) = (depth - 1, self.at + 2),
                [b'/', b'*', ..] if may_contain => (depth, self.at) = (depth + 1, self.at + 2),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn digits(&self, from: usize, count: usize) -> Option<u32> {
        let digits = self.source.get(self.at + from..self.at + from + count)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn rest(&self) -> &'a [u8] {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn digit(&self, ahead: usize) -> bool {
        self.byte(ahead).is_some_and(|byte| byte.is_ascii_digit())
    }

    fn unclosed(&self, what: &'static str, offset: usize) -> SyntaxError {
        SyntaxError::new(DdlProblem::Unclosed { what }, offset)
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::super::server::ServerVersion;
    use super::*;
    use proptest::prelude::*;

    const MYSQL: ServerVersion = ServerVersion { flavour: Flavour::MySql, number: 80_036 };
    const MARIADB: ServerVersion = ServerVersion { flavour: Flavour::MariaDb, number: 101_119 };

    /// The tokens as text: the kind's first letter, and the raw text.
    fn tokens(source: &[u8], server: ServerVersion, sql_mode: u64) -> Parsed<Vec<String>> {
        let mut tokens = Tokens::new(source, ParseSettings { server, sql_mode: SqlMode(sql_mode) });
        let mut found = Vec::new();
        while let Some(token) = tokens.next_token()? {
            let raw = String::from_utf8_lossy(token.raw);
            found.push(match token.kind {
                TokenKind::Sign(_) => raw.into_owned(),
                kind => format!("{}:{raw}", format!("{kind:?}").chars().next().unwrap_or('?')),
            });
        }
        Ok(found)
    }

    #[test]
    fn tokens_are_split() {
        for (source, expected) in [
            ("a `b c``d` 'it''s' \"x\\\"y\"", "W:a Q:b c``d T:it''s T:x\\\"y"),
            ("1 1.5 .5 1e3 1e-3 1e 1c 0x4A 0b01 0xg x'41' B'1' N'n'", {
                "N:1 N:1.5 N:.5 N:1e3 N:1e-3 W:1e W:1c H:4A B:01 W:0xg H:41 B:1 T:n"
            }),
            ("db.1e5 t.`q`.5x", "W:db . W:1e5 W:t . Q:q . W:5x"),
            ("a -- comment\nb --c #d\ne /* f */ g", "W:a W:b - - W:c W:e W:g"),
            ("a--", "W:a"),
            ("a /*! b */ /*!40100 c*/ d", "W:a W:b W:c W:d"),
            ("a /*!99999 b /* c */ d */ e", "W:a W:e"),
            ("a /*!40100 b /* c */ d */ e", "W:a W:b W:d W:e"),
            ("a /*!4 b */", "W:a N:4 W:b"),
            ("a*/b", "W:a * / W:b"),
            ("kůň <> @v", "W:kůň < > @ W:v"),
        ] {
            assert_eq!(tokens(source.as_bytes(), MYSQL, 0).unwrap().join(" "), expected, "{source}");
        }
    }

    #[test]
    fn tokens_depend_on_server_and_mode() {
        for (source, server, mode, expected) in [
            ("/*M! a */ /*!80000 b */ /*M!100301 c */", MYSQL, 0, "W:b"),
            ("/*M! a */ /*!80000 b */ /*M!100301 c */ /*!100301 d*/", MARIADB, 0, "W:a W:c W:d"),
            ("\"a\"\"b\"", MYSQL, SqlMode::ANSI_QUOTES, "Q:a\"\"b"),
            ("'a\\' b", MYSQL, SqlMode::NO_BACKSLASH_ESCAPES, "T:a\\ W:b"),
        ] {
            assert_eq!(tokens(source.as_bytes(), server, mode).unwrap().join(" "), expected, "{source}");
        }
    }

    #[test]
    fn what_is_open_is_an_error_at_its_start() {
        for (source, offset) in
            [("a 'b", 2), ("a `b``", 2), ("ab /* c", 3), ("/*!40100 a", 10), ("'\\", 0), ("x'4", 0)]
        {
            let error = tokens(source.as_bytes(), MYSQL, 0).unwrap_err();
            assert_eq!(error.offset, offset, "{source}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_or_rejected(bytes: Vec<u8>, mode in prop::sample::select(vec![0u64, 4, 1 << 20])) {
            let _ = tokens(&bytes, MYSQL, mode);
            let _ = tokens(&bytes, MARIADB, mode);
        }
    }
}
