//! The table maps that are in force: by the numbers that row events use, each with the table's definition at
//! this place of the log.

use super::error::StreamError;
use super::full_metadata;
use super::mapped::mapped_columns;
use super::schema::Schema;
use crate::mysql::binlog::{BinlogError, ColumnType, TableMap, TableMapEvent};
use crate::mysql::catalog::ServerFacts;
use crate::mysql::ddl::Flavour;
use crate::mysql::offset::LogPoint;
use crate::mysql::schema_history::{Table, TableKind, TableName, check};
use std::collections::HashMap;
use std::sync::Arc;

/// Maps that are kept, at most, when a transaction begins: servers number tables again whenever they open
/// them.
const MAX_MAPS: usize = 4096;

/// A captured table whose rows can be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenTable {
    /// The definition.
    pub(crate) table: Arc<Table>,
    /// The log's description, with the signs of numbers.
    pub(crate) map: TableMap,
    /// The number of columns at the end of the log's rows that are none of the table.
    pub(crate) trailing: usize,
}

#[derive(Debug)]
enum Entry {
    /// Not captured.
    Skipped {
        database: String,
        table: String,
    },
    Open(Arc<OpenTable>),
    /// Captured, but its rows cannot be decoded.
    Refused {
        map: TableMap,
        reason: String,
    },
    /// Captured, but its rows were read later than this place.
    InSnapshot,
}

/// The maps by number.
#[derive(Debug, Default)]
pub(super) struct TableMaps {
    entries: HashMap<u64, Entry>,
    /// The version of the schema for which the entries are valid.
    version: u64,
}

impl TableMaps {
    /// Forgets all maps: a server that starts numbers tables again.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Bounds the memory. To be called between transactions only.
    pub(super) fn bound(&mut self) {
        if self.entries.len() > MAX_MAPS {
            self.clear();
        }
    }

    /// Takes a table map. A table that cannot be decoded is an error only when it has rows.
    pub(super) fn put(
        &mut self,
        event: &TableMapEvent<'_>,
        is_in_snapshot: bool,
        schema: &mut Schema,
        facts: &ServerFacts,
    ) -> Result<(), BinlogError> {
        if self.version != schema.version() {
            self.clear();
        }
        let is_known = self.entries.get(&event.table_id).is_some_and(|entry| match entry {
            Entry::Skipped { database, table } => database == event.schema && table == event.table,
            Entry::Open(open) => open.map.matches(event),
            Entry::Refused { map, .. } => map.matches(event),
            Entry::InSnapshot => false,
        });
        if is_in_snapshot {
            self.entries.insert(event.table_id, Entry::InSnapshot);
            return Ok(());
        }
        if !is_known {
            let entry = entry(event, schema, facts)?;
            self.entries.insert(event.table_id, entry);
        }
        self.version = schema.version();
        Ok(())
    }

    /// Returns the table of rows; `None` for one that is not captured.
    pub(super) fn table(&self, number: u64, at: &LogPoint) -> Result<Option<Arc<OpenTable>>, StreamError> {
        match self.entries.get(&number) {
            Some(Entry::Open(open)) => Ok(Some(Arc::clone(open))),
            Some(Entry::Skipped { .. } | Entry::InSnapshot) => Ok(None),
            Some(Entry::Refused { map, reason }) => Err(StreamError::Table {
                table: TableName::new(map.schema(), map.table()),
                at: at.clone(),
                reason: reason.clone(),
            }),
            None => Err(StreamError::Order { what: "rows without a table map", at: at.clone() }),
        }
    }
}

fn entry(event: &TableMapEvent<'_>, schema: &mut Schema, facts: &ServerFacts) -> Result<Entry, BinlogError> {
    let (database, table) = (event.schema.to_owned(), event.table.to_owned());
    let known = schema.table(event.schema, event.table);
    let is_sequence = known.is_some_and(|table| table.kind == TableKind::Sequence);
    if is_sequence || !schema.is_captured(event.schema, event.table) {
        return Ok(Entry::Skipped { database, table });
    }
    let map = TableMap::prepare(event)?;
    let flavour = facts.version.flavour;
    if flavour == Flavour::MariaDb && map.types().iter().any(is_old_format) {
        let reason = "it has times in the format of MariaDB 5.3, whose fractions the log does not tell \
                      (run ALTER TABLE … FORCE with mysql56_temporal_format = ON)";
        return Ok(Entry::Refused { map, reason: reason.to_owned() });
    }
    let columns = mapped_columns(&map);
    let reason = match known {
        Some(table) => match check(table, &columns, flavour) {
            Ok(trailing) => match full_metadata::difference(&map, table, facts) {
                Some(difference) => difference,
                None => return Ok(open(Arc::new(table.clone()), map, trailing)),
            },
            Err(mismatch) => mismatch.to_string(),
        },
        None => schema.doubt(event.schema, event.table),
    };
    // the log itself may say all that is needed
    let Some(table) = full_metadata::table(&map, known, facts) else {
        return Ok(Entry::Refused { map, reason });
    };
    match check(&table, &columns, flavour) {
        Ok(trailing) => {
            tracing::warn!(table = %table.name, reason, "the table's definition is taken from the log's own description");
            schema.replace(table.clone());
            Ok(open(Arc::new(table), map, trailing))
        }
        Err(_) => Ok(Entry::Refused { map, reason }),
    }
}

/// Opens a table; the signs of numbers are those of the definition where the log does not tell them.
fn open(table: Arc<Table>, mut map: TableMap, trailing: usize) -> Entry {
    for (index, column) in table.columns.iter().enumerate() {
        let is_unknown = map.columns().get(index).is_some_and(|column| column.is_unsigned.is_none());
        if is_unknown {
            map.set_unsigned(index, column.column_type.unsigned);
        }
    }
    Entry::Open(Arc::new(OpenTable { table, map, trailing }))
}

fn is_old_format(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::OldTime | ColumnType::OldDateTime | ColumnType::OldTimestamp)
}
