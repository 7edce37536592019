//! Records of the statements that change tables (`include.schema.changes`): those of the log, and at the
//! begin of a snapshot those that would create its tables.

use super::ddl::Flavour;
use super::schema_history::{Change, Table, TableName};
use super::snapshot::Snapshot;
use super::source_block::{Origin, SourceBlock};
use super::stream::{Ddl, LogReader};
use super::table_description::describe;
use crate::batch::Batch;
use crate::debezium::envelope::ProcessingTime;
use crate::debezium::events::{EventContext, TopicEvents};
use crate::debezium::schema_change::{SchemaChange, TableChange, TableChangeKind, TableDescription};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Writes schema changes.
#[derive(Debug)]
pub(crate) struct SchemaChanges {
    topic: TopicEvents,
    events: Arc<EventContext>,
    flavour: Flavour,
}

impl SchemaChanges {
    pub(crate) fn new(events: Arc<EventContext>, flavour: Flavour) -> Self {
        Self { topic: events.schema_changes(), events, flavour }
    }

    fn describe(&self, table: &Table) -> TableDescription {
        describe(table, self.events.modes.compat, &self.events.columns)
    }

    /// Writes the changes of a statement of the log. The reader is behind the statement.
    pub(crate) fn write_statement(
        &self,
        ddl: &Ddl<'_>,
        reader: &LogReader,
        origin: &Origin<'_>,
        now: &ProcessingTime,
        batch: &mut Batch,
    ) {
        let text = String::from_utf8_lossy(&ddl.sql);
        let text = text.trim().trim_end_matches(';').trim_end();
        let described = |name: &TableName| reader.captured_table(name).map(|table| self.describe(table));
        let mut changes = Vec::new();
        for (index, change) in ddl.changes.iter().enumerate() {
            let later = ddl.changes.get(index + 1..).unwrap_or_default();
            let change = match change {
                Change::Created(name) => {
                    described(name).map(|table| (TableChangeKind::Create, name, Some(table)))
                }
                // under its new name
                Change::Altered(name) if later.iter().any(|change| is_rename_of(change, name)) => None,
                Change::Altered(name) | Change::Renamed { to: name, .. } => {
                    described(name).map(|table| (TableChangeKind::Alter, name, Some(table)))
                }
                Change::Dropped(name) if later.contains(&Change::Created(name.clone())) => None,
                Change::Dropped(name) if reader.is_captured(name) => {
                    Some((TableChangeKind::Drop, name, None))
                }
                _ => None,
            };
            changes.extend(change);
        }
        let names: BTreeSet<&str> = changes.iter().map(|(_, name, _)| name.table.as_str()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(",");
        for (kind, name, table) in changes {
            let ddl = match kind {
                TableChangeKind::Drop => drop_table(text, name),
                _ => text.to_owned(),
            };
            let change = schema_change(name, ddl, kind, table);
            self.write(&change, Some(&names), origin, now, batch);
        }
    }

    /// Writes what a snapshot's tables are made of.
    pub(crate) fn write_snapshot(
        &self,
        snapshot: &Snapshot,
        origin: &Origin<'_>,
        now: &ProcessingTime,
        batch: &mut Batch,
    ) {
        let names = &snapshot.facts.charset_names;
        let of_database = |database: &str, ddl: String| SchemaChange {
            database: database.to_owned(),
            ddl,
            tables: Vec::new(),
        };
        let set = format!("SET character_set_server={}, collation_server={}", names.charset, names.collation);
        self.write(&of_database("", set), None, origin, now, batch);
        for table in &snapshot.tables {
            let ddl = format!("DROP TABLE IF EXISTS {}", table.quoted());
            let change = schema_change(&table.name, ddl, TableChangeKind::Drop, None);
            self.write(&change, Some(&table.name.table), origin, now, batch);
        }
        let databases: BTreeSet<&str> =
            snapshot.tables.iter().map(|table| table.name.database.as_str()).collect();
        for database in databases {
            let quoted = super::session::quoted(database);
            let names = snapshot.definitions.databases.get(database).cloned().unwrap_or_default();
            for ddl in [
                format!("DROP DATABASE IF EXISTS {quoted}"),
                format!("CREATE DATABASE {quoted} CHARSET {} COLLATE {}", names.charset, names.collation),
                format!("USE {quoted}"),
            ] {
                self.write(&of_database(database, ddl), None, origin, now, batch);
            }
            for table in snapshot.tables.iter().filter(|table| table.name.database == database) {
                let ddl = snapshot.definitions.statements.get(&table.name).cloned().unwrap_or_default();
                let definition = snapshot.definitions.history.table(database, &table.name.table);
                let description = definition.map(|table| self.describe(table));
                let change = schema_change(&table.name, ddl, TableChangeKind::Create, description);
                self.write(&change, Some(&table.name.table), origin, now, batch);
            }
        }
    }

    fn write(
        &self,
        change: &SchemaChange,
        table: Option<&str>,
        origin: &Origin<'_>,
        now: &ProcessingTime,
        batch: &mut Batch,
    ) {
        let prefix = &self.events.format.topic_prefix;
        let source = SourceBlock::new(self.flavour, prefix, &change.database, table);
        self.topic.push(
            batch,
            &self.events.headers,
            |out| change.write_key(out),
            |out| change.write_value(out, |out| source.write(origin, out), now.millis()),
        );
    }
}

fn is_rename_of(change: &Change, name: &TableName) -> bool {
    matches!(change, Change::Renamed { from, .. } if from == name)
}

fn schema_change(
    name: &TableName,
    ddl: String,
    kind: TableChangeKind,
    description: Option<TableDescription>,
) -> SchemaChange {
    let (database, table) = (name.database.clone(), name.table.clone());
    let change = TableChange { kind, database: database.clone(), table, description };
    SchemaChange { database, ddl, tables: vec![change] }
}

/// Returns the statement that drops one table of those that a statement drops.
fn drop_table(statement: &str, name: &TableName) -> String {
    let is_conditional = statement.to_ascii_uppercase().starts_with("DROP TABLE IF EXISTS");
    let condition = if is_conditional { "IF EXISTS " } else { "" };
    let quoted = super::session::quoted;
    format!("DROP TABLE {condition}{}.{}", quoted(&name.database), quoted(&name.table))
}
