//! The records of a file: statements and queries, with what they give.
//!
//! ```text
//! skipif mysql # not compatible
//! query II rowsort label-7
//! SELECT a, b FROM t1
//! ----
//! 1
//! 2
//! ```
//!
//! Values stand one a line, or `8 values hashing to …` stands for them.

/// The database whose records are run, as `skipif` and `onlyif` name it.
const DATABASE: &str = "kulya";

#[derive(Debug, PartialEq)]
pub(super) struct Record {
    /// The number of its first line.
    pub(super) line: usize,
    pub(super) sql: String,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// A statement, and whether it succeeds.
    Statement { ok: bool },
    /// A query: a letter for the type of each column, the order, and the values.
    Query { types: String, order: Order, expected: Expected },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    AsGiven,
    Rows,
    Values,
}

#[derive(Debug, PartialEq)]
pub(super) enum Expected {
    Values(Vec<String>),
    /// The number of values and the MD5 hash of their lines.
    Hash(usize, String),
}

/// Parses a file. Records of other databases are left out.
pub(super) fn parse(text: &str) -> Vec<Record> {
    let lines: Vec<&str> = text.lines().collect();
    let mut records = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim().is_empty() || lines[at].starts_with('#') {
            at += 1;
            continue;
        }
        let end = at + lines[at..].iter().position(|line| line.trim().is_empty()).unwrap_or(lines.len() - at);
        let (is_ours, head) = conditions(&lines[at..end]);
        let at_head = at + head;
        at = end;
        let words: Vec<&str> = lines.get(at_head).unwrap_or(&"").split_whitespace().collect();
        match words.as_slice() {
            _ if !is_ours => {}
            ["halt", ..] => break,
            ["statement", result, ..] => {
                let sql = lines[at_head + 1..end].join("\n");
                records.push(Record {
                    line: at_head + 1,
                    sql,
                    kind: Kind::Statement { ok: *result == "ok" },
                });
            }
            ["query", types, rest @ ..] => {
                let block = &lines[at_head + 1..end];
                let split = block.iter().position(|line| *line == "----").unwrap_or(block.len());
                let values = block.get(split + 1..).unwrap_or_default();
                let order = match rest.first() {
                    Some(&"rowsort") => Order::Rows,
                    Some(&"valuesort") => Order::Values,
                    _ => Order::AsGiven,
                };
                let kind = Kind::Query { types: (*types).to_owned(), order, expected: expected(values) };
                records.push(Record { line: at_head + 1, sql: block[..split].join("\n"), kind });
            }
            // the threshold of hashes is of programs that write such files
            _ => {}
        }
    }
    records
}

/// Reads the conditions before a record: whether it is for this database, and how many lines they are.
fn conditions(block: &[&str]) -> (bool, usize) {
    let mut is_ours = true;
    for (index, line) in block.iter().enumerate() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("onlyif"), name) => is_ours &= name == Some(DATABASE),
            (Some("skipif"), name) => is_ours &= name != Some(DATABASE),
            (Some(word), _) if word.starts_with('#') => {}
            _ => return (is_ours, index),
        }
    }
    (false, block.len())
}

fn expected(values: &[&str]) -> Expected {
    if let [line] = values
        && let Some((count, hash)) = line.split_once(" values hashing to ")
    {
        return Expected::Hash(count.parse().unwrap(), hash.to_owned());
    }
    Expected::Values(values.iter().map(ToString::to_string).collect())
}

#[test]
fn records_of_other_databases_are_left_out() {
    let text = "hash-threshold 8\n\nstatement ok\nCREATE TABLE t(a INTEGER)\n\nskipif mysql # no\nquery I rowsort x1\nSELECT a\nFROM t\n----\n1\nNULL\n\n\
                onlyif mysql\nquery I nosort\nSELECT 2\n----\n2\n\n# a comment\n\nquery T nosort\nSELECT ''\n----\n9 values hashing to ab\n\nonlyif oracle\nhalt\n\n\
                statement error\nX\n\nhalt\n\nstatement ok\nY\n";
    let query = |types: &str, order, expected| Kind::Query { types: types.to_owned(), order, expected };
    let of = |line, sql: &str, kind| Record { line, sql: sql.to_owned(), kind };
    let values = Expected::Values(vec!["1".to_owned(), "NULL".to_owned()]);
    assert_eq!(
        parse(text),
        [
            of(3, "CREATE TABLE t(a INTEGER)", Kind::Statement { ok: true }),
            of(7, "SELECT a\nFROM t", query("I", Order::Rows, values)),
            of(22, "SELECT ''", query("T", Order::AsGiven, Expected::Hash(9, "ab".to_owned()))),
            of(30, "X", Kind::Statement { ok: false }),
        ]
    );
}
