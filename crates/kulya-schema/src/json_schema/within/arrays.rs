//! Arrays: their items by place, how many there are, and what one of them must be.

use super::super::node::{Keywords, Types};
use super::super::reason::Rule;
use super::super::region::Region;
use super::super::sample::{self, Hints};
use super::super::world::Id;
use super::{EMPTY_DEPTH, Judgement, Prover};
use serde_json::Value;

/// How many places of an array are looked at one by one.
const MAX_PLACES: usize = 200;

impl Prover<'_, '_> {
    pub(super) fn array(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        if !region.possible_types(self.world, EMPTY_DEPTH).meets(Types::ARRAY) {
            return;
        }
        let region = &region.with_kinds(self.world, Types::ARRAY);
        self.item_counts(out, region, reader, keywords);
        self.items(out, region, reader, keywords);
        self.contains(out, region, reader, keywords);
    }

    fn item_counts(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let scalars = &keywords.scalars;
        let least = region.least(self.world, |keywords| keywords.scalars.min_items);
        let most = region.most_items(self.world, EMPTY_DEPTH);
        if let Some(own) = scalars.min_items
            && own > least
        {
            let message = format!("arrays of fewer than {own} items are not taken");
            let finding = self.finding(Rule::MinItemsRaised, region, reader, "/minItems", message);
            self.claim_near(out, region, reader, finding, &Hints::default());
        }
        if let Some(own) = scalars.max_items
            && most.is_none_or(|most| most > own)
        {
            let message = format!("arrays of more than {own} items are not taken");
            let finding = self.finding(Rule::MaxItemsLowered, region, reader, "/maxItems", message);
            let hints = Hints { counts: vec![own.saturating_add(1)], ..Hints::default() };
            self.claim_near(out, region, reader, finding, &hints);
        }
        let unique = region.positives(self.world).any(|(_, keywords)| keywords.scalars.unique_items);
        if scalars.unique_items && !unique && most.is_none_or(|most| most > 1) {
            let message = "arrays that repeat an item are not taken";
            let finding = self.finding(Rule::UniqueItemsAdded, region, reader, "/uniqueItems", message);
            let places = u64::try_from(region.listed_items(self.world)).unwrap_or(u64::MAX);
            let hints = Hints { counts: vec![2, places.saturating_add(2)], ..Hints::default() };
            self.claim_near(out, region, reader, finding, &hints);
        }
    }

    fn items(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let listed = keywords.prefix.len();
        let most = region.most_items(self.world, EMPTY_DEPTH);
        let reachable =
            |place: usize| most.is_none_or(|most| u64::try_from(place).is_ok_and(|place| place < most));
        let judged = if keywords.unevaluated_items.is_some() { self.judged_items(reader) } else { 0 };
        let last = listed.max(region.listed_items(self.world)).max(judged);
        if last > MAX_PLACES {
            let message = "the list of items is too long to compare";
            out.open.push(self.finding(Rule::OverBudget, region, reader, "/items", message));
            return;
        }
        let unevaluated = keywords.unevaluated_items.filter(|_| keywords.rest.is_none());
        if listed == 0 && keywords.rest.is_none() && unevaluated.is_none() {
            return;
        }
        for place in 0..=last {
            if !reachable(place) || self.is_enough(out) {
                break;
            }
            let item = region.item(self.world, (place < last).then_some(place));
            let own = keywords.prefix.get(place).copied();
            let rest = keywords.rest.map(|(rest, _)| rest);
            let Some(schema) = own.or(rest).or(unevaluated.filter(|_| !self.item_judged(reader, place)))
            else {
                continue;
            };
            let mut inner = self.within_inner(&item, reader.beside(schema));
            if own.is_none() && self.world.node(reader.beside(schema)).and_then(|n| n.always()) == Some(false)
            {
                let rule = if rest.is_some() { Rule::ItemsClosed } else { Rule::UnevaluatedClosed };
                for finding in inner.certain.iter_mut().chain(&mut inner.open) {
                    finding.rule = rule;
                    "items at this place are not taken".clone_into(&mut finding.message);
                }
            }
            self.lift_item(out, region, reader, place, inner);
        }
    }

    fn lift_item(
        &mut self,
        out: &mut Judgement,
        region: &Region,
        reader: Id,
        place: usize,
        inner: Judgement,
    ) {
        out.add(Judgement { certain: Vec::new(), ..inner.clone() });
        for finding in inner.certain {
            let witness = finding.witness.as_ref();
            let arrays = witness.map(|value| sample::arrays(self.world, region, place, value));
            let candidates = arrays.into_iter().flatten().chain(self.samples(region)).collect();
            self.claim(out, region, reader, finding.clone(), candidates);
        }
    }

    /// Whether the reader's keywords for the same value surely judge the item at this place.
    fn item_judged(&self, reader: Id, place: usize) -> bool {
        let mut ahead = vec![reader];
        while let Some(id) = ahead.pop() {
            let Some(keywords) = self.world.keywords(id) else { continue };
            let every = keywords.rest.is_some() || (id != reader && keywords.unevaluated_items.is_some());
            if every || place < keywords.prefix.len() {
                return true;
            }
            if !self.world.spend(1) {
                return false;
            }
            let inner = keywords.all_of.iter().copied().chain(keywords.reference_number());
            ahead.extend(inner.map(|number| id.beside(number)));
        }
        false
    }

    /// Up to which place the reader's keywords for the same value list items: behind it, none is judged that is not judged
    /// everywhere.
    fn judged_items(&self, reader: Id) -> usize {
        let mut longest = 0;
        let mut ahead = vec![reader];
        while let Some(id) = ahead.pop() {
            let Some(keywords) = self.world.keywords(id) else { continue };
            longest = longest.max(keywords.prefix.len());
            if !self.world.spend(1) {
                return longest;
            }
            let inner = keywords.all_of.iter().copied().chain(keywords.reference_number());
            ahead.extend(inner.map(|number| id.beside(number)));
        }
        longest
    }

    fn contains(&mut self, out: &mut Judgement, region: &Region, reader: Id, keywords: &Keywords) {
        let Some(contains) = keywords.contains else { return };
        let contains = reader.beside(contains);
        let least = keywords.scalars.min_contains.unwrap_or(1);
        let written: Vec<(Id, u64, Option<u64>)> = region
            .positives(self.world)
            .filter_map(|(id, keywords)| {
                let scalars = &keywords.scalars;
                Some((id.beside(keywords.contains?), scalars.min_contains.unwrap_or(1), scalars.max_contains))
            })
            .collect();
        let mut others = Vec::new();
        if least > 0 && !self.contains_enough(out, region, contains, least, &written, &mut others) {
            let message = "the writer need not write such an item";
            let finding = self.finding(Rule::ContainsNarrowed, region, reader, "/contains", message);
            let mut candidates = self.samples(region);
            for other in &others {
                candidates.extend(sample::arrays(self.world, region, 0, other));
            }
            self.claim(out, region, reader, finding, candidates);
        }
        if let Some(most) = keywords.scalars.max_contains {
            let few = region.most_items(self.world, EMPTY_DEPTH).is_some_and(|items| items <= most);
            let mut kept = few;
            for (id, _, written) in &written {
                if !kept && written.is_some_and(|written| written <= most) {
                    // whatever the reader counts, the writer has counted
                    let inner = self.within_inner(&Region::of(self.world, contains), *id);
                    kept = inner.is_yes();
                    if kept {
                        out.add(inner);
                    }
                }
            }
            if !kept {
                let message = format!("arrays with more than {most} such items are not taken");
                let finding = self.finding(Rule::ContainsNarrowed, region, reader, "/maxContains", message);
                let hints = Hints { counts: vec![most.saturating_add(1)], ..Hints::default() };
                self.claim_near(out, region, reader, finding, &hints);
            }
        }
    }

    /// Whether the writer writes as many such items; what it may write instead is added to `others`.
    fn contains_enough(
        &mut self,
        out: &mut Judgement,
        region: &Region,
        contains: Id,
        least: u64,
        written: &[(Id, u64, Option<u64>)],
        others: &mut Vec<Value>,
    ) -> bool {
        for (id, count, _) in written {
            if *count >= least {
                let inner = self.within_inner(&Region::of(self.world, *id), contains);
                if inner.is_yes() {
                    out.add(inner);
                    return true;
                }
                others.extend(inner.witnesses());
            }
        }
        let last = region.listed_items(self.world);
        if region.least(self.world, |keywords| keywords.scalars.min_items) < least || last > MAX_PLACES {
            return false;
        }
        for place in 0..=last {
            let item = region.item(self.world, (place < last).then_some(place));
            let inner = self.within_inner(&item, contains);
            if !inner.is_yes() {
                others.extend(inner.witnesses());
                return false;
            }
            out.add(inner);
        }
        true
    }
}
