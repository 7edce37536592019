//! Whole runs: every row, the tables' metadata, and the events around them.

use super::expected::{self, Table};
use super::*;
use crate::mysql::gtid::{GtidSet, MariadbGtid};
use std::collections::BTreeMap;

/// The rows of each table, as text, after the changes so far.
#[derive(Default)]
struct Replay {
    maps: TableMaps,
    rows: BTreeMap<String, Vec<Vec<String>>>,
    /// Rows that a change did not find.
    missing: usize,
}

impl Replay {
    fn apply(
        &mut self,
        event: &Event<'_>,
        tables: &BTreeMap<String, Table>,
        current: &mut Option<Arc<TableMap>>,
    ) {
        match event {
            Event::TableMap(event) => *current = Some(self.table_map(event, tables)),
            Event::Rows(event) => {
                let map = current.as_ref().unwrap();
                let table = &tables.get(map.table());
                let mut rows = event.rows(map).unwrap();
                let mut row = Row::default();
                while rows.next_row(&mut row).unwrap() {
                    let [before, after] = [&row.before, &row.after].map(|image| texts(image, map, *table));
                    self.change(map.table(), before, after);
                }
            }
            _ => {}
        }
    }

    /// Prepares a table map; without FULL metadata the signedness comes from the catalog.
    fn table_map(&mut self, event: &TableMapEvent<'_>, tables: &BTreeMap<String, Table>) -> Arc<TableMap> {
        let mut map = TableMap::clone(&self.maps.prepare(event).unwrap());
        assert_eq!((event.schema, map.schema()), ("zoo", "zoo"));
        let columns = tables.get(event.table).map_or(&[][..], |table| &table.columns);
        for (index, column) in columns.iter().enumerate().filter(|_| event.table != "evolve") {
            if map.columns()[index].is_unsigned.is_none() {
                map.set_unsigned(index, column.is_unsigned());
            }
        }
        Arc::new(map)
    }

    fn change(&mut self, table: &str, before: Vec<String>, after: Vec<String>) {
        let rows = self.rows.entry(table.to_owned()).or_default();
        if !before.is_empty() {
            match rows.iter().position(|row| *row == before) {
                Some(index) => _ = rows.remove(index),
                None => self.missing += 1,
            }
        }
        if !after.is_empty() {
            rows.push(after);
        }
    }
}

/// The cells of an image as texts, without columns that the catalog hides or that are dropped later.
fn texts(image: &[value::Value<'_>], map: &TableMap, table: Option<&Table>) -> Vec<String> {
    let is_widened = map.table() == "evolve" && map.types().len() == 3;
    let columns = table.map_or(&[][..], |table| &table.columns);
    let cells = image.iter().zip(map.types()).skip(usize::from(is_widened));
    cells.zip(columns).map(|((value, of), column)| expected::cell(value, *of, &column.column_type)).collect()
}

fn check_rows(files: &[&str], catalog: &str) {
    let tables = expected::tables(catalog);
    let mut replay = Replay::default();
    for file in files {
        let mut current = None;
        visit_events(file, |_, _, event| replay.apply(event, &tables, &mut current));
    }
    assert_eq!(replay.missing, 0, "{files:?}: every row before a change was inserted before");
    assert!(tables.len() > 15 && tables.values().map(|table| table.rows.len()).sum::<usize>() > 50);
    for (name, table) in &tables {
        let mut rows = replay.rows.remove(name).unwrap_or_default();
        rows.sort();
        assert_eq!(rows.len(), table.rows.len(), "{files:?}: rows of {name}");
        for (row, expected) in rows.iter().zip(&table.rows) {
            for ((cell, expected), column) in row.iter().zip(expected).zip(&table.columns) {
                assert_eq!(cell, expected, "{files:?}: {name}.{} {}", column.name, column.column_type);
            }
            assert_eq!(row.len(), expected.len(), "{files:?}: {name}");
        }
    }
}

#[test]
fn rows_of_mysql_match_select() {
    check_rows(&MYSQL_FULL, "mysql.txt");
}

#[test]
fn rows_of_version_1_without_checksums_match_select() {
    check_rows(&MYSQL_V1, "mysql.txt");
}

#[test]
fn rows_of_mariadb_match_select() {
    check_rows(&MARIADB_FULL, "mariadb.txt");
}

#[test]
fn compressed_rows_of_mariadb_match_select() {
    check_rows(&MARIADB_COMPRESSED, "mariadb.txt");
}

/// Compares the metadata of the last table map of each table with the catalog.
fn check_metadata(files: &[&str], catalog: &str) {
    let tables = expected::tables(catalog);
    let mut maps = BTreeMap::new();
    for file in files {
        visit_events(file, |_, _, event| {
            if let Event::TableMap(event) = event {
                maps.insert(event.table.to_owned(), TableMap::prepare(event).unwrap());
            }
        });
    }
    for (name, table) in &tables {
        let Some(map) = maps.get(name) else { panic!("no table map of {name}") };
        let mut key: Vec<(usize, KeyPart)> = Vec::new();
        for (index, (column, expected)) in map.columns().iter().zip(&table.columns).enumerate() {
            let place = format!("{name}.{}", expected.name);
            assert_eq!(column.name.as_deref(), Some(expected.name.as_str()), "{place}");
            assert_eq!(column.is_nullable, expected.is_nullable, "{place}");
            // MariaDB's YEAR counts as unsigned
            if column.is_unsigned.is_some() && !expected.column_type.starts_with("year") {
                assert_eq!(column.is_unsigned, Some(expected.is_unsigned()), "{place}");
            }
            if let Some(collation) = expected.collation {
                assert_eq!(column.collation, Some(collation), "{place}");
            }
            key.extend(
                expected
                    .key
                    .map(|(position, prefix_length)| (position, KeyPart { column: index, prefix_length })),
            );
        }
        key.sort_by_key(|(position, _)| *position);
        let key: Vec<KeyPart> = key.into_iter().map(|(_, part)| part).collect();
        match name.as_str() {
            // the server gives the unique key, and for versioned tables adds a hidden column
            "unique_key" => assert_eq!(map.primary_key(), [KeyPart { column: 1, prefix_length: 0 }]),
            "versioned" => assert_eq!((map.primary_key().len(), map.types().len()), (2, 4)),
            _ => assert_eq!(map.primary_key(), key, "{name}"),
        }
    }
    check_labels(&maps["labels"]);
    let kinds: Vec<_> = maps["geo"].columns().iter().map(|column| column.geometry).collect();
    assert_eq!(kinds[1..], [1, 0, 2, 3, 4, 5, 6, 7].map(Some));
    assert!(kinds[0].is_none());
}

fn check_labels(map: &TableMap) {
    let labels = |index: usize| map.columns()[index].labels.iter().map(|label| &**label).collect::<Vec<_>>();
    assert_eq!(labels(1), ["a", "b", "c,d", "é", "漢'字"].map(str::as_bytes));
    assert_eq!(labels(2), [&b"\xe4"[..], b"\xf6"], "latin1");
    assert_eq!(labels(3), [&b"\xba\xba"[..], b"\xd7\xd6"], "gbk");
    assert_eq!(labels(4), ["x", "y", "z"].map(str::as_bytes));
    assert_eq!((labels(7).len(), labels(7)[63]), (64, &b"64"[..]));
    assert_eq!((labels(8).len(), labels(8)[299]), (300, &b"l300"[..]));
}

#[test]
fn metadata_of_mysql_matches_the_catalog() {
    check_metadata(&MYSQL_FULL, "mysql.txt");
}

#[test]
fn metadata_of_mariadb_matches_the_catalog() {
    check_metadata(&MARIADB_FULL, "mariadb.txt");
}

#[test]
fn metadata_that_is_not_logged_is_not_invented() {
    for (file, is_minimal) in [(MYSQL_V1[0], true), (MARIADB_COMPRESSED[0], false)] {
        visit_events(file, |_, _, event| {
            let Event::TableMap(event) = event else { return };
            let map = TableMap::prepare(event).unwrap();
            let integers = map.columns().iter().zip(map.types());
            for (column, _) in integers.filter(|(_, of)| matches!(of, ColumnType::Integer { .. })) {
                assert_eq!(column.is_unsigned.is_some(), is_minimal, "{file}");
                assert!(column.name.is_none() && map.primary_key().is_empty());
            }
        });
    }
}

#[test]
fn positions_and_lengths_of_transactions_add_up() {
    for file in MYSQL_FULL.iter().chain(&MYSQL_V1).chain(&MARIADB_FULL).chain(&MARIADB_COMPRESSED) {
        let (mut next, mut end) = (4, None);
        visit_events(file, |position, header, event| {
            assert_eq!(
                (position, u64::from(header.end_position)),
                (next, position + u64::from(header.length))
            );
            next = position + u64::from(header.length);
            if let Event::TransactionStart(start) = event {
                assert!(end.is_none_or(|end| end == position), "{file}:{position}");
                end = Some(position + start.transaction_length.unwrap());
                assert_eq!(start.immediate_server_version, Some(80_015));
                assert_eq!(start.original_commit_micros, start.immediate_commit_micros);
                assert_eq!(start.immediate_commit_micros.unwrap() / 1_000_000 / 86_400 / 365, 56, "2026");
            }
        });
    }
}

#[test]
fn mysql_transactions_are_numbered() {
    let mut executed = GtidSet::default();
    let mut expected = 0;
    for file in MYSQL_FULL {
        visit_events(file, |_, _, event| match event {
            Event::FormatDescription(format) => {
                assert_eq!((format.server_version.as_str(), format.flavor()), ("8.0.15", Flavor::MySql));
                assert_eq!(format.checksum, Checksum::Crc32);
            }
            // the database was created in a file before these
            Event::PreviousGtids(set) if executed.is_empty() => {
                executed = set.clone();
                expected = 2;
            }
            Event::PreviousGtids(set) => assert_eq!(set, &executed),
            Event::TransactionStart(start) => {
                let gtid = start.gtid.as_ref().unwrap();
                assert_eq!(gtid.number, expected);
                expected += 1;
                executed.add(gtid);
            }
            _ => {}
        });
    }
    assert!(expected > 60 && executed.intervals().count() == 1);
}

#[test]
fn mariadb_transactions_have_domains_and_flags() {
    let mut gtids: Vec<MariadbGtid> = Vec::new();
    let mut lists = Vec::new();
    let (mut ddl, mut prepared, mut completed) = (0, Vec::new(), Vec::new());
    for file in MARIADB_FULL {
        visit_events(file, |_, _, event| match event {
            Event::FormatDescription(format) => assert_eq!(format.flavor(), Flavor::MariaDb),
            Event::MariadbGtidList(position) => lists.push(position.to_string()),
            Event::MariadbTransactionStart(start) => {
                gtids.push(start.gtid);
                ddl += usize::from(start.is_ddl() && start.is_standalone());
                if let Some(id) = &start.xa {
                    assert!(start.is_xa_prepare() != start.is_xa_completion());
                    let ids = if start.is_xa_prepare() { &mut prepared } else { &mut completed };
                    ids.push(id.clone());
                }
            }
            _ => {}
        });
    }
    let numbers: Vec<u64> = gtids.iter().filter(|gtid| gtid.domain == 0).map(|gtid| gtid.sequence).collect();
    let first = numbers[0];
    assert!(numbers.iter().zip(first..).all(|(number, expected)| *number == expected) && ddl > 15);
    assert_eq!(gtids.iter().find(|gtid| gtid.domain == 3).unwrap().to_string(), "3-1-1");
    assert_eq!(lists[0], format!("0-1-{}", first - 1));
    let id = XaId { format: 7, global: b"global"[..].into(), branch: b"branch"[..].into() };
    assert_eq!(prepared[0], id);
    assert_eq!(completed[0], id);
}

#[test]
fn statements_have_their_session_settings() {
    for file in [MYSQL_FULL[0], MARIADB_FULL[0], MARIADB_COMPRESSED[0]] {
        let (mut ddl, mut begin, mut annotated) = (0, 0, 0);
        let mut xa_prepares = Vec::new();
        visit_events(file, |_, _, event| match event {
            Event::Query(query) => {
                let sql = String::from_utf8(query.sql.to_vec()).unwrap();
                assert!(!query.variables.is_incomplete, "{file}: {sql}");
                assert_eq!((query.error_code, query.schema), (0, "zoo"), "{file}: {sql}");
                begin += usize::from(sql == "BEGIN");
                if sql.starts_with("CREATE TABLE") {
                    ddl += 1;
                    assert_eq!(query.variables.charset.unwrap().client, 45, "utf8mb4_general_ci");
                    let mode = query.variables.sql_mode.unwrap();
                    assert!(mode & 0x20_0000 != 0, "STRICT_TRANS_TABLES in {mode:x}");
                    assert!(!query.variables.is_ansi_quotes() && !query.variables.is_no_backslash_escapes());
                }
                if sql.contains("Mixed Case") {
                    assert!(sql.contains("`é` int"), "{sql}");
                }
            }
            Event::RowsQuery(sql) => annotated += usize::from(sql.starts_with(b"INSERT INTO numbers")),
            Event::XaPrepare(prepare) => xa_prepares.push((prepare.is_one_phase, prepare.id.format)),
            _ => {}
        });
        let is_mysql = file == MYSQL_FULL[0];
        assert_eq!((ddl, begin > 0, annotated), (14, is_mysql, 4), "{file}");
        assert_eq!(xa_prepares, [(false, 7), (true, 1)][..if is_mysql { 2 } else { 1 }], "{file}");
    }
}

#[test]
fn phases_of_alter_statements() {
    let mut phases = Vec::new();
    visit_events("mariadb-two-phase.binlog", |_, _, event| match event {
        Event::MariadbTransactionStart(start) => phases.push((start.gtid.sequence, start.alter)),
        Event::Query(query) => assert!(!query.variables.is_incomplete),
        _ => {}
    });
    let phases: Vec<_> = phases.iter().filter_map(|(number, phase)| Some((*number, (*phase)?))).collect();
    let [first, commit, second, rollback] = [
        AlterPhase::Start,
        AlterPhase::Commit { start: 3 },
        AlterPhase::Start,
        AlterPhase::Rollback { start: 6 },
    ];
    assert_eq!(phases, [(3, first), (4, commit), (6, second), (7, rollback)]);
}
