//! The event of a logical decoding message (`pg_logical_emit_message`).

use super::source_block::{Origin, table_members};
use crate::batch::{Batch, Destination};
use crate::debezium::envelope::ProcessingTime;
use crate::debezium::json::{self, member, write_base64};
use crate::debezium::transaction::TransactionOrder;
use std::sync::Arc;

/// Writes the event of a message: its prefix and content.
pub(crate) fn write(
    batch: &mut Batch,
    topic: &Arc<Destination>,
    origin: &Origin<'_>,
    order: Option<&TransactionOrder<'_>>,
    (prefix, content): (&str, &[u8]),
    now: &ProcessingTime,
) {
    let mut key = b"{\"prefix\":".to_vec();
    json::write(&mut key, prefix);
    key.push(b'}');
    let mut value = b"{\"op\":\"m\"".to_vec();
    member(&mut value, "ts_ms", &now.millis());
    value.extend_from_slice(b",\"source\":");
    origin.write(&table_members("", ""), &mut value);
    value.extend_from_slice(b",\"transaction\":");
    match order {
        Some(order) => order.write(&mut value),
        None => value.extend_from_slice(b"null"),
    }
    value.extend_from_slice(b",\"message\":{\"prefix\":");
    json::write(&mut value, prefix);
    value.extend_from_slice(b",\"content\":");
    write_base64(&mut value, content);
    value.extend_from_slice(b"}}");
    batch.push_copy(topic, Some(&key), Some(&value));
}
