//! Tests of the decoder with log files of real servers: `tests/data/mysql`, whose README says how they were
//! made. Rows are compared with what SELECT gave afterwards.

mod expected;
mod golden;
mod other_servers;
mod payload;
mod refusals;
mod robustness;

use super::*;
use std::sync::Arc;

/// Log files of a whole run, in order.
const MYSQL_FULL: [&str; 2] = ["mysql-full.1.binlog", "mysql-full.2.binlog"];
const MYSQL_V1: [&str; 2] = ["mysql-v1.1.binlog", "mysql-v1.2.binlog"];
const MARIADB_FULL: [&str; 2] = ["mariadb-full.1.binlog", "mariadb-full.2.binlog"];
const MARIADB_COMPRESSED: [&str; 2] = ["mariadb-compressed.1.binlog", "mariadb-compressed.2.binlog"];

/// Limit of decompressed values in tests, in bytes.
const LIMIT: u64 = 1 << 20;

fn read(file: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/mysql/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Passes each event of a file, with its position, to `visit`.
fn visit_events(file: &str, mut visit: impl FnMut(u64, &EventHeader, &Event<'_>)) {
    let bytes = read(file);
    let mut decoder = Decoder::new(Checksum::Off);
    for event in LogFile::new(&bytes).unwrap() {
        let (position, bytes) = event.unwrap_or_else(|error| panic!("{file}: {error}"));
        let (header, event) =
            decoder.decode(bytes).unwrap_or_else(|error| panic!("{file}:{position}: {error}"));
        visit(position, &header, &event);
    }
}

/// Finds the first error of a file.
fn first_error(file: &str) -> Option<BinlogError> {
    let bytes = read(file);
    let mut decoder = Decoder::new(Checksum::Off);
    LogFile::new(&bytes).unwrap().find_map(|event| match decoder.decode(event.unwrap().1) {
        Ok((_, Event::Rows(rows))) => rows.refusal,
        decoded => decoded.err(),
    })
}

/// The table maps by number.
#[derive(Default)]
struct TableMaps(std::collections::HashMap<u64, Arc<TableMap>>);

impl TableMaps {
    /// Returns the map of an event, prepared only if it is new.
    fn prepare(&mut self, event: &TableMapEvent<'_>) -> Result<Arc<TableMap>, BinlogError> {
        if let Some(table) = self.0.get(&event.table_id).filter(|table| table.matches(event)) {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(TableMap::prepare(event)?);
        self.0.insert(event.table_id, Arc::clone(&table));
        Ok(table)
    }
}
