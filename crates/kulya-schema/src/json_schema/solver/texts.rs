//! Texts of a length that match some patterns and do not match others.

use super::Solver;
use super::facts::Facts;
use super::settling::Examples;
use crate::json_schema::pattern::Language;
use crate::json_schema::reason::Rule;
use crate::json_schema::validate::format_example;
use rustc_hash::FxHashSet;
use serde_json::Value;
use std::rc::Rc;

const MAX_LENGTH: u64 = 100_000;
const MAX_EXAMPLES: usize = 3;

impl Solver<'_, '_> {
    /// Finds texts that meet the facts.
    pub(super) fn texts(&mut self, facts: &Facts) -> Examples {
        let listed: FxHashSet<String> = self.excluded_texts(facts);
        let is_excluded = |text: &str| listed.contains(text);
        let mut found = if facts.patterns.is_empty() {
            self.plain_texts(facts, &is_excluded, listed.len())
        } else {
            self.matching_texts(facts, &is_excluded, listed.len())
        };
        // what a format accepts is known of one example
        found.others.extend(self.formats_of(facts).into_iter().map(Value::from));
        found
    }

    pub(super) fn excluded_texts(&self, facts: &Facts) -> FxHashSet<String> {
        let sets = self.excluded_sets(facts);
        let values = sets.iter().flat_map(|set| set.values());
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn formats_of(&self, facts: &Facts) -> Vec<&'static str> {
        let mut examples = Vec::new();
        for (atom, holds) in &facts.atoms {
            let Some(atom) = self.atoms.get(*atom).filter(|_| *holds) else { continue };
            let [doubt, _] = &atom.doubt;
            let format =
                self.keywords(doubt.class).and_then(|keywords| keywords.assertions.format.as_deref());
            examples.extend(format.and_then(format_example));
        }
        examples
    }

    fn plain_texts(&self, facts: &Facts, is_excluded: &dyn Fn(&str) -> bool, excluded: usize) -> Examples {
        let (min, max) = (facts.min_length, facts.max_length);
        let mut found = Examples::none();
        if max.is_some_and(|max| max < min) {
            return found;
        }
        if min > MAX_LENGTH {
            found.doubt = Some(self.doubt(
                Rule::MinLengthRaised,
                facts.excluded.first().copied().unwrap_or_default(),
                "",
                "texts of this length are not built",
            ));
            return found;
        }
        if min == 0 && !is_excluded("") {
            found.values.push(Value::from(""));
        }
        let length = usize::try_from(min.max(1)).unwrap_or(1);
        if max == Some(0) || !self.pair.spend(length / 16) {
            return found;
        }
        let rest = "a".repeat(length - 1);
        let ascii = ('a'..='z').chain('0'..='9').chain('A'..='Z');
        let others = ('\u{e0}'..='\u{d7ff}').filter(|character| character.is_alphanumeric());
        for first in ascii.chain(others).take(excluded.saturating_add(MAX_EXAMPLES)) {
            let text = format!("{first}{rest}");
            if !is_excluded(&text) {
                found.values.push(Value::from(text));
            }
            if found.values.len() >= MAX_EXAMPLES || !self.pair.spend(1) {
                return found;
            }
        }
        found.is_exhaustive = !found.values.is_empty();
        found
    }

    fn matching_texts(
        &mut self,
        facts: &Facts,
        is_excluded: &dyn Fn(&str) -> bool,
        excluded: usize,
    ) -> Examples {
        let (min, max) = (facts.min_length, facts.max_length);
        let mut found = Examples::none();
        let limit = max.map_or(min, |max| max.saturating_add(1).max(min));
        let limit = if limit > 5_000 { 5_000 } else { u32::try_from(limit).unwrap_or(0) };
        let patterns: Vec<Rc<str>> = facts.patterns.iter().map(|(pattern, _)| Rc::clone(pattern)).collect();
        if patterns.len() > 60 || max.is_some_and(|max| max >= 5_000) || min >= 5_000 {
            // without the lengths the texts are more, so none of them is still none
            let Some(language) = (if patterns.len() > 60 { None } else { self.language(&patterns, 0) })
            else {
                return self.too_many(facts);
            };
            let (wanted, unwanted) = bits(facts);
            let fits = |matched: u64, _: u32| matched & wanted == wanted && matched & unwanted == 0;
            let pair = self.pair;
            let texts = language.texts(&fits, 1, &|_| false, false, &|steps| pair.spend(steps));
            return match texts {
                Some(texts) if texts.is_empty() => Examples::none(),
                _ => {
                    let mut doubted = self.too_many(facts);
                    doubted.values.extend(texts.into_iter().flatten().map(Value::from));
                    doubted
                }
            };
        }
        let Some(language) = self.language(&patterns, limit) else { return self.too_many(facts) };
        let (wanted, unwanted) = bits(facts);
        let fits = |matched: u64, length: u32| {
            let length = u64::from(length);
            matched & wanted == wanted
                && matched & unwanted == 0
                && length >= min
                && max.is_none_or(|max| length <= max)
        };
        let pair = self.pair;
        let texts =
            language.texts(&fits, MAX_EXAMPLES, is_excluded, excluded > 0, &|steps| pair.spend(steps));
        match texts {
            Some(texts) => found.values.extend(texts.into_iter().map(Value::from)),
            None => return self.too_many(facts),
        }
        found
    }

    fn too_many(&self, facts: &Facts) -> Examples {
        let pattern = facts.patterns.first().map_or("", |(pattern, _)| pattern);
        let class = facts.excluded.first().copied().unwrap_or_default();
        let message = format!("the texts of pattern {pattern:?} are too many to follow");
        let doubt = Some(self.doubt(Rule::PatternChanged, class, "", &message));
        Examples { is_exhaustive: false, doubt, ..Examples::none() }
    }

    /// Returns the explored language of patterns; `None` if an automaton is too large.
    pub(super) fn language(&mut self, patterns: &[Rc<str>], length_limit: u32) -> Option<Rc<Language>> {
        let key = (patterns.to_vec(), length_limit);
        if let Some(language) = self.languages.get(&key) {
            return language.clone();
        }
        let pair = self.pair;
        let automata: Option<Vec<_>> = patterns.iter().map(|pattern| pair.automata(pattern)).collect();
        let language = automata.zip(pair.universe()).and_then(|(automata, universe)| {
            Language::explore(universe, &automata, length_limit, &|steps| pair.spend(steps)).map(Rc::new)
        });
        self.languages.insert(key, language.clone());
        language
    }
}

/// Returns the patterns that a text must match, and those that it must not, by bit.
fn bits(facts: &Facts) -> (u64, u64) {
    let mut bits = (0u64, 0u64);
    for (place, (_, matches)) in facts.patterns.iter().enumerate().take(64) {
        if *matches {
            bits.0 |= 1 << place;
        } else {
            bits.1 |= 1 << place;
        }
    }
    bits
}
