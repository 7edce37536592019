//! The transaction of the log that is being written, and the records of its begin and end.
//!
//! Debezium writes them for each transaction of the server, whether or not it changes a captured table, and
//! with MariaDB a begin without an end for each statement that is a transaction of its own. The corrected
//! form has both for each transaction with events.

use super::stream::{self, TransactionKind};
use crate::batch::Batch;
use crate::debezium::Compatibility;
use crate::debezium::connector::Connector;
use crate::debezium::events::{EventContext, TopicEvents};
use crate::debezium::transaction::{
    TransactionCounts, TransactionId, TransactionOrder, begin_millis, write_begin, write_end, write_key,
};
use std::sync::Arc;

/// How the records of transactions are written.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    /// Whether they are written at all.
    is_wanted: bool,
    compat: Compatibility,
    connector: Connector,
    topic: TopicEvents,
}

impl Metadata {
    pub(crate) fn new(events: &EventContext) -> Self {
        Self {
            is_wanted: events.format.provide_transaction_metadata,
            compat: events.modes.compat,
            connector: events.connector,
            topic: events.transactions(),
        }
    }
}

/// The transaction that is being written.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    pub(crate) transaction: Arc<stream::Transaction>,
    /// The id in events.
    pub(crate) id: Arc<str>,
    counts: TransactionCounts,
    has_begun: bool,
}

impl OpenTransaction {
    /// Opens a transaction.
    pub(crate) fn new(transaction: Arc<stream::Transaction>, metadata: &Metadata, batch: &mut Batch) -> Self {
        let id = match &transaction.id {
            Some(id) => id.to_string(),
            None => format!("file={},pos={}", transaction.start.file, transaction.start.position),
        };
        let mut open =
            Self { transaction, id: id.into(), counts: TransactionCounts::new(), has_begun: false };
        if metadata.compat == Compatibility::Debezium && open.has_records(metadata) {
            open.begin(metadata, batch);
        }
        open
    }

    /// Returns the GTID; `None` without.
    pub(crate) fn gtid(&self) -> Option<Arc<str>> {
        self.transaction.id.is_some().then(|| Arc::clone(&self.id))
    }

    /// Whether the transaction has records of its begin and end, if it has events.
    fn has_records(&self, metadata: &Metadata) -> bool {
        // Debezium knows MySQL's transactions by their BEGIN
        let is_known = metadata.compat == Compatibility::Corrected
            || metadata.connector == Connector::Mariadb
            || self.transaction.kind == TransactionKind::Rows;
        metadata.is_wanted && is_known
    }

    /// Prepares an event: writes the begin before the first one. Returns what counts the events of a table,
    /// whose number is given; `None` if events have no position in the transaction.
    pub(crate) fn counter<'t>(
        &'t mut self,
        table: usize,
        metadata: &Metadata,
        batch: &mut Batch,
    ) -> Option<impl FnMut() -> TransactionOrder<'t> + use<'t>> {
        if !self.has_records(metadata) {
            return None;
        }
        if !self.has_begun {
            self.begin(metadata, batch);
        }
        let Self { id, counts, .. } = self;
        let id = TransactionId::Gtid(id);
        Some(move || counts.count(table, id))
    }

    fn begin(&mut self, metadata: &Metadata, batch: &mut Batch) {
        self.has_begun = true;
        let before = self.transaction.timestamp_before.map(|seconds| i64::from(seconds) * 1000);
        let millis = begin_millis(
            metadata.connector,
            metadata.compat,
            self.millis(self.transaction.timestamp),
            before,
        );
        let id = TransactionId::Gtid(&self.id);
        write(&id, metadata, batch, |out| write_begin(out, &id, millis));
    }

    /// Ends the transaction, with an event logged at `timestamp`. `name` gives a table's name by its number.
    pub(crate) fn end<'n>(
        mut self,
        timestamp: u32,
        name: impl Fn(usize) -> &'n str,
        metadata: &Metadata,
        batch: &mut Batch,
    ) {
        let is_without_end =
            metadata.compat == Compatibility::Debezium && self.transaction.kind != TransactionKind::Rows;
        if !self.has_begun || is_without_end {
            return;
        }
        let millis = self.millis(timestamp);
        let (total, counts) = self.counts.finish(name, metadata.compat);
        let id = TransactionId::Gtid(&self.id);
        write(&id, metadata, batch, |out| write_end(out, &id, total, &counts, millis));
    }

    fn millis(&self, timestamp: u32) -> i64 {
        self.micros(timestamp).div_euclid(1000)
    }

    /// Returns the time of an event of the transaction that was logged at `timestamp`, in microseconds since
    /// 1970-01-01 UTC: that of the commit, if the log has it.
    pub(crate) fn micros(&self, timestamp: u32) -> i64 {
        let commit = self.transaction.commit_micros.and_then(|micros| i64::try_from(micros).ok());
        commit.unwrap_or(i64::from(timestamp) * 1_000_000)
    }
}

fn write(id: &TransactionId<'_>, metadata: &Metadata, batch: &mut Batch, value: impl FnOnce(&mut Vec<u8>)) {
    metadata.topic.push(batch, &[], |out| write_key(out, id), value);
}
