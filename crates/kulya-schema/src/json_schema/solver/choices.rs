//! Choices: the disjunctions by which a case is divided, and the alternatives of each that may apply.

use super::Solver;
use super::classes::Class;
use super::facts::{Change, Facts, Literal};
use crate::json_schema::node::TypeSet;
use std::rc::Rc;

/// A disjunction that was not divided yet.
#[derive(Debug, Clone)]
pub(super) enum Choice {
    AnyOf(Class),
    OneOf(Class),
    If(Class),
    /// The dependencies of a name.
    Dependent(Class, Rc<str>),
    /// At least one of these.
    Some(Rc<[Class]>),
    /// One keyword of the class fails.
    Not(Class),
}

/// The conditions of one alternative.
pub(super) type Alternative = Vec<Change>;

impl Solver<'_, '_> {
    /// Returns the alternatives of a choice that may apply; no more than `limit` if it is a number.
    pub(super) fn alternatives(&mut self, facts: &Facts, choice: &Choice, limit: usize) -> Vec<Alternative> {
        let holds = |class| Change::Literal(Literal::new(class, true));
        let fails = |class| Change::Literal(Literal::new(class, false));
        match choice {
            Choice::Not(class) => self.failures(facts, *class, limit),
            Choice::Some(classes) => {
                let mut possible = Vec::new();
                for class in classes.iter() {
                    if facts.contains(Literal::new(*class, true)) {
                        return vec![Vec::new()];
                    }
                    if !self.is_disjoint(facts, *class) {
                        possible.push(vec![holds(*class)]);
                    }
                }
                possible
            }
            Choice::AnyOf(class) => {
                let list =
                    self.keywords(*class).and_then(|keywords| keywords.any_of.as_deref()).unwrap_or_default();
                let possible = self.possible_alternatives(facts, *class, list, false);
                if possible.iter().any(|inner| facts.contains(Literal::new(*inner, true))) {
                    return vec![Vec::new()];
                }
                possible.into_iter().map(|inner| vec![holds(inner)]).collect()
            }
            Choice::OneOf(class) => {
                let list =
                    self.keywords(*class).and_then(|keywords| keywords.one_of.as_deref()).unwrap_or_default();
                let possible = self.possible_alternatives(facts, *class, list, true);
                self.pair.spend(possible.len() / 8);
                // a branch that is listed twice is never the only one
                let mut sorted = possible.clone();
                sorted.sort_unstable();
                let is_single = |inner: &Class| {
                    let start = sorted.partition_point(|other| other < inner);
                    sorted.get(start + 1) != Some(inner)
                };
                let mut alternatives = Vec::with_capacity(possible.len().min(limit));
                for inner in possible.iter().filter(|inner| is_single(inner)).take(limit) {
                    let mut changes = vec![holds(*inner)];
                    if limit == usize::MAX {
                        let mut with_it = facts.clone();
                        let summary = self.summary(*inner);
                        with_it.types = with_it.types.and(summary.types);
                        with_it.tags.extend(summary.tags.iter().map(|(tag, _)| tag.clone()));
                        for (tag, is_required) in &summary.tags {
                            if *is_required {
                                with_it.object.named.push((Rc::clone(&tag.name), Vec::new()));
                            }
                        }
                        let others = self.possible_alternatives(&with_it, *class, list, true);
                        changes
                            .extend(others.iter().filter(|other| *other != inner).map(|other| fails(*other)));
                    }
                    alternatives.push(changes);
                }
                alternatives
            }
            Choice::If(class) => {
                let Some(condition) = self.keywords(*class).and_then(|keywords| keywords.condition) else {
                    return vec![Vec::new()];
                };
                let when = self.inner(*class, condition.when);
                let mut alternatives = Vec::new();
                if !self.is_disjoint(facts, when) {
                    let mut changes = vec![holds(when)];
                    changes.extend(condition.then.map(|number| holds(self.inner(*class, number))));
                    alternatives.push(changes);
                }
                if !facts.contains(Literal::new(when, true)) {
                    let mut changes = vec![fails(when)];
                    changes.extend(condition.otherwise.map(|number| holds(self.inner(*class, number))));
                    alternatives.push(changes);
                }
                alternatives
            }
            Choice::Dependent(class, name) => self.dependent(facts, *class, name),
        }
    }

    fn dependent(&mut self, facts: &Facts, class: Class, name: &Rc<str>) -> Vec<Alternative> {
        if !facts.types.intersects(TypeSet::OBJECT) || facts.is_absent(name) {
            return vec![Vec::new()];
        }
        let Some(keywords) = self.keywords(class) else { return vec![Vec::new()] };
        let mut alternatives = Vec::new();
        let mut changes = vec![Change::Types(TypeSet::OBJECT), Change::Present(Rc::clone(name))];
        if let Some(required) = keywords.assertions.dependent_required.get(&**name) {
            changes.extend(required.iter().map(|name| Change::Present(name.as_str().into())));
        }
        if let Some(number) = keywords.dependent_schemas.get(&**name) {
            changes.push(Change::Literal(Literal::new(self.inner(class, *number), true)));
        }
        alternatives.push(changes);
        if facts.types.without(TypeSet::OBJECT) != TypeSet::NONE {
            alternatives.push(vec![Change::Types(facts.types.without(TypeSet::OBJECT))]);
            if !facts.is_present(name) {
                alternatives.push(vec![Change::Types(TypeSet::OBJECT), Change::Absent(Rc::clone(name))]);
            }
        } else if !facts.is_present(name) {
            alternatives.push(vec![Change::Absent(Rc::clone(name))]);
        }
        alternatives
    }
}
