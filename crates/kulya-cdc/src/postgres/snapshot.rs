//! The initial snapshot: the existing rows, read in one repeatable-read transaction before the log is
//! streamed.
//!
//! The handover to the log needs no exported snapshot. The replication slot is created first, so the log is
//! retained from before the snapshot. Transactions that the snapshot contains are skipped in the log
//! ([`SnapshotCut::contains`]). All rows and the position are one commit, so after a crash the next run reads
//! the snapshot again.

use super::catalog::{self, Catalog};
use super::envelope::{self, Change, Operation, Origin};
use super::pgoutput::{Cell, Tuple};
use super::session::{Session, identifier, literal, parse_lsn};
use super::settings::Target;
use super::table::Table;
use crate::{CdcError, CdcErrorKind, CdcResult, Progress, Record, Sink, SnapshotCut};
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_store::clock::Clock;
use std::pin::pin;
use tokio_util::sync::CancellationToken;

/// The number of rows between two progress notifications, and between two checks for cancellation.
const ROWS_PER_PROGRESS: u64 = 1000;

pub(crate) struct Snapshot<'a> {
    pub(crate) session: &'a Session,
    pub(crate) target: &'a Target,
    pub(crate) catalog: &'a mut Catalog,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) on_progress: &'a (dyn Fn(Progress) + Send + Sync),
    pub(crate) cancel: &'a CancellationToken,
}

/// A row that is held back until it is known whether it is the last one.
struct PendingRow {
    table: Table,
    tuple: Tuple,
    is_first_of_table: bool,
    is_first: bool,
}

impl Snapshot<'_> {
    /// Writes all rows to the sink; the caller commits. `slot_lsn` is the position from which the log is
    /// retained.
    pub(crate) async fn read(&mut self, sink: &mut dyn Sink, slot_lsn: u64) -> CdcResult<SnapshotCut> {
        self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let result = self.read_in_transaction(sink, slot_lsn).await;
        // the transaction only reads
        let rollback = self.session.execute("ROLLBACK").await;
        let cut = result?;
        rollback?;
        Ok(cut)
    }

    async fn read_in_transaction(&mut self, sink: &mut dyn Sink, slot_lsn: u64) -> CdcResult<SnapshotCut> {
        // the first statement takes the snapshot; the log position is read after it, so that all transactions
        // in the snapshot were committed before that position
        let snapshot = self.session.value("SELECT pg_current_snapshot()").await?;
        let end = parse_lsn(&self.session.value("SELECT pg_current_wal_insert_lsn()").await?)?;
        let cut = SnapshotCut::parse(end, &snapshot)
            .ok_or_else(|| CdcError::source(format!("{snapshot:?} is not a snapshot")))?;
        let published = self.published_tables().await?;
        let tables = catalog::captured_tables(self.session, &self.target.settings).await?;
        let tables: Vec<_> =
            tables.into_iter().filter(|t| published.contains(&(t.schema.clone(), t.table.clone()))).collect();
        let rows = tables.iter().map(|table| table.rows).sum();
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
        for table_info in &tables {
            let table =
                self.catalog.current_table(self.session, &self.target.settings.name, table_info).await?;
            sink.table(&table.schema).await?;
            let sql = format!(
                "COPY (SELECT * FROM ONLY {}.{}) TO STDOUT",
                identifier(&table_info.schema),
                identifier(&table_info.table)
            );
            let copy_error = |e: tokio_postgres::Error| {
                let what = format!("reading table {}.{} failed", table_info.schema, table_info.table);
                CdcError::new(CdcErrorKind::Unreachable, what).because(e)
            };
            let mut lines = pin!(self.session.client.copy_out(&sql).await.map_err(copy_error)?);
            let mut count = 0;
            while let Some(line) = lines.try_next().await.map_err(copy_error)? {
                let tuple = parse_copy_line(&line);
                let next = PendingRow {
                    table: table.clone(),
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

    async fn published_tables(&self) -> CdcResult<std::collections::HashSet<(String, String)>> {
        let sql = format!(
            "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = {}",
            literal(&self.target.settings.publication)
        );
        let rows = self.session.rows(&sql).await?;
        let text = |row: &tokio_postgres::SimpleQueryRow, column: usize| {
            row.get(column).unwrap_or_default().to_owned()
        };
        Ok(rows.iter().map(|row| (text(row, 0), text(row, 1))).collect())
    }

    async fn write(
        &self,
        sink: &mut dyn Sink,
        row: PendingRow,
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
        let after = row.table.row(&row.tuple)?;
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

/// Parses a line of COPY's text format: tab-separated fields, `\N` for null, `\` as escape character.
fn parse_copy_line(line: &[u8]) -> Tuple {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.split(|byte| *byte == b'\t')
        .map(|field| if field == b"\\N" { Cell::Null } else { Cell::Text(unescape(field)) })
        .collect()
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
            parse_copy_line(b"1\t\\N\t\ta\\tb\\\\N\n"),
            [text(b"1"), Cell::Null, text(b""), text(b"a\tb\\N")]
        );
        assert_eq!(parse_copy_line(b"\\\\x00ff\n"), [text(b"\\x00ff")]);
    }
}
