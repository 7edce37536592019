//! Names for a member that an object must have: each name that the schemas mention, and one of each kind of
//! other names, where names of a kind match the same patterns.

use super::Solver;
use super::cases::{Case, Division};
use super::facts::{Doubt, Facts, Literal, NameCondition};
use super::summary::listed_values;
use crate::json_schema::reason::Rule;
use serde_json::Value;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The maximum number of patterns for which every set of them is looked at.
const MAX_ASSUMED_PATTERNS: usize = 5;
/// The maximum number of ways to meet the conditions on names.
const MAX_TEXT_CASES: usize = 100;
/// The maximum length up to which the lengths of names matter.
const MAX_NAME_LENGTH: u32 = 5_000;

/// The names that a demanded member may have.
#[derive(Default)]
pub(super) struct Names {
    pub(super) found: Vec<String>,
    /// Why other names than these may do.
    pub(super) doubt: Option<Rc<Doubt>>,
}

impl Solver<'_, '_> {
    /// Returns names that meet the condition; `None` if none does.
    pub(super) fn names(&mut self, facts: &Facts, condition: &NameCondition) -> Option<Names> {
        let mut names = Names::default();
        let mut mentioned: BTreeSet<String> = (*facts.object.present).clone();
        mentioned.extend(facts.object.named.iter().map(|(name, _)| name.to_string()));
        let used = mentioned.clone();
        let mut patterns: BTreeSet<Rc<str>> = condition.matching.iter().cloned().collect();
        mentioned.extend(condition.other_than.iter().map(|name| name.to_string()));
        for class in facts.object.schemas.iter().chain(&condition.outside) {
            let Some(keywords) = self.keywords(*class) else { continue };
            if !self.pair.spend(keywords.properties.len() / 16) {
                return None;
            }
            mentioned.extend(keywords.properties.keys().cloned());
            patterns.extend(keywords.pattern_properties.iter().map(|entry| Rc::from(entry.text.as_str())));
        }
        // names that propertyNames lists are all there are
        let restricting = self.name_literals(facts);
        let listed = self.listed_names(&restricting);
        mentioned.extend(listed.iter().flatten().cloned());
        for name in &mentioned {
            let is_taken = condition.is_new && used.contains(name);
            if !is_taken && !facts.is_absent(name) && self.meets(name, condition, &mut names.doubt) {
                names.found.push(name.clone());
            }
        }
        if listed.is_some() {
            return Some(names);
        }
        let patterns: Vec<Rc<str>> = patterns.into_iter().collect();
        let mut literals = restricting;
        literals.extend(&condition.literals);
        if literals.is_empty() && patterns.is_empty() {
            let numbered = (0..=mentioned.len()).map(|number| format!("other{number}"));
            let mut candidates = ["other".to_owned()].into_iter().chain(numbered);
            names.found.extend(candidates.find(|name| !mentioned.contains(name) && !facts.is_absent(name)));
        } else {
            self.other_names(facts, condition, &patterns, &literals, &mentioned, &mut names);
        }
        Some(names)
    }

    /// Returns the names that `propertyNames` lists; `None` if it lists none.
    fn listed_names(&self, literals: &[Literal]) -> Option<Vec<String>> {
        literals.iter().find_map(|literal| {
            let assertions = &self.keywords(literal.class())?.assertions;
            let listed = assertions.constant.as_ref().or(assertions.values.as_ref())?;
            Some(listed.values().iter().filter_map(Value::as_str).map(str::to_owned).collect())
        })
    }

    /// Returns whether a name meets the condition, or may.
    fn meets(&self, name: &str, condition: &NameCondition, doubt: &mut Option<Rc<Doubt>>) -> bool {
        if let Some(pattern) = &condition.matching {
            match self.pair.matches(pattern, name) {
                Some(true) => {}
                Some(false) => return false,
                None => {
                    *doubt = Some(self.pattern_doubt(pattern));
                    return false;
                }
            }
        }
        if condition.other_than.iter().any(|other| **other == *name) {
            return false;
        }
        for class in &condition.outside {
            let Some(keywords) = self.keywords(*class) else { continue };
            if keywords.properties.contains_key(name) {
                return false;
            }
            for entry in &keywords.pattern_properties {
                match self.pair.name_matches(entry, name) {
                    Some(false) => {}
                    Some(true) => return false,
                    None => {
                        *doubt = Some(self.pattern_doubt(&entry.text));
                        return false;
                    }
                }
            }
        }
        for literal in &condition.literals {
            let verdict =
                self.member(literal.class()).and_then(|id| self.pair.accepts(id, &Value::from(name)));
            if verdict != Some(literal.holds()) {
                if verdict.is_none() {
                    let message = "whether a name is accepted could not be decided";
                    *doubt = Some(self.doubt(Rule::PropertyNamesNarrowed, literal.class(), "", message));
                }
                return false;
            }
        }
        true
    }

    pub(super) fn pattern_doubt(&self, pattern: &str) -> Rc<Doubt> {
        let message = match self.pair.pattern_error(pattern) {
            Some(
                super::super::pattern::PatternError::Invalid(why)
                | super::super::pattern::PatternError::Unsupported(why),
            ) => format!("the pattern {pattern:?} cannot be judged: {why}"),
            None => format!("the names that match {pattern:?} are too many to follow"),
        };
        let has_pattern = |class: &u32| {
            self.keywords(*class)
                .is_some_and(|k| k.pattern_properties.iter().any(|entry| entry.text == pattern))
        };
        let count = u32::try_from(self.classes.count()).unwrap_or(u32::MAX);
        let class = (0..count).find(has_pattern).unwrap_or_default();
        self.doubt(Rule::PatternChanged, class, &Self::pattern_path(pattern), &message)
    }

    /// Returns the conditions of `propertyNames`.
    fn name_literals(&self, facts: &Facts) -> Vec<Literal> {
        let schemas = facts.object.schemas.iter();
        schemas
            .filter_map(|class| {
                let number = self.keywords(*class)?.property_names?;
                Some(Literal::new(self.inner(*class, number), true))
            })
            .collect()
    }

    /// Adds a name of each kind that the patterns tell apart, for each way to meet the conditions on names.
    fn other_names(
        &mut self,
        facts: &Facts,
        condition: &NameCondition,
        patterns: &[Rc<str>],
        literals: &[Literal],
        mentioned: &BTreeSet<String>,
        names: &mut Names,
    ) {
        let known: Vec<Rc<str>> =
            patterns.iter().filter(|pattern| self.pair.pattern_error(pattern).is_none()).cloned().collect();
        if let Some(unknown) = patterns.iter().find(|pattern| !known.contains(pattern)) {
            if !self.assumed_names(condition, patterns, names) {
                names.doubt = Some(self.pattern_doubt(unknown));
            }
            if condition.matching.as_ref().is_some_and(|pattern| !known.contains(pattern)) {
                return;
            }
        }
        let Some(texts) = self.text_cases(literals) else {
            let class = literals.first().map_or(0, |literal| literal.class());
            let message = "which names propertyNames accepts could not be followed to the end";
            names.doubt = Some(self.doubt(Rule::PropertyNamesNarrowed, class, "", message));
            return;
        };
        for text in texts {
            if let Some(class) = text.listed {
                let listed = self.keywords(class).and_then(listed_values);
                let listed = listed.into_iter().flat_map(|set| set.values()).filter_map(Value::as_str);
                for name in listed.filter(|name| !mentioned.contains(*name) && !facts.is_absent(name)) {
                    if self.meets(name, condition, &mut names.doubt) {
                        names.found.push(name.to_owned());
                    }
                }
                continue;
            }
            self.names_of_text(facts, condition, &known, &text, mentioned, names);
        }
        names.found.sort_unstable();
        names.found.dedup();
    }

    /// Returns the ways in which a text can meet the literals; `None` if there are too many.
    fn text_cases(&mut self, literals: &[Literal]) -> Option<Vec<Facts>> {
        let mut all = literals.to_vec();
        all.push(Literal::new(super::TEXT, true));
        let mut pending = vec![Case::new(&all)];
        let mut found = Vec::new();
        while let Some(case) = pending.pop() {
            if found.len() + pending.len() > MAX_TEXT_CASES || !self.pair.spend(1) {
                return None;
            }
            match self.divide(case) {
                Division::Impossible => {}
                Division::Divided(cases) => pending.extend(cases),
                Division::Undivided(case) => found.push(case.facts),
                // a text has no members to wait for
                Division::Waits(..) => return None,
            }
        }
        Some(found)
    }

    /// Adds a name of each kind among the texts of a case.
    fn names_of_text(
        &mut self,
        facts: &Facts,
        condition: &NameCondition,
        known: &[Rc<str>],
        text: &Facts,
        mentioned: &BTreeSet<String>,
        names: &mut Names,
    ) {
        let mut all: Vec<Rc<str>> = known.to_vec();
        all.extend(
            text.patterns.iter().map(|(pattern, _)| Rc::clone(pattern)).filter(|p| !known.contains(p)),
        );
        let limit = text.max_length.map_or(text.min_length, |max| max.saturating_add(1).max(text.min_length));
        let language = match u32::try_from(limit) {
            Ok(limit) if all.len() <= 60 && limit <= MAX_NAME_LENGTH => self.language(&all, limit),
            _ => None,
        };
        let Some(language) = language else {
            let first = all.first().map_or("", |pattern| pattern);
            names.doubt = Some(self.pattern_doubt(first));
            return;
        };
        let bit = |pattern: &Rc<str>| {
            all.iter().position(|other| other == pattern).map_or(0u64, |place| 1u64 << place)
        };
        let (mut wanted, mut unwanted) = (0, 0);
        for (pattern, matches) in &text.patterns {
            *(if *matches { &mut wanted } else { &mut unwanted }) |= bit(pattern);
        }
        wanted |= condition.matching.as_ref().map_or(0, &bit);
        for class in &condition.outside {
            let entries = self.keywords(*class).map_or(&[][..], |keywords| &keywords.pattern_properties);
            unwanted |= entries.iter().fold(0, |bits, entry| bits | bit(&Rc::from(entry.text.as_str())));
        }
        let excluded = self.excluded_texts(text);
        let (min, max) = (text.min_length, text.max_length);
        let has_length = |length: u32| {
            let length = u64::from(length);
            length >= min && max.is_none_or(|max| length <= max)
        };
        let pair = self.pair;
        let kinds = language.signatures(|matched, length| {
            matched & wanted == wanted && matched & unwanted == 0 && has_length(length)
        });
        for kind in kinds {
            let is_kind = |matched: u64, length: u32| matched == kind && has_length(length);
            let is_skipped =
                |name: &str| mentioned.contains(name) || facts.is_absent(name) || excluded.contains(name);
            let spend = |steps: usize| pair.spend(steps);
            // the first name is enough unless it is mentioned
            let first = language.texts(&is_kind, 1, &|_| false, false, &spend);
            let name = first.and_then(|texts| texts.into_iter().next()).filter(|name| !is_skipped(name));
            match name {
                Some(name) => names.found.push(name),
                None => match language.texts(&is_kind, 1, &is_skipped, true, &spend) {
                    Some(texts) => names.found.extend(texts),
                    None => {
                        let first = all.first().map_or("", |pattern| pattern);
                        names.doubt = Some(self.pattern_doubt(first));
                    }
                },
            }
        }
    }

    /// Adds a name for each set of patterns that a name might match, where what some match is not known.
    /// Returns `false` if there are too many.
    fn assumed_names(&mut self, condition: &NameCondition, patterns: &[Rc<str>], names: &mut Names) -> bool {
        if patterns.len() > MAX_ASSUMED_PATTERNS {
            return false;
        }
        for bits in 0..1_u32 << patterns.len() {
            let matching = patterns.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
            let matching: Vec<String> = matching.map(|(_, pattern)| pattern.to_string()).collect();
            let name = self.pair.assume_name(matching);
            if self.meets(&name, condition, &mut names.doubt) {
                names.found.push(name);
            }
        }
        true
    }
}
