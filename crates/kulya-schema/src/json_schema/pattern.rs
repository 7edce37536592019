//! The plain part of ECMA-262 regular expressions: enough to say whether a text matches, and to find one that does.
//!
//! Not here: look-around, back references, word boundaries, Unicode properties. A pattern with any of these is kept
//! as its text only, and nothing is said of it.

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

const MAX_PATTERN_CHARS: usize = 500;
const MAX_GROUP_DEPTH: usize = 10;
const MAX_TEXT_CHARS: usize = 300;
const MAX_STEPS: u32 = 20_000;
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

    /// Whether some part of the text matches; `None` when that takes too long to tell.
    pub(crate) fn matches(&self, text: &str) -> Option<bool> {
        if !text.chars().all(in_basic_plane) {
            return None;
        }
        let text: Vec<char> = text.chars().take(MAX_TEXT_CHARS + 1).collect();
        if text.len() > MAX_TEXT_CHARS {
            return None;
        }
        let mut matcher = Matcher { text: &text, steps: MAX_STEPS };
        let found = (0..=text.len()).any(|start| matcher.choices(&self.0, start, &mut |_, _| true));
        (matcher.steps > 0).then_some(found)
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
        for repeat in sequence {
            write_sample(repeat, friendly, 0, &mut text);
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
            write_sample(repeat, friendly, more, &mut text);
        }
        text
    }
}

/// Characters to choose from, the plainest first.
const FRIENDLY: [&str; 3] = ["aA0_-. xzbB1!", "0Z z._-9b#", "_ -é~zZ5y"];

fn in_basic_plane(character: char) -> bool {
    u32::from(character) <= 0xffff
}

fn write_sample(repeat: &Repeat, friendly: &str, more: u32, text: &mut String) {
    for _ in 0..repeat.least.saturating_add(more) {
        if text.len() > 4 * MAX_TEXT_CHARS {
            return;
        }
        match &repeat.piece {
            Piece::Class { ranges, negated } => text.push(member(ranges, *negated, friendly)),
            Piece::Group(choices) => {
                for repeat in choices.first().into_iter().flatten() {
                    write_sample(repeat, friendly, 0, text);
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
            letter if letter.is_alphanumeric() || !letter.is_ascii() => None,
            mark => one(mark),
        }
    }

    fn class(&mut self) -> Option<Piece> {
        let negated = self.take('^');
        let mut ranges = Vec::new();
        loop {
            match self.rest.next()? {
                ']' => return Some(Piece::Class { ranges, negated }),
                '\\' => {
                    let (escaped, complement) = self.escape()?;
                    // a range that begins or ends with an escape is left alone
                    if complement || self.rest.peek() == Some(&'-') {
                        return None;
                    }
                    ranges.extend(escaped);
                }
                '[' => return None,
                from if self.rest.peek() == Some(&'-') => {
                    self.rest.next();
                    match self.rest.next()? {
                        ']' => {
                            ranges.extend([(from, from), ('-', '-')]);
                            return Some(Piece::Class { ranges, negated });
                        }
                        '\\' | '[' => return None,
                        to if from <= to => ranges.push((from, to)),
                        _ => return None,
                    }
                }
                one => ranges.push((one, one)),
            }
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

/// Backtracking with a bound on its steps.
struct Matcher<'a> {
    text: &'a [char],
    steps: u32,
}

type Then<'t> = &'t mut dyn FnMut(&mut Matcher<'_>, usize) -> bool;

impl Matcher<'_> {
    fn choices(&mut self, choices: &[Sequence], at: usize, then: Then<'_>) -> bool {
        choices.iter().any(|sequence| self.sequence(sequence, at, then))
    }

    fn sequence(&mut self, sequence: &[Repeat], at: usize, then: Then<'_>) -> bool {
        match sequence.split_first() {
            None => then(self, at),
            Some((first, rest)) => {
                self.repeat(first, 0, at, &mut |matcher, at| matcher.sequence(rest, at, then))
            }
        }
    }

    fn repeat(&mut self, repeat: &Repeat, done: u32, at: usize, then: Then<'_>) -> bool {
        if self.steps == 0 {
            return false;
        }
        self.steps -= 1;
        if done < repeat.most
            && self.once(&repeat.piece, at, &mut |matcher, next| {
                // an empty round adds nothing once the least is reached
                (next > at || done < repeat.least) && matcher.repeat(repeat, done + 1, next, then)
            })
        {
            return true;
        }
        done >= repeat.least && then(self, at)
    }

    fn once(&mut self, piece: &Piece, at: usize, then: Then<'_>) -> bool {
        match piece {
            Piece::Start => at == 0 && then(self, at),
            Piece::End => at == self.text.len() && then(self, at),
            Piece::Group(choices) => self.choices(choices, at, then),
            Piece::Class { ranges, negated } => {
                let next = self.text.get(at).copied();
                next.is_some_and(|character| in_class(character, ranges, *negated)) && then(self, at + 1)
            }
        }
    }
}
