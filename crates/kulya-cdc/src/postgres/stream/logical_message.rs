//! Messages of `pg_logical_emit_message`: their events, and the capture's own, by which a run recognizes its
//! end.

use super::state::{ReplicationStream, origin};
use crate::debezium::Compatibility;
use crate::debezium::envelope::Operation;
use crate::debezium::message;
use crate::output::Output;
use crate::postgres::source_block::table_members;
use crate::postgres::value::write_bytes;
use std::borrow::Cow;

/// The prefix of the logical decoding message by which a run with `StopCondition::CaughtUp` recognizes its
/// end.
pub(crate) const CAUGHT_UP_PREFIX: &str = "kulya:caught-up";
/// Debezium's class of the collections of messages.
const MESSAGE_CLASS: &str =
    "io.debezium.connector.postgresql.LogicalDecodingMessageMonitor$LogicalDecodingMessageId";

impl ReplicationStream<'_> {
    pub(super) fn on_logical_message(
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
