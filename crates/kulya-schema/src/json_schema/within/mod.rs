//! Whether a region of the writer's lies within a subschema of the reader's.
//!
//! Three answers. *Yes* is a proof: every rule used keeps to the larger region. *No* has a witness, a value that was
//! built and then tried on both schemas. Everything else stays open. Schemas that refer to themselves are judged by
//! coinduction: a question met again further inside the value is taken as answered, and an answer that rests on this
//! is not remembered beyond the question it rests on.

mod arrays;
mod objects;
mod plain;

use super::reason::{Finding, Rule};
use super::region::{EMPTY_DEPTH, Region};
use super::sample::{self, Hints};
use super::world::{Id, Side, World};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// How deep questions may lead to questions.
const MAX_DEPTH: usize = 60;
/// How many reasons are kept of one place.
const MAX_FINDINGS: usize = 20;

/// What was found out about one question.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    /// With a witness each.
    pub(super) certain: Vec<Finding>,
    pub(super) open: Vec<Finding>,
    /// The outermost unanswered question it rests on, by its depth.
    rests_on: usize,
}

impl Judgement {
    fn yes() -> Self {
        Self { certain: Vec::new(), open: Vec::new(), rests_on: usize::MAX }
    }

    fn open(finding: Finding) -> Self {
        Self { open: vec![finding], ..Self::yes() }
    }

    pub(super) fn is_yes(&self) -> bool {
        self.certain.is_empty() && self.open.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.rests_on = self.rests_on.min(other.rests_on);
        let room = |list: &Vec<Finding>| MAX_FINDINGS.saturating_sub(list.len());
        let (certain, open) = (room(&self.certain), room(&self.open));
        self.certain.extend(other.certain.into_iter().take(certain));
        self.open.extend(other.open.into_iter().take(open));
    }

    fn witnesses(&self) -> Vec<Value> {
        self.certain.iter().filter_map(|finding| finding.witness.clone()).collect()
    }
}

/// A question that is being answered: at which depth, and how far inside the value.
#[derive(Clone, Copy)]
struct Asked {
    depth: usize,
    level: usize,
}

pub(super) struct Prover<'w, 'a> {
    pub(super) world: &'w World<'a>,
    known: HashMap<(Region, Id), Judgement>,
    /// Questions whose answer is not yes; what it is instead was not looked for.
    unproved: HashSet<(Region, Id)>,
    asked: HashMap<(Region, Id), Asked>,
    depth: usize,
    /// How many steps inside the value.
    level: usize,
    /// Only a yes is of use now: no witness is looked for, and the first doubt ends it.
    proving: bool,
}

impl<'w, 'a> Prover<'w, 'a> {
    pub(super) fn new(world: &'w World<'a>) -> Self {
        let (known, unproved, asked) = (HashMap::new(), HashSet::new(), HashMap::new());
        Self { world, known, unproved, asked, depth: 0, level: 0, proving: false }
    }

    /// Whether every value of the region is valid under the reader's subschema.
    pub(super) fn within(&mut self, region: &Region, reader: Id) -> Judgement {
        if self.depth > MAX_DEPTH || !self.world.spend(1 + region.size()) {
            let message = "the schemas are too large or too entangled to compare here";
            return Judgement::open(self.finding(Rule::OverBudget, region, reader, "", message));
        }
        if region.is_empty(self.world, EMPTY_DEPTH) {
            return Judgement::yes();
        }
        let reader = self.world.unwrapped(reader);
        let question = (region.clone(), reader);
        if let Some(known) = self.known.get(&question) {
            return known.clone();
        }
        if let Some(asked) = self.asked.get(&question) {
            if asked.level < self.level {
                return Judgement { rests_on: asked.depth, ..Judgement::yes() };
            }
            let message = "the schemas refer to each other in a circle here";
            return Judgement::open(self.finding(Rule::OverBudget, region, reader, "", message));
        }
        if self.proving && self.unproved.contains(&question) {
            return Judgement::open(self.finding(Rule::OverBudget, region, reader, "", "not proved"));
        }
        let depth = self.depth;
        self.asked.insert(question.clone(), Asked { depth, level: self.level });
        self.depth += 1;
        let mut judgement = self.answer(region, reader);
        self.depth -= 1;
        self.asked.remove(&question);
        if judgement.rests_on >= depth {
            judgement.rests_on = usize::MAX;
        }
        if self.proving && !judgement.is_yes() {
            self.unproved.insert(question);
        } else if !judgement.is_yes() || judgement.rests_on == usize::MAX {
            self.known.insert(question, judgement.clone());
        }
        judgement
    }

    /// The same question one step further inside the value.
    fn within_inner(&mut self, region: &Region, reader: Id) -> Judgement {
        self.level += 1;
        let judgement = self.within(region, reader);
        self.level -= 1;
        judgement
    }

    /// The same question, when only a yes is of use.
    fn proved(&mut self, region: &Region, reader: Id) -> Judgement {
        let before = std::mem::replace(&mut self.proving, true);
        let judgement = self.within(region, reader);
        self.proving = before;
        judgement
    }

    /// Proofs are cheap, and witnesses are not: these are looked for only when no proof is found.
    fn answer(&mut self, region: &Region, reader: Id) -> Judgement {
        if !self.proving && !self.unproved.contains(&(region.clone(), reader)) {
            self.proving = true;
            let judgement = self.attempt(region, reader);
            self.proving = false;
            if judgement.is_yes() {
                return judgement;
            }
            self.unproved.insert((region.clone(), reader));
        }
        self.attempt(region, reader)
    }

    fn attempt(&mut self, region: &Region, reader: Id) -> Judgement {
        let whole = self.whole(region, reader);
        if whole.is_yes() || !whole.certain.is_empty() {
            return whole;
        }
        let Some(parts) = self.parts(region) else { return whole };
        let mut parted = Judgement::yes();
        for part in parts {
            if !self.refuted_in_parts(&part, &mut parted, 0) {
                parted.add(self.within(&part, reader));
            }
            if self.world.is_spent() || (self.proving && !parted.is_yes()) {
                break;
            }
        }
        if parted.is_yes() {
            return parted;
        }
        // what refutes a part refutes the whole, if it belongs to it
        let findings = std::mem::take(&mut parted.certain);
        for finding in findings {
            let witness = finding.witness.clone().into_iter().collect();
            self.claim(&mut parted, region, reader, finding, witness);
        }
        if parted.certain.is_empty() { whole } else { parted }
    }

    /// The region by alternatives, or else by kinds of values.
    fn parts(&self, region: &Region) -> Option<Vec<Region>> {
        if let Some(parts) = region.part(self.world) {
            return Some(parts);
        }
        use super::node::Types;
        let types = region.types(self.world);
        let groups = [Types::NULL, Types::BOOLEAN, Types::NUMBER, Types::STRING, Types::ARRAY, Types::OBJECT];
        let parts: Vec<_> = groups
            .into_iter()
            .filter(|group| types.meets(*group))
            .map(|group| region.with_kinds(self.world, group))
            .collect();
        (parts.len() > 1).then_some(parts)
    }

    /// Judges the region as a whole.
    fn whole(&mut self, region: &Region, reader: Id) -> Judgement {
        if region.holding().any(|held| self.world.same(held, reader)) {
            return Judgement::yes();
        }
        let Some(node) = self.world.node(reader) else { return Judgement::yes() };
        let Some(keywords) = node.keywords() else {
            let mut judgement = Judgement::yes();
            if node.always() == Some(false) {
                let finding =
                    self.finding(Rule::NothingAllowed, region, reader, "", "nothing is allowed here");
                let samples = self.samples(region);
                self.claim(&mut judgement, region, reader, finding, samples);
            }
            return judgement;
        };
        if let Some(values) = region.finite(self.world)
            && !values.is_empty()
            && values.iter().all(|value| self.takes(reader, value))
        {
            return Judgement::yes();
        }
        let families =
            [Self::unsure, Self::plain, Self::array, Self::object, Self::in_place, Self::alternatives];
        let mut judgement = Judgement::yes();
        for family in families {
            family(self, &mut judgement, region, reader, keywords);
            if self.proving && !judgement.is_yes() {
                break;
            }
        }
        judgement
    }

    /// Whether the reader takes the value, however its numbers are written: draft 4 tells `1.0` from `1`.
    fn takes(&self, reader: Id, value: &Value) -> bool {
        let taken = |value: &Value| self.world.accepts(reader, value) == Some(true);
        taken(value) && (self.world.draft(reader) != super::Draft::Draft4 || taken(&as_fractions(value)))
    }

    fn unsure(
        &mut self,
        judgement: &mut Judgement,
        region: &Region,
        reader: Id,
        keywords: &super::node::Keywords,
    ) {
        if let Some(uri) = keywords.outside() {
            let message = format!("{uri} is another document");
            let finding = self.finding(Rule::OutsideReference, region, reader, "/$ref", message);
            judgement.open.push(finding);
        }
        for word in &keywords.scalars.unsure {
            let legacy = *word == "dependencies";
            let rule = if legacy { Rule::LegacyDependencies } else { Rule::DynamicReference };
            let message = format!("what {word} asks for cannot be told");
            judgement.open.push(self.finding(rule, region, reader, &format!("/{word}"), message));
        }
    }

    fn in_place(
        &mut self,
        judgement: &mut Judgement,
        region: &Region,
        reader: Id,
        keywords: &super::node::Keywords,
    ) {
        for number in keywords.all_of.iter().copied().chain(keywords.reference_number()) {
            let inner = self.within(region, reader.beside(number));
            self.lift(judgement, region, reader, inner);
        }
    }

    fn alternatives(
        &mut self,
        judgement: &mut Judgement,
        region: &Region,
        reader: Id,
        keywords: &super::node::Keywords,
    ) {
        if let Some(choices) = &keywords.any_of {
            self.any_of(judgement, region, reader, choices);
        }
        if let Some(choices) = &keywords.one_of {
            self.one_of(judgement, region, reader, choices);
        }
        if let Some(not) = keywords.not {
            let both = region.with(self.world, reader.beside(not), true);
            if !self.refuted(&both, judgement) {
                let message = "the writer may write what is refused here";
                let finding = self.finding(Rule::NotAdded, region, reader, "/not", message);
                let mut candidates = self.samples(&both);
                candidates.extend(self.samples(region));
                self.claim(judgement, region, reader, finding, candidates);
            }
        }
        if let Some(condition) = keywords.condition {
            for (holds, then) in [(true, condition.then), (false, condition.otherwise)] {
                let Some(then) = then else { continue };
                let branch = region.with(self.world, reader.beside(condition.when), holds);
                if self.refuted(&branch, judgement) {
                    continue;
                }
                if !holds {
                    let always = self.proved(region, reader.beside(condition.when));
                    if always.is_yes() {
                        judgement.add(always);
                        continue;
                    }
                }
                let inner = self.within(&branch, reader.beside(then));
                self.lift(judgement, region, reader, inner);
            }
        }
    }

    /// Tries each witness on the region and the schema around; what fails there stays open.
    fn lift(&mut self, judgement: &mut Judgement, region: &Region, reader: Id, inner: Judgement) {
        judgement.rests_on = judgement.rests_on.min(inner.rests_on);
        judgement.add(Judgement { certain: Vec::new(), ..inner.clone() });
        for finding in inner.certain {
            let witness = finding.witness.clone().into_iter().collect();
            self.claim(judgement, region, reader, finding, witness);
        }
    }

    fn any_of(&mut self, judgement: &mut Judgement, region: &Region, reader: Id, choices: &[usize]) {
        if let Some((_, inner)) = self.holding(region, reader, choices) {
            return judgement.add(inner);
        }
        let message = "no alternative takes everything that the writer may write";
        let finding = self.finding(Rule::AnyOfNotCovered, region, reader, "/anyOf", message);
        self.claim_of_choices(judgement, region, reader, finding, choices);
    }

    fn one_of(&mut self, judgement: &mut Judgement, region: &Region, reader: Id, choices: &[usize]) {
        let Some((holding, inner)) = self.holding(region, reader, choices) else {
            let message = "no alternative takes everything that the writer may write";
            let finding = self.finding(Rule::OneOfNotCovered, region, reader, "/oneOf", message);
            return self.claim_of_choices(judgement, region, reader, finding, choices);
        };
        judgement.add(inner);
        let mut candidates = Vec::new();
        let mut alone = true;
        for number in choices.iter().filter(|number| **number != holding) {
            let both = region.with(self.world, reader.beside(*number), true);
            if !self.refuted(&both, judgement) {
                alone = false;
                candidates.extend(self.samples(&both));
            }
        }
        if alone {
            return;
        }
        let message = "more than one alternative may take what the writer writes";
        candidates.extend(self.samples(region));
        let finding = self.finding(Rule::OneOfNotCovered, region, reader, "/oneOf", message);
        self.claim(judgement, region, reader, finding, candidates);
    }

    /// An alternative that takes the whole region.
    fn holding(&mut self, region: &Region, reader: Id, choices: &[usize]) -> Option<(usize, Judgement)> {
        for number in choices {
            // what has nothing in common with it does not take it; the region is not empty
            if region.with(self.world, reader.beside(*number), true).is_empty(self.world, EMPTY_DEPTH) {
                continue;
            }
            let inner = self.proved(region, reader.beside(*number));
            if inner.is_yes() {
                return Some((*number, inner));
            }
        }
        None
    }

    /// Tries what the region holds, and else what each alternative refuses.
    fn claim_of_choices(
        &mut self,
        judgement: &mut Judgement,
        region: &Region,
        reader: Id,
        finding: Finding,
        choices: &[usize],
    ) {
        let mut found = Judgement::yes();
        let candidates = self.samples(region);
        self.claim(&mut found, region, reader, finding.clone(), candidates);
        if found.certain.is_empty() && !self.proving {
            let mut candidates = Vec::new();
            for number in choices {
                candidates.extend(self.within(region, reader.beside(*number)).witnesses());
            }
            found = Judgement::yes();
            self.claim(&mut found, region, reader, finding, candidates);
        }
        judgement.add(found);
    }

    /// Whether nothing more is of use: as many reasons as are kept, or the first doubt where only a yes counts.
    fn is_enough(&self, judgement: &Judgement) -> bool {
        judgement.certain.len() >= MAX_FINDINGS || (self.proving && !judgement.is_yes())
    }

    /// Some values of the region, if witnesses are looked for.
    fn samples(&self, region: &Region) -> Vec<Value> {
        if self.proving { Vec::new() } else { sample::values(self.world, region) }
    }

    /// Whether surely no value belongs to the region.
    fn refuted(&mut self, region: &Region, judgement: &mut Judgement) -> bool {
        self.refuted_in_parts(region, judgement, 6)
    }

    fn refuted_in_parts(&mut self, region: &Region, judgement: &mut Judgement, fuel: usize) -> bool {
        if region.is_empty(self.world, EMPTY_DEPTH) {
            return true;
        }
        if region.finite(self.world).is_some_and(|values| values.is_empty()) {
            return !self.world.is_spent();
        }
        let refused: Vec<Id> = region.refused().collect();
        for id in refused {
            let inner = self.proved(&region.without_refused(id), id);
            if inner.is_yes() {
                judgement.add(inner);
                return true;
            }
        }
        if fuel == 0 || self.depth > MAX_DEPTH {
            return false;
        }
        let Some(parts) = region.part(self.world) else { return false };
        parts.iter().all(|part| self.refuted_in_parts(part, judgement, fuel - 1))
    }

    /// A finding is certain with the first candidate that belongs to the region and is refused by the reader.
    fn claim(
        &mut self,
        judgement: &mut Judgement,
        region: &Region,
        reader: Id,
        finding: Finding,
        candidates: Vec<Value>,
    ) {
        let world = self.world;
        let refutes = |value: &Value| {
            world.accepts(reader, value) == Some(false) && region.accepts(world, value) == Some(true)
        };
        let witness = candidates.into_iter().find(refutes);
        let list = if witness.is_some() { &mut judgement.certain } else { &mut judgement.open };
        if list.len() < MAX_FINDINGS {
            list.push(Finding { witness, ..finding });
        }
    }

    /// As [`Self::claim`], with values chosen near the hints.
    fn claim_near(
        &mut self,
        judgement: &mut Judgement,
        region: &Region,
        reader: Id,
        finding: Finding,
        hints: &Hints,
    ) {
        let candidates =
            if self.proving { Vec::new() } else { sample::values_for(self.world, region, hints) };
        self.claim(judgement, region, reader, finding, candidates);
    }

    fn finding(
        &self,
        rule: Rule,
        region: &Region,
        reader: Id,
        keyword: &str,
        message: impl Into<String>,
    ) -> Finding {
        let writer = region.holding().find(|id| id.side == Side::Writer);
        Finding { rule, reader, keyword: keyword.to_owned(), writer, message: message.into(), witness: None }
    }
}

/// The value with every integer written as `1.0`.
fn as_fractions(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.iter().map(as_fractions).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), as_fractions(member))).collect()
        }
        other => other.clone(),
    }
}
