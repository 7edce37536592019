//! Conversion of regular expressions to the table patterns of [`CaptureSettings`](crate::CaptureSettings),
//! in which `*` matches any text and everything else itself.
//!
//! An expression is converted only if the patterns select exactly the same tables, given that the name of a
//! table is its schema's, a dot, and its own, and that neither part is empty or has a dot. So in
//! `shop.orders` the dot, which matches any character, can only be that dot.

use super::patterns::NamePattern;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Dot, Hir, HirKind, Look};

/// Maximum number of patterns that one expression becomes.
const MAX_PATTERNS: usize = 200;
/// Longest expression that is converted, after its alternatives are written out, in parts.
const MAX_PARTS: usize = 500;

/// An expression cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GlobError {
    #[error("{0:?} matches no table: write schema.table")]
    NoTable(String),
    #[error("{0:?} has a dot that matches any character: write \\\\. between schema and table")]
    AnyCharacter(String),
    #[error("{0:?} cannot be written as a pattern of --table, which has only *: list the tables")]
    Inexpressible(String),
}

/// A part of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(char),
    AnyCharacter,
    AnyText,
    Start,
    End,
}

type Sequence = Vec<Part>;

/// Converts an expression for `schema.table`.
pub(super) fn table_globs(pattern: &NamePattern) -> Result<Vec<String>, GlobError> {
    let mut globs = Vec::new();
    for sequence in alternatives(pattern)? {
        globs.extend(table_sequence(&sequence, pattern.as_str())?);
    }
    globs.truncate(MAX_PATTERNS + 1);
    if globs.len() > MAX_PATTERNS {
        return Err(GlobError::Inexpressible(pattern.as_str().to_owned()));
    }
    Ok(globs)
}

/// Converts an expression for a schema.
pub(super) fn schema_globs(pattern: &NamePattern) -> Result<Vec<String>, GlobError> {
    let inexpressible = || GlobError::Inexpressible(pattern.as_str().to_owned());
    let sequences = alternatives(pattern)?;
    sequences.iter().map(|sequence| glob(sequence).ok_or_else(inexpressible)).collect()
}

fn table_sequence(sequence: &[Part], pattern: &str) -> Result<Vec<String>, GlobError> {
    let sequence = without_empty_parts(sequence);
    let sequence = sequence.as_slice();
    let count = |part| sequence.iter().filter(|other| **other == part).count();
    let (dots, any_texts) = (count(Part::Literal('.')), count(Part::AnyText));
    let inexpressible = || GlobError::Inexpressible(pattern.to_owned());
    match (dots, count(Part::AnyCharacter), any_texts) {
        (0, 0, 0) => Err(GlobError::NoTable(pattern.to_owned())),
        // the name's dot is in one of the texts
        (0, 0, _) => with_dot(sequence).iter().map(|s| glob(s).ok_or_else(inexpressible)).collect(),
        (_, 0, _) => Ok(vec![glob(sequence).ok_or_else(inexpressible)?]),
        // the character is the name's dot
        (0, 1, 0) => {
            let dot = |part: &Part| if *part == Part::AnyCharacter { Part::Literal('.') } else { *part };
            let sequence: Sequence = sequence.iter().map(dot).collect();
            Ok(vec![glob(&sequence).ok_or_else(inexpressible)?])
        }
        // together one text that is not empty, which the text with the dot never is
        (0, 1, 1) if is_adjacent(sequence) => {
            let sequence: Sequence =
                sequence.iter().copied().filter(|part| *part != Part::AnyCharacter).collect();
            with_dot(&sequence).iter().map(|s| glob(s).ok_or_else(inexpressible)).collect()
        }
        _ => Err(GlobError::AnyCharacter(pattern.to_owned())),
    }
}

/// Removes the character of `.+` where it is a whole schema or table, which is never empty.
fn without_empty_parts(sequence: &[Part]) -> Sequence {
    const DOT: Part = Part::Literal('.');
    let mut sequence = sequence.to_vec();
    if let [.., DOT, Part::AnyCharacter, Part::AnyText] = sequence.as_slice() {
        sequence.remove(sequence.len() - 2);
    }
    if let [Part::AnyCharacter, Part::AnyText, DOT, ..] = sequence.as_slice() {
        sequence.remove(0);
    }
    sequence
}

/// Returns whether the only character and the only text of any kind are next to each other.
fn is_adjacent(sequence: &[Part]) -> bool {
    sequence
        .windows(2)
        .any(|pair| matches!(pair, [Part::AnyCharacter, Part::AnyText] | [Part::AnyText, Part::AnyCharacter]))
}

/// Returns the sequences in which one of the texts of any kind contains the name's dot.
fn with_dot(sequence: &[Part]) -> Vec<Sequence> {
    let places = sequence.iter().enumerate().filter(|(_, part)| **part == Part::AnyText);
    places
        .map(|(index, _)| {
            let (before, after) = sequence.split_at(index);
            [before, &[Part::AnyText, Part::Literal('.')], after].concat()
        })
        .collect()
}

/// Returns the pattern of a sequence without characters of any kind.
fn glob(sequence: &[Part]) -> Option<String> {
    let mut glob = String::new();
    for part in sequence {
        match part {
            Part::Literal('*') | Part::AnyCharacter | Part::Start | Part::End => return None,
            Part::Literal(character) => glob.push(*character),
            Part::AnyText if glob.ends_with('*') => {}
            Part::AnyText => glob.push('*'),
        }
    }
    (!glob.is_empty()).then_some(glob)
}

/// Writes the alternatives of an expression out.
fn alternatives(pattern: &NamePattern) -> Result<Vec<Sequence>, GlobError> {
    let parsed = ParserBuilder::new().nest_limit(50).build().parse(pattern.as_str());
    let sequences = parsed.ok().and_then(|hir| expand(&hir));
    let sequences = sequences.ok_or_else(|| GlobError::Inexpressible(pattern.as_str().to_owned()))?;
    // the expression is for the whole name, so that ^ and $ at its ends are without effect
    let without_ends = |sequence: Sequence| {
        let rest = sequence.strip_prefix(&[Part::Start]).unwrap_or(&sequence);
        rest.strip_suffix(&[Part::End]).unwrap_or(rest).to_vec()
    };
    Ok(sequences.into_iter().map(without_ends).collect())
}

fn expand(hir: &Hir) -> Option<Vec<Sequence>> {
    if *hir == Hir::dot(Dot::AnyCharExceptLF) || *hir == Hir::dot(Dot::AnyChar) {
        return Some(vec![vec![Part::AnyCharacter]]);
    }
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            Some(vec![text.chars().map(Part::Literal).collect()])
        }
        HirKind::Class(class) => characters(class),
        HirKind::Look(Look::Start) => Some(vec![vec![Part::Start]]),
        HirKind::Look(Look::End) => Some(vec![vec![Part::End]]),
        HirKind::Look(_) => None,
        HirKind::Repetition(repetition) => repeat(&repetition.sub, repetition.min, repetition.max),
        HirKind::Capture(capture) => expand(&capture.sub),
        HirKind::Concat(parts) => {
            parts.iter().try_fold(vec![Vec::new()], |all, part| append(all, &expand(part)?))
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(expand(part)?);
                (all.len() <= MAX_PATTERNS).then_some(())?;
            }
            Some(all)
        }
    }
}

/// Returns one sequence for each character of a small class.
fn characters(class: &Class) -> Option<Vec<Sequence>> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            class.iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
        }
    };
    let all = ranges.into_iter().flat_map(|(start, end)| start..=end);
    let some: Vec<Sequence> = all.take(MAX_PATTERNS + 1).map(|c| vec![Part::Literal(c)]).collect();
    (!some.is_empty() && some.len() <= MAX_PATTERNS).then_some(some)
}

fn repeat(hir: &Hir, min: u32, max: Option<u32>) -> Option<Vec<Sequence>> {
    let once = expand(hir)?;
    let is_any = once == [vec![Part::AnyCharacter]];
    match max {
        None if is_any && min <= 1 => {
            let part = if min == 0 { vec![Part::AnyText] } else { vec![Part::AnyCharacter, Part::AnyText] };
            Some(vec![part])
        }
        None => None,
        Some(max) => {
            // the length is bounded by `append`
            let (min, max) = (usize::try_from(min).ok()?, usize::try_from(max).ok()?);
            let mut times = vec![Vec::new()];
            let mut all = if min == 0 { times.clone() } else { Vec::new() };
            for count in 1..=max.min(MAX_PARTS + 1) {
                times = append(times, &once)?;
                if count >= min {
                    all.extend(times.iter().cloned());
                }
                (all.len() <= MAX_PATTERNS).then_some(())?;
            }
            (max <= MAX_PARTS).then_some(all)
        }
    }
}

/// Appends each of `ends` to each of `all`.
fn append(all: Vec<Sequence>, ends: &[Sequence]) -> Option<Vec<Sequence>> {
    (all.len().saturating_mul(ends.len()) <= MAX_PATTERNS).then_some(())?;
    let mut appended = Vec::with_capacity(all.len() * ends.len());
    for begin in &all {
        for end in ends {
            (begin.len() + end.len() <= MAX_PARTS).then_some(())?;
            appended.push([begin.as_slice(), end].concat());
        }
    }
    Some(appended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CaptureSettings;
    use proptest::prelude::*;

    fn tables(pattern: &str) -> Result<Vec<String>, GlobError> {
        table_globs(&NamePattern::new(pattern).unwrap())
    }

    #[test]
    fn exact_expressions_are_converted() {
        for (pattern, expected) in [
            ("inventory.customers", &["inventory.customers"][..]),
            (r"inventory\.customers", &["inventory.customers"]),
            ("inventory[.]customers", &["inventory.customers"]),
            (r"^inventory\.customers$", &["inventory.customers"]),
            // also matches the tables of a schema inventory2
            ("inventory.*", &["inventory*.*"]),
            (r"inventory\..*", &["inventory.*"]),
            (r"inventory\..+", &["inventory.*"]),
            (r".+\.orders", &["*.orders"]),
            (".*", &["*.*"]),
            (r".*\.orders", &["*.orders"]),
            (".*.orders", &["*.*orders"]),
            (r"inventory\.x.+", &[]),
            (".*orders", &["*.*orders"]),
            ("public.*_old", &["public*.*_old"]),
            (".*a.*", &["*.*a*", "*a*.*"]),
            (r"public\.(orders|customers)", &["public.orders", "public.customers"]),
            (
                r"(public|sales)\.order[12]",
                &["public.order1", "public.order2", "sales.order1", "sales.order2"],
            ),
            (r"public\.orders?", &["public.order", "public.orders"]),
            (r"public\.a\$b", &["public.a$b"]),
            (r"public\.straße", &["public.straße"]),
        ] {
            let found = tables(pattern);
            if expected.is_empty() {
                assert!(matches!(found, Err(GlobError::AnyCharacter(_))), "{pattern}: {found:?}");
            } else {
                assert_eq!(found.unwrap(), expected, "{pattern}");
            }
        }
    }

    #[test]
    fn other_expressions_are_refused_with_advice() {
        for (pattern, expected) in [
            ("orders", "matches no table"),
            ("inventory.cust.*", "write \\\\. between"),
            ("a.b.c", "write \\\\. between"),
            (r"public\.[a-z]+", "only *"),
            (r"public\.\w+", "only *"),
            (r"public\.a\*b", "only *"),
            (r"(?i)public\.orders_and_customers", "only *"),
            (r"public\.a{400}{3}", "only *"),
            (r"(a|b|c|d)(a|b|c|d)(a|b|c|d)(a|b|c|d)\.x", "only *"),
            (r"public\.\bx", "only *"),
            ("a^b.c", "only *"),
        ] {
            let error = tables(pattern).unwrap_err().to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
        let schema = |pattern: &str| schema_globs(&NamePattern::new(pattern).unwrap());
        assert_eq!(schema("inv.*|sales").unwrap(), ["inv*", "sales"]);
        assert!(schema("a.b").is_err());
    }

    proptest! {
        #[test]
        fn patterns_select_the_same_tables(
            pattern in "(a|b|\\.|\\\\\\.|\\.\\*|\\.\\+|\\(a\\|b\\)|a\\?|\\[ab\\]){1,6}",
            names in prop::collection::vec("[ab]{1,4}\\.[ab]{1,4}", 20),
        ) {
            let pattern = NamePattern::new(&pattern).unwrap();
            if let Ok(tables) = table_globs(&pattern) {
                let settings = CaptureSettings { tables, ..Default::default() };
                for name in names {
                    let (schema, table) = name.split_once('.').unwrap();
                    let selected = settings.is_captured(schema, table);
                    prop_assert_eq!(selected, pattern.is_match(&name), "{:?} {:?} {}", pattern, settings.tables, name);
                }
            }
        }

        #[test]
        fn any_expression_is_converted_or_refused(text in "([ab.*+?|(){},^$0-9\\\\\\[\\]-]){0,30}") {
            if let Ok(pattern) = NamePattern::new(&text) {
                let _ = (table_globs(&pattern), schema_globs(&pattern));
            }
        }
    }
}
