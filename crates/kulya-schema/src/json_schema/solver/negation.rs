//! The ways in which a value can fail a subschema: one alternative for each keyword and for each of its
//! parts.

use super::Solver;
use super::choices::Alternative;
use super::classes::Class;
use super::facts::{Change, Facts, ItemDemand, Literal, MemberDemand, NameCondition};
use crate::json_schema::node::{Bound, Keywords, TypeSet};
use std::rc::Rc;

/// A list of alternatives up to a limit.
struct Alternatives {
    found: Vec<Alternative>,
    limit: usize,
}

impl Alternatives {
    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    fn push(&mut self, facts: &Facts, types: TypeSet, mut changes: Alternative) {
        if !facts.types.intersects(types) || self.is_full() {
            return;
        }
        if types != TypeSet::ALL {
            changes.insert(0, Change::Types(types));
        }
        self.found.push(changes);
    }
}

impl Solver<'_, '_> {
    /// Returns the ways in which a value of these facts may fail the class.
    pub(super) fn failures(&mut self, facts: &Facts, class: Class, limit: usize) -> Vec<Alternative> {
        let Some(keywords) = self.keywords(class) else { return Vec::new() };
        let mut out = Alternatives { found: Vec::new(), limit };
        if self.is_disjoint_at_once(facts, class) {
            return vec![Vec::new()];
        }
        self.pair.spend(1);
        self.scalar_failures(&mut out, facts, class, keywords);
        self.array_failures(&mut out, facts, class, keywords);
        self.object_failures(&mut out, facts, class, keywords);
        self.in_place_failures(&mut out, facts, class, keywords);
        for atom in self.atoms_of(class, keywords) {
            if let Some(types) = self.atoms.get(atom).map(|atom| atom.types)
                && !facts.atoms.contains(&(atom, true))
            {
                out.push(facts, types, vec![Change::Atom(atom, false)]);
            }
        }
        out.found
    }

    fn scalar_failures(&mut self, out: &mut Alternatives, facts: &Facts, class: Class, keywords: &Keywords) {
        let assertions = &keywords.assertions;
        if let Some(types) = assertions.types {
            let others = facts.types.without(types);
            if !others.is_empty() {
                out.push(facts, others, Vec::new());
            }
        }
        if assertions.constant.is_some() || assertions.values.is_some() {
            out.push(facts, TypeSet::ALL, vec![Change::Exclude(class)]);
        }
        let opposite = |bound: Bound| Bound { is_exclusive: !bound.is_exclusive, ..bound };
        if let Some(bound) = assertions.minimum
            && !facts.lower.is_some_and(|lower| {
                lower.value > bound.value
                    || (lower.value == bound.value && (lower.is_exclusive || !bound.is_exclusive))
            })
        {
            out.push(facts, TypeSet::NUMBER, vec![Change::Upper(opposite(bound))]);
        }
        if let Some(bound) = assertions.maximum
            && !facts.upper.is_some_and(|upper| {
                upper.value < bound.value
                    || (upper.value == bound.value && (upper.is_exclusive || !bound.is_exclusive))
            })
        {
            out.push(facts, TypeSet::NUMBER, vec![Change::Lower(opposite(bound))]);
        }
        if let Some(unit) = assertions.multiple_of {
            let is_implied = facts.multiples.iter().any(|own| own.is_multiple_of(unit) == Some(true));
            if !is_implied {
                out.push(facts, TypeSet::NUMBER, vec![Change::Multiple(unit, false)]);
            }
        }
        if let Some(limit) = assertions.min_length.filter(|limit| *limit > facts.min_length) {
            out.push(facts, TypeSet::STRING, vec![Change::MaxLength(limit - 1)]);
        }
        if let Some(limit) = assertions.max_length
            && facts.max_length.is_none_or(|max| max > limit)
        {
            out.push(facts, TypeSet::STRING, vec![Change::MinLength(limit.saturating_add(1))]);
        }
        if let Some(pattern) = &assertions.pattern
            && !facts.patterns.iter().any(|(own, matches)| **own == **pattern && *matches)
        {
            let change = self.pattern_change(class, pattern, false);
            out.push(facts, TypeSet::STRING, vec![change]);
        }
    }

    fn array_failures(&mut self, out: &mut Alternatives, facts: &Facts, class: Class, keywords: &Keywords) {
        if !facts.types.intersects(TypeSet::ARRAY) || out.is_full() {
            return;
        }
        let assertions = &keywords.assertions;
        if let Some(limit) = assertions.min_items.filter(|limit| *limit > facts.array.min) {
            out.push(facts, TypeSet::ARRAY, vec![Change::MaxItems(limit - 1)]);
        }
        if let Some(limit) = assertions.max_items
            && facts.array.max.is_none_or(|max| max > limit)
        {
            out.push(facts, TypeSet::ARRAY, vec![Change::MinItems(limit.saturating_add(1))]);
        }
        if assertions.unique_items && !facts.array.is_unique {
            out.push(facts, TypeSet::ARRAY, vec![Change::Duplicates]);
        }
        let item = |from: usize, is_exact: bool, number: usize, solver: &Self| {
            let literals = vec![Literal::new(solver.inner(class, number), false)];
            Change::Item(ItemDemand { is_exact, literals, ..ItemDemand::from(from) })
        };
        for (index, number) in keywords.prefix_items.iter().enumerate() {
            if facts.array.max.is_none_or(|max| u64::try_from(index).is_ok_and(|index| index < max)) {
                let change = item(index, true, *number, self);
                out.push(facts, TypeSet::ARRAY, vec![change]);
            }
        }
        if let Some((number, _)) = keywords.additional_items {
            let own = facts.array.schemas.iter().any(|own| self.has_same_items(*own, class));
            if !own {
                let change = item(keywords.prefix_items.len(), false, number, self);
                out.push(facts, TypeSet::ARRAY, vec![change]);
            }
        } else if let Some(number) = keywords.unevaluated_items
            && self.boolean(self.inner(class, number)) != Some(true)
        {
            let literals = vec![Literal::new(self.inner(class, number), false)];
            let demand = ItemDemand { literals, unevaluated_by: Some(class), ..ItemDemand::from(0) };
            let mut changes = self.certain_parts(class, keywords);
            changes.push(Change::Item(demand));
            out.push(facts, TypeSet::ARRAY, changes);
        }
        for changes in self.contains_failures(facts, class, keywords) {
            out.push(facts, TypeSet::ARRAY, changes);
        }
    }

    /// Returns that the value is valid under the parts of a subschema that must be, and that it matters what
    /// all parts evaluate: of a value that fails otherwise an unevaluated keyword is no further way to fail.
    fn certain_parts(&self, class: Class, keywords: &Keywords) -> Alternative {
        let certain = keywords.all_of.iter().copied().chain(keywords.reference_number());
        let holds = |number| Change::Literal(Literal::new(self.inner(class, number), true));
        std::iter::once(Change::Evaluated(class)).chain(certain.map(holds)).collect()
    }

    /// Returns whether two classes say the same of all items.
    fn has_same_items(&self, one: Class, other: Class) -> bool {
        let (Some(first), Some(second)) = (self.keywords(one), self.keywords(other)) else { return false };
        let rest = |class: Class, keywords: &Keywords| {
            keywords
                .additional_items
                .filter(|_| keywords.prefix_items.is_empty())
                .map(|(n, _)| self.inner(class, n))
        };
        rest(one, first).is_some() && rest(one, first) == rest(other, second)
    }

    fn object_failures(&mut self, out: &mut Alternatives, facts: &Facts, class: Class, keywords: &Keywords) {
        if !facts.types.intersects(TypeSet::OBJECT) || out.is_full() {
            return;
        }
        let assertions = &keywords.assertions;
        self.pair.spend(assertions.required.len() / 16);
        for name in &assertions.required {
            if !facts.is_present(name) {
                out.push(facts, TypeSet::OBJECT, vec![Change::Absent(name.as_str().into())]);
            }
            if out.is_full() {
                return;
            }
        }
        if let Some(limit) = assertions.min_properties.filter(|limit| *limit > facts.object.min) {
            out.push(facts, TypeSet::OBJECT, vec![Change::MaxProperties(limit - 1)]);
        }
        if let Some(limit) = assertions.max_properties
            && facts.object.max.is_none_or(|max| max > limit)
        {
            out.push(facts, TypeSet::OBJECT, vec![Change::MinProperties(limit.saturating_add(1))]);
        }
        for (name, number) in &keywords.properties {
            let inner = self.inner(class, *number);
            if out.is_full() || !self.pair.spend(usize::from(out.found.len() % 8 == 7)) {
                return;
            }
            if self.boolean(inner) == Some(true) || facts.is_absent(name) {
                continue;
            }
            // the same subschema at the same name, on both sides
            let is_implied = facts.object.schemas.iter().any(|own| {
                let own_number = self.keywords(*own).and_then(|own| own.properties.get(name));
                own_number.is_some_and(|number| self.inner(*own, *number) == inner)
            });
            if !is_implied {
                let change = Change::Named(name.as_str().into(), Literal::new(inner, false));
                out.push(facts, TypeSet::OBJECT, vec![change]);
            }
        }
        let demand = |names: NameCondition, number: Option<usize>, solver: &Self| {
            let literals = number.map(|number| Literal::new(solver.inner(class, number), false));
            Change::Member(MemberDemand { names, literals: literals.into_iter().collect() })
        };
        for entry in &keywords.pattern_properties {
            let inner = self.inner(class, entry.schema);
            let is_implied = facts.object.schemas.iter().any(|own| {
                let same = |other: &&crate::json_schema::node::NamePattern| other.text == entry.text;
                let own_entry = self.keywords(*own).and_then(|own| own.pattern_properties.iter().find(same));
                own_entry.is_some_and(|own_entry| self.inner(*own, own_entry.schema) == inner)
            });
            if self.boolean(inner) == Some(true) || is_implied {
                continue;
            }
            let names =
                NameCondition { matching: Some(entry.text.as_str().into()), ..NameCondition::default() };
            let change = demand(names, Some(entry.schema), self);
            out.push(facts, TypeSet::OBJECT, vec![change]);
        }
        let outside = NameCondition { outside: vec![class], ..NameCondition::default() };
        if let Some(number) = keywords.additional_properties {
            if self.boolean(self.inner(class, number)) != Some(true) {
                let change = demand(outside, Some(number), self);
                out.push(facts, TypeSet::OBJECT, vec![change]);
            }
        } else if let Some(number) = keywords.unevaluated_properties
            && self.boolean(self.inner(class, number)) != Some(true)
        {
            let names = NameCondition { unevaluated_by: Some(class), ..NameCondition::default() };
            let mut changes = self.certain_parts(class, keywords);
            changes.push(demand(names, Some(number), self));
            out.push(facts, TypeSet::OBJECT, changes);
        }
        if let Some(number) = keywords.property_names {
            let literals = vec![Literal::new(self.inner(class, number), false)];
            let change = demand(NameCondition { literals, ..NameCondition::default() }, None, self);
            out.push(facts, TypeSet::OBJECT, vec![change]);
        }
        for (name, required) in &assertions.dependent_required {
            for other in required.iter().filter(|other| !facts.is_present(other)) {
                let changes =
                    vec![Change::Present(name.as_str().into()), Change::Absent(other.as_str().into())];
                out.push(facts, TypeSet::OBJECT, changes);
            }
        }
        for (name, number) in &keywords.dependent_schemas {
            let inner = Literal::new(self.inner(class, *number), false);
            if !facts.is_absent(name) {
                let changes = vec![Change::Present(name.as_str().into()), Change::Literal(inner)];
                out.push(facts, TypeSet::OBJECT, changes);
            }
        }
    }

    fn in_place_failures(
        &mut self,
        out: &mut Alternatives,
        facts: &Facts,
        class: Class,
        keywords: &Keywords,
    ) {
        let holds = |class| Change::Literal(Literal::new(class, true));
        let fails = |class| Change::Literal(Literal::new(class, false));
        for number in keywords.all_of.iter().copied().chain(keywords.reference_number()) {
            let inner = self.inner(class, number);
            if out.is_full() {
                return;
            }
            if !facts.contains(Literal::new(inner, true)) && self.boolean(inner) != Some(true) {
                out.push(facts, TypeSet::ALL, vec![fails(inner)]);
            }
        }
        if let Some(list) = &keywords.any_of
            && !out.is_full()
        {
            let possible = self.possible_alternatives(facts, class, list, false);
            let is_implied = possible.iter().any(|inner| {
                facts.contains(Literal::new(*inner, true)) || self.boolean(*inner) == Some(true)
            });
            if !is_implied {
                out.push(facts, TypeSet::ALL, possible.into_iter().map(fails).collect());
            }
        }
        if let Some(list) = &keywords.one_of
            && !out.is_full()
        {
            let possible = self.possible_alternatives(facts, class, list, true);
            if !possible.iter().any(|inner| facts.contains(Literal::new(*inner, true))) {
                out.push(facts, TypeSet::ALL, possible.iter().copied().map(fails).collect());
            }
            for (place, inner) in possible.iter().enumerate() {
                let others: Rc<[Class]> = possible.iter().skip(place + 1).copied().collect();
                if out.is_full() || others.is_empty() || !self.pair.spend(others.len() / 32) {
                    break;
                }
                out.push(facts, TypeSet::ALL, vec![holds(*inner), Change::AnyOf(others)]);
            }
        }
        if let Some(number) = keywords.not {
            let inner = self.inner(class, number);
            if !self.is_disjoint(facts, inner) {
                out.push(facts, TypeSet::ALL, vec![holds(inner)]);
            }
        }
        if let Some(condition) = keywords.condition {
            let when = self.inner(class, condition.when);
            if let Some(then) = condition.then
                && !self.is_disjoint(facts, when)
            {
                out.push(facts, TypeSet::ALL, vec![holds(when), fails(self.inner(class, then))]);
            }
            if let Some(otherwise) = condition.otherwise
                && !facts.contains(Literal::new(when, true))
            {
                out.push(facts, TypeSet::ALL, vec![fails(when), fails(self.inner(class, otherwise))]);
            }
        }
    }
}
