//! Tests of whole statements: those in `accepted.txt` are parsed and printed canonically, those in
//! `refused.txt` are refused with an error, and queries in `rewritten.txt` become other queries for
//! DataFusion.
//!
//! A block of a file is a statement, a line `=>`, the result, and a line `----`.

mod any_text;
mod drawn;

use super::error::DialectErrorKind;
use super::*;

fn parse_one(text: &str) -> DialectResult<Statement> {
    let mut parsed = parse(text)?;
    assert_eq!(parsed.len(), 1, "{text}");
    Ok(parsed.remove(0))
}

/// Compares the results of a file's statements; `KULYA_REGENERATE=1` writes them.
fn check_file(name: &str, result: impl Fn(&str) -> String) -> usize {
    let path = format!("{}/src/dialect/tests/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut written = String::new();
    let mut count = 0;
    for block in text.split_terminator("\n----\n") {
        let (statement, expected) = block.split_once("\n=>\n").unwrap_or((block, ""));
        let result = result(statement);
        if std::env::var_os("KULYA_REGENERATE").is_none() {
            assert_eq!(result, expected, "{statement}");
        }
        written.push_str(&format!("{statement}\n=>\n{result}\n----\n"));
        count += 1;
    }
    if std::env::var_os("KULYA_REGENERATE").is_some() {
        std::fs::write(&path, written).unwrap();
    }
    count
}

#[test]
fn statements_are_accepted_and_printed_canonically() {
    let count = check_file("accepted.txt", |statement| {
        let parsed = parse_one(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        let printed = parsed.to_string();
        for text in [&printed, &format!("{parsed:#}")] {
            let again = parse_one(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(again, parsed, "{text}");
        }
        printed
    });
    assert!(count >= 150, "{count} statements");
}

#[test]
fn statements_are_refused_with_their_position() {
    let count = check_file("refused.txt", |statement| match parse(statement) {
        Ok(parsed) => panic!("{statement} is accepted: {parsed:?}"),
        Err(error) => {
            assert!(error.position.is_some(), "{statement}");
            format!("{:?}: {error}", error.kind)
        }
    });
    assert!(count >= 100, "{count} statements");
}

#[test]
fn queries_are_rewritten() {
    check_file("rewritten.txt", |statement| match parse_one(statement) {
        Ok(Statement { kind: StatementKind::Query(query), .. }) => {
            query.query.value.to_string().replace('\0', "$")
        }
        Ok(other) => panic!("{other}"),
        Err(error) => panic!("{statement}: {error}"),
    });
}

#[test]
fn statements_that_are_not_supported_are_refused_by_name() {
    for (words, name) in unsupported::STATEMENTS {
        let text = format!("\n {} x", words.join(" ").to_lowercase());
        let error = parse(&text).unwrap_err();
        assert_eq!(error.to_string(), format!("{name} is not supported yet at line 2, column 2"));
        assert_eq!(error.kind, DialectErrorKind::NotSupported);
    }
}

#[test]
fn scripts_are_split_into_statements() {
    let script =
        "USE d;\n\nSELECT 'a;b'; -- end ;\n  EXECUTE STATEMENT SET BEGIN\nINSERT INTO t SELECT 1;END;;";
    let statements = parse(script).unwrap();
    let positions: Vec<_> = statements.iter().map(|s| (s.position().line, s.position().column)).collect();
    assert_eq!(positions, [(1, 1), (3, 1), (4, 3)]);
    assert_eq!(statements.iter().filter(|s| s.is_query()).count(), 1);
    assert_eq!(parse(" ; -- nothing\n ; ").unwrap(), []);
    let error = parse("SELECT 1;\nSELECT 1 +").unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected an expression, found the end of the statement at line 2, column 11"
    );
}

#[test]
fn hints_and_files_of_a_query_are_numbered() {
    let text = "SELECT /*+ LOOKUP('table'='x') */ * FROM c.d.t /*+ OPTIONS('a'='1') */ JOIN 'x/y.csv' ON true \
                JOIN t /*+ OPTIONS('b' = '2') */ AS z ON true, (SELECT * FROM\n'x/y.csv') AS q";
    let Statement { kind: StatementKind::Query(query), .. } = parse_one(text).unwrap() else {
        panic!("{text}")
    };
    let hints: Vec<_> =
        query.hints.iter().flat_map(|hint| hint.options.iter().map(ToString::to_string)).collect();
    assert_eq!(hints, ["'a' = '1'", "'b' = '2'"]);
    let files: Vec<_> = query.files.iter().map(|f| (f.path.as_str(), f.position.0.line)).collect();
    assert_eq!(files, [("x/y.csv", 1), ("x/y.csv", 2)]);
    assert_eq!(query.ignored_hints, ["LOOKUP"]);
    use rewrite::{TableReferenceKind, table_reference};
    assert_eq!(table_reference("t\0hint12"), TableReferenceKind::Hinted("t", 12));
    assert_eq!(table_reference("\0file1"), TableReferenceKind::File(1));
    assert_eq!(table_reference("t"), TableReferenceKind::Table("t"));
}
