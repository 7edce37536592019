//! The reasons why a region of the writer's is not contained in a subschema of the reader's, keyword by
//! keyword. The verdict itself comes from the solver, which does not care for keywords.
//!
//! There are three results. *Proven*: every rule used is sound for the over-approximated region. *Refuted*,
//! with a witness: a value that was generated and then validated against both schemas. Everything else is
//! *undecided*. Recursive schemas are handled by coinduction: a goal that recurs further inside the value is
//! assumed to hold, and a result that depends on this assumption is not cached beyond that goal.

mod arrays;
mod objects;
mod scalars;

use super::node::{Keywords, TypeSet};
use super::reason::{Finding, Rule};
use super::region::{EMPTY_DEPTH, Region};
use super::schema_pair::{Role, SchemaPair, SubschemaId};
use super::witness::{self, Hints, as_fractions};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The maximum depth of nested goals.
const MAX_DEPTH: usize = 60;
/// The maximum number of reasons for one location.
const MAX_FINDINGS: usize = 20;

/// The result of one goal.
#[derive(Debug, Clone)]
pub(super) struct ContainmentResult {
    /// Refutations, with a witness each.
    pub(super) refuted: Vec<Finding>,
    pub(super) undecided: Vec<Finding>,
    /// The depth of the outermost goal in progress that the result assumes.
    assumed_depth: usize,
}

impl ContainmentResult {
    fn proven() -> Self {
        Self { refuted: Vec::new(), undecided: Vec::new(), assumed_depth: usize::MAX }
    }

    fn undecided(finding: Finding) -> Self {
        Self { undecided: vec![finding], ..Self::proven() }
    }

    pub(super) fn is_proven(&self) -> bool {
        self.refuted.is_empty() && self.undecided.is_empty()
    }

    fn merge(&mut self, other: Self) {
        self.assumed_depth = self.assumed_depth.min(other.assumed_depth);
        let capacity = |list: &Vec<Finding>| MAX_FINDINGS.saturating_sub(list.len());
        let (refuted, undecided) = (capacity(&self.refuted), capacity(&self.undecided));
        self.refuted.extend(other.refuted.into_iter().take(refuted));
        self.undecided.extend(other.undecided.into_iter().take(undecided));
    }

    fn witnesses(&self) -> Vec<Value> {
        self.refuted.iter().filter_map(|finding| finding.witness.clone()).collect()
    }
}

/// A goal in progress: its depth, and its level of nesting inside the value.
#[derive(Clone, Copy)]
struct GoalInProgress {
    depth: usize,
    level: usize,
}

/// Proves or refutes that regions are contained in subschemas of the reader's.
pub(super) struct Prover<'w, 'a> {
    pub(super) pair: &'w SchemaPair<'a>,
    cache: HashMap<(Region, SubschemaId), ContainmentResult>,
    /// Goals that were not proven; why was not determined.
    unproven: HashSet<(Region, SubschemaId)>,
    in_progress: HashMap<(Region, SubschemaId), GoalInProgress>,
    depth: usize,
    /// The level of nesting inside the value.
    level: usize,
    /// Whether only a proof is of use now: no witness is generated, and the first doubt ends the attempt.
    is_proof_only: bool,
}

impl<'w, 'a> Prover<'w, 'a> {
    pub(super) fn new(pair: &'w SchemaPair<'a>) -> Self {
        let (cache, unproven, in_progress) = (HashMap::new(), HashSet::new(), HashMap::new());
        Self { pair, cache, unproven, in_progress, depth: 0, level: 0, is_proof_only: false }
    }

    /// Checks whether every value of the region is valid under the reader's subschema.
    pub(super) fn check(&mut self, region: &Region, reader: SubschemaId) -> ContainmentResult {
        if self.depth > MAX_DEPTH || !self.pair.spend(1 + region.size()) {
            let message = "the schemas are too large or too entangled to compare here";
            return ContainmentResult::undecided(self.finding(Rule::OverBudget, region, reader, "", message));
        }
        if region.is_empty(self.pair, EMPTY_DEPTH) {
            return ContainmentResult::proven();
        }
        let reader = self.pair.dereference(reader);
        let goal = (region.clone(), reader);
        if let Some(cached) = self.cache.get(&goal) {
            return cached.clone();
        }
        if let Some(outer) = self.in_progress.get(&goal) {
            if outer.level < self.level {
                return ContainmentResult { assumed_depth: outer.depth, ..ContainmentResult::proven() };
            }
            let message = "the schemas refer to each other in a circle here";
            return ContainmentResult::undecided(self.finding(Rule::OverBudget, region, reader, "", message));
        }
        if self.is_proof_only && self.unproven.contains(&goal) {
            return ContainmentResult::undecided(self.finding(
                Rule::OverBudget,
                region,
                reader,
                "",
                "not proven",
            ));
        }
        let depth = self.depth;
        self.in_progress.insert(goal.clone(), GoalInProgress { depth, level: self.level });
        self.depth += 1;
        let mut result = self.check_uncached(region, reader);
        self.depth -= 1;
        self.in_progress.remove(&goal);
        if result.assumed_depth >= depth {
            result.assumed_depth = usize::MAX;
        }
        if self.is_proof_only && !result.is_proven() {
            self.unproven.insert(goal);
        } else if !result.is_proven() || result.assumed_depth == usize::MAX {
            self.cache.insert(goal, result.clone());
        }
        result
    }

    /// Checks a goal one level further inside the value.
    fn check_nested(&mut self, region: &Region, reader: SubschemaId) -> ContainmentResult {
        self.level += 1;
        let result = self.check(region, reader);
        self.level -= 1;
        result
    }

    /// Checks a goal for which only a proof is of use.
    fn prove(&mut self, region: &Region, reader: SubschemaId) -> ContainmentResult {
        let before = std::mem::replace(&mut self.is_proof_only, true);
        let result = self.check(region, reader);
        self.is_proof_only = before;
        result
    }

    /// Tries a proof first: proofs are cheap and witnesses are not.
    fn check_uncached(&mut self, region: &Region, reader: SubschemaId) -> ContainmentResult {
        if !self.is_proof_only && !self.unproven.contains(&(region.clone(), reader)) {
            self.is_proof_only = true;
            let result = self.check_whole_or_parts(region, reader);
            self.is_proof_only = false;
            if result.is_proven() {
                return result;
            }
            self.unproven.insert((region.clone(), reader));
        }
        self.check_whole_or_parts(region, reader)
    }

    fn check_whole_or_parts(&mut self, region: &Region, reader: SubschemaId) -> ContainmentResult {
        let whole = self.check_whole(region, reader);
        if whole.is_proven() || !whole.refuted.is_empty() {
            return whole;
        }
        let Some(parts) = self.split(region) else { return whole };
        let mut combined = ContainmentResult::proven();
        for part in parts {
            if !self.is_unsatisfiable_in_parts(&part, &mut combined, 0) {
                combined.merge(self.check(&part, reader));
            }
            if self.pair.is_exhausted() || (self.is_proof_only && !combined.is_proven()) {
                break;
            }
        }
        if combined.is_proven() {
            return combined;
        }
        // a witness against a part is one against the whole, if it belongs to it
        let findings = std::mem::take(&mut combined.refuted);
        for finding in findings {
            let witness = finding.witness.clone().into_iter().collect();
            self.record(&mut combined, region, reader, finding, witness);
        }
        if combined.refuted.is_empty() { whole } else { combined }
    }

    /// Splits the region by alternatives, or else by types.
    fn split(&self, region: &Region) -> Option<Vec<Region>> {
        if let Some(parts) = region.split(self.pair) {
            return Some(parts);
        }
        let types = region.types(self.pair);
        let groups = [
            TypeSet::NULL,
            TypeSet::BOOLEAN,
            TypeSet::NUMBER,
            TypeSet::STRING,
            TypeSet::ARRAY,
            TypeSet::OBJECT,
        ];
        let parts: Vec<_> = groups
            .into_iter()
            .filter(|group| types.intersects(*group))
            .map(|group| region.with_types(self.pair, group))
            .collect();
        (parts.len() > 1).then_some(parts)
    }

    /// Checks the region without splitting it.
    fn check_whole(&mut self, region: &Region, reader: SubschemaId) -> ContainmentResult {
        if region.positive_ids().any(|id| self.pair.is_same(id, reader)) {
            return ContainmentResult::proven();
        }
        let Some(node) = self.pair.node(reader) else { return ContainmentResult::proven() };
        let Some(keywords) = node.keywords() else {
            let mut result = ContainmentResult::proven();
            if node.as_boolean() == Some(false) {
                let finding =
                    self.finding(Rule::NothingAllowed, region, reader, "", "nothing is allowed here");
                let candidates = self.candidates(region);
                self.record(&mut result, region, reader, finding, candidates);
            }
            return result;
        };
        if let Some(values) = region.enumerated_values(self.pair)
            && !values.is_empty()
            && values.iter().all(|value| self.accepts_value(reader, value))
        {
            return ContainmentResult::proven();
        }
        let checks = [
            Self::unsupported_keywords,
            Self::scalars,
            Self::array,
            Self::object,
            Self::in_place,
            Self::alternatives,
        ];
        let mut result = ContainmentResult::proven();
        for check in checks {
            check(self, &mut result, region, reader, keywords);
            if self.is_proof_only && !result.is_proven() {
                break;
            }
        }
        result
    }

    /// Returns whether the reader accepts the value in either notation of its numbers: draft 4 distinguishes
    /// `1.0` from `1`.
    fn accepts_value(&self, reader: SubschemaId, value: &Value) -> bool {
        let is_valid = |value: &Value| self.pair.accepts(reader, value) == Some(true);
        is_valid(value)
            && (!self.pair.schema(reader.role).has_draft4_integers || is_valid(&as_fractions(value)))
    }

    fn unsupported_keywords(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        if let Some(uri) = keywords.external_reference() {
            let message = format!("{uri} is another document");
            let finding = self.finding(Rule::OutsideReference, region, reader, "/$ref", message);
            result.undecided.push(finding);
        }
        for keyword in keywords.assertions.unsupported.iter().map(|entry| entry.keyword) {
            let is_legacy = keyword == "dependencies";
            let rule = if is_legacy { Rule::LegacyDependencies } else { Rule::DynamicReference };
            let message = format!("the effect of {keyword} cannot be decided");
            result.undecided.push(self.finding(rule, region, reader, &format!("/{keyword}"), message));
        }
    }

    fn in_place(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        for number in keywords.all_of.iter().copied().chain(keywords.reference_number()) {
            let inner = self.check(region, reader.sibling(number));
            self.confirm(result, region, reader, inner);
        }
    }

    fn alternatives(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        keywords: &Keywords,
    ) {
        if let Some(choices) = &keywords.any_of {
            self.any_of(result, region, reader, choices);
        }
        if let Some(choices) = &keywords.one_of {
            self.one_of(result, region, reader, choices);
        }
        if let Some(not) = keywords.not {
            let both = region.with(self.pair, reader.sibling(not), true);
            if !self.is_unsatisfiable(&both, result) {
                let message = "the writer may write what is rejected here";
                let finding = self.finding(Rule::NotAdded, region, reader, "/not", message);
                let mut candidates = self.candidates(&both);
                candidates.extend(self.candidates(region));
                self.record(result, region, reader, finding, candidates);
            }
        }
        if let Some(condition) = keywords.condition {
            for (holds, then) in [(true, condition.then), (false, condition.otherwise)] {
                let Some(then) = then else { continue };
                let branch = region.with(self.pair, reader.sibling(condition.when), holds);
                if self.is_unsatisfiable(&branch, result) {
                    continue;
                }
                if !holds {
                    let always = self.prove(region, reader.sibling(condition.when));
                    if always.is_proven() {
                        result.merge(always);
                        continue;
                    }
                }
                let inner = self.check(&branch, reader.sibling(then));
                self.confirm(result, region, reader, inner);
            }
        }
    }

    /// Confirms each witness for the enclosing region and schema; a witness that fails leaves the finding
    /// undecided.
    fn confirm(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        inner: ContainmentResult,
    ) {
        result.assumed_depth = result.assumed_depth.min(inner.assumed_depth);
        result.merge(ContainmentResult { refuted: Vec::new(), ..inner.clone() });
        for finding in inner.refuted {
            let witness = finding.witness.clone().into_iter().collect();
            self.record(result, region, reader, finding, witness);
        }
    }

    fn any_of(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        choices: &[usize],
    ) {
        if let Some((_, inner)) = self.containing_alternative(region, reader, choices) {
            return result.merge(inner);
        }
        let message = "no alternative accepts everything that the writer may write";
        let finding = self.finding(Rule::AnyOfNotCovered, region, reader, "/anyOf", message);
        self.record_alternatives(result, region, reader, finding, choices);
    }

    fn one_of(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        choices: &[usize],
    ) {
        let Some((containing, inner)) = self.containing_alternative(region, reader, choices) else {
            let message = "no alternative accepts everything that the writer may write";
            let finding = self.finding(Rule::OneOfNotCovered, region, reader, "/oneOf", message);
            return self.record_alternatives(result, region, reader, finding, choices);
        };
        result.merge(inner);
        let mut candidates = Vec::new();
        let mut is_exclusive = true;
        for number in choices.iter().filter(|number| **number != containing) {
            let both = region.with(self.pair, reader.sibling(*number), true);
            if !self.is_unsatisfiable(&both, result) {
                is_exclusive = false;
                candidates.extend(self.candidates(&both));
            }
        }
        if is_exclusive {
            return;
        }
        let message = "more than one alternative may accept what the writer writes";
        candidates.extend(self.candidates(region));
        let finding = self.finding(Rule::OneOfNotCovered, region, reader, "/oneOf", message);
        self.record(result, region, reader, finding, candidates);
    }

    /// Finds an alternative that contains the whole region.
    fn containing_alternative(
        &mut self,
        region: &Region,
        reader: SubschemaId,
        choices: &[usize],
    ) -> Option<(usize, ContainmentResult)> {
        for number in choices {
            // an alternative disjoint from the region does not contain it; the region is not empty
            if region.with(self.pair, reader.sibling(*number), true).is_empty(self.pair, EMPTY_DEPTH) {
                continue;
            }
            let inner = self.prove(region, reader.sibling(*number));
            if inner.is_proven() {
                return Some((*number, inner));
            }
        }
        None
    }

    /// Reports a finding, with candidates from the region, and else with values that the alternatives reject.
    fn record_alternatives(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        finding: Finding,
        choices: &[usize],
    ) {
        let mut found = ContainmentResult::proven();
        let candidates = self.candidates(region);
        self.record(&mut found, region, reader, finding.clone(), candidates);
        if found.refuted.is_empty() && !self.is_proof_only {
            let mut candidates = Vec::new();
            for number in choices {
                candidates.extend(self.check(region, reader.sibling(*number)).witnesses());
            }
            found = ContainmentResult::proven();
            self.record(&mut found, region, reader, finding, candidates);
        }
        result.merge(found);
    }

    /// Returns whether more findings are of no use: the maximum is reached, or a proof has failed.
    fn is_complete(&self, result: &ContainmentResult) -> bool {
        result.refuted.len() >= MAX_FINDINGS || (self.is_proof_only && !result.is_proven())
    }

    /// Generates values of the region, if witnesses are of use.
    fn candidates(&self, region: &Region) -> Vec<Value> {
        if self.is_proof_only { Vec::new() } else { witness::values(self.pair, region) }
    }

    /// Returns whether the region certainly contains no value.
    fn is_unsatisfiable(&mut self, region: &Region, result: &mut ContainmentResult) -> bool {
        self.is_unsatisfiable_in_parts(region, result, 6)
    }

    fn is_unsatisfiable_in_parts(
        &mut self,
        region: &Region,
        result: &mut ContainmentResult,
        fuel: usize,
    ) -> bool {
        if region.is_empty(self.pair, EMPTY_DEPTH) {
            return true;
        }
        if region.enumerated_values(self.pair).is_some_and(|values| values.is_empty()) {
            return !self.pair.is_exhausted();
        }
        let negative: Vec<SubschemaId> = region.negative_ids().collect();
        for id in negative {
            let inner = self.prove(&region.without_negative(id), id);
            if inner.is_proven() {
                result.merge(inner);
                return true;
            }
        }
        if fuel == 0 || self.depth > MAX_DEPTH {
            return false;
        }
        let Some(parts) = region.split(self.pair) else { return false };
        parts.iter().all(|part| self.is_unsatisfiable_in_parts(part, result, fuel - 1))
    }

    /// Records a finding: as a refutation with the first candidate that belongs to the region and that the
    /// reader rejects, else as undecided.
    fn record(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        finding: Finding,
        candidates: Vec<Value>,
    ) {
        let pair = self.pair;
        let refutes = |value: &Value| {
            pair.accepts(reader, value) == Some(false) && region.accepts(pair, value) == Some(true)
        };
        let witness = candidates.into_iter().find(refutes);
        let list = if witness.is_some() { &mut result.refuted } else { &mut result.undecided };
        if list.len() < MAX_FINDINGS {
            list.push(Finding { witness, ..finding });
        }
    }

    /// Records a finding like [`Self::record`], with candidates near the hints.
    fn record_near(
        &mut self,
        result: &mut ContainmentResult,
        region: &Region,
        reader: SubschemaId,
        finding: Finding,
        hints: &Hints,
    ) {
        let candidates =
            if self.is_proof_only { Vec::new() } else { witness::values_near(self.pair, region, hints) };
        self.record(result, region, reader, finding, candidates);
    }

    fn finding(
        &self,
        rule: Rule,
        region: &Region,
        reader: SubschemaId,
        keyword: &str,
        message: impl Into<String>,
    ) -> Finding {
        let writer = region.positive_ids().find(|id| id.role == Role::Writer);
        Finding { rule, reader, keyword: keyword.to_owned(), writer, message: message.into(), witness: None }
    }
}
