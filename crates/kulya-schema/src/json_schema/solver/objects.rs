//! Objects: each member that an object must have needs a value, of the state that the keywords for its name
//! make up.

use super::cases::{Case, Check};
use super::classes::Class;
use super::evaluation::Evaluation;
use super::facts::{Change, Facts, Literal, MemberDemand, NameCondition};
use super::recipes::Recipe;
use super::{Outcome, Solver, StateId};
use crate::json_schema::node::TypeSet;
use crate::json_schema::reason::Rule;
use serde_json::Value;
use std::rc::Rc;

/// The maximum number of members that are added one by one to reach a count.
const MAX_ADDED: u64 = 24;

impl Solver<'_, '_> {
    /// Returns the conditions on the member of this name; `None` if there can be none. Doubts are added to
    /// the facts.
    pub(super) fn member_literals(&mut self, facts: &mut Facts, name: &str) -> Option<Vec<Literal>> {
        let mut literals = Vec::new();
        if facts.is_absent(name) {
            return None;
        }
        let is_assumed = self.pair.is_assumed(name);
        for class in facts.object.schemas.clone() {
            let Some(keywords) = self.keywords(class) else { continue };
            if is_assumed {
                let unknown = keywords.pattern_properties.iter().map(|entry| &entry.text);
                for pattern in unknown.filter(|pattern| self.pair.pattern_error(pattern).is_some()) {
                    facts.add_doubt(&self.pattern_doubt(pattern));
                }
                self.add_doubt(facts, Rule::PatternChanged, class, "");
            } else if let Some(names) =
                keywords.property_names.and_then(|n| Some(self.member(class)?.sibling(n)))
            {
                match self.pair.accepts(names, &Value::from(name)) {
                    Some(false) => return None,
                    Some(true) => {}
                    None => self.add_doubt(facts, Rule::PropertyNamesNarrowed, class, "/propertyNames"),
                }
            }
            let mut is_evaluated = Some(false);
            if let Some(number) = keywords.properties.get(name) {
                is_evaluated = Some(true);
                literals.push(Literal::new(self.inner(class, *number), true));
            }
            for entry in &keywords.pattern_properties {
                match self.pair.name_matches(entry, name) {
                    Some(true) => {
                        is_evaluated = Some(true);
                        literals.push(Literal::new(self.inner(class, entry.schema), true));
                    }
                    Some(false) => {}
                    None => {
                        let path = Self::pattern_path(&entry.text);
                        let doubt = self.doubt(
                            Rule::PatternChanged,
                            class,
                            &path,
                            &self.unsupported_message(&entry.text),
                        );
                        facts.add_doubt(&doubt);
                        is_evaluated = is_evaluated.filter(|is_evaluated| *is_evaluated);
                    }
                }
            }
            if is_evaluated != Some(false) {
                continue;
            }
            if let Some(number) = keywords.additional_properties {
                literals.push(Literal::new(self.inner(class, number), true));
            } else if let Some(number) = keywords.unevaluated_properties {
                // what is open now is known before the object is settled
                if let Evaluation::Known(evaluated) = self.evaluation(facts, class) {
                    match self.evaluates_member(&evaluated, name) {
                        Some(true) => {}
                        Some(false) => literals.push(Literal::new(self.inner(class, number), true)),
                        None => {
                            self.add_doubt(facts, Rule::UnevaluatedClosed, class, "/unevaluatedProperties")
                        }
                    }
                }
            }
        }
        literals.retain(|literal| self.boolean(literal.class()) != Some(true));
        let is_impossible = literals.iter().any(|literal| self.boolean(literal.class()) == Some(false));
        (!is_impossible).then_some(literals)
    }

    fn add_doubt(&self, facts: &mut Facts, rule: Rule, class: Class, keyword: &str) {
        let doubt = self.doubt(rule, class, keyword, "the effect of this keyword could not be decided here");
        facts.add_doubt(&doubt);
    }

    fn unsupported_message(&self, pattern: &str) -> String {
        match self.pair.pattern_error(pattern) {
            Some(
                super::super::pattern::PatternError::Invalid(why)
                | super::super::pattern::PatternError::Unsupported(why),
            ) => format!("the pattern {pattern:?} cannot be judged: {why}"),
            None => format!("the pattern {pattern:?} is too large to judge"),
        }
    }

    /// Checks the members that are demanded, before alternatives are followed.
    pub(super) fn check_members(&mut self, case: &mut Case) -> Option<Check> {
        if !case.facts.types.without(TypeSet::OBJECT).is_empty() {
            return None;
        }
        while let Some((name, demanded)) = case.facts.object.named.get(case.checked_members).cloned() {
            let Some(mut literals) = self.member_literals(&mut case.facts, &name) else {
                return Some(Check::Impossible);
            };
            literals.extend(demanded);
            if let Some(check) = self.need(&mut case.facts, literals) {
                return Some(check);
            }
            case.checked_members += 1;
        }
        None
    }

    /// Needs a value that meets these literals. Returns `None` if there is one.
    pub(super) fn need(&mut self, facts: &mut Facts, literals: Vec<Literal>) -> Option<Check> {
        let Some(id) = self.state(literals) else { return Some(Check::Impossible) };
        let state = self.states.get(id)?;
        if state.recipe.is_some() {
            return None;
        }
        if let Some(doubts) = state.possible.as_ref().filter(|_| self.accepts_doubts) {
            doubts.iter().for_each(|doubt| facts.add_doubt(doubt));
            return None;
        }
        Some(Check::Waits(id))
    }

    /// Settles an object without choices.
    pub(super) fn settle_object(&mut self, id: StateId, mut case: Case) -> Outcome {
        if let Some(cases) = self.divide_by_evaluation(&case) {
            return Outcome::Divided(cases);
        }
        let present = Rc::clone(&case.facts.object.present);
        for name in present.iter().skip(case.checked_parts) {
            if !self.pair.spend(usize::from(case.checked_parts.is_multiple_of(4))) {
                return Outcome::Impossible;
            }
            if !case.facts.object.named.iter().any(|(named, _)| **named == **name) {
                let Some(literals) = self.member_literals(&mut case.facts, name) else {
                    return Outcome::Impossible;
                };
                match self.need(&mut case.facts, literals) {
                    None => {}
                    Some(Check::Impossible) => return Outcome::Impossible,
                    Some(Check::Waits(on)) => return Outcome::Waits(on, Box::new(case)),
                }
            }
            case.checked_parts += 1;
        }
        if let Some(demand) = case.facts.object.demands.pop() {
            return self.divide_by_name(id, &case, &demand);
        }
        let named = case.facts.object.named.iter().filter(|(name, _)| !present.contains(&**name)).count();
        let count = u64::try_from(present.len() + named).unwrap_or(u64::MAX);
        if case.facts.object.max.is_some_and(|max| count > max) {
            return Outcome::Impossible;
        }
        let missing = case.facts.object.min.saturating_sub(count);
        if missing > MAX_ADDED {
            let doubt = self.doubt(
                Rule::MinPropertiesRaised,
                self.place_of(id),
                "",
                "objects of so many members are not built",
            );
            case.facts.add_doubt(&doubt);
            return Outcome::Doubtful(self.doubts_of(id, &case.facts));
        }
        if missing > 0 {
            let names = NameCondition { is_new: true, ..NameCondition::default() };
            return self.divide_by_name(id, &case, &MemberDemand { names, literals: Vec::new() });
        }
        let mut members = Vec::new();
        let mut all: Vec<(Rc<str>, Vec<Literal>)> = case.facts.object.named.clone();
        for name in present.iter() {
            if !all.iter().take(case.facts.object.named.len()).any(|(named, _)| **named == **name) {
                all.push((name.as_str().into(), Vec::new()));
            }
        }
        for (name, demanded) in all {
            let Some(mut literals) = self.member_literals(&mut case.facts, &name) else {
                return Outcome::Impossible;
            };
            literals.extend(demanded);
            let Some(member) = self.state(literals.clone()) else { return Outcome::Impossible };
            match self.need(&mut case.facts, literals) {
                None => {}
                Some(Check::Impossible) => return Outcome::Impossible,
                Some(Check::Waits(on)) => return Outcome::Waits(on, Box::new(case)),
            }
            members.push((name, member));
        }
        self.settle_built(id, &case, Recipe::Members(members))
    }

    /// Divides a case by the names that a demanded member may have.
    fn divide_by_name(&mut self, id: StateId, case: &Case, demand: &MemberDemand) -> Outcome {
        let mut condition = demand.names.clone();
        if let Some(class) = demand.names.unevaluated_by {
            let evaluated = match self.evaluation(&case.facts, class) {
                Evaluation::Known(evaluated) if evaluated.is_every_member => return Outcome::Impossible,
                Evaluation::Known(evaluated) => evaluated,
                // it was divided by what is open
                Evaluation::Open(_) => return Outcome::Impossible,
            };
            if !evaluated.is_certain {
                let message = "which members other keywords evaluate could not be decided";
                let path = "/unevaluatedProperties";
                self.set_aside(id, vec![self.doubt(Rule::UnevaluatedClosed, class, path, message)]);
            }
            condition.outside.extend(evaluated.classes);
        }
        let Some(names) = self.names(&case.facts, &condition) else {
            return Outcome::Impossible;
        };
        if let Some(doubt) = names.doubt {
            // other names may do, too
            self.set_aside(id, vec![doubt]);
        }
        let mut cases = Vec::new();
        for name in names.found {
            if !self.pair.spend(1) {
                return Outcome::Impossible;
            }
            let name: Rc<str> = name.into();
            let mut divided = case.clone();
            if divided.add(&[Change::Types(TypeSet::OBJECT)])
                && divided.facts.demand_member(&name, &demand.literals)
                && self.member_literals(&mut divided.facts, &name).is_some()
            {
                cases.push(divided);
            }
        }
        Outcome::Divided(cases)
    }
}
