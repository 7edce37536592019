//! The two schemas side by side, and how much work may still be spent on them.

use super::node::{Keywords, NamePattern, Node};
use super::pattern::{Matcher, Pattern};
use super::{Draft, Schema};
use crate::Budget;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// How many steps a comparison may take: a step looks at one subschema, name or value. More is answered with
/// `Unknown`.
pub const MAX_STEPS: u64 = 500_000;

/// Whose subschema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Side {
    Writer,
    Reader,
}

/// A subschema of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) side: Side,
    pub(super) number: usize,
}

impl Id {
    /// Another subschema of the same side.
    pub(super) fn beside(self, number: usize) -> Self {
        Self { number, ..self }
    }
}

pub(super) struct World<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    steps: Cell<u64>,
    budget: &'a Budget,
    patterns: RefCell<HashMap<String, Rc<Known>>>,
}

/// What is known of a pattern, by its text.
#[derive(Default)]
struct Known {
    pattern: Option<Pattern>,
    matcher: Option<Matcher>,
    /// Which texts match.
    found: RefCell<HashMap<String, Option<bool>>>,
    /// Names that may match.
    names: RefCell<Option<Rc<[String]>>>,
}

/// So many texts are remembered of each pattern.
const MAX_FOUND: usize = 10_000;

impl<'a> World<'a> {
    pub(super) fn new(reader: &'a Schema, writer: &'a Schema, budget: &'a Budget) -> Self {
        Self { reader, writer, steps: Cell::new(MAX_STEPS), budget, patterns: RefCell::default() }
    }

    fn known(&self, pattern: &str) -> Rc<Known> {
        if let Some(known) = self.patterns.borrow().get(pattern) {
            return Rc::clone(known);
        }
        let parsed = if self.spend(8 + pattern.len() / 8) { Pattern::parse(pattern) } else { None };
        let matcher = parsed.as_ref().and_then(Pattern::matcher);
        // to make an automaton takes about as long as to match by it
        self.spend(matcher.as_ref().map_or(0, Matcher::places) / 4);
        let known = Rc::new(Known { pattern: parsed, matcher, ..Known::default() });
        self.patterns.borrow_mut().insert(pattern.to_owned(), Rc::clone(&known));
        known
    }

    /// Whether some part of the text matches; `None` when that cannot be told.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> Option<bool> {
        if !self.spend(1) {
            return None;
        }
        let known = self.known(pattern);
        let matcher = known.matcher.as_ref()?;
        if let Some(found) = known.found.borrow().get(text) {
            return *found;
        }
        if !self.spend(matcher.places().saturating_mul(1 + text.len()) / 128) {
            return None;
        }
        let found = matcher.matches(text);
        if known.found.borrow().len() < MAX_FOUND {
            known.found.borrow_mut().insert(text.to_owned(), found);
        }
        found
    }

    /// Whether the name is one of the entry's.
    pub(super) fn names(&self, entry: &NamePattern, name: &str) -> Option<bool> {
        self.matches(&entry.text, name)
    }

    /// Texts that may match the pattern, at least so long.
    pub(super) fn samples(&self, pattern: &str, length: usize) -> Vec<String> {
        if !self.spend(16 + length / 16) {
            return Vec::new();
        }
        self.known(pattern).pattern.as_ref().map(|pattern| pattern.samples(length)).unwrap_or_default()
    }

    /// Names that may match the pattern.
    pub(super) fn names_of(&self, pattern: &str) -> Rc<[String]> {
        let known = self.known(pattern);
        if let Some(names) = &*known.names.borrow() {
            return Rc::clone(names);
        }
        let names: Rc<[String]> = [self.samples(pattern, 0), self.samples(pattern, 4)].concat().into();
        *known.names.borrow_mut() = Some(Rc::clone(&names));
        names
    }

    pub(super) fn schema(&self, side: Side) -> &'a Schema {
        match side {
            Side::Reader => self.reader,
            Side::Writer => self.writer,
        }
    }

    pub(super) fn node(&self, id: Id) -> Option<&'a Node> {
        self.schema(id.side).nodes.get(id.number)
    }

    pub(super) fn keywords(&self, id: Id) -> Option<&'a Keywords> {
        self.node(id)?.keywords()
    }

    pub(super) fn draft(&self, id: Id) -> Draft {
        self.schema(id.side).draft
    }

    /// The subschema that this one only refers to, through any number of steps.
    pub(super) fn unwrapped(&self, id: Id) -> Id {
        let mut id = id;
        while let Some(only) = self.keywords(id).and_then(Keywords::wraps)
            && self.spend(1)
        {
            id = id.beside(only);
        }
        id
    }

    /// False when nothing is left to spend.
    pub(super) fn spend(&self, steps: usize) -> bool {
        let before = self.steps.get();
        if before == 0 {
            return false;
        }
        let left = before.saturating_sub(u64::try_from(steps).unwrap_or(u64::MAX));
        let left = if self.budget.spend(steps) { left } else { 0 };
        self.steps.set(left);
        left > 0
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() == 0
    }

    pub(super) fn steps_left(&self) -> u64 {
        self.steps.get()
    }

    /// Whether both subschemas assert the same in the same words, as far as their references lead.
    pub(super) fn same(&self, one: Id, other: Id) -> bool {
        let mut seen = HashSet::new();
        let mut ahead = vec![(one, other)];
        while let Some((one, other)) = ahead.pop() {
            if one == other || !seen.insert((one, other)) {
                continue;
            }
            if !self.spend(1) {
                return false;
            }
            let (Some(one_node), Some(other_node)) = (self.node(one), self.node(other)) else { return false };
            let (one_keywords, other_keywords) = match (one_node.keywords(), other_node.keywords()) {
                (Some(one), Some(other)) => (one, other),
                (None, None) if one_node.always() == other_node.always() => continue,
                _ => return false,
            };
            if !self.same_words(one, one_keywords, other, other_keywords) {
                return false;
            }
            // names take time to make, so they are made only where there are as many on both sides
            let count = one_keywords.inner_count();
            if count != other_keywords.inner_count() || !self.spend(count) {
                return false;
            }
            let (inner, other_inner) = (one_keywords.inner(), other_keywords.inner());
            for ((name, number), (other_name, other_number)) in inner.into_iter().zip(other_inner) {
                if name != other_name {
                    return false;
                }
                ahead.push((one.beside(number), other.beside(other_number)));
            }
        }
        true
    }

    fn same_words(&self, one: Id, keywords: &Keywords, other: Id, other_keywords: &Keywords) -> bool {
        let drafts = self.draft(one) == self.draft(other);
        // drafts differ in what an integer is, and in what `contains` has seen
        let telling = |keywords: &Keywords| {
            keywords.scalars.types.is_some()
                || keywords.unevaluated_items.is_some()
                || keywords.unevaluated_properties.is_some()
        };
        if !drafts && (telling(keywords) || telling(other_keywords)) {
            return false;
        }
        let outside = |keywords: &Keywords| keywords.outside().map(str::to_owned);
        let dynamic = self.schema(one.side).dynamic || self.schema(other.side).dynamic;
        let known = |uri: &String| uri.contains(':') && !dynamic;
        keywords.scalars.unsure.is_empty()
            && keywords.scalars == other_keywords.scalars
            && outside(keywords) == outside(other_keywords)
            && outside(keywords).as_ref().is_none_or(known)
    }
}
