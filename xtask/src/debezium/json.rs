//! JSON as a tree that keeps the order of members and the text of numbers and strings, so that a document is
//! written as it was read.

use anyhow::{Result, bail, ensure};
use std::fmt;

/// Nesting that a document may have.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// A number, `true`, `false`, `null`, or a string with its quotes and escapes.
    Scalar(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(super) const fn null() -> Self {
        Self::Scalar(String::new())
    }

    pub(super) fn number(number: usize) -> Self {
        Self::Scalar(number.to_string())
    }

    /// Returns a string, which must not need escapes.
    pub(super) fn plain_text(text: &str) -> Self {
        Self::Scalar(format!("\"{text}\""))
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { text, position: 0 };
        let value = parser.value(0)?;
        parser.skip_space();
        ensure!(parser.position == text.len(), "text behind a JSON document");
        Ok(value)
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(text) if text.is_empty() || text == "null")
    }

    /// Returns the characters between the quotes of a string, escapes as they are.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(text) => text.strip_prefix('"')?.strip_suffix('"'),
            _ => None,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self {
            Self::Object(members) => {
                members.iter_mut().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Removes and returns a member.
    pub(super) fn take(&mut self, name: &str) -> Option<Self> {
        let Self::Object(members) = self else { return None };
        let index = members.iter().position(|(member, _)| member == name)?;
        Some(members.remove(index).1)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(text) => f.write_str(if text.is_empty() { "null" } else { text }),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}\"{name}\":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Steps over a byte if it is the next one.
    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let is_next = self.peek() == Some(byte);
        self.position += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Json> {
        ensure!(depth < MAX_DEPTH, "JSON with more than {MAX_DEPTH} levels");
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::Scalar(format!("\"{}\"", self.string()?))),
            _ => self.literal(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json> {
        self.position += 1;
        let mut members = Vec::new();
        if self.accept(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?.to_owned();
            ensure!(self.accept(b':'), "a member without a colon at byte {}", self.position);
            members.push((name, self.value(depth + 1)?));
            if self.accept(b'}') {
                return Ok(Json::Object(members));
            }
            ensure!(self.accept(b','), "an object without a comma at byte {}", self.position);
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json> {
        self.position += 1;
        let mut items = Vec::new();
        if self.accept(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.accept(b']') {
                return Ok(Json::Array(items));
            }
            ensure!(self.accept(b','), "an array without a comma at byte {}", self.position);
        }
    }

    /// Returns the characters between the quotes.
    fn string(&mut self) -> Result<&'a str> {
        ensure!(self.peek() == Some(b'"'), "no string at byte {}", self.position);
        let start = self.position + 1;
        let bytes = self.text.as_bytes();
        let mut end = start;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => {
                    self.position = end + 1;
                    return Ok(&self.text[start..end]);
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        bail!("a string without an end at byte {start}")
    }

    fn literal(&mut self) -> Result<Json> {
        let rest = &self.text[self.position..];
        let is_literal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let length = rest.find(|c| !is_literal(c)).unwrap_or(rest.len());
        ensure!(length > 0, "no value at byte {}", self.position);
        self.position += length;
        Ok(match &rest[..length] {
            "null" => Json::null(),
            literal => Json::Scalar(literal.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn a_document_is_written_as_it_was_read() {
        for text in [
            r#"{"b":1.0E10,"a":[-0.0,12345678901234567890.10,null,true],"b\"":{}}"#,
            r#"["\u001a\\","é",[],{"":null}]"#,
            "null",
            "7",
        ] {
            assert_eq!(Json::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        for text in ["", "{", "[1", "{\"a\"}", "{\"a\":}", "\"open", "\"\\", "1 2", "[1;2]", &"[".repeat(100)]
        {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
