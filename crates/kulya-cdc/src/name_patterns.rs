//! Lists of regular expressions that select names of tables and columns, as Debezium has them: compared with
//! the whole name, in any case of letters. In a settings file a list of texts, in Debezium's properties one
//! text with commas between.
//!
//! An expression is compiled once, when the settings are read, and bounded in size. Names that differ only in
//! the case of a letter outside ASCII are equal here, and different in Debezium.

use crate::java_pattern;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Maximum number of expressions in a list.
const MAX_PATTERNS: usize = 1_000;

/// A list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// The list ends with a backslash.
    #[error("it ends with a backslash: a properties file needs two for one")]
    TrailingBackslash,
    /// The list has more than 1000 expressions.
    #[error("it has more than 1000 regular expressions: combine them")]
    TooMany,
    /// An expression is invalid, or is one of those that Java alone has.
    #[error(
        "{0:?} is not a regular expression that is supported (no look-around, no references to groups, no \
         possessive quantifiers)"
    )]
    Invalid(String),
}

/// A regular expression for a whole name.
#[derive(Clone)]
pub struct NamePattern {
    text: String,
    regex: Regex,
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

impl NamePattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// [`PatternError::Invalid`] for one that is not supported.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let compiled = java_pattern::compile(text, true);
        let (_, regex) = compiled.ok_or_else(|| PatternError::Invalid(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Returns the expression.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the expression matches the whole name.
    pub fn is_match(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }
}

/// A list of expressions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct NamePatterns {
    patterns: Vec<NamePattern>,
}

impl NamePatterns {
    /// Parses a list. A comma within an expression is written `\,`.
    ///
    /// # Errors
    /// [`PatternError`] for a list that cannot be used.
    pub fn parse(list: &str) -> Result<Self, PatternError> {
        split(list)?.try_into()
    }

    /// Appends the expressions of another list.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.patterns.append(&mut other.patterns);
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns the expressions.
    pub fn iter(&self) -> impl Iterator<Item = &NamePattern> {
        self.patterns.iter()
    }

    /// Returns whether one of the expressions matches the whole name.
    pub fn is_match(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(name))
    }
}

impl TryFrom<Vec<String>> for NamePatterns {
    type Error = PatternError;

    fn try_from(texts: Vec<String>) -> Result<Self, PatternError> {
        if texts.len() > MAX_PATTERNS {
            return Err(PatternError::TooMany);
        }
        let patterns = texts.iter().map(|text| NamePattern::new(text)).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }
}

impl From<NamePatterns> for Vec<String> {
    fn from(patterns: NamePatterns) -> Self {
        patterns.patterns.into_iter().map(|pattern| pattern.text).collect()
    }
}

/// Splits a list at the commas that are not escaped.
fn split(list: &str) -> Result<Vec<String>, PatternError> {
    let mut parts = vec![String::new()];
    let mut chars = list.chars();
    while let Some(next) = chars.next() {
        let part = parts.last_mut().filter(|_| next != ',');
        match (part, next) {
            (None, _) => parts.push(String::new()),
            (Some(part), '\\') => match chars.next().ok_or(PatternError::TrailingBackslash)? {
                ',' => part.push(','),
                escaped => part.extend(['\\', escaped]),
            },
            (Some(part), _) => part.push(next),
        }
    }
    Ok(parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_split_and_matched_as_debezium_does() {
        for (list, name, expected) in [
            ("inventory.customers", "inventory.customers", true),
            ("inventory.customers", "Inventory.CUSTOMERS", true),
            ("inventory.customers", "inventory.customers2", false),
            ("inventory.customers", "xinventory.customers", false),
            ("a.b, c.d ,", "c.d", true),
            (r"inventory\..*", "inventory2.x", false),
            (r"inventory.*", "inventory2.x", true),
            (r"a\.b{1\,2}", "a.bb", true),
            ("a|b", "ab", false),
            ("a|b", "b", true),
            ("", "", false),
        ] {
            let patterns = NamePatterns::parse(list).unwrap();
            assert_eq!(patterns.is_match(name), expected, "{list} {name}");
        }
        for (list, expected) in [
            ("a(", "\"a(\" is not"),
            ("a)|(b", "\"a)|(b\" is not"),
            (r"a\", "backslash"),
            ("(?!x)y", "look-around"),
            ("a{9999}{9999}", "is not"),
            (&"a,".repeat(1001), "more than 1000"),
        ] {
            let error = NamePatterns::parse(list).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn settings_have_a_list_of_texts() {
        let patterns: NamePatterns = serde_json::from_str(r#"["a\\..{1,2}","b"]"#).unwrap();
        assert!(patterns.is_match("A.xy") && !patterns.is_match("a.xyz"));
        assert_eq!(serde_json::to_string(&patterns).unwrap(), r#"["a\\..{1,2}","b"]"#);
        assert!(serde_json::from_str::<NamePatterns>(r#"["("]"#).is_err());
    }

    proptest! {
        #[test]
        fn any_list_is_parsed_or_rejected(list in "([ab.*+?|(){},^$\\\\\\[\\]-]|\\PC){0,40}", name: String) {
            if let Ok(patterns) = NamePatterns::parse(&list) {
                let _ = patterns.is_match(&name);
            }
        }
    }
}
