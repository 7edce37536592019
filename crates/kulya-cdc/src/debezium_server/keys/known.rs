//! The type of a known key: what its values are, and what Kulya does with it.

use crate::debezium_server::choice::DatabaseKind;

/// The databases whose connectors have a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Databases {
    /// PostgreSQL.
    pub postgres: bool,
    /// MySQL.
    pub mysql: bool,
    /// MariaDB.
    pub mariadb: bool,
}

impl Databases {
    /// Returns whether a database is one of these.
    pub fn contains(self, database: DatabaseKind) -> bool {
        match database {
            DatabaseKind::Postgres => self.postgres,
            DatabaseKind::MySql => self.mysql,
            DatabaseKind::MariaDb => self.mariadb,
        }
    }
}

/// The kind of a key's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is not printed.
    Secret,
    /// The name of a Java class.
    Class,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Texts, separated by commas.
    List,
    /// Regular expressions, separated by commas.
    Patterns,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// Some of these names, separated by commas.
    Choices(&'static [&'static str]),
}

/// What a key's value has an effect on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// On the events: which there are, what they contain, and the streams they are in.
    Events,
    /// On the protection of the connection.
    Security,
    /// Neither: speed, memory, monitoring, retries.
    Operation,
}

/// What Kulya does with a key. The notes are phrases without a full stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// The value becomes a setting of Kulya, which the note names.
    Used(&'static str),
    /// Kulya always does what the `accepted` values say; `tolerated` ones it does not do, but the events are
    /// the same. The note says how it differs from other values.
    Fixed {
        /// Values that Kulya has in effect.
        accepted: &'static [&'static str],
        /// Values that are not in effect, which does not change the events.
        tolerated: &'static [&'static str],
        /// What Kulya does.
        note: &'static str,
    },
    /// The key has no purpose in Kulya; the note says why, or what replaces it.
    NotNeeded(&'static str),
    /// Kulya cannot do it yet; the note says so, or what to do instead.
    NotSupported(&'static str),
}

/// A key that Debezium Server documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownKey {
    /// The key. `<word>` in it stands for any text, and `.*` at its end for the rest of the key.
    pub name: &'static str,
    /// The databases whose connectors have it.
    pub databases: Databases,
    /// The kind of its values.
    pub kind: Kind,
    /// Debezium's default; empty if there is none.
    pub default: &'static str,
    /// What the value has an effect on.
    pub effect: Effect,
    /// What Kulya does with it.
    pub handling: Handling,
}

impl KnownKey {
    /// Returns whether the key stands for several.
    pub fn is_family(&self) -> bool {
        self.name.contains(['<', '*'])
    }

    /// Returns whether a key is this one, or one of the family.
    pub fn matches(&self, key: &str) -> bool {
        if !self.is_family() {
            return self.name == key;
        }
        let mut key = key;
        let mut pattern = self.name;
        while let Some((before, after)) = pattern.split_once('<') {
            let Some(rest) = key.strip_prefix(before) else { return false };
            let after = after.split_once('>').map_or("", |(_, after)| after);
            let literal = after.split(['<', '*']).next().unwrap_or_default();
            let end = if literal.is_empty() { Some(rest.len()) } else { rest.find(literal) };
            let Some(end) = end.filter(|end| *end > 0) else { return false };
            key = rest.get(end..).unwrap_or_default();
            pattern = after;
        }
        match pattern.strip_suffix('*') {
            Some(prefix) => key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()),
            None => key == pattern,
        }
    }
}
