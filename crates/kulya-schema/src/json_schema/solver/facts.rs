//! What is known of a value in one case: the conditions that it meets and those of its parts.

use super::classes::Class;
pub(super) use super::conditions::{
    Change, ChosenItem, Doubt, ItemDemand, Literal, MemberDemand, NameCondition, Tag,
};
use crate::json_schema::decimal::Decimal;
use crate::json_schema::node::{Bound, TypeSet};
use crate::json_schema::value_set::ValueSet;
use std::collections::BTreeSet;
use std::rc::Rc;

#[derive(Debug, Clone, Default)]
pub(super) struct ArrayFacts {
    /// Subschemas with keywords of arrays under which it is valid.
    pub(super) schemas: Vec<Class>,
    pub(super) min: u64,
    pub(super) max: Option<u64>,
    pub(super) is_unique: bool,
    pub(super) has_duplicates: bool,
    /// Conditions on every item.
    pub(super) every: Vec<Literal>,
    pub(super) demands: Vec<ItemDemand>,
    pub(super) chosen: Vec<ChosenItem>,
    /// Subschemas of which no more items than a number may be valid.
    pub(super) at_most: Vec<(Class, u64)>,
    /// Two indexes with equal items.
    pub(super) equal: Option<(usize, usize)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ObjectFacts {
    /// Subschemas with keywords of objects under which it is valid.
    pub(super) schemas: Vec<Class>,
    pub(super) present: Rc<BTreeSet<String>>,
    pub(super) absent: Vec<Rc<str>>,
    pub(super) min: u64,
    pub(super) max: Option<u64>,
    pub(super) demands: Vec<MemberDemand>,
    /// Members that are demanded, with their further conditions.
    pub(super) named: Vec<(Rc<str>, Vec<Literal>)>,
}

/// The conditions on one value in one case.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) types: TypeSet,
    /// The literals that were taken in, in ascending order.
    literals: Vec<Literal>,
    pub(super) tags: Vec<Tag>,
    pub(super) lower: Option<Bound>,
    pub(super) upper: Option<Bound>,
    pub(super) multiples: Vec<Decimal>,
    pub(super) non_multiples: Vec<Decimal>,
    /// Subschemas whose `enum` or `const` lists values that it is not.
    pub(super) excluded: Vec<Class>,
    /// Further values that it is not.
    pub(super) differs: Vec<Rc<ValueSet>>,
    /// Subschemas for whose unevaluated keywords it matters what others evaluate.
    pub(super) evaluated: Vec<Class>,
    /// A subschema whose `enum` or `const` lists all values that it may be.
    pub(super) listed: Option<Class>,
    pub(super) min_length: u64,
    pub(super) max_length: Option<u64>,
    pub(super) patterns: Vec<(Rc<str>, bool)>,
    /// Conditions of unknown effect, by number, each with whether it holds.
    pub(super) atoms: Vec<(usize, bool)>,
    pub(super) array: ArrayFacts,
    pub(super) object: ObjectFacts,
    pub(super) doubts: Vec<Rc<Doubt>>,
}

const MAX_DOUBTS: usize = 4;

impl Facts {
    pub(super) fn new() -> Self {
        Self {
            types: TypeSet::ALL,
            literals: Vec::new(),
            tags: Vec::new(),
            lower: None,
            upper: None,
            multiples: Vec::new(),
            non_multiples: Vec::new(),
            excluded: Vec::new(),
            differs: Vec::new(),
            evaluated: Vec::new(),
            listed: None,
            min_length: 0,
            max_length: None,
            patterns: Vec::new(),
            atoms: Vec::new(),
            array: ArrayFacts::default(),
            object: ObjectFacts::default(),
            doubts: Vec::new(),
        }
    }

    pub(super) fn contains(&self, literal: Literal) -> bool {
        self.literals.binary_search(&literal).is_ok()
    }

    /// Adds a literal. Returns whether it is new; `None` if it contradicts another.
    pub(super) fn add_literal(&mut self, literal: Literal) -> Option<bool> {
        if self.contains(literal.negated()) {
            return None;
        }
        match self.literals.binary_search(&literal) {
            Ok(_) => Some(false),
            Err(place) => {
                self.literals.insert(place, literal);
                Some(true)
            }
        }
    }

    pub(super) fn add_doubt(&mut self, doubt: &Rc<Doubt>) {
        if self.doubts.len() < MAX_DOUBTS && !self.doubts.contains(doubt) {
            self.doubts.push(Rc::clone(doubt));
        }
    }

    pub(super) fn is_present(&self, name: &str) -> bool {
        self.object.present.contains(name) || self.object.named.iter().any(|(other, _)| **other == *name)
    }

    pub(super) fn is_absent(&self, name: &str) -> bool {
        self.object.absent.iter().any(|other| **other == *name)
    }

    /// Adds a condition other than a literal or alternatives. Returns `false` if nothing meets them all.
    pub(super) fn add(&mut self, change: &Change) -> bool {
        match change {
            Change::Literal(_) | Change::AnyOf(_) => {}
            Change::Types(types) => self.types = self.types.and(*types),
            Change::Lower(bound) => {
                let is_tighter =
                    |old: Bound| bound.value < old.value || (bound.value == old.value && !bound.is_exclusive);
                if !self.lower.is_some_and(is_tighter) {
                    self.lower = Some(*bound);
                }
            }
            Change::Upper(bound) => {
                let is_tighter =
                    |old: Bound| bound.value > old.value || (bound.value == old.value && !bound.is_exclusive);
                if !self.upper.is_some_and(is_tighter) {
                    self.upper = Some(*bound);
                }
            }
            Change::Multiple(unit, true) => self.multiples.push(*unit),
            Change::Multiple(unit, false) => {
                if self.multiples.iter().any(|written| written.is_multiple_of(*unit) == Some(true)) {
                    return false;
                }
                self.non_multiples.push(*unit);
            }
            Change::Exclude(class) => self.excluded.push(*class),
            Change::MinLength(length) => self.min_length = self.min_length.max(*length),
            Change::MaxLength(length) => {
                self.max_length = Some(self.max_length.map_or(*length, |old| old.min(*length)));
            }
            Change::Pattern(pattern, matches) => {
                if self
                    .patterns
                    .iter()
                    .any(|(other, other_matches)| other == pattern && other_matches != matches)
                {
                    return false;
                }
                self.patterns.push((Rc::clone(pattern), *matches));
                self.patterns.sort_unstable();
                self.patterns.dedup();
            }
            Change::Atom(atom, holds) => {
                if self.atoms.contains(&(*atom, !holds)) {
                    return false;
                }
                self.atoms.push((*atom, *holds));
            }
            Change::MinItems(count) => self.array.min = self.array.min.max(*count),
            Change::MaxItems(count) => {
                self.array.max = Some(self.array.max.map_or(*count, |old| old.min(*count)));
            }
            Change::Duplicates => {
                if self.array.is_unique {
                    return false;
                }
                self.array.has_duplicates = true;
                self.array.min = self.array.min.max(2);
            }
            Change::AtMost(class, count) => self.array.at_most.push((*class, *count)),
            Change::Evaluated(class) => {
                if !self.evaluated.contains(class) {
                    self.evaluated.push(*class);
                }
            }
            Change::EveryItem(literal) => self.array.every.push(*literal),
            Change::Item(demand) => {
                let needed = u64::try_from(demand.from).unwrap_or(u64::MAX).saturating_add(1);
                self.array.min = self.array.min.max(needed);
                self.array.demands.push(demand.clone());
            }
            Change::Present(name) => {
                if self.is_absent(name) {
                    return false;
                }
                if !self.object.present.contains(&**name) {
                    Rc::make_mut(&mut self.object.present).insert(name.to_string());
                }
            }
            Change::Absent(name) => {
                if self.is_present(name) {
                    return false;
                }
                self.object.absent.push(Rc::clone(name));
            }
            Change::MinProperties(count) => self.object.min = self.object.min.max(*count),
            Change::MaxProperties(count) => {
                self.object.max = Some(self.object.max.map_or(*count, |old| old.min(*count)));
            }
            Change::Named(name, literal) => return self.demand_member(name, &[*literal]),
            Change::Member(demand) => self.object.demands.push(demand.clone()),
            Change::Doubt(doubt) => self.add_doubt(doubt),
        }
        self.is_possible()
    }

    /// Demands a member of this name. Returns `false` if it cannot be.
    pub(super) fn demand_member(&mut self, name: &Rc<str>, literals: &[Literal]) -> bool {
        if self.is_absent(name) {
            return false;
        }
        match self.object.named.iter_mut().find(|(other, _)| other == name) {
            Some((_, known)) => known.extend(literals),
            None => self.object.named.push((Rc::clone(name), literals.to_vec())),
        }
        true
    }

    /// Returns whether the simple conditions leave a type.
    fn is_possible(&mut self) -> bool {
        if self.types.intersects(TypeSet::NUMBER)
            && let (Some(lower), Some(upper)) = (self.lower, self.upper)
            && (lower.value > upper.value
                || (lower.value == upper.value && (lower.is_exclusive || upper.is_exclusive)))
        {
            self.types = self.types.without(TypeSet::NUMBER);
        }
        if self.types.intersects(TypeSet::STRING) && self.max_length.is_some_and(|max| max < self.min_length)
        {
            self.types = self.types.without(TypeSet::STRING);
        }
        let array = &self.array;
        if self.types.intersects(TypeSet::ARRAY) && array.max.is_some_and(|max| max < array.min) {
            self.types = self.types.without(TypeSet::ARRAY);
        }
        let object = &self.object;
        if self.types.intersects(TypeSet::OBJECT) && object.max.is_some_and(|max| max < object.min) {
            self.types = self.types.without(TypeSet::OBJECT);
        }
        !self.types.is_empty()
    }

    /// Returns whether a tag excludes the value's own tags.
    pub(super) fn excludes_tag(&self, tag: &Tag, is_required: bool) -> bool {
        self.tags.iter().any(|own| {
            own.name == tag.name
                && (is_required || self.is_present(&tag.name))
                && !own.values.iter().any(|value| tag.values.binary_search(value).is_ok())
        })
    }
}
