//! Values that differ from others: from those that an `enum` or `const` lists and that are not meant, and the
//! items of an array from each other.
//!
//! A state can have a set of values that its own must differ from, as a literal. A built array or object
//! that is listed is ruled out by the ways to differ from it: a count, an item, a member. Different items are
//! found by as many values of each item's state as there are items, each unlike those before, and an
//! assignment of them: an item with that many values to choose from never lacks one.

use super::cases::Case;
use super::classes::Class;
use super::facts::{Change, Facts, ItemDemand, Literal, MemberDemand, NameCondition};
use super::recipes::Recipe;
use super::{Outcome, Solver, StateId, TEXT};
use crate::json_schema::reason::Rule;
use crate::json_schema::value_set::{ValueSet, hash};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::rc::Rc;

/// The maximum number of items whose difference is looked at.
const MAX_DIFFERENT: usize = 200;

/// Different items, or why there are none.
pub(super) enum Different {
    Items(Vec<Value>),
    /// A further value of one of these states is needed; without any it is impossible.
    Waits(Vec<StateId>),
    Doubtful,
}

impl Solver<'_, '_> {
    /// Returns the condition that a value is none of these.
    pub(super) fn none_of(&mut self, values: Vec<Value>) -> Literal {
        let mut key: Vec<u128> = values.iter().map(hash).collect();
        key.sort_unstable();
        let next = Class::try_from(self.value_sets.len()).unwrap_or(TEXT / 4).min(TEXT / 4);
        let class = *self.value_set_classes.entry(key).or_insert(TEXT - 1 - next);
        if class == TEXT - 1 - next {
            self.value_sets.push(Rc::new(ValueSet::new(values)));
        }
        Literal::new(class, true)
    }

    /// Returns the values that the values of a class are not, if it has no subschema but such a set.
    pub(super) fn value_set(&self, class: Class) -> Option<&Rc<ValueSet>> {
        let number = (TEXT - 1).checked_sub(class)?;
        self.value_sets.get(usize::try_from(number).ok()?)
    }

    /// Settles an array or object that was built from parts, unless it is one that is excluded.
    pub(super) fn settle_built(&mut self, id: StateId, case: &Case, recipe: Recipe) -> Outcome {
        if case.facts.excluded.is_empty() && case.facts.differs.is_empty() {
            return self.settle_parts(id, &case.facts, recipe);
        }
        let Some(value) = self.value_of(&recipe) else { return self.settle_parts(id, &case.facts, recipe) };
        let is_excluded = self.excluded_sets(&case.facts).iter().any(|set| set.contains(&value));
        if !is_excluded {
            return self.settle_parts(id, &case.facts, recipe);
        }
        Outcome::Divided(self.unlike(case, &value))
    }

    /// Returns the cases of values that differ from an array or object.
    fn unlike(&mut self, case: &Case, value: &Value) -> Vec<Case> {
        let mut ways: Vec<Change> = Vec::new();
        match value {
            Value::Array(items) => {
                let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
                ways.extend(count.checked_sub(1).map(Change::MaxItems));
                ways.push(Change::MinItems(count.saturating_add(1)));
                for (index, item) in items.iter().enumerate() {
                    let literals = vec![self.none_of(vec![item.clone()])];
                    ways.push(Change::Item(ItemDemand { literals, ..ItemDemand::at(index) }));
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let unlike = self.none_of(vec![member.clone()]);
                    ways.push(Change::Absent(name.as_str().into()));
                    ways.push(Change::Named(name.as_str().into(), unlike));
                }
                let other_than = members.keys().map(|name| Rc::from(name.as_str())).collect();
                let names = NameCondition { other_than, ..NameCondition::default() };
                ways.push(Change::Member(MemberDemand { names, literals: Vec::new() }));
            }
            _ => {}
        }
        self.pair.spend(ways.len());
        let divided = ways.into_iter().filter_map(|change| {
            let mut divided = case.clone();
            let is_possible = divided.add(&[change]) && divided.add(&[Change::Types(case.facts.types)]);
            is_possible.then_some(divided)
        });
        divided.collect()
    }

    /// Returns the sets of values that a value of these facts is not.
    pub(super) fn excluded_sets<'f>(&'f self, facts: &'f Facts) -> Vec<&'f ValueSet> {
        let lists = facts.excluded.iter().filter_map(|class| {
            let keywords = self.keywords(*class)?;
            super::summary::listed_values(keywords)
        });
        lists.chain(facts.differs.iter().map(|set| &**set)).collect()
    }

    /// Finds values of these states, no two of which are equal.
    pub(super) fn different_items(&mut self, facts: &mut Facts, items: &[StateId]) -> Different {
        let mut known: FxHashMap<StateId, Vec<Value>> = FxHashMap::default();
        let mut next: FxHashMap<StateId, StateId> = FxHashMap::default();
        if items.len() > MAX_DIFFERENT {
            return Different::Doubtful;
        }
        for state in items {
            if known.contains_key(state) {
                continue;
            }
            let mut values: Vec<Value> = Vec::new();
            while values.len() < items.len() {
                let Some(of) = self.state_without(*state, &values) else { break };
                let doubts = self.states.get(of).and_then(|state| state.possible.clone());
                if self.is_inhabited(of) {
                    let Some(value) = self.value(of) else { return Different::Doubtful };
                    values.push(value);
                } else if let Some(doubts) = doubts.filter(|_| self.accepts_doubts) {
                    doubts.iter().for_each(|doubt| facts.add_doubt(doubt));
                    return Different::Doubtful;
                } else {
                    next.insert(*state, of);
                    break;
                }
            }
            known.insert(*state, values);
        }
        let choices: Vec<&[Value]> =
            items.iter().map(|state| known.get(state).map_or(&[][..], |v| v)).collect();
        match assign(&choices, &|| self.pair.spend(1)) {
            Ok(values) => Different::Items(values),
            Err(lacking) => {
                let mut waits: Vec<StateId> =
                    lacking.into_iter().filter_map(|place| next.get(items.get(place)?).copied()).collect();
                waits.sort_unstable();
                waits.dedup();
                Different::Waits(waits)
            }
        }
    }

    /// Returns the state of the values of another that are none of these; `None` if there are none.
    fn state_without(&mut self, state: StateId, values: &[Value]) -> Option<StateId> {
        if values.is_empty() {
            return Some(state);
        }
        self.pair.spend(1 + values.len() / 4);
        let mut literals = self.states.get(state)?.literals.to_vec();
        literals.push(self.none_of(values.to_vec()));
        self.state(literals)
    }

    /// Settles the items of an array with `uniqueItems`.
    pub(super) fn settle_different(&mut self, id: StateId, mut case: Case, items: &[StateId]) -> Outcome {
        match self.different_items(&mut case.facts, items) {
            Different::Items(values) => self.settle_built(id, &case, Recipe::Value(Value::Array(values))),
            Different::Waits(on) => Outcome::WaitsForAny(on, Box::new(case)),
            Different::Doubtful => {
                let message = "whether enough different items exist could not be decided";
                let doubt = self.doubt(Rule::UniqueItemsAdded, self.place_of(id), "", message);
                case.facts.add_doubt(&doubt);
                Outcome::Doubtful(self.doubts_of(id, &case.facts))
            }
        }
    }
}

/// Assigns to each place one of its values, no two of them equal. Otherwise returns places that have too few
/// values together.
fn assign(choices: &[&[Value]], spend: &dyn Fn() -> bool) -> Result<Vec<Value>, Vec<usize>> {
    let hashes: Vec<Vec<u128>> = choices.iter().map(|values| values.iter().map(hash).collect()).collect();
    let mut place_of: FxHashMap<u128, usize> = FxHashMap::default();
    let mut value_of: Vec<usize> = vec![0; choices.len()];
    for start in 0..choices.len() {
        // breadth first, along values that other places have
        let mut reached = vec![start];
        let mut seen: FxHashMap<u128, (usize, usize)> = FxHashMap::default();
        let mut free = None;
        let mut current = 0;
        while let Some(place) = reached.get(current).copied().filter(|_| free.is_none()) {
            current += 1;
            for (number, value) in hashes.get(place).into_iter().flatten().enumerate() {
                if !spend() || seen.contains_key(value) {
                    continue;
                }
                seen.insert(*value, (place, number));
                match place_of.get(value) {
                    None => {
                        free = Some(*value);
                        break;
                    }
                    Some(other) if !reached.contains(other) => reached.push(*other),
                    Some(_) => {}
                }
            }
        }
        let Some(mut value) = free else { return Err(reached) };
        while let Some((place, number)) = seen.get(&value).copied() {
            let before = (place != start)
                .then(|| hashes.get(place).and_then(|own| own.get(*value_of.get(place)?)).copied())
                .flatten();
            place_of.insert(value, place);
            if let Some(slot) = value_of.get_mut(place) {
                *slot = number;
            }
            match before {
                Some(before) => value = before,
                None => break,
            }
        }
    }
    let chosen = choices.iter().zip(&value_of).filter_map(|(values, number)| values.get(*number).cloned());
    Ok(chosen.collect())
}
