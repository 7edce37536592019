//! The initial snapshot: the existing rows, read in repeatable-read transactions of one exported snapshot
//! before the log is streamed.
//!
//! The handover to the log needs no exported snapshot: the one that is exported is for the sessions that
//! copy the rows. The replication slot is created first, so the log is retained from before the snapshot.
//! Transactions that the snapshot contains are skipped in the log ([`SnapshotCut::contains`]). Rows and what
//! they complete are one commit: a table, or a range of its key. So after a crash the next run reads what no
//! commit has, at another cut (`docs/design/0008-parallel-snapshots.md`).

mod planner;
mod reader;
mod row_writer;
mod work;

use super::catalog::Catalog;
use super::connection::copy::CopySession;
use super::connection::server_error::ServerError;
use super::connection::session::{Session, literal, parse_lsn};
use super::connection::wait;
use super::offset::{PostgresPosition, SnapshotCut};
use super::publication::PublishedTable;
use super::settings::Target;
use crate::debezium::events::EventContext;
use crate::debezium::snapshot_mark::TablePlace;
use crate::output::Output;
use crate::snapshot_parts::{self, HandOver, ReadRange, SnapshotPosition};
use crate::snapshot_progress::TableList;
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position, Progress};
use kulya_store::supervision::catch_and_log;
use planner::{PlannedTable, Planner};
use reader::Reader;
use row_writer::RowContext;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The time that a reader waits for a lock, in milliseconds. This session has the locks of all tables, so a
/// reader waits only behind a statement that waits for this session, as an ALTER TABLE does: neither would
/// end. The attempt ends instead, the statement runs, and the next attempt goes on after it.
const MAX_LOCK_MILLIS: u32 = 1000;
/// The number of tables that one statement locks.
const TABLES_PER_LOCK: usize = 100;

pub(crate) struct Snapshot<'a> {
    session: &'a Session,
    target: &'a Target,
    events: &'a Arc<EventContext>,
    catalog: Catalog,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(session: &'a Session, target: &'a Target, events: &'a Arc<EventContext>) -> Self {
        Self { session, target, events, catalog: Catalog::default() }
    }

    /// Declares the tables without their rows.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn declare(
        &mut self,
        tables: &[PublishedTable],
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        for published in tables {
            let (session, columns) = (self.session, published.columns.as_deref());
            let table = self.catalog.current_table(session, self.events, &published.info, columns).await?;
            planner::warn_of_omitted_columns(&table);
            output.batch.declare(&table.events.destination);
        }
        Ok(())
    }

    /// Reads the rows of the tables that no commit has, and commits them with what they complete. Tables that
    /// are not in `list` are added to it.
    ///
    /// # Errors
    /// `Unreachable` when a table was dropped or renamed meanwhile, among others: read the publication again.
    /// `Position` when a table that is read in part has another key now.
    pub(crate) async fn read(
        &mut self,
        tables: &[PublishedTable],
        position: &mut PostgresPosition,
        list: &mut TableList,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let result = self.read_in_transaction(tables, position, list, output).await;
        // the transaction only reads
        let rollback = self.session.execute("ROLLBACK").await;
        result.and(rollback)
    }

    /// Locks the tables, so that their columns stay as they are until their rows are read.
    async fn lock(&self, tables: &[PublishedTable]) -> CdcResult<()> {
        for group in tables.chunks(TABLES_PER_LOCK) {
            let names: Vec<String> =
                group.iter().map(|table| table.info.relation(self.events.modes.compat)).collect();
            let names = names.join(", ");
            let sql = format!("LOCK TABLE {names} IN ACCESS SHARE MODE");
            wait::run(self.session, "a lock of the tables of the snapshot", &sql).await.map_err(|e| {
                // a table that is gone is not in the next attempt
                let kind = match ServerError::cause_of(&e) {
                    Some(cause) if cause.code == "42P01" => CdcErrorKind::Unreachable,
                    _ => e.kind(),
                };
                CdcError::new(kind, format!("cannot lock the tables of the snapshot: {e}")).because(e)
            })?;
        }
        Ok(())
    }

    async fn read_in_transaction(
        &mut self,
        tables: &[PublishedTable],
        position: &mut PostgresPosition,
        list: &mut TableList,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        self.lock(tables).await?;
        // the first query takes the snapshot; the log position is read after it, so that all transactions
        // in the snapshot were committed before that position
        let snapshot = self.session.value("SELECT pg_current_snapshot()").await?;
        let end = parse_lsn(&self.session.value("SELECT pg_current_wal_insert_lsn()").await?)?;
        let cut = SnapshotCut::parse(end, &snapshot)
            .ok_or_else(|| CdcError::source(format!("{snapshot:?} is not a snapshot")))?;
        let context = Arc::new(RowContext::new(self.events, output.clock, self.target, &cut, position));
        let mut planned = plan(tables, position, list);
        self.mark_last_with_rows(&mut planned).await?;
        let settings = &self.target.settings;
        let (work, shared, parts) = snapshot_parts::connect(settings.snapshot_readers);
        let estimate = |table: &PlannedTable| table.published.info.rows.saturating_sub(table.read.rows);
        let rows = planned.iter().map(estimate).sum();
        (output.on_progress)(Progress::SnapshotStarted { tables: planned.len(), rows });
        // ends the readers when this function ends, however it does
        let mut readers = JoinSet::new();
        for session in self.open_sessions(settings.snapshot_readers).await? {
            let reader = Reader::new(session, &context, HandOver::new(&shared));
            readers.spawn(catch_and_log("snapshot reader", reader.run()));
        }
        drop(shared);
        let numbers: Vec<usize> = planned.iter().map(|table| table.number).collect();
        let reads = position.snapshot_reads.get_or_insert_default();
        let cut = reads.progress.add_cuts(&mut reads.cuts, [cut]);
        let mut planner = Planner {
            session: self.session,
            events: self.events,
            catalog: &mut self.catalog,
            chunk_rows: u64::from(settings.snapshot_chunk_rows),
            cut,
        };
        let mut progress = Progressing { position, list: Some(list.text()) };
        let collect = snapshot_parts::collect(parts, &mut progress, output);
        tokio::try_join!(planner.plan(planned, work), collect)?;
        position.snapshot_reads.get_or_insert_default().progress.check_complete(&numbers)
    }

    /// Opens sessions that see what this one's transaction sees.
    async fn open_sessions(&self, count: u32) -> CdcResult<Vec<CopySession>> {
        let snapshot = self.session.value("SELECT pg_export_snapshot()").await?;
        let mut sessions = Vec::new();
        for _ in 0..count {
            let mut session = CopySession::open(self.target).await?;
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            session.execute(&format!("SET TRANSACTION SNAPSHOT {}", literal(&snapshot))).await?;
            session.execute(&format!("SET LOCAL lock_timeout = {MAX_LOCK_MILLIS}")).await?;
            session.execute(&format!("SAVEPOINT {}", reader::SAVEPOINT)).await?;
            sessions.push(session);
        }
        Ok(sessions)
    }

    /// Marks the last table that has rows.
    async fn mark_last_with_rows(&self, tables: &mut [PlannedTable]) -> CdcResult<()> {
        for PlannedTable { published, place, .. } in tables.iter_mut().rev() {
            let filter = published.filter.as_ref().map(|filter| format!(" WHERE {filter}"));
            let relation = published.info.relation(self.events.modes.compat);
            let exists = format!("SELECT EXISTS (SELECT FROM {relation}{})", filter.unwrap_or_default());
            let found = wait::run(self.session, "the first row of a table", &exists).await;
            let found = found.map_err(|error| {
                let what = format!("reading table {} failed: {error}", published.info.name());
                CdcError::new(error.kind(), what).because(error)
            })?;
            if found.first().and_then(|row| row.get(0)) == Some("t") {
                place.is_last = true;
                break;
            }
        }
        Ok(())
    }
}

/// The position while a snapshot is read.
struct Progressing<'a> {
    position: &'a mut PostgresPosition,
    /// The list of the snapshot's tables, until it is committed.
    list: Option<Arc<str>>,
}

impl SnapshotPosition for Progressing<'_> {
    fn add(&mut self, range: ReadRange, rows: u64) -> CdcResult<bool> {
        range.add_to(&mut self.position.snapshot_reads.get_or_insert_default().progress, rows)
    }

    fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint { position: Position::Postgres(self.position.clone()), history: self.list.take() }
    }
}

/// Numbers the tables, and looks up what is read of them.
fn plan(
    tables: &[PublishedTable],
    position: &mut PostgresPosition,
    list: &mut TableList,
) -> Vec<PlannedTable> {
    let names: Vec<String> = tables.iter().map(|table| table.info.quoted()).collect();
    let progress = &mut position.snapshot_reads.get_or_insert_default().progress;
    let numbers = progress.number_tables(&names, list);
    let mut planned: Vec<PlannedTable> = tables
        .iter()
        .zip(numbers)
        .map(|(published, number)| PlannedTable {
            number,
            published: published.clone(),
            place: TablePlace { is_first: false, is_last: false },
            read: progress.table(number),
        })
        .collect();
    planned.sort_by_key(|table| table.number);
    if let Some(first) = planned.first_mut() {
        first.place.is_first = true;
    }
    planned
}
