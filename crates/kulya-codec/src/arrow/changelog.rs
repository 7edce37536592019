//! The current rows of a table, from its changelog.
//!
//! Events are Debezium's JSON envelopes. Events of one key are in one segment, in order, so applying each
//! segment's events in order yields the last row of each key. A truncate has no key: it removes the rows of
//! all segments whose source log position is older.

use super::row_history::RowHistory;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

type Row = Map<String, Value>;

/// Debezium's placeholder for an unchanged TOAST value.
const UNCHANGED_PLACEHOLDER: &str = "__debezium_unavailable_value";
/// Its form in a `uuid[]`.
const UNCHANGED_PLACEHOLDER_UUID: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";
/// Its form in a column of type hstore, as the text of a JSON object.
const UNCHANGED_PLACEHOLDER_HSTORE: &str =
    r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#;
/// The placeholder in base64, for binary columns.
const UNCHANGED_PLACEHOLDER_BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";

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

/// The current rows of a table, computed from its changelog.
#[derive(Debug, Default)]
pub struct CurrentRows {
    key: Vec<String>,
    history: RowHistory,
    /// The rows by the primary key's JSON; without a primary key, by that of the whole row.
    rows: HashMap<String, StoredRow>,
    /// The log position of the last truncate; rows with an older one are deleted.
    truncated_lsn: Option<u64>,
}

#[derive(Debug)]
struct StoredRow {
    row: Row,
    lsn: Option<u64>,
    /// The number of equal rows; more than one only without a primary key.
    count: u64,
}

impl CurrentRows {
    /// Creates an empty table. `key` is the primary key; empty for a table without one.
    pub fn new(key: Vec<String>) -> Self {
        Self { key, ..Self::default() }
    }

    /// Gives rows that are older than the table's columns the present ones.
    #[must_use]
    pub fn with_history(self, history: RowHistory) -> Self {
        Self { history, ..self }
    }

    /// Applies an event. Empty events (tombstones) and messages (`m`) have no effect.
    ///
    /// # Errors
    /// A message, when the event is not a Debezium envelope or lacks the row that its operation needs.
    pub fn apply(&mut self, event: &[u8]) -> Result<(), String> {
        if event.is_empty() {
            return Ok(());
        }
        self.apply_envelope(serde_json::from_slice(event).map_err(|e| not_an_envelope(&e))?)
    }

    /// Applies an event in Debezium's JSON that was parsed.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_json(&mut self, event: Value) -> Result<(), String> {
        self.apply_envelope(serde_json::from_value(event).map_err(|e| not_an_envelope(&e))?)
    }

    fn apply_envelope(&mut self, envelope: Envelope) -> Result<(), String> {
        let Envelope { op, mut before, mut after, source } = envelope;
        before.iter_mut().chain(&mut after).for_each(|row| self.history.complete(row));
        let lsn = source.and_then(|source| source.lsn);
        let missing = |side: &str| {
            format!("op {op} has no {side}: the source table needs a primary key or REPLICA IDENTITY FULL")
        };
        match op.as_str() {
            "c" | "r" => self.upsert(after.ok_or_else(|| missing("after"))?, lsn),
            "u" => {
                let after = after.ok_or_else(|| missing("after"))?;
                if self.key.is_empty() {
                    self.remove(&before.ok_or_else(|| missing("before"))?);
                }
                self.upsert(after, lsn);
            }
            "d" => self.remove(&before.ok_or_else(|| missing("before"))?),
            "t" => match lsn {
                Some(lsn) => self.truncated_lsn = self.truncated_lsn.max(Some(lsn)),
                // without a log position, only the order within this segment is known
                None => self.rows.clear(),
            },
            "m" => {}
            other => return Err(format!("unknown op {other:?}")),
        }
        Ok(())
    }

    fn row_key(&self, row: &Row) -> String {
        if self.key.is_empty() {
            // members in the same order, and without what an older row lacks
            let members: BTreeMap<&String, &Value> =
                row.iter().filter(|(_, value)| !value.is_null()).collect();
            return serde_json::to_string(&members).expect("the keys are texts");
        }
        let parts = self.key.iter().map(|name| row.get(name).cloned().unwrap_or_default());
        Value::Array(parts.collect()).to_string()
    }

    fn upsert(&mut self, mut row: Row, lsn: Option<u64>) {
        let key = self.row_key(&row);
        let stored = self.rows.get(&key);
        for (name, value) in &mut row {
            if is_unchanged_placeholder(value) {
                *value = stored.and_then(|stored| stored.row.get(name)).cloned().unwrap_or_default();
            }
        }
        let count = match stored {
            Some(stored) if self.key.is_empty() => stored.count + 1,
            _ => 1,
        };
        self.rows.insert(key, StoredRow { row, lsn, count });
    }

    fn remove(&mut self, row: &Row) {
        let key = self.row_key(row);
        match self.rows.get_mut(&key) {
            Some(stored) if stored.count > 1 => stored.count -= 1,
            _ => drop(self.rows.remove(&key)),
        }
    }

    /// Returns the current rows, in no particular order.
    pub fn into_rows(self) -> Vec<Row> {
        let truncated = self.truncated_lsn;
        let current =
            self.rows.into_values().filter(move |stored| truncated.is_none() || stored.lsn > truncated);
        current
            .flat_map(|stored| {
                std::iter::repeat_n(stored.row, usize::try_from(stored.count).unwrap_or(usize::MAX))
            })
            .collect()
    }
}

fn not_an_envelope(error: &serde_json::Error) -> String {
    format!("not a Debezium envelope: {error}")
}

/// Returns whether a value stands for one that the log does not contain, in the form of any column type.
fn is_unchanged_placeholder(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            is_placeholder_text(text)
                || text == UNCHANGED_PLACEHOLDER_UUID
                || text == UNCHANGED_PLACEHOLDER_HSTORE
        }
        Value::Object(members) => {
            members.get(UNCHANGED_PLACEHOLDER).is_some_and(is_unchanged_placeholder)
                || members.get("scale").is_some_and(|scale| *scale == json!(0))
                    && members.get("value").is_some_and(is_unchanged_placeholder)
        }
        Value::Array(items) => match items.as_slice() {
            [item] => is_unchanged_placeholder(item),
            _ => {
                let bytes = UNCHANGED_PLACEHOLDER.bytes();
                items.len() == UNCHANGED_PLACEHOLDER.len()
                    && items.iter().zip(bytes).all(|(item, byte)| item.as_f64() == Some(byte.into()))
            }
        },
        _ => false,
    }
}

fn is_placeholder_text(text: &str) -> bool {
    text == UNCHANGED_PLACEHOLDER || text == UNCHANGED_PLACEHOLDER_BASE64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_all_column_types_are_recognised() {
        let base64 = UNCHANGED_PLACEHOLDER_BASE64;
        for value in [
            json!(UNCHANGED_PLACEHOLDER),
            json!(base64),
            json!([base64]),
            json!([UNCHANGED_PLACEHOLDER]),
            json!({"scale": 0, "value": base64}),
            json!({UNCHANGED_PLACEHOLDER: UNCHANGED_PLACEHOLDER}),
            json!(json!({UNCHANGED_PLACEHOLDER: UNCHANGED_PLACEHOLDER}).to_string()),
            json!(["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]),
            UNCHANGED_PLACEHOLDER.bytes().map(f64::from).collect(),
        ] {
            assert!(is_unchanged_placeholder(&value), "{value}");
        }
        for value in
            [json!(null), json!("x"), json!([]), json!([95, 95]), json!({"scale": 0, "value": "AA=="})]
        {
            assert!(!is_unchanged_placeholder(&value), "{value}");
        }
    }

    fn current(key: &[&str], events: &[Value]) -> Vec<String> {
        let mut rows = CurrentRows::new(key.iter().map(|k| (*k).to_owned()).collect());
        for event in events {
            rows.apply(event.to_string().as_bytes()).unwrap();
        }
        rows.apply(b"").unwrap();
        let mut columns: Vec<_> =
            rows.into_rows().into_iter().map(|row| Value::Object(row).to_string()).collect();
        columns.sort();
        columns
    }

    fn event(op: &str, before: Value, after: Value, lsn: u64) -> Value {
        json!({ "op": op, "before": before, "after": after, "source": { "lsn": lsn } })
    }

    #[test]
    fn the_last_row_of_each_key_is_current() {
        let row = |id: i32, v: &str| json!({ "id": id, "v": v });
        let events = [
            event("r", Value::Null, row(1, "a"), 1),
            event("c", Value::Null, row(2, "b"), 2),
            event("u", Value::Null, row(1, "c"), 3),
            event("c", Value::Null, row(3, "d"), 4),
            event("d", json!({ "id": 2, "v": null }), Value::Null, 5),
            event("u", Value::Null, row(3, UNCHANGED_PLACEHOLDER), 6),
            json!({ "op": "m", "message": {} }),
        ];
        assert_eq!(current(&["id"], &events), [r#"{"id":1,"v":"c"}"#, r#"{"id":3,"v":"d"}"#]);
    }

    #[test]
    fn a_truncate_deletes_older_rows_of_all_segments() {
        let row = |id: i32| json!({ "id": id });
        let events = [
            event("t", Value::Null, Value::Null, 10),
            // of another segment, applied later
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
    fn invalid_events_are_rejected() {
        let mut rows = CurrentRows::new(vec!["id".into()]);
        for (event, expected) in [
            ("{", "not a Debezium envelope"),
            ("{}", "op"),
            (r#"{"op":"x"}"#, "unknown"),
            (r#"{"op":"d"}"#, "REPLICA IDENTITY FULL"),
        ] {
            let error = rows.apply(event.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{event}: {error}");
        }
    }
}
