//! Replays a log file: applies its DDL to a schema history, and converts its rows.

use super::*;
use crate::mysql::binlog::{Checksum, Decoder, Event, LogFile, Query, Row, RowsEvent, RowsKind, TableMap};
use crate::mysql::schema_history::TableKind;

/// A changed row.
pub(super) struct Change {
    pub(super) topic: String,
    pub(super) before: Option<Image>,
    pub(super) after: Option<Image>,
}

/// A row with its key.
pub(super) struct Image {
    pub(super) row: Vec<u8>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) is_current: bool,
}

pub(super) fn read(file: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/mysql/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Passes the changes of log files to `visit`, and returns the schema history after them.
pub(super) fn replay(
    files: &[&str],
    server: ServerVersion,
    modes: &ValueModes,
    mut visit: impl FnMut(Change),
) -> SchemaHistory {
    let mut history = history();
    history.set_database("zoo", Collated::new("utf8mb4"));
    for file in files {
        let bytes = read(file);
        let mut decoder = Decoder::new(Checksum::Off);
        let mut current: Option<(TableMap, Table)> = None;
        for event in LogFile::new(&bytes).unwrap() {
            let (position, bytes) = event.unwrap();
            match decoder.decode(bytes).unwrap_or_else(|error| panic!("{file}:{position}: {error}")).1 {
                Event::Query(query) => execute(&mut history, server, &query),
                Event::TableMap(event) => {
                    current = history
                        .table(event.schema, event.table)
                        .filter(|t| t.kind == TableKind::Table)
                        .map(|table| {
                            let mut map = TableMap::prepare(&event).unwrap();
                            for (place, column) in table.columns.iter().enumerate() {
                                map.set_unsigned(place, column.column_type.unsigned);
                            }
                            (map, Table::new("zoo", table, modes, server.flavour))
                        });
                }
                Event::Rows(rows) => {
                    current.iter().for_each(|(map, table)| convert(&rows, map, table, &mut visit));
                }
                _ => {}
            }
        }
    }
    history
}

fn execute(history: &mut SchemaHistory, server: ServerVersion, query: &Query<'_>) {
    if !query.sql.starts_with(b"CREATE DATABASE") {
        let sql_mode = query.variables.sql_mode.unwrap_or(0);
        apply(history, server, sql_mode, query.schema, &query.sql);
    }
}

fn convert(event: &RowsEvent<'_>, map: &TableMap, table: &Table, visit: &mut impl FnMut(Change)) {
    let mut rows = event.rows(map).unwrap();
    let mut row = Row::default();
    while rows.next_row(&mut row).unwrap() {
        let before = (event.kind != RowsKind::Insert).then(|| image(table, &row.before));
        let after = (event.kind != RowsKind::Delete).then(|| image(table, &row.after));
        visit(Change { topic: table.topic.clone(), before, after });
    }
}

fn image(table: &Table, cells: &[Value<'_>]) -> Image {
    let (mut row, mut key, mut report) = (Vec::new(), Vec::new(), Vec::new());
    table.write_row(cells, &mut row, &mut report);
    // times that are no times of day, and nanoseconds that exceed 64 bits
    let is_time = |replaced: &Replaced| replaced.text.contains(':');
    assert!(report.iter().all(is_time), "{report:?}");
    let span = table.write_key(cells, &mut key);
    let key = span.map(|(span, _)| span.of(&key).to_vec());
    Image { row, key, is_current: table.is_current(cells) }
}

/// Decodes a line of a recorded SELECT: a table and fields in hexadecimal.
pub(super) fn fields(line: &str) -> (&str, Vec<Option<Vec<u8>>>) {
    let mut parts = line.split('\t');
    let table = parts.next().unwrap();
    let byte = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let field = |text: &str| Some(text.strip_prefix('=')?.as_bytes().chunks(2).map(byte).collect());
    (table, parts.map(field).collect())
}
