//! The initial snapshot: the existing rows, read in one repeatable-read transaction before the log is
//! streamed.
//!
//! The handover to the log needs no exported snapshot. The replication slot is created first, so the log is
//! retained from before the snapshot. Transactions that the snapshot contains are skipped in the log
//! ([`SnapshotCut::contains`]). All rows and the position are one commit, so after a crash the next run reads
//! the snapshot again.

use super::catalog::{Catalog, TableInfo};
use super::connection::server_error::ServerError;
use super::connection::session::{Session, identifier, parse_lsn};
use super::connection::wait::wait_for;
use super::copy_line::CopyLine;
use super::offset::SnapshotCut;
use super::publication::PublishedTable;
use super::settings::Target;
use super::source_block::{Origin, SourceStart};
use super::table::{Image, Table, TableRow};
use crate::debezium::change::{Change, ChangeContext, write_change};
use crate::debezium::envelope::{Operation, ProcessingTime};
use crate::debezium::events::EventContext;
use crate::debezium::replaced_values::ReplacedValues;
use crate::debezium::row_image::Findings;
use crate::output::Output;
use crate::{CdcError, CdcErrorKind, CdcResult, Progress};
use bytes::Bytes;
use futures::TryStreamExt;
use std::pin::pin;
use std::sync::Arc;

/// The number of rows between two progress notifications, and between two checks for cancellation.
const ROWS_PER_PROGRESS: u64 = 1000;
/// The number of tables that one statement locks.
const TABLES_PER_LOCK: usize = 100;

pub(crate) struct Snapshot<'a> {
    session: &'a Session,
    target: &'a Target,
    events: &'a EventContext,
    catalog: Catalog,
    replaced_values: ReplacedValues,
    line: CopyLine,
}

/// A row that is held back until it is known whether it is the last one.
struct PendingRow {
    table: Arc<Table>,
    line: Bytes,
    is_first_of_table: bool,
    is_first: bool,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(session: &'a Session, target: &'a Target, events: &'a EventContext) -> Self {
        let (catalog, replaced_values, line) = Default::default();
        Self { session, target, events, catalog, replaced_values, line }
    }

    /// Hands over all rows of the tables; the caller commits. `slot_lsn` is the position from which
    /// the log is retained.
    ///
    /// # Errors
    /// `Unreachable` when a table was dropped or renamed meanwhile, among others: read the publication again.
    pub(crate) async fn read(
        &mut self,
        tables: &[PublishedTable],
        output: &mut Output<'_>,
        slot_lsn: u64,
    ) -> CdcResult<SnapshotCut> {
        self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let result = self.read_in_transaction(tables, output, slot_lsn).await;
        // the transaction only reads
        let rollback = self.session.execute("ROLLBACK").await;
        let cut = result?;
        rollback?;
        Ok(cut)
    }

    /// Locks the tables, so that their columns stay as they are until their rows are read.
    async fn lock(&self, tables: &[PublishedTable]) -> CdcResult<()> {
        for group in tables.chunks(TABLES_PER_LOCK) {
            let only = |table: &TableInfo| if table.is_partitioned { "" } else { "ONLY " };
            let names: Vec<String> =
                group.iter().map(|table| format!("{}{}", only(&table.info), table.info.quoted())).collect();
            let names = names.join(", ");
            let sql = format!("LOCK TABLE {names} IN ACCESS SHARE MODE");
            let lock = self.session.execute(&sql);
            wait_for(self.target, self.session, "a lock of the tables of the snapshot", lock).await.map_err(
                |e| {
                    // a table that is gone is not in the next attempt
                    let kind = match ServerError::cause_of(&e) {
                        Some(cause) if cause.code == "42P01" => CdcErrorKind::Unreachable,
                        _ => e.kind(),
                    };
                    CdcError::new(kind, format!("cannot lock the tables of the snapshot: {e}")).because(e)
                },
            )?;
        }
        Ok(())
    }

    async fn read_in_transaction(
        &mut self,
        tables: &[PublishedTable],
        output: &mut Output<'_>,
        slot_lsn: u64,
    ) -> CdcResult<SnapshotCut> {
        self.lock(tables).await?;
        // the first query takes the snapshot; the log position is read after it, so that all transactions
        // in the snapshot were committed before that position
        let snapshot = self.session.value("SELECT pg_current_snapshot()").await?;
        let end = parse_lsn(&self.session.value("SELECT pg_current_wal_insert_lsn()").await?)?;
        let cut = SnapshotCut::parse(end, &snapshot)
            .ok_or_else(|| CdcError::source(format!("{snapshot:?} is not a snapshot")))?;
        let rows = tables.iter().map(|table| table.info.rows).sum();
        (output.on_progress)(Progress::SnapshotStarted { tables: tables.len(), rows });
        let source = SourceStart::new(&self.target.settings.name, &self.target.database);
        let origin = Origin {
            start: &source,
            snapshot: "true",
            committed_micros: output.clock.since_epoch().as_micros() as i64,
            transaction: Some(cut.xmax as u32),
            lsn: slot_lsn,
            last_commit_lsn: None,
        };
        let mut pending: Option<PendingRow> = None;
        for published in tables {
            let table_info = &published.info;
            let columns = published.columns.as_deref();
            let table = self.catalog.current_table(self.session, self.events, table_info, columns).await?;
            let table = Arc::new(table);
            output.batch.declare(&table.events.destination);
            let sql = format!("COPY ({}) TO STDOUT", select(published, &table));
            let copy_error = |e: tokio_postgres::Error| {
                let error = self.session.query_error(e);
                let what =
                    format!("reading table {}.{} failed: {error}", table_info.schema, table_info.table);
                CdcError::new(error.kind(), what).because(error)
            };
            let mut lines = pin!(self.session.client.copy_out(&sql).await.map_err(copy_error)?);
            let mut count = 0;
            while let Some(line) = lines.try_next().await.map_err(copy_error)? {
                let next = PendingRow {
                    table: Arc::clone(&table),
                    line,
                    is_first_of_table: count == 0,
                    is_first: count == 0 && pending.is_none(),
                };
                if let Some(row) = pending.replace(next) {
                    self.write(output, row, count == 0, false, &origin);
                    if output.is_full() {
                        output.stage().await?;
                    }
                }
                count += 1;
                if count % ROWS_PER_PROGRESS == 0 {
                    (output.on_progress)(Progress::SnapshotRows(ROWS_PER_PROGRESS));
                    if output.cancel.is_cancelled() {
                        return Err(CdcError::new(
                            CdcErrorKind::Unreachable,
                            "cancelled during the snapshot",
                        ));
                    }
                }
            }
            (output.on_progress)(Progress::SnapshotRows(count % ROWS_PER_PROGRESS));
        }
        if let Some(row) = pending {
            self.write(output, row, true, true, &origin);
        }
        Ok(cut)
    }

    fn write(
        &mut self,
        output: &mut Output<'_>,
        row: PendingRow,
        is_last_of_table: bool,
        is_last: bool,
        origin: &Origin<'_>,
    ) {
        let snapshot = match (is_last, is_last_of_table, row.is_first, row.is_first_of_table) {
            (true, ..) => "last",
            (_, true, ..) => "last_in_data_collection",
            (_, _, true, _) => "first",
            (_, _, _, true) => "first_in_data_collection",
            _ => "true",
        };
        let origin = Origin { snapshot, ..*origin };
        let now = ProcessingTime::new(output.clock.since_epoch());
        let cells = self.line.parse(&row.line);
        let mark = output.batch.mark();
        let mut table = row.table;
        let mut findings = Findings::default();
        loop {
            let after = TableRow { table: &table, cells: &cells, image: Image::Complete };
            let change = Change { operation: Operation::Read, before: None, after: Some(&after) };
            let context = ChangeContext {
                events: self.events,
                table: &table.events,
                now: &now,
                source: &|out| origin.write(&table.source_members, out),
            };
            write_change(&mut output.batch, &change, &context, &mut || None, &mut findings);
            if findings.nulls.is_empty() {
                break;
            }
            output.batch.go_back_to(mark);
            table = Arc::new(table.with_optional(self.events, &findings.nulls));
            findings.nulls.clear();
            findings.replaced.clear();
        }
        self.replaced_values.report(&findings.replaced);
    }
}

/// Returns the query of a table's published rows, with its columns by name.
fn select(published: &PublishedTable, table: &Table) -> String {
    let columns: Vec<String> = table.column_names().map(identifier).collect();
    let only = if published.info.is_partitioned { "" } else { "ONLY " };
    let filter = published.filter.as_ref().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
    format!("SELECT {} FROM {only}{}{filter}", columns.join(", "), published.info.quoted())
}
