//! The parser of patterns in the syntax of ECMA-262, with the literal braces and brackets of its annex B.

use super::{Part, Pattern, unicode_property};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Dot, Hir, Look, Repetition};

const MAX_PATTERN_CHARS: usize = 4_000;
const MAX_GROUP_DEPTH: usize = 30;
const MAX_REPETITIONS: u32 = 5_000;
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

/// Why a pattern cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatternError {
    /// No validator accepts it.
    Invalid(&'static str),
    /// It is valid, perhaps, but nothing is decided about it.
    Unsupported(&'static str),
}

use PatternError::{Invalid, Unsupported};

type Result<T> = std::result::Result<T, PatternError>;

pub(super) fn parse(text: &str) -> Result<Pattern> {
    if text.chars().count() > MAX_PATTERN_CHARS {
        return Err(Unsupported("it is longer than 4000 characters"));
    }
    if text.chars().any(|character| u32::from(character) > 0xffff) {
        return Err(Unsupported("it has a character beyond U+FFFF"));
    }
    let rest: Vec<char> = text.chars().collect();
    let mut parser = Parser { rest, next: 0, conditions: Vec::new() };
    let hir = parser.alternatives(0)?;
    if parser.next < parser.rest.len() {
        return Err(Invalid("a closing parenthesis has no opening one"));
    }
    let mut parts = vec![Part { hir, is_positive: true }];
    parts.append(&mut parser.conditions);
    Ok(Pattern { parts })
}

struct Parser {
    rest: Vec<char>,
    next: usize,
    /// Look-ahead at the start: conditions on the whole text.
    conditions: Vec<Part>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.next).copied()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek();
        self.next += usize::from(next.is_some());
        next
    }

    fn eat(&mut self, character: char) -> bool {
        let is_next = self.peek() == Some(character);
        self.next += usize::from(is_next);
        is_next
    }

    fn eat_text(&mut self, text: &str) -> bool {
        let is_next = text.chars().enumerate().all(|(n, c)| self.rest.get(self.next + n) == Some(&c));
        if is_next {
            self.next += text.chars().count();
        }
        is_next
    }

    fn alternatives(&mut self, depth: usize) -> Result<Hir> {
        if depth > MAX_GROUP_DEPTH {
            return Err(Unsupported("its groups nest deeper than 30"));
        }
        let mut alternatives = vec![self.sequence(depth, depth == 0)?];
        while self.eat('|') {
            if depth == 0 && !self.conditions.is_empty() {
                return Err(Unsupported("look-around in an alternative"));
            }
            alternatives.push(self.sequence(depth, false)?);
        }
        Ok(Hir::alternation(alternatives))
    }

    fn sequence(&mut self, depth: usize, may_have_conditions: bool) -> Result<Hir> {
        let mut sequence = Vec::new();
        let mut is_at_start = false;
        while let Some(next) = self.peek() {
            if matches!(next, '|' | ')') {
                break;
            }
            if let Some(is_positive) = self.look_ahead() {
                if !is_at_start || !may_have_conditions {
                    return Err(Unsupported("look-around inside a pattern"));
                }
                let inner = self.group(depth)?;
                if self.peek().is_some_and(|next| matches!(next, '*' | '+' | '?' | '{')) {
                    return Err(Unsupported("a repeated look-around"));
                }
                let hir = Hir::concat(vec![Hir::look(Look::Start), inner]);
                self.conditions.push(Part { hir, is_positive });
                continue;
            }
            let (element, is_assertion) = self.element(depth)?;
            is_at_start = next == '^' && sequence.is_empty();
            let (min, max) = self.quantifier()?;
            if is_assertion && (min, max) != (1, 1) {
                return Err(Invalid("an anchor cannot be repeated"));
            }
            sequence.push(if (min, max) == (1, 1) {
                element
            } else {
                let max = (max != u32::MAX).then_some(max);
                Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(element) })
            });
        }
        Ok(Hir::concat(sequence))
    }

    /// Takes the start of a look-ahead; returns whether it is a positive one.
    fn look_ahead(&mut self) -> Option<bool> {
        if self.eat_text("(?=") { Some(true) } else { self.eat_text("(?!").then_some(false) }
    }

    /// Parses the rest of a group.
    fn group(&mut self, depth: usize) -> Result<Hir> {
        let inner = self.alternatives(depth + 1)?;
        if self.eat(')') { Ok(inner) } else { Err(Invalid("a group is not closed")) }
    }

    /// Parses one element, and returns whether it is an assertion.
    fn element(&mut self, depth: usize) -> Result<(Hir, bool)> {
        let Some(next) = self.take() else { return Err(Invalid("it ends too early")) };
        Ok(match next {
            '^' => (Hir::look(Look::Start), true),
            '$' => (Hir::look(Look::End), true),
            '.' => (to_hir(negated(class(LINE_END))), false),
            '(' => {
                if self.eat('?') && !self.eat(':') {
                    let is_named = self.eat('<') && !matches!(self.peek(), Some('=' | '!'));
                    if !is_named {
                        return Err(Unsupported("a look-behind or a flag"));
                    }
                    while self.peek().is_some_and(|next| next.is_alphanumeric() || next == '_') {
                        self.next += 1;
                    }
                    if !self.eat('>') {
                        return Err(Invalid("the name of a group is not closed"));
                    }
                }
                (self.group(depth)?, false)
            }
            '[' => (to_hir(self.class()?), false),
            '\\' if self.eat('b') => (Hir::look(Look::WordAscii), true),
            '\\' if self.eat('B') => (Hir::look(Look::WordAsciiNegate), true),
            '\\' => (to_hir(self.escape()?), false),
            '*' | '+' | '?' => return Err(Invalid("there is nothing to repeat")),
            '{' if self.is_counted() => return Err(Invalid("there is nothing to repeat")),
            literal => (to_hir(class(&[(literal, literal)])), false),
        })
    }

    fn escape(&mut self) -> Result<ClassUnicode> {
        let one = |character| Ok(class(&[(character, character)]));
        match self.take() {
            None => Err(Invalid("it ends with a backslash")),
            Some('d') => Ok(class(DIGIT)),
            Some('D') => Ok(negated(class(DIGIT))),
            Some('w') => Ok(class(WORD)),
            Some('W') => Ok(negated(class(WORD))),
            Some('s') => Ok(class(SPACE)),
            Some('S') => Ok(negated(class(SPACE))),
            Some('t') => one('\t'),
            Some('n') => one('\n'),
            Some('r') => one('\r'),
            Some('f') => one('\u{c}'),
            Some('v') => one('\u{b}'),
            Some('x') => one(self.hexadecimal(2)?),
            Some('u') => one(self.hexadecimal(4)?),
            Some('c') => match self.take().filter(char::is_ascii_alphabetic) {
                Some(letter) => one(char::from_u32(u32::from(letter) % 32).unwrap_or('\0')),
                None => Err(Unsupported("an escape that ECMA-262 does not define")),
            },
            Some('0') if !self.peek().is_some_and(|next| next.is_ascii_digit()) => one('\0'),
            Some('p') => self.property(),
            Some('P') => self.property().map(negated),
            Some('1'..='9' | 'k') => Err(Unsupported("a back reference")),
            Some(letter) if letter.is_alphanumeric() || !letter.is_ascii() => {
                Err(Unsupported("an escape that ECMA-262 does not define"))
            }
            Some(mark) => one(mark),
        }
    }

    /// Parses the name of a Unicode property in braces, as ECMA-262 spells it.
    fn property(&mut self) -> Result<ClassUnicode> {
        let undefined = Unsupported("an escape that ECMA-262 does not define");
        if !self.eat('{') {
            return Err(undefined);
        }
        let mut text = String::new();
        loop {
            match self.take() {
                Some('}') => return unicode_property::class(&text).ok_or(undefined),
                Some(next) if next.is_ascii_alphanumeric() || matches!(next, '_' | '=') => text.push(next),
                _ => return Err(undefined),
            }
        }
    }

    /// Parses a character's hexadecimal code point. A surrogate is not a character.
    fn hexadecimal(&mut self, digits: usize) -> Result<char> {
        let mut number = 0;
        for _ in 0..digits {
            let digit = self.take().and_then(|digit| digit.to_digit(16));
            number = number * 16 + digit.ok_or(Unsupported("an escape that ECMA-262 does not define"))?;
        }
        char::from_u32(number).ok_or(Unsupported("a surrogate"))
    }

    fn class(&mut self) -> Result<ClassUnicode> {
        let is_negated = self.eat('^');
        let mut all = class(&[]);
        loop {
            let Some(from) = self.take() else { return Err(Invalid("a class is not closed")) };
            if from == ']' {
                return Ok(if is_negated { negated(all) } else { all });
            }
            let from = self.class_member(from)?;
            let is_range = self.peek() == Some('-') && self.rest.get(self.next + 1) != Some(&']');
            if !is_range {
                all.union(&from);
                continue;
            }
            self.next += 1;
            let Some(to) = self.take() else { return Err(Invalid("a class is not closed")) };
            let to = self.class_member(to)?;
            match (single(&from), single(&to)) {
                (Some(from), Some(to)) if from <= to => all.push(ClassUnicodeRange::new(from, to)),
                (Some(_), Some(_)) => return Err(Invalid("a range in a class is in the wrong order")),
                // annex B: beside a class of characters the hyphen means itself
                _ => {
                    all.union(&from);
                    all.union(&to);
                    all.union(&class(&[('-', '-')]));
                }
            }
        }
    }

    fn class_member(&mut self, first: char) -> Result<ClassUnicode> {
        match first {
            '\\' if self.eat('b') => Ok(class(&[('\u{8}', '\u{8}')])),
            '\\' => self.escape(),
            literal => Ok(class(&[(literal, literal)])),
        }
    }

    fn quantifier(&mut self) -> Result<(u32, u32)> {
        let bounds = match self.peek() {
            Some('*') => (0, u32::MAX),
            Some('+') => (1, u32::MAX),
            Some('?') => (0, 1),
            Some('{') if self.is_counted() => {
                let bounds = self.counted()?;
                self.eat('?');
                return Ok(bounds);
            }
            _ => return Ok((1, 1)),
        };
        self.next += 1;
        // lazy and greedy quantifiers match the same texts
        self.eat('?');
        Ok(bounds)
    }

    /// Returns whether a count in braces is next: other braces mean themselves.
    fn is_counted(&self) -> bool {
        let start = if self.peek() == Some('{') { self.next + 1 } else { self.next };
        let inner: Vec<char> = self.rest.iter().skip(start).copied().take_while(|c| *c != '}').collect();
        let is_closed = self.rest.get(start + inner.len()) == Some(&'}');
        let mut numbers = inner.split(|character| *character == ',');
        let is_number = |digits: &[char]| digits.iter().all(char::is_ascii_digit);
        let first = numbers.next().is_some_and(|digits| !digits.is_empty() && is_number(digits));
        is_closed && first && numbers.next().is_none_or(is_number) && numbers.next().is_none()
    }

    fn counted(&mut self) -> Result<(u32, u32)> {
        self.eat('{');
        let min = self.number()?;
        let max = if self.eat(',') {
            if self.peek() == Some('}') { u32::MAX } else { self.number()? }
        } else {
            min
        };
        self.eat('}');
        if max < min {
            return Err(Invalid("the numbers of a repetition are in the wrong order"));
        }
        Ok((min, max))
    }

    fn number(&mut self) -> Result<u32> {
        let mut number = 0u32;
        while let Some(digit) = self.peek().and_then(|next| next.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(digit);
            self.next += 1;
        }
        if number > MAX_REPETITIONS { Err(Unsupported("more than 5000 repetitions")) } else { Ok(number) }
    }
}

fn class(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|(from, to)| ClassUnicodeRange::new(*from, *to)))
}

fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}

fn single(class: &ClassUnicode) -> Option<char> {
    match class.ranges() {
        [range] if range.start() == range.end() => Some(range.start()),
        _ => None,
    }
}

fn to_hir(class: ClassUnicode) -> Hir {
    Hir::class(Class::Unicode(class))
}

/// Returns the expression of any text.
pub(super) fn any_text() -> Hir {
    let any = Hir::dot(Dot::AnyChar);
    Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(any) })
}
