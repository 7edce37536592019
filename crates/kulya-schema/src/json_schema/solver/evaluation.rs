//! What `unevaluatedProperties` and `unevaluatedItems` leave to be judged: the members and items that neither
//! their own subschema evaluates nor any other under which the value is valid, beside it or further in.
//!
//! Whether the value is valid under such a part can be open in a case. The case is then divided by it before
//! the value is settled, so that what is evaluated is known.

use super::Solver;
use super::cases::Case;
use super::classes::Class;
use super::facts::{Change, Facts, Literal};
use crate::json_schema::draft::Draft;
use crate::json_schema::node::{Keywords, TypeSet};
use std::rc::Rc;

/// The maximum number of subschemas that are looked at for one keyword.
const MAX_PARTS: usize = 1_000;

/// What is known of the members and items that are evaluated.
pub(super) enum Evaluation {
    /// It depends on this.
    Open(Question),
    Known(Evaluated),
}

/// What a case is divided by.
pub(super) enum Question {
    /// Whether the value is valid under the class.
    IsValid(Class),
    /// Whether it has a member of this name.
    HasMember(Rc<str>),
}

/// The subschemas that evaluate members and items of a value.
pub(super) struct Evaluated {
    /// Those under which it is valid, and the one with the keyword.
    pub(super) classes: Vec<Class>,
    pub(super) is_every_member: bool,
    pub(super) is_every_item: bool,
    /// Whether there are no others.
    pub(super) is_certain: bool,
}

/// Whether a value is valid under a part.
enum Validity {
    Valid,
    Invalid,
    Open,
}

impl Solver<'_, '_> {
    /// Returns what is evaluated beside the unevaluated keywords of a class.
    pub(super) fn evaluation(&mut self, facts: &Facts, class: Class) -> Evaluation {
        let mut found =
            Evaluated { classes: Vec::new(), is_every_member: false, is_every_item: false, is_certain: true };
        let mut pending = vec![class];
        while let Some(of) = pending.pop() {
            if found.classes.contains(&of) {
                continue;
            }
            let Some(keywords) = self.keywords(of) else { continue };
            if found.classes.len() >= MAX_PARTS || !self.pair.spend(1) {
                found.is_certain = false;
                break;
            }
            found.classes.push(of);
            let is_inner = of != class;
            found.is_every_member |= keywords.additional_properties.is_some()
                || (is_inner && keywords.unevaluated_properties.is_some());
            found.is_every_item |=
                keywords.additional_items.is_some() || (is_inner && keywords.unevaluated_items.is_some());
            found.is_certain &=
                keywords.external_reference().is_none() && keywords.assertions.unsupported.is_empty();
            if let Some(question) = self.follow_parts(facts, of, keywords, &mut pending) {
                return Evaluation::Open(question);
            }
        }
        Evaluation::Known(found)
    }

    /// Adds the in-place subschemas under which the value is valid. Returns what is open about one.
    fn follow_parts(
        &mut self,
        facts: &Facts,
        of: Class,
        keywords: &Keywords,
        pending: &mut Vec<Class>,
    ) -> Option<Question> {
        let mut parts: Vec<usize> =
            keywords.all_of.iter().copied().chain(keywords.reference_number()).collect();
        parts.extend(keywords.any_of.iter().flatten());
        parts.extend(keywords.one_of.iter().flatten());
        for (name, number) in &keywords.dependent_schemas {
            let name: Rc<str> = name.as_str().into();
            if facts.is_absent(&name) || !facts.types.intersects(TypeSet::OBJECT) {
                continue;
            }
            if facts.is_present(&name) {
                parts.push(*number);
            } else if self.can_evaluate(self.inner(of, *number)) {
                return Some(Question::HasMember(name));
            }
        }
        if let Some(condition) = keywords.condition {
            let branches = [condition.then, condition.otherwise].into_iter().flatten();
            let mut all = branches.chain([condition.when]).map(|number| self.inner(of, number));
            if all.any(|inner| self.can_evaluate(inner)) {
                let when = self.inner(of, condition.when);
                match self.validity(facts, when) {
                    Validity::Open => return Some(Question::IsValid(when)),
                    Validity::Valid => {
                        pending.push(when);
                        parts.extend(condition.then);
                    }
                    Validity::Invalid => parts.extend(condition.otherwise),
                }
            }
        }
        for number in parts {
            let inner = self.inner(of, number);
            if !self.can_evaluate(inner) {
                continue;
            }
            match self.validity(facts, inner) {
                Validity::Open => return Some(Question::IsValid(inner)),
                Validity::Valid => pending.push(inner),
                Validity::Invalid => {}
            }
        }
        None
    }

    fn validity(&mut self, facts: &Facts, class: Class) -> Validity {
        match self.boolean(class) {
            Some(true) => Validity::Valid,
            Some(false) => Validity::Invalid,
            None if facts.contains(Literal::new(class, true)) => Validity::Valid,
            None if self.is_disjoint(facts, class) => Validity::Invalid,
            None => Validity::Open,
        }
    }

    /// Returns whether a subschema has keywords that evaluate members or items.
    fn can_evaluate(&self, class: Class) -> bool {
        self.keywords(class).is_some_and(|keywords| {
            !keywords.properties.is_empty()
                || !keywords.pattern_properties.is_empty()
                || !keywords.prefix_items.is_empty()
                || keywords.additional_properties.is_some()
                || keywords.unevaluated_properties.is_some()
                || keywords.additional_items.is_some()
                || keywords.unevaluated_items.is_some()
                || keywords.contains.is_some()
                || keywords.external_reference().is_some()
                || !keywords.assertions.unsupported.is_empty()
                || keywords.in_place().iter().any(|number| Some(*number) != keywords.not)
        })
    }

    /// Divides a case by what is open about the members and items that are evaluated; `None` if nothing is.
    pub(super) fn divide_by_evaluation(&mut self, case: &Case) -> Option<Vec<Case>> {
        for class in case.facts.evaluated.clone() {
            let is_concerned = self.keywords(class).is_some_and(|keywords| {
                (keywords.unevaluated_properties.is_some() && case.facts.types.intersects(TypeSet::OBJECT))
                    || (keywords.unevaluated_items.is_some() && case.facts.types.intersects(TypeSet::ARRAY))
            });
            if !is_concerned {
                continue;
            }
            let Evaluation::Open(question) = self.evaluation(&case.facts, class) else { continue };
            let alternatives = match question {
                Question::IsValid(class) => {
                    [true, false].map(|holds| Change::Literal(Literal::new(class, holds)))
                }
                Question::HasMember(name) => [Change::Present(Rc::clone(&name)), Change::Absent(name)],
            };
            let divided = alternatives.into_iter().filter_map(|change| {
                let mut divided = case.clone();
                divided.add(&[change]).then_some(divided)
            });
            return Some(divided.collect());
        }
        None
    }

    /// Returns whether one of the subschemas evaluates a member of this name; `None` if undecided.
    pub(super) fn evaluates_member(&self, evaluated: &Evaluated, name: &str) -> Option<bool> {
        let mut is_decided = evaluated.is_certain;
        for class in &evaluated.classes {
            let Some(keywords) = self.keywords(*class) else { continue };
            if keywords.properties.contains_key(name) {
                return Some(true);
            }
            for entry in &keywords.pattern_properties {
                match self.pair.name_matches(entry, name) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => is_decided = false,
                }
            }
        }
        if evaluated.is_every_member { Some(true) } else { is_decided.then_some(false) }
    }

    /// Returns the index from which on items are evaluated by `contains` alone.
    pub(super) fn evaluated_prefix(&self, evaluated: &Evaluated) -> usize {
        let prefixes =
            evaluated.classes.iter().filter_map(|class| Some(self.keywords(*class)?.prefix_items.len()));
        prefixes.max().unwrap_or_default()
    }

    /// Returns the subschemas of `contains` that evaluate the items that are valid under them.
    pub(super) fn evaluating_contains(&self, evaluated: &Evaluated) -> Vec<Class> {
        let evaluates = |class: &Class| {
            let number = self.keywords(*class)?.contains?;
            let is_modern = self.member(*class).is_none_or(|id| self.pair.draft(id) >= Draft::Draft202012);
            is_modern.then(|| self.inner(*class, number))
        };
        evaluated.classes.iter().filter_map(evaluates).collect()
    }
}
