//! Flink's own parser, which `cargo xtask flink-parser` starts: what it accepts, and where it refuses.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

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
