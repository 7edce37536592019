//! The plain part of ECMA-262 regular expressions: enough to say whether a text matches, and to find one that does.
//!
//! A pattern is parsed here, because ECMA-262's syntax is its own, and matched by an automaton of `regex-automata`: a text
//! takes time by its length, whatever the pattern.
//!
//! Not here: look-around, back references, word boundaries, Unicode properties. A pattern with any of these is kept
//! as its text only, and nothing is said of it.

use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};
use std::cell::RefCell;

/// A pattern that is understood.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Vec<Sequence>);

type Sequence = Vec<Repeat>;

#[derive(Debug, Clone)]
struct Repeat {
    piece: Piece,
    least: u32,
    most: u32,
}

#[derive(Debug, Clone)]
enum Piece {
    Class { ranges: Vec<(char, char)>, negated: bool },
    Start,
    End,
    Group(Vec<Sequence>),
}

/// A pattern's automaton.
#[derive(Debug)]
pub(crate) struct Matcher {
    machine: PikeVM,
    cache: RefCell<Cache>,
}

/// The largest automaton, in bytes.
const MAX_AUTOMATON_BYTES: usize = 1 << 20;
const MAX_PATTERN_CHARS: usize = 500;
const MAX_GROUP_DEPTH: usize = 10;
const MAX_TEXT_CHARS: usize = 300;
/// Pieces that one sample is made of, those without a letter included.
const MAX_SAMPLE_PIECES: usize = 5_000;
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
    /// `None` for what is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.chars().count() > MAX_PATTERN_CHARS || !text.chars().all(in_basic_plane) {
            return None;
        }
        let mut parser = Parser { rest: text.chars().collect::<Vec<_>>().into_iter().peekable() };
        let choices = parser.choices(0)?;
        parser.rest.next().is_none().then_some(Self(choices))
    }

    /// The automaton; `None` where it would be too large.
    pub(crate) fn matcher(&self) -> Option<Matcher> {
        let config = thompson::Config::new()
            .nfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build_from_hir(&expression(&self.0)).ok()?;
        let machine = PikeVM::new_from_nfa(nfa).ok()?;
        let cache = RefCell::new(machine.create_cache());
        Some(Matcher { machine, cache })
    }

    /// Texts that may match: ask [`Self::matches`]. At least `length` characters where the pattern leaves a choice.
    pub(crate) fn samples(&self, length: usize) -> Vec<String> {
        let mut samples: Vec<String> = Vec::new();
        for friendly in FRIENDLY {
            for choice in 0..self.0.len().min(4) {
                let text = self.sample(friendly, choice, length);
                if !samples.contains(&text) {
                    samples.push(text);
                }
            }
        }
        samples
    }

    fn sample(&self, friendly: &str, choice: usize, length: usize) -> String {
        let mut text = String::new();
        let Some(sequence) = self.0.get(choice) else { return text };
        let mut left = MAX_SAMPLE_PIECES;
        for repeat in sequence {
            write_sample(repeat, friendly, 0, &mut text, &mut left);
        }
        let missing = length.saturating_sub(text.chars().count()).min(MAX_TEXT_CHARS);
        if missing == 0 {
            return text;
        }
        // the first piece that may be repeated often enough is
        let mut missing = u32::try_from(missing).unwrap_or(0);
        text.clear();
        for repeat in sequence {
            let more = repeat.most.saturating_sub(repeat.least).min(missing);
            missing -= more;
            write_sample(repeat, friendly, more, &mut text, &mut left);
        }
        text
    }
}

/// Characters to choose from, the plainest first.
const FRIENDLY: [&str; 3] = ["aA0_-. xzbB1!", "0Z z._-9b#", "_ -é~zZ5y"];

fn in_basic_plane(character: char) -> bool {
    u32::from(character) <= 0xffff
}

fn write_sample(repeat: &Repeat, friendly: &str, more: u32, text: &mut String, left: &mut usize) {
    for _ in 0..repeat.least.saturating_add(more) {
        if text.len() > 4 * MAX_TEXT_CHARS || *left == 0 {
            return;
        }
        *left -= 1;
        match &repeat.piece {
            Piece::Class { ranges, negated } => text.push(member(ranges, *negated, friendly)),
            Piece::Group(choices) => {
                for repeat in choices.first().into_iter().flatten() {
                    write_sample(repeat, friendly, 0, text, left);
                }
            }
            Piece::Start | Piece::End => {}
        }
    }
}

fn member(ranges: &[(char, char)], negated: bool, friendly: &str) -> char {
    let bounds = ranges.iter().flat_map(|(from, to)| [*from, *to]);
    let mut candidates = friendly.chars().chain(bounds);
    candidates.find(|character| in_class(*character, ranges, negated)).unwrap_or('a')
}

fn in_class(character: char, ranges: &[(char, char)], negated: bool) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != negated
}

struct Parser {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
}

impl Parser {
    fn take(&mut self, character: char) -> bool {
        self.rest.next_if_eq(&character).is_some()
    }

    fn choices(&mut self, depth: usize) -> Option<Vec<Sequence>> {
        if depth > MAX_GROUP_DEPTH {
            return None;
        }
        let mut choices = vec![self.sequence(depth)?];
        while self.take('|') {
            choices.push(self.sequence(depth)?);
        }
        Some(choices)
    }

    fn sequence(&mut self, depth: usize) -> Option<Sequence> {
        let mut sequence = Vec::new();
        while let Some(next) = self.rest.peek() {
            if matches!(next, '|' | ')') {
                break;
            }
            let piece = self.piece(depth)?;
            let (least, most) = self.quantifier()?;
            let anchor = matches!(piece, Piece::Start | Piece::End);
            if anchor && (least, most) != (1, 1) {
                return None;
            }
            sequence.push(Repeat { piece, least, most });
        }
        Some(sequence)
    }

    fn piece(&mut self, depth: usize) -> Option<Piece> {
        let class = |ranges: &[(char, char)], negated| Piece::Class { ranges: ranges.to_vec(), negated };
        Some(match self.rest.next()? {
            '^' => Piece::Start,
            '$' => Piece::End,
            '.' => class(LINE_END, true),
            '(' => {
                if self.take('?') && !self.take(':') {
                    return None;
                }
                let choices = self.choices(depth + 1)?;
                if !self.take(')') {
                    return None;
                }
                Piece::Group(choices)
            }
            '[' => self.class()?,
            '\\' => {
                let (ranges, negated) = self.escape()?;
                Piece::Class { ranges, negated }
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

    /// A character by its number. Half of a pair has none.
    fn hexadecimal(&mut self, digits: usize) -> Option<char> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 16 + self.rest.next()?.to_digit(16)?;
        }
        char::from_u32(number)
    }

    fn class(&mut self) -> Option<Piece> {
        let negated = self.take('^');
        let mut ranges = Vec::new();
        loop {
            let from = match self.rest.next()? {
                ']' => return Some(Piece::Class { ranges, negated }),
                '[' => return None,
                '\\' => match self.class_escape()? {
                    Ok(one) => one,
                    Err(several) => {
                        // a range that begins with several characters is left alone
                        if self.rest.peek() == Some(&'-') {
                            return None;
                        }
                        ranges.extend(several);
                        continue;
                    }
                },
                one => one,
            };
            if !self.take('-') {
                ranges.push((from, from));
                continue;
            }
            let to = match self.rest.next()? {
                ']' => {
                    ranges.extend([(from, from), ('-', '-')]);
                    return Some(Piece::Class { ranges, negated });
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

    /// One character, or several; a complement within a class is left alone.
    fn class_escape(&mut self) -> Option<Result<char, Vec<(char, char)>>> {
        if self.take('b') {
            return Some(Ok('\u{8}'));
        }
        let (ranges, complement) = self.escape()?;
        match ranges.as_slice() {
            _ if complement => None,
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
        // lazy or not, the same texts match
        self.take('?');
        Some(bounds)
    }

    fn counted(&mut self) -> Option<(u32, u32)> {
        let least = self.number()?;
        let most = if self.take(',') {
            if self.rest.peek() == Some(&'}') { u32::MAX } else { self.number()? }
        } else {
            least
        };
        if !self.take('}') || most < least {
            return None;
        }
        self.take('?');
        Some((least, most))
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
    /// Whether some part of the text matches; `None` for a text that is too long.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        if text.chars().count() > MAX_TEXT_CHARS || !text.chars().all(in_basic_plane) {
            return None;
        }
        Some(self.machine.is_match(&mut self.cache.borrow_mut(), text))
    }

    /// How many places the automaton has: a text takes at most so many steps for each letter.
    pub(crate) fn places(&self) -> usize {
        self.machine.get_nfa().states().len()
    }
}

fn expression(choices: &[Sequence]) -> Hir {
    Hir::alternation(
        choices.iter().map(|sequence| Hir::concat(sequence.iter().map(repeated).collect())).collect(),
    )
}

fn repeated(repeat: &Repeat) -> Hir {
    let piece = match &repeat.piece {
        Piece::Start => return Hir::look(Look::Start),
        Piece::End => return Hir::look(Look::End),
        Piece::Group(choices) => expression(choices),
        Piece::Class { ranges, negated } => {
            let ranges = ranges.iter().map(|(from, to)| ClassUnicodeRange::new(*from, *to));
            let mut class = ClassUnicode::new(ranges);
            if *negated {
                class.negate();
            }
            Hir::class(Class::Unicode(class))
        }
    };
    if (repeat.least, repeat.most) == (1, 1) {
        return piece;
    }
    let max = (repeat.most != u32::MAX).then_some(repeat.most);
    Hir::repetition(Repetition { min: repeat.least, max, greedy: true, sub: Box::new(piece) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> Option<bool> {
        Pattern::parse(pattern)?.matcher()?.matches(text)
    }

    #[test]
    fn patterns_match_as_ecma_262_has_them() {
        for (pattern, takes, refuses) in [
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
            assert_eq!(matches(pattern, takes), Some(true), "{pattern} {takes:?}");
            assert!(matches(pattern, refuses) == Some(false) || pattern.is_empty(), "{pattern} {refuses:?}");
        }
        for unknown in
            ["(?=a)", r"(a)\1", r"\ba", r"\p{L}", "a{2", "[z-a]", r"[\d-z]", r"\ud800", r"\01", "\u{1d49c}"]
        {
            assert!(Pattern::parse(unknown).is_none(), "{unknown}");
        }
    }

    /// What made a matcher that goes back, or a maker of samples, work without end.
    #[test]
    fn no_pattern_takes_long() {
        let long = "a".repeat(300);
        for pattern in ["^(a+)+b$", "^(a|a)*b$", "^((a*)*)*b$", "(a?){300}a{300}b", "^(.*)(.*)(.*)(.*)(.*)x$"]
        {
            assert_eq!(matches(pattern, &long), Some(false), "{pattern}");
        }
        let nothing = (0..9).fold("()".to_owned(), |inner, _| format!("({inner}){{300}}"));
        assert!(Pattern::parse(&nothing).unwrap().samples(5).iter().all(String::is_empty));
        let large = "((a{300}){300}){300}";
        assert!(Pattern::parse(large).unwrap().matcher().is_none(), "an automaton is bounded");
    }
}
