//! Parsers of PostgreSQL's text representations of arrays and hstore (documentation, "Array Input and Output
//! Syntax", "hstore External Representation"). They accept any text without panics.

/// An element of an array: a value, null, or a nested array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Element {
    Null,
    Text(String),
    Array(Vec<Element>),
}

/// The maximum nesting of arrays (PostgreSQL's limit is 6).
const MAX_DEPTH: usize = 8;

/// Parses `{a,"b",NULL,{…}}`, with an optional `[lower:upper]=` prefix; `None` for other texts.
pub(crate) fn array(text: &str) -> Option<Vec<Element>> {
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let mut scanner = Scanner { rest: text };
    scanner.take('{')?;
    let elements = elements(&mut scanner, 0)?;
    scanner.rest.is_empty().then_some(elements)
}

struct Scanner<'a> {
    rest: &'a str,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        Some(c)
    }

    fn take(&mut self, expected: char) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// Parses the rest of a quoted text after its opening quote; `\` escapes the next character.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.next()?),
                c => text.push(c),
            }
        }
    }
}

fn elements(scanner: &mut Scanner<'_>, depth: usize) -> Option<Vec<Element>> {
    let mut found = Vec::new();
    if depth > MAX_DEPTH {
        return None;
    }
    if scanner.peek()? == '}' {
        scanner.next();
        return Some(found);
    }
    loop {
        match scanner.peek()? {
            '{' => {
                scanner.next();
                found.push(Element::Array(elements(scanner, depth + 1)?));
            }
            '"' => {
                scanner.next();
                found.push(Element::Text(scanner.quoted()?));
            }
            _ => {
                let mut text = String::new();
                while !matches!(scanner.peek()?, ',' | '}') {
                    match scanner.next()? {
                        '\\' => text.push(scanner.next()?),
                        c => text.push(c),
                    }
                }
                found.push(if text == "NULL" { Element::Null } else { Element::Text(text) });
            }
        }
        match scanner.next()? {
            ',' => {}
            '}' => return Some(found),
            _ => return None,
        }
    }
}

/// Parses `"key"=>"value", "key"=>NULL`; `None` for other texts.
pub(crate) fn hstore(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut scanner = Scanner { rest: text };
    let mut pairs = Vec::new();
    while scanner.peek().is_some() {
        scanner.take('"')?;
        let key = scanner.quoted()?;
        scanner.rest = scanner.rest.strip_prefix("=>")?;
        let value = if let Some(rest) = scanner.rest.strip_prefix("NULL") {
            scanner.rest = rest;
            None
        } else {
            scanner.take('"')?;
            Some(scanner.quoted()?)
        };
        pairs.push((key, value));
        scanner.rest = scanner.rest.strip_prefix(", ").unwrap_or(scanner.rest);
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrays_and_hstores_are_parsed() {
        let text = |t: &str| Element::Text(t.to_owned());
        assert_eq!(array("{}"), Some(vec![]));
        assert_eq!(array("{1,NULL,3}"), Some(vec![text("1"), Element::Null, text("3")]));
        assert_eq!(
            array(r#"{a,"b,c","\"q\"",NULL,"","NULL"}"#),
            Some(vec![text("a"), text("b,c"), text("\"q\""), Element::Null, text(""), text("NULL")])
        );
        let two = Element::Array(vec![text("1"), text("2")]);
        assert_eq!(array("[0:0]={{1,2}}"), Some(vec![two]));
        for bad in ["", "{", "{1", "{1,2}x", "{\"a}", "1"] {
            assert_eq!(array(bad), None, "{bad}");
        }
        let pairs = hstore(r#""a"=>"1", "b"=>NULL, "c d"=>"e\"f""#).unwrap();
        assert_eq!(
            pairs,
            [("a".into(), Some("1".into())), ("b".into(), None), ("c d".into(), Some("e\"f".into()))]
        );
        assert_eq!(hstore(""), Some(vec![]));
        assert_eq!(hstore("a=>1"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "[{}\",\\\\NUL1=>a\\[\\]: ]{0,40}") {
            let _ = array(&text);
            let _ = hstore(&text);
        }
    }
}
