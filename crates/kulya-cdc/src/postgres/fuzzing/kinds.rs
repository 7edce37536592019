//! Every representation of a value, and the check that a text is written as JSON or not at all.

use crate::debezium::Compatibility;
use crate::debezium::Written;
use crate::debezium::fuzzing::{all_modes, distinct, parsed_json};
use crate::postgres::column::{CatalogType, Kind, KindContext};
use crate::postgres::value;
use std::sync::LazyLock;

/// Types: OID, name, kind in the catalog, modifier.
const TYPES: &[(u32, &str, char, i32)] = &[
    (16, "bool", 'b', -1),
    (17, "bytea", 'b', -1),
    (18, "char", 'b', -1),
    (19, "name", 'b', -1),
    (20, "int8", 'b', -1),
    (21, "int2", 'b', -1),
    (23, "int4", 'b', -1),
    (25, "text", 'b', -1),
    (26, "oid", 'b', -1),
    (114, "json", 'b', -1),
    (142, "xml", 'b', -1),
    (600, "point", 'b', -1),
    (603, "box", 'b', -1),
    (628, "line", 'b', -1),
    (700, "float4", 'b', -1),
    (701, "float8", 'b', -1),
    (790, "money", 'b', -1),
    (869, "inet", 'b', -1),
    (1042, "bpchar", 'b', 9),
    (1082, "date", 'b', -1),
    (1083, "time", 'b', -1),
    (1083, "time", 'b', 3),
    (1114, "timestamp", 'b', -1),
    (1114, "timestamp", 'b', 0),
    (1184, "timestamptz", 'b', -1),
    (1184, "timestamptz", 'b', 2),
    (1186, "interval", 'b', -1),
    (1266, "timetz", 'b', -1),
    (1560, "bit", 'b', 1),
    (1560, "bit", 'b', 5),
    (1562, "varbit", 'b', 1),
    (1562, "varbit", 'b', -1),
    (1700, "numeric", 'b', -1),
    (1700, "numeric", 'b', numeric(5, 2)),
    (1700, "numeric", 'b', numeric(5, -2)),
    (1700, "numeric", 'b', numeric(3, 5)),
    (1700, "numeric", 'b', numeric(1000, 1000)),
    (2950, "uuid", 'b', -1),
    (3220, "pg_lsn", 'b', -1),
    (3614, "tsvector", 'b', -1),
    (3802, "jsonb", 'b', -1),
    (3908, "tsrange", 'r', -1),
    (16_400, "mood", 'e', -1),
    (16_401, "hstore", 'b', -1),
    (16_402, "ltree", 'b', -1),
    (16_403, "pair", 'c', -1),
];

const fn numeric(precision: i32, scale: i32) -> i32 {
    (precision << 16 | scale & 0x7ff) + 4
}

/// Returns a type: that of an OID if it is listed, or any of the list or its arrays.
pub(super) fn catalog_type(oid: u32, modifier: i32) -> CatalogType {
    let scalar = |(oid, name, kind, default): &(u32, &str, char, i32)| CatalogType {
        oid: *oid,
        name: (*name).to_owned(),
        kind: *kind,
        modifier: if modifier == -1 { *default } else { modifier },
        is_domain: false,
        labels: if *kind == 'e' { vec!["sad".to_owned(), "o\"k".to_owned()] } else { Vec::new() },
        items: None,
    };
    if let Some(found) = TYPES.iter().find(|(known, ..)| *known == oid) {
        return scalar(found);
    }
    let index = oid as usize % (2 * TYPES.len());
    let Some(found) = TYPES.get(index % TYPES.len()) else { return scalar(&(25, "text", 'b', -1)) };
    match index < TYPES.len() {
        true => scalar(found),
        false => array_of(scalar(found)),
    }
}

fn array_of(items: CatalogType) -> CatalogType {
    CatalogType {
        oid: 0,
        name: format!("_{}", items.name),
        kind: 'b',
        modifier: items.modifier,
        is_domain: false,
        labels: Vec::new(),
        items: Some(Box::new(items)),
    }
}

/// Every kind, those with another placeholder without it.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let mut kinds = Vec::new();
    for modes in all_modes() {
        for (oid, _, _, modifier) in TYPES {
            let scalar = catalog_type(*oid, *modifier);
            for catalog in [array_of(scalar.clone()), scalar] {
                for money_digits in [0, 2] {
                    let context = KindContext { modes: &modes, money_digits };
                    kinds.extend(Kind::from_type(&catalog, &context).map(without_placeholder));
                }
            }
        }
    }
    distinct(kinds)
});

fn without_placeholder(kind: Kind) -> Kind {
    match kind {
        Kind::WithPlaceholder(with) => with.kind,
        kind => kind,
    }
}

/// Writes a text as a value of every kind, and as a default value's expression.
pub(super) fn write_as_every_kind(text: &[u8]) {
    let mut out = Vec::new();
    let expression = std::str::from_utf8(text).ok().filter(|text| text.len() < 200);
    for kind in KINDS.iter() {
        out.clear();
        out.push(b'[');
        let written = value::write_value(kind, text, &mut out);
        check(kind, text, written, &out);
        if let Some(expression) = expression {
            for compat in [Compatibility::Corrected, Compatibility::Debezium] {
                let _ = value::default_json(kind, expression, compat);
            }
        }
    }
}

fn check(kind: &Kind, text: &[u8], written: Written, out: &[u8]) {
    let json = out.strip_prefix(b"[").unwrap_or_else(|| panic!("{kind:?} changed what stood before"));
    match written {
        Written::Null | Written::NotAValue => assert!(json.is_empty(), "{kind:?} wrote a part of a value"),
        Written::Value | Written::Lossy => {
            assert!(!parsed_json(json).is_null(), "{kind:?} wrote null as a value");
            assert!(json.len() <= max_bytes(kind, text.len()), "{kind:?} wrote {} bytes", json.len());
        }
    }
}

/// Returns the greatest length of what is written.
fn max_bytes(kind: &Kind, length: usize) -> usize {
    let factor = match kind {
        // digits are filled up to the scale
        Kind::Array(array) if matches!(array.items, Kind::Decimal { .. }) => 1500,
        // a control character has seven bytes
        _ => 16,
    };
    factor * length + 4096
}
