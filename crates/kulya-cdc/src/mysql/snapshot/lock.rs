//! MySQL's tables locked for a moment, so that transactions begin at a known place of the log.
//!
//! A lock that waits keeps others from writing; therefore it waits for two seconds only
//! ([`session::LOCK_WAIT_SECONDS`](crate::mysql::session::LOCK_WAIT_SECONDS)), then all locks are given up,
//! and the engine tries again later.
//!
//! A session that waits for one table while it has another can be part of a deadlock, and the server resolves
//! it by rolling back the transaction of the application. Each table is therefore locked by a session of its
//! own, as long as the server has connections for them: a session then waits or has its lock, never both, and
//! applications are only delayed.

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

/// The most sessions that lock tables: each is a thread of the server.
const MAX_SESSIONS: usize = 256;
const MAX_ATTEMPTS: usize = 3;

/// The connections that the server takes, in total and of this account.
const LIMITS: &str = "SELECT @@max_connections AS server, @@max_user_connections AS account";

/// Sessions with locks, the oldest first.
const HOLDERS: &str = "SELECT DISTINCT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_time, \
     m.object_schema, m.object_name \
     FROM performance_schema.metadata_locks m \
     JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id \
     WHERE m.object_type = 'TABLE' AND m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID() \
     AND m.lock_type NOT IN ('SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ', 'SHARED_READ_ONLY') \
     ORDER BY t.processlist_time DESC";

/// Opens the transactions and returns their place. Without tables none is locked.
///
/// # Errors
/// `Busy` while another session keeps a table locked; `Configuration` for a missing privilege; `Unreachable`.
pub(crate) async fn begin_mysql(
    reader: &mut Connection,
    others: &mut [Connection],
    tables: &[TableInfo],
    connection: &ConnectionSettings,
) -> CdcResult<MysqlPosition> {
    if tables.is_empty() {
        return begin_reader(reader).await;
    }
    let mut locks = open_sessions(connection, reader, tables).await?;
    lock(&mut locks, tables).await?;
    let position = begin_reader(reader).await?;
    for other in others {
        other.query(BEGIN).await?;
    }
    unlock(&mut locks).await?;
    Ok(position)
}

/// A session, and the tables that it locks. Its own, as the transaction of a reader would release the locks.
struct LockSession<'a> {
    session: Connection,
    tables: &'a [TableInfo],
}

/// Opens the sessions, and distributes the tables. The server may take fewer sessions than expected.
async fn open_sessions<'a>(
    connection: &ConnectionSettings,
    reader: &mut Connection,
    tables: &'a [TableInfo],
) -> CdcResult<Vec<LockSession<'a>>> {
    let limits = reader.query(LIMITS).await?;
    let open = reader.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'").await?;
    let wanted = session_limit(&limits, &open).min(tables.len());
    let mut sessions = vec![session::open(connection).await?];
    while sessions.len() < wanted {
        let Ok(session) = session::open(connection).await else { break };
        sessions.push(session);
    }
    let shares = tables.chunks(tables.len().div_ceil(sessions.len()));
    Ok(sessions.into_iter().zip(shares).map(|(session, tables)| LockSession { session, tables }).collect())
}

/// The sessions that may be opened: a quarter of the connections that are left, at least one.
fn session_limit(limits: &Rows, open: &Rows) -> usize {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<usize>().ok());
    let left =
        number(limits.value("server")).unwrap_or(0).saturating_sub(number(open.value("Value")).unwrap_or(0));
    // 0 is without a limit
    let account = number(limits.value("account")).filter(|limit| *limit > 0).unwrap_or(left);
    (left.min(account) / 4).clamp(1, MAX_SESSIONS)
}

/// Locks the tables against writes, all or none.
///
/// The table that could not be locked at once is the first of the next attempt: its lock then waits while no
/// other one is held.
async fn lock(locks: &mut [LockSession<'_>], tables: &[TableInfo]) -> CdcResult<()> {
    let mut attempt = 1;
    while let Some((failed, error)) = lock_in_order(locks).await {
        unlock(&mut locks[..failed]).await?;
        let is_timeout =
            matches!(&error, ConnectionError::Server { source, .. } if source.code == LOCK_WAIT_TIMEOUT);
        // the first one waited alone
        if !is_timeout || failed == 0 || attempt == MAX_ATTEMPTS {
            return Err(lock_error(error, &mut locks[failed].session, tables).await);
        }
        locks[..=failed].rotate_right(1);
        attempt += 1;
    }
    Ok(())
}

/// Locks until the first failure, and returns its index.
async fn lock_in_order(locks: &mut [LockSession<'_>]) -> Option<(usize, ConnectionError)> {
    for (index, LockSession { session, tables }) in locks.iter_mut().enumerate() {
        let names: Vec<String> = tables.iter().map(|table| format!("{} READ", table.quoted())).collect();
        if let Err(error) = session.query(&format!("LOCK TABLES {}", names.join(", "))).await {
            return Some((index, error));
        }
    }
    None
}

async fn unlock(locks: &mut [LockSession<'_>]) -> CdcResult<()> {
    for lock in locks {
        lock.session.query("UNLOCK TABLES").await?;
    }
    Ok(())
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
    fn sessions_leave_connections_to_applications() {
        let rows = |cells: &[(&str, &str)]| Rows {
            columns: cells.iter().map(|(name, _)| (*name).to_owned()).collect(),
            rows: vec![cells.iter().map(|(_, value)| Some((*value).to_owned())).collect()],
        };
        for (server, account, open, expected) in [
            ("151", "0", "11", 35),
            ("151", "20", "11", 5),
            ("151", "0", "150", 1),
            ("151", "0", "200", 1),
            ("100000", "0", "1", 256),
            ("?", "0", "1", 1),
        ] {
            let limits = rows(&[("server", server), ("account", account)]);
            let open = rows(&[("Variable_name", "Threads_connected"), ("Value", open)]);
            assert_eq!(session_limit(&limits, &open), expected, "{limits:?} {open:?}");
        }
    }

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
