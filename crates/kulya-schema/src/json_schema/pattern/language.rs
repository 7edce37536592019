//! Languages: the texts that match some patterns and do not match others, of a length. A language is the
//! product of deterministic automata over the bytes of UTF-8, explored up to a limit of states.
//! module circle: a pattern hands out its automata, and both are compiled in the same way.

use super::compile;
use super::parse::any_text;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, Look};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::rc::Rc;

/// The maximum size of a deterministic automaton, in bytes.
const MAX_AUTOMATON_BYTES: usize = 1 << 20;
/// The maximum number of states of a product, and of texts that are followed in it.
const MAX_STATES: usize = 8_000;
/// The bytes to choose for an example, the most readable first.
const PREFERRED: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. /:";

/// A deterministic automaton that accepts a whole text if some part of it matches.
#[derive(Debug)]
pub(crate) struct Automaton {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
}

impl Automaton {
    pub(super) fn new(hir: &Hir) -> Option<Self> {
        let anywhere = Hir::concat(vec![
            Hir::look(Look::Start),
            any_text(),
            hir.clone(),
            any_text(),
            Hir::look(Look::End),
        ]);
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .accelerate(false)
            .dfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .determinize_size_limit(Some(MAX_AUTOMATON_BYTES));
        let dfa = dense::Builder::new().configure(config).build_from_nfa(&compile(&anywhere)?).ok()?;
        let start = dfa.start_state_forward(&Input::new("").anchored(Anchored::Yes)).ok()?;
        Some(Self { dfa, start })
    }

    /// Returns its size in bytes: building it took time in proportion.
    pub(crate) fn size(&self) -> usize {
        self.dfa.memory_usage()
    }

    fn accepts_in(&self, state: StateID) -> bool {
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }
}

/// Returns the automaton of all texts.
pub(crate) fn universe() -> Option<Automaton> {
    Automaton::new(&Hir::empty())
}

/// The automata of one pattern, each with whether a text must match it.
pub(crate) type PatternAutomata = Rc<Vec<(Automaton, bool)>>;

/// The explored product of the automata of several patterns.
#[derive(Debug)]
pub(crate) struct Language {
    /// The edges of each state, in the order of preference.
    edges: Vec<Vec<(u8, u32)>>,
    /// The bytes that each representative byte stands for.
    bytes: FxHashMap<u8, Vec<u8>>,
    /// The patterns that a text ending in the state matches, by bit.
    matched: Vec<u64>,
    /// The length of a text that ends in the state, up to the limit of lengths.
    lengths: Vec<u32>,
}

impl Language {
    /// Explores the product of the patterns (at most 64), counting lengths up to a limit. Returns
    /// `None` if there are too many states.
    pub(crate) fn explore(
        universe: &Automaton,
        patterns: &[PatternAutomata],
        length_limit: u32,
        spend: &dyn Fn(usize) -> bool,
    ) -> Option<Self> {
        let parts: Vec<&Automaton> =
            std::iter::once(universe).chain(patterns.iter().flat_map(|p| p.iter().map(|(a, _)| a))).collect();
        let matched = |states: &[StateID]| {
            let mut index = 1;
            let mut bits = 0u64;
            for (number, pattern) in patterns.iter().enumerate() {
                let mut is_match = true;
                for (automaton, is_positive) in pattern.iter() {
                    is_match &= states.get(index).is_some_and(|s| automaton.accepts_in(*s) == *is_positive);
                    index += 1;
                }
                bits |= u64::from(is_match) << number;
            }
            bits
        };
        let groups = byte_groups(&parts);
        let mut language = Self {
            edges: Vec::new(),
            bytes: groups.iter().filter_map(|group| Some((*group.first()?, group.clone()))).collect(),
            matched: Vec::new(),
            lengths: Vec::new(),
        };
        let mut numbers: FxHashMap<(Rc<[StateID]>, u32), u32> = FxHashMap::default();
        let mut states: Vec<Rc<[StateID]>> = Vec::new();
        let start: Rc<[StateID]> = parts.iter().map(|part| part.start).collect();
        let mut add = |language: &mut Self, states: &mut Vec<Rc<[StateID]>>, next: Rc<[StateID]>, length| {
            *numbers.entry((Rc::clone(&next), length)).or_insert_with(|| {
                language.matched.push(matched(&next));
                language.lengths.push(length);
                states.push(next);
                u32::try_from(states.len() - 1).unwrap_or(u32::MAX)
            })
        };
        add(&mut language, &mut states, start, 0);
        let mut current = 0;
        while let Some(from) = states.get(current).map(Rc::clone) {
            if states.len() > MAX_STATES || !spend(1 + groups.len() * parts.len() / 8) {
                return None;
            }
            let length = language.lengths.get(current).copied().unwrap_or_default();
            let mut edges = Vec::new();
            for group in &groups {
                let Some(byte) = group.first().copied() else { continue };
                let next: Rc<[StateID]> =
                    parts.iter().zip(from.iter()).map(|(part, s)| part.dfa.next_state(*s, byte)).collect();
                // not UTF-8, or at its end
                if next.first().is_some_and(|s| universe.dfa.is_dead_state(*s)) {
                    continue;
                }
                let length = if byte & 0xc0 == 0x80 { length } else { length_limit.min(length + 1) };
                edges.push((byte, add(&mut language, &mut states, next, length)));
            }
            language.edges.push(edges);
            current += 1;
        }
        Some(language)
    }

    /// Returns the different sets of patterns that texts match.
    pub(crate) fn signatures(&self, is_text_end: impl Fn(u64, u32) -> bool) -> Vec<u64> {
        let mut found: Vec<u64> = Vec::new();
        for (matched, length) in self.matched.iter().zip(&self.lengths) {
            if self.edges.is_empty() || !is_text_end(*matched, *length) || found.contains(matched) {
                continue;
            }
            found.push(*matched);
        }
        found
    }

    /// Returns texts that end in a wanted state, the shortest first: `count` of them, or all if there are
    /// fewer; `None` if the search ends at its limit before that.
    pub(crate) fn texts(
        &self,
        is_wanted: &dyn Fn(u64, u32) -> bool,
        count: usize,
        is_skipped: &dyn Fn(&str) -> bool,
        every_byte: bool,
        spend: &dyn Fn(usize) -> bool,
    ) -> Option<Vec<String>> {
        let is_end: Vec<bool> = self
            .matched
            .iter()
            .zip(&self.lengths)
            .map(|(matched, length)| is_wanted(*matched, *length))
            .collect();
        let is_live = self.states_leading_to(&is_end);
        let mut texts = Vec::new();
        if is_live.first() != Some(&true) {
            return Some(texts);
        }
        let mut pending: VecDeque<(u32, Option<Rc<Path>>)> = VecDeque::from([(0, None)]);
        // without skipped texts the first path to a state is enough
        let mut seen = vec![false; if every_byte { 0 } else { is_end.len() }];
        let mut followed = 0;
        while let Some((state, path)) = pending.pop_front() {
            let index = usize::try_from(state).unwrap_or(usize::MAX);
            if is_end.get(index) == Some(&true)
                && let Some(text) = text_of(path.as_ref())
                && !is_skipped(&text)
            {
                texts.push(text);
                if texts.len() >= count {
                    return Some(texts);
                }
            }
            followed += 1;
            if followed > 2 * MAX_STATES || !spend(1) {
                return None;
            }
            for (byte, next) in self.edges.get(index).into_iter().flatten() {
                let target = usize::try_from(*next).unwrap_or(usize::MAX);
                if is_live.get(target) != Some(&true) {
                    continue;
                }
                if let Some(seen) = seen.get_mut(target)
                    && std::mem::replace(seen, true)
                {
                    continue;
                }
                let bytes = self.bytes.get(byte).map_or(&[][..], Vec::as_slice);
                for byte in bytes.iter().take(if every_byte { bytes.len() } else { 1 }) {
                    pending.push_back((*next, Some(Rc::new(Path { byte: *byte, before: path.clone() }))));
                }
            }
        }
        Some(texts)
    }

    fn states_leading_to(&self, is_end: &[bool]) -> Vec<bool> {
        let mut sources: Vec<Vec<u32>> = vec![Vec::new(); self.edges.len()];
        for (from, edges) in (0u32..).zip(&self.edges) {
            for (_, to) in edges {
                if let Some(sources) = sources.get_mut(usize::try_from(*to).unwrap_or(usize::MAX)) {
                    sources.push(from);
                }
            }
        }
        let mut is_live = is_end.to_vec();
        let mut pending: Vec<usize> =
            is_end.iter().enumerate().filter(|(_, is_end)| **is_end).map(|(n, _)| n).collect();
        while let Some(state) = pending.pop() {
            for source in sources.get(state).into_iter().flatten() {
                let source = usize::try_from(*source).unwrap_or(usize::MAX);
                if let Some(live) = is_live.get_mut(source)
                    && !*live
                {
                    *live = true;
                    pending.push(source);
                }
            }
        }
        is_live
    }
}

/// A text under construction, from its end.
struct Path {
    byte: u8,
    before: Option<Rc<Path>>,
}

fn text_of(path: Option<&Rc<Path>>) -> Option<String> {
    let mut bytes = Vec::new();
    let mut next = path;
    while let Some(path) = next {
        bytes.push(path.byte);
        next = path.before.as_ref();
    }
    bytes.reverse();
    String::from_utf8(bytes).ok()
}

impl Drop for Path {
    /// Drops a long path without recursion.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(path) = next {
            next = Rc::into_inner(path).and_then(|mut path| path.before.take());
        }
    }
}

/// Divides the bytes into groups that no automaton tells apart, the most readable byte first.
fn byte_groups(parts: &[&Automaton]) -> Vec<Vec<u8>> {
    let mut order: Vec<u8> = PREFERRED.to_vec();
    order.extend((0x20..=0x7e).chain(0..=0x1f).chain(0x7f..=0xff).filter(|byte| !PREFERRED.contains(byte)));
    let mut numbers: FxHashMap<Vec<u8>, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<u8>> = Vec::new();
    for byte in order {
        let mut classes: Vec<u8> = parts.iter().map(|part| part.dfa.byte_classes().get(byte)).collect();
        classes.push(u8::from(byte & 0xc0 == 0x80));
        let number = *numbers.entry(classes).or_insert(groups.len());
        match groups.get_mut(number) {
            Some(group) => group.push(byte),
            None => groups.push(vec![byte]),
        }
    }
    groups
}
