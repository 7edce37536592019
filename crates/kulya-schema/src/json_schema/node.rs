//! The subschemas of a document, which refer to each other by index.
//!
//! Drafts differ in notation (`items` and `prefixItems`, boolean and numeric `exclusiveMinimum`); this
//! representation is the same for all drafts, and contains only what a keyword *asserts*.

use super::decimal::{Decimal, number_of};
use super::draft::Draft;
use super::value_set::ValueSet;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One subschema of the document.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The JSON pointer in the document, with a leading `#`.
    pub(crate) pointer: String,
    /// The dialect of the resource that it belongs to.
    pub(crate) draft: Draft,
    pub(crate) body: Body,
}

/// The content of a subschema.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A boolean schema.
    Boolean(bool),
    Keywords(Box<Keywords>),
}

/// The keywords of an object schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keywords {
    pub(crate) assertions: Assertions,
    pub(crate) reference: Option<Target>,
    pub(crate) prefix_items: Vec<usize>,
    /// The schema of the items after the prefix, and its keyword in this draft.
    pub(crate) additional_items: Option<(usize, &'static str)>,
    pub(crate) contains: Option<usize>,
    pub(crate) unevaluated_items: Option<usize>,
    pub(crate) properties: BTreeMap<String, usize>,
    pub(crate) pattern_properties: Vec<NamePattern>,
    pub(crate) additional_properties: Option<usize>,
    pub(crate) unevaluated_properties: Option<usize>,
    pub(crate) property_names: Option<usize>,
    pub(crate) dependent_schemas: BTreeMap<String, usize>,
    pub(crate) all_of: Vec<usize>,
    pub(crate) any_of: Option<Vec<usize>>,
    pub(crate) one_of: Option<Vec<usize>>,
    pub(crate) not: Option<usize>,
    pub(crate) condition: Option<Condition>,
    /// The schemas of `dependencies` after draft 7.
    pub(crate) legacy_dependencies: BTreeMap<String, usize>,
    /// The subschemas that a dynamic reference may lead to, if that depends on the path to it.
    pub(crate) dynamic_targets: Vec<usize>,
}

/// The keywords whose values are not schemas.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Assertions {
    pub(crate) types: Option<TypeSet>,
    pub(crate) constant: Option<ValueSet>,
    pub(crate) values: Option<ValueSet>,
    pub(crate) minimum: Option<Bound>,
    pub(crate) maximum: Option<Bound>,
    pub(crate) multiple_of: Option<Decimal>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) pattern: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) unique_items: bool,
    pub(crate) min_contains: Option<u64>,
    pub(crate) max_contains: Option<u64>,
    pub(crate) required: BTreeSet<String>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) dependent_required: BTreeMap<String, BTreeSet<String>>,
    /// `contentEncoding` and `contentMediaType`: whether they assert is the validator's choice.
    pub(crate) content: Vec<(&'static str, Value)>,
    /// Whether integers are those of a declared draft 4, which must not be written as `1.0`.
    pub(crate) draft4_integer: bool,
    /// Keywords that cannot be evaluated: dynamic references, and `dependencies` after draft 7.
    pub(crate) unsupported: Vec<Unsupported>,
}

/// A keyword that cannot be evaluated, with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unsupported {
    pub(crate) keyword: &'static str,
    pub(crate) value: Value,
}

/// The tighter of an inclusive and an exclusive bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) value: Decimal,
    pub(crate) is_exclusive: bool,
    pub(crate) keyword: &'static str,
}

/// An entry of `patternProperties`.
#[derive(Debug, Clone)]
pub(crate) struct NamePattern {
    pub(crate) text: String,
    pub(crate) schema: usize,
}

/// The keywords `if`, `then` and `else`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    pub(crate) when: usize,
    pub(crate) then: Option<usize>,
    pub(crate) otherwise: Option<usize>,
}

/// The target of a `$ref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A subschema of this document.
    Local(usize),
    /// Another document, by its URI; it is not loaded.
    External(String),
}

/// A set of JSON types; numbers are divided into integers and fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TypeSet(u8);

impl TypeSet {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const INTEGER: Self = Self(4);
    pub(crate) const FRACTION: Self = Self(8);
    pub(crate) const NUMBER: Self = Self(12);
    pub(crate) const STRING: Self = Self(16);
    pub(crate) const ARRAY: Self = Self(32);
    pub(crate) const OBJECT: Self = Self(64);
    pub(crate) const ALL: Self = Self(127);

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    pub(crate) fn of(value: &Value) -> Self {
        if let Some(number) = number_of(value) {
            return if number.is_integer() { Self::INTEGER } else { Self::FRACTION };
        }
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Formats the set with the schema's own type names, such as `string or null`.
    pub(crate) fn type_names(self) -> String {
        let mut names = Vec::new();
        for (kind, name) in [
            (Self::NULL, "null"),
            (Self::BOOLEAN, "boolean"),
            (Self::STRING, "string"),
            (Self::ARRAY, "array"),
            (Self::OBJECT, "object"),
        ] {
            if self.intersects(kind) {
                names.push(name);
            }
        }
        if self.intersects(Self::FRACTION) {
            names.push("number");
        } else if self.intersects(Self::INTEGER) {
            names.push("integer");
        }
        names.join(" or ")
    }
}

impl Node {
    pub(crate) fn keywords(&self) -> Option<&Keywords> {
        match &self.body {
            Body::Boolean(_) => None,
            Body::Keywords(keywords) => Some(keywords),
        }
    }

    pub(crate) fn as_boolean(&self) -> Option<bool> {
        match self.body {
            Body::Boolean(value) => Some(value),
            Body::Keywords(_) => None,
        }
    }
}

impl Keywords {
    /// Returns whether it asserts nothing.
    pub(crate) fn is_trivial(&self) -> bool {
        self.reference.is_none()
            && self.any_of.is_none()
            && self.one_of.is_none()
            && self.child_count() == 0
            && self.assertions == Assertions::default()
    }

    /// Returns the subschemas of in-place applicators: those that apply to the same value.
    pub(crate) fn in_place(&self) -> Vec<usize> {
        let mut inner = self.all_of.clone();
        inner.extend(self.reference_number());
        inner.extend(self.any_of.iter().flatten());
        inner.extend(self.one_of.iter().flatten());
        inner.extend(self.not);
        inner.extend(self.dependent_schemas.values());
        if let Some(condition) = self.condition {
            inner.push(condition.when);
            inner.extend(condition.then);
            inner.extend(condition.otherwise);
        }
        inner
    }

    /// Returns the schema that it refers to, if it asserts nothing else.
    pub(crate) fn single_reference(&self) -> Option<usize> {
        let only = match (self.reference_number(), self.all_of.as_slice()) {
            (Some(only), []) => only,
            (None, [only]) => *only,
            _ => return None,
        };
        let is_alone = self.child_count() == 1
            && self.external_reference().is_none()
            && self.assertions == Assertions::default();
        // `anyOf: []` has no schemas, and accepts nothing
        (is_alone && self.any_of.is_none() && self.one_of.is_none()).then_some(only)
    }

    pub(crate) fn reference_number(&self) -> Option<usize> {
        match self.reference {
            Some(Target::Local(number)) => Some(number),
            _ => None,
        }
    }

    /// Returns the URI of a reference to another document.
    pub(crate) fn external_reference(&self) -> Option<&str> {
        match &self.reference {
            Some(Target::External(uri)) => Some(uri),
            _ => None,
        }
    }

    /// Returns the keywords with one schema each, under names that are the same in every draft.
    fn single_schema_keywords(&self) -> [(&'static str, Option<usize>); 11] {
        [
            ("ref", self.reference_number()),
            ("rest", self.additional_items.map(|(number, _)| number)),
            ("contains", self.contains),
            ("unevaluated items", self.unevaluated_items),
            ("additional", self.additional_properties),
            ("unevaluated properties", self.unevaluated_properties),
            ("property names", self.property_names),
            ("not", self.not),
            ("if", self.condition.map(|condition| condition.when)),
            ("then", self.condition.and_then(|condition| condition.then)),
            ("else", self.condition.and_then(|condition| condition.otherwise)),
        ]
    }

    /// Returns the keywords with a list of schemas each.
    fn schema_list_keywords(&self) -> [(&'static str, &[usize]); 4] {
        let any_of = self.any_of.as_deref().unwrap_or_default();
        let one_of = self.one_of.as_deref().unwrap_or_default();
        [("prefix", &self.prefix_items), ("all of", &self.all_of), ("any of", any_of), ("one of", one_of)]
    }

    /// Counts the direct subschemas, without building their names.
    pub(crate) fn child_count(&self) -> usize {
        self.single_schema_keywords().iter().flat_map(|(_, number)| number).count()
            + self.schema_list_keywords().iter().map(|(_, list)| list.len()).sum::<usize>()
            + self.properties.len()
            + self.dependent_schemas.len()
            + self.pattern_properties.len()
    }

    /// Returns the direct subschemas, under names that are the same in every draft.
    pub(crate) fn children(&self) -> Vec<(String, usize)> {
        let mut inner = Vec::new();
        let single = self.single_schema_keywords().into_iter();
        inner.extend(single.filter_map(|(name, number)| Some((name.to_owned(), number?))));
        for (name, list) in self.schema_list_keywords() {
            let numbered = list.iter().enumerate();
            inner.extend(numbered.map(|(index, number)| (format!("{name} {index}"), *number)));
        }
        inner.extend(self.properties.iter().map(|(name, number)| (format!("property {name}"), *number)));
        let dependent = self.dependent_schemas.iter();
        inner.extend(dependent.map(|(name, number)| (format!("dependent {name}"), *number)));
        let patterns = self.pattern_properties.iter();
        inner.extend(patterns.map(|entry| (format!("pattern {}", entry.text), entry.schema)));
        inner
    }
}
