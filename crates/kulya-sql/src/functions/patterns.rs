//! Patterns of LIKE, SIMILAR TO and regular expressions: compiled once per batch, bounded in size and number.
//!
//! Regular expressions have the syntax of the `regex` crate, which is Java's without look-around and
//! back-references.

use crate::{SqlError, SqlErrorKind};
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use regex::{Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;

/// The maximum size of a compiled pattern, in bytes.
pub(super) const MAX_PATTERN_BYTES: usize = 1 << 20;
/// The maximum number of distinct patterns in a batch, because each is compiled.
pub(super) const MAX_PATTERNS: usize = 64;

/// The compiled patterns of a batch; none for invalid ones.
pub(super) struct Patterns {
    /// The function, for messages.
    name: &'static str,
    compiled: RefCell<HashMap<String, Option<Regex>>>,
}

impl Patterns {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, compiled: RefCell::default() }
    }

    fn too_complex(&self, what: &str) -> DataFusionError {
        SqlError::new(SqlErrorKind::TooComplex, format!("{}: {what}", self.name)).into()
    }

    /// Returns a compiled pattern; `None` for an invalid one.
    pub(super) fn regex(&self, pattern: &str) -> Result<Option<Regex>> {
        self.compile(pattern, || Some(pattern.to_owned()))
    }

    /// Returns the compiled pattern of LIKE.
    pub(super) fn like(&self, pattern: &str, escape: Option<char>) -> Result<Option<Regex>> {
        self.compile(&format!("like {escape:?} {pattern}"), || like_to_regex(pattern, escape))
    }

    /// Returns the compiled pattern of SIMILAR TO.
    pub(super) fn similar(&self, pattern: &str, escape: Option<char>) -> Result<Option<Regex>> {
        self.compile(&format!("similar {escape:?} {pattern}"), || similar_to_regex(pattern, escape))
    }

    fn compile(&self, key: &str, text: impl FnOnce() -> Option<String>) -> Result<Option<Regex>> {
        let mut compiled = self.compiled.borrow_mut();
        if let Some(found) = compiled.get(key) {
            return Ok(found.clone());
        }
        if compiled.len() >= MAX_PATTERNS {
            let what = format!(
                "more than {MAX_PATTERNS} distinct patterns in one batch: use fewer patterns from a column"
            );
            return Err(self.too_complex(&what));
        }
        let regex = match text().map(|text| RegexBuilder::new(&text).size_limit(MAX_PATTERN_BYTES).build()) {
            Some(Ok(regex)) => Some(regex),
            Some(Err(regex::Error::CompiledTooBig(_))) => {
                let what = format!(
                    "the pattern {key:.40?} exceeds {MAX_PATTERN_BYTES} bytes when compiled: reduce its repetitions"
                );
                return Err(self.too_complex(&what));
            }
            _ => None,
        };
        compiled.insert(key.to_owned(), regex.clone());
        Ok(regex)
    }
}

/// Returns the regular expression of a pattern of LIKE; `None` if the escape character is not before `%`, `_`
/// or itself.
fn like_to_regex(pattern: &str, escape: Option<char>) -> Option<String> {
    let mut regex = String::from("(?s)^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            _ if Some(character) == escape => {
                let literal =
                    characters.next().filter(|next| matches!(next, '%' | '_') || Some(*next) == escape)?;
                push_literal(&mut regex, literal);
            }
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            _ => push_literal(&mut regex, character),
        }
    }
    regex.push('$');
    Some(regex)
}

/// Returns the regular expression of a pattern of SIMILAR TO, as Flink translates it: `.` stays one
/// character.
fn similar_to_regex(pattern: &str, escape: Option<char>) -> Option<String> {
    let mut regex = String::from("(?s)^(?:");
    let (mut characters, mut in_class) = (pattern.chars(), false);
    while let Some(character) = characters.next() {
        match character {
            _ if Some(character) == escape => push_literal(&mut regex, characters.next()?),
            '[' => {
                in_class = true;
                regex.push('[');
            }
            ']' => {
                in_class = false;
                regex.push(']');
            }
            _ if in_class => regex.push(character),
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '|' | '*' | '+' | '?' | '(' | ')' | '{' | '}' | '.' => regex.push(character),
            _ => push_literal(&mut regex, character),
        }
    }
    regex.push_str(")$");
    Some(regex)
}

fn push_literal(regex: &mut String, character: char) {
    regex.push_str(&regex::escape(character.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_regular_expressions() {
        assert_eq!(like_to_regex("a.%_", None).unwrap(), "(?s)^a\\..*.$");
        assert_eq!(like_to_regex("a|%||", Some('|')).unwrap(), "(?s)^a%\\|$");
        assert_eq!(like_to_regex("a|b", Some('|')), None);
        assert_eq!(like_to_regex("a|", Some('|')), None);
        assert_eq!(similar_to_regex("(a|b)%[%x]_", None).unwrap(), "(?s)^(?:(a|b).*[%x].)$");
    }
}
