//! What is known of a value at one place of the writer's schema: the schemas it is valid under, and those it is not.
//!
//! A region holds at least the values the writer may write there. Forgetting a schema makes it larger, which is
//! always allowed: what is inside the reader's schema as a larger region is inside it as a smaller one.

use super::decimal::{Decimal, equal};
use super::node::{Bound, Keywords, Types};
use super::world::{Id, World};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Region {
    /// Each with whether it holds.
    literals: BTreeSet<(Id, bool)>,
    /// The kinds still considered.
    kinds: Types,
    /// An object has these names.
    pub(super) present: BTreeSet<String>,
    /// An object does not have these.
    absent: BTreeSet<String>,
    /// The alternatives that have been parted already.
    parted: BTreeSet<(Id, Choice)>,
}

/// Alternatives of one subschema.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Choice {
    AnyOf,
    OneOf,
    If,
    Dependent(String),
}

/// Which members of an object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name<'n> {
    Named(&'n str),
    /// Names that are mentioned nowhere and match this pattern of the writer, and perhaps others.
    Matching(&'n str),
    /// Names that are mentioned nowhere and match no pattern of the writer.
    Other,
}

/// How deep emptiness is looked for.
pub(super) const EMPTY_DEPTH: usize = 4;

impl Region {
    /// Every value.
    pub(super) fn everything() -> Self {
        Self {
            literals: BTreeSet::new(),
            kinds: Types::ALL,
            present: BTreeSet::new(),
            absent: BTreeSet::new(),
            parted: BTreeSet::new(),
        }
    }

    pub(super) fn of(world: &World<'_>, id: Id) -> Self {
        Self::everything().with(world, id, true)
    }

    /// Those of its values for which the subschema holds, or does not.
    pub(super) fn with(&self, world: &World<'_>, id: Id, holds: bool) -> Self {
        let mut region = self.clone();
        region.literals.insert((id, holds));
        region.settle(world);
        region
    }

    pub(super) fn with_kinds(&self, world: &World<'_>, kinds: Types) -> Self {
        let mut region = Self { kinds: self.kinds.and(kinds), ..self.clone() };
        region.settle(world);
        region
    }

    pub(super) fn with_name(&self, world: &World<'_>, name: &str) -> Self {
        let mut region = self.clone();
        region.present.insert(name.to_owned());
        region.settle(world);
        region
    }

    fn without_name(&self, name: &str) -> Self {
        let mut region = self.clone();
        region.absent.insert(name.to_owned());
        region
    }

    /// Adds what the schemas it holds demand at once.
    fn settle(&mut self, world: &World<'_>) {
        // it was made as a copy of another
        world.spend(self.size() / 4);
        loop {
            let before = (self.literals.len(), self.present.len());
            // a name is present in objects only, and what is asked beside it is asked of objects only
            let only_objects = self.types(world).without(Types::OBJECT).is_empty();
            let mut ahead: Vec<Id> = self.positive_ids().collect();
            for id in &mut ahead {
                let inner = world.unwrapped(*id);
                if inner != *id {
                    self.literals.remove(&(*id, true));
                    self.literals.insert((inner, true));
                    *id = inner;
                }
            }
            while let Some(id) = ahead.pop() {
                let Some(keywords) = world.keywords(id) else { continue };
                if !world.spend(1 + keywords.scalars.required.len()) {
                    return;
                }
                let mut inner = keywords.all_of.clone();
                inner.extend(keywords.reference_number());
                let dependent = keywords.dependent_schemas.iter();
                let asked = dependent.filter(|(name, _)| only_objects && self.present.contains(*name));
                inner.extend(asked.map(|(_, number)| *number));
                for number in inner {
                    let inner = world.unwrapped(id.beside(number));
                    if self.literals.insert((inner, true)) {
                        ahead.push(inner);
                    }
                }
                if let Some(not) = keywords.not {
                    self.literals.insert((id.beside(not), false));
                }
                self.present.extend(keywords.scalars.required.iter().cloned());
                for (name, required) in &keywords.scalars.dependent_required {
                    if self.present.contains(name) {
                        self.present.extend(required.iter().cloned());
                    }
                }
            }
            let settled = only_objects == self.types(world).without(Types::OBJECT).is_empty();
            if settled && before == (self.literals.len(), self.present.len()) {
                return;
            }
        }
    }

    /// How much there is to look at.
    pub(super) fn size(&self) -> usize {
        self.literals.len() + self.present.len() + self.parted.len()
    }

    fn positive_ids(&self) -> impl Iterator<Item = Id> {
        self.literals.iter().filter(|(_, holds)| *holds).map(|(id, _)| *id)
    }

    /// The subschemas its values are valid under.
    pub(super) fn positives<'w>(&'w self, world: &'w World<'_>) -> impl Iterator<Item = (Id, &'w Keywords)> {
        self.positive_ids().filter_map(|id| Some((id, world.keywords(id)?)))
    }

    /// The subschemas its values are valid under, booleans too.
    pub(super) fn holding(&self) -> impl Iterator<Item = Id> {
        self.positive_ids()
    }

    /// The subschemas its values are not valid under.
    pub(super) fn refused(&self) -> impl Iterator<Item = Id> {
        self.literals.iter().filter(|(_, holds)| !*holds).map(|(id, _)| *id)
    }

    pub(super) fn without_refused(&self, id: Id) -> Self {
        let mut region = self.clone();
        region.literals.remove(&(id, false));
        region
    }

    /// Whether the value belongs to it.
    pub(super) fn accepts(&self, world: &World<'_>, value: &Value) -> Option<bool> {
        if !self.kinds.meets(Types::of(value)) {
            return Some(false);
        }
        if let Value::Object(members) = value {
            world.spend(self.present.len() / 8);
            let has = |name: &String| members.contains_key(name);
            if !self.present.iter().all(has) || self.absent.iter().any(has) {
                return Some(false);
            }
        }
        let mut open = false;
        for (id, holds) in &self.literals {
            match world.accepts(*id, value) {
                Some(verdict) if verdict != *holds => return Some(false),
                Some(_) => {}
                None => open = true,
            }
        }
        (!open).then_some(true)
    }

    /// The kinds its schemas leave.
    pub(super) fn types(&self, world: &World<'_>) -> Types {
        let mut types = self.kinds;
        for (_, keywords) in self.positives(world) {
            types = types.and(keywords.scalars.types.unwrap_or(Types::ALL));
            if keywords.scalars.multiple_of.is_some_and(Decimal::is_integer) {
                types = types.without(Types::FRACTION);
            }
        }
        types
    }

    /// The few values it may hold, when a schema lists them; some may not belong to it.
    pub(super) fn finite<'w>(&'w self, world: &'w World<'_>) -> Option<Vec<&'w Value>> {
        let listed = self.positives(world).filter_map(|(_, keywords)| {
            let constant = keywords.scalars.constant.as_ref().map(std::slice::from_ref);
            constant.or(keywords.scalars.values.as_deref())
        });
        let fewest = listed.min_by_key(|values| values.len())?;
        if !world.spend(fewest.len()) {
            return None;
        }
        let mut values: Vec<&Value> = Vec::new();
        for value in fewest {
            if values.len() < 64 && values.iter().any(|other| equal(other, value)) {
                continue;
            }
            if self.accepts(world, value) != Some(false) {
                values.push(value);
            }
        }
        Some(values)
    }

    /// Tightest lower and upper bound.
    pub(super) fn range(&self, world: &World<'_>) -> (Option<Bound>, Option<Bound>) {
        let mut range: (Option<Bound>, Option<Bound>) = (None, None);
        for (_, keywords) in self.positives(world) {
            if let Some(bound) = keywords.scalars.minimum {
                let looser = |old: Bound| bound.at < old.at || (bound.at == old.at && !bound.exclusive);
                if !range.0.is_some_and(looser) {
                    range.0 = Some(bound);
                }
            }
            if let Some(bound) = keywords.scalars.maximum {
                let looser = |old: Bound| bound.at > old.at || (bound.at == old.at && !bound.exclusive);
                if !range.1.is_some_and(looser) {
                    range.1 = Some(bound);
                }
            }
        }
        range
    }

    /// The largest of the lower limits of a count.
    pub(super) fn least(&self, world: &World<'_>, limit: fn(&Keywords) -> Option<u64>) -> u64 {
        self.positives(world).filter_map(|(_, keywords)| limit(keywords)).max().unwrap_or(0)
    }

    /// The smallest of the upper limits of a count.
    pub(super) fn most(&self, world: &World<'_>, limit: fn(&Keywords) -> Option<u64>) -> Option<u64> {
        self.positives(world).filter_map(|(_, keywords)| limit(keywords)).min()
    }

    /// What a member may hold; `None` when an object of this region has no such member.
    pub(super) fn member(&self, world: &World<'_>, name: Name<'_>) -> Option<Self> {
        let mut region = Self::everything();
        for (id, keywords) in self.positives(world) {
            if !world.spend(1) {
                return Some(Self::everything());
            }
            let judged = match name {
                Name::Named(name) => {
                    if self.absent.contains(name) || !name_allowed(world, id, keywords, name) {
                        return None;
                    }
                    region.judge_named(world, id, keywords, name)
                }
                Name::Matching(pattern) => {
                    world.spend(keywords.pattern_properties.len() / 16);
                    let mut same = keywords.pattern_properties.iter().filter(|entry| entry.text == pattern);
                    match same.next() {
                        Some(entry) => {
                            region.literals.insert((id.beside(entry.schema), true));
                            Some(true)
                        }
                        None if keywords.pattern_properties.is_empty() => Some(false),
                        None => None,
                    }
                }
                Name::Other => Some(false),
            };
            if judged == Some(false) {
                if let Some(additional) = keywords.additional {
                    region.literals.insert((id.beside(additional), true));
                } else if let Some(unevaluated) = keywords.unevaluated_properties
                    && !may_judge_member(world, id, keywords, name)
                {
                    region.literals.insert((id.beside(unevaluated), true));
                }
            }
        }
        region.settle(world);
        Some(region)
    }

    /// Adds what is said of the named member; whether anything is, if that can be told.
    fn judge_named(&mut self, world: &World<'_>, id: Id, keywords: &Keywords, name: &str) -> Option<bool> {
        let mut judged = Some(false);
        if let Some(schema) = keywords.properties.get(name) {
            self.literals.insert((id.beside(*schema), true));
            judged = Some(true);
        }
        for entry in &keywords.pattern_properties {
            match world.names(entry, name) {
                Some(true) => {
                    self.literals.insert((id.beside(entry.schema), true));
                    judged = Some(true);
                }
                Some(false) => {}
                None => judged = judged.filter(|judged| *judged),
            }
        }
        judged
    }

    /// What an item at this place may hold; `None` for the places behind every listed one.
    pub(super) fn item(&self, world: &World<'_>, place: Option<usize>) -> Self {
        let mut region = Self::everything();
        for (id, keywords) in self.positives(world) {
            let listed = place.and_then(|place| keywords.prefix.get(place)).copied();
            if let Some(schema) = listed.or(keywords.rest.map(|(rest, _)| rest)) {
                region.literals.insert((id.beside(schema), true));
            } else if let Some(unevaluated) = keywords.unevaluated_items
                && keywords.contains.is_none()
                // what is not known, and a dynamic reference, may judge it too
                && keywords.outside().is_none()
                && keywords.scalars.unsure.is_empty()
                && !in_place(world, id, keywords).iter().any(|(_, inner)| judges_items(inner))
            {
                region.literals.insert((id.beside(unevaluated), true));
            }
        }
        region.settle(world);
        region
    }

    /// What a member's name may be.
    pub(super) fn names(&self, world: &World<'_>) -> Self {
        let mut region = Self { kinds: Types::STRING, ..Self::everything() };
        for (id, keywords) in self.positives(world) {
            region.literals.extend(keywords.property_names.map(|names| (id.beside(names), true)));
        }
        region.settle(world);
        region
    }

    /// Every name that its schemas mention.
    pub(super) fn mentioned(&self, world: &World<'_>) -> BTreeSet<String> {
        let mut names = self.present.clone();
        world.spend(names.len());
        names.extend(self.absent.iter().cloned());
        for (id, keywords) in self.positives(world) {
            for (_, inner) in in_place(world, id, keywords).into_iter().chain([(id, keywords)]) {
                if !world.spend(1 + inner.properties.len()) {
                    return names;
                }
                names.extend(inner.properties.keys().cloned());
                names.extend(inner.scalars.dependent_required.keys().cloned());
                names.extend(inner.dependent_schemas.keys().cloned());
            }
        }
        names
    }

    /// The patterns of names that its schemas hold.
    pub(super) fn name_patterns(&self, world: &World<'_>) -> BTreeSet<String> {
        let all = self.positives(world).flat_map(|(_, keywords)| &keywords.pattern_properties);
        let texts: BTreeSet<String> = all.map(|entry| entry.text.clone()).collect();
        world.spend(texts.len() / 4);
        texts
    }

    /// How many items an array may have: those behind an impossible one are none.
    pub(super) fn most_items(&self, world: &World<'_>, depth: usize) -> Option<u64> {
        let stated = self.most(world, |keywords| keywords.scalars.max_items);
        let listed = self.listed_items(world);
        let room = stated.map_or(listed, |most| listed.min(usize::try_from(most).unwrap_or(usize::MAX)));
        for place in 0..room {
            if !world.spend(1) {
                return stated;
            }
            if self.item(world, Some(place)).is_empty(world, depth) {
                return u64::try_from(place).ok();
            }
        }
        if stated.is_none_or(|most| usize::try_from(most).is_ok_and(|most| most > listed))
            && self.item(world, None).is_empty(world, depth)
        {
            return u64::try_from(listed).ok();
        }
        stated
    }

    /// The longest list of items by place.
    pub(super) fn listed_items(&self, world: &World<'_>) -> usize {
        self.positives(world).map(|(_, keywords)| keywords.prefix.len()).max().unwrap_or(0)
    }

    /// Whether surely no value belongs to it.
    pub(super) fn is_empty(&self, world: &World<'_>, depth: usize) -> bool {
        let contradicts = |(id, holds): &(Id, bool)| {
            world.node(*id).and_then(super::node::Node::always).is_some_and(|always| always != *holds)
                || (*holds && self.literals.contains(&(*id, false)))
        };
        self.literals.iter().any(contradicts) || self.possible_types(world, depth).is_empty()
    }

    /// The kinds of which a value may belong to it.
    pub(super) fn possible_types(&self, world: &World<'_>, depth: usize) -> Types {
        let mut types = self.types(world);
        if depth == 0 || !world.spend(1 + self.literals.len() / 4) {
            return types;
        }
        if let Some(values) = self.finite(world) {
            let listed = values.iter().fold(Types::NONE, |types, value| types.or(Types::of(value)));
            types = types.and(listed);
        }
        if types.meets(Types::NUMBER) {
            types = types.without(self.impossible_numbers(world));
        }
        if types.meets(Types::STRING) {
            let most = self.most(world, |keywords| keywords.scalars.max_length);
            let least = self.least(world, |keywords| keywords.scalars.min_length);
            if most.is_some_and(|most| most < least) {
                types = types.without(Types::STRING);
            }
        }
        if types.meets(Types::ARRAY) && self.no_array(world, depth - 1) {
            types = types.without(Types::ARRAY);
        }
        if types.meets(Types::OBJECT) && self.no_object(world, depth - 1) {
            types = types.without(Types::OBJECT);
        }
        types
    }

    fn impossible_numbers(&self, world: &World<'_>) -> Types {
        let (Some(lower), Some(upper)) = self.range(world) else { return Types::NONE };
        if lower.at > upper.at || (lower.at == upper.at && (lower.exclusive || upper.exclusive)) {
            return Types::NUMBER;
        }
        let mut impossible = Types::NONE;
        let first = lower.at.ceiling();
        let first = first.and_then(|first| {
            if lower.exclusive && first == lower.at { first.plus(Decimal::ONE) } else { Some(first) }
        });
        if first.is_some_and(|first| first > upper.at || (first == upper.at && upper.exclusive)) {
            impossible = impossible.or(Types::INTEGER);
        }
        if lower.at == upper.at && lower.at.is_integer() {
            impossible = impossible.or(Types::FRACTION);
        }
        impossible
    }

    fn no_array(&self, world: &World<'_>, depth: usize) -> bool {
        let least = self.least(world, |keywords| keywords.scalars.min_items);
        let stated = self.most(world, |keywords| keywords.scalars.max_items);
        stated.is_some_and(|most| most < least)
            || (least > 0 && self.most_items(world, depth).is_some_and(|most| most < least))
    }

    fn no_object(&self, world: &World<'_>, depth: usize) -> bool {
        let least = self.least(world, |keywords| keywords.scalars.min_properties);
        let most = self.most(world, |keywords| keywords.scalars.max_properties);
        let present = u64::try_from(self.present.len()).unwrap_or(u64::MAX);
        most.is_some_and(|most| most < least || most < present)
            || self.present.iter().any(|name| {
                self.member(world, Name::Named(name)).is_none_or(|member| member.is_empty(world, depth))
            })
    }

    /// Its values by the first alternative that is still whole; together they are the region.
    pub(super) fn part(&self, world: &World<'_>) -> Option<Vec<Self>> {
        for (id, keywords) in self.positives(world) {
            let whole = |choice: &Choice| !self.parted.contains(&(id, choice.clone()));
            let taken = |choice: Choice| {
                let mut region = self.clone();
                region.parted.insert((id, choice));
                region
            };
            if let Some(choices) = keywords.any_of.as_ref().filter(|_| whole(&Choice::AnyOf)) {
                let region = taken(Choice::AnyOf);
                return Some(choices.iter().map(|n| region.with(world, id.beside(*n), true)).collect());
            }
            if let Some(choices) = keywords.one_of.as_ref().filter(|_| whole(&Choice::OneOf)) {
                if !world.spend(choices.len() * choices.len()) {
                    return None;
                }
                let mut region = taken(Choice::OneOf);
                region.literals.extend(choices.iter().map(|number| (id.beside(*number), false)));
                let one = |number: &usize| {
                    region.without_refused(id.beside(*number)).with(world, id.beside(*number), true)
                };
                return Some(choices.iter().map(one).collect());
            }
            if let Some(condition) = keywords.condition.filter(|_| whole(&Choice::If)) {
                let region = taken(Choice::If);
                let branch = |holds: bool, then: Option<usize>| {
                    let region = region.with(world, id.beside(condition.when), holds);
                    then.map_or(region.clone(), |then| region.with(world, id.beside(then), true))
                };
                return Some(vec![branch(true, condition.then), branch(false, condition.otherwise)]);
            }
            let schemas = keywords.dependent_schemas.keys();
            for name in schemas.chain(keywords.scalars.dependent_required.keys()) {
                let settled = self.present.contains(name) || self.absent.contains(name);
                if settled || !whole(&Choice::Dependent(name.clone())) {
                    continue;
                }
                let region = taken(Choice::Dependent(name.clone()));
                return Some(vec![region.with_name(world, name), region.without_name(name)]);
            }
        }
        None
    }
}

fn name_allowed(world: &World<'_>, id: Id, keywords: &Keywords, name: &str) -> bool {
    let refused = |names: usize| world.accepts(id.beside(names), &Value::from(name)) == Some(false);
    !keywords.property_names.is_some_and(refused)
}

/// Every schema that judges the same value, through any number of steps.
fn in_place<'w>(world: &World<'w>, id: Id, keywords: &Keywords) -> Vec<(Id, &'w Keywords)> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut ahead = keywords.in_place();
    while let Some(number) = ahead.pop() {
        if !world.spend(1) || !seen.insert(number) {
            continue;
        }
        if let Some(inner) = world.keywords(id.beside(number)) {
            found.push((id.beside(number), inner));
            ahead.extend(inner.in_place());
        }
    }
    found
}

fn judges_items(keywords: &Keywords) -> bool {
    !keywords.prefix.is_empty()
        || keywords.rest.is_some()
        || keywords.contains.is_some()
        || keywords.unevaluated_items.is_some()
        || keywords.outside().is_some()
        || !keywords.scalars.unsure.is_empty()
}

/// Whether a schema in place may have judged the member before `unevaluatedProperties` does.
fn may_judge_member(world: &World<'_>, id: Id, keywords: &Keywords, name: Name<'_>) -> bool {
    if keywords.outside().is_some() || !keywords.scalars.unsure.is_empty() || world.is_spent() {
        return true;
    }
    in_place(world, id, keywords).iter().any(|(_, inner)| {
        inner.additional.is_some()
            || inner.unevaluated_properties.is_some()
            || inner.outside().is_some()
            || !inner.scalars.unsure.is_empty()
            || match name {
                Name::Named(name) => {
                    inner.properties.contains_key(name)
                        || inner
                            .pattern_properties
                            .iter()
                            .any(|entry| world.names(entry, name) != Some(false))
                }
                Name::Matching(_) | Name::Other => !inner.pattern_properties.is_empty(),
            }
    })
}
