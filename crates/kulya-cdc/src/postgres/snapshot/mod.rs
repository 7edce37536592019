//! The initial snapshot: the existing rows, read in repeatable-read transactions of one exported snapshot
//! before the log is streamed.
//!
//! The handover to the log needs no exported snapshot: the one that is exported is for the sessions that
//! copy the rows. The replication slot is created first, so the log is retained from before the snapshot.
//! Transactions that the snapshot contains are skipped in the log ([`SnapshotCut::contains`]). Rows and what
//! they complete are one commit: a table, or a range of its key. So after a crash the next run reads what no
//! commit has, at another cut (`docs/design/0008-parallel-snapshots.md`).

mod collector;
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
use crate::snapshot_progress::TableList;
use crate::{CdcError, CdcErrorKind, CdcResult, Progress};
use collector::Collector;
use kulya_store::supervision::catch_and_log;
use planner::{PlannedTable, Planner};
use reader::{Reader, Shared};
use row_writer::RowContext;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;
use work::relation;

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
            let names: Vec<String> = group.iter().map(|table| relation(&table.info, self.events)).collect();
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
        let rows = Arc::new(RowContext::new(self.events, output.clock, self.target, &cut, position));
        let mut planned = plan(tables, position, list);
        self.mark_last_with_rows(&mut planned).await?;
        let settings = &self.target.settings;
        let (work, work_receiver) = mpsc::channel(settings.snapshot_readers as usize);
        let (parts, parts_receiver) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            rows,
            work: Mutex::new(work_receiver),
            turn: Arc::new(Semaphore::new(1)),
            large_rows: Arc::new(Semaphore::new(1)),
        });
        let estimate = |table: &PlannedTable| table.published.info.rows.saturating_sub(table.read.rows);
        let rows = planned.iter().map(estimate).sum();
        (output.on_progress)(Progress::SnapshotStarted { tables: planned.len(), rows });
        // ends the readers when this function ends, however it does
        let mut readers = JoinSet::new();
        for session in self.open_sessions(settings.snapshot_readers).await? {
            let reader = Reader::new(session, &shared, parts.clone());
            readers.spawn(catch_and_log("snapshot reader", reader.run()));
        }
        drop((parts, shared));
        let numbers: Vec<usize> = planned.iter().map(|table| table.number).collect();
        let reads = position.snapshot_reads.get_or_insert_default();
        reads.cuts.push(cut);
        let mut collector = Collector::new(position, list.text(), output);
        let mut planner = Planner {
            session: self.session,
            events: self.events,
            catalog: &mut self.catalog,
            chunk_rows: u64::from(settings.snapshot_chunk_rows),
        };
        tokio::try_join!(planner.plan(planned, work), collector.collect(parts_receiver))?;
        collector.finish(&numbers)
    }

    /// Opens sessions that see what this one's transaction sees.
    async fn open_sessions(&self, count: u32) -> CdcResult<Vec<CopySession>> {
        let snapshot = self.session.value("SELECT pg_export_snapshot()").await?;
        let mut sessions = Vec::new();
        for _ in 0..count {
            let mut session = CopySession::open(self.target).await?;
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            session.execute(&format!("SET TRANSACTION SNAPSHOT {}", literal(&snapshot))).await?;
            sessions.push(session);
        }
        Ok(sessions)
    }

    /// Marks the last table that has rows.
    async fn mark_last_with_rows(&self, tables: &mut [PlannedTable]) -> CdcResult<()> {
        for PlannedTable { published, place, .. } in tables.iter_mut().rev() {
            let filter = published.filter.as_ref().map(|filter| format!(" WHERE {filter}"));
            let relation = relation(&published.info, self.events);
            let exists = format!("SELECT EXISTS (SELECT FROM {relation}{})", filter.unwrap_or_default());
            let found =
                wait::run(self.session, "the first row of a table", &exists).await.map_err(|error| {
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

/// Numbers the tables, and looks up what is read of them. Tables that an interrupted run would have read and
/// that are not among them exist no more.
fn plan(
    tables: &[PublishedTable],
    position: &mut PostgresPosition,
    list: &mut TableList,
) -> Vec<PlannedTable> {
    let progress = &mut position.snapshot_reads.get_or_insert_default().progress;
    let known = list.len();
    let mut planned: Vec<PlannedTable> = Vec::new();
    for published in tables {
        let name = published.info.name();
        let number = match list.number(&name) {
            Some(number) if number >= progress.finished => number,
            earlier => {
                let number = list.add(name);
                // it was there no more when the tables up to its number were finished
                if let Some(read) = earlier.map(|earlier| progress.take(earlier)) {
                    progress.set(number, read);
                }
                number
            }
        };
        let place = TablePlace { is_first: false, is_last: false };
        let (published, read) = (published.clone(), progress.table(number));
        planned.push(PlannedTable { number, published, place, read });
    }
    let mut missing: BTreeSet<usize> = (progress.finished..known).collect();
    for table in &planned {
        missing.remove(&table.number);
    }
    missing.retain(|number| !progress.table(*number).is_complete());
    progress.finish_missing(&missing);
    planned.sort_by_key(|table| table.number);
    if let Some(first) = planned.first_mut() {
        first.place.is_first = true;
    }
    planned
}
