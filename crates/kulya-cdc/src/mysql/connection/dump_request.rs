//! The request for a stream of the binary log: where it starts, its settings, and what they are for the
//! server.
//!
//! The session declares what the server asks of a reader before it sends the log unchanged: that it checks
//! CRC32 checksums (whatever the server writes: the first, artificial event has one then), the period of
//! heartbeats, and on MariaDB that it understands GTID events. Semi-synchronous replication is not used.

use super::command::{self, dump_flag};
use super::version::Flavor;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Where the log is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpStart {
    /// A file and the position of an event in it, of at least 4 and less than 4 GiB.
    File {
        /// The file's name. Empty means the first file.
        file: String,
        /// The position, in bytes.
        position: u64,
    },
    /// MySQL: all transactions that are not in this set of GTIDs, in the server's binary encoding.
    MysqlGtid(Vec<u8>),
    /// MariaDB: all transactions after these GTIDs, at most one of each domain, such as `0-1-4711,1-1-12`.
    /// The server accepts a domain that it has never seen: compare with `@@gtid_binlog_pos` before.
    MariadbGtid(String),
}

/// The settings of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpSettings {
    /// The id of this reader, from 1, unlike that of the server and of its other readers: the server ends the
    /// older of two readers with the same id.
    pub server_id: u32,
    /// The time without events after which the server sends a heartbeat. Default: 10 s.
    pub heartbeat: Duration,
    /// The number of heartbeat periods without any data after which the connection is lost. Default: 3.
    pub silent_periods: u32,
    /// The limit of an event read as a whole, in bytes. Default: 256 MiB.
    pub max_event_bytes: usize,
    /// MariaDB: whether to read the statements' texts (ANNOTATE_ROWS). Default: no.
    pub annotate_rows: bool,
    /// Whether the stream ends at the log's end. Default: no.
    pub ends_at_log_end: bool,
}

impl DumpSettings {
    /// Returns the defaults, with the id of this reader.
    pub fn new(server_id: u32) -> Self {
        Self {
            server_id,
            heartbeat: Duration::from_secs(10),
            silent_periods: 3,
            max_event_bytes: 256 << 20,
            annotate_rows: false,
            ends_at_log_end: false,
        }
    }

    fn flags(&self, flavor: Flavor) -> u16 {
        let mut flags = 0;
        if self.ends_at_log_end {
            flags |= dump_flag::NON_BLOCKING;
        }
        if self.annotate_rows && flavor == Flavor::Mariadb {
            flags |= dump_flag::ANNOTATE_ROWS;
        }
        flags
    }
}

/// The position of a file's first event.
const FIRST_POSITION: u64 = 4;

/// The time that the server may wait for this reader, in seconds, such as during a slow commit. Its default
/// of 60 s would end the connection.
const WRITE_TIMEOUT_SECONDS: u32 = 3600;

/// Periods of heartbeats that can be requested.
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// What is sent to start a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The statement that declares the reader's abilities.
    pub(super) session: String,
    pub(super) command: Vec<u8>,
}

/// Returns the request, or what is wrong with it.
pub(super) fn request(flavor: Flavor, start: &DumpStart, settings: &DumpSettings) -> Result<Request, String> {
    if settings.server_id == 0 {
        return Err("the server id of this reader must be from 1 to 4294967295".to_owned());
    }
    if !HEARTBEATS.contains(&settings.heartbeat) || settings.silent_periods == 0 {
        return Err(
            "the heartbeat period must be from 1 ms to 1 h, and the number of periods at least 1".to_owned()
        );
    }
    let flags = settings.flags(flavor);
    let mut session = session_statement(flavor, settings.heartbeat);
    let dump = |file: &str, position| command::binlog_dump(flags, settings.server_id, file, position);
    let command = match start {
        DumpStart::File { file, position } => {
            if file.len() > 512 || file.contains('\0') {
                return Err("the name of the file is invalid".to_owned());
            }
            let position = u32::try_from((*position).max(FIRST_POSITION)).map_err(|_| {
                format!("position {position} of {file} is beyond 4 GiB, which the protocol cannot express: start by GTID, or at the file's beginning")
            })?;
            dump(file, position)
        }
        DumpStart::MysqlGtid(set) if flavor == Flavor::Mysql => {
            command::binlog_dump_gtid(flags, settings.server_id, set)
        }
        DumpStart::MariadbGtid(position) if flavor == Flavor::Mariadb => {
            if !position.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b',')) {
                return Err(format!("{position:?} is no list of MariaDB's GTIDs"));
            }
            // strict: a GTID that is missing in the log is an error, not a start behind it
            session.push_str(&format!(", @slave_connect_state = '{position}', @slave_gtid_strict_mode = 1"));
            dump("", FIRST_POSITION as u32)
        }
        _ => return Err(format!("the stored position has GTIDs of another product than {flavor}")),
    };
    Ok(Request { session, command })
}

/// Returns the statement for the session's variables. Both names of a variable are set: MySQL has changed
/// them in 8.0.26.
fn session_statement(flavor: Flavor, heartbeat: Duration) -> String {
    let heartbeat = heartbeat.as_nanos();
    let mut statement = format!(
        "SET SESSION net_write_timeout = {WRITE_TIMEOUT_SECONDS}, \
         @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', \
         @master_heartbeat_period = {heartbeat}, @source_heartbeat_period = {heartbeat}"
    );
    if flavor == Flavor::Mariadb {
        statement.push_str(", @mariadb_slave_capability = 4");
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requested(flavor: Flavor, start: DumpStart) -> Result<Request, String> {
        request(flavor, &start, &DumpSettings::new(7))
    }

    fn file(position: u64) -> DumpStart {
        DumpStart::File { file: "log.1".to_owned(), position }
    }

    #[test]
    fn the_session_declares_the_reader() {
        let found = requested(Flavor::Mysql, file(4)).unwrap().session;
        assert!(found.contains("@master_heartbeat_period = 10000000000,"), "{found}");
        assert!(!found.contains("mariadb"), "{found}");
        let found = requested(Flavor::Mariadb, DumpStart::MariadbGtid("0-1-2,3-4-5".to_owned())).unwrap();
        assert!(
            found.session.contains("@mariadb_slave_capability = 4, @slave_connect_state = '0-1-2,3-4-5'")
        );
        assert_eq!(found.command, command::binlog_dump(0, 7, "", 4));
    }

    #[test]
    fn a_position_inside_the_file_header_means_its_beginning() {
        let found = requested(Flavor::Mysql, file(0)).unwrap().command;
        assert_eq!(found, command::binlog_dump(0, 7, "log.1", 4));
    }

    #[test]
    fn flags_follow_the_settings() {
        let settings = DumpSettings { annotate_rows: true, ends_at_log_end: true, ..DumpSettings::new(7) };
        assert_eq!((settings.flags(Flavor::Mysql), settings.flags(Flavor::Mariadb)), (1, 3));
    }

    #[test]
    fn invalid_requests_are_named() {
        let gtid = |text: &str| DumpStart::MariadbGtid(text.to_owned());
        for (flavor, start, expected) in [
            (Flavor::Mysql, file(1 << 32), "4 GiB"),
            (Flavor::Mysql, gtid("0-1-2"), "MySQL"),
            (Flavor::Mariadb, DumpStart::MysqlGtid(Vec::new()), "MariaDB"),
            (Flavor::Mariadb, gtid("0-1-2'; DROP"), "no list"),
            (Flavor::Mysql, DumpStart::File { file: "a\0b".to_owned(), position: 4 }, "name of the file"),
        ] {
            let error = requested(flavor, start).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = request(Flavor::Mysql, &file(4), &DumpSettings::new(0)).unwrap_err();
        assert!(error.contains("server id"), "{error}");
        let settings = DumpSettings { heartbeat: Duration::ZERO, ..DumpSettings::new(1) };
        assert!(request(Flavor::Mysql, &file(4), &settings).is_err());
    }
}
