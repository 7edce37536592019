//! Values, schemas and default values that Debezium's engine wrote for a table of every type, in every mode
//! (`tests/data/postgres/README.md`).

use super::super::default_expression::default_json;
use super::super::write::write_value;
use super::super::written::Written;
use super::kinds::modes;
use crate::ColumnDescription;
use crate::debezium::Compatibility;
use crate::postgres::column::{CatalogType, Kind, KindContext};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A value of a column as PostgreSQL prints it, and what Debezium writes for it by mode: nothing, or one
/// value. A mode that is not named has the value of the default modes.
#[derive(Deserialize)]
struct Line {
    column: String,
    r#type: RecordedType,
    text: Option<String>,
    #[serde(default)]
    values: Map<String, Value>,
    #[serde(default)]
    required: bool,
    default: Option<String>,
    schema: Option<Value>,
}

#[derive(Deserialize)]
struct RecordedType {
    oid: u32,
    name: String,
    kind: char,
    modifier: i32,
    labels: Vec<String>,
    items: Option<Box<RecordedType>>,
}

impl From<RecordedType> for CatalogType {
    fn from(recorded: RecordedType) -> Self {
        let RecordedType { oid, name, kind, modifier, labels, items } = recorded;
        Self { oid, name, kind, modifier, labels, items: items.map(|items| Box::new(Self::from(*items))) }
    }
}

/// The settings of the recorded modes.
const MODES: [&str; 14] = [
    "",
    "decimal=string",
    "decimal=double",
    "time-precision=connect",
    "time-precision=isostring",
    "time-precision=microseconds",
    "time-precision=nanoseconds",
    "time-precision=adaptive_time_microseconds",
    "binary=base64",
    "binary=base64-url-safe",
    "binary=hex",
    "interval=string",
    "hstore=map",
    "include-unknown-types=true hstore=map interval=string",
];

/// What is corrected by default: the column, and in which modes (all, if empty).
const CORRECTED: [(&str, &str); 6] = [
    ("texts.nm", ""),
    ("arrays.i2d", ""),
    ("numbers.n", "decimal=string"),
    ("times.ts", "time-precision=nanoseconds"),
    ("times.ts0", "time-precision=nanoseconds"),
    ("times.ts3", "time-precision=nanoseconds"),
];

fn lines() -> impl Iterator<Item = Line> {
    include_str!("../../../../tests/data/postgres/values.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
}

/// Returns what is written: nothing without a column, else one value.
fn written(kind: Option<&Kind>, text: &str) -> Value {
    let Some(kind) = kind else { return json!([]) };
    let mut out = Vec::new();
    match write_value(kind, text.as_bytes(), &mut out) {
        // a row has null for it
        Written::NotAValue => json!([null]),
        _ => json!([serde_json::from_slice::<Value>(&out).unwrap()]),
    }
}

#[test]
fn values_are_debeziums() {
    let mut compared = 0;
    let mut corrected = std::collections::BTreeSet::new();
    for line in lines() {
        let catalog = CatalogType::from(line.r#type);
        let Some(text) = &line.text else { continue };
        for settings in MODES {
            let expected = line.values.get(settings).unwrap_or(&line.values[""]);
            for compat in [Compatibility::Debezium, Compatibility::Corrected] {
                let modes = modes(settings, compat);
                let kind = Kind::from_type(&catalog, &KindContext { modes: &modes, money_digits: 2 });
                let found = written(kind.as_ref(), text);
                let difference = CORRECTED
                    .iter()
                    .position(|(column, of)| *column == line.column && (of.is_empty() || *of == settings));
                if compat == Compatibility::Corrected && found != *expected {
                    let is_geometric = settings.starts_with("include") && line.column.starts_with("geo.");
                    assert!(
                        difference.is_some() || is_geometric,
                        "{} {settings} {text} {found} {expected}",
                        line.column
                    );
                    corrected.extend(difference);
                    continue;
                }
                assert_eq!(found, *expected, "{} {settings} {text} {compat:?}", line.column);
                compared += 1;
            }
        }
    }
    assert!(compared > 4000, "{compared}");
    assert_eq!(corrected.len(), CORRECTED.len());
}

#[test]
fn schemas_and_default_values_are_debeziums() {
    for line in lines() {
        let Some(mut schema) = line.schema else { continue };
        let modes = modes("", Compatibility::Debezium);
        let context = KindContext { modes: &modes, money_digits: 2 };
        let kind = Kind::from_type(&line.r#type.into(), &context).unwrap();
        let default = schema.as_object_mut().unwrap().remove("default");
        let found = line.default.and_then(|expression| default_json(&kind, &expression, modes.compat));
        assert_eq!(found, default, "{}", line.column);
        let description = kind.describe(&line.column, !line.required);
        assert_eq!(connect_schema(&description), schema, "{}", line.column);
    }
}

fn connect_schema(column: &ColumnDescription) -> Value {
    let connect_type = match &*column.connect_type {
        "float32" => "float",
        "float64" => "double",
        other => other,
    };
    let mut schema = json!({ "type": connect_type, "optional": column.optional });
    if let Some(name) = &column.connect_name {
        schema["name"] = json!(name);
    }
    if !column.parameters.is_empty() {
        let parameters: Map<_, _> =
            column.parameters.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
        schema["parameters"] = parameters.into();
    }
    if let Some(items) = &column.items {
        schema["items"] = connect_schema(items);
    }
    schema
}
