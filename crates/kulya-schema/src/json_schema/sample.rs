//! Values that a region may hold, to try on the reader's schema. Guesses: who uses one asks [`Region::accepts`].

use super::accept::format_sample;
use super::decimal::{Decimal, equal};
use super::node::Types;
use super::region::{Name, Region};
use super::world::World;
use serde_json::{Map, Value};

/// How deep samples nest.
const MAX_DEPTH: usize = 8;
/// How many parts of a region with alternatives are tried.
const MAX_PARTS: usize = 8;
/// How many values of a region are kept.
const MAX_VALUES: usize = 8;
const MAX_LENGTH: u64 = 100_000;
const MAX_COUNT: u64 = 2_000;

/// What the reader's schema looks at: where a difference would show.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    pub(super) numbers: Vec<Decimal>,
    pub(super) lengths: Vec<u64>,
    pub(super) counts: Vec<u64>,
    pub(super) units: Vec<Decimal>,
}

/// Some values of the region, tried and found to belong to it.
pub(super) fn values(world: &World<'_>, region: &Region) -> Vec<Value> {
    values_for(world, region, &Hints::default())
}

/// Some values of the region, chosen near the hints.
pub(super) fn values_for(world: &World<'_>, region: &Region, hints: &Hints) -> Vec<Value> {
    let mut sampler = Sampler { world, depth: 0 };
    let mut found: Vec<Value> = Vec::new();
    for value in sampler.guesses(region, hints) {
        if found.len() >= 4 * MAX_VALUES || !world.spend(1) {
            break;
        }
        if region.accepts(world, &value) == Some(true) {
            found.push(value);
        }
    }
    found
}

/// Objects of the region with these members, as far as they can be guessed; not tried.
pub(super) fn objects(world: &World<'_>, region: &Region, members: &[(String, Value)]) -> Vec<Value> {
    let mut sampler = Sampler { world, depth: 0 };
    let region = region.with_kinds(world, Types::OBJECT);
    let region = members.iter().fold(region, |region, (name, _)| region.with_name(world, name));
    let parts = parts(world, &region);
    parts.iter().map(|part| sampler.object(part, members, None)).collect()
}

/// Arrays of the region with the value at the place; not tried.
pub(super) fn arrays(world: &World<'_>, region: &Region, place: usize, value: &Value) -> Vec<Value> {
    let mut sampler = Sampler { world, depth: 0 };
    let region = region.with_kinds(world, Types::ARRAY);
    let parts = parts(world, &region);
    parts.iter().map(|part| sampler.array(part, 0, Some((place, value)))).collect()
}

fn parts(world: &World<'_>, region: &Region) -> Vec<Region> {
    let mut whole = Vec::new();
    let mut ahead = vec![region.clone()];
    while let Some(region) = ahead.pop() {
        if whole.len() + ahead.len() >= MAX_PARTS || !world.spend(1) {
            whole.push(region);
            continue;
        }
        match region.part(world) {
            Some(parts) => {
                ahead.extend(parts.into_iter().filter(|part| !part.is_empty(world, 2)).take(MAX_PARTS));
            }
            None => whole.push(region),
        }
        if whole.len() >= MAX_PARTS {
            break;
        }
    }
    whole
}

struct Sampler<'w, 'a> {
    world: &'w World<'a>,
    depth: usize,
}

impl Sampler<'_, '_> {
    fn guesses(&mut self, region: &Region, hints: &Hints) -> Vec<Value> {
        if self.depth > MAX_DEPTH || !self.world.spend(1) {
            return Vec::new();
        }
        let mut guesses: Vec<Value> = Vec::new();
        for part in parts(self.world, region) {
            if let Some(values) = part.finite(self.world) {
                guesses.extend(values.into_iter().take(4 * MAX_VALUES).cloned());
                continue;
            }
            let types = part.possible_types(self.world, 2);
            if types.meets(Types::NULL) {
                guesses.push(Value::Null);
            }
            if types.meets(Types::BOOLEAN) {
                guesses.extend([Value::Bool(false), Value::Bool(true)]);
            }
            if types.meets(Types::NUMBER) {
                guesses.extend(self.numbers(&part, hints));
            }
            if types.meets(Types::STRING) {
                guesses.extend(self.texts(&part, hints));
            }
            if types.meets(Types::ARRAY) {
                guesses.push(self.array(&part, 0, None));
                guesses.extend(hints.counts.iter().map(|count| self.array(&part, *count, None)));
            }
            if types.meets(Types::OBJECT) {
                guesses.push(self.object(&part, &[], None));
                for count in &hints.counts {
                    guesses.push(self.object(&part, &[], Some(*count)));
                }
            }
        }
        guesses
    }

    /// The first guess that belongs to the region, at a place inside a value.
    fn inner(&mut self, region: &Region) -> Option<Value> {
        self.depth += 1;
        let guesses = self.guesses(region, &Hints::default());
        self.depth -= 1;
        let mut maybe = None;
        for guess in guesses {
            match region.accepts(self.world, &guess) {
                Some(true) => return Some(guess),
                Some(false) => {}
                None => maybe = maybe.or(Some(guess)),
            }
        }
        maybe
    }

    fn numbers(&self, part: &Region, hints: &Hints) -> Vec<Value> {
        let (lower, upper) = part.range(self.world);
        let mut units: Vec<Decimal> =
            part.positives(self.world).filter_map(|(_, keywords)| keywords.scalars.multiple_of).collect();
        units.extend(hints.units.iter().copied());
        let mut near = hints.numbers.clone();
        near.extend([Decimal::ZERO, Decimal::ONE]);
        near.extend(lower.map(|bound| bound.at));
        near.extend(upper.map(|bound| bound.at));
        let tenth = Decimal::ONE.tenth();
        let half = middle(Decimal::ZERO, Decimal::ONE).unwrap_or(tenth);
        let mut steps = vec![Decimal::ONE, half, tenth];
        steps.extend(units.iter().copied());
        let mut guesses = near.clone();
        for number in near {
            for step in &steps {
                guesses.extend(number.plus(*step));
                guesses.extend(number.plus(step.negated()));
                let next = units.iter().filter_map(|unit| number.next_multiple(*unit));
                for multiple in next {
                    guesses.push(multiple);
                    guesses.extend(multiple.plus(*step));
                    guesses.extend(multiple.plus(step.negated()));
                }
            }
        }
        guesses.extend(lower.zip(upper).and_then(|(lower, upper)| middle(lower.at, upper.at)));
        guesses.extend(hints.units.iter().filter_map(|unit| middle(Decimal::ZERO, *unit)));
        let mut values: Vec<Value> = Vec::new();
        for guess in guesses {
            let value = guess.to_value();
            if !values.iter().any(|other| equal(other, &value))
                && part.accepts(self.world, &value) == Some(true)
            {
                values.push(value);
            }
            if values.len() >= 3 * MAX_VALUES {
                break;
            }
        }
        values
    }

    fn texts(&self, part: &Region, hints: &Hints) -> Vec<Value> {
        let least = part.least(self.world, |keywords| keywords.scalars.min_length);
        let most = part.most(self.world, |keywords| keywords.scalars.max_length);
        let mut lengths = hints.lengths.clone();
        lengths.extend([least, least.saturating_add(1)]);
        lengths.extend(most);
        lengths.retain(|length| *length <= MAX_LENGTH && *length >= least);
        let mut texts = Vec::new();
        for (_, keywords) in part.positives(self.world) {
            texts.extend(keywords.scalars.format.as_deref().and_then(format_sample).map(str::to_owned));
            for length in &lengths {
                let length = usize::try_from(*length).unwrap_or(0);
                let pattern = keywords.scalars.pattern.iter();
                texts.extend(pattern.flat_map(|pattern| self.world.samples(pattern, length)));
            }
        }
        for length in lengths {
            let length = usize::try_from(length).unwrap_or(0);
            if !self.world.spend(length / 16) {
                break;
            }
            texts.extend(["a".repeat(length), "0".repeat(length)]);
        }
        texts.extend(["~ ~".to_owned(), "A".to_owned()]);
        texts.into_iter().map(Value::String).collect()
    }

    fn array(&mut self, part: &Region, count: u64, given: Option<(usize, &Value)>) -> Value {
        let least = part.least(self.world, |keywords| keywords.scalars.min_items).max(count);
        let least = usize::try_from(least.min(MAX_COUNT)).unwrap_or(0);
        let length = given.map_or(least, |(place, _)| least.max(place + 1));
        let unique = part.positives(self.world).any(|(_, keywords)| keywords.scalars.unique_items);
        let listed = part.listed_items(self.world);
        let contained: Vec<Region> = part
            .positives(self.world)
            .filter(|(_, keywords)| keywords.scalars.min_contains != Some(0))
            .filter_map(|(id, keywords)| Some(Region::of(self.world, id.beside(keywords.contains?))))
            .collect();
        let mut items: Vec<Value> = Vec::new();
        let mut last: Option<Value> = None;
        for place in 0..length {
            if !self.world.spend(1) {
                break;
            }
            if let Some((at, value)) = given
                && at == place
            {
                items.push(value.clone());
                continue;
            }
            if let Some(value) = last.clone().filter(|_| place > listed && !unique) {
                items.push(value);
                continue;
            }
            let region = part.item(self.world, Some(place));
            let Some(value) = self.inner(&region) else { break };
            let repeated = |value: &Value| unique && items.iter().any(|other| equal(other, value));
            let value = if repeated(&value) {
                let integers = (0..64).map(|offset| Value::from(place * 7 + offset));
                let texts = (0..64).map(|offset| Value::from(format!("a{}", place * 7 + offset)));
                let mut others = integers.chain(texts).chain([Value::Null, Value::Bool(true)]);
                let fits =
                    |other: &Value| !repeated(other) && region.accepts(self.world, other) == Some(true);
                others.find(fits).unwrap_or(value)
            } else {
                value
            };
            last = Some(value.clone());
            items.push(value);
        }
        for region in contained {
            if items.iter().any(|item| region.accepts(self.world, item) == Some(true)) {
                continue;
            }
            items.extend(self.inner(&region));
        }
        Value::Array(items)
    }

    /// `count`: that many members, if there are names for them.
    fn object(&mut self, part: &Region, given: &[(String, Value)], count: Option<u64>) -> Value {
        let mut members = Map::new();
        for (name, value) in given {
            members.insert(name.clone(), value.clone());
        }
        for name in &part.present {
            if !members.contains_key(name) {
                members.extend(self.member(part, name).map(|value| (name.clone(), value)));
            }
        }
        let least = part.least(self.world, |keywords| keywords.scalars.min_properties);
        let wanted = usize::try_from(least.max(count.unwrap_or(0)).min(MAX_COUNT)).unwrap_or(0);
        if members.len() < wanted {
            let mut names: Vec<String> = part.mentioned(self.world).into_iter().collect();
            let patterns = part.name_patterns(self.world);
            for text in &patterns {
                names.extend(self.world.names_of(text).iter().cloned());
                if names.len() > 2 * wanted {
                    break;
                }
            }
            names.extend((0..wanted).map(|number| format!("other{number}")));
            for name in names {
                if members.len() >= wanted || !self.world.spend(1) {
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
        let region = part.member(self.world, Name::Named(name))?;
        self.inner(&region)
    }
}

fn middle(lower: Decimal, upper: Decimal) -> Option<Decimal> {
    let sum = lower.plus(upper)?;
    // a tenth of the fivefold
    let fivefold = (0..2).try_fold(sum, |sum, _| sum.plus(sum))?.plus(sum)?;
    Some(fivefold.tenth())
}
