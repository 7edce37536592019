//! A region: an over-approximation of the values that the writer may write at one location, described by the
//! subschemas under which they are valid and those under which they are not.
//!
//! A region contains at least the values that the writer may write there. Dropping a subschema enlarges it,
//! which is always sound: if a larger region is contained in the reader's schema, so is a smaller one.

mod emptiness;
mod members;

use super::decimal::Decimal;
use super::node::{Bound, Keywords, TypeSet};
use super::schema_pair::{SchemaPair, SubschemaId};
use super::value_set::ValueSet;
use serde_json::Value;
use std::collections::BTreeSet;

/// An over-approximation of the values at one location of the writer's schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Region {
    /// Subschemas, each with whether the values are valid under it.
    conditions: BTreeSet<(SubschemaId, bool)>,
    /// The types still considered.
    allowed_types: TypeSet,
    /// Names that an object has.
    pub(super) present: BTreeSet<String>,
    /// Names that an object does not have.
    absent: BTreeSet<String>,
    /// The alternatives by which it was already split.
    split_choices: BTreeSet<(SubschemaId, Choice)>,
}

/// A keyword with alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Choice {
    AnyOf,
    OneOf,
    If,
    Dependent(String),
}

/// A class of an object's members.
#[derive(Debug, Clone, Copy)]
pub(super) enum MemberName<'n> {
    Named(&'n str),
    /// Names that are not mentioned and match this pattern of the writer, and perhaps others.
    Matching(&'n str),
    /// Names that are not mentioned and match no pattern of the writer.
    Other,
}

/// The depth to which emptiness is checked.
pub(super) const EMPTY_DEPTH: usize = 4;

impl Region {
    /// Returns the region of all values.
    pub(super) fn everything() -> Self {
        Self {
            conditions: BTreeSet::new(),
            allowed_types: TypeSet::ALL,
            present: BTreeSet::new(),
            absent: BTreeSet::new(),
            split_choices: BTreeSet::new(),
        }
    }

    pub(super) fn of(pair: &SchemaPair<'_>, id: SubschemaId) -> Self {
        Self::everything().with(pair, id, true)
    }

    /// Restricts the region to values that are valid, or invalid, under the subschema.
    pub(super) fn with(&self, pair: &SchemaPair<'_>, id: SubschemaId, holds: bool) -> Self {
        let mut region = self.clone();
        region.conditions.insert((id, holds));
        region.propagate(pair);
        region
    }

    pub(super) fn with_types(&self, pair: &SchemaPair<'_>, types: TypeSet) -> Self {
        let mut region = Self { allowed_types: self.allowed_types.and(types), ..self.clone() };
        region.propagate(pair);
        region
    }

    pub(super) fn with_name(&self, pair: &SchemaPair<'_>, name: &str) -> Self {
        let mut region = self.clone();
        region.present.insert(name.to_owned());
        region.propagate(pair);
        region
    }

    fn without_name(&self, name: &str) -> Self {
        let mut region = self.clone();
        region.absent.insert(name.to_owned());
        region
    }

    /// Adds everything that its subschemas imply directly, up to a fixed point.
    fn propagate(&mut self, pair: &SchemaPair<'_>) {
        // the region was made as a copy of another
        pair.spend(self.size() / 4);
        loop {
            let before = (self.conditions.len(), self.present.len());
            // a name can be present only in objects, and its dependencies apply only to objects
            let only_objects = self.types(pair).without(TypeSet::OBJECT).is_empty();
            let mut pending: Vec<SubschemaId> = self.positive_ids().collect();
            for id in &mut pending {
                let inner = pair.dereference(*id);
                if inner != *id {
                    self.conditions.remove(&(*id, true));
                    self.conditions.insert((inner, true));
                    *id = inner;
                }
            }
            while let Some(id) = pending.pop() {
                let Some(keywords) = pair.keywords(id) else { continue };
                if !pair.spend(1 + keywords.assertions.required.len()) {
                    return;
                }
                let mut inner = keywords.all_of.clone();
                inner.extend(keywords.reference_number());
                let dependent = keywords.dependent_schemas.iter();
                let required_by_name =
                    dependent.filter(|(name, _)| only_objects && self.present.contains(*name));
                inner.extend(required_by_name.map(|(_, number)| *number));
                for number in inner {
                    let inner = pair.dereference(id.sibling(number));
                    if self.conditions.insert((inner, true)) {
                        pending.push(inner);
                    }
                }
                if let Some(not) = keywords.not {
                    self.conditions.insert((id.sibling(not), false));
                }
                self.present.extend(keywords.assertions.required.iter().cloned());
                for (name, required) in &keywords.assertions.dependent_required {
                    if self.present.contains(name) {
                        self.present.extend(required.iter().cloned());
                    }
                }
            }
            let is_settled = only_objects == self.types(pair).without(TypeSet::OBJECT).is_empty();
            if is_settled && before == (self.conditions.len(), self.present.len()) {
                return;
            }
        }
    }

    /// Returns the number of its conditions.
    pub(super) fn size(&self) -> usize {
        self.conditions.len() + self.present.len() + self.split_choices.len()
    }

    /// Returns the subschemas under which its values are valid, including boolean ones.
    pub(super) fn positive_ids(&self) -> impl Iterator<Item = SubschemaId> {
        self.conditions.iter().filter(|(_, holds)| *holds).map(|(id, _)| *id)
    }

    /// Returns the object subschemas under which its values are valid.
    pub(super) fn positive_schemas<'w>(
        &'w self,
        pair: &'w SchemaPair<'_>,
    ) -> impl Iterator<Item = (SubschemaId, &'w Keywords)> {
        self.positive_ids().filter_map(|id| Some((id, pair.keywords(id)?)))
    }

    /// Returns the subschemas under which its values are invalid.
    pub(super) fn negative_ids(&self) -> impl Iterator<Item = SubschemaId> {
        self.conditions.iter().filter(|(_, holds)| !*holds).map(|(id, _)| *id)
    }

    pub(super) fn without_negative(&self, id: SubschemaId) -> Self {
        let mut region = self.clone();
        region.conditions.remove(&(id, false));
        region
    }

    /// Returns whether the value belongs to the region; `None` if undecided.
    pub(super) fn accepts(&self, pair: &SchemaPair<'_>, value: &Value) -> Option<bool> {
        if !self.allowed_types.intersects(TypeSet::of(value)) {
            return Some(false);
        }
        if let Value::Object(members) = value {
            pair.spend(self.present.len() / 8);
            let has = |name: &String| members.contains_key(name);
            if !self.present.iter().all(has) || self.absent.iter().any(has) {
                return Some(false);
            }
        }
        let mut is_undecided = false;
        for (id, holds) in &self.conditions {
            match pair.accepts(*id, value) {
                Some(verdict) if verdict != *holds => return Some(false),
                Some(_) => {}
                None => is_undecided = true,
            }
        }
        (!is_undecided).then_some(true)
    }

    /// Returns the types that its subschemas allow.
    pub(super) fn types(&self, pair: &SchemaPair<'_>) -> TypeSet {
        let mut types = self.allowed_types;
        for (_, keywords) in self.positive_schemas(pair) {
            types = types.and(keywords.assertions.types.unwrap_or(TypeSet::ALL));
            if keywords.assertions.multiple_of.is_some_and(Decimal::is_integer) {
                types = types.without(TypeSet::FRACTION);
            }
        }
        types
    }

    /// Returns the values of a region that an `enum` or `const` restricts; some may not belong to it.
    pub(super) fn enumerated_values<'w>(&'w self, pair: &'w SchemaPair<'_>) -> Option<Vec<&'w Value>> {
        let lists = self.positive_schemas(pair).filter_map(|(_, keywords)| {
            keywords.assertions.constant.as_ref().or(keywords.assertions.values.as_ref())
        });
        let fewest = lists.map(ValueSet::values).min_by_key(|values| values.len())?;
        if !pair.spend(fewest.len()) {
            return None;
        }
        let mut values: Vec<&Value> = Vec::new();
        for value in fewest {
            if self.accepts(pair, value) != Some(false) {
                values.push(value);
            }
        }
        Some(values)
    }

    /// Returns the tightest lower and upper bound.
    pub(super) fn numeric_range(&self, pair: &SchemaPair<'_>) -> (Option<Bound>, Option<Bound>) {
        let mut range: (Option<Bound>, Option<Bound>) = (None, None);
        for (_, keywords) in self.positive_schemas(pair) {
            if let Some(bound) = keywords.assertions.minimum {
                let is_tighter =
                    |old: Bound| bound.value < old.value || (bound.value == old.value && !bound.is_exclusive);
                if !range.0.is_some_and(is_tighter) {
                    range.0 = Some(bound);
                }
            }
            if let Some(bound) = keywords.assertions.maximum {
                let is_tighter =
                    |old: Bound| bound.value > old.value || (bound.value == old.value && !bound.is_exclusive);
                if !range.1.is_some_and(is_tighter) {
                    range.1 = Some(bound);
                }
            }
        }
        range
    }

    /// Returns the largest of the lower limits of a count.
    pub(super) fn lower_limit(&self, pair: &SchemaPair<'_>, limit: fn(&Keywords) -> Option<u64>) -> u64 {
        self.positive_schemas(pair).filter_map(|(_, keywords)| limit(keywords)).max().unwrap_or(0)
    }

    /// Returns the smallest of the upper limits of a count.
    pub(super) fn upper_limit(
        &self,
        pair: &SchemaPair<'_>,
        limit: fn(&Keywords) -> Option<u64>,
    ) -> Option<u64> {
        self.positive_schemas(pair).filter_map(|(_, keywords)| limit(keywords)).min()
    }

    /// Splits the region by its first alternative that was not split yet; together the parts are the region.
    pub(super) fn split(&self, pair: &SchemaPair<'_>) -> Option<Vec<Self>> {
        for (id, keywords) in self.positive_schemas(pair) {
            let is_unsplit = |choice: &Choice| !self.split_choices.contains(&(id, choice.clone()));
            let marked = |choice: Choice| {
                let mut region = self.clone();
                region.split_choices.insert((id, choice));
                region
            };
            if let Some(choices) = keywords.any_of.as_ref().filter(|_| is_unsplit(&Choice::AnyOf)) {
                let region = marked(Choice::AnyOf);
                return Some(choices.iter().map(|n| region.with(pair, id.sibling(*n), true)).collect());
            }
            if let Some(choices) = keywords.one_of.as_ref().filter(|_| is_unsplit(&Choice::OneOf)) {
                if !pair.spend(choices.len() * choices.len()) {
                    return None;
                }
                let mut region = marked(Choice::OneOf);
                region.conditions.extend(choices.iter().map(|number| (id.sibling(*number), false)));
                let one = |number: &usize| {
                    region.without_negative(id.sibling(*number)).with(pair, id.sibling(*number), true)
                };
                return Some(choices.iter().map(one).collect());
            }
            if let Some(condition) = keywords.condition.filter(|_| is_unsplit(&Choice::If)) {
                let region = marked(Choice::If);
                let branch = |holds: bool, then: Option<usize>| {
                    let region = region.with(pair, id.sibling(condition.when), holds);
                    then.map_or(region.clone(), |then| region.with(pair, id.sibling(then), true))
                };
                return Some(vec![branch(true, condition.then), branch(false, condition.otherwise)]);
            }
            let schemas = keywords.dependent_schemas.keys();
            for name in schemas.chain(keywords.assertions.dependent_required.keys()) {
                let is_settled = self.present.contains(name) || self.absent.contains(name);
                if is_settled || !is_unsplit(&Choice::Dependent(name.clone())) {
                    continue;
                }
                let region = marked(Choice::Dependent(name.clone()));
                return Some(vec![region.with_name(pair, name), region.without_name(name)]);
            }
        }
        None
    }
}
