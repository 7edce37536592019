//! Parsers of PostgreSQL's text representations of arrays and hstore (documentation, "Array Input and Output
//! Syntax", "hstore External Representation"). They borrow from the text where it has no escapes, and accept
//! any bytes without panics.

use std::borrow::Cow;

/// A part of an array's text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ArrayPart<'a> {
    Start,
    End,
    Null,
    Item(&'a [u8]),
}

/// The maximum nesting of arrays (PostgreSQL's limit is 6).
const MAX_DEPTH: usize = 8;

/// A parser of `{a,"b",NULL,{…}}`, with an optional `[lower:upper]=` prefix, one part after the other.
#[derive(Debug)]
pub(crate) struct ArrayParser<'a> {
    rest: &'a [u8],
    delimiter: u8,
    depth: usize,
    /// Whether the last part was the start of an array.
    is_at_start: bool,
    /// The last item, if it has escapes.
    unescaped: Vec<u8>,
}

impl<'a> ArrayParser<'a> {
    /// Creates a parser; `None` for texts that do not start as an array.
    pub(crate) fn new(text: &'a [u8], delimiter: u8) -> Option<Self> {
        let mut rest = text;
        if rest.starts_with(b"[") {
            rest = rest.get(rest.iter().position(|byte| *byte == b'=')? + 1..)?;
        }
        rest.starts_with(b"{").then_some(Self {
            rest,
            delimiter,
            depth: 0,
            is_at_start: true,
            unescaped: Vec::new(),
        })
    }

    /// Returns whether the whole text is parsed.
    pub(crate) fn is_finished(&self) -> bool {
        self.depth == 0 && self.rest.is_empty()
    }

    /// Parses the next part; `None` for malformed texts.
    pub(crate) fn next_part(&mut self) -> Option<ArrayPart<'_>> {
        let is_at_start = std::mem::replace(&mut self.is_at_start, false);
        if self.depth > 0 {
            match self.rest {
                [b'}', rest @ ..] => {
                    self.rest = rest;
                    self.depth -= 1;
                    return (self.depth > 0 || rest.is_empty()).then_some(ArrayPart::End);
                }
                [first, rest @ ..] if !is_at_start && *first == self.delimiter => self.rest = rest,
                _ if is_at_start => {}
                _ => return None,
            }
        }
        match self.rest {
            [b'{', rest @ ..] => {
                self.rest = rest;
                self.depth += 1;
                self.is_at_start = true;
                (self.depth <= MAX_DEPTH).then_some(ArrayPart::Start)
            }
            _ if self.depth == 0 => None,
            [b'"', rest @ ..] => {
                self.rest = rest;
                let item = quoted(&mut self.rest, &mut self.unescaped)?;
                Some(ArrayPart::Item(item))
            }
            _ => self.unquoted(),
        }
    }

    fn unquoted(&mut self) -> Option<ArrayPart<'_>> {
        let is_end = |byte: &u8| *byte == self.delimiter || matches!(byte, b'}' | b'{' | b'"' | b'\\');
        let length = self.rest.iter().position(is_end)?;
        let (item, rest) = self.rest.split_at(length);
        self.rest = rest;
        match item {
            b"" => None,
            b"NULL" => Some(ArrayPart::Null),
            _ => Some(ArrayPart::Item(item)),
        }
    }
}

/// Takes a quoted text up to its closing quote, after the opening one; `\` escapes the next character.
fn quoted<'r, 't: 'r>(rest: &mut &'t [u8], unescaped: &'r mut Vec<u8>) -> Option<&'r [u8]> {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
    let text = *rest;
    let length = text.iter().position(is_special)?;
    if text.get(length) == Some(&b'"') {
        *rest = text.get(length + 1..)?;
        return text.get(..length);
    }
    unescaped.clear();
    let mut left = text;
    loop {
        let length = left.iter().position(is_special)?;
        unescaped.extend_from_slice(left.get(..length)?);
        left = left.get(length..)?;
        match left {
            [b'"', after @ ..] => {
                *rest = after;
                return Some(unescaped);
            }
            [_, escaped, after @ ..] => {
                unescaped.push(*escaped);
                left = after;
            }
            _ => return None,
        }
    }
}

/// A key and a value of hstore.
pub(crate) type Pair<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

/// Parses `"key"=>"value", "key"=>NULL`; `None` for other texts.
pub(crate) fn hstore(text: &str) -> Option<Vec<Pair<'_>>> {
    let mut rest = text.as_bytes();
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let key = quoted_text(&mut rest)?;
        rest = rest.strip_prefix(b"=>")?;
        let value = match rest.strip_prefix(b"NULL") {
            Some(after) => {
                rest = after;
                None
            }
            None => Some(quoted_text(&mut rest)?),
        };
        pairs.push((key, value));
        if !rest.is_empty() {
            rest = rest.strip_prefix(b", ").filter(|rest| !rest.is_empty())?;
        }
    }
    Some(pairs)
}

fn quoted_text<'a>(rest: &mut &'a [u8]) -> Option<Cow<'a, str>> {
    *rest = rest.strip_prefix(b"\"")?;
    let start = *rest;
    let mut unescaped = Vec::new();
    let length = quoted(rest, &mut unescaped)?.len();
    if unescaped.is_empty() {
        return std::str::from_utf8(start.get(..length)?).ok().map(Cow::Borrowed);
    }
    String::from_utf8(unescaped).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parses an array and shows its parts.
    fn parts(text: &str) -> Option<String> {
        let mut parser = ArrayParser::new(text.as_bytes(), b',')?;
        let mut shown = String::new();
        while !parser.is_finished() {
            shown += &match parser.next_part()? {
                ArrayPart::Start => "[".to_owned(),
                ArrayPart::End => "]".to_owned(),
                ArrayPart::Null => "null ".to_owned(),
                ArrayPart::Item(item) => format!("<{}>", String::from_utf8_lossy(item)),
            };
        }
        Some(shown)
    }

    #[test]
    fn arrays_are_parsed() {
        for (text, expected) in [
            ("{}", "[]"),
            ("{1,NULL,3}", "[<1>null <3>]"),
            (
                r#"{a,"b,c","\"q\"",NULL,"","NULL","\\","x\\y\"z"}"#,
                r#"[<a><b,c><"q">null <><NULL><\><x\y"z>]"#,
            ),
            ("[0:0]={{1,2}}", "[[<1><2>]]"),
            ("{{{a}},{{b}}}", "[[[<a>]][[<b>]]]"),
        ] {
            assert_eq!(parts(text).as_deref(), Some(expected), "{text}");
        }
        let deep = format!("{}{}", "{".repeat(9), "}".repeat(9));
        for bad in ["", "{", "{1", "{1,2}x", "{\"a}", "1", "{,}", "{1,}", "{1}}", "{\"a\"b}", "{a\"b}", &deep]
        {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn hstores_are_parsed() {
        let pairs = hstore(r#""a"=>"1", "b"=>NULL, "c d"=>"e\"f", "\\"=>"""#).unwrap();
        let expected = [("a", Some("1")), ("b", None), ("c d", Some("e\"f")), ("\\", Some(""))];
        let expected = expected.map(|(key, value)| (Cow::from(key), value.map(Cow::from)));
        assert_eq!(pairs, expected);
        assert_eq!(hstore(""), Some(vec![]));
        for bad in ["a=>1", "\"a\"", "\"a\"=>", "\"a\"=>\"b\",", "\"a\"=>\"b\"\"c\"=>NULL"] {
            assert_eq!(hstore(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "[{}\",\\\\NUL1=>aä\\[\\]: ]{0,40}") {
            let _ = (parts(&text), hstore(&text));
        }
    }
}
