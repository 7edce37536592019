//! Regular expressions and replacements as Java's `Matcher` has them: a name is replaced if the expression
//! matches the whole of it.

use crate::java_pattern;
use regex::{Captures, Regex};

/// Returns an expression as it is, and one for a whole name.
fn compile(text: &str) -> Result<(Regex, Regex), String> {
    java_pattern::compile(text, false).ok_or_else(|| {
        format!(
            "{text:?} is not a regular expression that is supported (no look-around, no references to groups, no \
             possessive quantifiers)"
        )
    })
}

/// An expression for a whole name.
#[derive(Debug)]
pub(super) struct WholePattern(Regex);

impl WholePattern {
    /// Compiles an expression.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        Ok(Self(compile(text)?.1))
    }

    pub(super) fn is_match(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// An expression for a whole name, and what replaces it.
#[derive(Debug)]
pub(super) struct Replacement {
    whole: WholePattern,
    /// The expression for the part that is replaced, which can be shorter than the name.
    first: Regex,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Replacement {
    /// Compiles an expression and its replacement, in which `$1` and `${name}` are groups, and a backslash
    /// is before what stands for itself.
    pub(super) fn new(pattern: &str, replacement: &str) -> Result<Self, String> {
        let (first, whole) = compile(pattern)?;
        let parts = parts(replacement, &first).ok_or_else(|| {
            format!("{replacement:?} is not a replacement: it names a group that does not exist")
        })?;
        Ok(Self { whole: WholePattern(whole), first, parts })
    }

    /// Returns the new name; `None` if the expression does not match the whole one.
    pub(super) fn apply(&self, name: &str) -> Option<String> {
        if !self.whole.is_match(name) {
            return None;
        }
        let groups = self.first.captures(name)?;
        let range = groups.get(0)?.range();
        let (before, after) = (name.get(..range.start)?, name.get(range.end..)?);
        Some([before, &self.expand(&groups), after].concat())
    }

    fn expand(&self, groups: &Captures<'_>) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Group(group) => {
                groups.get(*group).map(|group| group.as_str().to_owned()).unwrap_or_default()
            }
        };
        self.parts.iter().map(part).collect()
    }
}

/// Splits a replacement; `None` for one that Java refuses.
fn parts(replacement: &str, regex: &Regex) -> Option<Vec<Part>> {
    let last_group = regex.captures_len() - 1;
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut chars = replacement.chars().peekable();
    while let Some(next) = chars.next() {
        let group = match next {
            '\\' => {
                text.push(chars.next()?);
                continue;
            }
            '$' if chars.next_if_eq(&'{').is_some() => {
                let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                regex.capture_names().position(|found| found == Some(&name))?
            }
            '$' => {
                let digit = |c: char| c.to_digit(10).map(|digit| digit as usize);
                let mut group = digit(chars.next()?).filter(|group| *group <= last_group)?;
                // further digits belong to the number as long as there is such a group
                while let Some(longer) = chars.peek().and_then(|c| Some(group * 10 + digit(*c)?))
                    && longer <= last_group
                {
                    group = longer;
                    chars.next();
                }
                group
            }
            other => {
                text.push(other);
                continue;
            }
        };
        parts.push(Part::Text(std::mem::take(&mut text)));
        parts.push(Part::Group(group));
    }
    parts.push(Part::Text(text));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_as_in_java() {
        for (pattern, replacement, name, expected) in [
            ("(.*)", "x.$1", "a.b", Some("x.a.b")),
            ("a", "x", "ab", None),
            (r"zoo\.(\w+)\.(?<table>.*)", "${table}-$1", "zoo.s.t", Some("t-s")),
            ("(a)(b)?", "$1$2!", "a", Some("a!")),
            ("(a)", r"\$1$10\\", "a", Some(r"$1a0\")),
            ("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", "$10$11", "abcdefghij", Some("ja1")),
            // the first match is shorter than the whole one
            ("a*?", "x", "aa", Some("xaa")),
            ("A", "x", "a", None),
            ("a|ab", "x", "ab", Some("xb")),
        ] {
            let found = Replacement::new(pattern, replacement).unwrap().apply(name);
            assert_eq!(found.as_deref(), expected, "{pattern} {replacement} {name}");
        }
    }

    #[test]
    fn what_java_or_the_crate_refuses_is_an_error() {
        for (pattern, replacement) in
            [("a)(b", ""), ("(?=a)", ""), ("a", "$1"), ("a", "$"), ("a", "$x"), ("a", r"\"), ("a", "${b}")]
        {
            assert!(Replacement::new(pattern, replacement).is_err(), "{pattern} {replacement}");
        }
    }
}
