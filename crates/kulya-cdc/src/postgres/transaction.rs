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
    counts: TransactionCounts,
    /// The tables that have events.
    names: Vec<String>,
}

impl Transaction {
    pub(crate) fn new(xid: u32, commit_lsn: u64, committed_micros: i64, is_skipped: bool) -> Self {
        let counts = TransactionCounts::new();
        Self { xid, commit_lsn, committed_micros, is_skipped, counts, names: Vec::new() }
    }

    /// Counts an event of a table.
    pub(crate) fn count(&mut self, table: &str, lsn: u64) -> TransactionOrder<'static> {
        let index = self.names.iter().position(|name| name == table).unwrap_or_else(|| {
            self.names.push(table.to_owned());
            self.names.len() - 1
        });
        self.counts.count(index, TransactionId::Postgres { xid: self.xid, lsn })
    }

    /// Writes the record of the transaction's begin, if it has no event yet.
    pub(crate) fn write_begin(&self, lsn: u64, topic: &TopicEvents, batch: &mut Batch) {
        if self.counts.total() == 0 {
            let id = TransactionId::Postgres { xid: self.xid, lsn };
            let millis = self.committed_micros.div_euclid(1000);
            self.write(topic, batch, id, |out| write_begin(out, &id, millis));
        }
    }

    /// Writes the record of the transaction's end, if events were counted.
    pub(crate) fn write_end(
        &mut self,
        lsn: u64,
        compat: Compatibility,
        topic: &TopicEvents,
        batch: &mut Batch,
    ) {
        if self.counts.total() > 0 {
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
