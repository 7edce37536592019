//! Texts drawn at random and statements beyond the limits: none is a panic, and what is accepted is printed
//! as an equal statement. The seed of each case is its number.

use crate::dialect::error::{DialectErrorKind, DialectResult};
use crate::dialect::parse;
use crate::dialect::statement::Statement;
use kulya_testkit::SeededRng;

/// Draws texts of pieces of statements, most of them wrong.
fn text(rng: &mut SeededRng) -> String {
    const PIECES: &[&str] = &[
        "SELECT",
        "FROM",
        "t",
        "(",
        ")",
        "(",
        ")",
        ",",
        "*",
        "'a'",
        "`b`",
        "1",
        "1.5",
        ";",
        "CREATE",
        "TABLE",
        "WITH",
        "=",
        "AS",
        "INT",
        "ROW",
        "<",
        ">",
        ">>",
        "<>",
        "MAP",
        "[",
        "]",
        "ARRAY",
        "INTERVAL",
        "'5'",
        "SECOND",
        "WATERMARK",
        "FOR",
        "PRIMARY",
        "KEY",
        "NOT",
        "ENFORCED",
        "METADATA",
        "COMMENT",
        "/*+ OPTIONS('a'='b') */",
        "/*+ X */",
        "-- c\n",
        "\"",
        "'",
        "`",
        "/*",
        "INSERT",
        "INTO",
        "VALUES",
        "BEGIN",
        "STATEMENT",
        "SET",
        "END",
        "EXECUTE",
        "EXPLAIN",
        "CASE",
        "WHEN",
        "THEN",
        "ELSE",
        "JOIN",
        "ON",
        "UNION",
        "GROUP",
        "BY",
        "TUMBLE",
        "HOP",
        "SESSION",
        "DESCRIPTOR",
        "CAST",
        "JSON_VALUE",
        "JSON_OBJECT",
        "IS",
        "JSON",
        "BETWEEN",
        "SYMMETRIC",
        "AND",
        "OVER",
        "PARTITION",
        "LATERAL",
        "UNNEST",
        "FLOOR",
        "TO",
        "DAY",
        "é",
        "\0",
        "$",
        ".",
        "..",
        "-",
        "=>",
        "::",
        "{",
        "}",
        "@",
        "?",
        "#",
        "U&'\\00e9'",
        "x'AB'",
        "10L",
        "MATCH_RECOGNIZE",
        "TRIM",
        "EXTRACT",
        "POSITION",
        "IN",
        "EXISTS",
        "ALTER",
        "ADD",
        "DROP",
        "MODIFY",
        "SHOW",
        "TABLES",
        "LIKE",
        "USE",
        "DESCRIBE",
        "RESET",
        "HAVING",
        "ORDER",
        "LIMIT",
        "NULL",
        "TIMESTAMP",
        "TIMESTAMPADD",
        "DECIMAL",
    ];
    let pieces = (0..rng.index(25)).map(|_| PIECES[rng.index(PIECES.len())]);
    pieces.collect::<Vec<_>>().join(if rng.index(4) == 0 { "" } else { " " })
}

#[test]
fn any_text_is_parsed_or_refused() {
    const STARTS: &[&str] =
        &["", "", "SELECT ", "SELECT * FROM ", "CREATE TABLE t (a ", "CREATE TABLE t (", "INSERT INTO t "];
    for seed in 0..6000 {
        let mut rng = SeededRng::new(seed);
        let text = format!("{}{}", STARTS[rng.index(STARTS.len())], text(&mut rng));
        let parsed = parse(&text);
        assert_no_panic(&parsed, &text);
        if let Ok(statements) = parsed {
            // what is accepted is printed as an equal statement
            for statement in statements {
                let printed = statement.to_string();
                let again =
                    parse(&printed).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}\n{printed}"));
                assert_eq!(again.len(), 1, "seed {seed}: {printed}");
                assert_eq!(again[0].kind, statement.kind, "seed {seed}: {text}\n{printed}");
            }
        }
    }
}

#[test]
fn nested_statements_are_refused_in_bounded_time() {
    for (before, inside, after) in [
        ("SELECT ", "(", ""),
        ("SELECT ", "CASE WHEN ", ""),
        ("SELECT ", "NOT ", ""),
        ("SELECT ", "- ", ""),
        ("SELECT ", "f(", ""),
        ("SELECT ", "CAST(", ""),
        ("SELECT ", "ARRAY[", ""),
        ("SELECT ", "MAP[1, ", ""),
        ("SELECT ", "JSON_OBJECT('a' VALUE ", ""),
        ("SELECT ", "a IN (", ""),
        ("SELECT ", "INTERVAL ", ""),
        ("SELECT CAST(a AS ", "ROW<a ", ""),
        ("CREATE TABLE t (a ", "ARRAY<", ""),
        ("CREATE TABLE t (a ", "INT ARRAY ", ""),
        ("SELECT * FROM ", "(", ""),
        ("SELECT * FROM ", "(SELECT * FROM ", ""),
        ("SELECT * FROM ", "((SELECT * FROM ", ""),
        ("SELECT * FROM ", "t JOIN (", ""),
        ("SELECT * FROM ", "TABLE(", ""),
        ("SELECT * FROM ", "LATERAL (", ""),
        ("SELECT * FROM TABLE(TUMBLE(TABLE ", "(SELECT * FROM ", ""),
        ("SELECT 1 WHERE ", "EXISTS (SELECT 1 WHERE ", ""),
        ("", "WITH a AS (", ""),
        ("", "EXPLAIN ", ""),
        ("", "(", ""),
        ("SELECT 1", " UNION (SELECT 1", ""),
        ("SELECT 1", " + 1", " +"),
        ("SELECT a", ".a", "."),
        ("SELECT a", "[1]", "["),
        ("SELECT a", "::INT", "::"),
        ("SELECT * FROM t", ", t", ","),
        ("INSERT INTO t ", "(", ""),
    ] {
        for times in [5, 15, 60, 495, 990, 5000] {
            let text = format!("{before}{}{after}", inside.repeat(times));
            let parsed = parse(&text);
            assert_no_panic(&parsed, &text);
            if let Err(error) = parsed {
                assert_ne!(error.kind, DialectErrorKind::NotSupported, "{text:.80}: {error}");
            }
        }
    }
}

/// A panic of the parsing thread has an error without a position.
fn assert_no_panic(parsed: &DialectResult<Vec<Statement>>, text: &str) {
    if let Err(error) = parsed {
        assert!(error.position.is_some(), "{text}: {error}");
    }
}
