//! What a subschema says at once about its values: their types, and the values of members that tell
//! alternatives apart (tags). It serves to leave out alternatives without looking into them.

use super::Solver;
use super::classes::Class;
use super::facts::{Facts, Literal, Tag};
use crate::json_schema::decimal::Decimal;
use crate::json_schema::node::{Keywords, TypeSet};
use crate::json_schema::value_set::ValueSet;
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// The depth of in-place subschemas that a summary takes in.
const MAX_DEPTH: usize = 24;
/// The maximum number of tags of a subschema, and of values of a tag.
const MAX_TAGS: usize = 16;
const MAX_TAG_VALUES: usize = 1_000;
/// The number of alternatives from which on they are looked up by tag.
const MIN_INDEXED: usize = 8;

/// An over-approximation of the values of a class.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) types: TypeSet,
    /// Tags, each with whether an object must have the member.
    pub(super) tags: Vec<(Tag, bool)>,
}

/// Alternatives by the values of a tag.
#[derive(Debug)]
pub(super) struct TagIndex {
    name: Rc<str>,
    by_value: FxHashMap<u128, Vec<usize>>,
    /// Alternatives that any value of the tag may belong to.
    others: Vec<usize>,
}

impl Solver<'_, '_> {
    pub(super) fn summary(&mut self, class: Class) -> Rc<Summary> {
        self.summary_within(class, 0)
    }

    fn summary_within(&mut self, class: Class, depth: usize) -> Rc<Summary> {
        let index = usize::try_from(class).unwrap_or(usize::MAX);
        if let Some(Some(summary)) = self.summaries.get(index) {
            return Rc::clone(summary);
        }
        self.pair.spend(1);
        let mut summary = Summary { types: TypeSet::ALL, tags: Vec::new() };
        match (self.boolean(class), self.keywords(class)) {
            (Some(false), _) => summary.types = TypeSet::NONE,
            (None, Some(keywords)) if depth < MAX_DEPTH => {
                self.summarize(class, keywords, depth, &mut summary);
            }
            _ => {}
        }
        let summary = Rc::new(summary);
        // one at the maximum depth says less than it could
        if depth < MAX_DEPTH
            && let Some(slot) = self.summaries.get_mut(index)
        {
            *slot = Some(Rc::clone(&summary));
        }
        summary
    }

    fn summarize(&mut self, class: Class, keywords: &Keywords, depth: usize, summary: &mut Summary) {
        summary.types = own_types(keywords);
        self.own_tags(class, keywords, summary);
        for number in keywords.all_of.iter().copied().chain(keywords.reference_number()) {
            let inner = self.summary_within(self.inner(class, number), depth + 1);
            summary.types = summary.types.and(inner.types);
            summary.tags.extend(inner.tags.iter().take(MAX_TAGS.saturating_sub(summary.tags.len())).cloned());
        }
        for list in [&keywords.any_of, &keywords.one_of].into_iter().flatten() {
            let mut types = TypeSet::NONE;
            for number in list {
                types = types.or(self.summary_within(self.inner(class, *number), depth + 1).types);
            }
            summary.types = summary.types.and(types);
        }
    }

    fn own_tags(&self, class: Class, keywords: &Keywords, summary: &mut Summary) {
        for (name, number) in &keywords.properties {
            if summary.tags.len() >= MAX_TAGS {
                return;
            }
            let Some(inner) = self.keywords(self.inner(class, *number)) else { continue };
            let Some(values) = listed_values(inner).filter(|set| set.values().len() <= MAX_TAG_VALUES) else {
                continue;
            };
            let tag = Tag { name: name.as_str().into(), values: values.sorted_hashes().into() };
            summary.tags.push((tag, keywords.assertions.required.contains(name)));
        }
    }

    /// Returns whether a value of these facts is certainly not valid under the class.
    pub(super) fn is_disjoint(&mut self, facts: &Facts, class: Class) -> bool {
        facts.contains(Literal::new(class, false)) || self.is_disjoint_at_once(facts, class)
    }

    /// Returns whether types or tags show it, whatever literals are known.
    pub(super) fn is_disjoint_at_once(&mut self, facts: &Facts, class: Class) -> bool {
        let summary = self.summary(class);
        let types = facts.types.and(summary.types);
        if types.is_empty() {
            return true;
        }
        types.without(TypeSet::OBJECT).is_empty()
            && summary.tags.iter().any(|(tag, is_required)| facts.excludes_tag(tag, *is_required))
    }

    /// Returns the alternatives that a value of these facts may belong to, without those that certainly do
    /// not apply.
    pub(super) fn possible_alternatives(
        &mut self,
        facts: &Facts,
        class: Class,
        list: &[usize],
        is_one_of: bool,
    ) -> Vec<Class> {
        let mut chosen: Vec<usize> = Vec::new();
        let index = if list.len() < MIN_INDEXED { None } else { self.tag_index(class, list, is_one_of) };
        let own = index.as_ref().and_then(|index| {
            let is_object = facts.types.without(TypeSet::OBJECT).is_empty();
            facts.tags.iter().find(|tag| is_object && tag.name == index.name && facts.is_present(&tag.name))
        });
        match (&index, own) {
            (Some(index), Some(own)) => {
                chosen.extend(&index.others);
                let of_value = |value: &u128| index.by_value.get(value);
                chosen.extend(own.values.iter().filter_map(of_value).flatten());
                chosen.sort_unstable();
                chosen.dedup();
            }
            _ => chosen.extend(0..list.len()),
        }
        self.pair.spend(chosen.len() / 16);
        let mut possible = Vec::with_capacity(chosen.len());
        for place in chosen {
            let Some(number) = list.get(place) else { continue };
            let inner = self.inner(class, *number);
            if !self.is_disjoint(facts, inner) {
                possible.push(inner);
            }
        }
        possible
    }

    fn tag_index(&mut self, class: Class, list: &[usize], is_one_of: bool) -> Option<Rc<TagIndex>> {
        if let Some(index) = self.tag_indexes.get(&(class, is_one_of)) {
            return index.clone();
        }
        let summaries: Vec<Rc<Summary>> =
            list.iter().map(|number| self.summary(self.inner(class, *number))).collect();
        let mut counts: FxHashMap<&str, usize> = FxHashMap::default();
        for (tag, _) in summaries.iter().flat_map(|summary| &summary.tags) {
            *counts.entry(&tag.name).or_default() += 1;
        }
        let best = counts.into_iter().max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)));
        let index = best.filter(|(_, count)| *count > 1).map(|(name, _)| {
            let mut index =
                TagIndex { name: name.into(), by_value: FxHashMap::default(), others: Vec::new() };
            for (place, summary) in summaries.iter().enumerate() {
                let is_object = summary.types.without(TypeSet::OBJECT).is_empty();
                match summary.tags.iter().find(|(tag, _)| *tag.name == *name) {
                    Some((tag, _)) if is_object => {
                        for value in tag.values.iter() {
                            index.by_value.entry(*value).or_default().push(place);
                        }
                    }
                    _ => index.others.push(place),
                }
            }
            Rc::new(index)
        });
        self.pair.spend(list.len() / 8);
        self.tag_indexes.insert((class, is_one_of), index.clone());
        index
    }
}

/// Returns the values that `enum` or `const` lists: the fewest, if there are both.
pub(super) fn listed_values(keywords: &Keywords) -> Option<&ValueSet> {
    keywords.assertions.constant.as_ref().or(keywords.assertions.values.as_ref())
}

fn own_types(keywords: &Keywords) -> TypeSet {
    let mut types = keywords.assertions.types.unwrap_or(TypeSet::ALL);
    if keywords.assertions.multiple_of.is_some_and(Decimal::is_integer) {
        types = types.without(TypeSet::FRACTION);
    }
    if let Some(values) = listed_values(keywords) {
        let listed = values.values().iter().fold(TypeSet::NONE, |types, value| types.or(TypeSet::of(value)));
        types = types.and(listed);
    }
    types
}
