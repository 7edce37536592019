//! Scripts of statements, as the servers' clients read them: statements end with `;` or with what a line
//! `DELIMITER …` says. Such a line may also be a comment.

/// Splits a script into its statements. Comments stay where they are; a part without words is none.
pub(super) fn statements(script: &str) -> Vec<&str> {
    let mut script = Script { rest: script, delimiter: ";" };
    std::iter::from_fn(|| script.next_statement()).filter(|statement| has_words(statement)).collect()
}

struct Script<'a> {
    rest: &'a str,
    delimiter: &'a str,
}

impl<'a> Script<'a> {
    fn next_statement(&mut self) -> Option<&'a str> {
        self.eat_delimiter_line();
        if self.rest.is_empty() {
            return None;
        }
        let (mut end, mut is_line_start) = (0, true);
        loop {
            let rest = &self.rest[end..];
            let is_over = rest.is_empty() || (is_line_start && delimiter_line(rest).is_some());
            let behind = rest.strip_prefix(self.delimiter).or_else(|| self.behind_commented(rest));
            if is_over || behind.is_some() {
                let statement = self.rest[..end].trim();
                self.rest = behind.unwrap_or(rest);
                return Some(statement);
            }
            is_line_start = rest.starts_with('\n');
            end += part(rest);
        }
    }

    fn eat_delimiter_line(&mut self) {
        loop {
            let rest = self.rest.trim_start();
            let Some(delimiter) = delimiter_line(rest) else { return };
            self.delimiter = delimiter;
            self.rest = &rest[line_end(rest)..];
        }
    }

    /// What follows a delimiter, other than `;`, that is in a comment.
    fn behind_commented(&self, rest: &'a str) -> Option<&'a str> {
        let comment = rest.strip_prefix("--").filter(|_| self.delimiter != ";")?;
        comment.trim_start_matches([' ', '\t']).strip_prefix(self.delimiter)
    }
}

/// The delimiter that a line `DELIMITER …` at the start of the text gives.
fn delimiter_line(text: &str) -> Option<&str> {
    let line = text[..line_end(text)].trim();
    let line = line.strip_prefix("--").map_or(line, str::trim_start);
    let (word, delimiter) = line.split_once(' ')?;
    (word.eq_ignore_ascii_case("delimiter") && !delimiter.trim().is_empty()).then(|| delimiter.trim())
}

fn line_end(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// The length of a quoted text, of a comment, or of one character.
fn part(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    match text.as_bytes() {
        [quote @ (b'\'' | b'"' | b'`'), ..] => quoted(text.as_bytes(), *quote),
        [b'#', ..] | [b'-', b'-'] | [b'-', b'-', b' ' | b'\t' | b'\r' | b'\n', ..] => line_end(text),
        // what a versioned comment contains is split by its strings only
        [b'/', b'*', ..] => text.find("*/").map_or(text.len(), |end| end + 2),
        _ => first,
    }
}

fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match *byte {
            b'\\' if quote != b'`' => at += 2,
            // a doubled quote starts another quoted text
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn has_words(statement: &str) -> bool {
    let mut rest = statement;
    while !rest.is_empty() {
        let is_comment = rest.starts_with('#')
            || rest.starts_with("--")
            || (rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!"));
        let length = part(rest);
        if !is_comment && !rest[..length].trim().is_empty() {
            return true;
        }
        rest = &rest[length..];
    }
    false
}

#[test]
fn scripts_are_split() {
    for (script, expected) in [
        ("a; b ;c", &["a", "b", "c"][..]),
        ("a 'x;''y\\';' \";\" `;`;b", &["a 'x;''y\\';' \";\" `;`", "b"]),
        ("a -- x;\nb; # ; \n; /* ; */ c", &["a -- x;\nb", "/* ; */ c"]),
        ("/*! a */; -- only\n;--\n", &["/*! a */"]),
        ("a - -1--2;b", &["a - -1--2", "b"]),
        ("DELIMITER $$\na; b$$\nc;$$\ndelimiter ;\nd;e", &["a; b", "c;", "d", "e"]),
        ("-- delimiter //\na; b; -- //\n-- delimiter ;\nc;", &["a; b;", "c"]),
        ("delimiter //\na;\ndelimiter ;\nb; c", &["a;", "b", "c"]),
        ("-- delimiter //\na; --//-- delimiter ;\nb;c", &["a;", "b", "c"]),
        ("ž 'ů;", &["ž 'ů;"]),
        ("a '\\", &["a '\\"]),
        ("", &[]),
    ] {
        assert_eq!(statements(script), expected, "{script}");
    }
}
