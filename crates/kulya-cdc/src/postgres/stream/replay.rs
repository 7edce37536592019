//! Transactions that arrive in blocks before they are committed: they go to the spool, and their messages are
//! read from there after the commit, as those of other transactions are read from the connection.

use super::state::{LaterTable, Replay, ReplicationStream};
use crate::output::Output;
use crate::postgres::connection::session::lsn_text;
use crate::postgres::spool::{Record, Spool, SpoolReader, SpoolSize, SpooledTransaction};
use crate::postgres::streamed::{self, StreamCommit};
use crate::{CdcError, CdcResult};

/// The size of the messages that are read before the connection has its turn, in bytes.
const PART_BYTES: usize = 256 << 10;
/// The first version that leaves out transactions of which nothing is published, and begins the others at
/// what is published.
const VERSION_WITHOUT_EMPTY_TRANSACTIONS: u32 = 150_000;

impl ReplicationStream<'_> {
    /// Handles a message about a transaction in blocks.
    pub(super) async fn on_stream_control(
        &mut self,
        data: &[u8],
        lsn: u64,
        output: &Output<'_>,
    ) -> CdcResult<()> {
        let control = streamed::decode_control(data).ok_or_else(|| {
            let place = lsn_text(lsn);
            CdcError::source(format!("the log has a message at {place} that cannot be decoded"))
        })?;
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let committed = spool.on_control(control, lsn).await?;
        if !spool.is_in_block() {
            report(spool, output);
        }
        if let Some((commit, transaction)) = committed {
            let later = self.described_later(&transaction);
            let reader = SpoolReader::default();
            self.replay = Some(Replay { commit, transaction, reader, has_begun: false, later });
        }
        Ok(())
    }

    fn described_later(&self, transaction: &SpooledTransaction) -> Vec<LaterTable> {
        let is_later = |(relation, number): &(&u32, &u64)| {
            self.described.get(*relation).is_some_and(|described| described > *number)
        };
        let found = transaction.relations.iter().filter(is_later);
        let table = |relation: u32| {
            let (table, read) = (self.relations.get(&relation)?, self.read_tables.get(&relation));
            Some(LaterTable { relation, table: table.clone(), read: read.cloned() })
        };
        found.filter_map(|(relation, _)| table(*relation)).collect()
    }

    /// Reads a part of the transaction that is in the spool, and ends it at its end.
    pub(super) async fn replay_part(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        // an error ends the stream, which needs neither of them then
        let (Some(mut replay), Some(spool)) = (self.replay.take(), self.spool.take()) else { return Ok(()) };
        let mut bytes = 0;
        while bytes < PART_BYTES {
            let record = spool.next(&mut replay.reader, &replay.transaction).await?;
            let Some(Record { header, message }) = record else {
                self.spool = Some(spool);
                return self.end_replay(replay, output).await;
            };
            bytes += message.len();
            // descriptions of tables have no position
            if header.lsn > 0 && !std::mem::replace(&mut replay.has_begun, true) {
                self.begin_replay(&replay.commit, &replay.transaction, header.lsn);
            }
            match header.cut_from {
                None => self.on_message(message, header.lsn, output).await?,
                Some(length) => self.on_cut_message(message, length as usize, header.lsn, output)?,
            }
            replay.reader.release_large();
            if output.is_full() {
                output.stage().await?;
            }
        }
        (self.replay, self.spool) = (Some(replay), Some(spool));
        Ok(())
    }

    fn begin_replay(&mut self, commit: &StreamCommit, transaction: &SpooledTransaction, first_lsn: u64) {
        // a begin has no position before the name of an origin, and neither has the first block
        let has_position = transaction.first_lsn > 0;
        let is_from_first = has_position && self.server_version >= VERSION_WITHOUT_EMPTY_TRANSACTIONS;
        let begin_lsn = if is_from_first { first_lsn } else { transaction.first_lsn };
        self.on_begin(begin_lsn, commit.commit_lsn, commit.committed_micros, commit.xid);
    }

    async fn end_replay(&mut self, replay: Replay, output: &mut Output<'_>) -> CdcResult<()> {
        let Replay { commit, transaction, has_begun, later, .. } = replay;
        if !has_begun && self.server_version < VERSION_WITHOUT_EMPTY_TRANSACTIONS {
            self.begin_replay(&commit, &transaction, transaction.first_lsn);
        }
        for (relation, number) in &transaction.relations {
            let described = self.described.entry(*relation).or_default();
            *described = (*described).max(*number);
        }
        for LaterTable { relation, table, read } in later {
            self.relations.insert(relation, table);
            self.read_tables.remove(&relation);
            self.read_tables.extend(read.map(|read| (relation, read)));
        }
        if let Some(spool) = &mut self.spool {
            spool.remove(transaction).await?;
            report(spool, output);
        }
        self.on_commit(commit.end_lsn, output).await
    }
}

fn report(spool: &Spool, output: &Output<'_>) {
    let SpoolSize { transactions, bytes } = spool.size();
    output.control.on_spool(transactions, bytes);
}
