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
use super::envelope::{self, Change, Operation, Origin};
use super::pgoutput::{Cell, Tuple};
use super::publication::PublishedTable;
use super::replaced_values::ReplacedValues;
use super::settings::Target;
use super::table::Table;
use crate::{CdcError, CdcErrorKind, CdcResult, Progress, Record, Sink, SnapshotCut};
use bytes::{Buf, Bytes};
use futures::TryStreamExt;
use kulya_store::clock::Clock;
use std::pin::pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The number of rows between two progress notifications, and between two checks for cancellation.
const ROWS_PER_PROGRESS: u64 = 1000;
/// The number of tables that one statement locks.
const TABLES_PER_LOCK: usize = 100;

pub(crate) struct Snapshot<'a> {
    pub(crate) session: &'a Session,
    pub(crate) target: &'a Target,
    pub(crate) catalog: &'a mut Catalog,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) on_progress: &'a (dyn Fn(Progress) + Send + Sync),
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) replaced_values: ReplacedValues,
}

/// A row that is held back until it is known whether it is the last one.
struct PendingRow {
    table: Arc<Table>,
    tuple: Tuple,
    is_first_of_table: bool,
    is_first: bool,
}

impl Snapshot<'_> {
    /// Writes all rows of the tables to the sink; the caller commits. `slot_lsn` is the position from which
    /// the log is retained.
    ///
    /// # Errors
    /// `Unreachable` when a table was dropped or renamed meanwhile, among others: read the publication again.
    pub(crate) async fn read(
        &mut self,
        tables: &[PublishedTable],
        sink: &mut dyn Sink,
        slot_lsn: u64,
    ) -> CdcResult<SnapshotCut> {
        self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let result = self.read_in_transaction(tables, sink, slot_lsn).await;
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
        sink: &mut dyn Sink,
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
        (self.on_progress)(Progress::SnapshotStarted { tables: tables.len(), rows });
        let origin = Origin {
            prefix: &self.target.settings.name,
            database: &self.target.database,
            snapshot: "true",
            committed_micros: self.clock.since_epoch().as_micros() as i64,
            transaction: Some(cut.xmax as u32),
            lsn: slot_lsn,
            last_commit_lsn: None,
        };
        let mut pending: Option<PendingRow> = None;
        for published in tables {
            let table_info = &published.info;
            let prefix = &self.target.settings.name;
            let columns = published.columns.as_deref();
            let table = self.catalog.current_table(self.session, prefix, table_info, columns).await?;
            let table = Arc::new(table);
            sink.table(&table.schema).await?;
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
                let tuple = parse_copy_line(line);
                let next = PendingRow {
                    table: Arc::clone(&table),
                    tuple,
                    is_first_of_table: count == 0,
                    is_first: count == 0 && pending.is_none(),
                };
                if let Some(row) = pending.replace(next) {
                    self.write(sink, row, count == 0, false, &origin).await?;
                }
                count += 1;
                if count % ROWS_PER_PROGRESS == 0 {
                    (self.on_progress)(Progress::SnapshotRows(ROWS_PER_PROGRESS));
                    if self.cancel.is_cancelled() {
                        return Err(CdcError::new(
                            CdcErrorKind::Unreachable,
                            "cancelled during the snapshot",
                        ));
                    }
                }
            }
            (self.on_progress)(Progress::SnapshotRows(count % ROWS_PER_PROGRESS));
        }
        if let Some(row) = pending {
            self.write(sink, row, true, true, &origin).await?;
        }
        Ok(cut)
    }

    async fn write(
        &mut self,
        sink: &mut dyn Sink,
        mut row: PendingRow,
        is_last_of_table: bool,
        is_last: bool,
        origin: &Origin<'_>,
    ) -> CdcResult<()> {
        let snapshot = match (is_last, is_last_of_table, row.is_first, row.is_first_of_table) {
            (true, ..) => "last",
            (_, true, ..) => "last_in_data_collection",
            (_, _, true, _) => "first",
            (_, _, _, true) => "first_in_data_collection",
            _ => "true",
        };
        let after = row.table.row(&row.tuple);
        self.replaced_values.report(&after.replaced);
        if !after.nulls.is_empty() {
            row.table = Arc::new(row.table.with_optional(&after.nulls));
            sink.table(&row.table.schema).await?;
        }
        let change = Change { operation: Operation::Read, before: None, after: Some(after) };
        let origin = Origin { snapshot, ..origin.clone() };
        let records: Vec<Record> =
            envelope::records(&row.table, change, &origin, || None, self.clock.since_epoch());
        for record in records {
            sink.write(record).await?;
        }
        Ok(())
    }
}

/// Returns the query of a table's published rows, with its columns by name.
fn select(published: &PublishedTable, table: &Table) -> String {
    let columns: Vec<String> = table.column_names().map(identifier).collect();
    let only = if published.info.is_partitioned { "" } else { "ONLY " };
    let filter = published.filter.as_ref().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
    format!("SELECT {} FROM {only}{}{filter}", columns.join(", "), published.info.quoted())
}

/// Parses a line of COPY's text format: tab-separated fields, `\N` for null, `\` as escape character.
fn parse_copy_line(line: Bytes) -> Tuple {
    let end = line.strip_suffix(b"\n").map_or(line.len(), <[u8]>::len);
    let mut cells = Vec::new();
    let mut rest = line.slice(..end);
    loop {
        let length = rest.iter().position(|byte| *byte == b'\t').unwrap_or(rest.len());
        let field = rest.split_to(length);
        cells.push(match field.as_ref() {
            b"\\N" => Cell::Null,
            escaped if escaped.contains(&b'\\') => Cell::Text(unescape(escaped)),
            _ => Cell::Text(field),
        });
        if rest.is_empty() {
            return cells;
        }
        rest.advance(1);
    }
}

fn unescape(field: &[u8]) -> Bytes {
    let mut plain = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 8,
                Some(b'f') => 12,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'v') => 11,
                Some(other) => *other,
                None => b'\\',
            },
            byte => *byte,
        });
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_lines_are_split_and_unescaped() {
        let text = |t: &'static [u8]| Cell::Text(Bytes::from_static(t));
        assert_eq!(
            parse_copy_line(Bytes::from_static(b"1\t\\N\t\ta\\tb\\\\N\n")),
            [text(b"1"), Cell::Null, text(b""), text(b"a\tb\\N")]
        );
        assert_eq!(parse_copy_line(Bytes::from_static(b"\\\\x00ff\n")), [text(b"\\x00ff")]);
    }
}
