//! MySQL's tables locked for a moment, so that transactions begin at a known place of the log.
//!
//! While the lock waits, it keeps others from writing; therefore it waits for two seconds only
//! ([`session::LOCK_WAIT_SECONDS`](crate::mysql::session::LOCK_WAIT_SECONDS)), and the engine tries again
//! later.

use super::place::{BEGIN, end_of_mysql};
use crate::mysql::catalog::TableInfo;
use crate::mysql::connection::{Connection, ConnectionError, ConnectionSettings, Rows};
use crate::mysql::offset::MysqlPosition;
use crate::mysql::session;
use crate::{CdcError, CdcErrorKind, CdcResult};

const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// Privileges on a database, a table, and others.
const DENIED: [u16; 3] = [1044, 1142, 1227];
const NO_SUCH_TABLE: u16 = 1146;

/// Sessions with locks, the oldest first.
const HOLDERS: &str = "SELECT DISTINCT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_time, \
     m.object_schema, m.object_name \
     FROM performance_schema.metadata_locks m \
     JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id \
     WHERE m.object_type = 'TABLE' AND m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID() \
     AND m.lock_type NOT IN ('SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ', 'SHARED_READ_ONLY') \
     ORDER BY t.processlist_time DESC";

/// Opens the transactions and returns their place.
pub(super) async fn begin_mysql(
    reader: &mut Connection,
    others: &mut [Connection],
    tables: &[TableInfo],
    connection: &ConnectionSettings,
) -> CdcResult<MysqlPosition> {
    if tables.is_empty() {
        return begin_reader(reader).await;
    }
    // the transaction would release locks of its own session
    let mut locker = Connection::open(connection).await?;
    session::prepare(&mut locker).await?;
    let names: Vec<String> = tables.iter().map(|table| format!("{} READ", table.quoted())).collect();
    if let Err(error) = locker.query(&format!("LOCK TABLES {}", names.join(", "))).await {
        return Err(lock_error(error, &mut locker, tables).await);
    }
    let position = begin_reader(reader).await?;
    for other in others {
        other.query(BEGIN).await?;
    }
    locker.query("UNLOCK TABLES").await?;
    Ok(position)
}

async fn begin_reader(reader: &mut Connection) -> CdcResult<MysqlPosition> {
    reader.query(BEGIN).await?;
    end_of_mysql(reader).await
}

async fn lock_error(error: ConnectionError, locker: &mut Connection, tables: &[TableInfo]) -> CdcError {
    let code = match &error {
        ConnectionError::Server { source, .. } => source.code,
        _ => return error.into(),
    };
    match code {
        LOCK_WAIT_TIMEOUT => {
            let holders = match locker.query(HOLDERS).await {
                Ok(rows) => holders(&rows, tables),
                Err(_) => String::new(),
            };
            let what = format!(
                "cannot lock the captured tables for the start of the snapshot: another session has changed one and not committed{holders}"
            );
            CdcError::new(CdcErrorKind::Busy, what).because(error)
        }
        NO_SUCH_TABLE => {
            CdcError::new(CdcErrorKind::Unreachable, "a captured table was dropped before its snapshot")
                .because(error)
        }
        code if DENIED.contains(&code) => {
            let account = locker.account();
            CdcError::new(
                CdcErrorKind::Configuration,
                format!(
                    "the snapshot locks the captured tables for a moment, which {account} may not: run GRANT SELECT, LOCK TABLES ON *.* TO {account}"
                ),
            )
            .because(error)
        }
        _ => error.into(),
    }
}

/// Names the first session that holds a captured table.
fn holders(rows: &Rows, tables: &[TableInfo]) -> String {
    let text = |cell: Option<&Option<String>>| cell.and_then(Clone::clone).unwrap_or_default();
    let found = rows.rows.iter().find(|row| {
        let (database, table) = (text(row.get(4)), text(row.get(5)));
        tables.iter().any(|known| {
            known.name.database.eq_ignore_ascii_case(&database)
                && known.name.table.eq_ignore_ascii_case(&table)
        })
    });
    let Some(row) = found else { return String::new() };
    let cell = |index| text(row.get(index));
    format!(
        ": {}.{} by connection {} of {}@{} (for {} s; KILL {} ends it)",
        cell(4),
        cell(5),
        cell(0),
        cell(1),
        cell(2),
        cell(3),
        cell(0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::catalog::tests::table;

    #[test]
    fn the_holder_of_a_captured_table_is_named() {
        let row = |cells: [&str; 6]| cells.iter().map(|cell| Some((*cell).to_owned())).collect();
        let rows = Rows {
            columns: Vec::new(),
            rows: vec![
                row(["7", "app", "web1", "99", "other", "orders"]),
                row(["8", "app", "web2", "42", "shop", "orders"]),
            ],
        };
        let tables = [table("shop", "orders")];
        assert_eq!(
            holders(&rows, &tables),
            ": shop.orders by connection 8 of app@web2 (for 42 s; KILL 8 ends it)"
        );
        assert_eq!(holders(&rows, &[]), "");
    }
}
