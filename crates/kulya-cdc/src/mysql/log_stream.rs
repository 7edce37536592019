//! Streaming of the log: events as they arrive, batches of whole transactions with the position after them.

mod incremental;
mod large;
mod statements;

use super::binlog::{BinlogError, Checksum, Decoder, Rows};
use super::checkpoint::history_text;
use super::connection::{BinlogStream, Connection, ReceivedEvent};
use super::events::{EventPlace, EventWriter, RowsToWrite};
use super::heartbeat::run_statement;
use super::incremental::{MysqlChunks, RowIdentity};
use super::log_meter::LogMeter;
use super::offset::MysqlPosition;
use super::schema_changes::SchemaChanges;
use super::schema_history::{self, TableName};
use super::source_block::Origin;
use super::stream::{Change, Ddl, End, LogReader, RowsChange, Step, Transaction};
use super::transaction::OpenTransaction;
use crate::batch::Mark;
use crate::debezium::envelope::ProcessingTime;
use crate::heartbeat::Heartbeats;
use crate::incremental::Incremental;
use crate::output::Output;
use crate::snapshot_progress::TableList;
use crate::{CaptureSettings, CdcError, CdcErrorKind, CdcResult, Checkpoint, Position};
use futures::FutureExt;
use statements::Statements;
use std::sync::Arc;
use std::time::Duration;

/// The size up to which events and rows are read as a whole, in bytes: one of a text of this size does not
/// fit into an event of a stream.
pub(crate) const MAX_WHOLE_BYTES: usize = 12 << 20;

/// The number of log bytes without captured changes after which the position is stored, so that the server
/// may purge the log.
const IDLE_BYTES: u64 = 1 << 20;

/// The number of events that are read at once, before the time is read again and heartbeats are looked at.
const MAX_EVENTS_PER_TURN: u32 = 1000;

/// The stream of one connection, and its state.
pub(crate) struct LogStream {
    reader: LogReader,
    decoder: Decoder,
    writer: EventWriter,
    schema_changes: Option<SchemaChanges>,
    /// The list of a snapshot's tables.
    snapshot_tables: TableList,
    /// The position of the next commit.
    position: MysqlPosition,
    /// The position of the last commit that was handed over.
    committed: MysqlPosition,
    /// The version of the definitions that is stored.
    stored_version: u64,
    /// The place at which to stop.
    target: Option<MysqlPosition>,
    transaction: Option<OpenTransaction>,
    /// The batch before the transaction; `None` if a part of the transaction was handed over.
    before: Option<Mark>,
    now: ProcessingTime,
    heartbeats: Heartbeats,
    meter: LogMeter,
    settings: Arc<CaptureSettings>,
    incremental: Incremental<MysqlChunks>,
    /// The last table whose changes were noted for a chunk.
    identity: Option<RowIdentity>,
    statements: Statements,
}

impl LogStream {
    pub(crate) fn new(
        reader: LogReader,
        writer: EventWriter,
        position: MysqlPosition,
        target: Option<MysqlPosition>,
        (settings, incremental): (Arc<CaptureSettings>, Incremental<MysqlChunks>),
        heartbeats: Heartbeats,
        output: &Output<'_>,
    ) -> Self {
        Self {
            stored_version: reader.schema_version(),
            reader,
            // what the session has declared; the log says what holds from its first event on
            decoder: Decoder::new(Checksum::Crc32).with_max_event_bytes(MAX_WHOLE_BYTES as u64),
            writer,
            schema_changes: None,
            snapshot_tables: TableList::default(),
            committed: position.clone(),
            meter: LogMeter::new(position.point.clone()),
            position,
            target,
            transaction: None,
            before: None,
            now: ProcessingTime::new(output.clock.since_epoch()),
            settings,
            incremental,
            identity: None,
            heartbeats,
            statements: Statements::default(),
        }
    }

    /// Sets what writes the statements that change tables.
    pub(crate) fn with_schema_changes(mut self, changes: Option<SchemaChanges>) -> Self {
        self.schema_changes = changes;
        self
    }

    /// Sets the list of a snapshot's tables, which is stored as long as the position has what is read of
    /// them.
    pub(crate) fn with_snapshot_tables(mut self, list: TableList) -> Self {
        self.snapshot_tables = list;
        self
    }

    /// Streams until cancelled or caught up. Records of an unfinished transaction are not committed; the next
    /// run reads them again. `session` is asked for the end of the log.
    pub(crate) async fn run(
        mut self,
        events: &mut BinlogStream,
        session: &mut Connection,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        loop {
            self.now = ProcessingTime::new(output.clock.since_epoch());
            self.statements.forget();
            let mut count = 0;
            while count < MAX_EVENTS_PER_TURN
                && !self.is_caught_up()
                && let Some(event) = events.next_whole_or_piece(MAX_WHOLE_BYTES).now_or_never()
            {
                count += 1;
                if self.on_received(event?, events, session, output).await? {
                    output.flush().await;
                    return Ok(());
                }
            }
            if self.transaction.is_none() {
                if self.is_caught_up() || output.cancel.is_cancelled() {
                    return self.finish(output).await;
                }
                if let Some(statement) = self.heartbeats.beat(output) {
                    tokio::select! {
                        result = run_statement(session, statement) => result?,
                        // the session waits for a result that nobody reads
                        () = output.cancel.cancelled() => return self.finish(output).await,
                    }
                }
                self.advance_incremental(output).await?;
                // while the sink is busy, what arrives shares the next commit
                if !output.batch.is_empty() && output.is_idle() {
                    self.commit(output).await?;
                }
            }
            let read = self.transaction.is_none().then_some(&self.position.point);
            self.meter.measure(session, &self.committed.point, read, output).await;
            let (cancel, control, is_idle) = (output.cancel, output.control, output.is_idle());
            tokio::select! {
                event = events.next_whole_or_piece(MAX_WHOLE_BYTES) => {
                    if self.on_received(event?, events, session, output).await? {
                        output.flush().await;
                        return Ok(());
                    }
                }
                () = self.heartbeats.wait(output.clock.since_epoch()), if self.transaction.is_none() => {}
                () = output.stored_more(), if !is_idle => {}
                () = self.incremental.ready(control), if self.transaction.is_none() => {}
                () = self.meter.due() => {}
                () = cancel.cancelled() => {
                    if self.transaction.is_some() {
                        output.flush().await;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads an event. Returns whether the capture was cancelled within it.
    async fn on_received(
        &mut self,
        event: Option<ReceivedEvent>,
        events: &mut BinlogStream,
        session: &mut Connection,
        output: &mut Output<'_>,
    ) -> CdcResult<bool> {
        let ended = || CdcError::new(CdcErrorKind::Unreachable, "the server has ended the binary log");
        match event.ok_or_else(ended)? {
            ReceivedEvent::Whole(event) => self.on_event(&event, output).await?,
            ReceivedEvent::Begun(piece) => {
                if self.on_large(piece, events, output).await? {
                    return Ok(true);
                }
            }
        }
        self.statements.verify(session).await?;
        if output.is_full() {
            self.hand_over(output).await?;
        }
        Ok(false)
    }

    /// Hands over everything.
    async fn finish(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        if self.position != self.committed || !output.batch.is_empty() {
            self.commit(output).await?;
        }
        output.flush().await;
        Ok(())
    }

    /// Hands over a full batch: with the position, or as a part of the transaction.
    async fn hand_over(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        if self.transaction.is_none() {
            return self.commit(output).await;
        }
        self.before = None;
        output.stage().await
    }

    async fn commit(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        let version = self.reader.schema_version();
        if self.position.snapshot_reads.is_none() {
            self.snapshot_tables = TableList::default();
        }
        let history = match version == self.stored_version {
            true => None,
            false => Some(history_text(self.reader.history(), &self.snapshot_tables)?),
        };
        let position = Position::Mysql(self.position.clone());
        output.commit(Checkpoint { position, history }).await?;
        self.stored_version = version;
        self.committed.clone_from(&self.position);
        Ok(())
    }

    /// Commits the position without events once it has advanced by [`IDLE_BYTES`] or to another file.
    async fn commit_idle_position(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        let (point, committed) = (&self.position.point, &self.committed.point);
        let is_far = point.file != committed.file || point.position > committed.position + IDLE_BYTES;
        if output.batch.is_empty() && is_far { self.commit(output).await } else { Ok(()) }
    }

    fn is_caught_up(&self) -> bool {
        let Some(target) = &self.target else { return false };
        let is_told_by_ids = !target.gtids.is_empty() && !self.position.has_anonymous;
        self.transaction.is_none()
            && (target.point.is_at_or_before(&self.position.point)
                || is_told_by_ids && target.gtids.is_subset(&self.position.gtids))
    }

    async fn on_event(&mut self, bytes: &[u8], output: &mut Output<'_>) -> CdcResult<()> {
        let (header, event) = match self.decoder.decode(bytes) {
            Err(BinlogError::TooLarge { .. }) => return self.on_compressed_rows(bytes, output).await,
            decoded => decoded?,
        };
        let step = self.reader.read(&header, event)?;
        match &step.change {
            Some(Change::Payload(payload)) => self.on_payload(payload, output).await,
            _ => self.on_step(step, output).await,
        }
    }

    /// Writes the events of rows, and hands over batches that are full; `row` is the number of the next one.
    async fn write_rows(
        &mut self,
        change: &RowsChange<'_>,
        rows: &mut Rows<'_>,
        row: &mut u64,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        self.note_rows(change, rows.clone())?;
        loop {
            let (Some(transaction), place) = (&mut self.transaction, self.reader.point()) else {
                return Ok(());
            };
            let statement = self.reader.statement().map(String::from_utf8_lossy);
            let place = EventPlace { file: &place.file, now: &self.now, statement: statement.as_deref() };
            let to_write = RowsToWrite { change, rows, row };
            let max_bytes = output.max_batch_bytes();
            output.batch.reserve_for_row(to_write.rows.remaining_bytes());
            if !self.writer.write_rows(to_write, transaction, place, &mut output.batch, max_bytes)? {
                return Ok(());
            }
            self.hand_over(output).await?;
        }
    }

    async fn on_step(&mut self, step: Step<'_>, output: &mut Output<'_>) -> CdcResult<()> {
        if let Some(transaction) = step.begin {
            self.begin(transaction, output);
        }
        match step.change {
            Some(Change::Rows(change)) => {
                let mut rows = change.event.rows(&change.table.map)?;
                self.write_rows(&change, &mut rows, &mut 0, output).await?;
            }
            Some(Change::Ddl(ddl)) => {
                self.note_unknown_change();
                self.write_schema_change(&ddl, output);
                for change in &ddl.changes {
                    if let schema_history::Change::Truncated(name) = change {
                        self.truncate(name, &ddl, output)?;
                    }
                }
            }
            Some(Change::Statement(statement)) => self.statements.push(statement),
            _ => {}
        }
        if let Some(end) = step.end {
            self.end(end, step.timestamp, output)?;
        }
        if let Some(point) = step.idle_at {
            self.position.advance_to(point);
        }
        if self.transaction.is_some() || !self.statements.are_verified() {
            return Ok(());
        }
        self.advance_incremental(output).await?;
        self.commit_idle_position(output).await
    }

    fn begin(&mut self, transaction: Arc<Transaction>, output: &mut Output<'_>) {
        self.before = Some(output.batch.mark());
        self.transaction = Some(OpenTransaction::new(transaction, &self.writer.metadata, &mut output.batch));
    }

    fn write_schema_change(&self, ddl: &Ddl<'_>, output: &mut Output<'_>) {
        let (Some(changes), Some(transaction)) = (&self.schema_changes, &self.transaction) else { return };
        let gtid = transaction.gtid();
        let origin = Origin {
            micros: transaction.micros(ddl.timestamp),
            snapshot: "false",
            server_id: ddl.server_id,
            gtid: gtid.as_deref(),
            file: &self.reader.point().file,
            position: ddl.position,
            row: 0,
            thread: None,
            query: None,
        };
        changes.write_statement(ddl, &self.reader, &origin, &self.now, &mut output.batch);
    }

    fn truncate(&mut self, name: &TableName, ddl: &Ddl<'_>, output: &mut Output<'_>) -> CdcResult<()> {
        let Some(table) = self.reader.captured_table(name) else { return Ok(()) };
        if self.reader.partial_rows(name).map_or(Ok(false), |rows| rows.contain_truncation())? {
            return Ok(());
        }
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let file = self.reader.point().file.as_str();
        let place = EventPlace { file, now: &self.now, statement: None };
        self.writer.write_truncate(&Arc::new(table.clone()), ddl, transaction, place, &mut output.batch);
        Ok(())
    }

    fn end(&mut self, end: End, timestamp: u32, output: &mut Output<'_>) -> CdcResult<()> {
        if end == End::Rollback {
            self.note_unknown_change();
            self.incremental.on_rollback();
        }
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        let id = transaction.transaction.id.clone();
        match (end, self.before.take()) {
            (End::Commit, _) => {
                let names = self.writer.names();
                let name = |number: usize| names.get(number).map_or("", String::as_str);
                transaction.end(timestamp, name, &self.writer.metadata, &mut output.batch);
                output.last_committed = Some(Duration::from_secs(timestamp.into()));
            }
            (End::Rollback, Some(before)) => output.batch.go_back_to(before),
            (End::Rollback, None) => {
                return Err(CdcError::source(format!(
                    "the binary log has a ROLLBACK of a large transaction at {}, which is not supported yet",
                    self.reader.point()
                )));
            }
        }
        self.position.advance(id.as_ref(), self.reader.point().clone());
        Ok(())
    }
}
