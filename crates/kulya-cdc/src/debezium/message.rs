//! The records of PostgreSQL's logical decoding messages (`pg_logical_emit_message`, topic `prefix.message`).

use super::envelope::{Operation, ProcessingTime, write_transaction};
use super::json::write;
use super::transaction::TransactionOrder;

/// Writes the key of a message.
pub fn write_key(out: &mut Vec<u8>, prefix: &str) {
    out.extend_from_slice(b"{\"prefix\":");
    write(out, prefix);
    out.push(b'}');
}

/// Writes the value of a message. `source` writes an object, `content` a text by the mode of bytes.
pub fn write_value(
    out: &mut Vec<u8>,
    prefix: &str,
    content: impl FnOnce(&mut Vec<u8>),
    source: impl FnOnce(&mut Vec<u8>),
    transaction: Option<&TransactionOrder<'_>>,
    now: &ProcessingTime,
) {
    out.extend_from_slice(b"{\"op\":\"");
    out.push(Operation::Message.code() as u8);
    out.extend_from_slice(b"\",\"ts_ms\":");
    write(out, &now.millis());
    out.extend_from_slice(b",\"source\":");
    source(out);
    write_transaction(out, transaction);
    out.extend_from_slice(b",\"message\":{\"prefix\":");
    write(out, prefix);
    out.extend_from_slice(b",\"content\":");
    content(out);
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debezium::json::write_base64;
    use crate::debezium::transaction::TransactionId;
    use std::time::Duration;

    #[test]
    fn messages_have_debeziums_members() {
        let mut out = Vec::new();
        write_key(&mut out, "pfx");
        let id = TransactionId::Postgres { xid: 1386, lsn: 63_171_336 };
        let order = TransactionOrder { id, total_order: 1, data_collection_order: 1 };
        let content = |out: &mut Vec<u8>| {
            write_base64(out, b"hello");
        };
        let source = |out: &mut Vec<u8>| out.extend_from_slice(b"{}");
        let now = ProcessingTime::new(Duration::from_millis(1_795_474_424_106));
        write_value(&mut out, "pfx", content, source, Some(&order), &now);
        let expected = [
            r#"{"prefix":"pfx"}{"op":"m","ts_ms":1795474424106,"source":{},"transaction":"#,
            r#"{"id":"1386:63171336","total_order":1,"data_collection_order":1},"#,
            r#""message":{"prefix":"pfx","content":"aGVsbG8="}}"#,
        ];
        assert_eq!(String::from_utf8(out).unwrap(), expected.concat());
    }
}
