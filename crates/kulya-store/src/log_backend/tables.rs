//! The tables of a store, in memory.

use crate::{Entries, Error, Result, Scope, StreamName, TableId};
use std::collections::BTreeMap;

/// All tables with their entries.
#[derive(Debug, Default)]
pub struct Tables(BTreeMap<TableId, Entries>);

impl Tables {
    /// Returns the entries of a table.
    ///
    /// # Errors
    /// `NotFound` when the table does not exist.
    pub fn table(&self, table: &TableId) -> Result<&Entries> {
        self.0.get(table).ok_or_else(|| Error::not_found(table))
    }

    /// Returns the entries of a table, if it exists.
    pub fn get(&self, table: &TableId) -> Option<&Entries> {
        self.0.get(table)
    }

    /// Returns the entries of a table for changes, if it exists.
    pub fn get_mut(&mut self, table: &TableId) -> Option<&mut Entries> {
        self.0.get_mut(table)
    }

    /// Returns whether a table exists.
    pub fn contains(&self, table: &TableId) -> bool {
        self.0.contains_key(table)
    }

    /// Creates an empty table unless it exists, and returns its entries.
    pub fn create(&mut self, table: TableId) -> &mut Entries {
        self.0.entry(table).or_default()
    }

    /// Deletes a table with its entries, if it exists.
    pub fn delete(&mut self, table: &TableId) {
        self.0.remove(table);
    }

    /// Returns the names of the tables in a scope, in order.
    pub fn names_in(&self, scope: &Scope) -> Vec<StreamName> {
        self.0.keys().filter(|table| table.scope == *scope).map(|table| table.name.clone()).collect()
    }

    /// Returns all tables with their entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&TableId, &Entries)> + '_ {
        self.0.iter()
    }
}
