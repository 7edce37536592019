//! The messages of the log: transactions' begins and ends, and the dispatch of what stands between them.

use super::state::ReplicationStream;
use crate::debezium::Compatibility;
use crate::output::Output;
use crate::postgres::connection::replication::EPOCH_MICROS;
use crate::postgres::connection::session::lsn_text;
use crate::postgres::pgoutput::{self, Message};
use crate::postgres::spool::Arrival;
use crate::postgres::streamed;
use crate::postgres::transaction::{LastCommit, Transaction};
use crate::{CdcError, CdcResult};
use bytes::Bytes;
use std::time::Duration;

impl ReplicationStream<'_> {
    /// Handles a message that has arrived.
    pub(super) async fn on_data(
        &mut self,
        data: &Bytes,
        arrival: Arrival,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let Arrival { lsn, cut_from } = arrival;
        if let Some(spool) = &mut self.spool {
            if streamed::is_control(data) {
                return self.on_stream_control(data, lsn, output).await;
            }
            if spool.is_in_block() {
                return spool.push(data, arrival).await;
            }
        }
        match cut_from {
            None => self.on_message(data, lsn, output).await,
            Some(bytes) => self.on_cut_message(data, bytes, lsn, output),
        }
    }

    /// Handles a message at its place among all transactions: in the order of their commits.
    pub(super) async fn on_message(
        &mut self,
        data: &[u8],
        lsn: u64,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let message = pgoutput::decode(data).ok_or_else(|| {
            let place = lsn_text(lsn);
            CdcError::source(format!("the log has a message at {place} that cannot be decoded"))
        })?;
        match message {
            Message::Begin { commit_lsn, committed_micros, xid } => {
                self.on_begin(lsn, commit_lsn, committed_micros, xid);
                Ok(())
            }
            Message::Commit { end_lsn } => self.on_commit(end_lsn, output).await,
            Message::Logical { is_transactional, lsn, prefix, content } => {
                self.on_logical_message(is_transactional, lsn, prefix, content, output);
                Ok(())
            }
            // a table is described once per session, possibly within a skipped transaction
            Message::Relation(relation) => self.on_relation(relation, output).await,
            _ if self.transaction.as_ref().is_none_or(|transaction| transaction.is_skipped) => Ok(()),
            change => {
                output.batch.reserve_for_row(data.len());
                self.on_change(change, lsn, output)
            }
        }
    }

    /// Begins a transaction whose first change is at `begin_lsn`; the time is in microseconds since
    /// 2000-01-01.
    pub(super) fn on_begin(&mut self, begin_lsn: u64, commit_lsn: u64, committed_micros: i64, xid: u32) {
        let snapshot = self.position.snapshot.as_ref();
        let is_in_snapshot = snapshot.is_some_and(|cut| cut.contains(xid, commit_lsn));
        // a stored commit ends at or before the position, so it starts before it
        let is_skipped = is_in_snapshot || commit_lsn < self.position.lsn;
        let micros = committed_micros.saturating_add(EPOCH_MICROS);
        let mut transaction = Transaction::new(xid, begin_lsn, commit_lsn, micros);
        transaction.is_skipped = is_skipped;
        self.transaction = Some(transaction);
    }

    /// Leaves out an event whose row is larger than an event can be.
    pub(super) fn on_cut_message(
        &mut self,
        data: &[u8],
        bytes: usize,
        lsn: u64,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        if self.transaction.as_ref().is_none_or(|transaction| transaction.is_skipped) {
            return Ok(());
        }
        if data.first() == Some(&b'M') {
            output.batch.omit(&self.messages.destination, None, bytes);
            return Ok(());
        }
        let Some(change) = pgoutput::decode_cut_change(data) else {
            let place = lsn_text(lsn);
            return Err(CdcError::source(format!(
                "the log has a message of {bytes} bytes at {place}, which is no row"
            )));
        };
        let table = self.table(change.relation)?;
        if let Some(table) = &table {
            self.note_table(table);
        }
        if let Some(table) = table
            && !self.is_cut_row_in_snapshot(change.relation, &change.cells)
        {
            let key = table.write_cut_key(&change.cells, output.batch.buffer());
            output.batch.omit(&table.events.destination, key, bytes);
        }
        Ok(())
    }

    pub(super) async fn on_commit(&mut self, end_lsn: u64, output: &mut Output<'_>) -> CdcResult<()> {
        if let Some(mut transaction) = self.transaction.take() {
            self.streamed.add((transaction.xid, transaction.commit_lsn));
            let compat = self.events.modes.compat;
            self.last_commit = Some(LastCommit { end_lsn, micros: transaction.committed_micros });
            output.last_committed =
                u64::try_from(transaction.committed_micros).ok().map(Duration::from_micros);
            if self.has_records_without_events(&transaction) {
                transaction.write_begin(end_lsn, compat, &self.transactions, &mut output.batch);
            }
            transaction.write_end(end_lsn, compat, &self.transactions, &mut output.batch);
        }
        self.position.lsn = self.position.lsn.max(end_lsn);
        self.advance_incremental(output).await?;
        self.commit_idle_position(output).await
    }

    /// Returns whether a transaction has records of its begin and end even if it has no events, because only
    /// tables that are not captured were changed: with Debezium.
    fn has_records_without_events(&self, transaction: &Transaction) -> bool {
        let is_read = || self.snapshot_rows.contain_transaction(transaction.xid, transaction.commit_lsn);
        self.events.modes.compat == Compatibility::Debezium
            && self.events.format.provide_transaction_metadata
            && !transaction.is_own
            && !transaction.is_skipped
            && !transaction.has_skipped_changes
            && !is_read()
    }
}
