//! System versioning of MariaDB: the columns with the time at which a row starts and ends to be valid.

use super::table::{Column, Table, TableKey};
use crate::mysql::ddl::{ColumnType, Generated, Period, TypeName};

/// Makes a table system-versioned; a table without declared row times gets hidden ones.
pub(super) fn add(table: &mut Table) {
    table.system_versioned = true;
    if table.columns.iter().any(is_row_time) {
        return;
    }
    table.columns.extend([hidden("row_start", Generated::RowStart), hidden("row_end", Generated::RowEnd)]);
    table.periods.push(Period { name: None, start: "row_start".to_owned(), end: "row_end".to_owned() });
}

/// Removes system versioning and the row times.
pub(super) fn remove(table: &mut Table) {
    table.system_versioned = false;
    table.periods.retain(|period| period.name.is_some());
    table.columns.retain(|column| !is_row_time(column));
}

/// Takes the end of a row's validity out of keys, to which the server adds it.
pub(super) fn remove_from_keys(columns: &[Column], keys: &mut [TableKey]) {
    let Some(end) = columns.iter().find(|column| column.generated == Some(Generated::RowEnd)) else { return };
    for key in keys {
        key.parts.retain(|part| part.column.as_deref() != Some(&end.name));
    }
}

/// Where a column without a position is added: before hidden row times.
pub(super) fn end_of_columns(columns: &[Column]) -> usize {
    columns.iter().position(|column| column.hidden).unwrap_or(columns.len())
}

fn is_row_time(column: &Column) -> bool {
    matches!(column.generated, Some(Generated::RowStart | Generated::RowEnd))
}

fn hidden(name: &str, generated: Generated) -> Column {
    Column {
        name: name.to_owned(),
        former_names: Vec::new(),
        column_type: ColumnType { length: Some(6), ..ColumnType::new(TypeName::Timestamp) },
        nullable: false,
        default: None,
        on_update: None,
        auto_increment: false,
        generated: Some(generated),
        comment: None,
        invisible: true,
        hidden: true,
    }
}
