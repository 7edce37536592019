//! What can stand at the cursor, by the words before it.

use crate::dialect::{Outline, OutlinePart, PartKind};

/// The place of the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) wanted: Wanted,
    /// Where the word at the cursor begins.
    pub(super) start: usize,
    /// The word up to the cursor, with an open quote.
    pub(super) typed: String,
    /// The names with dots before it.
    pub(super) qualifiers: Vec<String>,
    /// Whether nothing is before it in the statement.
    pub(super) is_start: bool,
}

/// What can stand at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of these words.
    Words(&'static [&'static str]),
    Catalog,
    Database,
    Table,
    File,
    Setting,
    Option,
    /// A value of this option.
    OptionValue(String),
    /// A column of these tables, which have aliases, a function or a keyword.
    Expression(Vec<(Vec<String>, String)>),
    Nothing,
}

impl Context {
    pub(super) fn new(text: &str, cursor: usize) -> Self {
        let before = text.get(..cursor).unwrap_or(text);
        // only the statement with the cursor matters
        let mut parts = Outline::new(before).parts;
        if let Some(last) = parts.iter().rposition(|part| part.kind == PartKind::Semicolon) {
            parts.drain(..=last);
        }
        parts.retain(|part| part.kind != PartKind::Comment);
        let (mut start, mut typed) = (before.len(), String::new());
        let is_word = |part: &&OutlinePart| {
            part.range.end == before.len()
                && matches!(part.kind, PartKind::Keyword | PartKind::Name | PartKind::Unclosed)
        };
        if let Some(word) = parts.last().filter(is_word) {
            start = word.range.start;
            typed = before.get(start..).unwrap_or_default().to_owned();
            parts.pop();
        }
        let words: Vec<Part<'_>> = parts.iter().filter_map(|part| Part::new(before, part)).collect();
        let mut rest = words.as_slice();
        let mut qualifiers = Vec::new();
        while let [before @ .., name, dot] = rest
            && dot.text == "."
            && name.is_name()
        {
            qualifiers.insert(0, name.name());
            rest = before;
        }
        if typed.starts_with("/*") || typed.starts_with("--") {
            return Self { wanted: Wanted::Nothing, start, typed, qualifiers, is_start: false };
        }
        let wanted = if typed.starts_with('\'') {
            text_at(rest)
        } else {
            name_at(rest).unwrap_or_else(|| Wanted::Expression(tables(text, before.len())))
        };
        Self { wanted, start, typed, qualifiers, is_start: rest.is_empty() }
    }
}

/// A part with its text.
struct Part<'a> {
    text: &'a str,
    kind: PartKind,
}

impl<'a> Part<'a> {
    fn new(text: &'a str, part: &OutlinePart) -> Option<Self> {
        Some(Self { text: text.get(part.range.clone())?, kind: part.kind })
    }

    fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    fn is_name(&self) -> bool {
        matches!(self.kind, PartKind::Name | PartKind::QuotedName | PartKind::Keyword)
    }

    /// Returns the name or the text without its quotes.
    fn name(&self) -> String {
        match self.kind {
            PartKind::QuotedName => self.text.trim_matches('`').replace("``", "`"),
            PartKind::Text => self.text.trim_matches('\'').replace("''", "'"),
            _ => self.text.to_owned(),
        }
    }
}

/// Returns what a text in quotes can be.
fn text_at(before: &[Part<'_>]) -> Wanted {
    let Some(last) = before.last() else { return Wanted::Nothing };
    if ["FROM", "JOIN", "DESCRIBE", "DESC"].iter().any(|word| last.is(word)) {
        return Wanted::File;
    }
    if last.is("SET") || last.is("RESET") {
        return Wanted::Setting;
    }
    let is_in_options = open_bracket(before).is_some_and(|bracket| {
        let word = bracket.checked_sub(1).and_then(|index| before.get(index));
        word.is_some_and(|word| word.is("WITH") || word.is("OPTIONS") || word.is("SET"))
    });
    match (before, last.text) {
        ([.., key, _], "=") if key.kind == PartKind::Text => Wanted::OptionValue(key.name()),
        (_, "(" | ",") if is_in_options => Wanted::Option,
        _ => Wanted::Nothing,
    }
}

/// Returns the index of the innermost bracket that is open.
fn open_bracket(parts: &[Part<'_>]) -> Option<usize> {
    let mut closed = 0;
    for (index, part) in parts.iter().enumerate().rev() {
        match part.text {
            ")" => closed += 1,
            "(" if closed == 0 => return Some(index),
            "(" => closed -= 1,
            _ => {}
        }
    }
    None
}

/// The words that follow others, the longer beginnings first.
const WORDS: &[(&[&str], &[&str])] = &[
    (&["SHOW", "CURRENT"], &["CATALOG", "DATABASE"]),
    (&["SHOW", "CREATE"], &["CATALOG", "TABLE", "VIEW"]),
    (&["SHOW"], &["CATALOGS", "COLUMNS", "CREATE", "CURRENT", "DATABASES", "FUNCTIONS", "TABLES", "VIEWS"]),
    (&["CREATE", "TEMPORARY"], &["TABLE", "VIEW"]),
    (&["CREATE"], &["CATALOG", "DATABASE", "TABLE", "TEMPORARY", "VIEW"]),
    (&["DROP"], &["CATALOG", "DATABASE", "TABLE", "VIEW"]),
    (&["ALTER"], &["DATABASE", "TABLE", "VIEW"]),
    (&["INSERT"], &["INTO"]),
];

/// Returns whether these words and nothing else are before the cursor.
fn ends_with(before: &[Part<'_>], words: &[&str]) -> bool {
    before.len() == words.len() && before.iter().zip(words).all(|(part, word)| part.is(word))
}

/// Returns what a name can be; `None` for a part of an expression, or a keyword.
fn name_at(before: &[Part<'_>]) -> Option<Wanted> {
    let last = before.last()?;
    let second = before.len().checked_sub(2).and_then(|index| before.get(index));
    let follows = |word: &str| second.is_some_and(|part| part.is(word));
    let is_one_of = |words: &[&str]| words.iter().any(|word| last.is(word));
    if let Some((_, words)) = WORDS.iter().find(|(words, _)| ends_with(before, words)) {
        return Some(Wanted::Words(words));
    }
    Some(match () {
        () if last.is("CATALOG") && !follows("CREATE") => Wanted::Catalog,
        () if last.is("DATABASE") && !follows("CREATE") => Wanted::Database,
        () if last.is("USE") => Wanted::Database,
        () if is_one_of(&["FROM", "IN"]) && (follows("TABLES") || follows("VIEWS")) => Wanted::Database,
        () if last.is("FROM") && follows("DATABASES") => Wanted::Catalog,
        () if is_one_of(&["FROM", "JOIN", "INTO", "OVERWRITE", "DESCRIBE", "DESC"]) => Wanted::Table,
        () if is_one_of(&["TABLE", "VIEW"]) && !follows("CREATE") && !follows("TEMPORARY") => Wanted::Table,
        () if last.text == "," && is_in_from(before) => Wanted::Table,
        () => return None,
    })
}

/// Returns whether the last comma separates tables.
fn is_in_from(before: &[Part<'_>]) -> bool {
    let from = open_bracket(before).map_or(0, |bracket| bracket + 1);
    let mut closed = 0_usize;
    for part in before.get(from..).unwrap_or_default().iter().rev() {
        match part.text {
            ")" => closed += 1,
            "(" => closed = closed.saturating_sub(1),
            _ if closed > 0 => {}
            _ if part.is("FROM") => return true,
            _ if ["SELECT", "WHERE", "BY", "ON", "HAVING", "VALUES", "WITH"]
                .iter()
                .any(|word| part.is(word)) =>
            {
                return false;
            }
            _ => {}
        }
    }
    false
}

/// Returns the tables of the statement around the cursor: paths and aliases.
fn tables(text: &str, cursor: usize) -> Vec<(Vec<String>, String)> {
    let parts = Outline::new(text).parts;
    let semicolons =
        parts.iter().filter(|part| part.kind == PartKind::Semicolon).map(|part| part.range.start);
    let from = semicolons.clone().filter(|at| *at < cursor).max().map_or(0, |at| at + 1);
    let to = semicolons.filter(|at| *at >= cursor).min().unwrap_or(text.len());
    let is_inside = |part: &&OutlinePart| part.range.start >= from && part.range.end <= to;
    let is_said = |part: &&OutlinePart| part.kind != PartKind::Comment;
    let parts = parts.iter().filter(is_inside).filter(is_said);
    let words: Vec<Part<'_>> = parts.filter_map(|part| Part::new(text, part)).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let is_list = word.text == "," && words.get(..=at).is_some_and(is_in_from);
        let precedes = ["FROM", "JOIN", "INTO"].iter().any(|keyword| word.is(keyword)) || is_list;
        at += 1;
        if !precedes {
            continue;
        }
        let mut path = Vec::new();
        while let Some(name) = words.get(at).filter(|name| name.is_name() && name.kind != PartKind::Keyword) {
            path.push(name.name());
            at += 1;
            match words.get(at) {
                Some(dot) if dot.text == "." => at += 1,
                _ => break,
            }
        }
        let Some(name) = path.last().cloned() else { continue };
        if words.get(at).is_some_and(|word| word.is("AS")) {
            at += 1;
        }
        let alias = words.get(at).filter(|word| matches!(word.kind, PartKind::Name | PartKind::QuotedName));
        found.push((path, alias.map_or(name, Part::name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the context at the `|` of a text.
    fn at(text: &str) -> Context {
        let (before, after) = text.split_once('|').unwrap();
        Context::new(&format!("{before}{after}"), before.len())
    }

    #[test]
    fn words_before_the_cursor_tell_what_is_wanted() {
        for (text, wanted, typed) in [
            ("USE |", Wanted::Database, ""),
            ("USE CATALOG k|", Wanted::Catalog, "k"),
            ("SHOW TABLES FROM sh|", Wanted::Database, "sh"),
            ("SHOW DATABASES FROM |", Wanted::Catalog, ""),
            ("DROP DATABASE IF|", Wanted::Database, "IF"),
            ("SHOW |", Wanted::Words(WORDS[2].1), ""),
            ("show create t|", Wanted::Words(WORDS[1].1), "t"),
            ("DESCRIBE or|", Wanted::Table, "or"),
            ("DESCRIBE '|", Wanted::File, "'"),
            ("SELECT * FROM 'da|", Wanted::File, "'da"),
            ("SELECT 'it;s'; SELECT * FROM o|", Wanted::Table, "o"),
            ("SELECT * FROM a JOIN `db.p|", Wanted::Table, "`db.p"),
            ("SELECT * FROM a, |", Wanted::Table, ""),
            ("INSERT INTO |", Wanted::Table, ""),
            ("CREATE TABLE t (a INT) WITH ('|", Wanted::Option, "'"),
            ("CREATE TABLE t (a INT) WITH ('format' = 'json', 'js|", Wanted::Option, "'js"),
            ("CREATE TABLE t (a INT) WITH ('format' = '|", Wanted::OptionValue("format".into()), "'"),
            ("SET 'exe|", Wanted::Setting, "'exe"),
            ("SELECT 'x|", Wanted::Nothing, "'x"),
            ("SELECT 1 /* FROM |", Wanted::Nothing, "/* FROM "),
            ("SEL|", Wanted::Expression(Vec::new()), "SEL"),
            ("|", Wanted::Expression(Vec::new()), ""),
            (
                "SELECT a, | FROM shop.orders AS o JOIN `x y` ON ",
                Wanted::Expression(vec![
                    (vec!["shop".into(), "orders".into()], "o".into()),
                    (vec!["x y".into()], "x y".into()),
                ]),
                "",
            ),
            (
                "SELECT * FROM a, b c WHERE c.|; SELECT * FROM d",
                Wanted::Expression(vec![(vec!["a".into()], "a".into()), (vec!["b".into()], "c".into())]),
                "",
            ),
        ] {
            let context = at(text);
            assert_eq!((context.wanted, context.typed.as_str()), (wanted, typed), "{text}");
        }
        assert_eq!(at("SELECT * FROM kulya.`shop`.or|").qualifiers, ["kulya", "shop"]);
        assert_eq!(at("SELECT * FROM kulya.|").qualifiers, ["kulya"]);
        assert_eq!(at("SELECT é, or|").start, 11);
    }
}
