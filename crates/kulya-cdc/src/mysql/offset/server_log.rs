//! What a server says about its log now: its files, and the transactions that it has and had.

use super::gtids::Gtids;
use super::log_point::LogPoint;
use super::{MysqlPosition, ServerName};
use crate::mysql::connection::{Connection, Flavor, Rows};
use crate::mysql::gtid::GtidSet;
use crate::{CdcError, CdcResult};
use std::collections::BTreeMap;

/// MySQL's `gtid_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GtidMode {
    /// Every new transaction has an id, and no other one is accepted.
    On,
    /// Transactions may be without an id.
    Permissive,
    /// No transaction has an id.
    Off,
}

/// The log of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerLog {
    /// The server.
    pub(crate) server: ServerName,
    /// MySQL's mode; `On` for MariaDB, where every transaction has an id.
    pub(crate) gtid_mode: GtidMode,
    /// The transactions that the server has: `gtid_executed`, and `gtid_binlog_pos` of MariaDB.
    pub(crate) executed: Gtids,
    /// MySQL: the transactions that the log no longer has.
    pub(crate) purged: GtidSet,
    /// The files with their lengths in bytes, in order.
    pub(crate) files: Vec<(String, u64)>,
}

const MYSQL: &str =
    "SELECT @@server_id, @@server_uuid, @@global.gtid_mode, @@global.gtid_executed, @@global.gtid_purged";
const MARIADB: &str = "SELECT @@server_id, NULL, 'ON', @@global.gtid_binlog_pos, ''";

impl ServerLog {
    /// Asks a server.
    ///
    /// # Errors
    /// Those of the connection, and `Source` for values that cannot be parsed.
    pub(crate) async fn read(connection: &mut Connection) -> CdcResult<Self> {
        let is_mariadb = connection.version().flavor == Flavor::Mariadb;
        let values = connection.query(if is_mariadb { MARIADB } else { MYSQL }).await?;
        let files = connection.query("SHOW BINARY LOGS").await?;
        Self::from_rows(is_mariadb, &values, &files)
    }

    pub(super) fn from_rows(is_mariadb: bool, values: &Rows, files: &Rows) -> CdcResult<Self> {
        let value = |index| values.column(index).next();
        let text = |index| value(index).unwrap_or_default();
        let id = text(0).parse();
        let files = files.rows.iter().filter_map(|row| match row.as_slice() {
            [Some(name), Some(length), ..] => Some((name.clone(), length.parse().ok()?)),
            _ => None,
        });
        Ok(Self {
            server: ServerName {
                uuid: value(1).map(str::to_owned),
                id: id.map_err(|_| CdcError::source(format!("{:?} is no server id", text(0))))?,
            },
            gtid_mode: match text(2) {
                "ON" => GtidMode::On,
                "OFF" => GtidMode::Off,
                _ => GtidMode::Permissive,
            },
            executed: Gtids::parse(is_mariadb, text(3))?,
            purged: text(4).parse()?,
            files: files.collect(),
        })
    }

    /// Returns the position at the end of the log, before any snapshot.
    pub(crate) fn end(&self) -> MysqlPosition {
        let (file, position) = self.files.last().cloned().unwrap_or_default();
        MysqlPosition {
            server: self.server.clone(),
            point: LogPoint { file, position },
            gtids: self.executed.clone(),
            has_anonymous: false,
            cuts: BTreeMap::new(),
            snapshot_reads: None,
            is_snapshot_unfinished: true,
            coverage: None,
        }
    }
}
