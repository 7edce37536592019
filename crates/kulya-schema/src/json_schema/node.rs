//! A schema document as numbered subschemas, which refer to each other by number.
//!
//! Drafts differ in how a thing is written (`items` beside `prefixItems`, boolean beside numeric `exclusiveMinimum`);
//! here it is written in one way, and only what a keyword *asserts* is left.

use super::decimal::Decimal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One place of the document where a schema stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// JSON pointer in the document, with `#` in front.
    pub(crate) pointer: String,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// `true` or `false`.
    Always(bool),
    Keywords(Box<Keywords>),
}

/// What a schema asserts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keywords {
    pub(crate) scalars: Scalars,
    pub(crate) reference: Option<Target>,
    pub(crate) prefix: Vec<usize>,
    /// The items after the prefix, and the keyword that says so.
    pub(crate) rest: Option<(usize, &'static str)>,
    pub(crate) contains: Option<usize>,
    pub(crate) unevaluated_items: Option<usize>,
    pub(crate) properties: BTreeMap<String, usize>,
    pub(crate) pattern_properties: Vec<NamePattern>,
    pub(crate) additional: Option<usize>,
    pub(crate) unevaluated_properties: Option<usize>,
    pub(crate) property_names: Option<usize>,
    pub(crate) dependent_schemas: BTreeMap<String, usize>,
    pub(crate) all_of: Vec<usize>,
    pub(crate) any_of: Option<Vec<usize>>,
    pub(crate) one_of: Option<Vec<usize>>,
    pub(crate) not: Option<usize>,
    pub(crate) condition: Option<Condition>,
}

/// The keywords that hold no schemas.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Scalars {
    pub(crate) types: Option<Types>,
    pub(crate) constant: Option<Value>,
    pub(crate) values: Option<Vec<Value>>,
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
    /// Whether `contentEncoding` and `contentMediaType` assert is the validator's choice.
    pub(crate) content: Vec<(&'static str, Value)>,
    /// Keywords of which nothing can be said: dynamic references, and `dependencies` after draft 7.
    pub(crate) unsure: Vec<&'static str>,
}

/// The tighter of an inclusive and an exclusive bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) at: Decimal,
    pub(crate) exclusive: bool,
    pub(crate) keyword: &'static str,
}

/// An entry of `patternProperties`.
#[derive(Debug, Clone)]
pub(crate) struct NamePattern {
    pub(crate) text: String,
    pub(crate) schema: usize,
}

/// `if`, `then` and `else`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    pub(crate) when: usize,
    pub(crate) then: Option<usize>,
    pub(crate) otherwise: Option<usize>,
}

/// What a `$ref` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A schema of this document.
    Local(usize),
    /// Another document, by its URI: nothing is loaded.
    Outside(String),
}

/// A set of the kinds of JSON values; numbers are parted into integers and fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Types(u8);

impl Types {
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

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
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
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if Decimal::from_number(number).is_integer() => Self::INTEGER,
            Value::Number(_) => Self::FRACTION,
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

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The schema's own words, as `string or null`.
    pub(crate) fn words(self) -> String {
        let mut words = Vec::new();
        for (kind, word) in [
            (Self::NULL, "null"),
            (Self::BOOLEAN, "boolean"),
            (Self::STRING, "string"),
            (Self::ARRAY, "array"),
            (Self::OBJECT, "object"),
        ] {
            if self.meets(kind) {
                words.push(word);
            }
        }
        if self.meets(Self::FRACTION) {
            words.push("number");
        } else if self.meets(Self::INTEGER) {
            words.push("integer");
        }
        words.join(" or ")
    }
}

impl Node {
    pub(crate) fn keywords(&self) -> Option<&Keywords> {
        match &self.body {
            Body::Always(_) => None,
            Body::Keywords(keywords) => Some(keywords),
        }
    }

    pub(crate) fn always(&self) -> Option<bool> {
        match self.body {
            Body::Always(always) => Some(always),
            Body::Keywords(_) => None,
        }
    }
}

impl Keywords {
    /// The schemas that judge the same value as this one.
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

    /// The one schema that it refers to, when that is all it says.
    pub(crate) fn wraps(&self) -> Option<usize> {
        let only = match (self.reference_number(), self.all_of.as_slice()) {
            (Some(only), []) => only,
            (None, [only]) => *only,
            _ => return None,
        };
        let silent =
            self.inner_count() == 1 && self.outside().is_none() && self.scalars == Scalars::default();
        // `anyOf: []` has no schemas, and takes nothing
        (silent && self.any_of.is_none() && self.one_of.is_none()).then_some(only)
    }

    pub(crate) fn reference_number(&self) -> Option<usize> {
        match self.reference {
            Some(Target::Local(number)) => Some(number),
            _ => None,
        }
    }

    /// The URI of a reference that leaves the document.
    pub(crate) fn outside(&self) -> Option<&str> {
        match &self.reference {
            Some(Target::Outside(uri)) => Some(uri),
            _ => None,
        }
    }

    /// The keywords that hold one schema each, by names that are the same in every draft.
    fn single(&self) -> [(&'static str, Option<usize>); 11] {
        [
            ("ref", self.reference_number()),
            ("rest", self.rest.map(|(number, _)| number)),
            ("contains", self.contains),
            ("unevaluated items", self.unevaluated_items),
            ("additional", self.additional),
            ("unevaluated properties", self.unevaluated_properties),
            ("property names", self.property_names),
            ("not", self.not),
            ("if", self.condition.map(|condition| condition.when)),
            ("then", self.condition.and_then(|condition| condition.then)),
            ("else", self.condition.and_then(|condition| condition.otherwise)),
        ]
    }

    /// The keywords that hold a list of schemas each.
    fn lists(&self) -> [(&'static str, &[usize]); 4] {
        let any_of = self.any_of.as_deref().unwrap_or_default();
        let one_of = self.one_of.as_deref().unwrap_or_default();
        [("prefix", &self.prefix), ("all of", &self.all_of), ("any of", any_of), ("one of", one_of)]
    }

    /// How many schemas are directly inside, without the cost of their names.
    pub(crate) fn inner_count(&self) -> usize {
        self.single().iter().flat_map(|(_, number)| number).count()
            + self.lists().iter().map(|(_, list)| list.len()).sum::<usize>()
            + self.properties.len()
            + self.dependent_schemas.len()
            + self.pattern_properties.len()
    }

    /// Every schema directly inside, under a name that is the same in every draft.
    pub(crate) fn inner(&self) -> Vec<(String, usize)> {
        let mut inner = Vec::new();
        let single = self.single().into_iter();
        inner.extend(single.filter_map(|(name, number)| Some((name.to_owned(), number?))));
        for (name, list) in self.lists() {
            let numbered = list.iter().enumerate();
            inner.extend(numbered.map(|(place, number)| (format!("{name} {place}"), *number)));
        }
        inner.extend(self.properties.iter().map(|(name, number)| (format!("property {name}"), *number)));
        let dependent = self.dependent_schemas.iter();
        inner.extend(dependent.map(|(name, number)| (format!("dependent {name}"), *number)));
        let patterns = self.pattern_properties.iter();
        inner.extend(patterns.map(|entry| (format!("pattern {}", entry.text), entry.schema)));
        inner
    }
}
