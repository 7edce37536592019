//! Logical types as far as the registry's rules look at them: the name, and the precision and scale of a
//! decimal. What the specification calls invalid is ignored, as it demands of implementations.

use super::schema::{Definition, Kind, Node, Primitive, Schema};
use serde_json::{Map, Value};

/// The precision and scale of a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) precision: u32,
    pub(super) scale: u32,
}

/// Returns the name of a type's logical type, if it has one.
pub(super) fn name<'a>(schema: &'a Schema, node: &'a Node) -> Option<&'a str> {
    properties(schema, node)?.get("logicalType")?.as_str()
}

/// Returns the decimal that a type of bytes or a fixed is, if it is one.
pub(super) fn decimal(schema: &Schema, node: &Node) -> Option<Decimal> {
    let max_precision = match &node.kind {
        Kind::Primitive(Primitive::Bytes) => u32::MAX,
        Kind::Named(index) => match schema.named.get(*index)?.definition {
            Definition::Fixed(size) => max_precision(size),
            _ => return None,
        },
        _ => return None,
    };
    let properties = properties(schema, node)?;
    if properties.get("logicalType")?.as_str() != Some("decimal") {
        return None;
    }
    let number = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let precision = number(properties.get("precision")?)?;
    let scale = properties.get("scale").map_or(Some(0), number)?;
    let is_valid = precision > 0 && precision <= max_precision && scale <= precision;
    is_valid.then_some(Decimal { precision, scale })
}

/// Returns the most digits of any number that a fixed of this size holds: `floor(log10(2^(8·size - 1) - 1))`.
fn max_precision(size: u64) -> u32 {
    let bits = size.saturating_mul(8).saturating_sub(1);
    // log10(2), to more digits than the largest size needs
    let digits = u128::from(bits) * 301_029_995_663_981_195 / 1_000_000_000_000_000_000;
    u32::try_from(digits).unwrap_or(u32::MAX)
}

fn properties<'a>(schema: &'a Schema, node: &'a Node) -> Option<&'a Map<String, Value>> {
    match &node.kind {
        Kind::Named(index) => schema.named.get(*index).map(|named| &named.properties),
        _ => Some(&node.properties),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::parse;

    #[test]
    fn decimals_are_read_and_invalid_ones_ignored() {
        let of = |text: &str| {
            let schema = parse(text).unwrap();
            decimal(&schema, &schema.root).map(|it| (it.precision, it.scale))
        };
        let bytes = |rest: &str| format!(r#"{{"type":"bytes","logicalType":"decimal"{rest}}}"#);
        let fixed = |size: u32, rest: &str| {
            format!(r#"{{"type":"fixed","name":"F","size":{size},"logicalType":"decimal"{rest}}}"#)
        };
        assert_eq!(of(&bytes(r#","precision":4,"scale":2"#)), Some((4, 2)));
        assert_eq!(of(&bytes(r#","precision":4"#)), Some((4, 0)));
        assert_eq!(of(&fixed(8, r#","precision":18"#)), Some((18, 0)));
        for invalid in [
            bytes(""),
            bytes(r#","precision":0"#),
            bytes(r#","precision":4,"scale":5"#),
            bytes(r#","precision":"4""#),
            bytes(r#","precision":4,"scale":-1"#),
            fixed(8, r#","precision":19"#),
            fixed(1, r#","precision":3"#),
            r#"{"type":"string","logicalType":"decimal","precision":4}"#.to_owned(),
            r#"{"type":"bytes","logicalType":"date","precision":4}"#.to_owned(),
        ] {
            assert_eq!(of(&invalid), None, "{invalid}");
        }
        assert_eq!((max_precision(1), max_precision(4), max_precision(16)), (2, 9, 38));
    }
}
