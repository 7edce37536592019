//! A change log read as its table's current rows.
//!
//! Events are Debezium's JSON envelopes. Those of one key stand in one segment, in order, so folding each segment in
//! its order gives each key's last row. A truncate has no key: it removes the rows of all segments that are older by
//! the source's log position.

use crate::scan::{CHUNK_BYTES, unreadable};
use crate::table::Table;
use crate::unreadable::{OnUnreadable, Skipped};
use crate::{Backend, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use kulya_codec::arrow::{BATCH_ROWS, Column, rows_to_batch};
use kulya_store::{BoundedSegment, SegmentInfo};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

type Row = Map<String, Value>;

/// What Debezium writes for a large value that a change left as it was.
const UNAVAILABLE: &str = "__debezium_unavailable_value";
/// The same, in base64.
const UNAVAILABLE_BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

#[derive(Deserialize)]
struct Envelope {
    op: String,
    #[serde(default)]
    before: Option<Row>,
    #[serde(default)]
    after: Option<Row>,
    #[serde(default)]
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    lsn: Option<u64>,
}

/// The rows that a change log leaves.
#[derive(Debug, Default)]
pub struct CurrentRows {
    key: Vec<String>,
    /// By the key's JSON; without a primary key, by the whole row's.
    rows: HashMap<String, Held>,
    /// Rows of an older log position are gone.
    truncated_lsn: Option<u64>,
}

#[derive(Debug)]
struct Held {
    row: Row,
    lsn: Option<u64>,
    /// More than one only without a primary key.
    count: u64,
}

impl CurrentRows {
    /// No rows yet. `key` is the primary key; empty for a table without one.
    pub fn new(key: Vec<String>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Applies one event. An empty one (a tombstone) and a message (`m`) change nothing.
    pub fn apply(&mut self, event: &[u8]) -> Result<(), String> {
        if event.is_empty() {
            return Ok(());
        }
        let Envelope { op, before, after, source } =
            serde_json::from_slice(event).map_err(|e| format!("it is no Debezium envelope: {e}"))?;
        let lsn = source.and_then(|source| source.lsn);
        let missing = |side: &str| {
            format!("op {op} has no {side}: the source table needs a primary key or REPLICA IDENTITY FULL")
        };
        match op.as_str() {
            "c" | "r" => self.put(after.ok_or_else(|| missing("after"))?, lsn),
            "u" => {
                let after = after.ok_or_else(|| missing("after"))?;
                if self.key.is_empty() {
                    self.remove(&before.ok_or_else(|| missing("before"))?);
                }
                self.put(after, lsn);
            }
            "d" => self.remove(&before.ok_or_else(|| missing("before"))?),
            "t" => match lsn {
                Some(lsn) => self.truncated_lsn = self.truncated_lsn.max(Some(lsn)),
                // without a position there is only the order of this segment
                None => self.rows.clear(),
            },
            "m" => {}
            other => return Err(format!("its op {other:?} is unknown")),
        }
        Ok(())
    }

    fn identity(&self, row: &Row) -> String {
        if self.key.is_empty() {
            return Value::Object(row.clone()).to_string();
        }
        let parts = self.key.iter().map(|name| row.get(name).cloned().unwrap_or_default());
        Value::Array(parts.collect()).to_string()
    }

    fn put(&mut self, mut row: Row, lsn: Option<u64>) {
        let identity = self.identity(&row);
        let held = self.rows.get(&identity);
        for (name, value) in &mut row {
            if is_unavailable(value) {
                *value = held.and_then(|held| held.row.get(name)).cloned().unwrap_or_default();
            }
        }
        let count = match held {
            Some(held) if self.key.is_empty() => held.count + 1,
            _ => 1,
        };
        self.rows.insert(identity, Held { row, lsn, count });
    }

    fn remove(&mut self, row: &Row) {
        let identity = self.identity(row);
        match self.rows.get_mut(&identity) {
            Some(held) if held.count > 1 => held.count -= 1,
            _ => drop(self.rows.remove(&identity)),
        }
    }

    /// The rows that are left, in no particular order.
    pub fn into_rows(self) -> Vec<Row> {
        let truncated = self.truncated_lsn;
        let kept = self.rows.into_values().filter(move |held| truncated.is_none() || held.lsn > truncated);
        kept.flat_map(|held| std::iter::repeat_n(held.row, usize::try_from(held.count).unwrap_or(usize::MAX)))
            .collect()
    }
}

fn is_unavailable(value: &Value) -> bool {
    match value {
        Value::String(text) => text == UNAVAILABLE || text == UNAVAILABLE_BASE64,
        Value::Array(items) => match items.as_slice() {
            [Value::String(text)] => text == UNAVAILABLE,
            _ => {
                items.len() == UNAVAILABLE.len()
                    && items.iter().zip(UNAVAILABLE.bytes()).all(|(item, byte)| *item == json!(byte))
            }
        },
        _ => false,
    }
}

/// Reads a change log's segments to their end and gives the rows that are left.
#[derive(Clone)]
pub(crate) struct ChangelogScan {
    backend: Backend,
    schema: SchemaRef,
    segments: Vec<SegmentInfo>,
    /// The columns that are asked for.
    shown: Vec<Column>,
    key: Vec<String>,
    on_unreadable: OnUnreadable,
    skipped: Skipped,
}

impl std::fmt::Debug for ChangelogScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangelogScan({} columns, {} segments)", self.shown.len(), self.segments.len())
    }
}

impl ChangelogScan {
    pub(crate) fn new(
        table: &Table,
        schema: SchemaRef,
        segments: Vec<SegmentInfo>,
        shown: Vec<Column>,
        key: Vec<String>,
    ) -> Self {
        let (on_unreadable, skipped) = (table.on_unreadable, table.skipped.clone());
        Self { backend: table.backend.clone(), schema, segments, shown, key, on_unreadable, skipped }
    }

    async fn rows(&self) -> SqlResult<Vec<Row>> {
        let mut current = CurrentRows::new(self.key.clone());
        for segment in &self.segments {
            let mut reader = BoundedSegment::new(segment.clone());
            while let Some(chunk) = reader.next(&*self.backend.store, CHUNK_BYTES).await? {
                for (at, event) in &chunk.events {
                    if let Err(why) = current.apply(event) {
                        self.skipped.take(self.on_unreadable, unreadable(segment, *at, event, &why))?;
                    }
                }
            }
        }
        Ok(current.into_rows())
    }

    fn batch(&self, rows: &[Row]) -> SqlResult<RecordBatch> {
        // rows written before a column was there lack it, whatever the column's schema says now
        let shown: Vec<Column> = self.shown.iter().map(|c| Column { nullable: true, ..c.clone() }).collect();
        let batch = rows_to_batch(&shown, rows)?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), batch.columns().to_vec(), &options)
            .map_err(|e| DataFusionError::from(e).into())
    }
}

impl PartitionStream for ChangelogScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let scan = self.clone();
        let batches = async move {
            let rows = scan.rows().await?;
            let batches: Vec<_> =
                rows.chunks(BATCH_ROWS).map(|rows| scan.batch(rows).map_err(DataFusionError::from)).collect();
            Ok::<_, DataFusionError>(futures::stream::iter(batches))
        };
        let flat = futures::stream::once(batches).try_flatten().boxed();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current(key: &[&str], events: &[Value]) -> Vec<String> {
        let mut rows = CurrentRows::new(key.iter().map(|k| (*k).to_owned()).collect());
        for event in events {
            rows.apply(event.to_string().as_bytes()).unwrap();
        }
        rows.apply(b"").unwrap();
        let mut shown: Vec<_> =
            rows.into_rows().into_iter().map(|row| Value::Object(row).to_string()).collect();
        shown.sort();
        shown
    }

    fn event(op: &str, before: Value, after: Value, lsn: u64) -> Value {
        json!({ "op": op, "before": before, "after": after, "source": { "lsn": lsn } })
    }

    #[test]
    fn the_last_row_of_each_key_is_left() {
        let row = |id: i32, v: &str| json!({ "id": id, "v": v });
        let events = [
            event("r", Value::Null, row(1, "a"), 1),
            event("c", Value::Null, row(2, "b"), 2),
            event("u", Value::Null, row(1, "c"), 3),
            event("c", Value::Null, row(3, "d"), 4),
            event("d", json!({ "id": 2, "v": null }), Value::Null, 5),
            event("u", Value::Null, row(3, UNAVAILABLE), 6),
            json!({ "op": "m", "message": {} }),
        ];
        assert_eq!(current(&["id"], &events), [r#"{"id":1,"v":"c"}"#, r#"{"id":3,"v":"d"}"#]);
    }

    #[test]
    fn a_truncate_removes_what_is_older_in_any_segment() {
        let row = |id: i32| json!({ "id": id });
        let events = [
            event("t", Value::Null, Value::Null, 10),
            // of another segment, folded later
            event("c", Value::Null, row(1), 5),
            event("c", Value::Null, row(2), 11),
        ];
        assert_eq!(current(&["id"], &events), [r#"{"id":2}"#]);
        let no_lsn = json!({ "op": "t" });
        assert_eq!(current(&["id"], &[event("c", Value::Null, row(1), 5), no_lsn]), [""; 0]);
    }

    #[test]
    fn without_a_key_equal_rows_are_counted() {
        let row = json!({ "a": 1 });
        let events = [
            event("c", Value::Null, row.clone(), 1),
            event("c", Value::Null, row.clone(), 2),
            event("c", Value::Null, row.clone(), 3),
            event("d", row.clone(), Value::Null, 4),
            event("u", row.clone(), json!({ "a": 2 }), 5),
        ];
        assert_eq!(current(&[], &events), [r#"{"a":1}"#, r#"{"a":2}"#]);
    }

    #[test]
    fn what_is_no_change_is_refused() {
        let mut rows = CurrentRows::new(vec!["id".into()]);
        for (event, says) in [
            ("{", "no Debezium envelope"),
            ("{}", "op"),
            (r#"{"op":"x"}"#, "unknown"),
            (r#"{"op":"d"}"#, "REPLICA IDENTITY FULL"),
        ] {
            let refused = rows.apply(event.as_bytes()).unwrap_err();
            assert!(refused.contains(says), "{event}: {refused}");
        }
    }
}
