//! The pairs of messages that two schemas compare, nearest first. A pair is looked at once, at the first place it is met:
//! recursive types meet themselves again, and are taken to agree there. No recursion, and a bound on all work.

use super::{Incompatibility, MAX_REASONS, Rule, Schema};
use crate::Budget;
use std::collections::HashSet;

/// The most fields and values that are looked at in one comparison; beyond it the answer is no.
pub const MAX_COMPARISONS: usize = 500_000;

/// How many steps of a path are shown, from its end.
const MAX_STEPS: usize = 32;

/// Two messages at one place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// Its own number in the walk.
    at: usize,
    pub(super) reader: usize,
    pub(super) writer: usize,
}

impl Pair {
    /// The schemas' own messages.
    pub(super) fn root() -> Self {
        Self { at: 0, reader: 0, writer: 0 }
    }
}

struct Visit<'a> {
    reader: usize,
    writer: usize,
    above: usize,
    reader_step: &'a str,
    writer_step: &'a str,
}

pub(super) struct Walk<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    visits: Vec<Visit<'a>>,
    next: usize,
    seen: HashSet<(usize, usize)>,
    seen_enums: HashSet<(usize, usize)>,
    comparisons: usize,
    reasons: Vec<Incompatibility>,
    budget: &'a Budget,
}

impl<'a> Walk<'a> {
    /// Begins at the schemas' own messages.
    pub(super) fn new(reader: &'a Schema, writer: &'a Schema, budget: &'a Budget) -> Self {
        let (reader_step, writer_step) = (reader.type_name(), writer.type_name());
        let first = Visit { reader: 0, writer: 0, above: 0, reader_step, writer_step };
        Self {
            reader,
            writer,
            visits: vec![first],
            next: 0,
            seen: HashSet::from([(0, 0)]),
            seen_enums: HashSet::new(),
            comparisons: 0,
            reasons: Vec::new(),
            budget,
        }
    }

    pub(super) fn next(&mut self) -> Option<Pair> {
        if self.reasons.len() >= MAX_REASONS {
            return None;
        }
        let at = self.next;
        let visit = self.visits.get(at)?;
        let pair = Pair { at, reader: visit.reader, writer: visit.writer };
        let size = |schema: &Schema, number| schema.message(number).map_or(0, |it| it.weight);
        if !self.spend(size(self.reader, pair.reader) + size(self.writer, pair.writer)) {
            self.refuse_size(pair);
            return None;
        }
        self.next += 1;
        Some(pair)
    }

    /// Two messages that stand below a pair.
    pub(super) fn below(&mut self, above: Pair, steps: (&'a str, &'a str), (reader, writer): (usize, usize)) {
        if self.seen.insert((reader, writer)) {
            let (reader_step, writer_step) = steps;
            self.visits.push(Visit { reader, writer, above: above.at, reader_step, writer_step });
        }
    }

    /// Whether two enums are to be compared: they were not yet, and there is room to.
    pub(super) fn enums(&mut self, pair: Pair, (reader, writer): (usize, usize)) -> bool {
        if !self.seen_enums.insert((reader, writer)) {
            return false;
        }
        let size = |schema: &Schema, number| schema.enumeration(number).map_or(0, |it| it.values.len());
        let room = self.spend(size(self.reader, reader) + size(self.writer, writer));
        if !room {
            self.refuse_size(pair);
        }
        room
    }

    fn spend(&mut self, comparisons: usize) -> bool {
        self.comparisons = self.comparisons.saturating_add(comparisons + 1);
        self.comparisons <= MAX_COMPARISONS && self.budget.spend(comparisons + 1)
    }

    fn refuse_size(&mut self, pair: Pair) {
        self.refuse(
            pair,
            ("", ""),
            Incompatibility {
                message: format!(
                    "the schemas are too large to compare: more than {MAX_COMPARISONS} fields and values, or more than one \
                     request may cause"
                ),
                fix: "divide the schema into several types".to_owned(),
                ..Incompatibility::new(Rule::TooManyComparisons)
            },
        );
    }

    /// Notes a reason below a pair; steps are empty for the messages themselves.
    pub(super) fn refuse(&mut self, at: Pair, steps: (&str, &str), why: Incompatibility) {
        if self.reasons.len() < MAX_REASONS {
            let reader_path = self.path(at, steps.0, |visit| visit.reader_step);
            let writer_path = self.path(at, steps.1, |visit| visit.writer_step);
            self.reasons.push(Incompatibility { reader_path, writer_path, ..why });
        }
    }

    pub(super) fn reasons(self) -> Vec<Incompatibility> {
        self.reasons
    }

    fn path(&self, pair: Pair, last: &str, step: impl Fn(&Visit<'a>) -> &'a str) -> String {
        let mut steps = Vec::new();
        if !last.is_empty() {
            steps.push(last);
        }
        let mut at = pair.at;
        while let Some(visit) = self.visits.get(at) {
            if steps.len() >= MAX_STEPS {
                steps.push("…");
                break;
            }
            steps.push(step(visit));
            if at == 0 {
                break;
            }
            at = visit.above;
        }
        steps.reverse();
        steps.join(".")
    }
}

impl Incompatibility {
    /// A rule alone; the walk adds the place.
    pub(super) fn new(rule: Rule) -> Self {
        let none = String::new;
        Self {
            rule,
            reader_path: none(),
            writer_path: none(),
            reader: none(),
            writer: none(),
            message: none(),
            fix: none(),
        }
    }
}
