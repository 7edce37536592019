//! Whether one value is valid under a subschema: yes, no, or it cannot be told (a pattern that is not understood, a
//! format, another document).

use super::Draft;
use super::decimal::{Decimal, equal};
use super::node::{Bound, Keywords, Types};
use super::world::{Id, World};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How deep subschemas may lead before nothing is said.
const MAX_DEPTH: usize = 150;

/// Values of formats that every validator takes.
const FORMAT_SAMPLES: &[(&str, &str)] = &[
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

/// A value of this format, if it is one of the standard's.
pub(super) fn format_sample(format: &str) -> Option<&'static str> {
    FORMAT_SAMPLES.iter().find(|(name, _)| *name == format).map(|(_, sample)| *sample)
}

/// A conjunction that may stay open.
struct All(Option<bool>);

impl All {
    fn and(&mut self, other: Option<bool>) {
        self.0 = match (self.0, other) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        };
    }

    fn failed(&self) -> bool {
        self.0 == Some(false)
    }
}

/// What of an object or array other keywords have already judged.
#[derive(Default)]
struct Evaluated {
    names: BTreeSet<String>,
    items: BTreeSet<usize>,
}

impl World<'_> {
    /// Whether the value is valid under the subschema.
    pub(super) fn accepts(&self, id: Id, value: &Value) -> Option<bool> {
        Judge { world: self, depth: 0 }.accepts(id, value)
    }
}

#[derive(Clone, Copy)]
struct Judge<'w, 'a> {
    world: &'w World<'a>,
    depth: usize,
}

impl Judge<'_, '_> {
    fn accepts(self, id: Id, value: &Value) -> Option<bool> {
        if self.depth > MAX_DEPTH || !self.world.spend(1) {
            return None;
        }
        let node = self.world.node(id)?;
        let Some(keywords) = node.keywords() else { return node.always() };
        let judge = Self { depth: self.depth + 1, ..self };
        let mut all = All(Some(true));
        all.and(judge.plain(id, keywords, value));
        if !all.failed() {
            all.and(match value {
                Value::Number(number) => number_accepted(keywords, Decimal::from_number(number)),
                Value::String(text) => judge.text(keywords, text),
                Value::Array(items) => judge.array(id, keywords, items),
                Value::Object(members) => judge.object(id, keywords, members),
                Value::Null | Value::Bool(_) => Some(true),
            });
        }
        if !all.failed() {
            all.and(judge.combined(id, keywords, value));
        }
        if !all.failed() {
            all.and(judge.unevaluated(id, keywords, value));
        }
        all.0
    }

    fn plain(self, id: Id, keywords: &Keywords, value: &Value) -> Option<bool> {
        let scalars = &keywords.scalars;
        let mut all = All(Some(true));
        if let Some(types) = scalars.types {
            let kind = Types::of(value);
            all.and(Some(types.meets(kind)));
            let only_integers = types.meets(Types::INTEGER) && !types.meets(Types::FRACTION);
            let written_as_fraction = kind == Types::INTEGER && value.is_f64();
            if only_integers && written_as_fraction && self.world.draft(id) == Draft::Draft4 {
                all.and(None);
            }
        }
        if let Some(constant) = &scalars.constant {
            all.and(Some(equal(constant, value)));
        }
        if let Some(values) = &scalars.values {
            all.and(self.world.spend(values.len()).then(|| values.iter().any(|one| equal(one, value))));
        }
        if keywords.outside().is_some() || !scalars.unsure.is_empty() {
            all.and(None);
        }
        all.0
    }

    fn text(self, keywords: &Keywords, text: &str) -> Option<bool> {
        let scalars = &keywords.scalars;
        let mut all = All(self.world.spend(text.len() / 64).then_some(true));
        if scalars.min_length.is_some() || scalars.max_length.is_some() {
            let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            all.and(Some(scalars.min_length.is_none_or(|least| length >= least)));
            all.and(Some(scalars.max_length.is_none_or(|most| length <= most)));
        }
        if let Some(pattern) = &scalars.pattern {
            all.and(self.world.matches(pattern, text));
        }
        if let Some(format) = &scalars.format {
            all.and((format_sample(format) == Some(text)).then_some(true));
        }
        if !scalars.content.is_empty() {
            all.and(None);
        }
        all.0
    }

    fn array(self, id: Id, keywords: &Keywords, items: &[Value]) -> Option<bool> {
        let scalars = &keywords.scalars;
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let mut all = All(Some(true));
        all.and(Some(scalars.min_items.is_none_or(|least| count >= least)));
        all.and(Some(scalars.max_items.is_none_or(|most| count <= most)));
        if scalars.unique_items && !all.failed() {
            all.and(self.unique(items));
        }
        for (place, item) in items.iter().enumerate() {
            let schema = keywords.prefix.get(place).copied().or(keywords.rest.map(|(rest, _)| rest));
            if let Some(schema) = schema
                && !all.failed()
            {
                all.and(self.accepts(id.beside(schema), item));
            }
        }
        if let Some(contains) = keywords.contains
            && !all.failed()
        {
            let verdicts: Vec<_> = items.iter().map(|item| self.accepts(id.beside(contains), item)).collect();
            let sure = u64::try_from(verdicts.iter().filter(|v| **v == Some(true)).count()).unwrap_or(0);
            let open = u64::try_from(verdicts.iter().filter(|v| v.is_none()).count()).unwrap_or(0);
            let least = scalars.min_contains.unwrap_or(1);
            all.and(if sure >= least { Some(true) } else { (sure + open < least).then_some(false) });
            if let Some(most) = scalars.max_contains {
                all.and(if sure > most { Some(false) } else { (sure + open <= most).then_some(true) });
            }
        }
        all.0
    }

    fn unique(self, items: &[Value]) -> Option<bool> {
        for (place, item) in items.iter().enumerate() {
            let before = items.get(..place).unwrap_or_default();
            if !self.world.spend(before.len() / 8) {
                return None;
            }
            if before.iter().any(|other| equal(other, item)) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn object(self, id: Id, keywords: &Keywords, members: &Map<String, Value>) -> Option<bool> {
        let scalars = &keywords.scalars;
        let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let has = |name: &String| members.contains_key(name);
        let mut all = All(self.world.spend(scalars.required.len()).then_some(true));
        all.and(Some(scalars.min_properties.is_none_or(|least| count >= least)));
        all.and(Some(scalars.max_properties.is_none_or(|most| count <= most)));
        all.and(Some(scalars.required.iter().all(has)));
        for (name, required) in &scalars.dependent_required {
            all.and(Some(!has(name) || required.iter().all(has)));
        }
        for (name, value) in members {
            if all.failed() {
                return Some(false);
            }
            all.and(self.member(id, keywords, name, value));
        }
        for (name, schema) in &keywords.dependent_schemas {
            if has(name) && !all.failed() {
                all.and(self.accepts(id.beside(*schema), &Value::Object(members.clone())));
            }
        }
        all.0
    }

    fn member(self, id: Id, keywords: &Keywords, name: &str, value: &Value) -> Option<bool> {
        let mut all = All(Some(true));
        let mut named = Some(false);
        if let Some(schema) = keywords.properties.get(name) {
            named = Some(true);
            all.and(self.accepts(id.beside(*schema), value));
        }
        for entry in &keywords.pattern_properties {
            let matches = self.world.names(entry, name);
            let verdict = || self.accepts(id.beside(entry.schema), value);
            match matches {
                Some(true) => {
                    named = Some(true);
                    all.and(verdict());
                }
                Some(false) => {}
                None => {
                    named = named.filter(|named| *named);
                    all.and(verdict().filter(|verdict| *verdict));
                }
            }
        }
        if let Some(additional) = keywords.additional
            && named != Some(true)
        {
            let verdict = self.accepts(id.beside(additional), value);
            all.and(if named.is_some() { verdict } else { verdict.filter(|verdict| *verdict) });
        }
        if let Some(names) = keywords.property_names {
            all.and(self.accepts(id.beside(names), &Value::from(name)));
        }
        all.0
    }

    fn combined(self, id: Id, keywords: &Keywords, value: &Value) -> Option<bool> {
        let accepts = |number: usize| self.accepts(id.beside(number), value);
        let mut all = All(Some(true));
        for number in keywords.all_of.iter().copied().chain(keywords.reference_number()) {
            if all.failed() {
                return Some(false);
            }
            all.and(accepts(number));
        }
        if let Some(choices) = &keywords.any_of {
            let mut open = false;
            let taken = choices.iter().any(|number| {
                let verdict = accepts(*number);
                open |= verdict.is_none();
                verdict == Some(true)
            });
            all.and(if taken { Some(true) } else { (!open).then_some(false) });
        }
        if let Some(choices) = &keywords.one_of {
            let verdicts: Vec<_> = choices.iter().map(|number| accepts(*number)).collect();
            let sure = verdicts.iter().filter(|verdict| **verdict == Some(true)).count();
            let open = verdicts.iter().any(Option::is_none);
            all.and(if sure > 1 { Some(false) } else { (!open).then_some(sure == 1) });
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

    fn unevaluated(self, id: Id, keywords: &Keywords, value: &Value) -> Option<bool> {
        let mut all = All(Some(true));
        match (value, keywords.unevaluated_properties, keywords.unevaluated_items) {
            (Value::Object(members), Some(schema), _) => {
                let seen = self.evaluated(id, keywords, value, false)?;
                for (_, member) in members.iter().filter(|(name, _)| !seen.names.contains(*name)) {
                    all.and(self.accepts(id.beside(schema), member));
                }
            }
            (Value::Array(items), _, Some(schema)) => {
                let seen = self.evaluated(id, keywords, value, false)?;
                for (_, item) in items.iter().enumerate().filter(|(place, _)| !seen.items.contains(place)) {
                    all.and(self.accepts(id.beside(schema), item));
                }
            }
            _ => {}
        }
        all.0
    }

    /// What this schema's keywords have judged of a value it takes; `None` when it cannot be told.
    fn evaluated(
        self,
        id: Id,
        keywords: &Keywords,
        value: &Value,
        with_unevaluated: bool,
    ) -> Option<Evaluated> {
        if self.depth > MAX_DEPTH || !self.world.spend(1) {
            return None;
        }
        let mut seen = Evaluated::default();
        match value {
            Value::Object(members) => {
                let every =
                    keywords.additional.or(keywords.unevaluated_properties.filter(|_| with_unevaluated));
                for name in members.keys() {
                    let mut named = every.is_some() || keywords.properties.contains_key(name);
                    for entry in keywords.pattern_properties.iter().take_while(|_| every.is_none()) {
                        named |= self.world.names(entry, name)?;
                    }
                    if named {
                        seen.names.insert(name.clone());
                    }
                }
            }
            Value::Array(items) => {
                let every =
                    keywords.rest.is_some() || (with_unevaluated && keywords.unevaluated_items.is_some());
                let judged = if every { items.len() } else { keywords.prefix.len().min(items.len()) };
                seen.items.extend(0..judged);
                if let Some(contains) = keywords.contains
                    && self.world.draft(id) >= Draft::Draft202012
                {
                    for (place, item) in items.iter().enumerate() {
                        if self.accepts(id.beside(contains), item)? {
                            seen.items.insert(place);
                        }
                    }
                }
            }
            _ => return Some(seen),
        }
        if keywords.outside().is_some() || !keywords.scalars.unsure.is_empty() {
            return None;
        }
        for number in self.judging_in_place(id, keywords, value)? {
            let inner = id.beside(number);
            if !self.accepts(inner, value)? {
                continue;
            }
            let Some(keywords) = self.world.keywords(inner) else { continue };
            let judge = Self { depth: self.depth + 1, ..self };
            let more = judge.evaluated(inner, keywords, value, true)?;
            seen.names.extend(more.names);
            seen.items.extend(more.items);
        }
        Some(seen)
    }

    fn judging_in_place(self, id: Id, keywords: &Keywords, value: &Value) -> Option<Vec<usize>> {
        let mut inner = keywords.all_of.clone();
        inner.extend(keywords.reference_number());
        inner.extend(keywords.any_of.iter().flatten());
        inner.extend(keywords.one_of.iter().flatten());
        let present = |name: &String| value.as_object().is_some_and(|members| members.contains_key(name));
        inner.extend(keywords.dependent_schemas.iter().filter(|(name, _)| present(name)).map(|(_, n)| *n));
        if let Some(condition) = keywords.condition {
            let holds = self.accepts(id.beside(condition.when), value)?;
            inner.push(condition.when);
            inner.extend(if holds { condition.then } else { condition.otherwise });
        }
        Some(inner)
    }
}

fn number_accepted(keywords: &Keywords, number: Decimal) -> Option<bool> {
    let scalars = &keywords.scalars;
    let above = |bound: Bound| if bound.exclusive { number > bound.at } else { number >= bound.at };
    let below = |bound: Bound| if bound.exclusive { number < bound.at } else { number <= bound.at };
    let mut all = All(Some(true));
    all.and(Some(scalars.minimum.is_none_or(above) && scalars.maximum.is_none_or(below)));
    if let Some(unit) = scalars.multiple_of {
        all.and(number.is_multiple_of(unit));
    }
    // formats of numbers are no part of the standard; whatever these mean, they take small integers
    match scalars.format.as_deref() {
        Some("int32" | "int64" | "float" | "double") if number.is_integer() && number.is_small() => {}
        Some(format) if format_sample(format).is_none() => all.and(None),
        _ => {}
    }
    all.0
}
