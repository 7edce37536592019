//! Debezium's change event envelope as JSON without embedded schemas, members in Debezium's order.

use super::table::Table;
use crate::Record;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// The operation of a change, Debezium's `op`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Read,
    Truncate,
}

impl Operation {
    fn code(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
            Self::Read => "r",
            Self::Truncate => "t",
        }
    }
}

/// The origin of a change, Debezium's `source` block.
#[derive(Debug, Clone)]
pub(crate) struct Origin<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) database: &'a str,
    /// `false` for changes from the log; for snapshot rows `first`, `true`, `last`, …
    pub(crate) snapshot: &'static str,
    /// The commit time, in microseconds since 1970-01-01 UTC.
    pub(crate) committed_micros: i64,
    pub(crate) transaction: Option<u32>,
    pub(crate) lsn: u64,
    /// The end of the previous transaction's commit.
    pub(crate) last_commit_lsn: Option<u64>,
}

/// An event's position in its transaction, Debezium's `transaction` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransactionOrder {
    pub(crate) id: String,
    pub(crate) total_order: u64,
    pub(crate) collection_order: u64,
}

impl TransactionOrder {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "total_order": self.total_order,
            "data_collection_order": self.collection_order,
        })
    }
}

impl Origin<'_> {
    fn source(&self, schema: &str, table: &str) -> Value {
        let last = self.last_commit_lsn.map_or_else(|| "null".to_owned(), |lsn| format!("\"{lsn}\""));
        json!({
            "version": concat!("kulya-", env!("CARGO_PKG_VERSION")),
            "connector": "postgresql",
            "name": self.prefix,
            "ts_ms": self.committed_micros.div_euclid(1000),
            "snapshot": self.snapshot,
            "db": self.database,
            "sequence": format!("[{last},\"{}\"]", self.lsn),
            "ts_us": self.committed_micros,
            "ts_ns": self.committed_micros.saturating_mul(1000),
            "schema": schema,
            "table": table,
            "txId": self.transaction,
            "lsn": self.lsn,
            "xmin": null,
            "origin": null,
            "origin_lsn": null,
        })
    }
}

/// A change of one row, or of a whole table.
pub(crate) struct Change {
    pub(crate) operation: Operation,
    pub(crate) before: Option<Map<String, Value>>,
    pub(crate) after: Option<Map<String, Value>>,
}

/// Converts a change to records: one, or, if the primary key has changed, a delete and a create. Each delete
/// is followed by a tombstone.
pub(crate) fn records(
    table: &Table,
    change: Change,
    origin: &Origin<'_>,
    mut order: impl FnMut() -> Option<TransactionOrder>,
    now: Duration,
) -> Vec<Record> {
    let key = |row: &Option<Map<String, Value>>| row.as_ref().and_then(|row| table.key(row));
    let (old, new) = (key(&change.before), key(&change.after));
    if let (Operation::Update, Some(old), Some(new)) = (change.operation, &old, &new)
        && old != new
    {
        let to = vec![("__debezium.newkey".into(), new.to_string())];
        let from = vec![("__debezium.oldkey".into(), old.to_string())];
        let delete = Change { operation: Operation::Delete, before: change.before, after: None };
        let create = Change { operation: Operation::Create, before: None, after: change.after };
        let deletion = record(table, delete, Some(old), to, origin, order(), now);
        let tombstone = Record { value: None, ..deletion.clone() };
        return vec![deletion, tombstone, record(table, create, Some(new), from, origin, order(), now)];
    }
    let operation = change.operation;
    let key = if operation == Operation::Delete { old } else { new };
    let record = record(table, change, key.as_ref(), Vec::new(), origin, order(), now);
    if operation == Operation::Delete {
        let tombstone = Record { value: None, ..record.clone() };
        return vec![record, tombstone];
    }
    vec![record]
}

fn record(
    table: &Table,
    change: Change,
    key: Option<&Value>,
    headers: Vec<(Cow<'static, str>, String)>,
    origin: &Origin<'_>,
    order: Option<TransactionOrder>,
    now: Duration,
) -> Record {
    let schema = &table.schema;
    let value = json!({
        "before": change.before,
        "after": change.after,
        "source": origin.source(&schema.schema, &schema.table),
        "transaction": order.map(|order| order.json()),
        "op": change.operation.code(),
        "ts_ms": now.as_millis() as u64,
        "ts_us": now.as_micros() as u64,
        "ts_ns": now.as_nanos() as u64,
    });
    Record {
        topic: schema.topic(),
        table: Some(Arc::clone(schema)),
        key: key.map(Value::to_string),
        value: Some(value.to_string()),
        headers,
    }
}

/// Returns the record of a logical decoding message (`pg_logical_emit_message`).
pub(crate) fn message(
    origin: &Origin<'_>,
    order: Option<&TransactionOrder>,
    prefix: &str,
    content: &str,
    now: Duration,
) -> Record {
    let value = json!({
        "op": "m",
        "ts_ms": now.as_millis() as u64,
        "source": origin.source("", ""),
        "transaction": order.map(TransactionOrder::json),
        "message": { "prefix": prefix, "content": content },
    });
    keyed(format!("{}.message", origin.prefix), &json!({ "prefix": prefix }), &value)
}

/// Returns the record of a transaction's begin.
pub(crate) fn begin(prefix: &str, id: &str, committed_micros: i64) -> Record {
    boundary(prefix, "BEGIN", id, Value::Null, Value::Null, committed_micros)
}

/// Returns the record of a transaction's end, with the number of its events by table.
pub(crate) fn end(prefix: &str, id: &str, counts: &[(String, u64)], committed_micros: i64) -> Record {
    let collections: Value =
        counts.iter().map(|(name, count)| json!({ "data_collection": name, "event_count": count })).collect();
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    boundary(prefix, "END", id, json!(total), collections, committed_micros)
}

fn boundary(prefix: &str, status: &str, id: &str, count: Value, collections: Value, micros: i64) -> Record {
    let value = json!({
        "status": status,
        "id": id,
        "event_count": count,
        "data_collections": collections,
        "ts_ms": micros.div_euclid(1000),
    });
    keyed(format!("{prefix}.transaction"), &json!({ "id": id }), &value)
}

fn keyed(topic: String, key: &Value, value: &Value) -> Record {
    Record {
        topic,
        table: None,
        key: Some(key.to_string()),
        value: Some(value.to_string()),
        headers: Vec::new(),
    }
}
