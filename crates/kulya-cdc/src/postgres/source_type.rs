//! A column's type as PostgreSQL's JDBC driver describes it to Debezium, which masks, cuts and schemas with the
//! source's type depend on. A snapshot describes a few types otherwise than the log.

use super::column::CatalogType;
use crate::column_rules::SourceColumn;

/// The length of types without one.
const NO_LENGTH: i32 = i32::MAX;
/// The length of `numeric` without a modifier in the log.
const NUMERIC_LENGTH: i32 = 131_089;

/// Where a description comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DescribedBy<'a> {
    /// The catalog, at a snapshot, with the expression of the default value.
    Snapshot {
        /// The expression of the default value.
        default: Option<&'a str>,
    },
    /// The log.
    Log,
}

/// Describes a column of a type, whose modifier is the column's. The name is that of the base type.
pub(crate) fn source_column(catalog: &CatalogType, by: DescribedBy<'_>) -> SourceColumn {
    let items = catalog.items.as_deref();
    let oid = items.map_or(catalog.oid, |items| items.oid);
    let (length, scale) = match (oid, catalog.modifier) {
        (1700, -1) if by == DescribedBy::Log || items.is_some() => (NUMERIC_LENGTH, Some(0)),
        (1700, -1) => (0, None),
        (oid, modifier) => dimensions(oid, modifier),
    };
    SourceColumn {
        type_name: serial_name(catalog, by).unwrap_or(&catalog.name).to_owned(),
        length: Some(length),
        scale,
        is_text: items.is_none() && (matches!(oid, 18 | 19 | 25 | 1042 | 1043) || catalog.kind == 'e'),
        comment: None,
    }
}

/// Returns the name that the driver gives to the type of a column whose values are from a sequence.
fn serial_name(catalog: &CatalogType, by: DescribedBy<'_>) -> Option<&'static str> {
    let DescribedBy::Snapshot { default: Some(default) } = by else { return None };
    let name = match catalog.oid {
        21 => "smallserial",
        23 => "serial",
        20 => "bigserial",
        _ => return None,
    };
    default.contains("nextval(").then_some(name)
}

/// Returns the length and the number of digits after the point of a type with a modifier, -1 for none.
fn dimensions(oid: u32, modifier: i32) -> (i32, Option<i32>) {
    let (length, scale) = match oid {
        21 => (5, 0),
        23 | 26 => (10, 0),
        20 => (19, 0),
        700 => (8, 8),
        701 => (17, 17),
        16 | 18 => (1, 0),
        1700 => (modifier.saturating_sub(4) >> 16, modifier.saturating_sub(4) & 0xffff),
        1042 | 1043 if modifier != -1 => (modifier.saturating_sub(4), 0),
        1560 => (modifier, 0),
        1562 if modifier != -1 => (modifier, 0),
        1082 => (13, 0),
        1083 => (8 + fraction(modifier), digits(modifier)),
        1266 => (14 + fraction(modifier), digits(modifier)),
        1114 => (22 + fraction(modifier), digits(modifier)),
        1184 => (28 + fraction(modifier), digits(modifier)),
        1186 => (49, if modifier == -1 { 6 } else { modifier & 0xffff }),
        _ => (NO_LENGTH, 0),
    };
    (length, Some(scale))
}

/// Returns the number of characters of a fraction of a second with its point.
fn fraction(modifier: i32) -> i32 {
    match modifier {
        -1 => 7,
        0 => 0,
        // the driver counts two digits
        1 => 3,
        digits => digits.saturating_add(1).clamp(0, 100),
    }
}

fn digits(modifier: i32) -> i32 {
    if modifier == -1 { 6 } else { modifier }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected descriptions are those that Debezium's engine wrote.
    #[test]
    fn types_are_described_as_by_the_driver() {
        let text = |length| length + 4;
        let numeric = |precision: i32, scale: i32| (precision << 16 | scale) + 4;
        for (oid, name, modifier, expected) in [
            (21, "int2", -1, "int2 5 0"),
            (23, "int4", -1, "int4 10 0"),
            (20, "int8", -1, "int8 19 0"),
            (700, "float4", -1, "float4 8 8"),
            (701, "float8", -1, "float8 17 17"),
            (16, "bool", -1, "bool 1 0"),
            (26, "oid", -1, "oid 10 0"),
            (1700, "numeric", -1, "numeric 131089 0"),
            (1700, "numeric", numeric(5, 2), "numeric 5 2"),
            (790, "money", -1, "money 2147483647 0"),
            (18, "char", -1, "char 1 0 text"),
            (1042, "bpchar", -1, "bpchar 2147483647 0 text"),
            (1042, "bpchar", text(3), "bpchar 3 0 text"),
            (1043, "varchar", -1, "varchar 2147483647 0 text"),
            (1043, "varchar", text(9), "varchar 9 0 text"),
            (25, "text", -1, "text 2147483647 0 text"),
            (19, "name", -1, "name 2147483647 0 text"),
            (17, "bytea", -1, "bytea 2147483647 0"),
            (1082, "date", -1, "date 13 0"),
            (1083, "time", -1, "time 15 6"),
            (1083, "time", 3, "time 12 3"),
            (1266, "timetz", -1, "timetz 21 6"),
            (1114, "timestamp", -1, "timestamp 29 6"),
            (1114, "timestamp", 0, "timestamp 22 0"),
            (1114, "timestamp", 1, "timestamp 25 1"),
            (1184, "timestamptz", -1, "timestamptz 35 6"),
            (1184, "timestamptz", 2, "timestamptz 31 2"),
            (1186, "interval", -1, "interval 49 6"),
            (1186, "interval", 0x7fff << 16 | 3, "interval 49 3"),
            (1560, "bit", 1, "bit 1 0"),
            (1560, "bit", 5, "bit 5 0"),
            (1562, "varbit", -1, "varbit 2147483647 0"),
            (1562, "varbit", 9, "varbit 9 0"),
            (3802, "jsonb", -1, "jsonb 2147483647 0"),
            (99_999, "citext", -1, "citext 2147483647 0"),
        ] {
            let scalar = CatalogType {
                oid,
                name: name.into(),
                kind: 'b',
                modifier,
                is_domain: false,
                labels: Vec::new(),
                items: None,
            };
            let shown = |column: &SourceColumn| {
                let text = if column.is_text { " text" } else { "" };
                let scale = column.scale.map(|scale| scale.to_string()).unwrap_or_default();
                format!("{} {} {scale}{text}", column.type_name, column.length.unwrap())
            };
            let log = source_column(&scalar, DescribedBy::Log);
            assert_eq!(shown(&log), expected);
            let snapshot = source_column(&scalar, DescribedBy::Snapshot { default: None });
            match (oid, modifier) {
                (1700, -1) => assert_eq!(shown(&snapshot), "numeric 0 "),
                _ => assert_eq!(snapshot, log),
            }
            let array = CatalogType { oid: 1, items: Some(Box::new(scalar.clone())), ..scalar };
            assert_eq!(shown(&source_column(&array, DescribedBy::Log)), expected.trim_end_matches(" text"));
        }
    }

    #[test]
    fn columns_of_sequences_are_serial_in_a_snapshot() {
        let catalog = |oid, kind| CatalogType {
            oid,
            name: "x".into(),
            kind,
            modifier: -1,
            is_domain: false,
            labels: Vec::new(),
            items: None,
        };
        let name = |oid, by| source_column(&catalog(oid, 'b'), by).type_name;
        let default = Some("nextval('zoo.t_id_seq'::regclass)");
        for (oid, expected) in [(21, "smallserial"), (23, "serial"), (20, "bigserial"), (1700, "x")] {
            assert_eq!(name(oid, DescribedBy::Snapshot { default }), expected);
            assert_eq!(name(oid, DescribedBy::Snapshot { default: Some("1") }), "x");
            assert_eq!(name(oid, DescribedBy::Log), "x");
        }
        assert!(source_column(&catalog(99_999, 'e'), DescribedBy::Log).is_text);
    }
}
