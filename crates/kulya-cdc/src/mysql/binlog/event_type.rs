//! Numbers and names of binary log events.

use std::fmt;

/// The type of an event: MySQL's up to 42, MariaDB's from 160.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventType(pub u8);

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        impl EventType {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// Returns the name; `None` for an unknown type.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    /// A statement.
    QUERY = 2,
    /// The end of a log at the server's stop.
    STOP = 3,
    /// The name of the next log file.
    ROTATE = 4,
    /// A value of AUTO_INCREMENT or LAST_INSERT_ID() for the next statement.
    INTVAR = 5,
    /// A part of LOAD DATA in statement format.
    APPEND_BLOCK = 9,
    /// The end of a failed LOAD DATA in statement format.
    DELETE_FILE = 11,
    /// Seeds of RAND() for the next statement.
    RAND = 13,
    /// A user variable for the next statement.
    USER_VAR = 14,
    /// The format of the events that follow.
    FORMAT_DESCRIPTION = 15,
    /// A commit.
    XID = 16,
    /// The start of LOAD DATA in statement format.
    BEGIN_LOAD_QUERY = 17,
    /// The statement of LOAD DATA in statement format.
    EXECUTE_LOAD_QUERY = 18,
    /// A table's columns.
    TABLE_MAP = 19,
    /// Inserted rows, version 1.
    WRITE_ROWS_V1 = 23,
    /// Updated rows, version 1.
    UPDATE_ROWS_V1 = 24,
    /// Deleted rows, version 1.
    DELETE_ROWS_V1 = 25,
    /// Lost events.
    INCIDENT = 26,
    /// A sign of life.
    HEARTBEAT = 27,
    /// An event without meaning for a replica.
    IGNORABLE = 28,
    /// The statement of the row events that follow.
    ROWS_QUERY = 29,
    /// Inserted rows, version 2.
    WRITE_ROWS = 30,
    /// Updated rows, version 2.
    UPDATE_ROWS = 31,
    /// Deleted rows, version 2.
    DELETE_ROWS = 32,
    /// A transaction's id.
    GTID = 33,
    /// The start of a transaction without id.
    ANONYMOUS_GTID = 34,
    /// The transactions of earlier log files.
    PREVIOUS_GTIDS = 35,
    /// A transaction's write set in group replication.
    TRANSACTION_CONTEXT = 36,
    /// A change of members in group replication.
    VIEW_CHANGE = 37,
    /// The end of the first phase of an XA transaction.
    XA_PREPARE = 38,
    /// Updated rows with differences of JSON values.
    PARTIAL_UPDATE_ROWS = 39,
    /// A compressed transaction.
    TRANSACTION_PAYLOAD = 40,
    /// A sign of life for logs of more than 4 GiB.
    HEARTBEAT_V2 = 41,
    /// A transaction's id with a tag.
    GTID_TAGGED = 42,
    /// MariaDB: the statement of the row events that follow.
    ANNOTATE_ROWS = 160,
    /// MariaDB: the oldest log file that recovery needs.
    BINLOG_CHECKPOINT = 161,
    /// MariaDB: a transaction's id.
    MARIADB_GTID = 162,
    /// MariaDB: the last transactions of earlier log files.
    MARIADB_GTID_LIST = 163,
    /// MariaDB: the rest of the log file is encrypted.
    START_ENCRYPTION = 164,
    /// MariaDB: a compressed statement.
    QUERY_COMPRESSED = 165,
    /// MariaDB: compressed inserted rows, version 1.
    WRITE_ROWS_COMPRESSED_V1 = 166,
    /// MariaDB: compressed updated rows, version 1.
    UPDATE_ROWS_COMPRESSED_V1 = 167,
    /// MariaDB: compressed deleted rows, version 1.
    DELETE_ROWS_COMPRESSED_V1 = 168,
    /// MariaDB: compressed inserted rows, version 2.
    WRITE_ROWS_COMPRESSED = 169,
    /// MariaDB: compressed updated rows, version 2.
    UPDATE_ROWS_COMPRESSED = 170,
    /// MariaDB: compressed deleted rows, version 2.
    DELETE_ROWS_COMPRESSED = 171,
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "of type {}", self.0),
        }
    }
}
