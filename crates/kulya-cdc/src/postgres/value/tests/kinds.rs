//! Kinds by short names of types and settings, for tables of cases.

use crate::debezium::{Compatibility, ValueModes};
use crate::postgres::column::{CatalogType, Kind, KindContext};
use serde_json::{Map, Value, json};

/// Returns a type by the name that cases have for it, with a modifier after a colon.
pub(super) fn catalog_type(name: &str) -> CatalogType {
    let (name, modifier) = name.split_once(':').unwrap_or((name, "-1"));
    let (name, is_array) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    let oid = match name {
        "bool" => 16,
        "bytea" => 17,
        "name" => 19,
        "int8" => 20,
        "int4" => 23,
        "text" => 25,
        "json" => 114,
        "point" => 600,
        "box" => 603,
        "line" => 628,
        "float4" => 700,
        "float8" => 701,
        "money" => 790,
        "inet" => 869,
        "date" => 1082,
        "time" => 1083,
        "timestamp" => 1114,
        "timestamptz" => 1184,
        "interval" => 1186,
        "timetz" => 1266,
        "bit" => 1560,
        "varbit" => 1562,
        "numeric" => 1700,
        "uuid" => 2950,
        "pg_lsn" => 3220,
        _ => 16_400,
    };
    let kind = if name == "mood" { 'e' } else { 'b' };
    let modifier = match modifier.split_once(',') {
        Some((precision, scale)) => {
            (precision.parse::<i32>().unwrap() << 16 | scale.parse::<i32>().unwrap() & 0x7ff) + 4
        }
        None => modifier.parse().unwrap(),
    };
    let labels = if kind == 'e' { vec!["sad".to_owned(), "ok".to_owned()] } else { Vec::new() };
    let scalar =
        CatalogType { oid, name: name.to_owned(), kind, modifier, is_domain: false, labels, items: None };
    match is_array {
        true => {
            CatalogType { oid: 0, name: format!("_{name}"), items: Some(Box::new(scalar.clone())), ..scalar }
        }
        false => scalar,
    }
}

/// Returns the modes of settings such as `decimal=string binary=hex`.
pub(super) fn modes(settings: &str, compat: Compatibility) -> ValueModes {
    let pairs = settings.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    let value = |text| if text == "true" { json!(true) } else { json!(text) };
    let mut modes: Map<_, _> = pairs.map(|(name, text)| (name.to_owned(), value(text))).collect();
    modes.insert("compat".into(), json!(compat));
    serde_json::from_value(Value::Object(modes)).unwrap()
}

/// Returns the kind of a type in modes; the database's currency has two digits.
pub(super) fn kind(name: &str, settings: &str, compat: Compatibility) -> Option<Kind> {
    let modes = modes(settings, compat);
    Kind::from_type(&catalog_type(name), &KindContext { modes: &modes, money_digits: 2 })
}
