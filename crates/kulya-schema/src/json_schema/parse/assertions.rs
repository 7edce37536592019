//! The parser of assertions: the keywords whose values are not schemas.

use crate::json_schema::decimal::{Decimal, number_of};
use crate::json_schema::draft::Draft;
use crate::json_schema::node::{Assertions, Bound, TypeSet};
use crate::text::truncated_json;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Object = Map<String, Value>;

pub(super) fn invalid<T>(pointer: &str, message: impl std::fmt::Display) -> Result<T> {
    Err(Error::new(format!("#{pointer}: {message}")))
}

pub(super) fn string_set(values: &[Value], pointer: &str) -> Result<BTreeSet<String>> {
    let mut strings = BTreeSet::new();
    for value in values {
        let Value::String(text) = value else { return invalid(pointer, "a name is a string") };
        strings.insert(text.clone());
    }
    Ok(strings)
}

/// Parses the keywords of one object whose values are not schemas.
pub(super) struct AssertionParser<'a> {
    pub(super) object: &'a Object,
    pub(super) pointer: &'a str,
    pub(super) draft: Draft,
}

impl AssertionParser<'_> {
    pub(super) fn assertions(&self, assertions: &mut Assertions) -> Result<()> {
        let is_modern = self.draft >= Draft::Draft201909;
        self.array("enum")?;
        *assertions = Assertions {
            types: self.types()?,
            minimum: self.bound("minimum", "exclusiveMinimum", |one, other| one > other)?,
            maximum: self.bound("maximum", "exclusiveMaximum", |one, other| one < other)?,
            multiple_of: self.number("multipleOf")?,
            min_length: self.count("minLength")?,
            max_length: self.count("maxLength")?,
            pattern: self.string("pattern")?,
            format: self.string("format")?,
            min_items: self.count("minItems")?,
            max_items: self.count("maxItems")?,
            unique_items: self.boolean("uniqueItems")?,
            required: self.names("required")?,
            min_properties: self.count("minProperties")?,
            max_properties: self.count("maxProperties")?,
            ..Assertions::default()
        };
        if assertions.multiple_of.is_some_and(|unit| !unit.is_positive()) {
            return invalid(self.pointer, "multipleOf must be greater than 0");
        }
        if is_modern {
            assertions.min_contains = self.count("minContains")?;
            assertions.max_contains = self.count("maxContains")?;
            assertions.dependent_required = self.dependent_required()?;
        }
        if matches!(self.draft, Draft::Draft6 | Draft::Draft7) {
            for keyword in ["contentEncoding", "contentMediaType"] {
                assertions.content.extend(self.object.get(keyword).map(|value| (keyword, value.clone())));
            }
        }
        Ok(())
    }

    fn types(&self) -> Result<Option<TypeSet>> {
        let names = match self.object.get("type") {
            None => return Ok(None),
            Some(Value::Array(names)) if names.is_empty() => {
                return invalid(self.pointer, "type is an empty list: give it a type, or leave it out");
            }
            Some(Value::Array(names)) => names.as_slice(),
            Some(name) => std::slice::from_ref(name),
        };
        let mut types = TypeSet::NONE;
        for name in names {
            match name.as_str().and_then(TypeSet::from_name) {
                Some(kind) => types = types.or(kind),
                None => return invalid(self.pointer, format!("unknown type {}", truncated_json(name))),
            }
        }
        Ok(Some(types))
    }

    /// Parses a bound: exclusivity is a boolean in draft 4, and a separate bound later, of which the tighter
    /// one counts.
    fn bound(
        &self,
        keyword: &'static str,
        exclusive_keyword: &'static str,
        is_tighter: fn(Decimal, Decimal) -> bool,
    ) -> Result<Option<Bound>> {
        let inclusive = self.number(keyword)?;
        if self.draft == Draft::Draft4 {
            let is_exclusive = self.boolean(exclusive_keyword)?;
            return Ok(inclusive.map(|value| Bound { value, is_exclusive, keyword }));
        }
        let inclusive = inclusive.map(|value| Bound { value, is_exclusive: false, keyword });
        let exclusive = self.number(exclusive_keyword)?.map(|value| Bound {
            value,
            is_exclusive: true,
            keyword: exclusive_keyword,
        });
        Ok(match (inclusive, exclusive) {
            (Some(inclusive), Some(exclusive)) if is_tighter(inclusive.value, exclusive.value) => {
                Some(inclusive)
            }
            (inclusive, exclusive) => exclusive.or(inclusive),
        })
    }

    fn number(&self, keyword: &str) -> Result<Option<Decimal>> {
        match self.object.get(keyword) {
            None => Ok(None),
            Some(value) => match number_of(value) {
                Some(number) => Ok(Some(number)),
                None => invalid(self.pointer, format!("{keyword} is a number")),
            },
        }
    }

    fn count(&self, keyword: &str) -> Result<Option<u64>> {
        let Some(number) = self.number(keyword)? else { return Ok(None) };
        match number.to_count() {
            Some(count) => Ok(Some(count)),
            None => invalid(self.pointer, format!("{keyword} is a whole number of at most 64 bits")),
        }
    }

    fn string(&self, keyword: &str) -> Result<Option<String>> {
        match self.object.get(keyword) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => invalid(self.pointer, format!("{keyword} is a string")),
        }
    }

    fn boolean(&self, keyword: &str) -> Result<bool> {
        match self.object.get(keyword) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(_) => invalid(self.pointer, format!("{keyword} is true or false")),
        }
    }

    fn array(&self, keyword: &str) -> Result<Option<&[Value]>> {
        match self.object.get(keyword) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => invalid(self.pointer, format!("{keyword} is a list")),
        }
    }

    fn names(&self, keyword: &str) -> Result<BTreeSet<String>> {
        string_set(self.array(keyword)?.unwrap_or_default(), self.pointer)
    }

    fn dependent_required(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let Some(dependencies) = self.object.get("dependentRequired") else { return Ok(BTreeMap::new()) };
        let Value::Object(dependencies) = dependencies else {
            return invalid(self.pointer, "dependentRequired is an object");
        };
        let mut required = BTreeMap::new();
        for (name, names) in dependencies {
            let Value::Array(names) = names else {
                return invalid(self.pointer, "dependentRequired holds lists of names");
            };
            required.insert(name.clone(), string_set(names, self.pointer)?);
        }
        Ok(required)
    }
}
