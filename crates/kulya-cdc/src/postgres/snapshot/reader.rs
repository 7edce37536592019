//! A reader of a snapshot: a session of its own, whose rows become events in a task of its own.

use super::row_writer::{RowContext, RowWriter};
use super::work::Work;
use crate::batch::LARGE_ROW_BYTES;
use crate::postgres::connection::copy::{CopySession, Line};
use crate::postgres::connection::frames::Frame;
use crate::snapshot_parts::HandOver;
use crate::{CdcError, CdcResult};
use std::sync::Arc;

/// The savepoint to which readers go back after a range. The server keeps the locks of tables and indexes
/// that a transaction has read, of which it has a limited number; the snapshot's own session has those it
/// needs.
pub(super) const SAVEPOINT: &str = "kulya";

/// A reader.
pub(super) struct Reader {
    session: CopySession,
    writer: RowWriter,
    output: HandOver<Work>,
}

impl Reader {
    pub(super) fn new(session: CopySession, rows: &Arc<RowContext>, output: HandOver<Work>) -> Self {
        Self { session, writer: RowWriter::new(Arc::clone(rows)), output }
    }

    /// Reads until there is no work, and ends the session. An error is handed over.
    pub(super) async fn run(mut self) {
        while let Some(work) = self.output.next_work().await {
            if let Err(error) = self.read(&work).await {
                return self.output.fail(work.table.failed(error)).await;
            }
        }
        self.session.close().await;
    }

    async fn read(&mut self, work: &Work) -> CdcResult<()> {
        let Work { table: info, range } = work;
        let mut table = info.version();
        self.output.batch.declare(&table.events.destination);
        self.session.start(&info.copy(range)).await?;
        let mut rest = range.clone();
        let mut is_first = range.after.is_none();
        while let Some(frame) = self.next_line().await? {
            if let Some(bytes) = frame.cut_from {
                self.writer.omit(&frame.payload, bytes, &table, &mut self.output.batch);
                continue;
            }
            let is_followed = self.session.is_followed().await?;
            let mark = info.place.mark(is_first, !is_followed && range.to.is_none());
            is_first = false;
            self.output.batch.reserve_for_row(frame.payload.len());
            self.writer.write(&frame.payload, mark, &mut table, &mut self.output.batch);
            self.output.rows += 1;
            if is_followed && self.output.is_due() {
                info.set_version(&table);
                let completes = match info.key_cells() {
                    Some(cells) => {
                        Some(rest.take_to(self.writer.key(&frame.payload, cells).ok_or_else(|| {
                            CdcError::source("a row has null or no text in its primary key")
                        })?))
                    }
                    None => None,
                };
                drop(frame);
                self.output.hand_over(completes).await?;
                self.output.batch.declare(&table.events.destination);
            }
        }
        info.set_version(&table);
        self.session.execute(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await?;
        self.output.hand_over(Some(rest)).await
    }

    /// Returns the next line; `None` after the last one. Before a large one arrives, waits until the one
    /// before is stored.
    async fn next_line(&mut self) -> CdcResult<Option<Frame>> {
        loop {
            match self.session.take_line()? {
                Line::Arrived(frame) => return Ok(Some(frame)),
                Line::End => return Ok(None),
                Line::Missing { bytes } if bytes > LARGE_ROW_BYTES => {
                    self.output.reserve_large_row().await;
                }
                Line::Missing { .. } => {}
            }
            self.session.receive().await?;
        }
    }
}
