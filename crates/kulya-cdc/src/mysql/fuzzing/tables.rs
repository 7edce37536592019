//! The tables of a log that is fuzzed, defined by their table maps, and their rows as JSON.

use super::kinds::{column, write_cell_as_every_kind};
use crate::ValueModes;
use crate::debezium::fuzzing::parsed_json;
use crate::mysql::binlog::value::Value;
use crate::mysql::binlog::{self, BinlogError, Row, RowsEvent, TableMap, TableMapEvent};
use crate::mysql::catalog::ServerFacts;
use crate::mysql::ddl::{ColumnType, KeyKind, KeyPart, TypeName};
use crate::mysql::schema_history::{self, Collated, TableKey, TableKind, TableName, check};
use crate::mysql::stream::fuzzing::{defined_by_log, mapped_columns};
use crate::mysql::table::Table;
use std::collections::BTreeMap;

/// Number of rows of an event that are written.
const MAX_ROWS: usize = 64;

/// The tables by the number of their map.
pub(super) struct LogTables {
    facts: ServerFacts,
    modes: ValueModes,
    tables: BTreeMap<u64, (TableMap, Table)>,
    /// The number of cells that may still be written as every kind.
    cells_left: usize,
}

impl LogTables {
    pub(super) fn new(facts: ServerFacts, modes: ValueModes) -> Self {
        Self { facts, modes, tables: BTreeMap::new(), cells_left: 64 }
    }

    /// Prepares a table.
    pub(super) fn define(&mut self, event: &TableMapEvent<'_>) -> Result<(), BinlogError> {
        let mut map = TableMap::prepare(event)?;
        assert!(map.matches(event) && map.types().len() == map.columns().len());
        let flavour = self.facts.version.flavour;
        let definition = defined_by_log(&map, None, &self.facts).unwrap_or_else(|| definition(&map));
        let again = defined_by_log(&map, Some(&definition), &self.facts);
        assert!(again.is_none_or(|again| again.columns.len() == definition.columns.len()));
        let _ = check(&definition, &mapped_columns(&map), flavour);
        for (index, column) in definition.columns.iter().enumerate() {
            map.set_unsigned(index, column.column_type.unsigned);
        }
        let table = Table::new("p", &definition, &self.modes, flavour);
        self.tables.insert(event.table_id, (map, table));
        Ok(())
    }

    /// Writes the rows of an event.
    pub(super) fn write(&mut self, event: &RowsEvent<'_>) -> Result<(), BinlogError> {
        let Some((map, table)) = self.tables.get(&event.table_id) else { return Ok(()) };
        let mut rows = event.rows(map)?;
        let mut row = Row::default();
        for _ in 0..MAX_ROWS {
            if !rows.next_row(&mut row)? {
                break;
            }
            for cells in [&row.before, &row.after].into_iter().filter(|cells| !cells.is_empty()) {
                write_row(table, cells);
                for cell in cells.iter().take(self.cells_left) {
                    write_cell_as_every_kind(cell);
                }
                self.cells_left = self.cells_left.saturating_sub(cells.len());
            }
        }
        Ok(())
    }
}

fn write_row(table: &Table, cells: &[Value<'_>]) {
    let (mut out, mut report) = (Vec::new(), Vec::new());
    table.write_row(cells, &mut out, &mut report);
    assert!(parsed_json(&out).is_object());
    assert!(report.len() <= cells.len());
    out.clear();
    if let Some((key, values)) = table.write_key(cells, &mut out) {
        assert!(parsed_json(key.of(&out)).is_object());
        parsed_json(&[b"[", values.of(&out), b"]"].concat());
    }
    let _ = table.is_current(cells);
}

/// Returns a definition that fits a table map without names.
fn definition(map: &TableMap) -> schema_history::Table {
    let types = map.types().iter().zip(map.columns()).enumerate();
    let columns: Vec<_> = types
        .map(|(index, (column_type, found))| {
            column(&format!("c{index}"), self::column_type(*column_type, index), found.is_nullable)
        })
        .collect();
    let first = columns.first().map(|column| KeyPart { column: Some(column.name.clone()), prefix: None });
    let key = TableKey {
        name: "PRIMARY".to_owned(),
        kind: KeyKind::Primary,
        parts: first.into_iter().collect(),
        using_hash: false,
    };
    schema_history::Table {
        name: TableName::new(map.schema(), map.table()),
        kind: TableKind::Table,
        charset: Collated::new("utf8mb4"),
        columns,
        keys: vec![key],
        periods: Vec::new(),
        system_versioned: false,
        comment: None,
    }
}

fn column_type(log: binlog::ColumnType, index: usize) -> ColumnType {
    use binlog::ColumnType as Log;
    let sized = |name, length: u32| ColumnType { length: Some(length), ..ColumnType::new(name) };
    let charset = ["utf8mb4", "latin1", "utf16", "gbk"].get(index % 4).map(|name| (*name).to_owned());
    let text = |name| ColumnType { charset: charset.clone(), ..ColumnType::new(name) };
    let labelled = |name| ColumnType { labels: vec!["a".to_owned(), "b,\"".to_owned()], ..text(name) };
    match log {
        Log::Integer { bytes: 1, .. } => ColumnType::new(TypeName::TinyInt),
        Log::Integer { bytes: 2, .. } => ColumnType::new(TypeName::SmallInt),
        Log::Integer { bytes: 3, .. } => ColumnType::new(TypeName::MediumInt),
        Log::Integer { bytes: 4, .. } => ColumnType::new(TypeName::Int),
        Log::Integer { .. } => ColumnType { unsigned: index % 2 == 1, ..ColumnType::new(TypeName::BigInt) },
        Log::Float => ColumnType::new(TypeName::Float),
        Log::Double => ColumnType::new(TypeName::Double),
        Log::Decimal { precision, scale } => {
            ColumnType { scale: Some(scale.into()), ..sized(TypeName::Decimal, precision.into()) }
        }
        Log::Date => ColumnType::new(TypeName::Date),
        Log::Time { digits } => sized(TypeName::Time, digits.into()),
        Log::DateTime { digits } => sized(TypeName::DateTime, digits.into()),
        Log::Timestamp { digits } => sized(TypeName::Timestamp, digits.into()),
        Log::OldTime => ColumnType::new(TypeName::Time),
        Log::OldDateTime => ColumnType::new(TypeName::DateTime),
        Log::OldTimestamp => ColumnType::new(TypeName::Timestamp),
        Log::Year => ColumnType::new(TypeName::Year),
        Log::Bit { bits } => sized(TypeName::Bit, bits.into()),
        Log::Enum { .. } => labelled(TypeName::Enum),
        Log::Set { .. } => labelled(TypeName::Set),
        Log::Char { .. } if index.is_multiple_of(5) => sized(TypeName::Binary, 16),
        Log::Char { max_bytes: 4 } => ColumnType::new(TypeName::Inet4),
        Log::Char { max_bytes: 16 } if index.is_multiple_of(2) => ColumnType::new(TypeName::Inet6),
        Log::Char { max_bytes: 16 } => ColumnType::new(TypeName::Uuid),
        Log::Char { .. } => text(TypeName::Char),
        Log::VarChar { .. } | Log::CompressedVarChar { .. } => text(TypeName::VarChar),
        Log::Blob { .. } if index.is_multiple_of(5) => ColumnType::new(TypeName::Blob),
        Log::Blob { .. } | Log::CompressedBlob { .. } => text(TypeName::Text),
        Log::Json { .. } => ColumnType::new(TypeName::Json),
        Log::Geometry { .. } if index.is_multiple_of(2) => ColumnType::new(TypeName::Point),
        Log::Geometry { .. } => ColumnType::new(TypeName::Geometry),
        Log::Vector { .. } => ColumnType::new(TypeName::Vector),
    }
}
