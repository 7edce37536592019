//! The signal that the options of `kulya capture signal` make.

use kulya_cdc::SignalRecord;
use serde_json::{Map, json};

/// Returns the data of a signal: empty without options.
pub(super) fn data(tables: &[String], condition: Option<String>, surrogate_key: Option<String>) -> String {
    let mut data = Map::new();
    if !tables.is_empty() {
        data.insert("data-collections".to_owned(), json!(tables));
    }
    if let Some(filter) = condition {
        let of_each = tables.iter().map(|table| json!({ "data-collection": table, "filter": filter }));
        data.insert("additional-conditions".to_owned(), of_each.collect());
    }
    if let Some(column) = surrogate_key {
        data.insert("surrogate-key".to_owned(), json!(column));
    }
    if data.is_empty() { String::new() } else { json!(data).to_string() }
}

/// Returns a signal. One without an id gets one, so that it is executed once though it may be sent twice.
pub(super) fn record(id: String, kind: String, data: String) -> SignalRecord {
    let id = if id.is_empty() { format!("{:016x}", time_id()) } else { id };
    SignalRecord { id, kind, data }
}

/// Returns a number that no other signal has.
fn time_id() -> u128 {
    use kulya_store::clock::{Clock, SystemClock};
    SystemClock.since_epoch().as_nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_make_debeziums_data() {
        assert_eq!(data(&[], None, None), "");
        let tables = ["public.a".to_owned(), "public.b".to_owned()];
        let data = data(&tables, Some("x > 1".into()), Some("n".into()));
        // the order of the members has no meaning
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        let condition = |table: &str| serde_json::json!({"data-collection": table, "filter": "x > 1"});
        let expected = serde_json::json!({
            "data-collections": tables,
            "additional-conditions": [condition("public.a"), condition("public.b")],
            "surrogate-key": "n",
        });
        assert_eq!(data, expected);
        assert_eq!(record("7".into(), "log".into(), String::new()).id, "7");
        assert!(!record(String::new(), "log".into(), String::new()).id.is_empty());
    }
}
