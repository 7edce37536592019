//! The initial snapshot: the existing rows, read in one repeatable-read transaction before the log is
//! streamed.
//!
//! The handover to the log needs no exported snapshot: the one that is exported is for the session that
//! copies the rows. The replication slot is created first, so the log is retained from before the snapshot.
//! Transactions that the snapshot contains are skipped in the log ([`SnapshotCut::contains`]). A table's rows
//! and the transactions that they contain are one commit, so after a crash the next run reads the tables
//! that have none.

use super::catalog::{Catalog, TableInfo};
use super::connection::copy::CopySession;
use super::connection::server_error::ServerError;
use super::connection::session::{Session, identifier, literal, parse_lsn};
use super::connection::wait;
use super::copy_line::CopyLine;
use super::offset::{PostgresPosition, SnapshotCut};
use super::publication::PublishedTable;
use super::settings::Target;
use super::source_block::{Origin, SourceStart};
use super::table::{Image, Table, TableRow};
use crate::debezium::Compatibility;
use crate::debezium::change::{Change, ChangeContext, write_change};
use crate::debezium::envelope::{Operation, ProcessingTime};
use crate::debezium::events::EventContext;
use crate::debezium::replaced_values::ReplacedValues;
use crate::debezium::row_image::Findings;
use crate::debezium::snapshot_mark::TablePlace;
use crate::output::Output;
use crate::{CdcError, CdcErrorKind, CdcResult, Position, Progress};
use bytes::Bytes;
use std::sync::Arc;

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

/// A row that is held back until it is known whether it is the last one of its table.
struct PendingRow {
    line: Bytes,
    is_first_of_table: bool,
}

/// What the rows of one table have in common.
#[derive(Clone, Copy)]
struct TableOrigin<'a> {
    origin: Origin<'a>,
    place: TablePlace,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(session: &'a Session, target: &'a Target, events: &'a EventContext) -> Self {
        let (catalog, replaced_values, line) = Default::default();
        Self { session, target, events, catalog, replaced_values, line }
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
            self.table(published, output).await?;
        }
        Ok(())
    }

    /// Reads all rows of the tables and commits each table's with the transactions that they contain.
    ///
    /// # Errors
    /// `Unreachable` when a table was dropped or renamed meanwhile, among others: read the publication again.
    pub(crate) async fn read(
        &mut self,
        tables: &[PublishedTable],
        position: &mut PostgresPosition,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let result = self.read_in_transaction(tables, position, output).await;
        // the transaction only reads
        let rollback = self.session.execute("ROLLBACK").await;
        result.and(rollback)
    }

    /// Locks the tables, so that their columns stay as they are until their rows are read.
    async fn lock(&self, tables: &[PublishedTable]) -> CdcResult<()> {
        for group in tables.chunks(TABLES_PER_LOCK) {
            let names: Vec<String> = group.iter().map(|table| self.relation(&table.info)).collect();
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
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
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
            lsn: position.lsn,
            last_commit_lsn: None,
        };
        let mut reader = self.open_reader().await?;
        let mut versions = Vec::new();
        let mut with_rows = Vec::new();
        for (index, published) in tables.iter().enumerate() {
            let table = self.table(published, output).await?;
            let exists = format!("SELECT EXISTS ({})", self.select(published, &table));
            let found = wait::run(self.session, "the first row of a table", &exists).await;
            let found = found.map_err(|e| reading_failed(published, e))?;
            if found.first().and_then(|row| row.get(0)) == Some("t") {
                with_rows.push(index);
            }
            versions.push(table);
        }
        for (index, (published, table)) in tables.iter().zip(versions).enumerate() {
            let place = TablePlace { is_first: index == 0, is_last: with_rows.last() == Some(&index) };
            let origin = TableOrigin { origin, place };
            if with_rows.contains(&index) {
                self.read_table(&mut reader, published, table, &origin, output).await?;
            }
            position.table_snapshots.insert(published.info.name(), cut.clone());
            output.commit(Position::Postgres(position.clone()).into()).await?;
        }
        reader.close().await;
        Ok(())
    }

    /// Opens a session that sees what this one's transaction sees.
    async fn open_reader(&self) -> CdcResult<CopySession> {
        let snapshot = self.session.value("SELECT pg_export_snapshot()").await?;
        let mut reader = CopySession::open(self.target).await?;
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        reader.execute(&format!("SET TRANSACTION SNAPSHOT {}", literal(&snapshot))).await?;
        Ok(reader)
    }

    /// Declares a table in its current version.
    async fn table(&mut self, published: &PublishedTable, output: &mut Output<'_>) -> CdcResult<Arc<Table>> {
        let columns = published.columns.as_deref();
        let table = self.catalog.current_table(self.session, self.events, &published.info, columns).await?;
        output.batch.declare(&table.events.destination);
        let omitted = table.omitted_columns();
        if !omitted.is_empty() {
            tracing::warn!(
                table = table.events.schema.table_name(),
                columns = omitted.join(", "),
                "events do not contain columns of these types: set include-unknown-types to have their text"
            );
        }
        Ok(Arc::new(table))
    }

    /// Returns the query of a table's published rows, with its columns by name.
    fn select(&self, published: &PublishedTable, table: &Table) -> String {
        let columns: Vec<String> = table.column_names().map(identifier).collect();
        let filter = published.filter.as_ref().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
        format!("SELECT {} FROM {}{filter}", columns.join(", "), self.relation(&published.info))
    }

    /// Returns a table as a statement names it: without the tables that inherit from it, whose rows are their
    /// own. Debezium reads them with both.
    fn relation(&self, table: &TableInfo) -> String {
        let has_descendants = table.is_partitioned || self.events.modes.compat == Compatibility::Debezium;
        format!("{}{}", if has_descendants { "" } else { "ONLY " }, table.quoted())
    }

    async fn read_table(
        &mut self,
        reader: &mut CopySession,
        published: &PublishedTable,
        mut table: Arc<Table>,
        origin: &TableOrigin<'_>,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let sql = format!("COPY ({}) TO STDOUT", self.select(published, &table));
        reader.start(&sql).await.map_err(|e| reading_failed(published, e))?;
        let mut pending: Option<PendingRow> = None;
        let mut count = 0;
        while let Some(frame) = reader.next_line().await.map_err(|e| reading_failed(published, e))? {
            if let Some(bytes) = frame.cut_from {
                self.omit(output, &frame.payload, bytes, &table);
                continue;
            }
            let line = frame.payload;
            let next = PendingRow { line, is_first_of_table: count == 0 };
            if let Some(row) = pending.replace(next) {
                self.write(output, &row, &mut table, false, origin);
                if output.is_full() {
                    output.stage().await?;
                }
            }
            count += 1;
            output.on_snapshot_row(count)?;
        }
        if let Some(row) = pending {
            self.write(output, &row, &mut table, true, origin);
        }
        output.on_snapshot_table_end(count);
        Ok(())
    }

    /// Leaves out an event whose row is larger than an event can be.
    fn omit(&mut self, output: &mut Output<'_>, beginning: &[u8], bytes: usize, table: &Table) {
        let mut cells = self.line.parse(beginning);
        // the last cell may have been cut
        cells.pop();
        let key = table.write_cut_key(&cells, output.batch.buffer());
        output.batch.omit(&table.events.destination, key, bytes);
    }

    fn write(
        &mut self,
        output: &mut Output<'_>,
        row: &PendingRow,
        table: &mut Arc<Table>,
        is_last_of_table: bool,
        origin: &TableOrigin<'_>,
    ) {
        let origin =
            Origin { snapshot: origin.place.mark(row.is_first_of_table, is_last_of_table), ..origin.origin };
        let now = ProcessingTime::new(output.clock.since_epoch());
        let cells = self.line.parse(&row.line);
        let mark = output.batch.mark();
        let mut findings = Findings::default();
        loop {
            let after = TableRow { table, cells: &cells, image: Image::Complete };
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
            *table = Arc::new(table.with_optional(self.events, &findings.nulls));
            findings.nulls.clear();
            findings.replaced.clear();
        }
        self.replaced_values.report(&findings.replaced);
    }
}

fn reading_failed(published: &PublishedTable, error: CdcError) -> CdcError {
    let info = &published.info;
    let what = format!("reading table {}.{} failed: {error}", info.schema, info.table);
    CdcError::new(error.kind(), what).because(error)
}
