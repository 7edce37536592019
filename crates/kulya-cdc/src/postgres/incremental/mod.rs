//! Chunks of incremental snapshots, each read in a transaction of its own whose snapshot tells exactly which
//! transactions it contains.
//!
//! The table is locked against changes of its columns while a chunk is read, as it is by any query. Nothing
//! is written.

mod cut;
mod key;
mod query;
mod row_key;

pub(super) use cut::{ChunkCut, StreamedTransactions};
pub(super) use row_key::row_key;

use super::catalog::Catalog;
use super::connection::copy::{CopySession, Line};
use super::connection::frames::Frame;
use super::connection::server_error::ServerError;
use super::connection::session::{Server, Session, literal, parse_lsn};
use super::copy_line::CopyLine;
use super::offset::SnapshotCut;
use super::pgoutput::Cell;
use super::publication::{self, PublishedTable};
use super::settings::Target;
use super::table::Table;
use crate::debezium::events::EventContext;
use crate::incremental::{Chunk, ChunkReader, ChunkRequest, ChunkRow, RowLimit, TableProgress};
use crate::{CdcError, CdcErrorKind, CdcResult};
use async_trait::async_trait;
use bytes::Bytes;
use key::ChunkKey;
use query::ChunkQuery;
use std::sync::Arc;

/// The SQLSTATE of a table that does not exist, and of a lock that was not granted in time.
const UNDEFINED_TABLE: &str = "42P01";
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Reads chunks of tables.
pub(super) struct PostgresChunks {
    target: Target,
    events: Arc<EventContext>,
    catalog: Catalog,
    sessions: Option<Sessions>,
    /// The table that was read last.
    published: Option<PublishedTable>,
    limit: RowLimit,
    /// Transactions that were committed before this reader, but may not be seen yet: an earlier run may have
    /// streamed them.
    unseen: Option<Vec<u32>>,
}

struct Sessions {
    session: Session,
    server: Server,
    rows: CopySession,
}

/// A table as a chunk has it.
pub(super) struct ChunkTable {
    pub(super) table: Table,
    /// The number of cells of the key before those of the columns.
    pub(super) key_cells: usize,
}

/// A line of COPY, with the key's cells before those of the columns.
pub(super) struct ChunkLine {
    pub(super) line: Bytes,
    /// The size of the whole line, if only its beginning was kept.
    pub(super) cut_from: Option<usize>,
}

impl PostgresChunks {
    pub(super) fn new(target: Target, events: Arc<EventContext>) -> Self {
        let (catalog, sessions, published, unseen) = Default::default();
        Self { target, events, catalog, sessions, published, limit: RowLimit::new(), unseen }
    }

    async fn sessions(&mut self) -> CdcResult<Sessions> {
        if let Some(sessions) = self.sessions.take() {
            return Ok(sessions);
        }
        let session = Session::open(&self.target).await?;
        let server = session.check().await?;
        Ok(Sessions { session, server, rows: CopySession::open(&self.target).await? })
    }

    /// Returns the table of a name as the publication has it.
    async fn published(&mut self, sessions: &Sessions, name: &str) -> CdcResult<PublishedTable> {
        if let Some(known) = self.published.as_ref().filter(|known| known.info.name() == name) {
            return Ok(known.clone());
        }
        let publication =
            publication::read(&sessions.session, &self.target.settings, sessions.server.version).await?;
        let found = publication.tables.into_iter().find(|table| table.info.name() == name);
        let found = found.ok_or_else(|| {
            CdcError::configuration(
                "it does not exist any more, or is not captured: check the tables and the publication",
            )
        })?;
        self.published = Some(found.clone());
        Ok(found)
    }

    async fn read_chunk(
        &mut self,
        sessions: &mut Sessions,
        request: &ChunkRequest,
    ) -> CdcResult<(Chunk<Self>, bool)> {
        let published = self.published(sessions, &request.table.table).await?;
        if self.unseen.is_none() {
            self.unseen = Some(unseen(&sessions.session).await?);
        }
        self.begin(sessions, &published).await?;
        let columns = published.columns.as_deref();
        let session = &sessions.session;
        let table = self.catalog.current_table(session, &self.events, &published.info, columns).await?;
        let key = key::find(session, &published, &table, request.table.surrogate_key.as_deref()).await?;
        let start = start_of(&request.table, &key);
        let query = ChunkQuery {
            key: &key.columns,
            columns: table.column_names().collect(),
            relation: published.info.relation(self.events.modes.compat),
            filters: [published.filter.as_deref(), start.filter.as_deref()],
        };
        let rows = &mut sessions.rows;
        let mut cut = read_cut(rows).await?;
        if let Some(unseen) = &mut self.unseen {
            unseen.retain(|xid| !cut.snapshot.contains(*xid, 0));
            cut.is_behind = !unseen.is_empty();
        }
        let maximum = match &start.maximum {
            Some(maximum) => Some(maximum.clone()),
            None => read_maximum(rows, &query).await?,
        };
        let key_cells = key.columns.len();
        let Some(maximum) = maximum else {
            let table = ChunkTable { table, key_cells };
            return Ok((Chunk { cut, table, rows: Vec::new(), after: None }, true));
        };
        let max_rows = self.limit.rows(request.max_rows);
        let sql = query.chunk(start.last.as_deref(), &maximum, max_rows);
        let lines = read_lines(rows, &sql, &key).await?;
        self.limit.on_chunk(lines.rows.len(), lines.is_cut);
        let is_end =
            !lines.is_cut && lines.rows.len() < max_rows as usize || lines.last.as_ref() == Some(&maximum);
        let after = (!is_end).then(|| TableProgress {
            key: key.columns.clone(),
            last: lines.last,
            maximum: Some(maximum),
            ..start
        });
        let table = ChunkTable { table, key_cells };
        Ok((Chunk { cut, table, rows: lines.rows, after }, !lines.is_cut))
    }

    /// Opens the transaction and locks the table against changes of its columns.
    async fn begin(&mut self, sessions: &mut Sessions, published: &PublishedTable) -> CdcResult<()> {
        let quoted = published.info.quoted();
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '10s'; \
             LOCK TABLE {quoted} IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0"
        );
        let changed = || CdcError::new(CdcErrorKind::Unreachable, format!("table {quoted} was changed"));
        if let Err(error) = sessions.rows.execute(&sql).await {
            return match ServerError::cause_of(&error).map(|cause| cause.code.as_str()) {
                Some(UNDEFINED_TABLE) => {
                    self.published = None;
                    Err(changed().because(error))
                }
                Some(LOCK_NOT_AVAILABLE) => {
                    let what = format!("table {quoted} is locked by another session");
                    Err(CdcError::new(CdcErrorKind::Busy, what).because(error))
                }
                _ => Err(error),
            };
        }
        let find = format!("SELECT coalesce(to_regclass({})::oid, 0)", literal(&quoted));
        if sessions.session.value(&find).await? != published.info.oid.to_string() {
            self.published = None;
            return Err(changed());
        }
        Ok(())
    }
}

#[async_trait]
impl ChunkReader for PostgresChunks {
    type Cut = ChunkCut;
    type Table = ChunkTable;
    type Row = ChunkLine;

    async fn tables(&mut self) -> CdcResult<Vec<Vec<String>>> {
        let sessions = self.sessions().await?;
        let publication =
            publication::read(&sessions.session, &self.target.settings, sessions.server.version).await?;
        self.sessions = Some(sessions);
        let database = &self.target.database;
        let tables = publication.tables.iter().map(|table| {
            let info = &table.info;
            let parents = info.ancestors.iter().map(|(schema, table)| format!("{schema}.{table}"));
            let names: Vec<String> = std::iter::once(info.name()).chain(parents).collect();
            let qualified: Vec<String> = names.iter().map(|name| format!("{database}.{name}")).collect();
            [names, qualified].concat()
        });
        Ok(tables.collect())
    }

    async fn read(&mut self, request: &ChunkRequest) -> CdcResult<Chunk<Self>> {
        let mut sessions = self.sessions().await?;
        let (chunk, is_at_end) = self.read_chunk(&mut sessions, request).await?;
        // after an error, or before the end of a query, a connection is of no use
        if is_at_end && sessions.rows.execute("COMMIT").await.is_ok() {
            self.sessions = Some(sessions);
        }
        Ok(chunk)
    }
}

/// Returns where a chunk starts: from the table's beginning if it has another key now.
fn start_of(progress: &TableProgress, key: &ChunkKey) -> TableProgress {
    if progress.key.is_empty() || progress.key == key.columns {
        return TableProgress { key: key.columns.clone(), ..progress.clone() };
    }
    tracing::warn!(table = progress.table, "the table's key has changed: it is read from its beginning");
    progress.restarted(key.columns.clone())
}

/// Returns the transactions that wait for a standby: they are in the log, and others do not see them yet.
async fn unseen(session: &Session) -> CdcResult<Vec<u32>> {
    let sql =
        "SELECT backend_xid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_xid IS NOT NULL";
    let rows = session.rows(sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)?.parse().ok()).collect())
}

/// Takes the transaction's snapshot.
async fn read_cut(rows: &mut CopySession) -> CdcResult<ChunkCut> {
    // the log position is read after the snapshot, so that all transactions in the snapshot were committed
    // before that position
    let snapshot = read_value(rows, "SELECT pg_current_snapshot()").await?;
    let end = parse_lsn(&read_value(rows, "SELECT pg_current_wal_insert_lsn()").await?)?;
    let snapshot = SnapshotCut::parse(end, &snapshot)
        .ok_or_else(|| CdcError::source(format!("{snapshot:?} is not a snapshot")))?;
    Ok(ChunkCut::new(snapshot))
}

async fn read_value(rows: &mut CopySession, sql: &str) -> CdcResult<String> {
    let values = read_row(rows, sql).await?;
    let value = values.and_then(|values| values.into_iter().next());
    value.ok_or_else(|| CdcError::source(format!("PostgreSQL returned no row for {sql}")))
}

/// Returns the values of a query with one row at most.
async fn read_row(rows: &mut CopySession, sql: &str) -> CdcResult<Option<Vec<String>>> {
    rows.start(&format!("COPY ({sql}) TO STDOUT")).await?;
    let mut found = None;
    let mut line = CopyLine::default();
    while let Some(frame) = next_line(rows).await? {
        let cells = line.parse(&frame.payload);
        found = Some(cells.iter().map(key_text).collect::<CdcResult<_>>()?);
    }
    Ok(found)
}

/// Returns the next line of a COPY; `None` after the last one.
async fn next_line(rows: &mut CopySession) -> CdcResult<Option<Frame>> {
    loop {
        match rows.take_line()? {
            Line::Arrived(frame) => return Ok(Some(frame)),
            Line::End => return Ok(None),
            Line::Missing { .. } => rows.receive().await?,
        }
    }
}

async fn read_maximum(rows: &mut CopySession, query: &ChunkQuery<'_>) -> CdcResult<Option<Vec<String>>> {
    read_row(rows, &query.maximum()).await
}

/// Returns the text of a key's value.
fn key_text(cell: &Cell<'_>) -> CdcResult<String> {
    match cell {
        Cell::Text(bytes) => String::from_utf8(bytes.to_vec())
            .map_err(|e| CdcError::configuration("a key has a value that is not UTF-8").because(e)),
        _ => Err(CdcError::configuration("a key has a null value: give another surrogate-key")),
    }
}

struct Lines {
    rows: Vec<ChunkRow<ChunkLine>>,
    /// The key of the last row.
    last: Option<Vec<String>>,
    /// Whether rows are left because of the chunk's size.
    is_cut: bool,
}

async fn read_lines(rows: &mut CopySession, sql: &str, key: &ChunkKey) -> CdcResult<Lines> {
    rows.start(sql).await?;
    let mut lines = Lines { rows: Vec::new(), last: None, is_cut: false };
    let (mut parser, mut bytes) = (CopyLine::default(), 0);
    let mut last = Bytes::new();
    while let Some(frame) = next_line(rows).await? {
        let cells = parser.parse(&frame.payload);
        let identity = key.identity.iter().map(|place| cells.get(*place).copied());
        let identity = row_key::from_cells(identity)
            .ok_or_else(|| CdcError::configuration("a key is larger than an event can be"))?;
        bytes += frame.payload.len();
        last = frame.payload.clone();
        let row = ChunkLine { line: frame.payload, cut_from: frame.cut_from };
        lines.rows.push(ChunkRow { key: identity, row });
        if RowLimit::is_reached(bytes) {
            lines.is_cut = true;
            break;
        }
    }
    if !lines.rows.is_empty() {
        let cells = parser.parse(&last);
        let cells = cells.get(..key.columns.len()).unwrap_or_default();
        lines.last = Some(cells.iter().map(key_text).collect::<CdcResult<_>>()?);
    }
    Ok(lines)
}
