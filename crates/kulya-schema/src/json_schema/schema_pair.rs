//! The pair of schemas that are compared, and the budget of the comparison.

use super::draft::Draft;
use super::node::{Keywords, NamePattern, Node};
use super::pattern::{Automaton, Language, Matcher, Pattern, PatternAutomata, PatternError, universe};
use super::schema::Schema;
use crate::Budget;
use serde_json::Value;
use std::cell::{Cell, OnceCell, RefCell};
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
    /// The steps that are kept for later work.
    reserve: Cell<u64>,
    budget: &'a Budget,
    patterns: RefCell<HashMap<String, Rc<CachedPattern>>>,
    universe: OnceCell<Option<Automaton>>,
    /// Names that stand for all that match some patterns and not others, with those that they match.
    assumed: RefCell<HashMap<String, Vec<String>>>,
}

/// The cached results of a pattern.
#[derive(Default)]
struct CachedPattern {
    /// The parsed pattern, or why it cannot be used.
    pattern: Option<Pattern>,
    error: Option<PatternError>,
    /// The deterministic automata; `None` within if they would be too large.
    automata: OnceCell<Option<PatternAutomata>>,
    /// Its automaton; `None` if it would be too large.
    matcher: Option<Matcher>,
    /// The match results by text.
    matches: RefCell<HashMap<String, Option<bool>>>,
    /// Generated names that may match.
    names: RefCell<Option<Rc<[String]>>>,
}

/// The first character of names that only stand for others; it is no character, so no name has it.
const ASSUMED: char = '\u{fdd1}';
/// The maximum number of cached match results of a pattern.
const MAX_CACHED_MATCHES: usize = 10_000;

impl<'a> SchemaPair<'a> {
    pub(super) fn new(reader: &'a Schema, writer: &'a Schema, budget: &'a Budget) -> Self {
        Self {
            reader,
            writer,
            steps: Cell::new(MAX_STEPS),
            reserve: Cell::new(0),
            budget,
            patterns: RefCell::default(),
            universe: OnceCell::new(),
            assumed: RefCell::default(),
        }
    }

    fn cached_pattern(&self, pattern: &str) -> Rc<CachedPattern> {
        if let Some(cached_pattern) = self.patterns.borrow().get(pattern) {
            return Rc::clone(cached_pattern);
        }
        let too_late = Err(PatternError::Unsupported("the comparison ended before it"));
        let parsed = if self.spend(8 + pattern.len() / 8) { Pattern::parse(pattern) } else { too_late };
        let error = parsed.as_ref().err().copied();
        let parsed = parsed.ok();
        let matcher = parsed.as_ref().and_then(Pattern::matcher);
        // compiling an automaton takes about as long as matching with it
        self.spend(matcher.as_ref().map_or(0, Matcher::state_count) / 4);
        let cached_pattern =
            Rc::new(CachedPattern { pattern: parsed, error, matcher, ..CachedPattern::default() });
        self.patterns.borrow_mut().insert(pattern.to_owned(), Rc::clone(&cached_pattern));
        cached_pattern
    }

    /// Returns whether some part of the text matches; `None` if undecided.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> Option<bool> {
        if !self.spend(1) {
            return None;
        }
        if text.starts_with(ASSUMED)
            && let Some(matching) = self.assumed.borrow().get(text)
        {
            return Some(matching.iter().any(|other| other == pattern));
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

    /// Returns a name that is assumed to match these patterns and no others.
    pub(super) fn assume_name(&self, matching: Vec<String>) -> String {
        let name = format!("{ASSUMED}{}", matching.join(" "));
        self.assumed.borrow_mut().insert(name.clone(), matching);
        name
    }

    /// Returns whether the name only stands for others, by what it is assumed to match.
    pub(super) fn is_assumed(&self, name: &str) -> bool {
        name.starts_with(ASSUMED) && self.assumed.borrow().contains_key(name)
    }

    /// Returns a pattern that a name in the value is assumed to match; empty if it is assumed to match none.
    pub(super) fn assumed_pattern(&self, value: &Value) -> Option<String> {
        let mut pending = vec![value];
        while let Some(value) = pending.pop() {
            match value {
                Value::Array(items) => pending.extend(items),
                Value::Object(members) => {
                    if let Some(name) = members.keys().find(|name| self.is_assumed(name)) {
                        let matching = self.assumed.borrow().get(name).and_then(|all| all.first().cloned());
                        return Some(matching.unwrap_or_default());
                    }
                    pending.extend(members.values());
                }
                _ => {}
            }
        }
        None
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
        let limit = u32::try_from(length.min(300)).unwrap_or(0);
        let language = self.automata(pattern).zip(self.universe()).and_then(|(automata, universe)| {
            Language::explore(universe, &[automata], limit, &|steps| self.spend(steps))
        });
        let texts = language.and_then(|language| {
            let fits = |matched: u64, length: u32| matched == 1 && length >= limit;
            language.texts(&fits, 4, &|_| false, false, &|steps| self.spend(steps))
        });
        texts.unwrap_or_default()
    }

    /// Returns the automaton of all texts.
    pub(super) fn universe(&self) -> Option<&Automaton> {
        self.universe.get_or_init(universe).as_ref()
    }

    /// Returns why the pattern cannot be used.
    pub(super) fn pattern_error(&self, pattern: &str) -> Option<PatternError> {
        self.cached_pattern(pattern).error
    }

    /// Returns the deterministic automata of a pattern; `None` if it is not supported or they are too large.
    pub(super) fn automata(&self, pattern: &str) -> Option<PatternAutomata> {
        let cached_pattern = self.cached_pattern(pattern);
        if let Some(automata) = cached_pattern.automata.get() {
            return automata.clone();
        }
        let automata = cached_pattern.pattern.as_ref().and_then(Pattern::automata).map(Rc::new);
        let size: usize = automata.iter().flat_map(|parts| parts.iter()).map(|(part, _)| part.size()).sum();
        // building one that is too large takes its time, too
        self.spend(if automata.is_some() { size / 128 } else { 8_000 });
        cached_pattern.automata.get_or_init(|| automata).clone()
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
        self.node(id).map_or(self.schema(id.role).draft, |node| node.draft)
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
        let (before, reserve) = (self.steps.get(), self.reserve.get());
        if before <= reserve {
            return false;
        }
        let remaining = before.saturating_sub(u64::try_from(steps).unwrap_or(u64::MAX)).max(reserve);
        let remaining = if self.budget.spend(steps) { remaining } else { 0 };
        self.steps.set(remaining);
        remaining > reserve
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get() <= self.reserve.get()
    }

    /// Keeps this many steps for later work; the former reserve is released.
    pub(super) fn keep(&self, steps: u64) {
        self.reserve.set(steps.min(self.steps.get()));
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
