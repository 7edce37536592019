//! The shape of the objects of a stream: most have the same members in the same order with the same text
//! between their values. What is between two values is then compared at once, and only the values are read.
//! An object of another shape is read member by member, and may become the new shape.

use super::scanner::{Mark, ScanResult, Scanner};

/// The maximum number of members of a shape.
const MAX_MEMBERS: usize = 512;
/// The maximum number of bytes before a value.
const MAX_BEFORE_BYTES: usize = 256;
/// Objects of the shape that outweigh one of another shape.
const HITS_PER_MISS: u32 = 4;
/// The score at which a shape has proved itself.
const MAX_SCORE: u32 = 64;
/// The maximum number of objects between two attempts to learn a shape.
const MAX_PAUSE: u32 = 4096;

/// The shape of the last objects, and whether it is worth comparing.
#[derive(Debug, Default)]
pub(super) struct Shape {
    members: Vec<ShapeMember>,
    /// What follows the last value.
    end: Literal,
    /// Grows with objects of this shape, and falls with others.
    score: u32,
    /// The number of objects that are still read without a shape.
    pause: u32,
    /// The length of the next pause.
    next_pause: u32,
}

#[derive(Debug)]
pub(super) struct ShapeMember {
    /// The text from the end of the last value to the beginning of this one.
    before: Literal,
    /// The column of the value; `None` if it is skipped.
    pub(super) column: Option<usize>,
}

impl ShapeMember {
    /// Reads what is before the value; returns `false` if something else is there.
    #[inline(always)]
    pub(super) fn read_before(&self, scanner: &mut Scanner<'_>) -> bool {
        self.before.read(scanner)
    }
}

/// A text that is compared with what is at the scanner.
#[derive(Debug, Default)]
struct Literal {
    bytes: Box<[u8]>,
    /// The first 16 bytes, filled up with zeros, and a mask of those that are there.
    head: u128,
    mask: u128,
}

impl Literal {
    fn new(bytes: &[u8]) -> Self {
        let mut head = [0; 16];
        let count = bytes.len().min(16);
        let mask = if count == 16 { u128::MAX } else { (1 << (8 * count)) - 1 };
        head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self { bytes: bytes.into(), head: u128::from_le_bytes(head), mask }
    }

    #[inline(always)]
    fn read(&self, scanner: &mut Scanner<'_>) -> bool {
        let rest = scanner.bytes.get(scanner.at..).unwrap_or_default();
        let is_there = match rest.first_chunk::<16>() {
            Some(start) => {
                (u128::from_le_bytes(*start) ^ self.head) & self.mask == 0
                    && (self.bytes.len() <= 16 || rest.starts_with(&self.bytes))
            }
            None => rest.starts_with(&self.bytes),
        };
        if is_there {
            scanner.at += self.bytes.len();
        }
        is_there
    }
}

impl Shape {
    /// Returns the members of the next object, if it is worth trying whether it has this shape.
    #[inline]
    pub(super) fn members(&mut self) -> &[ShapeMember] {
        if self.pause > 0 { &[] } else { &self.members }
    }

    /// Reads what follows the last value, and leaves the object.
    #[inline]
    pub(super) fn read_end(&self, scanner: &mut Scanner<'_>) -> bool {
        let is_there = self.end.read(scanner);
        if is_there {
            scanner.leave_read();
        }
        is_there
    }

    /// An object had this shape.
    #[inline]
    pub(super) fn hit(&mut self) {
        self.score = (self.score + 1).min(MAX_SCORE);
        if self.score == MAX_SCORE {
            self.next_pause = 0;
        }
    }

    /// An object had another shape, which is learned if it is time to. The scanner is behind the object,
    /// whose first member is at `begin`; `column` returns the column of a member.
    #[inline]
    pub(super) fn miss(
        &mut self,
        scanner: &mut Scanner<'_>,
        begin: Mark,
        column: impl Fn(&str) -> Option<usize>,
    ) {
        if self.is_to_learn() {
            let end = scanner.position();
            scanner.rewind(begin);
            self.learn(scanner, column);
            scanner.rewind(end);
        }
    }

    /// Returns whether the shape of an object that has another one is to be learned.
    fn is_to_learn(&mut self) -> bool {
        if self.pause > 0 {
            self.pause -= 1;
            return self.pause == 0;
        }
        if self.score >= HITS_PER_MISS {
            self.score -= HITS_PER_MISS;
            return false;
        }
        // shapes that change all the time are looked for less and less often
        self.pause = self.next_pause;
        self.next_pause = (2 * self.next_pause + 1).min(MAX_PAUSE);
        self.pause == 0
    }

    /// Learns the shape of an object, at whose first member the scanner is.
    fn learn(&mut self, scanner: &mut Scanner<'_>, column: impl Fn(&str) -> Option<usize>) {
        self.score = 0;
        self.members.clear();
        if let Ok(Some(end)) = self.read_members(scanner, column) {
            self.end = end;
        } else {
            self.members.clear();
        }
    }

    /// Returns what follows the last value; `None` if the members cannot be a shape.
    fn read_members(
        &mut self,
        scanner: &mut Scanner<'_>,
        column: impl Fn(&str) -> Option<usize>,
    ) -> ScanResult<Option<Literal>> {
        let mut columns = Vec::new();
        let mut from = scanner.at;
        let mut is_first = true;
        loop {
            let has_more = scanner.member(is_first)?;
            is_first = false;
            let name = if has_more { Some(scanner.name()?) } else { None };
            if has_more {
                scanner.skip_whitespace();
            }
            let Some(before) = scanner.bytes.get(from..scanner.at) else { return Ok(None) };
            let Some(name) = name else { return Ok(Some(Literal::new(before))) };
            if self.members.len() == MAX_MEMBERS || before.len() > MAX_BEFORE_BYTES || name.has_escapes {
                return Ok(None);
            }
            let column = column(name.raw);
            if column.is_some() && columns.contains(&column) {
                return Ok(None);
            }
            columns.extend(column.map(Some));
            self.members.push(ShapeMember { before: Literal::new(before), column });
            scanner.skip()?;
            from = scanner.at;
        }
    }
}

/// Finds the values of some members in the objects of a stream.
#[derive(Debug)]
pub(in crate::arrow) struct MemberFinder<const N: usize> {
    names: [&'static str; N],
    shape: Shape,
}

impl<const N: usize> MemberFinder<N> {
    pub(in crate::arrow) fn new(names: [&'static str; N]) -> Self {
        Self { names, shape: Shape::default() }
    }

    /// Reads the members of an object after its first token, and returns where the values are: the last one,
    /// if a name is there several times.
    #[inline]
    pub(in crate::arrow) fn find(&mut self, scanner: &mut Scanner<'_>) -> ScanResult<[Option<Mark>; N]> {
        let begin = scanner.position();
        if let Some(found) = self.find_by_shape(scanner) {
            return Ok(found);
        }
        scanner.rewind(begin);
        let found = scanner.members(&self.names)?;
        self.shape.miss(scanner, begin, |name| self.names.iter().position(|wanted| *wanted == name));
        Ok(found)
    }

    #[inline]
    fn find_by_shape(&mut self, scanner: &mut Scanner<'_>) -> Option<[Option<Mark>; N]> {
        let members = self.shape.members();
        if members.is_empty() {
            return None;
        }
        let mut found = [None; N];
        for member in members {
            if !member.read_before(scanner) {
                return None;
            }
            if let Some(place) = member.column.and_then(|index| found.get_mut(index)) {
                *place = Some(scanner.position());
            }
            scanner.skip().ok()?;
        }
        if !self.shape.read_end(scanner) {
            return None;
        }
        self.shape.hit();
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrow::json::scanner::{Grammar, Token};

    fn column(name: &str) -> Option<usize> {
        ["a", "b"].iter().position(|known| *known == name)
    }

    fn at_members(json: &str) -> Scanner<'_> {
        let mut scanner = Scanner::new(json, Grammar::Lenient);
        assert_eq!(scanner.value(), Ok(Token::Object));
        scanner
    }

    fn learned(json: &str) -> Shape {
        let mut shape = Shape::default();
        assert!(shape.is_to_learn());
        shape.learn(&mut at_members(json), column);
        shape
    }

    /// Returns the text of each value, if the object has the shape.
    fn values<'a>(shape: &mut Shape, json: &'a str) -> Option<Vec<(Option<usize>, &'a str)>> {
        let mut scanner = at_members(json);
        let mut found = Vec::new();
        for member in shape.members() {
            if !member.read_before(&mut scanner) {
                return None;
            }
            let mark = scanner.mark();
            scanner.skip().ok()?;
            found.push((member.column, scanner.since(mark)));
        }
        (shape.read_end(&mut scanner) && scanner.end().is_ok()).then_some(found)
    }

    #[test]
    fn objects_of_the_same_shape_are_recognised() {
        let mut shape = learned(r#"{ "a" : 1, "a member with a long name":{"x":[1]},"b":"t" } "#);
        let expected = vec![(Some(0), "-27"), (None, "null"), (Some(1), "[]")];
        let json = r#"{ "a" : -27, "a member with a long name":null,"b":[] }"#;
        assert_eq!(values(&mut shape, json), Some(expected));
        for json in [
            r#"{"a" : 1, "a member with a long name":{},"b":"t" }"#,
            r#"{ "a" : 1, "a member with a long namE":{},"b":"t" }"#,
            r#"{ "a" : 1, "a member with a long name":{},"b":"t"}"#,
            r#"{ "a" : 1, "a member with a long name":{},"b":"t","#,
            r#"{ "a" : 1, "a member with a long name":{}}"#,
            "{}",
        ] {
            assert_eq!(values(&mut shape, json), None, "{json}");
        }
    }

    #[test]
    fn members_are_found_in_any_order() {
        let mut finder = MemberFinder::new(["a", "b"]);
        for (json, expected) in [
            (r#"{"a":{"b":0},"c":1,"b":[2]}"#, [Some(r#"{"b":0}"#), Some("[2]")]),
            (r#"{"a":1,"c":{},"b":null}"#, [Some("1"), Some("null")]),
            (r#"{"a":1,"c":{},"b":2,"a":3}"#, [Some("3"), Some("2")]),
            (r#"{"b":"}","c":{},"a":""}"#, [Some("\"\""), Some("\"}\"")]),
            (r#"{"c":{} , "b" : 7 }"#, [None, Some("7")]),
            ("{}", [None, None]),
            (r#"{"a":{"b":0},"c":"x","b":"y"}"#, [Some(r#"{"b":0}"#), Some("\"y\"")]),
        ] {
            for _ in 0..2 {
                let mut scanner = at_members(json);
                let found = finder.find(&mut scanner).unwrap();
                assert_eq!(scanner.end(), Ok(()), "{json}");
                let texts = found.map(|mark| {
                    mark.map(|mark| {
                        scanner.rewind(mark);
                        let mark = scanner.mark();
                        scanner.skip().unwrap();
                        scanner.since(mark)
                    })
                });
                assert_eq!(texts, expected, "{json}");
            }
        }
        for json in [r#"{"a":{"b":0},"c":"x","b":"y""#, r#"{"a":{"b":0},"c":"x","b":}"#] {
            assert!(finder.find(&mut at_members(json)).is_err(), "{json}");
        }
    }

    #[test]
    fn objects_that_cannot_be_a_shape_are_not_learned() {
        for json in [r#"{"a":1,"a":2}"#, r#"{"\u0061":1}"#, r#"{"a":1"#] {
            assert!(learned(json).members.is_empty(), "{json}");
        }
        let json = format!("{{\"{}\":1}}", "n".repeat(MAX_BEFORE_BYTES));
        assert!(learned(&json).members.is_empty());
    }

    #[test]
    fn changing_shapes_are_learned_less_and_less_often() {
        let mut shape = Shape::default();
        let learned = (0..100_000).filter(|_| shape.is_to_learn()).count();
        assert!((10..60).contains(&learned), "{learned}");
        (0..4096).for_each(|_| {
            shape.is_to_learn();
        });
        (0..MAX_SCORE).for_each(|_| shape.hit());
        assert!(!shape.is_to_learn(), "one object of another shape among many");
    }
}
