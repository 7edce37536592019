//! The key by which the window of a chunk knows a row: the primary key, whatever key the events have.

use crate::debezium::events::EventContext;
use crate::incremental::RowKey;
use crate::mysql::binlog::value::Value;
use crate::mysql::connection::TextRow;
use crate::mysql::ddl::Flavour;
use crate::mysql::schema_history;
use crate::mysql::session::quoted;
use crate::mysql::table::Table;
use crate::signal::SignalRecord;
use serde_json::Value as Json;
use std::sync::Arc;

/// A table without rules for its columns, in a version of its definition.
pub(crate) struct RowIdentity {
    definition: Arc<schema_history::Table>,
    table: Table,
    /// The columns of the primary key by their places among those that a snapshot selects.
    key: Vec<usize>,
}

impl RowIdentity {
    pub(crate) fn new(
        definition: &Arc<schema_history::Table>,
        events: &EventContext,
        flavour: Flavour,
    ) -> Self {
        let table = Table::new("", definition, &events.modes, flavour);
        let key = definition.primary_key().into_iter().filter_map(|place| table.selected_place(place));
        Self { key: key.collect(), definition: Arc::clone(definition), table }
    }

    /// Returns whether this is the version of a definition.
    pub(crate) fn is_of(&self, definition: &Arc<schema_history::Table>) -> bool {
        Arc::ptr_eq(&self.definition, definition) || self.definition == *definition
    }

    /// Returns the number of columns that [`text_key`](Self::text_key) needs.
    pub(super) fn count(&self) -> usize {
        self.key.len()
    }

    /// Returns the list of these columns.
    pub(super) fn select_list(&self) -> String {
        let names: Vec<&str> = self.table.column_names().collect();
        let names = self.key.iter().filter_map(|place| names.get(*place));
        names.map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
    }

    /// Returns the key of a row of a chunk, whose last cells are these columns; `None` without a key.
    pub(super) fn text_key(&self, row: &TextRow) -> Option<RowKey> {
        let first = row.len().checked_sub(self.key.len())?;
        let cell = |place: usize| {
            let number = self.key.iter().position(|key| *key == place)?;
            row.cell(first + number)
        };
        let mut key = Vec::new();
        self.table.write_text_key(cell, &mut key)?;
        Some(key.into())
    }

    /// Returns the key of a row of the log; `None` without a key.
    pub(crate) fn log_key(&self, cells: &[Value<'_>]) -> Option<RowKey> {
        let mut key = Vec::new();
        self.table.write_key(cells, &mut key)?;
        Some(key.into())
    }

    /// Returns the signal of a row of the log: its first three columns, whatever their names.
    pub(crate) fn signal(&self, cells: &[Value<'_>]) -> SignalRecord {
        let mut json = Vec::new();
        self.table.write_row(cells, &mut json, &mut Vec::new());
        let members: serde_json::Map<String, Json> = serde_json::from_slice(&json).unwrap_or_default();
        let mut texts = self.table.column_names().map(|name| match members.get(name) {
            Some(Json::String(text)) => text.clone(),
            None | Some(Json::Null) => String::new(),
            Some(other) => other.to_string(),
        });
        let mut next = || texts.next().unwrap_or_default();
        SignalRecord { id: next(), kind: next(), data: next() }
    }
}
