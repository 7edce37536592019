//! Generation of candidate witnesses: values that a region may contain, to be validated against the reader's
//! schema. They are guesses that the caller confirms with [`Region::accepts`].

use super::decimal::{Decimal, equal};
use super::node::TypeSet;
use super::region::{MemberName, Region};
use super::schema_pair::SchemaPair;
use super::validate::format_example;
use serde_json::{Map, Value};

/// The maximum nesting depth of generated values.
const MAX_DEPTH: usize = 8;
/// The maximum number of parts of a region with alternatives for which values are generated.
const MAX_PARTS: usize = 8;
/// The maximum number of values of a region.
const MAX_VALUES: usize = 8;
const MAX_LENGTH: u64 = 100_000;
const MAX_COUNT: u64 = 2_000;

/// Values in the reader's schema near which a difference would show.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    pub(super) numbers: Vec<Decimal>,
    pub(super) lengths: Vec<u64>,
    pub(super) counts: Vec<u64>,
    pub(super) units: Vec<Decimal>,
}

/// Generates values that were confirmed to belong to the region.
pub(super) fn values(pair: &SchemaPair<'_>, region: &Region) -> Vec<Value> {
    values_near(pair, region, &Hints::default())
}

/// Generates values of the region near the hints, confirmed to belong to it.
pub(super) fn values_near(pair: &SchemaPair<'_>, region: &Region, hints: &Hints) -> Vec<Value> {
    let mut generator = Generator { pair, depth: 0 };
    let mut found: Vec<Value> = Vec::new();
    for value in generator.candidates(region, hints) {
        if found.len() >= 4 * MAX_VALUES || !pair.spend(1) {
            break;
        }
        if region.accepts(pair, &value) == Some(true) {
            found.push(value);
        }
    }
    found
}

/// Generates objects of the region with these members; not confirmed.
pub(super) fn objects(pair: &SchemaPair<'_>, region: &Region, members: &[(String, Value)]) -> Vec<Value> {
    let mut generator = Generator { pair, depth: 0 };
    let region = region.with_types(pair, TypeSet::OBJECT);
    let region = members.iter().fold(region, |region, (name, _)| region.with_name(pair, name));
    let parts = split_into_parts(pair, &region);
    parts.iter().map(|part| generator.object(part, members, None)).collect()
}

/// Generates arrays of the region with the value at the index; not confirmed.
pub(super) fn arrays(pair: &SchemaPair<'_>, region: &Region, index: usize, value: &Value) -> Vec<Value> {
    let mut generator = Generator { pair, depth: 0 };
    let region = region.with_types(pair, TypeSet::ARRAY);
    let parts = split_into_parts(pair, &region);
    parts.iter().map(|part| generator.array(part, 0, Some((index, value)))).collect()
}

fn split_into_parts(pair: &SchemaPair<'_>, region: &Region) -> Vec<Region> {
    let mut finished = Vec::new();
    let mut pending = vec![region.clone()];
    while let Some(region) = pending.pop() {
        if finished.len() + pending.len() >= MAX_PARTS || !pair.spend(1) {
            finished.push(region);
            continue;
        }
        match region.split(pair) {
            Some(parts) => {
                pending.extend(parts.into_iter().filter(|part| !part.is_empty(pair, 2)).take(MAX_PARTS));
            }
            None => finished.push(region),
        }
        if finished.len() >= MAX_PARTS {
            break;
        }
    }
    finished
}

/// A generator of values, at a nesting depth.
struct Generator<'w, 'a> {
    pair: &'w SchemaPair<'a>,
    depth: usize,
}

impl Generator<'_, '_> {
    fn candidates(&mut self, region: &Region, hints: &Hints) -> Vec<Value> {
        if self.depth > MAX_DEPTH || !self.pair.spend(1) {
            return Vec::new();
        }
        let mut candidates: Vec<Value> = Vec::new();
        for part in split_into_parts(self.pair, region) {
            if let Some(values) = part.enumerated_values(self.pair) {
                candidates.extend(values.into_iter().take(4 * MAX_VALUES).cloned());
                continue;
            }
            let types = part.possible_types(self.pair, 2);
            if types.intersects(TypeSet::NULL) {
                candidates.push(Value::Null);
            }
            if types.intersects(TypeSet::BOOLEAN) {
                candidates.extend([Value::Bool(false), Value::Bool(true)]);
            }
            if types.intersects(TypeSet::NUMBER) {
                candidates.extend(self.numbers(&part, hints));
            }
            if types.intersects(TypeSet::STRING) {
                candidates.extend(self.strings(&part, hints));
            }
            if types.intersects(TypeSet::ARRAY) {
                candidates.push(self.array(&part, 0, None));
                candidates.extend(hints.counts.iter().map(|count| self.array(&part, *count, None)));
            }
            if types.intersects(TypeSet::OBJECT) {
                candidates.push(self.object(&part, &[], None));
                for count in &hints.counts {
                    candidates.push(self.object(&part, &[], Some(*count)));
                }
            }
        }
        candidates
    }

    /// Generates a nested value: the first candidate that belongs to the region.
    fn nested_value(&mut self, region: &Region) -> Option<Value> {
        self.depth += 1;
        let candidates = self.candidates(region, &Hints::default());
        self.depth -= 1;
        let mut undecided = None;
        for candidate in candidates {
            match region.accepts(self.pair, &candidate) {
                Some(true) => return Some(candidate),
                Some(false) => {}
                None => undecided = undecided.or(Some(candidate)),
            }
        }
        undecided
    }

    fn numbers(&self, part: &Region, hints: &Hints) -> Vec<Value> {
        let (lower, upper) = part.numeric_range(self.pair);
        let mut units: Vec<Decimal> = part
            .positive_schemas(self.pair)
            .filter_map(|(_, keywords)| keywords.assertions.multiple_of)
            .collect();
        units.extend(hints.units.iter().copied());
        let mut bases = hints.numbers.clone();
        bases.extend([Decimal::ZERO, Decimal::ONE]);
        bases.extend(lower.map(|bound| bound.value));
        bases.extend(upper.map(|bound| bound.value));
        let tenth = Decimal::ONE.tenth();
        let half = midpoint(Decimal::ZERO, Decimal::ONE).unwrap_or(tenth);
        let mut steps = vec![Decimal::ONE, half, tenth];
        steps.extend(units.iter().copied());
        let mut candidates = bases.clone();
        for number in bases {
            for step in &steps {
                candidates.extend(number.plus(*step));
                candidates.extend(number.plus(step.negated()));
                let next = units.iter().filter_map(|unit| number.next_multiple(*unit));
                for multiple in next {
                    candidates.push(multiple);
                    candidates.extend(multiple.plus(*step));
                    candidates.extend(multiple.plus(step.negated()));
                }
            }
        }
        candidates.extend(lower.zip(upper).and_then(|(lower, upper)| midpoint(lower.value, upper.value)));
        candidates.extend(hints.units.iter().filter_map(|unit| midpoint(Decimal::ZERO, *unit)));
        let mut values: Vec<Value> = Vec::new();
        for candidate in candidates {
            let value = candidate.to_value();
            if !values.iter().any(|other| equal(other, &value))
                && part.accepts(self.pair, &value) == Some(true)
            {
                values.push(value);
            }
            if values.len() >= 3 * MAX_VALUES {
                break;
            }
        }
        values
    }

    fn strings(&self, part: &Region, hints: &Hints) -> Vec<Value> {
        let min = part.lower_limit(self.pair, |keywords| keywords.assertions.min_length);
        let max = part.upper_limit(self.pair, |keywords| keywords.assertions.max_length);
        let mut lengths = hints.lengths.clone();
        lengths.extend([min, min.saturating_add(1)]);
        lengths.extend(max);
        lengths.retain(|length| *length <= MAX_LENGTH && *length >= min);
        let mut strings = Vec::new();
        for (_, keywords) in part.positive_schemas(self.pair) {
            strings.extend(keywords.assertions.format.as_deref().and_then(format_example).map(str::to_owned));
            for length in &lengths {
                let length = usize::try_from(*length).unwrap_or(0);
                let pattern = keywords.assertions.pattern.iter();
                strings.extend(pattern.flat_map(|pattern| self.pair.generate_texts(pattern, length)));
            }
        }
        for length in lengths {
            let length = usize::try_from(length).unwrap_or(0);
            if !self.pair.spend(length / 16) {
                break;
            }
            strings.extend(["a".repeat(length), "0".repeat(length)]);
        }
        strings.extend(["~ ~".to_owned(), "A".to_owned()]);
        strings.into_iter().map(Value::String).collect()
    }

    fn array(&mut self, part: &Region, count: u64, fixed: Option<(usize, &Value)>) -> Value {
        let min = part.lower_limit(self.pair, |keywords| keywords.assertions.min_items).max(count);
        let min = usize::try_from(min.min(MAX_COUNT)).unwrap_or(0);
        let length = fixed.map_or(min, |(index, _)| min.max(index + 1));
        let is_unique =
            part.positive_schemas(self.pair).any(|(_, keywords)| keywords.assertions.unique_items);
        let prefix_length = part.prefix_length(self.pair);
        let contained: Vec<Region> = part
            .positive_schemas(self.pair)
            .filter(|(_, keywords)| keywords.assertions.min_contains != Some(0))
            .filter_map(|(id, keywords)| Some(Region::of(self.pair, id.sibling(keywords.contains?))))
            .collect();
        let mut items: Vec<Value> = Vec::new();
        let mut last: Option<Value> = None;
        for index in 0..length {
            if !self.pair.spend(1) {
                break;
            }
            if let Some((fixed_index, value)) = fixed
                && fixed_index == index
            {
                items.push(value.clone());
                continue;
            }
            if let Some(value) = last.clone().filter(|_| index > prefix_length && !is_unique) {
                items.push(value);
                continue;
            }
            let region = part.item(self.pair, Some(index));
            let Some(value) = self.nested_value(&region) else { break };
            let is_repeated = |value: &Value| is_unique && items.iter().any(|other| equal(other, value));
            let value = if is_repeated(&value) {
                let integers = (0..64).map(|offset| Value::from(index * 7 + offset));
                let strings = (0..64).map(|offset| Value::from(format!("a{}", index * 7 + offset)));
                let mut others = integers.chain(strings).chain([Value::Null, Value::Bool(true)]);
                let fits =
                    |other: &Value| !is_repeated(other) && region.accepts(self.pair, other) == Some(true);
                others.find(fits).unwrap_or(value)
            } else {
                value
            };
            last = Some(value.clone());
            items.push(value);
        }
        for region in contained {
            if items.iter().any(|item| region.accepts(self.pair, item) == Some(true)) {
                continue;
            }
            items.extend(self.nested_value(&region));
        }
        Value::Array(items)
    }

    /// Generates an object with these members, and with at least `count` members if there are names for them.
    fn object(&mut self, part: &Region, fixed: &[(String, Value)], count: Option<u64>) -> Value {
        let mut members = Map::new();
        for (name, value) in fixed {
            members.insert(name.clone(), value.clone());
        }
        for name in &part.present {
            if !members.contains_key(name) {
                members.extend(self.member(part, name).map(|value| (name.clone(), value)));
            }
        }
        let min = part.lower_limit(self.pair, |keywords| keywords.assertions.min_properties);
        let wanted = usize::try_from(min.max(count.unwrap_or(0)).min(MAX_COUNT)).unwrap_or(0);
        if members.len() < wanted {
            let mut names: Vec<String> = part.mentioned_names(self.pair).into_iter().collect();
            let patterns = part.name_patterns(self.pair);
            for text in &patterns {
                names.extend(self.pair.generate_names(text).iter().cloned());
                if names.len() > 2 * wanted {
                    break;
                }
            }
            names.extend((0..wanted).map(|number| format!("other{number}")));
            for name in names {
                if members.len() >= wanted || !self.pair.spend(1) {
                    break;
                }
                if !members.contains_key(&name) {
                    members.extend(self.member(part, &name).map(|value| (name, value)));
                }
            }
        }
        Value::Object(members)
    }

    fn member(&mut self, part: &Region, name: &str) -> Option<Value> {
        let region = part.member(self.pair, MemberName::Named(name))?;
        self.nested_value(&region)
    }
}

fn midpoint(lower: Decimal, upper: Decimal) -> Option<Decimal> {
    let sum = lower.plus(upper)?;
    // a tenth of five times the sum
    let fivefold = (0..2).try_fold(sum, |sum, _| sum.plus(sum))?.plus(sum)?;
    Some(fivefold.tenth())
}

/// Returns the value with every integer written as `1.0`.
pub(super) fn as_fractions(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.iter().map(as_fractions).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), as_fractions(member))).collect()
        }
        other => other.clone(),
    }
}
