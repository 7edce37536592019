//! The supported subset of ECMA-262 regular expressions: matching a text, and generating texts that match.
//!
//! A pattern is parsed here, because ECMA-262 has a syntax of its own, and matched by an automaton of
//! `regex-automata`: matching takes time linear in the text, whatever the pattern.
//!
//! Not supported: look-around, back references, word boundaries, Unicode properties. A pattern with any of
//! these is stored as text only, and nothing is decided about it.

use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};
use std::cell::RefCell;

/// A parsed pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Vec<Sequence>);

type Sequence = Vec<Repeat>;

#[derive(Debug, Clone)]
struct Repeat {
    element: Element,
    min: u32,
    max: u32,
}

#[derive(Debug, Clone)]
enum Element {
    Class { ranges: Vec<(char, char)>, is_negated: bool },
    Start,
    End,
    Group(Vec<Sequence>),
}

/// The automaton of a pattern.
#[derive(Debug)]
pub(crate) struct Matcher {
    vm: PikeVM,
    cache: RefCell<Cache>,
}

/// The maximum size of an automaton, in bytes.
const MAX_AUTOMATON_BYTES: usize = 1 << 20;
const MAX_PATTERN_CHARS: usize = 500;
const MAX_GROUP_DEPTH: usize = 10;
const MAX_TEXT_CHARS: usize = 300;
/// The maximum number of elements of one generated text, including those that match no character.
const MAX_GENERATED_ELEMENTS: usize = 5_000;
const DIGIT: &[(char, char)] = &[('0', '9')];
const WORD: &[(char, char)] = &[('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
const SPACE: &[(char, char)] = &[
    ('\t', '\r'),
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{feff}', '\u{feff}'),
];
const LINE_END: &[(char, char)] = &[('\n', '\n'), ('\r', '\r'), ('\u{2028}', '\u{2029}')];

impl Pattern {
    /// Parses a pattern; `None` if it is not supported.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.chars().count() > MAX_PATTERN_CHARS || !text.chars().all(in_basic_plane) {
            return None;
        }
        let mut parser = Parser { rest: text.chars().collect::<Vec<_>>().into_iter().peekable() };
        let alternatives = parser.alternatives(0)?;
        parser.rest.next().is_none().then_some(Self(alternatives))
    }

    /// Compiles the automaton; `None` if it would be too large.
    pub(crate) fn matcher(&self) -> Option<Matcher> {
        let config = thompson::Config::new()
            .nfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build_from_hir(&to_hir(&self.0)).ok()?;
        let vm = PikeVM::new_from_nfa(nfa).ok()?;
        let cache = RefCell::new(vm.create_cache());
        Some(Matcher { vm, cache })
    }

    /// Generates texts that may match, which [`Matcher::matches`] must confirm: of at least `length`
    /// characters if the pattern allows it.
    pub(crate) fn generate(&self, length: usize) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for preferred in PREFERRED {
            for alternative in 0..self.0.len().min(4) {
                let text = self.generate_one(preferred, alternative, length);
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
        }
        texts
    }

    fn generate_one(&self, preferred: &str, alternative: usize, length: usize) -> String {
        let mut text = String::new();
        let Some(sequence) = self.0.get(alternative) else { return text };
        let mut remaining = MAX_GENERATED_ELEMENTS;
        for repeat in sequence {
            write_repeat(repeat, preferred, 0, &mut text, &mut remaining);
        }
        let missing = length.saturating_sub(text.chars().count()).min(MAX_TEXT_CHARS);
        if missing == 0 {
            return text;
        }
        // the first element that may be repeated often enough fills the length
        let mut missing = u32::try_from(missing).unwrap_or(0);
        text.clear();
        for repeat in sequence {
            let more = repeat.max.saturating_sub(repeat.min).min(missing);
            missing -= more;
            write_repeat(repeat, preferred, more, &mut text, &mut remaining);
        }
        text
    }
}

/// Characters to choose from, the most common first.
const PREFERRED: [&str; 3] = ["aA0_-. xzbB1!", "0Z z._-9b#", "_ -é~zZ5y"];

fn in_basic_plane(character: char) -> bool {
    u32::from(character) <= 0xffff
}

fn write_repeat(repeat: &Repeat, preferred: &str, more: u32, text: &mut String, remaining: &mut usize) {
    for _ in 0..repeat.min.saturating_add(more) {
        if text.len() > 4 * MAX_TEXT_CHARS || *remaining == 0 {
            return;
        }
        *remaining -= 1;
        match &repeat.element {
            Element::Class { ranges, is_negated } => text.push(member(ranges, *is_negated, preferred)),
            Element::Group(alternatives) => {
                for repeat in alternatives.first().into_iter().flatten() {
                    write_repeat(repeat, preferred, 0, text, remaining);
                }
            }
            Element::Start | Element::End => {}
        }
    }
}

fn member(ranges: &[(char, char)], is_negated: bool, preferred: &str) -> char {
    let bounds = ranges.iter().flat_map(|(from, to)| [*from, *to]);
    let mut candidates = preferred.chars().chain(bounds);
    candidates.find(|character| in_class(*character, ranges, is_negated)).unwrap_or('a')
}

fn in_class(character: char, ranges: &[(char, char)], is_negated: bool) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != is_negated
}

struct Parser {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
}

impl Parser {
    fn eat(&mut self, character: char) -> bool {
        self.rest.next_if_eq(&character).is_some()
    }

    fn alternatives(&mut self, depth: usize) -> Option<Vec<Sequence>> {
        if depth > MAX_GROUP_DEPTH {
            return None;
        }
        let mut alternatives = vec![self.sequence(depth)?];
        while self.eat('|') {
            alternatives.push(self.sequence(depth)?);
        }
        Some(alternatives)
    }

    fn sequence(&mut self, depth: usize) -> Option<Sequence> {
        let mut sequence = Vec::new();
        while let Some(next) = self.rest.peek() {
            if matches!(next, '|' | ')') {
                break;
            }
            let element = self.element(depth)?;
            let (min, max) = self.quantifier()?;
            let is_anchor = matches!(element, Element::Start | Element::End);
            if is_anchor && (min, max) != (1, 1) {
                return None;
            }
            sequence.push(Repeat { element, min, max });
        }
        Some(sequence)
    }

    fn element(&mut self, depth: usize) -> Option<Element> {
        let class =
            |ranges: &[(char, char)], is_negated| Element::Class { ranges: ranges.to_vec(), is_negated };
        Some(match self.rest.next()? {
            '^' => Element::Start,
            '$' => Element::End,
            '.' => class(LINE_END, true),
            '(' => {
                if self.eat('?') && !self.eat(':') {
                    return None;
                }
                let alternatives = self.alternatives(depth + 1)?;
                if !self.eat(')') {
                    return None;
                }
                Element::Group(alternatives)
            }
            '[' => self.class()?,
            '\\' => {
                let (ranges, is_negated) = self.escape()?;
                Element::Class { ranges, is_negated }
            }
            '*' | '+' | '?' | '{' | '}' | ']' => return None,
            literal => class(&[(literal, literal)], false),
        })
    }

    fn escape(&mut self) -> Option<(Vec<(char, char)>, bool)> {
        let one = |character| Some((vec![(character, character)], false));
        match self.rest.next()? {
            'd' => Some((DIGIT.to_vec(), false)),
            'D' => Some((DIGIT.to_vec(), true)),
            'w' => Some((WORD.to_vec(), false)),
            'W' => Some((WORD.to_vec(), true)),
            's' => Some((SPACE.to_vec(), false)),
            'S' => Some((SPACE.to_vec(), true)),
            't' => one('\t'),
            'n' => one('\n'),
            'r' => one('\r'),
            'f' => one('\u{c}'),
            'v' => one('\u{b}'),
            'x' => one(self.hexadecimal(2)?),
            'u' => one(self.hexadecimal(4)?),
            'c' => {
                let letter = self.rest.next_if(char::is_ascii_alphabetic)?;
                one(char::from_u32(u32::from(letter) % 32)?)
            }
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => one('\0'),
            letter if letter.is_alphanumeric() || !letter.is_ascii() => None,
            mark => one(mark),
        }
    }

    /// Parses a character's hexadecimal code point. A surrogate is not a character.
    fn hexadecimal(&mut self, digits: usize) -> Option<char> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 16 + self.rest.next()?.to_digit(16)?;
        }
        char::from_u32(number)
    }

    fn class(&mut self) -> Option<Element> {
        let is_negated = self.eat('^');
        let mut ranges = Vec::new();
        loop {
            let from = match self.rest.next()? {
                ']' => return Some(Element::Class { ranges, is_negated }),
                '[' => return None,
                '\\' => match self.class_escape()? {
                    Ok(one) => one,
                    Err(several) => {
                        // a range that starts with a character class is not supported
                        if self.rest.peek() == Some(&'-') {
                            return None;
                        }
                        ranges.extend(several);
                        continue;
                    }
                },
                one => one,
            };
            if !self.eat('-') {
                ranges.push((from, from));
                continue;
            }
            let to = match self.rest.next()? {
                ']' => {
                    ranges.extend([(from, from), ('-', '-')]);
                    return Some(Element::Class { ranges, is_negated });
                }
                '[' => return None,
                '\\' => self.class_escape()?.ok()?,
                one => one,
            };
            if from > to {
                return None;
            }
            ranges.push((from, to));
        }
    }

    /// Parses one character, or a character class; a negated class within a class is not supported.
    fn class_escape(&mut self) -> Option<Result<char, Vec<(char, char)>>> {
        if self.eat('b') {
            return Some(Ok('\u{8}'));
        }
        let (ranges, is_complement) = self.escape()?;
        match ranges.as_slice() {
            _ if is_complement => None,
            [(from, to)] if from == to => Some(Ok(*from)),
            _ => Some(Err(ranges)),
        }
    }

    fn quantifier(&mut self) -> Option<(u32, u32)> {
        let bounds = match self.rest.peek() {
            Some('*') => (0, u32::MAX),
            Some('+') => (1, u32::MAX),
            Some('?') => (0, 1),
            Some('{') => {
                self.rest.next();
                return self.counted();
            }
            _ => return Some((1, 1)),
        };
        self.rest.next();
        // lazy and greedy quantifiers match the same texts
        self.eat('?');
        Some(bounds)
    }

    fn counted(&mut self) -> Option<(u32, u32)> {
        let min = self.number()?;
        let max = if self.eat(',') {
            if self.rest.peek() == Some(&'}') { u32::MAX } else { self.number()? }
        } else {
            min
        };
        if !self.eat('}') || max < min {
            return None;
        }
        self.eat('?');
        Some((min, max))
    }

    fn number(&mut self) -> Option<u32> {
        let mut digits = String::new();
        while let Some(digit) = self.rest.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.parse().ok().filter(|number| *number <= 300)
    }
}

impl Matcher {
    /// Returns whether some part of the text matches; `None` if the text is too long.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        if text.chars().count() > MAX_TEXT_CHARS || !text.chars().all(in_basic_plane) {
            return None;
        }
        Some(self.vm.is_match(&mut self.cache.borrow_mut(), text))
    }

    /// Returns the number of states of the automaton: matching takes at most so many steps for each
    /// character.
    pub(crate) fn state_count(&self) -> usize {
        self.vm.get_nfa().states().len()
    }
}

fn to_hir(alternatives: &[Sequence]) -> Hir {
    Hir::alternation(
        alternatives
            .iter()
            .map(|sequence| Hir::concat(sequence.iter().map(repeat_to_hir).collect()))
            .collect(),
    )
}

fn repeat_to_hir(repeat: &Repeat) -> Hir {
    let element = match &repeat.element {
        Element::Start => return Hir::look(Look::Start),
        Element::End => return Hir::look(Look::End),
        Element::Group(alternatives) => to_hir(alternatives),
        Element::Class { ranges, is_negated } => {
            let ranges = ranges.iter().map(|(from, to)| ClassUnicodeRange::new(*from, *to));
            let mut class = ClassUnicode::new(ranges);
            if *is_negated {
                class.negate();
            }
            Hir::class(Class::Unicode(class))
        }
    };
    if (repeat.min, repeat.max) == (1, 1) {
        return element;
    }
    let max = (repeat.max != u32::MAX).then_some(repeat.max);
    Hir::repetition(Repetition { min: repeat.min, max, greedy: true, sub: Box::new(element) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> Option<bool> {
        Pattern::parse(pattern)?.matcher()?.matches(text)
    }

    #[test]
    fn patterns_match_as_in_ecma_262() {
        for (pattern, accepts, rejects) in [
            ("", "anything", ""),
            ("b", "abc", "ac"),
            ("^a$", "a", "a\n"),
            ("^[a-c]{2,3}$", "abc", "abcd"),
            (r"^\x41\u0042\cA$", "AB\u{1}", "AB"),
            (r"^[-\x41-\u0043\d]+$", "A-B1", "D"),
            (r"^[\b\]]$", "]", "b"),
            (r"^[^\s]$", "x", "\u{feff}"),
            (r"^\w$", "_", "é"),
            ("^.$", "\u{85}", "\u{2028}"),
            ("^(?:a|bc)+?$", "abca", "ab"),
            ("^[]$|^a", "ab", "]"),
            ("^[^]$", "\n", ""),
        ] {
            assert_eq!(matches(pattern, accepts), Some(true), "{pattern} {accepts:?}");
            assert!(matches(pattern, rejects) == Some(false) || pattern.is_empty(), "{pattern} {rejects:?}");
        }
        for unknown in
            ["(?=a)", r"(a)\1", r"\ba", r"\p{L}", "a{2", "[z-a]", r"[\d-z]", r"\ud800", r"\01", "\u{1d49c}"]
        {
            assert!(Pattern::parse(unknown).is_none(), "{unknown}");
        }
    }

    /// Patterns that take exponential time in a backtracking matcher, or in a naive generator of texts.
    #[test]
    fn no_pattern_takes_long() {
        let long = "a".repeat(300);
        for pattern in ["^(a+)+b$", "^(a|a)*b$", "^((a*)*)*b$", "(a?){300}a{300}b", "^(.*)(.*)(.*)(.*)(.*)x$"]
        {
            assert_eq!(matches(pattern, &long), Some(false), "{pattern}");
        }
        let nothing = (0..9).fold("()".to_owned(), |inner, _| format!("({inner}){{300}}"));
        assert!(Pattern::parse(&nothing).unwrap().generate(5).iter().all(String::is_empty));
        let large = "((a{300}){300}){300}";
        assert!(Pattern::parse(large).unwrap().matcher().is_none(), "an automaton is bounded");
    }
}
