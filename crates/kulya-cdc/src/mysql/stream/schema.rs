//! The definitions of tables at the present place of the log: the schema history, which of its tables are
//! captured, and those of which a statement was not understood.

use crate::mysql::catalog::is_system;
use crate::mysql::ddl::{DdlError, Statement, TableRef};
use crate::mysql::schema_history::{
    Change, HistoryError, SchemaHistory, Session, Table, TableName, TableNameCase,
};
use std::sync::Arc;

/// Decides by database and table whether a table is captured.
pub(crate) type IsCaptured = Arc<dyn Fn(&str, &str) -> bool + Send + Sync>;

/// The definitions.
pub(crate) struct Schema {
    history: SchemaHistory,
    is_captured: IsCaptured,
    /// Captured tables without a definition, and why.
    doubts: Vec<(TableName, String)>,
    /// Increases with each change.
    version: u64,
}

impl Schema {
    pub(super) fn new(history: SchemaHistory, is_captured: IsCaptured) -> Self {
        Self { history, is_captured, doubts: Vec::new(), version: 1 }
    }

    pub(super) fn history(&self) -> &SchemaHistory {
        &self.history
    }

    /// Returns the number of this version of the definitions.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn is_captured(&self, database: &str, table: &str) -> bool {
        !is_system(database) && (self.is_captured)(database, table)
    }

    pub(super) fn table(&self, database: &str, table: &str) -> Option<&Table> {
        self.history.table(database, table)
    }

    /// Returns which tables of a statement are not in the schema history; `None` if one is captured, or has
    /// no database.
    pub(super) fn unknown_tables(
        &self,
        tables: &[TableRef],
        session: &Session<'_>,
    ) -> Option<Vec<TableName>> {
        let mut unknown = Vec::new();
        for table in tables {
            let name = self.history.resolve(table, session).ok()?;
            let known = self.history.table(&name.database, &name.table).map(|table| &table.name);
            let lower = TableName::new(name.database.to_lowercase(), name.table.to_lowercase());
            let is_folded = self.history.case() == TableNameCase::Insensitive;
            let names = [Some(&name), known, is_folded.then_some(&lower)];
            if names.into_iter().flatten().any(|name| self.is_captured(&name.database, &name.table)) {
                return None;
            }
            if known.is_none() && !is_system(&name.database) {
                unknown.push(name);
            }
        }
        Some(unknown)
    }

    /// Records a table's definition, in place of the one that it has.
    pub(super) fn replace(&mut self, table: Table) {
        self.settle(&table.name);
        self.history.set_table(table);
        self.version += 1;
    }

    /// Says why a table has no definition.
    pub(super) fn doubt(&self, database: &str, table: &str) -> String {
        let name = TableName::new(database, table);
        let found = self.doubts.iter().find(|(doubtful, _)| self.is_same(doubtful, &name));
        let unknown = || "its definition is not in the schema history".to_owned();
        found.map_or_else(unknown, |(_, reason)| reason.clone())
    }

    /// Applies a statement. A captured table that it names loses its definition if it cannot be applied.
    pub(super) fn apply(
        &mut self,
        statement: &Statement,
        session: &Session<'_>,
        tables: impl FnOnce() -> Vec<TableName>,
    ) -> Vec<Change> {
        match self.history.apply(statement, session) {
            Ok(changes) => {
                if !changes.is_empty() {
                    self.version += 1;
                }
                for change in &changes {
                    if let Change::Created(name) | Change::Dropped(name) = change {
                        self.settle(name);
                    }
                }
                changes
            }
            Err(error) => {
                self.lose(tables(), &error.to_string());
                Vec::new()
            }
        }
    }

    /// Takes note of a statement that cannot be read. `sql` is its text.
    pub(super) fn note_unread(&mut self, error: &DdlError, sql: &[u8], default_database: Option<&str>) {
        let reason = error.to_string();
        let tables = match &error.tables {
            Some(tables) => {
                let name = |table: &TableRef| {
                    let database = table.database.as_deref().or(default_database).unwrap_or_default();
                    TableName::new(database, table.table.as_str())
                };
                tables.iter().map(name).collect()
            }
            // it may concern each table that it mentions
            None => self.mentioned(sql),
        };
        self.lose(tables, &reason);
    }

    /// Returns the captured tables whose names are in a text.
    fn mentioned(&self, sql: &[u8]) -> Vec<TableName> {
        let text = String::from_utf8_lossy(sql).to_lowercase();
        let names = self.history.tables().map(|table| &table.name);
        names.filter(|name| text.contains(&name.table.to_lowercase())).cloned().collect()
    }

    /// Removes definitions that are not certain any more.
    fn lose(&mut self, tables: Vec<TableName>, reason: &str) {
        for name in tables {
            self.version += 1;
            self.history.remove_table(&name.database, &name.table);
            if self.is_captured(&name.database, &name.table) {
                tracing::warn!(table = %name, reason, "a statement on a captured table is not understood");
                self.settle(&name);
                self.doubts.push((name, reason.to_owned()));
            }
        }
    }

    fn settle(&mut self, name: &TableName) {
        let doubts = std::mem::take(&mut self.doubts);
        self.doubts = doubts.into_iter().filter(|(doubtful, _)| !self.is_same(doubtful, name)).collect();
    }

    fn is_same(&self, a: &TableName, b: &TableName) -> bool {
        match self.history.case() {
            TableNameCase::Sensitive => a == b,
            TableNameCase::Insensitive => {
                a.database.to_lowercase() == b.database.to_lowercase()
                    && a.table.to_lowercase() == b.table.to_lowercase()
            }
        }
    }
}

/// Returns the tables that a statement names, as far as an error of the history tells.
pub(super) fn tables_of(
    statement: &Statement,
    session: &Session<'_>,
    history: &SchemaHistory,
) -> Vec<TableName> {
    let mut named = Vec::new();
    match statement {
        Statement::CreateTable(create) => named.push(&create.table),
        Statement::AlterTable { table, .. } | Statement::TruncateTable(table) => named.push(table),
        Statement::RenameTables(pairs) => named.extend(pairs.iter().flat_map(|(from, to)| [from, to])),
        Statement::DropTables(tables) => named.extend(tables),
        _ => {}
    }
    let resolved: Vec<Result<TableName, HistoryError>> =
        named.into_iter().map(|table| history.resolve(table, session)).collect();
    resolved.into_iter().filter_map(Result::ok).collect()
}
