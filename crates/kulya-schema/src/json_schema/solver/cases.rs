//! module circle: the solver keeps the cases and summaries that its steps, here and beside, make and read.
//!
//! Cases: the literals of a state are taken in one after the other, and where they leave alternatives, a case
//! is divided. A part that is demanded is decided before further alternatives are followed, and alternatives
//! that certainly do not apply are left out.

use super::choices::Choice;
use super::classes::Class;
use super::facts::{Change, Facts, Literal};
use super::summary::listed_values;
use super::{Outcome, Solver, StateId, TEXT};
use crate::json_schema::node::{Keywords, TypeSet};
use std::rc::Rc;

/// From this number of alternatives on they are not counted further.
const MANY: usize = 9;
/// So many choices of a case are looked at again and again without being counted as work.
const FEW_CHOICES: usize = 16;

/// One case of a state: what is known of the value, and what is still to be looked at.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) facts: Facts,
    todo: Vec<Literal>,
    choices: Vec<Choice>,
    /// The number of demanded members whose states are known to be inhabited, and of other parts.
    pub(super) checked_members: usize,
    pub(super) checked_parts: usize,
}

impl Case {
    pub(super) fn new(literals: &[Literal]) -> Self {
        // what the value is comes first, so that it is known when alternatives are looked at
        let mut todo: Vec<Literal> = literals.to_vec();
        todo.sort_unstable_by_key(|literal| literal.holds());
        Self { facts: Facts::new(), todo, choices: Vec::new(), checked_members: 0, checked_parts: 0 }
    }

    /// Adds conditions. Returns `false` if the case becomes impossible.
    pub(super) fn add(&mut self, changes: &[Change]) -> bool {
        self.checked_members = 0;
        self.checked_parts = 0;
        for change in changes {
            match change {
                Change::Literal(literal) => self.todo.push(*literal),
                Change::AnyOf(classes) => self.choices.push(Choice::Some(Rc::clone(classes))),
                change => {
                    if !self.facts.add(change) {
                        return false;
                    }
                }
            }
        }
        true
    }
}

impl Solver<'_, '_> {
    /// Works on a case until it ends, waits or is divided.
    pub(super) fn examine(&mut self, id: StateId, case: Case) -> Outcome {
        match self.divide(case) {
            Division::Impossible => Outcome::Impossible,
            Division::Divided(cases) => Outcome::Divided(cases),
            Division::Waits(on, case) => Outcome::Waits(on, case),
            Division::Undivided(case) => match case.facts.listed {
                Some(class) => self.settle_listed(id, &case.facts, class),
                None => self.settle(id, *case),
            },
        }
    }

    /// Takes in what is known and divides a case by its choices, until none is left or the values are listed.
    pub(super) fn divide(&mut self, mut case: Case) -> Division {
        loop {
            if !self.pair.spend(1) {
                return Division::Impossible;
            }
            while let Some(literal) = case.todo.pop() {
                if !self.take_in(&mut case, literal) {
                    return Division::Impossible;
                }
            }
            if case.facts.listed.is_some() {
                return Division::Undivided(Box::new(case));
            }
            if let Some(outcome) = self.check_members(&mut case) {
                return match outcome {
                    Check::Impossible => Division::Impossible,
                    Check::Waits(on) => Division::Waits(on, Box::new(case)),
                };
            }
            let mut best: Option<(usize, usize)> = None;
            for place in 0..case.choices.len() {
                let Some(choice) = case.choices.get(place).cloned() else { break };
                let limit = best.map_or(MANY, |(_, count)| count);
                let count = self.alternatives(&case.facts, &choice, limit).len();
                if best.is_none_or(|(_, least)| count < least) {
                    best = Some((place, count));
                }
                if count <= 1 {
                    break;
                }
            }
            // each of many choices was looked at, and every case that a division makes has all of them
            if !self.pair.spend(case.choices.len().saturating_sub(FEW_CHOICES)) {
                return Division::Impossible;
            }
            let Some((place, count)) = best else { return Division::Undivided(Box::new(case)) };
            let choice = case.choices.swap_remove(place);
            let alternatives = self.alternatives(&case.facts, &choice, usize::MAX);
            if count == 1 && alternatives.len() == 1 {
                if !alternatives.first().is_some_and(|changes| case.add(changes)) {
                    return Division::Impossible;
                }
                continue;
            }
            if !self.pair.spend(alternatives.len() / 4) {
                return Division::Impossible;
            }
            let mut cases = Vec::with_capacity(alternatives.len());
            for changes in alternatives {
                let mut divided = case.clone();
                if divided.add(&changes) {
                    cases.push(divided);
                }
            }
            return Division::Divided(cases);
        }
    }

    /// Takes in a literal: its assertions at once, its alternatives as choices. Returns `false` if it cannot
    /// hold.
    fn take_in(&mut self, case: &mut Case, literal: Literal) -> bool {
        let class = literal.class();
        if let Some(value) = self.boolean(class) {
            return value == literal.holds();
        }
        if class == TEXT {
            return case.add(&[Change::Types(TypeSet::STRING)]);
        }
        if let Some(set) = self.value_set(class) {
            case.facts.differs.push(Rc::clone(set));
            return true;
        }
        match case.facts.add_literal(literal) {
            None => return false,
            Some(false) => return true,
            Some(true) => {}
        }
        self.pair.spend(1);
        if !literal.holds() {
            case.choices.push(Choice::Not(class));
            return true;
        }
        let Some(keywords) = self.keywords(class) else { return true };
        let summary = self.summary(class);
        case.facts.tags.extend(summary.tags.iter().map(|(tag, _)| tag.clone()));
        if !case.add(&[Change::Types(summary.types)]) || !self.take_in_assertions(case, class, keywords) {
            return false;
        }
        let own = keywords.all_of.iter().copied().chain(keywords.reference_number());
        case.todo.extend(own.map(|number| Literal::new(self.inner(class, number), true)));
        case.todo.extend(keywords.not.map(|number| Literal::new(self.inner(class, number), false)));
        if keywords.any_of.is_some() {
            case.choices.push(Choice::AnyOf(class));
        }
        if keywords.one_of.is_some() {
            case.choices.push(Choice::OneOf(class));
        }
        // also without `then` and `else`: what it evaluates counts for the unevaluated keywords
        if keywords.condition.is_some() {
            case.choices.push(Choice::If(class));
        }
        let dependent =
            keywords.dependent_schemas.keys().chain(keywords.assertions.dependent_required.keys());
        case.choices.extend(dependent.map(|name| Choice::Dependent(class, name.as_str().into())));
        if keywords.unevaluated_properties.is_some() || keywords.unevaluated_items.is_some() {
            case.facts.evaluated.push(class);
        }
        true
    }

    fn take_in_assertions(&mut self, case: &mut Case, class: Class, keywords: &Keywords) -> bool {
        let assertions = &keywords.assertions;
        if let Some(values) = listed_values(keywords) {
            let is_longer = |other| {
                self.keywords(other)
                    .and_then(listed_values)
                    .is_none_or(|set| set.values().len() > values.values().len())
            };
            if case.facts.listed.is_none_or(is_longer) {
                case.facts.listed = Some(class);
            }
        }
        let mut changes: Vec<Change> = Vec::new();
        changes.extend(assertions.minimum.map(Change::Lower));
        changes.extend(assertions.maximum.map(Change::Upper));
        changes.extend(assertions.multiple_of.map(|unit| Change::Multiple(unit, true)));
        changes.extend(assertions.min_length.map(Change::MinLength));
        changes.extend(assertions.max_length.map(Change::MaxLength));
        changes.extend(assertions.pattern.as_ref().map(|pattern| self.pattern_change(class, pattern, true)));
        for atom in self.atoms_of(class, keywords) {
            changes.push(Change::Atom(atom, true));
        }
        changes.extend(assertions.min_items.map(Change::MinItems));
        changes.extend(assertions.max_items.map(Change::MaxItems));
        changes.extend(assertions.min_properties.map(Change::MinProperties));
        changes.extend(assertions.max_properties.map(Change::MaxProperties));
        if !case.add(&changes) {
            return false;
        }
        if !self.pair.spend(assertions.required.len() / 16) {
            return false;
        }
        for name in &assertions.required {
            if case.facts.is_absent(name) {
                case.facts.types = case.facts.types.without(TypeSet::OBJECT);
            }
        }
        if case.facts.object.present.is_empty() {
            case.facts.object.present = Rc::new(assertions.required.clone());
        } else if !assertions.required.is_subset(&case.facts.object.present) {
            Rc::make_mut(&mut case.facts.object.present).extend(assertions.required.iter().cloned());
        }
        let describes_items = !keywords.prefix_items.is_empty()
            || keywords.additional_items.is_some()
            || keywords.unevaluated_items.is_some();
        let counts_items = self.take_in_contains(case, class, keywords);
        if assertions.unique_items {
            if case.facts.array.has_duplicates {
                case.facts.types = case.facts.types.without(TypeSet::ARRAY);
            }
            case.facts.array.is_unique = true;
        }
        if describes_items || counts_items {
            case.facts.array.schemas.push(class);
        }
        if !keywords.properties.is_empty()
            || !keywords.pattern_properties.is_empty()
            || keywords.additional_properties.is_some()
            || keywords.unevaluated_properties.is_some()
            || keywords.property_names.is_some()
        {
            case.facts.object.schemas.push(class);
        }
        !case.facts.types.is_empty()
    }
}

/// What became of a case by its choices.
pub(super) enum Division {
    Impossible,
    Divided(Vec<Case>),
    Waits(StateId, Box<Case>),
    Undivided(Box<Case>),
}

/// Whether parts are impossible or another state comes first.
pub(super) enum Check {
    Impossible,
    Waits(StateId),
}
