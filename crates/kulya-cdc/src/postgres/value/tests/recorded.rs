//! Values, schemas and default values that Debezium's engine wrote for a table of every type, in every mode
//! (`tests/data/postgres/README.md`).

use super::super::default_expression::default_json;
use super::super::default_value::write_default;
use super::super::write::{write_unavailable, write_value};
use super::kinds::modes;
use crate::ColumnDescription;
use crate::debezium::Compatibility;
use crate::debezium::Written;
use crate::postgres::column::{CatalogType, Kind, KindContext};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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
    /// What Debezium writes for an unchanged TOAST value, by mode.
    #[serde(default)]
    unavailable: Map<String, Value>,
    /// What Debezium writes for a required column that the log does not contain, by mode.
    #[serde(default)]
    zero: Map<String, Value>,
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
        let items = items.map(|items| Box::new(Self::from(*items)));
        Self { oid, name, kind, modifier, is_domain: false, labels, items }
    }
}

type Write = fn(&Kind, &mut Vec<u8>) -> Written;

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

/// The columns of which some values are corrected by default.
const CORRECTED: [&str; 32] = [
    "texts.nm",
    "arrays.i2d",
    "numbers.n",
    "times.ts",
    "times.ts0",
    "times.ts3",
    "geo.l",
    "geo.bx",
    "geo.pl",
    "geo.cr",
    "more.hs",
    "more.iv",
    "more.n",
    "more.ts",
    "more.ts3",
    "more.vb1",
    "more.lseg",
    "more.pth",
    "more.bx",
    "arr.n",
    "arr.f8",
    "arr.tm",
    "arr.tz3",
    "arr.bt",
    "arr.b1",
    "arr.b2",
    "arr.bx",
    // only with Kulya
    "arr.mny",
    "arr.iv",
    "arr.x",
    "arr.pt",
    "arr.vb",
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
        Written::Null | Written::NotAValue => json!([null]),
        _ => json!([serde_json::from_slice::<Value>(&out).unwrap()]),
    }
}

#[test]
fn values_are_debeziums() {
    let mut compared = 0;
    let mut corrected = BTreeSet::new();
    for line in lines() {
        let catalog = CatalogType::from(line.r#type);
        let Some(text) = &line.text else { continue };
        for settings in MODES {
            let expected = line.values.get(settings).unwrap_or(&line.values[""]);
            for compat in [Compatibility::Debezium, Compatibility::Corrected] {
                let modes = modes(settings, compat);
                let kind = Kind::from_type(&catalog, &KindContext { modes: &modes, money_digits: 2 });
                let found = written(kind.as_ref(), text);
                if compat == Compatibility::Corrected && found != *expected {
                    corrected.insert(line.column.clone());
                    continue;
                }
                assert_eq!(found, *expected, "{} {settings} {text} {compat:?}", line.column);
                compared += 1;
            }
        }
    }
    assert!(compared > 6000, "{compared}");
    assert_eq!(corrected, CORRECTED.map(str::to_owned).into());
}

#[test]
fn placeholders_and_zeros_are_debeziums() {
    for line in lines() {
        let catalog = CatalogType::from(line.r#type);
        for settings in MODES {
            let modes = modes(settings, Compatibility::Debezium);
            let kind = Kind::from_type(&catalog, &KindContext { modes: &modes, money_digits: 2 });
            for (values, write) in
                [(&line.unavailable, write_unavailable as Write), (&line.zero, write_default as Write)]
            {
                let (Some(default), Some(kind)) = (values.get(""), &kind) else { continue };
                let mut out = Vec::new();
                let found = match write(kind, &mut out) {
                    Written::Null => json!([null]),
                    _ => json!([serde_json::from_slice::<Value>(&out).unwrap()]),
                };
                assert_eq!(found, *values.get(settings).unwrap_or(default), "{} {settings}", line.column);
            }
        }
    }
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
