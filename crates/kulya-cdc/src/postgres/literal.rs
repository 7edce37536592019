//! PostgreSQL's text forms that hold other values: arrays and hstore (documentation, "Array Input and Output
//! Syntax", "hstore External Representation"). Total on any text.

/// An array's element: a value, null, or an inner array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Element {
    Null,
    Text(String),
    Array(Vec<Element>),
}

/// How deep arrays may nest (PostgreSQL's limit is 6).
const MAX_DEPTH: usize = 8;

/// Reads `{a,"b",NULL,{…}}`, with an optional `[lower:upper]=` in front.
pub(crate) fn array(text: &str) -> Option<Vec<Element>> {
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let mut letters = Letters { rest: text };
    letters.take('{')?;
    let elements = elements(&mut letters, 0)?;
    letters.rest.is_empty().then_some(elements)
}

struct Letters<'a> {
    rest: &'a str,
}

impl Letters<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.rest = self.rest.get(letter.len_utf8()..)?;
        Some(letter)
    }

    fn take(&mut self, expected: char) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    /// The rest of a quoted text, whose first quote is taken: `\` protects the next letter.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.next()?),
                letter => text.push(letter),
            }
        }
    }
}

fn elements(letters: &mut Letters<'_>, depth: usize) -> Option<Vec<Element>> {
    let mut found = Vec::new();
    if depth > MAX_DEPTH {
        return None;
    }
    if letters.peek()? == '}' {
        letters.next();
        return Some(found);
    }
    loop {
        match letters.peek()? {
            '{' => {
                letters.next();
                found.push(Element::Array(elements(letters, depth + 1)?));
            }
            '"' => {
                letters.next();
                found.push(Element::Text(letters.quoted()?));
            }
            _ => {
                let mut text = String::new();
                while !matches!(letters.peek()?, ',' | '}') {
                    match letters.next()? {
                        '\\' => text.push(letters.next()?),
                        letter => text.push(letter),
                    }
                }
                found.push(if text == "NULL" { Element::Null } else { Element::Text(text) });
            }
        }
        match letters.next()? {
            ',' => {}
            '}' => return Some(found),
            _ => return None,
        }
    }
}

/// Reads `"key"=>"value", "key"=>NULL` into pairs.
pub(crate) fn hstore(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut letters = Letters { rest: text };
    let mut pairs = Vec::new();
    while letters.peek().is_some() {
        letters.take('"')?;
        let key = letters.quoted()?;
        letters.rest = letters.rest.strip_prefix("=>")?;
        let value = if let Some(rest) = letters.rest.strip_prefix("NULL") {
            letters.rest = rest;
            None
        } else {
            letters.take('"')?;
            Some(letters.quoted()?)
        };
        pairs.push((key, value));
        letters.rest = letters.rest.strip_prefix(", ").unwrap_or(letters.rest);
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arrays_and_hstores_are_read() {
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
        fn any_text_is_read_or_refused(text in "[{}\",\\\\NUL1=>a\\[\\]: ]{0,40}") {
            let _ = array(&text);
            let _ = hstore(&text);
        }
    }
}
