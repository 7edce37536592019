//! The decision of containment: is there a value that is valid under the writer's schema and not under the
//! reader's?
//!
//! The question is a *state*: a set of literals, each of which says that a value is, or is not, valid under
//! a class of equal subschemas ([`classes`]). A state is *inhabited* if some value meets all its literals.
//! It is taken apart into *cases* ([`cases`]): alternatives of `anyOf` and `oneOf`, the keywords by which a
//! value can fail a schema, the types. A case that has no alternatives left is settled by type: numbers and
//! texts at once ([`numbers`], [`texts`]), arrays and objects by the states of their parts ([`arrays`],
//! [`objects`]).
//!
//! A case that needs a part *waits* until the part's state is inhabited. All states are worked on in turn, a
//! few cases at a time, until the first one is inhabited or nothing is left to do. What is not inhabited
//! then has no value: values are finite, so a state that waits for itself, through any recursion of the
//! schemas, has none. This is the coinductive reading of containment (a question in progress is assumed to
//! hold), found as the least fixed point of its contrary: no answer rests on an assumption, and there is no
//! depth.
//!
//! Each inhabited state has a recipe for a value, and the value of the first state is the witness, which is
//! validated against both schemas before it is reported. A keyword that is not understood (a format, an
//! unsupported pattern, another document) is an *atom*: it contradicts only itself. A case with atoms or
//! with other *doubts* is set aside; when nothing else is left, such cases count as possible, and if the
//! first state is possible by them the verdict is unknown, for these doubts.

mod arrays;
mod cases;
mod choices;
mod classes;
mod conditions;
mod differing;
mod doubts;
mod evaluation;
mod facts;
mod names;
mod negation;
mod numbers;
mod objects;
mod recipes;
mod settling;
mod states;
mod summary;
mod texts;

use super::node::{Keywords, TypeSet};
use super::pattern::Language;
use super::reason::{Finding, Rule};
use super::schema_pair::{Role, SchemaPair, SubschemaId};
use super::value_set::ValueSet;
use classes::{Class, Classes};
use facts::{Doubt, Literal};
use rustc_hash::FxHashMap;
use serde_json::Value;
use states::{Outcome, State, StateId};
use std::collections::VecDeque;
use std::rc::Rc;
use summary::{Summary, TagIndex};

/// The maximum number of cases and states at a time: together they take less than 100 MB.
const MAX_CASES: usize = 60_000;
/// The class of all texts, which no subschema has.
const TEXT: Class = u32::MAX >> 1;

/// The patterns of a language, and the limit up to which lengths are counted.
type LanguageKey = (Vec<Rc<str>>, u32);

/// The answer to the question.
#[derive(Debug)]
pub(super) enum Answer {
    /// No value is valid under the writer's schema and not under the reader's.
    Contained,
    /// This value is, by both schemas.
    Refuted(Value),
    /// It could not be decided, for these reasons; never empty.
    Unknown(Vec<Finding>),
}

/// An atom: a condition of unknown effect.
struct Atom {
    doubt: [Rc<Doubt>; 2],
    /// The types whose values it may concern.
    types: TypeSet,
}

pub(super) struct Solver<'w, 'a> {
    pair: &'w SchemaPair<'a>,
    classes: Classes,
    summaries: Vec<Option<Rc<Summary>>>,
    tag_indexes: FxHashMap<(Class, bool), Option<Rc<TagIndex>>>,
    states: Vec<State>,
    numbers: FxHashMap<Rc<[Literal]>, StateId>,
    queue: VecDeque<StateId>,
    atoms: Vec<Atom>,
    atom_numbers: FxHashMap<u128, usize>,
    languages: FxHashMap<LanguageKey, Option<Rc<Language>>>,
    /// Values that others differ from, and the classes that stand for them.
    value_sets: Vec<Rc<ValueSet>>,
    value_set_classes: FxHashMap<Vec<u128>, Class>,
    case_count: usize,
    /// Whether doubtful cases count as possible.
    accepts_doubts: bool,
    /// The state that was worked on last.
    current: StateId,
}

impl<'w, 'a> Solver<'w, 'a> {
    pub(super) fn new(pair: &'w SchemaPair<'a>) -> Self {
        let classes = Classes::new(pair);
        Self {
            pair,
            summaries: vec![None; classes.count()],
            classes,
            tag_indexes: FxHashMap::default(),
            states: Vec::new(),
            numbers: FxHashMap::default(),
            queue: VecDeque::new(),
            atoms: Vec::new(),
            atom_numbers: FxHashMap::default(),
            languages: FxHashMap::default(),
            value_sets: Vec::new(),
            value_set_classes: FxHashMap::default(),
            case_count: 0,
            accepts_doubts: false,
            current: 0,
        }
    }

    /// Decides whether every value that is valid under the writer's subschema is valid under the reader's.
    pub(super) fn decide(&mut self, writer: SubschemaId, reader: SubschemaId) -> Answer {
        let literals =
            vec![Literal::new(self.classes.of(writer), true), Literal::new(self.classes.of(reader), false)];
        let Some(first) = self.state(literals) else { return Answer::Contained };
        let mut failed_witness = None;
        let mut assumed = None;
        loop {
            let is_finished = self.work(first);
            if self.is_inhabited(first) {
                let witness = self.value(first);
                assumed = witness.as_ref().and_then(|witness| self.pair.assumed_pattern(witness));
                if let Some(witness) = &witness
                    && assumed.is_none()
                    && self.pair.accepts(writer, witness) == Some(true)
                    && self.pair.accepts(reader, witness) == Some(false)
                {
                    return Answer::Refuted(witness.clone());
                }
                failed_witness = Some(witness);
            }
            if failed_witness.is_some() || !is_finished || self.accepts_doubts {
                break;
            }
            self.accept_doubts();
        }
        let state = self.states.get(first);
        let mut doubts = state.and_then(|state| state.possible.clone()).unwrap_or_default();
        let is_decided =
            failed_witness.is_none() && !self.pair.is_exhausted() && self.case_count <= MAX_CASES;
        if is_decided && doubts.is_empty() && state.is_none_or(|state| state.possible.is_none()) {
            return Answer::Contained;
        }
        // no value can be shown that has a name of which only this is known
        if let Some(pattern) = assumed.filter(|pattern| !pattern.is_empty()) {
            doubts.push(self.pattern_doubt(&pattern));
        }
        if doubts.is_empty() {
            let message = if failed_witness.is_some() {
                "a value that the reader rejects is likely, but it is too large or too uncertain to show"
            } else {
                "the schemas are too large or too entangled to compare; the comparison ended here"
            };
            doubts.push(Rc::new(Doubt {
                rule: Rule::OverBudget,
                class: self.place_of(self.current),
                keyword: String::new(),
                message: message.to_owned(),
                is_against: true,
            }));
        }
        Answer::Unknown(doubts.iter().map(|doubt| self.finding(doubt, writer, reader)).collect())
    }

    /// Returns the class that best names a state's place: one that its values are not valid under.
    fn place_of(&self, state: StateId) -> Class {
        let literals = self.states.get(state).map_or(&[][..], |state| &state.literals);
        let against = literals.iter().find(|literal| !literal.holds());
        against.or(literals.first()).map_or(0, |literal| literal.class())
    }

    fn finding(&self, doubt: &Doubt, writer: SubschemaId, reader: SubschemaId) -> Finding {
        let place = self.classes.member(doubt.class, Role::Reader);
        let is_readers = place.is_some_and(|id| id.role == Role::Reader);
        let (reader_place, keyword) = match place {
            Some(id) if is_readers => (id, doubt.keyword.clone()),
            _ => (reader, String::new()),
        };
        let of_writer = self.classes.member(doubt.class, Role::Writer).filter(|id| id.role == Role::Writer);
        Finding {
            rule: doubt.rule,
            reader: reader_place,
            keyword,
            writer: of_writer.or(Some(writer)),
            message: doubt.message.clone(),
            witness: None,
        }
    }

    fn member(&self, class: Class) -> Option<SubschemaId> {
        self.classes.member(class, Role::Writer)
    }

    fn keywords(&self, class: Class) -> Option<&'a Keywords> {
        self.pair.keywords(self.member(class)?)
    }

    fn boolean(&self, class: Class) -> Option<bool> {
        let node = self.pair.node(self.member(class)?)?;
        node.as_boolean().or_else(|| node.keywords().is_some_and(Keywords::is_trivial).then_some(true))
    }

    /// Returns the class of an inner subschema.
    fn inner(&self, class: Class, number: usize) -> Class {
        self.member(class).map_or(class, |id| self.classes.of(id.sibling(number)))
    }
}
