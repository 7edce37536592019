//! The recorded logs of real servers, read from an empty schema history.

use super::*;
use crate::mysql::binlog::{Checksum, Decoder, Event, LogFile, Row, RowsKind, TableMap, TransactionPayload};
use crate::mysql::catalog::ServerFacts;
use crate::mysql::catalog::tests::facts;
use crate::mysql::ddl::parse;
use crate::mysql::offset::LogPoint;
use crate::mysql::schema_history::{SchemaHistory, TableNameCase};
use crate::{CdcError, CdcErrorKind};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const MYSQL: &str = "8.0.15";
const MARIADB: &str = "10.11.19-MariaDB";

/// The changed rows of a table: inserted, updated, deleted.
type Counts = BTreeMap<String, [usize; 3]>;

fn bytes(file: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/mysql/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn kind(kind: RowsKind) -> usize {
    match kind {
        RowsKind::Insert => 0,
        RowsKind::Update => 1,
        RowsKind::Delete => 2,
    }
}

/// What reading a log gave.
#[derive(Default)]
struct Found {
    rows: Counts,
    /// Columns by table, as names.
    columns: BTreeMap<String, Vec<String>>,
    statements: Vec<String>,
    transactions: Vec<(String, bool, usize)>,
    texts: usize,
    /// Tables of statements that are not in the history.
    unknown: Vec<String>,
    last: Option<LogPoint>,
}

/// Reads files in order, with a history and settings.
fn read(
    files: &[&str],
    facts: ServerFacts,
    history: SchemaHistory,
) -> Result<(Found, SchemaHistory), CdcError> {
    // a transaction of the logs changes it in two phases
    read_captured(files, facts, history, |table| table != "evolve")
}

fn read_captured(
    files: &[&str],
    facts: ServerFacts,
    history: SchemaHistory,
    is_captured: fn(&str) -> bool,
) -> Result<(Found, SchemaHistory), CdcError> {
    let captured = Arc::new(move |database: &str, table: &str| database == "zoo" && is_captured(table));
    let mut reader =
        LogReader::new(LogPoint::new(files[0], 4), history, facts, captured).with_statements(true);
    let mut found = Found::default();
    for file in files {
        let data = bytes(file);
        let mut decoder = Decoder::new(Checksum::Off);
        for event in LogFile::new(&data).unwrap() {
            let (position, bytes) = event.unwrap();
            let (header, event) = decoder.decode(bytes)?;
            let is_rotate = matches!(event, Event::Rotate(_));
            let step = reader.read(&header, event)?;
            if let Some(Change::Payload(payload)) = &step.change {
                read_payload(&mut reader, &decoder, payload, &mut found)?;
            }
            assert!(
                is_rotate || reader.point().position == position + bytes.len() as u64,
                "{file}:{position}"
            );
            note(&mut found, &reader, step);
        }
    }
    assert!(!reader.is_in_transaction());
    found.last = Some(reader.point().clone());
    Ok((found, reader.history().clone()))
}

fn read_payload(
    reader: &mut LogReader,
    decoder: &Decoder,
    payload: &TransactionPayload<'_>,
    found: &mut Found,
) -> Result<(), CdcError> {
    let mut events = payload.events()?;
    while let Some(bytes) = events.next_event()? {
        let (header, event) = decoder.decode_inner(bytes)?;
        let step = reader.read(&header, event)?;
        note(found, reader, step);
    }
    Ok(())
}

fn note(found: &mut Found, reader: &LogReader, step: Step<'_>) {
    if let Some(begin) = &step.begin {
        let id = begin.id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        found.transactions.push((id, begin.kind == TransactionKind::Statement, 0));
    }
    match step.change {
        Some(Change::Statement(statement)) => {
            found.unknown.extend(statement.unknown.iter().map(ToString::to_string));
        }
        Some(Change::Rows(change)) => {
            let name = change.table.table.name.table.clone();
            let mut rows = change.event.rows(&change.table.map).unwrap();
            let mut row = Row::default();
            while rows.next_row(&mut row).unwrap() {
                found.rows.entry(name.clone()).or_default()[kind(change.event.kind)] += 1;
                found.transactions.last_mut().unwrap().2 += 1;
            }
            let columns = change.table.table.columns.iter().map(|column| column.name.clone());
            found.columns.insert(name, columns.collect());
            assert_eq!(
                change.table.map.types().len(),
                change.table.table.columns.len() + change.table.trailing
            );
            found.texts += usize::from(reader.statement().is_some());
        }
        Some(Change::Ddl(ddl)) if !ddl.changes.is_empty() => {
            found.statements.push(String::from_utf8_lossy(&ddl.sql).into_owned());
        }
        _ => {}
    }
    if step.end.is_some() {
        assert!(!reader.is_in_transaction());
    }
}

/// Counts the rows of tables without the reader.
fn expected_rows(files: &[&str]) -> Counts {
    let mut counts = Counts::new();
    for file in files {
        let data = bytes(file);
        let mut decoder = Decoder::new(Checksum::Off);
        let mut maps = BTreeMap::new();
        for event in LogFile::new(&data).unwrap() {
            match decoder.decode(event.unwrap().1).unwrap().1 {
                Event::TableMap(map) => {
                    maps.insert(map.table_id, TableMap::prepare(&map).unwrap());
                }
                Event::Rows(event) => {
                    let Some(map) = maps.get(&event.table_id) else { continue };
                    let mut rows = event.rows(map).unwrap();
                    let mut row = Row::default();
                    while rows.next_row(&mut row).unwrap() {
                        if map.schema() == "zoo" {
                            counts.entry(map.table().to_owned()).or_default()[kind(event.kind)] += 1;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    counts
}

fn empty() -> SchemaHistory {
    SchemaHistory::new(TableNameCase::Sensitive)
}

#[test]
fn each_row_of_the_log_is_a_row_of_its_table() {
    for (version, files) in [
        (MYSQL, ["mysql-full.1.binlog", "mysql-full.2.binlog"]),
        (MYSQL, ["mysql-v1.1.binlog", "mysql-v1.2.binlog"]),
        (MARIADB, ["mariadb-full.1.binlog", "mariadb-full.2.binlog"]),
        (MARIADB, ["mariadb-compressed.1.binlog", "mariadb-compressed.2.binlog"]),
    ] {
        let (found, _) = read(&files, facts(version), empty()).unwrap_or_else(|e| panic!("{files:?}: {e}"));
        let mut expected = expected_rows(&files);
        // sequences are no tables
        expected.retain(|name, _| !name.contains("seq") && name != "evolve");
        assert_eq!(found.rows, expected, "{files:?}");
        let counts = (found.rows.len(), found.statements.len());
        assert!(counts.0 > 10 && counts.1 > 10, "{files:?} {counts:?}");
        assert!(found.transactions.iter().all(|(id, ..)| id != "-"), "{files:?}");
        assert!(found.transactions.iter().all(|(_, is_statement, rows)| !is_statement || *rows == 0));
        let has_texts = version == MARIADB || files[0].contains("full");
        assert_eq!(found.texts > 0, has_texts, "{files:?}");
    }
}

#[test]
fn full_metadata_stands_for_a_missing_history() {
    for (version, file) in [(MYSQL, "mysql-full.2.binlog"), (MARIADB, "mariadb-full.2.binlog")] {
        let first = file.replace(".2.", ".1.");
        let (_, history) = read(&[&first], facts(version), empty()).unwrap();
        let (expected, _) = read(&[file], facts(version), history.clone()).unwrap();
        // a table map is checked against the history, so these tables do not fit it
        let mut wrong = history.clone();
        for table in history.tables().filter(|table| table.columns.len() > 1) {
            let mut table = table.clone();
            table.columns.pop();
            wrong.set_table(table);
        }
        // of the same types, which only names and signs tell apart
        let mut renamed = history.clone();
        for table in history.tables() {
            let mut table = table.clone();
            table.columns.iter_mut().for_each(|column| column.name.push('_'));
            renamed.set_table(table);
        }
        for other in [wrong, renamed, empty()] {
            match read(&[file], facts(version), other) {
                Ok((found, _)) => assert_eq!(found.columns, expected.columns, "{file}"),
                Err(error) => panic!("{file}: {error}"),
            }
        }
    }
}

/// The server logs names and more with the one, and types only with the other.
#[test]
fn full_metadata_does_not_replace_what_fits() {
    let [(_, full), (_, types)] = ["mysql-full", "mysql-v1"].map(|name| {
        let files = [format!("{name}.1.binlog"), format!("{name}.2.binlog")];
        read(&[&files[0], &files[1]], facts(MYSQL), empty()).unwrap()
    });
    assert!(full.tables().count() > 10);
    assert!(full.tables().eq(types.tables()));
}

#[test]
fn rows_without_a_certain_definition_are_refused() {
    let Err(error) = read(&["mariadb-compressed.2.binlog"], facts(MARIADB), empty()) else {
        panic!("no refusal")
    };
    let line = error.to_string();
    assert_eq!(error.kind(), CdcErrorKind::Source);
    assert!(
        line.contains("at mariadb-compressed.2.binlog:") && line.contains("not in the schema history"),
        "{line}"
    );
    assert!(line.contains("take a new snapshot of the table"), "{line}");
}

#[test]
fn an_alter_in_two_phases_counts_once_it_has_succeeded() {
    let (found, history) = read(&["mariadb-two-phase.binlog"], facts(MARIADB), empty()).unwrap();
    let alters = found.statements.iter().filter(|sql| sql.to_uppercase().contains("ALTER TABLE"));
    let tables: Vec<_> =
        history.tables().map(|table| (table.name.to_string(), table.columns.len())).collect();
    assert_eq!(alters.count(), 1, "{:?} {tables:?}", found.statements);
}

#[test]
fn changes_as_statements_are_refused() {
    for (version, file) in [(MYSQL, "mysql-statement.binlog"), (MARIADB, "mariadb-statement.binlog")] {
        let Err(error) = read(&[file], facts(version), empty()) else { panic!("no refusal of {file}") };
        assert_eq!(error.kind(), CdcErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains("binlog_format"), "{error}");
    }
}

/// The logs have LOAD DATA. A table that is not in the history may be a view of a captured one.
#[test]
fn statements_on_other_tables_are_passed_over() {
    for (version, file) in [(MYSQL, "mysql-statement.binlog"), (MARIADB, "mariadb-statement.binlog")] {
        let facts = facts(version);
        let mut history = empty();
        for unknown in [&["`zoo`.`refused`"][..], &[]] {
            let is_other = |table: &str| table != "refused";
            let (found, _) = read_captured(&[file], facts.clone(), history.clone(), is_other).unwrap();
            assert_eq!((found.rows, found.transactions.len()), (Counts::new(), 1));
            assert_eq!(found.unknown, unknown);
            assert!(read_captured(&[file], facts.clone(), history.clone(), |_| true).is_err());
            let create = parse(b"CREATE TABLE zoo.refused (id INT)", facts.parse_settings(0)).unwrap();
            history.apply(&create, &facts.session(None, None)).unwrap();
        }
    }
}

#[test]
fn rows_that_lack_values_are_refused_if_their_table_is_captured() {
    for (version, file, variable) in [
        (MYSQL, "mysql-minimal.binlog", "binlog_row_image"),
        (MYSQL, "mysql-noblob.binlog", "binlog_row_image"),
        (MYSQL, "mysql-partial-json.binlog", "binlog_row_value_options"),
        (MARIADB, "mariadb-minimal.binlog", "binlog_row_image"),
        (MARIADB, "mariadb-noblob.binlog", "binlog_row_image"),
    ] {
        let Err(error) = read_captured(&[file], facts(version), empty(), |_| true) else {
            panic!("no refusal of {file}")
        };
        assert_eq!(error.kind(), CdcErrorKind::Configuration, "{error}");
        let line = error.to_string();
        assert!(line.contains(variable) && line.contains("table `zoo`."), "{line}");
        let (found, _) = read_captured(&[file], facts(version), empty(), |_| false).unwrap();
        assert_eq!(found.rows, Counts::new(), "{file}");
    }
}

#[test]
fn two_phase_xa_transactions_are_refused() {
    for (version, file) in [(MYSQL, "mysql-full.1.binlog"), (MARIADB, "mariadb-full.1.binlog")] {
        let Err(error) = read_captured(&[file], facts(version), empty(), |_| true) else {
            panic!("no refusal of {file}")
        };
        assert_eq!(error.kind(), CdcErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains("XA transaction with changes of table `zoo`.`evolve`"), "{error}");
    }
}

/// Reads a log with changed bytes; the checksums are off, so that they reach the reader.
fn read_damaged(data: &[u8], captured: bool) {
    let captured = Arc::new(move |_: &str, _: &str| captured);
    let mut reader = LogReader::new(LogPoint::new("f.1", 4), empty(), facts(MYSQL), captured);
    let mut decoder = Decoder::new(Checksum::Off);
    let Ok(events) = LogFile::new(data) else { return };
    for event in events {
        let Ok((header, event)) = event.and_then(|(_, bytes)| decoder.decode(bytes)) else { continue };
        let Ok(step) = reader.read(&header, event) else { return };
        if let Some(Change::Rows(change)) = &step.change {
            let Ok(mut rows) = change.event.rows(&change.table.map) else { continue };
            let mut row = Row::default();
            while let Ok(true) = rows.next_row(&mut row) {}
        }
    }
}

proptest! {
    #[test]
    fn any_damage_is_an_error_or_read(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
        captured: bool,
    ) {
        let mut data = bytes("mysql-v1.1.binlog");
        for (place, byte) in changes {
            let length = data.len();
            data[place.index(length)] = byte;
        }
        read_damaged(&data, captured);
    }
}
