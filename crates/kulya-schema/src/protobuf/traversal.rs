//! A breadth-first traversal of the pairs of messages that two schemas compare. Each pair is compared once,
//! at the first location where it occurs: recursive types are assumed to agree where they recur. It does not
//! recurse, and the work is bounded.

use super::reason::{Incompatibility, MAX_REASONS, Rule};
use super::schema::Schema;
use crate::Budget;
use std::collections::HashSet;

/// The maximum number of fields and values of one comparison; more is incompatible by
/// [`Rule::TooManyComparisons`].
pub const MAX_COMPARISONS: usize = 500_000;

/// The maximum number of path steps that are shown, counted from the end.
const MAX_STEPS: usize = 32;

/// Two messages at one location.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// Its index in the traversal.
    index: usize,
    pub(super) reader: usize,
    pub(super) writer: usize,
}

impl Pair {
    /// Returns the pair of the schemas' own messages.
    pub(super) fn root() -> Self {
        Self { index: 0, reader: 0, writer: 0 }
    }
}

/// A pair of messages with the steps that lead to it from its parent.
struct QueuedPair<'a> {
    reader: usize,
    writer: usize,
    parent: usize,
    reader_step: &'a str,
    writer_step: &'a str,
}

/// The traversal of the message pairs of two schemas, and the reasons found on it.
pub(super) struct Traversal<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    queue: Vec<QueuedPair<'a>>,
    next: usize,
    seen: HashSet<(usize, usize)>,
    seen_enums: HashSet<(usize, usize)>,
    comparisons: usize,
    reasons: Vec<Incompatibility>,
    budget: &'a Budget,
}

impl<'a> Traversal<'a> {
    /// Starts at the schemas' own messages.
    pub(super) fn new(reader: &'a Schema, writer: &'a Schema, budget: &'a Budget) -> Self {
        let (reader_step, writer_step) = (reader.type_name(), writer.type_name());
        let first = QueuedPair { reader: 0, writer: 0, parent: 0, reader_step, writer_step };
        Self {
            reader,
            writer,
            queue: vec![first],
            next: 0,
            seen: HashSet::from([(0, 0)]),
            seen_enums: HashSet::new(),
            comparisons: 0,
            reasons: Vec::new(),
            budget,
        }
    }

    /// Returns the next pair; `None` at the end, and at the maximum of reasons or of comparisons.
    pub(super) fn next(&mut self) -> Option<Pair> {
        if self.reasons.len() >= MAX_REASONS {
            return None;
        }
        let index = self.next;
        let visit = self.queue.get(index)?;
        let pair = Pair { index, reader: visit.reader, writer: visit.writer };
        let steps_of = |schema: &Schema, number| schema.message(number).map_or(0, |it| it.comparison_steps);
        if !self.spend(steps_of(self.reader, pair.reader) + steps_of(self.writer, pair.writer)) {
            self.report_over_budget(pair);
            return None;
        }
        self.next += 1;
        Some(pair)
    }

    /// Queues a pair of messages nested in a pair.
    pub(super) fn enqueue(
        &mut self,
        parent: Pair,
        steps: (&'a str, &'a str),
        (reader, writer): (usize, usize),
    ) {
        if self.seen.insert((reader, writer)) {
            let (reader_step, writer_step) = steps;
            self.queue.push(QueuedPair { reader, writer, parent: parent.index, reader_step, writer_step });
        }
    }

    /// Returns whether two enums are to be compared: they were not yet, and the budget suffices.
    pub(super) fn visit_enums(&mut self, pair: Pair, (reader, writer): (usize, usize)) -> bool {
        if !self.seen_enums.insert((reader, writer)) {
            return false;
        }
        let steps_of = |schema: &Schema, number| schema.enumeration(number).map_or(0, |it| it.values.len());
        let has_budget = self.spend(steps_of(self.reader, reader) + steps_of(self.writer, writer));
        if !has_budget {
            self.report_over_budget(pair);
        }
        has_budget
    }

    fn spend(&mut self, comparisons: usize) -> bool {
        self.comparisons = self.comparisons.saturating_add(comparisons + 1);
        self.comparisons <= MAX_COMPARISONS && self.budget.spend(comparisons + 1)
    }

    fn report_over_budget(&mut self, pair: Pair) {
        self.report(
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

    /// Adds a reason below a pair; steps are empty for the messages themselves.
    pub(super) fn report(&mut self, pair: Pair, steps: (&str, &str), incompatibility: Incompatibility) {
        if self.reasons.len() < MAX_REASONS {
            let reader_path = self.path(pair, steps.0, |visit| visit.reader_step);
            let writer_path = self.path(pair, steps.1, |visit| visit.writer_step);
            self.reasons.push(Incompatibility { reader_path, writer_path, ..incompatibility });
        }
    }

    pub(super) fn into_reasons(self) -> Vec<Incompatibility> {
        self.reasons
    }

    fn path(&self, pair: Pair, last: &str, step: impl Fn(&QueuedPair<'a>) -> &'a str) -> String {
        let mut steps = Vec::new();
        if !last.is_empty() {
            steps.push(last);
        }
        let mut index = pair.index;
        while let Some(visit) = self.queue.get(index) {
            if steps.len() >= MAX_STEPS {
                steps.push("…");
                break;
            }
            steps.push(step(visit));
            if index == 0 {
                break;
            }
            index = visit.parent;
        }
        steps.reverse();
        steps.join(".")
    }
}
