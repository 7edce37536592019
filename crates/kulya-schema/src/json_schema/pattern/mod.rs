//! Regular expressions of ECMA-262: whether a text matches, and the automata that decide which texts match
//! several of them at once.
//!
//! A pattern is parsed here ([`parse`]), because ECMA-262 has a syntax of its own, and turned into automata
//! of `regex-automata`: matching takes time linear in the text, whatever the pattern. Look-around at the
//! start of a pattern is a condition of its own on the whole text, so a pattern is a conjunction of
//! automata and of complements of automata.
//!
//! Not supported: back references, look-around elsewhere. Nothing is decided about a pattern with any of
//! these. Texts are sequences of code points; a text with a code point beyond U+FFFF is left undecided,
//! because validators that see UTF-16 count it twice.

mod language;
mod parse;
mod unicode_property;

pub(crate) use language::{Automaton, Language, PatternAutomata, universe};
pub(crate) use parse::PatternError;

use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::NFA;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_syntax::hir::Hir;
use std::cell::RefCell;

/// The maximum size of an automaton, in bytes.
const MAX_AUTOMATON_BYTES: usize = 2 << 20;
const MAX_TEXT_CHARS: usize = 5_000;

/// A parsed pattern: expressions that a text must match, or must not.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

/// One expression of a pattern.
#[derive(Debug, Clone)]
struct Part {
    hir: Hir,
    /// Whether a text must match, and not the contrary.
    is_positive: bool,
}

/// The automata of a pattern, for matching a text.
#[derive(Debug)]
pub(crate) struct Matcher {
    parts: Vec<(PikeVM, RefCell<Cache>, bool)>,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// It is invalid, or has what is not supported.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        parse::parse(text)
    }

    /// Compiles the automata for matching; `None` if they would be too large.
    pub(crate) fn matcher(&self) -> Option<Matcher> {
        let compile = |part: &Part| {
            let vm = PikeVM::new_from_nfa(compile(&part.hir)?).ok()?;
            let cache = RefCell::new(vm.create_cache());
            Some((vm, cache, part.is_positive))
        };
        Some(Matcher { parts: self.parts.iter().map(compile).collect::<Option<_>>()? })
    }

    /// Compiles the deterministic automata, each with whether a text must match it; `None` if they would be
    /// too large.
    pub(crate) fn automata(&self) -> Option<Vec<(Automaton, bool)>> {
        self.parts.iter().map(|part| Some((Automaton::new(&part.hir)?, part.is_positive))).collect()
    }
}

fn compile(hir: &Hir) -> Option<NFA> {
    let config = thompson::Config::new()
        .nfa_size_limit(Some(MAX_AUTOMATON_BYTES))
        .which_captures(thompson::WhichCaptures::None);
    thompson::Compiler::new().configure(config).build_from_hir(hir).ok()
}

impl Matcher {
    /// Returns whether the text matches; `None` if it is too long, or not in the basic plane.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        let mut chars = text.chars();
        let in_basic_plane = chars.by_ref().take(MAX_TEXT_CHARS).all(|c| u32::from(c) <= 0xffff);
        if !in_basic_plane || chars.next().is_some() {
            return None;
        }
        let is_match = |(vm, cache, is_positive): &(PikeVM, RefCell<Cache>, bool)| {
            vm.is_match(&mut cache.borrow_mut(), text) == *is_positive
        };
        Some(self.parts.iter().all(is_match))
    }

    /// Returns the number of states of the automata: matching takes at most so many steps for each
    /// character.
    pub(crate) fn state_count(&self) -> usize {
        self.parts.iter().map(|(vm, _, _)| vm.get_nfa().states().len()).sum()
    }
}

#[cfg(test)]
mod tests;
