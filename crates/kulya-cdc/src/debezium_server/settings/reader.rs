//! Reading of typed values: the key's value, or Debezium's default from the table of keys.
//!
//! [`check`] reports each value that is not of its key's kind; after that, reading an invalid value gives the
//! default.

use crate::debezium_server::choice::{Choice, DatabaseKind};
use crate::debezium_server::error::InvalidValue;
use crate::debezium_server::keys::{self, Kind};
use crate::debezium_server::properties::Properties;
use crate::name_patterns::NamePatterns;

/// Longest value that a message shows, in characters.
const MAX_SHOWN: usize = 100;
/// Longest key that a message shows, in characters.
const MAX_SHOWN_KEY: usize = 200;

/// Returns a value for a message: nothing of a secret, and not the whole of a long text.
pub(in crate::debezium_server) fn shown(value: &str, kind: Kind) -> Option<String> {
    if kind == Kind::Secret {
        return None;
    }
    let mut text: String = value.chars().take(MAX_SHOWN).collect();
    if text.len() < value.len() {
        text.push('…');
    }
    Some(text)
}

/// Returns a key for a message: without the salt that a key of hashed columns contains.
pub(in crate::debezium_server) fn shown_key(key: &str) -> String {
    match key.split_once(".with.salt.") {
        Some((begin, _)) => format!("{begin}.with.salt.…"),
        None => key.chars().take(MAX_SHOWN_KEY).collect(),
    }
}

/// Returns the invalid values among the keys of a database's connector and of the server.
pub(super) fn check(properties: &Properties, database: DatabaseKind) -> Vec<InvalidValue> {
    let mut invalid = Vec::new();
    for (key, property) in properties.iter() {
        let Some(known) = keys::find(key, Some(database)) else { continue };
        match &property.value {
            Ok(value) => {
                let value = value.trim();
                let reason = (!value.is_empty()).then(|| reason(value, known.kind)).flatten();
                invalid.extend(reason.map(|reason| InvalidValue {
                    key: shown_key(key),
                    value: shown(value, known.kind),
                    reason,
                }));
            }
            Err(error) if key.starts_with("debezium.") => {
                invalid.push(InvalidValue { key: shown_key(key), value: None, reason: error.to_string() });
            }
            Err(_) => {}
        }
    }
    invalid
}

/// Returns why a value is not of its kind.
fn reason(value: &str, kind: Kind) -> Option<String> {
    let is_one_of = |value: &str, names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(value));
    let permitted = |names: &[&str]| format!("permitted are {}", names.join(", "));
    match kind {
        Kind::Text | Kind::Secret | Kind::Class | Kind::List => None,
        Kind::Number => value.parse::<i64>().is_err().then(|| "a whole number is needed".to_owned()),
        Kind::Boolean => (!is_one_of(value, &["true", "false"])).then(|| permitted(&["true", "false"])),
        Kind::Choice(names) => (!is_one_of(value, names)).then(|| permitted(names)),
        Kind::Choices(names) => {
            let all_valid = value.split(',').all(|part| is_one_of(part.trim(), names));
            (!all_valid).then(|| permitted(names))
        }
        Kind::Patterns => NamePatterns::parse(value).err().map(|error| error.to_string()),
    }
}

/// Reads the values of one file.
pub(super) struct Reader<'a> {
    properties: &'a Properties,
    database: DatabaseKind,
    pub(super) invalid: Vec<InvalidValue>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(properties: &'a Properties, database: DatabaseKind) -> Self {
        Self { properties, database, invalid: check(properties, database) }
    }

    pub(super) fn database(&self) -> DatabaseKind {
        self.database
    }

    /// Returns a value that is set and not blank, as it was written.
    pub(super) fn set(&self, key: &str) -> Option<&'a str> {
        self.properties.get(key).filter(|value| !value.trim().is_empty())
    }

    /// Returns the value or the default, without blanks around it.
    fn value(&self, key: &str) -> Option<&'a str> {
        let known = keys::find(key, Some(self.database));
        debug_assert!(known.is_some(), "{key} is missing in the table of keys");
        let default = known.map_or("", |known| known.default);
        self.set(key).map(str::trim).or_else(|| (!default.is_empty()).then_some(default))
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.value(key).map(str::to_owned)
    }

    /// Reads a text that must be set.
    pub(super) fn required(&mut self, key: &str) -> String {
        let value = self.text(key);
        if value.is_none() && !self.invalid.iter().any(|invalid| invalid.key == key) {
            let reason = "it is not set, and Debezium requires it".to_owned();
            self.invalid.push(InvalidValue { key: key.to_owned(), value: None, reason });
        }
        value.unwrap_or_default()
    }

    /// Reads a number; one that is too large or too small for `N` is invalid.
    pub(super) fn number<N: TryFrom<i64>>(&mut self, key: &str) -> Option<N> {
        let value = self.value(key)?;
        let number = value.parse::<i64>().ok()?;
        let converted = N::try_from(number).ok();
        if converted.is_none() {
            let reason = "the number is out of range".to_owned();
            self.invalid.push(InvalidValue { key: key.to_owned(), value: Some(value.to_owned()), reason });
        }
        converted
    }

    pub(super) fn boolean(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Reads one of a few names; `otherwise` is for keys without a default.
    pub(super) fn choice<C: Choice>(&self, key: &str, otherwise: C) -> C {
        let default = || keys::find(key, Some(self.database)).and_then(|known| C::from_name(known.default));
        self.value(key).and_then(C::from_name).or_else(default).unwrap_or(otherwise)
    }

    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let parts = self.value(key).unwrap_or_default().split(',').map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn patterns(&self, key: &str) -> NamePatterns {
        self.value(key).and_then(|list| NamePatterns::parse(list).ok()).unwrap_or_default()
    }

    /// Returns the keys that begin with `prefix` and are set, without it, and their values.
    pub(super) fn family(&self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.properties.iter().filter_map(move |(key, property)| {
            let value = property.value.as_deref().ok()?;
            Some((key.strip_prefix(prefix)?, value))
        })
    }
}
