//! The transaction of the log that is being read, and the records of its begin and end.

use crate::batch::Batch;
use crate::debezium::Compatibility;
use crate::debezium::events::TopicEvents;
use crate::debezium::transaction::{
    TransactionCounts, TransactionId, TransactionOrder, write_begin, write_end, write_key,
};

/// The end of the last transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastCommit {
    pub(crate) end_lsn: u64,
    pub(crate) micros: i64,
}

/// The current transaction of the log.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) xid: u32,
    pub(crate) commit_lsn: u64,
    pub(crate) committed_micros: i64,
    /// Whether the transaction is stored already.
    pub(crate) is_skipped: bool,
    /// Whether it is the capture's own, by which a run recognizes its end.
    pub(crate) is_own: bool,
    /// Whether there are changes of operations that give no events. Debezium's publication does not have
    /// them, and the server leaves out a transaction of which nothing is published.
    pub(crate) has_skipped_changes: bool,
    /// Whether a part of its records was handed over: it is larger than a batch.
    pub(crate) is_staged: bool,
    /// The position of the transaction's first change in the log.
    begin_lsn: u64,
    has_begin: bool,
    counts: TransactionCounts,
    /// The tables that have events.
    names: Vec<String>,
}

impl Transaction {
    /// Creates a transaction; `begin_lsn` is the position of its first change.
    pub(crate) fn new(xid: u32, begin_lsn: u64, commit_lsn: u64, committed_micros: i64) -> Self {
        Self {
            xid,
            commit_lsn,
            committed_micros,
            is_skipped: false,
            is_own: false,
            has_skipped_changes: false,
            is_staged: false,
            begin_lsn,
            has_begin: false,
            counts: TransactionCounts::new(),
            names: Vec::new(),
        }
    }

    /// Counts an event of a table.
    pub(crate) fn count(&mut self, table: &str, lsn: u64) -> TransactionOrder<'static> {
        let index = self.names.iter().position(|name| name == table).unwrap_or_else(|| {
            self.names.push(table.to_owned());
            self.names.len() - 1
        });
        self.counts.count(index, TransactionId::Postgres { xid: self.xid, lsn })
    }

    /// Writes the record of the transaction's begin, if it is not written yet. `lsn` is the position of the
    /// first event; Debezium has that of the first change, captured or not.
    pub(crate) fn write_begin(
        &mut self,
        lsn: u64,
        compat: Compatibility,
        topic: &TopicEvents,
        batch: &mut Batch,
    ) {
        if !std::mem::replace(&mut self.has_begin, true) {
            let lsn = if compat == Compatibility::Debezium { self.begin_lsn } else { lsn };
            let id = TransactionId::Postgres { xid: self.xid, lsn };
            let millis = self.committed_micros.div_euclid(1000);
            self.write(topic, batch, id, |out| write_begin(out, &id, millis));
        }
    }

    /// Writes the record of the transaction's end, if that of its begin is written.
    pub(crate) fn write_end(
        &mut self,
        lsn: u64,
        compat: Compatibility,
        topic: &TopicEvents,
        batch: &mut Batch,
    ) {
        if self.has_begin {
            let id = TransactionId::Postgres { xid: self.xid, lsn };
            let millis = self.committed_micros.div_euclid(1000);
            let names = std::mem::take(&mut self.names);
            let name = |index: usize| names.get(index).map_or("", String::as_str);
            let (total, counts) = self.counts.finish(name, compat);
            self.write(topic, batch, id, |out| write_end(out, &id, total, &counts, millis));
        }
    }

    fn write(
        &self,
        topic: &TopicEvents,
        batch: &mut Batch,
        id: TransactionId<'_>,
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        topic.push(batch, &[], |out| write_key(out, &id), value);
    }
}
