//! Streaming of the write-ahead log: converts the transport's events to records. Each transaction of the
//! database becomes one commit of the sink; several of them share a commit when they arrive faster than they
//! are stored.

use super::catalog::Catalog;
use super::envelope::{self, Change, Operation, Origin, TransactionOrder};
use super::pgoutput::{self, Cell, Message, OldTuple, Relation, Tuple};
use super::session::Session;
use super::settings::Target;
use super::table::Table;
use crate::{CdcError, CdcErrorKind, CdcResult, Position, Progress, Record, Sink};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::FutureExt;
use kulya_store::clock::Clock;
use pgwire_replication::{Lsn, PgWireError, ReplicationClient, ReplicationEvent};
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

/// PostgreSQL's epoch, 2000-01-01, in microseconds since 1970-01-01.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
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
    relations: HashMap<u32, Option<Table>>,
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
        client: &mut ReplicationClient,
        sink: &mut dyn Sink,
        cancel: &CancellationToken,
    ) -> CdcResult<()> {
        loop {
            let is_between_transactions = self.transaction.is_none();
            let event = match client.recv().now_or_never() {
                Some(event) => event,
                None => {
                    // no further event is available: store the finished transactions before waiting
                    if is_between_transactions {
                        self.store(client, sink).await?;
                    }
                    tokio::select! {
                        event = client.recv() => event,
                        () = cancel.cancelled() => return Ok(()),
                    }
                }
            };
            let event = event.map_err(|e| connection_error(self.target, e))?.ok_or_else(|| {
                let what = format!("PostgreSQL at {} ended the replication stream", self.target.server());
                CdcError::new(CdcErrorKind::Unreachable, what)
            })?;
            self.on_event(event, client, sink).await?;
            if self.transaction.is_none() {
                let is_done = self.is_caught_up || cancel.is_cancelled();
                if self.pending >= RECORDS_PER_COMMIT || is_done {
                    self.store(client, sink).await?;
                }
                if is_done {
                    return Ok(());
                }
            }
        }
    }

    async fn on_event(
        &mut self,
        event: ReplicationEvent,
        client: &ReplicationClient,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        match event {
            ReplicationEvent::Begin { final_lsn, xid, commit_time_micros } => {
                let commit_lsn = final_lsn.as_u64();
                let snapshot = self.position.snapshot.as_ref();
                let is_in_snapshot = snapshot.is_some_and(|cut| cut.contains(xid, commit_lsn));
                self.transaction = Some(Transaction {
                    xid,
                    committed_micros: commit_time_micros + POSTGRES_EPOCH_MICROS,
                    // a stored commit ends at or before the position, so it starts before it
                    is_skipped: is_in_snapshot || commit_lsn < self.position.lsn,
                    events: 0,
                    counts: Vec::new(),
                });
            }
            ReplicationEvent::XLogData { wal_start, data, .. } => {
                self.on_change(wal_start.as_u64(), data, sink).await?
            }
            ReplicationEvent::Commit { end_lsn, .. } => {
                self.on_commit(end_lsn.as_u64(), client, sink).await?
            }
            ReplicationEvent::Message { transactional, lsn, prefix, content } => {
                self.on_message(transactional, lsn.as_u64(), &prefix, &content, sink).await?;
            }
            ReplicationEvent::KeepAlive { wal_end, .. }
                if self.transaction.is_none() && self.pending == 0 =>
            {
                self.position.lsn = self.position.lsn.max(wal_end.as_u64());
                self.store_idle_position(client, sink).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn on_commit(
        &mut self,
        end_lsn: u64,
        client: &ReplicationClient,
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
        if self.pending == 0 { self.store_idle_position(client, sink).await } else { Ok(()) }
    }

    /// Stores the position without events once it has advanced by [`IDLE_BYTES`], so that the server can
    /// remove its log.
    async fn store_idle_position(
        &mut self,
        client: &ReplicationClient,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        if self.position.lsn > self.stored_lsn + IDLE_BYTES {
            self.store_position(client, sink).await
        } else {
            Ok(())
        }
    }

    async fn store(&mut self, client: &ReplicationClient, sink: &mut dyn Sink) -> CdcResult<()> {
        if self.pending > 0 { self.store_position(client, sink).await } else { Ok(()) }
    }

    /// Commits to the sink, and then confirms the position to the database.
    async fn store_position(&mut self, client: &ReplicationClient, sink: &mut dyn Sink) -> CdcResult<()> {
        sink.commit(&self.position).await?;
        self.stored_lsn = self.position.lsn;
        client.update_applied_lsn(Lsn::from_u64(self.position.lsn));
        (self.on_progress)(Progress::Stored { records: self.pending, lsn: self.position.lsn });
        self.pending = 0;
        Ok(())
    }

    async fn write(&mut self, record: Record, sink: &mut dyn Sink) -> CdcResult<()> {
        // tombstones are not counted
        self.pending += u64::from(record.value.is_some());
        sink.write(record).await
    }

    async fn on_change(&mut self, lsn: u64, data: Bytes, sink: &mut dyn Sink) -> CdcResult<()> {
        let message = pgoutput::decode(data).ok_or_else(|| {
            CdcError::source(format!(
                "the log has a message at {} that cannot be decoded",
                Lsn::from_u64(lsn)
            ))
        })?;
        // a table is described once per session, possibly within a skipped transaction
        if let Message::Relation(relation) = message {
            return self.on_relation(relation, sink).await;
        }
        if self.transaction.as_ref().is_none_or(|transaction| transaction.is_skipped) {
            return Ok(());
        }
        let change = |operation, before, after| Change { operation, before, after };
        match message {
            Message::Insert { relation, new } => {
                let Some(table) = self.table(relation)? else { return Ok(()) };
                let after = table.row(&new)?;
                self.write_change(&table, change(Operation::Create, None, Some(after)), lsn, sink).await
            }
            Message::Update { relation, old, new } => {
                let Some(table) = self.table(relation)? else { return Ok(()) };
                let before = match &old {
                    Some(OldTuple::Key(old) | OldTuple::Full(old)) => Some(table.row(old)?),
                    None => None,
                };
                let after = table.row(&fill_unchanged(new, old.as_ref()))?;
                self.write_change(&table, change(Operation::Update, before, Some(after)), lsn, sink).await
            }
            Message::Delete { relation, old: OldTuple::Key(old) | OldTuple::Full(old) } => {
                let Some(table) = self.table(relation)? else { return Ok(()) };
                let before = table.row(&old)?;
                self.write_change(&table, change(Operation::Delete, Some(before), None), lsn, sink).await
            }
            Message::Truncate { relations } if self.target.settings.truncate => {
                for relation in relations {
                    if let Some(table) = self.table(relation)? {
                        self.write_change(&table, change(Operation::Truncate, None, None), lsn, sink).await?;
                    }
                }
                Ok(())
            }
            Message::Truncate { .. } | Message::Relation(_) | Message::Ignored => Ok(()),
        }
    }

    async fn on_relation(&mut self, relation: Relation, sink: &mut dyn Sink) -> CdcResult<()> {
        let settings = &self.target.settings;
        let table = if settings.is_captured(&relation.schema, &relation.table) {
            let table = self.catalog.relation_table(self.session, &settings.name, &relation).await?;
            sink.table(&table.schema).await?;
            Some(table)
        } else {
            None
        };
        self.relations.insert(relation.id, table);
        Ok(())
    }

    /// Returns the table of a change; `None` if it is not captured.
    fn table(&self, relation: u32) -> CdcResult<Option<Table>> {
        let table = self.relations.get(&relation).cloned();
        table.ok_or_else(|| {
            CdcError::source(format!("the log changes table {relation} without describing it first"))
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
        let name = table.schema.table_name();
        let has_metadata = self.target.settings.transaction_metadata;
        let transaction = &mut self.transaction;
        let order = || {
            transaction
                .as_mut()
                .filter(|_| has_metadata)
                .map(|transaction| transaction.next_order(&name, lsn))
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

    async fn on_message(
        &mut self,
        transactional: bool,
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
        let is_stored = if transactional {
            self.transaction.as_ref().is_none_or(|transaction| transaction.is_skipped)
        } else {
            lsn <= self.position.message_lsn || lsn < self.position.lsn
        };
        if is_stored {
            return Ok(());
        }
        if transactional {
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

/// Classifies an error of the replication connection.
pub(crate) fn connection_error(target: &Target, error: PgWireError) -> CdcError {
    let slot = &target.settings.slot;
    let (kind, what) = match &error {
        PgWireError::Server(text) if text.contains("is active for PID") => (
            CdcErrorKind::Busy,
            format!("replication slot {slot} is in use by another process: stop it, or set another slot"),
        ),
        PgWireError::Server(text) => {
            (CdcErrorKind::Source, format!("PostgreSQL at {}: {text}", target.server()))
        }
        PgWireError::Auth(_) => (
            CdcErrorKind::Configuration,
            format!(
                "authentication failed at PostgreSQL at {} for user {}: check name and password",
                target.server(),
                target.user
            ),
        ),
        _ => (CdcErrorKind::Unreachable, format!("connection to PostgreSQL at {} closed", target.server())),
    };
    CdcError::new(kind, what).because(error)
}
