//! Streaming of the write-ahead log: converts the transport's events to records. Each transaction of the
//! database becomes one commit of the sink; several of them share a commit when they arrive faster than they
//! are stored.

use super::catalog::{Catalog, is_captured_partition, quoted};
use super::connection::replication::{EPOCH_MICROS, ReplicationConnection, StreamMessage};
use super::connection::session::{Session, lsn_text};
use super::envelope::{self, Change, Operation, Origin, TransactionOrder};
use super::pgoutput::{self, Cell, Message, OldTuple, Relation, ReplicaIdentity, Tuple};
use super::replaced_values::ReplacedValues;
use super::settings::Target;
use super::table::{Row, Table};
use crate::{CdcError, CdcResult, Position, Progress, Record, Sink};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use kulya_store::clock::Clock;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The number of records at which a commit of several transactions is stored.
const RECORDS_PER_COMMIT: u64 = 10_000;
/// The number of log bytes without captured changes after which the position is stored, so that the server
/// can remove the log.
const IDLE_BYTES: u64 = 1 << 20;
/// The prefix of the logical decoding message by which a run with `StopCondition::CaughtUp` recognizes its
/// end.
pub(crate) const CAUGHT_UP_PREFIX: &str = "kulya:caught-up";

/// The replication stream of one connection, and its state.
pub(crate) struct ReplicationStream<'a> {
    pub(crate) session: &'a Session,
    pub(crate) target: &'a Target,
    pub(crate) catalog: Catalog,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) on_progress: &'a (dyn Fn(Progress) + Send + Sync),
    /// The position of the next commit.
    pub(crate) position: Position,
    /// The content of the message at which to stop.
    pub(crate) caught_up_token: Option<String>,
    stored_lsn: u64,
    relations: HashMap<u32, Option<Arc<Table>>>,
    replaced_values: ReplacedValues,
    transaction: Option<Transaction>,
    last_commit: Option<LastCommit>,
    /// Records written to the sink and not committed, tombstones not counted.
    pending: u64,
    is_caught_up: bool,
}

#[derive(Clone, Copy)]
struct LastCommit {
    end_lsn: u64,
    micros: i64,
}

/// The current transaction of the log.
struct Transaction {
    xid: u32,
    commit_lsn: u64,
    committed_micros: i64,
    /// Whether the transaction is stored already.
    is_skipped: bool,
    events: u64,
    /// The number of events by table, in the order of the tables' first events.
    counts: Vec<(String, u64)>,
}

impl Transaction {
    fn next_order(&mut self, collection: &str, lsn: u64) -> TransactionOrder {
        self.events += 1;
        if !self.counts.iter().any(|(name, _)| name == collection) {
            self.counts.push((collection.to_owned(), 0));
        }
        let mut collection_order = 0;
        for (_, count) in self.counts.iter_mut().filter(|(name, _)| name == collection) {
            *count += 1;
            collection_order = *count;
        }
        TransactionOrder { id: format!("{}:{lsn}", self.xid), total_order: self.events, collection_order }
    }
}

fn origin<'a>(
    target: &'a Target,
    transaction: Option<&Transaction>,
    lsn: u64,
    last_commit: Option<LastCommit>,
) -> Origin<'a> {
    Origin {
        prefix: &target.settings.name,
        database: &target.database,
        snapshot: "false",
        committed_micros: transaction
            .map_or(last_commit.map_or(0, |last| last.micros), |t| t.committed_micros),
        transaction: transaction.map(|t| t.xid),
        lsn,
        last_commit_lsn: last_commit.map(|last| last.end_lsn),
    }
}

impl<'a> ReplicationStream<'a> {
    pub(crate) fn new(
        session: &'a Session,
        target: &'a Target,
        clock: &'a dyn Clock,
        on_progress: &'a (dyn Fn(Progress) + Send + Sync),
        position: Position,
    ) -> Self {
        Self {
            session,
            target,
            catalog: Catalog::default(),
            clock,
            on_progress,
            caught_up_token: None,
            stored_lsn: position.lsn,
            position,
            relations: HashMap::new(),
            replaced_values: ReplacedValues::default(),
            transaction: None,
            last_commit: None,
            pending: 0,
            is_caught_up: false,
        }
    }

    /// Streams until cancelled or caught up. Records of an unfinished transaction are not committed; the next
    /// run reads them again.
    pub(crate) async fn run(
        &mut self,
        connection: &mut ReplicationConnection,
        sink: &mut dyn Sink,
        cancel: &CancellationToken,
    ) -> CdcResult<()> {
        loop {
            while let Some(message) = connection.next_received()? {
                self.on_stream_message(message, connection, sink).await?;
                if self.transaction.is_none() {
                    let is_done = self.is_caught_up || cancel.is_cancelled();
                    if self.pending >= RECORDS_PER_COMMIT || is_done {
                        self.store(connection, sink).await?;
                    }
                    if is_done {
                        return Ok(());
                    }
                }
            }
            // what has arrived meanwhile shares the commit
            if let Some(received) = connection.receive().now_or_never() {
                received?;
                continue;
            }
            // no further message has arrived: store the finished transactions before waiting
            if self.transaction.is_none() {
                self.store(connection, sink).await?;
            }
            tokio::select! {
                received = connection.receive() => received?,
                () = cancel.cancelled() => return Ok(()),
            }
        }
    }

    async fn on_stream_message(
        &mut self,
        message: StreamMessage,
        connection: &mut ReplicationConnection,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        match message {
            StreamMessage::Data { start, data } => {
                let message = pgoutput::decode(data).ok_or_else(|| {
                    let place = lsn_text(start);
                    CdcError::source(format!("the log has a message at {place} that cannot be decoded"))
                })?;
                self.on_message(message, start, connection, sink).await
            }
            StreamMessage::KeepAlive { end, is_reply_requested } => {
                if self.transaction.is_none() {
                    self.position.lsn = self.position.lsn.max(end);
                    // a server that shuts down waits until everything that it has sent is confirmed
                    if is_reply_requested && self.position.lsn > self.stored_lsn {
                        return self.store_position(connection, sink).await;
                    }
                    if self.pending == 0 {
                        self.store_idle_position(connection, sink).await?;
                    }
                }
                if is_reply_requested { connection.reply().await } else { Ok(()) }
            }
        }
    }

    async fn on_message(
        &mut self,
        message: Message,
        lsn: u64,
        connection: &mut ReplicationConnection,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        match message {
            Message::Begin { commit_lsn, committed_micros, xid } => {
                let snapshot = self.position.snapshot.as_ref();
                let is_in_snapshot = snapshot.is_some_and(|cut| cut.contains(xid, commit_lsn));
                self.transaction = Some(Transaction {
                    xid,
                    commit_lsn,
                    committed_micros: committed_micros.saturating_add(EPOCH_MICROS),
                    // a stored commit ends at or before the position, so it starts before it
                    is_skipped: is_in_snapshot || commit_lsn < self.position.lsn,
                    events: 0,
                    counts: Vec::new(),
                });
                Ok(())
            }
            Message::Commit { end_lsn } => self.on_commit(end_lsn, connection, sink).await,
            Message::Logical { is_transactional, lsn, prefix, content } => {
                self.on_logical_message(is_transactional, lsn, &prefix, &content, sink).await
            }
            // a table is described once per session, possibly within a skipped transaction
            Message::Relation(relation) => self.on_relation(relation, sink).await,
            _ if self.transaction.as_ref().is_none_or(|transaction| transaction.is_skipped) => Ok(()),
            change => self.on_change(change, lsn, sink).await,
        }
    }

    async fn on_commit(
        &mut self,
        end_lsn: u64,
        connection: &mut ReplicationConnection,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        if let Some(transaction) = self.transaction.take() {
            self.last_commit = Some(LastCommit { end_lsn, micros: transaction.committed_micros });
            if transaction.events > 0 && self.target.settings.transaction_metadata {
                let id = format!("{}:{end_lsn}", transaction.xid);
                let prefix = &self.target.settings.name;
                let end = envelope::end(prefix, &id, &transaction.counts, transaction.committed_micros);
                self.write(end, sink).await?;
            }
        }
        self.position.lsn = self.position.lsn.max(end_lsn);
        if self.pending == 0 { self.store_idle_position(connection, sink).await } else { Ok(()) }
    }

    /// Stores the position without events once it has advanced by [`IDLE_BYTES`], so that the server can
    /// remove its log.
    async fn store_idle_position(
        &mut self,
        connection: &mut ReplicationConnection,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        if self.position.lsn > self.stored_lsn + IDLE_BYTES {
            self.store_position(connection, sink).await
        } else {
            Ok(())
        }
    }

    async fn store(&mut self, connection: &mut ReplicationConnection, sink: &mut dyn Sink) -> CdcResult<()> {
        if self.pending > 0 { self.store_position(connection, sink).await } else { Ok(()) }
    }

    /// Commits to the sink, and then confirms the position to the database.
    async fn store_position(
        &mut self,
        connection: &mut ReplicationConnection,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        self.position.forget_passed_snapshots();
        sink.commit(&self.position).await?;
        self.stored_lsn = self.position.lsn;
        connection.confirm(self.position.lsn).await?;
        (self.on_progress)(Progress::Stored { records: self.pending, lsn: self.position.lsn });
        self.pending = 0;
        Ok(())
    }

    async fn write(&mut self, record: Record, sink: &mut dyn Sink) -> CdcResult<()> {
        // tombstones are not counted
        self.pending += u64::from(record.value.is_some());
        sink.write(record).await
    }

    async fn on_change(&mut self, message: Message, lsn: u64, sink: &mut dyn Sink) -> CdcResult<()> {
        let change = |operation, before, after| Change { operation, before, after };
        match message {
            Message::Insert { relation, new } => {
                let Some(mut table) = self.table(relation)? else { return Ok(()) };
                let after = self.row(relation, &mut table, &new, sink).await?;
                self.write_change(&table, change(Operation::Create, None, Some(after)), lsn, sink).await
            }
            Message::Update { relation, old, new } => {
                let Some(mut table) = self.table(relation)? else { return Ok(()) };
                let before = self.old_row(relation, &mut table, old.as_ref(), sink).await?;
                let new = fill_unchanged(new, old.as_ref());
                let after = self.row(relation, &mut table, &new, sink).await?;
                self.write_change(&table, change(Operation::Update, before, Some(after)), lsn, sink).await
            }
            Message::Delete { relation, old } => {
                let Some(mut table) = self.table(relation)? else { return Ok(()) };
                let before = self.old_row(relation, &mut table, Some(&old), sink).await?;
                self.write_change(&table, change(Operation::Delete, before, None), lsn, sink).await
            }
            Message::Truncate { relations } if self.target.settings.truncate => {
                for relation in relations {
                    if let Some(table) = self.table(relation)? {
                        self.write_change(&table, change(Operation::Truncate, None, None), lsn, sink).await?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Converts a complete row. A null in a required column declares the table again, with that column
    /// optional.
    async fn row(
        &mut self,
        relation: u32,
        table: &mut Arc<Table>,
        tuple: &Tuple,
        sink: &mut dyn Sink,
    ) -> CdcResult<Row> {
        let row = table.row(tuple);
        self.replaced_values.report(&row.replaced);
        if !row.nulls.is_empty() {
            *table = Arc::new(table.with_optional(&row.nulls));
            sink.table(&table.schema).await?;
            self.relations.insert(relation, Some(Arc::clone(table)));
        }
        Ok(row)
    }

    /// Converts the part of an old row that the log contains.
    async fn old_row(
        &mut self,
        relation: u32,
        table: &mut Arc<Table>,
        old: Option<&OldTuple>,
        sink: &mut dyn Sink,
    ) -> CdcResult<Option<Row>> {
        match old {
            None => Ok(None),
            Some(OldTuple::Full(old)) => self.row(relation, table, old, sink).await.map(Some),
            Some(OldTuple::Key(old)) => {
                let row = table.identity_row(old);
                self.replaced_values.report(&row.replaced);
                Ok(Some(row))
            }
        }
    }

    async fn on_relation(&mut self, relation: Relation, sink: &mut dyn Sink) -> CdcResult<()> {
        let settings = &self.target.settings;
        let is_captured = settings.is_captured(&relation.schema, &relation.table)
            || is_captured_partition(self.session, settings, relation.id).await?;
        let table = if is_captured {
            let earlier = self.relations.get(&relation.id).and_then(Option::as_deref);
            let table = self.catalog.relation_table(self.session, &settings.name, &relation, earlier).await?;
            sink.table(&table.schema).await?;
            if relation.identity == ReplicaIdentity::Default
                && !relation.columns.iter().any(|c| c.is_identity)
            {
                let table = quoted(&relation.schema, &relation.table);
                tracing::warn!(
                    table,
                    statement = format!("ALTER TABLE {table} REPLICA IDENTITY FULL"),
                    "a captured table has no primary key: PostgreSQL rejects UPDATE and DELETE on it"
                );
            }
            Some(Arc::new(table))
        } else {
            None
        };
        self.relations.insert(relation.id, table);
        Ok(())
    }

    /// Returns the table of a change; `None` if it is not captured, or if the snapshot of the table contains
    /// the change.
    fn table(&self, relation: u32) -> CdcResult<Option<Arc<Table>>> {
        let table = self.relations.get(&relation).cloned().ok_or_else(|| {
            CdcError::source(format!("the log changes table {relation} without describing it first"))
        })?;
        Ok(table.filter(|table| !self.is_in_table_snapshot(table)))
    }

    fn is_in_table_snapshot(&self, table: &Table) -> bool {
        let snapshots = &self.position.table_snapshots;
        !snapshots.is_empty()
            && self.transaction.as_ref().is_some_and(|transaction| {
                let cut = snapshots.get(&table.schema.table_name());
                cut.is_some_and(|cut| cut.contains(transaction.xid, transaction.commit_lsn))
            })
    }

    /// Writes the records of a change.
    async fn write_change(
        &mut self,
        table: &Table,
        change: Change,
        lsn: u64,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        self.begin_transaction(lsn, sink).await?;
        let origin = origin(self.target, self.transaction.as_ref(), lsn, self.last_commit);
        let has_metadata = self.target.settings.transaction_metadata;
        let transaction = &mut self.transaction;
        let order = || {
            let transaction = transaction.as_mut().filter(|_| has_metadata)?;
            Some(transaction.next_order(&table.schema.table_name(), lsn))
        };
        for record in envelope::records(table, change, &origin, order, self.clock.since_epoch()) {
            self.write(record, sink).await?;
        }
        Ok(())
    }

    /// Writes the transaction's begin record, before its first event.
    async fn begin_transaction(&mut self, lsn: u64, sink: &mut dyn Sink) -> CdcResult<()> {
        let Some(transaction) = self.transaction.as_ref() else { return Ok(()) };
        if transaction.events > 0 || !self.target.settings.transaction_metadata {
            return Ok(());
        }
        let id = format!("{}:{lsn}", transaction.xid);
        let begin = envelope::begin(&self.target.settings.name, &id, transaction.committed_micros);
        self.write(begin, sink).await
    }

    async fn on_logical_message(
        &mut self,
        is_transactional: bool,
        lsn: u64,
        prefix: &str,
        content: &[u8],
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        if prefix == CAUGHT_UP_PREFIX {
            let token = self.caught_up_token.as_ref();
            self.is_caught_up |= token.is_some_and(|token| token.as_bytes() == content);
            return Ok(());
        }
        let is_stored = if is_transactional {
            self.transaction.as_ref().is_none_or(|transaction| transaction.is_skipped)
        } else {
            lsn <= self.position.message_lsn || lsn < self.position.lsn
        };
        if is_stored {
            return Ok(());
        }
        if is_transactional {
            self.begin_transaction(lsn, sink).await?;
        } else {
            self.position.message_lsn = lsn;
        }
        let origin = origin(self.target, self.transaction.as_ref(), lsn, self.last_commit);
        let has_metadata = self.target.settings.transaction_metadata;
        let transaction = self.transaction.as_mut().filter(|_| has_metadata);
        let order = transaction.map(|transaction| transaction.next_order("message", lsn));
        let content = STANDARD.encode(content);
        let record = envelope::message(&origin, order.as_ref(), prefix, &content, self.clock.since_epoch());
        self.write(record, sink).await
    }
}

/// Fills the unchanged TOAST values of a new row from the old row, if that is complete.
fn fill_unchanged(new: Tuple, old: Option<&OldTuple>) -> Tuple {
    let Some(OldTuple::Full(old)) = old else { return new };
    let cells = new.into_iter().zip(old);
    cells.map(|(new, old)| if new == Cell::Unchanged { old.clone() } else { new }).collect()
}
