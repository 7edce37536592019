//! Whether a JSON value is a default of a type. What the parser accepts is more than one specification has:
//! a union's default of any member is Avro 1.12's, and Avro 1.11 knows only those of the first member; and
//! neither Java nor the parser looks at the content of texts that stand for bytes and symbols.

use super::schema::{Definition, Kind, NamedType, Node, Primitive};
use serde_json::Value;
use std::cell::Cell;

/// The maximum number of values, and of absent fields, in all defaults of a schema.
pub(super) const MAX_DEFAULT_CHECKS: usize = 10_000_000;

/// Which values count as defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DefaultRules {
    /// Everything that some reader takes: a union's default may be of any member.
    Lenient,
    /// As Avro Java 1.11: a union's default is of its first member.
    FirstMember,
    /// As a reader can use it: a union's default is of any member, bytes are code points up to 255, a fixed
    /// has its size, and an enum has the symbol.
    Usable,
}

/// Checks defaults against types, within a number of values.
pub(super) struct DefaultChecker<'a> {
    pub(super) named: &'a [NamedType],
    pub(super) rules: DefaultRules,
    /// The number of values that may still be checked.
    pub(super) remaining: &'a Cell<usize>,
    pub(super) max_depth: usize,
}

impl DefaultChecker<'_> {
    /// Returns whether the value is a default of the field's type. A number that JSON cannot represent is a
    /// text, as Java writes it.
    pub(super) fn is_default(&self, node: &Node, value: &Value) -> bool {
        let is_non_finite = matches!(&node.kind, Kind::Primitive(Primitive::Float | Primitive::Double))
            && value.as_str().is_some_and(|text| NON_FINITE_NUMBERS.contains(&text));
        is_non_finite || self.is_value_of(node, value, 0)
    }

    fn spend(&self, count: usize) -> bool {
        let left = self.remaining.get().checked_sub(count);
        self.remaining.set(left.unwrap_or(0));
        left.is_some()
    }

    fn is_value_of(&self, node: &Node, value: &Value, depth: usize) -> bool {
        if depth > self.max_depth || !self.spend(1) {
            return false;
        }
        let is_usable = self.rules == DefaultRules::Usable;
        match &node.kind {
            Kind::Primitive(primitive) => match primitive {
                Primitive::Null => value.is_null(),
                Primitive::Boolean => value.is_boolean(),
                Primitive::Int => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
                Primitive::Long => value.as_i64().is_some(),
                Primitive::Float | Primitive::Double => value.is_number(),
                Primitive::Bytes if is_usable => {
                    value.as_str().is_some_and(|text| byte_length(text).is_some())
                }
                Primitive::Bytes | Primitive::String => value.is_string(),
            },
            Kind::Array(items) => value
                .as_array()
                .is_some_and(|values| values.iter().all(|v| self.is_value_of(items, v, depth + 1))),
            Kind::Map(values) => value
                .as_object()
                .is_some_and(|object| object.values().all(|v| self.is_value_of(values, v, depth + 1))),
            Kind::Union(members) if self.rules == DefaultRules::FirstMember => {
                members.first().is_some_and(|member| self.is_value_of(member, value, depth + 1))
            }
            Kind::Union(members) => members.iter().any(|member| self.is_value_of(member, value, depth + 1)),
            Kind::Named(index) => match self.named.get(*index).map(|named| &named.definition) {
                Some(Definition::Enum { symbols, .. }) if is_usable => {
                    self.spend(symbols.len() / 16)
                        && value.as_str().is_some_and(|text| symbols.iter().any(|symbol| symbol == text))
                }
                Some(Definition::Fixed(size)) if is_usable => {
                    value.as_str().and_then(byte_length).is_some_and(|length| length == *size)
                }
                Some(Definition::Enum { .. } | Definition::Fixed(_)) => value.is_string(),
                Some(Definition::Record(fields)) => value.as_object().is_some_and(|object| {
                    self.spend(fields.len())
                        && fields.iter().all(|field| match object.get(&field.name) {
                            Some(value) => self.is_value_of(&field.node, value, depth + 1),
                            // its own default was checked when the field was parsed
                            None => field.default.is_some(),
                        })
                }),
                Some(Definition::Pending) | None => false,
            },
        }
    }
}

/// Java's notation of the numbers that JSON cannot represent.
const NON_FINITE_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// Returns the number of bytes that a text stands for: a code point each, up to 255. `None` if a code point
/// is no byte.
fn byte_length(text: &str) -> Option<u64> {
    let mut length = 0;
    for character in text.chars() {
        if u32::from(character) > 255 {
            return None;
        }
        length += 1;
    }
    Some(length)
}
