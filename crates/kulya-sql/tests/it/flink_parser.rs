//! Flink's own parser, which `cargo xtask flink-parser` starts: what it accepts, and where it refuses.

use crate::drawn_statements;
use std::collections::{HashMap, HashSet};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

/// How many statements are drawn of each kind: valid ones, and such with a changed token.
const DRAWN: usize = 300;

/// A connection to Flink's parser.
pub(crate) struct FlinkParser {
    answers: BufReader<TcpStream>,
}

/// Where and why Flink refuses a statement; line and column begin at 1, and are 0 where it gives no position.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl FlinkParser {
    pub(crate) fn connect() -> Self {
        let address = std::env::var("KULYA_TEST_FLINK_PARSER");
        let address = address.expect("cargo xtask flink-parser sets KULYA_TEST_FLINK_PARSER");
        Self { answers: BufReader::new(TcpStream::connect(address).unwrap()) }
    }

    /// Parses statements, and returns the class of each.
    pub(crate) fn parse(&mut self, statements: &str) -> Result<Vec<String>, Refusal> {
        let mut request = u32::try_from(statements.len()).unwrap().to_be_bytes().to_vec();
        request.extend(statements.as_bytes());
        self.answers.get_mut().write_all(&request).unwrap();
        let mut length = [0; 4];
        self.answers.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.answers.read_exact(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (first, rest) = answer.split_once('\n').unwrap_or((&answer, ""));
        if first == "ok" {
            return Ok(rest.lines().map(str::to_owned).collect());
        }
        let mut position = first.split(' ').skip(1).map(|number| number.parse().unwrap());
        let (line, column) = (position.next().unwrap(), position.next().unwrap());
        Err(Refusal { line, column, message: rest.to_owned() })
    }
}

#[test]
#[ignore = "needs Flink's parser: cargo xtask flink-parser"]
fn flink_parser_tells_kinds_and_positions() {
    let mut parser = FlinkParser::connect();
    let kinds = parser.parse("CREATE TABLE `t` (a INT) WITH ('ключ' = 'значение'); SELECT 1;");
    assert_eq!(kinds.unwrap(), ["SqlCreateTable", "SqlSelect"]);
    for (statement, line, column, message) in [
        ("SELECT 1\nFROM", 2, 4, "Encountered \"<EOF>\""),
        ("CREATE TABLE t (a INT METADATA FORM 'x')", 1, 32, "Encountered \"FORM\""),
        // the grammar has it: the statement refuses it itself
        ("CREATE TABLE t (a INT, PRIMARY KEY (a))", 1, 38, "Flink doesn't support ENFORCED mode"),
        ("SELECT 1 # 2", 1, 10, "Lexical error"),
    ] {
        let refusal = parser.parse(statement).unwrap_err();
        assert_eq!((refusal.line, refusal.column), (line, column), "{statement}");
        assert!(refusal.message.starts_with(message), "{statement}: {}", refusal.message);
    }
}

/// The statements of this crate's test files: those that are executed, and those of the parser's tests.
fn statements() -> Vec<String> {
    let parsers = ["accepted.txt", "refused.txt"].map(|name| {
        let path = format!("{}/src/dialect/tests/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    });
    let statement = |block: &str| block.split_once("\n=>\n").map(|(statement, _)| statement.to_owned());
    let mut statements: Vec<String> =
        parsers.iter().flat_map(|text| text.split_terminator("\n----\n").filter_map(statement)).collect();
    statements.extend(crate::slt::all_statements());
    let mut seen = HashSet::new();
    statements.retain(|statement| seen.insert(statement.clone()));
    statements
}

/// Compares what the two parsers accept. What only one of them accepts stands in a file, each statement after
/// the name of its rule:
///
/// - more than Flink: forms of SQLite, DuckDB and PostgreSQL that users try, and names that are unambiguous;
/// - not supported yet: Flink has it, and Kulya refuses it by name;
/// - refused by Flink after parsing: types, names and arguments that its validation does not know;
/// - without a meaning: its grammar lets it pass, and nothing executes it.
///
/// `KULYA_REGENERATE=1` adds what is missing, with `?` for the rule.
fn compare(statements: &[String], file: &str) {
    let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let known = std::fs::read_to_string(&path).unwrap();
    let rules: HashMap<&str, &str> =
        known.lines().filter_map(|line| line.split_once(": ").map(|(rule, text)| (text, rule))).collect();
    let mut parser = FlinkParser::connect();
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for statement in statements {
        let (ours, flinks) = (kulya_sql::parse_statements(statement), parser.parse(statement));
        if ours.is_ok() == flinks.is_ok() {
            continue;
        }
        let by = if ours.is_ok() { "Kulya accepts" } else { "Flink accepts" };
        let text = format!("{by} {}", serde_json::to_string(&statement).unwrap());
        let rule = rules.get(text.as_str()).copied().unwrap_or("?");
        if rule == "?" {
            let ours = ours.err().map(|error| error.to_string());
            unknown.push(format!("{text}: {ours:?} {:?}", flinks.err()));
        }
        found.push(format!("{rule}: {text}"));
    }
    found.sort();
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        std::fs::write(&path, found.join("\n") + "\n").unwrap();
    }
    assert!(
        unknown.is_empty(),
        "{} of {} statements:\n{}",
        unknown.len(),
        statements.len(),
        unknown.join("\n")
    );
    assert_eq!(found, known.lines().collect::<Vec<_>>(), "what is no difference any more is removed");
}

#[test]
#[ignore = "needs Flink's parser: cargo xtask flink-parser"]
fn flink_parser_accepts_the_same_statements_but_for_named_rules() {
    let statements = statements();
    assert!(statements.len() >= 450, "{} statements", statements.len());
    compare(&statements, "flink_differences.txt");
}

#[test]
#[ignore = "needs Flink's parser: cargo xtask flink-parser"]
fn flink_parser_accepts_the_same_drawn_statements_but_for_named_rules() {
    compare(&drawn_statements::statements(DRAWN), "flink_drawn_differences.txt");
}
