//! Table entries, and conditional changes of them.

use crate::{Error, ErrorKind, Result, TableId};
use bytes::Bytes;
use std::collections::HashSet;

/// The version of a table entry. It increases with each commit of the store and is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// The condition of a table change, for compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// No condition.
    Any,
    /// The entry must not exist.
    Absent,
    /// The entry must have this version.
    At(Version),
}

impl Condition {
    /// Returns whether the condition holds for an entry of this version, or for no entry.
    pub fn holds(self, actual: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => actual.is_none(),
            Self::At(version) => actual == Some(version),
        }
    }
}

/// A change of one table entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableChange {
    /// The table.
    pub table: TableId,
    /// The key, arbitrary bytes.
    pub key: Bytes,
    /// The condition.
    pub condition: Condition,
    /// The new value; `None` removes the entry.
    pub value: Option<Bytes>,
}

impl TableChange {
    /// Creates a change that puts a value.
    pub fn put(
        table: &TableId,
        key: impl Into<Bytes>,
        condition: Condition,
        value: impl Into<Bytes>,
    ) -> Self {
        Self { table: table.clone(), key: key.into(), condition, value: Some(value.into()) }
    }

    /// Creates a change that removes an entry.
    pub fn remove(table: &TableId, key: impl Into<Bytes>, condition: Condition) -> Self {
        Self { table: table.clone(), key: key.into(), condition, value: None }
    }

    /// Returns the `Conflict` error for a condition that does not hold.
    pub fn conflict(&self, actual: Option<Version>) -> Error {
        let found = match actual {
            Some(version) => format!("version {}", version.0),
            None => "no entry".into(),
        };
        let key = self.key.escape_ascii();
        Error::new(
            ErrorKind::Conflict,
            format!("{}: key \"{key}\" has {found}, and the condition is {:?}", self.table, self.condition),
        )
    }
}

/// Checks the changes of one commit against the current versions, which `actual_version` looks up.
///
/// # Errors
/// `InvalidInput` if a key is changed twice, `Conflict` if a condition does not hold, and any error of
/// `actual_version`, such as `NotFound` for a table that does not exist.
pub fn check_changes(
    changes: &[TableChange],
    mut actual_version: impl FnMut(&TableChange) -> Result<Option<Version>>,
) -> Result<()> {
    let mut keys = HashSet::new();
    for change in changes {
        if !keys.insert((&change.table, &change.key)) {
            return Err(Error::invalid(format!("{}: one commit changes a key twice", change.table)));
        }
        let actual = actual_version(change)?;
        if !change.condition.holds(actual) {
            return Err(change.conflict(actual));
        }
    }
    Ok(())
}

/// A table entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// Its version.
    pub version: Version,
}
