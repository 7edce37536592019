//! The start of a snapshot: a transaction in which the rows of tables are read as they are at a known place of
//! the log, and the definitions of the tables at that place.
//!
//! MySQL tells no transaction's place in the log, so the tables are locked for a moment: the lock waits for
//! every writer to finish its commit, and lets none begin, until the transaction is open and the end of the
//! log is read. MariaDB tells the place without a lock.

mod lock;
mod place;

use super::catalog::{CapturedTables, ServerFacts, TableInfo, read_history, read_table};
use super::connection::{Connection, ConnectionSettings, Flavor};
use super::offset::MysqlPosition;
use super::schema_history::SchemaHistory;
use super::session;
use crate::{CdcError, CdcErrorKind, CdcResult};

/// A snapshot whose rows can be read.
pub(crate) struct Snapshot {
    /// The session with the open transaction.
    pub(crate) session: Connection,
    /// The place in the log at which the rows are read.
    pub(crate) position: MysqlPosition,
    /// The definitions at that place.
    pub(crate) history: SchemaHistory,
    /// The tables to be read, by name.
    pub(crate) tables: Vec<TableInfo>,
    facts: ServerFacts,
}

/// What a snapshot reads.
pub(crate) struct SnapshotSettings<'a> {
    /// The connection.
    pub(crate) connection: &'a ConnectionSettings,
    /// Whether a table is captured, by database and table.
    pub(crate) is_captured: &'a (dyn Fn(&str, &str) -> bool + Sync),
    /// Whether the rows of a captured table are to be read.
    pub(crate) is_read: &'a (dyn Fn(&TableInfo) -> bool + Sync),
    /// The patterns of captured tables.
    pub(crate) coverage: Vec<String>,
}

impl Snapshot {
    /// Starts a snapshot.
    ///
    /// # Errors
    /// `Configuration` for tables that cannot be captured and for missing privileges; `Busy` while another
    /// session keeps a table locked; `Unreachable` if tables were changed meanwhile, or for the network.
    pub(crate) async fn start(settings: &SnapshotSettings<'_>) -> CdcResult<Self> {
        let mut connection = Connection::open(settings.connection).await?;
        session::prepare(&mut connection).await?;
        let facts = ServerFacts::read(&mut connection).await?;
        let before = CapturedTables::list(&mut connection, settings.is_captured).await?;
        before.check_engines()?;
        let history = read_history(&mut connection, &facts, &before).await?;
        let tables: Vec<TableInfo> =
            before.captured.iter().filter(|table| (settings.is_read)(table)).cloned().collect();
        let position = match connection.version().flavor {
            Flavor::Mariadb => place::begin_mariadb(&mut connection, settings).await?,
            _ => lock::begin_mysql(&mut connection, &tables, settings).await?,
        };
        // what is the same before and after was the same at the place
        let after = CapturedTables::list(&mut connection, settings.is_captured).await?;
        if after.names() != before.names() {
            return Err(changed("tables were created, dropped or renamed"));
        }
        for table in &before.captured {
            check_definition(&mut connection, &facts, &history, table).await?;
        }
        Ok(Self { session: connection, position, history, tables, facts })
    }

    /// Checks that a table is as it was at the place of the snapshot, and lets it stay so until the
    /// transaction ends. To be called before its rows are read.
    ///
    /// # Errors
    /// `Unreachable` if the table was changed since.
    pub(crate) async fn hold(&mut self, table: &TableInfo) -> CdcResult<()> {
        // a transaction that has read a table keeps others from changing its definition
        self.session.query(&format!("SELECT 1 FROM {} LIMIT 0", table.quoted())).await?;
        check_definition(&mut self.session, &self.facts, &self.history, table).await
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn end(mut self) -> CdcResult<()> {
        self.session.query("ROLLBACK").await?;
        Ok(())
    }
}

async fn check_definition(
    connection: &mut Connection,
    facts: &ServerFacts,
    history: &SchemaHistory,
    table: &TableInfo,
) -> CdcResult<()> {
    let now = read_table(connection, facts, history, table).await?;
    match history.table(&table.name.database, &table.name.table) {
        Some(found) if Some(found) == now.as_ref() => Ok(()),
        _ => Err(changed(&format!("table {} was changed", table.name))),
    }
}

/// The next attempt reads the tables anew.
fn changed(what: &str) -> CdcError {
    CdcError::new(CdcErrorKind::Unreachable, format!("{what} while the snapshot was read"))
}
