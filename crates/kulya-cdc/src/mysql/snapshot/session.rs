//! A session with an open transaction, in which the rows of tables are read as they are at its place.

use crate::mysql::catalog::{ServerFacts, TableInfo, read_table};
use crate::mysql::connection::{Connection, ConnectionError};
use crate::mysql::schema_history::SchemaHistory;
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::sync::Arc;

const SAVEPOINT: &str = "kulya";

/// The servers' errors for a table that is gone (1146), or has columns (1054) or a definition (1412) that the
/// transaction does not see.
const CHANGED: [u16; 3] = [1054, 1146, 1412];

/// What the sessions of a snapshot know of its tables.
pub(super) struct Tables {
    pub(super) facts: ServerFacts,
    /// The definitions at the place of the snapshot.
    pub(super) definitions: SchemaHistory,
}

/// A session.
pub(crate) struct TableSession {
    pub(crate) connection: Connection,
    tables: Arc<Tables>,
}

impl TableSession {
    pub(super) fn new(connection: Connection, tables: &Arc<Tables>) -> Self {
        Self { connection, tables: Arc::clone(tables) }
    }

    /// Sets the place to which [`release`](Self::release) goes back.
    pub(super) async fn set_savepoint(&mut self) -> CdcResult<()> {
        self.connection.query(&format!("SAVEPOINT {SAVEPOINT}")).await?;
        Ok(())
    }

    /// Whether a table has rows.
    ///
    /// # Errors
    /// `Unreachable` if the table was changed since, or for the network.
    pub(crate) async fn has_rows(&mut self, table: &TableInfo) -> CdcResult<bool> {
        let found = self.connection.query(&format!("SELECT EXISTS (SELECT 1 FROM {})", table.quoted())).await;
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
        let held = self.connection.query(&format!("SELECT 1 FROM {} LIMIT 0", table.quoted())).await;
        held.map_err(|error| read_error(table, error))?;
        self.check_definition(table).await
    }

    /// Checks that a table is as it was at the place of the snapshot.
    ///
    /// # Errors
    /// `Unreachable` if the table was changed since.
    pub(super) async fn check_definition(&mut self, table: &TableInfo) -> CdcResult<()> {
        let Tables { facts, definitions } = &*self.tables;
        let now = read_table(&mut self.connection, facts, definitions, table).await?;
        match definitions.table(&table.name.database, &table.name.table) {
            Some(found) if Some(found) == now.as_ref() => Ok(()),
            _ => Err(changed(&format!("table {} was changed", table.name))),
        }
    }

    /// Lets others change the definitions of the tables that were read.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn release(&mut self) -> CdcResult<()> {
        // the snapshot itself is kept
        self.connection.query(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await?;
        Ok(())
    }

    /// Ends the transaction.
    ///
    /// # Errors
    /// Those of the connection.
    pub(crate) async fn end(mut self) -> CdcResult<()> {
        self.connection.query("ROLLBACK").await?;
        Ok(())
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
pub(super) fn changed(what: &str) -> CdcError {
    CdcError::new(CdcErrorKind::Unreachable, format!("{what} while the snapshot was read"))
}
