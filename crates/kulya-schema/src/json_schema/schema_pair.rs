//! The pair of schemas that are compared, and the budget of the comparison.

use super::node::{Keywords, NamePattern, Node};
use super::pattern::{Matcher, Pattern};
use super::schema::{Draft, Schema};
use crate::Budget;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The maximum number of steps of a comparison: a step visits one subschema, name or value. The verdict of a
/// longer one is `Unknown`.
pub const MAX_STEPS: u64 = 500_000;

/// The role of a schema in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Role {
    Writer,
    Reader,
}

/// The id of a subschema of either schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SubschemaId {
    pub(super) role: Role,
    pub(super) number: usize,
}

impl SubschemaId {
    /// Returns the id of another subschema of the same schema.
    pub(super) fn sibling(self, number: usize) -> Self {
        Self { number, ..self }
    }
}

/// The reader's and the writer's schema, and the steps that remain for comparing them.
pub(super) struct SchemaPair<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    steps: Cell<u64>,
    budget: &'a Budget,
    patterns: RefCell<HashMap<String, Rc<CachedPattern>>>,
}

/// The cached results of a pattern.
#[derive(Default)]
struct CachedPattern {
    /// The parsed pattern; `None` if it is not supported.
    pattern: Option<Pattern>,
    /// Its automaton; `None` if it would be too large.
    matcher: Option<Matcher>,
    /// The match results by text.
    matches: RefCell<HashMap<String, Option<bool>>>,
    /// Generated names that may match.
    names: RefCell<Option<Rc<[String]>>>,
}

/// The maximum number of cached match results of a pattern.
const MAX_CACHED_MATCHES: usize = 10_000;

impl<'a> SchemaPair<'a> {
    pub(super) fn new(reader: &'a Schema, writer: &'a Schema, budget: &'a Budget) -> Self {
        Self { reader, writer, steps: Cell::new(MAX_STEPS), budget, patterns: RefCell::default() }
    }

    fn cached_pattern(&self, pattern: &str) -> Rc<CachedPattern> {
        if let Some(cached_pattern) = self.patterns.borrow().get(pattern) {
            return Rc::clone(cached_pattern);
        }
        let parsed = if self.spend(8 + pattern.len() / 8) { Pattern::parse(pattern) } else { None };
        let matcher = parsed.as_ref().and_then(Pattern::matcher);
        // compiling an automaton takes about as long as matching with it
        self.spend(matcher.as_ref().map_or(0, Matcher::state_count) / 4);
        let cached_pattern = Rc::new(CachedPattern { pattern: parsed, matcher, ..CachedPattern::default() });
        self.patterns.borrow_mut().insert(pattern.to_owned(), Rc::clone(&cached_pattern));
        cached_pattern
    }

    /// Returns whether some part of the text matches; `None` if undecided.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> Option<bool> {
        if !self.spend(1) {
            return None;
        }
        let cached_pattern = self.cached_pattern(pattern);
        let matcher = cached_pattern.matcher.as_ref()?;
        if let Some(matches) = cached_pattern.matches.borrow().get(text) {
            return *matches;
        }
        if !self.spend(matcher.state_count().saturating_mul(1 + text.len()) / 128) {
            return None;
        }
        let matches = matcher.matches(text);
        if cached_pattern.matches.borrow().len() < MAX_CACHED_MATCHES {
            cached_pattern.matches.borrow_mut().insert(text.to_owned(), matches);
        }
        matches
    }

    /// Returns whether the name matches the entry's pattern; `None` if undecided.
    pub(super) fn name_matches(&self, entry: &NamePattern, name: &str) -> Option<bool> {
        self.matches(&entry.text, name)
    }

    /// Generates texts of at least this length that may match the pattern.
    pub(super) fn generate_texts(&self, pattern: &str, length: usize) -> Vec<String> {
        if !self.spend(16 + length / 16) {
            return Vec::new();
        }
        self.cached_pattern(pattern)
            .pattern
            .as_ref()
            .map(|pattern| pattern.generate(length))
            .unwrap_or_default()
    }

    /// Generates names that may match the pattern.
    pub(super) fn generate_names(&self, pattern: &str) -> Rc<[String]> {
        let cached_pattern = self.cached_pattern(pattern);
        if let Some(names) = &*cached_pattern.names.borrow() {
            return Rc::clone(names);
        }
        let names: Rc<[String]> =
            [self.generate_texts(pattern, 0), self.generate_texts(pattern, 4)].concat().into();
        *cached_pattern.names.borrow_mut() = Some(Rc::clone(&names));
        names
    }

    pub(super) fn schema(&self, role: Role) -> &'a Schema {
        match role {
            Role::Reader => self.reader,
            Role::Writer => self.writer,
        }
    }

    pub(super) fn node(&self, id: SubschemaId) -> Option<&'a Node> {
        self.schema(id.role).nodes.get(id.number)
    }

    pub(super) fn keywords(&self, id: SubschemaId) -> Option<&'a Keywords> {
        self.node(id)?.keywords()
    }

    pub(super) fn draft(&self, id: SubschemaId) -> Draft {
        self.schema(id.role).draft
    }

    /// Follows subschemas that only refer to another, through any number of references.
    pub(super) fn dereference(&self, id: SubschemaId) -> SubschemaId {
        let mut id = id;
        while let Some(only) = self.keywords(id).and_then(Keywords::single_reference)
            && self.spend(1)
        {
            id = id.sibling(only);
        }
        id
    }

    /// Spends steps; returns `false` if none are left.
    pub(super) fn spend(&self, steps: usize) -> bool {
        let before = self.steps.get();
        if before == 0 {
            return false;
        }
        let remaining = before.saturating_sub(u64::try_from(steps).unwrap_or(u64::MAX));
        let remaining = if self.budget.spend(steps) { remaining } else { 0 };
        self.steps.set(remaining);
        remaining > 0
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get() == 0
    }

    pub(super) fn remaining_steps(&self) -> u64 {
        self.steps.get()
    }

    /// Returns whether both subschemas have equal keywords, including the subschemas they refer to.
    pub(super) fn is_same(&self, one: SubschemaId, other: SubschemaId) -> bool {
        let mut seen = HashSet::new();
        let mut pending = vec![(one, other)];
        while let Some((one, other)) = pending.pop() {
            if one == other || !seen.insert((one, other)) {
                continue;
            }
            if !self.spend(1) {
                return false;
            }
            let (Some(one_node), Some(other_node)) = (self.node(one), self.node(other)) else { return false };
            let (one_keywords, other_keywords) = match (one_node.keywords(), other_node.keywords()) {
                (Some(one), Some(other)) => (one, other),
                (None, None) if one_node.as_boolean() == other_node.as_boolean() => continue,
                _ => return false,
            };
            if !self.has_same_keywords(one, one_keywords, other, other_keywords) {
                return false;
            }
            // building the names is expensive, so it is done only if both sides have equally many
            let count = one_keywords.child_count();
            if count != other_keywords.child_count() || !self.spend(count) {
                return false;
            }
            let (inner, other_inner) = (one_keywords.children(), other_keywords.children());
            for ((name, number), (other_name, other_number)) in inner.into_iter().zip(other_inner) {
                if name != other_name {
                    return false;
                }
                pending.push((one.sibling(number), other.sibling(other_number)));
            }
        }
        true
    }

    fn has_same_keywords(
        &self,
        one: SubschemaId,
        keywords: &Keywords,
        other: SubschemaId,
        other_keywords: &Keywords,
    ) -> bool {
        let is_same_draft = self.draft(one) == self.draft(other);
        // drafts differ in what an integer is, and in what `contains` evaluates
        let depends_on_draft = |keywords: &Keywords| {
            keywords.assertions.types.is_some()
                || keywords.unevaluated_items.is_some()
                || keywords.unevaluated_properties.is_some()
        };
        if !is_same_draft && (depends_on_draft(keywords) || depends_on_draft(other_keywords)) {
            return false;
        }
        let external_reference = |keywords: &Keywords| keywords.external_reference().map(str::to_owned);
        let is_dynamic =
            self.schema(one.role).has_dynamic_anchors || self.schema(other.role).has_dynamic_anchors;
        let is_identified = |uri: &String| uri.contains(':') && !is_dynamic;
        keywords.assertions.unsupported.is_empty()
            && keywords.assertions == other_keywords.assertions
            && external_reference(keywords) == external_reference(other_keywords)
            && external_reference(keywords).as_ref().is_none_or(is_identified)
    }
}
