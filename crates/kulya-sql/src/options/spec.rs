//! The description of an option, and validated options.

use crate::dialect::Position;
use crate::nearest::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};
use std::collections::BTreeMap;

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OptionSpec {
    /// The key, without the prefix of its format.
    pub(crate) key: &'static str,
    pub(crate) kind: OptionKind,
    /// The default as text; empty for none.
    pub(crate) default: &'static str,
    /// What it does, or why it has no effect here.
    pub(crate) meaning: &'static str,
}

/// The values of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OptionKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// One of these, in any case.
    Choice(&'static [&'static str]),
    /// A whole number between these.
    Integer(u64, u64),
    /// One character.
    Character,
    /// The option belongs to Flink and has no effect here; its value is not looked at.
    WithoutEffect,
}

impl OptionSpec {
    pub(crate) const fn new(
        key: &'static str,
        kind: OptionKind,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { key, kind, default, meaning }
    }

    /// Returns the value in its canonical form.
    fn check(&self, value: &str) -> Result<String, String> {
        let is_char = |value: &str| value.chars().count() == 1;
        match self.kind {
            OptionKind::Text | OptionKind::WithoutEffect => Ok(value.to_owned()),
            OptionKind::Boolean => match value.trim().to_ascii_lowercase().as_str() {
                lower @ ("true" | "false") => Ok(lower.to_owned()),
                _ => Err("use true or false".to_owned()),
            },
            OptionKind::Choice(choices) => {
                let found = choices.iter().find(|choice| choice.eq_ignore_ascii_case(value.trim()));
                found.map(|choice| (*choice).to_owned()).ok_or_else(|| format!("use {}", choices.join(", ")))
            }
            OptionKind::Integer(min, max) => match value.trim().parse::<u64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(number.to_string()),
                _ => Err(format!("use a whole number from {min} to {max}")),
            },
            OptionKind::Character => match value {
                r"\t" => Ok("\t".to_owned()),
                value if is_char(value) => Ok(value.to_owned()),
                _ => Err("use one character".to_owned()),
            },
        }
    }
}

/// Validated options, with the defaults of those that were not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    given: BTreeMap<&'static str, String>,
    /// The defaults of the catalog.
    of_catalog: BTreeMap<&'static str, String>,
    defaults: BTreeMap<&'static str, &'static str>,
}

impl Options {
    /// Validates options. `prefix` is in front of the keys, for messages: `json.` or nothing.
    ///
    /// # Errors
    /// `InvalidOption`: an unknown key (the text suggests the nearest one), an invalid value, or a key that
    /// is given twice.
    pub(crate) fn parse(
        specs: &[&'static OptionSpec],
        prefix: &str,
        given: &[(String, String)],
    ) -> SqlResult<Self> {
        let given = given.iter().map(|(key, value)| (key.as_str(), value.as_str(), Position::default()));
        Self::parse_at(specs, prefix, given)
    }

    /// The same with the places of the options in the script, for messages.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(crate) fn parse_at<'a>(
        specs: &[&'static OptionSpec],
        prefix: &str,
        given: impl IntoIterator<Item = (&'a str, &'a str, Position)>,
    ) -> SqlResult<Self> {
        let mut parsed = Self::default();
        parsed.defaults.extend(specs.iter().map(|spec| (spec.key, spec.default)));
        for (key, value, position) in given {
            let at = |error: SqlError| error.at(position);
            let Some(spec) = specs.iter().find(|spec| spec.key == key) else {
                return Err(at(unknown(specs, prefix, key)));
            };
            let invalid = |reason: String| {
                let what = format!("option '{prefix}{key}' = '{value:.100}' is invalid: {reason}");
                SqlError::new(SqlErrorKind::InvalidOption, what)
            };
            let value = spec.check(value).map_err(invalid).map_err(at)?;
            if parsed.given.insert(spec.key, value).is_some() {
                let what = format!("option '{prefix}{key}' is given twice");
                return Err(at(SqlError::new(SqlErrorKind::InvalidOption, what)));
            }
        }
        Ok(parsed)
    }

    /// Returns these options with others in place of those that both have.
    pub(crate) fn overlaid(&self, others: &Self) -> Self {
        let mut overlaid = self.clone();
        overlaid.given.extend(others.given.iter().map(|(key, value)| (*key, value.clone())));
        overlaid.defaults.extend(others.defaults.iter());
        overlaid
    }

    /// Returns the value of an option, or its default; `None` without either.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let default = || self.defaults.get(key).copied().filter(|default| !default.is_empty());
        let given = self.given.get(key).or_else(|| self.of_catalog.get(key));
        given.map(String::as_str).or_else(default)
    }

    /// Sets the values of options that are not given, as another place than the table says them.
    pub(crate) fn set_defaults(&mut self, other: &Self) {
        let known = other.given.iter().filter(|(key, _)| self.defaults.contains_key(*key));
        self.of_catalog = known.map(|(key, value)| (*key, value.clone())).collect();
    }

    /// Returns whether an option was given.
    pub(crate) fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Returns whether an option is `true`.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }

    /// Returns the number of an option with a default.
    pub(crate) fn number(&self, key: &str) -> u64 {
        self.get(key).and_then(|value| value.parse().ok()).unwrap_or_default()
    }
}

fn unknown(specs: &[&'static OptionSpec], prefix: &str, key: &str) -> SqlError {
    let what = match nearest(key, specs.iter().map(|spec| spec.key)) {
        Some(nearest) => format!("unknown option '{prefix}{key:.100}': did you mean '{prefix}{nearest}'?"),
        None => {
            // those of the same group, if there are any
            let group = key.split_once('.').map(|(group, _)| format!("{group}."));
            let is_of_group = |spec: &&&OptionSpec| {
                group.as_ref().is_some_and(|group| spec.key.starts_with(group.as_str()))
            };
            let has_group = specs.iter().any(|spec| is_of_group(&spec));
            let known = specs.iter().filter(|spec| !has_group || is_of_group(spec));
            let mut known: Vec<String> = known.map(|spec| format!("{prefix}{}", spec.key)).collect();
            known.sort();
            format!("unknown option '{prefix}{key:.100}': options are {}", known.join(", "))
        }
    };
    SqlError::new(SqlErrorKind::InvalidOption, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    static ERRORS: OptionSpec = OptionSpec::new("ignore-parse-errors", OptionKind::Boolean, "false", "x");
    static MODE: OptionSpec = OptionSpec::new("mode", OptionKind::Choice(&["FAIL", "DROP"]), "FAIL", "x");
    static SEGMENTS: OptionSpec = OptionSpec::new("segments", OptionKind::Integer(1, 1000), "1", "x");
    static DELIMITER: OptionSpec = OptionSpec::new("delimiter", OptionKind::Character, ",", "x");
    static NOTHING: OptionSpec = OptionSpec::new("null-literal", OptionKind::Text, "", "x");

    fn parse(given: &[(&str, &str)]) -> SqlResult<Options> {
        let specs = [&ERRORS, &MODE, &SEGMENTS, &DELIMITER, &NOTHING];
        let owned = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Options::parse(&specs, "csv.", &owned.collect::<Vec<_>>())
    }

    #[test]
    fn values_are_canonical_and_have_defaults() {
        let options =
            parse(&[("ignore-parse-errors", "TRUE"), ("mode", "drop"), ("delimiter", r"\t")]).unwrap();
        assert!(options.is_true("ignore-parse-errors") && options.is_given("mode"));
        assert_eq!((options.get("mode"), options.get("delimiter")), (Some("DROP"), Some("\t")));
        assert_eq!((options.number("segments"), options.get("null-literal")), (1, None));
        assert!(!options.is_given("segments"));
    }

    #[test]
    fn mistakes_are_named() {
        for (given, expected) in [
            (&[("ignore-parse-error", "true")][..], "did you mean 'csv.ignore-parse-errors'?"),
            (&[("something-else", "true")], "options are csv.delimiter, csv.ignore-parse-errors, csv.mode"),
            (&[("ignore-parse-errors", "yes")], "use true or false"),
            (&[("mode", "LITERAL")], "use FAIL, DROP"),
            (&[("segments", "0")], "from 1 to 1000"),
            (&[("delimiter", "ab")], "one character"),
            (&[("mode", "FAIL"), ("mode", "DROP")], "option 'csv.mode' is given twice"),
        ] {
            let error = parse(given).unwrap_err();
            assert_eq!(error.kind(), SqlErrorKind::InvalidOption);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
