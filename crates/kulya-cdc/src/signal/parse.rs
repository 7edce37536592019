//! Parsing of a signal. An unknown field is an error: a condition whose name is mistyped would select all
//! rows.

use super::{MAX_DATA_BYTES, MAX_ID_BYTES, RowCondition, Signal, SignalError, SignalRecord, SnapshotRequest};
use crate::name_patterns::NamePattern;
use serde_json::{Map, Value};

/// The maximum number of names or conditions of a signal.
const MAX_ENTRIES: usize = 1000;

type Result<T> = std::result::Result<T, SignalError>;

fn error(field: impl Into<String>, reason: impl Into<String>) -> SignalError {
    SignalError { field: field.into(), reason: reason.into() }
}

impl SignalRecord {
    /// Takes a signal over from a JSON object with `id`, `type` and `data`; the data may be an object or its
    /// text.
    ///
    /// # Errors
    /// [`SignalError`] names the field that is missing, unknown or malformed.
    pub fn from_json(value: &Value) -> Result<Self> {
        let Value::Object(members) = value else {
            return Err(error("signal", "write a JSON object with type and data"));
        };
        if let Some(name) = members.keys().find(|name| !["id", "type", "data"].contains(&name.as_str())) {
            return Err(error(name, "unknown field: a signal has id, type and data"));
        }
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(error(name, "write a text")),
        };
        let data = match members.get("data") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(data) => data.to_string(),
        };
        let kind = text("type")?.ok_or_else(|| error("type", KINDS))?;
        Ok(Self { id: text("id")?.unwrap_or_default(), kind, data })
    }
}

const KINDS: &str = "write execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot or log";

impl Signal {
    /// Parses a signal.
    ///
    /// # Errors
    /// [`SignalError`] names the field that is missing, unknown or malformed.
    pub fn parse(record: &SignalRecord) -> Result<Self> {
        if record.id.len() > MAX_ID_BYTES {
            return Err(error("id", format!("it has more than {MAX_ID_BYTES} bytes")));
        }
        if record.data.len() > MAX_DATA_BYTES {
            return Err(error(
                "data",
                format!("it has more than {MAX_DATA_BYTES} bytes: send several signals"),
            ));
        }
        let data = data(&record.data)?;
        match record.kind.as_str() {
            "execute-snapshot" => execute(&record.id, &data).map(Self::ExecuteSnapshot),
            "stop-snapshot" => {
                known(&data, &["type", "data-collections"])?;
                incremental(&data)?;
                tables(&data).map(Self::StopSnapshot)
            }
            "pause-snapshot" | "resume-snapshot" => {
                known(&data, &["type"])?;
                incremental(&data)?;
                Ok(if record.kind == "pause-snapshot" { Self::PauseSnapshot } else { Self::ResumeSnapshot })
            }
            "log" => {
                known(&data, &["message"])?;
                let message = text(&data, "message", "data.message")?;
                message.map(Self::Log).ok_or_else(|| error("data.message", "write a text"))
            }
            other => Err(error("type", format!("{other:.100?} is not a signal: {KINDS}"))),
        }
    }
}

fn data(text: &str) -> Result<Map<String, Value>> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(error("data", "write a JSON object")),
        Err(e) => Err(error("data", format!("not a JSON object: {e}"))),
    }
}

fn execute(id: &str, data: &Map<String, Value>) -> Result<SnapshotRequest> {
    known(data, &["type", "data-collections", "additional-conditions", "surrogate-key"])?;
    incremental(data)?;
    let tables = tables(data)?;
    if tables.is_empty() {
        return Err(error(
            "data.data-collections",
            "write a list of tables, as names or regular expressions",
        ));
    }
    let surrogate_key = text(data, "surrogate-key", "data.surrogate-key")?;
    Ok(SnapshotRequest { id: id.to_owned(), tables, conditions: conditions(data)?, surrogate_key })
}

/// Refuses fields that a signal does not have.
fn known(data: &Map<String, Value>, names: &[&str]) -> Result<()> {
    match data.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            Err(error(format!("data.{name:.100}"), format!("unknown field: write {}", names.join(", "))))
        }
    }
}

/// Checks that a signal is for an incremental snapshot, which is the default.
fn incremental(data: &Map<String, Value>) -> Result<()> {
    match text(data, "type", "data.type")? {
        None => Ok(()),
        Some(kind) if kind.eq_ignore_ascii_case("incremental") => Ok(()),
        Some(kind) if kind.eq_ignore_ascii_case("blocking") => {
            Err(error("data.type", "blocking snapshots are not supported yet: write incremental"))
        }
        Some(_) => Err(error("data.type", "write incremental")),
    }
}

fn tables(data: &Map<String, Value>) -> Result<Vec<String>> {
    let field = "data.data-collections";
    let values = match data.get("data-collections") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(values)) if values.len() <= MAX_ENTRIES => values,
        Some(Value::Array(_)) => return Err(error(field, format!("it has more than {MAX_ENTRIES} names"))),
        Some(_) => return Err(error(field, "write a list of texts")),
    };
    let parse = |(index, value): (usize, &Value)| {
        let field = format!("{field}[{index}]");
        match value.as_str().map(str::trim) {
            Some(text) if !text.is_empty() => pattern(text, &field),
            _ => Err(error(field, "write a text")),
        }
    };
    values.iter().enumerate().map(parse).collect()
}

fn conditions(data: &Map<String, Value>) -> Result<Vec<RowCondition>> {
    let field = "data.additional-conditions";
    let values = match data.get("additional-conditions") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(values)) if values.len() <= MAX_ENTRIES => values,
        Some(Value::Array(_)) => {
            return Err(error(field, format!("it has more than {MAX_ENTRIES} conditions")));
        }
        Some(_) => return Err(error(field, "write a list of objects with data-collection and filter")),
    };
    let parse = |(index, value): (usize, &Value)| {
        let field = format!("{field}[{index}]");
        let Value::Object(members) = value else {
            return Err(error(field, "write an object with data-collection and filter"));
        };
        let names = ["data-collection", "filter"];
        if let Some(name) = members.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(error(
                format!("{field}.{name:.100}"),
                "unknown field: write data-collection, filter",
            ));
        }
        let required = |name: &str| {
            let field = format!("{field}.{name}");
            text(members, name, &field)?.ok_or_else(|| error(field, "write a text"))
        };
        let tables = pattern(&required("data-collection")?, &format!("{field}.data-collection"))?;
        Ok(RowCondition { tables, filter: required("filter")? })
    };
    values.iter().enumerate().map(parse).collect()
}

/// Checks a name or a regular expression.
fn pattern(text: &str, field: &str) -> Result<String> {
    match NamePattern::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(reason) => Err(error(field, reason.to_string())),
    }
}

/// Returns a text that is not blank.
fn text(members: &Map<String, Value>, name: &str, field: &str) -> Result<Option<String>> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err(error(field, "it has a zero character")),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(_) => Err(error(field, "write a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parse(kind: &str, data: &str) -> Result<Signal> {
        Signal::parse(&SignalRecord { id: "1".into(), kind: kind.into(), data: data.into() })
    }

    #[test]
    fn signals_of_debeziums_documentation_are_parsed() {
        let data = r#"{"data-collections": ["public.orders", "public\\..*"], "type": "INCREMENTAL",
            "additional-conditions": [{"data-collection": "public.orders", "filter": "color = 'blue'"}],
            "surrogate-key": "number"}"#;
        let request = SnapshotRequest {
            id: "1".into(),
            tables: vec!["public.orders".into(), "public\\..*".into()],
            conditions: vec![RowCondition {
                tables: "public.orders".into(),
                filter: "color = 'blue'".into(),
            }],
            surrogate_key: Some("number".into()),
        };
        assert_eq!(parse("execute-snapshot", data), Ok(Signal::ExecuteSnapshot(request)));
        let stop = r#"{"data-collections": ["public.orders"], "type": "incremental"}"#;
        assert_eq!(parse("stop-snapshot", stop), Ok(Signal::StopSnapshot(vec!["public.orders".into()])));
        assert_eq!(parse("stop-snapshot", ""), Ok(Signal::StopSnapshot(Vec::new())));
        assert_eq!(parse("pause-snapshot", r#"{"type": "incremental"}"#), Ok(Signal::PauseSnapshot));
        assert_eq!(parse("resume-snapshot", "{}"), Ok(Signal::ResumeSnapshot));
        assert_eq!(parse("log", r#"{"message": "at {}"}"#), Ok(Signal::Log("at {}".into())));
    }

    #[test]
    fn what_is_malformed_is_named() {
        for (kind, data, field) in [
            ("execute", "{}", "type"),
            ("execute-snapshot", "", "data.data-collections"),
            ("execute-snapshot", "[]", "data"),
            ("execute-snapshot", "{", "data"),
            ("execute-snapshot", r#"{"data-collections": "t"}"#, "data.data-collections"),
            ("execute-snapshot", r#"{"data-collections": ["a.b", 1]}"#, "data.data-collections[1]"),
            ("execute-snapshot", r#"{"data-collections": ["(a"]}"#, "data.data-collections[0]"),
            ("execute-snapshot", r#"{"data-collections": ["a.b"], "type": "blocking"}"#, "data.type"),
            (
                "execute-snapshot",
                r#"{"data-collections": ["a.b"], "additional-condition": "x"}"#,
                "data.additional-condition",
            ),
            (
                "execute-snapshot",
                r#"{"data-collections": ["a.b"], "additional-conditions": [{"filter": "x"}]}"#,
                "data.additional-conditions[0].data-collection",
            ),
            (
                "execute-snapshot",
                r#"{"data-collections": ["a.b"], "surrogate-key": 1}"#,
                "data.surrogate-key",
            ),
            ("stop-snapshot", r#"{"data-collections": ["a.b"], "type": "all"}"#, "data.type"),
            ("pause-snapshot", r#"{"data-collections": ["a.b"]}"#, "data.data-collections"),
            ("log", "{}", "data.message"),
        ] {
            assert_eq!(parse(kind, data).unwrap_err().field, field, "{kind} {data}");
        }
        let long = SignalRecord { id: "x".repeat(201), kind: "log".into(), data: String::new() };
        assert_eq!(Signal::parse(&long).unwrap_err().field, "id");
    }

    #[test]
    fn json_object_is_a_record() {
        let record = SignalRecord::from_json(&json!({"type": "log", "data": {"message": "x"}})).unwrap();
        assert_eq!(Signal::parse(&record), Ok(Signal::Log("x".into())));
        for (value, field) in [
            (json!([]), "signal"),
            (json!({}), "type"),
            (json!({"type": 1}), "type"),
            (json!({"type": "log", "id": 1}), "id"),
            (json!({"type": "log", "message": "x"}), "message"),
        ] {
            assert_eq!(SignalRecord::from_json(&value).unwrap_err().field, field, "{value}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_parsed_or_refused(kind in "(execute|stop|pause)-snapshot|log|.*", data in ".*") {
            let _ = parse(&kind, &data);
        }
    }
}
