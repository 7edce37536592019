//! The end of the log as the server tells it, and the place of MariaDB's snapshots.

use crate::mysql::connection::{Connection, Rows};
use crate::mysql::offset::{Gtids, LogPoint, MysqlPosition, ServerLog};
use crate::mysql::session::literal;
use crate::{CdcError, CdcResult};

pub(super) const BEGIN: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

/// MySQL's version that has renamed the statement.
const RENAMED: (u16, u16, u16) = (8, 2, 0);

/// Opens the transaction on MariaDB, and returns its place.
///
/// # Errors
/// Those of the connection; `Source` when the server tells no place.
pub(crate) async fn begin_mariadb(connection: &mut Connection) -> CdcResult<MysqlPosition> {
    let log = ServerLog::read(connection).await?;
    connection.query(BEGIN).await?;
    let status = connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
    let point = snapshot_point(&status)
        .ok_or_else(|| CdcError::source("the server tells no place of the snapshot in its binary log"))?;
    let sql = format!("SELECT BINLOG_GTID_POS({}, {})", literal(&point.file), point.position);
    let gtids = connection.query(&sql).await?;
    let gtids = gtids.column(0).next().unwrap_or_default();
    Ok(MysqlPosition { point, gtids: Gtids::parse(true, gtids)?, ..log.end() })
}

fn snapshot_point(status: &Rows) -> Option<LogPoint> {
    let value = |name: &str| {
        let row = status.rows.iter().find(|row| {
            row.first().and_then(|name| name.as_deref()).is_some_and(|found| found.eq_ignore_ascii_case(name))
        })?;
        row.get(1)?.clone().filter(|value| !value.is_empty())
    };
    Some(LogPoint::new(value("binlog_snapshot_file")?, value("binlog_snapshot_position")?.parse().ok()?))
}

/// Returns the end of MySQL's log.
pub(super) async fn end_of_mysql(connection: &mut Connection) -> CdcResult<MysqlPosition> {
    let is_renamed = connection.version().number >= RENAMED;
    let sql = if is_renamed { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let status = connection.query(sql).await?;
    let point = (|| Some(LogPoint::new(status.value("File")?, status.value("Position")?.parse().ok()?)))();
    let point = point.ok_or_else(|| CdcError::source(format!("{sql} gave no position")))?;
    let gtids = Gtids::parse(false, status.value("Executed_Gtid_Set").unwrap_or_default())?;
    let log = ServerLog::read(connection).await?;
    Ok(MysqlPosition { point, gtids, ..log.end() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_in_two_variables() {
        let row = |name: &str, value: &str| vec![Some(name.to_owned()), Some(value.to_owned())];
        let rows = vec![row("Binlog_snapshot_file", "log.000007"), row("Binlog_snapshot_position", "42")];
        let mut status = Rows { columns: Vec::new(), rows };
        assert_eq!(snapshot_point(&status), Some(LogPoint::new("log.000007", 42)));
        status.rows = vec![row("Binlog_snapshot_file", ""), row("Binlog_snapshot_position", "0")];
        assert_eq!(snapshot_point(&status), None);
    }
}
