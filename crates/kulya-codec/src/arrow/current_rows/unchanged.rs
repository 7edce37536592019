//! Debezium's placeholder for a value that a change has not changed and that the log does not contain, in the
//! form of each type of column.

use crate::arrow::json::scanner::Token;
use serde_json::{Value, json};

const PLACEHOLDER: &str = "__debezium_unavailable_value";
/// Its form in a `uuid[]`.
const PLACEHOLDER_UUID: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";
/// Its form in a column of type hstore, as the text of a JSON object.
const PLACEHOLDER_HSTORE: &str = r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#;
/// The placeholder in base64, for binary columns.
const PLACEHOLDER_BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";
/// The size of the longest form, with whitespace between its items.
const MAX_JSON_BYTES: usize = 1000;

/// Returns whether a value stands for one that the log does not contain. `json` is its whole text.
pub(in crate::arrow) fn is_unchanged(token: Token<'_>, json: &str) -> bool {
    match token {
        Token::Text(text) if text.has_escapes => {
            text.raw.len() >= PLACEHOLDER.len()
                && text.raw.len() <= MAX_JSON_BYTES
                && is_unchanged_text(&text.decode())
        }
        Token::Text(text) => text.raw.len() >= PLACEHOLDER.len() && is_unchanged_text(text.raw),
        Token::Array | Token::Object if json.len() <= MAX_JSON_BYTES => {
            serde_json::from_str(json).is_ok_and(|value| is_unchanged_value(&value))
        }
        _ => false,
    }
}

fn is_unchanged_text(text: &str) -> bool {
    [PLACEHOLDER, PLACEHOLDER_BASE64, PLACEHOLDER_UUID, PLACEHOLDER_HSTORE].contains(&text)
}

fn is_unchanged_value(value: &Value) -> bool {
    match value {
        Value::String(text) => is_unchanged_text(text),
        Value::Object(members) => {
            members.get(PLACEHOLDER).is_some_and(is_unchanged_value)
                || members.get("scale").is_some_and(|scale| *scale == json!(0))
                    && members.get("value").is_some_and(is_unchanged_value)
        }
        Value::Array(items) => match items.as_slice() {
            [item] => is_unchanged_value(item),
            _ => {
                items.len() == PLACEHOLDER.len()
                    && items
                        .iter()
                        .zip(PLACEHOLDER.bytes())
                        .all(|(item, byte)| item.as_f64() == Some(byte.into()))
            }
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::json::scanner::{Grammar, Scanner};

    fn found(value: &Value) -> bool {
        let json = value.to_string();
        is_unchanged(Scanner::new(&json, Grammar::Strict).value().unwrap(), &json)
    }

    #[test]
    fn placeholders_of_all_column_types_are_recognised() {
        let base64 = PLACEHOLDER_BASE64;
        for value in [
            json!(PLACEHOLDER),
            json!(base64),
            json!([base64]),
            json!([PLACEHOLDER]),
            json!({"scale": 0, "value": base64}),
            json!({PLACEHOLDER: PLACEHOLDER}),
            json!(json!({PLACEHOLDER: PLACEHOLDER}).to_string()),
            json!(["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]),
            PLACEHOLDER.bytes().map(f64::from).collect(),
        ] {
            assert!(found(&value), "{value}");
        }
        for value in
            [json!(null), json!("x"), json!([]), json!([95, 95]), json!({"scale": 0, "value": "AA=="})]
        {
            assert!(!found(&value), "{value}");
        }
    }
}
