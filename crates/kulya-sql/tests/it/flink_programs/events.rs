//! The rows of a program's source as events: JSON objects, or change events of Debezium if its rows change.

use arrow::datatypes::{DataType, Field};
use serde_json::{Map, Value, json};
use std::iter::Peekable;
use std::slice::Iter;

/// Whether the rows of a source change.
pub(super) fn is_change_log(source: &Value) -> bool {
    let modes = source["options"]["changelog-mode"].as_str().unwrap_or("I");
    modes != "I" || rows(source).iter().any(|row| row[0] != "+I")
}

/// Returns the rows of a source: those before the restart, then those after it.
pub(super) fn rows(source: &Value) -> Vec<&Value> {
    let of = |part: &str| source[part].as_array().into_iter().flatten();
    of("rows").chain(of("rowsAfterRestore")).collect()
}

/// Returns the events of a source with these physical columns.
pub(super) fn events(source: &Value, columns: &[Field]) -> Vec<String> {
    let rows = rows(source);
    if !is_change_log(source) {
        return rows.iter().map(|row| object(row, columns).to_string()).collect();
    }
    let (mut events, mut rest) = (Vec::new(), rows.iter().peekable());
    while let Some(row) = rest.next() {
        let event = change_event(row, &mut rest, columns);
        events.push(event.to_string());
    }
    events
}

/// Returns the rows of a source with these physical columns as objects, whatever their kinds.
pub(super) fn plain(source: &Value, columns: &[Field]) -> Vec<String> {
    rows(source).iter().map(|row| object(row, columns).to_string()).collect()
}

fn change_event(row: &Value, rest: &mut Peekable<Iter<'_, &Value>>, columns: &[Field]) -> Value {
    let after = object(row, columns);
    match row[0].as_str() {
        // a change without the row before it replaces the row of its key
        Some("+I" | "+U") => json!({ "before": null, "after": after, "op": "c" }),
        // an update is two changes
        Some("-U") => match rest.next_if(|next| next[0] == "+U") {
            Some(next) => json!({ "before": after, "after": object(next, columns), "op": "u" }),
            None => json!({ "before": after, "after": null, "op": "d" }),
        },
        _ => json!({ "before": after, "after": null, "op": "d" }),
    }
}

fn object(row: &Value, columns: &[Field]) -> Value {
    let values = row.as_array().unwrap()[1..].iter();
    let members = columns.iter().zip(values).map(|(column, it)| (column.name().clone(), value(it, column)));
    Value::Object(members.collect())
}

/// Returns a value as the JSON formats read it.
fn value(value: &Value, field: &Field) -> Value {
    match (field.data_type(), value) {
        (_, Value::Null) => Value::Null,
        (DataType::Struct(fields), Value::Object(row)) => {
            let values = row["row"].as_array().unwrap().iter();
            let members =
                fields.iter().zip(values).map(|(field, it)| (field.name().clone(), self::value(it, field)));
            Value::Object(members.collect())
        }
        (DataType::Map(entries, _), Value::Object(map)) => {
            let DataType::Struct(entry) = entries.data_type() else { panic!("{entries:?}") };
            let pairs = map["map"].as_array().unwrap().iter();
            let key = |key: &Value| key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            Value::Object(
                pairs.map(|pair| (key(&pair[0]), self::value(&pair[1], &entry[1]))).collect::<Map<_, _>>(),
            )
        }
        (DataType::List(item), Value::Array(items)) => {
            Value::Array(items.iter().map(|it| self::value(it, item)).collect())
        }
        (_, Value::Object(bytes)) => bytes["bytes"].clone(),
        // Java leaves out seconds of zero
        (DataType::Timestamp(..), Value::String(text)) if text.len() == 16 => format!("{text}:00").into(),
        _ => value.clone(),
    }
}
