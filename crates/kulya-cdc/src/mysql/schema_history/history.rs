//! The history: databases and tables by name, and the effect of each statement on them.

use super::alter::{Defaults, alter};
use super::charset::Collated;
use super::create::{create, sequence, table_charset};
use super::error::HistoryError;
use super::table::{Table, TableName};
use crate::mysql::ddl::{AlterAction, CreateTable, Statement, TableBody, TableRef};
use std::collections::BTreeMap;

/// How a server compares names of databases and tables (`lower_case_table_names`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableNameCase {
    /// 0: names that differ in case are different.
    Sensitive,
    /// 1 and 2: names that differ only in case are the same.
    Insensitive,
}

impl TableNameCase {
    /// Reads the value of `@@lower_case_table_names`.
    pub fn from_setting(lower_case_table_names: u32) -> Self {
        if lower_case_table_names == 0 { Self::Sensitive } else { Self::Insensitive }
    }
}

/// The session that ran a statement, as its query event describes it.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// The default database; `None` if there was none.
    pub default_database: Option<&'a str>,
    /// The server's default character set (`collation_server`): that of new databases, and of databases that
    /// the history does not know.
    pub server_charset: &'a Collated,
    /// `explicit_defaults_for_timestamp`: without it TIMESTAMP columns have no nulls by default.
    pub explicit_defaults_for_timestamp: bool,
}

/// A change of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A table was created.
    Created(TableName),
    /// A table's columns, keys or options may have changed.
    Altered(TableName),
    /// A table has another name.
    Renamed {
        /// The former name.
        from: TableName,
        /// The new name.
        to: TableName,
    },
    /// A table is gone.
    Dropped(TableName),
    /// All rows of a table are gone.
    Truncated(TableName),
    /// The statement changed a table that the history does not have: a view, or a table that was never
    /// recorded.
    Unknown {
        /// The table.
        table: TableName,
        /// Its new name, if the statement gave it one: then the history has no table of that name either.
        renamed: Option<TableName>,
    },
    /// A database was created, or its default character set changed.
    DatabaseChanged(String),
    /// A database is gone; its tables are reported as dropped.
    DatabaseDropped(String),
}

/// The databases and tables of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaHistory {
    case: TableNameCase,
    databases: BTreeMap<String, Collated>,
    tables: BTreeMap<TableName, Table>,
}

impl SchemaHistory {
    /// Creates an empty history.
    pub fn new(case: TableNameCase) -> Self {
        Self { case, databases: BTreeMap::new(), tables: BTreeMap::new() }
    }

    /// Returns how names are compared.
    pub fn case(&self) -> TableNameCase {
        self.case
    }

    /// Returns the databases with their default character sets, by name.
    pub fn databases(&self) -> impl Iterator<Item = (&str, &Collated)> {
        self.databases.iter().map(|(name, charset)| (name.as_str(), charset))
    }

    /// Returns the tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// Finds a table.
    pub fn table(&self, database: &str, table: &str) -> Option<&Table> {
        self.tables.get(&self.key(&TableName::new(database, table)))
    }

    /// Records a database's default character set.
    pub fn set_database(&mut self, database: &str, charset: Collated) {
        self.databases.insert(self.fold(database), charset);
    }

    /// Records a table, in place of the one of the same name: that of a snapshot, or one that was mended.
    pub fn set_table(&mut self, table: Table) {
        self.tables.insert(self.key(&table.name), table);
    }

    /// Removes a table that need not be followed any more.
    pub fn remove_table(&mut self, database: &str, table: &str) -> Option<Table> {
        self.tables.remove(&self.key(&TableName::new(database, table)))
    }

    /// Returns the full name of a table that a statement names.
    ///
    /// # Errors
    /// [`HistoryError::NoDatabase`] without a database in the statement and in the session.
    pub fn resolve(&self, table: &TableRef, session: &Session<'_>) -> Result<TableName, HistoryError> {
        let database = table.database.as_deref().or(session.default_database).filter(|name| !name.is_empty());
        let database = database.ok_or_else(|| HistoryError::NoDatabase { table: table.table.clone() })?;
        Ok(TableName::new(database, table.table.as_str()))
    }

    /// Applies a statement and returns what changed, in order. Without an error all of it is applied, with an
    /// error nothing.
    ///
    /// # Errors
    /// The history does not have a column or table that the statement needs.
    pub fn apply(
        &mut self,
        statement: &Statement,
        session: &Session<'_>,
    ) -> Result<Vec<Change>, HistoryError> {
        match statement {
            Statement::CreateTable(create) => self.create_table(create, session),
            Statement::AlterTable { table, actions } => self.alter_table(table, actions, session),
            Statement::RenameTables(pairs) => self.rename_tables(pairs, session),
            Statement::DropTables(tables) => self.drop_tables(tables, session),
            Statement::TruncateTable(table) => {
                let name = self.resolve(table, session)?;
                Ok(vec![match self.tables.get(&self.key(&name)) {
                    Some(table) => Change::Truncated(table.name.clone()),
                    None => Change::Unknown { table: name, renamed: None },
                }])
            }
            Statement::CreateSequence { sequence: name, if_not_exists } => {
                let name = self.resolve(name, session)?;
                Ok(self.insert(sequence(name), *if_not_exists))
            }
            Statement::CreateDatabase { database, if_not_exists, or_replace, options } => {
                if *if_not_exists && self.databases.contains_key(&self.fold(database)) {
                    return Ok(Vec::new());
                }
                let mut changes = if *or_replace { self.drop_database(database) } else { Vec::new() };
                let charset = table_charset(options, session.server_charset, session.server_charset);
                self.set_database(database, charset);
                changes.push(Change::DatabaseChanged(database.clone()));
                Ok(changes)
            }
            Statement::AlterDatabase { database, options } => {
                let Some(database) = database.as_deref().or(session.default_database) else {
                    return Ok(Vec::new());
                };
                let present = self.database_charset(database, session).clone();
                self.set_database(database, table_charset(options, &present, session.server_charset));
                Ok(vec![Change::DatabaseChanged(database.to_owned())])
            }
            Statement::DropDatabase(database) => Ok(self.drop_database(database)),
            Statement::ChangeRows { .. } | Statement::Harmless(_) => Ok(Vec::new()),
        }
    }

    fn create_table(
        &mut self,
        statement: &CreateTable,
        session: &Session<'_>,
    ) -> Result<Vec<Change>, HistoryError> {
        let name = self.resolve(&statement.table, session)?;
        if statement.if_not_exists && self.tables.contains_key(&self.key(&name)) {
            return Ok(Vec::new());
        }
        let table = match &statement.body {
            TableBody::Definition(definition) => {
                let charset = self.database_charset(&name.database, session);
                create(name, definition, charset, session.explicit_defaults_for_timestamp)?
            }
            TableBody::Like(source) => self.copy(self.resolve(source, session)?, name)?,
        };
        Ok(self.insert(table, false))
    }

    fn copy(&self, source_table: TableName, table: TableName) -> Result<Table, HistoryError> {
        let Some(source) = self.tables.get(&self.key(&source_table)) else {
            return Err(HistoryError::UnknownSource { table, source_table });
        };
        Ok(Table { name: table, ..source.clone() })
    }

    fn insert(&mut self, table: Table, if_not_exists: bool) -> Vec<Change> {
        let key = self.key(&table.name);
        let exists = self.tables.contains_key(&key);
        if exists && if_not_exists {
            return Vec::new();
        }
        let dropped = exists.then(|| Change::Dropped(table.name.clone()));
        let created = Change::Created(table.name.clone());
        self.tables.insert(key, table);
        dropped.into_iter().chain([created]).collect()
    }

    fn alter_table(
        &mut self,
        table: &TableRef,
        actions: &[AlterAction],
        session: &Session<'_>,
    ) -> Result<Vec<Change>, HistoryError> {
        let name = self.resolve(table, session)?;
        let new_name = actions.iter().rev().find_map(|action| match action {
            AlterAction::Rename(to) => Some(self.resolve(to, session)),
            _ => None,
        });
        let new_name = new_name.transpose()?.filter(|to| self.key(to) != self.key(&name));
        let key = self.key(&name);
        let Some(old) = self.tables.get(&key) else {
            return Ok(vec![self.forget(name, new_name)]);
        };
        let defaults = Defaults {
            database_charset: self.database_charset(&name.database, session),
            explicit_timestamps: session.explicit_defaults_for_timestamp,
        };
        let name = old.name.clone();
        let changed = alter(old, actions, &defaults)?;
        let mut changes = vec![Change::Altered(name.clone())];
        let partition = self.partition_change(&changed, actions, session)?;
        self.tables.insert(key, changed);
        match partition {
            Some(Ok(table)) => changes.extend(self.insert(table, false)),
            Some(Err(gone)) => {
                changes.extend(self.tables.remove(&self.key(&gone)).map(|table| Change::Dropped(table.name)));
            }
            None => {}
        }
        if let Some(to) = new_name {
            changes.push(self.rename(name, to));
        }
        Ok(changes)
    }

    /// The table that a partition becomes (`Ok`), or that becomes a partition (`Err`); a statement has one at
    /// most.
    fn partition_change(
        &self,
        table: &Table,
        actions: &[AlterAction],
        session: &Session<'_>,
    ) -> Result<Option<Result<Table, TableName>>, HistoryError> {
        let change = actions.iter().find_map(|action| match action {
            AlterAction::PartitionToTable(name) => {
                Some(self.resolve(name, session).map(|name| Ok(Table { name, ..table.clone() })))
            }
            AlterAction::TableToPartition(name) => Some(self.resolve(name, session).map(Err)),
            _ => None,
        });
        change.transpose()
    }

    fn rename_tables(
        &mut self,
        pairs: &[(TableRef, TableRef)],
        session: &Session<'_>,
    ) -> Result<Vec<Change>, HistoryError> {
        let resolve = |(from, to): &(TableRef, TableRef)| {
            Ok((self.resolve(from, session)?, self.resolve(to, session)?))
        };
        let pairs: Vec<_> = pairs.iter().map(resolve).collect::<Result<_, HistoryError>>()?;
        Ok(pairs.into_iter().map(|(from, to)| self.rename(from, to)).collect())
    }

    fn rename(&mut self, from: TableName, to: TableName) -> Change {
        let Some(mut table) = self.tables.remove(&self.key(&from)) else {
            return self.forget(from, Some(to));
        };
        let from = std::mem::replace(&mut table.name, to.clone());
        self.tables.insert(self.key(&to), table);
        Change::Renamed { from, to }
    }

    /// Reports a table that is not known. What takes its new name is not known either.
    fn forget(&mut self, table: TableName, renamed: Option<TableName>) -> Change {
        if let Some(to) = &renamed {
            self.tables.remove(&self.key(to));
        }
        Change::Unknown { table, renamed }
    }

    fn drop_tables(
        &mut self,
        tables: &[TableRef],
        session: &Session<'_>,
    ) -> Result<Vec<Change>, HistoryError> {
        let names: Vec<_> =
            tables.iter().map(|table| self.resolve(table, session)).collect::<Result<_, _>>()?;
        let dropped = names.into_iter().map(|name| match self.tables.remove(&self.key(&name)) {
            Some(table) => Change::Dropped(table.name),
            None => Change::Unknown { table: name, renamed: None },
        });
        Ok(dropped.collect())
    }

    fn drop_database(&mut self, database: &str) -> Vec<Change> {
        let key = self.fold(database);
        let keys: Vec<_> = self.tables.keys().filter(|name| name.database == key).cloned().collect();
        let tables =
            keys.iter().filter_map(|key| self.tables.remove(key)).map(|table| Change::Dropped(table.name));
        let mut changes: Vec<_> = tables.collect();
        self.databases.remove(&key);
        changes.push(Change::DatabaseDropped(database.to_owned()));
        changes
    }

    fn database_charset<'a>(&'a self, database: &str, session: &Session<'a>) -> &'a Collated {
        self.databases.get(&self.fold(database)).unwrap_or(session.server_charset)
    }

    fn key(&self, name: &TableName) -> TableName {
        TableName { database: self.fold(&name.database), table: self.fold(&name.table) }
    }

    fn fold(&self, name: &str) -> String {
        match self.case {
            TableNameCase::Sensitive => name.to_owned(),
            TableNameCase::Insensitive => name.to_lowercase(),
        }
    }
}
