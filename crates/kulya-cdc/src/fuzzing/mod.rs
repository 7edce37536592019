//! Entry points for fuzzing, not a part of the API: any bytes as what a server sends, or as a file or a setting
//! of a user. Nothing may panic, what is written must be JSON, and memory is bounded by the input. The fuzz
//! targets call these functions, and the tests of `kulya-sim` call them with the corpora.

mod url;

pub use url::replication_url;

use crate::{debezium_server, mysql, postgres, sink};

/// Reads bytes as what a PostgreSQL server sends. The first byte selects the modes of values and what the rest
/// is: the frames of a connection, messages of `pgoutput` with their lengths in two bytes before them, or lines
/// of COPY, each of whose fields is written as a value of every kind.
pub fn pgoutput(bytes: &[u8]) {
    postgres::fuzzing::run(bytes);
}

/// Reads bytes as what a MySQL or MariaDB server sends: a log file, if they begin with its magic bytes.
/// Otherwise the first byte selects server, checksums and modes, and what the rest is: events, each with its
/// type in one byte and its length in two before it, sets of GTIDs, or packets of a connection.
pub fn binlog(bytes: &[u8]) {
    mysql::fuzzing::run_log(bytes);
}

/// Reads statements, with zero bytes between them, and applies them to a schema history. The first byte selects
/// server and `sql_mode`. The history is stored and read back after them.
pub fn mysql_ddl(bytes: &[u8]) {
    mysql::fuzzing::run_statements(bytes);
}

/// Reads a recorded change log and replays it; the replayed records can be recorded again.
pub fn recording(bytes: &[u8]) {
    sink::fuzzing::run(bytes);
}

/// Reads a properties file of Debezium Server and converts it to settings. The first lines, up to a zero byte,
/// are variables of the environment. Each value is also read as a list of regular expressions for tables.
pub fn properties(bytes: &[u8]) {
    debezium_server::fuzzing::run(bytes);
}
