//! Whether two types are equal: Java does not compare the members of unions that are equal on both sides any
//! further. A question in progress is assumed to be answered with yes, and its answer is kept when all that
//! it rests on is answered: each pair of named types is compared once, however many unions they are in.

use super::rules::ResolutionMode;
use crate::Budget;
use crate::avro::logical;
use crate::avro::schema::{Definition, Kind, Node, Schema};
use rustc_hash::FxHashMap;

/// The answer about a pair of named types.
#[derive(Clone, Copy)]
enum Answer {
    Known(bool),
    /// Assumed, at this place among the open questions.
    Open(usize),
}

/// Compares types of two schemas.
pub(super) struct Equality<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    mode: ResolutionMode,
    answers: FxHashMap<(usize, usize), Answer>,
    /// The pairs whose answer rests on an assumption, or is not known yet.
    open: Vec<(usize, usize)>,
}

/// What a comparison costs and whether it ended.
pub(super) struct Limits<'l> {
    pub(super) budget: &'l Budget,
    pub(super) remaining: &'l mut usize,
    pub(super) is_exhausted: &'l mut bool,
    pub(super) max_depth: usize,
}

impl Limits<'_> {
    fn spend(&mut self, steps: usize, depth: usize) -> bool {
        *self.is_exhausted |= depth > self.max_depth || *self.remaining < steps || !self.budget.spend(steps);
        *self.remaining = self.remaining.saturating_sub(steps);
        !*self.is_exhausted
    }
}

/// An answer, and the earliest open question that it rests on.
type Outcome = (bool, usize);

const CERTAIN: usize = usize::MAX;

impl<'a> Equality<'a> {
    pub(super) fn new(reader: &'a Schema, writer: &'a Schema, mode: ResolutionMode) -> Self {
        Self { reader, writer, mode, answers: FxHashMap::default(), open: Vec::new() }
    }

    /// Returns whether both types are equal: the same kinds, simple names, fields and symbols at every level,
    /// and where decimals are compared, the same precisions and scales.
    pub(super) fn is_equal(
        &mut self,
        reader: &'a Node,
        writer: &'a Node,
        limits: &mut Limits<'_>,
        depth: usize,
    ) -> bool {
        let (is_equal, _) = self.nodes(reader, writer, limits, depth);
        // an exhausted comparison leaves open questions
        for pair in self.open.drain(..) {
            self.answers.remove(&pair);
        }
        is_equal
    }

    fn nodes(
        &mut self,
        reader: &'a Node,
        writer: &'a Node,
        limits: &mut Limits<'_>,
        depth: usize,
    ) -> Outcome {
        if !limits.spend(1, depth) {
            return (false, CERTAIN);
        }
        match (&reader.kind, &writer.kind) {
            (Kind::Primitive(to), Kind::Primitive(from)) => {
                (to == from && self.has_equal_decimals(reader, writer), CERTAIN)
            }
            (Kind::Array(to), Kind::Array(from)) | (Kind::Map(to), Kind::Map(from)) => {
                self.nodes(to, from, limits, depth + 1)
            }
            (Kind::Union(to), Kind::Union(from)) if to.len() == from.len() => {
                self.all(to.iter().zip(from), limits, depth + 1)
            }
            (Kind::Named(to), Kind::Named(from)) => {
                if !self.has_equal_decimals(reader, writer) {
                    return (false, CERTAIN);
                }
                self.named((*to, *from), limits, depth + 1)
            }
            _ => (false, CERTAIN),
        }
    }

    fn has_equal_decimals(&self, reader: &Node, writer: &Node) -> bool {
        let compares = self.mode.compares_decimals();
        !compares || logical::decimal(self.reader, reader) == logical::decimal(self.writer, writer)
    }

    fn all(
        &mut self,
        pairs: impl Iterator<Item = (&'a Node, &'a Node)>,
        limits: &mut Limits<'_>,
        depth: usize,
    ) -> Outcome {
        let mut rests_on = CERTAIN;
        for (to, from) in pairs {
            let (is_equal, on) = self.nodes(to, from, limits, depth);
            if !is_equal {
                return (false, CERTAIN);
            }
            rests_on = rests_on.min(on);
        }
        (true, rests_on)
    }

    fn named(&mut self, pair: (usize, usize), limits: &mut Limits<'_>, depth: usize) -> Outcome {
        let (reader, writer) = (self.reader, self.writer);
        let (Some(to), Some(from)) = (reader.named.get(pair.0), writer.named.get(pair.1)) else {
            return (false, CERTAIN);
        };
        if to.name.simple != from.name.simple {
            return (false, CERTAIN);
        }
        match self.answers.get(&pair) {
            Some(Answer::Known(is_equal)) => return (*is_equal, CERTAIN),
            Some(Answer::Open(place)) => return (true, *place),
            None => {}
        }
        match (&to.definition, &from.definition) {
            (Definition::Fixed(to), Definition::Fixed(from)) => (to == from, CERTAIN),
            (Definition::Enum { symbols: to, .. }, Definition::Enum { symbols: from, .. }) => {
                let is_equal = limits.spend(to.len(), depth) && to == from;
                self.answers.insert(pair, Answer::Known(is_equal));
                (is_equal, CERTAIN)
            }
            (Definition::Record(_), Definition::Record(_)) => self.records(pair, limits, depth),
            _ => (false, CERTAIN),
        }
    }

    fn records(&mut self, pair: (usize, usize), limits: &mut Limits<'_>, depth: usize) -> Outcome {
        let place = self.open.len();
        self.open.push(pair);
        self.answers.insert(pair, Answer::Open(place));
        let (to, from) = (self.reader.record_fields(pair.0), self.writer.record_fields(pair.1));
        let has_same_names =
            to.len() == from.len() && to.iter().zip(from).all(|(to, from)| to.name == from.name);
        let (is_equal, rests_on) = if has_same_names {
            self.all(
                to.iter().map(|field| &field.node).zip(from.iter().map(|field| &field.node)),
                limits,
                depth,
            )
        } else {
            (false, CERTAIN)
        };
        if is_equal && rests_on < place {
            return (true, rests_on);
        }
        // what was opened since then rests on this answer: with yes it is proven, with no it is unknown
        for open in self.open.drain(place..) {
            if is_equal || open == pair {
                self.answers.insert(open, Answer::Known(is_equal));
            } else {
                self.answers.remove(&open);
            }
        }
        (is_equal, CERTAIN)
    }
}
