//! Settling: a case without choices has a value or none. Listed values are validated one by one; otherwise
//! the case is divided by type, and a value of each type is built.

use super::cases::Case;
use super::classes::Class;
use super::facts::{Change, Facts};
use super::recipes::Recipe;
use super::summary::listed_values;
use super::{Outcome, Solver, StateId};
use crate::json_schema::node::TypeSet;
use crate::json_schema::reason::Rule;
use crate::json_schema::schema_pair::Role;
use crate::json_schema::witness::as_fractions;
use serde_json::Value;
use std::rc::Rc;

impl Solver<'_, '_> {
    /// Settles a case whose values are listed: each is validated.
    pub(super) fn settle_listed(&mut self, id: StateId, facts: &Facts, class: Class) -> Outcome {
        let Some(values) = self.keywords(class).and_then(listed_values) else { return Outcome::Impossible };
        let is_draft4 = self.states.get(id).and_then(|state| {
            let against = state.literals.iter().filter(|literal| !literal.holds());
            against.map(|literal| literal.class()).find(|class| self.has_draft4_integers(*class))
        });
        let mut undecided = false;
        for value in values.values() {
            if !self.pair.spend(1) {
                return Outcome::Impossible;
            }
            if !facts.types.intersects(TypeSet::of(value)) {
                continue;
            }
            match self.accepts(id, value) {
                Some(true) => return Outcome::Inhabited(Recipe::Value(value.clone())),
                None => undecided = true,
                // draft 4 tells 1.0 from 1, and an event may have either
                Some(false) if is_draft4.is_some() => {
                    undecided |= self.accepts(id, &as_fractions(value)).is_none();
                }
                Some(false) => {}
            }
        }
        if !undecided {
            return Outcome::Impossible;
        }
        let mut facts = facts.clone();
        self.doubt_unknown_keywords(id, &mut facts);
        if let Some(class) = is_draft4 {
            let message = "an integer of draft 4 must not be written as 1.0, and the writer's may be";
            facts.add_doubt(&self.doubt(Rule::Draft4Integer, class, "/type", message));
        }
        Outcome::Doubtful(self.doubts_of(id, &facts))
    }

    /// Adds the conditions of unknown effect of a state's subschemas to the doubts.
    fn doubt_unknown_keywords(&mut self, id: StateId, facts: &mut Facts) {
        let literals = self.states.get(id).map(|state| Rc::clone(&state.literals));
        let mut pending: Vec<Class> = literals.iter().flat_map(|l| l.iter()).map(|l| l.class()).collect();
        let mut seen: Vec<Class> = Vec::new();
        while let Some(class) = pending.pop() {
            let Some(keywords) = self.keywords(class).filter(|_| !seen.contains(&class)) else { continue };
            if seen.len() >= 200 || !self.pair.spend(1) {
                return;
            }
            seen.push(class);
            let mut atoms = self.atoms_of(class, keywords);
            if let Some(pattern) = &keywords.assertions.pattern
                && let Change::Atom(atom, _) = self.pattern_change(class, pattern, true)
            {
                atoms.push(atom);
            }
            for atom in atoms {
                let doubt = self.atoms.get(atom).map(|atom| Rc::clone(&atom.doubt[1]));
                doubt.iter().for_each(|doubt| facts.add_doubt(doubt));
            }
            pending.extend(keywords.in_place().into_iter().map(|number| self.inner(class, number)));
        }
    }

    /// Settles a case without choices, by type.
    pub(super) fn settle(&mut self, id: StateId, mut case: Case) -> Outcome {
        let types = case.facts.types;
        let groups = [
            TypeSet::NULL,
            TypeSet::BOOLEAN,
            TypeSet::NUMBER,
            TypeSet::STRING,
            TypeSet::ARRAY,
            TypeSet::OBJECT,
        ];
        let mut of_type = groups.into_iter().filter(|group| types.intersects(*group));
        let (Some(first), rest) = (of_type.next(), of_type.next()) else { return Outcome::Impossible };
        if rest.is_some() {
            let mut cases = Vec::new();
            for group in groups.into_iter().filter(|group| types.intersects(*group)) {
                let mut divided = case.clone();
                if divided.add(&[Change::Types(group)]) {
                    cases.push(divided);
                }
            }
            return Outcome::Divided(cases);
        }
        if first == TypeSet::ARRAY {
            return self.settle_array(id, case);
        }
        if first == TypeSet::OBJECT {
            return self.settle_object(id, case);
        }
        let found = if first == TypeSet::NULL {
            Examples::all(vec![Value::Null])
        } else if first == TypeSet::BOOLEAN {
            Examples::all(vec![Value::Bool(false), Value::Bool(true)])
        } else if first == TypeSet::NUMBER {
            self.numbers(&case.facts)
        } else {
            self.texts(&case.facts)
        };
        self.settle_scalar(id, &mut case.facts, found)
    }

    /// Validates examples of a scalar.
    fn settle_scalar(&mut self, id: StateId, facts: &mut Facts, found: Examples) -> Outcome {
        let is_impossible = found.values.is_empty() && found.is_exhaustive && found.doubt.is_none();
        if is_impossible {
            return Outcome::Impossible;
        }
        let mut undecided = found.doubt.is_some() || !found.is_complete;
        for value in found.values.into_iter().chain(found.others) {
            match self.accepts(id, &value) {
                Some(true) => return Outcome::Inhabited(Recipe::Value(value)),
                Some(false) => {}
                None => undecided = true,
            }
        }
        if !undecided {
            return Outcome::Impossible;
        }
        if let Some(doubt) = found.doubt {
            facts.add_doubt(&doubt);
        }
        Outcome::Doubtful(self.doubts_of(id, facts))
    }

    /// Tries a value that was built from parts although there are doubts.
    pub(super) fn settle_parts(&mut self, id: StateId, facts: &Facts, recipe: Recipe) -> Outcome {
        let has_atoms = facts.atoms.iter().any(|(atom, _)| self.concerns(*atom, facts.types));
        if facts.doubts.is_empty() && !has_atoms {
            return Outcome::Inhabited(recipe);
        }
        let value = self.value_of(&recipe);
        match value.map(|value| (self.accepts(id, &value), value)) {
            Some((Some(true), value)) => Outcome::Inhabited(Recipe::Value(value)),
            _ => Outcome::Doubtful(self.doubts_of(id, facts)),
        }
    }

    fn has_draft4_integers(&self, class: Class) -> bool {
        self.classes
            .member(class, Role::Reader)
            .is_some_and(|id| self.pair.schema(id.role).has_draft4_integers)
    }
}

/// Values that may do.
pub(super) struct Examples {
    pub(super) values: Vec<Value>,
    /// Values of formats, which may not meet the other conditions.
    pub(super) others: Vec<Value>,
    /// Whether there are no values at all if none was found.
    pub(super) is_exhaustive: bool,
    /// Whether there are no other values than these.
    pub(super) is_complete: bool,
    pub(super) doubt: Option<Rc<super::Doubt>>,
}

impl Examples {
    pub(super) fn all(values: Vec<Value>) -> Self {
        Self { values, others: Vec::new(), is_exhaustive: true, is_complete: true, doubt: None }
    }

    pub(super) fn none() -> Self {
        Self { is_complete: false, ..Self::all(Vec::new()) }
    }
}
