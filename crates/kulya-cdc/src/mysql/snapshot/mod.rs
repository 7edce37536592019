//! The start of a snapshot: transactions in which the rows of tables are read as they are at a known place
//! of the log, and the definitions of the tables at that place.
//!
//! MySQL tells no transaction's place in the log, so the tables are locked for a moment: the lock waits for
//! every writer to finish its commit, and lets none begin, until the transactions are open and the end of the
//! log is read. MariaDB tells the place of each transaction without a lock: they are different ones.

mod lock;
mod place;
pub(crate) mod planner;
pub(crate) mod reader;
pub(crate) mod session;

pub(crate) use lock::begin_mysql;
pub(crate) use place::begin_mariadb;

use super::catalog::{CapturedTables, Definitions, ServerFacts, TableInfo, read_definitions};
use super::connection::{ConnectionSettings, Flavor};
use super::offset::{Cut, MysqlPosition};
use super::schema_history::TableName;
use crate::CdcResult;
use session::{TableSession, Tables, changed};
use std::sync::Arc;

/// A snapshot whose rows can be read.
pub(crate) struct Snapshot {
    /// The sessions with open transactions.
    pub(crate) readers: Vec<TableSession>,
    /// The place in the log of the first session's transaction, before which no other one is.
    pub(crate) position: MysqlPosition,
    /// The cuts of the sessions: one for all, or one for each.
    pub(crate) cuts: Vec<Cut>,
    /// The definitions at these places.
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
    /// The number of sessions that read.
    pub(crate) readers: u32,
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
        let mut connection = super::session::open(settings.connection).await?;
        let facts = ServerFacts::read(&mut connection).await?;
        let before = CapturedTables::list(&mut connection, settings.is_captured).await?;
        before.check_engines()?;
        let definitions = read_definitions(&mut connection, &facts, &before).await?;
        let tables: Vec<TableInfo> =
            before.captured.iter().filter(|table| (settings.is_read)(&table.name)).cloned().collect();
        let mut others = Vec::new();
        // without tables there is nothing to read
        let count = if tables.is_empty() { 1 } else { settings.readers };
        for _ in 1..count {
            others.push(super::session::open(settings.connection).await?);
        }
        let (position, cuts) = match connection.version().flavor {
            Flavor::Mariadb => {
                let position = begin_mariadb(&mut connection).await?;
                let mut cuts = vec![position.cut()];
                for other in &mut others {
                    cuts.push(begin_mariadb(other).await?.cut());
                }
                (position, cuts)
            }
            _ => {
                let locked = begin_mysql(&mut connection, &mut others, &tables, settings.connection).await;
                let position = locked?;
                let cut = position.cut();
                (position, vec![cut])
            }
        };
        // what is the same before and after was the same at the places
        let after = CapturedTables::list(&mut connection, settings.is_captured).await?;
        if after.names() != before.names() {
            return Err(changed("tables were created, dropped or renamed"));
        }
        let shared = Arc::new(Tables { facts: facts.clone(), definitions: definitions.history.clone() });
        let mut first = TableSession::new(connection, &shared);
        for table in &before.captured {
            first.check_definition(table).await?;
        }
        let mut readers = vec![first];
        readers.extend(others.into_iter().map(|connection| TableSession::new(connection, &shared)));
        for reader in &mut readers {
            reader.set_savepoint().await?;
        }
        Ok(Self { readers, position, cuts, definitions, tables, captured: before.captured, facts })
    }
}
