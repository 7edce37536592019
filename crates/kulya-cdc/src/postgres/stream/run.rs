//! The loop of a stream: reads the log, hands over batches, and confirms what is stored.

use super::state::ReplicationStream;
use crate::debezium::envelope::ProcessingTime;
use crate::output::Output;
use crate::postgres::connection::replication::{ReplicationConnection, StreamMessage};
use crate::postgres::heartbeat::run_statement;
use crate::postgres::snapshot_rows::SnapshotRows;
use crate::postgres::spool::{Arrival, Spool};
use crate::{CdcResult, Position};
use std::time::Duration;

/// The number of log bytes without captured changes after which the position is stored, so that the server
/// can remove the log.
const IDLE_BYTES: u64 = 1 << 20;
/// The size of a read below which the next one waits while nothing depends on it, in bytes.
const SMALL_READ_BYTES: usize = 64 << 10;
/// The time that it waits while the sink is busy.
const SMALL_READ_PAUSE: Duration = Duration::from_micros(500);
/// The time that it waits within a transaction that is larger than a batch, or that has not ended: no reader
/// sees its events before its end.
const LARGE_TRANSACTION_PAUSE: Duration = Duration::from_millis(2);

impl ReplicationStream<'_> {
    /// Streams until cancelled or caught up. Records of an unfinished transaction are not committed; the next
    /// run reads them again.
    pub(crate) async fn run(
        &mut self,
        connection: &mut ReplicationConnection,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let mut received = 0;
        loop {
            self.now = ProcessingTime::new(output.clock.since_epoch());
            if self.replay.is_some() {
                self.replay_part(output).await?;
            }
            while self.replay.is_none()
                && let Some(message) = connection.next_received()?
            {
                self.on_stream_message(message, connection, output).await?;
                if output.is_full() {
                    self.hand_over(output).await?;
                }
                if self.is_caught_up && self.transaction.is_none() {
                    break;
                }
            }
            self.confirm_stored(connection, output).await?;
            if self.meter.is_due() {
                if self.meter.is_reached() {
                    // earlier, changes of a table that another one has replaced would be passed over
                    self.watch_publication().await?;
                }
                self.meter.measure(self.session, &self.position.slot, connection, output).await?;
            }
            if self.replay.is_some() {
                if output.cancel.is_cancelled() {
                    return self.confirm_all(connection, output).await;
                }
                connection.report_status_if_due().await?;
                continue;
            }
            if self.transaction.is_none() {
                if self.is_caught_up || output.cancel.is_cancelled() {
                    return self.finish(connection, output).await;
                }
                if let Some(statement) = self.heartbeats.beat(output) {
                    run_statement(self.session, statement, output).await?;
                }
                self.advance_incremental(output).await?;
                // while the sink is busy, what arrives shares the next commit
                if !output.batch.is_empty() && output.is_idle() {
                    self.commit(output).await?;
                }
            }
            let (cancel, control, is_idle) = (output.cancel, output.control, output.is_idle());
            let is_in_block = self.spool.as_ref().is_some_and(Spool::is_in_block);
            let pause = match &self.transaction {
                Some(transaction) if transaction.is_staged => Some(LARGE_TRANSACTION_PAUSE),
                _ if is_in_block => Some(LARGE_TRANSACTION_PAUSE),
                _ => (!is_idle).then_some(SMALL_READ_PAUSE),
            };
            if let Some(pause) = pause
                && received < SMALL_READ_BYTES
            {
                // what arrives meanwhile is read at once: many small reads cost more than the decoding
                received = SMALL_READ_BYTES;
                connection.detach();
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = output.stored_more() => continue,
                    () = cancel.cancelled() => {}
                }
            }
            tokio::select! {
                read = connection.receive() => received = read?,
                () = self.heartbeats.wait(output.clock.since_epoch()), if self.transaction.is_none() => {}
                () = self.incremental.ready(control), if self.transaction.is_none() => {}
                () = output.stored_more(), if !is_idle => {}
                () = self.meter.due() => {}
                () = cancel.cancelled() => {
                    if self.transaction.is_some() {
                        return self.confirm_all(connection, output).await;
                    }
                }
            }
        }
    }

    /// Hands over everything, and confirms it when it is stored.
    async fn finish(
        &mut self,
        connection: &mut ReplicationConnection,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        if self.position.lsn > self.committed_lsn || !output.batch.is_empty() {
            self.commit(output).await?;
        }
        self.confirm_all(connection, output).await
    }

    async fn confirm_all(
        &mut self,
        connection: &mut ReplicationConnection,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        output.flush().await;
        self.confirm_stored(connection, output).await
    }

    /// Hands over a full batch: with the position, or as a part of the transaction.
    async fn hand_over(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        match &mut self.transaction {
            Some(transaction) => {
                transaction.is_staged = true;
                output.stage().await
            }
            None => self.commit(output).await,
        }
    }

    pub(super) async fn commit(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        self.position.forget_passed_snapshots();
        if !self.snapshot_rows.is_empty() && !self.position.has_snapshots() {
            // the log has nothing more that they contain
            self.snapshot_rows = SnapshotRows::default();
            self.read_tables.clear();
        }
        let number = output.commit(Position::Postgres(self.position.clone()).into()).await?;
        self.committed_lsn = self.position.lsn;
        self.unconfirmed.push_back((number, self.position.lsn));
        Ok(())
    }

    /// Confirms to the database what has been stored since the last confirmation.
    async fn confirm_stored(
        &mut self,
        connection: &mut ReplicationConnection,
        output: &Output<'_>,
    ) -> CdcResult<()> {
        let stored = output.stored();
        let mut confirmed = None;
        while let Some((number, lsn)) = self.unconfirmed.front()
            && *number <= stored
        {
            confirmed = Some(*lsn);
            self.unconfirmed.pop_front();
        }
        match confirmed {
            Some(lsn) => connection.confirm(lsn).await,
            None => Ok(()),
        }
    }

    async fn on_stream_message(
        &mut self,
        message: StreamMessage,
        connection: &mut ReplicationConnection,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        match message {
            StreamMessage::Data { start, data, cut_from } => {
                self.on_data(&data, Arrival { lsn: start, cut_from }, output).await
            }
            StreamMessage::KeepAlive { end, is_reply_requested } => {
                if self.transaction.is_none() {
                    self.position.lsn = self.position.lsn.max(end);
                    self.meter.on_position(end, output);
                    // a server that shuts down waits until everything that it has sent is confirmed
                    if is_reply_requested && self.position.lsn > self.committed_lsn {
                        self.commit(output).await?;
                        return self.confirm_all(connection, output).await;
                    }
                    self.commit_idle_position(output).await?;
                }
                if is_reply_requested { connection.reply().await } else { Ok(()) }
            }
        }
    }

    /// Commits the position without events once it has advanced by [`IDLE_BYTES`], so that the server can
    /// remove its log.
    pub(super) async fn commit_idle_position(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        let is_due = output.batch.is_empty() && self.position.lsn > self.committed_lsn + IDLE_BYTES;
        if is_due { self.commit(output).await } else { Ok(()) }
    }
}
