//! What SQL keeps beside streams and groups, in a table of the store: definitions of tables that are not in a
//! group's labels, views, and what statements said of databases and catalogs.
//!
//! Keys are the kind and the names, with zero bytes between them; values are JSON. The table is created by
//! the first write, so that readers need no permission to write.

use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::{Commit, Condition, ErrorKind, Scope, StreamStore, TableChange, TableId, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of entries that are read at a time.
const PAGE: usize = 1000;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    /// A [`StoredTable`], of a table or a view: database and name.
    Table,
    /// A table or view that a statement is creating: database and name.
    NewTable,
    /// A [`StoredDatabase`]: database.
    Database,
    /// A [`StoredCatalog`]: catalog.
    Catalog,
}

impl ObjectKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::NewTable => "new table",
            Self::Database => "database",
            Self::Catalog => "catalog",
        }
    }
}

/// What the name of a table or view stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct StoredTable {
    /// The statement that would create it, in its canonical form.
    pub(crate) ddl: String,
    #[serde(default, skip_serializing_if = "NameUse::is_table")]
    pub(crate) name_use: NameUse,
    /// Whether the table reads and writes streams of other names; then it is there without a stream of its
    /// own.
    #[serde(default)]
    pub(crate) names_streams: bool,
    /// The stream that was made for it and is dropped with it, if its name is not the table's or the table
    /// names streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<String>,
}

/// What a stored name is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NameUse {
    #[default]
    Table,
    View,
    /// Not a table yet: a statement is writing its first rows.
    Unfinished,
    /// Not a table any more: it has this name, and its stream the former one.
    RenamedTo(String),
}

impl NameUse {
    /// For serde.
    fn is_table(&self) -> bool {
        *self == Self::Table
    }
}

/// What statements said of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct StoredDatabase {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: BTreeMap<String, String>,
}

/// A catalog, as CREATE CATALOG said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCatalog {
    /// In the order of the statement.
    pub(crate) options: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
}

/// A change of an object.
pub(crate) struct ObjectChange {
    key: Vec<u8>,
    condition: Condition,
    /// `None` removes it.
    value: Option<Vec<u8>>,
}

impl ObjectChange {
    /// Puts an object.
    ///
    /// # Errors
    /// `Internal` for a value that is not JSON.
    pub(crate) fn put(
        kind: ObjectKind,
        names: &[&str],
        condition: Condition,
        value: &impl Serialize,
    ) -> SqlResult<Self> {
        let value = serde_json::to_vec(value).map_err(|e| SqlError::internal().because(e))?;
        Ok(Self { key: key(kind, names), condition, value: Some(value) })
    }

    /// Removes an object.
    pub(crate) fn remove(kind: ObjectKind, names: &[&str], condition: Condition) -> Self {
        Self { key: key(kind, names), condition, value: None }
    }
}

/// Returns the condition that an entry is as it was found.
pub(crate) fn unchanged(version: Option<Version>) -> Condition {
    version.map_or(Condition::Absent, Condition::At)
}

/// The objects of a store.
#[derive(Clone)]
pub(crate) struct SqlObjects {
    store: Arc<dyn StreamStore>,
}

impl SqlObjects {
    pub(crate) fn new(store: Arc<dyn StreamStore>) -> Self {
        Self { store }
    }

    /// Returns an object with its version.
    ///
    /// # Errors
    /// Those of the store; `Failed` if the value was written by a later version of Kulya.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        kind: ObjectKind,
        names: &[&str],
    ) -> SqlResult<Option<(T, Version)>> {
        let entry = match self.store.get(&table()?, &key(kind, names)).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some((read(kind, &names.join("."), &entry.value)?, entry.version)))
    }

    /// Puts an object, and returns its version.
    ///
    /// # Errors
    /// `Conflict` if the condition does not hold, and those of the store.
    pub(crate) async fn put(
        &self,
        kind: ObjectKind,
        names: &[&str],
        condition: Condition,
        value: &impl Serialize,
    ) -> SqlResult<Version> {
        let versions = self.change(vec![ObjectChange::put(kind, names, condition, value)?]).await?;
        versions.first().copied().ok_or_else(SqlError::internal)
    }

    /// Makes all changes or none, and returns the versions of the objects that are put.
    ///
    /// # Errors
    /// `Conflict` if a condition does not hold, and those of the store.
    pub(crate) async fn change(&self, changes: Vec<ObjectChange>) -> SqlResult<Vec<Version>> {
        self.change_with(changes, Vec::new()).await
    }

    /// The same together with changes of other tables.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub(crate) async fn change_with(
        &self,
        changes: Vec<ObjectChange>,
        others: Vec<TableChange>,
    ) -> SqlResult<Vec<Version>> {
        let table = table()?;
        self.store.create_scope(&Scope::system(SCOPE)).await?;
        self.store.create_table(&table).await?;
        let changes = changes.into_iter().map(|change| match change.value {
            Some(value) => TableChange::put(&table, change.key, change.condition, value),
            None => TableChange::remove(&table, change.key, change.condition),
        });
        let receipt = self.store.commit(Commit::changes(changes.chain(others).collect())).await?;
        Ok(receipt.versions)
    }

    /// Removes an object; succeeds also if there is none.
    ///
    /// # Errors
    /// `Conflict` if the condition does not hold, and those of the store.
    pub(crate) async fn remove(
        &self,
        kind: ObjectKind,
        names: &[&str],
        condition: Condition,
    ) -> SqlResult<()> {
        let change = TableChange::remove(&table()?, key(kind, names), condition);
        match self.store.commit(Commit { changes: vec![change], ..Commit::default() }).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    /// Lists the objects of a kind whose first names are these, each with its last name.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        kind: ObjectKind,
        names: &[&str],
    ) -> SqlResult<Vec<(String, T)>> {
        let (table, mut prefix) = (table()?, key(kind, names));
        prefix.push(0);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = match self.store.scan(&table, &prefix, after.as_deref(), PAGE).await {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                page => page?,
            };
            for entry in &page {
                let name = String::from_utf8_lossy(entry.key.get(prefix.len()..).unwrap_or_default());
                let value = read(kind, &name, &entry.value)?;
                found.push((name.into_owned(), value));
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.key.to_vec()),
                _ => return Ok(found),
            }
        }
    }
}

fn read<T: DeserializeOwned>(kind: ObjectKind, name: &str, value: &[u8]) -> SqlResult<T> {
    serde_json::from_slice(value).map_err(|error| {
        let what = format!("the stored {} {name} cannot be read: {error}", kind.prefix());
        SqlError::new(SqlErrorKind::Failed, what).because(error)
    })
}

/// The scope of the registry, which whoever reads tables may read.
const SCOPE: &str = "_schemaregistry";

fn table() -> SqlResult<TableId> {
    Ok(TableId::system(SCOPE, "sql")?)
}

/// Names have no zero byte.
fn key(kind: ObjectKind, names: &[&str]) -> Vec<u8> {
    let mut key = kind.prefix().as_bytes().to_vec();
    for name in names {
        key.push(0);
        key.extend_from_slice(name.as_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_store::memory::MemoryStore;

    #[tokio::test]
    async fn objects_are_kept_by_kind_and_names() {
        let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
        let objects = SqlObjects::new(Arc::clone(&store));
        let stored = |ddl: &str| StoredTable { ddl: ddl.to_owned(), ..StoredTable::default() };
        let names = ["shop", "orders"];
        assert_eq!(objects.get::<StoredTable>(ObjectKind::Table, &names).await.unwrap(), None);
        assert!(objects.list::<StoredTable>(ObjectKind::Table, &["shop"]).await.unwrap().is_empty());
        objects.remove(ObjectKind::Table, &names, Condition::Any).await.unwrap();
        assert!(store.scopes().await.unwrap().is_empty(), "reading creates nothing");
        let first = objects.put(ObjectKind::Table, &names, Condition::Absent, &stored("a")).await.unwrap();
        let conflict = objects.put(ObjectKind::Table, &names, Condition::Absent, &stored("b")).await;
        assert_eq!(conflict.unwrap_err().kind(), SqlErrorKind::Conflict);
        let found = objects.get(ObjectKind::Table, &names).await.unwrap();
        assert_eq!(found, Some((stored("a"), first)));
        for name in ["b", "a"] {
            objects.put(ObjectKind::Table, &["shop", name], Condition::Any, &stored(name)).await.unwrap();
        }
        objects.put(ObjectKind::Table, &["shop2", "x"], Condition::Any, &stored("x")).await.unwrap();
        objects.put(ObjectKind::NewTable, &names, Condition::Any, &stored("x")).await.unwrap();
        let names = async || {
            let found = objects.list::<StoredTable>(ObjectKind::Table, &["shop"]).await.unwrap();
            found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names().await, ["a", "b", "orders"]);
        objects.remove(ObjectKind::Table, &["shop", "orders"], Condition::At(first)).await.unwrap();
        assert_eq!(names().await, ["a", "b"]);
    }
}
