//! Streaming of the write-ahead log: converts the transport's messages to records. Each transaction of the
//! database is stored as a whole; several of them share a commit when they arrive faster than they are
//! stored.

use super::catalog::{Catalog, is_captured_partition, quoted};
use super::connection::replication::{EPOCH_MICROS, ReplicationConnection, StreamMessage};
use super::connection::session::{Session, lsn_text};
use super::heartbeat::Heartbeats;
use super::log_meter::LogMeter;
use super::offset::PostgresPosition;
use super::pgoutput::{self, Cell, Message, OldTuple, Relation, ReplicaIdentity, Tuple};
use super::settings::Target;
use super::snapshot_rows::{ReadTable, SnapshotRows, TableChange};
use super::source_block::{Origin, SourceStart, table_members};
use super::table::{Image, Table, TableRow};
use super::transaction::{LastCommit, Transaction};
use super::value::write_bytes;
use crate::debezium::Compatibility;
use crate::debezium::change::{Change, ChangeContext, write_change};
use crate::debezium::envelope::{Operation, ProcessingTime};
use crate::debezium::events::{EventContext, TopicEvents};
use crate::debezium::message;
use crate::debezium::replaced_values::ReplacedValues;
use crate::debezium::row_image::Findings;
use crate::output::Output;
use crate::{CdcError, CdcResult, Position};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The number of log bytes without captured changes after which the position is stored, so that the server
/// can remove the log.
const IDLE_BYTES: u64 = 1 << 20;
/// The size of a read below which the next one waits while the sink is busy, in bytes.
const SMALL_READ_BYTES: usize = 64 << 10;
/// The time that it waits.
const SMALL_READ_PAUSE: Duration = Duration::from_micros(500);
/// Debezium's class of the collections of messages.
const MESSAGE_CLASS: &str =
    "io.debezium.connector.postgresql.LogicalDecodingMessageMonitor$LogicalDecodingMessageId";
/// The prefix of the logical decoding message by which a run with `StopCondition::CaughtUp` recognizes its
/// end.
pub(crate) const CAUGHT_UP_PREFIX: &str = "kulya:caught-up";

/// The replication stream of one connection, and its state.
pub(crate) struct ReplicationStream<'a> {
    session: &'a Session,
    target: &'a Target,
    catalog: Catalog,
    events: &'a EventContext,
    source: SourceStart,
    transactions: TopicEvents,
    messages: TopicEvents,
    heartbeats: Heartbeats<'a>,
    /// The position of the next commit.
    position: PostgresPosition,
    /// The content of the message at which to stop.
    caught_up_token: Option<String>,
    /// The position of the last commit that was handed over.
    committed_lsn: u64,
    /// The numbers of the commits that are not stored yet, with their positions.
    unconfirmed: VecDeque<(u64, u64)>,
    relations: HashMap<u32, Option<Arc<Table>>>,
    /// What snapshots have read.
    snapshot_rows: SnapshotRows,
    /// What they have read of the tables of `relations`.
    read_tables: HashMap<u32, ReadTable>,
    replaced_values: ReplacedValues,
    transaction: Option<Transaction>,
    last_commit: Option<LastCommit>,
    now: ProcessingTime,
    is_caught_up: bool,
    meter: LogMeter,
}

impl<'a> ReplicationStream<'a> {
    pub(crate) fn new(
        session: &'a Session,
        target: &'a Target,
        events: &'a EventContext,
        (position, snapshot_rows): (PostgresPosition, SnapshotRows),
        caught_up_token: Option<String>,
        output: &Output<'_>,
    ) -> Self {
        Self {
            session,
            target,
            catalog: Catalog::default(),
            source: SourceStart::new(&target.settings.name, &target.database),
            transactions: events.transactions(),
            messages: events.messages(),
            heartbeats: Heartbeats::new(&target.settings, events, output),
            events,
            caught_up_token,
            committed_lsn: position.lsn,
            position,
            unconfirmed: VecDeque::new(),
            relations: HashMap::new(),
            snapshot_rows,
            read_tables: HashMap::new(),
            replaced_values: ReplacedValues::default(),
            transaction: None,
            last_commit: None,
            now: ProcessingTime::new(output.clock.since_epoch()),
            is_caught_up: false,
            meter: LogMeter::default(),
        }
    }

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
            while let Some(message) = connection.next_received()? {
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
                self.meter.measure(self.session, &self.position.slot, connection, output).await?;
            }
            if self.transaction.is_none() {
                if self.is_caught_up || output.cancel.is_cancelled() {
                    return self.finish(connection, output).await;
                }
                self.heartbeats.beat(self.session, output).await?;
                // while the sink is busy, what arrives shares the next commit
                if !output.batch.is_empty() && output.is_idle() {
                    self.commit(output).await?;
                }
            }
            let (cancel, is_idle) = (output.cancel, output.is_idle());
            if !is_idle && received < SMALL_READ_BYTES {
                // what arrives meanwhile is read at once: many small reads cost more than the decoding
                received = SMALL_READ_BYTES;
                tokio::select! {
                    () = tokio::time::sleep(SMALL_READ_PAUSE) => {}
                    () = output.stored_more() => continue,
                    () = cancel.cancelled() => {}
                }
            }
            tokio::select! {
                read = connection.receive() => received = read?,
                () = self.heartbeats.wait(output.clock.since_epoch()), if self.transaction.is_none() => {}
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
        if self.transaction.is_some() { output.stage().await } else { self.commit(output).await }
    }

    async fn commit(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        self.position.forget_passed_snapshots();
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
            StreamMessage::Data { start, data, cut_from: None } => self.on_data(&data, start, output).await,
            StreamMessage::Data { start, data, cut_from: Some(bytes) } => {
                self.on_cut_message(&data, bytes, start, output)
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

    async fn on_data(&mut self, data: &Bytes, lsn: u64, output: &mut Output<'_>) -> CdcResult<()> {
        let message = pgoutput::decode(data).ok_or_else(|| {
            let place = lsn_text(lsn);
            CdcError::source(format!("the log has a message at {place} that cannot be decoded"))
        })?;
        match message {
            Message::Begin { commit_lsn, committed_micros, xid } => {
                let snapshot = self.position.snapshot.as_ref();
                let is_in_snapshot = snapshot.is_some_and(|cut| cut.contains(xid, commit_lsn));
                // a stored commit ends at or before the position, so it starts before it
                let is_skipped = is_in_snapshot || commit_lsn < self.position.lsn;
                let micros = committed_micros.saturating_add(EPOCH_MICROS);
                let mut transaction = Transaction::new(xid, lsn, commit_lsn, micros);
                transaction.is_skipped = is_skipped;
                self.transaction = Some(transaction);
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
            change => self.on_change(change, lsn, output),
        }
    }

    /// Leaves out an event whose row is larger than an event can be.
    fn on_cut_message(
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
        if let Some(table) = self.table(change.relation)?
            && !self.is_cut_row_in_snapshot(change.relation, &change.cells)
        {
            let key = table.write_cut_key(&change.cells, output.batch.buffer());
            output.batch.omit(&table.events.destination, key, bytes);
        }
        Ok(())
    }

    async fn on_commit(&mut self, end_lsn: u64, output: &mut Output<'_>) -> CdcResult<()> {
        if let Some(mut transaction) = self.transaction.take() {
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

    /// Commits the position without events once it has advanced by [`IDLE_BYTES`], so that the server can
    /// remove its log.
    async fn commit_idle_position(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        let is_due = output.batch.is_empty() && self.position.lsn > self.committed_lsn + IDLE_BYTES;
        if is_due { self.commit(output).await } else { Ok(()) }
    }

    fn on_change(&mut self, message: Message<'_>, lsn: u64, output: &mut Output<'_>) -> CdcResult<()> {
        match message {
            Message::Insert { relation, new } => {
                let change = |operation| RowChange { operation, before: None, after: Some(&new), lsn };
                self.write_row_change(relation, change(Operation::Create), output)
            }
            Message::Update { relation, old, new } => {
                let new = fill_unchanged(new, old.as_ref());
                let before = old.as_ref().map(image);
                let change = RowChange { operation: Operation::Update, before, after: Some(&new), lsn };
                self.write_row_change(relation, change, output)
            }
            Message::Delete { relation, old } => {
                let before = Some(image(&old));
                let change = RowChange { operation: Operation::Delete, before, after: None, lsn };
                self.write_row_change(relation, change, output)
            }
            Message::Truncate { relations } => {
                for relation in relations {
                    let change = RowChange { operation: Operation::Truncate, before: None, after: None, lsn };
                    self.write_row_change(relation, change, output)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes the records of a change. A null in a required column declares the table again, with that column
    /// optional.
    fn write_row_change(
        &mut self,
        relation: u32,
        change: RowChange<'_>,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let Some(mut table) = self.table(relation)? else { return Ok(()) };
        let Some(change) = self.without_snapshot_rows(relation, change)? else { return Ok(()) };
        let RowChange { operation, before, after, lsn } = change;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let compat = self.events.modes.compat;
        if compat == Compatibility::Debezium && table.has_no_columns() && operation != Operation::Truncate {
            // without values Debezium has no event
            return Ok(());
        }
        if self.events.format.skipped_operations.contains(operation) {
            transaction.has_skipped_changes = true;
            return Ok(());
        }
        let has_metadata = self.events.format.provide_transaction_metadata;
        if has_metadata {
            transaction.write_begin(lsn, compat, &self.transactions, &mut output.batch);
        }
        let origin = origin(&self.source, Some(transaction), lsn, self.last_commit);
        let mark = output.batch.mark();
        let mut findings = Findings::default();
        let mut counted = Vec::new();
        loop {
            let row = |cells, image| TableRow { table: &table, cells, image };
            let before = before.map(|(cells, image)| row(cells, image));
            let after = after.map(|cells| row(cells, Image::Complete));
            let context = ChangeContext {
                events: self.events,
                table: &table.events,
                now: &self.now,
                source: &|out| origin.write(&table.source_members, out),
            };
            let mut number = 0;
            let mut order = || {
                number += 1;
                if counted.len() < number {
                    counted.push(
                        has_metadata.then(|| transaction.count(&table.events.schema.table_name(), lsn)),
                    );
                }
                counted.get(number - 1).copied().flatten()
            };
            let change = Change { operation, before: before.as_ref(), after: after.as_ref() };
            write_change(&mut output.batch, &change, &context, &mut order, &mut findings);
            if findings.nulls.is_empty() {
                break;
            }
            output.batch.go_back_to(mark);
            table = Arc::new(table.with_optional(self.events, &findings.nulls));
            findings.nulls.clear();
            findings.replaced.clear();
            self.relations.insert(relation, Some(Arc::clone(&table)));
        }
        self.replaced_values.report(&findings.replaced);
        Ok(())
    }

    async fn on_relation(&mut self, relation: Relation, output: &mut Output<'_>) -> CdcResult<()> {
        let settings = &self.target.settings;
        let is_captured = settings.is_captured(&relation.schema, &relation.table)
            || is_captured_partition(self.session, settings, relation.id).await?;
        let table = if is_captured {
            let earlier = self.relations.get(&relation.id).and_then(Option::as_deref);
            let table = self.catalog.relation_table(self.session, self.events, &relation, earlier).await?;
            output.batch.declare(&table.events.destination);
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
        self.read_tables.remove(&relation.id);
        if let Some(read) = table.as_ref().and_then(|t| self.snapshot_rows.table(t, relation.identity)) {
            self.read_tables.insert(relation.id, read);
        }
        self.relations.insert(relation.id, table);
        Ok(())
    }

    /// Returns the table of a change; `None` if it is not captured.
    fn table(&self, relation: u32) -> CdcResult<Option<Arc<Table>>> {
        self.relations.get(&relation).cloned().ok_or_else(|| {
            CdcError::source(format!("the log changes table {relation} without describing it first"))
        })
    }

    /// Returns what the rows of snapshots do not contain of a change; `None` for nothing.
    fn without_snapshot_rows<'c>(
        &self,
        relation: u32,
        change: RowChange<'c>,
    ) -> CdcResult<Option<RowChange<'c>>> {
        let Some((read, transaction)) = self.read_tables.get(&relation).zip(self.transaction.as_ref()) else {
            return Ok(Some(change));
        };
        let contained = read.contained(TableChange {
            xid: transaction.xid,
            commit_lsn: transaction.commit_lsn,
            is_update: change.operation == Operation::Update,
            old: change.before.map(|(cells, _)| cells),
            new: change.after.map(Vec::as_slice),
        })?;
        Ok(contained.rest_of(change.operation).map(|operation| RowChange {
            operation,
            before: change.before.filter(|_| operation != Operation::Create),
            after: change.after.filter(|_| operation != Operation::Delete),
            lsn: change.lsn,
        }))
    }

    /// Whether the rows of snapshots contain the change of a row of which only the first cells are there.
    fn is_cut_row_in_snapshot(&self, relation: u32, cells: &[Cell<'_>]) -> bool {
        self.read_tables.get(&relation).zip(self.transaction.as_ref()).is_some_and(|(read, transaction)| {
            let Transaction { xid, commit_lsn, .. } = *transaction;
            let (old, new) = (None, Some(cells));
            read.contains_cut_row(TableChange { xid, commit_lsn, is_update: false, old, new })
        })
    }

    fn on_logical_message(
        &mut self,
        is_transactional: bool,
        lsn: u64,
        prefix: &str,
        content: &[u8],
        output: &mut Output<'_>,
    ) {
        if prefix == CAUGHT_UP_PREFIX {
            let token = self.caught_up_token.as_ref();
            self.is_caught_up |= token.is_some_and(|token| token.as_bytes() == content);
            if let Some(transaction) = &mut self.transaction {
                transaction.is_own = true;
            }
            return;
        }
        let is_stored = if is_transactional {
            self.transaction.as_ref().is_none_or(|transaction| transaction.is_skipped)
        } else {
            lsn <= self.position.message_lsn || lsn < self.position.lsn
        };
        if is_stored || self.events.format.skipped_operations.contains(Operation::Message) {
            return;
        }
        let compat = self.events.modes.compat;
        let has_metadata = self.events.format.provide_transaction_metadata;
        match &mut self.transaction {
            Some(transaction) if is_transactional && has_metadata => {
                transaction.write_begin(lsn, compat, &self.transactions, &mut output.batch);
            }
            _ if !is_transactional => self.position.message_lsn = lsn,
            _ => {}
        }
        let origin = origin(&self.source, self.transaction.as_ref(), lsn, self.last_commit);
        let transaction = self.transaction.as_mut().filter(|_| has_metadata);
        let collection = match compat {
            Compatibility::Corrected => Cow::Borrowed("message"),
            // each message is a collection of its own, with the address of an object as its name
            Compatibility::Debezium => Cow::Owned(format!("{MESSAGE_CLASS}@{:x}", lsn as u32)),
        };
        let order = transaction.map(|transaction| transaction.count(&collection, lsn));
        let source = |out: &mut Vec<u8>| origin.write(&table_members("", ""), out);
        let content = |out: &mut Vec<u8>| {
            write_bytes(content, self.events.modes.binary, out);
        };
        self.messages.push(
            &mut output.batch,
            &[],
            |out| message::write_key(out, prefix),
            |out| message::write_value(out, prefix, content, source, order.as_ref(), &self.now),
        );
    }
}

/// A change of a row as the log has it.
struct RowChange<'a> {
    operation: Operation,
    before: Option<(&'a [Cell<'a>], Image)>,
    after: Option<&'a Tuple<'a>>,
    lsn: u64,
}

fn image<'a>(old: &'a OldTuple<'a>) -> (&'a [Cell<'a>], Image) {
    match old {
        OldTuple::Full(cells) => (cells, Image::Complete),
        OldTuple::Key(cells) => (cells, Image::Identity),
    }
}

fn origin<'a>(
    source: &'a SourceStart,
    transaction: Option<&Transaction>,
    lsn: u64,
    last_commit: Option<LastCommit>,
) -> Origin<'a> {
    Origin {
        start: source,
        snapshot: "false",
        committed_micros: transaction
            .map_or(last_commit.map_or(0, |last| last.micros), |t| t.committed_micros),
        transaction: transaction.map(|t| t.xid),
        lsn,
        last_commit_lsn: last_commit.map(|last| last.end_lsn),
    }
}

/// Fills the unchanged TOAST values of a new row from the old row. Of an old row that is the replica identity
/// only, the other columns are null.
fn fill_unchanged<'a>(mut new: Tuple<'a>, old: Option<&OldTuple<'a>>) -> Tuple<'a> {
    if let Some(OldTuple::Full(old) | OldTuple::Key(old)) = old {
        let is_missing = |(new, old): &(&mut Cell<'_>, &Cell<'_>)| {
            **new == Cell::Unchanged && matches!(old, Cell::Text(_))
        };
        new.iter_mut().zip(old).filter(is_missing).for_each(|(new, old)| *new = *old);
    }
    new
}
