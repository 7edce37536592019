//! A table of another database, made up: its rows, the events that a capture stores of their changes, and the
//! rows of both as text.

use kulya_testkit::SeededRng;
use serde_json::{Map, Value, json};

/// What stands for a value that was not changed and is not in the log.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// A table `(id INT, name TEXT, note TEXT)`, whose notes are often missing in the log.
pub(crate) struct SourceTable {
    topic: &'static str,
    is_keyed: bool,
    rows: Vec<Map<String, Value>>,
}

/// An event, and the key by which its segment is chosen.
pub(crate) struct SourceEvent {
    pub(crate) routing_key: String,
    pub(crate) event: String,
}

impl SourceTable {
    pub(crate) fn new(topic: &'static str, is_keyed: bool) -> Self {
        Self { topic, is_keyed, rows: Vec::new() }
    }

    /// Returns the JSON schema of its rows.
    pub(crate) fn schema(&self) -> Value {
        let column = |json_type: &str, connect_type: &str| json!({"type": ["null", json_type], "connect.type": connect_type});
        let mut schema = json!({
            "type": "object",
            "properties": {
                "id": {"type": "integer", "connect.type": "int32"},
                "name": column("string", "string"),
                "note": column("string", "string"),
            },
            "required": ["id"],
        });
        if self.is_keyed {
            schema["x-primary-key"] = json!(["id"]);
        }
        schema
    }

    /// Returns its rows, sorted, as `id,name,note`.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let row = |row: &Map<String, Value>| {
            let cells =
                ["id", "name", "note"].map(|name| row.get(name).filter(|value| !value.is_null()).map(text));
            cells.map(Option::unwrap_or_default).join(",")
        };
        let mut rows: Vec<String> = self.rows.iter().map(row).collect();
        rows.sort();
        rows
    }

    /// Makes a random change at a position of the log; without one, the events have none.
    pub(crate) fn change(&mut self, rng: &mut SeededRng, position: Option<u64>) -> SourceEvent {
        let picked = rng.index(self.rows.len());
        match rng.u64_below(20) {
            0 => {
                self.rows.clear();
                self.event("t", None, (Value::Null, Value::Null), position)
            }
            1..=5 if !self.rows.is_empty() => {
                let row = self.rows.remove(picked);
                let before = if self.is_keyed { json!({ "id": row["id"] }) } else { json!(row) };
                self.event("d", Some(&row), (before, Value::Null), position)
            }
            6..=12 if !self.rows.is_empty() => {
                let before = self.rows[picked].clone();
                let row = &mut self.rows[picked];
                row["name"] = json!(format!("n{}", rng.u64_below(4)));
                let mut after = row.clone();
                match rng.u64_below(3) {
                    0 => {
                        row["note"] = note(rng);
                        after["note"] = row["note"].clone();
                    }
                    1 if self.is_keyed && !row["note"].is_null() => after["note"] = json!(UNAVAILABLE),
                    _ => {}
                }
                let row = row.clone();
                let before = if self.is_keyed { Value::Null } else { json!(before) };
                self.event("u", Some(&row), (before, json!(after)), position)
            }
            _ => {
                let is_taken = |id: &u64| self.rows.iter().any(|row| row["id"] == json!(id));
                let id = (rng.u64_below(6)..).find(|id| !self.is_keyed || !is_taken(id)).unwrap_or_default();
                let row = json!({"id": id, "name": format!("n{}", rng.u64_below(2)), "note": note(rng)});
                let Value::Object(row) = row else { panic!("an object") };
                self.rows.push(row.clone());
                self.event(rng.pick(&["c", "r"]), Some(&row), (Value::Null, json!(row)), position)
            }
        }
    }

    fn event(
        &self,
        op: &str,
        row: Option<&Map<String, Value>>,
        (before, after): (Value, Value),
        position: Option<u64>,
    ) -> SourceEvent {
        let source = match position {
            Some(position) => json!({ "lsn": position }),
            None => json!({ "file": "binlog.000001" }),
        };
        let event = json!({ "before": before, "after": after, "source": source, "op": op });
        let routing_key = match row {
            Some(row) if self.is_keyed => row["id"].to_string(),
            _ => self.topic.to_owned(),
        };
        SourceEvent { routing_key, event: event.to_string() }
    }
}

fn note(rng: &mut SeededRng) -> Value {
    match rng.u64_below(4) {
        0 => Value::Null,
        number => json!(format!("long text {number}")),
    }
}
