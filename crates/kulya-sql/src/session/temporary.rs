//! Temporary tables and views: of one session, before the permanent ones of their names.

use crate::dialect::CreateView;
use crate::engine::TablePath;
use crate::table::TableSpec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A temporary table or view.
#[derive(Debug, Clone)]
pub(crate) enum Temporary {
    Table(Arc<TableSpec>),
    View(Box<CreateView>),
}

/// The temporary tables and views of a session.
#[derive(Debug, Default)]
pub(crate) struct TemporaryTables(BTreeMap<TablePath, Temporary>);

impl TemporaryTables {
    pub(crate) fn get(&self, path: &TablePath) -> Option<&Temporary> {
        self.0.get(path)
    }

    /// Adds a table or view; returns `false` if there is one.
    pub(crate) fn insert(&mut self, path: TablePath, temporary: Temporary) -> bool {
        match self.0.entry(path) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(temporary);
                true
            }
            std::collections::btree_map::Entry::Occupied(_) => false,
        }
    }

    /// Changes or adds a table or view.
    pub(crate) fn replace(&mut self, path: TablePath, temporary: Temporary) {
        self.0.insert(path, temporary);
    }

    pub(crate) fn remove(&mut self, path: &TablePath) -> Option<Temporary> {
        self.0.remove(path)
    }

    /// Returns the names in a database, and whether each is a view.
    pub(crate) fn names(&self, catalog: &str, database: &str) -> Vec<(&str, bool)> {
        let in_database = |path: &&TablePath| path.catalog == catalog && path.database == database;
        self.0
            .iter()
            .filter(|(path, _)| in_database(path))
            .map(|(path, temporary)| (path.name.as_str(), matches!(temporary, Temporary::View(_))))
            .collect()
    }
}
