//! Validation of one value against a subschema: valid, invalid, or undecided (an unsupported pattern, a
//! format, another document).

use super::decimal::{Decimal, equal, number_of};
use super::draft::Draft;
use super::node::{Bound, Keywords, TypeSet};
use super::schema_pair::{SchemaPair, SubschemaId};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The maximum depth of nested subschemas; deeper ones are undecided.
const MAX_DEPTH: usize = 150;

/// Values of the standard's formats that every validator accepts.
const FORMAT_EXAMPLES: &[(&str, &str)] = &[
    ("date-time", "2020-01-01T00:00:00Z"),
    ("date", "2020-01-01"),
    ("time", "00:00:00Z"),
    ("duration", "P1D"),
    ("email", "a@example.com"),
    ("idn-email", "a@example.com"),
    ("hostname", "example.com"),
    ("idn-hostname", "example.com"),
    ("ipv4", "127.0.0.1"),
    ("ipv6", "::1"),
    ("uri", "https://example.com/a"),
    ("uri-reference", "https://example.com/a"),
    ("iri", "https://example.com/a"),
    ("iri-reference", "https://example.com/a"),
    ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380"),
    ("uri-template", "https://example.com/a"),
    ("json-pointer", "/a"),
    ("relative-json-pointer", "0/a"),
    ("regex", "a"),
];

/// Returns a value of this format, if it is one of the standard's.
pub(super) fn format_example(format: &str) -> Option<&'static str> {
    FORMAT_EXAMPLES.iter().find(|(name, _)| *name == format).map(|(_, example)| *example)
}

/// A conjunction of three-valued verdicts.
struct Conjunction(Option<bool>);

impl Conjunction {
    fn and(&mut self, other: Option<bool>) {
        self.0 = match (self.0, other) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }

    fn is_false(&self) -> bool {
        self.0 == Some(false)
    }
}

/// The members or items of a value that other keywords have already evaluated.
#[derive(Default)]
struct EvaluatedParts {
    names: BTreeSet<String>,
    items: BTreeSet<usize>,
}

impl SchemaPair<'_> {
    /// Returns whether the value is valid under the subschema; `None` if undecided.
    pub(super) fn accepts(&self, id: SubschemaId, value: &Value) -> Option<bool> {
        Validator { pair: self, depth: 0 }.accepts(id, value)
    }
}

/// A validation of a value, at a depth of nested subschemas.
#[derive(Clone, Copy)]
struct Validator<'w, 'a> {
    pair: &'w SchemaPair<'a>,
    depth: usize,
}

impl Validator<'_, '_> {
    fn accepts(self, id: SubschemaId, value: &Value) -> Option<bool> {
        if self.depth > MAX_DEPTH || !self.pair.spend(1) {
            return None;
        }
        let node = self.pair.node(id)?;
        let Some(keywords) = node.keywords() else { return node.as_boolean() };
        let validator = Self { depth: self.depth + 1, ..self };
        let mut all = Conjunction(Some(true));
        all.and(validate_general(keywords, value));
        if !all.is_false() {
            all.and(match value {
                _ if number_of(value).is_some() => {
                    number_of(value).and_then(|number| validate_number(keywords, number))
                }
                Value::String(text) => validator.validate_string(keywords, text),
                Value::Array(items) => validator.validate_array(id, keywords, items),
                Value::Object(members) => validator.validate_object(id, keywords, members),
                Value::Null | Value::Bool(_) | Value::Number(_) => Some(true),
            });
        }
        if !all.is_false() {
            all.and(validator.validate_applicators(id, keywords, value));
        }
        if !all.is_false() {
            all.and(validator.validate_unevaluated(id, keywords, value));
        }
        all.0
    }

    fn validate_string(self, keywords: &Keywords, text: &str) -> Option<bool> {
        let assertions = &keywords.assertions;
        let mut all = Conjunction(self.pair.spend(text.len() / 64).then_some(true));
        if assertions.min_length.is_some() || assertions.max_length.is_some() {
            let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            all.and(Some(assertions.min_length.is_none_or(|min| length >= min)));
            all.and(Some(assertions.max_length.is_none_or(|max| length <= max)));
        }
        if let Some(pattern) = &assertions.pattern {
            all.and(self.pair.matches(pattern, text));
        }
        if let Some(format) = &assertions.format {
            all.and((format_example(format) == Some(text)).then_some(true));
        }
        if !assertions.content.is_empty() {
            all.and(None);
        }
        all.0
    }

    fn validate_array(self, id: SubschemaId, keywords: &Keywords, items: &[Value]) -> Option<bool> {
        let assertions = &keywords.assertions;
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let mut all = Conjunction(Some(true));
        all.and(Some(assertions.min_items.is_none_or(|min| count >= min)));
        all.and(Some(assertions.max_items.is_none_or(|max| count <= max)));
        if assertions.unique_items && !all.is_false() {
            all.and(self.has_unique_items(items));
        }
        for (index, item) in items.iter().enumerate() {
            let schema =
                keywords.prefix_items.get(index).copied().or(keywords.additional_items.map(|(rest, _)| rest));
            if let Some(schema) = schema
                && !all.is_false()
            {
                all.and(self.accepts(id.sibling(schema), item));
            }
        }
        if let Some(contains) = keywords.contains
            && !all.is_false()
        {
            let verdicts: Vec<_> =
                items.iter().map(|item| self.accepts(id.sibling(contains), item)).collect();
            let valid_count =
                u64::try_from(verdicts.iter().filter(|v| **v == Some(true)).count()).unwrap_or(0);
            let undecided_count = u64::try_from(verdicts.iter().filter(|v| v.is_none()).count()).unwrap_or(0);
            let min = assertions.min_contains.unwrap_or(1);
            all.and(if valid_count >= min {
                Some(true)
            } else {
                (valid_count + undecided_count < min).then_some(false)
            });
            if let Some(max) = assertions.max_contains {
                all.and(if valid_count > max {
                    Some(false)
                } else {
                    (valid_count + undecided_count <= max).then_some(true)
                });
            }
        }
        all.0
    }

    fn has_unique_items(self, items: &[Value]) -> Option<bool> {
        for (index, item) in items.iter().enumerate() {
            let before = items.get(..index).unwrap_or_default();
            if !self.pair.spend(before.len() / 8) {
                return None;
            }
            if before.iter().any(|other| equal(other, item)) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn validate_object(
        self,
        id: SubschemaId,
        keywords: &Keywords,
        members: &Map<String, Value>,
    ) -> Option<bool> {
        let assertions = &keywords.assertions;
        let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let has = |name: &String| members.contains_key(name);
        let mut all = Conjunction(self.pair.spend(assertions.required.len()).then_some(true));
        all.and(Some(assertions.min_properties.is_none_or(|min| count >= min)));
        all.and(Some(assertions.max_properties.is_none_or(|max| count <= max)));
        all.and(Some(assertions.required.iter().all(has)));
        for (name, required) in &assertions.dependent_required {
            all.and(Some(!has(name) || required.iter().all(has)));
        }
        for (name, value) in members {
            if all.is_false() {
                return Some(false);
            }
            all.and(self.validate_member(id, keywords, name, value));
        }
        for (name, schema) in &keywords.dependent_schemas {
            if has(name) && !all.is_false() {
                all.and(self.accepts(id.sibling(*schema), &Value::Object(members.clone())));
            }
        }
        all.0
    }

    fn validate_member(
        self,
        id: SubschemaId,
        keywords: &Keywords,
        name: &str,
        value: &Value,
    ) -> Option<bool> {
        let mut all = Conjunction(Some(true));
        let mut is_evaluated = Some(false);
        if let Some(schema) = keywords.properties.get(name) {
            is_evaluated = Some(true);
            all.and(self.accepts(id.sibling(*schema), value));
        }
        for entry in &keywords.pattern_properties {
            let matches = self.pair.name_matches(entry, name);
            let verdict = || self.accepts(id.sibling(entry.schema), value);
            match matches {
                Some(true) => {
                    is_evaluated = Some(true);
                    all.and(verdict());
                }
                Some(false) => {}
                None => {
                    is_evaluated = is_evaluated.filter(|is_evaluated| *is_evaluated);
                    all.and(verdict().filter(|verdict| *verdict));
                }
            }
        }
        if let Some(additional) = keywords.additional_properties
            && is_evaluated != Some(true)
        {
            let verdict = self.accepts(id.sibling(additional), value);
            all.and(if is_evaluated.is_some() { verdict } else { verdict.filter(|verdict| *verdict) });
        }
        if let Some(names) = keywords.property_names {
            all.and(self.accepts(id.sibling(names), &Value::from(name)));
        }
        all.0
    }

    fn validate_applicators(self, id: SubschemaId, keywords: &Keywords, value: &Value) -> Option<bool> {
        let accepts = |number: usize| self.accepts(id.sibling(number), value);
        let mut all = Conjunction(Some(true));
        for number in keywords.all_of.iter().copied().chain(keywords.reference_number()) {
            if all.is_false() {
                return Some(false);
            }
            all.and(accepts(number));
        }
        if let Some(choices) = &keywords.any_of {
            let mut is_undecided = false;
            let is_valid = choices.iter().any(|number| {
                let verdict = accepts(*number);
                is_undecided |= verdict.is_none();
                verdict == Some(true)
            });
            all.and(if is_valid { Some(true) } else { (!is_undecided).then_some(false) });
        }
        if let Some(choices) = &keywords.one_of {
            let verdicts: Vec<_> = choices.iter().map(|number| accepts(*number)).collect();
            let valid_count = verdicts.iter().filter(|verdict| **verdict == Some(true)).count();
            let is_undecided = verdicts.iter().any(Option::is_none);
            all.and(if valid_count > 1 { Some(false) } else { (!is_undecided).then_some(valid_count == 1) });
        }
        if let Some(not) = keywords.not {
            all.and(accepts(not).map(|verdict| !verdict));
        }
        if let Some(condition) = keywords.condition {
            let then = |number: Option<usize>| number.map_or(Some(true), accepts);
            all.and(match accepts(condition.when) {
                Some(true) => then(condition.then),
                Some(false) => then(condition.otherwise),
                None => {
                    let (then, otherwise) = (then(condition.then), then(condition.otherwise));
                    if then == otherwise { then } else { None }
                }
            });
        }
        all.0
    }

    fn validate_unevaluated(self, id: SubschemaId, keywords: &Keywords, value: &Value) -> Option<bool> {
        let mut all = Conjunction(Some(true));
        match (value, keywords.unevaluated_properties, keywords.unevaluated_items) {
            (Value::Object(members), Some(schema), _) => {
                let seen = self.evaluated(id, keywords, value, false)?;
                for (_, member) in members.iter().filter(|(name, _)| !seen.names.contains(*name)) {
                    all.and(self.accepts(id.sibling(schema), member));
                }
            }
            (Value::Array(items), _, Some(schema)) => {
                let seen = self.evaluated(id, keywords, value, false)?;
                for (_, item) in items.iter().enumerate().filter(|(index, _)| !seen.items.contains(index)) {
                    all.and(self.accepts(id.sibling(schema), item));
                }
            }
            _ => {}
        }
        all.0
    }

    /// Returns which parts of a valid value this schema's keywords evaluate; `None` if undecided.
    fn evaluated(
        self,
        id: SubschemaId,
        keywords: &Keywords,
        value: &Value,
        with_unevaluated: bool,
    ) -> Option<EvaluatedParts> {
        if self.depth > MAX_DEPTH || !self.pair.spend(1) {
            return None;
        }
        let mut seen = EvaluatedParts::default();
        match value {
            Value::Object(members) => {
                let every = keywords
                    .additional_properties
                    .or(keywords.unevaluated_properties.filter(|_| with_unevaluated));
                for name in members.keys() {
                    let mut is_evaluated = every.is_some() || keywords.properties.contains_key(name);
                    for entry in keywords.pattern_properties.iter().take_while(|_| every.is_none()) {
                        is_evaluated |= self.pair.name_matches(entry, name)?;
                    }
                    if is_evaluated {
                        seen.names.insert(name.clone());
                    }
                }
            }
            Value::Array(items) => {
                let every = keywords.additional_items.is_some()
                    || (with_unevaluated && keywords.unevaluated_items.is_some());
                let evaluated_count =
                    if every { items.len() } else { keywords.prefix_items.len().min(items.len()) };
                seen.items.extend(0..evaluated_count);
                if let Some(contains) = keywords.contains
                    && self.pair.draft(id) >= Draft::Draft202012
                {
                    for (index, item) in items.iter().enumerate() {
                        if self.accepts(id.sibling(contains), item)? {
                            seen.items.insert(index);
                        }
                    }
                }
            }
            _ => return Some(seen),
        }
        if keywords.external_reference().is_some() || !keywords.assertions.unsupported.is_empty() {
            return None;
        }
        for number in self.in_place_subschemas(id, keywords, value)? {
            let inner = id.sibling(number);
            if !self.accepts(inner, value)? {
                continue;
            }
            let Some(keywords) = self.pair.keywords(inner) else { continue };
            let validator = Self { depth: self.depth + 1, ..self };
            let more = validator.evaluated(inner, keywords, value, true)?;
            seen.names.extend(more.names);
            seen.items.extend(more.items);
        }
        Some(seen)
    }

    fn in_place_subschemas(self, id: SubschemaId, keywords: &Keywords, value: &Value) -> Option<Vec<usize>> {
        let mut inner = keywords.all_of.clone();
        inner.extend(keywords.reference_number());
        inner.extend(keywords.any_of.iter().flatten());
        inner.extend(keywords.one_of.iter().flatten());
        let is_present = |name: &String| value.as_object().is_some_and(|members| members.contains_key(name));
        inner.extend(keywords.dependent_schemas.iter().filter(|(name, _)| is_present(name)).map(|(_, n)| *n));
        if let Some(condition) = keywords.condition {
            let holds = self.accepts(id.sibling(condition.when), value)?;
            inner.push(condition.when);
            inner.extend(if holds { condition.then } else { condition.otherwise });
        }
        Some(inner)
    }
}

fn validate_number(keywords: &Keywords, number: Decimal) -> Option<bool> {
    let assertions = &keywords.assertions;
    let is_above =
        |bound: Bound| if bound.is_exclusive { number > bound.value } else { number >= bound.value };
    let is_below =
        |bound: Bound| if bound.is_exclusive { number < bound.value } else { number <= bound.value };
    let mut all = Conjunction(Some(true));
    all.and(Some(assertions.minimum.is_none_or(is_above) && assertions.maximum.is_none_or(is_below)));
    if let Some(unit) = assertions.multiple_of {
        all.and(number.is_multiple_of(unit));
    }
    // formats of numbers are not in the standard; whatever these mean, they accept small integers
    match assertions.format.as_deref() {
        Some("int32" | "int64" | "float" | "double") if number.is_integer() && number.is_small() => {}
        Some(format) if format_example(format).is_none() => all.and(None),
        _ => {}
    }
    all.0
}

fn validate_general(keywords: &Keywords, value: &Value) -> Option<bool> {
    let assertions = &keywords.assertions;
    let mut all = Conjunction(Some(true));
    if let Some(types) = assertions.types {
        let kind = TypeSet::of(value);
        all.and(Some(types.intersects(kind)));
        let written_as_fraction = kind == TypeSet::INTEGER && value.is_f64();
        if assertions.draft4_integer && written_as_fraction {
            all.and(None);
        }
    }
    if let Some(constant) = &assertions.constant {
        all.and(Some(constant.contains(value)));
    }
    if let Some(values) = &assertions.values {
        all.and(Some(values.contains(value)));
    }
    // whatever `dependencies` means, it concerns objects
    let concerns = |keyword: &str| keyword != "dependencies" || value.is_object();
    if keywords.external_reference().is_some()
        || assertions.unsupported.iter().any(|entry| concerns(entry.keyword))
    {
        all.and(None);
    }
    all.0
}
