//! Containment of arrays: items by index, item counts, uniqueness and `contains`.

use super::{ContainmentResult, EMPTY_DEPTH, Prover};
use crate::json_schema::node::{Keywords, TypeSet};
use crate::json_schema::reason::Rule;
use crate::json_schema::region::Region;
use crate::json_schema::schema_pair::SubschemaId;
use crate::json_schema::witness::{self, Hints};
use serde_json::Value;

/// The maximum number of items that are compared one by one.
const MAX_COMPARED_ITEMS: usize = 200;

impl Prover<'_, '_> {
    pub(super) fn array(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        if !region.possible_types(self.pair, EMPTY_DEPTH).intersects(TypeSet::ARRAY) {
            return;
        }
        let region = &region.with_types(self.pair, TypeSet::ARRAY);
        self.item_counts(out, region, reader, keywords);
        self.items(out, region, reader, keywords);
        self.contains(out, region, reader, keywords);
    }

    fn item_counts(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let assertions = &keywords.assertions;
        let min = region.lower_limit(self.pair, |keywords| keywords.assertions.min_items);
        let max = region.max_items(self.pair, EMPTY_DEPTH);
        if let Some(limit) = assertions.min_items
            && limit > min
        {
            let message = format!("arrays of fewer than {limit} items are not accepted");
            let finding = self.finding(Rule::MinItemsRaised, region, reader, "/minItems", message);
            self.record_near(out, region, reader, finding, &Hints::default());
        }
        if let Some(limit) = assertions.max_items
            && max.is_none_or(|max| max > limit)
        {
            let message = format!("arrays of more than {limit} items are not accepted");
            let finding = self.finding(Rule::MaxItemsLowered, region, reader, "/maxItems", message);
            let hints = Hints { counts: vec![limit.saturating_add(1)], ..Hints::default() };
            self.record_near(out, region, reader, finding, &hints);
        }
        let is_unique =
            region.positive_schemas(self.pair).any(|(_, keywords)| keywords.assertions.unique_items);
        if assertions.unique_items && !is_unique && max.is_none_or(|max| max > 1) {
            let message = "arrays with duplicate items are not accepted";
            let finding = self.finding(Rule::UniqueItemsAdded, region, reader, "/uniqueItems", message);
            let listed = u64::try_from(region.prefix_length(self.pair)).unwrap_or(u64::MAX);
            let hints = Hints { counts: vec![2, listed.saturating_add(2)], ..Hints::default() };
            self.record_near(out, region, reader, finding, &hints);
        }
    }

    fn items(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let prefix = keywords.prefix_items.len();
        let max = region.max_items(self.pair, EMPTY_DEPTH);
        let is_reachable =
            |index: usize| max.is_none_or(|max| u64::try_from(index).is_ok_and(|index| index < max));
        let evaluated = if keywords.unevaluated_items.is_some() { self.evaluated_prefix(reader) } else { 0 };
        let last = prefix.max(region.prefix_length(self.pair)).max(evaluated);
        if last > MAX_COMPARED_ITEMS {
            let message = "the list of items is too long to compare";
            out.undecided.push(self.finding(Rule::OverBudget, region, reader, "/items", message));
            return;
        }
        let unevaluated = keywords.unevaluated_items.filter(|_| keywords.additional_items.is_none());
        if prefix == 0 && keywords.additional_items.is_none() && unevaluated.is_none() {
            return;
        }
        for index in 0..=last {
            if !is_reachable(index) || self.is_complete(out) {
                break;
            }
            let item = region.item(self.pair, (index < last).then_some(index));
            let listed = keywords.prefix_items.get(index).copied();
            let rest = keywords.additional_items.map(|(rest, _)| rest);
            let Some(schema) =
                listed.or(rest).or(unevaluated.filter(|_| !self.evaluates_item(reader, index)))
            else {
                continue;
            };
            let mut inner = self.check_nested(&item, reader.sibling(schema));
            if listed.is_none()
                && self.pair.node(reader.sibling(schema)).and_then(|n| n.as_boolean()) == Some(false)
            {
                let rule = if rest.is_some() { Rule::ItemsClosed } else { Rule::UnevaluatedClosed };
                for finding in inner.refuted.iter_mut().chain(&mut inner.undecided) {
                    finding.rule = rule;
                    "items at this index are not accepted".clone_into(&mut finding.message);
                }
            }
            self.confirm_item(out, region, reader, index, inner);
        }
    }

    fn confirm_item(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        index: usize,
        inner: ContainmentResult,
    ) {
        out.merge(ContainmentResult { refuted: Vec::new(), ..inner.clone() });
        for finding in inner.refuted {
            let witness = finding.witness.as_ref();
            let arrays = witness.map(|value| witness::arrays(self.pair, region, index, value));
            let candidates = arrays.into_iter().flatten().chain(self.candidates(region)).collect();
            self.record(out, region, reader, finding.clone(), candidates);
        }
    }

    /// Returns whether the reader's in-place keywords certainly evaluate the item at this index.
    fn evaluates_item(&self, reader: SubschemaId, index: usize) -> bool {
        let mut pending = vec![reader];
        while let Some(id) = pending.pop() {
            let Some(keywords) = self.pair.keywords(id) else { continue };
            let evaluates_all =
                keywords.additional_items.is_some() || (id != reader && keywords.unevaluated_items.is_some());
            if evaluates_all || index < keywords.prefix_items.len() {
                return true;
            }
            if !self.pair.spend(1) {
                return false;
            }
            let inner = keywords.all_of.iter().copied().chain(keywords.reference_number());
            pending.extend(inner.map(|number| id.sibling(number)));
        }
        false
    }

    /// Returns the longest prefix of the reader's in-place keywords: after it, items are evaluated uniformly.
    fn evaluated_prefix(&self, reader: SubschemaId) -> usize {
        let mut longest = 0;
        let mut pending = vec![reader];
        while let Some(id) = pending.pop() {
            let Some(keywords) = self.pair.keywords(id) else { continue };
            longest = longest.max(keywords.prefix_items.len());
            if !self.pair.spend(1) {
                return longest;
            }
            let inner = keywords.all_of.iter().copied().chain(keywords.reference_number());
            pending.extend(inner.map(|number| id.sibling(number)));
        }
        longest
    }

    fn contains(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        let Some(contains) = keywords.contains else { return };
        let contains = reader.sibling(contains);
        let min = keywords.assertions.min_contains.unwrap_or(1);
        let written: Vec<(SubschemaId, u64, Option<u64>)> = region
            .positive_schemas(self.pair)
            .filter_map(|(id, keywords)| {
                let assertions = &keywords.assertions;
                Some((
                    id.sibling(keywords.contains?),
                    assertions.min_contains.unwrap_or(1),
                    assertions.max_contains,
                ))
            })
            .collect();
        let mut others = Vec::new();
        if min > 0 && !self.contains_enough(out, region, contains, min, &written, &mut others) {
            let message = "the writer need not write such an item";
            let finding = self.finding(Rule::ContainsNarrowed, region, reader, "/contains", message);
            let mut candidates = self.candidates(region);
            for other in &others {
                candidates.extend(witness::arrays(self.pair, region, 0, other));
            }
            self.record(out, region, reader, finding, candidates);
        }
        if let Some(max) = keywords.assertions.max_contains {
            let is_short = region.max_items(self.pair, EMPTY_DEPTH).is_some_and(|items| items <= max);
            let mut is_implied = is_short;
            for (id, _, written) in &written {
                if !is_implied && written.is_some_and(|written| written <= max) {
                    // every item that the reader counts, the writer has counted
                    let inner = self.check_nested(&Region::of(self.pair, contains), *id);
                    is_implied = inner.is_proven();
                    if is_implied {
                        out.merge(inner);
                    }
                }
            }
            if !is_implied {
                let message = format!("arrays with more than {max} such items are not accepted");
                let finding = self.finding(Rule::ContainsNarrowed, region, reader, "/maxContains", message);
                let hints = Hints { counts: vec![max.saturating_add(1)], ..Hints::default() };
                self.record_near(out, region, reader, finding, &hints);
            }
        }
    }

    /// Returns whether the writer certainly writes enough such items; adds items that it may write instead to
    /// `others`.
    fn contains_enough(
        &mut self,
        out: &mut ContainmentResult,
        region: &Region,
        contains: SubschemaId,
        min: u64,
        written: &[(SubschemaId, u64, Option<u64>)],
        others: &mut Vec<Value>,
    ) -> bool {
        for (id, count, _) in written {
            if *count >= min {
                let inner = self.check_nested(&Region::of(self.pair, *id), contains);
                if inner.is_proven() {
                    out.merge(inner);
                    return true;
                }
                others.extend(inner.witnesses());
            }
        }
        let last = region.prefix_length(self.pair);
        if region.lower_limit(self.pair, |keywords| keywords.assertions.min_items) < min
            || last > MAX_COMPARED_ITEMS
        {
            return false;
        }
        for index in 0..=last {
            let item = region.item(self.pair, (index < last).then_some(index));
            let inner = self.check_nested(&item, contains);
            if !inner.is_proven() {
                others.extend(inner.witnesses());
                return false;
            }
            out.merge(inner);
        }
        true
    }
}
