//! Functions of JSON documents, which are texts.
//!
//! The parser writes the clauses of keywords as arguments, see `dialect::expressions`. A document may be 128
//! levels deep. Numbers beyond 64 bits and those with a fraction are doubles.

mod aggregate;
mod build;
mod path;

pub(super) use aggregate::aggregates;
pub(super) use build::{BuildKind, build_function};

use super::rows::{Cell, Out, Parameter, Returns, Row, RowFunction, Scope};
use crate::{SqlError, SqlErrorKind};
use Parameter::{Any, Text};
use datafusion::common::Result;
use path::{Found, JsonPath};
use serde_json::Value;

/// How much more memory a document takes than its text, at most.
const GROWTH: usize = 11;

/// `json_value(document, path, type, on empty, default, on error, default)`.
const VALUE: &[Parameter] = &[Text, Text, Text, Text, Any, Text, Any];
/// `json_query(document, path, type, wrapper, on empty, on error)`.
const QUERY: &[Parameter] = &[Text, Text, Text, Text, Text, Text];

pub(super) const FUNCTIONS: &[RowFunction] = &[
    // is_json(text, kind)
    RowFunction::new("IS_JSON", &[Text, Text], Returns::Boolean, |row, scope| {
        scope.check_bytes(row.text(0).len().saturating_mul(GROWTH))?;
        let value = row.some_text(0).and_then(|text| serde_json::from_str::<Value>(text).ok());
        Ok(Out::Boolean(match (value, row.text(1)) {
            (None, _) => false,
            (Some(value), "OBJECT") => value.is_object(),
            (Some(value), "ARRAY") => value.is_array(),
            (Some(value), "SCALAR") => !value.is_object() && !value.is_array(),
            (Some(_), _) => true,
        }))
    })
    .passes_nulls(),
    RowFunction::new("JSON_EXISTS", &[Text, Text, Text], Returns::Boolean, |row, scope| {
        let (is_strict, found) = find(row, scope)?;
        Ok(match found {
            Ok(_) => Out::Boolean(true),
            Err(_) if !is_strict => Out::Boolean(false),
            Err(reason) => match row.text(2) {
                "TRUE" => Out::Boolean(true),
                "UNKNOWN" => Out::Null,
                "ERROR" => return scope.invalid(reason),
                _ => Out::Boolean(false),
            },
        })
    }),
    RowFunction::new("JSON_VALUE", VALUE, Returns::Text, |row, scope| {
        json_value(row, scope, |value| match value {
            Value::String(text) => Some(Out::text(text)),
            other => Some(Out::text(other.to_string())),
        })
    })
    .passes_nulls(),
    RowFunction::new("JSON_VALUE_BOOLEAN", VALUE, Returns::Boolean, |row, scope| {
        json_value(row, scope, |value| match value {
            Value::String(text) => text.to_lowercase().parse().ok().map(Out::Boolean),
            other => other.as_bool().map(Out::Boolean),
        })
    })
    .passes_nulls(),
    RowFunction::new("JSON_VALUE_INT", VALUE, Returns::Int, |row, scope| {
        json_value(row, scope, |value| {
            let number = match value {
                Value::String(text) => text.trim().parse().ok(),
                other => other.as_i64(),
            };
            number.and_then(|number| i32::try_from(number).ok()).map(Out::Int)
        })
    })
    .passes_nulls(),
    RowFunction::new("JSON_VALUE_DOUBLE", VALUE, Returns::Double, |row, scope| {
        json_value(row, scope, |value| match value {
            Value::String(text) => text.trim().parse().ok().map(Out::Double),
            other => other.as_f64().map(Out::Double),
        })
    })
    .passes_nulls(),
    RowFunction::new("JSON_QUERY", QUERY, Returns::Text, |row, scope| {
        json_query(row, scope, |value| Some(Out::text(sorted(value).to_string())))
    }),
    RowFunction::new("JSON_QUERY_ARRAY", QUERY, Returns::Texts, |row, scope| {
        json_query(row, scope, |value| match value {
            Value::Array(items) => Some(Out::Texts(
                items
                    .into_iter()
                    .map(|item| match item {
                        Value::Null => None,
                        Value::String(text) => Some(text),
                        other => Some(other.to_string()),
                    })
                    .collect(),
            )),
            _ => None,
        })
    }),
    RowFunction::new("JSON_QUOTE", &[Text], Returns::Text, |row, _| {
        // serde_json leaves slashes as they are
        let quoted = Value::from(row.text(0)).to_string().replace('/', "\\/");
        Ok(Out::text(ascii(&quoted)))
    }),
    RowFunction::new("JSON_UNQUOTE", &[Text], Returns::Text, |row, _| {
        let text = row.text(0);
        let is_quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
        let unquoted = is_quoted.then(|| serde_json::from_str::<String>(text).ok()).flatten();
        Ok(unquoted.map_or(Out::text(text), Out::text))
    }),
];

/// Escapes what is not ASCII.
fn ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut units = [0; 2];
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut units) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    escaped
}

/// Applies the path of a row to its document. Returns whether the path is strict, and the value or the reason
/// why there is none: a strict path fails then (ON ERROR), a lax one finds nothing (ON EMPTY).
fn find(row: &Row<'_>, scope: &Scope) -> Result<(bool, std::result::Result<Value, String>)> {
    let path = match JsonPath::parse(row.text(1)) {
        Ok(path) => path,
        Err(reason) => return scope.invalid(format!("the path {:.60?}: {reason}", row.text(1))),
    };
    scope.check_bytes(row.text(0).len().saturating_mul(GROWTH))?;
    let found = match serde_json::from_str::<Value>(row.text(0)).map(|document| path.find(&document)) {
        Ok(Found::Value(Value::Null)) => Err("the value is null".to_owned()),
        Ok(Found::Value(value)) => Ok(value),
        Ok(Found::Nothing) => Err("the path finds nothing".to_owned()),
        Ok(Found::Missing(name)) => Err(format!("the document has no member {name:.40}")),
        Err(_) => Err("the text is no JSON document".to_owned()),
    };
    Ok((path.is_strict, found))
}

/// Returns a scalar in the type that `convert` gives it.
fn json_value<'a>(row: &Row<'a>, scope: &Scope, convert: fn(Value) -> Option<Out<'a>>) -> Result<Out<'a>> {
    if row.some_text(0).is_none() || row.some_text(1).is_none() {
        return Ok(Out::Null);
    }
    let (is_strict, found) = find(row, scope)?;
    let found = found.and_then(|value| match value {
        Value::Array(_) | Value::Object(_) => Err(format!("{:.40} is no scalar", value.to_string())),
        scalar => Ok(scalar),
    });
    let (clause, reason) = match found {
        Err(reason) => (if is_strict { 5 } else { 3 }, reason),
        Ok(value) => {
            let shown = value.to_string();
            match convert(value) {
                Some(value) => return Ok(value),
                None => (5, format!("{shown:.40} cannot be converted to {}", row.text(2))),
            }
        }
    };
    otherwise(row, clause, scope, convert, reason)
}

/// Returns what ON EMPTY or ON ERROR says, whose words are the argument at `clause`.
fn otherwise<'a>(
    row: &Row<'a>,
    clause: usize,
    scope: &Scope,
    convert: fn(Value) -> Option<Out<'a>>,
    what: String,
) -> Result<Out<'a>> {
    match row.text(clause) {
        "ERROR" => scope.invalid(what),
        "DEFAULT" => {
            let value = match row.cell(clause + 1) {
                Cell::Text(text) => Value::from(text),
                Cell::Integer(number) => Value::from(number),
                Cell::Number(number) => Value::from(number),
                Cell::Boolean(value) => Value::from(value),
                Cell::Null => return Ok(Out::Null),
                _ => return scope.invalid("the default value is no text, number or boolean"),
            };
            match convert(value) {
                Some(value) => Ok(value),
                None => scope.invalid(format!("the default value cannot be converted to {}", row.text(2))),
            }
        }
        _ => Ok(Out::Null),
    }
}

fn json_query<'a>(row: &Row<'a>, scope: &Scope, convert: fn(Value) -> Option<Out<'a>>) -> Result<Out<'a>> {
    let (is_strict, found) = find(row, scope)?;
    let found = found.and_then(|value| {
        let wrapped = match (row.text(3), &value) {
            ("UNCONDITIONAL", _) => Value::Array(vec![value]),
            ("CONDITIONAL", Value::Array(_)) => value,
            ("CONDITIONAL", _) => Value::Array(vec![value]),
            _ => value,
        };
        match wrapped.is_array() || wrapped.is_object() {
            true => Ok(wrapped),
            false => Err(format!("{:.40} is a scalar", wrapped.to_string())),
        }
    });
    let clause = if is_strict { 5 } else { 4 };
    match found {
        Ok(value) => Ok(convert(value).into()),
        Err(reason) => match row.text(clause) {
            "ERROR" => scope.invalid(reason),
            "EMPTY ARRAY" => Ok(convert(Value::Array(Vec::new())).into()),
            "EMPTY OBJECT" => Ok(convert(Value::Object(serde_json::Map::new())).into()),
            _ => Ok(Out::Null),
        },
    }
}

/// Sorts the members of objects by name, as Flink writes them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(members.into_iter().collect())
        }
        scalar => scalar,
    }
}

/// Returns an error of a function that builds JSON.
fn error(kind: SqlErrorKind, name: &str, what: impl std::fmt::Display) -> datafusion::error::DataFusionError {
    SqlError::new(kind, format!("{}: {what}", name.to_ascii_uppercase())).into()
}
