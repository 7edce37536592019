//! Statements, applied to a schema history.

use super::server;
use crate::debezium::fuzzing::{all_modes, parsed_json};
use crate::mysql::binlog::value::Value;
use crate::mysql::ddl::{ParseSettings, SqlMode, parse};
use crate::mysql::schema_history::{Change, Collated, SchemaHistory, Session, StoredHistory, TableNameCase};
use crate::mysql::table::Table;

/// Number of statements that are read.
const MAX_STATEMENTS: usize = 32;
/// The modes that change the meaning of a text, by the bits of the first byte.
const SQL_MODES: [u64; 5] = [
    SqlMode::ANSI_QUOTES,
    SqlMode::NO_BACKSLASH_ESCAPES,
    SqlMode::ORACLE,
    SqlMode::REAL_AS_FLOAT,
    SqlMode::MAXDB,
];

/// Reads and applies statements.
pub(crate) fn run(bytes: &[u8]) {
    let Some((selector, rest)) = bytes.split_first() else { return };
    let (is_mariadb, is_sensitive) = (selector & 1 != 0, selector & 2 == 0);
    let modes = SQL_MODES.iter().enumerate();
    let modes = modes.filter(|(bit, _)| selector >> (bit + 3) & 1 != 0).map(|(_, mode)| *mode);
    let settings = ParseSettings { server: server(is_mariadb), sql_mode: SqlMode(modes.sum()) };
    let case = if is_sensitive { TableNameCase::Sensitive } else { TableNameCase::Insensitive };
    let session = Session {
        default_database: Some("d"),
        server_charset: &Collated::new("utf8mb4"),
        explicit_defaults_for_timestamp: selector & 4 == 0,
    };
    let mut history = SchemaHistory::new(case);
    for sql in rest.split(|byte| *byte == 0).take(MAX_STATEMENTS) {
        let statement = match parse(sql, settings) {
            Ok(statement) => statement,
            Err(error) => {
                assert!(error.offset <= sql.len() && !error.to_string().is_empty());
                continue;
            }
        };
        let before = history.clone();
        match history.apply(&statement, &session) {
            Ok(changes) => check_changes(&history, &changes),
            Err(error) => assert!(history == before, "a part of a statement is applied: {error}"),
        }
    }
    check_stored(&history);
    check_tables(&history, settings, usize::from(*selector));
}

/// Checks that a table that was the last to be created is there, and one that was dropped is not.
fn check_changes(history: &SchemaHistory, changes: &[Change]) {
    match changes.last() {
        Some(Change::Created(name) | Change::Altered(name) | Change::Renamed { to: name, .. }) => {
            assert!(history.table(&name.database, &name.table).is_some(), "{changes:?}");
        }
        Some(Change::Dropped(name)) => {
            assert!(history.table(&name.database, &name.table).is_none(), "{changes:?}");
        }
        _ => {}
    }
}

/// Checks that the history is the same after it was stored.
fn check_stored(history: &SchemaHistory) {
    let json = serde_json::to_string(&StoredHistory::from(history)).expect("a history is JSON");
    let stored: StoredHistory = serde_json::from_str(&json).expect("a stored history is read");
    assert_eq!(SchemaHistory::try_from(stored).as_ref(), Ok(history));
}

/// Converts each table, its schema, and a row that is null.
fn check_tables(history: &SchemaHistory, settings: ParseSettings, modes: usize) {
    let all = all_modes();
    let modes = all.get(modes % all.len()).cloned().unwrap_or_default();
    for definition in history.tables() {
        assert!(definition.primary_key().iter().all(|place| *place < definition.columns.len()));
        let table = Table::new("p", definition, &modes, settings.server.flavour);
        parsed_json(table.schema.json_schema().as_bytes());
        let (mut out, mut report) = (Vec::new(), Vec::new());
        table.write_row(&vec![Value::Null; definition.columns.len()], &mut out, &mut report);
        assert!(parsed_json(&out).is_object() && report.is_empty());
        out.clear();
        table.write_text_row(|_| Some(&b"1"[..]), &mut out, &mut report);
        assert!(parsed_json(&out).is_object());
        assert!(!table.select_list().is_empty() || table.column_names().next().is_none());
    }
}
