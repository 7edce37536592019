//! Arrays: each item that an array must have needs a value, of the state that the keywords for its index make
//! up. After every prefix all items are alike.

use super::cases::{Case, Check};
use super::choices::Alternative;
use super::classes::Class;
use super::evaluation::Evaluation;
use super::facts::{Change, ChosenItem, Facts, ItemDemand, Literal};
use super::recipes::Recipe;
use super::{Outcome, Solver, StateId};
use crate::json_schema::node::{Keywords, TypeSet};
use crate::json_schema::reason::Rule;

/// The maximum number of items in a built array.
const MAX_ITEMS: u64 = 2_000;
/// The maximum number of counted items that are demanded one by one.
const MAX_COUNTED: u64 = 16;
/// The maximum length of an array of which it is decided for each item whether it is valid under a subschema.
const MAX_DECIDED: usize = 24;
/// The maximum length of a prefix in which each pair of items is tried as the equal ones.
const MAX_PAIRED: usize = 12;

impl Solver<'_, '_> {
    /// Takes in `contains`. Returns whether the subschema counts items.
    pub(super) fn take_in_contains(&mut self, case: &mut Case, class: Class, keywords: &Keywords) -> bool {
        let Some(number) = keywords.contains else { return false };
        let inner = self.inner(class, number);
        let min = keywords.assertions.min_contains.unwrap_or(1);
        let changes = self.at_least(class, inner, min, false);
        if min > 0 {
            case.facts.array.min = case.facts.array.min.max(min);
        }
        for change in changes {
            // only an array must have such items
            if let Change::Item(demand) = change {
                case.facts.array.demands.push(demand);
            } else if let Change::Doubt(doubt) = change {
                case.facts.add_doubt(&doubt);
            }
        }
        match keywords.assertions.max_contains {
            Some(0) => case.facts.array.every.push(Literal::new(inner, false)),
            Some(max) => case.facts.array.at_most.push((inner, max)),
            None => {}
        }
        true
    }

    fn at_least(&self, class: Class, inner: Class, count: u64, is_against: bool) -> Vec<Change> {
        let demand = || ItemDemand {
            literals: vec![Literal::new(inner, true)],
            counted: Some((class, is_against)),
            ..ItemDemand::from(0)
        };
        let mut changes: Vec<Change> = (0..count.min(MAX_COUNTED)).map(|_| Change::Item(demand())).collect();
        if count > MAX_COUNTED {
            let keyword = if is_against { "/maxContains" } else { "/minContains" };
            let message = "so many items are not counted";
            changes.push(Change::Doubt(self.doubt(Rule::ContainsNarrowed, class, keyword, message)));
        }
        changes
    }

    /// Returns the ways in which an array can have too few or too many items that count.
    pub(super) fn contains_failures(
        &self,
        facts: &Facts,
        class: Class,
        keywords: &Keywords,
    ) -> Vec<Alternative> {
        let Some(number) = keywords.contains else { return Vec::new() };
        let inner = self.inner(class, number);
        let mut alternatives = Vec::new();
        let min = keywords.assertions.min_contains.unwrap_or(1);
        if min == 1 {
            alternatives.push(vec![Change::EveryItem(Literal::new(inner, false))]);
        } else if min > 1 {
            alternatives.push(vec![Change::AtMost(inner, min - 1)]);
        }
        if let Some(max) = keywords.assertions.max_contains
            && facts.array.max.is_none_or(|items| items > max)
        {
            let mut changes = self.at_least(class, inner, max.saturating_add(1), true);
            changes.push(Change::MinItems(max.saturating_add(1)));
            alternatives.push(changes);
        }
        alternatives
    }

    /// Returns the conditions on the item at an index. Doubts are added to the facts.
    fn item_literals(&mut self, facts: &mut Facts, index: usize) -> Vec<Literal> {
        let mut literals = facts.array.every.clone();
        let mut unevaluated = Vec::new();
        for class in facts.array.schemas.clone() {
            let Some(keywords) = self.keywords(class) else { continue };
            let rest = keywords.additional_items.map(|(rest, _)| rest);
            if let Some(number) = keywords.prefix_items.get(index).copied().or(rest) {
                literals.push(Literal::new(self.inner(class, number), true));
            } else if let Some(number) = keywords.unevaluated_items {
                unevaluated.push((class, Literal::new(self.inner(class, number), true)));
            }
        }
        for (_, chosen, _) in facts.array.chosen.iter().filter(|(chosen, ..)| *chosen == index) {
            literals.extend(chosen);
        }
        for (class, literal) in unevaluated {
            // what is open now is known before the array is settled
            let Evaluation::Known(evaluated) = self.evaluation(facts, class) else { continue };
            if evaluated.is_every_item || index < self.evaluated_prefix(&evaluated) {
                continue;
            }
            let counted = self.evaluating_contains(&evaluated);
            let validity: Vec<_> =
                counted.iter().map(|inner| self.item_validity(&literals, *inner)).collect();
            if validity.contains(&Some(true)) || validity.contains(&None) {
                continue;
            }
            if evaluated.is_certain {
                literals.push(literal);
            } else {
                let message = "which items other keywords evaluate could not be decided";
                facts.add_doubt(&self.doubt(Rule::UnevaluatedClosed, class, "/unevaluatedItems", message));
            }
        }
        literals
    }

    /// Returns whether an item with these conditions is valid under a class, where that is known.
    fn item_validity(&self, literals: &[Literal], class: Class) -> Option<bool> {
        self.boolean(class).or_else(|| {
            let is_known = |holds: &bool| literals.contains(&Literal::new(class, *holds));
            [true, false].into_iter().find(is_known)
        })
    }

    /// Divides a case by whether an item is valid under a subschema whose items are counted, or which
    /// evaluates items. Returns `None` if that is known of all items.
    fn divide_by_validity(&mut self, case: &mut Case, length: usize) -> Option<Outcome> {
        let mut counted: Vec<Class> = case.facts.array.at_most.iter().map(|(class, _)| *class).collect();
        for class in case.facts.array.schemas.clone() {
            if self.keywords(class).is_some_and(|keywords| keywords.unevaluated_items.is_some())
                && let Evaluation::Known(evaluated) = self.evaluation(&case.facts, class)
            {
                counted.extend(self.evaluating_contains(&evaluated));
            }
        }
        counted.sort_unstable();
        counted.dedup();
        if counted.is_empty() {
            return None;
        }
        if length > MAX_DECIDED || !self.pair.spend(length * counted.len() / 4) {
            let class = counted.first().copied().unwrap_or_default();
            let message = "so many items are not counted";
            case.facts.add_doubt(&self.doubt(Rule::ContainsNarrowed, class, "", message));
            return None;
        }
        for class in counted {
            let at_most = case.facts.array.at_most.iter().filter(|(of, _)| *of == class);
            let most = at_most.map(|(_, most)| *most).min();
            let mut valid_count = 0;
            let mut open = None;
            for index in 0..length {
                let literals = self.item_literals(&mut case.facts, index);
                match self.item_validity(&literals, class) {
                    Some(is_valid) => valid_count += u64::from(is_valid),
                    None => open = open.or(Some(index)),
                }
            }
            if most.is_some_and(|most| valid_count > most) {
                return Some(Outcome::Impossible);
            }
            let Some(index) = open else { continue };
            let mut cases = Vec::new();
            for is_valid in [false, true] {
                if is_valid && most.is_some_and(|most| valid_count >= most) {
                    continue;
                }
                let mut divided = case.clone();
                if divided.add(&[Change::Types(TypeSet::ARRAY)]) {
                    let literals = vec![Literal::new(class, is_valid)];
                    let equal =
                        case.facts.array.equal.filter(|(one, other)| *one == index || *other == index);
                    for index in equal.map_or(vec![index], |(one, other)| vec![one, other]) {
                        divided.facts.array.chosen.push((index, literals.clone(), None));
                    }
                    cases.push(divided);
                }
            }
            return Some(Outcome::Divided(cases));
        }
        None
    }

    /// Returns the index from which on all items are alike.
    fn prefix_length(&mut self, facts: &Facts) -> usize {
        let mut longest = 0;
        for class in &facts.array.schemas {
            let Some(keywords) = self.keywords(*class) else { continue };
            longest = longest.max(keywords.prefix_items.len());
            if keywords.unevaluated_items.is_some()
                && let Evaluation::Known(evaluated) = self.evaluation(facts, *class)
            {
                longest = longest.max(self.evaluated_prefix(&evaluated));
            }
        }
        longest
    }

    /// Settles an array without choices.
    pub(super) fn settle_array(&mut self, id: StateId, mut case: Case) -> Outcome {
        if let Some(cases) = self.divide_by_evaluation(&case) {
            return Outcome::Divided(cases);
        }
        let prefix = self.prefix_length(&case.facts);
        if !self.pair.spend(1 + prefix / 16) {
            return Outcome::Impossible;
        }
        if let Some(demand) = case.facts.array.demands.pop() {
            return self.divide_by_index(&mut case, &demand, prefix);
        }
        if case.facts.array.has_duplicates && case.facts.array.equal.is_none() {
            return self.divide_by_pair(id, &case, prefix);
        }
        let chosen = case.facts.array.chosen.iter().map(|(index, ..)| index + 1).max().unwrap_or(0);
        let length = case.facts.array.min.max(u64::try_from(chosen).unwrap_or(u64::MAX));
        if case.facts.array.max.is_some_and(|max| length > max) {
            return Outcome::Impossible;
        }
        let different = usize::try_from(length).unwrap_or(usize::MAX).min(prefix.max(chosen) + 1);
        for index in case.checked_parts..different {
            let literals = self.item_literals(&mut case.facts, index);
            match self.need(&mut case.facts, literals) {
                None => {}
                Some(Check::Impossible) => return Outcome::Impossible,
                Some(Check::Waits(on)) => return Outcome::Waits(on, Box::new(case)),
            }
            case.checked_parts = index + 1;
        }
        if let Some(outcome) =
            self.divide_by_validity(&mut case, usize::try_from(length).unwrap_or(usize::MAX))
        {
            return outcome;
        }
        let class = self.place_of(id);
        if length > MAX_ITEMS || !self.pair.spend(usize::try_from(length).unwrap_or(0) / 4) {
            let message = "arrays of so many items are not built";
            case.facts.add_doubt(&self.doubt(Rule::MinItemsRaised, class, "", message));
            return Outcome::Doubtful(self.doubts_of(id, &case.facts));
        }
        let mut items: Vec<StateId> = Vec::new();
        for index in 0..usize::try_from(length).unwrap_or(0) {
            let last = items.last().copied().filter(|_| index >= different);
            let item = match last {
                Some(last) => Some(last),
                None => {
                    let literals = self.item_literals(&mut case.facts, index);
                    self.state(literals)
                }
            };
            let Some(item) = item else { return Outcome::Impossible };
            items.push(item);
        }
        if case.facts.array.is_unique && items.len() > 1 {
            return self.settle_different(id, case, &items);
        }
        let equal = case.facts.array.equal;
        self.settle_built(id, &case, Recipe::Items(items, equal))
    }

    /// Divides a case by the indexes of a demanded item.
    fn divide_by_index(&mut self, case: &mut Case, demand: &ItemDemand, prefix: usize) -> Outcome {
        let mut demand = demand.clone();
        if let Some(class) = demand.unevaluated_by {
            let evaluated = match self.evaluation(&case.facts, class) {
                Evaluation::Known(evaluated) if !evaluated.is_every_item => evaluated,
                // it was divided by what is open
                _ => return Outcome::Impossible,
            };
            if !evaluated.is_certain {
                let message = "which items other keywords evaluate could not be decided";
                let doubt = self.doubt(Rule::UnevaluatedClosed, class, "/unevaluatedItems", message);
                case.facts.add_doubt(&doubt);
            }
            demand.from = demand.from.max(self.evaluated_prefix(&evaluated));
            let counted = self.evaluating_contains(&evaluated);
            demand.literals.extend(counted.into_iter().map(|inner| Literal::new(inner, false)));
        }
        let last = if demand.is_exact {
            demand.from
        } else {
            prefix.max(demand.from) + case.facts.array.chosen.len()
        };
        let mut cases = Vec::new();
        for index in demand.from..=last {
            if !self.pair.spend(1) {
                return Outcome::Impossible;
            }
            let is_counted = |(chosen, _, counted): &ChosenItem| {
                *chosen == index && counted.is_some() && *counted == demand.counted
            };
            if case.facts.array.chosen.iter().any(is_counted) {
                continue;
            }
            let needed = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            let mut divided = case.clone();
            if divided.add(&[Change::Types(TypeSet::ARRAY), Change::MinItems(needed)]) {
                divided.facts.array.chosen.push((index, demand.literals.clone(), demand.counted));
                cases.push(divided);
            }
        }
        Outcome::Divided(cases)
    }

    /// Divides a case by the indexes of two equal items.
    fn divide_by_pair(&mut self, id: StateId, case: &Case, prefix: usize) -> Outcome {
        let end = prefix.max(case.facts.array.chosen.iter().map(|(index, ..)| index + 1).max().unwrap_or(0));
        let start = end.saturating_sub(MAX_PAIRED);
        if start > 0 {
            let class = self.place_of(id);
            let message = "not every pair of items was looked at";
            let doubt = self.doubt(Rule::UniqueItemsAdded, class, "", message);
            self.set_aside(id, vec![doubt]);
        }
        let mut cases = Vec::new();
        for one in start..=end {
            for other in one + 1..=end + 1 {
                let needed = u64::try_from(other).unwrap_or(u64::MAX).saturating_add(1);
                let mut divided = case.clone();
                if !divided.add(&[Change::Types(TypeSet::ARRAY), Change::MinItems(needed)]) {
                    continue;
                }
                let mut literals = self.item_literals(&mut divided.facts, one);
                literals.extend(self.item_literals(&mut divided.facts, other));
                divided.facts.array.chosen.push((one, literals.clone(), None));
                divided.facts.array.chosen.push((other, literals, None));
                divided.facts.array.equal = Some((one, other));
                cases.push(divided);
            }
        }
        Outcome::Divided(cases)
    }
}
