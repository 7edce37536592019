//! The rows that are there before the log is followed, read in one repeatable-read transaction.
//!
//! The handover needs no exported snapshot. The slot is made first, so the log is held from before the snapshot. The
//! snapshot says which transactions it saw; of the log, exactly those are left out ([`SnapshotCut::saw`]). All rows
//! and the position are one commit, so a crash in between leaves nothing, and the next run reads them anew.

use super::catalog::{self, Catalog};
use super::envelope::{self, Change, Operation, Origin};
use super::pgoutput::{Cell, Tuple};
use super::session::{Session, identifier, literal, lsn};
use super::settings::Target;
use super::table::Table;
use crate::{CdcError, CdcErrorKind, CdcResult, Progress, Record, Sink, SnapshotCut};
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_store::clock::Clock;
use std::pin::pin;
use tokio_util::sync::CancellationToken;

/// Rows between two words of progress, and two looks at whether to stop.
const ROWS_PER_PROGRESS: u64 = 1000;

pub(crate) struct Snapshot<'a> {
    pub(crate) session: &'a Session,
    pub(crate) target: &'a Target,
    pub(crate) catalog: &'a mut Catalog,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) progress: &'a (dyn Fn(Progress) + Send + Sync),
    pub(crate) stop: &'a CancellationToken,
}

/// A row that waits until it is known whether it is the last.
struct Waiting {
    table: Table,
    tuple: Tuple,
    first_of_table: bool,
    first_of_all: bool,
}

impl Snapshot<'_> {
    /// Writes every row to the sink; the caller commits. `slot_lsn` is where the log begins.
    pub(crate) async fn read(&mut self, sink: &mut dyn Sink, slot_lsn: u64) -> CdcResult<SnapshotCut> {
        self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let read = self.read_within(sink, slot_lsn).await;
        // nothing to keep on the database's side
        let ended = self.session.execute("ROLLBACK").await;
        let cut = read?;
        ended?;
        Ok(cut)
    }

    async fn read_within(&mut self, sink: &mut dyn Sink, slot_lsn: u64) -> CdcResult<SnapshotCut> {
        // the first statement takes the snapshot; the log position is read after it, so that whatever the snapshot
        // saw was committed before that position
        let seen = self.session.value("SELECT pg_current_snapshot()").await?;
        let end = lsn(&self.session.value("SELECT pg_current_wal_insert_lsn()").await?)?;
        let cut = SnapshotCut::parse(end, &seen)
            .ok_or_else(|| CdcError::source(format!("{seen:?} is no snapshot")))?;
        let published = self.published().await?;
        let listed = catalog::tables(self.session, &self.target.settings).await?;
        let listed: Vec<_> =
            listed.into_iter().filter(|t| published.contains(&(t.schema.clone(), t.table.clone()))).collect();
        let rows = listed.iter().map(|table| table.rows).sum();
        (self.progress)(Progress::SnapshotStarted { tables: listed.len(), rows });
        let origin = Origin {
            prefix: &self.target.settings.name,
            database: &self.target.database,
            snapshot: "true",
            committed_micros: self.clock.since_epoch().as_micros() as i64,
            transaction: Some(cut.xmax as u32),
            lsn: slot_lsn,
            last_commit_lsn: None,
        };
        let mut waiting: Option<Waiting> = None;
        for listed in &listed {
            let table = self.catalog.listed(self.session, &self.target.settings.name, listed).await?;
            sink.table(&table.schema).await?;
            let sql = format!(
                "COPY (SELECT * FROM ONLY {}.{}) TO STDOUT",
                identifier(&listed.schema),
                identifier(&listed.table)
            );
            let broken = |e: tokio_postgres::Error| {
                let what = format!("reading table {}.{} failed", listed.schema, listed.table);
                CdcError::new(CdcErrorKind::Unreachable, what).because(e)
            };
            let mut lines = pin!(self.session.client.copy_out(&sql).await.map_err(broken)?);
            let mut count = 0;
            while let Some(line) = lines.try_next().await.map_err(broken)? {
                let tuple = fields(&line);
                let next = Waiting {
                    table: table.clone(),
                    tuple,
                    first_of_table: count == 0,
                    first_of_all: count == 0 && waiting.is_none(),
                };
                if let Some(row) = waiting.replace(next) {
                    self.write(sink, row, count == 0, false, &origin).await?;
                }
                count += 1;
                if count % ROWS_PER_PROGRESS == 0 {
                    (self.progress)(Progress::SnapshotRows(ROWS_PER_PROGRESS));
                    if self.stop.is_cancelled() {
                        return Err(CdcError::new(CdcErrorKind::Unreachable, "stopped during the snapshot"));
                    }
                }
            }
            (self.progress)(Progress::SnapshotRows(count % ROWS_PER_PROGRESS));
        }
        if let Some(row) = waiting {
            self.write(sink, row, true, true, &origin).await?;
        }
        Ok(cut)
    }

    async fn published(&self) -> CdcResult<std::collections::HashSet<(String, String)>> {
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
        row: Waiting,
        last_of_table: bool,
        last_of_all: bool,
        origin: &Origin<'_>,
    ) -> CdcResult<()> {
        let snapshot = match (last_of_all, last_of_table, row.first_of_all, row.first_of_table) {
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

/// A line of COPY's text format: fields with tabs between, `\N` for null, `\` before what would be taken otherwise.
fn fields(line: &[u8]) -> Tuple {
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
    fn copied_lines_are_split_and_unescaped() {
        let text = |t: &'static [u8]| Cell::Text(Bytes::from_static(t));
        assert_eq!(fields(b"1\t\\N\t\ta\\tb\\\\N\n"), [text(b"1"), Cell::Null, text(b""), text(b"a\tb\\N")]);
        assert_eq!(fields(b"\\\\x00ff\n"), [text(b"\\x00ff")]);
    }
}
