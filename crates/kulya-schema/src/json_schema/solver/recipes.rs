//! Recipes: how a value of an inhabited state is built, from those of its parts' states, and whether a value
//! meets the literals of a state.

use super::{Solver, StateId, TEXT};
use serde_json::Value;
use std::rc::Rc;

/// The maximum nesting of a witness.
const MAX_WITNESS_DEPTH: usize = 120;
/// The maximum number of values in a witness.
const MAX_WITNESS_SIZE: usize = 50_000;

/// A value under construction.
#[derive(Debug, Clone)]
pub(super) enum Recipe {
    Value(Value),
    Items(Vec<StateId>, Option<(usize, usize)>),
    Members(Vec<(Rc<str>, StateId)>),
}

impl Solver<'_, '_> {
    /// Builds a value of an inhabited state.
    pub(super) fn value(&self, id: StateId) -> Option<Value> {
        self.value_within(id, 0, &mut 0)
    }

    fn value_within(&self, id: StateId, depth: usize, size: &mut usize) -> Option<Value> {
        *size += 1;
        if depth > MAX_WITNESS_DEPTH || *size > MAX_WITNESS_SIZE || !self.pair.spend(1) {
            return None;
        }
        self.build(self.states.get(id)?.recipe.as_ref()?, depth, size)
    }

    /// Builds the value of a recipe.
    pub(super) fn value_of(&self, recipe: &Recipe) -> Option<Value> {
        self.build(recipe, 0, &mut 0)
    }

    fn build(&self, recipe: &Recipe, depth: usize, size: &mut usize) -> Option<Value> {
        match recipe {
            Recipe::Value(value) => Some(value.clone()),
            Recipe::Items(items, equal) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(self.value_within(*item, depth + 1, size)?);
                }
                if let Some((one, other)) = equal {
                    let value = values.get(*one).cloned();
                    if let (Some(slot), Some(value)) = (values.get_mut(*other), value) {
                        *slot = value;
                    }
                }
                Some(Value::Array(values))
            }
            Recipe::Members(members) => {
                let mut object = serde_json::Map::new();
                for (name, member) in members {
                    object.insert(name.to_string(), self.value_within(*member, depth + 1, size)?);
                }
                Some(Value::Object(object))
            }
        }
    }

    /// Returns whether the value meets all literals of a state; `None` if undecided.
    pub(super) fn accepts(&self, id: StateId, value: &Value) -> Option<bool> {
        let literals = Rc::clone(&self.states.get(id)?.literals);
        let mut is_undecided = false;
        for literal in literals.iter() {
            if literal.class() == TEXT {
                if value.is_string() != literal.holds() {
                    return Some(false);
                }
                continue;
            }
            if let Some(set) = self.value_set(literal.class()) {
                if set.contains(value) {
                    return Some(false);
                }
                continue;
            }
            let verdict = self.member(literal.class()).and_then(|id| self.pair.accepts(id, value));
            match verdict {
                Some(verdict) if verdict != literal.holds() => return Some(false),
                Some(_) => {}
                None => is_undecided = true,
            }
        }
        (!is_undecided).then_some(true)
    }
}
