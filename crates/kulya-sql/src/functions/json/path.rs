//! Paths into JSON documents: `$.a[0]['b c'][*]..d[1:2]`, after `lax` or `strict`.
//!
//! A path is strict without either word, as in Flink. A strict path fails where a member is missing; a
//! lax one
//! finds nothing. A path with `*`, `..`, a list or a
//! range is indefinite: it gives an array of what it finds.

use serde_json::Value;

/// The maximum number of steps of a path.
const MAX_STEPS: usize = 64;
/// The maximum number of values that a path finds in a document.
const MAX_FOUND: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    /// The item of this number; from the end if it is below zero.
    Item(i64),
    All,
    /// The member of this name at any depth; all values without one.
    Descendants(Option<String>),
    Range(Option<i64>, Option<i64>),
    /// Several members or items.
    Choice(Vec<Step>),
    /// `length()`.
    Length,
}

/// A path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct JsonPath {
    pub(super) is_strict: bool,
    steps: Vec<Step>,
}

/// What a path finds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Value(Value),
    Nothing,
    /// A strict path found no member of this name.
    Missing(String),
}

impl JsonPath {
    /// Parses a path.
    ///
    /// # Errors
    /// The text says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let mode = |mode: &str| {
            let (start, rest) = trimmed.split_at_checked(mode.len())?;
            (start.eq_ignore_ascii_case(mode) && rest.starts_with(char::is_whitespace))
                .then(|| rest.trim_start())
        };
        let (is_strict, path) = match (mode("lax"), mode("strict")) {
            (Some(path), _) => (false, path),
            (_, Some(path)) => (true, path),
            // as in Flink, where the standard has lax
            _ => (true, trimmed),
        };
        // Flink adds what a path without $ lacks
        let completed = match path.chars().next() {
            Some('$') => path.to_owned(),
            Some('[') => format!("${path}"),
            Some(_) => format!("$.{path}"),
            None => return Err("the path is empty".to_owned()),
        };
        let mut rest = completed.get(1..).unwrap_or_default();
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if steps.len() >= MAX_STEPS {
                return Err(format!("a path has at most {MAX_STEPS} steps"));
            }
            let (step, after) = step(rest)?;
            steps.push(step);
            rest = after;
        }
        Ok(Self { is_strict, steps })
    }

    /// Returns whether the path gives an array of what it finds.
    fn is_indefinite(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Member(_) | Step::Item(_) | Step::Length))
    }

    /// Applies the path to a document.
    pub(super) fn find(&self, document: &Value) -> Found {
        let mut values = vec![std::borrow::Cow::Borrowed(document)];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in &values {
                // an owned one is the number of length(), which has no parts
                if let std::borrow::Cow::Borrowed(value) = value {
                    apply(step, value, &mut next);
                }
                if next.len() > MAX_FOUND {
                    return Found::Nothing;
                }
            }
            if next.is_empty() && !self.is_indefinite() {
                return match (self.is_strict, step) {
                    (true, Step::Member(name)) => Found::Missing(name.clone()),
                    (true, _) => Found::Missing("[…]".to_owned()),
                    (false, _) => Found::Nothing,
                };
            }
            values = next;
        }
        if self.is_indefinite() {
            return Found::Value(Value::Array(
                values.into_iter().map(std::borrow::Cow::into_owned).collect(),
            ));
        }
        values.pop().map_or(Found::Nothing, |value| Found::Value(value.into_owned()))
    }
}

/// Parses one step, and returns the rest.
fn step(text: &str) -> Result<(Step, &str), String> {
    if let Some(rest) = text.strip_prefix("..") {
        if let Some(rest) = rest.strip_prefix('*') {
            return Ok((Step::Descendants(None), rest));
        }
        let (name, rest) = name(rest)?;
        return Ok((Step::Descendants(Some(name)), rest));
    }
    if let Some(rest) = text.strip_prefix('.') {
        if rest.starts_with('[') {
            return brackets(rest);
        }
        if let Some(rest) = rest.strip_prefix('*') {
            return Ok((Step::All, rest));
        }
        let (name, rest) = name(rest)?;
        if let Some(rest) = rest.strip_prefix("()") {
            return match name.as_str() {
                "length" | "size" => Ok((Step::Length, rest)),
                _ => Err(format!("the function {name:.40} of a path is not supported yet")),
            };
        }
        return Ok((Step::Member(name), rest));
    }
    brackets(text)
}

fn name(text: &str) -> Result<(String, &str), String> {
    let end = text.find(['.', '[', '(', ' ']).unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((name, rest)) if !name.is_empty() => Ok((name.to_owned(), rest)),
        _ => Err("a path has a dot without a name".to_owned()),
    }
}

/// Parses `['name']`, `[0]`, `[*]`, `[1:3]` or a list of names or numbers.
fn brackets(text: &str) -> Result<(Step, &str), String> {
    let mut rest =
        text.strip_prefix('[').ok_or_else(|| format!("unexpected {text:.20?} in a path"))?.trim_start();
    if rest.starts_with(['?', '(', '@']) {
        return Err("a filter in a path is not supported yet".to_owned());
    }
    let mut choices = Vec::new();
    loop {
        let (choice, after) = choice(rest)?;
        choices.push(choice);
        rest = after.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        rest = rest.strip_prefix(']').ok_or("a bracket of a path is not closed")?;
        let step = if choices.len() == 1 { choices.pop() } else { None };
        return Ok((step.unwrap_or(Step::Choice(choices)), rest));
    }
}

fn choice(text: &str) -> Result<(Step, &str), String> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((Step::All, rest));
    }
    if let Some(quote) = text.chars().next().filter(|first| matches!(first, '\'' | '"')) {
        let mut name = String::new();
        let mut characters = text.char_indices().skip(1);
        while let Some((start, character)) = characters.next() {
            match character {
                '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
                _ if character == quote => {
                    return Ok((Step::Member(name), text.get(start + 1..).unwrap_or_default()));
                }
                _ => name.push(character),
            }
        }
        return Err("a quote in a path is not closed".to_owned());
    }
    let (first, rest) = number(text)?;
    let Some(rest) = rest.strip_prefix(':') else {
        let item = first.ok_or_else(|| format!("unexpected {text:.20?} in a path"))?;
        return Ok((Step::Item(item), rest));
    };
    let (last, rest) = number(rest)?;
    Ok((Step::Range(first, last), rest))
}

fn number(text: &str) -> Result<(Option<i64>, &str), String> {
    let end =
        text.find(|character: char| !character.is_ascii_digit() && character != '-').unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some(("", rest)) => Ok((None, rest)),
        Some((digits, rest)) => match digits.parse() {
            Ok(number) => Ok((Some(number), rest)),
            Err(_) => Err(format!("{digits:.20} is no number of an item")),
        },
        None => Ok((None, text)),
    }
}

fn apply<'a>(step: &Step, value: &'a Value, found: &mut Vec<std::borrow::Cow<'a, Value>>) {
    use std::borrow::Cow::{Borrowed, Owned};
    match (step, value) {
        (Step::Member(name), Value::Object(members)) => found.extend(members.get(name).map(Borrowed)),
        (Step::Item(number), Value::Array(items)) => {
            found.extend(index(*number, items.len()).and_then(|index| items.get(index)).map(Borrowed));
        }
        (Step::All, Value::Object(members)) => found.extend(members.values().map(Borrowed)),
        (Step::All, Value::Array(items)) => found.extend(items.iter().map(Borrowed)),
        (Step::Range(from, to), Value::Array(items)) => {
            let length = items.len();
            let bound = |number: i64| match number {
                0.. => usize::try_from(number).unwrap_or(length).min(length),
                _ => index(number, length).unwrap_or(0),
            };
            let (from, to) = (from.map_or(0, bound), to.map_or(length, bound));
            found.extend(items.get(from..to).unwrap_or_default().iter().map(Borrowed));
        }
        (Step::Choice(choices), _) => choices.iter().for_each(|choice| apply(choice, value, found)),
        (Step::Length, Value::Array(items)) => found.push(Owned(Value::from(items.len()))),
        (Step::Length, Value::Object(members)) => found.push(Owned(Value::from(members.len()))),
        (Step::Descendants(name), _) => descend(name.as_deref(), value, found),
        _ => {}
    }
}

fn descend<'a>(name: Option<&str>, value: &'a Value, found: &mut Vec<std::borrow::Cow<'a, Value>>) {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        if found.len() > MAX_FOUND {
            return;
        }
        let children: Vec<(Option<&str>, &Value)> = match value {
            Value::Object(members) => {
                members.iter().map(|(name, value)| (Some(name.as_str()), value)).collect()
            }
            Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
            _ => continue,
        };
        for (member, child) in &children {
            if name.is_none() || *member == name {
                found.push(std::borrow::Cow::Borrowed(child));
            }
        }
        pending.extend(children.into_iter().rev().map(|(_, child)| child));
    }
}

/// Returns the position of an item by its number, which counts from the end if it is below zero.
fn index(number: i64, length: usize) -> Option<usize> {
    match usize::try_from(number) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(number.unsigned_abs()).ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn paths_find_values() {
        let document = json!({"a": [{"b": 1}, {"b": 2, "c": {"b": 3}}], "x y": true});
        for (path, expected) in [
            ("$", Found::Value(document.clone())),
            ("$.a[0].b", Found::Value(json!(1))),
            ("lax $['x y']", Found::Value(json!(true))),
            ("$.[\"x y\"]", Found::Value(json!(true))),
            ("$.a[-1].b", Found::Value(json!(2))),
            ("a[1].b", Found::Value(json!(2))),
            ("$.a[*].b", Found::Value(json!([1, 2]))),
            ("$.a[0:1].b", Found::Value(json!([1]))),
            ("$.a[0, 1].b", Found::Value(json!([1, 2]))),
            ("$..b", Found::Value(json!([1, 2, 3]))),
            ("$.a.length()", Found::Value(json!(2))),
            ("lax $.nothing", Found::Nothing),
            ("$.nothing", Found::Missing("nothing".to_owned())),
            ("lax $.a[7]", Found::Nothing),
            ("lax $.a.b", Found::Nothing),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().find(&document), expected, "{path}");
        }
    }

    #[test]
    fn invalid_paths_are_refused() {
        for (path, reason) in [
            ("", "is empty"),
            ("$.", "without a name"),
            ("$[", "unexpected"),
            ("$['a", "not closed"),
            ("$.a[?(@.b > 1)]", "filter"),
            ("$.sum()", "sum"),
            ("$[99999999999999999999]", "no number"),
        ] {
            assert!(JsonPath::parse(path).unwrap_err().contains(reason), "{path}");
        }
        assert!(JsonPath::parse(&format!("${}", ".a".repeat(65))).is_err());
    }

    proptest! {
        #[test]
        fn any_path_is_parsed_or_refused(path in "\\$[.a\\[\\]'*:,0-9()-]{0,16}") {
            if let Ok(path) = JsonPath::parse(&path) {
                path.find(&json!({"a": [1, {"a": [2, 3]}]}));
            }
        }
    }
}
