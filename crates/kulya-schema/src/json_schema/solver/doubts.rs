//! Atoms and doubts: the conditions whose effect is not known, and why a case is not decided.

use super::classes::Class;
use super::facts::{Change, Doubt, Facts};
use super::{Atom, Solver};
use crate::json_schema::node::{Keywords, TypeSet};
use crate::json_schema::pattern::PatternError;
use crate::json_schema::reason::Rule;
use crate::json_schema::reference::escape_token;
use crate::json_schema::validate::format_example;
use crate::json_schema::value_set::{hash, keyed_hash};
use std::rc::Rc;

impl Solver<'_, '_> {
    /// Returns the condition on a text to match a pattern, or not to: an atom if the pattern is not
    /// supported.
    pub(super) fn pattern_change(&mut self, class: Class, pattern: &str, matches: bool) -> Change {
        match self.pair.pattern_error(pattern) {
            None => Change::Pattern(pattern.into(), matches),
            Some(error) => {
                let why = match error {
                    PatternError::Invalid(why) | PatternError::Unsupported(why) => why,
                };
                let message = format!("the pattern {pattern:?} cannot be judged: {why}");
                let key = keyed_hash(&("pattern", pattern));
                let atom = self.atom(key, class, Rule::PatternChanged, "/pattern", message, TypeSet::STRING);
                Change::Atom(atom, matches)
            }
        }
    }

    /// Returns the conditions of unknown effect that a subschema states.
    pub(super) fn atoms_of(&mut self, class: Class, keywords: &Keywords) -> Vec<usize> {
        let assertions = &keywords.assertions;
        let mut atoms = Vec::new();
        if let Some(format) = &assertions.format {
            let types = if format_example(format).is_some() { TypeSet::STRING } else { TypeSet::ALL };
            let message = format!("whether format {format} rejects a value is the validator's choice");
            let key = keyed_hash(&("format", format));
            atoms.push(self.atom(key, class, Rule::FormatChanged, "/format", message, types));
        }
        for (keyword, value) in &assertions.content {
            let message = format!("whether {keyword} rejects a string is the validator's choice");
            let (key, path) = (keyed_hash(&(keyword, hash(value))), format!("/{keyword}"));
            atoms.push(self.atom(key, class, Rule::ContentChanged, &path, message, TypeSet::STRING));
        }
        if assertions.draft4_integer {
            let message = "an integer of draft 4 must not be written as 1.0, and the writer's may be";
            let key = keyed_hash(&"draft 4 integer");
            let types = TypeSet::INTEGER;
            atoms.push(self.atom(key, class, Rule::Draft4Integer, "/type", message.to_owned(), types));
        }
        if let Some(uri) = keywords.external_reference() {
            let message = format!("{uri} is another document, which is not loaded");
            let key = keyed_hash(&("external", class));
            atoms.push(self.atom(key, class, Rule::OutsideReference, "/$ref", message, TypeSet::ALL));
        }
        for entry in &assertions.unsupported {
            let is_legacy = entry.keyword == "dependencies";
            let rule = if is_legacy { Rule::LegacyDependencies } else { Rule::DynamicReference };
            let message = format!("the effect of {} cannot be decided", entry.keyword);
            let (key, path) = (keyed_hash(&(entry.keyword, class)), format!("/{}", entry.keyword));
            let types = if is_legacy { TypeSet::OBJECT } else { TypeSet::ALL };
            atoms.push(self.atom(key, class, rule, &path, message, types));
        }
        atoms
    }

    fn atom(
        &mut self,
        key: u128,
        class: Class,
        rule: Rule,
        keyword: &str,
        message: String,
        types: TypeSet,
    ) -> usize {
        if let Some(atom) = self.atom_numbers.get(&key) {
            return *atom;
        }
        let doubt = |is_against| {
            Rc::new(Doubt { rule, class, keyword: keyword.to_owned(), message: message.clone(), is_against })
        };
        self.atoms.push(Atom { doubt: [doubt(false), doubt(true)], types });
        self.atom_numbers.insert(key, self.atoms.len() - 1);
        self.atoms.len() - 1
    }

    /// Returns whether an atom may concern values of these types.
    pub(super) fn concerns(&self, atom: usize, types: TypeSet) -> bool {
        self.atoms.get(atom).is_some_and(|atom| atom.types.intersects(types))
    }

    /// Returns why a case is doubtful: its atoms, and its doubts.
    pub(super) fn doubts_of(&self, id: super::StateId, facts: &Facts) -> Vec<Rc<Doubt>> {
        let mut doubts: Vec<Rc<Doubt>> = Vec::new();
        for (atom, holds) in &facts.atoms {
            let doubt = self.atoms.get(*atom).filter(|atom| atom.types.intersects(facts.types));
            let [written, against] = match doubt {
                Some(atom) => &atom.doubt,
                None => continue,
            };
            doubts.push(Rc::clone(if *holds { written } else { against }));
        }
        doubts.extend(facts.doubts.iter().cloned());
        if doubts.is_empty() {
            let message = "a value that is rejected here is likely, but none could be shown".to_owned();
            let class = self.place_of(id);
            doubts.push(Rc::new(Doubt {
                rule: Rule::OverBudget,
                class,
                keyword: String::new(),
                message,
                is_against: true,
            }));
        }
        doubts
    }

    /// Creates a doubt about a keyword.
    pub(super) fn doubt(&self, rule: Rule, class: Class, keyword: &str, message: &str) -> Rc<Doubt> {
        let (keyword, message) = (keyword.to_owned(), message.to_owned());
        Rc::new(Doubt { rule, class, keyword, message, is_against: true })
    }

    /// Names the path of an entry of `patternProperties`.
    pub(super) fn pattern_path(pattern: &str) -> String {
        format!("/patternProperties/{}", escape_token(pattern))
    }
}
