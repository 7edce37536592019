//! The start of a snapshot: a transaction in which the rows of tables are read as they are at a known place
//! of the log, and the definitions of the tables at that place.
//!
//! MySQL tells no transaction's place in the log, so the tables are locked for a moment: the lock waits for
//! every writer to finish its commit, and lets none begin, until the transaction is open and the end of the
//! log is read. MariaDB tells the place without a lock.

mod lock;
mod place;

pub(crate) use lock::begin_mysql;
pub(crate) use place::begin_mariadb;

use super::catalog::{CapturedTables, Definitions, ServerFacts, TableInfo, read_definitions, read_table};
use super::connection::{Connection, ConnectionError, ConnectionSettings, Flavor};
use super::offset::MysqlPosition;
use super::schema_history::{SchemaHistory, TableName};
use super::session;
use crate::{CdcError, CdcErrorKind, CdcResult};

const SAVEPOINT: &str = "kulya";

/// The servers' errors for a table that is gone (1146), or has columns (1054) or a definition (1412) that the
/// transaction does not see.
const CHANGED: [u16; 3] = [1054, 1146, 1412];

/// A snapshot whose rows can be read.
pub(crate) struct Snapshot {
    /// The session with the open transaction.
    pub(crate) session: Connection,
    /// The place in the log at which the rows are read.
    pub(crate) position: MysqlPosition,
    /// The definitions at that place.
    pub(crate) definitions: Definitions,
    /// The tables to be read, by name.
    pub(crate) tables: Vec<TableInfo>,
    /// All captured tables, by name.
    pub(crate) captured: Vec<TableInfo>,
    pub(crate) facts: ServerFacts,
}

/// What a snapshot reads.
pub(crate) struct SnapshotSettings<'a> {
    /// The connection.
    pub(crate) connection: &'a ConnectionSettings,
    /// Whether a table is captured, by database and table.
    pub(crate) is_captured: &'a (dyn Fn(&str, &str) -> bool + Sync),
    /// Whether the rows of a captured table are to be read.
    pub(crate) is_read: &'a (dyn Fn(&TableName) -> bool + Sync),
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
        let definitions = read_definitions(&mut connection, &facts, &before).await?;
        let tables: Vec<TableInfo> =
            before.captured.iter().filter(|table| (settings.is_read)(&table.name)).cloned().collect();
        let position = match connection.version().flavor {
            Flavor::Mariadb => begin_mariadb(&mut connection).await?,
            _ => begin_mysql(&mut connection, &tables, settings.connection).await?,
        };
        // what is the same before and after was the same at the place
        let after = CapturedTables::list(&mut connection, settings.is_captured).await?;
        if after.names() != before.names() {
            return Err(changed("tables were created, dropped or renamed"));
        }
        for table in &before.captured {
            check_definition(&mut connection, &facts, &definitions.history, table).await?;
        }
        connection.query(&format!("SAVEPOINT {SAVEPOINT}")).await?;
        Ok(Self { session: connection, position, definitions, tables, captured: before.captured, facts })
    }

    /// Whether a table has rows.
    ///
    /// # Errors
    /// `Unreachable` if the table was changed since, or for the network.
    pub(crate) async fn has_rows(&mut self, table: &TableInfo) -> CdcResult<bool> {
        let found = self.session.query(&format!("SELECT EXISTS (SELECT 1 FROM {})", table.quoted())).await;
        let found = found.map_err(|error| read_error(table, error))?;
        self.release().await?;
        Ok(found.column(0).next() == Some("1"))
    }

    /// Checks that a table is as it was at the place of the snapshot, and lets it stay so until it is
    /// released. To be called before its rows are read.
    ///
    /// # Errors
    /// `Unreachable` if the table was changed since.
    pub(crate) async fn hold(&mut self, table: &TableInfo) -> CdcResult<()> {
        // a transaction that has read a table keeps others from changing its definition
        let held = self.session.query(&format!("SELECT 1 FROM {} LIMIT 0", table.quoted())).await;
        held.map_err(|error| read_error(table, error))?;
        check_definition(&mut self.session, &self.facts, &self.definitions.history, table).await
    }

    /// Lets others change the definitions of the tables that were read.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn release(&mut self) -> CdcResult<()> {
        // the snapshot itself is kept
        self.session.query(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await?;
        Ok(())
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

/// Returns the error of reading rows. A table that was changed or dropped since is read in the next attempt.
pub(crate) fn read_error(table: &TableInfo, error: ConnectionError) -> CdcError {
    let is_changed =
        matches!(&error, ConnectionError::Server { source, .. } if CHANGED.contains(&source.code));
    let error = CdcError::from(error);
    let kind = if is_changed { CdcErrorKind::Unreachable } else { error.kind() };
    CdcError::new(kind, format!("cannot read table {}: {error}", table.name)).because(error)
}

/// The next attempt reads the tables again.
fn changed(what: &str) -> CdcError {
    CdcError::new(CdcErrorKind::Unreachable, format!("{what} while the snapshot was read"))
}
