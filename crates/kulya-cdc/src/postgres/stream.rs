//! Following the log: the transport's events become records, and every commit of the database one commit of the
//! sink (or, when they come faster than the disk, several of them one).

use super::catalog::Catalog;
use super::envelope::{self, Change, Operation, Origin, Place};
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

/// Microseconds from 1970 to 2000, where PostgreSQL counts from.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Records that several transactions of the database may share a commit of the sink.
const RECORDS_PER_COMMIT: u64 = 10_000;
/// How far the log may run ahead of the stored position while nothing of it concerns us.
const IDLE_BYTES: u64 = 1 << 20;
/// The prefix of our own message, by which a run that shall end finds the end of the log.
pub(crate) const MARK_PREFIX: &str = "kulya:caught-up";

/// What following needs, and how far it is.
pub(crate) struct Follower<'a> {
    pub(crate) session: &'a Session,
    pub(crate) target: &'a Target,
    pub(crate) catalog: Catalog,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) progress: &'a (dyn Fn(Progress) + Send + Sync),
    /// What the next commit stores.
    pub(crate) position: Position,
    /// The mark after which to end.
    pub(crate) until: Option<String>,
    stored_lsn: u64,
    relations: HashMap<u32, Option<Table>>,
    transaction: Option<Transaction>,
    last_commit: Option<LastCommit>,
    /// Records written to the sink and not committed, tombstones not counted.
    pending: u64,
    marked: bool,
}

#[derive(Clone, Copy)]
struct LastCommit {
    end_lsn: u64,
    micros: i64,
}

/// The transaction that the log is in.
struct Transaction {
    xid: u32,
    committed_micros: i64,
    /// Whether it is stored already.
    skipped: bool,
    events: u64,
    /// Events by table, in the order of the tables' first events.
    counts: Vec<(String, u64)>,
}

impl Transaction {
    fn place(&mut self, collection: &str, lsn: u64) -> Place {
        self.events += 1;
        if !self.counts.iter().any(|(name, _)| name == collection) {
            self.counts.push((collection.to_owned(), 0));
        }
        let mut collection_order = 0;
        for (_, count) in self.counts.iter_mut().filter(|(name, _)| name == collection) {
            *count += 1;
            collection_order = *count;
        }
        Place { id: format!("{}:{lsn}", self.xid), total_order: self.events, collection_order }
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

impl<'a> Follower<'a> {
    pub(crate) fn new(
        session: &'a Session,
        target: &'a Target,
        clock: &'a dyn Clock,
        progress: &'a (dyn Fn(Progress) + Send + Sync),
        position: Position,
    ) -> Self {
        Self {
            session,
            target,
            catalog: Catalog::default(),
            clock,
            progress,
            until: None,
            stored_lsn: position.lsn,
            position,
            relations: HashMap::new(),
            transaction: None,
            last_commit: None,
            pending: 0,
            marked: false,
        }
    }

    /// Follows until told to stop, or until the mark. What was read of a transaction that has not ended is dropped
    /// with the sink: the log gives it again.
    pub(crate) async fn follow(
        &mut self,
        client: &mut ReplicationClient,
        sink: &mut dyn Sink,
        stop: &CancellationToken,
    ) -> CdcResult<()> {
        loop {
            let between = self.transaction.is_none();
            let event = match client.recv().now_or_never() {
                Some(event) => event,
                None => {
                    // nothing more is here now: what has ended is stored before waiting
                    if between {
                        self.store(client, sink).await?;
                    }
                    tokio::select! {
                        event = client.recv() => event,
                        () = stop.cancelled() => return Ok(()),
                    }
                }
            };
            let event = event.map_err(|e| broken(self.target, e))?.ok_or_else(|| {
                let what = format!("PostgreSQL at {} ended the replication", self.target.server());
                CdcError::new(CdcErrorKind::Unreachable, what)
            })?;
            self.event(event, client, sink).await?;
            if self.transaction.is_none() {
                let ends = self.marked || stop.is_cancelled();
                if self.pending >= RECORDS_PER_COMMIT || ends {
                    self.store(client, sink).await?;
                }
                if ends {
                    return Ok(());
                }
            }
        }
    }

    async fn event(
        &mut self,
        event: ReplicationEvent,
        client: &ReplicationClient,
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        match event {
            ReplicationEvent::Begin { final_lsn, xid, commit_time_micros } => {
                let commit = final_lsn.as_u64();
                let seen = self.position.snapshot.as_ref().is_some_and(|cut| cut.saw(xid, commit));
                self.transaction = Some(Transaction {
                    xid,
                    committed_micros: commit_time_micros + POSTGRES_EPOCH_MICROS,
                    // a stored commit ends at or before the position, so it began before it
                    skipped: seen || commit < self.position.lsn,
                    events: 0,
                    counts: Vec::new(),
                });
            }
            ReplicationEvent::XLogData { wal_start, data, .. } => {
                self.change(wal_start.as_u64(), data, sink).await?
            }
            ReplicationEvent::Commit { end_lsn, .. } => self.commit(end_lsn.as_u64(), client, sink).await?,
            ReplicationEvent::Message { transactional, lsn, prefix, content } => {
                self.message(transactional, lsn.as_u64(), &prefix, &content, sink).await?;
            }
            ReplicationEvent::KeepAlive { wal_end, .. }
                if self.transaction.is_none() && self.pending == 0 =>
            {
                self.position.lsn = self.position.lsn.max(wal_end.as_u64());
                self.idle(client, sink).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn commit(
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
        if self.pending == 0 { self.idle(client, sink).await } else { Ok(()) }
    }

    /// Stores the position without events, now and then, so that the database may drop its log.
    async fn idle(&mut self, client: &ReplicationClient, sink: &mut dyn Sink) -> CdcResult<()> {
        if self.position.lsn > self.stored_lsn + IDLE_BYTES {
            self.store_position(client, sink).await
        } else {
            Ok(())
        }
    }

    async fn store(&mut self, client: &ReplicationClient, sink: &mut dyn Sink) -> CdcResult<()> {
        if self.pending > 0 { self.store_position(client, sink).await } else { Ok(()) }
    }

    /// Only what is stored is confirmed to the database.
    async fn store_position(&mut self, client: &ReplicationClient, sink: &mut dyn Sink) -> CdcResult<()> {
        sink.commit(&self.position).await?;
        self.stored_lsn = self.position.lsn;
        client.update_applied_lsn(Lsn::from_u64(self.position.lsn));
        (self.progress)(Progress::Stored { records: self.pending, lsn: self.position.lsn });
        self.pending = 0;
        Ok(())
    }

    async fn write(&mut self, record: Record, sink: &mut dyn Sink) -> CdcResult<()> {
        // a tombstone comes with its delete and counts for nothing
        self.pending += u64::from(record.value.is_some());
        sink.write(record).await
    }

    async fn change(&mut self, lsn: u64, data: Bytes, sink: &mut dyn Sink) -> CdcResult<()> {
        let message = pgoutput::decode(data).ok_or_else(|| {
            CdcError::source(format!(
                "the log holds a message at {} that is not understood",
                Lsn::from_u64(lsn)
            ))
        })?;
        // a table is described once in a session, be it within a transaction that is stored already
        if let Message::Relation(relation) = message {
            return self.relation(relation, sink).await;
        }
        if self.transaction.as_ref().is_none_or(|transaction| transaction.skipped) {
            return Ok(());
        }
        let change = |operation, before, after| Change { operation, before, after };
        match message {
            Message::Insert { relation, new } => {
                let Some(table) = self.table(relation)? else { return Ok(()) };
                let after = table.row(&new)?;
                self.row(&table, change(Operation::Create, None, Some(after)), lsn, sink).await
            }
            Message::Update { relation, old, new } => {
                let Some(table) = self.table(relation)? else { return Ok(()) };
                let before = match &old {
                    Some(OldTuple::Key(old) | OldTuple::Full(old)) => Some(table.row(old)?),
                    None => None,
                };
                let after = table.row(&whole(new, old.as_ref()))?;
                self.row(&table, change(Operation::Update, before, Some(after)), lsn, sink).await
            }
            Message::Delete { relation, old: OldTuple::Key(old) | OldTuple::Full(old) } => {
                let Some(table) = self.table(relation)? else { return Ok(()) };
                let before = table.row(&old)?;
                self.row(&table, change(Operation::Delete, Some(before), None), lsn, sink).await
            }
            Message::Truncate { relations } if self.target.settings.truncate => {
                for relation in relations {
                    if let Some(table) = self.table(relation)? {
                        self.row(&table, change(Operation::Truncate, None, None), lsn, sink).await?;
                    }
                }
                Ok(())
            }
            Message::Truncate { .. } | Message::Relation(_) | Message::Ignored => Ok(()),
        }
    }

    async fn relation(&mut self, relation: Relation, sink: &mut dyn Sink) -> CdcResult<()> {
        let settings = &self.target.settings;
        let table = if settings.wants(&relation.schema, &relation.table) {
            let table = self.catalog.relation(self.session, &settings.name, &relation).await?;
            sink.table(&table.schema).await?;
            Some(table)
        } else {
            None
        };
        self.relations.insert(relation.id, table);
        Ok(())
    }

    /// The table of a change; `None` when it is not captured.
    fn table(&self, relation: u32) -> CdcResult<Option<Table>> {
        let known = self.relations.get(&relation).cloned();
        known.ok_or_else(|| {
            CdcError::source(format!("the log changes table {relation} before it describes it"))
        })
    }

    /// Writes a change of a captured table.
    async fn row(&mut self, table: &Table, change: Change, lsn: u64, sink: &mut dyn Sink) -> CdcResult<()> {
        self.begin(lsn, sink).await?;
        let origin = origin(self.target, self.transaction.as_ref(), lsn, self.last_commit);
        let name = table.schema.table_name();
        let marks = self.target.settings.transaction_metadata;
        let transaction = &mut self.transaction;
        let place =
            || transaction.as_mut().filter(|_| marks).map(|transaction| transaction.place(&name, lsn));
        for record in envelope::records(table, change, &origin, place, self.clock.since_epoch()) {
            self.write(record, sink).await?;
        }
        Ok(())
    }

    /// Marks the transaction's beginning, before its first event.
    async fn begin(&mut self, lsn: u64, sink: &mut dyn Sink) -> CdcResult<()> {
        let Some(transaction) = self.transaction.as_ref() else { return Ok(()) };
        if transaction.events > 0 || !self.target.settings.transaction_metadata {
            return Ok(());
        }
        let id = format!("{}:{lsn}", transaction.xid);
        let begin = envelope::begin(&self.target.settings.name, &id, transaction.committed_micros);
        self.write(begin, sink).await
    }

    async fn message(
        &mut self,
        transactional: bool,
        lsn: u64,
        prefix: &str,
        content: &[u8],
        sink: &mut dyn Sink,
    ) -> CdcResult<()> {
        if prefix == MARK_PREFIX {
            self.marked |= self.until.as_ref().is_some_and(|mark| mark.as_bytes() == content);
            return Ok(());
        }
        let stored = if transactional {
            self.transaction.as_ref().is_none_or(|transaction| transaction.skipped)
        } else {
            lsn <= self.position.message_lsn || lsn < self.position.lsn
        };
        if stored {
            return Ok(());
        }
        if transactional {
            self.begin(lsn, sink).await?;
        } else {
            self.position.message_lsn = lsn;
        }
        let origin = origin(self.target, self.transaction.as_ref(), lsn, self.last_commit);
        let marks = self.target.settings.transaction_metadata;
        let transaction = self.transaction.as_mut().filter(|_| marks);
        let place = transaction.map(|transaction| transaction.place("message", lsn));
        let content = STANDARD.encode(content);
        let record = envelope::message(&origin, place.as_ref(), prefix, &content, self.clock.since_epoch());
        self.write(record, sink).await
    }
}

/// A new row in which the large values that the change left as they were are taken from the old row, if that is whole.
fn whole(new: Tuple, old: Option<&OldTuple>) -> Tuple {
    let Some(OldTuple::Full(old)) = old else { return new };
    let known = new.into_iter().zip(old);
    known.map(|(new, old)| if new == Cell::Unchanged { old.clone() } else { new }).collect()
}

/// What the transport's errors mean.
pub(crate) fn broken(target: &Target, error: PgWireError) -> CdcError {
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
                "PostgreSQL at {} refuses user {}: check name and password",
                target.server(),
                target.user
            ),
        ),
        _ => {
            (CdcErrorKind::Unreachable, format!("the connection to PostgreSQL at {} broke", target.server()))
        }
    };
    CdcError::new(kind, what).because(error)
}
