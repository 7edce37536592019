//! Keys of a table: the names that the server chooses, the columns it adds, its order.

use super::error::HistoryError;
use super::table::{Column, Table, TableKey, same_name};
use crate::mysql::ddl::{ColumnType, Generated, Key, KeyKind, KeyPart, TypeName};

/// Most keys of a table; the servers allow 64 and 128.
const MAX_KEYS: usize = 256;

/// Most columns of a key; the servers allow 16 and 32.
const MAX_PARTS: usize = 64;

/// Most periods of a table; MariaDB allows two.
const MAX_PERIODS: usize = 8;

/// Adds a key, unless it exists and `if_not_exists` is set.
pub(super) fn add(table: &mut Table, key: &Key, if_not_exists: bool) -> Result<(), HistoryError> {
    if table.keys.len() >= MAX_KEYS {
        return Err(HistoryError::TooMany { table: table.name.clone(), what: "keys", limit: MAX_KEYS });
    }
    if key.parts.len() > MAX_PARTS {
        let what = "columns of a key";
        return Err(HistoryError::TooMany { table: table.name.clone(), what, limit: MAX_PARTS });
    }
    let exists = match (&key.name, key.kind) {
        (_, KeyKind::Primary) => has_name(table, "PRIMARY"),
        (Some(name), _) => has_name(table, name),
        (None, _) => false,
    };
    if if_not_exists && exists {
        return Ok(());
    }
    let name = match (key.kind, &key.name) {
        (KeyKind::Primary, _) => "PRIMARY".to_owned(),
        (_, Some(name)) => name.clone(),
        (_, None) => free_name(table, key),
    };
    let mut parts = key.parts.clone();
    if let Some(period) = key.without_overlaps.as_deref() {
        let found =
            table.periods.iter().find(|p| p.name.as_deref().is_some_and(|name| same_name(name, period)));
        let columns = found.map(|period| [period.end.clone(), period.start.clone()]).unwrap_or_default();
        let columns = columns.into_iter().filter(|column| !column.is_empty());
        parts.extend(columns.map(|column| KeyPart { column: Some(column), prefix: None }));
    }
    table.keys.push(TableKey { name, kind: key.kind, parts, using_hash: key.using_hash });
    Ok(())
}

/// Refuses more periods than a table can have.
pub(super) fn check_periods(table: &Table) -> Result<(), HistoryError> {
    if table.periods.len() > MAX_PERIODS {
        return Err(HistoryError::TooMany { table: table.name.clone(), what: "periods", limit: MAX_PERIODS });
    }
    Ok(())
}

/// The prefix of a key's part that goes over to a new column of the same name: the server keeps the length in
/// bytes of the former column, and leaves it out where the type has no prefixes.
pub(super) fn prefix_in_other_column(prefix: Option<u32>, old: &ColumnType, new: &ColumnType) -> Option<u32> {
    use TypeName::{BigInt, Double, Float, Int, MediumInt, SmallInt, TinyInt};
    let has_prefixes = (new.name.is_text() || new.name.is_bytes()) && new.labels.is_empty();
    let is_sized = old.name.is_text() || old.name.is_bytes();
    let bytes = match old.name {
        TinyInt => 1,
        SmallInt => 2,
        MediumInt => 3,
        Int | Float => 4,
        BigInt | Double => 8,
        // not measured, but shorter than the new column: rows are not identified by it
        _ => 1,
    };
    prefix.or(old.length.filter(|_| is_sized)).or(Some(bytes)).filter(|_| has_prefixes)
}

/// The name of a key without one: its first column's, with a number if that is taken.
fn free_name(table: &Table, key: &Key) -> String {
    let first = key.parts.first().and_then(|part| part.column.as_deref()).unwrap_or("functional_index");
    let first =
        table.position(first).and_then(|place| table.columns.get(place)).map_or(first, |column| &column.name);
    let is_free = |name: &str| !has_name(table, name) && !same_name(name, "PRIMARY");
    let numbered = || (2..=MAX_KEYS + 2).map(|number| format!("{first}_{number}")).find(|name| is_free(name));
    if is_free(first) { first.to_owned() } else { numbered().unwrap_or_default() }
}

fn has_name(table: &Table, name: &str) -> bool {
    table.keys.iter().any(|key| same_name(&key.name, name))
}

/// Brings keys and columns in line after a change.
pub(super) fn finish(table: &mut Table) {
    use_column_names(table);
    require_values(table);
    add_row_end(table);
    remove_covered(table);
    let columns = std::mem::take(&mut table.columns);
    // stable, so that keys of one kind stay in the order in which they were added
    table.keys.sort_by_key(|key| rank(key, &columns));
    table.columns = columns;
}

/// Spells names as the columns are, and removes prefixes from keys of numbers.
fn use_column_names(table: &mut Table) {
    let columns = &table.columns;
    for part in table.keys.iter_mut().flat_map(|key| &mut key.parts) {
        let Some(name) = part.column.as_deref() else { continue };
        if let Some(column) = columns.iter().find(|column| same_name(&column.name, name)) {
            part.column = Some(column.name.clone());
            let covers_values = part.prefix.is_some() && part.prefix == column.column_type.length;
            if covers_values {
                part.prefix = None;
            }
        }
    }
}

/// Columns of the primary key and of application-time periods have no nulls.
fn require_values(table: &mut Table) {
    let in_primary = table.keys.iter().filter(|key| key.kind == KeyKind::Primary).flat_map(|key| &key.parts);
    let in_period = table.periods.iter().filter(|period| period.name.is_some());
    let names: Vec<String> = in_primary
        .filter_map(|part| part.column.clone())
        .chain(in_period.flat_map(|period| [period.start.clone(), period.end.clone()]))
        .collect();
    for column in &mut table.columns {
        column.nullable &= !names.iter().any(|name| same_name(name, &column.name));
    }
}

/// The end of a row's validity is part of every unique key of a system-versioned table.
fn add_row_end(table: &mut Table) {
    let end = table.columns.iter().find(|column| column.generated == Some(Generated::RowEnd));
    let Some(end) = end.filter(|_| table.system_versioned) else { return };
    for key in table.keys.iter_mut().filter(|key| matches!(key.kind, KeyKind::Primary | KeyKind::Unique)) {
        let name = |part: &KeyPart| part.column.as_deref().is_some_and(|column| same_name(column, &end.name));
        if !key.parts.iter().any(name) {
            key.parts.push(KeyPart { column: Some(end.name.clone()), prefix: None });
        }
    }
}

/// Removes the index of a foreign key where another key starts with its columns.
fn remove_covered(table: &mut Table) {
    let covered: Vec<bool> =
        table.keys.iter().enumerate().map(|(index, key)| is_covered(table, index, key)).collect();
    let mut covered = covered.into_iter();
    table.keys.retain(|_| !covered.next().unwrap_or(false));
}

fn is_covered(table: &Table, index: usize, key: &TableKey) -> bool {
    let covers = |(other_index, other): (usize, &TableKey)| {
        let comes_first = other.kind != KeyKind::ForeignKey || other_index < index;
        let same = |(a, b): (&KeyPart, &KeyPart)| a.column == b.column && b.prefix.is_none();
        other_index != index
            && comes_first
            && other.parts.len() >= key.parts.len()
            && key.parts.iter().zip(&other.parts).all(same)
    };
    key.kind == KeyKind::ForeignKey && table.keys.iter().enumerate().any(covers)
}

/// The server's order of keys; the first one that identifies rows is the primary key's substitute.
fn rank(key: &TableKey, columns: &[Column]) -> u8 {
    let nullable = |part: &KeyPart| {
        let name = part.column.as_deref().unwrap_or_default();
        columns.iter().find(|column| same_name(&column.name, name)).is_none_or(|column| column.nullable)
    };
    match key.kind {
        KeyKind::Primary => 0,
        KeyKind::Unique if key.parts.iter().any(nullable) => 3,
        KeyKind::Unique if key.parts.iter().any(|part| part.prefix.is_some()) => 2,
        KeyKind::Unique => 1,
        KeyKind::Index | KeyKind::ForeignKey => 4,
    }
}
