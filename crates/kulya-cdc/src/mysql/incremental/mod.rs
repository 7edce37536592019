//! Chunks of incremental snapshots, each read in a transaction whose place in the log is known.
//!
//! MariaDB tells the place of a transaction. MySQL tells, with GTIDs, which transactions every query sees
//! before the chunk's transaction begins, and the end of the log afterwards; without GTIDs the table is
//! locked for a moment, as at the start of a snapshot. Nothing is written.

mod cut;
mod identity;
mod key;
mod query;

pub(super) use cut::{ChunkCut, Streamed};
pub(super) use identity::RowIdentity;

use super::catalog::{CapturedTables, ServerFacts, TableInfo, read_definitions};
use super::connection::{Connection, ConnectionSettings, Flavor, TextRow};
use super::ddl::Flavour;
use super::event_table::EventTable;
use super::offset::{GtidMode, ServerLog};
use super::schema_history::{Table, TableName};
use super::session;
use super::settings::Target;
use super::snapshot::session::read_error;
use super::snapshot::{begin_mariadb, begin_mysql};
use crate::debezium::events::EventContext;
use crate::incremental::{Chunk, ChunkReader, ChunkRequest, ChunkRow, RowLimit, TableProgress};
use crate::{CdcError, CdcErrorKind, CdcResult};
use async_trait::async_trait;
use query::ChunkQuery;
use std::sync::Arc;

/// Reads chunks of tables.
pub(super) struct MysqlChunks {
    target: Target,
    events: Arc<EventContext>,
    facts: ServerFacts,
    flavour: Flavour,
    session: Option<Connection>,
    /// The table that was read last.
    table: Option<TableInfo>,
    limit: RowLimit,
}

impl MysqlChunks {
    pub(super) fn new(target: Target, events: Arc<EventContext>, facts: ServerFacts) -> Self {
        let flavour = facts.version.flavour;
        Self { target, events, facts, flavour, session: None, table: None, limit: RowLimit::new() }
    }

    async fn session(&mut self) -> CdcResult<Connection> {
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        Ok(session::open(&self.target.connection).await?)
    }

    async fn list(&mut self, session: &mut Connection) -> CdcResult<Vec<TableInfo>> {
        let settings = &self.target.settings;
        Ok(CapturedTables::list(session, &|database, table| settings.is_captured(database, table))
            .await?
            .captured)
    }

    async fn info(&mut self, session: &mut Connection, name: &str) -> CdcResult<TableInfo> {
        if let Some(known) = self.table.as_ref().filter(|known| plain_name(&known.name) == name) {
            return Ok(known.clone());
        }
        let found = self.list(session).await?.into_iter().find(|table| plain_name(&table.name) == name);
        let found = found.ok_or_else(|| {
            CdcError::configuration("it does not exist any more, or is not captured: check the tables")
        })?;
        let tables = CapturedTables { captured: vec![found.clone()], others: Vec::new() };
        tables.check_engines()?;
        self.table = Some(found.clone());
        Ok(found)
    }

    async fn read_chunk(
        &mut self,
        session: &mut Connection,
        request: &ChunkRequest,
    ) -> CdcResult<(Chunk<Self>, bool)> {
        let info = self.info(session, &request.table.table).await?;
        let cut = begin(session, &info, &self.target.connection).await?;
        let failed = |error| read_error(&info, error);
        // a transaction that has read a table keeps others from changing its definition
        session.query(&format!("SELECT 1 FROM {} LIMIT 0", info.quoted())).await.map_err(failed)?;
        let definition = self.definition(session, &info).await?;
        let key = key::find(&definition, request.table.surrogate_key.as_deref())
            .map_err(CdcError::configuration)?;
        let start = start_of(&request.table, &key.names());
        let table = EventTable::new(&self.events, &definition, self.flavour, 0);
        let identity = RowIdentity::new(&definition, &self.events, self.flavour);
        let query = ChunkQuery {
            key: &key,
            columns: table.rows.select_list(),
            table: info.quoted(),
            identity: identity.select_list(),
            filter: start.filter.as_deref(),
        };
        let maximum = match &start.maximum {
            Some(maximum) => Some(maximum.clone()),
            None => read_maximum(session, &query, &info).await?,
        };
        let Some(maximum) = maximum else {
            return Ok((Chunk { cut, table: definition, rows: Vec::new(), after: None }, true));
        };
        let max_rows = self.limit.rows(request.max_rows);
        let sql = query.chunk(start.last.as_deref(), &maximum, max_rows);
        let rows = read_rows(session, &sql, &info, &identity, key.columns.len()).await?;
        self.limit.on_chunk(rows.rows.len(), rows.is_cut);
        let is_end =
            !rows.is_cut && rows.rows.len() < max_rows as usize || rows.last.as_ref() == Some(&maximum);
        let after = (!is_end).then(|| TableProgress {
            key: key.names(),
            last: rows.last,
            maximum: Some(maximum),
            ..start
        });
        Ok((Chunk { cut, table: definition, rows: rows.rows, after }, !rows.is_cut))
    }

    /// Reads the table's definition as it is at the place of the transaction.
    async fn definition(&mut self, session: &mut Connection, info: &TableInfo) -> CdcResult<Arc<Table>> {
        let tables = CapturedTables { captured: vec![info.clone()], others: Vec::new() };
        let definitions = read_definitions(session, &self.facts, &tables).await?;
        let found = definitions.history.table(&info.name.database, &info.name.table).cloned();
        found.map(Arc::new).ok_or_else(|| CdcError::source(format!("table {} has no definition", info.name)))
    }
}

#[async_trait]
impl ChunkReader for MysqlChunks {
    type Cut = ChunkCut;
    type Table = Arc<Table>;
    type Row = TextRow;

    async fn tables(&mut self) -> CdcResult<Vec<Vec<String>>> {
        let mut session = self.session().await?;
        let tables = self.list(&mut session).await?;
        self.session = Some(session);
        Ok(tables.iter().map(|table| vec![plain_name(&table.name)]).collect())
    }

    async fn read(&mut self, request: &ChunkRequest) -> CdcResult<Chunk<Self>> {
        let mut session = self.session().await?;
        let result = self.read_chunk(&mut session, request).await;
        match result {
            Ok((chunk, is_at_end)) => {
                // before the end of a result a connection is of no use
                if is_at_end && session.query("ROLLBACK").await.is_ok() {
                    self.session = Some(session);
                }
                Ok(chunk)
            }
            Err(error) => {
                self.table = None;
                Err(error)
            }
        }
    }
}

/// Returns the name as signals have it.
pub(super) fn plain_name(name: &TableName) -> String {
    format!("{}.{}", name.database, name.table)
}

/// Returns where a chunk starts: from the table's beginning if it has another key now.
fn start_of(progress: &TableProgress, key: &[String]) -> TableProgress {
    if progress.key.is_empty() || progress.key == key {
        return TableProgress { key: key.to_vec(), ..progress.clone() };
    }
    tracing::warn!(table = progress.table, "the table's key has changed: it is read from its beginning");
    progress.restarted(key.to_vec())
}

/// Opens the transaction, and returns what it contains.
async fn begin(
    session: &mut Connection,
    info: &TableInfo,
    connection: &ConnectionSettings,
) -> CdcResult<ChunkCut> {
    if session.version().flavor == Flavor::Mariadb {
        return Ok(ChunkCut::exact(&begin_mariadb(session).await?));
    }
    // what is executed is seen by queries, which the end of the log may not be
    let log = ServerLog::read(session).await?;
    if log.gtid_mode == GtidMode::On {
        // no table is locked
        return Ok(ChunkCut::between(log.executed, &begin_mysql(session, &mut [], &[], connection).await?));
    }
    Ok(ChunkCut::at_place(&begin_mysql(session, &mut [], std::slice::from_ref(info), connection).await?))
}

async fn read_maximum(
    session: &mut Connection,
    query: &ChunkQuery<'_>,
    info: &TableInfo,
) -> CdcResult<Option<Vec<String>>> {
    let found = session.query(&query.maximum()).await.map_err(|error| read_error(info, error))?;
    let Some(row) = found.rows.into_iter().next() else { return Ok(None) };
    row.into_iter().map(|value| value.ok_or_else(null_in_key)).collect::<CdcResult<_>>().map(Some)
}

fn null_in_key() -> CdcError {
    CdcError::configuration("a key has a null value: give another surrogate-key")
}

struct Rows {
    rows: Vec<ChunkRow<TextRow>>,
    /// The key of the last row.
    last: Option<Vec<String>>,
    /// Whether rows are left because of the chunk's size.
    is_cut: bool,
}

async fn read_rows(
    session: &mut Connection,
    sql: &str,
    info: &TableInfo,
    identity: &RowIdentity,
    key_cells: usize,
) -> CdcResult<Rows> {
    let failed = |error| read_error(info, error);
    let mut found = session.query_rows(sql).await.map_err(failed)?;
    let mut rows = Rows { rows: Vec::new(), last: None, is_cut: false };
    let (mut bytes, mut row) = (0, TextRow::default());
    while found.next_into(&mut row).await.map_err(failed)? {
        let row = std::mem::take(&mut row);
        bytes += row.cells().flatten().map(<[u8]>::len).sum::<usize>();
        let key = identity.text_key(&row).ok_or_else(no_key)?;
        rows.rows.push(ChunkRow { key, row });
        if RowLimit::is_reached(bytes) {
            rows.is_cut = true;
            break;
        }
    }
    drop(found);
    if let Some(ChunkRow { row, .. }) = rows.rows.last() {
        let end = row.len().saturating_sub(identity.count());
        let first = end.saturating_sub(key_cells);
        let text = |cell| {
            row.text(cell).map(str::to_owned).ok_or_else(|| {
                CdcError::new(CdcErrorKind::Configuration, "a key has a value that is null or not UTF-8")
            })
        };
        rows.last = Some((first..end).map(text).collect::<CdcResult<_>>()?);
    }
    Ok(rows)
}

fn no_key() -> CdcError {
    CdcError::configuration("it has no key whose columns events have")
}
