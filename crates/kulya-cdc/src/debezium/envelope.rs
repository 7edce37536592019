//! The envelope of a change as JSON, members in Debezium's order. The rows and the `source` block are written
//! by the caller, straight into the same buffer.

use super::json::{write, write_null};
use super::transaction::TransactionOrder;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happened, Debezium's `op`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// A row was inserted.
    #[serde(rename = "c")]
    Create,
    /// A row was changed.
    #[serde(rename = "u")]
    Update,
    /// A row was deleted.
    #[serde(rename = "d")]
    Delete,
    /// A row was read by a snapshot.
    #[serde(rename = "r")]
    Read,
    /// All rows of a table were deleted.
    #[serde(rename = "t")]
    Truncate,
    /// A logical decoding message was written (PostgreSQL).
    #[serde(rename = "m")]
    Message,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Update, Self::Delete, Self::Read, Self::Truncate, Self::Message];

    /// Returns Debezium's letter.
    pub fn code(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Read => 'r',
            Self::Truncate => 't',
            Self::Message => 'm',
        }
    }
}

/// The time at which events are produced, formatted once for a batch of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessingTime {
    millis: u64,
    /// `,"ts_ms":…,"ts_us":…,"ts_ns":…}`: the envelope's last members and its end.
    end: Vec<u8>,
}

impl ProcessingTime {
    /// Formats a time since 1970-01-01 UTC. Nanoseconds beyond 64 bits (year 2262) are the largest number.
    pub fn new(since_epoch: Duration) -> Self {
        let whole = |count: u128| i64::try_from(count).unwrap_or(i64::MAX);
        let mut end = Vec::with_capacity(80);
        end.extend_from_slice(b",\"ts_ms\":");
        write(&mut end, &whole(since_epoch.as_millis()));
        end.extend_from_slice(b",\"ts_us\":");
        write(&mut end, &whole(since_epoch.as_micros()));
        end.extend_from_slice(b",\"ts_ns\":");
        write(&mut end, &whole(since_epoch.as_nanos()));
        end.push(b'}');
        Self { millis: whole(since_epoch.as_millis()).unsigned_abs(), end }
    }

    /// Returns the milliseconds since 1970-01-01 UTC.
    pub fn millis(&self) -> u64 {
        self.millis
    }
}

/// Writes the envelope of a change. `before` and `after` write a row or `null` ([`absent`]), `source` writes
/// an object.
pub fn write_envelope(
    out: &mut Vec<u8>,
    before: impl FnOnce(&mut Vec<u8>),
    after: impl FnOnce(&mut Vec<u8>),
    source: impl FnOnce(&mut Vec<u8>),
    transaction: Option<&TransactionOrder<'_>>,
    operation: Operation,
    now: &ProcessingTime,
) {
    out.extend_from_slice(b"{\"before\":");
    before(out);
    out.extend_from_slice(b",\"after\":");
    after(out);
    out.extend_from_slice(b",\"source\":");
    source(out);
    write_transaction(out, transaction);
    out.extend_from_slice(b",\"op\":\"");
    out.push(operation.code() as u8);
    out.push(b'"');
    out.extend_from_slice(&now.end);
}

/// Writes `null` for a row that a change does not have.
pub fn absent(out: &mut Vec<u8>) {
    write_null(out);
}

/// Writes the member `transaction`.
pub(super) fn write_transaction(out: &mut Vec<u8>, transaction: Option<&TransactionOrder<'_>>) {
    out.extend_from_slice(b",\"transaction\":");
    match transaction {
        Some(order) => order.write(out),
        None => write_null(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debezium::transaction::TransactionId;

    #[test]
    fn an_envelope_has_debeziums_members() {
        let now = ProcessingTime::new(Duration::new(1_795_474_418, 385_304_279));
        assert_eq!(now.millis(), 1_795_474_418_385);
        let mut out = Vec::new();
        let raw = |text: &'static str| move |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
        write_envelope(&mut out, absent, raw("{\"a\":1}"), raw("{}"), None, Operation::Read, &now);
        let order =
            TransactionOrder { id: TransactionId::Gtid("0-1-2"), total_order: 3, data_collection_order: 1 };
        write_envelope(&mut out, raw("{}"), absent, raw("{}"), Some(&order), Operation::Delete, &now);
        let time = r#""ts_ms":1795474418385,"ts_us":1795474418385304,"ts_ns":1795474418385304279"#;
        let expected = format!(
            r#"{{"before":null,"after":{{"a":1}},"source":{{}},"transaction":null,"op":"r",{time}}}{{"before":{{}},"after":null,"source":{{}},"transaction":{{"id":"0-1-2","total_order":3,"data_collection_order":1}},"op":"d",{time}}}"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn times_beyond_64_bits_are_the_largest_number() {
        let end = String::from_utf8(ProcessingTime::new(Duration::MAX).end).unwrap();
        assert!(end.ends_with(",\"ts_ns\":9223372036854775807}"), "{end}");
    }

    #[test]
    fn operations_are_known_by_their_letters() {
        for operation in Operation::ALL {
            assert_eq!(serde_json::to_string(&operation).unwrap(), format!("\"{}\"", operation.code()));
        }
    }
}
