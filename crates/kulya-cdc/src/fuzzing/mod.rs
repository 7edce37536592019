//! Entry points for fuzzing, not a part of the API: any bytes as what a server sends, or as a file or a
//! setting of a user. Nothing may panic, what is written must be JSON, and memory is bounded by the input.
//! The fuzz targets call these functions, and the tests of `kulya-sim` call them with the corpora.

mod url;

pub use url::replication_url;

use crate::{debezium_server, mysql, postgres, signal, sink, transform};

/// Reads bytes as what a PostgreSQL server sends. The first byte selects the modes of values and what the
/// rest is: the frames of a connection, messages of `pgoutput` with their lengths in two bytes before them,
/// or lines of COPY, each of whose fields is written as a value of every kind.
pub fn pgoutput(bytes: &[u8]) {
    postgres::fuzzing::run(bytes);
}

/// Reads bytes as what a MySQL or MariaDB server sends: a log file, if they begin with its magic bytes.
/// Otherwise the first byte selects server, checksums and modes, and what the rest is: events, each with its
/// type in one byte and its length in two before it, sets of GTIDs, or packets of a connection.
pub fn binlog(bytes: &[u8]) {
    mysql::fuzzing::run_log(bytes);
}

/// Reads statements, with zero bytes between them, and applies them to a schema history. The first byte
/// selects server and `sql_mode`. The history is stored and read back after them.
pub fn mysql_ddl(bytes: &[u8]) {
    mysql::fuzzing::run_statements(bytes);
}

/// Reads a recorded change log and replays it; the replayed records can be recorded again.
pub fn recording(bytes: &[u8]) {
    sink::fuzzing::run(bytes);
}

/// Reads a properties file of Debezium Server and converts it to settings. The first lines, up to a zero
/// byte, are variables of the environment. Each value is also read as a list of regular expressions for
/// tables.
pub fn properties(bytes: &[u8]) {
    debezium_server::fuzzing::run(bytes);
}

/// Reads the settings of transformations and transforms events of tables. The first byte selects the format
/// of events, and whether the settings, up to a zero byte, are lines of Debezium Server's file or a list in
/// JSON. Each line behind them has the names of a schema, a table and its columns, with tabs between.
pub fn transforms(bytes: &[u8]) {
    transform::fuzzing::run(bytes);
}

/// Reads a regular expression and its replacement, a line each, and replaces the names in the further lines.
pub fn topic_regex(bytes: &[u8]) {
    transform::fuzzing::run_names(bytes);
}

/// Reads bytes as records of the spool, and as what a PostgreSQL server sends of transactions that have not
/// ended: messages, each with its length in two bytes before it. The first byte selects the memory, and
/// whether files are damaged.
pub fn spool(bytes: &[u8]) {
    postgres::spool_fuzzing::run(bytes);
}

/// Reads a signal: a JSON object, or its id, its type and its data in a line each.
pub fn signals(bytes: &[u8]) {
    signal::fuzzing::run(bytes);
}
